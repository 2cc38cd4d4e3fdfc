//! Keys that sign approvals, in the files of `minisign`: made, opened with their password, used.
#![allow(clippy::disallowed_methods, reason = "the file of a signing key, which the user names, is written here")]

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};
use remit_core::{
    Error, Kind,
    limit::SIGNING_KEY_MAX_BYTES,
    plugin::{
        PluginName,
        lock::{Approval, LockedPlugin},
        signature::{Signer, statement, subject},
    },
    project::Project,
};

use crate::{commands::hidden, opened::read_named_text, output};

const THE_FILE: &str = "name the file that `remit key signing`, or `minisign -G`, wrote";

/// A secret key, ready to sign.
pub struct Signing(SecretKey);

impl Signing {
    /// Opens the secret key in the file at `path`, with its password where it has one, which the person at the terminal is asked for.
    ///
    /// # Errors
    /// `invalid` when it is no such key, or nobody can be asked; `denied` when the password is wrong, or `project` does not name the key.
    pub fn open(path: &Path, project: &Project) -> anyhow::Result<Self> {
        let shown = path.display();
        let read = read_named_text("key", path, SIGNING_KEY_MAX_BYTES);
        let text = read.map_err(|error| match error.kind {
            Kind::NotFound => error.hint(format!("make one: remit key signing {shown}")),
            _ => error.hint(THE_FILE),
        })?;
        let no_key =
            |cause: String| Error::invalid(format!("`{shown}` is no secret key of minisign: {}", cause.to_lowercase())).hint(THE_FILE);
        let encoded = text.lines().nth(1).ok_or_else(|| no_key("it has no second line".to_owned()))?;
        let bytes = STANDARD.decode(encoded.trim()).map_err(|error| no_key(error.to_string()))?;
        let locked = SecretKey::from_bytes(&bytes).map_err(|error| no_key(error.to_string()))?;
        let boxed = SecretKeyBox::from_string(&text).map_err(|error| no_key(error.to_string()))?;
        let key = match locked.is_encrypted() {
            false => boxed.into_unencrypted_secret_key().map_err(|error| no_key(error.to_string()))?,
            true => {
                let password = password(&format!("Password of `{shown}`"), false)?;
                boxed.into_secret_key(Some(password)).map_err(|error| Error::denied(format!("`{shown}` stays closed: {error}")))?
            }
        };
        let own: Signer = PublicKey::from_secret_key(&key)?.to_base64().parse()?;
        match project.signers.contains(&own) {
            true => Ok(Self(key)),
            false => Err(Error::denied(format!("`{shown}` is no key of a signer of this project"))
                .hint(format!("its public key belongs in `remit.toml`, below `[review]`: signers = [\"{own}\"]"))
                .into()),
        }
    }

    /// Signs `approval` of `locked`.
    ///
    /// # Errors
    /// `host` when the machine gives no random numbers.
    pub fn sign(&self, project: &Project, name: &PluginName, locked: &LockedPlugin, approval: &Approval) -> anyhow::Result<String> {
        let text = statement(&project.name, name, locked, approval)?;
        let about = subject(&project.name, name, locked)?;
        let signed = minisign::sign(None, &self.0, text.as_bytes(), Some(&about), Some("signature of an approval in remit.lock"))?;
        Ok(signed.into_string())
    }
}

/// Makes a key at `path`, which must be new, and returns its public part. Its password is asked for unless it has none.
///
/// # Errors
/// `conflict` when there is something at `path`; `invalid` when nobody can be asked; `host` when it cannot be written.
pub fn make(path: &Path, with_password: bool) -> anyhow::Result<String> {
    if path.exists() {
        let error = Error::new(remit_core::Kind::Conflict, format!("there is something at `{}` already", path.display()));
        return Err(error.hint("name a file that does not exist").into());
    }
    let pair = match with_password {
        true => KeyPair::generate_encrypted_keypair(Some(password("Password for the new key", true)?))?,
        false => KeyPair::generate_unencrypted_keypair()?,
    };
    let text = pair.sk.to_box(Some("minisign secret key that signs approvals of remit"))?.into_string();
    let written = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = written.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| Error::host(format!("`{}` could not be written: {error}", path.display()), &error))?;
    Ok(pair.pk.to_base64())
}

/// Asks for a password, twice for a new one.
fn password(question: &str, new: bool) -> anyhow::Result<String> {
    if !output::interactive() {
        return Err(Error::invalid("nobody can be asked for the password of the key here")
            .hint("run it at a terminal, or use a key without a password: remit key signing FILE --no-password")
            .into());
    }
    let asked = inquire::Password::new(question);
    let given = hidden(if new { asked } else { asked.without_confirmation() })?;
    given.ok_or_else(|| Error::invalid("no password was given").hint("run it again, and type the password of the key").into())
}
