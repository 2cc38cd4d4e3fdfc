//! What the files of a workspace were when they were last captured, so that those that did not change are not read again.

use std::collections::BTreeMap;

use cap_std::fs::Metadata;
use remit_core::{Result, content::Blob, limit::TREE_MAX_BYTES};
use serde::{Deserialize, Serialize};

use super::Place;
use crate::project::file;

/// A file that was changed this short before it was captured may have been changed again within the same tick of the clock.
const SETTLED_NS: i128 = 2_000_000_000;

/// Which file it is, and when it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    size: u64,
    inode: u64,
    device: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        use cap_std::fs::MetadataExt as _;
        let ns = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Self {
            size: metadata.len(),
            inode: cap_fs_ext::MetadataExt::ino(metadata),
            device: cap_fs_ext::MetadataExt::dev(metadata),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
impl Stamp {
    /// The same file, changed so much later.
    pub(super) fn later(self, ns: i128) -> Self {
        Self { changed_ns: self.changed_ns + ns, ..self }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    files: BTreeMap<String, (Stamp, Blob)>,
}

impl Index {
    /// The index of a workspace; an empty one where there is none that can be read.
    pub(super) fn read(place: &Place) -> Result<Self> {
        let text = file::read(&place.beside("index"), 4 * TREE_MAX_BYTES)?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
    }

    /// The bytes of a file that is the same as when it was captured.
    pub(super) fn known(&self, path: &str, now: &Stamp) -> Option<&Blob> {
        self.files.get(path).filter(|(then, _)| then == now).map(|(_, bytes)| bytes)
    }

    /// Remembers a file, unless it was changed too short before `now`, which is a time of the same file system.
    pub(super) fn add(&mut self, path: &str, stamp: Stamp, bytes: &Blob, now: &Stamp) {
        if stamp.changed_ns + SETTLED_NS <= now.changed_ns {
            self.files.insert(path.to_owned(), (stamp, bytes.clone()));
        }
    }

    pub(super) fn write(&self, place: &Place) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|error| remit_core::Error::host("an index cannot be written as JSON", error))?;
        file::write(&place.beside("index"), &text, 0o600)
    }
}
