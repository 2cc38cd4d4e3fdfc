//! Results that are too large for the journal: kept by the session, shown by their beginning, read back whole.

use remit_core::{
    Kind,
    content::Blob,
    id::SessionId,
    journal::{Body, Outcome},
    plugin::Digest,
};
use remit_runtime::{Output, Request, TurnEnd, session::Content};
use remit_tests::desk::{Desk, Setup, log};
use serde_json::{Value, json};

const LARGE: usize = 5_000_000;

fn tell(bytes: usize) -> Value {
    json!({ "tool": "counter/tell", "arguments": { "bytes": bytes } })
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum: u32, byte| sum.rotate_left(5) ^ u32::from(*byte))
}

/// The digest in an address.
fn digest(uri: &str) -> Digest {
    format!("sha256:{}", uri.rsplit('/').next().unwrap()).parse().unwrap()
}

async fn desk() -> (tempfile::TempDir, Desk) {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    (folder, desk)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_too_large_is_kept_and_read_back_exactly() {
    let (_folder, desk) = desk().await;
    let ran = desk.run(json!([{ "fetch": tell(LARGE) }])).await.unwrap();
    let entry = &log(&ran)[0];
    let uri = entry["uri"].as_str().unwrap();
    assert!(uri.starts_with(&format!("remit://session/{}/output/", ran.session)), "{entry}");
    let kept = desk.host.output(&desk.ada(), "desk", ran.session, digest(uri)).await.unwrap();
    assert_eq!((entry["bytes"].as_u64(), entry["sum"].as_u64()), (Some(kept.len() as u64), Some(sum(&kept).into())));
    let whole: Output = serde_json::from_slice(&kept).unwrap();
    assert!((LARGE - 1..=LARGE).contains(&whole.text().len()), "all of it");
    let shown = entry["shown"]["text"].as_str().unwrap();
    let beginning = shown.split("\n\n[The result has ").next().unwrap();
    assert!(whole.text().starts_with(beginning) && (4093..=4096).contains(&beginning.len()), "{} bytes are shown", beginning.len());
    assert!(shown.contains(&format!("[The result has {} bytes as JSON", kept.len())));
    let records = desk.host.journal(&desk.ada(), "desk", ran.session, 0).await.unwrap();
    let recorded = records.iter().find_map(|record| match &record.body {
        Body::End { outcome: Outcome::Output { output, kept: Some(kept) }, .. } => Some((output.len(), kept.size, kept.digest)),
        _ => None,
    });
    let (length, size, of) = recorded.unwrap();
    assert!(length < 8192, "{length} bytes are in the journal");
    assert_eq!((size, of), (kept.len() as u64, digest(uri)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_shows_the_same_and_reads_the_same() {
    let (folder, desk) = desk().await;
    let waits = desk.run(json!([{ "fetch": tell(LARGE) }, { "input": "?" }])).await.unwrap();
    assert!(matches!(waits.end, TurnEnd::Waiting(_)));
    drop(desk);
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let fork = desk.host.fork(&desk.ada(), "desk", waits.session, None).await.unwrap();
    let done = desk.go(Some(waits.session), Some("now"), None).await.unwrap();
    let entry = log(&done)[0].clone();
    desk.host.erase(&desk.ada(), "desk", waits.session).await.unwrap();
    desk.resume(fork.id).await.unwrap();
    let forked = desk.go(Some(fork.id), Some("now"), None).await.unwrap();
    assert_eq!(log(&forked)[0], entry, "a fork keeps what it comes from, under the address of then");
}

#[tokio::test(flavor = "multi_thread")]
async fn m10_what_another_session_keeps_is_not_there() {
    let (_folder, desk) = desk().await;
    let plain = json!({ "tool": "counter/tell", "arguments": { "bytes": LARGE, "of": "0123456789" } });
    let uri = log(&desk.run(json!([{ "fetch": plain }])).await.unwrap())[0]["uri"].as_str().unwrap().to_owned();
    let part = |uri: &str, offset: u64, length: u64| json!({ "part": { "uri": uri, "offset": offset, "length": length } });
    let nobodys = format!("remit://session/{}/output/{}", SessionId::new(Default::default(), 7), "0".repeat(64));
    let ran = desk.run(json!([part(&uri, 0, 9), part(&nobodys, 0, 9), part("file:///etc/passwd", 0, 9)])).await.unwrap();
    let said: Vec<_> = log(&ran).iter().map(|entry| entry["message"].as_str().unwrap().split('`').next().unwrap().to_owned()).collect();
    assert_eq!(said, vec!["this session keeps nothing under "; 3], "another's is as absent as nobody's");
    let session: SessionId = uri.split('/').nth(3).unwrap().parse().unwrap();
    let past = part(&uri, u64::MAX, 9);
    let own = desk.more(session, json!([part(&uri, 0, 11), past, part(&uri, (1 << 20) - 2, 4), part(&uri, 0, 1 << 30)])).await.unwrap();
    let lengths: Vec<_> = log(&own).iter().map(|entry| entry.as_str().unwrap().len()).collect();
    assert_eq!(log(&own)[0], "{\"content\":");
    assert_eq!((lengths[1], log(&own)[2].as_str().unwrap().chars().count()), (0, 4), "across two pieces");
    assert!((256 << 10..300 << 10).contains(&lengths[3]), "at most 256 KiB at once: {}", lengths[3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere_a_result_over_its_bound_is_refused() {
    let (_folder, desk) = desk().await;
    let outside = desk.host.call(&desk.ada(), &Request::new("desk", "counter", "tell", &json!({ "bytes": LARGE }).to_string())).await;
    assert_eq!(outside.result.unwrap_err().kind, Kind::Limit);
    let beyond = desk.run(json!([{ "fetch": tell(9 << 20) }, { "fetch": tell(100) }])).await.unwrap();
    assert_eq!(log(&beyond)[0]["error"], "limit", "what a guest may hand over is bounded all the same");
    assert_eq!(log(&beyond)[1]["text"].as_str().unwrap().len(), 100, "what fits is in the journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_group_keep_theirs_with_their_records() {
    let (_folder, desk) = desk().await;
    let of = |bytes: usize| json!({ "tool": "counter/tell", "arguments": { "bytes": bytes } });
    let ran = desk.run(json!([{ "group": [of(2_000_000), of(3_000_000), of(10)] }])).await.unwrap();
    let records = desk.host.journal(&desk.ada(), "desk", ran.session, 0).await.unwrap();
    let kept = records.iter().filter_map(|record| match &record.body {
        Body::End { outcome: Outcome::Output { kept, .. }, .. } => *kept,
        _ => None,
    });
    let kept: Vec<_> = kept.collect();
    assert_eq!(kept.len(), 2);
    for one in kept {
        assert_eq!(desk.host.output(&desk.ada(), "desk", ran.session, one.digest).await.unwrap().len() as u64, one.size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_with_another_result_under_a_name_is_refused() {
    let (_folder, desk) = desk().await;
    let session = desk.run(json!([{ "fetch": tell(LARGE) }])).await.unwrap().session;
    let (ada, records) = (desk.ada(), desk.host.journal(&desk.ada(), "desk", session, 0).await.unwrap());
    let named = desk.host.content(&ada, "desk", session).await.unwrap();
    let mut content = Content { outputs: named.outputs, ..Content::default() };
    for piece in named.pieces {
        content.pieces.push(desk.host.piece(&ada, "desk", session, piece).await.unwrap());
    }
    let row = desk.host.import(&ada, "desk", "scripted", &records, &content).await.unwrap();
    let output = *content.outputs.keys().next().unwrap();
    assert_eq!(Digest::of(&desk.host.output(&ada, "desk", row.id, output).await.unwrap()), output);
    content.outputs.insert(output, Blob::of(b"forged"));
    content.pieces.push(b"forged".to_vec());
    let error = desk.host.import(&ada, "desk", "scripted", &records, &content).await.unwrap_err();
    assert!(error.kind == Kind::Invalid && error.message.contains("is not what its name says"), "{error:?}");
}
