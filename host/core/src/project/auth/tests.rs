use super::*;
use crate::project::Project;

const RIGHT: [(&str, &str); 5] = [
    ("issuer", "\"https://login.example.com\""),
    ("audience", "\"https://tools.example.com/mcp\""),
    ("jwks", "\"https://login.example.com/jwks.json\""),
    ("algorithms", "[\"ES256\"]"),
    ("principal", "\"user:{sub}\""),
];

/// What a file with these values in place of the right ones says, or its mistakes.
fn read(changes: &[(&str, &str)]) -> std::result::Result<Auth, String> {
    let mut text = "version = 1\n[project]\nname = \"door\"\n[auth]\n".to_owned();
    let others = RIGHT.iter().filter(|(key, _)| changes.iter().all(|(changed, _)| changed != key));
    for (key, value) in others.chain(changes) {
        text += &format!("{key} = {value}\n");
    }
    let project = Project::parse("remit.toml", text.as_bytes()).map_err(|error| error.report().to_string())?;
    project.auth.ok_or_else(|| "nothing".to_owned())
}

#[test]
fn an_issuer_is_reached_over_tls_or_on_this_machine() {
    for key in ["issuer", "audience", "jwks"] {
        for right in ["https://a.example:8443/x", "http://localhost:1/x", "http://127.0.0.1:1/x", "http://[::1]:1/x"] {
            read(&[(key, &format!("\"{right}\""))]).unwrap_or_else(|error| panic!("{key}: {error}"));
        }
        let wrong = [
            "http://a.example/x",
            "http://localhost.a.example/",
            "http://10.0.0.1/",
            "ftp://a.example/",
            "a.example",
            "",
            "https://u:p@a.example/",
            "https://a.example/#x",
        ];
        for wrong in wrong {
            assert!(read(&[(key, &format!("\"{wrong}\""))]).is_err(), "{key}: {wrong}");
        }
        assert!(read(&[(key, &format!("\"https://a.example/{}\"", "x".repeat(AUTH_TEXT_MAX_BYTES)))]).is_err(), "{key}");
    }
    assert!(read(&[("audience", "\"https://a.example/?x\"")]).is_err());
    let file = read(&[("jwks", "\"/etc/remit/jwks.json\"")]).expect("a file");
    assert_eq!(file.jwks, Jwks::File("/etc/remit/jwks.json".to_owned()));
    assert!(read(&[("jwks", "\"jwks.json\"")]).is_err(), "a file of the project could change with a pull");
}

#[test]
fn only_signatures_with_public_keys_can_be_named() {
    let named = read(&[("algorithms", "[\"RS256\", \"ES256\", \"EdDSA\"]")]).expect("all of them").algorithms;
    assert_eq!(named, [Signature::RS256, Signature::ES256, Signature::EdDSA]);
    for wrong in ["[]", "[\"none\"]", "[\"HS256\"]", "[\"es256\"]", "\"ES256\""] {
        assert!(read(&[("algorithms", wrong)]).is_err(), "{wrong}");
    }
}

#[test]
fn the_rule_makes_a_user_or_a_service_of_a_subject_and_nothing_else() {
    let rule = |text: &str| read(&[("principal", &format!("\"{text}\""))]).map(|auth| auth.principal);
    let of = |text: &str, subject: &str| rule(text).expect("a rule").principal(subject).map(|principal| principal.to_string());
    assert_eq!(of("user:{sub}", "auth0|17"), Some("user:auth0|17".to_owned()));
    assert_eq!(of("service:corp-{sub}", "ci"), Some("service:corp-ci".to_owned()));
    assert_eq!(of("user:{sub}", "{sub}"), Some("user:{sub}".to_owned()));
    for subject in ["", "a b", "a\nb", "\u{200b}", &"x".repeat(Principal::NAME_MAX_BYTES + 1)] {
        assert_eq!(of("user:{sub}", subject), None, "{subject:?}");
    }
    for wrong in ["user:ada", "{sub}", "agent:{sub}", "user:{sub}{sub}", "user:{email}", "{sub}:x", ""] {
        assert!(rule(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn scopes_are_words() {
    assert_eq!(read(&[("scopes", "[\"tools\", \"a:b/c\"]")]).expect("scopes").scopes, ["tools", "a:b/c"]);
    for wrong in ["[\"a b\"]", "[\"\"]", "['a\"b']", "['a\\b']", "[\"ä\"]"] {
        assert!(read(&[("scopes", wrong)]).is_err(), "{wrong}");
    }
}
