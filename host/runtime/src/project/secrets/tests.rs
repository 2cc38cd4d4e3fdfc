#![expect(clippy::disallowed_methods, reason = "tests look at the files, and break them")]

use std::os::unix::fs::PermissionsExt;

use remit_core::{Kind, secret::Place};
use url::Url;

use super::*;

const VALUE: &str = "s3cr3t/+\"value";

/// A folder of secrets, and stores in it.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn store(&self, place: &str, project: &str, variables: &[(&str, &str)]) -> SecretStore {
        SecretStore {
            folder: self.0.path().join("secrets"),
            place: place.to_owned(),
            project: project.to_owned(),
            environment: EnvSecrets::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))),
        }
    }

    fn own(&self) -> SecretStore {
        self.store("/work/desk", "desk", &[])
    }

    fn file(&self) -> PathBuf {
        self.own().path()
    }
}

fn new(name: &str, principal: Option<&str>, to: &[&str], value: &str) -> NewSecret {
    let (name, value) = (name.to_owned(), SecretString::from(value));
    let principal = principal.map(|principal| principal.parse().unwrap());
    NewSecret { name, principal, destinations: to.iter().map(|to| to.parse().unwrap()).collect(), value }
}

fn set(store: &SecretStore, name: &str, principal: Option<&str>, to: &[&str], value: &str) -> bool {
    store.set(&new(name, principal, to, value), Timestamp(7)).unwrap()
}

/// What `principal` of `project` is given for a request to `url`: the value, or why not.
fn given(store: &SecretStore, project: &str, principal: &str, url: &str) -> Result<String, String> {
    let (principal, url): (Principal, Url) = (principal.parse().unwrap(), url.parse().unwrap());
    match store.secret(&Wanted { name: "token", project, principal: &principal, place: Place::Url(&url) }) {
        Ok(Found::Value(value)) => Ok(value.expose_secret().to_owned()),
        Ok(Found::Elsewhere) => Err("elsewhere".to_owned()),
        Ok(Found::Unset) => Err("unset".to_owned()),
        Err(error) => Err(error.message),
    }
}

const API: &str = "https://api.example.com/a";

fn ada(store: &SecretStore) -> Result<String, String> {
    given(store, "desk", "user:ada", API)
}

#[test]
fn a_secret_is_kept_replaced_and_forgotten() {
    let bench = Bench::new();
    let store = bench.own();
    assert_eq!(ada(&store), Err("unset".to_owned()));
    assert!(!set(&store, "token", None, &["https://api.example.com"], VALUE));
    assert_eq!(ada(&bench.own()), Ok(VALUE.to_owned()), "by another process, too");
    assert!(set(&store, "token", None, &["https://api.example.com"], "another value"));
    assert_eq!(ada(&store), Ok("another value".to_owned()));
    let kept = store.list().unwrap();
    assert_eq!((kept.len(), kept[0].name.as_str(), kept[0].set), (1, "token", Timestamp(7)));
    assert!(store.remove("token", None).unwrap() && !store.remove("token", None).unwrap());
    assert_eq!((ada(&store), store.list().unwrap()), (Err("unset".to_owned()), Vec::new()));
}

#[test]
fn a_secret_lies_sealed_in_files_of_this_user_alone() {
    let bench = Bench::new();
    set(&bench.own(), "token", None, &["https://api.example.com"], VALUE);
    for path in [bench.file(), bench.own().key_path()] {
        let (bytes, mode) = (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().permissions().mode());
        assert_eq!(mode & 0o777, 0o600);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains(VALUE) && !text.contains(&STANDARD.encode(VALUE)) && !text.contains("value"), "{text}");
    }
    let first = std::fs::read_to_string(bench.file()).unwrap();
    set(&bench.own(), "token", None, &["https://api.example.com"], VALUE);
    assert_ne!(std::fs::read_to_string(bench.file()).unwrap(), first, "sealed anew each time");
    std::fs::set_permissions(bench.file(), PermissionsExt::from_mode(0o666)).unwrap();
    assert!(ada(&bench.own()).unwrap_err().contains("may have been written by somebody else"));
}

#[test]
fn m10_a_principals_own_secret_is_nobody_elses_and_comes_before_the_projects() {
    let bench = Bench::new();
    let store = bench.own();
    set(&store, "token", Some("user:ada"), &["https://api.example.com"], "of ada alone");
    assert_eq!(ada(&store), Ok("of ada alone".to_owned()));
    assert_eq!(given(&store, "desk", "user:bob", API), Err("unset".to_owned()));
    set(&store, "token", None, &["https://api.example.com"], "of the project");
    assert_eq!(ada(&store), Ok("of ada alone".to_owned()));
    assert_eq!(given(&store, "desk", "user:bob", API), Ok("of the project".to_owned()));
    set(&store, "token", Some("user:ada"), &["https://other.example.com"], "of ada alone");
    assert_eq!(ada(&store), Err("elsewhere".to_owned()), "what comes first decides");
}

#[test]
fn a_secret_of_one_project_is_none_of_another() {
    let bench = Bench::new();
    set(&bench.own(), "token", None, &["https://api.example.com"], VALUE);
    assert_eq!(given(&bench.own(), "other", "user:ada", API), Err("unset".to_owned()), "another project of the same host");
    assert_eq!(ada(&bench.store("/work/other", "desk", &[])), Err("unset".to_owned()), "another folder");
    assert_eq!(given(&bench.store("/work/desk", "other", &[]), "other", "user:ada", API), Err("unset".to_owned()), "another name");
    let other = bench.store("/work/other", "desk", &[]);
    std::fs::copy(bench.file(), other.path()).unwrap();
    assert!(ada(&other).unwrap_err().contains("cannot be opened"), "its file was copied");
    assert_eq!(ada(&bench.own()), Ok(VALUE.to_owned()), "the twin");
}

#[test]
fn a_secret_goes_only_where_it_is_bound_to() {
    let bench = Bench::new();
    set(&bench.own(), "token", None, &["https://api.example.com", "plugin:tickets"], VALUE);
    assert_eq!(given(&bench.own(), "desk", "user:ada", "https://evil.example/a"), Err("elsewhere".to_owned()));
    assert_eq!(ada(&bench.own()), Ok(VALUE.to_owned()));
    let (wider, exact) = ("https://*.example.com".parse().unwrap(), "https://api.example.com/a/**".parse().unwrap());
    assert!(matches!(bench.own().look("token", None, &wider), Ok(Found::Elsewhere)));
    assert!(matches!(bench.own().look("token", None, &exact), Ok(Found::Value(_))));
}

#[test]
fn the_environment_stands_in_for_what_is_not_kept() {
    let bench = Bench::new();
    let store = bench.store("/work/desk", "desk", &[("REMIT_SECRET_TOKEN", "of the environment"), ("OTHER", "x")]);
    assert_eq!(ada(&store), Ok("of the environment".to_owned()));
    assert_eq!(given(&store, "desk", "user:bob", "https://anywhere.example/"), Ok("of the environment".to_owned()));
    set(&store, "token", None, &["https://other.example.com"], VALUE);
    assert_eq!(ada(&store), Err("elsewhere".to_owned()), "what is kept elsewhere is not replaced by it");
}

/// Every field that a value is bound to is changed, one after the other.
#[test]
fn m22_a_secret_that_was_bound_anew_without_its_key_is_not_opened() {
    let bench = Bench::new();
    set(&bench.own(), "token", None, &["https://api.example.com"], VALUE);
    set(&bench.own(), "other", None, &["https://api.example.com"], "the other one");
    let text = std::fs::read_to_string(bench.file()).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (other, token) = (&kept["secrets"][0], &kept["secrets"][1]);
    let sealed = token["sealed"].as_str().unwrap();
    let flipped = if sealed.starts_with('A') { sealed.replacen('A', "B", 1) } else { format!("A{}", &sealed[1..]) };
    let changes: [(&str, serde_json::Value); 6] = [
        ("destinations", serde_json::json!(["https://*.*", "https://api.example.com"])),
        ("principal", serde_json::json!("user:ada")),
        ("nonce", other["nonce"].clone()),
        ("sealed", other["sealed"].clone()),
        ("sealed", serde_json::json!(flipped)),
        ("sealed", serde_json::json!("")),
    ];
    for (field, value) in changes {
        let mut changed = kept.clone();
        changed["secrets"][1][field] = value;
        std::fs::write(bench.file(), changed.to_string()).unwrap();
        assert!(ada(&bench.own()).unwrap_err().contains("cannot be opened"), "{changed}");
    }
    let mut renamed = kept.clone();
    (renamed["secrets"][1]["name"], renamed["secrets"][0]["name"]) = ("other".into(), "token".into());
    std::fs::write(bench.file(), renamed.to_string()).unwrap();
    assert!(ada(&bench.own()).unwrap_err().contains("cannot be opened"));
    std::fs::write(bench.file(), &text).unwrap();
    assert_eq!(ada(&bench.own()), Ok(VALUE.to_owned()), "the twin");
}

#[test]
fn without_its_key_nothing_is_opened_or_lost_and_what_to_do_is_said() {
    let bench = Bench::new();
    let store = bench.own();
    set(&store, "token", None, &["https://api.example.com"], VALUE);
    let (key, kept) = (std::fs::read(store.key_path()).unwrap(), std::fs::read(bench.file()).unwrap());
    std::fs::remove_file(store.key_path()).unwrap();
    for refused in [
        ada(&store),
        store.set(&new("b", None, &["https://h.example"], VALUE), Timestamp(0)).map(|_| String::new()).map_err(|error| error.message),
    ] {
        assert!(refused.clone().unwrap_err().contains("is not there, so none of them can be opened"), "{refused:?}");
    }
    assert!(!store.key_path().exists() && std::fs::read(bench.file()).unwrap() == kept, "a new key would lose them");
    for (bytes, why) in
        [(&key[..31], "is damaged"), (&[key.clone(), vec![0]].concat()[..], "is damaged"), (&[7; 32][..], "was set with another key")]
    {
        std::fs::write(store.key_path(), bytes).unwrap();
        assert!(ada(&store).unwrap_err().contains(why));
    }
    assert!(store.remove("token", None).unwrap(), "what cannot be opened can be removed");
    set(&store, "token", None, &["https://api.example.com"], "set again");
    assert_eq!(ada(&store), Ok("set again".to_owned()), "with the key that is there now");
}

#[test]
fn a_damaged_file_gives_nothing_and_is_not_written_over() {
    let bench = Bench::new();
    let store = bench.own();
    set(&store, "token", None, &["https://api.example.com"], VALUE);
    let kept = std::fs::read_to_string(bench.file()).unwrap();
    for damaged in
        ["", "{}", &kept[..kept.len() / 2], &kept.replace("\"version\": 1", "\"version\": 2"), &kept.replace("\"name\"", "\"nom\"")]
    {
        std::fs::write(bench.file(), damaged).unwrap();
        assert!(ada(&store).unwrap_err().contains("is damaged, so none of them is used"), "{damaged}");
        let refused = store.set(&new("b", None, &["https://h.example"], VALUE), Timestamp(0)).unwrap_err();
        assert_eq!(refused.kind, Kind::Host);
        assert!(refused.hints[0].contains("set them again"), "{refused:?}");
        assert_eq!(std::fs::read_to_string(bench.file()).unwrap(), damaged);
    }
}

#[test]
fn writers_at_once_lose_nothing() {
    let bench = Bench::new();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let store = bench.own();
            scope.spawn(move || {
                for one in 0..8 {
                    set(&store, &format!("token-{writer}-{one}"), None, &["https://api.example.com"], VALUE);
                }
            });
        }
    });
    let kept = bench.own().list().unwrap();
    assert_eq!(kept.len(), 32);
    kept.iter().for_each(|kept| bench.own().opens(kept).unwrap());
}

#[test]
fn names_values_destinations_and_their_numbers_are_bounded() {
    let bench = Bench::new();
    let store = bench.own();
    let to = ["https://api.example.com"];
    let many: Vec<String> = (0..=SECRET_DESTINATIONS_MAX).map(|port| format!("https://h.example:{}", port + 1)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (refused, kind, says) in [
        (new("a b", None, &to, VALUE), Kind::Invalid, "is not the name of a secret"),
        (new(&"a".repeat(65), None, &to, VALUE), Kind::Invalid, "is not the name of a secret"),
        (new("", None, &to, VALUE), Kind::Invalid, "is not the name of a secret"),
        (new("token", None, &to, "1234567"), Kind::Invalid, "could not be masked"),
        (new("token", None, &to, &"a".repeat(SECRET_MAX_BYTES + 1)), Kind::Limit, "more than 8192 bytes"),
        (new("token", None, &to, "1234\x005678"), Kind::Invalid, "zero byte"),
        (new("token", None, &[], VALUE), Kind::Invalid, "1 to 32 destinations"),
        (new("token", None, &many, VALUE), Kind::Invalid, "1 to 32 destinations"),
    ] {
        let error = store.set(&refused, Timestamp(0)).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(says) && !error.message.contains(VALUE), "{error}");
    }
    assert_eq!(store.list().unwrap(), Vec::new());
    set(&store, "token", None, &many[1..], &"a".repeat(SECRET_MAX_BYTES));
    let mut full = store.list().unwrap();
    let first = full[0].clone();
    full.extend((1..SECRETS_MAX).map(|number| KeptSecret { name: format!("t{number}"), ..first.clone() }));
    store.write(full).unwrap();
    let error = store.set(&new("one-more", None, &to, VALUE), Timestamp(0)).unwrap_err();
    assert_eq!(error.kind, Kind::Limit);
    assert!(set(&store, "token", None, &to, VALUE), "one that is there can still be replaced");
}
