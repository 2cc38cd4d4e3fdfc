use remit_core::{Error, Kind, store::KvStore};

use super::*;

const ROOM: u64 = 1 << 20;

fn get(store: &dyn KvStore, scope: &str, key: &str) -> Option<Vec<u8>> {
    store.kv_get(&space(scope), key).expect("a read")
}

fn set(store: &dyn KvStore, scope: &str, key: &str, value: &[u8], max_bytes: u64) -> Result<(), Kind> {
    store.kv_set(&space(scope), key, value.to_vec(), max_bytes).map_err(|error: Error| error.kind)
}

pub(super) fn keeps_values(store: &dyn KvStore) {
    assert_eq!(get(store, "project", "k"), None);
    for value in [b"one".as_slice(), b"", b"\0\xff"] {
        assert_eq!(set(store, "project", "k", value, ROOM), Ok(()));
        assert_eq!(get(store, "project", "k").as_deref(), Some(value));
    }
    store.kv_delete(&space("project"), "k").expect("a removal");
    assert_eq!(get(store, "project", "k"), None);
    store.kv_delete(&space("project"), "k").expect("absent is fine");
    store.kv_delete(&space("session/none"), "k").expect("absent is fine");
}

pub(super) fn keeps_spaces_apart(store: &dyn KvStore) {
    let mut spaces = vec![space("project"), space("user/user:ada"), space("user/user:bob")];
    spaces.extend([("other", "notes"), ("project", "mail")].map(|(project, plugin)| remit_core::store::KvSpace {
        project: project.to_owned(),
        plugin: plugin.to_owned(),
        scope: "project".to_owned(),
    }));
    for (number, space) in spaces.iter().enumerate() {
        store.kv_set(space, "k", vec![number as u8], ROOM).expect("a write");
    }
    for (number, space) in spaces.iter().enumerate() {
        assert_eq!(store.kv_get(space, "k").expect("a read"), Some(vec![number as u8]));
        assert_eq!(store.kv_keys(space, None, 10).expect("keys"), ["k"]);
    }
    store.kv_delete(&spaces[0], "k").expect("a removal");
    assert_eq!(store.kv_get(&spaces[1], "k").expect("a read"), Some(vec![1]));
}

pub(super) fn is_bounded(store: &dyn KvStore) {
    assert_eq!(set(store, "project", "key", &[0; 7], 9), Err(Kind::Limit));
    assert_eq!(get(store, "project", "key"), None);
    assert_eq!(set(store, "project", "key", &[0; 7], 10), Ok(()));
    assert_eq!(set(store, "project", "k", &[], 10), Err(Kind::Limit));
    assert_eq!(set(store, "project", "key", &[1; 8], 10), Err(Kind::Limit));
    assert_eq!(get(store, "project", "key"), Some(vec![0; 7]), "nothing changed");
    assert_eq!(set(store, "project", "key", &[1; 6], 10), Ok(()), "what is replaced does not count");
    assert_eq!(set(store, "project", "k", &[], 10), Ok(()));
    store.kv_delete(&space("project"), "key").expect("a removal");
    assert_eq!(set(store, "project", "other", &[2; 4], 10), Ok(()), "what is removed does not count");
    assert_eq!(set(store, "user/user:ada", "key", &[0; 7], 10), Ok(()), "each space has its own bound");
}

pub(super) fn increments(store: &dyn KvStore) {
    let add = |key: &str, delta| store.kv_increment(&space("project"), key, delta, 1000).map_err(|error| error.kind);
    assert_eq!(add("n", 5), Ok(5));
    assert_eq!(add("n", -7), Ok(-2));
    assert_eq!(get(store, "project", "n").as_deref(), Some(b"-2".as_slice()));
    assert_eq!(add("n", i64::MIN), Err(Kind::Invalid));
    assert_eq!(add("n", i64::MAX), Ok(i64::MAX - 2));
    assert_eq!(set(store, "project", "text", b"1x", 1000), Ok(()));
    assert_eq!(add("text", 1), Err(Kind::Invalid));
    assert_eq!(store.kv_increment(&space("project"), "m", 1, 3).map_err(|error| error.kind), Err(Kind::Limit));
    assert_eq!(get(store, "project", "m"), None);
}

pub(super) fn increments_atomically(store: &dyn KvStore) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    store.kv_increment(&space("project"), "n", 1, ROOM).expect("a sum");
                }
            });
        }
    });
    assert_eq!(get(store, "project", "n").as_deref(), Some(b"200".as_slice()));
}

pub(super) fn lists_keys_in_pages(store: &dyn KvStore) {
    let mut keys = ["b", "a", "", "ä", "a/1", "A", "z"];
    for key in keys {
        assert_eq!(set(store, "project", key, b"v", ROOM), Ok(()));
    }
    keys.sort_unstable();
    let page = |after: Option<&str>, limit| store.kv_keys(&space("project"), after, limit).expect("keys");
    assert_eq!(page(None, usize::MAX), keys);
    assert_eq!(page(None, 3), keys[..3]);
    assert_eq!(page(Some(keys[2]), 3), keys[3..6]);
    assert_eq!(page(Some("aa"), 9), ["b", "z", "ä"], "after a key that is not there");
    assert_eq!(page(Some("ä"), 9), [""; 0]);
    assert_eq!(page(None, 0), [""; 0]);
}
