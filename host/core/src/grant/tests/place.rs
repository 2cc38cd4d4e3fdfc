use super::*;
use crate::project::{Project, Step, line_of};

const FILE: &str = r#"version = 1
[project]
name = "acme"
[plugins.notes]
source = "notes.wasm"
[plugins.notes.grants]
fs = [
    { path = "docs", mount = "/docs" },
    { path = "drafts", mount = "/docs/drafts", access = "write" },
]
kv = { access = "write" }
workspace = { access = "read" }
tools = ["files/*",
    "table/query"]
"acme:crm" = [
    "invoices/*",
    "receipts",
]
[plugins.notes.grants.env]
LANG = "C"
[[plugins.notes.grants.http]]
allow = ["GET https://a.example/**"]
[[plugins.notes.grants.http]]
allow = [
    "GET https://b.example/**",
    "POST https://b.example/notes",
]
max_kib = 4
"#;

/// The line of FILE that a way from the grants of `notes` leads to.
fn line(place: &[Step<'_>]) -> Option<usize> {
    let above = ["plugins", "notes", "grants"].map(Step::Key);
    line_of(FILE, &above.iter().chain(place).copied().collect::<Vec<_>>())
}

fn grants() -> Grants {
    let project = Project::parse("remit.toml", FILE.as_bytes()).unwrap_or_else(|error| panic!("{}", error.report()));
    project.plugins.into_values().next().unwrap().grants
}

#[test]
fn each_request_is_allowed_by_a_line_of_the_file() {
    let own = rights(Effect::Once, anything(), grants());
    for (capability, request, expected) in [
        ("fs", "read /docs/a.md", 8),
        ("fs", "write /docs/drafts/a.md", 9),
        ("kv", "write", 11),
        ("workspace", "read", 12),
        ("tools", "files/read", 13),
        ("tools", "table/query", 14),
        ("acme:crm", "invoices/7", 16),
        ("acme:crm", "receipts", 17),
        ("env", "LANG", 20),
        ("http", "GET https://a.example/x", 22),
        ("http", "GET https://b.example/x", 25),
        ("http", "POST https://b.example/notes", 26),
    ] {
        let asked = Asked::parse(capability, request).unwrap();
        let place = granted_at(&asked.request(), &own);
        assert_eq!(line(&place), Some(expected), "{capability} {request}: {place:?}");
    }
    for (capability, request) in [("fs", "write /docs/a.md"), ("http", "POST https://a.example/x"), ("tools", "mail/send"), ("env", "HOME")]
    {
        let asked = Asked::parse(capability, request).unwrap();
        assert_eq!(granted_at(&asked.request(), &own), [], "{capability} {request}");
    }
}

#[test]
fn each_line_of_the_grants_has_its_line_in_the_file() {
    let grants = grants();
    let lines: Vec<_> = placed(&grants).into_iter().map(|(capability, scope, place)| (line(&place).unwrap(), capability, scope)).collect();
    let shown: Vec<_> = lines.iter().map(|(line, capability, scope)| format!("{line} {capability} {scope}")).collect();
    assert_eq!(
        shown,
        [
            "8 fs docs:/docs:read",
            "9 fs drafts:/docs/drafts:write",
            "22 http GET https://a.example/**",
            "25 http GET https://b.example/** max_kib=4",
            "26 http POST https://b.example/notes max_kib=4",
            "20 env LANG=C",
            "11 kv write:user",
            "12 workspace read scope=user",
            "13 tools files/*",
            "14 tools table/query",
            "16 acme:crm invoices/*",
            "17 acme:crm receipts",
        ]
    );
}

#[test]
fn what_is_not_there_has_no_line() {
    assert_eq!(line(&[Step::Key("config")]), None);
    assert_eq!(line(&[Step::Key("fs"), Step::Item(2)]), None);
    assert_eq!(line_of("no TOML = ", &[Step::Key("no")]), None);
    assert_eq!(line_of(FILE, &[]), None);
}

#[test]
fn requests_are_written_as_they_are_read() {
    for (capability, request) in [
        ("fs", "read /docs/a b.md"),
        ("fs", "write /workspace/x"),
        ("http", "GET https://a.example/x?y=1"),
        ("env", "LANG"),
        ("config", "region"),
        ("kv", "write"),
        ("tools", "files/read"),
        ("sockets", "db.example:5432"),
        ("acme:crm", "invoices/7"),
    ] {
        let asked = Asked::parse(capability, request).unwrap();
        assert_eq!(asked.request().written(), format!("{capability} {request}"));
    }
    for (capability, request) in
        [("fs", "/docs"), ("fs", "open /docs"), ("http", "https://a.example/"), ("kv", "x"), ("tools", "x"), ("nope", "x")]
    {
        Asked::parse(capability, request).unwrap_err();
    }
}

#[test]
fn the_least_of_the_grants_allows_what_was_used_and_little_else() {
    let grants = grants();
    let own = rights(Effect::Once, anything(), grants.clone());
    let asked = |lines: &[(&str, &str)]| -> Vec<Asked> {
        lines.iter().map(|(capability, request)| Asked::parse(capability, request).unwrap()).collect()
    };
    let used = asked(&[
        ("fs", "read /docs/a.md"),
        ("fs", "read /docs/drafts/a.md"),
        ("http", "GET https://b.example/x?y=1"),
        ("http", "GET https://b.example/x"),
        ("kv", "read"),
        ("tools", "files/read"),
        ("acme:crm", "invoices/7"),
        ("acme:crm", "receipts"),
        ("fs", "write /etc/passwd"),
    ]);
    let least = minimal(&used[..], &own, &grants).unwrap();
    let lines: Vec<_> = super::super::line::format(&least).into_iter().map(|(capability, scope)| format!("{capability} {scope}")).collect();
    assert_eq!(
        lines,
        [
            "fs docs:/docs:read",
            "fs drafts:/docs/drafts:read",
            "http GET https://b.example/x max_kib=4",
            "env LANG=C",
            "kv read:user",
            "tools files/read",
            "acme:crm invoices/7",
            "acme:crm receipts",
        ]
    );
    let lesser = rights(Effect::Once, anything(), least);
    for one in used.iter().filter(|one| is_allowed(&one.request(), &own)) {
        assert!(is_allowed(&one.request(), &lesser), "{one:?}");
    }
    // `?y=1` is not what the grant of this host allows, so it was not used by it.
    assert!(is_allowed(&used[3].request(), &own) && !is_allowed(&used[2].request(), &own));
}
