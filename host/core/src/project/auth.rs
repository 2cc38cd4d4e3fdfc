//! `[auth]`: whose tokens let clients in over HTTP, and as whom.

use toml::Spanned;
use url::{Host, Url};

use super::{Problem, table::Table};
use crate::{
    Error, Result,
    identity::{Principal, PrincipalKind},
    limit::{AUTH_SCOPES_MAX, AUTH_TEXT_MAX_BYTES},
    plugin::text::visible,
};

/// An OAuth 2.1 authorization server whose access tokens, as JWTs, are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// What `iss` has to be, exactly.
    pub issuer: String,
    /// What `aud` has to name, exactly: the URL that clients know the server by.
    pub audience: String,
    /// That URL.
    pub resource: Url,
    /// Where its public keys are.
    pub jwks: Jwks,
    /// The signatures that are accepted.
    pub algorithms: Vec<Signature>,
    /// As whom a token's `sub` acts.
    pub principal: SubjectRule,
    /// What `scope` of every token has to name.
    pub scopes: Vec<String>,
}

/// Where public keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jwks {
    /// Fetched, and kept for a while.
    Url(Url),
    /// An absolute path. A file of the project could change without anybody trusting it anew.
    File(String),
}

/// A kind of signature with a public key. There is none without a signature and none with a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
pub enum Signature {
    /// RSA with PKCS #1 v1.5 and SHA-256, of 2,048 bits at least.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

/// How the subject of a token becomes a principal: a text with `{sub}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRule(String);

impl SubjectRule {
    const SUBJECT: &str = "{sub}";

    /// The principal of `subject`; none where it would not be one.
    pub fn principal(&self, subject: &str) -> Option<Principal> {
        if subject.is_empty() {
            return None;
        }
        self.0.replace(Self::SUBJECT, subject).parse().ok()
    }
}

impl std::str::FromStr for SubjectRule {
    type Err = Error;

    /// # Errors
    /// `invalid` unless it is a principal of a user or a service with `{sub}` once in its name.
    fn from_str(text: &str) -> Result<Self> {
        let rule = Self(text.to_owned());
        let once = text.matches(Self::SUBJECT).count() == 1;
        match rule.principal("x").map(|principal| principal.kind()) {
            Some(PrincipalKind::User | PrincipalKind::Service) if once => Ok(rule),
            _ => {
                let error = Error::invalid(format!("`{}` makes no principal of a subject", visible(text, 96)));
                Err(error.hint("write `user:{sub}`, or `user:` and a prefix of your own before `{sub}`"))
            }
        }
    }
}

/// Reads the table `[auth]`.
pub(super) fn auth(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> Option<Auth> {
    let mut table = root.table("auth", "`[auth]`", problems)?;
    let issuer = text(&mut table, "issuer", "issuer = \"https://login.example.com\"", problems);
    let issuer = issuer.and_then(|issuer| told(&issuer, safe_url(issuer.get_ref()), problems).map(|_| issuer.into_inner()));
    let audience = text(&mut table, "audience", "audience = \"https://tools.example.com/mcp\"", problems);
    let resource = audience.as_ref().and_then(|audience| told(audience, resource(audience.get_ref()), problems));
    let jwks = text(&mut table, "jwks", "jwks = \"https://login.example.com/jwks.json\"", problems);
    let jwks = jwks.and_then(|jwks| told(&jwks, place(jwks.get_ref()), problems));
    let principal = text(&mut table, "principal", "principal = \"user:{sub}\"", problems);
    let principal = principal.and_then(|rule| told(&rule, rule.get_ref().parse(), problems));
    let algorithms: Option<Spanned<Vec<Signature>>> = table.required("algorithms", "algorithms = [\"ES256\"]", problems);
    if let Some(none) = algorithms.as_ref().filter(|list| list.get_ref().is_empty()) {
        problems.push(Problem::new(none.span(), "no signature is accepted").hint("name those that the issuer makes: RS256, ES256, EdDSA"));
    }
    let scopes: Option<Spanned<Vec<String>>> = table.optional("scopes", problems);
    if let Some(wrong) =
        scopes.as_ref().filter(|list| list.get_ref().len() > AUTH_SCOPES_MAX || !list.get_ref().iter().all(|one| is_scope(one)))
    {
        let hint = format!("write at most {AUTH_SCOPES_MAX} words without white space, quotes and backslashes");
        problems.push(Problem::new(wrong.span(), "these are no scopes").hint(hint));
    }
    table.finish(problems);
    let scopes = scopes.map(Spanned::into_inner).unwrap_or_default();
    let audience = audience?.into_inner();
    Some(Auth {
        issuer: issuer?,
        audience,
        resource: resource?,
        jwks: jwks?,
        algorithms: algorithms?.into_inner(),
        principal: principal?,
        scopes,
    })
}

/// A text that has to be there, of a length that fits.
fn text(table: &mut Table<'_>, key: &'static str, example: &str, problems: &mut Vec<Problem>) -> Option<Spanned<String>> {
    let text: Spanned<String> = table.required(key, example, problems)?;
    if text.get_ref().len() > AUTH_TEXT_MAX_BYTES {
        problems.push(Problem::new(text.span(), format!("`{key}` has more than {AUTH_TEXT_MAX_BYTES} bytes")));
        return None;
    }
    Some(text)
}

fn told<T>(written: &Spanned<String>, result: Result<T>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|error| problems.push(Problem::at(written.span(), error))).ok()
}

/// A URL over TLS, or one of this machine.
fn safe_url(written: &str) -> Result<Url> {
    let shown = visible(written, 128);
    let url = Url::parse(written).map_err(|error| Error::invalid(format!("`{shown}` is no URL: {error}")).hint("write https://…"))?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && local) {
        return Err(Error::invalid(format!("`{shown}` is no URL over TLS")).hint("write https://…; http is for this machine alone"));
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid(format!("`{shown}` has a user, a password or a fragment")).hint("leave it out"));
    }
    Ok(url)
}

fn resource(written: &str) -> Result<Url> {
    let url = safe_url(written)?;
    match url.query() {
        None => Ok(url),
        Some(_) => Err(Error::invalid(format!("`{}` has a query", visible(written, 128))).hint("write the URL that clients are given")),
    }
}

fn place(written: &str) -> Result<Jwks> {
    if written.starts_with('/') && visible(written, usize::MAX) == written {
        return Ok(Jwks::File(written.to_owned()));
    }
    safe_url(written).map(Jwks::Url).map_err(|error| error.hint("or the absolute path of a file that you alone can write"))
}

/// RFC 6749, section 3.3.
fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= AUTH_TEXT_MAX_BYTES
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

#[cfg(test)]
mod tests;
