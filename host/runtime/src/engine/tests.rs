#![allow(clippy::disallowed_methods, reason = "tests make and break files, and set deadlines")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use remit_core::{
    Kind,
    limit::{EPOCH_TICK_MS, HOSTCALL_FUEL},
    plugin::Digest,
};
use wasmtime::{
    ResourceLimiter as _,
    component::{Component, Linker},
};

use super::{artefact::Artefact, artefact::Configuration, config, *};

const MIB: usize = 1 << 20;
/// Long enough for whatever a test does.
const AMPLE: Duration = Duration::from_secs(600);

/// A component whose `run` is the core function `run` of `module`.
fn lifted(module: &str) -> Vec<u8> {
    wat::parse_str(format!(
        "(component (core module $m {module}) (core instance $i (instantiate $m)) (func (export \"run\") (canon lift (core func $i \"run\"))))"
    ))
    .unwrap()
}

fn engine(pool: Option<PoolSettings>) -> Arc<Engine> {
    Engine::new(Settings { pool, ..Settings::default() }).unwrap()
}

fn small_pool() -> PoolSettings {
    PoolSettings { calls: 2, ..PoolSettings::default() }
}

async fn load(engine: &Engine, bytes: &[u8]) -> Component {
    engine.component("test", bytes, &Digest::of(bytes)).await.unwrap()
}

/// What becomes of `run` under `memory` bytes, and the limiter afterwards.
async fn run(engine: &Engine, bytes: &[u8], memory: usize, deadline: Instant) -> (Result<(), wasmtime::Error>, Limiter) {
    let component = load(engine, bytes).await;
    let mut linker = Linker::new(engine.wasmtime());
    linker.root().func_wrap("take", |_, (_bytes,): (Vec<u8>,)| Ok(())).unwrap();
    let mut store = engine.bounded(Limiter::new(memory), |limiter| limiter, move || deadline, HOSTCALL_FUEL);
    let result = async {
        let instance = linker.instantiate_async(&mut store, &component).await?;
        let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
        run.call_async(&mut store, ()).await
    };
    let result = result.await;
    (result, store.into_data())
}

async fn failure(engine: &Engine, bytes: &[u8], memory: usize) -> Failed {
    let (result, limiter) = run(engine, bytes, memory, Instant::now() + AMPLE).await;
    Failed::from(result.unwrap_err()).explain(&limiter)
}

#[tokio::test]
async fn compiled_code_serves_pooled_and_on_demand_engines() {
    let (pooled, on_demand) = (config::engine(Guests::Tools, Some(small_pool())).unwrap(), config::engine(Guests::Tools, None).unwrap());
    assert_eq!(Configuration::of(&pooled), Configuration::of(&on_demand));
    let artefact = Artefact::compiled(on_demand.precompile_component(&lifted("(func (export \"run\"))")).unwrap());
    assert!(artefact.load(&pooled).is_ok());
    assert!(artefact.load(&on_demand).is_ok());
}

#[test]
fn pool_settings_out_of_range_are_refused() {
    for pool in [
        PoolSettings { calls: 0, ..PoolSettings::default() },
        PoolSettings { calls: PoolSettings::CALLS_MAX + 1, ..PoolSettings::default() },
        PoolSettings { memory_max_bytes: 2 << 30, ..PoolSettings::default() },
    ] {
        assert_eq!(config::engine(Guests::Tools, Some(pool)).err().map(|error| error.kind), Some(Kind::Invalid), "{pool:?}");
    }
}

#[tokio::test]
async fn components_that_need_disabled_proposals_do_not_load() {
    let engine = engine(None);
    for module in [
        "(memory i64 1) (func (export \"run\"))",
        "(memory 1 1 shared) (func (export \"run\"))",
        "(tag) (func (export \"run\"))",
        "(type (struct (field i32))) (func (export \"run\"))",
        "(func (export \"run\")) (func (param i64 i64 i64 i64) (result i64 i64) local.get 0 local.get 1 local.get 2 local.get 3 i64.add128)",
    ] {
        let bytes = lifted(module);
        let error = engine.component("test", &bytes, &Digest::of(&bytes)).await.err();
        assert_eq!(error.as_ref().map(|error| error.kind), Some(Kind::Invalid), "{module}: {error:?}");
    }
    let bytes = lifted("(memory 1) (func (export \"run\"))");
    assert!(engine.component("test", &bytes, &Digest::of(&bytes)).await.is_ok());
}

#[test]
fn memories_and_tables_share_one_bound() {
    let mut limiter = Limiter::new(10 * MIB);
    assert!(limiter.memory_growing(0, 4 * MIB, None).unwrap());
    assert!(limiter.memory_growing(0, 4 * MIB, None).unwrap());
    assert!(limiter.table_growing(0, MIB / 8, None).unwrap());
    assert_eq!((limiter.peak_bytes(), limiter.refused()), (9 * MIB, None));
    assert!(!limiter.memory_growing(4 * MIB, 6 * MIB, None).unwrap());
    assert_eq!((limiter.peak_bytes(), limiter.refused()), (9 * MIB, Some(Refused::Memory(11 * MIB))));
    assert!(!limiter.table_growing(MIB / 8, MIB, None).unwrap());
    assert_eq!(limiter.refused(), Some(Refused::Table(16 * MIB)));
    assert!(limiter.memory_growing(4 * MIB, 5 * MIB, None).unwrap());
}

#[test]
fn a_growth_that_fails_gives_nothing_back() {
    let mut limiter = Limiter::new(MIB);
    assert!(limiter.memory_growing(0, MIB, None).unwrap());
    assert!(!limiter.memory_growing(MIB, 2 * MIB, Some(MIB)).unwrap());
    assert_eq!(limiter.refused(), None, "the guest's own maximum is not our limit");
    limiter.memory_grow_failed(wasmtime::Error::msg("beyond its type")).unwrap();
    assert_eq!(limiter.peak_bytes(), MIB);
    assert!(!limiter.memory_growing(MIB, 2 * MIB, None).unwrap());
}

#[tokio::test]
async fn growing_two_memories_and_a_table_stops_at_the_bound() {
    let grow = "(memory $a 1) (memory $b 1) (table $t 1 funcref)
        (func (export \"run\") (loop
            (drop (memory.grow $a (i32.const 4))) (drop (table.grow $t (ref.null func) (i32.const 512)))
            (br_if 0 (i32.ne (memory.grow $b (i32.const 4)) (i32.const -1)))))";
    for engine in [engine(None), engine(Some(small_pool()))] {
        let (result, limiter) = run(&engine, &lifted(grow), 4 * MIB, Instant::now() + AMPLE).await;
        result.unwrap();
        assert!(limiter.peak_bytes() <= 4 * MIB && limiter.peak_bytes() > 3 * MIB, "{limiter:?}");
        assert!(limiter.refused().is_some());
    }
}

#[tokio::test]
async fn a_guest_that_is_refused_memory_and_aborts_ran_into_its_limit() {
    let engine = engine(None);
    let bytes = lifted("(memory 1) (func (export \"run\") (if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable)))");
    let failed = failure(&engine, &bytes, MIB).await;
    assert_eq!(failed.error.kind, Kind::Limit);
    assert_eq!(failed.error.message, "the component was stopped: it wanted 7 MiB of memory, and may have 1 MiB");
    let (result, limiter) = run(&engine, &bytes, 8 * MIB, Instant::now() + AMPLE).await;
    result.unwrap();
    assert_eq!(limiter.peak_bytes(), 101 << 16);
}

#[tokio::test]
async fn a_component_whose_first_memory_is_too_large_ran_into_its_limit() {
    let failed = failure(&engine(None), &lifted("(memory 100) (func (export \"run\"))"), MIB).await;
    assert_eq!(failed.error.kind, Kind::Limit);
    assert_eq!(failed.error.message, "the component was stopped: it wanted 7 MiB of memory, and may have 1 MiB");
}

#[tokio::test]
async fn traps_are_told_in_plain_words_with_the_functions_names() {
    let engine = engine(None);
    let failed = failure(&engine, &lifted("(func $inner unreachable) (func $outer (export \"run\") (call $inner))"), MIB).await;
    assert_eq!((failed.error.kind, failed.error.message.as_str()), (Kind::Guest, "the component stopped: it panicked or aborted"));
    assert!(failed.error.hints[0].starts_with("this is a mistake in the plugin"), "{:?}", failed.error.hints);
    let names: Vec<_> = failed.backtrace.iter().map(|frame| frame.rsplit('!').next().unwrap()).collect();
    assert_eq!(names, ["inner", "outer"]);
    for (module, message) in [
        ("(func $f (export \"run\") (call $f))", "its call stack overflowed (a recursion without an end?)"),
        ("(memory 1) (func (export \"run\") (drop (i32.load (i32.const 65536))))", "it reached outside its memory"),
        ("(func (export \"run\") (drop (i32.div_u (i32.const 1) (i32.const 0))))", "it divided by zero"),
    ] {
        let failed = failure(&engine, &lifted(module), MIB).await;
        assert_eq!((failed.error.kind, failed.error.message), (Kind::Guest, format!("the component stopped: {message}")));
        assert!(failed.backtrace.len() <= 16);
    }
}

#[tokio::test]
async fn names_of_a_guest_are_made_safe() {
    let bytes = lifted("(func $\"\\1b[31mred\" (export \"run\") unreachable)");
    let failed = failure(&engine(None), &bytes, MIB).await;
    assert!(failed.backtrace[0].ends_with("!\\u{1b}[31mred"), "{:?}", failed.backtrace);
}

/// A component that passes `length` bytes to the host.
fn taker(length: usize) -> Vec<u8> {
    wat::parse_str(format!(
        "(component (import \"take\" (func $take (param \"bytes\" (list u8))))
            (core module $memory (memory (export \"memory\") 200)) (core instance $memory (instantiate $memory))
            (core func $take (canon lower (func $take) (memory $memory \"memory\")))
            (core module $m (import \"host\" \"take\" (func $take (param i32 i32)))
                (func (export \"run\") (call $take (i32.const 0) (i32.const {length}))))
            (core instance $i (instantiate $m (with \"host\" (instance (export \"take\" (func $take))))))
            (func (export \"run\") (canon lift (core func $i \"run\"))))"
    ))
    .unwrap()
}

#[tokio::test]
async fn data_passed_to_the_host_is_bounded() {
    let engine = engine(None);
    run(&engine, &taker(1000), 64 * MIB, Instant::now() + AMPLE).await.0.unwrap();
    let failed = failure(&engine, &taker(HOSTCALL_FUEL + 1), 64 * MIB).await;
    assert_eq!(
        (failed.error.kind, failed.error.message.as_str()),
        (Kind::Limit, "the component was stopped: it passed too much data to the host")
    );
}

#[tokio::test]
async fn handles_are_bounded() {
    let make = |count: u32| {
        wat::parse_str(format!(
            "(component (type $r (resource (rep i32))) (core func $new (canon resource.new $r))
                (core module $m (import \"host\" \"new\" (func $new (param i32) (result i32)))
                    (func (export \"run\") (local $i i32) (loop (drop (call $new (i32.const 1)))
                        (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))))))
                (core instance $i (instantiate $m (with \"host\" (instance (export \"new\" (func $new))))))
                (func (export \"run\") (canon lift (core func $i \"run\"))))"
        ))
        .unwrap()
    };
    let engine = engine(None);
    run(&engine, &make(COMPONENT_HANDLES_MAX), MIB, Instant::now() + AMPLE).await.0.unwrap();
    let failed = failure(&engine, &make(COMPONENT_HANDLES_MAX + 1), MIB).await;
    assert_eq!(
        (failed.error.kind, failed.error.message.as_str()),
        (Kind::Limit, "the component was stopped: it holds too many handles at once")
    );
}

/// A component of `count` core instances.
fn crowd(count: usize) -> Vec<u8> {
    let instances = "(core instance (instantiate $e))".repeat(count - 1);
    wat::parse_str(format!(
        "(component (core module $e) {instances} (core module $m (func (export \"run\"))) (core instance $i (instantiate $m))
            (func (export \"run\") (canon lift (core func $i \"run\"))))"
    ))
    .unwrap()
}

#[tokio::test]
async fn instances_are_bounded() {
    let on_demand = engine(None);
    run(&on_demand, &crowd(50), MIB, Instant::now() + AMPLE).await.0.unwrap();
    let failed = failure(&on_demand, &crowd(51), MIB).await;
    assert_eq!(
        (failed.error.kind, failed.error.message.as_str()),
        (Kind::Limit, "the component was stopped: it has too many instances, memories or tables")
    );
    let pooled = engine(Some(small_pool()));
    run(&pooled, &crowd(50), MIB, Instant::now() + AMPLE).await.0.unwrap();
    let bytes = crowd(51);
    let error = pooled.component("test", &bytes, &Digest::of(&bytes)).await.err().unwrap();
    assert_eq!(error.kind, Kind::Limit, "{error:?}");
}

const SPIN: &str = "(func (export \"run\") (loop (br 0)))";

#[tokio::test]
async fn a_loop_is_stopped_within_two_epochs_of_its_deadline() {
    let engine = engine(None);
    let bytes = lifted(SPIN);
    load(&engine, &bytes).await;
    for ticks in [0, 5] {
        let deadline = Instant::now() + Duration::from_millis(ticks * EPOCH_TICK_MS);
        let (result, limiter) = run(&engine, &bytes, MIB, deadline).await;
        let error = result.unwrap_err();
        let DeadlinePassed { armed, stopped } = *error.downcast_ref().unwrap();
        assert!(stopped - armed <= ticks + 2, "armed in epoch {armed}, stopped in {stopped}");
        let failed = Failed::from(error).explain(&limiter);
        assert_eq!((failed.error.kind, failed.error.message.as_str()), (Kind::Limit, "the component was stopped: its deadline passed"));
    }
}

#[tokio::test]
async fn a_loop_leaves_its_neighbours_on_the_same_thread_their_turn() {
    let engine = engine(Some(small_pool()));
    let (spin, idle) = (lifted(SPIN), lifted("(func (export \"run\"))"));
    let spinning = run(&engine, &spin, MIB, Instant::now() + AMPLE);
    let neighbour = run(&engine, &idle, MIB, Instant::now() + AMPLE);
    tokio::select! {
        biased;
        _ = spinning => panic!("it never ends"),
        (result, _) = neighbour => result.unwrap(),
    }
}

#[tokio::test]
async fn the_ticker_sleeps_while_nothing_runs_and_wakes_for_a_call() {
    let engine = engine(None);
    while !engine.is_idle() {
        std::thread::yield_now();
    }
    let before = engine.epoch();
    let (result, _) = run(&engine, &lifted(SPIN), MIB, Instant::now()).await;
    assert!(result.unwrap_err().is::<DeadlinePassed>());
    assert!(engine.epoch() > before);
}

#[tokio::test]
async fn the_ticker_outlives_its_engine_until_the_last_store_is_gone() {
    let engine = engine(None);
    let component = load(&engine, &lifted(SPIN)).await;
    let deadline = Instant::now() + Duration::from_millis(5 * EPOCH_TICK_MS);
    let mut store = engine.bounded(Limiter::new(MIB), |limiter| limiter, move || deadline, HOSTCALL_FUEL);
    let instance = Linker::new(engine.wasmtime()).instantiate_async(&mut store, &component).await.unwrap();
    drop(engine);
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    assert!(run.call_async(&mut store, ()).await.unwrap_err().is::<DeadlinePassed>());
}

#[tokio::test]
async fn calls_in_flight_are_bounded_and_waiting_ends_at_the_deadline() {
    let engine = engine(Some(small_pool()));
    let ample = Instant::now() + AMPLE;
    let (first, _second) = (engine.admit(ample).await.unwrap(), engine.admit(ample).await.unwrap());
    let refused = engine.admit(Instant::now()).await.err().unwrap();
    assert_eq!(refused.kind, Kind::Limit);
    let waiting = engine.admit(ample);
    drop(first);
    waiting.await.unwrap();
}

#[derive(Default)]
struct Counted {
    started: AtomicUsize,
    finished: AtomicUsize,
}

impl Progress for Counted {
    fn started(&self, _name: &str, _bytes: u64) {
        self.started.fetch_add(1, Ordering::SeqCst);
    }
    fn finished(&self, _name: &str) {
        self.finished.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn loads_of_one_component_at_the_same_time_compile_once() {
    let counted = Arc::new(Counted::default());
    let engine = Engine::new(Settings { progress: Some(counted.clone()), ..Settings::default() }).unwrap();
    let bytes = lifted("(func (export \"run\"))");
    let digest = Digest::of(&bytes);
    let loads = futures::future::join_all((0..8).map(|_| engine.component("test", &bytes, &digest))).await;
    assert!(loads.iter().all(Result::is_ok));
    assert_eq!((counted.started.load(Ordering::SeqCst), counted.finished.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_kept_component_is_not_compiled_again_and_an_edited_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = lifted("(func (export \"run\"))");
    let counted = Arc::new(Counted::default());
    let start = || {
        let settings = Settings { cache_dir: Some(folder.path().join("compiled")), progress: Some(counted.clone()), ..Settings::default() };
        Engine::new(settings).unwrap()
    };
    load(&start(), &bytes).await;
    load(&start(), &bytes).await;
    assert_eq!(counted.started.load(Ordering::SeqCst), 1);
    for entry in std::fs::read_dir(folder.path().join("compiled")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "cwasm") {
            let mut entry = std::fs::read(&path).unwrap();
            entry[5000] ^= 1;
            std::fs::write(&path, entry).unwrap();
        }
    }
    load(&start(), &bytes).await;
    load(&start(), &bytes).await;
    assert_eq!(counted.started.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_cache_folder_that_others_may_write_to_is_refused_and_one_that_cannot_be_made_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let refused = Engine::new(Settings { cache_dir: Some(folder.path().to_owned()), ..Settings::default() }).err().unwrap();
    assert_eq!(refused.kind, Kind::Denied);
    assert!(refused.hints[0].contains("chmod 700"));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let engine = Engine::new(Settings { cache_dir: Some(file.join("below")), ..Settings::default() }).unwrap();
    load(&engine, &lifted("(func (export \"run\"))")).await;
}

#[tokio::test]
async fn cpu_time_is_metered_also_of_what_is_dropped_half_way() {
    let engine = engine(None);
    let [mut ended, mut dropped, mut nothing] = [0; 3];
    let deadline = Instant::now() + Duration::from_millis(3 * EPOCH_TICK_MS);
    CpuMeter::new(run(&engine, &lifted(SPIN), MIB, deadline), &mut ended).await.0.unwrap_err();
    let busy = std::future::poll_fn(|_| {
        std::hint::black_box((0..1_000_000_u64).map(std::hint::black_box).sum::<u64>());
        std::task::Poll::<()>::Pending
    });
    tokio::select! {
        biased;
        () = CpuMeter::new(busy, &mut dropped) => {}
        () = std::future::ready(()) => {}
    }
    CpuMeter::new(std::future::ready(()), &mut nothing).await;
    assert!(ended > 0 && dropped > 0 && nothing <= ended, "{ended} {dropped} {nothing}");
}
