//! `wasi:http` of an isolated guest: requests and the parts of bodies go to the host, which decides, connects and attaches secrets.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use remit_core::limit::HTTP_CHUNK_BYTES;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use super::{
    super::{
        fault::Fault,
        wire::{Head, News, Part, Question, Send as Sent, fields, written},
    },
    link::Link,
};
use crate::capability::http::belongs_to_host;

type Driver = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = Result<(Response<WasiBody>, Driver), Error>;

/// Sends what a guest sends to the host.
pub(super) struct Forward(pub(super) Arc<Link>);

impl WasiHttpHooks for Forward {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(belongs_to_host)
    }

    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        HTTP_CHUNK_BYTES
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let link = Arc::clone(&self.0);
        let exchange = Exchange { number: link.number(), link, upload: None };
        // The question goes out now: a refusal is recorded even when the guest never looks at the answer.
        let asked = exchange.ask(request, options.unwrap_or_default());
        Box::new(async move {
            let (asked, exchange) = asked?;
            let head: Result<Head, Fault> = asked.await.map_err(unanswered)?;
            let Head { status, headers } = head?;
            let mut response = Response::new(Download { exchange, asked: None }.boxed_unsync());
            *response.status_mut() = StatusCode::from_u16(status).map_err(unanswered)?;
            *response.headers_mut() = fields(headers)?;
            Ok((response, Box::new(std::future::ready(Ok(()))) as Driver))
        })
    }
}

fn unanswered(error: impl std::fmt::Display) -> Error {
    Error::InternalError(Some(error.to_string()))
}

/// One exchange, for as long as the guest holds on to it.
struct Exchange {
    number: u32,
    link: Arc<Link>,
    upload: Option<JoinHandle<()>>,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            upload.abort();
        }
        self.link.tell(News::Dropped(self.number));
    }
}

type Asked = BoxFuture<'static, wasmtime::Result<Result<Head, Fault>>>;

impl Exchange {
    fn ask(mut self, request: Request<WasiBody>, options: RequestOptions) -> Result<(Asked, Self), Error> {
        let (head, body) = request.into_parts();
        let length = body.size_hint().exact();
        let empty = body.is_end_stream() || length == Some(0);
        let millis = |patience: Option<Duration>| patience.map(|patience| u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
        let sent = Sent {
            exchange: self.number,
            method: head.method.as_str().to_owned(),
            uri: head.uri.to_string(),
            headers: written(&head.headers),
            patience_ms: [options.connect_timeout, options.first_byte_timeout, options.between_bytes_timeout].map(millis),
            body: (!empty).then_some(length),
        };
        let asked = self.link.ask(Question::Send(sent)).map_err(unanswered)?;
        if !empty {
            self.upload = Some(tokio::spawn(upload(Arc::clone(&self.link), self.number, body)));
        }
        Ok((Box::pin(asked), self))
    }
}

/// Gives the host the body of a request, part by part, each when it took the one before.
async fn upload(link: Arc<Link>, exchange: u32, mut body: WasiBody) {
    loop {
        let part = match body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Part::Data(data),
                Err(frame) => Part::Trailers(frame.trailers_ref().map(written).unwrap_or_default()),
            },
            Some(Err(error)) => Part::Failed(Fault::from(&error)),
            None => Part::End,
        };
        let more = matches!(part, Part::Data(_));
        let Ok(taken) = link.ask::<bool>(Question::Upload(exchange, part)) else { return };
        if !more || !matches!(taken.await, Ok(true)) {
            return;
        }
    }
}

/// The body of a response, which is asked for part by part.
struct Download {
    exchange: Exchange,
    asked: Option<BoxFuture<'static, wasmtime::Result<Part>>>,
}

impl Body for Download {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut asked = match self.asked.take() {
            Some(asked) => asked,
            None => match self.exchange.link.ask(Question::Download(self.exchange.number)) {
                Ok(asked) => Box::pin(asked),
                Err(error) => return Poll::Ready(Some(Err(unanswered(error)))),
            },
        };
        let Poll::Ready(part) = asked.as_mut().poll(cx) else {
            self.asked = Some(asked);
            return Poll::Pending;
        };
        Poll::Ready(match part {
            Ok(Part::Data(data)) => Some(Ok(Frame::data(data))),
            Ok(Part::Trailers(trailers)) => Some(fields(trailers).map(Frame::trailers)),
            Ok(Part::End) => None,
            Ok(Part::Failed(fault)) => Some(Err(fault.into())),
            Err(error) => Some(Err(unanswered(error))),
        })
    }
}
