//! Ending calls: in process, where the host can be asked what still runs.

use std::{sync::Arc, time::Duration};

use remit_core::limit::{CallLimits, MCP_CALLS_MAX};
use remit_runtime::{Host, Project};
use remit_server::mcp::{Catalog, Door, Setup};
use remit_tests::{Lab, client::HANDSHAKE, fixture};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    sync::watch,
    task::JoinHandle,
};

struct Client {
    host: Host,
    read: BufReader<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
    served: JoinHandle<remit_core::Result<()>>,
    _offers: watch::Sender<Arc<Catalog>>,
}

impl Client {
    /// A door with the guest `hostile`, whose calls may take minutes, and a client after the handshake.
    async fn new() -> Self {
        let host = Lab::new().host;
        let lab = Lab::new();
        let limits = CallLimits { deadline_ms: 600_000, ..CallLimits::default() };
        let plugin = lab.make("hostile", fixture("hostile"), &[]).await.expect("a plugin").limits(limits);
        let (catalog, _) = Catalog::new(std::slice::from_ref(&plugin));
        host.load(Project { name: "door".to_owned(), root: lab.path().to_owned(), plugins: vec![plugin], ..Project::default() });
        let (offers, catalog) = watch::channel(Arc::new(catalog));
        let principal = "user:ada".parse().expect("a principal");
        let (project, time_zone) = ("door".to_owned(), "UTC".to_owned());
        let (_never, accept_client) = watch::channel(false);
        let seal = [0; 32];
        let setup = Setup { host: host.clone(), project, principal, time_zone, session: None, catalog, accept_client, seal };
        let (client, server) = duplex(1 << 16);
        let ((read, write), (server_read, server_write)) = (split(client), split(server));
        let door = Door::new(setup);
        let served = tokio::spawn(async move { door.serve(server_read, server_write).await });
        let mut client = Self { host, read: BufReader::new(read), write, served, _offers: offers };
        let info = json!({ "name": "test", "version": "1" });
        let open = json!({ "protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": info });
        client.say(json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": open })).await;
        client.hear().await;
        client
    }

    async fn say(&mut self, message: Value) {
        self.write.write_all(format!("{message}\n").as_bytes()).await.expect("it is read");
    }

    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.read.read_line(&mut line).await.expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Calls a tool that does not come to an end, and waits until it runs.
    async fn endless(&mut self, id: u64, tool: &str) {
        let params = json!({ "name": format!("hostile__{tool}"), "arguments": {}, "_meta": { "progressToken": id } });
        self.say(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })).await;
        assert_eq!(self.hear().await["params"]["progressToken"], id);
        assert_eq!(self.host.in_flight(), 1, "the guest runs");
    }

    /// Waits until nothing runs any more.
    async fn idle(&self) {
        let idle = async {
            while self.host.in_flight() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), idle).await.expect("the guest ends");
    }
}

/// The guest ends, whether it computes or waits in the host; there is no answer, and the next call is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_taken_back_ends_its_guest() {
    let mut client = Client::new().await;
    for (id, tool) in [(1, "spin"), (2, "wait_forever")] {
        client.endless(id, tool).await;
        client
            .say(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id, "reason": "enough" } }))
            .await;
        client.idle().await;
    }
    let params = json!({ "name": "hostile__sleep", "arguments": { "milliseconds": 0 } });
    client.say(json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params })).await;
    let answer = client.hear().await;
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(3), &json!(false)), "what was taken back has no answer");
}

/// A client that goes away in the middle leaves nothing running behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let mut client = Client::new().await;
    client.endless(1, "wait_forever").await;
    let Client { host, read, write, served, _offers } = client;
    drop((read, write));
    let ended = tokio::time::timeout(Duration::from_secs(60), served).await.expect("it ends").expect("no panic");
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(host.in_flight(), 0);
}

/// M14: beyond the bound a call is refused as one that a model can make again, and nothing is queued for it.
#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_the_bound_are_refused_and_served_again_later() {
    let mut client = Client::new().await;
    let call = |id: usize, tool: &str| {
        let params = json!({ "name": format!("hostile__{tool}"), "arguments": {} });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    };
    for id in 1..=MCP_CALLS_MAX {
        client.say(call(id, "wait_forever")).await;
    }
    client.say(call(0, "wait_forever")).await;
    let refused = client.hear().await;
    assert_eq!(refused["result"]["isError"], true, "one of them, and the rest runs: {refused}");
    for id in 0..=MCP_CALLS_MAX {
        client.say(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })).await;
    }
    client.idle().await;
    client.say(call(9999, "abort")).await;
    assert_eq!(client.hear().await["id"], 9999);
}
