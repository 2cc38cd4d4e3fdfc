//! The JSON Schemas in `docs/schema`, which editors use, say what the readers of the files say.
#![allow(clippy::disallowed_methods, reason = "tests read the repository")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::super::{Project, ProjectError};
use crate::{
    grant::{CAPABILITIES, Grants, line},
    plugin::{compile_schema, manifest::Manifest},
};

/// Every key of `remit.toml`, each at least once.
const REMIT: &str = include_str!("every-key.toml");

const PLUGIN: &str = r#"
version = 1
[plugin]
name = "greet"
version = "0.1.0"
description = "Greets somebody"
[declares]
fs = [{ mount = "/notes", access = "read", reason = "reads the notes" }]
http = [{ allow = ["GET https://api.example.com/**"], reason = "reads the catalogue" }]
env = [{ keys = ["LANG"], reason = "chooses the language" }]
config = [{ keys = ["region"], reason = "chooses the catalogue" }]
kv = { access = "write", reason = "remembers what was seen" }
workspace = { access = "write", reason = "keeps drafts" }
tools = [{ allow = ["files/read"], reason = "reads attachments" }]
sockets = [{ allow = ["db.example.com:5432"], reason = "asks the data base" }]
model = { names = ["default"], reason = "thinks with it" }
"acme:billing" = [{ scopes = ["invoices/*"], reason = "sums up the month" }]
[tools.shout]
title = "Shout"
description = "Writes a text in capitals"
effect = "read"
"#;

const NOBODYS: &str = "zzzzzzzzzzzzzzzz";

/// A kind of file: its schema, its reader, which gives what it read in a form to compare, and a file that has every key.
struct Kind {
    schema: Value,
    validator: jsonschema::Validator,
    read: fn(&str) -> Result<String, ProjectError>,
    whole: Value,
}

impl Kind {
    fn new(schema: &str, read: fn(&str) -> Result<String, ProjectError>, whole: &str) -> Self {
        let schema: Value = serde_json::from_str(schema).expect("JSON");
        let validator = compile_schema(&schema).expect("a JSON Schema 2020-12");
        Self { schema, validator, read, whole: value(whole) }
    }

    fn remit() -> Self {
        let read = |text: &str| Project::parse("remit.toml", text.as_bytes()).map(|read| format!("{read:?}"));
        Self::new(include_str!("../../../../../docs/schema/remit.toml.schema.json"), read, REMIT)
    }

    fn plugin() -> Self {
        // `declares` as it was written is kept beside what it means.
        let read = |text: &str| Manifest::parse("plugin.toml", text.as_bytes()).map(|read| format!("{:?}", read.declared));
        Self::new(include_str!("../../../../../docs/schema/plugin.toml.schema.json"), read, PLUGIN)
    }

    fn both() -> [Self; 2] {
        [Self::remit(), Self::plugin()]
    }

    fn accepts(&self, file: &Value) -> bool {
        self.validator.is_valid(file)
    }

    fn reads(&self, file: &Value) -> Result<String, ProjectError> {
        (self.read)(&toml::to_string(file).expect("it can be written"))
    }

    /// Each node of the schema, followed through references, with each value of the whole file that it is about.
    fn nodes(&self) -> Vec<(&Value, String)> {
        let mut found = Vec::new();
        self.walk(&self.schema, String::new(), &mut found);
        found
    }

    fn walk<'a>(&'a self, node: &'a Value, at: String, found: &mut Vec<(&'a Value, String)>) {
        if let Some(target) = node["$ref"].as_str() {
            return self.walk(self.schema.pointer(target.trim_start_matches('#')).expect("it is there"), at, found);
        }
        let value = self.whole.pointer(&at).expect("it is there");
        if let Some(key) = node["if"]["required"][0].as_str() {
            let branch = if value.get(key).is_some() { "then" } else { "else" };
            return self.walk(&node[branch], at, found);
        }
        // Of two forms, the one that has keys is looked into where the value has some.
        if let Some(form) = node["anyOf"].as_array().filter(|_| value.is_object()).and_then(|forms| forms.last()) {
            return self.walk(form, at, found);
        }
        found.push((node, at.clone()));
        for key in value.as_object().into_iter().flat_map(|object| object.keys()) {
            let named = node["properties"].get(key).or_else(|| node["patternProperties"].as_object()?.values().next());
            self.walk(named.unwrap_or(&node["additionalProperties"]), format!("{at}/{}", key.replace('/', "~1")), found);
        }
        for index in 0..value.as_array().map_or(0, Vec::len) {
            self.walk(&node["items"], format!("{at}/{index}"), found);
        }
    }

    /// The whole file with one place changed.
    fn with(&self, at: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut file = self.whole.clone();
        change(file.pointer_mut(at).expect("it is there"));
        file
    }
}

fn value(text: &str) -> Value {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Words between backticks.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_schemas_accept_a_file_with_every_key() {
    for kind in Kind::both() {
        kind.reads(&kind.whole).unwrap_or_else(|error| panic!("{}", error.report()));
        assert!(kind.accepts(&kind.whole));
        let mut seen: BTreeMap<*const Value, BTreeSet<&str>> = BTreeMap::new();
        let nodes = kind.nodes();
        for (node, at) in &nodes {
            let keys = kind.whole.pointer(at).and_then(Value::as_object).into_iter().flat_map(|object| object.keys());
            seen.entry(std::ptr::from_ref(*node)).or_default().extend(keys.map(String::as_str));
        }
        for (node, at) in &nodes {
            let known = node["properties"].as_object().into_iter().flat_map(|known| known.keys());
            known.for_each(|key| assert!(seen[&std::ptr::from_ref(*node)].contains(key.as_str()), "{at} never has `{key}`"));
        }
    }
}

#[test]
fn the_schemas_know_the_keys_that_the_readers_know() {
    for kind in Kind::both() {
        for (node, at) in kind.nodes() {
            let Some(known) = node["properties"].as_object() else { continue };
            let file = kind.with(&at, |object| object[NOBODYS] = json!(true));
            assert!(!kind.accepts(&file), "{at}");
            let error = kind.reads(&file).expect_err("an unknown key");
            let problem = error.problems().iter().find(|problem| problem.message.contains(NOBODYS)).expect("it is told");
            let mut told = quoted(problem.hint.as_deref().expect("a hint"));
            told.remove("package:name");
            assert_eq!(told, known.keys().map(String::as_str).collect(), "{at}");
        }
    }
}

/// Other kinds of value, other numbers: reader and schema agree. Other texts: the schema refuses none that the reader takes.
#[test]
fn the_schemas_agree_with_the_readers_on_every_other_value() {
    let numbers = [
        i64::MIN,
        -1,
        0,
        1,
        1024,
        1025,
        36_500,
        36_501,
        65_536,
        65_537,
        1 << 20,
        (1 << 20) + 1,
        3_600_000,
        3_600_001,
        10_000_000,
        10_000_001,
    ];
    let others = [json!(true), json!(1.5), json!([]), json!([true]), json!({}), json!({ NOBODYS: true })];
    let candidates: Vec<Value> = numbers.into_iter().map(Value::from).chain(others).chain(TEXTS.iter().map(|text| json!(text))).collect();
    for kind in Kind::both() {
        for (_, at) in kind.nodes().into_iter().filter(|(_, at)| !at.is_empty()) {
            for candidate in &candidates {
                let file = kind.with(&at, |place| place.clone_from(candidate));
                check(&kind, &file, candidate.is_string() && kind.whole.pointer(&at).is_some_and(Value::is_string), &at);
            }
            let (parent, key) = at.rsplit_once('/').expect("a pointer");
            if kind.whole.pointer(parent).is_some_and(Value::is_object) {
                let file = kind.with(parent, |object| drop(object.as_object_mut().expect("an object").remove(&key.replace("~1", "/"))));
                // Another model falls back to it, which the schema does not look at.
                check(&kind, &file, at == "/models/other", &at);
            }
        }
    }
}

#[test]
fn the_schemas_refuse_no_name_that_the_readers_take() {
    for kind in Kind::both() {
        for (_, at) in kind.nodes().into_iter().filter(|(node, _)| node["additionalProperties"].is_object()) {
            for name in TEXTS {
                let file = kind.with(&at, |object| {
                    let entries = std::mem::take(object.as_object_mut().expect("an object"));
                    *object = entries.into_iter().take(1).map(|(_, entry)| ((*name).to_owned(), entry)).collect();
                });
                check(&kind, &file, true, &at);
            }
        }
    }
}

#[test]
fn the_schemas_refuse_what_keys_mean_together() {
    let kind = Kind::remit();
    let secret = "/plugins/files/grants/http/0/secret";
    let cases = [
        kind.with(secret, |secret| secret["query"] = json!("key")),
        kind.with("/roles", |roles| roles["owner"] = json!({ "tools": [] })),
        kind.with("/plugins/files/grants/workspace", |workspace| *workspace = json!([{ "access": "read" }, { "access": "read" }])),
        kind.with("/plugins/files/grants/kv", |kv| *kv = json!([{ "access": "read" }, { "access": "read" }])),
    ];
    for file in cases {
        assert!(kind.reads(&file).is_err() && !kind.accepts(&file), "{file}");
    }
}

#[test]
fn the_defaults_in_the_schemas_are_those_of_the_readers() {
    let mut count = 0;
    for kind in Kind::both() {
        for (node, at) in kind.nodes() {
            let Some(default) = node.get("default") else { continue };
            let (parent, key) = at.rsplit_once('/').expect("a pointer");
            let [written, left_out] = [Some(default), None].map(|value| {
                kind.reads(&kind.with(parent, |object| {
                    let object = object.as_object_mut().expect("an object");
                    object.remove(key);
                    object.extend(value.map(|value| (key.to_owned(), value.clone())));
                }))
            });
            assert_eq!(written.expect("it is right"), left_out.expect("it is right"), "{at}");
            count += 1;
        }
    }
    assert!(count >= 12, "{count} defaults");
}

#[test]
fn the_examples_in_the_schemas_fit_and_everything_is_described() {
    for kind in Kind::both() {
        for (mut node, at) in kind.nodes().into_iter().map(|(node, at)| (node.clone(), at)) {
            for example in node["examples"].as_array().cloned().unwrap_or_default() {
                node["$defs"] = kind.schema["$defs"].clone();
                assert!(compile_schema(&node).expect("a schema").is_valid(&example), "{at}: {example}");
            }
            let is_key = kind
                .nodes()
                .iter()
                .any(|(parent, _)| parent["properties"].as_object().is_some_and(|all| all.values().any(|one| *one == node)));
            assert!(!is_key || node["description"].is_string(), "{at}");
        }
    }
}

/// What the documentation shows and the repository holds is right for both.
#[test]
fn the_files_of_the_repository_are_read_and_fit() {
    let [remit, plugin] = Kind::both();
    let mut count = 0;
    let mut check = |kind: &Kind, text: &str, place: &Path| {
        (kind.read)(text).unwrap_or_else(|error| panic!("{}: {}", place.display(), error.report()));
        assert!(kind.accepts(&value(text)), "{}: {text}", place.display());
        count += 1;
    };
    for path in files(&root()) {
        let text = || fs::read_to_string(&path).expect("text");
        match path.file_name().and_then(|name| name.to_str()) {
            Some("remit.toml") => check(&remit, &text(), &path),
            Some("plugin.toml") => check(&plugin, &text().replace("{{name}}", "greet"), &path),
            Some("demo.rs") => {
                let text = text();
                let written = text.split("const PROJECT: &str = r#\"").nth(1).and_then(|rest| rest.split("\"#;").next());
                check(&remit, &written.expect("its project").replace("{plugins}", "/plugins"), &path);
            }
            Some(name) if name.ends_with(".md") => {
                let text = text();
                for block in text.split("\n```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
                    if block.starts_with("# remit.local.toml") {
                        narrows(block, &path);
                        continue;
                    }
                    match completed(block) {
                        Some((true, text)) => check(&remit, &text, &path),
                        Some((false, text)) => check(&plugin, &text, &path),
                        None => {}
                    }
                }
            }
            _ => {}
        }
    }
    assert!(count >= 10, "{count} files and examples");
}

/// Checks an example of `remit.local.toml` against the project that has every key.
fn narrows(local: &str, place: &Path) {
    let mut project = Project::parse("remit.toml", REMIT.as_bytes()).expect("it is right");
    project.narrow("remit.local.toml", local.as_bytes()).unwrap_or_else(|error| panic!("{}: {}", place.display(), error.report()));
}

/// A piece of a file as the documentation shows it, with what it leaves out, and whether it is of `remit.toml`.
fn completed(block: &str) -> Option<(bool, String)> {
    let has = |head: &str| block.lines().any(|line| line.starts_with(head));
    let version = if has("version = ") { "" } else { "version = 1\n" };
    let rest = |head: &str, lines: &str| if has(head) { String::new() } else { format!("\n{head}\n{lines}\n") };
    if has("[plugins.") || has("[project]") || has("[roles") || has("[models.") {
        return Some((true, format!("{version}{block}{}", rest("[project]", "name = \"example\""))));
    }
    let about = "name = \"example\"\nversion = \"1\"\ndescription = \"an example\"";
    (has("[plugin]") || has("[declares]") || has("[tools.")).then(|| (false, format!("{version}{block}{}", rest("[plugin]", about))))
}

/// Each row of the tables of grants says the same thing twice.
#[test]
fn the_tables_of_grants_are_true() {
    let page = fs::read_to_string(root().join("docs/grants.md")).expect("the page");
    let mut capabilities = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let [capability, written, lines @ ..] = cells.as_slice() else { panic!("{row}") };
        let project = format!("version = 1\nproject.name = \"p\"\n[plugins.p]\nsource = \"p\"\n[plugins.p.grants]\n{written}\n");
        assert!(Kind::remit().accepts(&value(&project)), "{row}");
        let project = Project::parse("remit.toml", project.as_bytes()).unwrap_or_else(|error| panic!("{}", error.report()));
        let mut granted = Grants::default();
        for line in lines {
            let (named, scope) = line.split_once(' ').expect("a scope");
            assert_eq!(named, *capability, "{row}");
            let is_word = line::quote(scope) == scope || scope.starts_with('\'');
            assert!(is_word, "a shell would change it: {row}");
            granted.merge(line::parse(named, scope.trim_matches('\'')).expect("a grant")).expect("one more");
        }
        assert_eq!(project.plugins.values().next().expect("one").grants, granted, "{row}");
        capabilities.insert((*capability).to_owned());
    }
    capabilities.retain(|capability| !capability.contains(':'));
    assert_eq!(capabilities, CAPABILITIES.map(str::to_owned).into());
}

fn check(kind: &Kind, file: &Value, texts_only: bool, at: &str) {
    let (read, accepted) = (kind.reads(file), kind.accepts(file));
    let agree = if texts_only { accepted || read.is_err() } else { accepted == read.is_ok() };
    assert!(agree, "{at}: the schema says {accepted}, the reader {read:?}\n{file}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of the repository").map(|entry| entry.expect("an entry").path());
    let is_ours = |path: &PathBuf| !path.file_name().is_some_and(|name| name == "target" || name.to_string_lossy().starts_with('.'));
    entries.filter(is_ours).flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Texts that are right somewhere, and texts that are right nowhere.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "1",
    "a-",
    "a_b",
    "a_",
    "a__b",
    "_a",
    "-a",
    "a.b",
    "a b",
    "a=b",
    "*",
    "a*",
    "a/*",
    "*/*",
    "a/b*",
    "a/b",
    "/",
    "/a",
    "/a/../b",
    "../a",
    "~",
    "~/a",
    ".",
    "a.wasm",
    "oci://a/b",
    "{user}",
    "/a/{user}",
    "{}",
    "a {} b",
    "read",
    "write",
    "once",
    "idempotent",
    "project",
    "session",
    "user",
    "owner",
    "user:ada",
    "agent:a b",
    "robot:x",
    "service:é",
    "acme:crm",
    "acme/eu:crm/v1",
    "acme:crm:x",
    "Acme:crm",
    "authorization",
    "Host",
    "x-api_key",
    "127.0.0.1",
    "10.0.0.0/8",
    "fd00::/8",
    "GET https://example.com",
    "GET HTTPS://Example.com/%7Ea?b=c",
    "* http://[::1]:8080/**",
    "M-SEARCH https://*.example.com/*/b/**?**",
    "get https://example.com/",
    "GET  https://example.com/",
    "GET ftp://example.com/",
    "GET https://example.com/#x",
    "GET https://example.com/a b",
    "é",
    "\u{202e}",
    "a\nb",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "1.2.3-rc.1+build_7",
];
