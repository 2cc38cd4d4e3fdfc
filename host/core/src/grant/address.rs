//! What an IP address is: public, or one of the many kinds that a guest must not reach by way of a public name.
//!
//! Sources: the IANA special-purpose address registries for IPv4 and IPv6, and the documentation of the cloud providers for
//! metadata services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The class of an address. Only [`AddressClass::Public`] may be connected to without a grant of the address itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Reachable by everybody.
    Public,
    /// `0.0.0.0/8`, `::`: this host or this network.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// Private networks: RFC 1918, unique local and the old site-local addresses.
    Private,
    /// `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// `100.64.0.0/10`, between a carrier and its customers.
    CarrierNat,
    /// A cloud provider's service that tells a machine its credentials.
    Metadata,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// For examples and benchmarks only.
    Documentation,
    /// Anything else that is not assigned for general use.
    Reserved,
}

impl AddressClass {
    /// Whether a guest may connect to it by way of a name alone.
    pub fn is_public(self) -> bool {
        self == Self::Public
    }
}

impl std::fmt::Display for AddressClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::CarrierNat => "carrier NAT",
            Self::Metadata => "cloud metadata",
            Self::Multicast => "multicast",
            Self::Documentation => "documentation",
            Self::Reserved => "reserved",
        })
    }
}

/// The class of `address`.
///
/// An IPv6 address that stands for an IPv4 address (mapped, compatible, translated, NAT64, 6to4, Teredo) is as private as what it
/// stands for; where it may stand for several, it is public only if all of them are.
pub fn address_class(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

fn class_v4(address: Ipv4Addr) -> AddressClass {
    use AddressClass::*;
    match address.octets() {
        // AWS and most others; ECS and EKS; Azure; Alibaba; Oracle.
        [169, 254, 169, 254] | [169, 254, 170, 2 | 23] | [168, 63, 129, 16] | [100, 100, 100, 200] | [192, 0, 0, 192] => Metadata,
        [0, ..] => Unspecified,
        [127, ..] => Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private,
        [169, 254, ..] => LinkLocal,
        [100, 64..=127, ..] => CarrierNat,
        [224..=239, ..] => Multicast,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18..=19, ..] => Documentation,
        [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => Reserved,
        _ => Public,
    }
}

fn class_v6(address: Ipv6Addr) -> AddressClass {
    use AddressClass::*;
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Loopback,
        // Compatible, mapped, translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => class_v4(joined(high, low)),
        [0x64, 0xff9b, 1, ..] => local_nat64(address),
        [0x2002, high, low, ..] => class_v4(joined(high, low)),
        [0x2001, 0, server_high, server_low, _, _, client_high, client_low] => {
            least_public([class_v4(joined(server_high, server_low)), class_v4(joined(!client_high, !client_low))])
        }
        // AWS and its pod identities; Google.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254 | 0x23] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Metadata,
        [0xfe80..=0xfebf, ..] => LinkLocal,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Private,
        [0xff00..=0xffff, ..] => Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2001, 2, 0, ..] => Documentation,
        // IETF protocol assignments, among them ORCHID and AMT.
        [0x2001, 0..=0x1ff, ..] => Reserved,
        [0x2000..=0x3fff, ..] => Public,
        _ => Reserved,
    }
}

/// `64:ff9b:1::/48` (RFC 8215): each network chooses one of the prefix lengths of RFC 6052 below it, which nobody else can see.
fn local_nat64(address: Ipv6Addr) -> AddressClass {
    let bits = address.to_bits();
    let octet_of = |from_top: u32| (bits >> (120 - from_top)) as u8;
    let embedded = |starts: [u32; 4]| class_v4(Ipv4Addr::from(starts.map(octet_of)));
    let ends_in_zeros = |count: u32| bits.trailing_zeros() >= count;
    let when = |fits: bool, class: AddressClass| if fits { class } else { AddressClass::Public };
    least_public([
        embedded([96, 104, 112, 120]),
        when(ends_in_zeros(40), embedded([48, 56, 72, 80])),
        when(ends_in_zeros(32), embedded([56, 72, 80, 88])),
        when(ends_in_zeros(24), embedded([72, 80, 88, 96])),
    ])
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// The first that is not public.
fn least_public<const N: usize>(classes: [AddressClass; N]) -> AddressClass {
    classes.into_iter().find(|class| !class.is_public()).unwrap_or(AddressClass::Public)
}
