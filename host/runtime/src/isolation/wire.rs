//! What a host and the process of an isolated plugin say to each other, over one socket that nobody else has.
//!
//! A frame is its length (`u32`, little-endian) and one message. The host believes nothing in the frames of a process but that this
//! guest wants it: each is bounded before it is kept, decoded whole or refused, and answered by what a guest in the host's own
//! process would be answered by.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use remit_bindings::{
    reconciler::exports::remit::tool::reconcile::Fate,
    tool::remit::tool::types::{Failure, Output},
    wasi::wasi::logging::logging::Level,
};
use remit_core::{Error, Kind, plugin::Kind as PluginKind};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::fault::Fault;

/// Bytes of a frame before its message.
const HEAD_BYTES: usize = 4;

/// The first thing that a process is told; the compiled code follows.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) kind: PluginKind,
    pub(super) code_bytes: u64,
    pub(super) bounds: Bounds,
}

/// What the kernel holds the whole process to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Bounds {
    /// Memory that may be written, in bytes.
    pub(super) data_bytes: u64,
    /// CPU time of its whole life, in seconds.
    pub(super) cpu_s: u64,
}

/// What a host says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToProcess {
    /// One call.
    Run(Box<Run>),
    /// The answer to the question of that number.
    Answer(u32, Bytes),
}

/// One call.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) what: What,
    pub(super) environment: Vec<(String, String)>,
    pub(super) memory_bytes: u64,
    pub(super) hostcall_fuel: u64,
    pub(super) left_ms: u64,
    /// Largest message that the host takes in this call.
    pub(super) message_max_bytes: u64,
}

/// What is called.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum What {
    /// `call` of `remit:tool/tools`.
    Tool { tool: String, arguments: String },
    /// A plain function.
    Function { function: Function, arguments: String, max_bytes: u64 },
    /// `settle` of `remit:tool/reconcile`.
    Settle { tool: String, key: String },
}

/// Where a component exports a plain function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Function {
    pub(super) interface: Option<String>,
    pub(super) function: String,
}

/// What a process says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToHost {
    /// It is confined and waits for calls.
    Ready(Held),
    /// It cannot be confined, or not load its code; the reason.
    Unready(String),
    /// A question under a number, which its answer carries.
    Ask(u32, Question),
    /// Something that nobody answers.
    Tell(News),
    /// How the call ended.
    Done(Box<Done>),
}

/// What holds a process besides what always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    /// Whether it has a network of its own, with nothing in it.
    pub(super) namespaces: bool,
}

/// What a guest asks of its host.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Question {
    Context,
    Progress(Option<f64>, String),
    Log(Level, String, String),
    Config(String),
    ConfigAll,
    Kv(Kv),
    /// Call a tool (`plugin/tool`) with arguments.
    Tool(String, String),
    Send(Send),
    /// The next part of the body of the request of that number; whether it was taken is the answer.
    Upload(u32, Part),
    /// The next part of the body of the response; it is the answer.
    Download(u32),
}

/// What is asked of the key-value storage.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Kv {
    Open(String),
    Get(String),
    Set(String, Vec<u8>),
    Delete(String),
    Exists(String),
    ListKeys(Option<u64>),
    Increment(String, u64),
    GetMany(Vec<String>),
    SetMany(Vec<(String, Vec<u8>)>),
    DeleteMany(Vec<String>),
}

/// A request over HTTP. The answer is a [`Head`] or a [`Fault`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Send {
    /// Its number; no other request of the process has it.
    pub(super) exchange: u32,
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) headers: Vec<(String, Bytes)>,
    /// Connecting, the first byte, between bytes: how long the guest waits, in milliseconds.
    pub(super) patience_ms: [Option<u64>; 3],
    /// Whether a body follows, and how long it is, where that is known.
    pub(super) body: Option<Option<u64>>,
}

/// The head of a response.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Bytes)>,
}

/// A part of a body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Part {
    Data(Bytes),
    Trailers(Vec<(String, Bytes)>),
    End,
    Failed(Fault),
}

/// What a process tells.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum News {
    Stdout(Bytes),
    Stderr(Bytes),
    /// A guest reached for files or sockets, which are not there.
    Missed(Missed),
    /// The guest let go of the exchange of that number.
    Dropped(u32),
}

/// What a guest reached for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Missed {
    /// A path, to write there or to read.
    Path { path: String, write: bool },
    /// A socket to that address or name.
    Socket(String),
}

/// How a call ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) given: Given,
    pub(super) memory_peak_bytes: u64,
    pub(super) cpu_us: u64,
}

/// What a guest gave.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Given {
    Tool(Result<Output, Failure>),
    /// A structured result as JSON, or the error side of its `result`.
    Function(Result<Option<String>, String>),
    Fate(Result<Fate, Failure>),
    Failed(Broken),
}

/// Why a call gave nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Broken {
    pub(super) kind: Kind,
    pub(super) message: String,
    pub(super) hints: Vec<String>,
    pub(super) backtrace: Vec<String>,
}

/// One message as a frame.
///
/// # Errors
/// `limit` when it has more than `max_bytes`.
pub(super) fn frame<T: Serialize>(message: &T, max_bytes: usize) -> Result<Vec<u8>, Error> {
    let unsaid = |error: postcard::Error| Error::host("what is said to or by an isolated plugin could not be written", error);
    let frame = postcard::to_extend(message, vec![0; HEAD_BYTES]).map_err(unsaid)?;
    let length = frame.len().saturating_sub(HEAD_BYTES);
    let too_large = || Error::limit(format!("it passed {length} bytes to the host at once; at most {max_bytes} are taken"));
    let head = u32::try_from(length).ok().filter(|_| length <= max_bytes).ok_or_else(too_large)?;
    let mut frame = frame;
    if let Some(place) = frame.get_mut(..HEAD_BYTES) {
        place.copy_from_slice(&head.to_le_bytes());
    }
    Ok(frame)
}

/// What is in a frame: all of it, and nothing after it.
///
/// # Errors
/// `InvalidData`.
pub(super) fn message<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "there is something after the message")),
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

/// The fields of a head or of trailers, as they cross.
pub(super) fn written(headers: &HeaderMap) -> Vec<(String, Bytes)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes()))).collect()
}

/// What [`written`] wrote.
///
/// # Errors
/// `HttpProtocolError`.
pub(super) fn fields(written: Vec<(String, Bytes)>) -> Result<HeaderMap, wasmtime_wasi_http::Error> {
    let field = |(name, value): (String, Bytes)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_maybe_shared(value).ok()?))
    };
    let fields = written.into_iter().map(field).collect::<Option<Vec<_>>>().ok_or(wasmtime_wasi_http::Error::HttpProtocolError)?;
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    Ok(headers)
}

/// Takes frames off a socket.
pub(super) struct Frames<R> {
    from: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, buffer: BytesMut::new() }
    }

    /// Where the frames come from.
    pub(super) fn source(&self) -> &R {
        &self.from
    }

    /// Whether everything that came was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The message of the next frame, of at most `max_bytes`; `None` at the end. Cancel-safe. Room is made for what came, never for
    /// what is announced.
    ///
    /// # Errors
    /// What reading fails with; `InvalidData` for a frame that is too large; `UnexpectedEof` in the middle of one.
    pub(super) async fn next(&mut self, max_bytes: usize) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(head) = self.buffer.first_chunk::<HEAD_BYTES>() {
                let length = u32::from_le_bytes(*head) as usize;
                if length > max_bytes {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes is too large")));
                }
                if self.buffer.len() >= HEAD_BYTES.saturating_add(length) {
                    self.buffer.advance(HEAD_BYTES);
                    return Ok(Some(self.buffer.split_to(length).freeze()));
                }
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return match self.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }
}
