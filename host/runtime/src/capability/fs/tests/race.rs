//! A folder and a link that change places while a guest opens through them: F5.

use std::{
    os::unix::fs::symlink,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::*;

/// Opens, looks and writes through `docs/swap`, which is in turn a folder and a link out of the mount.
async fn swap(rounds: usize) {
    let folder = folder();
    let root = folder.path();
    let out = root.join("out");
    std::fs::create_dir(root.join("outside")).unwrap();
    std::fs::write(root.join("outside/file"), "outside").unwrap();
    std::fs::create_dir(out.join("swap")).unwrap();
    std::fs::write(out.join("swap/file"), "inside").unwrap();
    symlink("../outside", out.join("link")).unwrap();
    let mut call = docs_and_out(&folder);
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let (stop, a, b) = (Arc::clone(&stop), out.join("swap"), out.join("link"));
        move || {
            while !stop.load(Relaxed) {
                renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
            }
        }
    });
    let mut inside = 0;
    for round in 0..rounds {
        match call.read("/out", "swap/file").await {
            Ok(text) => {
                assert_eq!(text, "inside", "round {round}");
                inside += 1;
            }
            Err(error) => assert!(matches!(error, ErrorCode::NotPermitted | ErrorCode::WouldBlock), "round {round}: {error:?}"),
        }
        let made = call.open("/out", "swap/new", OpenFlags::CREATE, WRITE).await;
        assert!(!root.join("outside/new").exists(), "round {round}: made outside the mount");
        if made.is_ok() {
            let fd = call.fd("/out");
            // Where the swap has come in between, it is removed in a later round.
            code(call.view().unlink_file_at(fd, "swap/new".to_owned()).await).ok();
        }
        call.close_all();
    }
    stop.store(true, Relaxed);
    swapper.join().unwrap();
    assert!(inside > 0, "the twin: the folder itself was never read");
}

#[tokio::test]
async fn f5_folder_and_link_swapped() {
    swap(10_000).await;
}

#[tokio::test]
#[ignore = "long: a million rounds"]
async fn long_f5_folder_and_link_swapped() {
    swap(1_000_000).await;
}
