use super::*;

fn halt(reason: Option<&str>) -> Halt {
    Halt { by: "user:ada".parse().unwrap(), at: Timestamp(1_764_000_000_000), reason: reason.map(str::to_owned) }
}

fn halts(targets: &[&str]) -> Halts {
    let mut halts = Halts::default();
    for target in targets {
        assert!(halts.halt(target.parse().unwrap(), halt(None)).unwrap());
    }
    halts
}

#[test]
fn halts_what_is_named_and_nothing_else() {
    let (ada, ben) = ("user:ada".parse().unwrap(), "user:ben".parse().unwrap());
    let refused = |targets: &[&str], principal: &Principal, plugin: &str| halts(targets).refusal(principal, plugin).is_some();
    assert!(!refused(&[], &ada, "files"));
    assert!(refused(&["files"], &ada, "files") && !refused(&["files"], &ada, "fetch"));
    assert!(refused(&["user:ada"], &ada, "files") && !refused(&["user:ada"], &ben, "files"));
    assert!(!refused(&["agent:ada"], &ada, "ada"));
    assert!(refused(&["*"], &ben, "fetch"));
}

#[test]
fn says_who_halted_it_when_and_why() {
    let mut halts = Halts::default();
    halts.halt("files".parse().unwrap(), halt(Some("it leaks"))).unwrap();
    let refusal = halts.refusal(&"user:ben".parse().unwrap(), "files").unwrap();
    assert_eq!(refusal.reason, "it is disabled since 2025-11-24T16:00:00.000Z by user:ada: it leaks");
    assert_eq!(refusal.hint, "once it may run again: remit enable files");
}

#[test]
fn is_what_it_was_after_it_was_written_down() {
    let halts = halts(&["*", "files", "user:ada", "service:nightly"]);
    assert_eq!(Halts::parse(&halts.text().unwrap()).unwrap(), halts);
}

#[test]
fn a_target_that_runs_again_is_halted_no_more() {
    let mut halts = halts(&["files", "*"]);
    assert!(halts.resume(&Target::Everything) && !halts.resume(&Target::Everything));
    assert_eq!(halts.iter().count(), 1);
}

#[test]
fn the_first_word_about_a_target_stays() {
    let mut halts = halts(&["files"]);
    assert!(!halts.halt("files".parse().unwrap(), halt(Some("later"))).unwrap());
    assert_eq!(halts.iter().next().unwrap().1.reason, None);
}

#[test]
fn what_is_no_such_text_is_refused() {
    for text in ["", "{}", "[]", r#"{"version":2,"halted":{}}"#, r#"{"version":1,"halted":{"No Name":{"by":"user:a","at":1}}}"#] {
        assert!(Halts::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(Halts::parse(&vec![b' '; HALTS_MAX_BYTES as usize + 1]).unwrap_err().kind, crate::Kind::Limit);
    let unknown = r#"{"version":1,"halted":{"files":{"by":"user:a","at":1,"until":2}}}"#;
    assert!(Halts::parse(unknown.as_bytes()).is_err(), "what a newer version may mean by it is not guessed");
}

#[test]
fn reasons_and_their_number_are_bounded() {
    let mut full = Halts::default();
    for number in 0..HALTS_MAX {
        full.halt(format!("user:{number}").parse().unwrap(), halt(None)).unwrap();
    }
    assert_eq!(full.halt("files".parse().unwrap(), halt(None)).unwrap_err().kind, crate::Kind::Limit);
    assert!(full.text().unwrap().len() < HALTS_MAX_BYTES as usize);
    let long = "x".repeat(HALT_REASON_MAX_BYTES + 1);
    for reason in [long.as_str(), "two\nlines", "a\u{202e}b"] {
        assert!(Halts::default().halt(Target::Everything, halt(Some(reason))).is_err());
    }
}
