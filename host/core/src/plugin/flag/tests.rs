use super::*;
use crate::{grant::HttpPattern, plugin::declared_from_lines, project::Project};

/// A plugin `p` of a project at `/home/ada/work`, granted these lines.
fn plugin(grants: &[&str], ask: &[&str]) -> Plugin {
    let text = "version = 1\n[project]\nname = \"acme\"\n[plugins.p]\nsource = \"p.wasm\"\n";
    let project = Project::parse("remit.toml", text.as_bytes()).unwrap_or_else(|error| panic!("{}", error.report()));
    let mut plugin = project.plugins.into_values().next().expect("a plugin");
    for line in grants {
        plugin.grants.merge(line::parse_pair(line).unwrap_or_else(|error| panic!("{line}: {error}"))).expect("no conflict");
    }
    plugin.ask = ask.iter().map(|tool| (*tool).to_owned()).collect();
    plugin
}

fn tool(name: &str, effect: Effect) -> Definition {
    let input_schema = serde_json::json!({ "type": "object" });
    Definition { name: name.to_owned(), title: None, description: "…".to_owned(), input_schema, output_schema: None, effect }
}

fn look(plugin: &Plugin, declared: Option<&[&str]>, tools: &[Definition]) -> Vec<Flag> {
    let declared = declared.map(|lines| {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        declared_from_lines(&lines).unwrap_or_else(|error| panic!("{error}"))
    });
    let (root, home) = (Path::new("/home/ada/work"), Some(Path::new("/home/ada")));
    flags(Seen { plugin, declared: declared.as_ref(), tools, root, home })
}

/// The one flag of a grant whose capability is declared in full, and what would be narrower. What is narrower is less, or can be
/// filled in so that it is.
#[track_caller]
fn flagged(grant: &str, rule: &str, narrower: &[&str]) {
    let found = look(&plugin(&[grant], &[]), None, &[]);
    let [flag] = &found[..] else { panic!("{grant}: {found:#?}") };
    assert_eq!((flag.rule, &flag.narrower[..]), (rule, &narrower.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()[..]), "{grant}");
    assert!(flag.what.starts_with(&format!("granted {}", grant.split(' ').next().unwrap_or_default())), "{}", flag.what);
    assert!(!flag.reason.is_empty());
}

#[track_caller]
fn passes(grant: &str) {
    assert_eq!(look(&plugin(&[grant], &[]), None, &[]), [], "{grant}");
}

#[test]
fn what_is_narrow_is_not_flagged() {
    for grant in [
        "fs docs:/docs:read",
        "fs docs:/docs:write",
        "http GET https://api.example.com/v1/**",
        "http GET https://api.example.com/**",
        "http POST https://api.example.com/v1/notes",
        "http GET http://localhost:8080/",
        "http GET http://127.0.0.1:8080/",
        "http GET http://[::1]:8080/",
        "kv write:user",
        "workspace write scope=session",
        "tools files/*",
        "env LANG=C",
        "acme:billing invoices/*",
    ] {
        passes(grant);
    }
}

#[test]
fn imports_that_are_not_declared_are_flagged_once_for_each_capability() {
    let declared = ["fs * read".to_owned()].into();
    let imports = [("wasi:filesystem/types@0.2.3", "fs"), ("wasi:http/types@0.2.3", "http"), ("wasi:http/outgoing-handler@0.2.3", "http")];
    let found = undeclared(imports, &declared);
    let [flag] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((flag.rule, flag.what.as_str()), ("undeclared-import", "imports `wasi:http/types@0.2.3` and does not declare `http`"));
    assert_eq!(undeclared(imports, &["fs * read".to_owned(), "http *".to_owned()].into()), []);
}

#[test]
fn grants_that_give_nothing_are_flagged() {
    let unused = |grant: &str, declared: &[&str]| {
        let found = look(&plugin(&[grant], &[]), Some(declared), &[]);
        found.into_iter().filter(|flag| flag.rule == "unused-grant").map(|flag| flag.narrower.join("; ")).collect::<Vec<_>>()
    };
    for (grant, used, unused_by, revoke) in [
        ("fs docs:/docs:read", "fs /docs read", "fs /other read", "remit revoke p fs docs:/docs"),
        (
            "http GET https://a.example/x",
            "http * https://*.example/**",
            "http GET https://a.example.com/**",
            "remit revoke p http 'GET https://a.example/x'",
        ),
        ("env LANG=C", "env LANG", "env HOME", "remit revoke p env LANG=C"),
        ("config region=eu", "config *", "env region", "remit revoke p config region=eu"),
        ("kv read:user", "kv write", "env A", "remit revoke p kv read:user"),
        ("workspace read scope=user", "workspace read", "kv read", "remit revoke p workspace 'read scope=user'"),
        ("tools files/read", "tools files/*", "tools table/*", "remit revoke p tools files/read"),
        ("sockets db.example:5432", "sockets db.example:5432", "sockets db.example:1", "remit revoke p sockets db.example:5432"),
        ("acme:billing invoices/*", "acme:billing *", "acme:mail *", "remit revoke p acme:billing 'invoices/*'"),
    ] {
        assert_eq!(unused(grant, &[used]), <[String; 0]>::default(), "{grant} {used}");
        let found = unused(grant, &[unused_by]);
        assert!(found.len() == 1 && found[0].starts_with(revoke), "{grant} {unused_by}: {found:?}");
    }
}

#[test]
fn raw_sockets_are_flagged_each() {
    let narrower = ["remit revoke p sockets db.example:5432", "remit grant p http '<METHOD> https://<host>/<path>'"];
    flagged("sockets db.example:5432", "raw-socket", &narrower);
}

#[test]
fn hosts_that_are_not_named_are_flagged_and_more_so_with_a_secret() {
    flagged(
        "http GET https://*.example.com/v1/**",
        "any-host",
        &["remit revoke p http 'GET https://*.example.com/v1/**'", "remit grant p http 'GET https://<host>.example.com/v1/**'"],
    );
    flagged(
        "http GET https://*.example.com/v1/** secret=token header=authorization",
        "secret-to-any-host",
        &[
            "remit revoke p http 'GET https://*.example.com/v1/**'",
            "remit grant p http 'GET https://<host>.example.com/v1/** secret=token header=authorization'",
        ],
    );
    let found = look(&plugin(&["http GET https://*.example.com/v1/** secret=token header=authorization"], &[]), None, &[]);
    assert_eq!(found[0].reason, "the secret `token` goes to every host that matches, whoever runs it");
}

#[test]
fn requests_that_can_carry_data_anywhere_are_flagged() {
    flagged(
        "http POST https://api.example.com/**",
        "sends-anywhere",
        &["remit revoke p http 'POST https://api.example.com/**'", "remit grant p http 'POST https://api.example.com/<path>'"],
    );
    flagged(
        "http * https://api.example.com/**",
        "sends-anywhere",
        &["remit revoke p http '* https://api.example.com/**'", "remit grant p http '* https://api.example.com/<path>'"],
    );
    flagged(
        "http * https://api.example.com/v1/** max_kib=4",
        "any-method",
        &["remit revoke p http '* https://api.example.com/v1/**'", "remit grant p http 'GET https://api.example.com/v1/** max_kib=4'"],
    );
}

#[test]
fn requests_in_the_clear_are_flagged() {
    flagged(
        "http GET http://api.example.com/v1/**",
        "in-the-clear",
        &["remit revoke p http 'GET http://api.example.com/v1/**'", "remit grant p http 'GET https://api.example.com/v1/**'"],
    );
    flagged(
        "http GET http://api.example.com:8080/",
        "in-the-clear",
        &["remit revoke p http 'GET http://api.example.com:8080/'", "remit grant p http 'GET https://api.example.com:8080/'"],
    );
}

#[test]
fn addresses_that_are_not_public_are_flagged() {
    flagged("http GET https://db.example.com/ private=10.0.0.7", "private-address", &[]);
    flagged(
        "http GET https://db.example.com/ private=10.0.0.0/8",
        "private-address",
        &["remit revoke p http 'GET https://db.example.com/'", "remit grant p http 'GET https://db.example.com/ private=<address>'"],
    );
    let reason = |address: &str| {
        let found = look(&plugin(&[&format!("http GET http://localhost/ private={address}")], &[]), None, &[]);
        found.into_iter().map(|flag| flag.reason).collect::<String>()
    };
    assert!(reason("169.254.169.254").contains("credentials"), "{}", reason("169.254.169.254"));
    assert!(reason("127.0.0.1").contains("this machine alone"), "{}", reason("127.0.0.1"));
}

#[test]
fn folders_that_hold_more_than_a_plugin_needs_are_flagged() {
    let flagged_fs = |grant: &str, rule: &str, revoke: &str, narrow: &str| {
        flagged(&format!("fs {grant}"), rule, &[&format!("remit revoke p fs {revoke}"), &format!("remit grant p fs {narrow}")]);
    };
    flagged_fs(".:/work:write", "project-folder", ".:/work:write", "'<folder>:/work:write'");
    flagged_fs(".:/work:read", "project-folder", ".:/work:read", "'<folder>:/work:read'");
    flagged("fs .git/hooks:/hooks:write", "trusted-file", &["remit revoke p fs .git/hooks:/hooks:write"]);
    flagged("fs remit.toml:/file:write", "trusted-file", &["remit revoke p fs remit.toml:/file:write"]);
    flagged("fs .remit:/state:read", "project-state", &["remit revoke p fs .remit:/state:read"]);
    flagged_fs("/home/ada:/home:read", "home-folder", "/home/ada:/home:read", "'/home/ada/<folder>:/home:read'");
    flagged_fs("/:/all:read", "home-folder", "/:/all:read", "'/<folder>:/all:read'");
    for grant in ["fs .git:/git:read", "fs /home/ada/workshop:/x:write", "fs .gitignore.d:/x:write", "fs /srv:/srv:write"] {
        passes(grant);
    }
    // Where every tool only reads, so much is enough.
    let found = look(&plugin(&["fs .:/work:write"], &[]), None, &[tool("list", Effect::Read)]);
    assert_eq!(found[0].narrower[1], "remit grant p fs '<folder>:/work:read'");
}

#[test]
fn what_everybody_shares_and_tools_of_any_plugin_are_flagged() {
    flagged("kv write:project", "shared-data", &["remit revoke p kv write:project", "remit grant p kv write"]);
    flagged(
        "workspace read scope=project",
        "shared-data",
        &["remit revoke p workspace 'read scope=project'", "remit grant p workspace read"],
    );
    flagged("tools */*", "any-tool", &["remit revoke p tools '*/*'", "remit grant p tools '<plugin>/<tool>'"]);
    flagged("tools */read", "any-tool", &["remit revoke p tools '*/read'", "remit grant p tools '<plugin>/<tool>'"]);
}

#[test]
fn once_tools_that_can_change_something_and_ask_nobody_are_flagged() {
    let tools = [tool("add", Effect::Once), tool("remove", Effect::Once), tool("list", Effect::Read), tool("set", Effect::Idempotent)];
    let found = |grants: &[&str], ask: &[&str]| look(&plugin(grants, ask), None, &tools);
    let flags = found(&["fs docs:/docs:write"], &["add"]);
    let [flag] = &flags[..] else { panic!("{flags:#?}") };
    assert_eq!((flag.rule, flag.what.as_str()), ("once-unasked", "runs `remove` without an approval"));
    assert_eq!(flag.narrower, ["ask = [\"add\", \"remove\"]   # below [plugins.p] in remit.toml"]);
    assert_eq!(found(&["fs docs:/docs:write"], &["add", "remove"]), []);
    assert_eq!(found(&["fs docs:/docs:write"], &["*"]), []);
    assert_eq!(found(&["fs docs:/docs:read", "http GET https://a.example/"], &[]), [], "nothing that it could change is granted");
    for grant in ["http POST https://a.example/x", "kv write:user", "workspace write", "tools files/read", "acme:billing invoices"] {
        assert_eq!(found(&[grant], &[]).len(), 1, "{grant}");
    }
}

#[test]
fn a_declared_pattern_is_never_said_to_miss_what_it_allows() {
    let meets = |own: &str, other: &str| {
        let pattern = |text: &str| text.parse::<HttpPattern>().expect("a pattern");
        pattern(own).may_meet(&pattern(other))
    };
    assert!(meets("GET https://*.example.com/**", "POST https://a.example.com/x"));
    assert!(meets("GET https://*.example.com/**", "GET https://a.*.com/"));
    assert!(!meets("GET https://a.example.com/", "GET https://b.example.com/"));
    assert!(!meets("GET https://a.example.com/", "GET http://a.example.com/"));
    assert!(!meets("GET https://a.example.com/", "GET https://a.example.com:8443/"));
}
