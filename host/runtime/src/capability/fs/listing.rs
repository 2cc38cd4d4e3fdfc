//! Listing folders, a batch at a time.

use std::{collections::VecDeque, sync::Arc};

use cap_std::fs::ReadDir;
use remit_bindings::filesystem::{
    Descriptor, DirectoryEntryStream, FsError, FsResult, Node,
    types::{DescriptorType, DirectoryEntry, ErrorCode},
};
use remit_core::{grant::Access, limit::FS_ENTRIES_BATCH};
use wasmtime::component::Resource;

use super::{
    disk::kind,
    failure::error_code,
    path::names,
    view::{View, blocking},
};

type Entries = VecDeque<Result<DirectoryEntry, ErrorCode>>;

impl View<'_> {
    pub(super) async fn list(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>> {
        let Descriptor { path, node } = self.descriptor(&fd)?.clone();
        let held = Arc::new(());
        let (source, ready) = match node {
            Node::File { .. } => return Err(ErrorCode::NotDirectory.into()),
            Node::Virtual => (None, self.above(&path)),
            Node::Dir { dir, .. } => {
                self.state.admit().map_err(|failure| self.recorder(&path, Access::Read).error(failure))?;
                let entries = blocking(move || dir.entries()).await?.map_err(|error| error_code(&error))?;
                self.state.hold(&held);
                (Some(entries), Entries::new())
            }
        };
        self.push(DirectoryEntryStream { source, ready, held })
    }

    /// What a folder above the mounts holds.
    fn above(&self, path: &str) -> Entries {
        let entry = |(name, mount): (String, Option<usize>)| {
            let single = mount.and_then(|index| self.rights.mounts.get(index)).is_some_and(|mount| mount.file.is_some());
            Ok(DirectoryEntry { type_: if single { DescriptorType::RegularFile } else { DescriptorType::Directory }, name })
        };
        names(path, &self.guests()).into_iter().map(entry).collect()
    }

    pub(super) async fn next_entry(&mut self, stream: Resource<DirectoryEntryStream>) -> FsResult<Option<DirectoryEntry>> {
        let listing = self.table.get_mut(&stream).map_err(FsError::trap)?;
        if listing.ready.is_empty()
            && let Some(source) = listing.source.take()
        {
            let (source, ready) = blocking(move || batch(source)).await?;
            let listing = self.table.get_mut(&stream).map_err(FsError::trap)?;
            listing.source = source;
            listing.ready = ready;
        }
        let listing = self.table.get_mut(&stream).map_err(FsError::trap)?;
        listing.ready.pop_front().transpose().map_err(FsError::from)
    }
}

/// Reads some entries; gives the source back unless it has ended. A name that is not UTF-8 is an error in its place, since the
/// interface cannot say it; the entries after it follow.
fn batch(mut source: ReadDir) -> (Option<ReadDir>, Entries) {
    let mut ready = Entries::new();
    while ready.len() < FS_ENTRIES_BATCH {
        let Some(entry) = source.next() else { return (None, ready) };
        let read = entry.and_then(|entry| Ok((entry.file_type()?, entry.file_name()))).map_err(|error| error_code(&error));
        let failed = read.is_err();
        ready.push_back(read.and_then(|(file_type, name)| {
            let name = name.into_string().map_err(|_bytes| ErrorCode::IllegalByteSequence)?;
            Ok(DirectoryEntry { type_: kind(file_type), name })
        }));
        if failed {
            return (None, ready);
        }
    }
    (Some(source), ready)
}
