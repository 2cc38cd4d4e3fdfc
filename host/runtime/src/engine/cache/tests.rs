#![allow(clippy::disallowed_methods, reason = "tests make and break the files of a cache")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::Barrier,
    time::{Duration, SystemTime},
};

use remit_core::Kind;

use super::*;

const AMPLE: u64 = 1 << 20;
const CONFIGURATION: Configuration = Configuration([7; 32]);

fn open(path: &Path) -> Cache {
    Cache::open(path, AMPLE).unwrap()
}

fn artefact(bytes: &[u8]) -> Artefact {
    Artefact::compiled(bytes.to_vec())
}

fn found(cache: &Cache, digest: &Digest) -> Option<Vec<u8>> {
    cache.get(digest, CONFIGURATION).unwrap().map(|artefact| artefact.bytes().to_vec())
}

fn entry(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join(entry_name(digest, CONFIGURATION))
}

#[test]
fn what_is_kept_is_found_by_every_process_of_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let digest = Digest::of(b"component");
    assert_eq!(found(&open(folder.path()), &digest), None);
    open(folder.path()).put(&digest, CONFIGURATION, &artefact(b"code")).unwrap();
    assert_eq!(found(&open(folder.path()), &digest).as_deref(), Some(&b"code"[..]));
}

#[test]
fn folder_and_files_are_the_users_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    let cache = open(&folder);
    cache.put(&Digest::of(b"component"), CONFIGURATION, &artefact(b"code")).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "the key and the entry: {files:?}");
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().permissions().mode() & 0o777 == 0o600));
}

#[test]
fn an_entry_with_any_byte_changed_is_refused_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, digest) = (open(folder.path()), Digest::of(b"component"));
    for at in 0..CODE_BYTES + 4 {
        cache.put(&digest, CONFIGURATION, &artefact(b"code")).unwrap();
        let mut bytes = fs::read(entry(folder.path(), &digest)).unwrap();
        bytes[at] ^= 1;
        fs::write(entry(folder.path(), &digest), bytes).unwrap();
        assert_eq!(found(&cache, &digest), None, "byte {at}");
        assert!(!entry(folder.path(), &digest).exists());
    }
}

#[test]
fn an_entry_that_was_cut_off_or_extended_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, digest) = (open(folder.path()), Digest::of(b"component"));
    cache.put(&digest, CONFIGURATION, &artefact(b"code")).unwrap();
    let whole = fs::read(entry(folder.path(), &digest)).unwrap();
    for length in 0..whole.len() {
        fs::write(entry(folder.path(), &digest), &whole[..length]).unwrap();
        assert_eq!(found(&cache, &digest), None, "{length} bytes");
    }
    fs::write(entry(folder.path(), &digest), [&whole[..], b"!"].concat()).unwrap();
    assert_eq!(found(&cache, &digest), None);
}

#[test]
fn an_entry_serves_no_other_component_and_no_other_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, digest, other) = (open(folder.path()), Digest::of(b"component"), Digest::of(b"another"));
    cache.put(&digest, CONFIGURATION, &artefact(b"code")).unwrap();
    fs::copy(entry(folder.path(), &digest), entry(folder.path(), &other)).unwrap();
    assert_eq!(found(&cache, &other), None);
    let foreign = Configuration([8; 32]);
    fs::copy(entry(folder.path(), &digest), folder.path().join(entry_name(&digest, foreign))).unwrap();
    assert!(cache.get(&digest, foreign).unwrap().is_none());
    assert!(found(&cache, &digest).is_some());
}

#[test]
fn an_entry_made_with_another_key_is_refused() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let digest = Digest::of(b"component");
    open(theirs.path()).put(&digest, CONFIGURATION, &artefact(b"evil")).unwrap();
    let cache = open(ours.path());
    fs::copy(entry(theirs.path(), &digest), entry(ours.path(), &digest)).unwrap();
    assert_eq!(found(&cache, &digest), None);
}

#[test]
fn an_entry_that_is_a_link_or_writable_by_others_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, digest) = (open(folder.path()), Digest::of(b"component"));
    cache.put(&digest, CONFIGURATION, &artefact(b"code")).unwrap();
    let path = entry(folder.path(), &digest);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(found(&cache, &digest), None);
    cache.put(&digest, CONFIGURATION, &artefact(b"code")).unwrap();
    fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert_eq!(found(&cache, &digest), None);
}

#[test]
fn a_folder_or_key_that_others_may_write_to_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let kind = |path: &Path| Cache::open(path, AMPLE).err().map(|error| error.kind);
    for mode in [0o770, 0o720, 0o707, 0o702] {
        let folder = parent.path().join(format!("{mode:o}"));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(kind(&folder), Some(Kind::Denied), "{mode:o}");
    }
    let folder = parent.path().join("good");
    drop(open(&folder));
    symlink(&folder, parent.path().join("link")).unwrap();
    assert_eq!(kind(&parent.path().join("link")), Some(Kind::Denied));
    fs::set_permissions(folder.join(KEY_FILE), fs::Permissions::from_mode(0o622)).unwrap();
    assert_eq!(kind(&folder), Some(Kind::Denied));
}

#[test]
fn a_key_that_was_cut_off_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    fs::write(folder.path().join(KEY_FILE), b"short").unwrap();
    assert_eq!(Cache::open(folder.path(), AMPLE).err().map(|error| error.kind), Some(Kind::Unavailable));
}

#[test]
fn those_who_start_at_once_agree_on_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let barrier = Barrier::new(8);
    let keys: Vec<_> = std::thread::scope(|scope| {
        let start = || {
            barrier.wait();
            open(folder.path()).key
        };
        let started: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| key == &keys[0]));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the key is left");
}

#[test]
fn writers_of_one_entry_do_not_disturb_each_other_or_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let digest = Digest::of(b"component");
    let code = vec![42; 100_000];
    open(folder.path()).put(&digest, CONFIGURATION, &artefact(&code)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let cache = open(folder.path());
                (0..50).for_each(|_| cache.put(&digest, CONFIGURATION, &artefact(&code)).unwrap());
            });
        }
        let cache = open(folder.path());
        (0..200).for_each(|_| assert!(found(&cache, &digest).is_some_and(|found| found == code)));
    });
}

#[test]
fn what_was_used_longest_ago_is_removed_first() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path(), 2500).unwrap();
    let digests = [Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c")];
    for (age, digest) in [(300, &digests[0]), (200, &digests[1])] {
        cache.put(digest, CONFIGURATION, &artefact(&[0; 1000])).unwrap();
        let file = fs::File::options().write(true).open(entry(folder.path(), digest)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    assert!(found(&cache, &digests[0]).is_some(), "using it makes it the younger one");
    cache.put(&digests[2], CONFIGURATION, &artefact(&[0; 1000])).unwrap();
    assert!(found(&cache, &digests[0]).is_some());
    assert_eq!(found(&cache, &digests[1]), None);
    assert!(found(&cache, &digests[2]).is_some());
}

#[test]
fn what_a_killed_writer_left_is_removed_later() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    let (old, new) = (folder.path().join("new-1"), folder.path().join("new-2"));
    fs::write(&old, b"left").unwrap();
    fs::write(&new, b"being written").unwrap();
    fs::File::options().write(true).open(&old).unwrap().set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    cache.put(&Digest::of(b"component"), CONFIGURATION, &artefact(b"code")).unwrap();
    assert!(!old.exists() && new.exists());
}
