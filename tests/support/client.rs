//! A client of `remit mcp`, a line a message, written by hand: what is said and heard is what stands on the wire.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
};

use serde_json::{Value, json};

/// The revision with a handshake that it speaks.
pub const HANDSHAKE: &str = "2025-11-25";
/// The revision without one.
pub const STATELESS: &str = "2026-07-28";

/// A server that was started, and the lines to it.
pub struct McpClient {
    child: Child,
    write: Option<ChildStdin>,
    read: BufReader<ChildStdout>,
    last: u64,
    /// What came that was no answer.
    pub told: Vec<Value>,
    stateless: bool,
    /// What it says that it can do.
    capabilities: Value,
    /// What it calls itself.
    pub name: &'static str,
}

impl McpClient {
    /// Starts `command`, and opens the revisions with a handshake.
    pub fn start(command: Command) -> Self {
        let mut client = Self::unopened(command);
        client.open(HANDSHAKE);
        client
    }

    /// Starts `command`; every request says what there would be a handshake for.
    pub fn stateless(command: Command) -> Self {
        Self { stateless: true, ..Self::unopened(command) }
    }

    /// Starts `command` and says nothing.
    pub fn unopened(mut command: Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the binary runs");
        let (write, read) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("a pipe")));
        Self { child, write, read, last: 0, told: Vec::new(), stateless: false, capabilities: json!({}), name: "test" }
    }

    /// The same client, which says that it has these capabilities.
    pub fn can(self, capabilities: Value) -> Self {
        Self { capabilities, ..self }
    }

    /// The handshake; what the server said to it.
    pub fn open(&mut self, revision: &str) -> Value {
        let client = json!({ "name": self.name, "version": "1" });
        let said = self.ask("initialize", json!({ "protocolVersion": revision, "capabilities": self.capabilities, "clientInfo": client }));
        self.tell("notifications/initialized", json!({}));
        said
    }

    /// The process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Its standard input, for who says more than is read; nothing can be said by other ways then.
    pub fn take_input(&mut self) -> ChildStdin {
        self.write.take().expect("it is not closed")
    }

    /// Says a line as it is.
    pub fn say(&mut self, line: &str) {
        let write = self.write.as_mut().expect("it is not closed");
        write.write_all(format!("{line}\n").as_bytes()).expect("it reads");
    }

    /// Says a notification.
    pub fn tell(&mut self, method: &str, params: Value) {
        self.say(&json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
    }

    /// Says a request and does not wait; its id.
    pub fn request(&mut self, method: &str, mut params: Value) -> u64 {
        self.last += 1;
        if self.stateless {
            let client = json!({ "name": self.name, "version": "1" });
            let names = ["protocolVersion", "clientInfo", "clientCapabilities"].map(|name| format!("io.modelcontextprotocol/{name}"));
            for (name, value) in names.into_iter().zip([json!(STATELESS), client, self.capabilities.clone()]) {
                params["_meta"][name] = value;
            }
        }
        self.say(&json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params }).to_string());
        self.last
    }

    /// The next line; `None` at the end.
    pub fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.read.read_line(&mut line).expect("text");
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("nothing but the protocol"))
    }

    /// The answer to the request `id`; what else comes before it is kept.
    pub fn answer(&mut self, id: u64) -> Value {
        loop {
            let heard = self.hear().expect("an answer");
            if heard["id"] == id {
                return heard;
            }
            self.told.push(heard);
        }
    }

    /// Says a request and waits for its answer.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.answer(id)
    }

    /// The next request of the server; what else comes before it is kept.
    pub fn asked(&mut self) -> Value {
        loop {
            let heard = self.hear().expect("a request");
            if heard.get("method").is_some() && heard.get("id").is_some() {
                return heard;
            }
            self.told.push(heard);
        }
    }

    /// Answers a request of the server.
    pub fn reply(&mut self, request: &Value, result: Value) {
        self.say(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string());
    }

    /// Calls a tool; the result.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    /// The names of all tools.
    pub fn tools(&mut self) -> Vec<String> {
        let list = self.ask("tools/list", json!({}));
        let tools = list["result"]["tools"].as_array().expect("a list").iter();
        tools.map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Has nothing more to say, and waits for the end: what else came, standard error, and how the process ended.
    pub fn close(mut self) -> (Vec<Value>, String, ExitStatus) {
        drop(self.write.take());
        let mut left = std::mem::take(&mut self.told);
        left.extend(std::iter::from_fn(|| self.hear()));
        let mut stderr = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("text");
        (left, stderr, self.child.wait().expect("it ends"))
    }
}
