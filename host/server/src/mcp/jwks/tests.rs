use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

/// An issuer on this machine: what it answers, and how often it was asked.
struct Issuer {
    url: Url,
    answer: Arc<RwLock<String>>,
    asked: Arc<AtomicUsize>,
    served: JoinHandle<()>,
}

fn key(kid: &str) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

fn answer(keys: &[Value]) -> String {
    let body = json!({ "keys": keys }).to_string();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

impl Issuer {
    async fn start(says: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a place");
        let url = format!("http://{}/keys?v=1", listener.local_addr().expect("an address")).parse().expect("a URL");
        let (answer, asked) = (Arc::new(RwLock::new(says)), Arc::new(AtomicUsize::new(0)));
        let (says, count) = (answer.clone(), asked.clone());
        let served = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).await.unwrap_or_default();
                assert!(head[..read].starts_with(b"GET /keys?v=1 HTTP/1.1\r\n"));
                count.fetch_add(1, Ordering::SeqCst);
                let says = says.read().expect("no panic").clone();
                drop(stream.write_all(says.as_bytes()).await);
            }
        });
        Self { url, answer, asked, served }
    }

    fn says(&self, answer: String) {
        *self.answer.write().expect("no panic") = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn source(&self) -> KeySource {
        KeySource::new(Jwks::Url(self.url.clone()), Gateway::new(Default::default()).expect("it can be set up"))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.served.abort();
    }
}

async fn find(source: &KeySource, kid: &str, at: u64) -> std::result::Result<(), Missing> {
    source.find(Some(kid), Signature::EdDSA, Timestamp(at)).await.map(drop)
}

const AT: u64 = 1_000_000_000;

/// M14: whatever tokens name, the issuer is asked once in a while.
#[tokio::test]
async fn m14_names_of_keys_that_nobody_has_do_not_flood_the_issuer() {
    let issuer = Issuer::start(answer(&[key("one")])).await;
    let source = issuer.source();
    assert_eq!(find(&source, "one", AT).await, Ok(()));
    for number in 0..100 {
        assert_eq!(find(&source, &format!("none-{number}"), AT + number).await, Err(Missing::Unknown));
    }
    assert_eq!(issuer.asked(), 1);
    assert_eq!(find(&source, "none", AT + JWKS_PAUSE_MS).await, Err(Missing::Unknown));
    assert_eq!(find(&source, "none", AT + JWKS_PAUSE_MS + 1).await, Err(Missing::Unknown));
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_found_and_one_that_it_took_back_is_gone_in_time() {
    let issuer = Issuer::start(answer(&[key("old")])).await;
    let source = issuer.source();
    assert_eq!(find(&source, "old", AT).await, Ok(()));
    issuer.says(answer(&[key("new")]));
    assert_eq!(find(&source, "new", AT + JWKS_PAUSE_MS).await, Ok(()));
    assert_eq!(find(&source, "old", AT + JWKS_PAUSE_MS).await, Err(Missing::Unknown));
    issuer.says(answer(&[]));
    assert_eq!(find(&source, "new", AT + JWKS_PAUSE_MS + JWKS_TTL_MS - 1).await, Ok(()));
    assert_eq!(find(&source, "new", AT + JWKS_PAUSE_MS + JWKS_TTL_MS).await, Err(Missing::Unknown));
}

/// An issuer that is away for a while keeps nobody out, and one that is away for long lets nobody in.
#[tokio::test]
async fn keys_are_used_for_a_while_without_their_issuer() {
    let issuer = Issuer::start(answer(&[key("one")])).await;
    let source = issuer.source();
    assert_eq!(find(&source, "one", AT).await, Ok(()));
    issuer.says("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_owned());
    assert_eq!(find(&source, "one", AT + JWKS_TTL_MS).await, Ok(()));
    assert_eq!(find(&source, "one", AT + JWKS_STALE_MAX_MS - 1).await, Ok(()));
    assert_eq!(find(&source, "one", AT + JWKS_STALE_MAX_MS).await, Err(Missing::Unavailable));
}

#[tokio::test]
async fn what_is_no_set_of_keys_or_too_large_is_not_used() {
    let padding = "x".repeat(JWKS_MAX_BYTES);
    let large = json!({ "keys": [key("one")], "padding": padding }).to_string();
    let answers = [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{large}", large.len()),
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        String::new(),
    ];
    for says in answers {
        let issuer = Issuer::start(says.clone()).await;
        assert_eq!(find(&issuer.source(), "one", AT).await, Err(Missing::Unavailable), "{:.80}", says);
    }
}

#[test]
fn keys_that_are_for_something_else_are_left_out() {
    let with = |name: &str, value: Value| {
        let mut key = key("one");
        key[name] = value;
        key
    };
    let others = [
        json!({ "kty": "oct", "kid": "one", "k": "c2VjcmV0" }),
        with("use", json!("enc")),
        with("alg", json!("ES256")),
        with("crv", json!("X25519")),
        with("kty", json!("XX")),
        json!({ "kty": "EC", "crv": "P-384", "kid": "one", "x": "AA", "y": "AA" }),
        json!(1),
    ];
    let set = json!({ "keys": others });
    assert_eq!(read(set.to_string().as_bytes()).expect("a set").len(), 0);
    let many: Vec<Value> = (0..2 * JWKS_KEYS_MAX).map(|number| key(&number.to_string())).collect();
    assert_eq!(read(json!({ "keys": many }).to_string().as_bytes()).expect("a set").len(), JWKS_KEYS_MAX);
}
