use proptest::prelude::*;

use super::{
    Principal, Role,
    key::{KeptKey, Key},
};
use crate::{clock::Timestamp, grant::ToolPattern, id::KeyId};

fn key(random: u8) -> Key {
    Key::new(KeyId::new(Timestamp(1_000), 7), [random; 32])
}

fn kept(key: &Key) -> KeptKey {
    KeptKey {
        id: key.id(),
        label: String::new(),
        principal: "user:ada".parse().expect("a principal"),
        tools: None,
        digest: key.digest(),
        created: Timestamp(1_000),
        expires: Timestamp(2_000),
    }
}

#[test]
fn a_key_is_read_as_it_was_made_and_kept_as_a_digest() {
    let key = key(0xa7);
    let read = Key::parse(key.expose()).expect("a key");
    assert_eq!((read.id(), read.expose()), (key.id(), key.expose()));
    assert!(key.expose().starts_with("remit_0000000"), "{}", key.expose());
    let kept = kept(&key);
    assert!(kept.is(&read));
    let text = serde_json::to_string(&kept).expect("JSON");
    assert!(!text.contains(&"a7".repeat(32)), "{text}");
    assert!(!format!("{key:?}").contains("a7a7"));
}

#[test]
fn a_key_with_one_wrong_character_is_none() {
    let key = key(0x3c);
    let text = key.expose();
    for place in 0..text.len() {
        let other = if text.as_bytes()[place] == b'1' { '2' } else { '1' };
        let wrong: String = text.char_indices().map(|(at, c)| if at == place { other } else { c }).collect();
        assert!(Key::parse(&wrong).is_none(), "{wrong}");
    }
    for wrong in
        ["", "remit_", "remit__", &text[1..], &text[..text.len() - 1], &format!("{text}0"), &text.to_uppercase(), "remit_../../x_0"]
    {
        assert!(Key::parse(wrong).is_none(), "{wrong}");
    }
}

/// With the id of a key and another secret, nobody is let in, although prefix and checksum are right.
#[test]
fn another_secret_under_the_same_id_is_not_the_key() {
    let (own, forged) = (key(1), key(2));
    assert_eq!(own.id(), forged.id());
    assert!(!kept(&own).is(&forged));
    let elsewhere = Key::new(KeyId::new(Timestamp(1_000), 8), [1; 32]);
    assert!(!kept(&own).is(&elsewhere), "the same secret under another id");
}

#[test]
fn a_key_holds_until_it_expires() {
    let kept = kept(&key(1));
    assert!(kept.holds(Timestamp(1_999)));
    assert!(!kept.holds(Timestamp(2_000)));
}

fn pattern() -> impl Strategy<Value = ToolPattern> {
    let part = prop_oneof!["[ab]{1,2}", "[ab]{0,2}\\*"];
    (part.clone(), part).prop_map(|(plugin, tool)| format!("{plugin}/{tool}").parse().expect("a pattern"))
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Owner), prop::collection::vec(pattern(), 0..4).prop_map(Role::Tools)]
}

proptest! {
    /// A scope never widens a role, and takes nothing away that both allow.
    #[test]
    fn a_narrowed_role_allows_what_role_and_scope_both_allow(
        role in role(),
        scope in prop::collection::vec(pattern(), 0..4),
        plugin in "[ab]{1,3}",
        tool in "[ab]{1,3}",
    ) {
        let both = role.allows(&plugin, &tool) && Role::Tools(scope.clone()).allows(&plugin, &tool);
        prop_assert_eq!(role.within(&scope).allows(&plugin, &tool), both);
        prop_assert_ne!(role.within(&scope), Role::Owner);
    }
}

#[test]
fn a_principal_is_never_read_out_of_white_space_or_control_characters() {
    for name in ["user:", "user:a b", "user:\u{202e}ada", "ada", "root:ada"] {
        assert!(name.parse::<Principal>().is_err(), "{name}");
    }
}
