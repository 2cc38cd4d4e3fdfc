//! Bounds on what one call writes, makes and holds: F15.

use remit_core::limit::{FS_ENTRIES_BATCH, FS_OPEN_MAX, FS_READ_MAX_BYTES};
use wasmtime_wasi::p2::StreamError;

use super::*;

/// `out` as `/out`, for 10 bytes and 3 files.
fn bounded(folder: &TempDir) -> Call {
    let mut out = mount(&folder.path().join("out"), "/out", Access::Write);
    (out.max_bytes, out.max_files) = (10, 3);
    Call::new(vec![out])
}

fn size(folder: &TempDir, name: &str) -> u64 {
    std::fs::metadata(folder.path().join("out").join(name)).unwrap().len()
}

#[tokio::test]
async fn f15_bytes() {
    let folder = folder();
    let mut call = bounded(&folder);
    assert_eq!(call.write("/out", "a", "12345678").await, Ok(8), "the twin: within the bound");
    assert_eq!(call.write("/out", "a", "123").await, Err(ErrorCode::Quota));
    call.assert_denied(Rule::Quota, "write /out/a");
    assert_eq!(call.write("/out", "b", "12").await, Ok(2), "to the last byte");
    assert_eq!(call.write("/out", "b", "1").await, Err(ErrorCode::Quota));
}

#[tokio::test]
async fn f15_growth_without_writing() {
    let folder = folder();
    let mut call = bounded(&folder);
    let fd = call.open("/out", "a", OpenFlags::CREATE, WRITE).await.unwrap();
    let fd = || Resource::new_borrow(fd);
    for size in [u64::MAX, 1 << 40, 11] {
        assert_eq!(code(call.view().set_size(fd(), size).await), Err(ErrorCode::Quota));
        call.assert_denied(Rule::Quota, "/out/a");
    }
    assert_eq!(code(call.view().write(fd(), b"x".to_vec(), 1 << 40).await), Err(ErrorCode::Quota));
    assert_eq!(size(&folder, "a"), 0);
    code(call.view().set_size(fd(), 10).await).expect("the twin: growth within the bound");
    assert_eq!(code(call.view().write(fd(), b"x".to_vec(), 0).await), Err(ErrorCode::Quota), "growth was counted");
    code(call.view().set_size(fd(), 0).await).expect("shrinking costs nothing");
}

#[tokio::test]
async fn f15_sums_do_not_wrap() {
    let folder = folder();
    let mut call = bounded(&folder);
    call.write("/out", "a", "12345").await.unwrap();
    let fd = call.open("/out", "b", OpenFlags::CREATE, WRITE).await.unwrap();
    assert_eq!(code(call.view().set_size(Resource::new_borrow(fd), u64::MAX).await), Err(ErrorCode::Quota));
    assert_eq!(code(call.view().write(Resource::new_borrow(fd), b"x".to_vec(), u64::MAX).await), Err(ErrorCode::Quota));
    assert_eq!(call.write("/out", "b", "12345").await, Ok(5), "the twin: what is left");
}

#[tokio::test]
async fn f15_streams() {
    let folder = folder();
    let mut call = bounded(&folder);
    let fd = call.open("/out", "a", OpenFlags::CREATE, WRITE).await.unwrap();
    let fd = || Resource::new_borrow(fd);
    let stream = code(call.view().write_via_stream(fd(), 0).await).unwrap();
    let stream = call.table.get_mut(&stream).unwrap();
    stream.blocking_write_and_flush("12345".into()).await.expect("the twin: within the bound");
    let Err(StreamError::LastOperationFailed(error)) = stream.blocking_write_and_flush("123456".into()).await else {
        panic!("not refused")
    };
    call.assert_denied(Rule::Quota, "write /out/a");
    let error = call.table.push(error).unwrap();
    let told = remit_bindings::filesystem::types::Host::filesystem_error_code(&mut call.view(), error).unwrap();
    assert_eq!(told, Some(ErrorCode::Quota), "the guest's library learns why");

    let stream = code(call.view().append_via_stream(fd()).await).unwrap();
    let stream = call.table.get_mut(&stream).unwrap();
    stream.blocking_write_and_flush("678".into()).await.unwrap();
    assert!(stream.write("901".into()).is_err());
    assert_eq!(std::fs::read_to_string(folder.path().join("out/a")).unwrap(), "12345678");

    let stream = code(call.view().write_via_stream(fd(), 1 << 40).await).unwrap();
    let stream = call.table.get_mut(&stream).unwrap();
    assert!(stream.write("9".into()).is_err(), "the hole before it is counted");
    assert_eq!(size(&folder, "a"), 8);
}

#[tokio::test]
async fn f15_files() {
    let folder = folder();
    let mut call = bounded(&folder);
    call.write("/out", "a", "1").await.unwrap();
    call.write("/out", "a", "2").await.expect("what exists is not made again");
    let fd = || Resource::new_borrow(0);
    assert_eq!(call.preopens["/out"], 0);
    code(call.view().create_directory_at(fd(), "b".to_owned()).await).unwrap();
    assert_eq!(code(call.view().create_directory_at(fd(), "b".to_owned()).await), Err(ErrorCode::Exist));
    code(call.view().symlink_at(fd(), "a".to_owned(), "c".to_owned()).await).expect("the failure before was not counted");
    assert_eq!(call.write("/out", "d", "1").await, Err(ErrorCode::Quota));
    assert_eq!(code(call.view().create_directory_at(fd(), "d".to_owned()).await), Err(ErrorCode::Quota));
    assert_eq!(code(call.view().symlink_at(fd(), "a".to_owned(), "d".to_owned()).await), Err(ErrorCode::Quota));
    assert_eq!(code(call.view().link_at(fd(), PathFlags::empty(), "a".to_owned(), fd(), "d".to_owned()).await), Err(ErrorCode::Quota));
    assert!(call.denied().iter().all(|denial| denial.rule == Rule::Quota));
    assert_eq!(call.list("/out", ".").await.unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn handles_are_bounded_even_behind_streams() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    let mut open = Vec::new();
    for _ in 0..FS_OPEN_MAX / 2 {
        let fd = call.open("/docs", "a.md", none(), READ).await.unwrap();
        code(call.view().read_via_stream(Resource::new_borrow(fd), 0)).unwrap();
        call.close(fd);
        open.push(call.open("/docs", "a.md", none(), READ).await.unwrap());
    }
    assert_eq!(call.open("/docs", "a.md", none(), READ).await, Err(ErrorCode::Quota));
    call.assert_denied(Rule::Quota, "/docs/a.md");
    call.close(open.remove(0));
    call.open("/docs", "a.md", none(), READ).await.expect("what was closed may be opened again");
}

#[tokio::test]
async fn folders_and_listings_are_bounded_like_files() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    let mut listings = Vec::new();
    for _ in 0..FS_OPEN_MAX / 2 {
        call.open("/docs", "sub", OpenFlags::DIRECTORY, READ).await.unwrap();
        let fd = call.fd("/docs");
        listings.push(code(call.view().read_directory(fd).await).unwrap());
    }
    assert_eq!(call.open("/docs", "sub", OpenFlags::DIRECTORY, READ).await, Err(ErrorCode::Quota));
    call.assert_denied(Rule::Quota, "/docs/sub");
    let fd = call.fd("/docs");
    assert_eq!(code(call.view().read_directory(fd).await).map(drop), Err(ErrorCode::Quota));
    call.assert_denied(Rule::Quota, "read /docs");
    remit_bindings::filesystem::types::HostDirectoryEntryStream::drop(&mut call.view(), listings.remove(0)).unwrap();
    let fd = call.fd("/docs");
    code(call.view().read_directory(fd).await).expect("the twin: what was closed may be opened again");
}

#[tokio::test]
async fn what_one_read_takes_of_the_host_is_bounded() {
    let folder = folder();
    let most = usize::try_from(FS_READ_MAX_BYTES).unwrap();
    std::fs::write(folder.path().join("docs/large"), vec![b'x'; most + 1]).unwrap();
    let mut call = docs_and_out(&folder);
    let fd = call.open("/docs", "large", none(), READ).await.unwrap();
    let (bytes, end) = code(call.view().read(Resource::new_borrow(fd), u64::MAX, 0).await).unwrap();
    assert_eq!((bytes.len(), end), (most, false));
    let (bytes, end) = code(call.view().read(Resource::new_borrow(fd), u64::MAX, FS_READ_MAX_BYTES).await).unwrap();
    assert_eq!((bytes.len(), end), (1, false), "the twin: the rest");

    for index in 0..2 * FS_ENTRIES_BATCH {
        std::fs::write(folder.path().join(format!("out/{index}")), "").unwrap();
    }
    let fd = call.fd("/out");
    let listing = code(call.view().read_directory(fd).await).unwrap();
    code(call.view().read_directory_entry(Resource::new_borrow(listing.rep())).await).unwrap();
    assert_eq!(call.table.get(&listing).unwrap().ready.len(), FS_ENTRIES_BATCH - 1);
}
