use super::*;
use AddressClass::*;

const TABLE: &[(&str, AddressClass)] = &[
    ("0.0.0.0", Unspecified),
    ("0.255.255.255", Unspecified),
    ("1.0.0.0", Public),
    ("9.255.255.255", Public),
    ("10.0.0.0", Private),
    ("10.255.255.255", Private),
    ("11.0.0.0", Public),
    ("100.63.255.255", Public),
    ("100.64.0.0", CarrierNat),
    ("100.100.100.200", Metadata),
    ("100.127.255.255", CarrierNat),
    ("100.128.0.0", Public),
    ("126.255.255.255", Public),
    ("127.0.0.1", Loopback),
    ("127.255.255.255", Loopback),
    ("128.0.0.0", Public),
    ("168.63.129.16", Metadata),
    ("168.63.129.17", Public),
    ("169.253.255.255", Public),
    ("169.254.0.0", LinkLocal),
    ("169.254.169.254", Metadata),
    ("169.254.170.2", Metadata),
    ("169.254.170.23", Metadata),
    ("169.254.255.255", LinkLocal),
    ("169.255.0.0", Public),
    ("172.15.255.255", Public),
    ("172.16.0.0", Private),
    ("172.31.255.255", Private),
    ("172.32.0.0", Public),
    ("192.0.0.1", Reserved),
    ("192.0.0.192", Metadata),
    ("192.0.1.0", Public),
    ("192.0.2.1", Documentation),
    ("192.88.99.1", Reserved),
    ("192.167.255.255", Public),
    ("192.168.0.0", Private),
    ("192.168.255.255", Private),
    ("192.169.0.0", Public),
    ("198.17.255.255", Public),
    ("198.18.0.0", Documentation),
    ("198.19.255.255", Documentation),
    ("198.20.0.0", Public),
    ("198.51.100.7", Documentation),
    ("203.0.113.7", Documentation),
    ("223.255.255.255", Public),
    ("224.0.0.0", Multicast),
    ("239.255.255.255", Multicast),
    ("240.0.0.0", Reserved),
    ("255.255.255.255", Reserved),
    ("::", Unspecified),
    ("::1", Loopback),
    ("2606:4700::1111", Public),
    ("2a00:1450:4001::1", Public),
    ("fc00::1", Private),
    ("fd00::1", Private),
    ("fd00:ec2::254", Metadata),
    ("fd00:ec2::23", Metadata),
    ("fd20:ce::254", Metadata),
    ("fe80::1", LinkLocal),
    ("febf::1", LinkLocal),
    ("fec0::1", Private),
    ("ff02::1", Multicast),
    ("2001:db8::1", Documentation),
    ("3fff::1", Documentation),
    ("3fff:1000::1", Public),
    ("2001:2::1", Documentation),
    ("2001:20::1", Reserved),
    ("2001:1ff::1", Reserved),
    ("2001:200::1", Public),
    ("100::1", Reserved),
    ("5f00::1", Reserved),
    ("4000::1", Reserved),
    ("1::1", Reserved),
];

#[test]
fn each_block_has_its_class_at_both_ends() {
    for (text, class) in TABLE {
        assert_eq!(address_class(text.parse().unwrap()), *class, "{text}");
    }
}

/// The ways in which an IPv6 address can stand for `high:low`.
fn embeddings(v4: std::net::Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    vec![
        format!("::{v4}"),
        format!("::ffff:{v4}"),
        format!("::ffff:0:{v4}"),
        format!("64:ff9b::{v4}"),
        format!("64:ff9b:1::{v4}"),
        format!("64:ff9b:1:abcd::{v4}"),
        format!("2002:{high:x}:{low:x}::1"),
        format!("2001:0:{high:x}:{low:x}:0:1234:a247:27dd"),
        format!("2001:0:5db8:d822:0:1234:{:x}:{:x}", !high, !low),
    ]
}

#[test]
fn an_address_that_stands_for_another_is_as_private() {
    for (text, class) in TABLE {
        let Ok(v4) = text.parse::<std::net::Ipv4Addr>() else { continue };
        for embedded in embeddings(v4) {
            // Below the local prefix, `1.0.0.0` after 96 bits is also `0.0.0.1` after 64.
            if class.is_public() && v4.octets()[1..] == [0, 0, 0] && embedded.starts_with("64:ff9b:1") {
                continue;
            }
            assert_eq!(address_class(embedded.parse().unwrap()), *class, "{embedded} for {text}");
        }
    }
}

#[test]
fn local_nat64_is_private_under_any_prefix_length() {
    for embedded in
        ["64:ff9b:1:7f00:0:100::", "64:ff9b:1:7f:0:1::", "64:ff9b:1:7f:0:1:0:0", "64:ff9b:1:0:7f:0:100:0", "64:ff9b:1::a9fe:a9fe"]
    {
        assert!(!address_class(embedded.parse().unwrap()).is_public(), "{embedded}");
    }
    assert!(address_class("64:ff9b:1::5db8:d822".parse().unwrap()).is_public());
}

#[test]
fn address_patterns_hold_addresses_and_blocks() {
    let holds = |pattern: &str, address: &str| pattern.parse::<AddressPattern>().unwrap().contains(address.parse().unwrap());
    assert!(holds("127.0.0.1", "127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
    assert!(holds("127.0.0.1", "::ffff:127.0.0.1") && holds("::ffff:127.0.0.1", "127.0.0.1"));
    assert!(holds("::ffff:10.0.0.0/104", "10.9.9.9") && !holds("::ffff:10.0.0.0/104", "11.0.0.0"));
    assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
    assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
    assert!(holds("::/0", "::1") && !holds("::/0", "1.2.3.4"));
    assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "fe80::1"));
    assert!(!holds("127.0.0.1", "64:ff9b::7f00:1"));
}

#[test]
fn address_patterns_refuse_what_is_ambiguous() {
    for text in
        ["", "localhost", "127.1", "0x7f.0.0.1", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "10.0.0.0/8/8", " 10.0.0.1", "[::1]"]
    {
        assert!(text.parse::<AddressPattern>().is_err(), "{text}");
    }
    let error = "10.1.2.3/8".parse::<AddressPattern>().unwrap_err();
    assert_eq!(error.hints, ["write `10.0.0.0/8`"]);
}
