//! What takes a place between looking and opening: F2, F9, F10, F11.

use std::{os::unix::fs::symlink, sync::mpsc, time::Duration};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::capability::fs::{
    disk::{Site, volume},
    failure::Failure,
    open::want,
    quota::Usage,
};

fn site(folder: &Path, path: &str) -> Site {
    let dir = cap_std::fs::Dir::open_ambient_dir(folder, cap_std::ambient_authority()).unwrap();
    Site { volume: volume(&dir).unwrap(), dir: Arc::new(dir), path: path.to_owned(), follow: true }
}

/// Opens `path` in `folder` as if a file had been there when it was looked at.
fn open_unseen(folder: &Path, path: &str, flags: DescriptorFlags) -> Result<(), Failure> {
    let (site, want) = (site(folder, path), want(none(), flags).unwrap());
    let (ended, waiting) = mpsc::channel();
    std::thread::spawn(move || ended.send(site.open_existing(want, &Usage::new(1, 1)).map(drop)));
    // A thread that opened a pipe would wait for its other end for ever: this bound is for failing, not for measuring.
    waiting.recv_timeout(Duration::from_secs(60)).expect("opening holds nobody")
}

#[test]
fn f10_a_pipe_that_took_a_files_place_holds_nobody() {
    let folder = folder();
    mknodat(CWD, folder.path().join("docs/pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    for flags in [READ, WRITE, READ | WRITE] {
        assert!(open_unseen(&folder.path().join("docs"), "pipe", flags).is_err(), "{flags:?}");
    }
    open_unseen(&folder.path().join("docs"), "a.md", READ | WRITE).expect("the twin: a file");
}

#[cfg(target_os = "linux")]
#[test]
fn f11_a_device_that_took_a_files_place_is_refused() {
    assert!(matches!(open_unseen(Path::new("/dev"), "null", READ), Err(Failure::Refused(_))));
}

#[cfg(target_os = "linux")]
#[test]
fn f9_a_mount_that_took_a_folders_place_is_refused() {
    assert!(matches!(open_unseen(Path::new("/"), "proc/version", READ), Err(Failure::Refused(_))));
    open_unseen(Path::new("/proc"), "version", READ).expect("the twin: the mount itself");
}

#[test]
fn f2_a_link_that_took_a_files_place_leads_nowhere_else() {
    let folder = folder();
    symlink("../secret", folder.path().join("docs/link")).unwrap();
    assert!(matches!(open_unseen(&folder.path().join("docs"), "link", READ), Err(Failure::Refused(_))));
}

#[test]
fn f10_what_took_a_new_files_place_is_not_opened() {
    let folder = folder();
    let docs = folder.path().join("docs");
    mknodat(CWD, docs.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    symlink("new", docs.join("link")).unwrap();
    let (usage, want) = (Usage::new(10, 10), want(OpenFlags::CREATE, READ | WRITE).unwrap());
    for path in ["pipe", "link", "a.md"] {
        let made = site(&docs, path).open_new(want, &usage).map(drop);
        assert!(matches!(made, Err(Failure::Code(ErrorCode::Exist))), "{path}: {made:?}");
    }
    site(&docs, "new").open_new(want, &usage).map(drop).expect("the twin: a new file");
}
