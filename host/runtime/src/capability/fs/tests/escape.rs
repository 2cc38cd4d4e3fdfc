//! Ways out of a mount: F1, F2, F3, F4, F8, F9, F13, F14.

use std::os::unix::fs::symlink;

use super::*;
use crate::capability::fs::mount::mount_inside;

#[tokio::test]
async fn f1_dots_and_absolute_paths() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    for path in ["../secret", "sub/../../secret", "./../secret", "/etc/passwd", "//etc/passwd", "../../../../../../etc/passwd", ".."] {
        assert_eq!(call.open("/docs", path, none(), READ).await, Err(ErrorCode::NotPermitted), "{path}");
        assert_eq!(call.denied().len(), 1, "{path}");
        let fd = call.fd("/docs");
        assert_eq!(code(call.view().stat_at(fd, FOLLOW, path.to_owned()).await).map(drop), Err(ErrorCode::NotPermitted), "{path}");
        assert_eq!(call.denied().len(), 1, "{path}");
    }
    for path in ["/docs/a.md", "//docs", "/"] {
        assert_eq!(call.open("/", path, none(), READ).await, Err(ErrorCode::NotPermitted), "{path}");
        assert_eq!(call.denied().len(), 1, "{path}");
    }
    std::fs::create_dir(folder.path().join("out/sub")).unwrap();
    for path in ["../escaped", "/escaped", "sub/../../escaped"] {
        assert_eq!(call.write("/out", path, "x").await, Err(ErrorCode::NotPermitted), "{path}");
    }
    assert!(!folder.path().join("escaped").exists());
}

#[tokio::test]
async fn f1_twin_dots_inside() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    for path in ["a.md", "./a.md", "sub/../a.md", "sub//../a.md", "sub/./../a.md"] {
        assert_eq!(call.read("/docs", path).await.as_deref(), Ok("alpha"), "{path}");
    }
    assert_eq!(call.denied(), []);
}

#[tokio::test]
async fn f2_links_and_loops() {
    let folder = folder();
    let docs = folder.path().join("docs");
    symlink("two", docs.join("one")).unwrap();
    symlink("sub/three", docs.join("two")).unwrap();
    symlink("../../secret", docs.join("sub/three")).unwrap();
    symlink(folder.path().join("secret"), docs.join("absolute")).unwrap();
    symlink("..", docs.join("up")).unwrap();
    symlink("loop-b", docs.join("loop-a")).unwrap();
    symlink("loop-a", docs.join("loop-b")).unwrap();
    let mut call = docs_and_out(&folder);
    for path in ["one", "absolute", "up/secret", "up"] {
        assert_eq!(call.read("/docs", path).await, Err(ErrorCode::NotPermitted), "{path}");
        call.assert_denied(Rule::Forbidden, path);
    }
    assert_eq!(call.read("/docs", "loop-a").await, Err(ErrorCode::Loop));
    let fd = call.fd("/docs");
    assert_eq!(code(call.view().readlink_at(fd, "absolute".to_owned()).await), Err(ErrorCode::NotPermitted));
}

#[tokio::test]
async fn f2_twin_links_inside() {
    let folder = folder();
    let docs = folder.path().join("docs");
    symlink("sub/two", docs.join("one")).unwrap();
    symlink("../a.md", docs.join("sub/two")).unwrap();
    let mut call = docs_and_out(&folder);
    assert_eq!(call.read("/docs", "one").await.as_deref(), Ok("alpha"));
    let fd = call.fd("/docs");
    assert_eq!(code(call.view().readlink_at(fd, "one".to_owned()).await).as_deref(), Ok("sub/two"));
    let fd = call.fd("/docs");
    let opened = code(call.view().open_at(fd, PathFlags::empty(), "one".to_owned(), none(), READ).await);
    assert_eq!(opened.map(drop), Err(ErrorCode::Loop), "a link that is not to be followed");
}

#[tokio::test]
async fn f3_trailing_slash() {
    let folder = folder();
    let (docs, out) = (folder.path().join("docs"), folder.path().join("out"));
    symlink("../out/", docs.join("slash")).unwrap();
    symlink("../out/", out.join("self")).unwrap();
    symlink(format!("{}/", folder.path().display()), docs.join("absolute")).unwrap();
    let mut call = docs_and_out(&folder);
    for path in ["slash", "slash/", "absolute/", "slash/.", "slash/../secret"] {
        for flags in [FOLLOW, PathFlags::empty()] {
            let fd = call.fd("/docs");
            let opened = code(call.view().open_at(fd, flags, path.to_owned(), OpenFlags::DIRECTORY, READ).await);
            assert!(opened.is_err(), "{path}");
        }
    }
    assert_eq!(call.write("/out", "self/x", "x").await, Err(ErrorCode::NotPermitted));
    assert_eq!(call.write("/out", "new/", "x").await, Err(ErrorCode::IsDirectory));
    assert_eq!(call.read("/docs", "a.md/").await, Err(ErrorCode::NotDirectory));
    let fd = call.fd("/out");
    assert_eq!(code(call.view().unlink_file_at(fd, "self/".to_owned()).await), Err(ErrorCode::NotDirectory));
    assert!(out.join("self").is_symlink());
    let fd = call.fd("/docs");
    assert_eq!(code(call.view().readlink_at(fd, "slash/".to_owned()).await), Err(ErrorCode::Invalid));
    let fd = call.fd("/out");
    assert_eq!(code(call.view().symlink_at(fd, "x".to_owned(), "new/".to_owned()).await), Err(ErrorCode::NoEntry));
    call.write("/out", "file", "x").await.unwrap();
    let (from, to) = (call.fd("/out"), call.fd("/out"));
    let linked = code(call.view().link_at(from, PathFlags::empty(), "file".to_owned(), to, "new/".to_owned()).await);
    assert_eq!((linked, out.join("new").exists()), (Err(ErrorCode::NoEntry), false));
}

#[tokio::test]
async fn f3_twin_trailing_slash_inside() {
    let folder = folder();
    symlink("sub/", folder.path().join("docs/link")).unwrap();
    let mut call = docs_and_out(&folder);
    for path in ["link", "link/", "sub/", "sub//"] {
        assert_eq!(call.list("/docs", path).await.unwrap(), ["b.md"], "{path}");
    }
    let fd = call.fd("/out");
    code(call.view().create_directory_at(fd, "made/".to_owned()).await).unwrap();
    assert!(folder.path().join("out/made").is_dir());
}

#[tokio::test]
async fn f3_a_file_is_not_moved_by_a_name_that_only_a_folder_has() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    call.write("/out", "file", "x").await.unwrap();
    for (old, new) in [("file/", "moved"), ("file", "moved/")] {
        let (from, to) = (call.fd("/out"), call.fd("/out"));
        assert_eq!(code(call.view().rename_at(from, old.to_owned(), to, new.to_owned()).await), Err(ErrorCode::NotDirectory), "{old}");
    }
    let fd = || Resource::new_borrow(call.preopens["/out"]);
    let (from, to, at) = (fd(), fd(), fd());
    code(call.view().create_directory_at(at, "folder".to_owned()).await).unwrap();
    code(call.view().rename_at(from, "folder/".to_owned(), to, "moved/".to_owned()).await).expect("the twin: a folder");
    assert_eq!(call.list("/out", ".").await.unwrap(), ["file", "moved"]);
}

#[tokio::test]
async fn f4_rename_over_a_link() {
    let folder = folder();
    let out = folder.path().join("out");
    symlink("../secret", out.join("link")).unwrap();
    let mut call = docs_and_out(&folder);
    call.write("/out", "new", "mine").await.unwrap();
    let (fd, to) = (call.fd("/out"), call.fd("/out"));
    code(call.view().rename_at(fd, "new".to_owned(), to, "link".to_owned()).await).unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("secret")).unwrap(), "secret");
    assert_eq!(std::fs::read_to_string(out.join("link")).unwrap(), "mine", "the link itself is replaced");
    assert!(!out.join("link").is_symlink());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn f8_magic_links() {
    let folder = folder();
    symlink("/proc/self/root", folder.path().join("docs/root")).unwrap();
    let mounts = vec![mount(Path::new("/proc/self"), "/proc", Access::Read), mount(&folder.path().join("docs"), "/docs", Access::Read)];
    let mut call = Call::new(mounts);
    for path in ["root/etc/passwd", "root", "cwd", "exe", "fd/0", "task/../root/etc/passwd"] {
        assert!(call.open("/proc", path, none(), READ).await.is_err(), "{path}");
    }
    assert_eq!(call.open("/docs", "root/etc/passwd", none(), READ).await, Err(ErrorCode::NotPermitted));
    let status = call.read("/proc", "status").await.unwrap();
    assert!(status.starts_with("Name:"), "the twin: a plain file beside the links");
}

#[cfg(target_os = "linux")]
#[test]
fn f9_mount_points_are_named() {
    let error = refused(Path::new("/"), "/all");
    assert!(error.message.contains("`/all` has another file system mounted inside it"), "{error}");
    let table = b"28 1 254:0 / /data rw - ext4 /dev/a rw\n29 28 0:9 / /data/my\\040disk rw - tmpfs none rw\n30 28 0:9 / /data-evil rw - tmpfs none rw\n";
    assert_eq!(mount_inside(table, b"/data").as_deref(), Some("my disk".as_ref()));
    assert_eq!(mount_inside(table, b"/data/my disk"), None);
    assert_eq!(mount_inside(table, b"/dat"), None);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn f9_mounted_later() {
    let mounts = vec![mount(Path::new("/"), "/all", Access::Write)];
    let mut opened = open(&[mount(&std::env::temp_dir(), "/all", Access::Write)]).unwrap();
    let root = cap_std::fs::Dir::open_ambient_dir("/", cap_std::ambient_authority()).unwrap();
    opened[0].volume = crate::capability::fs::disk::volume(&root).unwrap();
    opened[0].dir = Arc::new(root);
    let mut call = Call::with(resolved(mounts, Effect::Once), opened);
    for path in ["proc", "proc/version", "dev/null"] {
        assert_eq!(call.open("/all", path, none(), READ).await, Err(ErrorCode::NotPermitted), "{path}");
        call.assert_denied(Rule::Forbidden, path);
        let fd = call.fd("/all");
        assert_eq!(code(call.view().stat_at(fd, FOLLOW, path.to_owned()).await).map(drop), Err(ErrorCode::NotPermitted), "{path}");
        call.assert_denied(Rule::Forbidden, path);
    }
    let fd = call.fd("/all");
    let name = format!("dev/shm/remit-test-{}", std::process::id());
    assert_eq!(code(call.view().create_directory_at(fd, name.clone()).await), Err(ErrorCode::NotPermitted));
    assert!(!Path::new("/").join(name).exists());
    call.open("/all", "etc", OpenFlags::DIRECTORY, READ).await.expect("the twin: a folder of the same file system");
}

#[tokio::test]
async fn f13_planted_links() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    for target in ["../secret", "/etc/passwd", "a/../../secret", "..", "a/.."] {
        let fd = call.fd("/out");
        let made = code(call.view().symlink_at(fd, target.to_owned(), "link".to_owned()).await);
        assert_eq!(made, Err(ErrorCode::NotPermitted), "{target}");
        let denied = call.denied();
        let [denial] = &denied[..] else { panic!("{target}: {denied:?}") };
        assert_eq!((denial.rule, denial.reason.as_str()), (Rule::Forbidden, "a link may only lead to its own folder or below"), "{target}");
    }
    assert!(!folder.path().join("out/link").is_symlink());
    let fd = call.fd("/out");
    code(call.view().symlink_at(fd, "file".to_owned(), "link".to_owned()).await).unwrap();
    call.write("/out", "file", "text").await.unwrap();
    assert_eq!(call.read("/out", "link").await.as_deref(), Ok("text"));
}

#[tokio::test]
async fn f13_a_link_to_nothing_is_not_followed_to_make_its_target() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    for target in ["made", "../made"] {
        symlink(target, folder.path().join("out/link")).unwrap();
        assert!(call.write("/out", "link", "x").await.is_err(), "{target}");
        std::fs::remove_file(folder.path().join("out/link")).unwrap();
    }
    assert!(!folder.path().join("out/made").exists() && !folder.path().join("made").exists());
    assert_eq!(call.write("/out", "link", "x").await, Ok(1), "the twin: a new file");
}

#[tokio::test]
async fn f14_a_name_that_begins_the_same() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("docs-evil")).unwrap();
    std::fs::write(folder.path().join("docs-evil/x"), "evil").unwrap();
    let mut call = docs_and_out(&folder);
    assert_eq!(call.read("/docs", "../docs-evil/x").await, Err(ErrorCode::NotPermitted));
    call.assert_denied(Rule::NoMatch, "/docs-evil/x");
    for path in ["docs-evil/x", "docs-evil", "doc", "docs/../docs-evil/x"] {
        assert!(call.read("/", path).await.is_err(), "{path}");
        assert_eq!(call.denied().len(), 1, "{path}");
    }
    assert_eq!(call.read("/", "docs/a.md").await.as_deref(), Ok("alpha"), "the twin");
}
