use super::*;

fn call() -> Value {
    json!({
        "seq": 7, "type": "call", "at": 1_780_000_000_123_u64, "call": "call_1", "principal": "user:ada", "key": "key_1", "delegation": [], "project": "desk",
        "plugin": "files", "digest": "sha256:aa", "tool": "search", "effect": "read", "session": "ses_1", "outcome": "failed", "kind": "denied",
        "blame": "grant", "wall_us": 2500,
        "denials": [{ "capability": "fs", "request": "read /etc", "reason": "nothing is mounted there" }],
    })
}

#[test]
fn a_call_is_an_api_activity_with_all_that_the_class_requires() {
    let event = ocsf(&call(), "{}");
    for (pointer, expected) in [
        ("/category_uid", json!(6)),
        ("/class_uid", json!(6003)),
        ("/activity_id", json!(2)),
        ("/type_uid", json!(600_302)),
        ("/time", json!(1_780_000_000_123_u64)),
        ("/severity_id", json!(3)),
        ("/status_id", json!(2)),
        ("/status_code", json!("denied")),
        ("/status_detail", json!("fs read /etc: nothing is mounted there")),
        ("/metadata/version", json!("1.5.0")),
        ("/metadata/product/vendor_name", json!("Remit")),
        ("/metadata/sequence", json!(7)),
        ("/metadata/uid", json!("call_1")),
        ("/actor/user/name", json!("user:ada")),
        ("/actor/session/uid", json!("ses_1")),
        ("/api/operation", json!("files/search")),
        ("/api/service/name", json!("desk")),
        ("/api/request/uid", json!("call_1")),
        ("/src_endpoint/uid", json!("key_1")),
        ("/duration", json!(2)),
        ("/raw_data", json!("{}")),
        ("/unmapped/blame", json!("grant")),
    ] {
        assert_eq!(event.pointer(pointer), Some(&expected), "{pointer} of {event}");
    }
}

#[test]
fn a_decision_is_another_activity_under_its_own_name() {
    let event = ocsf(&json!({ "seq": 1, "type": "decision", "at": 5, "decision": "approve", "principal": "user:ada" }), "{}");
    assert_eq!((&event["activity_id"], &event["activity_name"], &event["type_uid"]), (&json!(99), &json!("approve"), &json!(600_399)));
    assert_eq!((&event["status_id"], &event["severity_id"]), (&json!(1), &json!(1)));
}

#[test]
fn records_are_log_records_of_one_request() {
    let record = call();
    let request = otlp([(&record, "{\"seq\":7}")]);
    let log = request.pointer("/resourceLogs/0/scopeLogs/0/logRecords/0").unwrap();
    assert_eq!(log["timeUnixNano"], "1780000000123000000");
    assert_eq!((&log["severityNumber"], &log["severityText"]), (&json!(13), &json!("WARN")));
    assert_eq!(log["body"]["stringValue"], "{\"seq\":7}");
    let attribute = |name: &str| {
        let found = log["attributes"].as_array().unwrap().iter().find(|one| one["key"] == name);
        found.map(|one| one["value"].clone()).unwrap()
    };
    assert_eq!(attribute("remit.audit.seq"), json!({ "intValue": "7" }));
    assert_eq!(attribute("remit.operation"), json!({ "stringValue": "files/search" }));
    assert_eq!(attribute("error.type"), json!({ "stringValue": "denied" }));
    assert_eq!(attribute("session.id"), json!({ "stringValue": "ses_1" }));
}
