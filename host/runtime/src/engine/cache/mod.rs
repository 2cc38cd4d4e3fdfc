//! Compiled code on disk, authenticated before it is loaded.
//!
//! An entry is `<component's digest>-<engine's configuration>.cwasm`: an HMAC-SHA256 of 32 bytes, then the artefact. The code covers
//! digest, configuration and artefact under a random key of this user's (`key`, beside the entries), so that an entry that was
//! edited, cut off, renamed or made with another key is refused before a byte of it is run (A21). Whoever can read the key can make
//! entries: the folder is as private as the user's account, and not more.

mod folder;
#[cfg(test)]
mod tests;

use std::path::Path;

use hmac::{Hmac, Mac as _};
use remit_core::{Error, Result, plugin::Digest};
use sha2::Sha256;

use self::folder::Folder;
use super::artefact::{Artefact, Configuration};

type Code = Hmac<Sha256>;

const KEY_FILE: &str = "key";
/// A whole block of the hash, the longest key that HMAC takes as it is.
const KEY_BYTES: usize = 64;
const CODE_BYTES: usize = 32;
const ENTRY_SUFFIX: &str = ".cwasm";
const TEMPORARY_PREFIX: &str = "new-";
/// Age, in seconds, after which a file that was never finished is removed.
const TEMPORARY_MAX_AGE_S: i64 = 3600;
/// What the code is for, so that the key can never be made to vouch for anything else.
const PURPOSE: &[u8] = b"remit compiled code 1\0";

/// Compiled code of one user, shared by all of that user's processes.
pub(super) struct Cache {
    folder: Folder,
    key: [u8; KEY_BYTES],
    max_bytes: u64,
}

impl Cache {
    /// Opens the cache in `path`, made if it is not there.
    ///
    /// # Errors
    /// `unavailable` when the folder cannot be used; `denied` when someone else could have written to it.
    pub(super) fn open(path: &Path, max_bytes: u64) -> Result<Self> {
        let folder = Folder::open(path)?;
        let key = key(&folder)?;
        Ok(Self { folder, key, max_bytes })
    }

    /// The compiled code of the component `digest` for `configuration`. An entry that is not what it says is removed, and `None`.
    ///
    /// # Errors
    /// `host` when the entry cannot be read or removed.
    pub(super) fn get(&self, digest: &Digest, configuration: Configuration) -> Result<Option<Artefact>> {
        let name = entry_name(digest, configuration);
        let refusal = match self.folder.read(&name, self.max_bytes) {
            Ok(None) => return Ok(None),
            Ok(Some(bytes)) => match self.authenticate(digest, configuration, bytes) {
                Some(artefact) => {
                    self.folder.touch(&name)?;
                    return Ok(Some(artefact));
                }
                None => "it was not made by this host, or was altered since".to_owned(),
            },
            Err(error) if error.kind == remit_core::Kind::Host => return Err(error),
            Err(error) => error.message,
        };
        tracing::warn!(entry = name, reason = refusal, "compiled code refused and removed");
        self.folder.remove(&name)?;
        Ok(None)
    }

    /// Keeps `artefact`, then removes what was used longest ago until the rest is within the bound.
    ///
    /// # Errors
    /// `host` when it cannot be written.
    pub(super) fn put(&self, digest: &Digest, configuration: Configuration, artefact: &Artefact) -> Result<()> {
        let name = entry_name(digest, configuration);
        let temporary = temporary_name()?;
        let code = self.code(digest, configuration, artefact.bytes()).finalize().into_bytes();
        self.folder.create(&temporary, &[&code, artefact.bytes()])?;
        self.folder.rename(&temporary, &name)?;
        self.evict(&name)
    }

    /// The artefact in `bytes`, the whole of an entry, if its code is right.
    fn authenticate(&self, digest: &Digest, configuration: Configuration, mut bytes: Vec<u8>) -> Option<Artefact> {
        let (code, artefact) = bytes.split_at_checked(CODE_BYTES)?;
        self.code(digest, configuration, artefact).verify_slice(code).ok()?;
        bytes.drain(..CODE_BYTES);
        Some(Artefact::authenticated(bytes))
    }

    fn code(&self, digest: &Digest, configuration: Configuration, artefact: &[u8]) -> Code {
        let mut code = <Code as hmac::digest::KeyInit>::new(&self.key.into());
        code.update(PURPOSE);
        code.update(digest.to_string().as_bytes());
        code.update(&configuration.0);
        code.update(artefact);
        code
    }

    fn evict(&self, kept: &str) -> Result<()> {
        let mut files = self.folder.list()?;
        files.sort_unstable_by_key(|file| file.used);
        let newest = files.last().map_or(0, |file| file.used.0);
        let mut total: u64 = files.iter().map(|file| file.bytes).sum();
        for file in &files {
            let abandoned = file.name.starts_with(TEMPORARY_PREFIX) && newest.saturating_sub(file.used.0) > TEMPORARY_MAX_AGE_S;
            let oldest = total > self.max_bytes && file.name.ends_with(ENTRY_SUFFIX) && file.name != kept;
            if abandoned || oldest {
                self.folder.remove(&file.name)?;
                total = total.saturating_sub(file.bytes);
            }
        }
        Ok(())
    }
}

/// The user's key; the first process makes it. It appears under its name whole or not at all, and never a second time.
fn key(folder: &Folder) -> Result<[u8; KEY_BYTES]> {
    if let Some(key) = read_key(folder)? {
        return Ok(key);
    }
    let mut fresh = [0; KEY_BYTES];
    random(&mut fresh)?;
    let temporary = temporary_name()?;
    folder.create(&temporary, &[&fresh])?;
    let linked = folder.link(&temporary, KEY_FILE);
    folder.remove(&temporary)?;
    if linked? {
        return Ok(fresh);
    }
    read_key(folder)?.ok_or_else(|| Error::unavailable("the key of the compiled code was removed while it was made"))
}

fn read_key(folder: &Folder) -> Result<Option<[u8; KEY_BYTES]>> {
    let Some(bytes) = folder.read(KEY_FILE, KEY_BYTES as u64)? else { return Ok(None) };
    let key = bytes.try_into().map_err(|bytes: Vec<u8>| {
        Error::unavailable(format!("the key of the compiled code has {} bytes instead of {KEY_BYTES}", bytes.len()))
            .hint("remove the folder of compiled code; it is made anew")
    })?;
    Ok(Some(key))
}

fn entry_name(digest: &Digest, configuration: Configuration) -> String {
    format!("{}-{}{ENTRY_SUFFIX}", digest.hex(), configuration.hex())
}

fn temporary_name() -> Result<String> {
    let mut bytes = [0; 16];
    random(&mut bytes)?;
    Ok(format!("{TEMPORARY_PREFIX}{:032x}", u128::from_ne_bytes(bytes)))
}

fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| Error::host("the machine gives no random bytes", error))
}
