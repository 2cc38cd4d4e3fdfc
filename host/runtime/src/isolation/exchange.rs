//! Requests of an isolated guest: the gateway of its call decides, connects, attaches secrets and masks, as for every guest.

use std::{
    collections::HashMap,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use http::{Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty};
use remit_core::limit::{HTTP_FIELDS_MAX_BYTES, RESOURCE_TABLE_MAX};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::{
    answer::written as answered,
    fault::Fault,
    wire::{Head, Part, Send as Sent, fields, written},
};

type Headed = Result<(Head, WasiBody), Error>;

/// The exchanges of one call. Dropping it ends them.
#[derive(Default)]
pub(super) struct Exchanges {
    open: HashMap<u32, Exchange>,
    waiting: FuturesUnordered<BoxFuture<'static, Came>>,
}

struct Exchange {
    /// Sends, and moves the bytes of the response.
    task: JoinHandle<()>,
    upload: Option<mpsc::Sender<Part>>,
    body: Option<WasiBody>,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Something that was waited for, with the number of the question that it answers.
enum Came {
    Head(u32, u32, Headed),
    Part(u32, u32, WasiBody, Option<Result<Frame<Bytes>, Error>>),
    Taken(u32, bool),
}

impl Exchanges {
    /// Whether nothing is waited for.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits for something; which question it answers, and how. Cancel-safe.
    ///
    /// # Errors
    /// None that is known.
    pub(super) async fn next(&mut self) -> wasmtime::Result<(u32, Bytes)> {
        match self.waiting.next().await {
            Some(Came::Head(asked, number, headed)) => Ok((asked, self.headed(number, headed)?)),
            Some(Came::Part(asked, number, body, frame)) => Ok((asked, self.part(number, body, frame)?)),
            Some(Came::Taken(asked, taken)) => Ok((asked, answered(&taken)?)),
            None => std::future::pending().await,
        }
    }

    /// Sends a request; the question `asked` is answered by the head of its response.
    pub(super) fn send(&mut self, hooks: &mut dyn WasiHttpHooks, asked: u32, sent: Sent) {
        let number = sent.exchange;
        let (upload, request) = match request(sent) {
            Ok(_) if self.open.len() >= RESOURCE_TABLE_MAX => return self.refuse(asked, number, Error::ConnectionLimitReached),
            Ok(_) if self.open.contains_key(&number) => return self.refuse(asked, number, Error::HttpProtocolError),
            Ok((upload, request, options)) => (upload, hooks.send_request(request, Some(options), Box::new(std::future::ready(Ok(()))))),
            Err(error) => return self.refuse(asked, number, error),
        };
        let (headed, head) = oneshot::channel();
        let task = tokio::spawn(async move {
            match Box::into_pin(request).await {
                Ok((response, driver)) => {
                    let (head, body) = response.into_parts();
                    let head = Head { status: head.status.as_u16(), headers: written(&head.headers) };
                    // The guest may have let go of it.
                    drop(headed.send(Ok((head, body))));
                    if let Err(error) = Box::into_pin(driver).await {
                        tracing::debug!(%error, "a response ended early");
                    }
                }
                Err(error) => drop(headed.send(Err(error))),
            }
        });
        self.open.insert(number, Exchange { task, upload, body: None });
        let head = async move { head.await.unwrap_or(Err(Error::ConnectionTerminated)) };
        self.waiting.push(Box::pin(async move { Came::Head(asked, number, head.await) }));
    }

    fn refuse(&mut self, asked: u32, number: u32, error: Error) {
        self.waiting.push(Box::pin(std::future::ready(Came::Head(asked, number, Err(error)))));
    }

    /// Takes a part of a request's body; the question is answered when it was taken, so that there is never more than one.
    pub(super) fn upload(&mut self, asked: u32, number: u32, part: Part) {
        let upload = self.open.get(&number).and_then(|exchange| exchange.upload.clone());
        self.waiting.push(Box::pin(async move {
            let taken = match upload {
                Some(upload) => upload.send(part).await.is_ok(),
                None => false,
            };
            Came::Taken(asked, taken)
        }));
    }

    /// Reads a part of a response's body; it is the answer.
    pub(super) fn download(&mut self, asked: u32, number: u32) {
        let body = self.open.get_mut(&number).and_then(|exchange| exchange.body.take());
        self.waiting.push(Box::pin(async move {
            let Some(mut body) = body else {
                return Came::Part(asked, number, empty(), Some(Err(Error::HttpResponseIncomplete)));
            };
            let frame = body.frame().await;
            Came::Part(asked, number, body, frame)
        }));
    }

    /// Ends an exchange.
    pub(super) fn drop(&mut self, number: u32) {
        self.open.remove(&number);
    }

    fn headed(&mut self, number: u32, headed: Headed) -> wasmtime::Result<Bytes> {
        let head = headed.map_err(|error| Fault::from(&error)).map(|(head, body)| {
            if let Some(exchange) = self.open.get_mut(&number) {
                exchange.body = Some(body);
            }
            head
        });
        answered(&head)
    }

    fn part(&mut self, number: u32, body: WasiBody, frame: Option<Result<Frame<Bytes>, Error>>) -> wasmtime::Result<Bytes> {
        let part = match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => Part::Data(data),
            Some(Ok(Err(frame))) => Part::Trailers(frame.trailers_ref().map(written).unwrap_or_default()),
            Some(Err(error)) => Part::Failed(Fault::from(&error)),
            None => Part::End,
        };
        if let (Part::Data(_) | Part::Trailers(_), Some(exchange)) = (&part, self.open.get_mut(&number)) {
            exchange.body = Some(body);
        }
        answered(&part)
    }
}

fn empty() -> WasiBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

type Asked = (Option<mpsc::Sender<Part>>, Request<WasiBody>, RequestOptions);

/// The request, as far as it is one.
///
/// # Errors
/// By what it is not.
fn request(sent: Sent) -> Result<Asked, Error> {
    let size: usize = sent.headers.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
    if size > HTTP_FIELDS_MAX_BYTES {
        return Err(Error::HttpRequestHeaderSectionSize(u32::try_from(HTTP_FIELDS_MAX_BYTES).ok()));
    }
    let (upload, body) = match sent.body {
        Some(length) => {
            let (upload, parts) = mpsc::channel(1);
            (Some(upload), Upload { parts, length, left: length }.boxed_unsync())
        }
        None => (None, empty()),
    };
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(sent.method.as_bytes()).map_err(|_not_one| Error::HttpRequestMethodInvalid)?;
    *request.uri_mut() = sent.uri.parse::<Uri>().map_err(|_not_one| Error::HttpRequestUriInvalid)?;
    *request.headers_mut() = fields(sent.headers)?;
    let [connect_timeout, first_byte_timeout, between_bytes_timeout] = sent.patience_ms.map(|millis| millis.map(Duration::from_millis));
    Ok((upload, request, RequestOptions { connect_timeout, first_byte_timeout, between_bytes_timeout }))
}

/// The body of a request, as it comes part by part. A length that was announced is what has to come.
struct Upload {
    parts: mpsc::Receiver<Part>,
    length: Option<u64>,
    left: Option<u64>,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let wrong = Error::HttpRequestBodySize(self.length);
        Poll::Ready(match ready!(self.parts.poll_recv(cx)) {
            Some(Part::Data(data)) => match self.left.map(|left| left.checked_sub(data.len() as u64)) {
                Some(None) => Some(Err(wrong)),
                left => {
                    self.left = left.flatten();
                    Some(Ok(Frame::data(data)))
                }
            },
            Some(Part::Trailers(trailers)) => Some(fields(trailers).map(Frame::trailers)),
            Some(Part::End) if matches!(self.left, None | Some(0)) => None,
            Some(Part::End) => Some(Err(wrong)),
            Some(Part::Failed(fault)) => Some(Err(fault.into())),
            None => Some(Err(Error::HttpProtocolError)),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}
