//! What became of a `send` that was cut off.

use std::path::Path;

use remit::{Fate, Output, Result};

use crate::outbox::{self, Trail};
use crate::send::sent;

/// Tells what became of the call of `tool` with `key`.
///
/// # Errors
///
/// As [`fate`].
pub fn settle(tool: &str, key: &str) -> Result<Fate> {
    if tool == "send" { fate(Path::new(outbox::FOLDER), key) } else { Ok(Fate::Unknown) }
}

/// Tells what became of the mail with `key` that was to go into the outbox `folder`.
///
/// # Errors
///
/// What the system answers, such as where the outbox is not there.
pub fn fate(folder: &Path, key: &str) -> Result<Fate> {
    Ok(match outbox::trail(folder, key)? {
        Trail::Put(kept) => Fate::Done(Output::json(&sent(&kept))?),
        Trail::Never => Fate::NotDone,
        Trail::Lost => Fate::Unknown,
    })
}
