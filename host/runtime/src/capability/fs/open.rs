//! Opening: files and folders, and nothing else (F10, F11).

use std::fs::File;

use cap_fs_ext::{OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use remit_bindings::filesystem::types::{DescriptorFlags, DescriptorType, ErrorCode, OpenFlags};
use rustix::fs::OFlags;

use super::{
    disk::{Facts, Site, counted},
    failure::Failure,
    quota::Usage,
};

/// How a guest wants to open something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    pub read: bool,
    /// Set whenever something is to be created or truncated.
    pub write: bool,
    pub create: bool,
    pub exclusive: bool,
    pub truncate: bool,
    pub directory: bool,
}

/// What was opened.
pub(super) enum Opened {
    Dir(Dir),
    File(File),
}

/// Times that opening is tried when others create and remove the same name meanwhile.
const OPEN_ATTEMPTS: usize = 3;

impl Site {
    /// Opens a file or a folder, and nothing else. What is there is looked at before it is opened, and again once it is.
    ///
    /// A link at the end that leads to nothing is not followed to create its target: that is `no-entry`.
    pub fn open(&self, want: Want, usage: &Usage) -> Result<Opened, Failure> {
        for _ in 0..OPEN_ATTEMPTS {
            match self.look() {
                Ok(_) if want.create && want.exclusive => return Err(ErrorCode::Exist.into()),
                Ok(facts) => {
                    suits(facts.kind(), want)?;
                    return self.open_existing(want, usage);
                }
                Err(Failure::Code(ErrorCode::NoEntry)) if want.create => match self.open_new(want, usage) {
                    Err(Failure::Code(ErrorCode::Exist)) if !want.exclusive => {}
                    result => return result,
                },
                Err(failure) => return Err(failure),
            }
        }
        Err(ErrorCode::NoEntry.into())
    }

    /// Opens what was there when it was looked at. Something else may have taken its place since.
    pub(super) fn open_existing(&self, want: Want, usage: &Usage) -> Result<Opened, Failure> {
        let mut options = OpenOptions::new();
        options.read(want.read || !want.write).write(want.write).follow(self.follow()).nonblock(true);
        options.custom_flags(OFlags::NOCTTY.bits() as i32);
        let file = self.dir.open_with(&self.path, &options)?.into_std();
        let kind = Facts::of(&file)?.on(self.volume)?.kind();
        suits(kind, want)?;
        if kind == DescriptorType::Directory {
            return Ok(Opened::Dir(Dir::from_std_file(file)));
        }
        if want.truncate {
            let bytes = file.metadata()?.len();
            file.set_len(0)?;
            usage.removed(bytes, 0);
        }
        Ok(Opened::File(file))
    }

    /// Makes what was not there when it was looked at. Whatever has taken its place since, a link as well, is left alone.
    pub(super) fn open_new(&self, want: Want, usage: &Usage) -> Result<Opened, Failure> {
        let holder = self.holder()?;
        if holder.must_be_folder {
            return Err(ErrorCode::IsDirectory.into());
        }
        let mut options = OpenOptions::new();
        options.create_new(true).write(true).read(want.read);
        counted(usage, || Ok(Opened::File(holder.dir.open_with(&holder.name, &options)?.into_std())))
    }
}

/// Refuses what is no file or folder, and what is no folder where one is wanted. To write a folder or to open a link is refused by
/// the system.
fn suits(kind: DescriptorType, want: Want) -> Result<(), Failure> {
    match Failure::of_kind(kind) {
        Some(failure) => Err(failure),
        None if want.directory && kind != DescriptorType::Directory => Err(ErrorCode::NotDirectory.into()),
        None => Ok(()),
    }
}

/// What a guest's flags ask for.
pub(super) fn want(open: OpenFlags, flags: DescriptorFlags) -> Result<Want, ErrorCode> {
    let synchronised = DescriptorFlags::FILE_INTEGRITY_SYNC | DescriptorFlags::DATA_INTEGRITY_SYNC | DescriptorFlags::REQUESTED_WRITE_SYNC;
    if flags.intersects(synchronised) {
        return Err(ErrorCode::Unsupported);
    }
    let create = open.contains(OpenFlags::CREATE);
    let truncate = open.contains(OpenFlags::TRUNCATE);
    let directory = open.contains(OpenFlags::DIRECTORY);
    if directory && (create || truncate || open.contains(OpenFlags::EXCLUSIVE)) {
        return Err(ErrorCode::Invalid);
    }
    Ok(Want {
        read: flags.contains(DescriptorFlags::READ),
        write: flags.contains(DescriptorFlags::WRITE) || create || truncate,
        create,
        exclusive: open.contains(OpenFlags::EXCLUSIVE),
        truncate,
        directory,
    })
}
