//! R: every sort of attack at once, for as long as one likes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use remit_core::{audit::Signer, limit::CallLimits};
use remit_store::Sqlite;
use remit_tests::{Ending, Lab, fixture};
use serde_json::{Value, json};

use super::neighbours::held;

/// Calls in flight at once.
const AT_ONCE: usize = 16;

/// What is done to the host: a tool of `hostile` with its arguments, and whether its caller goes away after a moment.
fn attacks() -> Vec<(&'static str, String, bool)> {
    let call = |tool, arguments: Value| (tool, arguments.to_string(), false);
    let dropped = |tool, arguments: Value| (tool, arguments.to_string(), true);
    let path = |path: &str| json!({ "path": path });
    let address = |address: &str| json!({ "address": address });
    let amount = |amount: u64| json!({ "amount": amount });
    let bad = |text: &str| ("allocate", text.to_owned(), false);
    vec![
        call("abort", json!({})),
        call("panic", json!({})),
        call("overflow", json!({})),
        call("exit", json!({ "code": 1 })),
        call("spin", json!({})),
        call("wait_forever", json!({})),
        call("sleep", json!({ "milliseconds": 600_000 })),
        call("allocate", amount(4096)),
        call("handles", amount(1_000_000)),
        call("headers", amount(100_000)),
        call("random", amount(1 << 40)),
        call("big_output", amount(1024)),
        call("flood", amount(512)),
        call("flood_log", amount(500)),
        call("flood_progress", amount(500)),
        call("hold_files", json!({ "path": "/data/file", "amount": 100_000 })),
        call("fill", json!({ "path": "/data/full", "amount": 64 })),
        call("recurse", json!({})),
        call("read_file", path("/etc/passwd")),
        call("read_file", path("/data/../../etc/passwd")),
        call("write_file", json!({ "path": "/etc/new", "text": "x" })),
        call("fetch", address("http://169.254.169.254/latest/meta-data/")),
        call("fetch", address("http://127.0.0.1:1/")),
        call("connect", address("127.0.0.1:22")),
        call("resolve", address("localhost")),
        call("no_such_tool", json!({})),
        dropped("spin", json!({})),
        dropped("wait_forever", json!({})),
        dropped("allocate", amount(16)),
        dropped("flood", amount(4096)),
        bad("{"),
        bad("null"),
        bad(r#"{"amount":"many"}"#),
        bad(&"[".repeat(100_000)),
        bad(&format!(r#"{{"amount":1,"more":"{}"}}"#, "x".repeat(1 << 20))),
    ]
}

/// Makes one attack; all that has to hold is that it ends.
async fn attack(lab: &Lab, (tool, arguments, dropped): &(&'static str, String, bool)) {
    let call = lab.call_text("hostile", tool, arguments);
    if *dropped {
        tokio::pin!(call);
        for _ in 0..3 {
            if is_done(&mut call).await {
                return;
            }
            tokio::task::yield_now().await;
        }
        return;
    }
    call.await;
}

/// Whether `future` is done after it was polled once.
async fn is_done<F: Future>(future: &mut std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: an hour of attacks; REMIT_ATTACK_SECONDS=<number>"]
async fn long_mixed_attacks() {
    let seconds = std::env::var("REMIT_ATTACK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3600_u64);
    let log = tempfile::tempdir().expect("a folder");
    let signer = Signer::from_seed(&[1; 32]).expect("a key");
    let audit = Arc::new(Sqlite::open(&log.path().join("state")).expect("a store").audited(signer, true));
    let lab = Lab::with(|builder| builder.pool(u32::try_from(AT_ONCE).expect("few")).audit(audit));
    std::fs::create_dir(lab.path().join("data")).expect("a folder");
    std::fs::write(lab.path().join("data/file"), "kept").expect("a file");
    let limits = CallLimits { memory_mib: 16, deadline_ms: 300, output_kib: 64, ..CallLimits::default() };
    let grants = ["fs data:/data:write max_mib=2", "tools hostile/recurse"];
    let lab = lab.plugin("hostile", fixture("hostile"), &grants, limits).await;
    let lab = Arc::new(lab.plugin("raw-tool", fixture("raw-tool"), &[], CallLimits::default()).await);
    let (attacks, length, start) = (Arc::new(attacks()), Duration::from_secs(seconds), Instant::now());
    let (mut early, mut late, mut made, mut answered) = ((0, 0), (0, 0), 0_usize, 0_usize);
    while start.elapsed() < length {
        let running: Vec<_> = (0..AT_ONCE)
            .map(|lane| {
                let (lab, attacks) = (lab.clone(), attacks.clone());
                // Each lane begins elsewhere, so that different ones meet.
                let at = made + lane * 5;
                tokio::spawn(async move {
                    for step in 0..attacks.len() {
                        attack(&lab, &attacks[(at + step) % attacks.len()]).await;
                    }
                })
            })
            .collect();
        for lane in running {
            let good = lab.call("raw-tool", "answer", json!({})).await;
            assert_eq!(Lab::ending(&good), Ending::Done("42".to_owned()), "{good:?}");
            answered += 1;
            lane.await.expect("no panic");
            made += attacks.len();
        }
        let now = held();
        // The first fifth warms up.
        let most = match start.elapsed() {
            past if past < length / 5 => continue,
            past if past < length / 2 => &mut early,
            _ => &mut late,
        };
        *most = (now.0.max(most.0), now.1.max(most.1));
    }
    println!(
        "{made} attacks and {answered} calls beside them in {seconds} s: at most {} KiB and {} descriptors in the first half, {} KiB and {} in the last",
        early.0 >> 10,
        early.1,
        late.0 >> 10,
        late.1
    );
    assert!(early.0 > 0 && late.0 > 0, "too short a time to tell");
    assert!(late.0 <= early.0 + early.0 / 20 + (1 << 20), "memory grows: {early:?}, then {late:?}");
    assert!(late.1 <= early.1, "descriptors grow: {early:?}, then {late:?}");
    assert_eq!(std::fs::read_to_string(lab.path().join("data/file")).expect("it is there"), "kept");
}
