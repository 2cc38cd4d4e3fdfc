//! `[labels]`, and what grants say of them.

use super::super::{Project, ProjectError};
use crate::label::{Label, When};

const BASE: &str = "version = 1\n[project]\nname = \"p\"\n[plugins.mail]\nsource = \"mail\"\n";

fn parse(text: &str) -> Result<Project, ProjectError> {
    Project::parse("remit.toml", format!("{BASE}{text}").as_bytes())
}

fn messages(error: &ProjectError) -> Vec<&str> {
    error.problems().iter().map(|problem| problem.message.as_str()).collect()
}

#[test]
fn labels_are_off_until_a_line_switches_them_on() {
    let said = "[labels.tools]\n\"mail/*\" = { closed_when = \"private\" }\n";
    for (text, enforce) in [("", false), (said, false), ("[labels]\nenforce = true\n", true)] {
        assert_eq!(parse(text).expect("right").labels.enforce, enforce, "{text}");
    }
    let policy = parse(&format!("[labels]\nenforce = true\n{said}")).expect("right").labels;
    assert_eq!(policy.sink("mail", "send", false), (When::Private, When::Never));
}

#[test]
fn grants_say_what_they_bring_and_what_closes_them() {
    let grants = "[plugins.mail.grants]\nfs = [{ path = \"inbox\", labels = [\"private\", \"untrusted\"] }]\n\
                  http = [{ allow = [\"POST https://a.example/\"], labels = [\"untrusted\"], closed_when = \"private\" }]\n";
    let project = parse(grants).expect("right");
    let granted = &project.plugins.values().next().expect("one").grants;
    assert_eq!(granted.fs[0].labels, Label::ALL.into());
    assert_eq!((granted.http[0].labels.len(), granted.http[0].closed_when), (1, When::Private));
    assert_eq!(granted.labels(), Label::ALL.into());
}

#[test]
fn what_means_nothing_is_refused_where_it_stands() {
    for (text, message, place) in [
        ("[labels]\nenforced = true\n", "unknown key `enforced`", "enforced"),
        ("[labels]\nenforce = \"yes\"\n", "invalid type: string \"yes\"", "\"yes\""),
        ("[labels.tools]\n\"mail/*\" = { labels = [\"secret\"] }\n", "`secret` is not one of the accepted values", "\"secret\""),
        ("[labels.tools]\n\"mail/*\" = { closed_when = \"always\" }\n", "`always` is not one of the accepted values", "\"always\""),
        ("[labels.tools]\n\"mail/*\" = {}\n", "the entry of `mail/*` says nothing", "\"mail/*\""),
        ("[labels.tools]\n\"mial/send\" = { ask_when = \"both\" }\n", "the project has no plugin `mial`", "\"mial/send\""),
        ("[labels.tools]\n\"agents/mail\" = { ask_when = \"both\" }\n", "the project has no agent `mail`", "\"agents/mail\""),
        ("[plugins.mail.grants]\nfs = [{ path = \"a\", labels = [\"x\"] }]\n", "`x` is not one of the accepted values", "\"x\""),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(messages(&error), [message], "{text}");
        let span = error.problems()[0].span.clone();
        let whole = format!("{BASE}{text}");
        assert_eq!(whole.get(span), Some(place), "{text}");
        assert!(error.problems()[0].hint.is_some(), "{text}");
    }
}

#[test]
fn a_users_own_file_switches_labels_on_and_never_off() {
    let narrow = |project: &str, local: &str| {
        let mut project = parse(project).expect("right");
        let narrowed = project.narrow("remit.local.toml", format!("version = 1\n{local}").as_bytes());
        narrowed.map(|()| project.labels.enforce)
    };
    let on = "[labels]\nenforce = true\n";
    assert!(narrow("", on).expect("right") && narrow(on, on).expect("right") && narrow(on, "").expect("right"));
    assert!(!narrow("", "[labels]\nenforce = false\n").expect("it is off already"));
    let off = narrow(on, "[labels]\nenforce = false\n").expect_err("it would widen");
    assert_eq!(messages(&off), ["the project enforces labels, and this file can only narrow"]);
    let tools = narrow(on, "[labels.tools]\n\"mail/*\" = { closed_when = \"never\" }\n").expect_err("it would widen");
    assert_eq!(messages(&tools), ["`tools` does not belong here"]);
}
