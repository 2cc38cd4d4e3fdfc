use std::fs;
use std::path::Path;

use remit::Error;
use tempfile::TempDir;

use crate::edit::{Edit, edit};
use crate::list::{List, list};
use crate::read::{Encoding, Read, read};
use crate::search::{Search, search};
use crate::write::{Write, write};
use crate::{digest, path};

/// A copy of `tests/data/tree`, with the files that a repository could not carry.
fn tree() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tree"), folder.path());
    fs::rename(folder.path().join("gitignore"), folder.path().join(".gitignore")).unwrap();
    fs::create_dir_all(folder.path().join(".git")).unwrap();
    fs::write(folder.path().join(".git/config"), "harbour in git\n").unwrap();
    fs::create_dir_all(folder.path().join("build")).unwrap();
    fs::write(folder.path().join("build/out.log"), "harbour in build\n").unwrap();
    fs::write(folder.path().join("photo.bin"), [0x89, b'P', b'N', b'G', 0, 1, 2, 3]).unwrap();
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

fn at(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

fn names(folder: &TempDir, listing: &crate::list::Listing) -> Vec<String> {
    listing.entries.iter().map(|item| Path::new(&item.path).strip_prefix(folder.path()).unwrap().display().to_string()).collect()
}

fn message(error: Error) -> String {
    error.to_string()
}

#[test]
fn paths_are_absolute_and_do_not_climb() {
    assert_eq!(path::parse("/docs//./a.md").unwrap(), Path::new("/docs/a.md"));
    assert!(message(path::parse("docs/a.md").unwrap_err()).contains("not an absolute path"));
    assert!(message(path::parse("/docs/../etc").unwrap_err()).contains("`..`"));
    assert!(message(path::parse(&"/a".repeat(4000)).unwrap_err()).contains("8000 bytes"));
}

#[test]
fn list_honours_gitignore_down_the_tree() {
    let folder = tree();
    let listing = list(List { path: at(&folder, ""), depth: Some(9), ..List::default() }).unwrap();
    assert_eq!(
        names(&folder, &listing),
        [".gitignore", "notes", "notes/.gitignore", "notes/harbour.md", "notes/keep.log", "photo.bin", "ports.txt"]
    );
    let sizes: Vec<_> = listing.entries.iter().map(|item| item.size.is_some()).collect();
    assert_eq!(sizes, [true, false, true, true, true, true, true]);
    assert_eq!(listing.next, None);
}

#[test]
fn list_all_shows_what_is_ignored() {
    let folder = tree();
    let listing = list(List { path: at(&folder, ""), depth: Some(9), all: true, ..List::default() }).unwrap();
    let names = names(&folder, &listing);
    assert!(names.contains(&".git/config".to_owned()) && names.contains(&"build/out.log".to_owned()), "{names:?}");
}

#[test]
fn list_below_honours_rules_from_above() {
    let folder = tree();
    fs::write(folder.path().join("notes/a.tmp"), "x").unwrap();
    fs::create_dir(folder.path().join("notes/build")).unwrap();
    let listing = list(List { path: at(&folder, "notes"), ..List::default() }).unwrap();
    assert_eq!(names(&folder, &listing), ["notes/.gitignore", "notes/harbour.md", "notes/keep.log"]);
}

#[test]
fn list_pages() {
    let folder = tree();
    let ask = |skip| List { path: at(&folder, ""), depth: Some(9), skip, limit: Some(3), ..List::default() };
    let first = list(ask(0)).unwrap();
    assert_eq!((first.entries.len(), first.total, first.next.as_deref()), (3, 7, Some("4 more: call again with `skip` = 3")));
    let last = list(ask(6)).unwrap();
    assert_eq!((names(&folder, &last), last.next), (vec!["ports.txt".to_owned()], None));
}

#[test]
fn list_filters_by_name_and_by_path() {
    let folder = tree();
    let ask = |glob: &str| List { path: at(&folder, ""), depth: Some(9), glob: Some(glob.to_owned()), ..List::default() };
    assert_eq!(names(&folder, &list(ask("*.md")).unwrap()), ["notes/harbour.md"]);
    assert_eq!(names(&folder, &list(ask("notes/*")).unwrap()), ["notes/.gitignore", "notes/harbour.md", "notes/keep.log"]);
    assert!(message(list(ask("a[")).unwrap_err()).contains("`a[` is not a glob"));
}

#[test]
fn list_of_nothing_names_what_is_there() {
    let folder = tree();
    let missing = message(list(List { path: at(&folder, "notes/none"), ..List::default() }).unwrap_err());
    assert!(missing.contains("does not exist") && missing.contains(&format!("`list` of `{}`", at(&folder, "notes"))), "{missing}");
    let outside = list(List { path: "/no-such-mount/a".to_owned(), ..List::default() }).unwrap_err();
    assert!(outside.kind() == remit::ErrorKind::Denied, "{outside:?}");
    assert!(message(outside).contains("granted folders: "));
}

#[cfg(unix)]
#[test]
fn walk_does_not_follow_links() {
    let folder = tree();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("notes/loop")).unwrap();
    let listing = list(List { path: at(&folder, "notes"), depth: Some(64), ..List::default() }).unwrap();
    assert_eq!(names(&folder, &listing).last().unwrap(), "notes/loop");
    assert_eq!(listing.entries.last().unwrap().kind, crate::walk::Kind::Link);
}

#[test]
fn read_gives_the_whole_file_with_its_digest() {
    let folder = tree();
    let file = at(&folder, "ports.txt");
    let got = read(Read { path: file.clone(), ..Read::default() }).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(got.sha256.unwrap(), digest::of(text.as_bytes()));
    assert_eq!((got.content, got.total_lines, got.last_line, got.next), (text, Some(6), Some(6), None));
}

#[test]
fn read_gives_lines_and_says_how_to_go_on() {
    let folder = tree();
    let ask = |from, lines| Read { path: at(&folder, "ports.txt"), from_line: Some(from), lines, ..Read::default() };
    let got = read(ask(2, Some(2))).unwrap();
    assert_eq!(got.content, "Lisbon\nRotterdam\n");
    assert_eq!(got.next.as_deref(), Some("more lines: call again with `from_line` = 4"));
    assert_eq!(read(ask(5, Some(2))).unwrap().next, None);
    assert!(message(read(ask(7, None)).unwrap_err()).contains("the file has 6 lines"));
}

#[test]
fn read_stops_at_its_budget_between_lines() {
    let folder = tree();
    let got = read(Read { path: at(&folder, "ports.txt"), max_bytes: Some(16), ..Read::default() }).unwrap();
    assert_eq!((got.content.as_str(), got.last_line), ("Trieste\nLisbon\n", Some(2)));
    assert_eq!(got.next.as_deref(), Some("more lines: call again with `from_line` = 3"));
    let long = read(Read { path: at(&folder, "ports.txt"), from_line: Some(3), max_bytes: Some(4), ..Read::default() }).unwrap();
    assert_eq!(long.next.as_deref(), Some("line 3 has 10 bytes: call with `from_byte` = 15 to read it in parts"));
}

#[test]
fn read_says_what_is_not_text() {
    let folder = tree();
    let ask = |from_byte| Read { path: at(&folder, "photo.bin"), from_byte, ..Read::default() };
    let got = read(ask(None)).unwrap();
    assert_eq!((got.encoding, got.content.as_str(), got.size), (Encoding::Binary, "", 8));
    assert_eq!(read(ask(Some(0))).unwrap().content, "iVBORwABAgM=");
    assert!(message(read(ask(Some(9))).unwrap_err()).contains("the file has 8 bytes"));
}

#[test]
fn read_of_bytes_keeps_characters_whole() {
    let folder = tree();
    fs::write(folder.path().join("u.txt"), "aé").unwrap();
    let got = read(Read { path: at(&folder, "u.txt"), from_byte: Some(0), max_bytes: Some(2), ..Read::default() }).unwrap();
    assert_eq!((got.content.as_str(), got.next.as_deref()), ("a", Some("2 more bytes: call again with `from_byte` = 1")));
}

#[test]
fn read_of_an_empty_file_is_empty() {
    let folder = tree();
    fs::write(folder.path().join("empty"), "").unwrap();
    let got = read(Read { path: at(&folder, "empty"), ..Read::default() }).unwrap();
    assert_eq!((got.content.as_str(), got.total_lines, got.first_line, got.next), ("", Some(0), None, None));
}

#[test]
fn search_finds_lines_with_their_context() {
    let folder = tree();
    let got =
        search(Search { path: at(&folder, ""), pattern: r"harbour\b".to_owned(), ignore_case: true, context: 1, ..Search::default() });
    let got = got.unwrap();
    let seen: Vec<_> = got.matches.iter().map(|found| (found.line, found.text.as_str())).collect();
    assert_eq!(seen, [(1, "# The harbour"), (3, "A Harbour is more than its quay."), (1, "log of the harbour")]);
    assert_eq!(
        (got.matches[1].before.as_slice(), got.matches[1].after.as_slice()),
        (&[String::new()][..], &["It is a promise.".to_owned()][..])
    );
    assert_eq!((got.binary_files, got.next), (1, None));
}

#[test]
fn search_pages_and_says_so() {
    let folder = tree();
    let ask = |skip| Search { path: at(&folder, "ports.txt"), pattern: ".".to_owned(), skip, limit: Some(2), ..Search::default() };
    let first = search(ask(0)).unwrap();
    assert_eq!(first.next.as_deref(), Some("there is more: call again with `skip` = 2, or narrow the pattern"));
    let last = search(ask(4)).unwrap();
    assert_eq!((last.matches.len(), last.matches[0].line, last.next), (2, 5, None));
}

#[test]
fn search_takes_plain_text_and_refuses_bad_patterns() {
    let folder = tree();
    let ask = |pattern: &str, literal| Search { path: at(&folder, ""), pattern: pattern.to_owned(), literal, ..Search::default() };
    assert_eq!(search(ask("quay.", true)).unwrap().matches.len(), 1);
    assert!(message(search(ask("(", false)).unwrap_err()).contains("set `literal`"));
    assert!(message(search(ask(r"(\w{500}){500}", false)).unwrap_err()).contains("not a regular expression"));
}

#[test]
fn search_cuts_long_lines_round_the_match() {
    let folder = tree();
    fs::write(folder.path().join("long.txt"), format!("{}needle{}", "é".repeat(5000), "z".repeat(5000))).unwrap();
    let got = search(Search { path: at(&folder, "long.txt"), pattern: "needle".to_owned(), ..Search::default() }).unwrap();
    let text = &got.matches[0].text;
    assert!(text.starts_with('…') && text.ends_with('…') && text.contains("needle") && text.len() < 600, "{text}");
}

#[test]
fn write_is_harmless_when_repeated() {
    let folder = tree();
    let ask = |content: &str| Write { path: at(&folder, "new.md"), content: content.to_owned(), if_absent: true, ..Write::default() };
    let first = write(ask("hello\n")).unwrap();
    assert_eq!((first.created, first.changed, first.size), (true, true, 6));
    let second = write(ask("hello\n")).unwrap();
    assert_eq!((second.created, second.changed, second.sha256 == first.sha256), (false, false, true));
    assert!(message(write(ask("other")).unwrap_err()).contains("leave out `if_absent`"));
    assert_eq!(fs::read_to_string(folder.path().join("new.md")).unwrap(), "hello\n");
}

#[test]
fn write_keeps_what_was_changed_meanwhile() {
    let folder = tree();
    let file = at(&folder, "ports.txt");
    let expected = read(Read { path: file.clone(), ..Read::default() }).unwrap().sha256;
    let ask =
        |content: &str| Write { path: file.clone(), content: content.to_owned(), expected_sha256: expected.clone(), ..Write::default() };
    write(ask("mine")).unwrap();
    assert!(message(write(ask("late")).unwrap_err()).contains("was changed meanwhile"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn write_leaves_no_draft_behind() {
    let folder = tree();
    write(Write { path: at(&folder, "a"), content: "x".to_owned(), ..Write::default() }).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    assert!(message(write(Write { path: at(&folder, "folder"), ..Write::default() }).unwrap_err()).contains("is not a file"));
    assert!(crate::write::replace(&folder.path().join("folder"), b"x").is_err());
    let left =
        fs::read_dir(folder.path()).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".draft"));
    assert_eq!(left.count(), 0);
}

#[test]
fn write_creates_folders_only_when_told() {
    let folder = tree();
    let ask = |create_folders| Write {
        path: at(&folder, "x/y/z.txt"),
        content: "aGk=".to_owned(),
        base64: true,
        create_folders,
        ..Write::default()
    };
    assert!(message(write(ask(false)).unwrap_err()).contains("set `create_folders`"));
    write(ask(true)).unwrap();
    assert_eq!(fs::read(folder.path().join("x/y/z.txt")).unwrap(), b"hi");
    assert!(message(write(Write { content: "%".to_owned(), ..ask(true) }).unwrap_err()).contains("not base64"));
}

#[cfg(unix)]
#[test]
fn write_does_not_replace_links() {
    let folder = tree();
    std::os::unix::fs::symlink("ports.txt", folder.path().join("link")).unwrap();
    assert!(message(write(Write { path: at(&folder, "link"), ..Write::default() }).unwrap_err()).contains("symbolic link"));
}

#[test]
fn edit_replaces_what_occurs_once() {
    let folder = tree();
    let ask =
        |old: &str, all| Edit { path: at(&folder, "ports.txt"), old: old.to_owned(), new: "Porto".to_owned(), all, expected_sha256: None };
    let done = edit(ask("Lisbon", false)).unwrap();
    assert_eq!((done.replaced, done.lines), (1, vec![2]));
    let twice = message(edit(ask("Trieste", false)).unwrap_err());
    assert_eq!(twice, "`old` occurs 2 times (lines 1, 5); give more of the text round it, or set `all`");
    assert_eq!(edit(ask("Trieste", true)).unwrap().lines, [1, 5]);
    assert!(fs::read_to_string(folder.path().join("ports.txt")).unwrap().starts_with("Porto\nPorto\nRotterdam\n"));
}

#[test]
fn edit_says_what_comes_close() {
    let folder = tree();
    let ask = |old: &str| Edit {
        path: at(&folder, "notes/harbour.md"),
        old: old.to_owned(),
        new: "x".to_owned(),
        all: false,
        expected_sha256: None,
    };
    let close = message(edit(ask("A Harbour is more than its quay.\n\nIt is")).unwrap_err());
    assert!(close.contains("line 3 is close"), "{close}");
    assert!(message(edit(ask("")).unwrap_err()).contains("`old` is empty"));
    fs::write(folder.path().join("notes/harbour.md"), "a\r\nb\r\n").unwrap();
    assert!(message(edit(ask("a\nb")).unwrap_err()).contains("line breaks `\\r\\n`"));
}

#[test]
fn edit_refuses_what_is_not_text() {
    let folder = tree();
    fs::write(folder.path().join("latin"), b"caf\xe9").unwrap();
    let ask = Edit { path: at(&folder, "latin"), old: "caf".to_owned(), new: "x".to_owned(), all: false, expected_sha256: None };
    assert!(message(edit(ask).unwrap_err()).contains("not UTF-8"));
}
