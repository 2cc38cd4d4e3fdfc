//! Signed roots of the log: a checkpoint as C2SP's `tlog-checkpoint` writes it, in a `signed-note` with Ed25519 signatures.

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

use super::tree::{Hash, Tree};
use crate::{Error, Result, id::EpochId, limit::AUDIT_CHECKPOINT_MAX_BYTES, plugin::text::visible};

/// What the name of every log starts with; the epoch follows.
const ORIGIN: &str = "remit-audit/";
/// What a key of ours is called in its signatures.
const KEY_NAME: &str = "remit-audit";
/// Says that a key is for Ed25519.
const ED25519_KIND: u8 = 1;

/// What signs checkpoints. One signs for all projects of a user: which log it is, its epoch says.
pub struct Signer {
    pair: Ed25519KeyPair,
    key: PublicKey,
}

impl Signer {
    /// The key whose private half is `seed`, 32 random bytes.
    ///
    /// # Errors
    /// `host` when they are not as many.
    pub fn from_seed(seed: &[u8]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|error| Error::host("the key of the audit log is damaged", error))?;
        let bytes: [u8; 32] =
            pair.public_key().as_ref().try_into().map_err(|error| Error::host("the key of the audit log is damaged", error))?;
        Ok(Self { pair, key: PublicKey { name: KEY_NAME.to_owned(), bytes } })
    }

    /// Its public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// `checkpoint` with a signature.
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        let body = checkpoint.to_string();
        let mut signature = self.key.id().to_vec();
        signature.extend_from_slice(self.pair.sign(body.as_bytes()).as_ref());
        format!("{body}\n\u{2014} {} {}\n", self.key.name, BASE64_STANDARD.encode(signature))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key)
    }
}

/// A key that checkpoints are held against. As text it is C2SP's `vkey`: its name, its id and its bytes, with `+` between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    bytes: [u8; 32],
}

impl PublicKey {
    /// What tells it apart from others in a signature.
    fn id(&self) -> [u8; 4] {
        let whole: Hash =
            Sha256::new_with_prefix(&self.name).chain_update([b'\n', ED25519_KIND]).chain_update(self.bytes).finalize().into();
        let [a, b, c, d, ..] = whole;
        [a, b, c, d]
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [[ED25519_KIND].as_slice(), &self.bytes].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), BASE64_STANDARD.encode(bytes))
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    /// # Errors
    /// `invalid` when it is no such key, or its id is another one's.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!("`{}` is no key of an audit log", visible(text, 120)))
                .hint("print the one that is meant: remit audit key")
        };
        // Base64 may hold a `+`; a name and an id never do.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(bytes)) = (parts.next(), parts.next(), parts.next()) else { return Err(wrong()) };
        let decoded = BASE64_STANDARD.decode(bytes).map_err(|error| wrong().internal(error))?;
        let Some((&ED25519_KIND, bytes)) = decoded.split_first() else { return Err(wrong()) };
        let bytes: [u8; 32] = bytes.try_into().map_err(|error| wrong().internal(error))?;
        let key = Self { name: name.to_owned(), bytes };
        let same = format!("{:08x}", u32::from_be_bytes(key.id())) == id;
        if same && !name.is_empty() && !name.contains(char::is_whitespace) { Ok(key) } else { Err(wrong()) }
    }
}

/// How far a log went: that many records, with this root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The epoch that it was made in.
    pub epoch: EpochId,
    /// Records, from the beginning of the log.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The one of a log as it is.
    pub fn new(epoch: EpochId, tree: &Tree) -> Self {
        Self { epoch, size: tree.size(), root: tree.root() }
    }
}

impl fmt::Display for Checkpoint {
    /// What is signed: three lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{ORIGIN}{}\n{}\n{}", self.epoch, self.size, BASE64_STANDARD.encode(self.root))
    }
}

/// A checkpoint as it was read; nobody vouches for it before [`SignedCheckpoint::signed_by`].
#[derive(Debug, Clone)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    body: String,
    signatures: Vec<(String, Vec<u8>)>,
}

impl FromStr for SignedCheckpoint {
    type Err = Error;

    /// # Errors
    /// `invalid` when it is none; `limit` when it is too long.
    fn from_str(text: &str) -> Result<Self> {
        if text.len() as u64 > AUDIT_CHECKPOINT_MAX_BYTES {
            return Err(Error::limit(format!("a checkpoint has at most {AUDIT_CHECKPOINT_MAX_BYTES} bytes")));
        }
        parse(text)
            .ok_or_else(|| Error::invalid("this is no checkpoint of an audit log").hint("make one: remit audit export --checkpoint FILE"))
    }
}

fn parse(text: &str) -> Option<SignedCheckpoint> {
    let (body, signatures) = text.split_once("\n\n")?;
    let mut lines = body.lines();
    let epoch = lines.next()?.strip_prefix(ORIGIN)?.parse().ok()?;
    let size = lines.next()?.parse().ok()?;
    let root = BASE64_STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
    let checkpoint = Checkpoint { epoch, size, root };
    let body = format!("{body}\n");
    // One checkpoint has one spelling: no other line, no zero before the size.
    if body != checkpoint.to_string() {
        return None;
    }
    let signature = |line: &str| {
        let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        Some((name.to_owned(), BASE64_STANDARD.decode(signature).ok()?))
    };
    let signatures = signatures.lines().map(signature).collect::<Option<Vec<_>>>()?;
    Some(SignedCheckpoint { checkpoint, body, signatures })
}

impl SignedCheckpoint {
    /// Which of `keys` signed it.
    pub fn signed_by<'a>(&self, keys: &'a [PublicKey]) -> Option<&'a PublicKey> {
        keys.iter().find(|key| {
            self.signatures.iter().any(|(name, signature)| {
                let signature = signature.strip_prefix(&key.id()).filter(|_| *name == key.name);
                signature
                    .is_some_and(|signature| UnparsedPublicKey::new(&ED25519, key.bytes).verify(self.body.as_bytes(), signature).is_ok())
            })
        })
    }
}
