use remit_core::{
    clock::Timestamp,
    store::{Append, NewSession, SessionFilter, SessionStore, Status},
};

use super::*;

fn of_project(limit: u32) -> SessionFilter {
    SessionFilter { project: "project".to_owned(), limit, ..SessionFilter::default() }
}

fn listed(store: &dyn SessionStore, filter: SessionFilter) -> Vec<u64> {
    let rows = now(store.session_list(filter));
    rows.iter().map(|row| (1..1000).find(|number| session(*number) == row.id).expect("a session of the case")).collect()
}

pub(super) fn is_newest_first_in_pages(store: &dyn SessionStore) {
    for number in [3, 1, 5, 2, 4] {
        now(store.session_create(new(number)));
    }
    assert_eq!(listed(store, of_project(100)), [5, 4, 3, 2, 1]);
    assert_eq!(listed(store, of_project(2)), [5, 4]);
    assert_eq!(listed(store, SessionFilter { before: Some(session(4)), ..of_project(2) }), [3, 2]);
    assert_eq!(listed(store, SessionFilter { before: Some(session(2)), ..of_project(2) }), [1]);
    assert_eq!(listed(store, SessionFilter { before: Some(session(1)), ..of_project(2) }), [0; 0]);
    assert_eq!(listed(store, of_project(0)), [0; 0]);
    assert_eq!(now(store.session_list(of_project(1))), [row(store, 5)]);
}

pub(super) fn filters(store: &dyn SessionStore) {
    for number in 1..=6 {
        let claim = claimed(store, number);
        now(store.session_append(start(&claim.row, 0, 1, None)));
        let status = [Status::Running, Status::Waiting, Status::Quarantined][number as usize % 3];
        now(store.session_append(Append { status, ..append(&claim.row, 1, 1) }));
    }
    now(store.session_create(NewSession { principal: user("bob"), ..new(7) }));
    now(store.session_create(NewSession { project: "other".to_owned(), ..new(8) }));
    let of = |name: &str, status: &[Status]| SessionFilter { principal: Some(user(name)), status: status.to_vec(), ..of_project(100) };
    assert_eq!(listed(store, of_project(100)), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(listed(store, of("ada", &[])), [6, 5, 4, 3, 2, 1]);
    assert_eq!(listed(store, of("bob", &[])), [7]);
    assert_eq!(listed(store, of("eve", &[])), [0; 0]);
    assert_eq!(listed(store, of("ada", &[Status::Waiting])), [4, 1]);
    assert_eq!(listed(store, of("ada", &[Status::Waiting, Status::Quarantined, Status::Idle])), [5, 4, 2, 1]);
    assert_eq!(listed(store, of("ada", &[Status::Killed])), [0; 0]);
    let running = SessionFilter { status: vec![Status::Running, Status::Idle], before: Some(session(7)), limit: 1, ..of_project(0) };
    assert_eq!(listed(store, running), [6]);
    assert_eq!(listed(store, SessionFilter { project: "none".to_owned(), ..of_project(9) }), [0; 0]);
    let until = |until| SessionFilter { until: Some(until), ..of_project(9) };
    assert_eq!(listed(store, until(row(store, 7).updated)), [7]);
    assert_eq!(listed(store, until(Timestamp(row(store, 7).updated.0 - 1))), [0; 0]);
    assert_eq!(listed(store, until(row(store, 1).updated)), [7, 6, 5, 4, 3, 2, 1]);
}
