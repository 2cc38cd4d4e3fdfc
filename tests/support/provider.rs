//! A provider of models: real HTTP on this machine, which speaks the three APIs and answers as it is told, fault by fault.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use remit_core::{
    model::Api,
    project::{Model, Project},
};
use serde_json::{Value, json};

/// What a provider does with one request.
#[derive(Debug, Clone)]
pub enum Turn {
    /// Says this.
    Say(String),
    /// Wants these tools called: name and arguments as text.
    Call(Vec<(String, String)>),
    /// Answers with this status, these headers and this body.
    Refuse(u16, &'static str, String),
    /// Closes the connection without an answer.
    Hang,
    /// Begins an answer in pieces, and says nothing more until it is dropped.
    Stall,
    /// Begins an answer in pieces, and closes the connection.
    Cut,
    /// Answers with this body, whatever it is.
    Raw(String),
    /// Says the same piece over and over, without an end.
    Endless,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its path.
    pub path: String,
    /// Its header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Value,
}

impl Asked {
    /// A header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// What decides about each request.
type Rule = Box<dyn FnMut(&Asked) -> Turn + Send>;

/// A provider that runs until it is dropped.
pub struct Provider {
    address: std::net::SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Dropped with the provider: what stalls ends then.
    _held: Arc<Mutex<Vec<TcpStream>>>,
}

impl Provider {
    /// A provider that does this, a turn for each request, and then says `done`.
    pub fn new(script: impl IntoIterator<Item = Turn>) -> Self {
        let mut script: VecDeque<Turn> = script.into_iter().collect();
        Self::ruled(move |_| script.pop_front().unwrap_or_else(|| Turn::Say("done".to_owned())))
    }

    /// A provider that does what `rule` says to each request.
    pub fn ruled(rule: impl FnMut(&Asked) -> Turn + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(rule)));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let held = Arc::new(Mutex::new(Vec::new()));
        let shared = (rule, asked.clone(), held.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (rule, asked, held) = shared.clone();
                std::thread::spawn(move || serve(stream, &rule, &asked, &held));
            }
        });
        Self { address, asked, _held: held }
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The URL of its models.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The lines of `[models.NAME]` for a model of it.
    pub fn table(&self, name: &str, api: &str, more: &str) -> String {
        format!("[models.{name}]\napi = \"{api}\"\nurl = \"{}\"\nname = \"scripted-1\"\n{more}\n", self.url())
    }
}

/// The models of these lines of `remit.toml`.
pub fn models(tables: &str) -> std::collections::BTreeMap<String, Model> {
    let text = format!("version = 1\n[project]\nname = \"desk\"\n{tables}");
    Project::parse("remit.toml", text.as_bytes()).unwrap_or_else(|error| panic!("{}", error.report())).models
}

fn serve(mut stream: TcpStream, rule: &Mutex<Rule>, asked: &Mutex<Vec<Asked>>, held: &Mutex<Vec<TcpStream>>) {
    let Some(request) = read(&stream) else { return };
    let api = match request.path.rsplit('/').next() {
        Some("messages") => Api::Anthropic,
        Some("responses") => Api::OpenaiResponses,
        _ => Api::OpenaiChat,
    };
    let in_pieces = request.body["stream"] == true;
    let turn = (rule.lock().unwrap())(&request);
    let number = {
        let mut asked = asked.lock().unwrap();
        asked.push(request);
        asked.len()
    };
    let written = match &turn {
        Turn::Say(text) => answer(api, in_pieces, number, text, &[]),
        Turn::Call(calls) => answer(api, in_pieces, number, "", calls),
        Turn::Refuse(status, headers, body) => {
            format!("HTTP/1.1 {status} No\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
        Turn::Hang => String::new(),
        Turn::Raw(body) => whole(body),
        Turn::Stall | Turn::Cut | Turn::Endless => format!("{STREAM}{}", events(api, number, "half an ", &[]).0),
    };
    drop(stream.write_all(written.as_bytes()));
    match turn {
        Turn::Stall => held.lock().unwrap().push(stream),
        Turn::Endless => {
            let piece = events(api, number, &"x".repeat(4096), &[]).0;
            while stream.write_all(piece.as_bytes()).is_ok() {}
        }
        _ => {}
    }
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { path, headers, body: serde_json::from_slice(&body).ok()? })
}

fn whole(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// An answer that says `text` and wants `calls`, whose ids tell of which request they are.
fn answer(api: Api, in_pieces: bool, number: usize, text: &str, calls: &[(String, String)]) -> String {
    let (pieces, end) = events(api, number, text, calls);
    match in_pieces {
        true => format!("{STREAM}{pieces}{end}"),
        false => whole(&message(api, number, text, calls).to_string()),
    }
}

/// The same in one body. It took ten tokens to ask for each request so far, and one to answer.
fn message(api: Api, number: usize, text: &str, calls: &[(String, String)]) -> Value {
    let id = |place: usize| format!("call_{number}_{place}");
    let parsed = |arguments: &str| serde_json::from_str::<Value>(arguments).unwrap_or_else(|_| arguments.into());
    let calls = calls.iter().enumerate();
    let (input, ended) = (10 * number, calls.len() == 0);
    match api {
        Api::OpenaiChat => {
            let calls: Vec<Value> = calls
                .map(|(place, (name, arguments))| json!({ "index": place, "id": id(place), "type": "function", "function": { "name": name, "arguments": arguments } }))
                .collect();
            let reason = if ended { "stop" } else { "tool_calls" };
            let choice = json!({ "message": { "role": "assistant", "content": text, "tool_calls": calls }, "finish_reason": reason });
            json!({ "model": "scripted-1", "choices": [choice], "usage": { "prompt_tokens": input, "completion_tokens": 1 } })
        }
        Api::OpenaiResponses => {
            let said = json!({ "type": "message", "content": [{ "type": "output_text", "text": text }] });
            let calls = calls.map(
                |(place, (name, arguments))| json!({ "type": "function_call", "call_id": id(place), "name": name, "arguments": arguments }),
            );
            let output: Vec<Value> = (!text.is_empty()).then_some(said).into_iter().chain(calls).collect();
            json!({ "status": "completed", "model": "scripted-1", "output": output, "usage": { "input_tokens": input, "output_tokens": 1 } })
        }
        Api::Anthropic => {
            let said = json!({ "type": "text", "text": text });
            let calls = calls
                .map(|(place, (name, arguments))| json!({ "type": "tool_use", "id": id(place), "name": name, "input": parsed(arguments) }));
            let content: Vec<Value> = (!text.is_empty()).then_some(said).into_iter().chain(calls).collect();
            let reason = if ended { "end_turn" } else { "tool_use" };
            json!({ "model": "scripted-1", "content": content, "stop_reason": reason, "usage": { "input_tokens": input, "output_tokens": 1 } })
        }
    }
}

/// The same in pieces: what is said and wanted, and how it ends.
fn events(api: Api, number: usize, text: &str, calls: &[(String, String)]) -> (String, String) {
    let mut whole = message(api, number, text, calls);
    let write = |events: &[Value]| events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>();
    match api {
        Api::OpenaiChat => {
            let usage = whole["usage"].take();
            let choice = &whole["choices"][0];
            let piece = json!({ "model": "scripted-1", "choices": [{ "delta": choice["message"] }] });
            let end = json!({ "choices": [{ "delta": {}, "finish_reason": choice["finish_reason"] }] });
            (write(&[piece]), write(&[end, json!({ "choices": [], "usage": usage })]) + "data: [DONE]\n\n")
        }
        Api::OpenaiResponses => {
            let piece = json!({ "type": "response.output_text.delta", "delta": text });
            (write(&[piece]), write(&[json!({ "type": "response.completed", "response": whole })]))
        }
        Api::Anthropic => {
            let usage = whole["usage"].clone();
            let mut pieces = vec![json!({ "type": "message_start", "message": { "model": "scripted-1", "content": [], "usage": usage } })];
            for (index, block) in whole["content"].as_array().into_iter().flatten().enumerate() {
                let (empty, delta) = match block["type"].as_str() {
                    Some("text") => (json!({ "type": "text", "text": "" }), json!({ "type": "text_delta", "text": block["text"] })),
                    _ => {
                        let empty = json!({ "type": "tool_use", "id": block["id"], "name": block["name"], "input": {} });
                        let arguments = block["input"].as_str().map_or_else(|| block["input"].to_string(), str::to_owned);
                        (empty, json!({ "type": "input_json_delta", "partial_json": arguments }))
                    }
                };
                pieces.push(json!({ "type": "content_block_start", "index": index, "content_block": empty }));
                pieces.push(json!({ "type": "content_block_delta", "index": index, "delta": delta }));
            }
            let end = json!({ "type": "message_delta", "delta": { "stop_reason": whole["stop_reason"] }, "usage": { "output_tokens": 1 } });
            (write(&pieces), write(&[end, json!({ "type": "message_stop" })]))
        }
    }
}
