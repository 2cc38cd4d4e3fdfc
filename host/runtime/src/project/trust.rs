//! Whom this user trusts, kept outside every repository.

use std::path::{Path, PathBuf};

use remit_core::{
    Error, Result,
    plugin::Digest,
    project::{Pins, Trust, untrusted},
};

use super::file;

/// Largest record that is read.
const RECORD_MAX_BYTES: u64 = 64 << 10;

/// The folder of this user's trust: `override_folder`, else `remit/trust` below `state_home` (`XDG_STATE_HOME`), else below
/// `~/.local/state` of `home`. Relative values of the environment are passed over, as its specification asks.
///
/// # Errors
/// `unavailable` when none of them says where.
pub fn trust_folder(override_folder: Option<&Path>, state_home: Option<&Path>, home: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = override_folder {
        return Ok(folder.to_owned());
    }
    let state = state_home.filter(|path| path.is_absolute()).map(Path::to_owned);
    let state = state.or_else(|| home.filter(|path| path.is_absolute()).map(|home| home.join(".local/state")));
    let state = state.ok_or_else(|| Error::unavailable("there is no folder to remember trust in").hint("set HOME or XDG_STATE_HOME"))?;
    Ok(state.join("remit/trust"))
}

/// This user's records of trust, one file for each project's place.
#[derive(Debug, Clone)]
pub struct TrustStore {
    folder: PathBuf,
}

impl TrustStore {
    /// The records in `folder`; see [`trust_folder`].
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Checks that this user trusts the project exactly as it is.
    ///
    /// # Errors
    /// `denied` when it was never trusted, changed since, or the record may be somebody else's; `invalid` or `host` when the record cannot
    /// be read. Whatever the error, the project is not trusted.
    pub fn check(&self, now: &Pins) -> Result<()> {
        match file::read_own(&self.record(&now.project), RECORD_MAX_BYTES)? {
            Some(bytes) => Trust::parse(&bytes)?.covers(now),
            None => Err(untrusted("is not trusted yet")),
        }
    }

    /// Whether the lock is what this user approved here, although `remit.toml` may have changed since. Whatever cannot be read says no.
    pub fn knows_lock(&self, now: &Pins) -> bool {
        let record = file::read_own(&self.record(&now.project), RECORD_MAX_BYTES);
        record.ok().flatten().and_then(|bytes| Trust::parse(&bytes).ok()).is_some_and(|trust| trust.knows_lock(now))
    }

    /// Trusts the project exactly as it is. Durable on return; the last of several writers wins, whole.
    ///
    /// # Errors
    /// `host` when it cannot be written, `denied` when the folder is not this user's own.
    pub fn trust(&self, now: &Pins) -> Result<()> {
        file::own_folder(&self.folder)?;
        file::write(&self.record(&now.project), &Trust::new(now.clone()).to_bytes()?, 0o600)
    }

    fn record(&self, project: &str) -> PathBuf {
        self.folder.join(format!("{}.json", Digest::of(project.as_bytes()).hex()))
    }
}
