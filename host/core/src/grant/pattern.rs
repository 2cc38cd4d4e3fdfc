//! Patterns of grants: addresses, tools, scopes, and where a secret goes. Requests have [`super::HttpPattern`].

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result, plugin::text::visible};

/// An IP address or a CIDR block. IPv4 addresses mapped into IPv6 are IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressPattern {
    network: IpAddr,
    prefix: u8,
}

impl AddressPattern {
    /// Just `address`.
    pub fn only(address: IpAddr) -> Self {
        let network = address.to_canonical();
        Self { network, prefix: width(network) }
    }

    /// Its first address, and whether it is the only one.
    pub(crate) fn first(&self) -> (IpAddr, bool) {
        (self.network, self.prefix == width(self.network))
    }

    /// Whether `address` is in it. Addresses that stand for others (NAT64, 6to4, Teredo) are only what they are written as.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                masked(network.to_bits().into(), 32, self.prefix) == masked(address.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                masked(network.to_bits(), 128, self.prefix) == masked(address.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first `prefix` of `width` bits.
fn masked(bits: u128, width: u8, prefix: u8) -> u128 {
    bits.checked_shr(u32::from(width.saturating_sub(prefix))).unwrap_or(0)
}

/// `address` with everything after the first `prefix` bits cleared.
fn network_of(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0)).into()),
    }
}

/// An IPv4 block written as a mapped IPv6 block.
fn unmapped(address: Ipv6Addr, prefix: u8) -> Option<(IpAddr, u8)> {
    Some((IpAddr::V4(address.to_ipv4_mapped()?), prefix.checked_sub(96)?))
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == width(self.network) { write!(f, "{}", self.network) } else { write!(f, "{}/{}", self.network, self.prefix) }
    }
}

impl FromStr for AddressPattern {
    type Err = Error;

    /// # Errors
    /// `invalid` unless it is an IPv4 or IPv6 address, or one with a prefix length and nothing set after it.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            Error::invalid(format!("`{}` is not an IP address or a block of them", visible(text, 64)))
                .hint("write `127.0.0.1`, `10.0.0.0/8` or `fd00::/8`")
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else { return Err(refuse()) };
        let Some(prefix) = prefix else { return Ok(Self::only(address)) };
        let is_number = !prefix.is_empty() && prefix.len() <= 3 && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse::<u8>().ok().filter(|bits| is_number && *bits <= width(address)).ok_or_else(refuse)?;
        let network = network_of(address, prefix);
        if network != address {
            return Err(Error::invalid(format!("`{text}` sets bits after its first {prefix}")).hint(format!("write `{network}/{prefix}`")));
        }
        let unmapped = if let IpAddr::V6(v6) = network { unmapped(v6, prefix) } else { None };
        let (network, prefix) = unmapped.unwrap_or((network, prefix));
        Ok(Self { network, prefix })
    }
}

/// `plugin/tool`, either of which may be `*` or end in `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolPattern {
    plugin: String,
    tool: String,
}

impl ToolPattern {
    /// Just `tool` of `plugin`, when those are names.
    pub fn only(plugin: &str, tool: &str) -> Option<Self> {
        (is_name(plugin) && is_name(tool)).then(|| Self { plugin: plugin.to_owned(), tool: tool.to_owned() })
    }

    /// Every tool.
    pub(super) fn any() -> Self {
        Self { plugin: "*".to_owned(), tool: "*".to_owned() }
    }

    /// Whether it matches tools of plugins that are not named.
    pub(crate) fn is_of_any_plugin(&self) -> bool {
        self.plugin.contains('*')
    }

    /// Whether it matches the tool `tool` of `plugin`.
    pub fn matches(&self, plugin: &str, tool: &str) -> bool {
        part_matches(&self.plugin, plugin) && part_matches(&self.tool, tool)
    }

    /// What matches exactly the tools that both match, when there can be any.
    pub fn both(&self, other: &Self) -> Option<Self> {
        Some(Self { plugin: narrower(&self.plugin, &other.plugin)?.to_owned(), tool: narrower(&self.tool, &other.tool)?.to_owned() })
    }
}

/// The one of two parts whose every match is also one of the other; two parts that share a name have such a one.
fn narrower<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    let start = |part: &'a str| part.strip_suffix('*');
    match (start(one), start(other)) {
        (None, _) => part_matches(other, one).then_some(one),
        (_, None) => part_matches(one, other).then_some(other),
        (Some(left), Some(right)) if left.starts_with(right) => Some(one),
        (Some(left), Some(right)) if right.starts_with(left) => Some(other),
        (Some(_), Some(_)) => None,
    }
}

fn part_matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

impl fmt::Display for ToolPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.plugin, self.tool)
    }
}

impl Serialize for ToolPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ToolPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for ToolPattern {
    type Err = Error;

    /// # Errors
    /// `invalid` unless it is two names divided by one `/`, each a name, `*`, or the start of a name and `*`.
    fn from_str(text: &str) -> Result<Self> {
        let is_part = |part: &str| part == "*" || is_name(part.strip_suffix('*').unwrap_or(part));
        match text.split_once('/') {
            Some((plugin, tool)) if is_part(plugin) && is_part(tool) => Ok(Self { plugin: plugin.to_owned(), tool: tool.to_owned() }),
            _ => {
                let hint = if is_name(text) {
                    format!("write `{text}/*` for all its tools")
                } else {
                    "write `plugin/tool`, `plugin/*` or `plugin/get_*`".to_owned()
                };
                Err(Error::invalid(format!("`{}` names no tools", visible(text, 96))).hint(hint))
            }
        }
    }
}

/// Whether `pattern`, in which `*` matches any run of characters, matches all of `text`. Takes time in the product of the lengths at worst.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let Some((middle, end)) = rest.rsplit_once('*') else { return text.ends_with(rest) };
    for part in middle.split('*') {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(end)
}

/// Where the host puts a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldTarget {
    /// A header, in lower case.
    Header(String),
    /// A field of the query.
    Query(String),
}
