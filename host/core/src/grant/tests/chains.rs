//! Chains of callers: principal, agents, tools; each member's rights change as time goes on.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{identity::Role, plugin::AGENTS};

const TOOLS: &[(&str, &str)] = &[("files", "read"), ("files", "write"), ("mail", "send"), (AGENTS, "helper"), (AGENTS, "other")];

fn patterns() -> impl Strategy<Value = Vec<ToolPattern>> {
    let one = select(vec!["files/read", "files/*", "*/read", "mail/*", "*/*", "agents/*", "agents/helper", "helper/helper", "other/*"]);
    vec(one.prop_map(|text| text.parse().unwrap()), 0..4)
}

/// Mostly everything, so that often one member alone refuses.
fn role() -> impl Strategy<Value = Role> {
    prop_oneof![4 => Just(Role::Owner), 1 => patterns().prop_map(Role::Tools)]
}

/// What a plugin declares and was granted, at one time.
fn plugin() -> impl Strategy<Value = Plugin> {
    let declared = prop_oneof![1 => Just(None), 8 => Just(Some(Scope::Any)), 2 => patterns().prop_map(|tools| Some(Scope::Only(tools)))];
    (declared, prop_oneof![4 => Just(vec!["*/*".parse().unwrap()]), 1 => patterns()])
}

type Plugin = (Option<Scope<Vec<ToolPattern>>>, Vec<ToolPattern>);

fn holder(name: &str, (declared, granted): &Plugin) -> Holder {
    let declared = Declared { tools: declared.clone(), ..Declared::default() };
    Holder::plugin(name, &declared, &Grants { tools: granted.clone(), ..Grants::default() })
}

/// The law, said without the code under test.
fn may(plugin: &Plugin, (of, tool): (&str, &str)) -> bool {
    let any = |tools: &[ToolPattern]| tools.iter().any(|pattern| pattern.matches(of, tool));
    let declared = match &plugin.0 {
        None => false,
        Some(Scope::Any) => true,
        Some(Scope::Only(tools)) => any(tools),
    };
    declared && any(&plugin.1)
}

fn role_may(role: &Role, (of, tool): (&str, &str)) -> bool {
    match role {
        Role::Owner => true,
        Role::Tools(tools) => tools.iter().any(|pattern| pattern.matches(if of == AGENTS { tool } else { of }, tool)),
    }
}

proptest! {
    /// The turn of `boss` begins at time 0 and calls `helper` at time 1, whose turn begins then; it goes on at time 2 and calls a tool,
    /// which calls another one, which wants to make the call.
    #[test]
    fn no_chain_allows_what_a_member_does_not(
        roles in [role(), role(), role()],
        boss in [plugin(), plugin(), plugin()],
        helper in [plugin(), plugin()],
        tools in [plugin(), plugin()],
    ) {
        let ada = ada();
        let begun = Chain::start(&Held::default(), &ada, &roles[0], holder("boss", &boss[0]));
        let calling = Held::since(begun, "boss", &ada, &roles[1], |name| { assert_eq!(name, "boss"); holder(name, &boss[1]) });
        let called = Chain::start(&calling, &ada, &roles[1], holder("helper", &helper[0]));
        // It is read from its journal.
        let called: Chain = serde_json::from_str(&serde_json::to_string(&called).unwrap()).unwrap();
        let now = |name: &str| holder(name, if name == "boss" { &boss[2] } else { &helper[1] });
        let held = Held::since(called, "helper", &ada, &roles[2], now);
        let deeper = held.through(holder("one", &tools[0])).through(holder("two", &tools[1]));
        for call in TOOLS.iter().copied() {
            let callers = roles[..2].iter().all(|role| role_may(role, call)) && boss[..2].iter().all(|boss| may(boss, call));
            prop_assert_eq!(calling.refusal(call.0, call.1).is_none(), callers, "{:?} by `boss`", call);
            let all = roles.iter().all(|role| role_may(role, call)) && boss.iter().chain(&helper).all(|plugin| may(plugin, call));
            prop_assert_eq!(held.refusal(call.0, call.1).is_none(), all, "{:?} by `helper`", call);
            let tools = tools.iter().all(|plugin| may(plugin, call));
            prop_assert_eq!(deeper.refusal(call.0, call.1).is_none(), all && tools, "{:?} by a tool", call);
        }
    }
}

#[test]
fn a_refusal_names_who_lacks_the_right_and_what_would_give_it_from_when_on() {
    let tools = |lines: &[&str]| -> Plugin { (Some(Scope::Any), lines.iter().map(|line| line.parse().unwrap()).collect()) };
    let begun = Chain::start(&Held::default(), &ada(), &Role::Owner, holder("boss", &tools(&["files/read"])));
    let lost = Held::since(begun.clone(), "boss", &ada(), &Role::Owner, Holder::nothing);
    assert_eq!(lost.refusal("files", "read").unwrap().plugin, "boss");
    let given = Held::since(begun.clone(), "boss", &ada(), &Role::Owner, |name| holder(name, &tools(&["files/*"])));
    let denial = given.refusal("files", "write").unwrap();
    assert_eq!(denial.fix, None);
    let reason = "no `tools` grant matches when the turn began; what was given since counts from the next turn";
    assert_eq!(denial.reason, reason);
    let same = Held::since(begun, "boss", &ada(), &Role::Owner, |name| holder(name, &tools(&["files/read"])));
    assert_eq!(same.refusal("files", "write").unwrap().command().unwrap(), "remit grant boss tools files/write");
    let role = Held::since(Chain::default(), "boss", &ada(), &Role::Tools(Vec::new()), |name| holder(name, &tools(&["*/*"])));
    assert_eq!(role.refusal(AGENTS, "helper").unwrap().request, "be called as helper/helper");
}
