//! Laws that hold for all grants, declarations and requests.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    super::line::{format, parse, parse_pair},
    *,
};
use crate::label::Label;

const MOUNTS: &[&str] = &["/workspace/a", "/", "/data", "/data/a", "/data/a/b", "/data-evil", "/data-evil/x", "/docs/y", "/docsx"];
const URLS: &[&str] = &[
    "https://h.example/",
    "https://h.example/a",
    "https://h.example/a/b",
    "https://h.example/a/b?q=1",
    "https://x.h.example/a",
    "http://h.example/a",
    "https://h.example:8443/a",
    "https://h.example/a/..%2fb",
];

fn http_scope() -> impl Strategy<Value = String> {
    let method = select(vec!["GET", "POST", "HEAD", "*"]);
    let origin =
        select(vec!["https://h.example", "https://*.example", "https://*.h.example", "http://h.example", "https://h.example:8443"]);
    let path = select(vec!["/", "/a", "/*", "/**", "/a/*", "/a/**", "/a/b?**", "/{user}/b", "/a/b?q=1"]);
    let options = select(vec![
        "",
        " max_kib=3",
        " private=127.0.0.1",
        " deadline_ms=7 private=10.0.0.0/8,::1",
        " secret=k header=x-key format=a\\ {}",
        " secret=k query=key",
        " labels=private,untrusted",
        " private=::1 labels=untrusted closed_when=never",
    ]);
    (method, origin, path, options).prop_map(|(method, origin, path, options)| format!("{method} {origin}{path}{options}"))
}

/// One grant, as a line.
fn grant() -> impl Strategy<Value = (String, String)> {
    let fs = (select(MOUNTS), select(vec!["read", "write"]), select(vec!["", " max_mib=3", " max_files=9", " labels=private"]))
        .prop_map(|(mount, access, options)| format!("f{}:{mount}:{access}{options}", mount.replace('/', "\\ \\:")));
    prop_oneof![
        fs.prop_map(|scope| ("fs".to_owned(), scope)),
        http_scope().prop_map(|scope| ("http".to_owned(), scope)),
        select(vec!["A=1", "A=2", "B=x y\\z "]).prop_map(|scope| ("env".to_owned(), scope.to_owned())),
        select(vec!["A={user}", "C="]).prop_map(|scope| ("config".to_owned(), scope.to_owned())),
        select(vec!["read:project", "write:project max_mib=2"]).prop_map(|scope| ("kv".to_owned(), scope.to_owned())),
        select(vec!["read scope=session max_mib=3", "write scope=session max_files=2"])
            .prop_map(|scope| ("workspace".to_owned(), scope.to_owned())),
        select(vec!["files/read", "files/*", "*/read", "*/*", "fi*/r*"]).prop_map(|scope| ("tools".to_owned(), scope.to_owned())),
        select(vec!["h:1", "h:2", "10.0.0.1:1", "[::1]:1"]).prop_map(|scope| ("sockets".to_owned(), scope.to_owned())),
        select(vec!["read:*", "*", "list", "r*d:a"]).prop_map(|scope| ("acme:crm".to_owned(), scope.to_owned())),
    ]
}

fn lines() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(grant(), 0..8)
}

fn all(lines: &[(String, String)]) -> Grants {
    granted(&lines.iter().map(|(capability, scope)| (capability.as_str(), scope.as_str())).collect::<Vec<_>>())
}

/// Declares just what `grants` grant.
fn declaring(grants: &Grants) -> Declared {
    let patterns = |http: &[Http]| http.iter().flat_map(|one| one.allow.clone()).collect::<Vec<_>>();
    Declared {
        fs: (!grants.fs.is_empty()).then(|| Scope::Only(grants.fs.iter().map(|fs| (Some(fs.mount.clone()), fs.access)).collect())),
        http: (!grants.http.is_empty()).then(|| Scope::Only(patterns(&grants.http))),
        env: (!grants.env.is_empty()).then(|| Scope::Only(grants.env.keys().cloned().collect())),
        config: (!grants.config.is_empty()).then(|| Scope::Only(grants.config.keys().cloned().collect())),
        kv: grants.kv.as_ref().map(|kv| Scope::Only(kv.access)),
        workspace: grants.workspace.as_ref().map(|workspace| Scope::Only(workspace.access)),
        tools: (!grants.tools.is_empty()).then(|| Scope::Only(grants.tools.clone())),
        sockets: (!grants.sockets.is_empty()).then(|| Scope::Only(grants.sockets.clone())),
        custom: grants.custom.iter().map(|(name, scopes)| (name.clone(), Scope::Only(scopes.clone()))).collect(),
        ..Declared::default()
    }
}

/// Every request that the vocabulary above can make, but those over HTTP.
fn requests() -> Vec<Request<'static>> {
    let mut all = Vec::new();
    for access in [Access::Read, Access::Write] {
        all.extend(MOUNTS.iter().chain(&["/workspace", "/workspace/b"]).map(|path| Request::Fs { path, access }));
        all.push(Request::Kv { access });
    }
    for name in ["A", "B", "C"] {
        all.extend([Request::Env { name }, Request::Config { name }]);
    }
    for (plugin, tool) in [("files", "read"), ("files", "write"), ("other", "read")] {
        all.push(Request::Tool { plugin, tool });
    }
    for request in ["read:a", "list", "x"] {
        all.push(Request::Custom { capability: "acme:crm", request });
    }
    all.extend(["h:1", "h:2", "h", "10.0.0.1:1"].map(|target| Request::Socket { target }));
    all
}

/// Runs `check` for each request, requests over HTTP among them.
fn for_each_request(mut check: impl FnMut(&Request<'_>)) {
    requests().iter().for_each(&mut check);
    for target in URLS {
        let target = url(target);
        for method in ["GET", "HEAD", "POST", "PURGE"] {
            check(&Request::Http { method, url: &target });
        }
    }
}

fn effects() -> impl Strategy<Value = Effect> {
    select(vec![Effect::Read, Effect::Idempotent, Effect::Once])
}

fn unquoted(fix: &str) -> String {
    fix.replacen('\'', "", 1).strip_suffix('\'').map_or_else(|| fix.to_owned(), |inner| inner.replace("'\\''", "'"))
}

/// What the law of order is about: the decision, and the terms under which a request goes out.
fn outcome(request: &Request<'_>, rights: &Resolved) -> String {
    match super::super::decide(request, rights) {
        Decision::Allow(Allowed::Http(http)) => format!("{:?}", (&http.secret, http.max_bytes, http.deadline_ms)),
        Decision::Allow(Allowed::Fs(mount)) => format!("{mount:?}"),
        Decision::Allow(other) => format!("{other:?}"),
        Decision::Deny(denial) => format!("{denial:?}"),
    }
}

proptest! {
    #[test]
    fn adding_a_grant_never_removes_a_right(before in lines(), more in grant(), declared in lines(), effect in effects()) {
        let declared = declaring(&all(&declared));
        let before = all(&before);
        let mut after = before.clone();
        prop_assume!(after.merge(parse(&more.0, &more.1).unwrap()).is_ok());
        for declared in [declared, anything()] {
            let (before, after) = (rights(effect, declared.clone(), before.clone()), rights(effect, declared, after.clone()));
            for_each_request(|request| {
                assert!(!is_allowed(request, &before) || is_allowed(request, &after), "{request:?} was lost");
                if let Request::Http { method, url } = request {
                    for address in ["127.0.0.1", "10.0.0.1"] {
                        let allows = |rights: &Resolved| rights.allows_address(method, url, address.parse().unwrap());
                        assert!(!allows(&before) || allows(&after), "{address} was lost");
                    }
                }
            });
        }
    }

    #[test]
    fn what_remains_is_within_every_layer(grants in lines(), declared in lines()) {
        let (grants, declared) = (all(&grants), all(&declared));
        let both = |effect| rights(effect, declaring(&declared), grants.clone());
        let granted_alone = rights(Effect::Once, anything(), grants.clone());
        let declared_alone = rights(Effect::Once, anything(), declared.clone());
        let (read, idempotent, once) = (both(Effect::Read), both(Effect::Idempotent), both(Effect::Once));
        for_each_request(|request| {
            assert!(!is_allowed(request, &once) || (is_allowed(request, &granted_alone) && is_allowed(request, &declared_alone)), "{request:?} widened");
            assert!(!is_allowed(request, &read) || is_allowed(request, &idempotent), "{request:?} only for `read`");
            assert_eq!(is_allowed(request, &idempotent), is_allowed(request, &once));
        });
        for mount in &read.mounts {
            prop_assert_eq!(mount.access, Access::Read);
        }
    }

    #[test]
    fn nothing_is_allowed_without_a_layer(grants in lines()) {
        let grants = all(&grants);
        for rights in [rights(Effect::Once, Declared::default(), grants), rights(Effect::Once, anything(), Grants::default())] {
            for_each_request(|request| assert!(!is_allowed(request, &rights), "{request:?}"));
        }
    }

    #[test]
    fn the_order_of_grants_does_not_matter(grants in lines().prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())), effect in effects()) {
        let (one, other) = grants;
        // A later value of one key replaces the earlier, by design; so each key has one value here.
        let fixed = |lines: Vec<(String, String)>| all(&lines.into_iter().filter(|(_, scope)| scope != "A=2").collect::<Vec<_>>());
        let (one, other) = (rights(effect, anything(), fixed(one)), rights(effect, anything(), fixed(other)));
        for_each_request(|request| assert_eq!(outcome(request, &one), outcome(request, &other)));
    }

    #[test]
    fn the_fix_of_a_denial_allows_the_request(grants in lines(), declared in lines(), effect in effects()) {
        let grants = all(&grants);
        for declared in [declaring(&all(&declared)), anything()] {
            let before = rights(effect, declared.clone(), grants.clone());
            for_each_request(|request| {
                let Decision::Deny(Denial { fix: Some(fix), .. }) = super::super::decide(request, &before) else { return };
                let fix = unquoted(&fix).replace("<folder>", "f").replace("<value>", "v").replace("<port>", "1");
                let mut more = grants.clone();
                if more.merge(parse_pair(&fix).unwrap()).is_ok() {
                    assert!(is_allowed(request, &rights(effect, declared.clone(), more)), "{request:?} after {fix}");
                }
            });
        }
    }

    #[test]
    fn lines_say_what_grants_say(grants in lines()) {
        let grants = all(&grants);
        prop_assert_eq!(all(&format(&grants)), grants);
    }

    #[test]
    fn any_path_and_value_survives_its_line(path in "[a-z :\\\\'=]{1,12}", mount in "/[a-z :\\\\'=]{1,12}", value in "\\PC{0,12}") {
        let fs = Fs { path, mount, access: Access::Write, max_bytes: 1 << 20, max_files: 3, labels: [Label::Private].into() };
        let grants = Grants { fs: vec![fs], env: [("K".to_owned(), value)].into(), ..Grants::default() };
        prop_assert_eq!(all(&format(&grants)), grants);
    }

    #[test]
    fn reading_never_panics(capability in select(vec!["fs", "http", "env", "kv", "workspace", "tools", "acme:crm", "x"]), scope in "\\PC{0,40}|[a-zGET :/\\\\*{}?%.\\[\\]@=]{0,40}") {
        if let Ok(grants) = parse(capability, &scope) {
            prop_assert_eq!(all(&format(&grants)), grants);
        }
    }

    #[test]
    fn patterns_read_as_they_are_shown(scope in http_scope(), tail in "[a-z%/{}*.;?]{0,12}") {
        let text = scope.split_inclusive(' ').take(2).collect::<String>().trim_end().to_owned() + &tail;
        if let Ok(pattern) = text.parse::<HttpPattern>() {
            prop_assert_eq!(pattern.to_string().parse::<HttpPattern>().unwrap(), pattern);
        }
    }

    #[test]
    fn a_star_never_matches_more_than_one_segment(tail in "[a-c./%25fF\\\\;]{0,12}") {
        let pattern: HttpPattern = "GET https://h.example/a/*/z".parse().unwrap();
        let target = url(&format!("https://h.example/a/{tail}/z"));
        if pattern.matches("GET", &target) {
            prop_assert_eq!(target.path().split('/').count(), 4);
            prop_assert!(!target.path().to_ascii_lowercase().contains("%2f"));
        }
    }
}
