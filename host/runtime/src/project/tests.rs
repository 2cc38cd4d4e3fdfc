#![expect(clippy::disallowed_methods, reason = "tests make the folders they look at")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use remit_core::{
    Kind,
    plugin::{Definition, Digest, Effect, lock::Lock, lock::LockedPlugin, manifest::Manifest, section, section::Section},
    project::Pins,
};
use serde_json::json;
use tempfile::TempDir;

use super::*;

const PROJECT: &str =
    "version = 1\n[project]\nname = \"acme\"\n[plugins.files]\nsource = \"files.wasm\"\n[plugins.own]\nsource = \"own\"\n";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let fixture = Self { folder: tempfile::tempdir().expect("a folder") };
        fixture.write("p/remit.toml", PROJECT);
        fixture
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().canonicalize().expect("the folder is there").join(path)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn open(&self) -> OpenProject {
        open(&self.path("p"), None).unwrap_or_else(|error| panic!("{error}"))
    }

    fn trust(&self) -> TrustStore {
        TrustStore::new(self.path("state/remit/trust"))
    }
}

fn lock() -> Lock {
    let plugin = LockedPlugin {
        source: "files.wasm".to_owned(),
        digest: Digest::of(COMPONENT),
        kind: remit_core::plugin::Kind::Tool,
        files: [].into(),
        imports: [].into(),
        declared: [].into(),
        granted: [].into(),
        ask: [].into(),
        limits: remit_core::limit::CallLimits::default(),
        isolation: remit_core::plugin::Isolation::None,
        tools: BTreeMap::new(),
        approvals: Vec::new(),
    };
    Lock { plugins: [("files".parse().expect("a name"), plugin)].into() }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn the_nearest_project_upward_is_found() {
    let fixture = Fixture::new();
    fixture.write("p/a/b/file", "");
    fixture.write("q/remit.toml", PROJECT);
    let root = |explicit: Option<&str>, env: Option<&str>, cwd: &str| {
        let [explicit, env] = [explicit, env].map(|path| path.map(|path| fixture.path(path)));
        find(explicit.as_deref(), env.as_deref(), &fixture.path(cwd))
    };
    assert_eq!(root(None, None, "p/a/b").expect("found"), fixture.path("p"));
    assert_eq!(root(None, Some("q"), "p/a/b").expect("found"), fixture.path("q"));
    assert_eq!(root(Some("p"), Some("q"), "q").expect("found"), fixture.path("p"));
    assert_eq!(root(Some("q/remit.toml"), None, "p").expect("found"), fixture.path("q"));
    assert_eq!(find(Some(Path::new("../q")), None, &fixture.path("p")).expect("found"), fixture.path("q"));
    let named = root(Some("p/a"), None, "p").expect_err("no project there, and no other is taken");
    assert_eq!(named.kind, Kind::NotFound);
    assert_eq!(root(None, None, "").expect_err("none at all").kind, Kind::NotFound);
}

#[test]
fn opening_reads_files_and_writes_none() {
    let fixture = Fixture::new();
    fixture.write("p/remit.lock", lock().format().expect("text"));
    fixture.write("p/remit.local.toml", "version = 1\n[plugins.own]\ndisabled = true\n");
    let open = fixture.open();
    assert_eq!(open.lock, Some(lock()));
    assert_eq!(open.pins.manifest, Digest::of(PROJECT.as_bytes()));
    assert!(open.plugin("own").expect("it is there").disabled);
    assert_eq!(open.plugin("flies").expect_err("a slip").hints, ["did you mean `files`?"]);
    let names: Vec<_> = fs::read_dir(fixture.path("p")).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn mistakes_of_each_file_refuse_the_project() {
    for (file, text) in [("remit.toml", "version = 1\n"), ("remit.lock", "version = 9\n"), ("remit.local.toml", "[plugins.none]\n")] {
        let fixture = Fixture::new();
        fixture.write(&format!("p/{file}"), text);
        match open(&fixture.path("p"), None) {
            Err(OpenError::File(error)) => assert_eq!(error.file(), file),
            other => panic!("{file}: {other:?}"),
        }
    }
}

#[test]
fn files_that_are_too_large_or_no_files_are_refused() {
    let fixture = Fixture::new();
    fixture.write("p/remit.toml", vec![b'#'; 5 << 20]);
    let error = open(&fixture.path("p"), None).expect_err("too large");
    assert_eq!(error.to_string(), "remit.toml:1:1: the file has more than 4 MiB");
    fs::remove_file(fixture.path("p/remit.toml")).expect("removed");
    assert_eq!(remit_core::Error::from(open(&fixture.path("p"), None).expect_err("gone")).kind, Kind::NotFound);
    symlink("/dev/zero", fixture.path("p/remit.toml")).expect("a link");
    assert_eq!(open(&fixture.path("p"), None).expect_err("a device").to_string(), "`remit.toml` is not a regular file");
}

#[test]
fn a_missing_artefact_concerns_its_plugin_alone() {
    let fixture = Fixture::new();
    fixture.write("p/files.wasm", COMPONENT);
    let open = fixture.open();
    let read = |name: &str| open.artefact(open.plugin(name).expect("it is there"));
    assert_eq!(read("files").expect("it is there").digest, Digest::of(COMPONENT));
    let missing = read("own").expect_err("not built");
    assert_eq!((missing.kind, missing.hints.as_slice()), (Kind::Unavailable, ["remit build own".to_owned()].as_slice()));
    open.state.keep_built(&"own".parse().expect("a name"), b"built").expect("it is kept");
    assert_eq!(read("own").expect("it is built").bytes, b"built");
    fixture.write("p/remit.local.toml", "version = 1\n[plugins.files]\ndisabled = true\n");
    let open = fixture.open();
    assert_eq!(open.artefact(open.plugin("files").expect("it is there")).expect_err("switched off").kind, Kind::Unavailable);
}

#[test]
fn only_what_was_approved_is_given_out() {
    let fixture = Fixture::new();
    fixture.write("p/files.wasm", COMPONENT);
    let approved = |fixture: &Fixture| {
        let open = fixture.open();
        open.approved(open.plugin("files").expect("it is there")).map(|(artefact, locked)| (artefact.digest, locked.source.clone()))
    };
    assert_eq!(approved(&fixture).expect_err("no lock").message, "`files` is not loaded: nobody has approved it yet");
    fixture.write("p/remit.lock", lock().format().expect("text"));
    assert_eq!(approved(&fixture).expect("it is approved"), (Digest::of(COMPONENT), "files.wasm".to_owned()));
    fixture.write("p/files.wasm", b"other");
    assert_eq!(approved(&fixture).expect_err("other bytes").message, "`files` is not loaded: its component is not the approved one");
}

#[test]
fn components_are_kept_by_digest_and_checked_when_read() {
    let fixture = Fixture::new();
    let state = fixture.open().state;
    let digest = state.keep_component(COMPONENT).expect("it is kept");
    assert_eq!(state.component(&digest).expect("it is read").as_deref(), Some(COMPONENT));
    assert_eq!(state.component(&Digest::of(b"other")).expect("nothing there"), None);
    let path = state.path().join("components").join(format!("{}.wasm", digest.hex()));
    assert_eq!((mode(&path), mode(state.path())), (0o600, 0o700));
    fs::write(&path, b"forged").expect("written");
    assert_eq!(state.component(&digest).expect_err("forged").kind, Kind::Host);
    state.keep_component(COMPONENT).expect("it is kept anew");
    assert_eq!(state.component(&digest).expect("it is read").as_deref(), Some(COMPONENT));
}

#[test]
fn a_planted_state_folder_is_not_followed() {
    let fixture = Fixture::new();
    fixture.write("elsewhere/file", "");
    symlink(fixture.path("elsewhere"), fixture.path("p/.remit")).expect("a link");
    assert_eq!(fixture.open().state.keep_component(COMPONENT).expect_err("a link").kind, Kind::Denied);
    assert_eq!(fs::read_dir(fixture.path("elsewhere")).expect("a folder").count(), 1);
}

#[test]
fn an_open_state_folder_is_closed_to_others() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path("p/.remit")).expect("a folder");
    fs::set_permissions(fixture.path("p/.remit"), fs::Permissions::from_mode(0o777)).expect("open to all");
    fixture.open().state.keep_component(COMPONENT).expect("it is kept");
    assert_eq!(mode(&fixture.path("p/.remit")), 0o700);
}

#[test]
fn projects_of_one_name_have_state_of_their_own() {
    let home = Path::new("/home/ada/remit");
    let state = |root: &str| StateFolder::new(Path::new(root), "acme", Some(home)).path().to_owned();
    assert!(state("/a").starts_with(home) && state("/a") != state("/b"));
    assert_eq!(StateFolder::new(Path::new("/a"), "acme", None).path(), Path::new("/a/.remit"));
}

#[test]
fn trust_is_for_these_bytes_at_this_place() {
    let (fixture, now) = (Fixture::new(), |fixture: &Fixture| fixture.open().pins);
    let store = fixture.trust();
    assert_eq!(store.check(&now(&fixture)).expect_err("never trusted").message, "the project is not trusted yet");
    store.trust(&now(&fixture)).expect("trusted");
    store.check(&now(&fixture)).expect("it is trusted");
    assert_eq!(mode(&fixture.path("state/remit/trust")), 0o700);
    fixture.write("p/remit.toml", format!("{PROJECT}\n"));
    assert_eq!(store.check(&now(&fixture)).expect_err("a byte more").kind, Kind::Denied);
    fixture.write("p/remit.toml", PROJECT);
    store.check(&now(&fixture)).expect("it is as it was");
    fixture.write("p/remit.lock", lock().format().expect("text"));
    assert_eq!(store.check(&now(&fixture)).expect_err("a lock appeared").kind, Kind::Denied);
    fs::remove_file(fixture.path("p/remit.lock")).expect("removed");
    fs::rename(fixture.path("p"), fixture.path("moved")).expect("moved");
    let moved = open(&fixture.path("moved"), None).expect("a project").pins;
    assert_eq!(store.check(&moved).expect_err("moved").message, "the project is not trusted yet");
}

#[test]
fn a_record_that_others_could_write_trusts_nothing() {
    let fixture = Fixture::new();
    let (store, pins) = (fixture.trust(), fixture.open().pins);
    store.trust(&pins).expect("trusted");
    let record = fs::read_dir(fixture.path("state/remit/trust")).expect("a folder").next().expect("one").expect("an entry").path();
    assert_eq!(mode(&record), 0o600);
    fs::set_permissions(&record, fs::Permissions::from_mode(0o622)).expect("open to all");
    assert_eq!(store.check(&pins).expect_err("anybody's").kind, Kind::Denied);
    fs::set_permissions(&record, fs::Permissions::from_mode(0o600)).expect("closed");
    fs::write(&record, "{}").expect("damaged");
    assert_eq!(store.check(&pins).expect_err("damaged").kind, Kind::Invalid);
}

#[test]
fn writers_of_trust_never_show_half_a_record() {
    let fixture = Fixture::new();
    let store = fixture.trust();
    let pins = |text: &str| Pins { project: "/p".to_owned(), manifest: Digest::of(text.as_bytes()), lock: None, roots: Default::default() };
    let (one, two) = (pins("one"), pins("two"));
    store.trust(&one).expect("trusted");
    std::thread::scope(|scope| {
        for pins in [&one, &two] {
            scope.spawn(|| (0..50).for_each(|_| store.trust(pins).expect("trusted")));
        }
        for _ in 0..500 {
            let found = [&one, &two].map(|pins| store.check(pins));
            for refused in found.iter().filter_map(|checked| checked.as_ref().err()) {
                assert_eq!(refused.kind, Kind::Denied, "half a record would be invalid: {refused}");
            }
        }
    });
    assert_ne!(store.check(&one).is_ok(), store.check(&two).is_ok());
    assert_eq!(fs::read_dir(fixture.path("state/remit/trust")).expect("a folder").count(), 1, "nothing is left behind");
}

#[test]
fn the_folder_of_trust_follows_the_environment() {
    let folder = |[over, state, home]: [Option<&str>; 3]| trust_folder(over.map(Path::new), state.map(Path::new), home.map(Path::new));
    assert_eq!(folder([Some("/t"), Some("/s"), Some("/h")]).expect("a folder"), Path::new("/t"));
    assert_eq!(folder([None, Some("/s"), Some("/h")]).expect("a folder"), Path::new("/s/remit/trust"));
    assert_eq!(folder([None, Some("relative"), Some("/h")]).expect("a folder"), Path::new("/h/.local/state/remit/trust"));
    assert_eq!(folder([None, None, None]).expect_err("nowhere").kind, Kind::Unavailable);
}

#[test]
fn lock_and_file_are_saved_together_unless_they_changed() {
    let fixture = Fixture::new();
    let before = fixture.open();
    let text = PROJECT.replace("acme", "other");
    let pins = before.save(Some(&text), &lock()).expect("saved");
    let after = fixture.open();
    assert_eq!((after.pins.clone(), after.project.name.as_str(), after.lock.clone()), (pins, "other", Some(lock())));
    let stale = remit_core::Error::from(before.save(None, &Lock::default()).expect_err("it changed meanwhile"));
    assert_eq!(stale.kind, Kind::Conflict);
    after.save(Some("version = 1\n"), &lock()).expect_err("mistakes are not written");
    assert_eq!(fixture.open().pins, after.pins);
}

#[test]
fn a_section_is_embedded_once() {
    let manifest = "version = 1\n[plugin]\nname = \"files\"\nversion = \"1\"\ndescription = \"d\"\n";
    let manifest = Manifest::parse("plugin.toml", manifest.as_bytes()).expect("it is right");
    let schema = json!({ "type": "object" });
    let (name, description) = ("read".to_owned(), "reads".to_owned());
    let tool = Definition { name, title: None, description, input_schema: schema, output_schema: None, effect: Effect::Read };
    let written = Section::new(&manifest, vec![tool]).expect("it is right");
    let component = embed(COMPONENT, &written).expect("embedded");
    assert_eq!(section::find(&component).expect("a component"), Some(written.clone()));
    assert_eq!(embed(&component, &written).expect_err("twice").kind, Kind::Invalid);
    assert_eq!(embed(b"text", &written).expect_err("no component").kind, Kind::Invalid);
}

fn command(words: &[&str], path: Option<&str>) -> remit_core::project::Command {
    let env = path.map(|path| ("PATH".to_owned(), remit_core::project::EnvValue::Fixed(path.to_owned())));
    remit_core::project::Command {
        argv: words.iter().map(|word| (*word).to_owned()).collect(),
        env: env.into_iter().collect(),
        cwd: Some("tools".to_owned()),
    }
}

#[test]
fn the_program_of_an_outside_server_is_found_where_its_process_would_find_it() {
    let fixture = Fixture::new();
    fixture.write("p/bin/serve", "#!/bin/sh\n");
    fixture.write("p/tools/server.py", "print()");
    let (root, name) = (fixture.path("p"), "tickets".parse().expect("a name"));
    let bin = root.join("bin").to_string_lossy().into_owned();
    let find = |words: &[&str], path: Option<&str>| {
        super::Native::find(&name, &root, &command(words, path)).map(|native| (native.program.clone(), native))
    };
    let refused = |words: &[&str], path: Option<&str>| find(words, path).expect_err("it is not there").kind;
    assert_eq!(refused(&["serve"], Some(&bin)), Kind::Unavailable, "nobody may execute it");
    fs::set_permissions(root.join("bin/serve"), fs::Permissions::from_mode(0o755)).expect("it is ours");

    let (program, native) =
        find(&["serve", "server.py", "missing.py", "--flag"], Some(&format!("bin:/nowhere:{bin}"))).expect("it is there");
    assert_eq!(program, root.join("bin/serve"));
    assert_eq!(native.files.keys().collect::<Vec<_>>(), ["bin/serve", "tools/server.py"]);
    assert_eq!(native.folder(), root.join("tools"));
    assert_eq!(find(&["bin/serve"], None).expect("a path").0, root.join("bin/serve"));
    assert_eq!(refused(&["serve"], None), Kind::Unavailable, "not in the fixed `PATH`");
    assert_eq!(refused(&["serve"], Some("bin")), Kind::Unavailable, "a relative folder is passed over");
    assert_eq!(refused(&["bin/none"], None), Kind::Unavailable);

    native.check(&name).expect("nothing changed");
    fixture.write("p/tools/missing.py", "");
    let appeared = native.check(&name).expect_err("a file appeared that an argument names");
    assert_eq!((appeared.kind, appeared.code), (Kind::Unavailable, Some("E-REVIEW")));
    fs::remove_file(root.join("tools/missing.py")).expect("removed");
    native.check(&name).expect("it is as it was");
    fixture.write("p/tools/server.py", "print(1)");
    assert_eq!(native.check(&name).expect_err("another script").code, Some("E-REVIEW"));
    assert_ne!(find(&["serve", "server.py"], Some(&bin)).expect("it is there").1.digest(), native.digest());
}

/// Doors that are opened at once for the very first time open what the others sealed.
#[test]
fn doors_that_are_opened_at_once_have_one_key() {
    for _ in 0..20 {
        let fixture = Fixture::new();
        let state = StateFolder::new(&fixture.path("p"), "acme", None);
        let start = std::sync::Barrier::new(8);
        let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let open = || {
                start.wait();
                state.door_key().expect("a key")
            };
            let doors: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            doors.into_iter().map(|door| door.join().expect("no panic")).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        assert_eq!(state.door_key().expect("a key"), keys[0], "and so has a later one");
    }
}
