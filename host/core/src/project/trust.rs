//! What one user trusts: exactly these bytes, at exactly this place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, plugin::Digest};

/// The files that decide what may run, as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// The project's folder, absolute and without links.
    pub project: String,
    /// `remit.toml`.
    pub manifest: Digest,
    /// `remit.lock`; `None` when there is none.
    pub lock: Option<Digest>,
    /// The root certificates that `[http]` names, each by its path.
    pub roots: BTreeMap<String, Digest>,
}

/// A user's statement that a project may run as [`Pins`] describe it. Kept outside the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    version: u32,
    project: String,
    manifest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lock: Option<Digest>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    roots: BTreeMap<String, Digest>,
}

impl Trust {
    /// Trust in `pins`.
    pub fn new(pins: Pins) -> Self {
        let Pins { project, manifest, lock, roots } = pins;
        Self { version: 1, project, manifest, lock, roots }
    }

    /// Reads a record that [`Trust::to_bytes`] wrote.
    ///
    /// # Errors
    /// `invalid` when it is damaged or of another version: such a record trusts nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let refuse =
            |why: String| Error::invalid("the record of trust is damaged").internal(why).hint("trust the project anew: remit trust");
        let trust: Self = serde_json::from_slice(bytes).map_err(|error| refuse(error.to_string()))?;
        match trust.version {
            1 => Ok(trust),
            other => Err(refuse(format!("version {other}"))),
        }
    }

    /// The record as bytes.
    ///
    /// # Errors
    /// `host`; only when memory is exhausted.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|error| Error::host("the record of trust could not be written", error))
    }

    /// Whether the lock is the one that was trusted here, whatever became of `remit.toml` since.
    pub fn knows_lock(&self, now: &Pins) -> bool {
        self.project == now.project && self.lock == now.lock
    }

    /// Checks that the project is still what was trusted.
    ///
    /// # Errors
    /// `denied`, saying what changed.
    pub fn covers(&self, now: &Pins) -> Result<()> {
        let changed = if self.project != now.project {
            "was trusted at another place"
        } else if self.manifest != now.manifest {
            "changed since it was trusted: `remit.toml` is not the same"
        } else if self.lock != now.lock {
            "changed since it was trusted: `remit.lock` is not the same"
        } else if self.roots != now.roots {
            "changed since it was trusted: a root certificate that `[http]` names is not the same"
        } else {
            return Ok(());
        };
        Err(untrusted(changed))
    }
}

/// The refusal of a project that its user does not trust as it is; `why` completes "the project …".
pub fn untrusted(why: &str) -> Error {
    Error::denied(format!("the project {why}"))
        .code("E-UNTRUSTED")
        .hint("look at what it may do, then trust it: remit review")
        .hint("or, if you know it already: remit trust")
}
