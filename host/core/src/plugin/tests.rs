use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    diff::{Relock, diff, relock},
    lock::{Approval, Lock, LockedPlugin},
    manifest::Manifest,
    section::{self, Section},
    *,
};
use crate::{
    clock::Timestamp,
    grant::{Access, Declared, Scope, line},
    limit::{CallLimits, SECTION_MAX_BYTES, TOOLS_MAX},
    project::{Plugin, Project, Source},
};

mod lock_file;
mod native;
mod signature;

const MANIFEST: &str = r#"
version = 1
[plugin]
name = "files"
version = "1.2.0"
description = "reads and searches files"

[declares]
fs = [{ access = "read", reason = "reads what it is asked to read" }]
http = [{ allow = ["GET https://example.com/**"], reason = "looks things up" }]

[tools.read]
description = "reads a file"
effect = "read"
"#;

fn manifest() -> Manifest {
    Manifest::parse("plugin.toml", MANIFEST.as_bytes()).unwrap_or_else(|error| panic!("{}", error.report()))
}

fn tool(name: &str) -> Definition {
    Definition {
        name: name.to_owned(),
        title: None,
        description: format!("what {name} does"),
        input_schema: json!({ "type": "object", "properties": { "path": { "type": "string", "default": null } } }),
        output_schema: None,
        effect: Effect::Read,
    }
}

fn section() -> Section {
    Section::new(&manifest(), vec![tool("read"), tool("search")]).expect("it is right")
}

fn lines(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|line| (*line).to_owned()).collect()
}

fn locked() -> LockedPlugin {
    LockedPlugin {
        source: "plugins/files".to_owned(),
        digest: Digest::of(b"one"),
        kind: Kind::Tool,
        files: BTreeMap::new(),
        imports: lines(&["wasi:filesystem/types@0.2.3"]),
        declared: declared_lines(&manifest().declared),
        granted: lines(&["fs docs:/docs:write", "tools table/*"]),
        ask: lines(&["search"]),
        limits: CallLimits { memory_mib: 128, ..CallLimits::default() },
        isolation: Isolation::None,
        tools: [tool("read"), tool("search")].into_iter().map(|tool| (tool.name.clone(), tool)).collect(),
        approvals: vec![Approval {
            by: "user:ada".parse().expect("a principal"),
            via: "review".to_owned(),
            at: Timestamp(1_795_000_000_123),
            signature: None,
        }],
    }
}

fn lock() -> Lock {
    Lock { plugins: [("files".parse().expect("a name"), locked())].into() }
}

/// The plugin `files` of a project that says so, and the project.
fn project(files: &str, rest: &str) -> (Project, Plugin) {
    let text = format!("version = 1\n[project]\nname = \"acme\"\n[plugins.files]\n{files}\n{rest}");
    let project = Project::parse("remit.toml", text.as_bytes()).unwrap_or_else(|error| panic!("{}", error.report()));
    let plugin = project.plugins.values().next().expect("a plugin").clone();
    (project, plugin)
}

/// What a change of the approved plugin reads like, and whether it grew.
fn check_diff(change: impl FnOnce(&mut LockedPlugin), expected: &[&str], grew: bool, rights_grew: bool) {
    let mut current = locked();
    change(&mut current);
    let changes = diff(Some(&locked()), &current);
    let shown: Vec<String> = changes.list.iter().map(ToString::to_string).collect();
    assert_eq!(shown, expected);
    assert_eq!((changes.grew(), changes.rights_grew()), (grew, rights_grew));
}

#[test]
fn a_manifest_is_read() {
    let manifest = manifest();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("files", "1.2.0"));
    assert_eq!(manifest.declared.fs, Some(Scope::Only(vec![(None, Access::Read)])));
    assert_eq!(manifest.tools["read"].effect, Some(Effect::Read));
    assert_eq!(declared_lines(&manifest.declared), lines(&["fs * read", "http GET https://example.com/**"]));
}

#[test]
fn declared_rights_are_read_from_the_lines_that_they_were_written_as() {
    let written = [
        "acme:billing invoices/*",
        "acme:billing receipts",
        "acme:mail *",
        "config *",
        "env HOME",
        "env LANG",
        "fs * read",
        "fs /a b/c write",
        "http GET https://example.com/**",
        "http POST https://*.example.com:8443/a?b=c",
        "kv read",
        "sockets [fd00::5]:5432",
        "sockets db.example:5432",
        "tools files/read",
        "tools git/*",
        "workspace write",
    ];
    for lines in [lines(&written), lines(&["fs *", "http *", "env *", "kv *", "tools *", "sockets *", "workspace *"]), lines(&[])] {
        let declared = declared_from_lines(&lines).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(declared_lines(&declared), lines);
    }
    let manifest = manifest();
    let read = declared_from_lines(&declared_lines(&manifest.declared)).expect("as it was written");
    assert_eq!(Declared { reasons: manifest.declared.reasons.clone(), ..read }, manifest.declared);
    for line in ["fs", "fs /a", "fs /a everything", "http nonsense", "kv", "kv all", "tools a", "sockets h", "memory *", "nonsense *"] {
        assert!(declared_from_lines(&lines(&[line])).is_err(), "{line}");
    }
}

#[test]
fn mistakes_of_a_manifest_are_told_at_once() {
    let text = "version = 1\n[plugin]\nname = \"Files\"\nversion = \"\"\n[tools.Read]\ndescription = \"a\u{200b}b\"\n";
    let error = Manifest::parse("plugin.toml", text.as_bytes()).expect_err("it is full of mistakes");
    let messages: Vec<&str> = error.problems().iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`[plugin]` has no `description`",
            "`Files` is not a plugin name",
            "`` is not a version",
            "`Read` is not a name for a tool",
            "it holds characters that do not show: `a\\u{200b}b`",
        ]
    );
}

#[test]
fn a_section_comes_back_as_it_went() {
    let written = section();
    assert_eq!(Section::decode(&written.encode().expect("it is written")).expect("it is read"), written);
}

#[test]
fn hostile_sections_are_refused() {
    let good: Value = serde_json::from_slice(&section().encode().expect("it is written")).expect("JSON");
    let with = |pointer: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect("it is there") = value;
        let error = Section::decode(&serde_json::to_vec(&bad).expect("JSON")).expect_err(pointer);
        error.message
    };
    assert_eq!(with("/version", json!(2)), "its section `remit:plugin` has version 2, and this `remit` reads 1");
    assert_eq!(with("/plugin/name", json!("fi\u{202e}les")), "`fi\\u{202e}les` is not a plugin name");
    assert_eq!(with("/plugin/version", json!("1 0")), "`1 0` is not a version");
    assert_eq!(with("/plugin/description", json!("a\u{1b}[31m")), "its description: it holds characters that do not show: `a\\u{1b}[31m`");
    assert_eq!(with("/tools/0/name", json!("search")), "it offers two tools named `search`");
    assert_eq!(with("/tools", json!(vec![tool("read"); TOOLS_MAX + 1])), "it offers 513 tools, more than 512");
    assert_eq!(
        with("/declares", json!({ "fs": [{ "access": "all", "reason": "x" }] })),
        "its declared rights cannot be read: `all` is not one of the accepted values"
    );
    assert_eq!(with("/declares", json!({ "disk": [] })), "its declared rights cannot be read: there is no capability `disk`");
    assert!(with("/declares", json!([1])).starts_with("its declared rights cannot be read: "));
    assert!(
        with("/plugin", json!({ "name": "a", "version": "1", "extra": 1 }))
            .starts_with("its section `remit:plugin` is damaged: unknown field `extra`")
    );
    let huge = vec![b' '; SECTION_MAX_BYTES as usize + 1];
    assert_eq!(Section::decode(&huge).expect_err("too large").kind, crate::Kind::Limit);
    let deep = format!("{{\"version\":1,\"declares\":{}", "[".repeat(100_000));
    assert_eq!(Section::decode(deep.as_bytes()).expect_err("too deep").kind, crate::Kind::Invalid);
}

/// A component of these sections: id and contents, at most 127 bytes each.
fn component(sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for (id, contents) in sections {
        let size = u32::try_from(contents.len()).expect("small");
        bytes.push(*id);
        bytes.extend([size as u8 & 0x7f | 0x80, (size >> 7) as u8 & 0x7f | 0x80, (size >> 14) as u8]);
        bytes.extend(contents);
    }
    bytes
}

fn custom(name: &str, data: &[u8]) -> (u8, Vec<u8>) {
    (0, [&[name.len() as u8], name.as_bytes(), data].concat())
}

#[test]
fn only_a_components_own_section_counts() {
    let data = section().encode().expect("it is written");
    let own = custom(section::NAME, &data);
    let module = (1, [b"\0asm\x01\0\0\0".to_vec(), vec![0, 1, 0]].concat());
    let inner = (4, component(std::slice::from_ref(&own)));
    assert_eq!(section::find(&component(&[])).expect("a component"), None);
    assert_eq!(section::find(&component(&[module.clone(), inner.clone(), custom("name", b"x")])).expect("a component"), None);
    assert_eq!(section::find(&component(&[module, inner, own.clone()])).expect("a component"), Some(section()));
    let two = section::find(&component(&[own.clone(), own.clone()])).expect_err("two sections");
    assert_eq!(two.message, "it has two sections `remit:plugin`");
}

#[test]
fn what_is_no_component_is_refused() {
    let whole = component(&[(4, component(&[custom("x", b"y")])), custom(section::NAME, &section().encode().expect("it is written"))]);
    for end in 0..whole.len() {
        // A cut between two sections leaves a whole component.
        if let Ok(Some(found)) = section::find(&whole[..end]) {
            panic!("{end}: {found:?}");
        }
    }
    let module = section::find(b"\0asm\x01\0\0\0").expect_err("a core module");
    assert_eq!(module.message, "it is not a component that can be read: it is a core module, not a component");
    section::find(b"hello").expect_err("text");
}

#[test]
fn definitions_are_bounded_and_visible() {
    let check = |change: fn(&mut Definition), expected: &str| {
        let mut bad = tool("read");
        change(&mut bad);
        assert_eq!(bad.check().expect_err(expected).message, expected);
    };
    tool("read").check().expect("it is right");
    check(|tool| tool.name = "Read".to_owned(), "`Read` is not a name for a tool");
    check(|tool| tool.name = "r".repeat(49), &format!("`{}` is not a name for a tool", "r".repeat(49)));
    check(|tool| tool.description = "d".repeat(4097), "tool `read`, description: it has 4097 bytes, more than 4096");
    check(|tool| tool.title = Some("a\nb".to_owned()), "tool `read`, title: it holds characters that do not show: `a\\u{a}b`");
    check(|tool| tool.input_schema = json!(true), "tool `read`, input schema: its schema is not an object");
    check(
        |tool| tool.input_schema = json!({ "properties": { "x": { "$ref": "https://example.com/s.json" } } }),
        "tool `read`, input schema: its schema refers to `https://example.com/s.json`, outside itself",
    );
    check(
        |tool| tool.output_schema = Some(json!({ "description": "a\u{e0041}" })),
        "tool `read`, output schema: it holds characters that do not show: `a\\u{e0041}`",
    );
    check(
        |tool| tool.input_schema = json!({ "description": "x".repeat(300_000) }),
        "tool `read`, input schema: its schema has 300018 bytes, more than 262144",
    );
    check(
        |tool| tool.input_schema = (0..200).fold(json!({}), |inner, _| json!({ "not": inner })),
        "tool `read`, input schema: its schema is nested deeper than 96 levels",
    );
    let mut own = tool("read");
    own.input_schema = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "object" } } });
    own.check().expect("a reference inside is fine");
    own.input_schema = json!({ "type": "objekt" });
    assert!(
        own.check().expect_err("no such type").message.starts_with("tool `read`, input schema: its schema is not a JSON Schema 2020-12")
    );
    own.input_schema = json!({ "pattern": "((a{1000}){1000}){1000}" });
    own.check().expect_err("a pattern bomb");
}

#[test]
fn changes_read_as_lines_and_tell_growth() {
    check_diff(|_| {}, &[], false, false);
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    check_diff(|plugin| plugin.digest = two, &[&format!("~ component: {one} → {two}")], true, false);
    check_diff(|plugin| plugin.source = "x".to_owned(), &["~ source: plugins/files → x"], true, true);
    check_diff(|plugin| plugin.kind = Kind::Plain, &["~ kind of component"], true, true);
    check_diff(|plugin| drop(plugin.tools.insert("write".to_owned(), tool("write"))), &["+ tool write (read)"], true, false);
    check_diff(|plugin| drop(plugin.tools.remove("read")), &["- tool read"], false, false);
    check_diff(
        |plugin| plugin.tools.get_mut("read").expect("it is there").description.push('!'),
        &["~ tool read: description changed"],
        true,
        false,
    );
    check_diff(
        |plugin| plugin.tools.get_mut("read").expect("it is there").effect = Effect::Once,
        &["~ tool read: effect read → once"],
        true,
        true,
    );
    check_diff(
        |plugin| plugin.imports = lines(&["wasi:filesystem/types@0.2.3", "wasi:http/types@0.2.3"]),
        &["+ import wasi:http/types@0.2.3"],
        true,
        true,
    );
    check_diff(
        |plugin| plugin.declared = lines(&["fs * write"]),
        &["+ declared fs * write", "- declared fs * read", "- declared http GET https://example.com/**"],
        true,
        true,
    );
    check_diff(|plugin| plugin.granted.extend(["env KEY=v".to_owned()]), &["+ granted env KEY=v"], true, true);
    check_diff(|plugin| plugin.granted.extend(["sockets h:1".to_owned()]), &["+ granted sockets h:1"], true, true);
    check_diff(|plugin| plugin.ask.clear(), &["- ask search"], true, true);
    check_diff(|plugin| plugin.ask = lines(&["*"]), &["+ ask *", "- ask search"], false, false);
    check_diff(|plugin| plugin.ask.extend(["read".to_owned()]), &["+ ask read"], false, false);
    check_diff(|plugin| plugin.limits.memory_mib = 256, &["~ limit memory_mib: 128 → 256"], true, true);
    check_diff(|plugin| plugin.limits.requests_per_minute = 601, &["~ limit requests_per_minute: 600 → 601"], true, true);
    check_diff(|plugin| plugin.limits.sent_kib_per_minute = 1, &["~ limit sent_kib_per_minute: 65536 → 1"], false, false);
    check_diff(|plugin| plugin.limits.deadline_ms = 5000, &["~ limit deadline_ms: 30000 → 5000"], false, false);
    check_diff(|plugin| plugin.isolation = Isolation::Process, &["+ isolation process"], false, false);
}

#[test]
fn to_give_up_isolation_is_growth() {
    let mut isolated = locked();
    isolated.isolation = Isolation::Process;
    let changes = diff(Some(&isolated), &locked());
    assert!(changes.rights_grew());
    assert_eq!(changes.list.iter().map(ToString::to_string).collect::<Vec<_>>(), ["- isolation process"]);
    let lock = Lock { plugins: [("files".parse().expect("a name"), isolated.clone())].into() };
    let text = lock.format().expect("it is written");
    assert!(text.contains("isolation = \"process\""), "{text}");
    assert_eq!(Lock::parse("remit.lock", text.as_bytes()).unwrap_or_else(|error| panic!("{}", error.report())), lock);
}

#[test]
fn less_of_a_grant_is_no_growth() {
    let narrows = |old: &str, new: &str| {
        let mut before = locked();
        before.granted = lines(&[old]);
        let mut after = before.clone();
        after.granted = lines(&[new]);
        assert!(!diff(Some(&before), &after).grew(), "{old} → {new}");
        assert!(diff(Some(&after), &before).rights_grew(), "{new} → {old}");
    };
    narrows("fs docs:/docs:write", "fs docs:/docs:read");
    narrows("fs docs:/docs:write", "fs docs:/docs:write max_files=3");
    narrows("kv write:user", "kv read:user");
    narrows("workspace write scope=session", "workspace read scope=session max_mib=4");
    narrows("tools table/*", "tools table/join");
    narrows("http GET https://a.example/", "http GET https://a.example/ deadline_ms=100");
    narrows("http GET https://a.example/ private=10.0.0.1", "http GET https://a.example/");
    let declared = |old: &str, new: &str| {
        let mut before = locked();
        before.declared = lines(&[old]);
        let mut after = before.clone();
        after.declared = lines(&[new]);
        assert!(!diff(Some(&before), &after).grew(), "{old} → {new}");
        assert!(diff(Some(&after), &before).rights_grew(), "{new} → {old}");
    };
    declared("fs * write", "fs /docs read");
    declared("http *", "http GET https://a.example/");
    declared("kv write", "kv read");
    declared("workspace write", "workspace read");
}

#[test]
fn other_grants_are_growth() {
    for (old, new) in [
        ("fs docs:/docs:read", "fs src:/docs:read"),
        ("fs docs:/docs:read", "fs docs:/other:read"),
        ("env KEY=a", "env KEY=b"),
        ("kv read:user", "kv read:project"),
        ("workspace read scope=user", "workspace read scope=session"),
        ("workspace read scope=user max_files=4", "workspace read scope=user"),
        ("http GET https://a.example/", "http POST https://a.example/"),
        ("http GET https://a.example/", "http GET https://a.example/ secret=s header=authorization"),
        ("tools table/join", "tools table/*"),
        ("fs docs:/docs:read", "not a grant"),
    ] {
        let mut before = locked();
        before.granted = lines(&[old]);
        let mut after = before.clone();
        after.granted = lines(&[new]);
        assert!(diff(Some(&before), &after).rights_grew(), "{old} → {new}");
    }
}

#[test]
fn only_a_crate_relocks_by_itself_and_only_within_its_rights() {
    let mut built = locked();
    built.digest = Digest::of(b"two");
    let (own, foreign) = (Source::Crate("plugins/files".to_owned()), Source::Wasm("files.wasm".to_owned()));
    assert_eq!(relock(&own, Some(&locked()), &locked()), Relock::Unchanged);
    assert!(matches!(relock(&own, Some(&locked()), &built), Relock::Automatic(_)));
    assert!(matches!(relock(&foreign, Some(&locked()), &built), Relock::NeedsReview(_)));
    assert!(matches!(relock(&own, None, &built), Relock::NeedsReview(_)));
    built.imports.insert("wasi:http/outgoing-handler@0.2.3".to_owned());
    assert!(matches!(relock(&own, Some(&locked()), &built), Relock::NeedsReview(_)));
    let mut less = locked();
    less.granted.clear();
    assert!(matches!(relock(&foreign, Some(&locked()), &less), Relock::Automatic(_)));
}

const GRANTS: [&str; 10] = [
    "fs docs:/docs:write",
    "fs src:/src:read",
    "http GET https://a.example/",
    "http POST https://b.example/** deadline_ms=100",
    "env KEY=value",
    "config mode=fast",
    "kv write:user",
    "workspace write scope=session",
    "tools table/*",
    "acme:mail send:*",
];

proptest! {
    #[test]
    fn taking_rights_away_never_grows_and_adding_one_always_does(
        kept in proptest::sample::subsequence(GRANTS.to_vec(), 0..=GRANTS.len()),
        extra in proptest::sample::select(GRANTS.to_vec()),
    ) {
        let mut before = locked();
        before.granted = lines(&GRANTS);
        let mut after = before.clone();
        after.granted = lines(&kept);
        prop_assert!(!diff(Some(&before), &after).grew());
        let mut more = after.clone();
        let is_new = more.granted.insert(extra.to_owned());
        prop_assert_eq!(diff(Some(&after), &more).rights_grew(), is_new);
    }

    #[test]
    fn no_bytes_make_a_section_or_a_lock_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(Section::decode(&bytes).is_err());
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        component.extend(&bytes);
        prop_assert!(section::find(&component).is_err() || !component.is_empty());
        prop_assert!(Manifest::parse("plugin.toml", &bytes).is_err());
        if let Ok(lock) = Lock::parse("remit.lock", &bytes) {
            prop_assert!(lock.plugins.is_empty());
        }
    }
}

#[test]
fn every_line_of_the_tests_is_a_grant() {
    for line in GRANTS {
        let grants = line::parse_pair(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(granted_lines(&grants), lines(&[line]));
    }
}

#[test]
fn a_grant_with_a_label_less_or_a_weaker_condition_is_more() {
    let old = lines(&["fs in:/in:read labels=private", "http POST https://a.example/ labels=untrusted closed_when=private"]);
    let within = |line: &str| super::rights::grants(line, &old);
    assert!(within("fs in:/in:read labels=private,untrusted"));
    assert!(!within("fs in:/in:read") && !within("fs in:/in:read labels=untrusted"));
    assert!(within("http POST https://a.example/ labels=untrusted,private closed_when=either"));
    assert!(!within("http POST https://a.example/ labels=untrusted"), "`both` is less than `private`");
    assert!(!within("http POST https://a.example/ closed_when=private"));
}

proptest! {
    #[test]
    fn json_is_shown_without_hidden_characters_and_means_the_same(given in any::<String>()) {
        let json = json!({ &given: [&given, "\u{202e}\u{9b}\u{7f}\u{e0041}"] });
        let shown = text::visible_json(&json.to_string());
        prop_assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON"), json);
        prop_assert_eq!(text::visible(&shown, usize::MAX), shown);
    }
}
