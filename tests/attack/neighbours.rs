//! A: what one call leaves behind for the next one; M: tools that call each other in a circle.

use remit_core::{
    grant::Grants,
    identity::Role,
    limit::{CallLimits, DELEGATION_MAX_DEPTH},
};
use remit_runtime::{Host, Project, Request, services::NoAudit};
use remit_tests::{Ending, Lab, fixture};
use serde_json::json;

/// Memories that a component may have: with all of them, it takes nearly every place of a pool for one call, so that they are used again.
const MEMORIES: usize = 8;
/// Pages that each memory grows by; with its first one, below what the pool keeps resident (64 KiB) and above it.
const PAGES: usize = 4;

/// A component that fills its memories and its table, `stain`, or only takes as much of both, `look`. Both tell how many bytes and
/// elements are not what a fresh instance has.
fn stainer() -> Vec<u8> {
    let memories: String = (0..MEMORIES).map(|i| format!("(memory $m{i} 1)")).collect();
    let bytes = (PAGES + 1) << 16;
    let grow: String = (0..MEMORIES).map(|i| format!("(drop (memory.grow $m{i} (i32.const {PAGES})))")).collect();
    let fill: String = (0..MEMORIES).map(|i| format!("(memory.fill $m{i} (i32.const 0) (i32.const 165) (i32.const {bytes}))")).collect();
    let count: String = (0..MEMORIES)
        .map(|i| {
            format!(
                "(local.set $at (i32.const 0))
                (loop $next
                    (local.set $found (i32.add (local.get $found) (i64.ne (i64.load $m{i} (local.get $at)) (i64.const 0))))
                    (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const {bytes}))))"
            )
        })
        .collect();
    let text = format!(
        "(component
            (core module $m
                {memories}
                (table $t 1000 funcref)
                (func $here)
                (elem declare func $here)
                (func $grow {grow} (drop (table.grow $t (ref.null func) (i32.const 1000))))
                (func $count (result i32) (local $at i32) (local $found i32)
                    {count}
                    (local.set $at (i32.const 0))
                    (loop $next
                        (local.set $found (i32.add (local.get $found) (i32.eqz (ref.is_null (table.get $t (local.get $at))))))
                        (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 2000))))
                    (local.get $found))
                (func (export \"stain\") (result i32)
                    (call $grow) {fill} (table.fill $t (i32.const 0) (ref.func $here) (i32.const 2000)) (call $count))
                (func (export \"look\") (result i32) (call $grow) (call $count)))
            (core instance $i (instantiate $m))
            (func (export \"stain\") (result u32) (canon lift (core func $i \"stain\")))
            (func (export \"look\") (result u32) (canon lift (core func $i \"look\"))))"
    );
    wat::parse_str(text).expect("a component")
}

async fn found(host: &Host, principal: &str, tool: &str) -> u64 {
    let context = host.context(principal.parse().expect("a principal"), Role::Owner).expect("a context");
    let outcome = host.call(&context, &Request::new("lab", "stainer", tool, "{}")).await;
    outcome.result.expect("a result").structured.expect("data")["result"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a19_what_a_call_left_in_pooled_memory_and_tables_is_gone_for_the_next_principal() {
    let host = Host::builder().pool(1).build().expect("a host");
    let plugin = host.plugin("stainer", stainer()).await.expect("a plugin").granted(Grants::default());
    assert!(host.load(Project { name: "lab".to_owned(), root: "/".into(), plugins: vec![plugin], ..Project::default() }).is_empty());
    let words = MEMORIES * ((PAGES + 1) << 16) / 8;
    for round in 0..20 {
        assert_eq!(found(&host, "user:ada", "stain").await, words as u64 + 2000, "what is there is found: {round}");
        assert_eq!(found(&host, "user:bob", "look").await, 0, "left behind by another principal's call: {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m23_a_tool_that_calls_itself_ends_at_the_depth_bound() {
    let lab = Lab::new().fixture("hostile", &["tools hostile/recurse"]).await;
    let outcome = lab.call("hostile", "recurse", json!({})).await;
    let depth = outcome.result.expect("a result").structured.expect("data");
    assert_eq!(depth["deeper"], DELEGATION_MAX_DEPTH, "{depth}");
    let records = lab.records.all();
    assert_eq!(records.len(), DELEGATION_MAX_DEPTH + 2, "one record a call");
    assert_eq!((&records[0]["outcome"], &records[0]["kind"]), (&json!("failed"), &json!("limit")), "the deepest one: {}", records[0]);
    assert!(records[1..].iter().all(|record| record["outcome"] == "done"), "{records:?}");
    let outcome = lab.call("hostile", "allocate", json!({ "amount": 1 })).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done("1".to_owned()));
}

/// Each call of a chain has memories, tables and a stack of its own: a pool has to have room for them where it lets one call run.
#[tokio::test(flavor = "multi_thread")]
async fn m23_a_pool_for_one_call_has_room_for_the_longest_chain() {
    let lab = Lab::with(|builder| builder.pool(1)).fixture("hostile", &["tools hostile/recurse"]).await;
    let outcome = lab.call("hostile", "recurse", json!({})).await;
    let depth = outcome.result.expect("a result").structured.expect("data");
    assert_eq!(depth["deeper"], DELEGATION_MAX_DEPTH, "{depth}");
}

/// Bytes of memory and descriptors that this process has.
pub(super) fn held() -> (u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the memory");
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    (kib << 10, std::fs::read_dir("/proc/self/fd").expect("descriptors").count())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: twenty thousand traps"]
async fn long_r11_traps() {
    let traps = std::env::var("REMIT_TRAPS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000_usize);
    let limits = CallLimits { memory_mib: 16, deadline_ms: 5_000, output_kib: 64, ..CallLimits::default() };
    let lab = Lab::with(|builder| builder.pool(8).audit(std::sync::Arc::new(NoAudit)));
    let lab = lab.plugin("hostile", fixture("hostile"), &[], limits).await;
    let tenth = traps / 10;
    let (mut first, mut last) = ((0, 0), (0, 0));
    for number in 0..traps {
        let tool = ["abort", "panic", "overflow", "exit"][number % 4];
        let arguments = if tool == "exit" { json!({ "code": 1 }) } else { json!({}) };
        assert!(lab.call("hostile", tool, arguments).await.result.is_err(), "{tool}");
        if number < tenth || number >= traps - tenth {
            let now = held();
            let most = if number < tenth { &mut first } else { &mut last };
            *most = (now.0.max(most.0), now.1.max(most.1));
        }
    }
    println!(
        "{traps} traps: at most {} KiB and {} descriptors in the first tenth, {} KiB and {} in the last",
        first.0 >> 10,
        first.1,
        last.0 >> 10,
        last.1
    );
    assert!(last.0 <= first.0 + first.0 / 20 + (1 << 20), "memory grows: {first:?}, then {last:?}");
    assert!(last.1 <= first.1, "descriptors grow: {first:?}, then {last:?}");
    let outcome = lab.call("hostile", "allocate", json!({ "amount": 1 })).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done("1".to_owned()));
}
