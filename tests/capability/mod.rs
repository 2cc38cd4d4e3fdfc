//! Capabilities from the guest's side: granted, narrowed, refused.

use remit_core::grant::Rule;
use remit_tests::{Ending, Lab};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn fs_reads_what_is_granted_and_nothing_beside_it() {
    let lab = Lab::new();
    std::fs::create_dir_all(lab.path().join("data/inner")).expect("a folder");
    std::fs::write(lab.path().join("data/a.txt"), "alpha").expect("a file");
    std::fs::write(lab.path().join("secret.txt"), "beta").expect("a file");
    std::os::unix::fs::symlink("../secret.txt", lab.path().join("data/link")).expect("a link");
    let lab = lab.fixture("hostile", &["fs data:/data"]).await;
    let read = |path: &str| json!({ "path": path });
    let (ending, _) = lab.attack("hostile", "read_file", read("/data/a.txt")).await;
    assert_eq!(ending, Ending::Done("alpha".to_owned()));
    for path in ["/data/../secret.txt", "/data/link", "/secret.txt", "/etc/passwd", "/proc/self/environ", "/data-evil/a.txt"] {
        let (ending, outcome) = lab.attack("hostile", "read_file", read(path)).await;
        assert!(matches!(ending, Ending::Failed(..)), "{path}: {outcome:?}");
    }
    let (_, outcome) = lab.attack("hostile", "read_file", read("/etc/passwd")).await;
    assert_eq!(Lab::rules(&outcome), [Rule::NoMatch], "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fs_writes_only_where_writing_is_granted() {
    let lab = Lab::new();
    std::fs::create_dir_all(lab.path().join("data")).expect("a folder");
    let lab = lab.fixture("hostile", &["fs data:/data"]).await;
    let write = json!({ "path": "/data/new.txt", "text": "new" });
    let (ending, outcome) = lab.attack("hostile", "write_file", write.clone()).await;
    assert!(matches!(ending, Ending::Failed(..)), "{outcome:?}");
    assert!(!outcome.denials.is_empty() && !lab.path().join("data/new.txt").exists(), "{outcome:?}");
    lab.grant("hostile", &["fs data:/data:write"]);
    let (ending, outcome) = lab.attack("hostile", "write_file", write).await;
    assert!(matches!(ending, Ending::Done(_)), "{outcome:?}");
    assert_eq!(std::fs::read_to_string(lab.path().join("data/new.txt")).expect("it was written"), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn fs_has_a_quota_of_bytes_and_files() {
    let lab = Lab::new();
    std::fs::create_dir_all(lab.path().join("data")).expect("a folder");
    let lab = lab.fixture("hostile", &["fs data:/data:write max_mib=2 max_files=5"]).await;
    let (ending, outcome) = lab.attack("hostile", "fill", json!({ "path": "/data/big", "amount": 64 })).await;
    assert_eq!(ending, Ending::Done("2".to_owned()), "{outcome:?}");
    assert_eq!(Lab::rules(&outcome), [Rule::Quota], "{outcome:?}");
    let (ending, outcome) = lab.attack("hostile", "create_files", json!({ "path": "/data", "amount": 100 })).await;
    assert_eq!(ending, Ending::Done("5".to_owned()), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn env_and_config_hold_what_is_granted() {
    let lab = Lab::new().fixture("hostile", &["env GREETING=hello", "config region=eu"]).await;
    let (ending, _) = lab.attack("hostile", "environment", json!({})).await;
    assert_eq!(ending, Ending::Done("GREETING=hello".to_owned()));
    let (ending, outcome) = lab.attack("hostile", "config", json!({ "key": "region" })).await;
    assert!(matches!(&ending, Ending::Done(text) if text.contains("eu")), "{outcome:?}");
    lab.grant("hostile", &[]);
    let (_, outcome) = lab.attack("hostile", "config", json!({ "key": "region" })).await;
    assert_eq!(Lab::rules(&outcome), [Rule::NotGranted], "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kv_needs_a_grant_and_keeps_what_was_written() {
    let lab = Lab::new().fixture("hostile", &[]).await;
    let write = json!({ "key": "color", "value": "blue" });
    let (_, outcome) = lab.attack("hostile", "kv", write.clone()).await;
    assert_eq!(Lab::rules(&outcome), [Rule::NotGranted], "{outcome:?}");
    lab.grant("hostile", &["kv write"]);
    let (ending, outcome) = lab.attack("hostile", "kv", write).await;
    assert!(matches!(&ending, Ending::Done(_)), "{outcome:?}");
    let (ending, outcome) = lab.attack("hostile", "kv", json!({ "key": "color" })).await;
    assert!(matches!(&ending, Ending::Done(text) if text.contains("blue") || text.contains("color")), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_call_other_tools_within_what_is_granted() {
    let lab = Lab::new().fixture("raw-tool", &[]).await.fixture("hostile", &[]).await;
    let call = json!({ "address": "raw-tool/answer" });
    let (ending, outcome) = lab.attack("hostile", "call_tool", call.clone()).await;
    assert!(matches!(ending, Ending::Failed(..)), "{outcome:?}");
    assert_eq!(Lab::rules(&outcome), [Rule::NotGranted], "{outcome:?}");
    lab.grant("hostile", &["tools raw-tool/answer"]);
    let outcome = lab.call("hostile", "call_tool", call).await;
    assert!(outcome.result.is_ok(), "{outcome:?}");
}
