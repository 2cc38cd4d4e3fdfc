//! Places of `sockets`: one host and one port.

use std::{fmt, str::FromStr};

use url::Host;

use crate::{Error, Result, plugin::text::visible};

/// Longest name of a host, as DNS has it.
const NAME_MAX_BYTES: usize = 253;

/// `host:port`, of which nothing is left open: a name in lower case and punycode without a final dot, or an address in its one spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketPattern {
    host: Host<String>,
    port: u16,
}

impl SocketPattern {
    /// Its host.
    pub fn host(&self) -> &Host<String> {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it allows `target`: a connection to `host:port`, or, where `target` is a host alone, looking up its name.
    pub fn admits(&self, target: &str) -> bool {
        match target.parse::<Self>() {
            Ok(target) => *self == target,
            Err(_) => socket_host(target).is_some_and(|host| self.host == host),
        }
    }
}

/// The host that `text` names, in its one spelling; an IPv6 address has brackets.
pub fn socket_host(text: &str) -> Option<Host<String>> {
    if text.len() > NAME_MAX_BYTES + 1 || text.contains(['*', '{', '}']) {
        return None;
    }
    let host = Host::parse(text.strip_suffix('.').unwrap_or(text)).ok()?;
    Some(match host {
        Host::Domain(name) if name.len() > NAME_MAX_BYTES || name.split('.').any(str::is_empty) => return None,
        Host::Ipv6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => Host::Ipv4(mapped),
            None => Host::Ipv6(address),
        },
        other => other,
    })
}

impl fmt::Display for SocketPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for SocketPattern {
    type Err = Error;

    /// # Errors
    /// `invalid` unless it is a name or an address, a colon, and a port from 1 to 65535.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            Error::invalid(format!("`{}` is not a host and a port", visible(text, 96)))
                .hint("write `db.example.com:5432`, `10.0.0.5:5432` or `[fd00::5]:5432`; there are no patterns")
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(refuse)?;
        let is_number = !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_number).ok_or_else(refuse)?;
        Ok(Self { host: socket_host(host).ok_or_else(refuse)?, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_is_one_place() {
        for (written, one) in [
            ("db.example.com:5432", "db.example.com:5432"),
            ("DB.Example.com.:5432", "db.example.com:5432"),
            ("bücher.example:1", "xn--bcher-kva.example:1"),
            ("0x7f.1:22", "127.0.0.1:22"),
            ("[::ffff:10.0.0.1]:22", "10.0.0.1:22"),
            ("[FD00:0::5]:65535", "[fd00::5]:65535"),
        ] {
            let pattern: SocketPattern = written.parse().unwrap();
            assert_eq!(pattern.to_string(), one);
            assert_eq!(one.parse(), Ok(pattern));
        }
    }

    #[test]
    fn what_is_open_or_no_place_is_refused() {
        let long = format!("{}:1", ["a"; 200].join("."));
        for text in [
            "", "h", "h:", ":1", "h:0", "h:01", "h:+1", "h:65536", "h:1-9", "h:*", "*:1", "*.h:1", "{user}:1", "a..b:1", "::1:1", "h/x:1",
            "a b:1", &long,
        ] {
            text.parse::<SocketPattern>().unwrap_err();
        }
    }

    #[test]
    fn a_place_admits_itself_and_its_name() {
        let place: SocketPattern = "db.example:5432".parse().unwrap();
        for (target, admitted) in [("db.example:5432", true), ("DB.example.:5432", true), ("db.example", true), ("db.example.", true)] {
            assert_eq!(place.admits(target), admitted, "{target}");
        }
        for target in ["db.example:5433", "db.example:", "other.example", "x.db.example", "db.exampl", "10.0.0.1:5432", ""] {
            assert!(!place.admits(target), "{target}");
        }
    }
}
