//! Operations on a mount's folders, as the system does them: all blocking, all relative to an open folder.
//!
//! Every path is resolved beneath its folder, without `..` escapes, absolute links or links of `/proc`. What changes a folder
//! first opens the folder that holds the entry, checks that it lies on the mount's own file system, and then names the entry alone.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    sync::Arc,
    time::SystemTime,
};

use cap_fs_ext::{FollowSymlinks, MetadataExt, OpenOptionsFollowExt};
use cap_std::{
    fs::{Dir, FileTypeExt, Metadata, OpenOptions, OpenOptionsExt},
    time::SystemTime as CapTime,
};
use remit_bindings::filesystem::types::{DescriptorStat, DescriptorType, ErrorCode, MetadataHashValue};
use rustix::{
    fd::AsFd,
    fs::{OFlags, Timestamps},
};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

use super::{failure::Failure, path::entry, quota::Usage};

/// What the system says about a file.
pub(super) struct Facts {
    pub metadata: Metadata,
    /// The mounted file system that it lies on.
    pub volume: u64,
}

impl Facts {
    /// Of a file.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(Self { metadata: Metadata::from_file(file)?, volume: volume(file)? })
    }

    /// Of a folder.
    pub fn of_dir(dir: &Dir) -> io::Result<Self> {
        Ok(Self { metadata: dir.dir_metadata()?, volume: volume(dir)? })
    }

    pub fn kind(&self) -> DescriptorType {
        kind(self.metadata.file_type())
    }

    /// Refuses what lies on another file system than the mount.
    pub fn on(self, volume: u64) -> Result<Self, Failure> {
        if self.volume == volume { Ok(self) } else { Err(Failure::mount_point()) }
    }

    pub fn stat(&self) -> DescriptorStat {
        let metadata = &self.metadata;
        let changed = u64::try_from(cap_std::fs::MetadataExt::ctime(metadata)).ok();
        let nanoseconds = u32::try_from(cap_std::fs::MetadataExt::ctime_nsec(metadata)).unwrap_or(0);
        DescriptorStat {
            type_: self.kind(),
            link_count: metadata.nlink(),
            size: metadata.len(),
            data_access_timestamp: metadata.accessed().ok().and_then(datetime),
            data_modification_timestamp: metadata.modified().ok().and_then(datetime),
            status_change_timestamp: changed.map(|seconds| Datetime { seconds, nanoseconds }),
        }
    }

    pub fn hash(&self) -> MetadataHashValue {
        hash(&(self.metadata.dev(), self.metadata.ino()))
    }
}

/// A value that two descriptors share when they are the same object; no secret, and stable only while the host runs.
pub(super) fn hash(identity: &impl Hash) -> MetadataHashValue {
    let half = |tag: u8| {
        let mut hasher = DefaultHasher::new();
        (tag, identity).hash(&mut hasher);
        hasher.finish()
    };
    MetadataHashValue { lower: half(0), upper: half(1) }
}

pub(super) fn kind(kind: cap_std::fs::FileType) -> DescriptorType {
    if kind.is_dir() {
        DescriptorType::Directory
    } else if kind.is_file() {
        DescriptorType::RegularFile
    } else if kind.is_symlink() {
        DescriptorType::SymbolicLink
    } else if kind.is_fifo() {
        DescriptorType::Fifo
    } else if kind.is_socket() {
        DescriptorType::Socket
    } else if kind.is_block_device() {
        DescriptorType::BlockDevice
    } else if kind.is_char_device() {
        DescriptorType::CharacterDevice
    } else {
        DescriptorType::Unknown
    }
}

/// Times before 1970 cannot be told to a guest.
fn datetime(time: CapTime) -> Option<Datetime> {
    let since = time.into_std().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() })
}

/// The mounted file system that `file` lies on. On Linux the mount itself, so that a folder bound from the same disk differs too.
pub(super) fn volume(file: impl AsFd) -> io::Result<u64> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, StatxFlags, statx};
        let found = statx(&file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
        if found.stx_mask & StatxFlags::MNT_ID.bits() != 0 {
            return Ok(found.stx_mnt_id);
        }
    }
    Ok(rustix::fs::fstat(file)?.st_dev as u64)
}

/// A folder of a mount and what bounds an operation on it.
#[derive(Clone)]
pub(super) struct Site {
    pub dir: Arc<Dir>,
    /// Relative to `dir`, as the guest wrote it.
    pub path: String,
    /// The mount's file system.
    pub volume: u64,
    /// Whether a link at the end of the path is followed.
    pub follow: bool,
}

/// The folder that holds an entry, checked, and the entry's name.
pub(super) struct Holder {
    pub dir: Arc<Dir>,
    pub name: String,
    pub must_be_folder: bool,
}

impl Site {
    pub fn follow(&self) -> FollowSymlinks {
        if self.follow { FollowSymlinks::Yes } else { FollowSymlinks::No }
    }

    /// Looks at the path's end.
    pub fn look(&self) -> Result<Facts, Failure> {
        Ok(self.reach()?.1)
    }

    /// The path's end and what it is; on Linux without opening it, so that not even a device or a named pipe notices.
    fn reach(&self) -> Result<(File, Facts), Failure> {
        let mut options = OpenOptions::new();
        options.read(true).follow(self.follow());
        #[cfg(target_os = "linux")]
        options.custom_flags(OFlags::PATH.bits() as i32);
        #[cfg(not(target_os = "linux"))]
        options.nonblock(true).custom_flags(OFlags::NOCTTY.bits() as i32);
        let file = self.dir.open_with(&self.path, &options)?.into_std();
        let facts = Facts::of(&file)?.on(self.volume)?;
        Ok((file, facts))
    }

    /// The folder that holds the path's end.
    pub fn holder(&self) -> Result<Holder, Failure> {
        let entry = entry(&self.path).ok_or(ErrorCode::Invalid)?;
        let dir = match entry.folder {
            "." => Arc::clone(&self.dir),
            folder => Arc::new(self.dir.open_dir(folder)?),
        };
        if volume(&*dir)? != self.volume {
            return Err(Failure::mount_point());
        }
        Ok(Holder { dir, name: entry.name.to_owned(), must_be_folder: entry.must_be_folder })
    }

    /// Reads a link. One that is absolute leads out of the mount, and is not told.
    pub fn read_link(&self) -> Result<String, Failure> {
        if entry(&self.path).is_none_or(|entry| entry.must_be_folder) {
            return Err(ErrorCode::Invalid.into());
        }
        let holder = self.holder()?;
        let target = holder.dir.read_link(&holder.name)?;
        target.into_os_string().into_string().map_err(|_bytes| ErrorCode::IllegalByteSequence.into())
    }

    /// Makes a folder.
    pub fn create_folder(&self, usage: &Usage) -> Result<(), Failure> {
        let Some(_) = entry(&self.path) else { return Err(ErrorCode::Exist.into()) };
        let holder = self.holder()?;
        counted(usage, || Ok(holder.dir.create_dir(&holder.name)?))
    }

    /// Makes a link with the text `target`. It must stay in its folder or below: the host follows no link out of a mount, but
    /// others may follow one that a guest has planted (F13).
    pub fn create_link(&self, target: &str, usage: &Usage) -> Result<(), Failure> {
        if target.starts_with('/') || target.split('/').any(|part| part == "..") {
            return Err(Failure::forbidden("a link may only lead to its own folder or below"));
        }
        let holder = self.holder()?.not_folder()?;
        counted(usage, || Ok(holder.dir.symlink(target, &holder.name)?))
    }

    /// Gives a file a second name in the same mount; not in a workspace, where each name counts and is captured by itself.
    pub fn hard_link(&self, new: &Self, usage: &Usage) -> Result<(), Failure> {
        if usage.is_whole() {
            return Err(Failure::forbidden("a file of a workspace has one name"));
        }
        let (old, new) = (self.holder()?.not_folder()?, new.holder()?.not_folder()?);
        counted(usage, || Ok(old.dir.hard_link(&old.name, &new.dir, &new.name)?))
    }

    /// Moves an entry inside the same mount.
    pub fn rename(&self, new: &Self) -> Result<(), Failure> {
        let (old, new) = (self.holder()?, new.holder()?);
        if (old.must_be_folder || new.must_be_folder) && !old.dir.symlink_metadata(&old.name)?.is_dir() {
            return Err(ErrorCode::NotDirectory.into());
        }
        Ok(old.dir.rename(&old.name, &new.dir, &new.name)?)
    }

    /// Removes a file or a link.
    pub fn remove_file(&self, usage: &Usage) -> Result<(), Failure> {
        let holder = self.holder()?;
        if holder.must_be_folder {
            let folder = holder.dir.symlink_metadata(&holder.name)?.is_dir();
            return Err(if folder { ErrorCode::IsDirectory } else { ErrorCode::NotDirectory }.into());
        }
        let bytes = holder.dir.symlink_metadata(&holder.name).map_or(0, |found| if found.is_file() { found.len() } else { 0 });
        holder.dir.remove_file(&holder.name)?;
        usage.removed(bytes, 1);
        Ok(())
    }

    /// Removes an empty folder.
    pub fn remove_folder(&self, usage: &Usage) -> Result<(), Failure> {
        let holder = self.holder()?;
        holder.dir.remove_dir(&holder.name)?;
        usage.removed(0, 1);
        Ok(())
    }

    /// Sets times. Whatever takes the place of what was looked at is left alone, and a named pipe holds nobody (F10).
    pub fn set_times(&self, times: &Timestamps) -> Result<(), Failure> {
        let (file, facts) = self.reach()?;
        if let Some(failure) = Failure::of_kind(facts.kind()) {
            return Err(failure);
        }
        #[cfg(target_os = "linux")]
        rustix::fs::utimensat(file, "", times, rustix::fs::AtFlags::EMPTY_PATH)?;
        #[cfg(not(target_os = "linux"))]
        rustix::fs::futimens(file, times)?;
        Ok(())
    }
}

impl Holder {
    /// For entries that are no folders: a path that ends in `/` cannot mean one.
    fn not_folder(self) -> Result<Self, Failure> {
        if self.must_be_folder { Err(ErrorCode::NoEntry.into()) } else { Ok(self) }
    }
}

/// Does `make`, counted as one new entry if it succeeds.
pub(super) fn counted<T>(usage: &Usage, make: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    usage.create()?;
    make().inspect_err(|_| usage.uncreate())
}
