//! One request and its response over HTTP/1.1, under one deadline (N9).

use std::pin::Pin;

use futures::future::{Either, select};
use http::{Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use remit_core::limit::HTTP_FIELDS_MAX_BYTES;
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::{Error, WasiBody};

use super::{
    body::{RequestBody, ResponseBody},
    connect::{self, Connection, Unopened},
    failure,
    gateway::Gateway,
    plan::{Plan, Route, head_bytes},
};
use crate::capability::{scrub::Needles, spend::Traffic};

/// What moves the bytes while the body is read; dropping it closes the connection.
pub(super) type Driver = Box<dyn Future<Output = Result<(), Error>> + Send>;
/// A response whose body is still to come, and its driver.
pub(super) type Answer = Result<(Response<WasiBody>, Driver), Error>;

type Wire = http1::Connection<TokioIo<Box<dyn Connection>>, RequestBody>;

/// Sends the request of `plan` and waits for the head of the response. Dropping the future closes the connection.
///
/// # Errors
/// By what failed; a bound or a right that refused is recorded.
pub(super) async fn run(gateway: &Gateway, plan: Plan) -> Answer {
    let route = &plan.route;
    let opened = connect::open(gateway, &route.target, route.timeouts.connected(), |address| route.permits(address)).await;
    let stream = opened.map_err(|unopened| match unopened {
        Unopened::Forbidden(address) => route.asked.private(&route.method, &route.target.url, address),
        Unopened::Failed(error) => error,
    })?;
    let Plan { route: Route { timeouts, asked, .. }, request, bounds, slot } = plan;
    let (at, late) = timeouts.answered();
    let head = async {
        let (mut sender, wire) = http1::Builder::new().max_buf_size(HTTP_FIELDS_MAX_BYTES).handshake(TokioIo::new(stream)).await?;
        match select(Box::pin(sender.send_request(request)), Box::pin(wire)).await {
            Either::Left((response, wire)) => Ok((response?, Some(wire))),
            Either::Right((ended, response)) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended before its response was taken");
                }
                Ok((response.await?, None))
            }
        }
    };
    let head: Result<_, hyper::Error> = timeout_at(at, head).await.map_err(|_elapsed| late)?;
    let (response, wire) = head.map_err(|error| failure::of_hyper(&error, Error::ConnectionTerminated))?;
    asked.within(bounds.spend.spend(Traffic::Received, head_bytes(response.headers())), Error::HttpResponseHeaderSectionSize(None))?;
    let response = checked(response, &bounds.needles)?;
    let response = response.map(|body| ResponseBody::new(body, bounds, asked, timeouts).boxed_unsync());
    let driver = async move {
        if let Some(wire) = wire {
            drive(wire, timeouts.deadline).await;
        }
        drop(slot);
        Ok(())
    };
    Ok((response, Box::new(driver)))
}

/// Moves bytes until the exchange or its time is over. The reader of the body learns of a failure there.
async fn drive(wire: Pin<Box<Wire>>, deadline: Instant) {
    match timeout_at(deadline, wire).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "connection failed under its response"),
        Err(_elapsed) => tracing::debug!("deadline of an exchange"),
    }
}

/// The head of a response as the guest may see it.
fn checked<B>(mut response: Response<B>, needles: &Needles) -> Result<Response<B>, Error> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::HttpUpgradeFailed);
    }
    if needles.is_empty() {
        return Ok(response);
    }
    let plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !response.headers().get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Err(Error::HttpResponseContentCoding(None));
    }
    needles.scrub_headers(response.headers_mut());
    Ok(response)
}
