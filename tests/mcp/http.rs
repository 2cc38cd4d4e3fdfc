//! The door over HTTP: both eras on one endpoint, and what keeps others out.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
};

use remit_core::limit::{MCP_HEADERS_MAX, MCP_MESSAGE_MAX_BYTES, MCP_SESSIONS_MAX, SERIES_WAITS_MAX, SESSION_ARGUMENTS_MAX_BYTES};
use remit_tests::{
    Shell,
    client::{HANDSHAKE, STATELESS},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::project;

/// A server that was started, and where it is.
pub(super) struct Server {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    pub authority: String,
}

/// What was answered.
pub(super) struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Server {
    pub fn start(shell: &Shell) -> Self {
        Self::start_with(shell, &["--http", "127.0.0.1:0"])
    }

    /// With further arguments.
    pub fn start_with(shell: &Shell, arguments: &[&str]) -> Self {
        let mut command = shell.command(&[&["mcp"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        stderr.read_line(&mut said).expect("text");
        let (_, url) = said.trim_end().rsplit_once(' ').expect("it says where it is");
        let authority = url.strip_prefix("http://").and_then(|url| url.strip_suffix("/mcp")).expect("a URL").to_owned();
        Self { child, stderr, authority }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.authority)
    }

    pub fn process(&self) -> &Child {
        &self.child
    }

    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.authority).expect("it listens")
    }

    /// A request as it goes over the wire, and a connection that its answer comes on.
    pub fn begin(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> BufReader<TcpStream> {
        let mut stream = self.connect();
        let has = |name: &str| headers.iter().any(|(one, _)| one.eq_ignore_ascii_case(name));
        let (mut head, length) = (format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n"), body.len().to_string());
        let usual = [
            ("content-length", length.as_str()),
            ("host", self.authority.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        for (name, value) in usual.iter().filter(|(name, _)| !has(name)).chain(headers) {
            head += &format!("{name}: {value}\r\n");
        }
        // A server that has heard enough answers and closes.
        drop(stream.write_all(format!("{head}\r\n{body}").as_bytes()));
        BufReader::new(stream)
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (mut text, mut stream) = (Vec::new(), self.begin(method, path, headers, body));
        drop(stream.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn post(&self, headers: &[(&str, &str)], message: &Value) -> Answer {
        self.send("POST", "/mcp", headers, &message.to_string())
    }

    /// A request without a handshake, with the headers that belong to it.
    pub fn stateless(&self, method: &str, params: Value, headers: &[(&str, &str)]) -> Answer {
        let message = stateless(method, params);
        let mut all = vec![("mcp-protocol-version", STATELESS), ("mcp-method", method)];
        let name = message["params"]["name"].as_str().map(|name| ("mcp-name", name));
        all.extend(name);
        all.retain(|(name, _)| !headers.iter().any(|(one, _)| one == name));
        all.extend(headers);
        self.post(&all, &message)
    }

    /// Opens a session by the handshake.
    pub fn session(&self, headers: &[(&str, &str)]) -> Answer {
        let info = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": info });
        self.post(headers, &json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }))
    }

    pub fn end(mut self, signal: Signal) -> (String, Option<i32>) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).expect("text");
        (stderr, self.child.wait().expect("it ends").code())
    }
}

/// A server that outlived its test would hold on to what it inherited.
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub fn stateless(method: &str, mut params: Value) -> Value {
    let client = json!({ "name": "test", "version": "1" });
    for (name, value) in [("protocolVersion", json!(STATELESS)), ("clientInfo", client), ("clientCapabilities", json!({}))] {
        params["_meta"][format!("io.modelcontextprotocol/{name}")] = value;
    }
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

impl Answer {
    /// The messages in it, whether it is one as JSON or a stream of them.
    pub fn messages(&self) -> Vec<Value> {
        let lines = self.body.lines().map(|line| line.strip_prefix("data:").unwrap_or(line).trim());
        lines.filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.split_once(": ").filter(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }
}

fn answer() -> Value {
    json!({ "name": "raw__answer", "arguments": {} })
}

#[test]
fn both_eras_are_served_at_one_endpoint() {
    let shell = project(&[("raw", "raw-tool")]);
    let server = Server::start(&shell);
    let called = server.stateless("tools/call", answer(), &[]);
    let last = called.messages().pop().expect("an answer");
    assert_eq!((called.status, &last["result"]["structuredContent"]["result"]), (200, &json!(42)), "{}", called.body);
    assert_eq!(called.header("mcp-session-id"), None, "there are no sessions without a handshake");

    let opened = server.session(&[]);
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", HANDSHAKE)];
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": answer() });
    let called = server.post(&headers, &call);
    assert_eq!(called.messages().pop().expect("an answer")["result"]["structuredContent"]["result"], 42, "{}", called.body);
    let gone = [("mcp-session-id", "nonsense"), ("mcp-protocol-version", HANDSHAKE)];
    assert_eq!(server.post(&gone, &call).status, 404);
    assert_eq!(server.send("DELETE", "/mcp", &headers, "").status, 202);
    assert_eq!(server.post(&headers, &call).status, 404, "a session that was closed is closed");
}

/// Progress comes on the stream of its request.
#[test]
fn an_answer_is_a_stream_where_there_is_more_to_tell() {
    let shell = project(&[("raw", "raw-tool")]);
    let server = Server::start(&shell);
    let params = json!({ "name": "raw__progress", "arguments": {}, "_meta": { "progressToken": "p" } });
    let called = server.stateless("tools/call", params, &[]);
    assert_eq!(called.header("content-type"), Some("text/event-stream"), "{}", called.head);
    let messages = called.messages();
    assert_eq!(messages.iter().filter(|message| message["method"] == "notifications/progress").count(), 4, "{messages:?}");
    assert_eq!(messages.last().expect("the answer")["result"]["isError"], false);
}

/// In one session a second request with the id of one that runs is refused, and the first one goes on; without sessions, each request
/// stands for itself.
#[test]
fn an_id_that_is_in_use_in_a_session_is_refused() {
    let shell = project(&[("raw", "raw-tool"), ("hostile", "hostile")]);
    let server = Server::start(&shell);
    let session = server.session(&[]).header("mcp-session-id").expect("a session").to_owned();
    let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", HANDSHAKE)];
    let params = json!({ "name": "hostile__wait_forever", "arguments": {}, "_meta": { "progressToken": "p" } });
    let waits = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params });
    let mut first = server.begin("POST", "/mcp", &headers, &waits.to_string()).lines();
    first.find(|line| line.as_ref().is_ok_and(|line| line.contains("progressToken"))).expect("it runs").expect("text");
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": answer() });
    let refused = server.post(&headers, &call).messages().pop().expect("an answer");
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(2), &json!(-32600)), "{refused}");
    let other = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": answer() });
    assert_eq!(server.post(&headers, &other).messages().pop().expect("an answer")["result"]["structuredContent"]["result"], 42);
    drop(first);
    let again = server.post(&headers, &other).messages().pop().expect("an answer");
    assert_eq!(again["result"]["structuredContent"]["result"], 42, "an id is free again after its answer");
}

/// M12: a page in a browser cannot talk to it, whatever name it gave this machine.
#[test]
fn a_browser_on_another_page_is_refused() {
    let shell = project(&[("raw", "raw-tool")]);
    let server = Server::start(&shell);
    let own = format!("http://{}", server.authority);
    let other_port = "http://127.0.0.1:1";
    let refused: [(&str, &str); 6] = [
        ("host", "example.com"),
        ("host", "127.0.0.1.example.com"),
        ("origin", "http://example.com"),
        ("origin", "null"),
        ("origin", other_port),
        ("origin", "https://127.0.0.1"),
    ];
    for (name, value) in refused {
        let called = server.stateless("tools/call", answer(), &[(name, value)]);
        assert_eq!(called.status, 403, "{name}: {value}: {}", called.body);
    }
    for headers in [vec![("origin", own.as_str())], vec![("host", "localhost")], vec![]] {
        assert_eq!(server.stateless("tools/call", answer(), &headers).status, 200, "{headers:?}");
    }
}

/// M13: what the headers say is what the body says.
/// An answer that a browser is made to open is neither page nor script in it.
#[test]
fn m21_no_answer_is_a_page_whatever_a_tool_wrote_into_it() {
    let shell = project(&[("raw", "raw-tool")]);
    let server = Server::start(&shell);
    let page = "<html><script>alert(1)</script></html>";
    let echo = json!({ "name": "raw__echo", "arguments": { "text": page } });
    let answer = server.stateless("tools/call", echo, &[]);
    let said = answer.messages().pop().expect("an answer");
    assert_eq!(said["result"]["structuredContent"]["text"], page, "it arrives as it is: {said}");
    let others = [server.send("GET", "/page.html", &[], ""), server.send("POST", "/mcp", &[], page)];
    for answer in others.iter().chain([&answer]) {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{}", answer.head);
        assert!(!answer.header("content-type").is_some_and(|media| media.contains("html")), "{}", answer.head);
    }
    assert!(others.iter().all(|answer| !answer.body.contains("<script>")), "nothing of a request comes back in a refusal");
}

#[test]
fn headers_that_differ_from_the_body_are_refused() {
    let shell = project(&[("raw", "raw-tool")]);
    let server = Server::start(&shell);
    let differing = [("mcp-method", "tools/list"), ("mcp-name", "raw__failed"), ("mcp-protocol-version", HANDSHAKE)];
    for (name, value) in differing {
        let called = server.stateless("tools/call", answer(), &[(name, value)]);
        assert_eq!(called.status, 400, "{name}: {}", called.body);
    }
    assert_eq!(server.stateless("tools/call", answer(), &[]).status, 200);
}

#[test]
fn what_is_too_large_or_no_message_is_refused() {
    let shell = project(&[("raw", "raw-tool")]);
    let server = Server::start(&shell);
    let large = stateless("tools/call", json!({ "name": "x".repeat(MCP_MESSAGE_MAX_BYTES) }));
    assert_eq!(server.post(&[], &large).status, 413);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["", "{", "[]", &deep] {
        let status = server.send("POST", "/mcp", &[], body).status;
        assert!((400..500).contains(&status), "{status} for {} bytes", body.len());
    }
    let many: Vec<(String, String)> = (0..=MCP_HEADERS_MAX).map(|number| (format!("x-{number}"), "x".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(server.stateless("tools/call", answer(), &many).status, 431);
    assert_eq!(server.send("GET", "/", &[], "").status, 404);
    assert_eq!(server.send("PUT", "/mcp", &[], "").status, 405);
    assert_eq!(server.stateless("tools/call", answer(), &[]).status, 200);
}

/// M14: who opens sessions without end gets no more of them, and nobody else is kept out by that.
#[test]
fn sessions_are_bounded() {
    let shell = project(&[("raw", "raw-tool")]);
    let server = Server::start(&shell);
    let opened = (0..=MCP_SESSIONS_MAX).filter(|_| server.session(&[]).status == 200).count();
    assert_eq!(opened, MCP_SESSIONS_MAX);
    assert_eq!(server.stateless("tools/call", answer(), &[]).status, 200);
}

/// Without keys, nobody else can be told apart.
#[test]
fn without_keys_only_this_machine_is_served() {
    let shell = project(&[("raw", "raw-tool")]);
    insta::assert_snapshot!("no_name", shell.transcript(&["mcp", "--http", "0.0.0.0:0"]));
    insta::assert_snapshot!("no_key", shell.transcript(&["mcp", "--http", "0.0.0.0:0", "--host", "tools.example.com"]));
    insta::assert_snapshot!("no_address", shell.transcript(&["mcp", "--http", "nonsense"]));
    insta::assert_snapshot!("no_host", shell.transcript(&["mcp", "--http", "127.0.0.1:0", "--host", "a user@b"]));
    for others in
        [&["--http", "[::]:0"][..], &["--http", "127.0.0.1:0", "--host", "localhost"], &["--http", "127.0.0.1:0", "--require-key"]]
    {
        assert_eq!(shell.run(&[&["mcp"], others].concat()).status.code(), Some(2), "{others:?}");
    }
}

/// A client that breaks off ends its guest: what was asked of it is not done behind its back.
#[test]
fn sigterm_lets_a_running_call_end_and_takes_no_more() {
    let shell = project(&[("hostile", "hostile")]);
    let server = Server::start(&shell);
    let params = json!({ "name": "hostile__sleep", "arguments": { "milliseconds": 1500 }, "_meta": { "progressToken": "p" } });
    let headers = [("mcp-protocol-version", STATELESS), ("mcp-method", "tools/call"), ("mcp-name", "hostile__sleep")];
    let mut stream = server.begin("POST", "/mcp", &headers, &stateless("tools/call", params).to_string());
    let mut heard = String::new();
    while !heard.contains("asleep") {
        assert_ne!(stream.read_line(&mut heard).expect("a stream"), 0, "it runs before the signal comes: {heard}");
    }
    let authority = server.authority.clone();
    let (_, code) = server.end(Signal::TERM);
    assert_eq!(code, Some(143));
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the answer");
    assert!(text.contains("awake"), "{text}");
    assert_eq!(shell.audit(1).len(), 1);
    assert!(TcpStream::connect(authority).is_err(), "nobody listens any more");
}

/// Over HTTP a call belongs to the session that it names, and to none without, unless it has to wait for an approval.
#[test]
fn a_call_over_http_belongs_to_the_session_that_it_names() {
    let shell = super::in_session::project("\"strike\"");
    let server = Server::start(&shell);
    let call = |tool: &str, meta: Value| {
        let answer = server.stateless("tools/call", json!({ "name": tool, "arguments": {}, "_meta": meta }), &[]);
        answer.messages().pop().expect("an answer")["result"].clone()
    };
    let session = |result: &Value| result["_meta"]["remit/session"].clone();
    assert_eq!(session(&call("counter__bump", json!({}))), Value::Null);
    let named = call("counter__bump", json!({ "remit/session": "desk" }));
    assert_eq!(session(&call("counter__read_count", json!({ "remit/session": "desk" }))), session(&named));
    assert_eq!(session(&call("counter__read_count", json!({ "remit/session": session(&named) }))), session(&named));
    let waiting = call("counter__strike", json!({ "remit/session": "desk" }));
    assert!(waiting["_meta"]["remit/waiting"]["approval"].is_string(), "{waiting}");
    assert_eq!(session(&waiting), session(&named));

    // One that names none waits in a session of its principal's: the same call finds what became of it.
    let waiting = call("counter__strike", json!({}));
    let approval = waiting["_meta"]["remit/waiting"]["approval"].as_str().unwrap_or_else(|| panic!("{waiting}"));
    assert_ne!(session(&waiting), session(&named));
    assert!(shell.run(&["approval", "approve", approval]).status.success());
    let done = call("counter__strike", json!({}));
    assert_eq!((&done["isError"], session(&done)), (&json!(false), session(&waiting)), "{done}");
}

/// Calls that name no session wait in one, so that there is a bound on them, too (M18).
#[test]
fn what_waits_without_a_session_is_bounded() {
    let shell = super::in_session::project("\"strike\"");
    let server = Server::start(&shell);
    let call = |note: &str| {
        let answer = server.stateless("tools/call", json!({ "name": "counter__strike", "arguments": { "note": note } }), &[]);
        answer.messages().pop().expect("an answer")["result"].clone()
    };
    for number in 0..SERIES_WAITS_MAX {
        assert!(call(&number.to_string())["_meta"]["remit/waiting"]["approval"].is_string());
    }
    let refused = call("one more");
    assert!(refused["content"][0]["text"].as_str().is_some_and(|text| text.contains("wait for an approval already")), "{refused}");
    assert!(call("0")["_meta"]["remit/waiting"]["approval"].is_string(), "the twin: what waits is found");
    let large = call(&"x".repeat(SESSION_ARGUMENTS_MAX_BYTES));
    assert_eq!(large["_meta"]["remit/denials"][0]["rule"], "approval", "what fits into no journal waits nowhere");
}
