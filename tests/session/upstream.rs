//! R8: a server that resets, stalls or answers twice. What may not be repeated is sent once.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use remit_core::id::SessionId;
use remit_runtime::TurnEnd;
use remit_tests::desk::{Desk, Setup, call, log, script};
use serde_json::{Value, json};

/// What the server does with a request once it has read it.
#[derive(Clone, Copy)]
enum Reply {
    /// Ends the connection with a reset.
    Reset,
    /// Says nothing until the client goes away.
    Stall,
    /// Answers twice on one connection.
    Twice,
}

/// A server on loopback that counts what it was asked.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/orders", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let shared = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || answer(stream, reply, &shared));
            }
        });
        Self { url, seen }
    }

    /// Key after key, as the requests carried them.
    fn keys(&self) -> Vec<String> {
        let key = |request: &String| {
            let line = request.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
            line.unwrap_or("none").to_owned()
        };
        self.seen.lock().unwrap().iter().map(key).collect()
    }
}

/// Reads a request and answers it. A reset comes of a connection that is closed before all that it brought was read.
fn answer(mut stream: TcpStream, reply: Reply, seen: &Mutex<Vec<String>>) {
    let mut bytes = [0; 4096];
    let head = loop {
        let there = stream.peek(&mut bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[..there]).into_owned();
        if there == 0 || text.contains("an order") {
            break text;
        }
        std::thread::yield_now();
    };
    seen.lock().unwrap().push(head);
    match reply {
        Reply::Reset => {}
        Reply::Stall => drop(stream.read_to_end(&mut Vec::new())),
        Reply::Twice => {
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ntaken";
            drop(stream.write_all(answer.repeat(2).as_bytes()));
            drop(stream.read_to_end(&mut Vec::new()));
        }
    }
}

fn setup(server: &Server, deadline_ms: u64) -> Setup {
    let grant = format!("http POST {} private=127.0.0.1 deadline_ms={deadline_ms}", server.url);
    Setup { tools: Some("tools counter/*\ntools hostile/*".to_owned()), hostile: Some(vec![grant]), ..Setup::default() }
}

fn post(tool: &str, server: &Server) -> Value {
    json!({ "call": { "tool": format!("hostile/{tool}"), "arguments": { "address": server.url } } })
}

fn key(session: SessionId) -> String {
    format!("{session}.0.0.0")
}

/// Posts once, waits, and goes on in another process; returns how the post ended.
async fn posted(reply: Reply) -> Value {
    let server = Server::start(reply);
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), setup(&server, 300)).await;
    let ran = desk.run(json!([post("post", &server), { "input": "?" }, call("bump", "after")])).await.unwrap();
    assert!(matches!(ran.end, TurnEnd::Waiting(_)), "{:?}", ran.end);
    drop(desk);
    let desk = Desk::open(folder.path(), setup(&server, 300)).await;
    let done = desk.go(Some(ran.session), Some("go on"), None).await.unwrap();
    assert_eq!(server.keys(), [key(ran.session)], "one request, under the key of the call");
    assert_eq!(log(&done)[2], json!({ "count": 1 }), "the turn goes on");
    log(&done).swap_remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_a_reset_is_told_to_the_agent_and_what_runs_once_is_not_sent_again() {
    let ended = posted(Reply::Reset).await;
    assert!(ended["error"].is_string(), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_a_server_that_stalls_ends_at_the_deadline_and_is_not_asked_again() {
    let ended = posted(Reply::Stall).await;
    assert!(ended["error"].is_string(), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_an_answer_that_comes_twice_is_one_answer() {
    assert_eq!(posted(Reply::Twice).await, json!({ "text": "200 taken" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_cut_off_while_a_server_stalls_only_what_may_be_repeated_is_sent_again() {
    for (tool, times) in [("post", 1), ("post_again", 2)] {
        let server = Server::start(Reply::Stall);
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::open(folder.path(), setup(&server, 20_000)).await;
        let input = script(json!([post(tool, &server)]));
        tokio::select! {
            _ = desk.go(None, Some(&input), Some("k")) => panic!("it takes longer"),
            () = async { while server.keys().is_empty() { tokio::task::yield_now().await } } => {}
        }
        drop(desk);
        let desk = Desk::open(folder.path(), setup(&server, 300)).await;
        let ran = desk.go(None, Some(&input), Some("k")).await.unwrap();
        assert_eq!(server.keys(), vec![key(ran.session); times], "{tool}");
        let in_doubt = log(&ran)[0]["error"] == "in-doubt";
        assert_eq!(in_doubt, times == 1, "{tool}: {:?}", log(&ran));
    }
}
