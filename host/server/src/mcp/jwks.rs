//! The public keys of an authorization server: fetched when they are needed, kept for a while, and never asked for more often than
//! that, whatever tokens name (M14).

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::future::join;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use remit_core::{
    Error, Result,
    clock::Timestamp,
    limit::{HTTP_FIELDS_MAX_BYTES, JWKS_DEADLINE_MS, JWKS_KEYS_MAX, JWKS_MAX_BYTES, JWKS_PAUSE_MS, JWKS_STALE_MAX_MS, JWKS_TTL_MS},
    project::{Jwks, Signature},
};
use remit_runtime::project::public_keys;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Mutex,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// Where public keys come from, and those that are known.
pub(super) struct KeySource {
    place: Jwks,
    tls: TlsConnector,
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
    /// # Errors
    /// `host` when TLS cannot be set up.
    pub fn new(place: Jwks) -> Result<Self> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::host("TLS cannot be set up", error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { place, tls: TlsConnector::from(Arc::new(tls)), known: RwLock::default(), asked: Mutex::default() })
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
            Jwks::Url(url) => {
                let late = |_elapsed| Error::unavailable(format!("`{url}` did not answer in time"));
                tokio::time::timeout(Duration::from_millis(JWKS_DEADLINE_MS), self.fetch(url)).await.map_err(late)??
            }
        };
        read(&bytes)
    }

    async fn fetch(&self, url: &Url) -> Result<Vec<u8>> {
        let failed = |error: &dyn std::fmt::Display| Error::unavailable(format!("`{url}` cannot be reached")).internal(error);
        let port = url.port_or_known_default().unwrap_or(443);
        let stream = match url.host() {
            Some(Host::Domain(name)) => TcpStream::connect((name, port)).await,
            Some(Host::Ipv4(address)) => TcpStream::connect((address, port)).await,
            Some(Host::Ipv6(address)) => TcpStream::connect((address, port)).await,
            None => return Err(failed(&"it names no host")),
        };
        let stream = stream.map_err(|error| failed(&error))?;
        if url.scheme() != "https" {
            return ask(url, stream).await;
        }
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(|error| failed(&error))?;
        ask(url, self.tls.connect(name, stream).await.map_err(|error| failed(&error))?).await
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

/// One request; no redirect is followed.
async fn ask(url: &Url, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| Error::unavailable(format!("`{url}` gives no keys")).internal(error);
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let request = Request::get(path).header(header::HOST, url.authority()).header(header::ACCEPT, "application/json");
    let request = request.header(header::CONNECTION, "close").body(Empty::<Bytes>::new()).map_err(|error| failed(&error))?;
    let connecting = http1::Builder::new().max_buf_size(HTTP_FIELDS_MAX_BYTES).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connecting.map_err(|error| failed(&error))?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
        if response.status() != StatusCode::OK {
            return Err(failed(&response.status()));
        }
        let body = Limited::new(response.into_body(), JWKS_MAX_BYTES).collect().await.map_err(|error| failed(&error))?;
        Ok(body.to_bytes().to_vec())
    };
    let (answer, ended) = join(answer, connection).await;
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended in an error");
    }
    answer
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
