//! The keys of a project: a file for each in its state folder, which several processes use at once.
//!
//! A key is there while its file is: taking it back removes the file, and whoever looks next sees that. When it was used last is the
//! file's own time, so that noting it can never bring back a key that was just taken back.

use std::{
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use remit_core::{
    Error, Kind, Result,
    clock::Timestamp,
    grant::ToolPattern,
    id::KeyId,
    identity::{
        Principal,
        key::{KeptKey, Key},
    },
    limit::{KEY_LABEL_MAX_CHARS, KEY_MAX_MS, KEY_TOOLS_MAX, KEY_USED_MS, KEYS_MAX},
    plugin::text::visible,
};

use super::file;

/// Largest file of a key.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// The bytes of a file of public keys that this user alone can have written.
///
/// # Errors
/// `unavailable` when it is not there; `denied` when somebody else could have written it; `limit` when it has more than `max_bytes`.
pub fn public_keys(path: &Path, max_bytes: usize) -> Result<Vec<u8>> {
    let shown = visible(&path.to_string_lossy(), 128);
    let bytes = file::read_own(path, max_bytes as u64)?.ok_or_else(|| Error::unavailable(format!("`{shown}` is not there")))?;
    match bytes.len() > max_bytes {
        true => Err(Error::limit(format!("`{shown}` has more than {max_bytes} bytes"))),
        false => Ok(bytes),
    }
}

/// Where they are.
#[derive(Debug, Clone)]
pub struct Keys {
    folder: PathBuf,
}

/// What a key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What it is for, at most [`KEY_LABEL_MAX_CHARS`] characters.
    pub label: String,
    /// As whom its holder acts.
    pub principal: Principal,
    /// What it is narrowed to; at most [`KEY_TOOLS_MAX`] patterns.
    pub tools: Option<Vec<ToolPattern>>,
    /// How long it holds, in milliseconds; at most [`KEY_MAX_MS`].
    pub lifetime_ms: u64,
}

impl Keys {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// A new key, and what will be kept of it. Nothing is kept yet: [`Keys::keep`] does that.
    ///
    /// # Errors
    /// `invalid` when the label, the lifetime or the tools are out of bounds; `host` when the machine gives no randomness.
    pub fn make(&self, new: NewKey, now: Timestamp) -> Result<(Key, KeptKey)> {
        if new.label.chars().count() > KEY_LABEL_MAX_CHARS || visible(&new.label, usize::MAX) != new.label {
            return Err(Error::invalid(format!("a label has at most {KEY_LABEL_MAX_CHARS} characters, all of them visible")));
        }
        if new.lifetime_ms == 0 || new.lifetime_ms > KEY_MAX_MS {
            return Err(Error::invalid("a key holds for at most 365 days").hint("write --expires 90d"));
        }
        if new.tools.as_ref().is_some_and(|tools| tools.is_empty() || tools.len() > KEY_TOOLS_MAX) {
            return Err(Error::invalid(format!("a key is narrowed to at most {KEY_TOOLS_MAX} patterns of tools")));
        }
        let mut random = [0; 48];
        getrandom::fill(&mut random).map_err(|error| Error::host("the machine gives no randomness", error))?;
        let (mut of_id, mut secret) = ([0; 16], [0; 32]);
        of_id.copy_from_slice(random.split_at(16).0);
        secret.copy_from_slice(random.split_at(16).1);
        let key = Key::new(KeyId::new(now, u128::from_le_bytes(of_id)), secret);
        let kept = KeptKey {
            id: key.id(),
            label: new.label,
            principal: new.principal,
            tools: new.tools,
            digest: key.digest(),
            created: now,
            expires: Timestamp(now.0.saturating_add(new.lifetime_ms)),
        };
        Ok((key, kept))
    }

    /// Keeps a key: from now on its holder is let in. Durable on return.
    ///
    /// # Errors
    /// `limit` when there are [`KEYS_MAX`] already; `host` when it cannot be written.
    pub fn keep(&self, key: &KeptKey) -> Result<()> {
        if self.names()?.len() >= KEYS_MAX {
            return Err(Error::limit(format!("the project has {KEYS_MAX} keys already")).hint("remit key revoke KEY"));
        }
        let text = serde_json::to_vec(key).map_err(|error| Error::host("the key cannot be written", error))?;
        let path = self.path(key.id);
        file::write(&path, &text, 0o600)?;
        file::set_time(&path, UNIX_EPOCH)
    }

    /// The key `id`.
    ///
    /// # Errors
    /// `denied` when its file may have been written by somebody else; `host` when it is damaged or cannot be read.
    pub fn get(&self, id: KeyId) -> Result<Option<KeptKey>> {
        let Some(bytes) = file::read_own(&self.path(id), FILE_MAX_BYTES)? else { return Ok(None) };
        let damaged = |why: String| Error::new(Kind::Host, format!("what is kept of `{id}` is damaged")).internal(why).hint("revoke it");
        let kept: KeptKey = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        match kept.id == id {
            true => Ok(Some(kept)),
            false => Err(damaged(format!("it says that it is {}", kept.id))),
        }
    }

    /// The key that `shown` is, when it is one of the project's and holds at `now`.
    ///
    /// # Errors
    /// Those of [`Keys::get`].
    pub fn admit(&self, shown: &Key, now: Timestamp) -> Result<Option<KeptKey>> {
        Ok(self.get(shown.id())?.filter(|kept| kept.is(shown) && kept.holds(now)))
    }

    /// Whether the key `id` was not taken back. Cheap: it is asked while requests run.
    pub fn has(&self, id: KeyId) -> bool {
        file::is_regular(&self.path(id))
    }

    /// Whether a key holds at `now`.
    ///
    /// # Errors
    /// Those of [`Keys::list`].
    pub fn any(&self, now: Timestamp) -> Result<bool> {
        Ok(self.list()?.iter().any(|(key, _)| key.holds(now)))
    }

    /// Every key, the oldest first, with the time of its last use, to a minute.
    ///
    /// # Errors
    /// Those of [`Keys::get`]; `host` when the folder cannot be listed.
    pub fn list(&self) -> Result<Vec<(KeptKey, Option<Timestamp>)>> {
        let mut keys = Vec::new();
        for id in self.names()? {
            // One that was taken back meanwhile is gone.
            keys.extend(self.get(id)?.map(|key| (key, self.used(id))));
        }
        keys.sort_by_key(|(key, _)| key.id);
        Ok(keys)
    }

    /// Takes a key back, whatever state its file is in; whether it was there. Durable on return.
    ///
    /// # Errors
    /// `host` when its file cannot be removed.
    pub fn revoke(&self, id: KeyId) -> Result<bool> {
        let there = self.has(id);
        file::remove(&self.path(id))?;
        file::sync(&self.folder)?;
        Ok(there)
    }

    /// Notes that the key `id` was used at `now`.
    ///
    /// # Errors
    /// `host` when it cannot be noted.
    pub fn note_use(&self, id: KeyId, now: Timestamp) -> Result<()> {
        let recent = self.used(id).is_some_and(|last| now.0.saturating_sub(last.0) < KEY_USED_MS);
        match recent {
            true => Ok(()),
            false => file::set_time(&self.path(id), UNIX_EPOCH + Duration::from_millis(now.0)),
        }
    }

    fn used(&self, id: KeyId) -> Option<Timestamp> {
        let since = file::time(&self.path(id))?.duration_since(UNIX_EPOCH).ok()?;
        let ms = u64::try_from(since.as_millis()).ok()?;
        (ms > 0).then_some(Timestamp(ms))
    }

    fn names(&self) -> Result<Vec<KeyId>> {
        Ok(file::names(&self.folder)?.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
    }

    fn path(&self, id: KeyId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}
