//! The agent with the tools of `files` themselves, on a copy of `tests/data/repo`.

use std::fs;
use std::path::Path;

use remit::durable::Decision;
use remit::serde_json::{Value, json};
use remit::{Error, ErrorKind, Output, Result, testing};
use tempfile::TempDir;

use super::{Change, Released, Stage, release};
use crate::manifest;
use crate::version::{Bump, Version};

/// A copy of the repository, with the tools of `files`.
fn repository() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/repo"), folder.path());
    testing::on_call(call);
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn call(tool: &str, arguments: Value) -> Result<Output> {
    match tool {
        "files/search" => testing::call::<files::search::search>(arguments),
        "files/read" => testing::call::<files::read::read>(arguments),
        "files/edit" => testing::call::<files::edit::edit>(arguments),
        "files/write" => testing::call::<files::write::write>(arguments),
        other => Err(Error::denied(format!("`{other}` is not declared"))),
    }
}

fn change(folder: &TempDir) -> Change {
    Change { folder: folder.path().display().to_string(), version: None, bump: Some(Bump::Minor), note: None }
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

/// The repository is as it was.
#[track_caller]
fn untouched(folder: &TempDir) {
    for name in ["Cargo.toml", "package.json", "CHANGELOG.md", "web/package.json"] {
        let original = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/repo").join(name)).unwrap();
        assert_eq!(read(folder, name), original, "{name}");
    }
    assert!(!folder.path().join("RELEASE-1.4.0.md").exists());
}

fn yes() {
    testing::decide(Decision::Approved(None));
}

#[test]
fn a_release_goes_through_all_its_stages() {
    let folder = repository();
    yes();
    let done = release(change(&folder)).unwrap();
    assert_eq!((done.from.as_str(), done.to.as_str(), done.stage), ("1.3.0", "1.4.0", Stage::Finished));
    assert_eq!((done.changed.len(), done.checks.len(), done.released.as_slice()), (3, 3, ["1.4.0".to_owned()].as_slice()));
    let cargo = read(&folder, "Cargo.toml");
    assert!(cargo.contains("[workspace.package]\nversion = \"1.4.0\"") && cargo.matches("1.3.0").count() == 2, "{cargo}");
    let package = read(&folder, "package.json");
    assert!(package.contains("\n  \"version\": \"1.4.0\"") && package.contains("9.9.9"), "{package}");
    assert!(read(&folder, "CHANGELOG.md").starts_with("# Changes\n\n## [Unreleased]\n\n## [1.4.0] - 20"));
    let note = read(&folder, "RELEASE-1.4.0.md");
    assert!(note.contains("- Berths can be booked for one night.") && !note.contains("tide tables"), "{note}");
    assert!(done.notes.iter().any(|note| note.contains("README.md` names 1.3.0 too")), "{:?}", done.notes);
    assert!(done.notes.iter().any(|note| note.contains("web/package.json` has the version 0.2.0")), "{:?}", done.notes);
}

#[test]
fn the_question_shows_the_change_and_its_test() {
    let folder = repository();
    yes();
    release(change(&folder)).unwrap();
    let question = &testing::questions()[0];
    assert!(question.title.starts_with("Release 1.4.0 of ") && question.title.ends_with("(now 1.3.0)?"), "{}", question.title);
    for line in ["  - version = \"1.3.0\"\n", "  + version = \"1.4.0\"\n", "- passed: `", "one night", "names 1.3.0 too"] {
        assert!(question.details.contains(line), "`{line}` is missing in: {}", question.details);
    }
}

#[test]
fn without_a_yes_all_is_taken_back() {
    for decision in [Decision::Denied(Some("not on a Friday".into())), Decision::Expired] {
        let folder = repository();
        testing::decide(decision);
        let done = release(change(&folder)).unwrap();
        assert_eq!((done.stage, done.changed.len(), done.note, done.released.len()), (Stage::Declined, 0, None, 0));
        untouched(&folder);
    }
}

/// Runs with the `nth` edit answered by `kind`, made or not.
fn with_trouble(folder: &TempDir, nth: usize, kind: ErrorKind, made: bool) -> Released {
    let mut edits = 0;
    testing::on_call(move |tool, arguments| {
        edits += usize::from(tool == "files/edit");
        if tool != "files/edit" || edits != nth {
            return call(tool, arguments);
        }
        if made {
            call(tool, arguments)?;
        }
        Err(Error::new(kind, "the host stopped"))
    });
    release(change(folder)).unwrap()
}

#[test]
fn an_edit_that_fails_takes_back_the_ones_before_and_asks_nobody() {
    let folder = repository();
    let done = with_trouble(&folder, 2, ErrorKind::Denied, false);
    assert_eq!((done.stage, testing::questions().len()), (Stage::Failed, 0));
    assert!(done.notes.iter().any(|note| note.contains("package.json` was not changed: the host stopped")), "{:?}", done.notes);
    untouched(&folder);
}

#[test]
fn an_edit_in_doubt_is_settled_by_the_test() {
    let folder = repository();
    yes();
    assert_eq!(with_trouble(&folder, 1, ErrorKind::InDoubt, true).stage, Stage::Finished);
    let folder = repository();
    let done = with_trouble(&folder, 1, ErrorKind::InDoubt, false);
    assert_eq!((done.stage, done.checks[0].problem.as_deref()), (Stage::Failed, Some("it is as it was before")));
    untouched(&folder);
}

#[test]
fn what_somebody_else_changed_meanwhile_is_left_alone_and_named() {
    let folder = repository();
    let path = folder.path().join("package.json");
    testing::on_call(move |tool, arguments| {
        let answer = call(tool, arguments.clone());
        if tool == "files/edit" && arguments["path"] == path.display().to_string() {
            fs::write(&path, "{}\n").unwrap();
        }
        answer
    });
    let done = release(change(&folder)).unwrap();
    assert_eq!(done.stage, Stage::Failed);
    assert!(done.notes.iter().any(|note| note.contains("somebody else changed it")), "{:?}", done.notes);
    assert_eq!(read(&folder, "package.json"), "{}\n");
}

#[test]
fn a_version_has_to_be_later_and_the_only_one() {
    let folder = repository();
    let refusal = |version: Option<&str>, bump| {
        let change = Change { version: version.map(str::to_owned), bump, ..change(&folder) };
        release(change).unwrap_err().to_string()
    };
    assert!(refusal(Some("1.3.0"), None).contains("not later than the present version 1.3.0"));
    assert!(refusal(Some("2.0"), None).contains("three numbers"));
    assert!(refusal(Some("2.0.0"), Some(Bump::Major)).contains("keep one"));
    fs::write(folder.path().join("package.json"), "{\n  \"version\": \"1.2.9\"\n}\n").unwrap();
    assert!(refusal(Some("2.0.0"), None).contains("make them agree first"));
    let empty = tempfile::tempdir().unwrap();
    assert!(release(change(&empty)).unwrap_err().message().contains("has no version"));
}

#[test]
fn files_with_other_line_breaks_keep_them() {
    let folder = tempfile::tempdir().unwrap();
    testing::on_call(call);
    fs::write(folder.path().join("pyproject.toml"), "[project]\r\nversion = '0.9.9' # now\r\n").unwrap();
    fs::write(folder.path().join("CHANGELOG.md"), "## Unreleased\r\n\r\n- New.\r\n").unwrap();
    yes();
    let done = release(Change { bump: None, ..change(&folder) }).unwrap();
    assert_eq!((done.to.as_str(), done.stage), ("0.9.10", Stage::Finished));
    assert_eq!(read(&folder, "pyproject.toml"), "[project]\r\nversion = '0.9.10' # now\r\n");
    assert!(read(&folder, "CHANGELOG.md").starts_with("## Unreleased\r\n\r\n## 0.9.10 (20"));
    assert!(!read(&folder, "CHANGELOG.md").replace("\r\n", "").contains(['\r', '\n']));
}

#[test]
fn the_version_of_a_manifest_is_that_of_the_project() {
    let found = |path: &str, text: &str| manifest::find(path, text).unwrap().map(|found| (found.line, found.version));
    let version = |text: &str| Version::parse(text).unwrap();
    assert_eq!(
        found("Cargo.toml", "[dependencies.a]\nversion = \"9.0.0\"\n[package] # it\nversion=\"1.0.0\"\n"),
        Some((3, version("1.0.0")))
    );
    assert_eq!(found("Cargo.toml", "[package]\nversion.workspace = true\n"), None);
    assert_eq!(
        found("package.json", "{\n\"a\": {\n\"version\": \"9.0.0\" },\n\"b\": \"{\",\n\"version\": \"1.0.0\"\n}"),
        Some((4, version("1.0.0")))
    );
    assert!(manifest::find("Cargo.toml", "[package]\nversion = \"1.0.0-rc.1\"\n").unwrap_err().message().contains("`Cargo.toml`, line 2"));
}

#[test]
fn the_folder_is_all_that_has_to_be_said() {
    let definition = testing::definition::<release>();
    assert_eq!(definition.input_schema["required"], json!(["folder"]));
    let error = testing::call::<release>(json!({ "folder": "/repo", "force": true })).unwrap_err();
    assert!(error.message().contains("`force`"), "{error}");
}
