//! Attaching a secret to a request, after the decision and on the wire only.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use remit_core::{
    grant::{FieldTarget, SecretUse},
    secret::{ExposeSecret as _, Place, Wanted},
};
use secrecy::zeroize::Zeroizing;
use url::Url;
use wasmtime_wasi_http::Error;

use super::asked::Asked;
use crate::{
    capability::{Call, scrub::Needles},
    secrets,
};

/// Puts the secret that `rule` names into `headers` or into the query of `wire`, and says what to mask in the response. From then on
/// it is masked in all that the call gives, too.
///
/// A request that already has the field, or any `authorization`, is refused: the guest would choose who it acts as (N13). The
/// response is asked for uncompressed, since a compressed secret could not be found.
///
/// # Errors
/// `HttpRequestDenied`, with a recorded denial, when the guest set the field itself, or the secret is not set, may not go
/// to that URL, cannot be read or does not fit.
pub(super) fn attach(rule: &SecretUse, call: &Call, asked: &Asked, wire: &mut Url, headers: &mut HeaderMap) -> Result<Needles, Error> {
    refuse_own(rule, asked, wire, headers)?;
    let (project, principal, place) = (call.project.as_str(), &call.context.principal, Place::Url(wire));
    let wanted = Wanted { name: &rule.name, project, principal, place };
    let value = secrets::ask(call.services.secrets.as_ref(), &wanted)
        .map_err(|refusal| asked.deny(asked.without_secret(&rule.name, place, refusal.message), Error::HttpRequestDenied))?;
    let value = value.expose_secret();
    call.masks.add(value);
    let field = Zeroizing::new(rule.format.replacen("{}", value, 1));
    match &rule.target {
        FieldTarget::Header(name) => {
            let unfit = |cause: &dyn std::fmt::Display| {
                tracing::debug!(%cause, "a secret that is no header");
                let reason = format!("the secret `{}` does not fit into a header; set it without line breaks", rule.name);
                asked.forbid(reason, Error::HttpRequestDenied)
            };
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| unfit(&error))?;
            let mut field = HeaderValue::from_str(&field).map_err(|error| unfit(&error))?;
            field.set_sensitive(true);
            headers.insert(name, field);
        }
        FieldTarget::Query(name) => {
            wire.query_pairs_mut().append_pair(name, &field);
        }
    }
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(Needles::of(value))
}

/// Refuses what a guest set in place of the secret.
fn refuse_own(rule: &SecretUse, asked: &Asked, url: &Url, headers: &HeaderMap) -> Result<(), Error> {
    let taken = match &rule.target {
        FieldTarget::Header(name) if headers.contains_key(name.as_str()) => format!("header `{name}`"),
        FieldTarget::Query(name) if url.query_pairs().any(|(key, _)| key == name.as_str()) => format!("query field `{name}`"),
        _ if headers.contains_key(header::AUTHORIZATION) => "header `authorization`".to_owned(),
        _ => return Ok(()),
    };
    let reason = format!("the host attaches the secret `{}` to this request; leave the {taken} out", rule.name);
    Err(asked.forbid(reason, Error::HttpRequestDenied))
}
