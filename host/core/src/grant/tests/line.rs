use super::{
    super::line::{parse, parse_pair, parse_revoked, quote},
    *,
};

#[test]
fn a_line_is_read_with_its_defaults() {
    let fs = |scope: &str| parse("fs", scope).unwrap().fs.remove(0);
    let shape = |scope: &str| (fs(scope).path, fs(scope).mount, fs(scope).access);
    assert_eq!(shape("docs"), ("docs".into(), "/docs".into(), Access::Read));
    assert_eq!(shape("a/docs:write"), ("a/docs".into(), "/docs".into(), Access::Write));
    assert_eq!(shape("docs:/d:read"), ("docs".into(), "/d".into(), Access::Read));
    assert_eq!(shape("my\\ docs\\:x:/d"), ("my docs:x".into(), "/d".into(), Access::Read));
    assert_eq!(shape("read"), ("read".into(), "/read".into(), Access::Read));
    assert_eq!(parse("kv", "write").unwrap().kv.unwrap().scope, DataScope::User);
    let workspace = |scope: &str| parse("workspace", scope).unwrap().workspace.unwrap();
    assert_eq!((workspace("read").scope, workspace("read").max_bytes, workspace("read").max_files), (DataScope::User, 256 << 20, 10_000));
    assert_eq!((workspace("write scope=session").access, workspace("write scope=session").scope), (Access::Write, DataScope::Session));
    assert_eq!(parse("env", "A= b=c ").unwrap().env["A"], " b=c ");
    assert_eq!(parse_pair(" fs  docs:/docs ").unwrap(), parse("fs", "docs:/docs").unwrap());
}

#[test]
fn what_cannot_be_read_says_the_form() {
    for (capability, scope) in [
        ("fs", ""),
        ("fs", "my docs:/d"),
        ("fs", "a:/b:rw"),
        ("fs", "a:/b:read:write"),
        ("fs", "a\\"),
        ("fs", "a max_gib=1"),
        ("fs", "a max_mib=x"),
        ("fs", "a max_mib=0"),
        ("http", "GET"),
        ("http", "GET https://h.example/ header=x"),
        ("http", "GET https://h.example/ secret=x"),
        ("http", "GET https://h.example/ private="),
        ("env", "A"),
        ("env", "=b"),
        ("kv", "all"),
        ("kv", "read:everybody"),
        ("workspace", ""),
        ("workspace", "write:session"),
        ("workspace", "write scope=everybody"),
        ("workspace", "write max_kib=1"),
        ("workspace", "write max_mib=4097"),
        ("workspace", "write max_files=100001"),
        ("tools", "files"),
        ("acme:crm", ""),
        ("sockets", "h"),
        ("disk", "x"),
    ] {
        let error = parse(capability, scope).unwrap_err();
        assert!(!error.hints.is_empty(), "{capability} {scope}: {error:?}");
    }
    assert!(parse_pair("fs").is_err());
}

#[test]
fn adding_keeps_the_greater_right() {
    let mut all =
        granted(&[("fs", "d:/d:write max_mib=5"), ("fs", "d:/d:read max_mib=9"), ("kv", "read max_mib=3"), ("kv", "write max_mib=2")]);
    all.merge(granted(&[("workspace", "read max_mib=9"), ("workspace", "write max_mib=8 max_files=3")])).unwrap();
    assert_eq!(all, granted(&[("fs", "d:/d:write max_mib=9"), ("kv", "write max_mib=3"), ("workspace", "write max_mib=9")]));
    let before = all.clone();
    for (capability, scope) in [("fs", "other:/d"), ("kv", "read:project"), ("workspace", "read scope=session"), ("fs", "x:/workspace")] {
        assert_eq!(all.merge(parse(capability, scope).unwrap()).unwrap_err().kind, crate::Kind::Conflict);
    }
    assert_eq!(all, before);
    assert_eq!(granted(&[("http", "GET https://h.example/a"), ("http", "GET https://h.example/b")]).http.len(), 1);
    assert_eq!(granted(&[("http", "GET https://h.example/a"), ("http", "GET https://h.example/b max_kib=1")]).http.len(), 2);
}

#[test]
fn what_is_revoked_is_gone() {
    let lines = [
        ("fs", "d:/d:write"),
        ("http", "GET https://h.example/a"),
        ("http", "GET https://h.example/b private=127.0.0.1"),
        ("env", "A=b"),
        ("config", "C=d"),
        ("kv", "write"),
        ("workspace", "write scope=session"),
        ("tools", "files/*"),
        ("sockets", "db.example:5432"),
        ("acme:crm", "list"),
    ];
    let all = granted(&lines);
    for (index, (capability, scope)) in [
        ("fs", "d:/d"),
        ("http", "GET https://h.example/a"),
        ("http", "GET https://h.example/b"),
        ("env", "A"),
        ("config", "C=other"),
        ("kv", "read"),
        ("workspace", "read scope=session max_mib=1"),
        ("tools", "files/*"),
        ("sockets", "DB.example.:5432"),
        ("acme:crm", "list"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut left = all.clone();
        assert!(left.remove(&parse_revoked(capability, scope).unwrap()), "{capability} {scope}");
        let others: Vec<_> = lines.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, line)| *line).collect();
        assert_eq!(left, granted(&others), "{capability} {scope}");
    }
    let mut left = all.clone();
    for (capability, scope) in [
        ("fs", "d:/other"),
        ("http", "HEAD https://h.example/a"),
        ("env", "B"),
        ("kv", "read:project"),
        ("tools", "files/x"),
        ("acme:crm", "x"),
    ] {
        assert!(!left.remove(&parse_revoked(capability, scope).unwrap()), "{capability} {scope}");
    }
    assert_eq!(left, all);
}

#[test]
fn quoting_is_for_a_posix_shell() {
    assert_eq!(quote("docs:/docs"), "docs:/docs");
    assert_eq!(quote(""), "''");
    assert_eq!(quote("it's $HOME"), "'it'\\''s $HOME'");
}

#[test]
fn the_scopes_of_mcp_are_known() {
    for scope in crate::grant::MCP_SCOPES {
        assert_eq!(parse("remit:mcp", scope).unwrap().custom["remit:mcp"], [scope]);
    }
    for scope in ["*", "elict", "Elicit"] {
        let text = format!("{:?}", parse("remit:mcp", scope).unwrap_err());
        assert!(text.contains("has no scope"), "{text}");
    }
    assert_eq!(parse("app:crm", "*").unwrap().custom["app:crm"], ["*"]);
}

#[test]
fn labels_and_conditions_that_are_none_are_refused() {
    let granted = parse("http", "POST https://a.example/ labels=untrusted,private closed_when=either").unwrap();
    assert_eq!(granted.labels(), crate::label::Label::ALL.into());
    for (capability, scope, told) in [
        ("fs", "a:/a labels=secret", "there is no label `secret`"),
        ("fs", "a:/a labels=", "there is no label ``"),
        ("fs", "a:/a closed_when=both", "no key `closed_when`"),
        ("http", "GET https://a.example/ labels=Private", "there is no label `Private`"),
        ("http", "GET https://a.example/ closed_when=always", "`closed_when=always` is none of the conditions"),
    ] {
        let error = parse(capability, scope).unwrap_err();
        assert!(error.message.contains(told) && !error.hints.is_empty(), "{scope}: {error:?}");
    }
}
