use remit_core::{
    Kind,
    clock::Timestamp,
    journal::Line,
    store::{Append, Decision, Place, SessionStore, WaitKind},
};

use super::*;

pub(super) fn gives_what_was_asked_for(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 10, None)));
    let seqs = |from, limit| now(store.session_records(session(1), from, limit)).iter().map(|line| line.seq).collect::<Vec<_>>();
    assert_eq!(seqs(0, 3), [0, 1, 2]);
    assert_eq!(seqs(3, 3), [3, 4, 5]);
    assert_eq!(seqs(8, 3), [8, 9]);
    assert_eq!(seqs(0, 0), [0_u64; 0]);
    assert_eq!(seqs(10, 3), [0_u64; 0]);
    assert_eq!(seqs(u64::MAX, 3), [0_u64; 0]);
    refused(store.session_records(session(2), 0, 1), Kind::NotFound);
    refused(store.session_state(session(2)), Kind::NotFound);
}

pub(super) fn gives_back_every_text(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    let texts = ["", "\u{0}", "\"\\\n", "\u{10ffff}\u{feff}", "{}", &"long ".repeat(20_000)];
    let records = texts.iter().enumerate().map(|(seq, text)| Line {
        seq: seq as u64,
        at: Timestamp(if seq % 2 == 0 { 0 } else { u64::MAX }),
        text: (*text).to_owned(),
    });
    let records: Vec<Line> = records.collect();
    now(store.session_append(Append { records: records.clone(), ..start(&claim.row, 0, 1, None) }));
    assert_eq!(now(store.session_records(session(1), 0, 100)), records);
}

/// Turns of a session, each with so many records of so many bytes, under an owner that comes and goes.
fn turns(store: &dyn SessionStore, turns: u64, count: u64, bytes: usize) -> Vec<Line> {
    now(store.session_create(new(1)));
    let mut all = Vec::new();
    for turn in 0..turns {
        let claim = now(store.session_claim(session(1)));
        let from = turn * count;
        let records: Vec<Line> =
            (from..from + count).map(|seq| Line { text: format!("{seq} {}", "x".repeat(bytes)), ..line(seq) }).collect();
        let begun = start(&claim.row, from, count, Some(&turn.to_string()));
        now(store.session_append(Append { records: records.clone(), ..begun }));
        now(store.session_append(end(&claim.row, from + count, 0, &[])));
        now(store.session_release(session(1), claim.row.epoch));
        all.extend(records);
    }
    all
}

pub(super) fn gives_what_ended_as_what_goes_on(store: &dyn SessionStore) {
    let all = turns(store, 20, 7, 3000);
    // Another request, so that the store had a moment for itself.
    let claim = now(store.session_claim(session(1)));
    for from in 0..=all.len() {
        let some = now(store.session_records(session(1), from as u64, 9));
        assert_eq!(some, all[from..all.len().min(from + 9)], "{from}");
    }
    assert_eq!(now(store.session_records(session(1), 0, u32::MAX)), all);
    for seq in [140, 133, 100, 98, 50, 1, 0] {
        now(store.session_revert(session(1), claim.row.epoch, seq, Place::default(), Timestamp(0)));
        assert_eq!(now(store.session_records(session(1), 0, u32::MAX)), all[..seq as usize]);
        assert_eq!(row(store, 1).next_seq, seq);
    }
    now(store.session_append(start(&claim.row, 0, 3, None)));
    assert_eq!(now(store.session_records(session(1), 1, u32::MAX)), [line(1), line(2)]);
}

pub(super) fn sees_what_another_one_wrote(store: &dyn SessionStore, other: &dyn SessionStore) {
    let claim = claimed(store, 1);
    for seq in 0..10 {
        now(store.session_append(if seq == 0 { start(&claim.row, 0, 1, None) } else { append(&claim.row, seq, 1) }));
        assert_eq!(now(store.session_records(session(1), seq, 10)), [line(seq)]);
        assert_eq!(now(other.session_records(session(1), seq, 10)), [line(seq)]);
        assert_eq!(row(other, 1).next_seq, seq + 1);
    }
}

pub(super) fn the_version_changes_with_every_change(store: &dyn SessionStore, other: &dyn SessionStore) {
    let mut seen = vec![(now(store.version()), now(other.version()))];
    let mut check = |what: &str| {
        let version = (now(store.version()), now(other.version()));
        assert!(seen.iter().all(|(one, two)| *one != version.0 && *two != version.1), "{what} was not noticed");
        assert_eq!(version, (now(store.version()), now(other.version())), "it changed by itself");
        seen.push(version);
    };
    now(store.session_create(new(1)));
    check("a session");
    let claim = now(store.session_claim(session(1)));
    check("a claim");
    let opening = Append { opened: vec![open_wait(1, WaitKind::Input, None)], ..start(&claim.row, 0, 1, None) };
    now(store.session_append(opening));
    check("an append");
    let outcome = remit_core::journal::Outcome::Input { by: user("ada"), text: "yes".to_owned() };
    now(other.wait_decide(Decision { wait: wait(1), outcome, at: Timestamp(5) }));
    check("a decision");
    now(store.session_kill(session(1), String::new(), Timestamp(6)));
    check("a kill");
    now(store.session_release(session(1), claim.row.epoch));
    check("a release");
    now(other.session_erase(session(1)));
    check("an end");
}
