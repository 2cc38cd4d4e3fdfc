//! Bodies under the bounds of a grant.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use wasmtime_wasi_http::{Error, WasiBody};

use super::{asked::Asked, failure};
use crate::capability::scrub::{Needles, Scrubber};

/// A count of bytes that must not pass the `max_bytes` of a grant.
struct Budget {
    max: u64,
    left: u64,
    asked: Asked,
}

impl Budget {
    fn new(max: u64, asked: Asked) -> Self {
        Self { max, left: max, asked }
    }

    /// Keeps what is within the bound of `chunk`; whether that was all of it.
    fn take(&mut self, chunk: &mut Bytes) -> bool {
        let fits = usize::try_from(self.left).unwrap_or(usize::MAX).min(chunk.len());
        let whole = fits == chunk.len();
        chunk.truncate(fits);
        self.left -= fits as u64;
        whole
    }

    fn exceeded(&self, what: &str, error: fn(Option<u64>) -> Error) -> Error {
        self.asked.exceed(format!("the {what} is larger than {} bytes, the grant's bound", self.max), error(Some(self.max)))
    }
}

/// What a guest sends.
pub(super) struct RequestBody {
    inner: WasiBody,
    budget: Budget,
}

impl RequestBody {
    /// `inner`, of at most `max` bytes.
    pub(super) fn new(inner: WasiBody, max: u64, asked: Asked) -> Self {
        Self { inner, budget: Budget::new(max, asked) }
    }

    /// The error for a length that was announced and is too much.
    pub(super) fn too_large(&self) -> Error {
        self.budget.exceeded("request body", Error::HttpRequestBodySize)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            end => return Poll::Ready(end),
        };
        let Ok(mut chunk) = frame.into_data() else {
            // They would go past every check that headers had.
            let refused = Error::HttpRequestTrailerSectionSize(Some(0));
            return Poll::Ready(Some(Err(self.budget.asked.forbid("trailers are not sent; use headers", refused))));
        };
        let whole = self.budget.take(&mut chunk);
        Poll::Ready(Some(if whole { Ok(Frame::data(chunk)) } else { Err(self.too_large()) }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What a guest reads: bounded in bytes and in time, without the secret.
pub(super) struct ResponseBody {
    inner: Incoming,
    budget: Budget,
    scrubber: Scrubber,
    deadline: Pin<Box<Sleep>>,
    /// How long the guest itself wants to wait for the next bytes.
    idle: Option<(Duration, Pin<Box<Sleep>>)>,
    /// What follows the bytes that are given out next; `None` inside: the end.
    last: Option<Option<Result<Frame<Bytes>, Error>>>,
}

impl ResponseBody {
    /// `inner`, of at most `max` bytes, until `deadline`, with `needles` masked.
    pub(super) fn new(inner: Incoming, max: u64, asked: Asked, needles: Needles, deadline: Instant, idle: Option<Duration>) -> Self {
        Self {
            inner,
            budget: Budget::new(max, asked),
            scrubber: Scrubber::new(needles),
            deadline: Box::pin(sleep_until(deadline)),
            idle: idle.map(|idle| (idle, Box::pin(sleep(idle)))),
            last: None,
        }
    }

    /// Whether the guest's own patience is over.
    fn is_idle(&mut self, cx: &mut Context<'_>) -> bool {
        self.idle.as_mut().is_some_and(|(_, sleeping)| sleeping.as_mut().poll(cx).is_ready())
    }

    /// Takes what was read; gives back what the guest may have of it.
    fn accept(&mut self, frame: Option<Result<Frame<Bytes>, hyper::Error>>) -> Bytes {
        if let Some((idle, sleeping)) = &mut self.idle {
            sleeping.set(sleep(*idle));
        }
        let end = match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(mut chunk))) => {
                let whole = self.budget.take(&mut chunk);
                let chunk = self.scrubber.push(chunk);
                if !whole {
                    self.last = Some(Some(Err(self.budget.exceeded("response body", Error::HttpResponseBodySize))));
                }
                return chunk;
            }
            Some(Ok(Err(frame))) => frame.into_trailers().ok().map(|mut trailers| {
                self.scrubber.scrub_headers(&mut trailers);
                Ok(Frame::trailers(trailers))
            }),
            Some(Err(error)) => Some(Err(failure::of_hyper(&error, Error::HttpResponseIncomplete))),
            None => None,
        };
        let rest = self.scrubber.finish();
        self.last = Some(end);
        rest
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            if let Some(last) = &mut self.last {
                return Poll::Ready(last.take());
            }
            if self.deadline.as_mut().poll(cx).is_ready() {
                self.last = Some(Some(Err(Error::HttpResponseTimeout)));
                continue;
            }
            let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
                if !self.is_idle(cx) {
                    return Poll::Pending;
                }
                self.last = Some(Some(Err(Error::ConnectionReadTimeout)));
                continue;
            };
            let chunk = self.accept(frame);
            if !chunk.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
        }
    }
}
