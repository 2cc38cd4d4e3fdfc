use std::time::Duration;

use rmcp::transport::async_rw::AsyncRwTransport;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, duplex, split};

use super::*;

const ASKED: usize = 5000;

/// M7: what a server asks that does not read waits in a bounded number of refusals, and its answers are heard all the same.
#[tokio::test]
async fn m7_a_server_that_asks_and_does_not_read_waits_in_bounds() {
    let (server, host) = duplex(1024);
    let ((read, write), (server_read, mut server_write)) = (split(host), split(server));
    let changed = Arc::new(AtomicBool::new(false));
    let mut heard = Heard::new(AsyncRwTransport::new_client(read, write), changed.clone());
    let asking = tokio::spawn(async move {
        let ask = |id| json!({ "jsonrpc": "2.0", "id": id, "method": if id % 2 == 0 { "ping" } else { "roots/list" } });
        let last =
            [json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }), json!({ "jsonrpc": "2.0", "id": 1, "result": {} })];
        for line in (0..ASKED).map(ask).chain(last) {
            server_write.write_all(format!("{line}\n").as_bytes()).await.expect("it is read");
        }
        server_write
    });
    assert!(matches!(heard.receive().await, Some(ServerJsonRpcMessage::Response(_))));
    assert!(changed.load(Ordering::Acquire) && heard.refusing.len() <= OUTSIDE_REFUSALS_MAX);
    let server_write = asking.await.expect("no panic");
    let hearing = tokio::spawn(async move { heard.receive().await.is_none() });
    let mut lines = BufReader::new(server_read).lines();
    let mut count = 0;
    while let Ok(line) = tokio::time::timeout(Duration::from_millis(100), lines.next_line()).await {
        let line: Value = serde_json::from_str(&line.expect("text").expect("a line")).expect("JSON");
        assert_eq!(line.get("error").is_some(), line["id"].as_u64().expect("a number") % 2 == 1, "{line}");
        count += 1;
    }
    assert!((OUTSIDE_REFUSALS_MAX..OUTSIDE_REFUSALS_MAX + 100).contains(&count), "{count} of {ASKED}");
    drop((lines, server_write));
    assert!(hearing.await.expect("no panic"), "the end is the end");
}
