//! How fast a turn is replayed.

use super::*;

const CALLS: u32 = 10_000;

#[test]
#[ignore = "prints a figure; run it with --release --ignored --nocapture"]
#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn replay_speed() {
    let arguments = |op: u32| format!(r#"{{"path":"reports/2026/{op}.md","query":"{}","limit":20}}"#, "needle ".repeat(20));
    let text = "a line of the report ".repeat(8);
    let mut machine = Machine::start(turn(), 0, Timestamp(1), BTreeMap::new()).unwrap();
    for op in 0..CALLS {
        let call = ToolCall {
            tool: "files/search".to_owned(),
            arguments: arguments(op),
            effect: Effect::Read,
            digest: format!("sha256:{}", "ab".repeat(32)),
            key: format!("ses_01jd0000000000000000000000.0.{op}"),
            cleared: Default::default(),
        };
        let op = machine.begin_call(call, Timestamp(2)).unwrap();
        let output =
            serde_json::json!({ "content": [{ "type": "text", "text": text }], "structuredContent": { "line": op, "total": 3.5 } });
        machine.end(op, Outcome::Output { output: output.to_string(), kept: None }, Timestamp(3)).unwrap();
    }
    let lines = machine.take_pending();
    let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
    let best = |work: &dyn Fn()| {
        let mut best = f64::MAX;
        for _ in 0..7 {
            let begin = std::time::Instant::now();
            work();
            best = best.min(begin.elapsed().as_secs_f64() * 1e6 / lines.len() as f64);
        }
        best
    };
    let decode = best(&|| lines.iter().for_each(|line| drop(std::hint::black_box(Record::decode(line).unwrap()))));
    let load = best(&|| drop(std::hint::black_box(Machine::replay(&lines, BTreeMap::new()).unwrap())));
    let all = best(&|| {
        let mut machine = Machine::replay(&lines, BTreeMap::new()).unwrap();
        for op in 0..CALLS {
            assert!(matches!(machine.call("files/search", &arguments(op)).unwrap(), CallStep::Ended(_)));
        }
        assert!(!machine.replaying());
    });
    println!(
        "{} records, {} bytes each: decode {decode:.2} µs, load {load:.2} µs, replay {all:.2} µs a record",
        lines.len(),
        bytes / lines.len()
    );
}
