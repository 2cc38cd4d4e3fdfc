//! The tree that a guest sees: `/`, the folders above the mounts, single files; and names of all sorts.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use remit_bindings::filesystem::types::{DescriptorType, NewTimestamp};

use super::*;
use crate::capability::fs::path::{Entry, Route, entry, is_above, join, names, route};

fn nested(folder: &TempDir) -> Call {
    let root = folder.path();
    Call::new(vec![
        mount(&root.join("docs"), "/data/docs", Access::Read),
        mount(&root.join("out"), "/data/docs/out", Access::Write),
        mount(&root.join("secret"), "/etc/app.conf", Access::Write),
    ])
}

#[tokio::test]
async fn folders_above_the_mounts_are_seen() {
    let folder = folder();
    let mut call = nested(&folder);
    assert_eq!(call.list("/", ".").await.unwrap(), ["data", "etc"]);
    assert_eq!(call.list("/", "data").await.unwrap(), ["docs"]);
    assert_eq!(call.list("/", "etc/").await.unwrap(), ["app.conf"]);
    for path in [".", "data", "data/..", "etc"] {
        let fd = call.fd("/");
        let stat = code(call.view().stat_at(fd, FOLLOW, path.to_owned()).await).unwrap();
        assert_eq!(stat.type_, DescriptorType::Directory, "{path}");
    }
    let fd = call.fd("/");
    assert_eq!(code(call.view().readlink_at(fd, "data".to_owned()).await), Err(ErrorCode::Invalid));
    let fd = call.fd("/");
    assert_eq!(code(call.view().create_directory_at(fd, "data".to_owned()).await), Err(ErrorCode::Exist));
    assert_eq!(call.open("/", "data", OpenFlags::CREATE, WRITE).await, Err(ErrorCode::IsDirectory));
    assert_eq!(call.denied(), []);
}

#[tokio::test]
async fn what_is_not_granted_is_refused_and_recorded() {
    let folder = folder();
    let mut call = nested(&folder);
    for path in ["etc/passwd", "usr/lib/python", "data/other", "tmp"] {
        assert_eq!(call.open("/", path, none(), READ).await, Err(ErrorCode::Access), "{path}");
        call.assert_denied(Rule::NoMatch, &format!("read /{path}"));
        let fd = call.fd("/");
        assert_eq!(code(call.view().stat_at(fd, FOLLOW, path.to_owned()).await).map(drop), Err(ErrorCode::Access), "{path}");
        assert_eq!(call.write("/", path, "x").await, Err(ErrorCode::Access), "{path}");
        let fd = call.fd("/");
        assert_eq!(code(call.view().create_directory_at(fd, path.to_owned()).await), Err(ErrorCode::Access), "{path}");
        call.denied();
    }
    let fd = call.fd("/");
    assert_eq!(code(call.view().remove_directory_at(fd, "data".to_owned()).await), Err(ErrorCode::Access));
    call.assert_denied(Rule::NoMatch, "write /data");
    let (fd, now) = (call.fd("/"), NewTimestamp::Now);
    assert_eq!(code(call.view().set_times_at(fd, FOLLOW, "data".to_owned(), now, now).await), Err(ErrorCode::Access));
    call.assert_denied(Rule::NoMatch, "write /data");
}

#[tokio::test]
async fn mounts_are_reached_through_the_root() {
    let folder = folder();
    let mut call = nested(&folder);
    assert_eq!(call.read("/", "data/docs/sub/b.md").await.as_deref(), Ok("beta"));
    assert_eq!(call.write("/", "data/docs/out/new", "x").await, Ok(1), "the longest mount wins");
    assert!(folder.path().join("out/new").exists());
    assert_eq!(call.write("/", "data/docs/new", "x").await, Err(ErrorCode::ReadOnly));
    assert_eq!(call.read("/", "data/docs/../../secret").await, Err(ErrorCode::NotPermitted));
}

#[tokio::test]
async fn a_single_file() {
    let folder = folder();
    let mut call = nested(&folder);
    assert!(!call.preopens.contains_key("/etc/app.conf"));
    assert_eq!(call.read("/", "etc/app.conf").await.as_deref(), Ok("secret"));
    assert_eq!(call.write("/", "etc/app.conf", "S").await, Ok(1));
    assert_eq!(std::fs::read_to_string(folder.path().join("secret")).unwrap(), "Secret");
    let fd = call.fd("/");
    assert_eq!(code(call.view().unlink_file_at(fd, "etc/app.conf".to_owned()).await), Err(ErrorCode::NotPermitted));
    call.assert_denied(Rule::Forbidden, "write /etc/app.conf");
    assert_eq!(call.read("/", "etc/app.conf/../docs/a.md").await, Err(ErrorCode::NotDirectory));
    assert_eq!(call.read("/", "etc/docs/a.md").await, Err(ErrorCode::Access), "its neighbours are not granted");
    std::fs::remove_file(folder.path().join("secret")).unwrap();
    std::os::unix::fs::symlink("docs/a.md", folder.path().join("secret")).unwrap();
    assert_eq!(call.read("/", "etc/app.conf").await, Err(ErrorCode::Loop), "a link put in its place");
}

#[test]
fn a_single_file_inside_a_mounted_folder_is_refused() {
    let folder = folder();
    let root = folder.path();
    let mounts = [mount(&root.join("docs"), "/docs", Access::Read), mount(&root.join("secret"), "/docs/secret", Access::Read)];
    let error = open(&mounts).map(drop).unwrap_err();
    assert!(error.message.contains("`/docs/secret` cannot be mounted inside the folder `/docs`"), "{error}");
}

#[tokio::test]
async fn names_of_all_sorts() {
    let folder = folder();
    let docs = folder.path().join("docs");
    std::fs::write(docs.join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
    let mut call = docs_and_out(&folder);
    assert_eq!(
        call.list("/docs", ".").await.unwrap(),
        [format!("<{:?}>", ErrorCode::IllegalByteSequence).as_str(), "a.md", "sub"],
        "the entries after it follow"
    );
    let long = "x/".repeat(40_000);
    assert_eq!(call.read("/docs", &long).await, Err(ErrorCode::NameTooLong));
    assert_eq!(call.read("/docs", &"x".repeat(300)).await, Err(ErrorCode::NameTooLong));
    assert_eq!(call.read("/docs", "a\0b").await, Err(ErrorCode::Invalid));
    for base in ["/docs", "/"] {
        assert_eq!(call.read(base, "").await, Err(ErrorCode::NoEntry), "{base}");
    }
    assert_eq!(call.read("/docs", "a.md\u{1b}[2J").await, Err(ErrorCode::NoEntry));
    assert_eq!(call.read("/", "\u{1b}[2J").await, Err(ErrorCode::Access));
    assert!(!call.denied()[0].request.contains('\u{1b}'), "what is shown is safe to show");
    assert_eq!(call.write("/out", "naïve — ☃", "x").await, Ok(1));
}

#[tokio::test]
async fn a_long_listing() {
    let folder = folder();
    for index in 0..1000 {
        std::fs::write(folder.path().join(format!("out/{index:04}")), "").unwrap();
    }
    let mut call = docs_and_out(&folder);
    let names = call.list("/out", ".").await.unwrap();
    assert_eq!((names.len(), names[0].as_str(), names[999].as_str()), (1000, "0000", "0999"));
}

#[tokio::test]
async fn the_same_object() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    let (a, b, c) = (
        call.open("/docs", "a.md", none(), READ).await.unwrap(),
        call.open("/", "docs/sub/../a.md", none(), READ).await.unwrap(),
        call.open("/docs", "sub/b.md", none(), READ).await.unwrap(),
    );
    assert!(call.view().is_same_object(Resource::new_borrow(a), Resource::new_borrow(b)).await.unwrap());
    assert!(!call.view().is_same_object(Resource::new_borrow(a), Resource::new_borrow(c)).await.unwrap());
}

#[tokio::test]
async fn a_mount_is_held_from_when_it_was_granted() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    std::fs::rename(folder.path().join("docs"), folder.path().join("moved")).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("docs")).unwrap();
    assert_eq!(call.read("/docs", "a.md").await.as_deref(), Ok("alpha"));
    assert_eq!(call.read("/docs", "secret").await, Err(ErrorCode::NoEntry));
}

#[test]
fn paths() {
    assert_eq!(join("/a", "b//./c/../d"), "/a/b/d");
    assert_eq!(join("/a", "../../../x"), "/x");
    assert_eq!(join("/a", "/x/"), "/x");
    assert!(is_above("/", "/a") && is_above("/a", "/a/b") && !is_above("/a", "/a") && !is_above("/a", "/ab") && !is_above("/", "/"));
    let mounts = ["/a", "/a/b", "/c/d"];
    assert_eq!(route("/", "a/x/", &mounts), Route::Mount(0, "x/".to_owned()));
    assert_eq!(route("/", "a/b/../x", &mounts), Route::Mount(1, "../x".to_owned()));
    assert_eq!(route("/", "a/../a/b", &mounts), Route::Mount(0, "../a/b".to_owned()));
    assert_eq!(route("/c", "d", &mounts), Route::Mount(2, ".".to_owned()));
    assert_eq!(route("/", "c", &mounts), Route::Above("/c".to_owned()));
    assert_eq!(route("/c", "../..", &mounts), Route::Above("/".to_owned()));
    assert_eq!(route("/", "ab", &mounts), Route::Outside("/ab".to_owned()));
    assert_eq!(names("/", &mounts), [("a".to_owned(), Some(0)), ("c".to_owned(), None)]);
    assert_eq!(entry("a/b//"), Some(Entry { folder: "a", name: "b", must_be_folder: true }));
    assert_eq!(entry("b"), Some(Entry { folder: ".", name: "b", must_be_folder: false }));
    for path in ["", ".", "..", "a/..", "a/.", "/", "/a"] {
        assert_eq!(entry(path), None, "{path}");
    }
}
