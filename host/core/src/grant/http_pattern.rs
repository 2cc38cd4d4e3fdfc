//! Patterns of HTTP requests.

use std::fmt;

use url::{Host, Url};

use super::percent::{USER, climbs, fill, hides_slash, normal};

mod breadth;
mod parse;

/// `METHOD URL-pattern`, the requests that a grant of `http` allows.
///
/// - The method matches as written (`GET` is not `HEAD`); `*` is any method.
/// - Scheme (`http` or `https`) and port match as written; a port that is not written is the scheme's.
/// - `*` in place of a host label is exactly one label, never an IP address. Hosts are compared as the `url` crate writes them
///   (case, punycode, octal and hexadecimal IPv4), without a final dot.
/// - `*` in place of a path segment is exactly one segment that is not empty and hides no encoded slash. `**` as the last
///   segment is the rest: `/a/**` matches `/a/` and everything below, not `/a`. A literal `*` is written `%2A`.
/// - A pattern without a query matches only URLs without one; `?a=b` only that very query; `?**` any query or none.
/// - `{user}` in a path segment or query stands for the acting principal's name, percent-encoded.
/// - A URL with user information, a fragment, or a segment that climbs (`..%2f`, `..;x`) matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpPattern {
    method: Option<String>,
    scheme: Scheme,
    host: HostPattern,
    port: u16,
    segments: Vec<Segment>,
    rest: bool,
    query: Query,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum HostPattern {
    /// A name or an address, as the `url` crate writes it.
    Exact(String),
    /// The labels of a name; `None` is any one.
    Labels(Vec<Option<String>>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Segment {
    Any,
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Query {
    Absent,
    Any,
    Text(String),
}

impl HttpPattern {
    /// Just this request, when a pattern can say it: `None` for a method that is no name in capitals, and for a URL that no
    /// pattern matches.
    pub fn only(method: &str, url: &Url) -> Option<Self> {
        let pattern = Self {
            method: Some(method.to_owned()).filter(|method| is_method(method))?.into(),
            scheme: Scheme::named(url.scheme())?,
            // In a pattern these would mean something else, or nothing.
            host: HostPattern::Exact(without_dot(url.host_str().filter(|host| !host.contains(['%', '{', '*']))?).to_owned()),
            port: url.port_or_known_default()?,
            segments: url.path().strip_prefix('/')?.split('/').map(|segment| Segment::Text(normal(segment).into_owned())).collect(),
            rest: false,
            query: url.query().map_or(Query::Absent, |query| Query::Text(normal(query).into_owned())),
        };
        pattern.matches(method, url).then_some(pattern)
    }

    /// Whether a request of `method` (in capitals) to `url` matches. A pattern with `{user}` matches nothing until it is filled in.
    pub fn matches(&self, method: &str, url: &Url) -> bool {
        self.method.as_deref().is_none_or(|own| own == method)
            && url.scheme() == self.scheme.name()
            && url.port_or_known_default() == Some(self.port)
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && self.host.matches(url)
            && self.path_matches(url.path())
            && self.query.matches(url.query())
    }

    /// The pattern with `{user}` replaced by an already encoded name.
    pub(super) fn fill(&self, encoded_user: &str) -> Self {
        let fill_text = |text: &str| normal(&fill(text, encoded_user)).into_owned();
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Any => Segment::Any,
            Segment::Text(text) => Segment::Text(fill_text(text)),
        });
        let query = match &self.query {
            Query::Text(text) => Query::Text(fill_text(text)),
            other => other.clone(),
        };
        Self { segments: segments.collect(), query, ..self.clone() }
    }

    /// The same URLs whatever the method and the query; any segment stands where `{user}` is part of one.
    pub(crate) fn any_request(&self) -> Self {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Text(text) if text.contains(USER) => Segment::Any,
            other => other.clone(),
        });
        Self { method: None, segments: segments.collect(), query: Query::Any, ..self.clone() }
    }

    /// Everything at the same scheme, host and port.
    pub(crate) fn origin(&self) -> Self {
        Self { method: None, segments: Vec::new(), rest: true, query: Query::Any, ..self.clone() }
    }

    /// Whether it is everything at one scheme, host and port.
    pub(crate) fn is_origin(&self) -> bool {
        *self == self.origin()
    }

    /// Whether every request that `other` matches is matched by this, as far as that can be seen from the parts.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let mut rest = other.segments.iter();
        let path = self.segments.iter().all(|own| rest.next().is_some_and(|segment| own.covers(segment)));
        let (more, open) = (rest.next().is_some(), other.rest);
        (self.method.is_none() || self.method == other.method)
            && (self.scheme, self.port) == (other.scheme, other.port)
            && self.host.covers(&other.host)
            && path
            && (if self.rest { more || open } else { !more && !open })
            && (self.query == Query::Any || self.query == other.query)
    }

    /// How many of its parts are fixed: of two patterns that match a request, the one with more says more about it.
    pub(super) fn fixed_parts(&self) -> usize {
        let host = match &self.host {
            HostPattern::Exact(host) => host.split('.').count(),
            HostPattern::Labels(labels) => labels.iter().flatten().count(),
        };
        let path = self.segments.iter().filter(|segment| matches!(segment, Segment::Text(_))).count();
        host + path + usize::from(self.method.is_some()) + usize::from(!self.rest) + usize::from(self.query != Query::Any)
    }

    fn path_matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        if path.split('/').any(climbs) {
            return false;
        }
        let mut segments = path.split('/');
        for own in &self.segments {
            let Some(segment) = segments.next() else { return false };
            let fits = match own {
                Segment::Any => !segment.is_empty() && !hides_slash(segment),
                Segment::Text(text) => same(text, segment),
            };
            if !fits {
                return false;
            }
        }
        self.rest == segments.next().is_some()
    }
}

/// Whether `text`, in its one spelling, is what `other` spells. A `{user}` that is not filled is nobody's.
fn same(text: &str, other: &str) -> bool {
    text == normal(other)
}

fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn is_method(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.len() <= 32
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
}

impl Scheme {
    fn named(name: &str) -> Option<Self> {
        match name {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl HostPattern {
    fn matches(&self, url: &Url) -> bool {
        match (self, url.host()) {
            (Self::Exact(own), Some(_)) => url.host_str().is_some_and(|host| without_dot(host) == own),
            (Self::Labels(own), Some(Host::Domain(domain))) => {
                let mut labels = without_dot(domain).split('.');
                own.iter().all(|own| labels.next().is_some_and(|label| own.as_deref().map_or(!label.is_empty(), |own| own == label)))
                    && labels.next().is_none()
            }
            _ => false,
        }
    }
}

impl Segment {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, Self::Text(text)) => !text.is_empty() && !hides_slash(text),
            _ => self == other,
        }
    }
}

impl HostPattern {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Labels(own), Self::Labels(other)) => {
                own.len() == other.len() && own.iter().zip(other).all(|(own, other)| own.is_none() || own == other)
            }
            // An address is no name, whatever its labels look like.
            (Self::Labels(_), Self::Exact(host)) => Url::parse(&format!("http://{host}/")).is_ok_and(|url| self.matches(&url)),
            (Self::Exact(_), _) => self == other,
        }
    }
}

impl Query {
    fn matches(&self, query: Option<&str>) -> bool {
        match self {
            Self::Absent => query.is_none(),
            Self::Any => true,
            Self::Text(text) => query.is_some_and(|query| same(text, query)),
        }
    }
}

impl fmt::Display for HttpPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(self.scheme.name(), &self.host(), &self.path_and_query()))
    }
}
