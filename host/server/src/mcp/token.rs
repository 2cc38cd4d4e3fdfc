//! Tokens of an authorization server: JWTs, believed when they are signed by its keys, for this server, and in time (M8).

use std::sync::Arc;

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, Validation,
    crypto::{CryptoProvider, JwkUtils, JwtVerifier},
    decode, decode_header,
    errors::ErrorKind,
    signature::{self, Verifier},
};
use remit_core::{
    clock::Timestamp,
    identity::Principal,
    limit::{TOKEN_LEEWAY_MS, TOKEN_MAX_BYTES},
    project::{Auth, Signature},
};
use remit_runtime::capability::http::Gateway;
use ring::signature as checked_by;
use serde::Deserialize;
use serde_json::json;

use super::{
    admission::Refusal,
    http::PATH,
    jwks::{KeySource, Missing},
};

/// Where it is said what tokens are needed (RFC 9728).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What checks tokens.
pub struct Tokens {
    auth: Auth,
    keys: KeySource,
}

/// What a token says that is believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Believed {
    pub principal: Principal,
    pub expires: Timestamp,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
    scope: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

impl Tokens {
    /// Checks tokens as `auth` says. Nothing is fetched before the first one, and what is, by way of `gateway`.
    pub fn new(auth: Auth, gateway: Gateway) -> Self {
        if CryptoProvider::install_default(&RING).is_err() {
            tracing::debug!("signatures are checked by what the application has chosen");
        }
        let keys = KeySource::new(auth.jwks.clone(), gateway);
        Self { auth, keys }
    }

    /// What `token` says, when it is to be believed at `now`.
    ///
    /// # Errors
    /// [`Refusal::Unknown`], [`Refusal::Scope`] or [`Refusal::Unavailable`]; the reason names nothing of the token but claims that are public.
    pub(super) async fn check(&self, token: &str, now: Timestamp) -> std::result::Result<Believed, Refusal> {
        let refused = |why: &str| Refusal::Unknown(why.to_owned());
        if token.len() > TOKEN_MAX_BYTES {
            return Err(refused("its token is too long"));
        }
        let header = decode_header(token).map_err(|_no_token| refused("it shows neither a key nor a token"))?;
        let signature = match header.alg {
            Algorithm::RS256 => Signature::RS256,
            Algorithm::ES256 => Signature::ES256,
            Algorithm::EdDSA => Signature::EdDSA,
            _ => return Err(refused("its token is not signed as the project wants it")),
        };
        if !self.auth.algorithms.contains(&signature) || header.crit.is_some() {
            return Err(refused("its token is not signed as the project wants it"));
        }
        let key = self.keys.find(header.kid.as_deref(), signature, now).await.map_err(|missing| match missing {
            Missing::Unknown => refused("its token names no key of the issuer"),
            Missing::Unavailable => Refusal::Unavailable("the keys of the issuer cannot be had".to_owned()),
        })?;
        let mut validation = Validation::new(header.alg);
        // The rest is checked below, by the clock that everything goes by.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.required_spec_claims.clear();
        let claims = decode::<Claims>(token, &key, &validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => refused("its token has another's signature"),
            _ => refused("its token lacks a claim, or has one of another kind"),
        })?;
        self.believe(claims.claims, now)
    }

    fn believe(&self, claims: Claims, now: Timestamp) -> std::result::Result<Believed, Refusal> {
        let refused = |why: &str| Err(Refusal::Unknown(why.to_owned()));
        let for_us = match &claims.aud {
            Audience::One(one) => *one == self.auth.audience,
            Audience::Some(all) => all.contains(&self.auth.audience),
        };
        if claims.iss != self.auth.issuer {
            return refused("its token is of another issuer");
        }
        if !for_us {
            return refused("its token is for another audience");
        }
        let expires = Timestamp(millis(claims.exp).saturating_add(TOKEN_LEEWAY_MS));
        if now >= expires {
            return refused("its token is over");
        }
        if claims.nbf.is_some_and(|from| millis(from) > now.0.saturating_add(TOKEN_LEEWAY_MS)) {
            return refused("its token does not hold yet");
        }
        let named: Vec<&str> = claims.scope.as_deref().unwrap_or_default().split(' ').collect();
        if !self.auth.scopes.iter().all(|needed| named.contains(&needed.as_str())) {
            return Err(Refusal::Scope);
        }
        match self.auth.principal.principal(&claims.sub) {
            Some(principal) => Ok(Believed { principal, expires }),
            None => refused("its token has a subject that is no principal"),
        }
    }

    /// The scopes that every token has to name.
    pub(super) fn scopes(&self) -> String {
        self.auth.scopes.join(" ")
    }

    /// Where clients find [`Tokens::metadata_at`].
    pub(super) fn metadata_url(&self) -> String {
        let resource = &self.auth.resource;
        format!("{}{WELL_KNOWN}{}", resource.origin().ascii_serialization(), resource.path().trim_end_matches('/'))
    }

    /// What a client has to know to get a token, when `path` is where it is said.
    pub(super) fn metadata_at(&self, path: &str) -> Option<String> {
        let suffix = path.strip_prefix(WELL_KNOWN)?.trim_end_matches('/');
        let known = ["", PATH, self.auth.resource.path().trim_end_matches('/')].contains(&suffix);
        let metadata = json!({
            "resource": self.auth.audience,
            "authorization_servers": [self.auth.issuer],
            "scopes_supported": self.auth.scopes,
            "bearer_methods_supported": ["header"],
        });
        known.then(|| metadata.to_string())
    }
}

/// Milliseconds of a NumericDate (RFC 7519), which may have a fraction; what is no time is the first of all.
fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

/// The signatures that ring checks; nothing is signed here, and no secret is shared with an issuer.
static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(RingVerifier(*algorithm, Arc::new(key.clone())))),
    jwk_utils: JwkUtils::new_unimplemented(),
};

struct RingVerifier(Algorithm, Arc<DecodingKey>);

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        let checked = match (self.0, self.1.kind()) {
            (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                checked_by::RsaPublicKeyComponents { n, e }.verify(&checked_by::RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Algorithm::ES256, DecodingKeyKind::SecretOrDer(key)) => {
                checked_by::UnparsedPublicKey::new(&checked_by::ECDSA_P256_SHA256_FIXED, key).verify(message, signature)
            }
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(key)) => {
                checked_by::UnparsedPublicKey::new(&checked_by::ED25519, key).verify(message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        checked.map_err(|ring::error::Unspecified| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

#[cfg(test)]
mod tests;
