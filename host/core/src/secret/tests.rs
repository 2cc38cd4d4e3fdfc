use proptest::{prelude::*, sample::select};
use url::Url;

use super::*;

fn to(text: &str) -> Destination {
    text.parse().unwrap()
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

#[test]
fn a_destination_is_an_origin_a_path_or_a_process() {
    for (written, shown) in [
        ("https://api.example.com", "https://api.example.com"),
        ("https://API.Example.com:443/", "https://api.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://*.example.com", "https://*.example.com"),
        ("https://api.example.com/team/**", "https://api.example.com/team/**"),
        ("https://api.example.com/team/", "https://api.example.com/team/"),
        ("plugin:tickets", "plugin:tickets"),
    ] {
        assert_eq!(to(written).to_string(), shown);
        assert_eq!(to(shown), to(written), "what is shown can be written");
        assert_eq!(serde_json::from_value::<Destination>(serde_json::to_value(to(written)).unwrap()).unwrap(), to(written));
    }
}

#[test]
fn what_is_no_destination_is_refused_with_what_to_write() {
    for (written, why) in [
        ("api.example.com", "`https://api.example.com`"),
        ("ftp://api.example.com", "`https://api.example.com`"),
        ("GET https://api.example.com", "`https://api.example.com`"),
        ("https://", "it is empty"),
        ("https://a b/", "holds more than a destination"),
        ("https://h.example/?q=1", "holds more than a destination"),
        ("https://h.example/{user}", "holds more than a destination"),
        ("https://ada:pw@h.example", "user information"),
        ("https://h.example/a*", "one whole path segment"),
        ("plugin:A b", "A b"),
        ("plugin:", "plugin"),
        (&format!("https://h.example/{}", "a".repeat(DESTINATION_MAX_BYTES)), "is too long"),
    ] {
        let error = written.parse::<Destination>().unwrap_err();
        let said = format!("{error} {}", error.hints.join(" "));
        assert_eq!(error.kind, crate::Kind::Invalid);
        assert!(said.contains(why), "{written}: {said}");
    }
}

#[test]
fn a_secret_goes_where_it_is_bound_to_and_nowhere_beside_it() {
    let (tickets, other) = ("tickets".parse().unwrap(), "tickets-2".parse().unwrap());
    let origin = to("https://api.example.com");
    for (place, admitted) in [
        ("https://api.example.com/", true),
        ("https://api.example.com/a/b?q=1", true),
        ("https://api.example.com.evil.example/", false),
        ("https://evil.example/api.example.com", false),
        ("http://api.example.com/", false),
        ("https://api.example.com:8443/", false),
        ("https://x@api.example.com/", false),
    ] {
        assert_eq!(origin.admits(Place::Url(&url(place))), admitted, "{place}");
    }
    let team = to("https://api.example.com/team/**");
    assert!(team.admits(Place::Url(&url("https://api.example.com/team/a?x"))));
    assert!(!team.admits(Place::Url(&url("https://api.example.com/teams/a"))));
    assert!(to("plugin:tickets").admits(Place::Process(&tickets)));
    assert!(!to("plugin:tickets").admits(Place::Process(&other)) && !origin.admits(Place::Process(&tickets)));
    assert!(!to("plugin:tickets").admits(Place::Url(&url("https://tickets/"))));
}

fn pattern() -> impl Strategy<Value = HttpPattern> {
    let method = select(vec!["GET", "POST", "*"]);
    let origin = select(vec![
        "https://h.example",
        "https://*.example",
        "https://*.*",
        "http://h.example",
        "https://1.2.3.4",
        "https://h.example:8443",
    ]);
    let path = select(vec!["/", "/**", "/a", "/*", "/a/", "/a/**", "/*/**", "/a/b", "/a%2Fb", "/a/*", "/{user}/b", "/a?q=1", "/a?**"]);
    (method, origin, path).prop_map(|(method, origin, path)| format!("{method} {origin}{path}").parse().unwrap())
}

const URLS: &[&str] = &[
    "https://h.example/",
    "https://h.example/a",
    "https://h.example/a/",
    "https://h.example/a/b",
    "https://h.example/a%2Fb",
    "https://h.example/a?q=1",
    "https://h.example/a/b/c?q=2",
    "https://h.example//b",
    "https://1.2.3.4/a",
    "https://x.example/a",
    "http://h.example/a",
    "https://h.example:8443/a",
];

proptest! {
    /// A look at the patterns never promises what a request would then be refused.
    #[test]
    fn what_is_covered_is_admitted(own in pattern(), other in pattern(), at in select(URLS), method in select(vec!["GET", "POST"])) {
        let at = url(at);
        prop_assert!(!own.covers(&other) || !other.matches(method, &at) || own.matches(method, &at), "{own} / {other} / {at}");
        let (own, of) = (Destination::of(&own), Destination::of(&other));
        prop_assert!(!own.covers(&of) || !other.matches(method, &at) || own.admits(Place::Url(&at)), "{own} / {other} / {at}");
        prop_assert!(of.origin().covers(&of) && of.covers(&of), "{of}");
        prop_assert!(!other.matches(method, &at) || of.admits(Place::Url(&at)), "{of} / {at}");
    }
}
