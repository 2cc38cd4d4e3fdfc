//! Records in the words of others: OCSF and OpenTelemetry.

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

/// The version of the schema whose words are used.
const OCSF_VERSION: &str = "1.5.0";
/// API Activity, in the category of applications.
const OCSF_CLASS: u64 = 6003;

fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(record: &Value, name: &str) -> u64 {
    record.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// What was done: `plugin/tool`, or the decision.
fn operation(record: &Value) -> String {
    match text(record, "type") {
        "call" => format!("{}/{}", text(record, "plugin"), text(record, "tool")),
        "epoch" => "epoch".to_owned(),
        _ => text(record, "decision").to_owned(),
    }
}

/// Why it did not happen; empty when it did.
fn refused(record: &Value) -> &str {
    match text(record, "outcome") {
        "failed" => text(record, "kind"),
        _ => text(record, "refused"),
    }
}

/// A record, whose bytes are `canonical`, as an event of OCSF's class API Activity (6003).
///
/// Calls of `read` tools are its activity Read; there is no word for any other call or a decision, so these are Other, under their own names.
pub fn ocsf(record: &Value, canonical: &str) -> Value {
    let (refused, operation) = (refused(record), operation(record));
    let (activity, name) = match (text(record, "type"), text(record, "effect")) {
        ("call", "read") => (2, "Read".to_owned()),
        ("call", _) => (99, "Call".to_owned()),
        _ => (99, operation.clone()),
    };
    let (severity, severity_name) = match refused {
        "" => (1, "Informational"),
        "denied" => (3, "Medium"),
        _ => (2, "Low"),
    };
    let (status, status_name) = if refused.is_empty() { (1, "Success") } else { (2, "Failure") };
    let mut event = json!({
        "category_uid": OCSF_CLASS / 1000,
        "category_name": "Application Activity",
        "class_uid": OCSF_CLASS,
        "class_name": "API Activity",
        "activity_id": activity,
        "activity_name": name,
        "type_uid": OCSF_CLASS * 100 + activity,
        "time": number(record, "at"),
        "severity_id": severity,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "metadata": {
            "version": OCSF_VERSION,
            "product": { "name": "Remit", "vendor_name": "Remit" },
            "log_name": "audit",
            "sequence": number(record, "seq"),
        },
        "actor": { "user": { "name": text(record, "principal"), "uid": text(record, "principal") } },
        "api": { "operation": operation, "service": { "name": text(record, "project") } },
        "src_endpoint": { "svc_name": "remit" },
        "unmapped": record,
        "raw_data": canonical,
    });
    let mut set = |pointer: &str, name: &str, value: Value| {
        if let Some(Value::Object(members)) = event.pointer_mut(pointer) {
            members.insert(name.to_owned(), value);
        }
    };
    if !refused.is_empty() {
        set("", "status_code", json!(refused));
    }
    if let Some(call) = record.get("call") {
        set("/metadata", "uid", call.clone());
        set("/api", "request", json!({ "uid": call }));
        set("", "duration", json!(number(record, "wall_us") / 1000));
        set("", "resources", json!([{ "type": "tool", "name": operation, "uid": text(record, "digest") }]));
    }
    if let Some(session) = record.get("session") {
        set("/actor", "session", json!({ "uid": session }));
    }
    if let Some(key) = record.get("key") {
        set("/src_endpoint", "uid", key.clone());
    }
    if let Some(denial) = record.pointer("/denials/0") {
        set("", "status_detail", json!(format!("{} {}: {}", text(denial, "capability"), text(denial, "request"), text(denial, "reason"))));
    }
    event
}

/// Records, each with its bytes, as one request of OTLP's logs in JSON.
pub fn otlp<'a>(records: impl IntoIterator<Item = (&'a Value, &'a str)>) -> Value {
    let string = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let one = |(record, canonical): (&Value, &str)| {
        let refused = refused(record);
        let (severity, severity_text) = if refused.is_empty() { (9, "INFO") } else { (13, "WARN") };
        let mut attributes = vec![
            string("event.name", &format!("remit.audit.{}", text(record, "type"))),
            json!({ "key": "remit.audit.seq", "value": { "intValue": number(record, "seq").to_string() } }),
            string("remit.operation", &operation(record)),
            string("enduser.id", text(record, "principal")),
            string("remit.project", text(record, "project")),
        ];
        if !refused.is_empty() {
            attributes.push(string("error.type", refused));
        }
        for (name, key) in [("call", "remit.call"), ("digest", "remit.digest"), ("effect", "remit.effect"), ("session", "session.id")] {
            if let Some(value) = record.get(name).and_then(Value::as_str) {
                attributes.push(string(key, value));
            }
        }
        json!({
            "timeUnixNano": format!("{}000000", number(record, "at")),
            "severityNumber": severity,
            "severityText": severity_text,
            "body": { "stringValue": canonical },
            "attributes": attributes,
        })
    };
    let records: Vec<Value> = records.into_iter().map(one).collect();
    json!({ "resourceLogs": [{
        "resource": { "attributes": [string("service.name", "remit")] },
        "scopeLogs": [{ "scope": { "name": "remit.audit" }, "logRecords": records }],
    }] })
}
