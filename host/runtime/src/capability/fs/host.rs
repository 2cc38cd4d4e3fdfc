//! The host functions of `wasi:filesystem`.

use std::sync::Arc;

use remit_bindings::filesystem::{
    Descriptor, DirectoryEntryStream, FsError, FsResult, Node, preopens,
    types::{
        self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, MetadataHashValue, NewTimestamp,
        OpenFlags, PathFlags,
    },
};
use remit_core::grant::Access;
use rustix::fs::futimens;
use wasmtime::component::Resource;
use wasmtime_wasi::{
    OpenMode,
    p2::{DynInputStream, DynOutputStream},
};

use super::{
    disk::{Site, hash},
    failure::error_code,
    file::{advise, times},
    node::above_stat,
    open::want,
    view::{Place, Spot, View, blocking},
};

impl preopens::Host for View<'_> {
    /// The granted folders, and `/` for everything else: without it a guest's own library would answer for the host, and nobody
    /// would learn what was asked for. Single files are reached through `/`.
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let mut open = Vec::with_capacity(self.rights.mounts.len() + 1);
        for (index, mount) in self.rights.mounts.iter().enumerate().filter(|(_, mount)| mount.file.is_none()) {
            let node = Node::Dir { mount: index, dir: Arc::clone(&mount.dir) };
            let fd = self.table.push(Descriptor { path: mount.guest.clone(), node })?;
            open.push((fd, mount.guest.clone()));
        }
        if open.iter().all(|(_, path)| path != "/") {
            let fd = self.table.push(Descriptor { path: "/".to_owned(), node: Node::Virtual })?;
            open.push((fd, "/".to_owned()));
        }
        Ok(open)
    }
}

impl types::Host for View<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(self.table.get(&error)?.downcast_ref::<std::io::Error>().map(error_code))
    }
}

fn follow(flags: PathFlags) -> bool {
    flags.contains(PathFlags::SYMLINK_FOLLOW)
}

impl types::HostDescriptor for View<'_> {
    fn read_via_stream(&mut self, fd: Resource<Descriptor>, offset: u64) -> FsResult<Resource<DynInputStream>> {
        self.read_stream(fd, offset)
    }

    async fn write_via_stream(&mut self, fd: Resource<Descriptor>, offset: u64) -> FsResult<Resource<DynOutputStream>> {
        self.write_stream(fd, Some(offset)).await
    }

    async fn append_via_stream(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        self.write_stream(fd, None).await
    }

    async fn advise(&mut self, fd: Resource<Descriptor>, offset: u64, len: u64, advice: Advice) -> FsResult<()> {
        let open = self.file(&fd)?;
        let advised = blocking(move || advise(&open.file.file, offset, len, advice)).await?;
        advised.map_err(|failure| self.recorder(&open.shown, Access::Read).error(failure))
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.flush(&fd, true).await
    }

    fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        let mut flags = DescriptorFlags::empty();
        match &self.descriptor(&fd)?.node {
            Node::Virtual => flags |= DescriptorFlags::READ,
            Node::Dir { mount, .. } => {
                flags |= DescriptorFlags::READ;
                if self.mount(*mount)?.access == Access::Write {
                    flags |= DescriptorFlags::MUTATE_DIRECTORY;
                }
            }
            Node::File { file, .. } => {
                if file.open_mode.contains(OpenMode::READ) {
                    flags |= DescriptorFlags::READ;
                }
                if file.open_mode.contains(OpenMode::WRITE) {
                    flags |= DescriptorFlags::WRITE;
                }
            }
        }
        Ok(flags)
    }

    fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        Ok(match self.descriptor(&fd)?.node {
            Node::Virtual | Node::Dir { .. } => DescriptorType::Directory,
            Node::File { .. } => DescriptorType::RegularFile,
        })
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: u64) -> FsResult<()> {
        self.resize_file(fd, size).await
    }

    async fn set_times(&mut self, fd: Resource<Descriptor>, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        let times = times(accessed, modified)?;
        let Descriptor { path: shown, node } = self.descriptor(&fd)?.clone();
        let file = match node {
            Node::File { mount, file } => {
                self.writable(mount, &shown)?;
                file.file
            }
            Node::Dir { .. } | Node::Virtual => return self.set_times_at(fd, PathFlags::empty(), ".".to_owned(), accessed, modified).await,
        };
        let set = blocking(move || futimens(&*file, &times)).await?;
        set.map_err(|errno| self.recorder(&shown, Access::Write).error(errno.into()))
    }

    async fn read(&mut self, fd: Resource<Descriptor>, len: u64, offset: u64) -> FsResult<(Vec<u8>, bool)> {
        self.read_file(fd, len, offset).await
    }

    async fn write(&mut self, fd: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
        self.write_file(fd, bytes, offset).await
    }

    async fn read_directory(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>> {
        self.list(fd).await
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.flush(&fd, false).await
    }

    async fn create_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        // A folder that is there already is so for the one who may not make it, too: guests make whole paths and expect this.
        if matches!(self.place(&fd, &path, false, Access::Write)?, Place::Above(_) | Place::Spot(Spot { single: true, .. })) {
            return Err(ErrorCode::Exist.into());
        }
        let spot = self.entry(&fd, &path)?;
        let usage = self.usage(spot.mount)?;
        self.at(spot, Access::Write, move |site| site.create_folder(&usage)).await
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        Ok(self.facts(&fd).await?.map_or_else(above_stat, |facts| facts.stat()))
    }

    async fn stat_at(&mut self, fd: Resource<Descriptor>, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        match self.place(&fd, &path, follow(flags), Access::Read)? {
            Place::Above(_) => Ok(above_stat()),
            Place::Spot(spot) => self.at(spot, Access::Read, |site| Ok(site.look()?.stat())).await,
        }
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let times = times(accessed, modified)?;
        let spot = match self.place(&fd, &path, follow(flags), Access::Write)? {
            Place::Above(path) => return Err(self.recorder(&path, Access::Write).not_granted(ErrorCode::Access)),
            Place::Spot(spot) => spot,
        };
        self.writable(spot.mount, &spot.shown)?;
        self.at(spot, Access::Write, move |site| site.set_times(&times)).await
    }

    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        new_fd: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        if follow(flags) {
            return Err(ErrorCode::Invalid.into());
        }
        let (old, new) = self.pair(&fd, &path, &new_fd, &new_path)?;
        let usage = self.usage(old.mount)?;
        self.at(old, Access::Write, move |site| site.hard_link(&new, &usage)).await
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let want = want(open, flags)?;
        let access = if want.write { Access::Write } else { Access::Read };
        let spot = match self.place(&fd, &path, follow(path_flags), access)? {
            Place::Above(_) if want.write => return Err(ErrorCode::IsDirectory.into()),
            Place::Above(path) => return self.push(Descriptor { path, node: Node::Virtual }),
            Place::Spot(spot) => spot,
        };
        let (mount, shown) = (spot.mount, spot.shown.clone());
        if access == Access::Write {
            self.writable(mount, &shown)?;
        }
        self.state.admit().map_err(|failure| self.recorder(&shown, access).error(failure))?;
        let usage = self.usage(mount)?;
        let opened = self.at(spot, access, move |site| site.open(want, &usage)).await?;
        self.opened(opened, mount, shown, want)
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        match self.place(&fd, &path, false, Access::Read)? {
            Place::Above(_) => Err(ErrorCode::Invalid.into()),
            Place::Spot(spot) => self.at(spot, Access::Read, Site::read_link).await,
        }
    }

    async fn remove_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        let spot = self.entry(&fd, &path)?;
        let usage = self.usage(spot.mount)?;
        self.at(spot, Access::Write, move |site| site.remove_folder(&usage)).await
    }

    async fn rename_at(&mut self, fd: Resource<Descriptor>, path: String, new_fd: Resource<Descriptor>, new_path: String) -> FsResult<()> {
        let (old, new) = self.pair(&fd, &path, &new_fd, &new_path)?;
        self.at(old, Access::Write, move |site| site.rename(&new)).await
    }

    async fn symlink_at(&mut self, fd: Resource<Descriptor>, target: String, path: String) -> FsResult<()> {
        let spot = self.entry(&fd, &path)?;
        let usage = self.usage(spot.mount)?;
        self.at(spot, Access::Write, move |site| site.create_link(&target, &usage)).await
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        let spot = self.entry(&fd, &path)?;
        let usage = self.usage(spot.mount)?;
        self.at(spot, Access::Write, move |site| site.remove_file(&usage)).await
    }

    async fn is_same_object(&mut self, a: Resource<Descriptor>, b: Resource<Descriptor>) -> wasmtime::Result<bool> {
        let (a, b) = (self.metadata_hash(a).await, self.metadata_hash(b).await);
        let (a, b) = (a.map_err(wasmtime::Error::from)?, b.map_err(wasmtime::Error::from)?);
        Ok((a.lower, a.upper) == (b.lower, b.upper))
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        match self.facts(&fd).await? {
            Some(facts) => Ok(facts.hash()),
            None => Ok(hash(&self.descriptor(&fd)?.path)),
        }
    }

    async fn metadata_hash_at(&mut self, fd: Resource<Descriptor>, flags: PathFlags, path: String) -> FsResult<MetadataHashValue> {
        match self.place(&fd, &path, follow(flags), Access::Read)? {
            Place::Above(path) => Ok(hash(&path)),
            Place::Spot(spot) => self.at(spot, Access::Read, |site| Ok(site.look()?.hash())).await,
        }
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(fd)?;
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for View<'_> {
    async fn read_directory_entry(&mut self, stream: Resource<DirectoryEntryStream>) -> FsResult<Option<DirectoryEntry>> {
        self.next_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}
