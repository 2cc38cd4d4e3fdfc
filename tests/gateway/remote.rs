//! Servers behind a URL: reviewed and called, and how each way of misbehaving ends.

use std::{
    io,
    net::IpAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use remit_core::{
    Blame, Error, Kind,
    grant::{Declared, FieldTarget, Grants, Rule, SecretUse},
    identity::Role,
    limit::{CallLimits, OUTSIDE_MESSAGE_BYTES},
    plugin::{Effect, Isolation, Kind as PluginKind},
    project::Remote,
};
use remit_runtime::{
    Host, Outcome, Plugin, Project, Request,
    capability::http::{Gateway as Http, GatewayOptions, Resolve},
    plugin::Source,
};
use remit_tests::{Shell, fixture, python_with, remit, skipped, workspace};
use serde_json::{Value, json};

use super::{BOBS, SECRET, Secrets, gateway, given, name, upstream::Upstream};

/// A host that has a server behind a URL as its one plugin.
struct Desk {
    host: Host,
    upstream: Upstream,
}

fn remote(url: &str) -> Remote {
    let target = FieldTarget::Header("authorization".to_owned());
    let secret = SecretUse { name: "tickets".to_owned(), target, format: "Bearer {}".to_owned() };
    Remote { url: url.parse().expect("a URL"), secret: Some(secret), private: Vec::new() }
}

fn http(options: GatewayOptions) -> Http {
    Http::new(options).expect("a gateway")
}

impl Desk {
    async fn new(stateless: bool, limits: CallLimits) -> Self {
        let upstream = Upstream::start(stateless);
        let source = Source::Remote(remote(&upstream.url()));
        let effects = [("lose".to_owned(), Effect::Read), ("again".to_owned(), Effect::Read)].into();
        let listed = gateway().list(&name(), &source, &effects, &given(&source), &http(GatewayOptions::default())).await;
        let definitions: Vec<_> = listed.expect("it lists its tools").tools.into_values().map(|(_, tool)| tool).collect();
        for tool in &definitions {
            assert_eq!(tool.effect, *effects.get(&tool.name).unwrap_or(&Effect::Once), "{}", tool.name);
        }
        let (kind, digest) = source.outside().expect("it is outside");
        assert_eq!(kind, PluginKind::Remote);
        let plugin = Plugin {
            name: name(),
            source,
            digest,
            kind,
            definitions,
            declared: Declared::default(),
            granted: Grants::default(),
            limits,
            isolation: Isolation::None,
            ask: Vec::new(),
        };
        let host = Host::builder().secrets(Arc::new(Secrets)).outside(Arc::new(gateway())).build().expect("a host");
        let refused = host.load(Project { name: "desk".to_owned(), root: "/".into(), plugins: vec![plugin], ..Project::default() });
        assert!(refused.is_empty(), "{refused:?}");
        Self { host, upstream }
    }

    async fn call(&self, tool: &str, arguments: Value) -> Outcome {
        self.call_as("user:ada", tool, arguments).await
    }

    async fn call_as(&self, principal: &str, tool: &str, arguments: Value) -> Outcome {
        let context = self.host.context(principal.parse().expect("a principal"), Role::Owner).expect("a context");
        let text = arguments.to_string();
        self.host.call(&context, &Request::new("desk", "tickets", tool, &text)).await
    }

    async fn text(&self, tool: &str) -> String {
        self.call(tool, json!({ "text": "here" })).await.result.unwrap_or_else(|error| panic!("{tool}: {error:?}")).text()
    }

    async fn fails(&self, tool: &str) -> Error {
        self.call(tool, json!({})).await.result.expect_err("it fails")
    }

    /// Waits until the server saw `event`, which is on its way.
    async fn sees(&self, event: &str) {
        let seen = async {
            while !self.upstream.saw(event) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), seen).await.unwrap_or_else(|_| panic!("never: {event}"));
    }

    fn called(&self) -> Vec<String> {
        self.upstream.state().called.clone()
    }
}

fn short() -> CallLimits {
    CallLimits { deadline_ms: 2000, ..CallLimits::default() }
}

/// M22: the server is given its secret, in the header that the project names, and it is masked in what comes back.
#[tokio::test]
async fn a_server_behind_a_url_is_called_in_both_eras_with_its_secret() {
    for stateless in [false, true] {
        let desk = Desk::new(stateless, CallLimits::default()).await;
        assert_eq!(desk.text("echo").await, "here");
        let told = desk.text("whoami").await.to_lowercase();
        assert!(told.contains(&format!("authorization: bearer {}", "*".repeat(SECRET.len()))), "{told}");
        assert!(told.contains("accept-encoding: identity") && told.contains(&format!("host: {}", desk.upstream.authority)), "{told}");
        assert_eq!(told.contains("mcp-session-id"), !stateless, "{told}");
        assert_eq!(told.contains("mcp-name: whoami"), stateless, "{told}");
        let error = desk.fails("error").await;
        let masked = format!("the server answered with an error: wrong with \\u{{1b}}[31mBearer {}", "*".repeat(SECRET.len()));
        assert_eq!((error.kind, error.message), (Kind::Guest, masked));
    }
}

/// M10, M22: a principal's calls carry that principal's own secret, over a connection that nobody else's calls take.
#[tokio::test]
async fn m10_each_principal_calls_a_url_with_its_own_secret() {
    for stateless in [false, true] {
        let desk = Desk::new(stateless, CallLimits::default()).await;
        for principal in ["user:ada", "user:bob", "user:ada", "user:bob"] {
            let outcome = desk.call_as(principal, "again", json!({})).await;
            assert_eq!(outcome.result.expect("it answers").text(), "again");
        }
        let refused = desk.call_as("user:eve", "again", json!({})).await;
        let [denial] = &refused.denials[..] else { panic!("{refused:?}") };
        assert_eq!((denial.rule, denial.capability.as_str()), (Rule::Secret, "secret"));
        let command = format!("remit secret set tickets --for http://{}", desk.upstream.authority);
        assert_eq!(denial.command().as_ref(), Some(&command));
        let error = refused.result.expect_err("it is refused");
        assert_eq!((error.kind, error.hints), (Kind::Denied, vec![command]));
        let state = desk.upstream.state();
        let [adas, bobs] = [format!("Bearer {SECRET}"), format!("Bearer {BOBS}")];
        assert_eq!(state.credentials, [adas.clone(), bobs.clone(), adas, bobs], "nothing was sent for eve");
        // This server knows its latest session alone, so whoever calls after somebody else opens one anew.
        assert_eq!(state.session, if stateless { 0 } else { 5 }, "one to list its tools, one for each call");
    }
}

/// M7, M8: each way of misbehaving ends with its own error, and the next call is served.
#[tokio::test]
async fn a_server_behind_a_url_that_misbehaves_ends_its_call_alone() {
    let in_doubt = |tool: &str| {
        format!("the server of `tickets` did not answer while `{tool}` ran; whether it took effect is not known, and it is not repeated")
    };
    for stateless in [false, true] {
        let desk = Desk::new(stateless, CallLimits::default()).await;
        let giant = desk.fails("giant").await;
        assert_eq!(giant.kind, Kind::Limit, "{giant:?}");
        assert!(giant.message.contains(&OUTSIDE_MESSAGE_BYTES.to_string()), "{giant:?}");
        assert_eq!(desk.text("echo").await, "here");
        for tool in ["drop", "page", "empty", "zipped"] {
            let error = desk.fails(tool).await;
            assert_eq!((error.kind, error.blame, error.message), (Kind::InDoubt, Blame::Outside, in_doubt(tool)), "{tool}");
        }
        let lost = desk.fails("lose").await;
        assert_eq!((lost.kind, lost.message.as_str()), (Kind::Unavailable, "the server of `tickets` did not answer the call"));
        let refused = desk.fails("redirect").await;
        let message = "`tickets` was not called: it answered with HTTP 307 Temporary Redirect";
        assert_eq!((refused.kind, refused.message.as_str()), (Kind::Unavailable, message));
        assert_eq!(desk.text("echo").await, "here");
        let once = ["giant", "echo", "drop", "page", "empty", "zipped", "lose", "redirect", "echo"];
        assert_eq!(desk.called(), once, "nothing is said twice");
    }
}

/// M8: at its deadline a call is taken back, and a stream that never ends is closed.
#[tokio::test]
async fn a_call_over_http_that_never_ends_is_cancelled_at_its_deadline() {
    for stateless in [false, true] {
        let desk = Desk::new(stateless, short()).await;
        assert_eq!(desk.text("echo").await, "here");
        let (hang, endless) = tokio::join!(desk.fails("hang"), desk.fails("endless"));
        let late = "the call took longer than its deadline of 2000 ms";
        assert_eq!((hang.kind, hang.message.as_str()), (Kind::Limit, late));
        // What never ends is at one of its bounds first: in time, or in bytes.
        let long = "said more than 8388608 bytes in one message";
        assert!(endless.kind == Kind::Limit && (endless.message == late || endless.message.contains(long)), "{endless}");
        for event in ["hang given up", "endless cut off"] {
            desk.sees(event).await;
        }
        if !stateless {
            desk.sees("notifications/cancelled").await;
        }
        assert_eq!(desk.text("echo").await, "here");
    }
}

/// M1: what changes after the review is blocked, whether the server tells of it or not.
#[tokio::test]
async fn m1_a_tool_that_changes_behind_a_url_is_blocked() {
    for stateless in [false, true] {
        let desk = Desk::new(stateless, CallLimits::default()).await;
        assert_eq!(desk.text("echo").await, "here");
        match stateless {
            // Told of it by no one: its list was good for no time at all.
            true => desk.upstream.state().description = " to its author",
            false => assert_eq!(desk.text("change").await, "changed"),
        }
        let error = desk.fails("echo").await;
        assert_eq!((error.kind, error.blame, error.code), (Kind::Denied, Blame::Grant, Some("E-REVIEW")), "{error:?}");
        assert_eq!(desk.text("again").await, "again");
        assert_eq!(desk.called().iter().filter(|tool| *tool == "echo").count(), 1);
    }
}

/// R8: a server that forgot the session refused the call; only what changes nothing is said again, once.
#[tokio::test]
async fn a_session_that_is_forgotten_is_opened_anew() {
    let desk = Desk::new(false, CallLimits::default()).await;
    assert_eq!(desk.text("again").await, "again");
    desk.upstream.state().session += 1;
    assert_eq!(desk.text("again").await, "again");
    assert_eq!(desk.called(), ["again", "again"]);
    desk.upstream.state().session += 1;
    let error = desk.fails("echo").await;
    let message = "the server of `tickets` has forgotten the session, and refused the call";
    assert_eq!((error.kind, error.message.as_str(), desk.called().len()), (Kind::Unavailable, message, 2));
    assert_eq!(desk.text("echo").await, "here");
}

/// M7: what a server asks for is refused, and how much of it waits for that is bounded.
#[tokio::test]
async fn a_server_behind_a_url_gets_no_model_no_folders_and_no_person() {
    let desk = Desk::new(false, CallLimits::default()).await;
    assert_eq!(desk.text("flood").await, "flooded");
    desk.sees("a pong").await;
    desk.sees("a refusal").await;
    assert_eq!(desk.text("echo").await, "here");
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_ended() {
    let upstream = Upstream::start(false);
    let source = Source::Remote(remote(&upstream.url()));
    let http = http(GatewayOptions::default());
    gateway().list(&name(), &source, &Default::default(), &given(&source), &http).await.expect("it lists its tools");
    assert!(upstream.saw("deleted"), "a listing lets its session go");
}

/// A name that leads where it should not.
struct Leads(IpAddr);

#[async_trait::async_trait]
impl Resolve for Leads {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![self.0])
    }
}

/// N1, N3: a server elsewhere is reached by public addresses alone, and by private ones that the project names.
#[tokio::test]
async fn a_url_that_leads_to_an_address_that_is_not_public_is_not_followed() {
    let upstream = Upstream::start(false);
    let port = upstream.authority.rsplit(':').next().expect("a port").to_owned();
    let list = async |url: &str, address: &str, private: &[&str]| {
        let http =
            http(GatewayOptions { resolver: Some(Arc::new(Leads(address.parse().expect("an address")))), ..GatewayOptions::default() });
        let private = private.iter().map(|one| one.parse().expect("a pattern")).collect();
        let source = Source::Remote(Remote { private, ..remote(url) });
        gateway().list(&name(), &source, &Default::default(), &given(&source), &http).await.map(drop)
    };
    let elsewhere = format!("https://tickets.example.com:{port}/mcp");
    for (address, class) in [("127.0.0.1", "loopback"), ("10.0.0.1", "private"), ("169.254.169.254", "cloud metadata")] {
        let error = list(&elsewhere, address, &[]).await.expect_err("it is refused");
        let message = format!(
            "`tickets` is not served: it cannot be reached: `tickets.example.com` leads to {address}, a {class} address that `private` does \
             not name"
        );
        assert_eq!((error.kind, error.message), (Kind::Unavailable, message));
    }
    let error = list(&elsewhere, "127.0.0.1", &["127.0.0.0/8"]).await.expect_err("it speaks no TLS");
    assert!(error.message.ends_with("it cannot be reached: the connection broke off"), "{error:?}");
    let local = format!("http://localhost:{port}/mcp");
    let error = list(&local, "10.0.0.1", &["10.0.0.1"]).await.expect_err("this machine is not there");
    assert!(error.message.contains("leads to 10.0.0.1"), "{error:?}");
    list(&local, "127.0.0.1", &[]).await.expect("this is this machine");
}

/// A server that a test started, ended with it.
struct Served(Child, String);

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts `command` and waits for the line on its standard error that ends with a URL.
fn served(mut command: Command) -> Served {
    use std::io::BufRead as _;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut lines = io::BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, url) = line.rsplit_once("http://")?;
        Some(format!("http://{}", url.split_whitespace().next()?.trim_end_matches("/mcp")))
    });
    std::thread::spawn(move || lines.for_each(drop));
    Served(child, format!("{}/mcp", url.expect("it says where it is")))
}

fn ends(shell: &Shell, arguments: &[&str], code: i32, words: &[&str]) -> String {
    ends_with(shell, SECRET, arguments, code, words)
}

fn ends_with(shell: &Shell, secret: &str, arguments: &[&str], code: i32, words: &[&str]) -> String {
    let output = shell.command(arguments).env("REMIT_SECRET_TICKETS", secret).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    words.iter().for_each(|word| assert!(said.contains(word), "{arguments:?} does not say `{word}`: {said}"));
    said
}

/// Remit itself as the server: its tools are reviewed, pinned and called through another project.
#[test]
fn the_door_of_one_project_is_a_plugin_of_another() {
    let door = Shell::new();
    let text =
        "version = 1\nproject.name = \"door\"\n[plugins.raw]\nsource = \"raw-tool.wasm\"\n[principals]\n\"user:desk\" = [\"owner\"]\n";
    door.write("remit.toml", text);
    door.write("raw-tool.wasm", fixture("raw-tool"));
    ends(&door, &["review", "--yes"], 0, &[]);
    let made = door.run(&["key", "create", "--as", "user:desk", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).expect("one JSON document");
    let key = made["key"].as_str().expect("a key").to_owned();
    let door = served(door.command_of(remit(), &["mcp", "--http", "127.0.0.1:0"]));

    let shell = Shell::new();
    let ends = |arguments: &[&str], code, words: &[&str]| ends_with(&shell, &key, arguments, code, words);
    let secret = "secret = { name = \"tickets\", header = \"authorization\", format = \"Bearer {}\" }";
    shell.write("remit.toml", format!("version = 1\nproject.name = \"desk\"\n[plugins.tickets]\nurl = \"{}\"\n{secret}\n", door.1));
    ends(&["inspect", "tickets"], 0, &["REMOTE SERVER", &door.1, "not known without asking it"]);
    ends(&["review", "--check"], 3, &["remote server, outside of the sandbox"]);
    let given = "secret tickets as header authorization, written `Bearer {}`";
    ends(&["review", "--yes"], 2, &["REMOTE SERVER", &door.1, given, "was not asked", "remit review --start"]);
    ends(&["review", "--start", "--yes"], 0, &["+ tool raw__echo (once)", &format!("+ granted {given}"), "1 approved"]);
    let lock = std::fs::read_to_string(shell.cwd().join("remit.lock")).expect("a lock");
    assert!(lock.contains("kind = \"remote\"") && lock.contains(&door.1) && !lock.contains(&key), "{lock}");
    ends(&["call", "tickets", "raw__echo", r#"{"text": "hello"}"#], 0, &["hello"]);
    ends(&["explain", "tickets", "raw__echo"], 0, &["remote"]);
    ends(&["review", "--check"], 0, &["as approved"]);
    ends(&["grant", "tickets", "fs", "docs:/docs", "--yes"], 2, &["cannot be held to grants"]);
    let added = ["add", "other", "--yes", "--url", door.1.as_str()];
    ends(&added, 0, &["REMOTE SERVER", "+ tool raw__echo (once)"]);
    drop(door);
    ends(&["call", "tickets", "raw__echo", r#"{"text": "hello"}"#], 2, &["cannot be reached: the connection was refused"]);
    ends(&["review", "--check"], 0, &["as approved"]);
}

/// The official SDK for Python as the server, in both its lines.
#[test]
fn servers_of_the_python_sdk_are_plugins() {
    for requirements in ["tests/mcp/clients/python1.txt", "tests/mcp/clients/python2.txt"] {
        let Some(python) = python_with(requirements) else {
            skipped("servers_of_the_python_sdk_are_plugins", "the MCP SDK for Python cannot be installed here");
            continue;
        };
        let mut command = Command::new(python);
        command.arg(workspace().join("tests/gateway/server_sdk.py"));
        let server = served(command);
        let shell = Shell::new();
        let effects = "effects = { add = \"read\" }";
        shell.write("remit.toml", format!("version = 1\nproject.name = \"desk\"\n[plugins.tickets]\nurl = \"{}\"\n{effects}\n", server.1));
        ends(&shell, &["review", "--start", "--yes"], 0, &["+ tool add (read)", "+ tool greet (once)"]);
        ends(&shell, &["call", "tickets", "greet", r#"{"name": "Ada"}"#], 0, &["Hello, Ada"]);
        ends(&shell, &["call", "tickets", "add", r#"{"a": 1, "b": 2}"#], 0, &["3"]);
        ends(&shell, &["call", "tickets", "add", r#"{"a": "x"}"#], 1, &["do not fit"]);
    }
}
