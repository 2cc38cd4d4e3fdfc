use super::*;

fn answer(action: ElicitationAction, content: Option<serde_json::Value>) -> ElicitResult {
    let answer = ElicitResult::new(action);
    match content {
        Some(content) => answer.with_content(content),
        None => answer,
    }
}

/// Nothing but a clear yes is one, and nothing at all is a no.
#[test]
fn only_a_clear_yes_decides() {
    let yes = || Some(serde_json::json!({ "approve": true }));
    let of = |action, content| verdict(WaitKind::Approval, &answer(action, content), "c 1");
    assert!(matches!(of(ElicitationAction::Accept, yes()), Some(Verdict::Approve(Some(_)))));
    assert_eq!(of(ElicitationAction::Decline, yes()), None);
    assert_eq!(of(ElicitationAction::Cancel, yes()), None);
    for content in
        [None, Some(serde_json::json!({})), Some(serde_json::json!({ "approve": false })), Some(serde_json::json!({ "approve": "true" }))]
    {
        assert_eq!(of(ElicitationAction::Accept, content), None);
    }
    assert_eq!(verdict(WaitKind::Timer, &answer(ElicitationAction::Accept, yes()), "c 1"), None);
    let text = Some(serde_json::json!({ "answer": "42" }));
    assert_eq!(verdict(WaitKind::Input, &answer(ElicitationAction::Accept, text), "c 1"), Some(Verdict::Input("42".to_owned())));
}

#[test]
fn a_decision_is_asked_for_a_few_times_and_the_count_is_bounded() {
    let asks = Asks::default();
    let wait = |n: u64| WaitId::new(remit_core::clock::Timestamp(n), u128::from(n));
    for _ in 0..MCP_ASKS_MAX {
        assert!(asks.take(wait(5000)));
    }
    assert!(!asks.take(wait(5000)));
    for n in 0..2 * MCP_ASKED_MAX as u64 {
        assert!(asks.take(wait(n)));
    }
    assert_eq!(asks.0.lock().expect("no panic").len(), MCP_ASKED_MAX);
    assert!(!asks.take(wait(5000)), "the newest is kept");
}
