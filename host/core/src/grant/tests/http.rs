use super::*;

fn matches(pattern: &str, request: &str) -> bool {
    let (method, target) = request.split_once(' ').unwrap();
    pattern.parse::<HttpPattern>().unwrap().matches(method, &url(target))
}

#[track_caller]
fn check(pattern: &str, yes: &[&str], no: &[&str]) {
    for request in yes {
        assert!(matches(pattern, request), "`{pattern}` should match `{request}`");
    }
    for request in no {
        assert!(!matches(pattern, request), "`{pattern}` should not match `{request}`");
    }
}

#[test]
fn a_star_is_one_segment() {
    check(
        "GET https://api.github.com/repos/*/*/issues",
        &[
            "GET https://api.github.com/repos/a/b/issues",
            "GET https://api.github.com/repos/%41/b/issu%65s",
            "GET https://api.github.com/x/../repos/a/b/issues",
        ],
        &[
            "GET https://api.github.com/repos/a/issues",
            "GET https://api.github.com/repos/a/b/c/issues",
            "GET https://api.github.com/repos//b/issues",
            "GET https://api.github.com/repos/a/b/issues/",
            "GET https://api.github.com/repos/a/b/issues/1",
            "GET https://api.github.com/repos/a/../b/issues",
            "GET https://api.github.com/repos/a/%2e%2e/b/issues",
            "GET https://api.github.com/repos/a%2fx/b/issues",
            "GET https://api.github.com/repos/a%5cx/b/issues",
            "GET https://api.github.com/repos/a%252fx/b/issues",
            "GET https://api.github.com/repos/a/b/issues?page=1",
            "HEAD https://api.github.com/repos/a/b/issues",
            "POST https://api.github.com/repos/a/b/issues",
        ],
    );
}

#[test]
fn two_stars_are_the_rest() {
    check(
        "GET https://h.example/a/**",
        &[
            "GET https://h.example/a/",
            "GET https://h.example/a/b",
            "GET https://h.example/a/b/c/",
            "GET https://h.example/a/b%2Fc",
            "GET https://h.example/a/x..y/.z",
        ],
        &[
            "GET https://h.example/a",
            "GET https://h.example/ab",
            "GET https://h.example/",
            "GET https://h.example/a/../b",
            "GET https://h.example/a/..%2fb",
            "GET https://h.example/a/x%2f..%2f..%2fb",
            "GET https://h.example/a/%252e%252e%252fb",
            "GET https://h.example/a/..%5cb",
            "GET https://h.example/a/..;/b",
            "GET https://h.example/a/%2e%2e;x=1/b",
        ],
    );
    check("GET https://h.example/**", &["GET https://h.example/", "GET https://h.example", "GET https://h.example/a"], &[]);
}

#[test]
fn the_query_matches_as_written() {
    check("GET https://h.example/a", &["GET https://h.example/a"], &["GET https://h.example/a?", "GET https://h.example/a?b=c"]);
    check(
        "GET https://h.example/a?b='c'&d=%7e",
        &["GET https://h.example/a?b='c'&d=~"],
        &["GET https://h.example/a?d=~&b='c'", "GET https://h.example/a"],
    );
    check("GET https://h.example/a?x=a%26b", &["GET https://h.example/a?x=a%26b"], &["GET https://h.example/a?x=a&b"]);
    check(
        "GET https://h.example/a?**",
        &["GET https://h.example/a", "GET https://h.example/a?", "GET https://h.example/a?b"],
        &["GET https://h.example/ab"],
    );
}

#[test]
fn the_method_matches_as_written() {
    check("* https://h.example/", &["GET https://h.example/", "PURGE https://h.example/"], &[]);
    check("GET https://h.example/", &[], &["HEAD https://h.example/", "get https://h.example/"]);
}

#[test]
fn n8_scheme_host_and_port_are_one_canonical_triple() {
    check(
        "GET https://EXAMPLE.com./",
        &["GET https://example.com/", "GET https://example.com./", "GET HTTPS://Example.COM:443/", "GET https://ex%61mple.com/"],
        &[
            "GET http://example.com/",
            "GET https://example.com:8443/",
            "GET http://example.com:443/",
            "GET https://user@example.com/",
            "GET https://:pw@example.com/",
            "GET https://example.com/#x",
            "GET https://example.com.evil.net/",
            "GET https://example.com@evil.net/",
            "GET https://www.example.com/",
        ],
    );
    check(
        "GET https://bücher.example/",
        &["GET https://xn--bcher-kva.example/", "GET https://BÜCHER.example/"],
        &["GET https://bucher.example/"],
    );
    check(
        "GET http://127.0.0.1:8080/",
        &["GET http://0x7f.1:8080/", "GET http://0177.0.0.1:8080/", "GET http://2130706433:8080/"],
        &["GET http://127.0.0.1/"],
    );
    check("GET http://0x7f000001/", &["GET http://127.0.0.1/"], &["GET http://127.0.0.2/"]);
    check("GET http://[0:0::1]:80/", &["GET http://[::1]/"], &["GET http://127.0.0.1/"]);
}

#[test]
fn a_star_is_one_host_label_and_no_address() {
    check(
        "GET https://*.example.com/",
        &["GET https://a.example.com/", "GET https://A.EXAMPLE.com./"],
        &["GET https://example.com/", "GET https://a.b.example.com/", "GET https://.example.com/", "GET https://a.example.com.evil.net/"],
    );
    check("GET http://*.*.*.*/", &["GET http://a.b.c.d/"], &["GET http://127.0.0.1/"]);
    check("GET http://*/", &["GET http://localhost/"], &["GET http://[::1]/", "GET http://a.b/"]);
    check("GET https://*.bücher.example/", &["GET https://a.xn--bcher-kva.example/"], &[]);
}

#[test]
fn patterns_that_say_too_little_or_too_much_are_refused() {
    for text in [
        "",
        "GET",
        "https://h.example/",
        "get https://h.example/",
        "GE,T https://h.example/",
        "GET ftp://h.example/",
        "GET *://h.example/",
        "GET h.example/",
        "GET https:///a",
        "GET https://user@h.example/",
        "GET https://@h.example/",
        "GET https://h.example/#x",
        "GET https://h.example/a b",
        "GET https://h.example\\a",
        "GET https://h.example:0/",
        "GET https://h.example:/",
        "GET https://h.example:*/",
        "GET https://h.example:99999/",
        "GET https://**.example.com/",
        "GET https://a*.example.com/",
        "GET https://%2a.example.com/",
        "GET https://a..example.com/",
        "GET https://*.1/",
        "GET https://{user}.example.com/",
        "GET https://h.example/a*",
        "GET https://h.example/**/b",
        "GET https://h.example/a**",
        "GET https://h.example/a/../b",
        "GET https://h.example/%2e%2e/b",
        "GET https://h.example/a?b=*",
        "GET https://h.example/{name}",
        "GET https://h.example/a?b={",
    ] {
        assert!(text.parse::<HttpPattern>().is_err(), "{text}");
    }
    let long = format!("GET https://h.example/{}", "a".repeat(crate::limit::URL_MAX_BYTES));
    assert!(long.parse::<HttpPattern>().is_err());
    assert_eq!("get https://h.example/".parse::<HttpPattern>().unwrap_err().hints, ["write `GET`"]);
}

#[test]
fn a_pattern_is_shown_as_it_is_read() {
    for (text, shown) in [
        ("GET HTTPS://Example.COM.:443", "GET https://example.com/"),
        ("* http://h.example:80/a/*/**?**", "* http://h.example/a/*/**?**"),
        ("GET https://*.h.example:8443/%7euser/a%2fb?x={user}", "GET https://*.h.example:8443/~user/a%2Fb?x={user}"),
        ("GET https://h.example/ü/%2A", "GET https://h.example/%C3%BC/%2A"),
    ] {
        let pattern: HttpPattern = text.parse().unwrap();
        assert_eq!(pattern.to_string(), shown);
        assert_eq!(shown.parse::<HttpPattern>().unwrap(), pattern);
    }
}

#[test]
fn the_pattern_of_one_request_matches_that_request() {
    for target in [
        "https://h.example",
        "https://h.example/a*b/{user}?x={user}&*",
        "http://[::1]:8080/%zz//",
        "https://h.example./a?",
        "https://ü.example/ü?ü='",
    ] {
        let pattern = HttpPattern::only("GET", &url(target)).unwrap();
        assert!(pattern.matches("GET", &url(target)), "{target}");
        assert_eq!(pattern.to_string().parse::<HttpPattern>().unwrap(), pattern, "{target}");
    }
    for (method, target) in [
        ("get", "https://h.example/"),
        ("G\u{1b}T", "https://h.example/"),
        ("GET", "https://a@h.example/"),
        ("GET", "https://h.example/..%2f"),
        ("GET", "data:x"),
    ] {
        assert_eq!(HttpPattern::only(method, &url(target)), None);
    }
}

#[test]
fn n5_a_target_is_a_path() {
    assert_eq!(request_url("https", "Example.com.:443", "/a/../b?c").unwrap().as_str(), "https://example.com/b?c");
    assert_eq!(request_url("http", "0x7f.1:8080", "").unwrap().as_str(), "http://127.0.0.1:8080/");
    assert_eq!(request_url("https", "h.example", "//other/").unwrap().host_str(), Some("h.example"));
    for (scheme, authority, target) in [
        ("https", "h.example", "http://other/"),
        ("https", "h.example", "*"),
        ("https", "h.example", "a"),
        ("https", "h.example", "?a"),
        ("https", "h.example", "/a#b"),
        ("https", "h.example", "/a\tb"),
        ("https", "h.example", "/\\other"),
        ("https", "", "/"),
        ("https", "a@h.example", "/"),
        ("https", "@h.example", "/"),
        ("https", "h.example/x", "/"),
        ("https", "h.example\\x", "/"),
        ("https", "h..example", "/"),
        ("https", "h.example:99999", "/"),
        ("file", "h.example", "/"),
        ("https://x", "h.example", "/"),
    ] {
        assert!(request_url(scheme, authority, target).is_err(), "{scheme} {authority} {target}");
    }
}

#[test]
fn n8_urls_are_read_into_one_form() {
    assert_eq!(canonical_url("HTTPS://BÜCHER.example.:443/%7Ea/./b").unwrap().as_str(), "https://xn--bcher-kva.example/%7Ea/b");
    for text in [
        "https://a@h.example/",
        "https://@h.example/",
        "https://h.example/#a",
        "ftp://h.example/",
        "https://h.example/a b",
        "h.example",
        "https://h.example/\u{0}",
    ] {
        assert!(canonical_url(text).is_err(), "{text}");
    }
    assert!(canonical_url(&format!("https://h.example/{}", "a".repeat(9000))).is_err());
}

#[test]
fn tool_patterns_match_names() {
    let matches = |pattern: &str, plugin, tool| pattern.parse::<ToolPattern>().unwrap().matches(plugin, tool);
    assert!(matches("files/read", "files", "read") && !matches("files/read", "files", "read_all"));
    assert!(matches("files/*", "files", "read") && !matches("files/*", "files-evil", "read"));
    assert!(matches("*/get_*", "any", "get_x") && !matches("*/get_*", "any", "set_x"));
    for text in ["", "*", "files", "files/", "/read", "a/b/c", "a*b/c", "a/**", "a /b"] {
        assert!(text.parse::<ToolPattern>().is_err(), "{text}");
    }
    assert_eq!("files".parse::<ToolPattern>().unwrap_err().hints, ["write `files/*` for all its tools"]);
}

#[test]
fn a_host_that_would_mean_something_else_in_a_pattern_gives_none() {
    for url in ["http://*.example.com/", "http://a{user}.example.com/"] {
        let url = crate::grant::canonical_url(url).unwrap();
        assert_eq!(HttpPattern::only("GET", &url), None, "{url}");
    }
}
