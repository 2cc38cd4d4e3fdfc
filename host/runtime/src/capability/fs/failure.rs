//! Why an operation on a mount did not happen, and what the guest is told.

use std::io;

use remit_bindings::filesystem::types::{DescriptorType, ErrorCode};
use remit_core::grant::Rule;
use rustix::io::Errno;

/// Why an operation did not happen.
#[derive(Debug)]
pub(super) enum Failure {
    /// What any program may meet: there is no such file, the disk is full.
    Code(ErrorCode),
    /// The host refused; it is recorded as a denial.
    Refused(Refusal),
}

/// A refusal of the host's own, whatever the grants say.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What the guest is told.
    pub code: ErrorCode,
    /// The layer.
    pub rule: Rule,
    /// Why, in one line.
    pub reason: String,
}

impl Failure {
    /// A guest may not do this at all.
    pub fn forbidden(reason: impl Into<String>) -> Self {
        Self::Refused(Refusal { code: ErrorCode::NotPermitted, rule: Rule::Forbidden, reason: reason.into() })
    }

    /// A bound of the grant was reached.
    pub fn quota(reason: impl Into<String>) -> Self {
        Self::Refused(Refusal { code: ErrorCode::Quota, rule: Rule::Quota, reason: reason.into() })
    }

    /// The path meets a file system that was not granted.
    pub fn mount_point() -> Self {
        Self::forbidden("another file system is mounted there")
    }

    /// The file is neither a regular file nor a folder; `None` when it is one of these, or a link.
    pub fn of_kind(kind: DescriptorType) -> Option<Self> {
        let what = match kind {
            DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink => return None,
            DescriptorType::BlockDevice | DescriptorType::CharacterDevice => "a device",
            DescriptorType::Fifo => "a named pipe",
            DescriptorType::Socket => "a socket",
            DescriptorType::Unknown => "of an unknown kind",
        };
        Some(Self::forbidden(format!("it is {what}; only files and folders can be opened")))
    }
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // Path resolution reports an escape as an error that has no number of the system.
        if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
            return Self::forbidden("the path leads out of the mount");
        }
        Self::Code(error_code(&error))
    }
}

/// The code of the interface for an error of the system.
pub(super) fn error_code(error: &io::Error) -> ErrorCode {
    if let Some(code) = Errno::from_io_error(error).and_then(of_errno) {
        return code;
    }
    match error.kind() {
        io::ErrorKind::NotFound => ErrorCode::NoEntry,
        io::ErrorKind::PermissionDenied => ErrorCode::NotPermitted,
        io::ErrorKind::AlreadyExists => ErrorCode::Exist,
        io::ErrorKind::InvalidInput => ErrorCode::Invalid,
        io::ErrorKind::QuotaExceeded => ErrorCode::Quota,
        kind => {
            tracing::debug!(%error, ?kind, "an error of the file system without a code of its own");
            ErrorCode::Io
        }
    }
}

fn of_errno(errno: Errno) -> Option<ErrorCode> {
    Some(match errno {
        Errno::ACCESS => ErrorCode::Access,
        Errno::AGAIN => ErrorCode::WouldBlock,
        Errno::BADF => ErrorCode::BadDescriptor,
        Errno::BUSY => ErrorCode::Busy,
        Errno::DQUOT => ErrorCode::Quota,
        Errno::EXIST => ErrorCode::Exist,
        Errno::FBIG => ErrorCode::FileTooLarge,
        Errno::ILSEQ => ErrorCode::IllegalByteSequence,
        Errno::INTR => ErrorCode::Interrupted,
        Errno::INVAL => ErrorCode::Invalid,
        Errno::ISDIR => ErrorCode::IsDirectory,
        Errno::LOOP => ErrorCode::Loop,
        Errno::MLINK => ErrorCode::TooManyLinks,
        Errno::NAMETOOLONG => ErrorCode::NameTooLong,
        Errno::NODEV => ErrorCode::NoDevice,
        Errno::NOENT => ErrorCode::NoEntry,
        Errno::NOMEM => ErrorCode::InsufficientMemory,
        Errno::NOSPC => ErrorCode::InsufficientSpace,
        Errno::NOTDIR => ErrorCode::NotDirectory,
        Errno::NOTEMPTY => ErrorCode::NotEmpty,
        Errno::NOTSUP => ErrorCode::Unsupported,
        Errno::NXIO => ErrorCode::NoSuchDevice,
        Errno::OVERFLOW => ErrorCode::Overflow,
        Errno::PERM => ErrorCode::NotPermitted,
        Errno::ROFS => ErrorCode::ReadOnly,
        Errno::SPIPE => ErrorCode::InvalidSeek,
        Errno::TXTBSY => ErrorCode::TextFileBusy,
        Errno::XDEV => ErrorCode::CrossDevice,
        _ => return None,
    })
}
