//! `fs`: granted folders and files under `wasi:filesystem`.
//!
//! A guest sees one tree: `/` and the folders above the mounts, which are not on disk and hold nothing but the way to the mounts,
//! and the mounts themselves. What lies elsewhere is refused with `access`, and recorded. A mount is an open handle; every path is
//! resolved beneath it by the system, so that no `..`, link or exchange of folders leads out.

mod disk;
mod failure;
mod file;
mod host;
mod listing;
mod mount;
mod node;
mod open;
mod path;
mod quota;
mod refuse;
mod view;

#[cfg(test)]
mod tests;

use std::{
    any::Any,
    sync::{Arc, Weak},
};

use remit_bindings::filesystem::{preopens, types};
use remit_core::limit::FS_OPEN_MAX;
use wasmtime::component::{HasData, Linker};

use super::CallState;
use failure::Failure;
use view::View;

pub use mount::{OpenMount, open};
pub(crate) use quota::Usage;

/// What one call has done with its mounts.
#[derive(Default)]
pub struct State {
    /// One for each mount, in the same order.
    usage: Vec<Arc<Usage>>,
    /// Every handle of the system that was opened for the guest and may still be open.
    held: Vec<Weak<dyn Any + Send + Sync>>,
}

impl State {
    /// A call that has done nothing yet with `mounts`.
    pub fn new(mounts: &[OpenMount]) -> Self {
        let usage = |mount: &OpenMount| mount.usage.clone().unwrap_or_else(|| Arc::new(Usage::new(mount.max_bytes, mount.max_files)));
        let usage = mounts.iter().map(usage).collect();
        Self { usage, held: Vec::new() }
    }

    /// Makes sure that one more handle may be opened.
    fn admit(&mut self) -> Result<(), Failure> {
        if self.held.len() >= FS_OPEN_MAX {
            self.held.retain(|held| held.strong_count() > 0);
        }
        if self.held.len() >= FS_OPEN_MAX {
            return Err(Failure::quota(format!("one call may hold {FS_OPEN_MAX} files and folders open")));
        }
        Ok(())
    }

    /// Counts `handle` for as long as it lives.
    fn hold<T: Any + Send + Sync>(&mut self, handle: &Arc<T>) {
        let weak: Weak<T> = Arc::downgrade(handle);
        self.held.push(weak);
    }
}

/// Names the view of this capability to the linker.
struct Fs;

impl HasData for Fs {
    type Data<'a> = View<'a>;
}

/// Adds `wasi:filesystem` to `linker`, granted or not.
///
/// # Errors
/// When `linker` already has it and does not allow shadowing.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    types::add_to_linker::<CallState, Fs>(linker, view)?;
    preopens::add_to_linker::<CallState, Fs>(linker, view)
}

fn view(state: &mut CallState) -> View<'_> {
    View {
        rights: &state.call.rights,
        denials: &state.call.denials,
        seen: &state.call.seen,
        uses: &state.call.uses,
        table: &mut state.table,
        state: &mut state.fs,
    }
}
