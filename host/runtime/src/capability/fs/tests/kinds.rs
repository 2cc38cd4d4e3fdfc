//! What is neither a file nor a folder: F10, F11.

use std::{os::unix::net::UnixListener, path::PathBuf, time::Duration};

use remit_bindings::filesystem::types::NewTimestamp;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[tokio::test]
async fn f10_named_pipes_hold_nobody() {
    let folder = folder();
    for index in 0..600 {
        pipe(&folder.path().join(format!("out/{index}")));
    }
    let calls = (0..600).map(|index| {
        let mut call = docs_and_out(&folder);
        async move {
            let flags = if index % 2 == 0 { READ } else { WRITE };
            assert_eq!(call.open("/out", &index.to_string(), none(), flags).await, Err(ErrorCode::NotPermitted));
            call.assert_denied(Rule::Forbidden, "/out/");
        }
    });
    let mut twin = docs_and_out(&folder);
    let all = async { tokio::join!(futures::future::join_all(calls), twin.read("/docs", "a.md")).1 };
    // A thread that opened a pipe would wait for its other end for ever: this bound is for failing, not for measuring.
    assert_eq!(tokio::time::timeout(Duration::from_secs(60), all).await.unwrap().as_deref(), Ok("alpha"));
}

#[tokio::test]
async fn f10_a_pipe_that_waits_for_a_reader_is_left_alone() {
    let folder = folder();
    let path: PathBuf = folder.path().join("docs/pipe");
    pipe(&path);
    let mut call = docs_and_out(&folder);
    assert_eq!(call.open("/docs", "pipe", none(), READ).await, Err(ErrorCode::NotPermitted));
    let fd = call.fd("/docs");
    let stat = code(call.view().stat_at(fd, FOLLOW, "pipe".to_owned()).await).unwrap();
    assert_eq!(stat.type_, remit_bindings::filesystem::types::DescriptorType::Fifo, "looking is allowed");
}

#[tokio::test]
async fn f10_times_of_a_pipe_are_not_set() {
    let folder = folder();
    pipe(&folder.path().join("out/pipe"));
    let mut call = docs_and_out(&folder);
    call.write("/out", "file", "x").await.unwrap();
    let now = NewTimestamp::Now;
    for flags in [FOLLOW, PathFlags::empty()] {
        let fd = call.fd("/out");
        assert_eq!(code(call.view().set_times_at(fd, flags, "pipe".to_owned(), now, now).await), Err(ErrorCode::NotPermitted));
        call.assert_denied(Rule::Forbidden, "write /out/pipe");
        let fd = call.fd("/out");
        code(call.view().set_times_at(fd, flags, "file".to_owned(), now, now).await).expect("the twin: a file");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn f11_devices_and_sockets() {
    let folder = folder();
    let _socket = UnixListener::bind(folder.path().join("out/socket")).unwrap();
    let mut call = docs_and_out(&folder);
    assert_eq!(call.open("/out", "socket", none(), READ).await, Err(ErrorCode::NotPermitted));
    call.assert_denied(Rule::Forbidden, "/out/socket");

    let mounts = vec![mount(Path::new("/dev"), "/dev", Access::Write)];
    let mut opened = open(&[mount(folder.path(), "/dev", Access::Write)]).unwrap();
    let dev = cap_std::fs::Dir::open_ambient_dir("/dev", cap_std::ambient_authority()).unwrap();
    opened[0].volume = crate::capability::fs::disk::volume(&dev).unwrap();
    opened[0].dir = Arc::new(dev);
    let mut call = Call::with(resolved(mounts, Effect::Once), opened);
    for (device, flags) in [("null", READ), ("zero", READ), ("null", WRITE), ("tty", READ | WRITE)] {
        assert_eq!(call.open("/dev", device, none(), flags).await, Err(ErrorCode::NotPermitted), "{device}");
        call.assert_denied(Rule::Forbidden, device);
    }
}

#[test]
fn f11_granting_a_device_or_nothing() {
    let folder = folder();
    pipe(&folder.path().join("pipe"));
    for path in [Path::new("/dev/null"), &folder.path().join("pipe")] {
        let error = refused(path, "/x");
        assert!(error.message.contains("`/x` is neither a folder nor a regular file"), "{error}");
    }
    let error = refused(&folder.path().join("missing"), "/x");
    assert!(error.message.contains("`/x` does not exist") && error.hints[0].contains("create it"), "{error:?}");
    assert!(!error.message.contains(&folder.path().display().to_string()), "no path of the host: {error}");
    std::os::unix::fs::symlink("secret", folder.path().join("link")).unwrap();
    let error = refused(&folder.path().join("link"), "/x");
    assert!(error.message.contains("`/x` is a link"), "{error}");
    open(&[mount(&folder.path().join("docs"), "/x", Access::Read)]).expect("the twin: a folder");
}
