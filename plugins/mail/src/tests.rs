use std::fs;

use remit::serde_json::json;
use remit::{ErrorKind, Fate, Output, Result, testing};
use tempfile::TempDir;

use crate::list::{List, waiting};
use crate::message::{decode_text, encode_text, read_header};
use crate::send::{Send, Sent, deliver};
use crate::settle::{fate, settle};

fn outbox() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn mail(subject: &str, body: &str) -> Send {
    Send { to: vec!["ada@example.com".into()], subject: subject.into(), body: body.into(), ..Send::default() }
}

fn text(folder: &TempDir, sent: &Sent) -> String {
    fs::read_to_string(folder.path().join(&sent.file)).unwrap()
}

#[track_caller]
fn refused(sent: Result<Sent>, word: &str) {
    let error = sent.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArguments, "{error}");
    assert!(error.message().contains(word), "{error}");
}

#[test]
fn a_mail_is_one_file_with_its_headers() {
    let folder = outbox();
    let mut mail = mail("Hello", "Line 1\nLine 2\n");
    mail.to.push("Babbage, C. <charles@example.com>".into());
    mail.cc.push("Änne <aenne@example.com>".into());
    mail.in_reply_to = Some("<1234@example.com>".into());
    let sent = deliver(folder.path(), &mail, Some("key-1")).unwrap();
    assert_eq!((sent.file.as_str(), sent.message_id.as_str(), sent.new), ("key-1.eml", "<key-1@remit>", true));
    let text = text(&folder, &sent);
    let (date, rest) = text.split_once("\r\n").unwrap();
    assert!(date.starts_with("Date: ") && date.ends_with(" +0000"), "{date}");
    let expected = "Message-ID: <key-1@remit>\r\n\
        To: ada@example.com,\r\n \"Babbage, C.\" <charles@example.com>\r\n\
        Cc: =?utf-8?B?w4RubmU=?= <aenne@example.com>\r\n\
        Subject: Hello\r\n\
        In-Reply-To: <1234@example.com>\r\nReferences: <1234@example.com>\r\n\
        MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
        Line 1\r\nLine 2\r\n";
    assert_eq!(rest, expected);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
}

#[test]
fn a_header_cannot_smuggle_in_another_one() {
    let folder = outbox();
    let with = |change: &dyn Fn(&mut Send)| {
        let mut mail = mail("Hello", "text");
        change(&mut mail);
        deliver(folder.path(), &mail, None)
    };
    refused(with(&|mail| mail.subject = "Hello\r\nBcc: eve@example.com".into()), "`subject`");
    refused(with(&|mail| mail.subject = "Hello\nBcc: eve@example.com".into()), "one line");
    refused(with(&|mail| mail.to = vec!["ada@example.com\r\nBcc: eve@example.com".into()]), "`to`");
    refused(with(&|mail| mail.cc = vec!["ada@example.com\r".into()]), "`cc`");
    refused(with(&|mail| mail.in_reply_to = Some("<1@a>\r\nBcc: eve@example.com".into())), "`in_reply_to`");
    refused(with(&|mail| mail.in_reply_to = Some("1@a".into())), "message id");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_single_address_is_refused() {
    let folder = outbox();
    let to = |address: &str| deliver(folder.path(), &Send { to: vec![address.into()], ..mail("Hello", "text") }, None);
    for address in
        ["", "ada", "@example.com", "ada@", "ada@a@b", "a@b.c, d@e.f", "Ada ada@example.com", "a@b>", "Ada <a@b> <c@d>x", "ä@example.com"]
    {
        refused(to(address), "is no address");
    }
    refused(deliver(folder.path(), &Send { to: Vec::new(), ..mail("Hello", "text") }, None), "1 to 50 recipients");
    refused(deliver(folder.path(), &Send { to: vec!["a@b".into(); 51], ..mail("Hello", "text") }, None), "1 to 50 recipients");
}

#[test]
fn the_same_mail_is_there_once_and_another_one_with_its_key_is_refused() {
    let folder = outbox();
    assert!(deliver(folder.path(), &mail("Hello", "text"), Some("k")).unwrap().new);
    assert!(!deliver(folder.path(), &mail("Hello", "text"), Some("k")).unwrap().new);
    refused(deliver(folder.path(), &mail("Hello", "other"), Some("k")), "another mail");
    let unkeyed = deliver(folder.path(), &mail("Hello", "text"), None).unwrap();
    assert_eq!((unkeyed.file.len(), unkeyed.new), (36, true));
    assert!(!deliver(folder.path(), &mail("Hello", "text"), None).unwrap().new);
    assert!(deliver(folder.path(), &mail("Hello", "other"), None).unwrap().new);
}

#[test]
fn what_became_of_a_mail_is_told_by_what_is_left_of_it() {
    let folder = outbox();
    let key = "ses_01m88yyfhc25ebem3hr1vnp8x1.0.0.2";
    let tell = || fate(folder.path(), key).unwrap();
    assert_eq!(tell(), Fate::Unknown, "it may have been delivered and taken away");
    let sent = deliver(folder.path(), &mail("Hello", "text"), Some(key)).unwrap();
    let done = Fate::Done(Output::json(&sent).unwrap());
    assert_eq!(tell(), done);
    fs::create_dir(folder.path().join("sent")).unwrap();
    fs::rename(folder.path().join(&sent.file), folder.path().join("sent").join(&sent.file)).unwrap();
    assert_eq!(tell(), done, "delivered and kept");
    assert_eq!(fate(folder.path(), "another").unwrap(), Fate::NotDone);
}

#[test]
fn a_draft_is_no_mail_and_an_outbox_that_is_not_there_tells_nothing() {
    let folder = outbox();
    fs::write(folder.path().join(".k.part"), "half").unwrap();
    assert_eq!(fate(folder.path(), "k").unwrap(), Fate::NotDone);
    assert!(fate(&folder.path().join("absent"), "k").is_err());
    assert_eq!(settle("list", "k").unwrap(), Fate::Unknown);
}

#[test]
fn a_key_that_is_no_name_becomes_one() {
    let folder = outbox();
    for key in ["../../etc/passwd", ".hidden", "a/b", "", "mail.eml", &"k".repeat(101)] {
        let sent = deliver(folder.path(), &mail("Hello", "text"), Some(key)).unwrap();
        assert!(sent.new && sent.file.len() == 36 && sent.file.ends_with(".eml"), "{key}: {sent:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
}

#[test]
fn text_beyond_ascii_comes_back_as_it_was() {
    for subject in ["Grüße", "短い", "x =?utf-8?B?YQ==?= y", &"ü".repeat(200), "plain words"] {
        let encoded = encode_text(subject);
        assert!(encoded.is_ascii() && encoded.split("\r\n").all(|line| line.len() <= 76), "{encoded}");
        assert_eq!(decode_text(&encoded.replace("\r\n", "")), subject);
    }
    let folder = outbox();
    let sent = deliver(folder.path(), &mail(&"ü".repeat(200), "Grüße"), None).unwrap();
    let text = text(&folder, &sent);
    assert_eq!(read_header(&text, "subject").unwrap(), "ü".repeat(200));
    assert!(text.contains("Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"), "{text}");
    let long = deliver(folder.path(), &mail("Long", &"x".repeat(2000)), None).unwrap();
    assert!(fs::read_to_string(folder.path().join(long.file)).unwrap().lines().all(|line| line.len() <= 76));
}

#[test]
fn the_outbox_is_listed_in_parts() {
    let folder = outbox();
    for number in 0..3 {
        deliver(folder.path(), &mail(&format!("Nr {number}"), "Subject: not this one"), Some(&format!("m{number}"))).unwrap();
    }
    fs::write(folder.path().join(".draft.eml"), "").unwrap();
    fs::write(folder.path().join("notes.txt"), "").unwrap();
    let first = waiting(folder.path(), &List { skip: 0, limit: Some(2) }).unwrap();
    assert_eq!((first.total, first.mails.len()), (3, 2));
    assert_eq!(first.mails[1].subject.as_deref(), Some("Nr 1"));
    assert_eq!(first.mails[1].to.as_deref(), Some("ada@example.com"));
    assert!(first.next.unwrap().contains("`skip` = 2"));
    let rest = waiting(folder.path(), &List { skip: 2, limit: None }).unwrap();
    assert_eq!((rest.mails[0].file.as_str(), rest.next), ("m2.eml", None));
}

#[test]
fn an_unknown_argument_is_refused() {
    let error = testing::call::<crate::send::send>(json!({ "to": [], "subject": "", "body": "", "bcc": [] })).unwrap_err();
    assert_eq!((error.kind(), error.message().contains("`bcc`")), (ErrorKind::InvalidArguments, true));
}
