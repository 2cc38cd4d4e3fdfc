//! A: a guest that takes, loops, floods or traps.

use remit_core::{
    Blame, Kind,
    limit::{CallLimits, HTTP_CHUNK_BYTES, HTTP_FIELDS_MAX_BYTES, STDIO_RING_BYTES},
};
use remit_tests::{Ending, Lab, fixture};
use serde_json::json;

const GUEST: Ending = Ending::Failed(Kind::Guest, Blame::Guest);

async fn hostile() -> Lab {
    let limits = CallLimits { memory_mib: 16, deadline_ms: 1500, output_kib: 64, ..CallLimits::default() };
    Lab::new().plugin("hostile", fixture("hostile"), &[], limits).await
}

/// The legitimate call beside each attack.
async fn still_serves(lab: &Lab) {
    let outcome = lab.call("hostile", "allocate", json!({ "amount": 1 })).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done("1".to_owned()), "{outcome:?}");
}

fn is_limit(ending: &Ending) -> bool {
    matches!(ending, Ending::Failed(Kind::Limit, _))
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_an_endless_loop_ends_at_its_deadline() {
    let lab = hostile().await;
    let (ending, outcome) = lab.attack("hostile", "spin", json!({})).await;
    assert!(is_limit(&ending), "{outcome:?}");
    still_serves(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_a4_memory_is_refused_at_one_aggregate_cap() {
    let lab = hostile().await;
    let (ending, outcome) = lab.attack("hostile", "allocate", json!({ "amount": 4096 })).await;
    let Ending::Done(taken) = &ending else { panic!("{outcome:?}") };
    assert!(taken.parse::<u64>().is_ok_and(|taken| taken < 16), "{taken} MiB within 16");
    assert!(outcome.metering.memory_peak_bytes <= 16 << 20, "{:?}", outcome.metering);
    still_serves(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_a_host_call_that_blocks_ends_at_the_deadline() {
    let lab = hostile().await;
    let (ending, outcome) = lab.attack("hostile", "sleep", json!({ "milliseconds": 600_000 })).await;
    assert!(is_limit(&ending), "{outcome:?}");
    let outcome = lab.call("hostile", "sleep", json!({ "milliseconds": 1 })).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done("awake".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a6_a7_resources_in_a_loop_are_capped() {
    let lab = hostile().await;
    let (ending, outcome) = lab.attack("hostile", "handles", json!({ "amount": 1_000_000 })).await;
    assert!(matches!(ending, Ending::Failed(Kind::Limit | Kind::Guest, _)), "{outcome:?}");
    let outcome = lab.call("hostile", "handles", json!({ "amount": 8 })).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done("8".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_a_result_over_its_bound_is_refused() {
    let lab = hostile().await;
    let (ending, outcome) = lab.attack("hostile", "big_output", json!({ "amount": 1024 })).await;
    assert!(is_limit(&ending), "{outcome:?}");
    let outcome = lab.call("hostile", "big_output", json!({ "amount": 1 })).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done("x".repeat(1024)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_header_floods_are_bounded() {
    let lab = hostile().await;
    let most = HTTP_FIELDS_MAX_BYTES / 1024;
    for flood in [100_000, most + 1] {
        let (ending, outcome) = lab.attack("hostile", "headers", json!({ "amount": flood })).await;
        let bounded = match &ending {
            Ending::Done(count) => count.parse::<usize>().is_ok_and(|count| count <= most),
            Ending::Failed(kind, _) => matches!(kind, Kind::Limit | Kind::Guest),
        };
        assert!(bounded, "{outcome:?}");
    }
    let outcome = lab.call("hostile", "headers", json!({ "amount": most / 2 })).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done((most / 2).to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_what_waits_of_an_outgoing_body_is_bounded() {
    let lab = hostile().await;
    let (ending, _) = lab.attack("hostile", "body_room", json!({})).await;
    assert_eq!(ending, Ending::Done(HTTP_CHUNK_BYTES.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_random_bytes_have_a_bound() {
    let lab = hostile().await;
    let (ending, outcome) = lab.attack("hostile", "random", json!({ "amount": 1_u64 << 40 })).await;
    assert!(matches!(ending, Ending::Failed(Kind::Guest | Kind::Limit, _)), "{outcome:?}");
    let outcome = lab.call("hostile", "random", json!({ "amount": 32 })).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done("32".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_a_flood_of_output_keeps_a_bounded_tail() {
    let limits = CallLimits { memory_mib: 16, deadline_ms: 30_000, output_kib: 64, ..CallLimits::default() };
    let lab = Lab::new().plugin("hostile", fixture("hostile"), &[], limits).await;
    let (ending, outcome) = lab.attack("hostile", "flood", json!({ "amount": 4096 })).await;
    assert_eq!(ending, Ending::Done("written".to_owned()));
    assert!(outcome.stdout.len() <= STDIO_RING_BYTES && outcome.stderr.len() <= STDIO_RING_BYTES);
    assert!(outcome.stdout.ends_with("x\n"), "the tail is kept");
    let (ending, _) = lab.attack("hostile", "flood_log", json!({ "amount": 1000 })).await;
    assert_eq!(ending, Ending::Done("logged".to_owned()));
    still_serves(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_a15_waiting_for_the_end_of_time_ends_at_the_deadline() {
    let lab = hostile().await;
    let (ending, outcome) = lab.attack("hostile", "wait_forever", json!({})).await;
    assert!(matches!(ending, Ending::Failed(Kind::Limit | Kind::Guest, _)), "{outcome:?}");
    still_serves(&lab).await;
}

/// In the guest and in a host call: whoever looks for the call that ate the machine finds it.
#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_call_that_ran_into_its_deadline_tells_what_it_used() {
    let lab = hostile().await;
    let (spinning, waiting) = tokio::join!(lab.call("hostile", "spin", json!({})), lab.call("hostile", "wait_forever", json!({})));
    assert!(spinning.result.is_err() && waiting.result.is_err(), "{spinning:?} {waiting:?}");
    let records = lab.records.all();
    assert_eq!(records.len(), 2);
    for record in records {
        let used = |what: &str| record[what].as_u64().is_some_and(|used| used > 0);
        assert!(used("cpu_us") && used("memory_peak_bytes"), "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a16_a_call_that_is_dropped_half_way_leaves_nothing_behind() {
    let lab = hostile().await;
    {
        let call = lab.call("hostile", "spin", json!({}));
        tokio::pin!(call);
        tokio::select! {
            biased;
            outcome = &mut call => panic!("{outcome:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    still_serves(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a23_a_trap_names_its_functions_and_its_instance_is_never_used_again() {
    let lab = hostile().await;
    for tool in ["abort", "panic", "overflow"] {
        let (ending, outcome) = lab.attack("hostile", tool, json!({})).await;
        assert!(ending == GUEST || is_limit(&ending), "{tool}: {outcome:?}");
        assert!(!outcome.backtrace.is_empty(), "{tool}: {outcome:?}");
        still_serves(&lab).await;
    }
    let (_, outcome) = lab.attack("hostile", "panic", json!({})).await;
    assert!(outcome.stderr.contains("panicked on request"), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_exits_fails_its_own_call_alone() {
    let lab = hostile().await;
    let (ending, outcome) = lab.attack("hostile", "exit", json!({ "code": 3 })).await;
    assert_eq!(ending, GUEST, "{outcome:?}");
    assert_eq!(outcome.stdout, "leaving\n");
    still_serves(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_hostile_neighbours_do_not_stop_a_good_one() {
    let lab = std::sync::Arc::new(hostile().await);
    let attacks: Vec<_> = ["spin", "abort", "wait_forever", "spin", "overflow", "panic"]
        .into_iter()
        .map(|tool| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.call("hostile", tool, json!({})).await.result.is_err() })
        })
        .collect();
    still_serves(&lab).await;
    for attack in attacks {
        assert!(attack.await.expect("no panic"), "an attack that succeeds");
    }
}
