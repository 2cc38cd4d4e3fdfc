use std::sync::Mutex;

use futures::FutureExt;
use remit_core::{
    grant::ToolPattern,
    identity::Role,
    limit::{KEY_DEFAULT_MS, KEY_USED_MS},
};
use remit_runtime::project::{NewKey, StateFolder};

use super::*;

/// A clock that a test sets.
struct Set(Mutex<Timestamp>);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no panic")
    }
}

struct Gate {
    _folder: tempfile::TempDir,
    admission: Arc<Admission>,
    members: watch::Sender<Arc<Members>>,
    clock: Arc<Set>,
}

fn principal(name: &str) -> Principal {
    name.parse().expect("a principal")
}

fn pattern(text: &str) -> ToolPattern {
    text.parse().expect("a pattern")
}

fn gate(required: bool) -> Gate {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = StateFolder::new(folder.path(), "door", None).keys().expect("keys");
    let role = Role::Tools(vec![pattern("files/*")]);
    let members = watch::Sender::new(Arc::new(Members::from([(principal("user:ada"), role), (principal("user:bob"), Role::Owner)])));
    let clock = Arc::new(Set(Mutex::new(Timestamp(1_000_000_000))));
    let admission =
        Admission { keys, tokens: None, members: members.subscribe(), owner: principal("user:host"), required, clock: clock.clone() };
    Gate { _folder: folder, admission: Arc::new(admission), members, clock }
}

impl Gate {
    fn key(&self, of: &str, tools: Option<&str>) -> Key {
        let new = NewKey {
            label: String::new(),
            principal: principal(of),
            tools: tools.map(|tools| vec![pattern(tools)]),
            lifetime_ms: KEY_DEFAULT_MS,
        };
        let (key, kept) = self.admission.keys.make(new, self.clock.now()).expect("a key");
        self.admission.keys.keep(&kept).expect("it is kept");
        key
    }

    fn admit(&self, headers: &[(&'static str, &str)]) -> Result<Who, Refusal> {
        let named =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value")));
        self.admission.admit(&HeaderMap::from_iter(named)).now_or_never().expect("nothing is waited for")
    }

    fn show(&self, key: &Key) -> Result<Who, Refusal> {
        self.admit(&[("authorization", &format!("Bearer {}", key.expose()))])
    }

    fn forward(&self, ms: u64) {
        self.clock.0.lock().expect("no panic").0 += ms;
    }
}

#[test]
fn a_key_lets_its_principal_in_with_what_role_and_key_both_allow() {
    let gate = gate(true);
    let who = gate.show(&gate.key("user:ada", None)).expect("let in");
    assert_eq!((who.principal.to_string(), &who.role), ("user:ada".to_owned(), &Role::Tools(vec![pattern("files/*")])));
    let who = gate.show(&gate.key("user:ada", Some("*/read"))).expect("let in");
    assert_eq!(who.role, Role::Tools(vec![pattern("files/read")]));
    let narrow = gate.key("user:bob", Some("files/read"));
    let who = gate.show(&narrow).expect("let in");
    assert_eq!((who.key, who.role), (Some(narrow.id()), Role::Tools(vec![pattern("files/read")])));
    assert_eq!(gate.show(&gate.key("user:bob", None)).expect("let in").role, Role::Owner);
}

/// Whoever shows nothing is the user of this machine, unless everybody has to show something, or it came from elsewhere.
#[test]
fn what_is_shown_is_always_looked_at_and_nothing_is_enough_on_this_machine_alone() {
    let (free, strict) = (gate(false), gate(true));
    assert_eq!(free.admit(&[]).expect("let in").principal, principal("user:host"));
    assert_eq!(strict.admit(&[]).map(drop), Err(Refusal::Nothing));
    for proxy in ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"] {
        assert_eq!(free.admit(&[(proxy, "203.0.113.1")]).map(drop), Err(Refusal::Nothing), "{proxy}");
    }
    let key = free.key("user:ada", None);
    assert_eq!(free.show(&key).expect("let in").principal, principal("user:ada"));
    let shown = format!("Bearer {}", key.expose());
    let wrong = [
        format!("Basic {}", key.expose()),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("{shown}0"),
        format!("{shown} x"),
        "x".to_owned(),
    ];
    for wrong in wrong {
        assert!(matches!(free.admit(&[("authorization", &wrong)]), Err(Refusal::Unknown(_))), "{wrong}");
    }
    let twice = [("authorization", shown.as_str()), ("authorization", shown.as_str())];
    let twice = twice.map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value")));
    let mut headers = HeaderMap::new();
    for (name, value) in twice {
        headers.append(name, value);
    }
    assert!(matches!(free.admission.admit(&headers).now_or_never().expect("nothing is waited for"), Err(Refusal::Unknown(_))));
}

/// Of a key that is no more, the same is said as of one that never was.
#[test]
fn a_key_that_expired_or_was_taken_back_lets_nobody_in() {
    let gate = gate(true);
    let (taken, expiring, elsewhere) = (gate.key("user:ada", None), gate.key("user:ada", None), self::gate(true).key("user:ada", None));
    assert!(gate.show(&taken).is_ok());
    assert!(gate.admission.keys.revoke(taken.id()).expect("it is taken back"));
    assert!(matches!(gate.show(&taken), Err(Refusal::Unknown(_))));
    assert!(matches!(gate.show(&elsewhere), Err(Refusal::Unknown(_))));
    gate.forward(KEY_DEFAULT_MS - 1);
    assert!(gate.show(&expiring).is_ok());
    gate.forward(1);
    assert!(matches!(gate.show(&expiring), Err(Refusal::Unknown(_))));
}

#[test]
fn a_principal_without_a_role_is_not_let_in() {
    let gate = gate(true);
    let (key, nobody) = (gate.key("user:ada", None), gate.key("user:eve", None));
    assert_eq!(gate.show(&nobody).map(drop), Err(Refusal::NoRole(principal("user:eve"))));
    assert!(gate.show(&key).is_ok());
    gate.members.send_replace(Arc::default());
    assert_eq!(gate.show(&key).map(drop), Err(Refusal::NoRole(principal("user:ada"))));
}

#[test]
fn the_last_use_is_noted_to_a_minute_and_brings_no_key_back() {
    let gate = gate(true);
    let key = gate.key("user:ada", None);
    let used = || gate.admission.keys.list().expect("a list").first().expect("a key").1;
    assert_eq!(used(), None);
    gate.show(&key).expect("let in");
    let first = used().expect("used");
    gate.forward(KEY_USED_MS - 1);
    gate.show(&key).expect("let in");
    assert_eq!(used(), Some(first));
    gate.forward(1);
    gate.show(&key).expect("let in");
    assert_eq!(used(), Some(Timestamp(first.0 + KEY_USED_MS)));
    gate.admission.keys.revoke(key.id()).expect("it is taken back");
    gate.admission.keys.note_use(key.id(), gate.clock.now()).expect("nothing is there to be noted at");
    assert!(!gate.admission.keys.has(key.id()));
}

/// What runs ends when its key is taken back, its time is over, or its principal lost its role.
#[tokio::test]
async fn who_would_not_be_let_in_any_more_is_told_so() {
    let ends: [fn(&Gate, &Key); 3] = [
        |gate, key| assert!(gate.admission.keys.revoke(key.id()).expect("it is taken back")),
        |gate, _| gate.forward(KEY_DEFAULT_MS),
        |gate, _| drop(gate.members.send_replace(Arc::default())),
    ];
    for end in ends {
        let gate = gate(true);
        let key = gate.key("user:ada", None);
        let who = gate.show(&key).expect("let in");
        let mut withdrawn = std::pin::pin!(who.withdrawn());
        assert!(futures::poll!(withdrawn.as_mut()).is_pending(), "nothing happened");
        end(&gate, &key);
        tokio::time::timeout(Duration::from_secs(60), withdrawn).await.expect("it is told");
    }
}
