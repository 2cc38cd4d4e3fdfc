use std::path::Component;

use proptest::prelude::*;

use super::*;

fn resolved(name: &str) -> Resolved {
    let all = granted(&[
        ("fs", "data/x.{user}/y:/data"),
        ("fs", "{user}:/own"),
        ("http", "GET https://h.example/users/{user}/a?u={user}"),
        ("env", "ME={user}"),
    ]);
    let principal: Principal = format!("user:{name}").parse().unwrap();
    Resolved::new("notes", Effect::Once, anything(), all, &principal, Path::new("/project"))
}

fn own_url(name: &str) -> Url {
    let mut own = url("https://h.example/users/");
    own.path_segments_mut().unwrap().pop_if_empty().push(name).push("a");
    own.query_pairs_mut().append_pair("u", name);
    own
}

fn host(rights: &Resolved, index: usize) -> &Path {
    match &rights.mounts[index].source {
        Source::Host(path) => path,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn a_user_never_leaves_the_folder(name in "[.]{1,3}|[a-zA-Z0-9./\\\\%~*{}@:;?#'+-]{1,40}|\\PC{1,20}") {
        prop_assume!(format!("user:{name}").parse::<Principal>().is_ok());
        let rights = resolved(&name);
        let parts = |index: usize| host(&rights, index).components().collect::<Vec<_>>();
        let [Component::RootDir, Component::Normal(project), Component::Normal(data), Component::Normal(user), Component::Normal(last)] = parts(0)[..] else {
            panic!("{:?}", parts(0));
        };
        prop_assert_eq!((project.to_str(), data.to_str(), last.to_str()), (Some("project"), Some("data"), Some("y")));
        prop_assert!(user.to_str().unwrap().starts_with("x."));
        prop_assert_eq!(parts(1).len(), 3);
        let shown = rights.granted.env["ME"].as_str();
        prop_assert!(!shown.contains(['/', '{', ' ']), "{}", shown);
    }

    #[test]
    fn a_user_never_reaches_another_users_url(one in "[a-z.%/@*;]{1,6}", other in "[a-z.%/@*;]{1,6}") {
        let rights = resolved(&one);
        let target = own_url(&other);
        let request = Request::Http { method: "GET", url: &target };
        prop_assert!(one == other || !is_allowed(&request, &rights), "{} reached {}", one, target);
    }

    #[test]
    fn a_filled_pattern_holds_no_wildcard(name in "[*/%{}.a-c]{1,8}", target in "[a-c*/%.]{0,12}") {
        let rights = resolved(&name);
        let target = url(&format!("https://h.example/users/{target}"));
        let depth = target.path().split('/').count();
        let request = Request::Http { method: "GET", url: &target };
        prop_assert!(depth == 4 || !is_allowed(&request, &rights), "{}", target);
    }
}

#[test]
fn users_with_plain_names_reach_their_own() {
    for name in ["ada", "ada@example.com", "Ada-L_1.x~y", "ü", "a*b", "{user}"] {
        let mut target = own_url(name);
        // Form encoding writes `~` and `*` in its own way; queries are compared as they are sent.
        let encoded = super::super::percent::encode_user(name);
        target.set_query(Some(&format!("u={encoded}")));
        assert!(is_allowed(&Request::Http { method: "GET", url: &target }, &resolved(name)), "{name}");
    }
    assert_eq!(host(&resolved("ada"), 0), Path::new("/project/data/x.ada/y"));
    assert_eq!(host(&resolved(".."), 1), Path::new("/project/%2E%2E"));
    assert_eq!(host(&resolved("a/b"), 1), Path::new("/project/a%2Fb"));
}

#[test]
fn an_unfilled_user_is_nobody() {
    let pattern: HttpPattern = "GET https://h.example/{user}".parse().unwrap();
    for target in ["https://h.example/{user}", "https://h.example/%7Buser%7D", "https://h.example/"] {
        assert!(!pattern.matches("GET", &url(target)), "{target}");
    }
}
