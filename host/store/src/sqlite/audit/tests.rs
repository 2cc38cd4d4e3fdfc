use futures::executor::block_on;
use remit_core::{
    Kind,
    audit::{AuditRecord, AuditSink as _, Decision, DecisionRecord, Fault, FaultKind, Keep, Report, SignedCheckpoint, Signer},
    clock::Timestamp,
    limit::{AUDIT_RECORD_MAX_BYTES, AUDIT_WAITING_MAX_BYTES},
    store::SessionStore as _,
};
use rusqlite::Connection;

use super::{super::copy, AuditPage, Sqlite};
use crate::conformance::sample::{append, claimed, now, user};

fn signer() -> Signer {
    Signer::from_seed(&[1; 32]).expect("a key")
}

fn open(place: &tempfile::TempDir) -> Sqlite {
    Sqlite::open(&place.path().join("state")).expect("a store").audited(signer(), true)
}

fn place() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn record(store: &Sqlite, project: &str, keep: Keep) -> remit_core::Result<()> {
    let principal = &user("ada");
    let (at, decision, delegation) = (Timestamp(1_780_000_000_000), Decision::Stop, &[]);
    let record =
        DecisionRecord { at, decision, principal, delegation, project, session: None, wait: None, of: None, plugin: None, refused: None };
    block_on(store.record(&AuditRecord::Decision(record), keep))
}

fn texts(store: &Sqlite, page: AuditPage) -> Vec<String> {
    let rows = block_on(store.audit_page(page, 1000)).expect("records");
    rows.into_iter().map(|row| String::from_utf8(row.record).expect("text")).collect()
}

fn verify(store: &Sqlite, given: Option<&str>) -> Result<Report, Fault> {
    let given: Option<SignedCheckpoint> = given.map(|text| text.parse().expect("a checkpoint"));
    block_on(store.audit_verify(vec![signer().public_key().clone()], given)).expect("a store")
}

#[test]
fn a_record_is_kept_with_its_number_in_front_and_the_log_begins_with_its_epoch() {
    let place = place();
    let store = open(&place);
    record(&store, "desk", Keep::Now).expect("recorded");
    let records = texts(&store, AuditPage::After(0));
    assert_eq!(records.len(), 2);
    assert!(records[0].starts_with(r#"{"seq":1,"type":"epoch","at":1780000000000,"epoch":"epoch_"#), "{records:?}");
    let expected =
        r#"{"seq":2,"type":"decision","at":1780000000000,"decision":"stop","principal":"user:ada","delegation":[],"project":"desk"}"#;
    assert_eq!(records[1], expected);
    assert_eq!(texts(&store, AuditPage::Before(u64::MAX)), [records[1].clone(), records[0].clone()]);
    assert_eq!(texts(&store, AuditPage::After(1)), records[1..]);
    let report = verify(&store, None).expect("a whole log");
    assert_eq!((report.records, report.signed), (2, 2), "the first ones are signed at once");
}

#[test]
fn a_record_that_may_lag_is_written_without_anybody_asking() {
    let place = place();
    let (store, other) = (open(&place), open(&place));
    record(&store, "desk", Keep::Soon).expect("taken");
    while texts(&other, AuditPage::After(0)).len() < 2 {
        std::thread::yield_now();
    }
    // What is written a second later at the latest is signed by then.
    record(&store, "desk", Keep::Soon).expect("taken");
    while verify(&other, None).expect("a whole log").signed < 3 {
        std::thread::yield_now();
    }
}

#[test]
fn a_record_that_may_lag_is_committed_with_what_a_session_commits_next() {
    let place = place();
    let (store, other) = (open(&place), open(&place));
    let row = claimed(&store, 1).row;
    record(&store, "desk", Keep::WithSession).expect("taken");
    now(store.session_append(append(&row, 0, 1)));
    assert_eq!(texts(&other, AuditPage::After(0)).len(), 2);
}

#[test]
fn a_store_that_is_closed_has_written_and_signed_all() {
    let place = place();
    let store = open(&place);
    for _ in 0..100 {
        record(&store, "desk", Keep::Soon).expect("taken");
    }
    drop(store);
    let report = verify(&open(&place), None).expect("a whole log");
    assert_eq!((report.records, report.signed), (101, 101));
}

#[test]
fn where_records_may_not_lag_all_are_durable_at_once() {
    let place = place();
    let store = Sqlite::open(&place.path().join("state")).expect("a store").audited(signer(), false);
    record(&store, "desk", Keep::Soon).expect("recorded");
    assert_eq!(texts(&open(&place), AuditPage::After(0)).len(), 2);
}

#[test]
fn what_waits_is_bounded() {
    let place = place();
    let (store, other) = (open(&place), open(&place));
    let most = AUDIT_WAITING_MAX_BYTES / (AUDIT_RECORD_MAX_BYTES / 2) + 1;
    let project = "x".repeat(AUDIT_RECORD_MAX_BYTES / 2);
    for _ in 0..most {
        record(&store, &project, Keep::Soon).expect("taken");
    }
    assert!(texts(&other, AuditPage::After(0)).len() > 1, "the last one waited for the disk");
    let error = record(&store, &"x".repeat(AUDIT_RECORD_MAX_BYTES), Keep::Now).expect_err("it is too large");
    assert_eq!(error.kind, Kind::Limit, "{error:?}");
}

#[test]
fn two_stores_add_to_one_log() {
    let place = place();
    let (one, two) = (open(&place), open(&place));
    let all = |store: &Sqlite, project: &str| {
        for number in 0..60 {
            record(store, project, if number % 3 == 0 { Keep::Now } else { Keep::Soon }).expect("taken");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| all(&one, "one"));
        scope.spawn(|| all(&two, "two"));
    });
    drop(two);
    record(&one, "last", Keep::Now).expect("recorded");
    assert_eq!(verify(&one, None).expect("a whole log").records, 122);
    let records = texts(&one, AuditPage::After(0));
    let of = |project: &str| records.iter().filter(|record| record.contains(&format!("\"project\":\"{project}\""))).count();
    assert_eq!((of("one"), of("two")), (60, 60));
}

#[test]
fn a_store_without_a_key_keeps_no_log() {
    let place = place();
    let store = Sqlite::open(&place.path().join("state")).expect("a store");
    assert_eq!(record(&store, "desk", Keep::Now).expect_err("no log").kind, Kind::Invalid);
    assert_eq!(block_on(store.audit_checkpoint()).expect_err("no log").kind, Kind::Invalid);
    assert_eq!(block_on(open(&place).audit_checkpoint()), Ok(None), "and one without records has no checkpoint");
}

#[test]
fn what_was_put_into_the_log_from_outside_stops_it() {
    let place = place();
    let store = open(&place);
    record(&store, "desk", Keep::Now).expect("recorded");
    drop(store);
    let raw = Connection::open(place.path().join("state/state.db")).expect("a database");
    raw.execute("INSERT INTO audit (seq, leaf, record) VALUES (3, x'00', x'00')", []).expect("added");
    drop(raw);
    let store = open(&place);
    let error = record(&store, "desk", Keep::Now).expect_err("withheld");
    assert!(error.message.contains("record 3 is there") && error.hints.iter().any(|hint| hint.contains("audit verify")), "{error:?}");
    assert_eq!(verify(&store, None).expect_err("a fault").kind, FaultKind::Edited);
    assert_eq!(texts(&store, AuditPage::Before(3)).len(), 2, "it can still be read");
}

#[test]
fn l2_a_backup_that_is_put_back_begins_an_epoch_that_says_so() {
    let place = place();
    let (folder, backup) = (place.path().join("state"), place.path().join("copy.db"));
    let store = open(&place);
    record(&store, "before", Keep::Now).expect("recorded");
    copy::backup(&folder, &backup).expect("a copy");
    record(&store, "after", Keep::Now).expect("recorded");
    let exported = block_on(store.audit_checkpoint()).expect("a store").expect("a checkpoint");
    assert!(verify(&store, Some(&exported)).is_ok());
    drop(store);
    copy::restore(&folder, &backup, &user("bob"), Timestamp(1_790_000_000_000)).expect("put back");
    let store = open(&place);
    let records = texts(&store, AuditPage::After(2));
    assert_eq!(records.len(), 1);
    assert!(records[0].contains(r#""principal":"user:bob","aside":{"epoch":"epoch_"#) && records[0].contains(r#""size":3"#), "{records:?}");
    let fault = verify(&store, Some(&exported)).expect_err("a fault");
    assert_eq!((fault.kind, fault.first, fault.last), (FaultKind::Restored, Some(3), Some(3)));
    record(&store, "again", Keep::Now).expect("recorded");
    let report = verify(&store, None).expect("a whole log");
    assert_eq!((report.records, report.epochs.len()), (4, 2));
}
