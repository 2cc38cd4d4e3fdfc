//! What went wrong, in the words of `wasi:http`. Causes go to the log: a guest learns nothing of the host from them.

use std::{error::Error as _, io};

use remit_core::limit::HTTP_FIELDS_MAX_BYTES;
use wasmtime_wasi_http::{
    Error,
    p2::bindings::http::types::{DnsErrorPayload, ErrorCode, TlsAlertReceivedPayload},
};

/// A name that did not resolve.
pub(super) fn of_lookup(cause: &io::Error) -> Error {
    tracing::debug!(%cause, "name lookup failed");
    if cause.kind() == io::ErrorKind::TimedOut { Error::DnsTimeout } else { Error::DnsError { rcode: None, info_code: None } }
}

/// A connection that could not be made, or broke.
pub(super) fn of_io(cause: &io::Error) -> Error {
    if let Some(tls) = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return of_tls(tls);
    }
    tracing::debug!(%cause, "connection failed");
    match cause.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Error::ConnectionTerminated,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Error::HttpProtocolError,
        _ => Error::DestinationUnavailable,
    }
}

fn of_tls(cause: &rustls::Error) -> Error {
    tracing::debug!(%cause, "TLS failed");
    match cause {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Error::TlsCertificateError,
        rustls::Error::AlertReceived(alert) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        _ => Error::TlsProtocolError,
    }
}

/// An exchange that failed; `broken` is what a connection that ended too early means.
pub(super) fn of_hyper(cause: &hyper::Error, broken: Error) -> Error {
    if let Some(own) = cause.source().and_then(|source| source.downcast_ref::<Error>()) {
        return of_own_body(own);
    }
    if cause.is_parse_too_large() {
        return Error::HttpResponseHeaderSectionSize(u32::try_from(HTTP_FIELDS_MAX_BYTES).ok());
    }
    if cause.is_incomplete_message() || cause.is_canceled() || cause.is_closed() {
        tracing::debug!(%cause, "connection ended early");
        return broken;
    }
    match cause.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(io) => match of_io(io) {
            Error::ConnectionTerminated | Error::DestinationUnavailable => broken,
            other => other,
        },
        None => {
            tracing::debug!(%cause, "HTTP failed");
            Error::HttpProtocolError
        }
    }
}

/// What stopped the request's own body.
fn of_own_body(own: &Error) -> Error {
    match own {
        Error::HttpRequestBodySize(size) => Error::HttpRequestBodySize(*size),
        Error::HttpRequestTrailerSectionSize(size) => Error::HttpRequestTrailerSectionSize(*size),
        _ => Error::HttpProtocolError,
    }
}

/// What went wrong, for people.
pub(super) fn words(error: &Error) -> &'static str {
    match error {
        Error::DnsError { .. } | Error::DestinationNotFound => "its name leads nowhere",
        Error::DnsTimeout => "its name was looked up for too long",
        Error::ConnectionRefused => "the connection was refused",
        Error::ConnectionTimeout | Error::ConnectionReadTimeout | Error::HttpResponseTimeout => "it did not answer in time",
        Error::DestinationIpUnroutable | Error::DestinationUnavailable => "there is no way to it",
        Error::ConfigurationError => "the proxy wants to know who asks",
        Error::TlsCertificateError => "its certificate is not trusted",
        Error::TlsProtocolError | Error::TlsAlertReceived { .. } => "TLS failed",
        Error::HttpResponseHeaderSectionSize(_) => "the head of its answer is too large",
        Error::HttpProtocolError => "it does not speak HTTP/1.1",
        _ => "the connection broke off",
    }
}

/// The code of an error of a response's body, for `http-error-code`.
pub(super) fn code(error: &Error) -> ErrorCode {
    match error {
        Error::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(*size),
        Error::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        Error::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        Error::HttpRequestBodySize(size) => ErrorCode::HttpRequestBodySize(*size),
        Error::HttpRequestTrailerSectionSize(size) => ErrorCode::HttpRequestTrailerSectionSize(*size),
        Error::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        Error::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        Error::DnsError { .. } => ErrorCode::DnsError(DnsErrorPayload { rcode: None, info_code: None }),
        Error::TlsCertificateError => ErrorCode::TlsCertificateError,
        Error::TlsProtocolError => ErrorCode::TlsProtocolError,
        Error::TlsAlertReceived { alert_id, alert_message } => {
            ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload { alert_id: *alert_id, alert_message: alert_message.clone() })
        }
        _ => ErrorCode::HttpProtocolError,
    }
}
