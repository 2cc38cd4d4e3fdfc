//! Mounts that may only be read, and moves between mounts: F6, F7.

use remit_bindings::filesystem::types;

use super::*;

#[tokio::test]
async fn f6_nothing_changes_through_a_read_only_mount() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    for (open, flags) in [(OpenFlags::TRUNCATE, READ), (none(), WRITE), (OpenFlags::CREATE, READ), (OpenFlags::TRUNCATE, WRITE)] {
        assert_eq!(call.open("/docs", "a.md", open, flags).await, Err(ErrorCode::ReadOnly), "{open:?} {flags:?}");
        call.assert_denied(Rule::NoMatch, "/docs/a.md");
    }
    let fd = call.open("/docs", "a.md", none(), READ).await.unwrap();
    let fd = || Resource::new_borrow(fd);
    assert_eq!(code(call.view().set_size(fd(), 0).await), Err(ErrorCode::ReadOnly));
    assert_eq!(code(call.view().write(fd(), b"x".to_vec(), 0).await), Err(ErrorCode::ReadOnly));
    assert_eq!(code(call.view().write_via_stream(fd(), 0).await).map(drop), Err(ErrorCode::ReadOnly));
    assert_eq!(code(call.view().append_via_stream(fd()).await).map(drop), Err(ErrorCode::ReadOnly));
    let docs = || Resource::new_borrow(0);
    assert_eq!(call.preopens["/docs"], 0);
    assert_eq!(code(call.view().unlink_file_at(docs(), "a.md".to_owned()).await), Err(ErrorCode::ReadOnly));
    assert_eq!(code(call.view().remove_directory_at(docs(), "sub".to_owned()).await), Err(ErrorCode::ReadOnly));
    assert_eq!(code(call.view().create_directory_at(docs(), "new".to_owned()).await), Err(ErrorCode::ReadOnly));
    assert_eq!(code(call.view().symlink_at(docs(), "a.md".to_owned(), "new".to_owned()).await), Err(ErrorCode::ReadOnly));
    let now = types::NewTimestamp::Now;
    assert_eq!(code(call.view().set_times_at(docs(), FOLLOW, "a.md".to_owned(), now, now).await), Err(ErrorCode::ReadOnly));
    assert_eq!(code(call.view().set_times(docs(), now, now).await), Err(ErrorCode::ReadOnly));
    assert_eq!(call.read("/docs", "a.md").await.as_deref(), Ok("alpha"), "the twin: reading");
}

#[tokio::test]
async fn f6_times_are_kept_of_what_may_only_be_read() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    let fd = call.open("/docs", "a.md", none(), READ).await.unwrap();
    let now = types::NewTimestamp::Now;
    assert_eq!(code(call.view().set_times(Resource::new_borrow(fd), now, now).await), Err(ErrorCode::ReadOnly));
    call.assert_denied(Rule::NoMatch, "write /docs/a.md");
}

#[tokio::test]
async fn f6_what_was_opened_to_read_is_not_written() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    call.write("/out", "new", "hello").await.unwrap();
    let fd = call.open("/out", "new", none(), READ).await.unwrap();
    let fd = || Resource::new_borrow(fd);
    assert_eq!(code(call.view().set_size(fd(), 0).await), Err(ErrorCode::BadDescriptor));
    assert_eq!(code(call.view().write(fd(), b"x".to_vec(), 0).await), Err(ErrorCode::BadDescriptor));
    assert_eq!(code(call.view().write_via_stream(fd(), 0).await).map(drop), Err(ErrorCode::BadDescriptor));
    assert_eq!(code(call.view().append_via_stream(fd()).await).map(drop), Err(ErrorCode::BadDescriptor));
    assert_eq!(call.read("/out", "new").await.as_deref(), Ok("hello"));
}

#[tokio::test]
async fn f6_a_reading_tool_is_refused_by_its_effect() {
    let folder = folder();
    let mut granted = mount(&folder.path().join("out"), "/out", Access::Read);
    granted.granted = Access::Write;
    let opened = open(std::slice::from_ref(&granted)).unwrap();
    let mut call = Call::with(resolved(vec![granted], Effect::Read), opened);
    assert_eq!(call.write("/out", "new", "x").await, Err(ErrorCode::ReadOnly));
    call.assert_denied(Rule::Effect, "write /out/new");
}

#[tokio::test]
async fn f6_twin_writing() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    call.write("/out", "new", "hello").await.unwrap();
    let fd = call.open("/out", "new", none(), READ | WRITE).await.unwrap();
    code(call.view().set_size(Resource::new_borrow(fd), 4).await).unwrap();
    assert_eq!(call.read("/out", "new").await.as_deref(), Ok("hell"));
    let times = types::NewTimestamp::Timestamp(wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime { seconds: 7, nanoseconds: 0 });
    code(call.view().set_times(Resource::new_borrow(fd), times, times).await).unwrap();
    let at = call.fd("/out");
    let stat = code(call.view().stat_at(at, FOLLOW, "new".to_owned()).await).unwrap();
    assert_eq!((stat.size, stat.data_modification_timestamp.map(|time| time.seconds)), (4, Some(7)));
    let (at, times) = (call.fd("/out"), types::NewTimestamp::Now);
    code(call.view().set_times_at(at, FOLLOW, "new".to_owned(), times, times).await).unwrap();
    call.open("/out", "new", OpenFlags::TRUNCATE, WRITE).await.unwrap();
    assert_eq!(call.read("/out", "new").await.as_deref(), Ok(""));
    assert_eq!(call.open("/out", "new", OpenFlags::CREATE | OpenFlags::EXCLUSIVE, WRITE).await, Err(ErrorCode::Exist));
    let at = call.fd("/out");
    code(call.view().unlink_file_at(at, "new".to_owned()).await).unwrap();
    assert_eq!(call.read("/out", "new").await, Err(ErrorCode::NoEntry));
    assert_eq!(call.denied(), []);
}

#[tokio::test]
async fn a15_times_beyond_all_clocks_are_refused() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    let fd = call.open("/out", "new", OpenFlags::CREATE, WRITE).await.unwrap();
    let at = |seconds, nanoseconds| {
        types::NewTimestamp::Timestamp(wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime { seconds, nanoseconds })
    };
    for far in [at(u64::MAX, 0), at(u64::MAX, u32::MAX), at(i64::MAX as u64, 1_000_000_000)] {
        let set = code(call.view().set_times(Resource::new_borrow(fd), far, types::NewTimestamp::NoChange).await);
        assert_eq!(set, Err(ErrorCode::Overflow), "{far:?}");
        let out = call.fd("/out");
        let set = code(call.view().set_times_at(out, FOLLOW, "new".to_owned(), types::NewTimestamp::NoChange, far).await);
        assert_eq!(set, Err(ErrorCode::Overflow), "{far:?}");
    }
    code(call.view().set_times(Resource::new_borrow(fd), at(6, 1_000_000_000), at(8, 0)).await).expect("the twin: early times");
    let stat = code(call.view().stat(Resource::new_borrow(fd)).await).unwrap();
    let seconds = [stat.data_access_timestamp, stat.data_modification_timestamp].map(|time| time.map(|time| time.seconds));
    assert_eq!(seconds, [Some(7), Some(8)]);
}

#[tokio::test]
async fn flags_that_cannot_be_kept_are_refused() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    let synchronised = [DescriptorFlags::FILE_INTEGRITY_SYNC, DescriptorFlags::DATA_INTEGRITY_SYNC, DescriptorFlags::REQUESTED_WRITE_SYNC];
    for flag in synchronised {
        assert_eq!(call.open("/out", "new", OpenFlags::CREATE, WRITE | flag).await, Err(ErrorCode::Unsupported), "{flag:?}");
    }
    for flag in [OpenFlags::CREATE, OpenFlags::TRUNCATE, OpenFlags::EXCLUSIVE] {
        assert_eq!(call.open("/out", "new", OpenFlags::DIRECTORY | flag, READ).await, Err(ErrorCode::Invalid), "{flag:?}");
    }
    assert_eq!(call.open("/docs", "a.md", OpenFlags::DIRECTORY, READ).await, Err(ErrorCode::NotDirectory));
    assert_eq!(call.open("/out", ".", none(), WRITE).await, Err(ErrorCode::IsDirectory));
    let (from, to) = (call.fd("/out"), call.fd("/out"));
    call.write("/out", "one", "x").await.unwrap();
    assert_eq!(code(call.view().link_at(from, FOLLOW, "one".to_owned(), to, "two".to_owned()).await), Err(ErrorCode::Invalid));
    assert_eq!(call.list("/out", ".").await.unwrap(), ["one"]);
}

#[tokio::test]
async fn f7_between_mounts() {
    let folder = folder();
    let root = folder.path();
    std::fs::create_dir(root.join("more")).unwrap();
    let mut call = Call::new(vec![
        mount(&root.join("docs"), "/docs", Access::Read),
        mount(&root.join("out"), "/out", Access::Write),
        mount(&root.join("more"), "/more", Access::Write),
    ]);
    let (from, to) = (call.fd("/docs"), call.fd("/out"));
    assert_eq!(code(call.view().link_at(from, PathFlags::empty(), "a.md".to_owned(), to, "b".to_owned()).await), Err(ErrorCode::ReadOnly));
    call.assert_denied(Rule::NoMatch, "write /docs/a.md");
    let (from, to) = (call.fd("/docs"), call.fd("/out"));
    assert_eq!(code(call.view().rename_at(from, "a.md".to_owned(), to, "b".to_owned()).await), Err(ErrorCode::ReadOnly));
    let (from, to) = (call.fd("/out"), call.fd("/docs"));
    call.write("/out", "mine", "x").await.unwrap();
    assert_eq!(code(call.view().rename_at(from, "mine".to_owned(), to, "a.md".to_owned()).await), Err(ErrorCode::ReadOnly));
    let (from, to) = (call.fd("/out"), call.fd("/more"));
    assert_eq!(code(call.view().rename_at(from, "mine".to_owned(), to, "mine".to_owned()).await), Err(ErrorCode::CrossDevice));
    assert!(root.join("docs/a.md").exists() && !root.join("out/b").exists());
}

#[tokio::test]
async fn f7_twin_inside_a_mount() {
    let folder = folder();
    let mut call = docs_and_out(&folder);
    call.write("/out", "one", "x").await.unwrap();
    let (from, to) = (call.fd("/out"), call.fd("/out"));
    code(call.view().link_at(from, PathFlags::empty(), "one".to_owned(), to, "two".to_owned()).await).unwrap();
    let (from, to) = (call.fd("/out"), call.fd("/out"));
    code(call.view().rename_at(from, "one".to_owned(), to, "three".to_owned()).await).unwrap();
    assert_eq!(call.list("/out", ".").await.unwrap(), ["three", "two"]);
}
