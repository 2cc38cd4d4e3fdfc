use std::collections::{BTreeMap, BTreeSet};

use remit_core::{
    Kind,
    content::Blob,
    limit::PIECE_MAX_BYTES,
    plugin::Digest,
    store::{Append, Import, NewSession, Place, SessionRow, SessionStore, TurnClose},
};

use super::*;

fn put(store: &dyn SessionStore, row: &SessionRow, pieces: &[&[u8]]) {
    now(store.content_put(row.id, row.epoch, pieces.iter().map(|piece| piece.to_vec()).collect()));
}

/// An append that ends the first turn and leaves `tree` in a workspace of `notes`.
fn leaving(row: &SessionRow, from: u64, tree: &[u8]) -> Append {
    let close = TurnClose { workspaces: [("notes".to_owned(), Blob::of(tree))].into(), ..TurnClose::default() };
    Append { close: Some(close), content: Blob::split(tree).map(<[u8]>::to_vec).collect(), ..end(row, from, 1, &[]) }
}

pub(super) fn is_kept_in_pieces(store: &dyn SessionStore) {
    let row = claimed(store, 1).row;
    let whole = vec![7; PIECE_MAX_BYTES];
    put(store, &row, &[b"one", &whole, b"one", b""]);
    assert_eq!(now(store.content_get(row.id, Digest::of(b"one"))), b"one");
    assert_eq!(now(store.content_get(row.id, Digest::of(&whole))), whole);
    assert_eq!(now(store.content_get(row.id, Digest::of(b""))), b"");
    refused(store.content_put(row.id, row.epoch, vec![vec![7; PIECE_MAX_BYTES + 1]]), Kind::Limit);
    refused(store.content_put(row.id, row.epoch + 1, vec![b"two".to_vec()]), Kind::Conflict);
    refused(store.content_put(session(2), 0, Vec::new()), Kind::NotFound);
    let missing = refused(store.content_get(row.id, Digest::of(b"two")), Kind::Host);
    assert!(missing.message.contains(&Digest::of(b"two").to_string()), "{missing:?}");
    refused(store.content_get(session(2), Digest::of(b"one")), Kind::NotFound);
}

pub(super) fn of_another_session_is_not_there(store: &dyn SessionStore) {
    let (one, two) = (claimed(store, 1).row, claimed(store, 2).row);
    put(store, &one, &[b"secret"]);
    refused(store.content_get(two.id, Digest::of(b"secret")), Kind::Host);
    let naming = Append { content: Vec::new(), ..leaving(&two, 1, b"secret") };
    now(store.session_append(start(&two, 0, 1, None)));
    refused(store.session_append(naming), Kind::Conflict);
    assert_eq!(now(store.session_records(two.id, 0, 9)).len(), 1, "nothing of the append took place");
}

pub(super) fn is_committed_with_its_records(store: &dyn SessionStore) {
    let row = claimed(store, 1).row;
    let result = vec![3; PIECE_MAX_BYTES + 5];
    let outputs = BTreeMap::from([(Digest::of(&result), Blob::of(&result))]);
    let content = Blob::split(&result).map(<[u8]>::to_vec).collect::<Vec<_>>();
    refused(store.session_append(Append { outputs: outputs.clone(), ..start(&row, 0, 2, None) }), Kind::Conflict);
    assert_eq!(now(store.output_get(row.id, Digest::of(&result))), None);
    refused(store.session_append(Append { content: content.clone(), ..start(&row, 1, 2, None) }), Kind::Conflict);
    refused(store.content_get(row.id, Blob::of(&result).pieces[0]), Kind::Host);
    now(store.session_append(Append { outputs, content, ..start(&row, 0, 2, None) }));
    let blob = now(store.output_get(row.id, Digest::of(&result))).expect("an output");
    let back: Vec<u8> = blob.pieces.iter().flat_map(|piece| now(store.content_get(row.id, *piece))).collect();
    assert_eq!(back, result);
    assert_eq!(now(store.output_get(row.id, Digest::of(b"another"))), None);
    assert!(now(store.session_workspaces(row.id)).is_empty());
    now(store.session_append(leaving(&row, 2, b"tree")));
    assert_eq!(now(store.session_workspaces(row.id)), BTreeMap::from([("notes".to_owned(), Blob::of(b"tree"))]));
    assert_eq!(now(store.content_get(row.id, Digest::of(b"tree"))), b"tree");
}

pub(super) fn goes_back_and_along_with_its_session(store: &dyn SessionStore) {
    let row = claimed(store, 1).row;
    now(store.session_append(start(&row, 0, 1, None)));
    now(store.session_append(leaving(&row, 1, b"first")));
    now(store.session_append(start(&row, 2, 1, None)));
    now(store.session_append(leaving(&row, 3, b"second")));
    let workspaces = |tree: &[u8]| BTreeMap::from([("notes".to_owned(), Blob::of(tree))]);
    let place = Place { turns: 1, workspaces: workspaces(b"first"), ..Place::default() };
    let fork = |number: u64, piece: &[u8]| Import {
        new: new(number),
        records: vec![line(0), line(1)],
        place: Place { turns: 1, workspaces: workspaces(piece), ..Place::default() },
        content: Vec::new(),
        uses: BTreeSet::from([Digest::of(piece)]),
        outputs: BTreeMap::new(),
    };
    now(store.session_import(fork(2, b"first")));
    refused(store.session_import(fork(3, b"never")), Kind::Conflict);
    now(store.session_revert(row.id, row.epoch, 2, place, remit_core::clock::Timestamp(9)));
    assert_eq!(now(store.session_workspaces(row.id)), workspaces(b"first"));
    now(store.session_release(row.id, row.epoch));
    now(store.session_erase(row.id));
    assert_eq!(now(store.content_get(session(2), Digest::of(b"first"))), b"first", "what another session uses stays");
    refused(store.session_import(fork(4, b"second")), Kind::Conflict);
    now(store.session_import(Import { content: vec![b"second".to_vec()], ..fork(4, b"second") }));
    assert_eq!(now(store.content_get(session(4), Digest::of(b"second"))), b"second");
}

pub(super) fn goes_with_the_principal(store: &dyn SessionStore) {
    let ada = claimed(store, 1).row;
    now(store.session_create(NewSession { principal: user("ben"), ..new(2) }));
    let ben = now(store.session_claim(session(2))).row;
    put(store, &ada, &[b"adas", b"both"]);
    put(store, &ben, &[b"both"]);
    now(store.session_release(ada.id, ada.epoch));
    now(store.principal_erase("project".to_owned(), user("ada")));
    assert_eq!(now(store.content_get(ben.id, Digest::of(b"both"))), b"both");
    let naming = |piece: &[u8]| Import {
        new: new(3),
        records: vec![line(0)],
        place: Place::default(),
        content: Vec::new(),
        uses: BTreeSet::from([Digest::of(piece)]),
        outputs: BTreeMap::new(),
    };
    refused(store.session_import(naming(b"adas")), Kind::Conflict);
    now(store.session_import(naming(b"both")));
}
