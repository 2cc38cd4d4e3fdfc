//! A reviewer: what deserves a second look, approvals that have to be signed, and why something is decided as it is.

use remit_tests::{Shell, component};
use serde_json::Value;

use super::{project, sessions::check};

const READ: [&str; 4] = ["call", "files", "read", r#"{"path": "/docs/a.md"}"#];

fn text(shell: &Shell, file: &str) -> String {
    std::fs::read_to_string(shell.cwd().join(file)).expect("a file")
}

fn append(shell: &Shell, file: &str, more: &str) {
    shell.write(file, format!("{}{more}", text(shell, file)));
}

fn json(shell: &Shell, arguments: &[&str]) -> Value {
    let ended = shell.run(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {ended:?}"))
}

/// A new key that signs approvals, without a password: its public part.
fn key(shell: &Shell, file: &str) -> String {
    json(shell, &["key", "signing", file, "--no-password"])["public"].as_str().expect("a key").to_owned()
}

/// That a command ends so, and says this.
#[track_caller]
fn ends(shell: &Shell, arguments: &[&str], code: i32, words: &str) {
    let ended = shell.run(arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(words), "{arguments:?}: {said}");
}

/// A project with the plugin `files`, whose approval is signed by the key in `sign.key`.
fn signed() -> Shell {
    let shell = project();
    let public = key(&shell, "sign.key");
    append(&shell, "remit.toml", &format!("\n[review]\nsigners = [\"{public}\"]\n"));
    ends(&shell, &["review", "--sign", "sign.key", "--yes"], 0, "reviewed");
    shell
}

#[test]
fn what_deserves_a_second_look_is_flagged_with_something_narrower() {
    let shell = project();
    check("review_flags_grant", shell.transcript(&["grant", "files", "fs", ".:/all:write", "--yes"]).to_string());
    check("review_flags_in_vain", shell.transcript(&["grant", "files", "http", "* https://*.example.com/**", "--yes"]).to_string());
    check("review_flags_check", shell.transcript(&["review", "--check"]).to_string());
    let review = json(&shell, &["review", "--check"]);
    let rules = |flags: &Value| {
        flags.as_array().expect("flags").iter().map(|flag| flag["rule"].as_str().expect("a rule").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rules(&review["plugins"][0]["flags"]), rules(&json(&shell, &["inspect", "files"])["flags"]));
    assert_eq!(shell.run(&["review", "--check"]).status.code(), Some(0), "flags alone fail no check");
    // What is proposed can be typed once what is in angle brackets is filled in.
    ends(&shell, &["revoke", "files", "fs", ".:/all:write"], 0, "");
    ends(&shell, &["grant", "files", "fs", "docs:/all:write", "--yes"], 0, "+ granted fs docs:/all:write");
}

#[test]
fn a_review_shows_a_new_plugin_as_a_model_will_see_it() {
    let shell = Shell::new();
    shell.write("clock.wasm", component("clock"));
    shell.write("remit.toml", "version = 1\n[project]\nname = \"acme\"\n[plugins.clock]\nsource = \"clock.wasm\"\nask = [\"now\"]\nlimits = { memory_mib = 128 }\n");
    check("review_new", shell.transcript(&["review", "--check"]).to_string());
    ends(&shell, &["review", "--yes"], 0, "1 approved");
    let fewer = text(&shell, "remit.toml").replace("ask = [\"now\"]\n", "").replace("128", "256");
    shell.write("remit.toml", fewer);
    check("review_fewer_approvals", shell.transcript(&["review", "--check"]).to_string());
    ends(&shell, &["trust", "--yes"], 0, "");
    ends(&shell, &["call", "clock", "now"], 2, "that `now` needs no approval any more is not approved");
}

#[test]
fn c2_an_approval_that_has_to_be_signed_counts_once_a_signer_signed_it() {
    let shell = project();
    let (public, other) = (key(&shell, "sign.key"), key(&shell, "other.key"));
    append(&shell, "remit.toml", &format!("\n[review]\nsigners = [\"{public}\"]\n"));
    ends(&shell, &["trust", "--yes"], 0, "");
    check("signed_not_yet", shell.transcript(&READ).to_string());
    check("signed_yes_alone", shell.transcript(&["review", "--yes"]).to_string());
    ends(&shell, &["review", "--check"], 3, "shown as new: `files` is not loaded: its approval is not signed");
    let refused = shell.run(&["review", "--sign", "other.key", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("is no key of a signer of this project") && said.contains(&other), "{said}");
    ends(&shell, &["review", "--sign", "sign.key", "--yes"], 0, "1 approved");
    ends(&shell, &READ, 0, "Remit fails closed");
    check("signed", shell.transcript(&["review", "--check"]).to_string());
    // What is changed at the command line has to be signed anew, and is shown as a whole then.
    ends(&shell, &["grant", "files", "env", "LANG=C", "--yes"], 0, "is not loaded until its approval is signed");
    ends(&shell, &READ, 2, "its approval is not signed");
    ends(&shell, &["review", "--sign", "sign.key", "--yes"], 0, "+ granted env LANG=C");
    ends(&shell, &READ, 0, "Remit fails closed");
}

#[test]
fn c2_a_lock_that_was_edited_or_comes_from_another_project_is_refused() {
    let shell = signed();
    let files = ["remit.toml", "remit.lock", "files.wasm", "docs/a.md"];
    let copy = |name: &str| {
        let other = Shell::new();
        for file in files {
            other.write(file, std::fs::read(shell.cwd().join(file)).expect("a file"));
        }
        let named = text(&other, "remit.toml").replace("name = \"work\"", &format!("name = \"{name}\""));
        other.write("remit.toml", named);
        ends(&other, &["trust", "--yes"], 0, "");
        other
    };
    ends(&copy("work"), &READ, 0, "Remit fails closed");
    ends(&copy("elsewhere"), &READ, 2, "its signature is of something else: `project work plugin files");

    // Who has the same user's shell can trust whatever it wrote, and sign nothing.
    let lock = text(&shell, "remit.lock");
    for (from, to, words) in [
        ("by = \"user:", "by = \"user:x", "its approval was changed after it was signed"),
        ("docs:/docs:read", "docs:/docs:write", "its signature is of something else"),
        ("memory_mib = 64", "memory_mib = 65", "its signature is of something else"),
    ] {
        assert!(lock.contains(from), "{lock}");
        shell.write("remit.lock", lock.replace(from, to));
        ends(&shell, &["trust", "--yes"], 0, "");
        ends(&shell, &READ, 2, words);
    }
    shell.write("remit.lock", &lock);
    ends(&shell, &["trust", "--yes"], 0, "");
    ends(&shell, &READ, 0, "Remit fails closed");
}

#[test]
fn c4_a_section_that_is_appended_after_signing_is_refused() {
    let shell = signed();
    ends(&shell, &READ, 0, "Remit fails closed");
    let longer: Vec<u8> = component("files").iter().copied().chain([0, 2, 1, b'x']).collect();
    shell.write("files.wasm", longer);
    ends(&shell, &READ, 2, "its component is not the approved one");
    ends(&shell, &["review", "--check"], 3, "~ component: sha256:");
    ends(&shell, &["review", "--yes"], 2, "has to be signed");
    shell.write("files.wasm", component("files"));
    ends(&shell, &READ, 0, "Remit fails closed");
}

/// A plain component with one function, which imports files where `imports` says so.
fn seven(imports: bool, more: &str) -> Vec<u8> {
    let import = if imports { r#"(import "wasi:filesystem/preopens@0.2.0" (instance))"# } else { "" };
    let text = format!(
        r#"(component {import} (core module $m (func (export "f") (result i32) i32.const 7)) (core instance $i (instantiate $m))
           (func (export "seven") (result u32) (canon lift (core func $i "f"))) (@custom "{more}" "x"))"#
    );
    wat::parse_str(text).expect("a component")
}

#[test]
fn c5_an_update_whose_imports_grow_is_reviewed_anew() {
    let shell = Shell::new();
    // A crate under development relocks by itself, but never to more than was approved.
    shell.write("plug/Cargo.toml", "").write(".remit/build/plug.wasm", seven(false, "one"));
    shell.write("remit.toml", "version = 1\n[project]\nname = \"acme\"\n[plugins.plug]\nsource = \"plug\"\n");
    ends(&shell, &["review", "--yes"], 0, "1 approved");
    ends(&shell, &["call", "plug", "seven"], 0, "7");
    shell.write(".remit/build/plug.wasm", seven(false, "two"));
    ends(&shell, &["call", "plug", "seven"], 0, "relocked `plug`");
    shell.write(".remit/build/plug.wasm", seven(true, "three"));
    ends(&shell, &["call", "plug", "seven"], 2, "its component is not the approved one");
    ends(&shell, &["review", "--check"], 3, "+ import wasi:filesystem/preopens@0.2.0");
    ends(&shell, &["review", "--yes"], 0, "1 approved");
    ends(&shell, &["call", "plug", "seven"], 0, "7");
    // Where approvals have to be signed, nothing relocks by itself.
    let public = key(&shell, "sign.key");
    append(&shell, "remit.toml", &format!("[review]\nsigners = [\"{public}\"]\n"));
    ends(&shell, &["review", "--sign", "sign.key", "--yes"], 0, "1 approved");
    ends(&shell, &["call", "plug", "seven"], 0, "7");
    shell.write(".remit/build/plug.wasm", seven(true, "four"));
    ends(&shell, &["call", "plug", "seven"], 2, "its component is not the approved one");
}

#[test]
fn keys_that_sign_are_made_once_and_refused_where_they_are_none() {
    let shell = signed();
    ends(&shell, &["key", "signing", "sign.key", "--no-password"], 2, "there is something at");
    ends(&shell, &["key", "signing", "new.key"], 2, "nobody can be asked for the password");
    shell.write("bad.key", "a comment\nAAAA\n").write("huge.key", "x".repeat(5000));
    ends(&shell, &["review", "--sign", "bad.key"], 2, "is no secret key of minisign");
    ends(&shell, &["review", "--sign", "huge.key"], 4, "has more than 4 KiB");
    ends(&shell, &["review", "--sign", "missing.key"], 2, "cannot be read");
    let plain = project();
    ends(&plain, &["review", "--sign", "sign.key"], 2, "nobody has to sign the approvals of this project");
    ends(&plain, &READ, 0, "Remit fails closed");
}

/// The project of the other tests, with roles, an approval, and a right that is not granted.
fn desk() -> Shell {
    let shell = project();
    let manifest = text(&shell, "remit.toml").replace("source = \"files.wasm\"", "source = \"files.wasm\"\nask = [\"write\"]");
    shell.write("remit.toml", format!("{manifest}\n[roles.reader]\ntools = [\"files/read\"]\n[principals]\n\"user:bob\" = [\"reader\"]\n"));
    ends(&shell, &["review", "--yes"], 0, "reviewed");
    shell
}

#[test]
fn explain_names_the_line_that_decides_and_what_would_turn_it() {
    let shell = desk();
    let mut said = String::new();
    for command in [
        ["explain", "files", "read"].as_slice(),
        &["explain", "files", "read", "--as", "user:bob"],
        &["explain", "files", "search", "--as", "user:bob"],
        &["explain", "files", "read", "--as", "user:eve"],
        &["explain", "files", "write", r#"{"path": 1}"#],
        &["explain", "files", "fs", "read /docs/a.md"],
        &["explain", "files", "fs", "write /docs/a.md"],
        &["explain", "files", "fs", "read /etc/passwd"],
        &["explain", "files", "http", "GET https://example.com/"],
        &["explain", "files", "kv", "open"],
    ] {
        said += &format!("{}\n", shell.transcript(command));
    }
    check("explain_lines", said);
    shell.write("files.wasm", component("clock"));
    let refused = json(&shell, &["explain", "files", "now"]);
    assert_eq!((&refused["decision"], &refused["change"]), (&"deny".into(), &"remit review".into()), "{refused}");
}

#[test]
fn explain_tells_what_a_session_used_and_the_least_that_would_do() {
    let shell = desk();
    for arguments in [r#"{"path": "/docs/a.md"}"#, r#"{"path": "/docs/b.md"}"#, r#"{"path": "/etc/passwd"}"#] {
        drop(shell.run(&["call", "files", "read", arguments, "--session", "desk"]));
    }
    ends(&shell, &["grant", "files", "fs", "drafts:/drafts:write", "--yes"], 0, "");
    ends(&shell, &["grant", "files", "env", "LANG=C", "--yes"], 0, "");
    let session = super::sessions::first(&shell, &["session", "list"], "id");
    check("explain_session", shell.transcript(&["explain", &session]).to_string());
    let uses = json(&shell, &["explain", &session]);
    assert!(uses["used"]["files"].as_array().is_some_and(|used| used.contains(&"fs read /docs/a.md".into())), "{uses}");
    let record = uses["used"].as_object().map(|_| "1").expect("uses");
    check("explain_record", shell.transcript(&["explain", &session, record]).to_string());
    check("explain_no_record", shell.transcript(&["explain", &session, "99"]).to_string());
    // A narrower file is asked without touching the project.
    let narrower = text(&shell, "remit.toml").replace("path = \"docs\", mount = \"/docs\"", "path = \"docs\", mount = \"/other\"");
    shell.write("narrower.toml", narrower);
    check("explain_against", shell.transcript(&["explain", &session, "--against", "narrower.toml"]).to_string());
    ends(&shell, &["explain", &session, "--against", "none.toml"], 2, "cannot be read");
}
