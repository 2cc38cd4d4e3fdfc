mod egress;
mod labels;
mod models;
mod schema;

use miette::Diagnostic;

use super::*;
use crate::{
    grant::Access,
    identity::Role,
    limit::{FILE_MAX_BYTES, MCP_LISTED_TOOLS},
    plugin::{Digest, Effect, Isolation},
};

const WHOLE: &str = r#"
version = 1
[project]
name = "acme-support"

[plugins.files]
source = "plugins/files"
ask = ["write"]
limits = { memory_mib = 128, deadline_ms = 5000 }
[plugins.files.grants]
fs = [{ path = "docs", mount = "/docs", access = "read" }]
[plugins.files.effects]
read = "read"

[plugins.table]
source = "../table.wasm"
outside = true

[roles.reader]
tools = ["files/read", "files/search"]
[principals]
"user:ada" = ["owner"]
"user:bob" = ["reader"]
"#;

fn parse(text: &str) -> Result<Project, ProjectError> {
    Project::parse("remit.toml", text.as_bytes())
}

/// A project whose file goes on with `rest`, and what is said of it.
fn check(rest: &str, expected: &str) {
    let text = format!("version = 1\nproject.name = \"p\"\n{rest}");
    let report = parse(&text).map_or_else(|error| error.report(), |project| format!("accepted: {project:?}"));
    assert_eq!(report.trim_end(), expected.trim(), "\n--- what was said:\n{report}");
}

fn check_narrow(local: &str, expected: &str) {
    let mut project = parse(WHOLE).expect("the project is right");
    let before = project.clone();
    let text = format!("version = 1\n{local}");
    let error = project.narrow("remit.local.toml", text.as_bytes()).expect_err("the narrowing is wrong");
    assert_eq!(error.report().trim_end(), expected.trim(), "\n--- what was said:\n{}", error.report());
    assert_eq!(project, before);
}

#[test]
fn a_whole_project_is_read() {
    let project = parse(WHOLE).unwrap_or_else(|error| panic!("{}", error.report()));
    assert_eq!(project.name, "acme-support");
    let files = &project.plugins[&"files".parse().expect("a name")];
    assert_eq!(files.source, Source::Crate("plugins/files".to_owned()));
    assert_eq!((files.limits.memory_mib, files.limits.deadline_ms, files.limits.output_kib), (128, 5000, 1024));
    assert_eq!(files.grants.fs[0].access, Access::Read);
    assert_eq!(files.effects["read"], Effect::Read);
    assert!(files.asks("write") && !files.asks("read"));
    assert_eq!(project.plugins[&"table".parse().expect("a name")].source, Source::Wasm("../table.wasm".to_owned()));
}

#[test]
fn roles_decide_what_a_principal_may_call() {
    let project = parse(WHOLE).expect("the project is right");
    let role = |who: &str| project.role(&who.parse().expect("a principal"));
    assert_eq!(role("user:ada"), Some(Role::Owner));
    let reader = role("user:bob").expect("bob is known");
    assert!(reader.allows("files", "read") && !reader.allows("files", "write"));
    assert_eq!(role("user:eve"), None);
}

#[test]
fn an_unknown_key_shows_the_nearest_one() {
    check(
        "[plugins.files]\nsource = \"files\"\nlimit = {}\n",
        "
remit.toml:5:1: unknown key `limit`
  |
5 | limit = {}
  | ^^^^^
  = did you mean `limits`?",
    );
}

#[test]
fn an_unknown_key_of_a_grant_shows_the_nearest_one() {
    check(
        "[plugins.files]\nsource = \"files\"\ngrants = { fs = [{ path = \"docs\", acess = \"read\" }] }\n",
        "
remit.toml:5:35: unknown key `acess`
  |
5 | grants = { fs = [{ path = \"docs\", acess = \"read\" }] }
  |                                   ^^^^^
  = did you mean `access`?",
    );
}

#[test]
fn every_mistake_is_told_at_once_and_in_order() {
    let text = "version = 2\n[project]\nname = \"Acme\"\n[plugins.a__b]\nsource = \"x\"\n[plugins.c]\nask = [\"Write\"]\nlimits = { memory_mib = 4096, deadline_ms = -1 }\n[principals]\n\"ada\" = [\"ownr\"]\n";
    let error = parse(text).expect_err("it is full of mistakes");
    let lines: Vec<String> = error.to_string().split("; ").map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "remit.toml has 9 mistakes: line 1: version 2 of this file is newer than this `remit` reads (1)",
            "line 3: `Acme` is not a project name",
            "line 4: `a__b` is not a plugin name",
            "line 6: plugin `c` has no `source`",
            "line 7: `Write` is not a name for a tool",
            "line 8: `memory_mib` is 4096",
            "line 8: invalid value: integer `-1`",
            "line 10: `ada` is not a principal",
            "line 10: there is no role `ownr`",
        ]
    );
}

#[test]
fn retention_is_what_is_said_and_for_ever_otherwise() {
    let retention = |text: &str| parse(&format!("version = 1\nproject.name = \"p\"\n{text}")).map(|project| project.retention);
    assert_eq!(retention("").expect("right"), Retention::default());
    let both = Retention { sessions_days: Some(90), quarantined_days: Some(36_500) };
    assert_eq!(retention("[retention]\nsessions_days = 90\nquarantined_days = 36500\n").expect("right"), both);
    for wrong in ["0", "36501", "-1", "1.5", "\"90d\""] {
        retention(&format!("[retention]\nsessions_days = {wrong}\n")).expect_err(wrong);
    }
}

#[test]
fn tools_are_searched_where_they_are_many_or_the_project_says_so() {
    let mcp = |text: &str| parse(&format!("version = 1\nproject.name = \"p\"\n{text}")).map(|project| project.mcp);
    assert_eq!(mcp("").expect("right"), Mcp::default());
    for (search, few, many) in [("auto", false, true), ("always", true, true), ("never", false, false)] {
        let mcp = mcp(&format!("[mcp]\nsearch = \"{search}\"\nlisted = [\"files/*\"]\n")).expect("right");
        assert_eq!([MCP_LISTED_TOOLS, MCP_LISTED_TOOLS + 1].map(|tools| mcp.search.applies(tools)), [few, many], "{search}");
        assert!(mcp.listed.iter().all(|pattern| pattern.matches("files", "read")));
    }
    for wrong in ["search = true", "search = \"on\"", "listed = [\"files\"]", "listed = \"files/*\""] {
        mcp(&format!("[mcp]\n{wrong}\n")).expect_err(wrong);
    }
}

#[test]
fn approvals_come_from_a_client_only_where_the_file_says_so() {
    let accepts = |text: &str| parse(&format!("version = 1\nproject.name = \"p\"\n{text}")).map(|project| project.approvals.accept_client);
    assert!(!accepts("").expect("right") && !accepts("[approvals]\n").expect("right"));
    assert!(accepts("approvals.accept_client = true\n").expect("right"));
    for wrong in ["accept_client = \"yes\"", "accept_client = 1", "accept_clients = true"] {
        accepts(&format!("[approvals]\n{wrong}\n")).expect_err(wrong);
    }
}

#[test]
fn known_names_that_are_not_served_are_refused_as_such() {
    for (key, text) in [("budgets", "[budgets]\n"), ("functions", "[functions]\n")] {
        let error = parse(&format!("version = 1\nproject.name = \"p\"\n{text}")).expect_err(key);
        let messages: Vec<&str> = error.problems().iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, [format!("`{key}` is not served by this version")]);
    }
}

/// The problems of a project whose plugin `t` has these lines.
fn problems(lines: &str) -> Vec<String> {
    let error = parse(&format!("version = 1\nproject.name = \"p\"\n[plugins.t]\n{lines}\n")).expect_err(lines);
    error.problems().iter().map(|problem| problem.message.clone()).collect()
}

#[test]
fn an_outside_server_is_a_command_and_what_it_is_given() {
    let env = "env = { A = \"b c\", T = { secret = \"t\" }, U = { secret = \"u\", format = \"Bearer {}\" } }";
    let text = format!(
        "version = 1\nproject.name = \"p\"\n[plugins.t]\ncommand = [\"npx\", \"a \\\"b\"]\n{env}\ncwd = \"x/y\"\neffects = {{ a = \"read\" }}\n"
    );
    let project = parse(&text).unwrap_or_else(|error| panic!("{}", error.report()));
    let plugin = project.plugins.values().next().expect("one");
    assert_eq!(plugin.source.to_string(), r#"["npx","a \"b"]"#);
    assert_eq!(plugin.secrets().into_keys().collect::<Vec<_>>(), ["t", "u"]);
    let given = ["cwd x/y", "env A=b c", "secret t as T", "secret u as U, written `Bearer {}`"];
    assert_eq!(plugin.granted_lines().into_iter().collect::<Vec<_>>(), given);
}

#[test]
fn isolation_is_refused_where_it_would_not_carry_what_is_granted() {
    let isolated = "source = \"t\"\nisolation = \"process\"\n[plugins.t.grants]\n";
    for (grant, line) in [
        ("fs = [{ path = \"docs\" }]", "fs docs:/docs:read"),
        ("workspace = { access = \"write\" }", "workspace write scope=user"),
        ("\"acme:crm\" = [\"contacts\"]", "acme:crm contacts"),
    ] {
        let message = format!("`t` is granted `{line}`, which `isolation = \"process\"` does not carry yet");
        assert_eq!(problems(&format!("{isolated}{grant}")), [message]);
    }
    assert_eq!(problems("source = \"t\"\nisolation = \"vm\""), ["`vm` is not one of the accepted values"]);
    let carried = "kv = { access = \"write\" }\nenv = { A = \"b\" }\nconfig = { A = \"b\" }\ntools = [\"u/*\"]\n\
                   http = [{ allow = [\"GET https://example.com/\"] }]\n";
    let project = parse(&format!("version = 1\nproject.name = \"p\"\n[plugins.t]\n{isolated}{carried}"));
    let project = project.unwrap_or_else(|error| panic!("{}", error.report()));
    assert_eq!(project.plugins.values().next().expect("one").isolation, Isolation::Process);
    let agent = parse("version = 1\nproject.name = \"p\"\n[agents.a]\nsource = \"a\"\nisolation = \"process\"\n");
    assert_eq!(agent.expect_err("an agent").problems()[0].message, "`isolation` is not served by this version");
}

/// A native process cannot be held to what these would promise.
#[test]
fn what_no_native_process_can_be_held_to_is_refused() {
    let command = "command = [\"npx\"]";
    let cases = [
        ("grants = { env = { A = \"b\" } }", "a native process cannot be held to `grants`"),
        ("source = \"x.wasm\"", "a plugin has either `source` or `command`"),
        ("limits = { memory_mib = 64 }", "unknown key `memory_mib`"),
        ("outside = true", "unknown key `outside`"),
        ("cwd = \"../x\"", "`../x` is not a folder below the project's"),
        ("cwd = \"/x\"", "`/x` is not a folder below the project's"),
        ("env = { \"A B\" = \"c\" }", "`A B` is not the name of a variable"),
        ("env = { A = \"b\\nc\" }", "`A` has no value that a process can be given"),
        ("env = { A = { secret = \"\" } }", "`A` has no value that a process can be given"),
        ("env = { A = { secret = \"a\", format = \"b\" } }", "`A` has no value that a process can be given"),
        ("env = { A = 3 }", "invalid type: integer `3`"),
    ];
    for (line, message) in cases {
        assert_eq!(problems(&format!("{command}\n{line}")), [message], "{line}");
    }
    for line in ["command = []".to_owned(), "command = [\"\"]".to_owned(), format!("command = [{}]", "\"a\", ".repeat(65))] {
        assert_eq!(problems(&line), ["a command has 1 to 64 words, the first of which is a program"], "{line}");
    }
    assert_eq!(problems("command = [\"a\", \"b\u{202e}\"]"), ["`b\\u{202e}` is not a word of a command"]);
}

#[test]
fn an_outside_server_is_a_url_and_what_it_is_sent() {
    let secret = "secret = { name = \"t\", header = \"Authorization\", format = \"Bearer {}\" }";
    let text = format!(
        "version = 1\nproject.name = \"p\"\n[plugins.t]\nurl = \"HTTPS://Example.com:443/mcp\"\n{secret}\nprivate = [\"10.0.0.0/8\"]\n"
    );
    let project = parse(&text).unwrap_or_else(|error| panic!("{}", error.report()));
    let plugin = project.plugins.values().next().expect("one");
    assert_eq!((plugin.source.to_string().as_str(), plugin.is_outside()), ("https://example.com/mcp", true));
    assert_eq!(plugin.secrets().into_keys().collect::<Vec<_>>(), ["t"]);
    let given = ["private 10.0.0.0/8", "secret t as header authorization, written `Bearer {}`"];
    assert_eq!(plugin.granted_lines().into_iter().collect::<Vec<_>>(), given);
    let permits = |url: &str, address: &str| {
        let remote = Remote { url: url.parse().expect("a URL"), ..plugin.remote().expect("it is elsewhere").clone() };
        remote.permits(address.parse().expect("an address"))
    };
    for (address, elsewhere, here) in [
        ("93.184.216.34", true, false),
        ("10.1.2.3", true, false),
        ("192.168.0.1", false, false),
        ("169.254.169.254", false, false),
        ("127.0.0.1", false, true),
        ("::1", false, true),
        ("::ffff:127.0.0.1", false, true),
    ] {
        assert_eq!(permits("https://example.com/", address), elsewhere, "{address}");
        for local in ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]/"] {
            assert_eq!(permits(local, address), here, "{local} {address}");
        }
    }
}

/// N6, N13: where a server is, and what it gets, is said without a way round.
#[test]
fn what_no_server_elsewhere_can_be_held_to_is_refused() {
    let url = "url = \"https://example.com/mcp\"";
    let header = "a server gets its secret in a header that the protocol does not use";
    let cases = [
        ("grants = { env = { A = \"b\" } }", "a server elsewhere cannot be held to `grants`"),
        ("source = \"x.wasm\"", "a plugin has either `source` or `url`"),
        ("command = [\"npx\"]", "a plugin has either `command` or `url`"),
        ("env = { A = \"b\" }", "unknown key `env`"),
        ("limits = { memory_mib = 64 }", "unknown key `memory_mib`"),
        ("secret = { name = \"t\", header = \"Host\" }", "`host` cannot carry a secret"),
        ("secret = { name = \"t\", header = \"Mcp-Session-Id\" }", header),
        ("secret = { name = \"t\", header = \"accept\" }", header),
        ("secret = { name = \"t\", query = \"key\" }", header),
    ];
    for (line, message) in cases {
        assert_eq!(problems(&format!("{url}\n{line}")), [message], "{line}");
    }
    for url in ["http://example.com/mcp", "http://10.0.0.1/", "http://localhost.example.com/", "http://127.0.0.1.example.com/"] {
        assert_eq!(problems(&format!("url = \"{url}\"")), ["a server elsewhere is spoken to over `https` alone"], "{url}");
    }
    for url in ["https://a:b@example.com/", "ftp://example.com/", "example.com/mcp", "https://example.com/#a"] {
        assert_eq!(problems(&format!("url = \"{url}\"")).len(), 1, "{url}");
    }
}

#[test]
fn sources_from_elsewhere_are_refused() {
    check(
        "[plugins.x]\nsource = \"oci://ghcr.io/a/b@sha256:00\"\n",
        "
remit.toml:4:10: `oci://` sources are not served by this version
  |
4 | source = \"oci://ghcr.io/a/b@sha256:00\"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = fetch the component yourself and name the `.wasm` file",
    );
    for path in ["/opt/x.wasm", "../x", "a/../../x", "./.."] {
        let text = format!("version = 1\nproject.name = \"p\"\n[plugins.x]\nsource = \"{path}\"\n");
        let error = parse(&text).expect_err(path);
        assert_eq!(error.problems()[0].message, format!("`{path}` lies outside the project"));
        parse(&format!("{text}outside = true\n")).unwrap_or_else(|error| panic!("{}", error.report()));
    }
    for path in ["x", "./x", "a/../x", "a/b/../../x.wasm"] {
        parse(&format!("version = 1\nproject.name = \"p\"\n[plugins.x]\nsource = \"{path}\"\n"))
            .unwrap_or_else(|error| panic!("{}", error.report()));
    }
}

#[test]
fn hidden_characters_never_reach_a_report() {
    let error = parse("version = 1\nproject.name = \"p\"\n[plugins.x]\nsource = \"a\u{202e}b\"\n").expect_err("the path lies");
    let report = error.report();
    assert!(!report.contains('\u{202e}') && report.contains("\\u{202e}"), "{report}");
}

#[test]
fn broken_toml_points_to_its_place() {
    check(
        "[plugins.x\n",
        "
remit.toml:3:11: unclosed table
  |
3 | [plugins.x
  |           ^
  = write `]`",
    );
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let huge = vec![b'#'; 5 << 20];
    let error = Project::parse("remit.toml", &huge).expect_err("it is too large");
    assert_eq!(error.to_string(), "remit.toml:1:1: the file has more than 4 MiB");
    let mut fits = b"version = 1\nproject.name = \"p\"\n#".to_vec();
    fits.resize(FILE_MAX_BYTES as usize, b'x');
    Project::parse("remit.toml", &fits).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_file_that_is_not_utf8_points_to_the_byte() {
    let error = Project::parse("remit.toml", b"version = 1\n# \xff\n").expect_err("it is no text");
    assert!(error.to_string().starts_with("remit.toml:2:3: the file is not UTF-8"), "{error}");
}

#[test]
fn deep_nesting_is_refused_without_harm() {
    let text = format!("version = 1\nproject.name = \"p\"\nx = {}1{}\n", "[".repeat(50_000), "]".repeat(50_000));
    let error = parse(&text).expect_err("it is too deep");
    assert!(error.to_string().ends_with("lists and tables are nested too deep"), "{error}");
}

#[test]
fn the_error_is_one_diagnostic_with_a_label_for_each_mistake() {
    let error = parse("version = 1\nproject.name = \"p\"\nplugin = 1\nrole = 2\n").expect_err("two unknown keys");
    assert!(error.source_code().is_some());
    let related: Vec<_> = error.related().expect("related mistakes").collect();
    let labels: Vec<_> =
        related.iter().flat_map(|one| one.labels().into_iter().flatten()).map(|label| (label.offset(), label.len())).collect();
    assert_eq!(labels, [(31, 6), (42, 4)]);
    assert!(related.iter().all(|one| one.help().is_some()));
    let error = crate::Error::from(error);
    assert_eq!((error.kind, error.hints.len()), (crate::Kind::Invalid, 2));
}

#[test]
#[allow(clippy::reversed_empty_ranges, reason = "a span that makes no sense is what is tested")]
fn spans_outside_the_text_do_no_harm() {
    let error = ProjectError::new("x", "aé", vec![Problem::new(2..900, "wrong")]);
    assert_eq!(error.problems()[0].span, 1..3);
    assert!(error.report().starts_with("x:1:2: wrong\n"));
    assert!(ProjectError::new("x", "", vec![Problem::new(7..3, "wrong")]).report().starts_with("x:1:1: wrong\n"));
}

#[test]
fn a_local_file_narrows() {
    let mut project = parse(WHOLE).expect("the project is right");
    let local =
        "version = 1\n[plugins.files]\nrevoke = [\"fs docs:/docs\"]\nlimits = { memory_mib = 32 }\n[plugins.table]\ndisabled = true\n";
    project.narrow("remit.local.toml", local.as_bytes()).unwrap_or_else(|error| panic!("{}", error.report()));
    let files = &project.plugins[&"files".parse().expect("a name")];
    assert!(files.grants.is_empty());
    assert_eq!((files.limits.memory_mib, files.limits.deadline_ms), (32, 5000));
    assert!(project.plugins[&"table".parse().expect("a name")].disabled && !files.disabled);
}

#[test]
fn a_local_file_cannot_widen() {
    check_narrow(
        "[plugins.files]\nlimits = { memory_mib = 256 }\n",
        "
remit.local.toml:3:25: `memory_mib` is 256, more than the project's 128
  |
3 | limits = { memory_mib = 256 }
  |                         ^^^
  = this file can only narrow: write at most 128",
    );
    check_narrow(
        "[plugins.fils.grants]\n",
        "
remit.local.toml:2:10: the project has no plugin `fils`
  |
2 | [plugins.fils.grants]
  |          ^^^^
  = did you mean `files`?",
    );
    check_narrow(
        "[plugins.files.grants]\n",
        "
remit.local.toml:2:16: `grants` does not belong here
  |
2 | [plugins.files.grants]
  |                ^^^^^^
  = say it in `remit.toml`: this file can only narrow",
    );
    check_narrow(
        "[plugins.files]\nrevoke = [\"http\"]\n",
        "
remit.local.toml:3:11: `http` is not granted
  |
3 | revoke = [\"http\"]
  |           ^^^^^^
  = write a capability, such as `http`, or one grant as `remit.lock` has it; remove what is not granted any more",
    );
}

#[test]
fn trust_ends_with_one_changed_byte() {
    let pins = |manifest: &str, lock: Option<&str>| Pins {
        project: "/home/ada/acme".to_owned(),
        manifest: Digest::of(manifest.as_bytes()),
        lock: lock.map(|lock| Digest::of(lock.as_bytes())),
        roots: Default::default(),
    };
    let now = pins("a", Some("l"));
    let trust = Trust::parse(&Trust::new(now.clone()).to_bytes().expect("it is written")).expect("it is read");
    trust.covers(&now).expect("nothing changed");
    let refused = |now: Pins| trust.covers(&now).expect_err("something changed").message;
    assert_eq!(refused(pins("b", Some("l"))), "the project changed since it was trusted: `remit.toml` is not the same");
    assert_eq!(refused(pins("a", Some("m"))), "the project changed since it was trusted: `remit.lock` is not the same");
    assert_eq!(refused(pins("a", None)), "the project changed since it was trusted: `remit.lock` is not the same");
    let roots = [("corp.pem".to_owned(), Digest::of(b"another authority"))].into();
    assert_eq!(
        refused(Pins { roots, ..now.clone() }),
        "the project changed since it was trusted: a root certificate that `[http]` names is not the same"
    );
    assert_eq!(refused(Pins { project: "/home/eve/acme".to_owned(), ..now }), "the project was trusted at another place");
}

#[test]
fn a_damaged_record_trusts_nothing() {
    for record in ["", "{}", "[1]", r#"{"version":2,"project":"/p","manifest":"sha256:0"}"#] {
        Trust::parse(record.as_bytes()).expect_err(record);
    }
}

#[test]
fn the_nearest_name_is_a_slip_away() {
    let known = ["files", "fetch", "table"];
    assert_eq!(nearest("flies", known), Some("files"));
    assert_eq!(nearest("FETCH", known), Some("fetch"));
    assert_eq!(nearest("weather", known), None);
    assert_eq!(nearest(&"x".repeat(100_000), known), None);
    assert_eq!(nearest("", known), None);
}

#[test]
fn nothing_is_named_as_what_agents_are_called_under_but_a_role() {
    for table in ["plugins.agents", "agents.agents"] {
        let text = format!("version = 1\n[project]\nname = \"p\"\n[{table}]\nsource = \"x.wasm\"\n");
        let error = Project::parse("remit.toml", text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("`agents` is no name for a plugin or an agent"), "{error}");
    }
    let text = "version = 1\n[project]\nname = \"p\"\n[roles.agents]\ntools = [\"files/*\"]\n";
    assert!(Project::parse("remit.toml", text.as_bytes()).unwrap().roles.contains_key("agents"));
    assert!("agents".parse::<crate::plugin::PluginName>().is_err(), "so neither `add`, `new` nor an application can");
}
