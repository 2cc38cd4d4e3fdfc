//! Signatures on approvals: whose count, what is signed, and whether one holds.

use std::{fmt, str::FromStr};

use minisign_verify::{PublicKey, Signature};

use super::{
    PluginName,
    lock::{Approval, LockedPlugin, not_loaded},
    text::visible,
};
use crate::{Error, Result, project::Project};

/// A key whose signatures on approvals count: a minisign public key, one line of Base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    written: String,
    key: PublicKey,
}

impl FromStr for Signer {
    type Err = Error;

    /// # Errors
    /// `invalid` unless it is a minisign public key.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: String| {
            Error::invalid(format!("`{}` is no public key: {}", visible(text, 96), why.to_lowercase()))
                .hint("write what `remit key signing` showed, or the second line of minisign's file `.pub`: it begins with `RW`")
        };
        let key = PublicKey::from_base64(text).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { written: text.to_owned(), key })
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// What a signature of `approval` is over: which project and plugin, the digest of all that is approved, and who did it, when and where.
///
/// # Errors
/// `host`; only when memory is exhausted.
pub fn statement(project: &str, plugin: &PluginName, locked: &LockedPlugin, approval: &Approval) -> Result<String> {
    let Approval { by, via, at, .. } = approval;
    let subject = subject(project, plugin, locked)?;
    Ok(format!("remit approval 1\n{subject}\nby {by}\nvia {}\nat {at}\n", visible(via, 64)))
}

/// The trusted comment of such a signature, so that its reader sees what it is about.
///
/// # Errors
/// `host`; only when memory is exhausted.
pub fn subject(project: &str, plugin: &PluginName, locked: &LockedPlugin) -> Result<String> {
    Ok(format!("project {project} plugin {plugin} entry {}", locked.entry_digest()?))
}

impl LockedPlugin {
    /// Checks that its latest approval is signed by a key of `[review] signers`, when `project` names any.
    ///
    /// # Errors
    /// `unavailable`, saying what is wrong with the signature.
    pub fn check_signed(&self, project: &Project, name: &PluginName) -> Result<()> {
        if project.signers.is_empty() {
            return Ok(());
        }
        let refuse = |why: &str| not_loaded(name, why).hint("once it is reviewed: remit review --sign KEYFILE");
        let signed = self.approvals.last().and_then(|approval| Some((approval, approval.signature.as_ref()?)));
        let (approval, text) = signed.ok_or_else(|| refuse("its approval is not signed, and `[review]` in `remit.toml` wants that"))?;
        let signature = Signature::decode(text).map_err(|error| refuse("the signature of its approval cannot be read").internal(error))?;
        let statement = statement(&project.name, name, self, approval)?;
        let mut failure = None;
        for signer in &project.signers {
            match signer.key.verify(statement.as_bytes(), &signature, false) {
                Ok(()) => return Ok(()),
                Err(minisign_verify::Error::UnexpectedKeyId) => {}
                Err(error) => failure = Some(error),
            }
        }
        let Some(error) = failure else {
            return Err(refuse("its approval is signed by a key that `[review]` in `remit.toml` does not name"));
        };
        let of = signature.trusted_comment();
        let what = match of == subject(&project.name, name, self)? {
            true => "its approval was changed after it was signed".to_owned(),
            false => format!("its signature is of something else: `{}`", visible(of, 200)),
        };
        Err(refuse(&what).internal(error))
    }
}
