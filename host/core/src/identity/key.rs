//! Keys of a project: what a client shows to be let in over HTTP, and what the project keeps of it.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::Principal;
use crate::{clock::Timestamp, grant::ToolPattern, id::KeyId, plugin::Digest};

/// A key as its holder has it: `remit_`, the 26 characters of its id, `_`, 256 random bits and a checksum of 32 bits, both in
/// hexadecimal. By prefix and checksum, scanners for secrets know it without asking anybody. It is shown once, when it is made.
pub struct Key {
    id: KeyId,
    text: String,
}

impl Key {
    /// What every key starts with.
    pub const PREFIX: &'static str = "remit_";
    const SECRET_DIGITS: usize = 64;
    const CHECK_DIGITS: usize = 8;

    /// The key `id` with a secret out of `random`.
    pub fn new(id: KeyId, random: [u8; 32]) -> Self {
        let secret: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let id_text = id.to_string();
        let body = format!("{}{}_{secret}", Self::PREFIX, id_text.strip_prefix(KeyId::PREFIX).unwrap_or(&id_text));
        let text = format!("{body}{}", checksum(&body));
        Self { id, text }
    }

    /// The key that `text` is. What was mistyped or made up is none, which is found out without looking anything up.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(Self::PREFIX)?.split_once('_')?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if secret.len() != Self::SECRET_DIGITS + Self::CHECK_DIGITS || !secret.bytes().all(is_digit) {
            return None;
        }
        let (body, check) = text.split_at_checked(text.len() - Self::CHECK_DIGITS)?;
        let parsed: KeyId = format!("{}{id}", KeyId::PREFIX).parse().ok()?;
        // One key has one spelling.
        let same = parsed.to_string().strip_prefix(KeyId::PREFIX) == Some(id);
        (same && check == checksum(body)).then(|| Self { id: parsed, text: text.to_owned() })
    }

    /// Which one it is: no secret.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key itself, to be shown to its holder and to nobody else.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What is kept of it. One SHA-256 is enough: a slow hash is for secrets that can be guessed, and nobody guesses 256 random bits.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

fn checksum(body: &str) -> String {
    let digits = Digest::of(body.as_bytes()).hex();
    digits.get(..Key::CHECK_DIGITS).unwrap_or(&digits).to_owned()
}

/// What a project keeps of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptKey {
    /// Which one.
    pub id: KeyId,
    /// What it is for, in the words of who made it.
    pub label: String,
    /// As whom its holder acts.
    pub principal: Principal,
    /// What it is narrowed to, within the role of its principal; all that the role allows where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ToolPattern>>,
    /// The digest of the whole key.
    pub digest: Digest,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is refused.
    pub expires: Timestamp,
}

impl KeptKey {
    /// Whether `key` is this one. How long it takes says nothing of how much of it is right.
    pub fn is(&self, key: &Key) -> bool {
        let (own, shown) = (self.digest.hex(), key.digest().hex());
        self.id == key.id && own.as_bytes().ct_eq(shown.as_bytes()).into()
    }

    /// Whether it holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.expires
    }
}
