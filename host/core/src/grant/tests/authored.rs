use serde::{Deserialize, Serialize};

use super::{
    super::authored::{AuthoredDeclares, AuthoredGrants},
    *,
};
use crate::project::problem::Problem;

#[derive(Deserialize, Serialize)]
struct File<T> {
    it: T,
}

fn read(text: &str) -> Result<Grants, Vec<Problem>> {
    toml::from_str::<File<AuthoredGrants>>(text).unwrap().it.validate()
}

/// The only mistake of a grants table: what it points at, its message, its hint.
#[track_caller]
fn mistake(line: &str) -> (String, String, String) {
    let text = format!("[it]\n{line}\n");
    let problems = read(&text).unwrap_err();
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    (text[problem.span.clone()].to_owned(), problem.message.clone(), problem.hint.clone().unwrap_or_default())
}

#[test]
fn a_table_says_what_its_lines_say() {
    let text = r#"
        [it]
        fs = [{ path = "./docs/" }, { path = "out", mount = "/w/", access = "write", max_mib = 10, max_files = 5 }]
        http = [{ allow = ["GET https://h.example/**", "HEAD https://h.example/**"], max_kib = 64, deadline_ms = 1000, private = ["127.0.0.1", "10.0.0.0/8"],
                  secret = { name = "github", header = "Authorization", format = "Bearer {}" } }]
        env = { LANG = "C UTF 8" }
        kv = { access = "write", scope = "session", max_mib = 1 }
        workspace = { access = "write", scope = "session", max_mib = 1, max_files = 2 }
        tools = ["files/*"]
        "acme:crm" = ["read:*"]
        [it.config]
        "a.b" = "x=y"
    "#;
    let lines = [
        ("fs", "docs:/docs:read"),
        ("fs", "out:/w:write max_mib=10 max_files=5"),
        (
            "http",
            "GET https://h.example/** max_kib=64 deadline_ms=1000 private=127.0.0.1,10.0.0.0/8 secret=github header=authorization format=Bearer\\ {}",
        ),
        (
            "http",
            "HEAD https://h.example/** max_kib=64 deadline_ms=1000 private=127.0.0.1,10.0.0.0/8 secret=github header=authorization format=Bearer\\ {}",
        ),
        ("env", "LANG=C UTF 8"),
        ("config", "a.b=x=y"),
        ("kv", "write:session max_mib=1"),
        ("workspace", "write scope=session max_mib=1 max_files=2"),
        ("tools", "files/*"),
        ("acme:crm", "read:*"),
    ];
    let grants = read(text).unwrap();
    assert_eq!(grants, granted(&lines));
    assert_eq!(super::super::line::format(&grants), lines.map(|(capability, scope)| (capability.to_owned(), scope.to_owned())));
    let written = toml::to_string(&File { it: AuthoredGrants::from(&grants) }).unwrap();
    assert_eq!(read(&written).unwrap(), grants, "{written}");
}

#[test]
fn an_empty_list_grants_nothing() {
    let grants = read("[it]\nfs = []\nhttp = []\nenv = {}\nkv = []\nworkspace = []\ntools = []\nsockets = []\n\"acme:crm\" = []").unwrap();
    assert!(grants.is_empty() && grants == Grants::default());
}

#[test]
fn each_mistake_points_at_its_place_and_says_what_to_write() {
    for (line, place, message, hint) in [
        ("memory = []", "memory", "no capability `memory`", "remove it"),
        ("sockets = ['h:0']", "'h:0'", "not a host and a port", "db.example.com:5432"),
        ("sockets = ['*.h:1']", "'*.h:1'", "not a host and a port", "there are no patterns"),
        ("disk = true", "disk", "no capability `disk`", "`fs`, `http`"),
        ("\"Acme:x\" = ['a']", "\"Acme:x\"", "not the name of a capability", "package:name"),
        ("\"acme:x\" = ['']", "''", "scope is empty", "write the scope"),
        ("fs = [{ path = '' }]", "''", "path is empty", "`.` for"),
        ("fs = [{ path = '../x' }]", "'../x'", "climbs", "absolute path"),
        ("fs = [{ path = 'a/../b' }]", "'a/../b'", "climbs", "absolute path"),
        ("fs = [{ path = '~/x' }]", "'~/x'", "`~`", "absolute path"),
        ("fs = [{ path = '.' }]", "'.'", "no mount", "add `mount`"),
        ("fs = [{ path = 'a/{user}' }]", "'a/{user}'", "no mount", "add `mount`"),
        ("fs = [{ path = 'a', mount = 'b' }]", "'b'", "relative", "write `/b`"),
        ("fs = [{ path = 'a', mount = '' }]", "''", "relative", "write `/`"),
        ("fs = [{ path = 'a', mount = '/b/../c' }]", "'/b/../c'", "`..`", "without"),
        ("fs = [{ path = 'a', mount = '/{user}' }]", "'/{user}'", "`{user}`", "one mount"),
        ("fs = [{ path = 'a' }, { path = 'b', mount = '//a/' }]", "'//a/'", "granted twice", "of its own"),
        ("fs = [{ path = 'a', max_mib = 0 }]", "0", "`max_mib` is 0", "at least 1"),
        ("fs = [{ path = 'a', max_mib = 1048577 }]", "1048577", "the most is 1048576", "`max_mib = 1048576`"),
        ("fs = [{ path = 'a', max_files = 10000001 }]", "10000001", "the most is", "max_files"),
        ("http = [{ allow = [] }]", "[]", "`allow` is empty", "at least one"),
        ("http = [{ allow = [''] }]", "''", "no method", "METHOD URL"),
        ("http = [{ allow = ['get https://h.example/'] }]", "'get https://h.example/'", "capitals", "`GET`"),
        ("http = [{ allow = ['GET https://h.example/'], deadline_ms = 3600001 }]", "3600001", "the most", "3600000"),
        ("http = [{ allow = ['GET https://h.example/'], max_kib = 1048577 }]", "1048577", "the most", "1048576"),
        ("http = [{ allow = ['GET https://h.example/'], private = ['localhost'] }]", "'localhost'", "IP address", "127.0.0.1"),
        ("env = { 'A=B' = 'c' }", "'A=B'", "not the name", "without `=`"),
        ("env = { '' = 'c' }", "''", "not the name", "without `=`"),
        ("env = { A = \"\\u0000\" }", "\"\\u0000\"", "NUL", "remove"),
        ("kv = [{ access = 'read' }, { access = 'write' }]", "{ access = 'write' }", "twice", "one entry"),
        ("workspace = [{ access = 'read' }, { access = 'write' }]", "{ access = 'write' }", "twice", "one entry"),
        ("workspace = { access = 'read', max_mib = 4097 }", "4097", "the most is 4096", "4096"),
        (
            "fs = [{ path = 'x', mount = '/workspace' }]\nworkspace = { access = 'read' }",
            "{ access = 'read' }",
            "where the workspace is",
            "another `mount`",
        ),
        ("kv = { access = 'read', max_mib = 1025 }", "1025", "the most is 1024", "1024"),
        ("tools = ['']", "''", "names no tools", "plugin/tool"),
        ("tools = ['files']", "'files'", "names no tools", "`files/*`"),
    ] {
        let (found, text, fix) = mistake(line);
        assert!(found == place && text.contains(message) && fix.contains(hint), "{line}\n-> {found} | {text} | {fix}");
    }
}

#[test]
fn a_secret_goes_to_one_named_place() {
    for (secret, place) in [
        ("name = 'k', header = 'host'", "'host'"),
        ("name = 'k', header = 'a b'", "'a b'"),
        ("name = 'k', query = ''", "''"),
        ("name = 'a b', header = 'x'", "'a b'"),
        ("name = 'k', header = 'x', format = 'Bearer'", "'Bearer'"),
        ("name = 'k', header = 'x', format = '{}{}'", "'{}{}'"),
        ("name = 'k', header = 'x', format = \"{}\\r\\nx: y\"", "\"{}\\r\\nx: y\""),
    ] {
        assert_eq!(mistake(&format!("http = [{{ allow = ['GET https://h.example/'], secret = {{ {secret} }} }}]")).0, place);
    }
    for secret in ["name = 'k'", "name = 'k', header = 'x', query = 'y'"] {
        assert!(mistake(&format!("http = [{{ allow = ['GET https://h.example/'], secret = {{ {secret} }} }}]")).2.contains("either"));
    }
}

#[test]
fn keys_that_nobody_knows_are_refused_by_the_reader() {
    for line in [
        "fs = [{ path = 'a', mode = 'rw' }]",
        "fs = [{ path = 'a', access = 'rw' }]",
        "http = [{ allow = ['GET https://h.example/'], timeout = 1 }]",
        "kv = { access = 'read', who = 'me' }",
        "workspace = { access = 'read', path = 'x' }",
        "kv = 'read'",
        "env = ['A']",
        "tools = 'files/*'",
    ] {
        let error = toml::from_str::<File<AuthoredGrants>>(&format!("[it]\n{line}")).err().unwrap();
        assert!(error.span().is_some(), "{line}: {error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    assert_eq!(read("[it]\nfs = [{ path = '' }, { path = '~' }]\ntools = ['x']\nmemory = 1").unwrap_err().len(), 4);
}

fn declares(text: &str) -> Result<Declared, Vec<Problem>> {
    toml::from_str::<File<AuthoredDeclares>>(text).unwrap().it.validate()
}

#[test]
fn what_an_author_leaves_out_is_any() {
    let declared = declares(
        r#"
        [it]
        fs = [{ mount = "/docs/", access = "read", reason = "reads documents" }, { access = "write", reason = "writes results" }]
        http = [{ reason = "fetches pages" }, { allow = ["GET https://h.example/"], reason = "asks" }]
        env = [{ keys = ["LANG"], reason = "speaks your language" }]
        kv = { access = "read", reason = "remembers" }
        workspace = { access = "write", reason = "keeps drafts" }
        tools = [{ allow = ["files/*"], reason = "reads files" }]
        "acme:crm" = [{ scopes = ["read:*"], reason = "customers" }]
        config = []
    "#,
    )
    .unwrap();
    assert_eq!(declared.fs, Some(Scope::Only(vec![(Some("/docs".into()), Access::Read), (None, Access::Write)])));
    assert_eq!(declared.http, Some(Scope::Any));
    assert_eq!(declared.env, Some(Scope::Only(["LANG".to_owned()].into())));
    assert_eq!(declared.kv, Some(Scope::Only(Access::Read)));
    assert_eq!((declared.workspace, declared.reasons["workspace"].as_str()), (Some(Scope::Only(Access::Write)), "keeps drafts"));
    assert_eq!(declared.custom["acme:crm"], Scope::Only(vec!["read:*".to_owned()]));
    assert_eq!(declared.config, None);
    assert_eq!(declared.reasons["fs"], "reads documents; writes results");
    assert_eq!(declared.reasons["kv"], "remembers");
}

#[test]
fn declared_rights_obey_the_same_rules() {
    for (line, message) in [
        ("fs = [{ mount = 'docs', access = 'read', reason = 'x' }]", "relative"),
        ("http = [{ allow = [], reason = 'x' }]", "`allow` is empty"),
        ("http = [{ allow = ['GET'], reason = 'x' }]", "no method"),
        ("http = [{ reason = ' ' }]", "reason is empty"),
        ("http = [{ reason = \"a\\nb\" }]", "do not show"),
        ("env = [{ keys = [], reason = 'x' }]", "`keys` is empty"),
        ("env = [{ keys = ['A B'], reason = 'x' }]", "not the name"),
        ("\"acme:x\" = [{ scopes = [], reason = 'x' }]", "`scopes` is empty"),
        ("memory = [{ reason = 'x' }]", "no capability `memory`"),
    ] {
        let problems = declares(&format!("[it]\n{line}")).unwrap_err();
        assert!(problems.len() == 1 && problems[0].message.contains(message) && problems[0].hint.is_some(), "{line}: {problems:?}");
    }
    assert!(toml::from_str::<File<AuthoredDeclares>>("[it]\nhttp = [{}]").is_err());
}
