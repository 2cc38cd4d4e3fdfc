//! Folders of workspaces without a guest: what they are taken for, and what they are never made of.

#![allow(clippy::disallowed_methods, reason = "a test plays the host's user, who has the whole disk")]

use std::path::Path;

use cap_std::ambient_authority;
use remit_core::{Kind, content::Blob, identity::TurnPlace};

use super::{index::*, *};

fn place(folder: &Path) -> Place {
    let place = Place { holder: folder.join("counter"), name: "ses_x".to_owned(), plugin: "counter".to_owned() };
    place.folder_made().unwrap();
    place
}

fn opened(place: &Place) -> Dir {
    Dir::open_ambient_dir(place.folder(), ambient_authority()).unwrap()
}

#[test]
fn a_folder_is_taken_for_what_its_mark_says_in_its_turn_and_line_alone() {
    let (one, two) = (Blob::of(b"one"), Blob::of(b"two"));
    let captured = Mark { branch: 1, tree: Some(one.clone()), turn: None };
    let changed = Mark { branch: 1, tree: Some(one.clone()), turn: Some(7) };
    let at = |branch: u32, seq: u64| TurnPlace { branch, seq };
    assert!(captured.holds(at(1, 9), Some(&one)) && changed.holds(at(1, 7), Some(&one)));
    assert!(!captured.holds(at(1, 9), Some(&two)) && !captured.holds(at(1, 9), None), "another tree");
    assert!(!captured.holds(at(2, 9), Some(&one)) && !changed.holds(at(2, 7), Some(&one)), "another line");
    assert!(!changed.holds(at(1, 8), Some(&one)), "a turn that ended without its capture");
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    assert_eq!(Mark::read(&place).unwrap(), None);
    changed.write(&place).unwrap();
    assert_eq!(Mark::read(&place).unwrap(), Some(changed));
    std::fs::write(place.beside("mark"), "{").unwrap();
    let error = Mark::read(&place).unwrap_err();
    assert!(error.kind == Kind::Host && error.hints[0].contains("ses_x.mark"), "nothing is made anew over what a turn wrote: {error:?}");
    captured.write(&place).unwrap();
    std::fs::remove_dir(place.folder()).unwrap();
    assert_eq!(Mark::read(&place).unwrap(), None, "nor does one without its folder");
}

#[test]
fn what_no_guest_makes_is_refused_and_links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    std::fs::create_dir(place.folder().join("sub")).unwrap();
    std::fs::write(place.folder().join("sub/a"), "12345").unwrap();
    std::os::unix::fs::symlink("/", place.folder().join("root")).unwrap();
    assert_eq!(walk::present(&place, &opened(&place)).unwrap(), walk::Present { bytes: 5, files: 3 });
    rustix::fs::mknodat(rustix::fs::CWD, place.folder().join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let error = walk::present(&place, &opened(&place)).unwrap_err();
    assert!(error.kind == Kind::Host && error.message.contains("`pipe`"), "{error:?}");
}

#[test]
fn a_file_that_changed_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, "one").unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    let stamp = || Stamp::of(&dir.symlink_metadata("a").unwrap());
    let (before, bytes) = (stamp(), Blob::of(b"one"));
    let mut index = Index::default();
    index.add("a", before, &bytes, &before);
    assert_eq!(index.known("a", &before), None, "so short after its change it may change unseen");
    index.add("a", before, &bytes, &before.later(3_000_000_000));
    assert_eq!(index.known("a", &before), Some(&bytes));
    filetime(&path);
    assert_eq!(index.known("a", &stamp()), None, "of the same size");
    assert_eq!(index.known("b", &before), None);
}

/// Sets the time of a file's content to that of the epoch.
fn filetime(path: &Path) {
    let epoch = rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: epoch, last_modification: epoch };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty()).unwrap();
}

#[test]
fn names_of_anything_stay_below_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let workspaces = Workspaces::new(folder.path().to_owned());
    for name in ["../../etc", "a/b", ".", "\u{0}", ""] {
        let below = workspaces.project(name);
        assert_eq!(below.parent(), Some(folder.path()), "{name}");
    }
    let principal: Principal = "user:../ada".parse().unwrap();
    assert!(user(&principal).bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    assert_ne!(user(&principal), user(&"user:ada".parse().unwrap()));
}
