//! What belongs to one principal, seen by another: in process, where a door can be opened as anybody.

use std::{path::Path, sync::Arc};

use remit_core::limit::APPROVAL_DEFAULT_MS;
use remit_server::mcp::{Catalog, Door, Setup};
use remit_tests::{
    client::STATELESS,
    desk::{self, Desk},
    fixture,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    sync::watch,
};

/// A client of the revision without a handshake, at a door of a principal's own.
struct Visit {
    read: BufReader<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
    id: u64,
    _open: (watch::Sender<Arc<Catalog>>, watch::Sender<bool>),
}

impl Visit {
    async fn new(desk: &Desk, principal: &str) -> Self {
        let agent = desk.host.plugin("scripted", fixture("agent")).await.expect("an agent");
        let tools = desk.host.plugin("counter", fixture("counter")).await.expect("a plugin");
        let (offers, catalog) = watch::channel(Arc::new(Catalog::new(&[agent, tools]).0));
        let (accepting, accept_client) = watch::channel(true);
        let door = Door::new(Setup {
            host: desk.host.clone(),
            project: "desk".to_owned(),
            principal: principal.parse().expect("a principal"),
            time_zone: "UTC".to_owned(),
            catalog,
            accept_client,
            session: None,
            seal: [7; 32],
        });
        let (client, server) = duplex(1 << 16);
        let ((read, write), (server_read, server_write)) = (split(client), split(server));
        tokio::spawn(async move { door.serve(server_read, server_write).await });
        Self { read: BufReader::new(read), write, id: 0, _open: (offers, accepting) }
    }

    async fn ask(&mut self, method: &str, mut params: Value) -> Value {
        self.id += 1;
        let capabilities = json!({ "elicitation": { "form": {} }, "extensions": { "io.modelcontextprotocol/tasks": {} } });
        let said = [
            ("protocolVersion", json!(STATELESS)),
            ("clientInfo", json!({ "name": "test", "version": "1" })),
            ("clientCapabilities", capabilities),
        ];
        for (name, value) in said {
            params["_meta"][format!("io.modelcontextprotocol/{name}")] = value;
        }
        let message = json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params });
        self.write.write_all(format!("{message}\n").as_bytes()).await.expect("it is read");
        let mut line = String::new();
        self.read.read_line(&mut line).await.expect("a line");
        let mut answer: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(answer["id"], self.id);
        answer.as_object_mut().expect("an object").remove("id");
        answer
    }

    async fn call(&mut self, params: Value) -> Value {
        let mut params = params;
        if params.get("name").is_none() {
            params["name"] = json!("agents__scripted");
        }
        self.ask("tools/call", params).await
    }
}

/// Everything that a client can say about a session, and a turn of it.
async fn everything(visit: &mut Visit, session: &str, key: &str) -> String {
    let mut answers = Vec::new();
    for arguments in
        [json!({}), json!({ "input": { "steps": [] } }), json!({ "key": key }), json!({ "key": key, "input": { "steps": [] } })]
    {
        let mut arguments = arguments;
        arguments["session"] = json!(session);
        answers.push(visit.call(json!({ "arguments": arguments })).await);
    }
    for rest in ["", "/state", &format!("/output/{}", "0".repeat(64))] {
        answers.push(visit.ask("resources/read", json!({ "uri": format!("remit://session/{session}{rest}") })).await);
    }
    let task = format!("{session}/{key}");
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        answers.push(visit.ask(method, json!({ "taskId": task, "inputResponses": {} })).await);
    }
    json!(answers).to_string().replace(session, "ID")
}

/// Another principal's session cannot be told from one that is not there, though every one of them is an owner (M10).
#[tokio::test(flavor = "multi_thread")]
async fn another_principals_session_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = Desk::open(folder.path(), desk::Setup::default()).await;
    let (mut ada, mut mallory) = (Visit::new(&desk, "user:ada").await, Visit::new(&desk, "user:mallory").await);
    let input = json!({ "steps": [{ "sleep_ms": 90_000 }] });
    let waits = ada.call(json!({ "arguments": { "input": input, "key": "k" } })).await;
    let task = waits["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{waits}"));
    let session = task.strip_suffix("/k").expect("the session and the key").to_owned();
    let theirs = everything(&mut mallory, &session, "k").await;
    assert_eq!(theirs, everything(&mut mallory, "ses_00000000000000000000000000", "k").await);
    assert!(theirs.contains("there is no session `ID`"), "{theirs}");
    assert_eq!(mallory.ask("resources/list", json!({})).await["result"]["resources"], json!([]));
    // The twin: its own principal's is there.
    assert_eq!(ada.ask("resources/list", json!({})).await["result"]["resources"].as_array().map(Vec::len), Some(1));
    let state = ada.ask("resources/read", json!({ "uri": format!("remit://session/{session}/state") })).await;
    assert_eq!(state["result"]["contents"][0]["text"], "{}");
    let task = ada.ask("tasks/get", json!({ "taskId": format!("{session}/k") })).await;
    assert_eq!(task["result"]["status"], "working", "{task}");
    // A key is one's own, too.
    let own = mallory.call(json!({ "arguments": { "input": { "steps": [] }, "key": "k" } })).await;
    assert_eq!(own["result"]["structuredContent"]["status"], "done", "{own}");
}

/// What asks for an approval: an agent, and a plain call of a tool in `ask`.
fn careful(steps: Value) -> [Value; 2] {
    let plain = json!({ "name": "counter__strike", "arguments": { "note": "a" } });
    [json!({ "name": "agents__scripted", "arguments": { "input": { "steps": steps } } }), plain]
}

/// The same request with a yes to all that was asked.
fn with_yes(request: &Value, asked: &Value) -> Value {
    let mut again = request.clone();
    let questions = asked["result"]["inputRequests"].as_object().unwrap_or_else(|| panic!("{asked}"));
    for wait in questions.keys() {
        again["inputResponses"][wait] = json!({ "action": "accept", "content": { "approve": true } });
    }
    again["requestState"] = asked["result"]["requestState"].clone();
    again
}

/// A state that was given to one principal is of no use to another, at a door with the very same key (M11).
#[tokio::test(flavor = "multi_thread")]
async fn another_principals_request_state_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = Desk::open(folder.path(), desk::Setup { ask: vec!["strike".to_owned()], ..desk::Setup::default() }).await;
    let (mut ada, mut mallory) = (Visit::new(&desk, "user:ada").await, Visit::new(&desk, "user:mallory").await);
    for request in careful(json!([{ "approve": { "title": "Go?" } }])) {
        let again = with_yes(&request, &ada.call(request.clone()).await);
        let refused = mallory.call(again.clone()).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
        assert_eq!(strikes(folder.path()), 0);
        let done = ada.call(again).await;
        assert_eq!(done["result"]["isError"], false, "{done}");
    }
    assert_eq!(strikes(folder.path()), 1);
}

/// An approval whose time has passed is none, whoever gives it and however.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_too_late_approves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = Desk::open(folder.path(), desk::Setup { ask: vec!["strike".to_owned()], ..desk::Setup::default() }).await;
    let mut ada = Visit::new(&desk, "user:ada").await;
    for request in careful(json!([{ "approve": { "title": "Go?", "expires_ms": 60_000 } }, desk::call("strike", "a")])) {
        let again = with_yes(&request, &ada.call(request.clone()).await);
        desk.clock.forward(std::time::Duration::from_millis(APPROVAL_DEFAULT_MS + 1));
        let late = ada.call(again).await;
        assert_eq!(late["result"]["isError"], true, "{late}");
        assert_eq!(strikes(folder.path()), 0);
    }
}

fn strikes(folder: &Path) -> usize {
    desk::executions(folder).iter().filter(|line| line.starts_with("strike ")).count()
}
