use remit_core::limit::ARGUMENTS_MAX_BYTES;
use serde_json::json;
use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};

use super::*;

struct Client {
    read: BufReader<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
}

/// A client with room for `unread` bytes in between, and its server.
fn pair(unread: usize) -> (Client, Lines<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>) {
    let (client, server) = duplex(unread);
    let ((read, write), (server_read, server_write)) = (split(client), split(server));
    (Client { read: BufReader::new(read), write }, Lines::new(server_read, server_write))
}

impl Client {
    async fn say(&mut self, line: &str) {
        self.write.write_all(line.as_bytes()).await.expect("it is read");
        self.write.write_all(b"\n").await.expect("it is read");
    }

    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.read.read_line(&mut line).await.expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }
}

const PING: &str = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;

/// What `line` is answered, and that the next request is received all the same.
async fn answer(line: String) -> Value {
    let (mut client, mut lines) = pair(64);
    let saying = tokio::spawn(async move {
        client.say(&line).await;
        client.say(PING).await;
        client.hear().await
    });
    let received = lines.receive().await.expect("the ping");
    assert!(matches!(received, ClientJsonRpcMessage::Request(request) if request.id == RequestId::Number(7)));
    saying.await.expect("an answer")
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_the_next_one_is_served() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for line in ["{", "nonsense", "\u{1}", &deep] {
        let answer = answer(line.to_owned()).await;
        assert_eq!(answer["error"]["code"], -32700, "{answer}");
        assert_eq!(answer.get("id"), None, "there is no id to answer to");
    }
    for line in ["[]", "[1]", "1", "{}", r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, r#"{"jsonrpc":"1.0","id":null,"method":"ping"}"#]
    {
        assert_eq!(answer(line.to_owned()).await["error"]["code"], -32600, "{line}");
    }
    let named = answer(r#"{"id":"a","method":"ping"}"#.to_owned()).await;
    assert_eq!((&named["error"]["code"], &named["id"]), (&json!(-32600), &json!("a")));
}

#[tokio::test]
async fn a_line_is_bounded_and_the_largest_arguments_fit() {
    let call = |bytes: usize| json!({ "jsonrpc": "2.0", "id": 1, "method": "x", "params": { "text": "x".repeat(bytes) } }).to_string();
    let answer = answer(call(MCP_MESSAGE_MAX_BYTES)).await;
    assert_eq!(answer["error"]["code"], -32600);
    let (mut client, mut lines) = pair(4096);
    let saying = tokio::spawn(async move { client.say(&call(ARGUMENTS_MAX_BYTES)).await });
    assert!(lines.receive().await.is_some());
    saying.await.expect("it is read whole");
}

#[tokio::test]
async fn nothing_but_a_request_opens_the_protocol_and_empty_lines_are_nothing() {
    let (mut client, mut lines) = pair(4096);
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    for line in [
        cancelled,
        "",
        "\r",
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/x","params":3}"#,
        PING,
        cancelled,
    ] {
        client.say(line).await;
    }
    assert!(matches!(lines.receive().await, Some(ClientJsonRpcMessage::Request(_))));
    assert!(matches!(lines.receive().await, Some(ClientJsonRpcMessage::Notification(_))));
    drop(client);
    assert!(lines.receive().await.is_none());
}

#[tokio::test]
async fn an_id_that_is_in_use_is_refused_and_free_again_after_its_answer() {
    let (mut client, mut lines) = pair(4096);
    client.say(PING).await;
    client.say(PING).await;
    client.say(&PING.replace('7', "8")).await;
    let received = async |lines: &mut Lines<_, _>| match lines.receive().await {
        Some(ClientJsonRpcMessage::Request(request)) => request.id,
        other => panic!("{other:?}"),
    };
    assert_eq!((received(&mut lines).await, received(&mut lines).await), (RequestId::Number(7), RequestId::Number(8)));
    let refused = client.hear().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(7), &json!(-32600)), "{refused}");
    client.say(PING).await;
    client.say(&PING.replace('7', "9")).await;
    assert_eq!(received(&mut lines).await, RequestId::Number(9), "its refusal was no answer to the first one");
    assert_eq!(client.hear().await["error"]["code"], -32600);
    let answer = |id| ServerJsonRpcMessage::error(ErrorData::invalid_request("answered", None), Some(RequestId::Number(id)));
    lines.send(answer(7)).await.expect("it is written");
    client.say(PING).await;
    assert_eq!(received(&mut lines).await, RequestId::Number(7));
    client.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#).await;
    client.say(PING).await;
    assert!(matches!(lines.receive().await, Some(ClientJsonRpcMessage::Notification(_))));
    assert_eq!(received(&mut lines).await, RequestId::Number(7), "what was taken back is not answered any more");
}

/// M14: a client that asks and never reads is not read any more.
#[tokio::test]
async fn a_client_that_does_not_read_is_not_read() {
    let (mut client, mut lines) = pair(4096);
    let sent: Vec<_> = (0..2 * MCP_UNREAD_MAX)
        .map(|id| {
            let id = RequestId::Number(i64::try_from(id).expect("small"));
            tokio::spawn(lines.send(ServerJsonRpcMessage::error(ErrorData::invalid_request("x".repeat(64), None), Some(id))))
        })
        .collect();
    client.say(PING).await;
    let receiving = tokio::spawn(async move { lines.receive().await.map(|_| lines) });
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!receiving.is_finished(), "the client has its answers to read first");
    for _ in 0..2 * MCP_UNREAD_MAX {
        client.hear().await;
    }
    for sent in sent {
        sent.await.expect("no panic").expect("sent");
    }
    assert!(receiving.await.expect("no panic").is_some(), "then it is read again");
}

#[tokio::test]
async fn a_client_that_went_away_is_the_end() {
    let (client, mut lines) = pair(64);
    let Client { read, write } = client;
    drop((read, write));
    let sent = lines.send(ServerJsonRpcMessage::error(ErrorData::invalid_request("gone", None), None)).await;
    assert!(sent.is_err());
    assert!(lines.receive().await.is_none());
}
