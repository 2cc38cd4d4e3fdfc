//! Reading patterns of HTTP requests, with the part that is wrong and what to write instead.

use std::{borrow::Cow, str::FromStr};

use url::Host;

use super::{
    super::percent::{USER, climbs, normal_template},
    HostPattern, HttpPattern, Query, Scheme, Segment, is_method, without_dot,
};
use crate::{Error, Result, limit::URL_MAX_BYTES, plugin::text::visible};

impl FromStr for HttpPattern {
    type Err = Error;

    /// # Errors
    /// `invalid`, with the part that is wrong and what to write instead.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str, hint: &str| Error::invalid(format!("`{}` {why}", visible(text, 160))).hint(hint);
        const FORM: &str = "write `METHOD URL`, such as `GET https://api.example.com/v1/**`";
        let Some((method, url)) = text.split_once(' ') else { return Err(refuse("names no method or no URL", FORM)) };
        if url.len() > URL_MAX_BYTES || url.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '#')) {
            return Err(refuse("holds white space, a backslash or a fragment, or is too long", FORM));
        }
        if method != "*" && !is_method(method) {
            let upper = method.to_ascii_uppercase();
            let hint = if is_method(&upper) { Cow::Owned(format!("write `{upper}`")) } else { Cow::Borrowed(FORM) };
            return Err(refuse("starts with no method in capitals", &hint));
        }
        let scheme_end = url.split_once("://").and_then(|(scheme, rest)| Some((Scheme::named(&scheme.to_ascii_lowercase())?, rest)));
        let Some((scheme, rest)) = scheme_end else { return Err(refuse("has no URL that starts with `https://` or `http://`", FORM)) };
        let (before_query, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let authority = before_query.split('/').next().unwrap_or_default();
        let path = before_query.strip_prefix(authority).unwrap_or_default();
        let (host, port) = parse_authority(authority, scheme)?;
        let (segments, rest) = parse_path(path)?;
        let method = (method != "*").then(|| method.to_owned());
        Ok(Self { method, scheme, host, port, segments, rest, query: Query::parse(query)? })
    }
}

impl HostPattern {
    fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| Error::invalid(format!("`{}` is not a host: {why}", visible(text, 96)));
        if text.contains('%') || text.contains('{') {
            return Err(refuse("it holds `%` or `{`").hint("write the host's name; `{user}` may stand in the path or the query"));
        }
        let text = without_dot(text);
        if !text.contains('*') {
            let host =
                Host::parse(text).map_err(|cause| refuse(&cause.to_string()).hint("write a name such as `api.example.com`"))?.to_string();
            return if without_dot(&host).split('.').any(str::is_empty) {
                Err(refuse("a label is empty"))
            } else {
                Ok(Self::Exact(without_dot(&host).to_owned()))
            };
        }
        if text.split('.').any(|label| label.contains('*') && label != "*") {
            return Err(refuse("`*` stands for one whole label").hint("write one `*` for each label, such as `*.example.com`"));
        }
        // `a` stands in for each `*`, so that the fixed labels are written as in any other name.
        let stand_in = text.split('.').map(|label| if label == "*" { "a" } else { label }).collect::<Vec<_>>().join(".");
        let host = Host::parse(&stand_in).map_err(|cause| refuse(&cause.to_string()))?;
        let Host::Domain(domain) = host else { return Err(refuse("`*` stands for no part of an address")) };
        if domain.split('.').count() != text.split('.').count() || domain.split('.').any(str::is_empty) {
            return Err(refuse("a label is empty or holds another dot"));
        }
        Ok(Self::Labels(text.split('.').zip(domain.split('.')).map(|(own, label)| (own != "*").then(|| label.to_owned())).collect()))
    }
}

impl Query {
    fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None => Ok(Self::Absent),
            Some("**") => Ok(Self::Any),
            Some(text) if text.contains('*') => Err(Error::invalid(format!("`*` has no meaning in the query `{}`", visible(text, 96)))
                .hint("write `?**` for any query, `%2A` for the character itself")),
            Some(text) => placeholders(text).map(|()| Self::Text(normal_template(text))),
        }
    }
}

/// Checks that `{user}` is the only use of braces.
fn placeholders(text: &str) -> Result<()> {
    if text.replace(USER, "").contains(['{', '}']) {
        return Err(Error::invalid(format!("`{}` holds a brace", visible(text, 96)))
            .hint("only `{user}` is filled in; write `%7B` and `%7D` for the characters themselves"));
    }
    Ok(())
}

fn parse_segment(text: &str) -> Result<Segment> {
    if text == "*" {
        return Ok(Segment::Any);
    }
    if text.contains('*') {
        return Err(Error::invalid(format!("`*` stands for one whole path segment, not for a part as in `{}`", visible(text, 96)))
            .hint("write `*` for a segment, `**` at the end for the rest, `%2A` for the character itself"));
    }
    placeholders(text)?;
    if climbs(text) {
        return Err(Error::invalid(format!("the path segment `{}` climbs", visible(text, 96))).hint("write the path without `.` and `..`"));
    }
    Ok(Segment::Text(normal_template(text)))
}

/// The segments of a path, and whether it ends in `**`.
fn parse_path(path: &str) -> Result<(Vec<Segment>, bool)> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (path, rest) = match path.strip_suffix("**") {
        Some("") => return Ok((Vec::new(), true)),
        Some(before) if before.ends_with('/') => (before.strip_suffix('/').unwrap_or(before), true),
        _ => (path, false),
    };
    Ok((path.split('/').map(parse_segment).collect::<Result<_>>()?, rest))
}

/// Host and port of an authority.
fn parse_authority(authority: &str, scheme: Scheme) -> Result<(HostPattern, u16)> {
    let refuse = |why: &str| Error::invalid(format!("`{}` is not a host: {why}", visible(authority, 96)));
    if authority.contains('@') {
        return Err(
            refuse("it holds user information").hint("grant a secret instead: `secret = { name = \"…\", header = \"authorization\" }`")
        );
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return Err(refuse("it is empty"));
    }
    let port = match port {
        None => scheme.port(),
        Some(port) => {
            port.parse().ok().filter(|number| *number != 0 && port.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(|| {
                refuse("its port is not a number from 1 to 65535").hint("write the port, or leave it out for the scheme's own")
            })?
        }
    };
    Ok((HostPattern::parse(host)?, port))
}
