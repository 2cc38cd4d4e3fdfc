use super::*;

fn fs(path: &str, access: Access) -> Request<'_> {
    Request::Fs { path, access }
}

#[test]
fn f14_a_grant_of_data_is_not_one_of_data_evil() {
    let rights = rights(Effect::Once, anything(), granted(&[("fs", "d:/data:write")]));
    assert!(is_allowed(&fs("/data", Access::Read), &rights));
    assert!(is_allowed(&fs("/data/x", Access::Write), &rights));
    for path in ["/data-evil", "/data-evil/x", "/datax", "/", "/data/../x", "data/x", "", "/data/./x"] {
        assert!(!is_allowed(&fs(path, Access::Read), &rights), "{path}");
    }
    assert_eq!(denied(&fs("/data-evil/x", Access::Read), &rights).fix.unwrap(), "fs '<folder>:/data-evil:read'");
}

#[test]
fn each_layer_names_itself() {
    let read_docs = || granted(&[("fs", "docs:/docs")]);
    let declared = |access| Declared { fs: Some(Scope::Only(vec![(Some("/docs".into()), access)])), ..Declared::default() };
    let write = fs("/docs/a", Access::Write);
    let rule = |effect, declared, granted| denied(&write, &rights(effect, declared, granted)).rule;
    assert_eq!(rule(Effect::Once, Declared::default(), read_docs()), Rule::NotDeclared);
    assert_eq!(rule(Effect::Once, declared(Access::Read), granted(&[("fs", "docs:/docs:write")])), Rule::NotDeclared);
    assert_eq!(rule(Effect::Once, declared(Access::Write), Grants::default()), Rule::NotGranted);
    assert_eq!(rule(Effect::Once, declared(Access::Write), read_docs()), Rule::NoMatch);
    assert_eq!(rule(Effect::Read, declared(Access::Write), granted(&[("fs", "docs:/docs:write")])), Rule::Effect);
}

#[test]
fn a_mount_keeps_what_was_granted_beside_what_is_left() {
    let rights = rights(Effect::Read, anything(), granted(&[("fs", "docs:/docs:write")]));
    let mount = rights.mount_of("/docs/x").unwrap();
    assert_eq!((mount.access, mount.granted), (Access::Read, Access::Write));
    assert_eq!(mount.source, Source::Host("/project/docs".into()));
}

#[test]
fn a_grant_wider_than_what_is_declared_gives_nothing() {
    let declared = Declared { fs: Some(Scope::Only(vec![(Some("/docs".into()), Access::Write)])), ..Declared::default() };
    let rights = rights(Effect::Once, declared, granted(&[("fs", ".:/")]));
    assert!(rights.mounts.is_empty());
    let denial = denied(&fs("/docs/a", Access::Read), &rights);
    assert_eq!(denial.fix.as_deref(), Some("fs '<folder>:/docs:read'"));
    assert!(denial.reason.contains("wider"), "{}", denial.reason);
}

#[test]
fn read_leaves_get_and_head() {
    let all = granted(&[("http", "* https://h.example/**"), ("kv", "write")]);
    let read = rights(Effect::Read, anything(), all.clone());
    let once = rights(Effect::Once, anything(), all);
    let target = url("https://h.example/x");
    for (method, allowed) in [("GET", true), ("HEAD", true), ("POST", false), ("DELETE", false), ("get", false)] {
        let request = Request::Http { method, url: &target };
        assert_eq!(is_allowed(&request, &read), allowed, "{method}");
        assert!(is_allowed(&request, &once), "{method}");
    }
    let denial = denied(&Request::Http { method: "POST", url: &target }, &read);
    assert_eq!((denial.rule, denial.fix), (Rule::Effect, None));
    assert!(is_allowed(&Request::Kv { access: Access::Read }, &read));
    assert_eq!(denied(&Request::Kv { access: Access::Write }, &read).rule, Rule::Effect);
}

#[test]
fn the_fix_is_the_smallest_grant() {
    let rights = rights(Effect::Once, anything(), granted(&[("fs", "docs:/docs"), ("fs", "/srv/x:/srv"), ("kv", "read:project")]));
    let target = url("https://api.example.com/a?b=c");
    for (request, fix) in [
        (Request::Http { method: "GET", url: &target }, Some("http 'GET https://api.example.com/a?b=c'")),
        (Request::Http { method: "g\u{202e}t", url: &target }, None),
        (fs("/docs/a", Access::Write), Some("fs docs:/docs:write")),
        (fs("/srv/a", Access::Write), Some("fs '<folder>:/srv:write'")),
        (fs("/other/a/b", Access::Read), Some("fs '<folder>:/other:read'")),
        (fs("/\u{202e}x", Access::Read), None),
        (Request::Env { name: "LANG" }, Some("env 'LANG=<value>'")),
        (Request::Kv { access: Access::Write }, Some("kv write:project")),
        (Request::Tool { plugin: "files", tool: "read" }, Some("tools files/read")),
        (Request::Tool { plugin: "files", tool: "*" }, None),
        (Request::Custom { capability: "acme:crm", request: "read it's" }, Some("acme:crm 'read it'\\''s'")),
        (Request::Socket { target: "10.0.0.1:22" }, Some("sockets 10.0.0.1:22")),
        (Request::Socket { target: "DB.example.:22" }, Some("sockets db.example:22")),
        (Request::Socket { target: "db.example" }, Some("sockets 'db.example:<port>'")),
        (Request::Socket { target: "10.0.0.1" }, None),
        (Request::Socket { target: "*:22" }, None),
    ] {
        assert_eq!(denied(&request, &rights).fix.as_deref(), fix, "{request:?}");
    }
}

#[test]
fn a_socket_is_one_place_that_each_layer_has_and_no_reading_tool_opens_one() {
    let asked = Request::Socket { target: "db.example:5432" };
    let place = || granted(&[("sockets", "db.example:5432")]);
    let declares = |place: &str| Declared { sockets: Some(Scope::Only(vec![place.parse().unwrap()])), ..Declared::default() };
    let whole = rights(Effect::Once, declares("db.example:5432"), place());
    assert!(is_allowed(&asked, &whole) && is_allowed(&Request::Socket { target: "db.example" }, &whole));
    for other in ["db.example:5433", "other.example:5432", "10.0.0.1:5432", "x.db.example"] {
        let denial = denied(&Request::Socket { target: other }, &rights(Effect::Once, anything(), place()));
        assert_eq!((denial.capability.as_str(), denial.rule), ("sockets", Rule::NoMatch), "{other}");
    }
    assert_eq!(denied(&asked, &rights(Effect::Once, declares("db.example:1"), place())).rule, Rule::NotDeclared);
    assert_eq!(denied(&asked, &rights(Effect::Once, anything(), Grants::default())).rule, Rule::NotGranted);
    let denial = denied(&asked, &rights(Effect::Read, anything(), place()));
    assert_eq!((denial.rule, denial.fix), (Rule::Effect, None));
    assert_eq!(denial.reason, "a tool of the effect class `read` may open no socket");
}

#[test]
fn a_workspace_is_a_mount_that_each_layer_narrows() {
    let asked = |access| fs("/workspace/a", access);
    let declared = |access| Declared { workspace: Some(Scope::Only(access)), ..Declared::default() };
    let write = || granted(&[("workspace", "write scope=session max_mib=3 max_files=4")]);
    let whole = rights(Effect::Once, declared(Access::Write), write());
    let mount = whole.mount_of("/workspace/a").unwrap();
    assert_eq!((mount.source.clone(), mount.max_bytes, mount.max_files), (Source::Workspace(DataScope::Session), 3 << 20, 4));
    assert!(is_allowed(&asked(Access::Write), &whole));
    assert!(!is_allowed(&fs("/workspaces/a", Access::Read), &whole));
    let refused = |effect, declared, granted| denied(&asked(Access::Write), &rights(effect, declared, granted));
    let shape = |denial: Denial| (denial.capability, denial.rule, denial.fix);
    let workspace = |rule, fix: Option<&str>| ("workspace".to_owned(), rule, fix.map(str::to_owned));
    assert_eq!(shape(refused(Effect::Once, declared(Access::Read), write())), workspace(Rule::NotDeclared, None));
    assert_eq!(shape(refused(Effect::Read, declared(Access::Write), write())), workspace(Rule::Effect, None));
    assert_eq!(
        shape(refused(Effect::Once, declared(Access::Write), granted(&[("workspace", "read scope=session")]))),
        workspace(Rule::NoMatch, Some("workspace 'write scope=session'"))
    );
    assert_eq!(
        shape(refused(Effect::Once, declared(Access::Write), Grants::default())),
        workspace(Rule::NotGranted, Some("workspace write"))
    );
    assert_eq!(refused(Effect::Once, Declared::default(), write()).rule, Rule::NotDeclared);
    assert!(rights(Effect::Once, Declared { fs: Some(Scope::Any), ..Declared::default() }, write()).mounts.is_empty());
}

#[test]
fn a_denial_reads_as_one_sentence_and_shows_no_hidden_text() {
    let rights = rights(Effect::Once, anything(), Grants::default());
    let target = url("https://api.example.com/");
    let denial = denied(&Request::Http { method: "GET", url: &target }, &rights);
    assert_eq!(denial.to_string(), "`notes` may not GET https://api.example.com/ (nothing of `http` is granted)");
    assert_eq!(denial.command().unwrap(), "remit grant notes http 'GET https://api.example.com/'");
    let hidden = denied(&fs("/a\u{1b}[31m\u{200b}", Access::Read), &rights);
    assert_eq!(hidden.request, "read /a\\u{1b}[31m\\u{200b}");
    assert!(denied(&Request::Socket { target: &"x".repeat(9999) }, &rights).request.chars().count() < 300);
}

#[test]
fn an_address_is_granted_by_any_grant_that_matches() {
    let target = url("http://h.example/x");
    let denial = Denial::private_address("notes", "GET", &target, "::ffff:127.0.0.1".parse().unwrap());
    assert_eq!(denial.fix.as_deref(), Some("http 'GET http://h.example/x private=127.0.0.1'"));
    assert!(denial.reason.contains("loopback"), "{}", denial.reason);
    let mut all = granted(&[("http", "GET http://h.example/** secret=key header=authorization")]);
    let before = rights(Effect::Once, anything(), all.clone());
    assert!(!before.allows_address("GET", &target, "127.0.0.1".parse().unwrap()));
    all.merge(super::super::line::parse("http", "GET http://h.example/x private=127.0.0.1").unwrap()).unwrap();
    let after = rights(Effect::Once, anything(), all);
    assert!(after.allows_address("GET", &target, "127.0.0.1".parse().unwrap()));
    assert!(!after.allows_address("GET", &url("http://h.example/y"), "127.0.0.1".parse().unwrap()));
    // The secret of the first grant still goes along.
    let Decision::Allow(Allowed::Http(http)) = super::super::decide(&Request::Http { method: "GET", url: &target }, &after) else {
        panic!("denied")
    };
    assert_eq!(http.secret.as_ref().unwrap().name, "key");
}

#[test]
fn scopes_of_an_application_are_matched_as_a_whole() {
    let rights = rights(Effect::Once, anything(), granted(&[("acme:crm", "read:*:name"), ("acme:crm", "list"), ("acme:crm", "a*aab*b")]));
    for (request, allowed) in [
        ("read::name", true),
        ("read:a:b:name", true),
        ("read:a:names", false),
        ("list", true),
        ("lister", false),
        ("", false),
        ("aaabb", true),
        ("aab", false),
    ] {
        assert_eq!(is_allowed(&Request::Custom { capability: "acme:crm", request }, &rights), allowed, "{request}");
    }
    assert!(!is_allowed(&Request::Custom { capability: "acme:other", request: "list" }, &rights));
}
