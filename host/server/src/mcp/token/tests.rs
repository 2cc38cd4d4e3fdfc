#![allow(clippy::disallowed_methods, reason = "tests write the files that are read")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use remit_core::project::Project;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::Value;

use super::*;

fn gateway() -> Gateway {
    Gateway::new(Default::default()).expect("TLS is set up")
}

/// The modulus of an RSA key that signed [`RSA_TOKEN`] and is gone.
const RSA_MODULUS: &str = "uksJZALnt9UejJlc5bBEpNu9YcyUaC4y59-fQmAtLaKwnVvKgPf4c90Tk6NVIhBCYXKsw5boXb8aiYZ45wcXaZer_CMM0QrJFF4umFANGZt7iU0WqxQVfZkt\
    k_A6V1Uh31cCFCN8psWNn-MDrGEO3MEXMYEX8lA1RcDe6as0NzMkDZaUNHTNoMZbHvu2AJweFeHq4JCYGslLb1cQ8gkAkco0vKzSVAaJfCMNcqNdfaTsr07a\
    ZXopJv3K6e3dqlGEw-lyms_CM6fMkmfmns0NMaUvmeNIc-WjvbSvjQ-IKdV0feOlGhwSzqDLgR05a-SL9uE8WiAwJbqdQT-889PcxQ";
/// A token of Ada that ends at second 2,000.
const RSA_TOKEN: &str = "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9sb2dpbi5leGFtcGxlLmNvbSIsICJhdWQiOiAiaHR0cHM6Ly90b29scy5\
    leGFtcGxlLmNvbS9tY3AiLCAic3ViIjogImFkYSIsICJleHAiOiAyMDAwfQ.UjDjiAAA2LDBkckWCP0gjO6oK9mt-89ZoDmPtdWMKDwiSgM6moBn11kq62Ja\
    Sjd0Vn18TegbPgy13T8HE3Pqj08_iQUzIKMADQ2Qi9KWCzTL6ORHe7T-0z9rV6075zOw3kmNEc4BFpR8OiGQLURm8Qotj6-tTwhPSHPesoWOMYFiXwECMEmO\
    8AvmQKuJqsSWbOu7Y9KH6g-0bYl5lc6c3K5o5P0J5msDLQKB1_ZWSYFYMhxU1dCWS_0CukTCKlJbXPFqtiZpDJSNLOfTEg_lGtaj9r5ji5ABncKxzIDRW15B\
    _b9meYV4YPgh5E2uzsqYaoSKxvciV_93oI2MdXU4XQ";

const AT: Timestamp = Timestamp(1_000_000);

/// A key of the issuer that was made for this test.
enum Signer {
    Es(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    fn es() -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        Self::Es(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).expect("a key"))
    }

    fn ed() -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::Ed(Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key"))
    }

    fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Es(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": encoded(x), "y": encoded(y) })
            }
            Self::Ed(key) => json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encoded(key.public_key()) }),
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = match self {
            Self::Es(key) => key.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature").as_ref().to_vec(),
            Self::Ed(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", encoded(signature))
    }

    /// A token of Ada with some claims changed; `null` takes one away.
    fn token(&self, changes: &Value) -> String {
        let alg = if matches!(self, Self::Es(_)) { "ES256" } else { "EdDSA" };
        self.sign(&json!({ "alg": alg, "kid": "own" }), &claims(changes))
    }
}

fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://login.example.com", "aud": "https://tools.example.com/mcp", "sub": "ada", "exp": 2000, "nbf": 500, "scope": "mail tools",
    });
    let members = claims.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        members.insert(name.clone(), value.clone());
    }
    members.retain(|_, value| !value.is_null());
    claims
}

fn auth(jwks: &str, more: &str) -> Auth {
    let text = format!(
        "version = 1\n[project]\nname = \"door\"\n[auth]\nissuer = \"https://login.example.com\"\naudience = \"https://tools.example.com/mcp\"\n\
         jwks = \"{jwks}\"\nprincipal = \"user:{{sub}}\"\n{more}\n"
    );
    Project::parse("remit.toml", text.as_bytes()).unwrap_or_else(|error| panic!("{}", error.report())).auth.expect("it is there")
}

/// What believes the keys of `set` and these signatures.
fn tokens(folder: &Path, set: &[Value], more: &str) -> Tokens {
    let path = folder.join("jwks.json");
    fs::write(&path, json!({ "keys": set }).to_string()).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    Tokens::new(auth(path.to_str().expect("text"), more), gateway())
}

fn ada(expires: u64) -> Believed {
    Believed { principal: "user:ada".parse().expect("a principal"), expires: Timestamp(expires) }
}

const ALL: &str = "algorithms = [\"RS256\", \"ES256\", \"EdDSA\"]";

#[tokio::test]
async fn a_token_of_the_issuer_for_this_server_is_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (es, ed) = (Signer::es(), Signer::ed());
    let rsa = json!({ "kty": "RSA", "kid": "rsa", "alg": "RS256", "n": RSA_MODULUS, "e": "AQAB" });
    let mine = tokens(folder.path(), &[es.jwk("es"), ed.jwk("own"), rsa], ALL);
    let until = 2_000_000 + TOKEN_LEEWAY_MS;
    assert_eq!(mine.check(&ed.token(&json!({})), AT).await, Ok(ada(until)));
    assert_eq!(mine.check(&es.sign(&json!({ "alg": "ES256", "kid": "es" }), &claims(&json!({}))), AT).await, Ok(ada(until)));
    assert_eq!(mine.check(RSA_TOKEN, AT).await, Ok(ada(until)));
    assert_eq!(mine.check(&es.sign(&json!({ "alg": "ES256" }), &claims(&json!({}))), AT).await, Ok(ada(until)), "the only key of its kind");
    let several = json!({ "aud": ["https://other.example.com", "https://tools.example.com/mcp"], "nbf": null, "scope": null });
    assert_eq!(mine.check(&ed.token(&several), AT).await, Ok(ada(until)));
    assert_eq!(mine.check(&ed.token(&json!({ "exp": 970.5 })), AT).await, Ok(ada(970_500 + TOKEN_LEEWAY_MS)), "within the leeway");
    assert_eq!(mine.check(&ed.token(&json!({ "nbf": 1030 })), AT).await, Ok(ada(until)));
}

/// M8: what is for somebody else, over, or not said at all lets nobody in.
#[tokio::test]
async fn m8_a_token_for_another_audience_or_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = Signer::ed();
    let mine = tokens(folder.path(), &[key.jwk("own")], ALL);
    let refused = [
        json!({ "aud": "https://other.example.com/mcp" }),
        json!({ "aud": "https://tools.example.com/mcp/" }),
        json!({ "aud": ["https://other.example.com/mcp", "tools"] }),
        json!({ "aud": [] }),
        json!({ "aud": null }),
        json!({ "aud": 1 }),
        json!({ "iss": "https://login.example.com/" }),
        json!({ "iss": ["https://login.example.com"] }),
        json!({ "iss": null }),
        json!({ "exp": 969 }),
        json!({ "exp": "9999" }),
        json!({ "exp": -1 }),
        json!({ "exp": null }),
        json!({ "nbf": 1031 }),
        json!({ "nbf": "1" }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": "a b" }),
        json!({ "sub": "a\u{202e}b" }),
        json!({ "sub": "a".repeat(200) }),
        json!({ "sub": ["ada"] }),
    ];
    for changes in refused {
        let answer = mine.check(&key.token(&changes), AT).await;
        assert!(matches!(answer, Err(Refusal::Unknown(_))), "{changes}: {answer:?}");
    }
    assert!(mine.check(&key.token(&json!({})), AT).await.is_ok());
}

/// What is not signed by a key of the issuer, in the way that this key signs, is nobody's word.
#[tokio::test]
async fn a_token_without_the_issuers_signature_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, other, es) = (Signer::ed(), Signer::ed(), Signer::es());
    let mine = tokens(folder.path(), &[key.jwk("own"), json!({ "kty": "oct", "kid": "shared", "k": encoded("secret") })], ALL);
    let right = key.token(&json!({}));
    let parts: Vec<&str> = right.split('.').collect();
    let none = |alg: &str| format!("{}.{}.", encoded(json!({ "alg": alg, "kid": "own" }).to_string()), parts[1]);
    let hmac = |kid: &str, secret: &[u8]| {
        let message = format!("{}.{}", encoded(json!({ "alg": "HS256", "kid": kid }).to_string()), parts[1]);
        let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", encoded(tag))
    };
    let Signer::Ed(pair) = &key else { unreachable!() };
    let signed = |header: Value| key.sign(&header, &claims(&json!({})));
    let refused = [
        other.token(&json!({})),
        es.sign(&json!({ "alg": "ES256", "kid": "own" }), &claims(&json!({}))),
        none("none"),
        none("None"),
        none("EdDSA"),
        hmac("own", pair.public_key().as_ref()),
        hmac("own", key.jwk("own").to_string().as_bytes()),
        hmac("shared", b"secret"),
        format!("{}.{}.{}", parts[0], encoded(claims(&json!({ "sub": "root" })).to_string()), parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{right}.x"),
        format!("{right}x"),
        String::new(),
        "..".to_owned(),
        "x".repeat(TOKEN_MAX_BYTES + 1),
        signed(json!({ "alg": "EdDSA", "kid": "other" })),
        signed(json!({ "alg": "ES256", "kid": "own" })),
        signed(json!({ "alg": "EdDSA", "kid": "own", "crit": ["exp"] })),
        other.sign(&json!({ "alg": "EdDSA", "kid": "own", "jwk": other.jwk("own") }), &claims(&json!({}))),
    ];
    for token in refused {
        let answer = mine.check(&token, AT).await;
        assert!(matches!(answer, Err(Refusal::Unknown(_))), "{token}: {answer:?}");
    }
    assert!(mine.check(&right, AT).await.is_ok());
}

#[tokio::test]
async fn only_signatures_that_the_project_names_are_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (es, ed) = (Signer::es(), Signer::ed());
    let mine = tokens(folder.path(), &[es.jwk("own"), ed.jwk("own")], "algorithms = [\"ES256\"]");
    assert!(mine.check(&es.token(&json!({})), AT).await.is_ok());
    assert!(matches!(mine.check(&ed.token(&json!({})), AT).await, Err(Refusal::Unknown(_))));
}

#[tokio::test]
async fn a_token_has_to_name_every_scope() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = Signer::ed();
    let mine = tokens(folder.path(), &[key.jwk("own")], &format!("{ALL}\nscopes = [\"tools\", \"mail\"]"));
    assert!(mine.check(&key.token(&json!({})), AT).await.is_ok());
    for scope in [json!("tools"), json!("tools mailbox"), json!(""), json!(null)] {
        assert_eq!(mine.check(&key.token(&json!({ "scope": scope })), AT).await, Err(Refusal::Scope), "{scope}");
    }
    // Of what lets nobody in, no scope is asked.
    assert!(matches!(mine.check(&key.token(&json!({ "scope": "tools", "exp": 1 })), AT).await, Err(Refusal::Unknown(_))));
}

#[tokio::test]
async fn a_file_of_keys_that_others_could_have_written_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = Signer::ed();
    let mine = tokens(folder.path(), &[key.jwk("own")], ALL);
    fs::set_permissions(folder.path().join("jwks.json"), fs::Permissions::from_mode(0o666)).expect("a mode");
    assert!(matches!(mine.check(&key.token(&json!({})), AT).await, Err(Refusal::Unavailable(_))));
}

#[test]
fn what_tokens_are_needed_is_said_where_clients_look() {
    let mine = Tokens::new(auth("https://login.example.com/jwks.json", &format!("{ALL}\nscopes = [\"tools\"]")), gateway());
    assert_eq!(mine.metadata_url(), "https://tools.example.com/.well-known/oauth-protected-resource/mcp");
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let metadata: Value = serde_json::from_str(&mine.metadata_at(path).expect("it is there")).expect("JSON");
        assert_eq!(metadata["resource"], "https://tools.example.com/mcp");
        assert_eq!(metadata["authorization_servers"], json!(["https://login.example.com"]));
        assert_eq!(metadata["scopes_supported"], json!(["tools"]));
    }
    for path in ["/mcp", "/.well-known/oauth-protected-resource/other", "/.well-known/oauth-protected-resourcemcp", "/"] {
        assert_eq!(mine.metadata_at(path), None, "{path}");
    }
}
