use std::collections::BTreeSet;

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{Flow, Label, Labels, Policy, ToolLabels, When};

fn label_set() -> impl Strategy<Value = BTreeSet<Label>> {
    vec(select(Label::ALL.to_vec()), 0..3).prop_map(|labels| labels.into_iter().collect())
}

fn when() -> impl Strategy<Value = When> {
    select(When::ALL.to_vec())
}

fn policy() -> impl Strategy<Value = Policy> {
    let said = (option::of(label_set()), option::of(when()), option::of(when())).prop_map(|(labels, closed_when, ask_when)| ToolLabels {
        labels,
        closed_when,
        ask_when,
    });
    let pattern = select(vec!["*/*", "mail/*", "mail/send", "files/read"]).prop_map(|pattern| pattern.parse().unwrap());
    vec((pattern, said), 0..4).prop_map(|tools| Policy { enforce: true, tools })
}

/// 0 allows most.
fn strictness(flow: &Flow) -> u8 {
    match flow {
        Flow::Allow => 0,
        Flow::Ask(_) => 1,
        Flow::Refuse(_) => 2,
    }
}

fn held(labels: &BTreeSet<Label>) -> Labels {
    Labels::of(labels, "a/b")
}

const SEND: (&str, &str) = ("mail", "send");

proptest! {
    #[test]
    fn a_label_more_never_allows_more(policy in policy(), some in label_set(), more in label_set(), cleared in label_set(), outside: bool) {
        let all = some.union(&more).copied().collect();
        let (less, more) =
            (policy.decide(SEND, outside, &held(&some), &cleared), policy.decide(SEND, outside, &held(&all), &cleared));
        prop_assert!(strictness(&less) <= strictness(&more), "{less:?} {more:?}");
    }

    #[test]
    fn what_a_person_lets_go_never_opens_what_is_closed(policy in policy(), labels in label_set(), some in label_set(), more in label_set()) {
        let all = some.union(&more).copied().collect();
        let (less, more) =
            (policy.decide(SEND, false, &held(&labels), &some), policy.decide(SEND, false, &held(&labels), &all));
        prop_assert!(strictness(&more) <= strictness(&less));
        prop_assert_eq!(matches!(less, Flow::Refuse(_)), matches!(more, Flow::Refuse(_)));
    }

    #[test]
    fn an_entry_more_is_never_less_strict_than_the_same_entries_without_it(
        policy in policy(), one in (when(), when()), labels in label_set(),
    ) {
        let mut wider = policy.clone();
        let (closed, ask) = (Some(one.0), Some(one.1));
        wider.tools.push(("*/*".parse().unwrap(), ToolLabels { labels: None, closed_when: closed, ask_when: ask }));
        let decide = |policy: &Policy| strictness(&policy.decide(SEND, false, &held(&labels), &BTreeSet::new()));
        prop_assert!(decide(&policy) <= decide(&wider));
        let enforced = Policy { enforce: true, ..wider };
        prop_assert!(policy.gives("files", "read", false).is_subset(&enforced.gives("files", "read", false)));
    }

    #[test]
    fn labels_are_only_ever_added(some in label_set(), more in label_set()) {
        let mut all = Labels::of(&some, "first");
        all.take_on(Labels::of(&more, "second"));
        prop_assert!(some.iter().chain(&more).all(|label| all.has(*label)));
        prop_assert!(all.iter().all(|(label, origin)| (origin == "first") == some.contains(&label)), "the first call counts");
        let new = all.clone().beyond(&Labels::of(&some, ""));
        prop_assert_eq!(new.kinds(), more.difference(&some).copied().collect());
        let text = serde_json::to_string(&all).unwrap();
        prop_assert_eq!(serde_json::from_str::<Labels>(&text).unwrap(), all);
    }

    #[test]
    fn conditions_join_and_meet_as_their_words_say(one in when(), other in when(), labels in label_set()) {
        let met = |when: When| when.meets(|label| labels.contains(&label));
        prop_assert_eq!(met(one.or(other)), met(one) || met(other));
        prop_assert_eq!(met(one.and(other)), met(one) && met(other));
        prop_assert!(!one.covers(other) || met(one) || !met(other));
    }

    #[test]
    fn without_the_line_that_switches_it_on_nothing_is_decided(policy in policy(), labels in label_set()) {
        let off = Policy { enforce: false, ..policy };
        prop_assert_eq!(off.decide(SEND, true, &held(&labels), &BTreeSet::new()), Flow::Allow);
        prop_assert_eq!(off.gives("mail", "send", true), BTreeSet::new());
    }
}

#[test]
fn an_outside_server_closes_at_both_labels_where_nothing_is_said() {
    let on = Policy { enforce: true, tools: Vec::new() };
    let both = held(&Label::ALL.into());
    let Flow::Refuse(denial) = on.decide(("tickets", "create"), true, &both, &BTreeSet::new()) else { panic!("it is open") };
    assert_eq!(
        denial.to_string(),
        "`tickets` may not run tickets/create (it is closed by `closed_when = \"both\"`, which holds where nothing else is said; held: \
         `private` (since a/b) and `untrusted` (since a/b))"
    );
    assert_eq!(denial.labels, both);
    assert_eq!(on.gives("tickets", "list", true), [Label::Untrusted].into());
    for one in Label::ALL {
        assert_eq!(on.decide(("tickets", "create"), true, &held(&[one].into()), &BTreeSet::new()), Flow::Allow);
    }
    let never = ToolLabels { closed_when: Some(When::Never), labels: Some(BTreeSet::new()), ask_when: None };
    let opened = Policy { tools: vec![("tickets/*".parse().unwrap(), never)], ..on };
    assert_eq!(opened.decide(("tickets", "create"), true, &both, &BTreeSet::new()), Flow::Allow);
    assert!(opened.gives("tickets", "list", true).is_empty());
}
