//! How much a pattern allows, for who reviews it, and what would be less.

use url::Host;

use super::{HostPattern, HttpPattern, Query, Scheme, Segment};

impl HttpPattern {
    /// Whether it allows a method that may change something at the other end, or carry data there.
    pub(crate) fn sends(&self) -> bool {
        !matches!(self.method.as_deref(), Some("GET" | "HEAD" | "OPTIONS"))
    }

    /// Whether it allows every method.
    pub(crate) fn is_of_any_method(&self) -> bool {
        self.method.is_none()
    }

    /// Whether it allows hosts that it does not name.
    pub(crate) fn is_of_any_host(&self) -> bool {
        matches!(self.host, HostPattern::Labels(_))
    }

    /// Whether it allows every path.
    pub(crate) fn is_of_any_path(&self) -> bool {
        self.rest && self.segments.is_empty()
    }

    /// Whether it goes out of this machine without TLS.
    pub(crate) fn is_in_the_clear(&self) -> bool {
        let here = match &self.host {
            HostPattern::Labels(labels) => labels.last().is_some_and(|label| label.as_deref() == Some("localhost")),
            HostPattern::Exact(host) => match Host::parse(host) {
                Ok(Host::Ipv4(address)) => address.is_loopback(),
                Ok(Host::Ipv6(address)) => address.is_loopback(),
                _ => host == "localhost" || host.ends_with(".localhost"),
            },
        };
        matches!(self.scheme, Scheme::Http) && !here
    }

    /// Whether some request may match both: told by host and port alone, so that a yes can be wrong and a no cannot.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        let labels = |host: &HostPattern| match host {
            HostPattern::Exact(host) => host.split('.').map(|label| Some(label.to_owned())).collect(),
            HostPattern::Labels(labels) => labels.clone(),
        };
        let (own, its) = (labels(&self.host), labels(&other.host));
        let meet = |(own, its): (&Option<String>, &Option<String>)| own.is_none() || its.is_none() || own == its;
        (self.scheme, self.port, own.len()) == (other.scheme, other.port, its.len()) && own.iter().zip(&its).all(meet)
    }

    /// The pattern with TLS, at that scheme's own port unless another one is written.
    pub(crate) fn with_tls(&self) -> Self {
        let port = if self.port == Scheme::Http.port() { Scheme::Https.port() } else { self.port };
        Self { scheme: Scheme::Https, port, ..self.clone() }
    }

    /// The pattern for GET alone.
    pub(crate) fn only_get(&self) -> Self {
        Self { method: Some("GET".to_owned()), ..self.clone() }
    }

    /// Its text with a placeholder for each part of the host that is not named.
    pub(crate) fn with_host_to_fill(&self) -> String {
        self.written(self.scheme.name(), &self.host().replace('*', "<host>"), &self.path_and_query())
    }

    /// Its text with a placeholder for the path.
    pub(crate) fn with_path_to_fill(&self) -> String {
        self.written(self.scheme.name(), &self.host(), "/<path>")
    }

    pub(super) fn written(&self, scheme: &str, host: &str, path_and_query: &str) -> String {
        format!("{} {scheme}://{host}{path_and_query}", self.method.as_deref().unwrap_or("*"))
    }

    /// Host, and port where it is not the scheme's.
    pub(super) fn host(&self) -> String {
        let host = match &self.host {
            HostPattern::Exact(host) => host.clone(),
            HostPattern::Labels(labels) => labels.iter().map(|label| label.as_deref().unwrap_or("*")).collect::<Vec<_>>().join("."),
        };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }

    pub(super) fn path_and_query(&self) -> String {
        let mut text = String::new();
        for segment in &self.segments {
            text.push('/');
            text.push_str(match segment {
                Segment::Any => "*",
                Segment::Text(text) => text,
            });
        }
        if self.rest {
            text.push_str("/**");
        }
        match &self.query {
            Query::Absent => {}
            Query::Any => text.push_str("?**"),
            Query::Text(query) => text = format!("{text}?{query}"),
        }
        text
    }
}
