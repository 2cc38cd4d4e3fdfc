//! The secrets of a project: sealed, in a file of this user's outside of the project, beside the key that they are sealed with.
//!
//! Each value is sealed on its own with ChaCha20-Poly1305 (RFC 8439) under a random nonce. What it is bound to (project, name, principal,
//! destinations) is authenticated with it, so that nobody can bind it to something else without the key.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use remit_core::{
    Error, Kind, Result,
    clock::Timestamp,
    identity::Principal,
    limit::{SECRET_DESTINATIONS_MAX, SECRET_MAX_BYTES, SECRET_MIN_BYTES, SECRETS_FILE_MAX_BYTES, SECRETS_MAX},
    plugin::{Digest, text::visible},
    secret::{Destination, ExposeSecret as _, Found, SecretSource, SecretString, Wanted, check_name},
};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::{OpenProject, file};
use crate::secrets::EnvSecrets;

#[cfg(test)]
mod tests;

/// The version of the file.
const VERSION: u32 = 1;
/// Bytes of the key.
const KEY_BYTES: usize = 32;

/// The secrets of one project as this user keeps them; where one is not kept, the environment's.
#[derive(Debug, Clone)]
pub struct SecretStore {
    folder: PathBuf,
    /// The project's folder, as trust names it.
    place: String,
    /// The project's name.
    project: String,
    environment: EnvSecrets,
}

/// A secret that is kept, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptSecret {
    /// Its name.
    pub name: String,
    /// The principal whose own it is; none for the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// Where it may go.
    pub destinations: Vec<Destination>,
    /// When it was set.
    pub set: Timestamp,
    nonce: String,
    sealed: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    secrets: Vec<KeptSecret>,
}

/// What a secret is to be.
#[derive(Debug)]
pub struct NewSecret {
    /// Its name.
    pub name: String,
    /// The principal whose own it is; none for the project's.
    pub principal: Option<Principal>,
    /// Where it may go; 1 to [`SECRET_DESTINATIONS_MAX`].
    pub destinations: Vec<Destination>,
    /// [`SECRET_MIN_BYTES`] to [`SECRET_MAX_BYTES`] bytes.
    pub value: SecretString,
}

impl NewSecret {
    /// Checks its bounds.
    ///
    /// # Errors
    /// `invalid` or `limit`, saying which one it breaks; never with the value.
    pub fn check(&self) -> Result<()> {
        let (shown, bytes) = (visible(&self.name, 64), self.value.expose_secret().len());
        check_name(&self.name)?;
        if bytes < SECRET_MIN_BYTES {
            return Err(Error::invalid(format!(
                "the value of `{shown}` has {bytes} bytes; one of less than {SECRET_MIN_BYTES} could not be masked"
            )));
        }
        if bytes > SECRET_MAX_BYTES {
            return Err(Error::limit(format!("the value of `{shown}` has more than {SECRET_MAX_BYTES} bytes")));
        }
        if self.value.expose_secret().contains('\0') {
            return Err(Error::invalid(format!("the value of `{shown}` holds a zero byte")));
        }
        if self.destinations.is_empty() || self.destinations.len() > SECRET_DESTINATIONS_MAX {
            return Err(Error::invalid(format!("a secret is bound to 1 to {SECRET_DESTINATIONS_MAX} destinations"))
                .hint(format!("remit secret set {shown} --for https://api.example.com")));
        }
        Ok(())
    }
}

impl SecretStore {
    /// Those of `project`, kept in `folder`; `environment` stands in for what is not kept.
    pub fn new(folder: PathBuf, project: &OpenProject, environment: EnvSecrets) -> Self {
        Self { folder, place: project.pins.project.clone(), project: project.project.name.clone(), environment }
    }

    /// Keeps a secret; returns whether it took an earlier one's place. Of two processes that do so at once, one does it after the other.
    /// Durable on return.
    ///
    /// # Errors
    /// `invalid` or `limit` when name, value or destinations are out of bounds, `limit` when there are [`SECRETS_MAX`]; `unavailable` when
    /// the key is gone that others are sealed with; `host` when the file cannot be read or written, `denied` when somebody else may have
    /// written it.
    pub fn set(&self, new: &NewSecret, now: Timestamp) -> Result<bool> {
        new.check()?;
        file::own_folder(&self.folder)?;
        let _lock = file::lock(&self.folder.join("lock"))?;
        let mut secrets = self.list()?;
        let before = secrets.len();
        secrets.retain(|kept| !(kept.name == new.name && kept.principal == new.principal));
        if secrets.len() >= SECRETS_MAX {
            return Err(Error::limit(format!("the project has {SECRETS_MAX} secrets already")).hint("remit secret remove NAME"));
        }
        let replaced = secrets.len() < before;
        let key = self.key_or_new()?;
        secrets.push(self.seal(&key, new, now)?);
        secrets.sort_by_key(|kept| (kept.name.clone(), kept.principal.as_ref().map(ToString::to_string)));
        self.write(secrets)?;
        Ok(replaced)
    }

    /// Forgets a secret, whether it can be opened or not; whether it was kept. Durable on return.
    ///
    /// # Errors
    /// `host` when the file cannot be read or written, `denied` when somebody else may have written it.
    pub fn remove(&self, name: &str, principal: Option<&Principal>) -> Result<bool> {
        file::own_folder(&self.folder)?;
        let _lock = file::lock(&self.folder.join("lock"))?;
        let mut secrets = self.list()?;
        let before = secrets.len();
        secrets.retain(|kept| !(kept.name == name && kept.principal.as_ref() == principal));
        let removed = secrets.len() < before;
        if removed {
            self.write(secrets)?;
        }
        Ok(removed)
    }

    /// What is kept, by name; the project's own before those of principals.
    ///
    /// # Errors
    /// `host` when the file is damaged or cannot be read, `denied` when somebody else may have written it.
    pub fn list(&self) -> Result<Vec<KeptSecret>> {
        let path = self.path();
        let Some(bytes) = file::read_own(&path, SECRETS_FILE_MAX_BYTES as u64)? else { return Ok(Vec::new()) };
        let damaged = |why: String| {
            let error = Error::new(Kind::Host, "the file of this project's secrets is damaged, so none of them is used").internal(why);
            error.hint(format!("remove `{}`, and set them again: remit secret set NAME", path.display()))
        };
        let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        match kept.version == VERSION && bytes.len() <= SECRETS_FILE_MAX_BYTES {
            true => Ok(kept.secrets),
            false => Err(damaged(format!("version {}, {} bytes", kept.version, bytes.len()))),
        }
    }

    /// The value of `name`, if it may go to all that `destination` says, for `principal`; for anybody of the project, when none is named.
    /// The first that is set decides: the principal's own, the project's, the environment's, which may go anywhere.
    ///
    /// # Errors
    /// Those of [`SecretStore::list`]; `unavailable` when it cannot be opened.
    pub fn look(&self, name: &str, principal: Option<&Principal>, destination: &Destination) -> Result<Found> {
        self.find(name, principal, |bound| bound.covers(destination))
    }

    /// Checks that a secret can be opened.
    ///
    /// # Errors
    /// `unavailable` when it cannot be.
    pub fn opens(&self, kept: &KeptSecret) -> Result<()> {
        self.open(kept).map(drop)
    }

    fn find(&self, name: &str, principal: Option<&Principal>, fits: impl Fn(&Destination) -> bool) -> Result<Found> {
        let mut set: Vec<KeptSecret> = self.list()?.into_iter().filter(|kept| kept.name == name).collect();
        if let Some(principal) = principal {
            let own = set.iter().any(|kept| kept.principal.as_ref() == Some(principal));
            set.retain(|kept| kept.principal.as_ref() == own.then_some(principal));
        }
        if set.is_empty() {
            return Ok(self.environment.get(name).map_or(Found::Unset, |value| Found::Value(value.clone())));
        }
        match set.iter().find(|kept| kept.destinations.iter().any(&fits)) {
            Some(kept) => self.open(kept).map(Found::Value),
            None => Ok(Found::Elsewhere),
        }
    }

    fn seal(&self, key: &LessSafeKey, new: &NewSecret, set: Timestamp) -> Result<KeptSecret> {
        let NewSecret { name, principal, destinations, value } = new;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| Error::host("the machine gives no randomness", error))?;
        let bound = self.bound(name, principal.as_ref(), destinations)?;
        let value = value.expose_secret().as_bytes();
        // As large as it will be, so that it is not moved while it is not sealed.
        let mut sealed = Zeroizing::new(Vec::with_capacity(value.len() + CHACHA20_POLY1305.tag_len()));
        sealed.extend_from_slice(value);
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut *sealed)
            .map_err(|error| Error::host("the secret could not be sealed", error))?;
        Ok(KeptSecret {
            name: name.clone(),
            principal: principal.clone(),
            destinations: destinations.clone(),
            set,
            nonce: STANDARD.encode(nonce),
            sealed: STANDARD.encode(&*sealed),
        })
    }

    fn open(&self, kept: &KeptSecret) -> Result<SecretString> {
        let KeptSecret { name, principal, destinations, .. } = kept;
        let for_whom = principal.as_ref().map(|principal| format!(" --user {principal}")).unwrap_or_default();
        let failed = |why: &dyn std::fmt::Display| {
            Error::unavailable(format!("the secret `{name}` cannot be opened: it was set with another key, or its file was changed"))
                .internal(why)
                .hint(format!("remit secret set {name}{for_whom}"))
        };
        let key = self.key()?.ok_or_else(|| self.lost())?;
        let nonce = STANDARD.decode(&kept.nonce).map_err(|error| failed(&error))?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|error| failed(&error))?;
        let mut sealed = Zeroizing::new(STANDARD.decode(&kept.sealed).map_err(|error| failed(&error))?);
        let bound = self.bound(name, principal.as_ref(), destinations)?;
        let value = key.open_in_place(nonce, Aad::from(bound), &mut sealed).map_err(|error| failed(&error))?;
        Ok(SecretString::from(std::str::from_utf8(value).map_err(|error| failed(&error))?))
    }

    /// What a value is bound to, in one way of writing it.
    fn bound(&self, name: &str, principal: Option<&Principal>, destinations: &[Destination]) -> Result<Vec<u8>> {
        serde_json::to_vec(&("remit secret", VERSION, &self.place, &self.project, name, principal, destinations))
            .map_err(|error| Error::host("a secret's bounds cannot be written", error))
    }

    fn key(&self) -> Result<Option<LessSafeKey>> {
        let path = self.key_path();
        let Some(bytes) = file::read_own(&path, KEY_BYTES as u64)?.map(Zeroizing::new) else { return Ok(None) };
        let damaged = |why: &dyn std::fmt::Display| {
            Error::unavailable(format!("the key of the secrets, `{}`, is damaged, so none of them is used", path.display()))
                .internal(why)
                .hint(self.anew())
        };
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|error| damaged(&error))?;
        Ok(Some(LessSafeKey::new(key)))
    }

    /// The key; a new one when nothing is sealed yet. Whoever calls holds the lock.
    fn key_or_new(&self) -> Result<LessSafeKey> {
        if let Some(key) = self.key()? {
            return Ok(key);
        }
        if file::names(&self.folder)?.iter().any(|name| name.ends_with(".json")) {
            return Err(self.lost());
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|error| Error::host("the machine gives no randomness", error))?;
        file::write(&self.key_path(), &*bytes, 0o600)?;
        self.key()?.ok_or_else(|| self.lost())
    }

    fn lost(&self) -> Error {
        Error::unavailable(format!("the key of the secrets, `{}`, is not there, so none of them can be opened", self.key_path().display()))
            .hint(self.anew())
    }

    fn anew(&self) -> String {
        format!("put it back, or remove `{}` and set every secret again", self.folder.display())
    }

    fn write(&self, secrets: Vec<KeptSecret>) -> Result<()> {
        if secrets.is_empty() {
            file::remove(&self.path())?;
            return file::sync(&self.folder);
        }
        let text = serde_json::to_vec_pretty(&Kept { version: VERSION, secrets });
        let text = text.map_err(|error| Error::host("the secrets cannot be written", error))?;
        if text.len() > SECRETS_FILE_MAX_BYTES {
            return Err(Error::limit("the project's secrets are too large together").hint("remit secret remove NAME"));
        }
        file::write(&self.path(), &text, 0o600)
    }

    fn path(&self) -> PathBuf {
        let place = Digest::of(format!("{}\0{}", self.place, self.project).as_bytes());
        self.folder.join(format!("{}.json", place.hex()))
    }

    fn key_path(&self) -> PathBuf {
        self.folder.join("key")
    }
}

impl SecretSource for SecretStore {
    fn secret(&self, wanted: &Wanted<'_>) -> Result<Found> {
        match wanted.project == self.project {
            true => self.find(wanted.name, Some(wanted.principal), |bound| bound.admits(wanted.place)),
            false => Ok(Found::Unset),
        }
    }
}

/// The folder of this user's secrets, beside that of trust.
pub fn secrets_folder(trust: &Path) -> PathBuf {
    trust.with_file_name("secrets")
}
