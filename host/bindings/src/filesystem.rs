//! `wasi:filesystem` with resources of our own: what stands in for a descriptor decides what a guest can reach.
//!
//! The engine's own host for this interface has no bounds on writing, opens a FIFO as it opens a file, and cannot show a folder
//! that is not on disk; so only the streams over an open file are taken from it.

use std::{collections::VecDeque, sync::Arc};

use cap_std::fs::{Dir, ReadDir};
use wasmtime_wasi::filesystem::File;

pub use generated::wasi::filesystem::{preopens, types};

/// An error code of the interface, or a trap.
pub type FsError = wasmtime_wasi::TrappableError<types::ErrorCode>;
/// What the host's functions return.
pub type FsResult<T> = Result<T, FsError>;

mod generated {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/io", "../../wit/deps/clocks", "../../wit/deps/filesystem"],
        world: "wasi:filesystem/imports",
        imports: {
            "wasi:filesystem/preopens.get-directories": trappable,
            "wasi:filesystem/types.filesystem-error-code": trappable,
            "wasi:filesystem/types.[drop]descriptor": trappable,
            "wasi:filesystem/types.[drop]directory-entry-stream": trappable,
            "wasi:filesystem/types.[method]descriptor.get-flags": trappable,
            "wasi:filesystem/types.[method]descriptor.get-type": trappable,
            "wasi:filesystem/types.[method]descriptor.read-via-stream": trappable,
            default: async | trappable,
        },
        trappable_error_type: { "wasi:filesystem/types.error-code" => super::FsError },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:filesystem/types.descriptor": super::Descriptor,
            "wasi:filesystem/types.directory-entry-stream": super::DirectoryEntryStream,
        },
    });
}

/// What a guest holds for an open file or folder.
#[derive(Clone)]
pub struct Descriptor {
    /// The path by which it was opened, absolute, in the guest's names.
    pub path: String,
    /// What it is.
    pub node: Node,
}

/// What stands behind a descriptor.
#[derive(Clone)]
pub enum Node {
    /// A folder above the mounts. It is not on disk: it holds the names that lead to mounts, and nothing else.
    Virtual,
    /// A folder of a mount.
    Dir {
        /// The mount's place in the call's list.
        mount: usize,
        /// The folder.
        dir: Arc<Dir>,
    },
    /// A regular file of a mount.
    File {
        /// The mount's place in the call's list.
        mount: usize,
        /// The file, with the mode in which it was opened.
        file: File,
    },
}

/// A listing in progress: read from the folder in small batches, so that its size is no bound on the host's memory.
pub struct DirectoryEntryStream {
    /// What is still to be read; `None` when nothing is.
    pub source: Option<ReadDir>,
    /// What was read and not yet taken.
    pub ready: VecDeque<Result<types::DirectoryEntry, types::ErrorCode>>,
    /// Lives as long as the listing, which holds a handle of the system.
    pub held: Arc<()>,
}
