//! The decision, and the request as it will be sent, before anything is opened.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use remit_core::grant::{self, Allowed, Decision, Denial, Http};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::{
    Egress,
    asked::Asked,
    belongs_to_host,
    body::RequestBody,
    secret,
    target::{self, Target},
};
use crate::capability::{
    Call, Rights,
    call::now,
    scrub::Needles,
    spend::{Spend, Traffic},
};

/// The header that names a request's effect, so that the other side can recognise a repetition.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// An allowed request, with the bounds of its grant.
pub(super) struct Plan {
    /// Where it goes.
    pub(super) route: Route,
    /// What goes there, in origin form, with the host's headers and the secret.
    pub(super) request: Request<RequestBody>,
    /// What holds of the response.
    pub(super) bounds: Bounds,
    /// Held as long as the connection is open.
    pub(super) slot: OwnedSemaphorePermit,
}

/// What holds of a response.
pub(super) struct Bounds {
    /// Bytes of its body.
    pub(super) max_bytes: u64,
    /// What to mask in it.
    pub(super) needles: Needles,
    /// What it counts for.
    pub(super) spend: Arc<Spend>,
}

/// Where an allowed request goes.
pub(super) struct Route {
    /// The method, in capitals.
    pub(super) method: Method,
    /// The destination.
    pub(super) target: Target,
    /// When to stop.
    pub(super) timeouts: Timeouts,
    /// What denials of it say.
    pub(super) asked: Asked,
    rights: Arc<Rights>,
}

impl Route {
    /// Whether `address` may be connected to: it is public, or granted by address.
    pub(super) fn permits(&self, address: IpAddr) -> bool {
        grant::address_class(address).is_public() || self.rights.resolved.allows_address(self.method.as_str(), &self.target.url, address)
    }
}

/// When to stop: the total deadline, and within it what the guest itself asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    /// The end of everything: the grant's deadline or the call's, whichever is earlier.
    pub(super) deadline: Instant,
    own: RequestOptions,
}

impl Timeouts {
    /// When the connection has to be there, TLS included.
    pub(super) fn connected(&self) -> Instant {
        self.within(self.own.connect_timeout)
    }

    /// When the response's head has to be there, if waiting starts now; and what its lateness means.
    pub(super) fn answered(&self) -> (Instant, Error) {
        let at = self.within(self.own.first_byte_timeout);
        (at, if at < self.deadline { Error::ConnectionReadTimeout } else { Error::HttpResponseTimeout })
    }

    /// How long the guest waits between two parts of the response.
    pub(super) fn idle(&self) -> Option<Duration> {
        self.own.between_bytes_timeout
    }

    fn within(&self, own: Option<Duration>) -> Instant {
        own.and_then(|own| Instant::from_std(now()).checked_add(own)).map_or(self.deadline, |at| at.min(self.deadline))
    }
}

/// Decides `request` and prepares it.
///
/// # Errors
/// `HttpRequestDenied` and others by what was refused, each recorded; `ConnectionLimitReached` when too many exchanges are open.
pub(super) fn plan(egress: &Egress, request: Request<WasiBody>, options: RequestOptions) -> Result<Plan, Error> {
    let call = &egress.call;
    let (head, body) = request.into_parts();
    let (method, target) = canonical(call, &head.method, &head.uri)?;
    let asked = Asked::new(&call.rights.resolved.plugin, &method, &target.url, &call.denials);
    let grant = allowed(call, &asked, &method, &target)?;
    see(call, &asked, &method, &target)?;

    let mut headers = head.headers;
    check_headers(&headers, &asked)?;
    let body = RequestBody::new(body, grant.max_bytes, asked.clone(), &call.spend);
    let announced = announced(&headers)?.unwrap_or(0);
    if announced > grant.max_bytes {
        return Err(body.too_large());
    }
    asked.within(call.spend.spend(Traffic::Requests, 1), Error::ConnectionLimitReached)?;
    let slot = Arc::clone(&egress.slots).try_acquire_owned().map_err(|error| {
        tracing::debug!(%error, "too many exchanges");
        Error::ConnectionLimitReached
    })?;
    let mut wire = target.url.clone();
    let needles = match &grant.secret {
        Some(rule) => secret::attach(rule, call, &asked, &mut wire, &mut headers)?,
        None => Needles::default(),
    };
    add_idempotency_key(egress, &method, &mut headers)?;
    headers.insert(header::HOST, target.host_header()?);
    let head = head_bytes(&headers) + (method.as_str().len() + wire.as_str().len()) as u64;
    asked.within(call.spend.fits(Traffic::Sent, head.saturating_add(announced)), Error::HttpRequestBodySize(None))?;
    asked.within(call.spend.spend(Traffic::Sent, head), Error::HttpRequestHeaderSectionSize(None))?;

    let mut request = Request::new(body);
    *request.method_mut() = method.clone();
    *request.uri_mut() = target::origin_form(&wire)?;
    *request.headers_mut() = headers;
    let timeouts = Timeouts { deadline: deadline(call, grant), own: options };
    let route = Route { method, target, timeouts, asked, rights: Arc::clone(&call.rights) };
    let bounds = Bounds { max_bytes: grant.max_bytes, needles, spend: call.spend.clone() };
    Ok(Plan { route, request, bounds, slot })
}

/// The header fields of a message as they are sent, in bytes.
pub(super) fn head_bytes(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + ": \r\n".len()) as u64).sum()
}

/// The one form of method and URL, or a recorded refusal.
fn canonical(call: &Call, method: &Method, uri: &http::Uri) -> Result<(Method, Target), Error> {
    target::canonical_method(method).and_then(|method| Ok((method, Target::of(uri)?))).map_err(|refusal| {
        let asked = Asked::new(&call.rights.resolved.plugin, method, target::shown(uri), &call.denials);
        asked.forbid(refusal.reason, refusal.error)
    })
}

/// The grant that allows it.
fn allowed<'a>(call: &'a Call, asked: &Asked, method: &Method, target: &Target) -> Result<&'a Http, Error> {
    let request = grant::Request::Http { method: method.as_str(), url: &target.url };
    match grant::decide(&request, &call.rights.resolved) {
        Decision::Allow(Allowed::Http(grant)) => {
            call.uses(&request);
            Ok(grant)
        }
        Decision::Allow(_) => Err(asked.forbid("no `http` grant was found", Error::HttpRequestDenied)),
        Decision::Deny(denial) => Err(asked.deny(denial, Error::HttpRequestDenied)),
    }
}

/// Refuses what was seen before and may not be sent this way, also in a URL alone; the answer is seen from here on.
fn see(call: &Call, asked: &Asked, method: &Method, target: &Target) -> Result<(), Error> {
    let rights = &call.rights.resolved;
    let (labels, closed) = rights.http_labels(method.as_str(), &target.url);
    if let Some(held) = call.seen.closes(closed) {
        let denial = Denial::closed_request(&rights.plugin, method.as_str(), &target.url, &held, closed);
        return Err(asked.deny(denial, Error::HttpRequestDenied));
    }
    call.seen.see(&labels);
    Ok(())
}

/// Refuses what is the host's to say. Guests cannot build such fields, so this is the second lock on that door.
fn check_headers(headers: &HeaderMap, asked: &Asked) -> Result<(), Error> {
    match headers.keys().find(|name| belongs_to_host(name)) {
        Some(name) => Err(asked.forbid(format!("the host sets the header `{name}`; leave it out"), Error::HttpRequestDenied)),
        None => Ok(()),
    }
}

/// The length that the guest announces, which must be one number (N7).
fn announced(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match (digits.and_then(|digits| digits.parse().ok()), values.next()) {
        (Some(length), None) => Ok(Some(length)),
        _ => Err(Error::HttpProtocolError),
    }
}

/// Adds the call's key to a request that may change something. The first one carries the key itself; each later one a number after it,
/// since two effects under one key would be taken for one. The order is the guest's, so a repeated call has the same keys.
fn add_idempotency_key(egress: &Egress, method: &Method, headers: &mut HeaderMap) -> Result<(), Error> {
    let Some(key) = &egress.call.context.idempotency_key else {
        return Ok(());
    };
    if headers.contains_key(IDEMPOTENCY_KEY) || [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
        return Ok(());
    }
    let value = match egress.keyed.fetch_add(1, Ordering::Relaxed) {
        0 => key.clone(),
        earlier => format!("{key}-{}", earlier + 1),
    };
    let value = HeaderValue::from_str(&value).map_err(|error| {
        tracing::warn!(%error, "an idempotency key that is no header");
        Error::ConfigurationError
    })?;
    headers.insert(IDEMPOTENCY_KEY, value);
    Ok(())
}

/// The earlier one of the grant's deadline, from now, and the call's.
fn deadline(call: &Call, grant: &Http) -> Instant {
    let call = Instant::from_std(call.deadline);
    Instant::from_std(now()).checked_add(Duration::from_millis(grant.deadline_ms)).map_or(call, |own| own.min(call))
}
