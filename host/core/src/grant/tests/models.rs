//! Grants of models: their line, what they allow, when they count.

use super::*;
use crate::{
    grant::line,
    identity::{Principal, Role},
};

fn granted(lines: &[&str]) -> Grants {
    let mut all = Grants::default();
    lines.iter().for_each(|text| all.merge(line::parse_pair(text).unwrap()).unwrap());
    all
}

fn held(start: &[&str], now: &[&str]) -> Held {
    let ada: Principal = "user:ada".parse().unwrap();
    let declared = Declared { model: Some(Scope::Any), ..Declared::default() };
    let chain = Chain::start(&Held::default(), &ada, &Role::Owner, Holder::plugin("agent", &declared, &granted(start)));
    Held::since(chain, "agent", &ada, &Role::Owner, |name| Holder::plugin(name, &declared, &granted(now)))
}

#[test]
fn a_grant_of_models_is_read_written_merged_and_revoked_by_name() {
    let mut all = granted(&["model a,b max_tokens=10", "model b max_tokens=20", "model c"]);
    let lines: Vec<String> = line::format(&all).into_iter().map(|(capability, scope)| format!("{capability} {scope}")).collect();
    assert_eq!(lines, ["model a max_tokens=10", "model b max_tokens=20", "model c"]);
    assert_eq!(granted(&lines.iter().map(String::as_str).collect::<Vec<_>>()), all);
    assert!(all.remove(&line::parse_revoked("model", "b").unwrap()));
    assert_eq!(all, granted(&["model a max_tokens=10", "model c"]));
    all.merge(granted(&["model a"])).unwrap();
    assert_eq!(all.model["a"], None, "no bound is the greater one");
    for wrong in ["", "A", "a,,b", "a max_tokens=0", "a max_tokens=1048577", "a tokens=1", "a b"] {
        assert!(line::parse("model", wrong).is_err(), "{wrong}");
    }
}

#[test]
fn m19_a_model_has_to_be_granted_when_the_turn_began_and_now() {
    let both = held(&["model a max_tokens=10"], &["model a max_tokens=7"]);
    assert_eq!(both.model("agent", "a", 1), Ok(Some(7)), "the lesser of both");
    assert_eq!(both.model("agent", "a", 8).unwrap_err().fix.as_deref(), Some("model 'a max_tokens=8'"));
    let given = held(&[], &["model a"]).model("agent", "a", 1).unwrap_err();
    assert!(given.fix.is_none() && given.reason.contains("when the turn began"), "{given}");
    assert_eq!(held(&["model a"], &[]).model("agent", "a", 1).unwrap_err().fix.as_deref(), Some("model a"));
    assert!(held(&["model a"], &["model a"]).model("agent", "b", 1).is_err());
    assert_eq!(held(&["model a"], &["model a"]).model("agent", "a", u32::MAX), Ok(None));
}

#[test]
fn a_model_that_is_not_declared_is_not_had_whatever_is_granted() {
    let ada: Principal = "user:ada".parse().unwrap();
    let only = Declared { model: Some(Scope::Only(["b".to_owned()].into())), ..Declared::default() };
    for declared in [Declared::default(), only] {
        let holder = || Holder::plugin("agent", &declared, &granted(&["model a"]));
        let chain = Chain::start(&Held::default(), &ada, &Role::Owner, holder());
        let held = Held::since(chain, "agent", &ada, &Role::Owner, |_| holder());
        assert_eq!(held.model("agent", "a", 1).unwrap_err().rule, Rule::NotDeclared);
    }
}

#[test]
fn a_chain_from_before_models_is_read_and_holds_none() {
    let text = r#"[{"plugin":{"name":"agent","declared":["*/*"],"granted":["files/*"]}}]"#;
    let chain: Chain = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&chain).unwrap(), text);
    let ada: Principal = "user:ada".parse().unwrap();
    let declared = Declared { model: Some(Scope::Any), ..Declared::default() };
    let held = Held::since(chain, "agent", &ada, &Role::Owner, |name| Holder::plugin(name, &declared, &granted(&["model a"])));
    assert!(held.model("agent", "a", 1).is_err());
}
