//! Keys: made and taken back on the command line, shown over HTTP, and what they keep apart.

use std::{
    io::{BufRead, Read},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use remit_core::limit::{MCP_MESSAGE_MAX_BYTES, MCP_RATE_BURST, MCP_SESSIONS_PER_PRINCIPAL_MAX};
use remit_tests::{
    Shell,
    client::{HANDSHAKE, STATELESS},
};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{http::Server, project_with};

/// Ada owns the project, Bob may call one tool, and Eve has no role.
const MEMBERS: &str = "[roles.asker]\ntools = [\"raw/answer\"]\n[principals]\n\"user:ada\" = [\"owner\"]\n\"user:bob\" = [\"asker\"]\n";

fn project() -> Shell {
    project_with(&[("raw", "raw-tool"), ("hostile", "hostile")], MEMBERS)
}

/// A new key, as the header that shows it, and its id.
fn key(shell: &Shell, arguments: &[&str]) -> (String, String) {
    let made = shell.run(&[&["key", "create", "--json"], arguments].concat());
    assert!(made.status.success(), "{made:?}");
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    (format!("Bearer {}", made["key"].as_str().expect("a key")), made["id"].as_str().expect("an id").to_owned())
}

fn of(shell: &Shell, principal: &str) -> String {
    key(shell, &["--as", principal]).0
}

/// A server that asks everybody for a key; without any, it would not start.
fn strict(shell: &Shell) -> Server {
    of(shell, "user:ada");
    Server::start_with(shell, &["--http", "127.0.0.1:0", "--require-key"])
}

fn names(server: &Server, key: &str) -> Vec<String> {
    let listed = server.stateless("tools/list", json!({}), &[("authorization", key)]);
    let last = listed.messages().pop().unwrap_or_else(|| panic!("{} {}", listed.head, listed.body));
    let tools = last["result"]["tools"].as_array().expect("a list").iter();
    tools.map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

fn answer() -> Value {
    json!({ "name": "raw__answer", "arguments": {} })
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn a_key_is_shown_once_kept_as_a_digest_and_recorded_when_it_comes_and_goes() {
    let shell = project();
    let (shown, id) = key(&shell, &["--as", "user:bob", "--tool", "raw/*", "--label", "nightly", "--expires", "12h"]);
    let secret = shown.rsplit('_').next().expect("a secret");
    let kept = files(shell.cwd().join(".remit/keys"));
    assert_eq!(kept.len(), 1);
    let text = std::fs::read_to_string(&kept[0]).expect("text");
    assert!(!text.contains(&secret[..16]), "{text}");
    assert_eq!(std::fs::metadata(&kept[0]).expect("a file").permissions().mode() & 0o777, 0o600);
    let listed = shell.run(&["key", "list"]);
    let listed = String::from_utf8(listed.stdout).expect("text");
    assert!(listed.contains(&id) && listed.contains("never used") && listed.contains("raw/*") && !listed.contains(secret), "{listed}");
    assert!(shell.run(&["key", "revoke", &id]).status.success());
    assert_eq!(shell.run(&["key", "revoke", &id]).status.code(), Some(2), "it is gone");
    let records = shell.audit(2);
    let told: Vec<_> =
        records.iter().map(|record| (record["decision"].as_str().expect("a decision"), &record["key"], &record["of"])).collect();
    assert_eq!(told, [("create-key", &json!(id), &json!("user:bob")), ("revoke-key", &json!(id), &json!("user:bob"))]);
    assert!(records.iter().all(|record| !record.to_string().contains(secret)));
}

#[test]
fn a_key_that_would_open_nothing_or_hold_for_ever_is_not_made() {
    let shell = project();
    insta::assert_snapshot!("key_without_role", shell.transcript(&["key", "create", "--as", "user:eve"]));
    let create = ["key", "create", "--as", "user:ada"];
    for wrong in [["--expires", "366d"], ["--expires", "0d"], ["--expires", "x"], ["--tool", "raw"], ["--label", "a\u{202e}b"]] {
        assert_eq!(shell.run(&[&create[..], &wrong].concat()).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(shell.run(&["key", "create", "--as", "ada"]).status.code(), Some(2));
    assert_eq!(files(shell.cwd().join(".remit/keys")).len(), 0);
    assert!(shell.run(&create).status.success());
}

/// M16: who comes with a key sees and calls what role and key both allow, and nothing tells of the rest.
#[test]
fn m16_a_client_sees_and_calls_what_its_role_and_its_key_allow() {
    let shell = project();
    let server = strict(&shell);
    let (ada, bob) = (of(&shell, "user:ada"), of(&shell, "user:bob"));
    let narrowed = key(&shell, &["--as", "user:ada", "--tool", "raw/f*"]).0;
    assert_eq!(names(&server, &bob), ["raw__answer"]);
    let all = names(&server, &ada);
    assert!(all.len() > 10 && all == names(&server, &ada), "{all:?}");
    let few: Vec<_> = all.iter().filter(|name| name.starts_with("raw__f")).cloned().collect();
    assert_eq!(names(&server, &narrowed), few);
    let call = |key: &str, name: &str| {
        let called = server.stateless("tools/call", json!({ "name": name, "arguments": {} }), &[("authorization", key)]);
        called.messages().pop().unwrap_or_else(|| panic!("{} {}", called.head, called.body))
    };
    assert_eq!(call(&bob, "raw__answer")["result"]["structuredContent"]["result"], 42);
    let refused = |key: &str, name: &str| call(key, name)["error"].to_string().replace(name, "NAME");
    assert_eq!(refused(&bob, "raw__failed"), refused(&bob, "raw__nothing"), "what is not allowed is not there");
    assert_eq!(refused(&narrowed, "raw__answer"), refused(&narrowed, "raw__nothing"));
    let paged = |name: &str| {
        let listed = server.stateless("tools/list", json!({ "cursor": name }), &[("authorization", &bob)]);
        listed.messages().pop().expect("an answer")["error"].to_string()
    };
    assert_eq!(paged("raw__failed"), paged("raw__nothing"));
    let in_session = json!({ "name": "raw__answer", "arguments": {}, "_meta": { "remit/session": "desk" } });
    assert_eq!(server.stateless("tools/call", in_session, &[("authorization", &bob)]).status, 200);
    server.end(Signal::TERM);
    let calls: Vec<Value> = shell.audit(1).into_iter().filter(|record| record["tool"].is_string()).collect();
    let told: Vec<_> = calls.iter().map(|call| (&call["principal"], call["key"].is_string())).collect();
    assert_eq!(told, [(&json!("user:bob"), true); 2], "in a session, too");
}

/// M10: a session is its opener's alone; to others, another key of the same principal included, its id is one that is not there.
#[test]
fn m10_another_principals_session_over_http_is_not_there() {
    let shell = project();
    let server = strict(&shell);
    let (ada, bob, other) = (of(&shell, "user:ada"), of(&shell, "user:bob"), of(&shell, "user:ada"));
    let opened = server.session(&[("authorization", &ada)]);
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let ask = |method: &str, id: &str, key: &str| {
        let body = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": answer() }).to_string();
        let headers = [("authorization", key), ("mcp-session-id", id), ("mcp-protocol-version", HANDSHAKE), ("last-event-id", "0/0")];
        let answer = server.send(method, "/mcp", &headers, if method == "POST" { &body } else { "" });
        let date = answer.header("date").unwrap_or_default().to_owned();
        (answer.status, answer.head.replace(&date, ""), answer.body)
    };
    for key in [&bob, &other] {
        for method in ["POST", "GET", "DELETE"] {
            assert_eq!(ask(method, &session, key), ask(method, nobodys, key), "{method}");
        }
        assert_eq!(ask("POST", &session, key).0, 404);
    }
    let (status, _, body) = ask("POST", &session, &ada);
    assert!(status == 200 && body.contains("42"), "it is still there for its own: {body}");
    assert_eq!(ask("DELETE", &session, &ada).0, 202);
    assert_eq!(ask("POST", &session, &ada).0, 404);
}

/// Without a key, with a wrong one, and with one in the address, nothing is served and no more is told.
#[test]
fn who_shows_no_key_of_the_project_is_not_let_in() {
    let shell = project();
    let server = strict(&shell);
    let (own, foreign) = (of(&shell, "user:ada"), of(&project(), "user:ada"));
    let (taken, id) = key(&shell, &["--as", "user:ada"]);
    assert!(shell.run(&["key", "revoke", &id]).status.success());
    let bare = server.stateless("tools/call", answer(), &[]);
    assert_eq!((bare.status, bare.header("www-authenticate")), (401, Some("Bearer realm=\"remit\"")));
    let mut told = Vec::new();
    for wrong in [foreign.as_str(), &taken, "Bearer x", "Basic eDp5", &own.replace("remit_", "remit-")] {
        let refused = server.stateless("tools/call", answer(), &[("authorization", wrong)]);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer realm=\"remit\", error=\"invalid_token\"")));
        told.push(refused.body);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "the same is said of all of them");
    let token = own.split(' ').nth(1).expect("a key");
    let headers = [("mcp-protocol-version", STATELESS), ("mcp-method", "tools/list")];
    assert_eq!(server.send("POST", &format!("/mcp?access_token={token}"), &headers, "{}").status, 400);
    assert_eq!(server.send("GET", "/mcp", &[], "").status, 401);
    assert_eq!(server.send("DELETE", "/mcp", &[("mcp-session-id", "x")], "").status, 401);
    assert_eq!(server.stateless("tools/call", answer(), &[("authorization", &own)]).status, 200);
    server.end(Signal::TERM);
    assert_eq!(shell.audit(1).iter().filter(|record| record["tool"].is_string()).count(), 1);
}

/// M14: a flood without keys opens nothing, is not read, and keeps nobody out.
#[test]
fn m14_a_flood_without_keys_opens_no_sessions_and_keeps_nobody_out() {
    let shell = project();
    let server = strict(&shell);
    let ada = of(&shell, "user:ada");
    let forged = format!("Bearer remit_{}_{}", "0".repeat(26), "0".repeat(72));
    for shown in [None, Some(("authorization", forged.as_str()))] {
        let headers: Vec<_> = shown.into_iter().collect();
        assert!((0..2 * MCP_SESSIONS_PER_PRINCIPAL_MAX).all(|_| server.session(&headers).status == 401));
    }
    // It is refused although the body that it promises never comes.
    let large = MCP_MESSAGE_MAX_BYTES.to_string();
    assert_eq!(server.send("POST", "/mcp", &[("content-length", &large)], "").status, 401);
    assert_eq!(server.stateless("tools/call", answer(), &[("authorization", &ada)]).status, 200);
    let (stderr, code) = server.end(Signal::TERM);
    assert_eq!(code, Some(143));
    assert!(!stderr.contains("000000"), "{stderr}");
}

/// M14: who asks too often, or opens too much, is told when to come again, and nobody else is kept out by that.
#[test]
fn m14_who_asks_for_too_much_waits_and_nobody_else_does() {
    let shell = project();
    let server = strict(&shell);
    let (ada, bob) = (of(&shell, "user:ada"), of(&shell, "user:bob"));
    let opened = (0..MCP_SESSIONS_PER_PRINCIPAL_MAX + 8).filter(|_| server.session(&[("authorization", &ada)]).status == 200).count();
    assert_eq!(opened, MCP_SESSIONS_PER_PRINCIPAL_MAX);
    assert_eq!(server.session(&[("authorization", &bob)]).status, 200);
    let ended = std::thread::scope(|scope| {
        let ask = || (0..MCP_RATE_BURST).map(|_| server.send("GET", "/mcp", &[("authorization", &ada)], "")).find(|one| one.status == 429);
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().filter_map(|one| one.join().expect("no panic")).next()
    });
    let refused = ended.expect("one of them is too many");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(server.stateless("tools/call", answer(), &[("authorization", &bob)]).status, 200);
}

/// A key that is taken back ends what runs for it: calls, streams, and the sessions that it opened.
#[test]
fn a_key_that_is_taken_back_ends_what_runs_for_it() {
    let shell = project();
    let server = strict(&shell);
    let ((ada, id), other) = (key(&shell, &["--as", "user:ada"]), of(&shell, "user:ada"));
    let session = server.session(&[("authorization", &ada)]).header("mcp-session-id").expect("a session").to_owned();
    let own = [("authorization", ada.as_str()), ("mcp-session-id", &session), ("mcp-protocol-version", HANDSHAKE)];
    let mut stream = server.begin("GET", "/mcp", &own, "");
    let mut head = String::new();
    stream.read_line(&mut head).expect("text");
    assert!(head.contains("200"), "{head}");
    let sleep = json!({ "name": "hostile__sleep", "arguments": { "milliseconds": 100_000 } });
    let call = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": sleep });
    let mut called = server.begin("POST", "/mcp", &own, &call.to_string());
    let mut head = String::new();
    called.read_line(&mut head).expect("text");
    assert!(head.contains("200"), "{head}");
    assert!(shell.run(&["key", "revoke", &id]).status.success());
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("it ends");
    called.read_to_string(&mut rest).expect("it ends");
    assert!(!rest.contains("awake"), "{rest}");
    assert_eq!(server.post(&own, &call).status, 401);
    assert_eq!(server.stateless("tools/call", answer(), &[("authorization", &other)]).status, 200);
    let (_, code) = server.end(Signal::TERM);
    assert_eq!(code, Some(143));
}

/// A principal that lost its role is out as soon as the file says so, and one that was given less sees less.
#[test]
fn a_role_that_was_taken_away_counts_at_once() {
    let shell = project();
    let server = strict(&shell);
    let (ada, bob) = (of(&shell, "user:ada"), of(&shell, "user:bob"));
    let session = server.session(&[("authorization", &bob)]).header("mcp-session-id").expect("a session").to_owned();
    let own = [("authorization", bob.as_str()), ("mcp-session-id", &session), ("mcp-protocol-version", HANDSHAKE)];
    let mut stream = server.begin("GET", "/mcp", &own, "");
    let mut head = String::new();
    stream.read_line(&mut head).expect("text");
    assert!(head.contains("200"), "{head}");
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("text");
    shell.write("remit.toml", text.replace("\"user:bob\" = [\"asker\"]\n", ""));
    assert!(shell.run(&["trust", "--yes"]).status.success());
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("what runs for him ends");
    let refused = server.stateless("tools/list", json!({}), &[("authorization", &bob)]);
    assert_eq!((refused.status, names(&server, &ada).is_empty()), (403, false));
}

/// Beyond this machine everybody shows a key, also who comes from here, and calls the server by a name that it was given.
#[test]
fn m12_beyond_this_machine_a_key_and_a_known_name_are_needed() {
    let shell = project();
    let ada = of(&shell, "user:ada");
    let mut server = Server::start_with(&shell, &["--http", "0.0.0.0:0", "--host", "tools.example.com"]);
    let port = server.authority.rsplit_once(':').expect("a port").1;
    server.authority = format!("127.0.0.1:{port}");
    let status = |headers: &[(&str, &str)]| server.stateless("tools/call", answer(), headers).status;
    assert_eq!(status(&[]), 401);
    assert_eq!(status(&[("host", "tools.example.com")]), 401);
    let own = ("authorization", ada.as_str());
    for host in ["tools.example.com", "TOOLS.example.com", "tools.example.com:8443", "localhost"] {
        assert_eq!(status(&[own, ("host", host)]), 200, "{host}");
    }
    for host in ["example.com", "tools.example.com.evil.test", "0.0.0.0.evil.test"] {
        assert_eq!(status(&[own, ("host", host)]), 403, "{host}");
    }
    assert_eq!(status(&[own, ("host", "tools.example.com"), ("origin", "https://tools.example.com")]), 200);
    for origin in ["http://tools.example.com", "https://example.com", "https://tools.example.com:1", "null"] {
        assert_eq!(status(&[own, ("host", "tools.example.com"), ("origin", origin)]), 403, "{origin}");
    }
}

/// M13: with a key too, what the headers say is what the body says, and both are bounded.
#[test]
fn m13_a_key_changes_nothing_about_headers_and_bounds() {
    let shell = project();
    let server = strict(&shell);
    let ada = of(&shell, "user:ada");
    let own = ("authorization", ada.as_str());
    let status = |headers: &[(&str, &str)]| server.stateless("tools/call", answer(), headers).status;
    assert_eq!(status(&[own, ("mcp-method", "tools/list")]), 400);
    assert_eq!(status(&[own, ("mcp-name", "raw__failed")]), 400);
    let long = "x".repeat(100 << 10);
    assert_eq!(status(&[own, ("x-long", &long)]), 431);
    let large = json!({ "x": "x".repeat(MCP_MESSAGE_MAX_BYTES) });
    assert_eq!(server.post(&[own], &large).status, 413);
    assert_eq!(status(&[own]), 200);
}

/// SIGTERM lets a call of a client with a key end, and then nobody is let in.
#[test]
fn sigterm_lets_a_call_with_a_key_end() {
    let shell = project();
    let server = strict(&shell);
    let ada = of(&shell, "user:ada");
    let own = [("authorization", ada.as_str()), ("mcp-protocol-version", HANDSHAKE)];
    let session = server.session(&own).header("mcp-session-id").expect("a session").to_owned();
    let sleep = json!({ "name": "hostile__sleep", "arguments": { "milliseconds": 1000 }, "_meta": { "progressToken": "p" } });
    let call = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": sleep }).to_string();
    let mut called = server.begin("POST", "/mcp", &[&own[..], &[("mcp-session-id", &session)]].concat(), &call);
    let mut heard = String::new();
    while !heard.contains("asleep") {
        assert_ne!(called.read_line(&mut heard).expect("text"), 0, "it runs before the signal comes: {heard}");
    }
    let (_, code) = server.end(Signal::TERM);
    assert_eq!(code, Some(143));
    let mut text = String::new();
    called.read_to_string(&mut text).expect("the answer");
    assert!(text.contains("awake"), "{text}");
}
