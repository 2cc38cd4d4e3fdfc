//! The agent with the tools that it will meet: `files` and `mail` themselves, on a folder of the test.

use std::fs;
use std::path::Path;

use remit::durable::Decision;
use remit::serde_json::{Value, from_value, json};
use remit::{Error, ErrorKind, Output, Result, testing};
use tempfile::TempDir;

use super::{Inbox, Summary, triage};
use crate::rules::Rule;

/// An inbox, an outbox and a place for the report.
struct Office(TempDir);

impl Office {
    /// Opens with the messages of `tests/data`.
    fn open() -> Self {
        let office = Self(tempfile::tempdir().unwrap());
        for folder in ["inbox/later", "outbox"] {
            fs::create_dir_all(office.0.path().join(folder)).unwrap();
        }
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), office.0.path().join("inbox").join(entry.file_name())).unwrap();
        }
        let outbox = office.0.path().join("outbox");
        testing::on_call(move |tool, arguments| call(tool, arguments, &outbox));
        office
    }

    fn input(&self) -> Inbox {
        Inbox { inbox: self.path("inbox"), report: self.path("reports/report.md"), ..Inbox::default() }
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn receive(&self, name: &str, text: &str) {
        fs::write(self.0.path().join("inbox").join(name), text).unwrap();
    }

    fn sent(&self) -> Vec<String> {
        let mails = fs::read_dir(self.0.path().join("outbox")).unwrap();
        let mut texts: Vec<String> = mails.map(|mail| fs::read_to_string(mail.unwrap().path()).unwrap()).collect();
        texts.sort_by_key(|text| text.find("To: ").map(|at| text[at..].to_owned()));
        texts
    }

    fn report(&self) -> String {
        fs::read_to_string(self.path("reports/report.md")).unwrap()
    }
}

fn call(tool: &str, arguments: Value, outbox: &Path) -> Result<Output> {
    match tool {
        "files/list" => testing::call::<files::list::list>(arguments),
        "files/read" => testing::call::<files::read::read>(arguments),
        "files/write" => testing::call::<files::write::write>(arguments),
        "mail/send" => Output::json(&mail::send::deliver(outbox, &from_value(arguments)?, None)?),
        other => Err(Error::denied(format!("`{other}` is not declared"))),
    }
}

fn yes() {
    testing::decide(Decision::Approved(None));
}

fn labels(summary: &Summary) -> Vec<(&str, usize)> {
    summary.labels.iter().map(|(label, count)| (label.as_str(), *count)).collect()
}

#[test]
fn messages_are_sorted_answered_and_reported() {
    let office = Office::open();
    yes();
    let summary = triage(office.input()).unwrap();
    assert_eq!(labels(&summary), [("billing", 2), ("incident", 1), ("other", 2), ("question", 1), ("spam", 1)]);
    assert_eq!((summary.new, summary.sent, summary.left, summary.handled), (7, 3, 0, 7));
    let questions = testing::questions();
    assert_eq!((questions.len(), questions[0].title.as_str()), (1, "Send 3 replies?"));
    let sent = office.sent();
    for mail in &sent {
        let body = mail.split("\r\n\r\n").nth(1).unwrap();
        assert!(body.lines().all(|line| questions[0].details.contains(line)), "what was sent was shown: {mail}");
    }
    assert!(sent[0].contains("To: billing-team@nordhafen.example\r\nSubject: Re: Invoice 2041\r\n"), "{}", sent[0]);
    assert!(sent[1].contains("In-Reply-To: <7d1@quay.example>") && sent[1].contains("Hello Jonas Weiß,"), "{}", sent[1]);
    assert!(office.report().contains("## billing (2)"), "{}", office.report());
}

#[test]
fn a_program_and_a_list_get_no_reply() {
    let office = Office::open();
    yes();
    triage(office.input()).unwrap();
    assert!(office.sent().iter().all(|mail| !mail.contains("noreply@") && !mail.contains("ships@lists.example")));
    assert!(office.report().contains("| filed |"));
}

#[test]
fn the_next_turn_takes_only_what_is_new() {
    let office = Office::open();
    yes();
    triage(office.input()).unwrap();
    let before = office.report();
    let idle = triage(office.input()).unwrap();
    assert_eq!((idle.new, idle.handled, idle.report), (0, 7, None));
    assert_eq!((testing::questions().len(), office.report()), (1, before), "nobody is asked, and the report stands");
    office.receive("later/8.eml", "From: Mai <mai@quay.example>\nSubject: Refund\n\nPlease.\n");
    yes();
    let next = triage(office.input()).unwrap();
    assert_eq!((next.new, next.sent, next.handled, office.sent().len()), (1, 1, 8, 4));
}

#[test]
fn nothing_is_sent_without_a_yes() {
    let office = Office::open();
    testing::decide(Decision::Denied(Some("wrong tone".into())));
    let summary = triage(office.input()).unwrap();
    assert_eq!((summary.sent, summary.declined, office.sent().len()), (0, 3, 0));
    assert!(office.report().contains("not answered: wrong tone"));
    assert_eq!(triage(office.input()).unwrap().new, 0, "a no is for good");
}

#[test]
fn what_nobody_decided_comes_again() {
    let office = Office::open();
    testing::decide(Decision::Expired);
    let summary = triage(office.input()).unwrap();
    assert_eq!((summary.sent, summary.left, summary.handled, office.sent().len()), (0, 3, 4, 0));
    yes();
    let next = triage(office.input()).unwrap();
    assert_eq!((next.new, next.sent, next.handled, office.sent().len()), (3, 3, 7, 3));
}

#[test]
fn each_batch_is_asked_for_on_its_own() {
    let office = Office::open();
    yes();
    testing::decide(Decision::Denied(None));
    let summary = triage(Inbox { batch: Some(2), ..office.input() }).unwrap();
    let titles: Vec<String> = testing::questions().into_iter().map(|question| question.title).collect();
    assert_eq!(titles, ["Send 2 replies? (batch 1 of 2)", "Send 1 reply? (batch 2 of 2)"]);
    assert_eq!((summary.sent, summary.declined, office.sent().len()), (2, 1, 2));
}

#[test]
fn a_reply_in_doubt_is_not_sent_again_and_one_that_failed_is() {
    let office = Office::open();
    let outbox = office.0.path().join("outbox");
    let mut failures = vec![ErrorKind::Unavailable, ErrorKind::InDoubt];
    testing::on_call(move |tool, arguments| {
        if tool == "mail/send"
            && let Some(kind) = failures.pop()
        {
            return Err(Error::new(kind, "the host stopped"));
        }
        call(tool, arguments, &outbox)
    });
    yes();
    let summary = triage(office.input()).unwrap();
    assert_eq!((summary.in_doubt, summary.left, summary.sent), (1, 1, 1), "{summary:?}");
    yes();
    let next = triage(office.input()).unwrap();
    assert_eq!((next.new, next.sent), (1, 1));
}

#[test]
fn foreign_text_stays_text() {
    let office = Office::open();
    office.receive("9.eml", "From: =?utf-8?Q?Eve=0AX=E2=80=AE?= <eve@x.example>\nSubject: [a](http://x) {name} | <b>\n\nrefund\n");
    yes();
    triage(office.input()).unwrap();
    assert!(office.report().contains(r"| Eve X \<eve@x.example\> | \[a\](http://x) {name} \| \<b\> |"), "{}", office.report());
    let sent = office.sent();
    let reply = sent.iter().find(|mail| mail.contains("eve@")).unwrap();
    assert!(reply.contains("Subject: Re: [a](http://x) {name} | <b>") && reply.contains("\"[a](http://x) {name} | <b>\""), "{reply}");
}

#[test]
fn own_rules_match_whole_words_and_need_some() {
    let office = Office::open();
    let rule = |keyword: &str, reply: Option<&str>| Rule {
        label: "berth".into(),
        keywords: vec![keyword.into()],
        reply: reply.map(str::to_owned),
    };
    let with = |rule: Rule| triage(Inbox { rules: Some(vec![rule]), signature: Some("The desk".into()), limit: Some(1), ..office.input() });
    assert!(with(rule(" ", None)).unwrap_err().message().contains("`berth`"));
    assert_eq!(labels(&with(rule("bert", None)).unwrap()), [("other", 1)], "the first message has `berth`");
    yes();
    let summary = with(rule("LIEGEPLÄTZE", Some("{name}: {subject}"))).unwrap();
    assert_eq!((labels(&summary), summary.left), (vec![("berth", 1)], 5));
    assert!(office.sent()[0].ends_with("Jonas Weiß: Buchungssystem: keine Liegeplätze\r\n\r\n-- \r\nThe desk\r\n"), "{}", office.sent()[0]);
}

#[test]
fn a_report_that_cannot_be_written_does_not_undo_the_turn() {
    let office = Office::open();
    yes();
    let summary = triage(Inbox { report: "relative.md".into(), ..office.input() }).unwrap();
    assert_eq!((summary.sent, summary.report), (3, None));
    assert!(summary.notes[0].contains("not an absolute path"), "{:?}", summary.notes);
    assert_eq!(triage(office.input()).unwrap().new, 0);
}

#[test]
fn an_empty_input_is_enough() {
    let definition = testing::definition::<triage>();
    assert!(definition.input_schema.get("required").is_none(), "{:#}", definition.input_schema);
    let empty: Inbox = from_value(json!({})).unwrap();
    assert_eq!((empty.inbox.as_str(), empty.report.as_str()), ("/inbox", "/reports/report.md"));
}
