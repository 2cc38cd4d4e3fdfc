//! What stands behind a descriptor: looking at it, opening another one, writing it out.

use std::sync::Arc;

use remit_bindings::filesystem::{
    Descriptor, FsResult, Node,
    types::{DescriptorStat, DescriptorType},
};
use wasmtime::component::Resource;
use wasmtime_wasi::{FsPerms, OpenMode, filesystem::File};

use super::{
    disk::Facts,
    failure::error_code,
    open::{Opened, Want},
    view::{View, blocking},
};

/// What a folder above the mounts says of itself.
pub(super) fn above_stat() -> DescriptorStat {
    DescriptorStat {
        type_: DescriptorType::Directory,
        link_count: 1,
        size: 0,
        data_access_timestamp: None,
        data_modification_timestamp: None,
        status_change_timestamp: None,
    }
}

impl View<'_> {
    /// Looks at what an open descriptor stands for; `None` for a folder above the mounts.
    pub(super) async fn facts(&mut self, fd: &Resource<Descriptor>) -> FsResult<Option<Facts>> {
        let look = match &self.descriptor(fd)?.node {
            Node::Virtual => return Ok(None),
            Node::File { file, .. } => {
                let file = Arc::clone(&file.file);
                blocking(move || Facts::of(&file)).await
            }
            Node::Dir { dir, .. } => {
                let dir = Arc::clone(dir);
                blocking(move || Facts::of_dir(&dir)).await
            }
        };
        Ok(Some(look?.map_err(|error| error_code(&error))?))
    }

    /// What is open, under a new descriptor.
    pub(super) fn opened(&mut self, opened: Opened, mount: usize, shown: String, want: Want) -> FsResult<Resource<Descriptor>> {
        let node = match opened {
            Opened::Dir(dir) => {
                let dir = Arc::new(dir);
                self.state.hold(&dir);
                Node::Dir { mount, dir }
            }
            Opened::File(file) => {
                let mut mode = OpenMode::empty();
                mode.set(OpenMode::READ, want.read || !want.write);
                mode.set(OpenMode::WRITE, want.write);
                let perms = if want.write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
                let file = File::new(file, perms, mode, false);
                self.state.hold(&file.file);
                Node::File { mount, file }
            }
        };
        self.push(Descriptor { path: shown, node })
    }

    /// Writes a file or a folder out to the disk.
    pub(super) async fn flush(&mut self, fd: &Resource<Descriptor>, data_only: bool) -> FsResult<()> {
        let node = self.descriptor(fd)?.node.clone();
        let flushed = blocking(move || match node {
            Node::Virtual => Ok(()),
            Node::File { file, .. } if data_only => file.file.sync_data(),
            Node::File { file, .. } => file.file.sync_all(),
            Node::Dir { dir, .. } => dir.open(".")?.sync_all(),
        });
        flushed.await?.map_err(|error| error_code(&error).into())
    }
}
