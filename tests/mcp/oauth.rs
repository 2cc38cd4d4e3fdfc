//! Tokens of an authorization server over HTTP: M8, and what clients are told.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use remit_tests::{Shell, client::HANDSHAKE};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};

use super::{http::Server, project_with};

/// An authorization server on this machine, as far as its public key and its tokens go.
struct Issuer {
    url: String,
    key: Ed25519KeyPair,
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

const AUDIENCE: &str = "https://tools.example.com/mcp";

impl Issuer {
    fn start() -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let key = Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a place");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": encoded(key.public_key()) });
        let body = json!({ "keys": [jwk] }).to_string();
        // Its thread ends with the test binary: it waits for nobody but clients of this test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut read = BufReader::new(stream);
                let mut line = String::new();
                while read.read_line(&mut line).is_ok_and(|count| count > 2) {
                    line.clear();
                }
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                drop(read.get_mut().write_all(answer.as_bytes()));
            }
        });
        Self { url, key }
    }

    /// A token, as the header that shows it, with some claims changed.
    fn token(&self, changes: &Value) -> String {
        let mut claims = json!({ "iss": self.url, "aud": AUDIENCE, "sub": "ada", "exp": now() + 300, "scope": "tools" });
        claims.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        let message = format!("{}.{}", encoded(json!({ "alg": "EdDSA", "kid": "one" }).to_string()), encoded(claims.to_string()));
        format!("Bearer {message}.{}", encoded(self.key.sign(message.as_bytes())))
    }

    /// A project that believes it.
    fn project(&self) -> Shell {
        let more = format!(
            "[principals]\n\"user:ada\" = [\"owner\"]\n[auth]\nissuer = \"{url}\"\naudience = \"{AUDIENCE}\"\njwks = \"{url}/jwks\"\n\
             algorithms = [\"EdDSA\"]\nprincipal = \"user:{{sub}}\"\nscopes = [\"tools\"]\n",
            url = self.url
        );
        project_with(&[("raw", "raw-tool")], &more)
    }
}

/// M8: a token lets in whom the project knows, and one for somebody else's server is worth nothing here.
#[test]
fn m8_a_token_for_another_audience_is_refused_over_http() {
    let issuer = Issuer::start();
    let shell = issuer.project();
    let server = Server::start(&shell);
    let call = |shown: &str| {
        let params = json!({ "name": "raw__answer", "arguments": {} });
        server.stateless("tools/call", params, &[("authorization", shown), ("host", "tools.example.com")])
    };
    let metadata = "resource_metadata=\"https://tools.example.com/.well-known/oauth-protected-resource/mcp\"";
    let bare = server.stateless("tools/list", json!({}), &[]);
    assert_eq!((bare.status, bare.header("www-authenticate")), (401, Some(format!("Bearer realm=\"remit\", {metadata}").as_str())));
    let wrong = [
        json!({ "aud": "https://other.example.com/mcp" }),
        json!({ "aud": ["https://other.example.com/mcp"] }),
        json!({ "iss": "https://login.example.com" }),
        json!({ "exp": now() - 300 }),
        json!({ "nbf": now() + 300 }),
    ];
    for changes in wrong {
        let refused = call(&issuer.token(&changes));
        let challenge = refused.header("www-authenticate").unwrap_or_default();
        assert_eq!(refused.status, 401, "{changes}");
        assert!(challenge.contains("error=\"invalid_token\"") && challenge.ends_with(metadata), "{challenge}");
    }
    assert_eq!(call(&Issuer { url: issuer.url.clone(), ..Issuer::start() }.token(&json!({}))).status, 401, "another's signature");
    let narrow = call(&issuer.token(&json!({ "scope": "mail" })));
    let challenge = narrow.header("www-authenticate").unwrap_or_default();
    assert!(narrow.status == 403 && challenge.contains("error=\"insufficient_scope\", scope=\"tools\""), "{challenge}");
    assert_eq!(call(&issuer.token(&json!({ "sub": "eve" }))).status, 403);
    assert_eq!(call(&issuer.token(&json!({}))).status, 200);
    let records = shell.audit(1);
    assert!(records.len() == 1 && records[0]["principal"] == "user:ada", "{records:?}");
}

/// A client that knows nothing finds out where tokens are had.
#[test]
fn what_tokens_are_needed_is_published() {
    let issuer = Issuer::start();
    let server = Server::start(&issuer.project());
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let told = server.send("GET", path, &[], "");
        let metadata: Value = serde_json::from_str(&told.body).unwrap_or_else(|error| panic!("{error}: {}", told.body));
        assert_eq!((told.status, told.header("content-type")), (200, Some("application/json")));
        assert_eq!((&metadata["resource"], &metadata["authorization_servers"]), (&json!(AUDIENCE), &json!([issuer.url])));
    }
    assert_eq!(server.send("GET", "/.well-known/oauth-authorization-server", &[], "").status, 404);
}

/// Keys and tokens are shown at the same place, and each principal is the same person by either.
#[test]
fn a_key_is_good_beside_tokens_and_a_stream_ends_with_its_token() {
    let issuer = Issuer::start();
    let shell = issuer.project();
    let server = Server::start(&shell);
    let made = shell.run(&["key", "create", "--json", "--as", "user:ada"]);
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let key = format!("Bearer {}", made["key"].as_str().expect("a key"));
    assert_eq!(server.stateless("tools/list", json!({}), &[("authorization", &key)]).status, 200);
    // It is over but for what is left of the leeway.
    let token = issuer.token(&json!({ "exp": now() - 27 }));
    let own = [("authorization", token.as_str())];
    let session = server.session(&own).header("mcp-session-id").expect("a session").to_owned();
    let headers = [own[0], ("mcp-session-id", &session), ("mcp-protocol-version", HANDSHAKE)];
    let mut stream = server.begin("GET", "/mcp", &headers, "");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it ends");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert_eq!(server.post(&headers, &json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" })).status, 401);
}
