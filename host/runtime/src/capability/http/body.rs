//! Bodies under the bounds of a grant.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep, sleep_until};
use wasmtime_wasi_http::{Error, WasiBody};

use super::{
    asked::Asked,
    failure,
    plan::{Bounds, Timeouts},
};
use crate::capability::{
    scrub::Scrubber,
    spend::{Spend, Traffic},
};

/// A count of bytes that must not pass the `max_bytes` of a grant, nor what the plugin may send or receive in a minute.
struct Budget {
    max: u64,
    left: u64,
    asked: Asked,
    spend: Arc<Spend>,
    traffic: Traffic,
}

impl Budget {
    fn new(max: u64, asked: Asked, spend: &Arc<Spend>, traffic: Traffic) -> Self {
        Self { max, left: max, asked, spend: spend.clone(), traffic }
    }

    /// Keeps what is within the bounds of `chunk`.
    ///
    /// # Errors
    /// The one of a bound that was reached, recorded.
    fn take(&mut self, chunk: &mut Bytes) -> Result<(), Error> {
        let fits = usize::try_from(self.left).unwrap_or(usize::MAX).min(chunk.len());
        let whole = fits == chunk.len();
        chunk.truncate(fits);
        self.left -= fits as u64;
        if let Err(reason) = self.spend.spend(self.traffic, fits as u64) {
            chunk.clear();
            return Err(self.asked.exceed(reason, self.size(None)));
        }
        if whole { Ok(()) } else { Err(self.exceeded()) }
    }

    fn exceeded(&self) -> Error {
        let what = if self.traffic == Traffic::Sent { "request" } else { "response" };
        self.asked.exceed(format!("the {what} body is larger than {} bytes, the grant's bound", self.max), self.size(Some(self.max)))
    }

    fn size(&self, most: Option<u64>) -> Error {
        if self.traffic == Traffic::Sent { Error::HttpRequestBodySize(most) } else { Error::HttpResponseBodySize(most) }
    }
}

/// What a guest sends.
pub(super) struct RequestBody {
    inner: WasiBody,
    budget: Budget,
}

impl RequestBody {
    /// `inner`, of at most `max` bytes, which count for `spend`.
    pub(super) fn new(inner: WasiBody, max: u64, asked: Asked, spend: &Arc<Spend>) -> Self {
        Self { inner, budget: Budget::new(max, asked, spend, Traffic::Sent) }
    }

    /// The error for a length that was announced and is too much.
    pub(super) fn too_large(&self) -> Error {
        self.budget.exceeded()
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
        Poll::Ready(Some(self.budget.take(&mut chunk).map(|()| Frame::data(chunk))))
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
    /// `inner`, within the bounds of its request, which count for `spend`, until `timeouts` are over.
    pub(super) fn new(inner: Incoming, bounds: Bounds, asked: Asked, timeouts: Timeouts) -> Self {
        let Bounds { max_bytes, needles, spend } = bounds;
        Self {
            inner,
            budget: Budget::new(max_bytes, asked, &spend, Traffic::Received),
            scrubber: Scrubber::new(needles),
            deadline: Box::pin(sleep_until(timeouts.deadline)),
            idle: timeouts.idle().map(|idle| (idle, Box::pin(sleep(idle)))),
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
                let taken = self.budget.take(&mut chunk);
                let chunk = self.scrubber.push(chunk);
                if let Err(error) = taken {
                    self.last = Some(Some(Err(error)));
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
