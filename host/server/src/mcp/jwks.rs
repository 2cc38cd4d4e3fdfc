//! The public keys of an authorization server: fetched when they are needed, kept for a while, and never asked for more often than
//! that, whatever tokens name (M14).

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::body::Bytes;
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use remit_core::{
    Error, Result,
    clock::Timestamp,
    limit::{JWKS_DEADLINE_MS, JWKS_KEYS_MAX, JWKS_MAX_BYTES, JWKS_PAUSE_MS, JWKS_STALE_MAX_MS, JWKS_TTL_MS},
    project::{Jwks, Signature},
};
use remit_runtime::{
    capability::http::{Destination, Gateway},
    project::public_keys,
};
use tokio::sync::Mutex;
use url::Url;

/// Where public keys come from, and those that are known.
pub(super) struct KeySource {
    place: Jwks,
    gateway: Gateway,
    known: RwLock<Option<Arc<Known>>>,
    /// When it was asked last; held while it is.
    asked: Mutex<Option<Timestamp>>,
}

struct Known {
    keys: Vec<PublicKey>,
    at: Timestamp,
}

/// A key with the one kind of signature that it is for: a token cannot have it taken for another.
pub(super) struct PublicKey {
    kid: Option<String>,
    signature: Signature,
    key: DecodingKey,
}

/// Why there is no key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The issuer has none of that name.
    Unknown,
    /// It cannot be asked.
    Unavailable,
}

impl KeySource {
    pub fn new(place: Jwks, gateway: Gateway) -> Self {
        Self { place, gateway, known: RwLock::default(), asked: Mutex::default() }
    }

    /// The key that a token names by `kid`, for a signature of this kind.
    ///
    /// # Errors
    /// See [`Missing`].
    pub async fn find(&self, kid: Option<&str>, signature: Signature, now: Timestamp) -> std::result::Result<DecodingKey, Missing> {
        let known = self.known();
        let found = known.as_ref().and_then(|known| known.find(kid, signature));
        if let (Some(key), Some(known)) = (&found, &known)
            && known.age(now) < JWKS_TTL_MS
        {
            return Ok(key.clone());
        }
        // Who has a key waits for nobody who asks already.
        let asked = match found.is_some() {
            true => self.asked.try_lock().ok(),
            false => Some(self.asked.lock().await),
        };
        if let Some(mut asked) = asked
            && asked.is_none_or(|last| now.0.abs_diff(last.0) >= JWKS_PAUSE_MS)
        {
            *asked = Some(now);
            match self.load().await {
                Ok(keys) => *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(Known { keys, at: now })),
                Err(error) => tracing::warn!(%error, internal = error.internal, "the keys of the issuer cannot be had"),
            }
        }
        match self.known().filter(|known| known.age(now) < JWKS_STALE_MAX_MS) {
            Some(known) => known.find(kid, signature).ok_or(Missing::Unknown),
            None => Err(Missing::Unavailable),
        }
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn load(&self) -> Result<Vec<PublicKey>> {
        let bytes = match &self.place {
            Jwks::File(path) => public_keys(Path::new(path), JWKS_MAX_BYTES)?,
            Jwks::Url(url) => self.fetch(url).await?,
        };
        read(&bytes)
    }

    /// Asks the issuer, wherever the project says that it is: its keys are public, and nothing is sent but the question.
    async fn fetch(&self, url: &Url) -> Result<Vec<u8>> {
        let failed = |error: &dyn std::fmt::Display| Error::unavailable(format!("`{url}` gives no keys")).internal(error);
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
        let (deadline, issuer) = (Duration::from_millis(JWKS_DEADLINE_MS), Destination::new(&self.gateway, url, |_| true)?);
        let answer = issuer.send(Method::GET, headers, Bytes::new(), deadline, JWKS_MAX_BYTES).await.map_err(|error| failed(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(failed(&answer.status()));
        }
        answer.into_body().whole().await.map_err(|error| failed(&error))
    }
}

impl Known {
    fn age(&self, now: Timestamp) -> u64 {
        now.0.abs_diff(self.at.0)
    }

    /// A token that names no key is for the only one of its kind.
    fn find(&self, kid: Option<&str>, signature: Signature) -> Option<DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| key.signature == signature && (kid.is_none() || key.kid.as_deref() == kid));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(only.key.clone()),
            _ => None,
        }
    }
}

/// The keys of a JSON Web Key Set that signatures can be checked with; what else is in it is left alone.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<PublicKey>> {
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(bytes).map_err(|error| Error::unavailable("these are no keys").internal(error))?;
    let keys = set.keys.into_iter().take(JWKS_KEYS_MAX).filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    Ok(keys.filter_map(|key| PublicKey::new(&key)).collect())
}

impl PublicKey {
    fn new(jwk: &Jwk) -> Option<Self> {
        let (signature, named) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (Signature::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => (Signature::ES256, KeyAlgorithm::ES256),
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => (Signature::EdDSA, KeyAlgorithm::EdDSA),
            // A shared secret, or a curve that no signature here is on.
            AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_) | AlgorithmParameters::OctetKey(_) => return None,
        };
        let fits = jwk.common.key_algorithm.is_none_or(|algorithm| algorithm == named)
            && jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let key = DecodingKey::from_jwk(jwk).ok()?;
        fits.then(|| Self { kid: jwk.common.key_id.clone(), signature, key })
    }
}

#[cfg(test)]
mod tests;
