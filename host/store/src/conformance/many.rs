use futures::{executor::block_on, future::join_all};
use remit_core::{Kind, store::SessionStore};

use super::*;

const SESSIONS: u64 = 64;
const STEPS: u64 = 10;

/// Makes a session, and adds records to it one after the other.
async fn steps(store: &dyn SessionStore, number: u64) {
    store.session_create(new(number)).await.expect("a session");
    let claim = store.session_claim(session(number)).await.expect("a claim");
    store.session_append(start(&claim.row, 0, 1, None)).await.expect("a record");
    for seq in 1..STEPS {
        store.session_append(append(&claim.row, seq, 1)).await.expect("a record");
    }
}

fn check(store: &dyn SessionStore, numbers: impl Iterator<Item = u64>) {
    for number in numbers {
        assert_eq!(now(store.session_records(session(number), 0, 100)), (0..STEPS).map(line).collect::<Vec<_>>());
    }
}

pub(super) fn sessions_at_once_are_all_kept_in_order(store: &dyn SessionStore) {
    block_on(join_all((1..=SESSIONS).map(|number| steps(store, number))));
    check(store, 1..=SESSIONS);
    // Asked for before the one before it was answered, which keeps their order.
    let claim = claimed(store, 99);
    let first = store.session_append(start(&claim.row, 0, 1, None));
    let rest: Vec<_> = (1..STEPS).map(|seq| store.session_append(append(&claim.row, seq, 1))).collect();
    now(first);
    rest.into_iter().for_each(now);
    check(store, 99..100);
}

/// What is refused had added a record by then: a turn begins within another one.
pub(super) fn a_refusal_among_others_leaves_nothing(store: &dyn SessionStore) {
    let claims: Vec<_> = (1..=SESSIONS).map(|number| claimed(store, number)).collect();
    let asked: Vec<_> = claims
        .iter()
        .map(|claim| {
            let begun = store.session_append(start(&claim.row, 0, 1, None));
            let refused = store.session_append(start(&claim.row, 1, 1, None));
            (begun, refused, store.session_append(append(&claim.row, 1, STEPS - 1)))
        })
        .collect();
    for (begun, again, gone_on) in asked {
        now(begun);
        refused(again, Kind::Conflict);
        now(gone_on);
    }
    check(store, 1..=SESSIONS);
}

pub(super) fn stores_at_once_wait_for_each_other(store: &dyn SessionStore, other: &dyn SessionStore) {
    std::thread::scope(|scope| {
        scope.spawn(|| block_on(join_all((1..=8).map(|number| steps(store, number)))));
        block_on(join_all((11..=18).map(|number| steps(other, number))));
    });
    check(store, (1..=8).chain(11..=18));
    check(other, (1..=8).chain(11..=18));
}
