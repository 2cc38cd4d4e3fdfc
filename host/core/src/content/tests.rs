use std::collections::BTreeMap;

use super::*;
use crate::{Kind, limit::PIECE_MAX_BYTES, plugin::Digest};

fn file(bytes: &[u8]) -> Entry {
    Entry::File { bytes: Blob::of(bytes), executable: false }
}

fn tree(entries: &[(&str, Entry)]) -> crate::Result<Tree> {
    Tree::new(entries.iter().map(|(path, entry)| ((*path).to_owned(), entry.clone())).collect())
}

#[test]
fn a_blob_is_cut_into_pieces_and_says_how_long_each_is() {
    let bytes = vec![7; 2 * PIECE_MAX_BYTES + 3];
    let blob = Blob::of(&bytes);
    assert_eq!((blob.size, blob.pieces.len()), (bytes.len() as u64, 3));
    assert_eq!(blob.pieces[0], blob.pieces[1]);
    assert_eq!([0, 1, 2, 3].map(|number| blob.piece_len(number)), [PIECE_MAX_BYTES as u64, PIECE_MAX_BYTES as u64, 3, 0]);
    blob.check().unwrap();
    assert_eq!(Blob::of(b"").pieces, []);
    assert_eq!(Blob { size: 1, pieces: Vec::new() }.check().unwrap_err().kind, Kind::Invalid);
    assert_eq!(Blob { size: 1, pieces: vec![Digest::of(b"a"), Digest::of(b"b")] }.check().unwrap_err().kind, Kind::Invalid);
}

#[test]
fn a_tree_has_one_text() {
    let link = Entry::Link { target: "sub/b".to_owned() };
    let all = [("a", file(b"1")), ("l", link), ("sub", Entry::Folder {}), ("sub-x", file(b"")), ("sub/b", file(b"2"))];
    let made = tree(&all).unwrap();
    let text = made.encode().unwrap();
    assert_eq!(Tree::decode(&text).unwrap(), made);
    let mut turned = all.to_vec();
    turned.reverse();
    assert_eq!(tree(&turned).unwrap().encode().unwrap(), text);
    let spaced = String::from_utf8(text.clone()).unwrap().replace("\"version\":1", "\"version\": 1");
    assert_eq!(Tree::decode(spaced.as_bytes()).unwrap_err().kind, Kind::Invalid);
    let later = String::from_utf8(text).unwrap().replace("\"version\":1", "\"version\":2");
    assert_eq!(Tree::decode(later.as_bytes()).unwrap_err().kind, Kind::Invalid);
    assert_eq!(Tree::decode(&Tree::default().encode().unwrap()).unwrap(), Tree::new(BTreeMap::new()).unwrap());
}

#[test]
fn f16_a_tree_names_nothing_outside_of_its_workspace() {
    for path in ["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\0b", &"x".repeat(4097)] {
        let entries = [("a", Entry::Folder {}), (path, file(b"1"))];
        assert_eq!(tree(&entries).unwrap_err().kind, Kind::Invalid, "{path}");
    }
    for target in ["", "/etc/passwd", "..", "a/../../b", "a\0b"] {
        assert_eq!(tree(&[("l", Entry::Link { target: target.to_owned() })]).unwrap_err().kind, Kind::Invalid, "{target}");
    }
    let through = |holder: Entry| tree(&[("a", holder), ("a/b", file(b"1"))]);
    assert_eq!(through(Entry::Link { target: "c".to_owned() }).unwrap_err().kind, Kind::Invalid, "nothing lies behind a link");
    assert_eq!(through(file(b"")).unwrap_err().kind, Kind::Invalid);
    through(Entry::Folder {}).expect("the twin: in a folder");
    assert_eq!(tree(&[("a/b", file(b"1"))]).unwrap_err().kind, Kind::Invalid);
}

#[test]
fn f16_a_tree_is_bounded() {
    let huge = Entry::File { bytes: Blob { size: 5 << 30, pieces: vec![Digest::of(b""); 5 << 10] }, executable: false };
    assert_eq!(tree(&[("a", huge)]).unwrap_err().kind, Kind::Limit);
    let many = (0..100_001).map(|number| (number.to_string(), Entry::Folder {})).collect();
    assert_eq!(Tree::new(many).unwrap_err().kind, Kind::Limit);
}
