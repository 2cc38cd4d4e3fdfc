//! Where a request goes: one canonical URL, read by one parser, for the decision and for the connection alike (N5, N6, N8).

use http::{
    Method, Uri,
    header::HeaderValue,
    uri::{Authority, PathAndQuery},
};
use remit_core::{grant::request_url, limit::URL_MAX_BYTES};
use url::{Host, Position, Url};
use wasmtime_wasi_http::Error;

/// A destination. Scheme, host and port are canonical: lowercase, punycode, IPv4 in four decimal parts, no trailing dot, no port that is
/// the scheme's own, no `.` and `..`, no fragment.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The canonical URL.
    pub(super) url: Url,
    /// Its host.
    pub(super) host: Host<String>,
    /// Its port, or the scheme's own.
    pub(super) port: u16,
    /// Whether the scheme is `https`.
    pub(super) tls: bool,
}

/// Why a request has no destination, and what the guest is told.
#[derive(Debug)]
pub(super) struct Refusal {
    /// For the denial.
    pub(super) reason: String,
    /// For the guest.
    pub(super) error: Error,
}

impl Refusal {
    fn new(reason: impl Into<String>, error: Error) -> Self {
        Self { reason: reason.into(), error }
    }
}

impl Target {
    /// Reads the destination of a request.
    pub(super) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", Authority::as_str);
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        bounded(scheme.len() + "://".len() + authority.len() + path.len())?;
        if authority.contains('@') {
            return Err(Refusal::new("a URL may not hold a user name or password", Error::HttpRequestUriInvalid));
        }
        let slash = if path.starts_with('?') { "/" } else { "" };
        let invalid = |error: remit_core::Error| Refusal::new(error.message, Error::HttpRequestUriInvalid);
        let url = request_url(scheme, authority, &format!("{slash}{path}")).map_err(invalid)?;
        // Percent-encoding may have made it longer.
        bounded(url.as_str().len())?;
        let missing = || Refusal::new("a request needs a host and a port", Error::HttpRequestUriInvalid);
        let host = url.host().ok_or_else(missing)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(missing)?;
        Ok(Self { host, port, tls: url.scheme() == "https", url })
    }

    /// The `Host` header: host, and port unless it is the scheme's own.
    pub(super) fn host_header(&self) -> Result<HeaderValue, Error> {
        HeaderValue::from_str(&self.url[Position::BeforeHost..Position::AfterPort]).map_err(|error| {
            tracing::debug!(%error, "a canonical host that is no header");
            Error::HttpRequestUriInvalid
        })
    }
}

fn bounded(length: usize) -> Result<(), Refusal> {
    if length <= URL_MAX_BYTES {
        return Ok(());
    }
    Err(Refusal::new(format!("the URL is longer than {URL_MAX_BYTES} bytes"), Error::HttpRequestUriTooLong))
}

/// The request target of `url` in origin form: path and query.
pub(super) fn origin_form(url: &Url) -> Result<Uri, Error> {
    let invalid = |error: http::Error| {
        tracing::debug!(%error, "a canonical path that is no request target");
        Error::HttpRequestUriInvalid
    };
    let path = PathAndQuery::try_from(&url[Position::BeforePath..Position::AfterQuery]).map_err(|error| invalid(error.into()))?;
    Uri::builder().path_and_query(path).build().map_err(invalid)
}

/// The method in upper case; methods that turn the connection into something else are refused.
pub(super) fn canonical_method(method: &Method) -> Result<Method, Refusal> {
    let refuse = || Refusal::new("this method cannot be sent", Error::HttpRequestMethodInvalid);
    let method = Method::from_bytes(method.as_str().to_ascii_uppercase().as_bytes()).map_err(|error| {
        tracing::debug!(%error, "a guest's method");
        refuse()
    })?;
    if method == Method::CONNECT || method == Method::TRACE { Err(refuse()) } else { Ok(method) }
}

/// A URL as it may be shown when it is refused before it is canonical: without user, password, path and query.
pub(super) fn shown(uri: &Uri) -> String {
    let host = uri.authority().map_or("", |authority| authority.as_str().rsplit('@').next().unwrap_or(""));
    format!("{}://{host}/", uri.scheme_str().unwrap_or("http"))
}
