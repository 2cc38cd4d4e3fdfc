//! What the folder of a session's workspace is: a tree of the journal, or that tree with what a turn made of it.

use remit_core::{Error, Result, content::Blob, identity::TurnPlace, limit::FILE_MAX_BYTES};
use serde::{Deserialize, Serialize};

use super::Place;
use crate::project::file;

/// Written before the folder is changed, and once it is what the journal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// The line of records that it belongs to. A session that went back has another one.
    pub(super) branch: u32,
    /// The tree that it began as, or is; none is an empty one.
    pub(super) tree: Option<Blob>,
    /// The first record of the turn that may have changed it since.
    pub(super) turn: Option<u64>,
}

impl Mark {
    /// Whether the folder can be taken as it is, in this turn, where the journal says that it began as `base`.
    pub(super) fn holds(&self, turn: TurnPlace, base: Option<&Blob>) -> bool {
        self.branch == turn.branch
            && match self.turn {
                Some(changed) => changed == turn.seq,
                None => self.tree.as_ref() == base,
            }
    }

    /// The mark of a folder that is there.
    ///
    /// # Errors
    /// `host` when it is damaged: whether the folder has what a call of the running turn wrote cannot be told then.
    pub(super) fn read(place: &Place) -> Result<Option<Self>> {
        let is_there = place.open_holder()?.symlink_metadata(&place.name).is_ok_and(|found| found.is_dir());
        let text = file::read(&place.beside("mark"), FILE_MAX_BYTES)?.filter(|_| is_there);
        let damaged = |error| {
            let path = place.beside("mark");
            Error::host(format!("the mark of the workspace of `{}` is damaged", place.plugin), error)
                .hint(format!("remove `{}` to have its files made anew from their last capture", path.display()))
        };
        text.map(|text| serde_json::from_slice(&text).map_err(damaged)).transpose()
    }

    /// Durable on return.
    pub(super) fn write(&self, place: &Place) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|error| Error::host("a mark cannot be written as JSON", error))?;
        file::write(&place.beside("mark"), &text, 0o600)
    }
}
