//! A request over `wasi:http`.

use std::time::Duration;

use super::{Request, Response};
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use crate::bindings::wasi::io::streams::StreamError;
use crate::{Error, Result};

/// How much one call to the host reads or writes: 64 KiB; a write may be at most 4 KiB by the contract of `blocking-write-and-flush`.
const READ_BYTES: u64 = 64 << 10;
const WRITE_BYTES: usize = 4096;

pub fn send(request: &Request) -> Result<Response> {
    let parts = request.parts();
    let outgoing = outgoing(request)?;
    let body = match parts.body {
        [] => None,
        _ => Some(outgoing.body().map_err(|()| Error::failed("the request has no body to write to"))?),
    };
    let answer = outgoing_handler::handle(outgoing, Some(options(parts.timeout)?)).map_err(|code| error(request, &code))?;
    if let Some(body) = body {
        write(body, parts.body).map_err(|code| error(request, &code))?;
    }
    answer.subscribe().block();
    let response = match answer.get() {
        Some(Ok(result)) => result.map_err(|code| error(request, &code))?,
        Some(Err(())) | None => return Err(Error::failed("the host gave no response")),
    };
    read(request, &response, parts.max_bytes)
}

/// Builds the request out of method, URL and headers.
fn outgoing(request: &Request) -> Result<OutgoingRequest> {
    let url = request.url();
    let malformed = || Error::invalid_arguments(format!("`{url}` is not a URL such as `https://example.com/path`"));
    let (scheme, rest) = url.split_once("://").ok_or_else(malformed)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => return Err(Error::invalid_arguments(format!("`{other}` is not a scheme of HTTP: use `https` or `http`"))),
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let outgoing = OutgoingRequest::new(headers(request)?);
    outgoing
        .set_method(&method(request.method()))
        .map_err(|()| Error::invalid_arguments(format!("`{}` is not an HTTP method", request.method())))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| malformed())?;
    outgoing.set_authority(Some(authority)).map_err(|()| malformed())?;
    outgoing.set_path_with_query(Some(&path)).map_err(|()| malformed())?;
    Ok(outgoing)
}

fn headers(request: &Request) -> Result<Fields> {
    let parts = request.parts();
    let fields = Fields::new();
    for (name, value) in parts.headers {
        fields.append(name, value).map_err(|error| Error::invalid_arguments(format!("the header `{name}` cannot be sent: {error}")))?;
    }
    if !parts.body.is_empty() && !parts.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        let length = parts.body.len().to_string();
        fields.append("content-length", length.as_bytes()).map_err(|error| Error::failed(format!("the length cannot be sent: {error}")))?;
    }
    Ok(fields)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn options(timeout: Option<Duration>) -> Result<RequestOptions> {
    let options = RequestOptions::new();
    if let Some(timeout) = timeout {
        let nanoseconds = u64::try_from(timeout.as_nanos())?;
        let refused = |()| Error::failed("the host cannot bound the time of a request");
        options.set_connect_timeout(Some(nanoseconds)).map_err(refused)?;
        options.set_first_byte_timeout(Some(nanoseconds)).map_err(refused)?;
        options.set_between_bytes_timeout(Some(nanoseconds)).map_err(refused)?;
    }
    Ok(options)
}

/// Writes the body. Where the other side stops reading, its response tells why, so that is not an error here.
fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), ErrorCode> {
    let Ok(stream) = body.write() else { return Err(ErrorCode::InternalError(Some("the body cannot be written".into()))) };
    for chunk in bytes.chunks(WRITE_BYTES) {
        if stream.blocking_write_and_flush(chunk).is_err() {
            return Ok(());
        }
    }
    drop(stream);
    OutgoingBody::finish(body, None)
}

fn read(request: &Request, response: &IncomingResponse, max_bytes: usize) -> Result<Response> {
    let unreadable = |()| Error::failed("the response has no body to read");
    let body = response.consume().map_err(unreadable)?;
    let mut answer = Response { status: response.status(), headers: response.headers().entries(), ..Response::default() };
    read_body(request, &body, max_bytes, &mut answer)?;
    Ok(answer)
}

fn read_body(request: &Request, body: &IncomingBody, max_bytes: usize, answer: &mut Response) -> Result<()> {
    let stream = body.stream().map_err(|()| Error::failed("the response has no body to read"))?;
    loop {
        match stream.blocking_read(READ_BYTES) {
            Ok(chunk) => {
                let room = max_bytes - answer.body.len();
                if chunk.len() > room {
                    answer.body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                    answer.truncated = true;
                    return Ok(());
                }
                answer.body.extend_from_slice(&chunk);
            }
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(cause)) => {
                return Err(match crate::bindings::wasi::http::types::http_error_code(&cause) {
                    Some(code) => error(request, &code),
                    None => Error::failed(cause.to_debug_string()),
                });
            }
        }
    }
}

/// Says what went wrong, with the request in it.
fn error(request: &Request, code: &ErrorCode) -> Error {
    let tried = format!("{} {}", request.method(), request.url());
    let error = match code {
        ErrorCode::HttpRequestDenied => Error::denied("the request is not granted"),
        ErrorCode::DestinationIpProhibited => Error::denied("the address is not granted"),
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestMethodInvalid | ErrorCode::HttpRequestUriTooLong => {
            Error::invalid_arguments(format!("the request is malformed ({code})"))
        }
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTerminated
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::HttpResponseTimeout
        | ErrorCode::HttpResponseIncomplete => Error::unavailable(format!("the other side cannot be reached ({code:?})")),
        ErrorCode::InternalError(Some(message)) => Error::failed(message.clone()),
        other => Error::failed(format!("the request failed ({other:?})")),
    };
    error.context(tried)
}
