//! Reading and writing open files.

use std::{os::unix::fs::FileExt, sync::Arc};

use remit_bindings::filesystem::{
    Descriptor, FsError, FsResult, Node,
    types::{Advice, ErrorCode, NewTimestamp},
};
use remit_core::{grant::Access, limit::FS_READ_MAX_BYTES};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use wasmtime::component::Resource;
use wasmtime_wasi::{
    filesystem::{Descriptor as Engine, File, WasiFilesystemCtx, WasiFilesystemCtxView},
    p2::{self, DynInputStream, DynOutputStream, bindings::filesystem::types::HostDescriptor as _},
};

use super::{
    failure::{Failure, error_code},
    quota::{Counted, Usage},
    view::{View, blocking},
};

/// An open file of a mount.
pub(super) struct OpenFile {
    pub mount: usize,
    pub file: File,
    pub shown: String,
}

impl View<'_> {
    pub(super) fn file(&self, fd: &Resource<Descriptor>) -> FsResult<OpenFile> {
        let Descriptor { path, node } = self.descriptor(fd)?;
        match node {
            Node::File { mount, file } => Ok(OpenFile { mount: *mount, file: file.clone(), shown: path.clone() }),
            Node::Dir { .. } | Node::Virtual => Err(ErrorCode::IsDirectory.into()),
        }
    }

    /// An open file that is about to be changed.
    pub(super) fn file_to_change(&self, fd: &Resource<Descriptor>) -> FsResult<(OpenFile, Arc<Usage>)> {
        let open = self.file(fd)?;
        self.writable(open.mount, &open.shown)?;
        if !open.file.open_mode.contains(wasmtime_wasi::OpenMode::WRITE) {
            return Err(ErrorCode::BadDescriptor.into());
        }
        let usage = self.usage(open.mount)?;
        Ok((open, usage))
    }

    pub(super) async fn read_file(&mut self, fd: Resource<Descriptor>, len: u64, offset: u64) -> FsResult<(Vec<u8>, bool)> {
        let file = self.file(&fd)?.file.file;
        let read = blocking(move || {
            let mut buffer = vec![0; usize::try_from(len.min(FS_READ_MAX_BYTES)).unwrap_or(0)];
            let count = file.read_at(&mut buffer, offset)?;
            buffer.truncate(count);
            Ok::<_, std::io::Error>(buffer)
        });
        let bytes = read.await?.map_err(|error| error_code(&error))?;
        let end = bytes.is_empty();
        Ok((bytes, end))
    }

    pub(super) async fn write_file(&mut self, fd: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
        let (OpenFile { file, shown, .. }, usage) = self.file_to_change(&fd)?;
        let written = blocking(move || {
            let len = bytes.len() as u64;
            let hole = if len > 0 { hole(&file, offset)? } else { 0 };
            usage.write(len.saturating_add(hole))?;
            let written = file.file.write_at(&bytes, offset).inspect_err(|_| usage.unwrite(len.saturating_add(hole)))? as u64;
            usage.unwrite(len.saturating_sub(written));
            Ok(written)
        });
        written.await?.map_err(|failure: Failure| self.recorder(&shown, Access::Write).error(failure))
    }

    pub(super) async fn resize_file(&mut self, fd: Resource<Descriptor>, size: u64) -> FsResult<()> {
        let (OpenFile { file, shown, .. }, usage) = self.file_to_change(&fd)?;
        let resized = blocking(move || {
            let growth = hole(&file, size)?;
            usage.write(growth)?;
            let before = file.file.metadata()?.len();
            file.file.set_len(size).inspect_err(|_| usage.unwrite(growth))?;
            usage.removed(before.saturating_sub(size), 0);
            Ok(())
        });
        resized.await?.map_err(|failure: Failure| self.recorder(&shown, Access::Write).error(failure))
    }

    pub(super) fn read_stream(&mut self, fd: Resource<Descriptor>, offset: u64) -> FsResult<Resource<DynInputStream>> {
        let file = self.file(&fd)?.file;
        self.stream(file, |engine, fd| engine.read_via_stream(fd, offset))
    }

    /// A stream that writes from `offset`, or at the file's end.
    pub(super) async fn write_stream(&mut self, fd: Resource<Descriptor>, offset: Option<u64>) -> FsResult<Resource<DynOutputStream>> {
        let (OpenFile { file, shown, .. }, usage) = self.file_to_change(&fd)?;
        let hole = match offset {
            None | Some(0) => 0,
            Some(offset) => {
                let file = file.clone();
                blocking(move || hole(&file, offset)).await?.map_err(|error| error_code(&error))?
            }
        };
        let stream = self.stream(file, |engine, fd| match offset {
            Some(offset) => engine.write_via_stream(fd, offset),
            None => engine.append_via_stream(fd),
        })?;
        let inner = self.table.delete(stream).map_err(FsError::trap)?;
        let counted: DynOutputStream = Box::new(Counted::new(inner, usage, self.recorder(&shown, Access::Write), hole));
        self.push(counted)
    }

    /// A stream as the engine makes it for its own descriptors.
    fn stream<T: 'static>(
        &mut self,
        file: File,
        make: impl FnOnce(&mut WasiFilesystemCtxView<'_>, Resource<Engine>) -> p2::FsResult<Resource<T>>,
    ) -> FsResult<Resource<T>> {
        let fd = self.push(Engine::File(file))?;
        let borrowed = Resource::new_borrow(fd.rep());
        let mut ctx = WasiFilesystemCtx::default();
        let made = make(&mut WasiFilesystemCtxView { ctx: &mut ctx, table: self.table }, borrowed);
        self.table.delete(fd).map_err(FsError::trap)?;
        made.map_err(|error| match error.downcast() {
            Ok(code) => FsError::trap(code),
            Err(trap) => FsError::trap(trap),
        })
    }
}

/// Bytes between the end of `file` and `offset`: what the file would grow by, without a byte written.
fn hole(file: &File, offset: u64) -> std::io::Result<u64> {
    Ok(offset.saturating_sub(file.file.metadata()?.len()))
}

/// Tells the system how a file will be read.
pub(super) fn advise(file: &std::fs::File, offset: u64, len: u64, advice: Advice) -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::Advice as System;
        let advice = match advice {
            Advice::Normal => System::Normal,
            Advice::Sequential => System::Sequential,
            Advice::Random => System::Random,
            Advice::WillNeed => System::WillNeed,
            Advice::DontNeed => System::DontNeed,
            Advice::NoReuse => System::NoReuse,
        };
        rustix::fs::fadvise(file, offset, std::num::NonZeroU64::new(len), advice)?;
    }
    #[cfg(not(target_os = "linux"))]
    tracing::trace!(?file, offset, len, ?advice, "no advice on this system");
    Ok(())
}

/// The times that a guest wants to set.
pub(super) fn times(accessed: NewTimestamp, modified: NewTimestamp) -> Result<Timestamps, ErrorCode> {
    Ok(Timestamps { last_access: time(accessed)?, last_modification: time(modified)? })
}

fn time(time: NewTimestamp) -> Result<Timespec, ErrorCode> {
    let at = match time {
        NewTimestamp::NoChange => return Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }),
        NewTimestamp::Now => return Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_NOW }),
        NewTimestamp::Timestamp(at) => at,
    };
    // `Duration::new` panics when the nanoseconds carry over the largest number of seconds.
    let seconds = at.seconds.checked_add(u64::from(at.nanoseconds / 1_000_000_000)).ok_or(ErrorCode::Overflow)?;
    let since = std::time::Duration::new(seconds, at.nanoseconds % 1_000_000_000);
    Timespec::try_from(since).map_err(|_too_late| ErrorCode::Overflow)
}
