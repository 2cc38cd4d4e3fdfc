//! The engine's configuration: every line of it said explicitly, since a dependency's features can change a default.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use remit_core::{
    Error, Result,
    limit::{COMPILE_DEADLINE_MS, COMPILE_MEMORY_MAX_BYTES, CallLimits, DELEGATION_MAX_DEPTH, INSTANCES_MAX},
};
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy, WasmBacktraceDetails, WasmFeatures,
};

use super::compile::Progress;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// Linear memories of one call (A4); a composed component has a few, a plain one has one.
pub(super) const MEMORIES_MAX: usize = 8;
/// Tables of one call (A5).
pub(super) const TABLES_MAX: usize = INSTANCES_MAX;
/// Calls that the longest chain of tools has at once (M23): they share the place of the outermost one, and each has a stack of its own.
const CHAIN_MAX: usize = DELEGATION_MAX_DEPTH + 1;
/// Elements of one table (A5); Python's has about ten thousand.
const TABLE_MAX_ELEMENTS: usize = 64 * KIB;
/// Frames of a guest's backtrace that are kept.
const BACKTRACE_MAX_FRAMES: NonZeroUsize = NonZeroUsize::new(64).unwrap();
/// Address space that one memory reserves, so that compiled code needs no bounds checks. A pooled and an on-demand engine must
/// reserve alike, since compiled code depends on it.
const RESERVATION_BYTES: u64 = 4 << 30;
const GUARD_BYTES: u64 = 32 << 20;

/// Who runs on an engine. Agents get deterministic numbers: their turns are replayed, perhaps on another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guests {
    /// Tools.
    #[default]
    Tools,
    /// Agents.
    Agents,
}

/// How an engine is set up. By default: for tools, on demand, without a cache on disk or a compile worker.
#[derive(Clone)]
pub struct Settings {
    /// Who runs on it.
    pub guests: Guests,
    /// The pool that instances are taken from; `None` allocates on demand, which starts 3–4 ms faster and suits one-shot commands.
    pub pool: Option<PoolSettings>,
    /// Where compiled code is kept between processes; `None` keeps none.
    pub cache_dir: Option<PathBuf>,
    /// Most bytes that `cache_dir` may hold. Default 1 GiB.
    pub cache_max_bytes: u64,
    /// A binary that answers `__compile` with [`compile_worker_main`](super::compile_worker_main); `None` compiles in process, under a smaller size bound.
    pub worker: Option<PathBuf>,
    /// Longest compilation (A20). Default and maximum [`COMPILE_DEADLINE_MS`].
    pub compile_deadline: Duration,
    /// Largest address space of the compile worker, in bytes (A20). Default [`COMPILE_MEMORY_MAX_BYTES`].
    pub compile_memory_max_bytes: u64,
    /// Told when a compilation starts and ends.
    pub progress: Option<Arc<dyn Progress>>,
}

/// Size of the instance pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// Calls in flight at once; more wait. Default 64, maximum 2,048 (each reserves about 36 GiB of *address space*).
    pub calls: u32,
    /// Largest linear memory, in bytes. Default and maximum [`CallLimits::MEMORY_MAX_MIB`].
    pub memory_max_bytes: usize,
}

impl PoolSettings {
    /// Largest `calls`.
    pub const CALLS_MAX: u32 = 2048;
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { calls: 64, memory_max_bytes: memory_max_bytes() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            guests: Guests::Tools,
            pool: None,
            cache_dir: None,
            cache_max_bytes: 1 << 30,
            worker: None,
            compile_deadline: Duration::from_millis(COMPILE_DEADLINE_MS),
            compile_memory_max_bytes: COMPILE_MEMORY_MAX_BYTES,
            progress: None,
        }
    }
}

impl Settings {
    /// Calls in flight at once.
    pub(super) fn calls(&self) -> u32 {
        self.pool.unwrap_or_default().calls
    }
}

const fn memory_max_bytes() -> usize {
    CallLimits::MEMORY_MAX_MIB as usize * MIB
}

/// An engine for `guests` with `pool`, or one that allocates on demand.
///
/// # Errors
/// `invalid` when the pool's settings are out of range; `host` when its address space cannot be reserved.
pub(super) fn engine(guests: Guests, pool: Option<PoolSettings>) -> Result<wasmtime::Engine> {
    let mut config = compile_config(guests == Guests::Agents);
    match pool {
        Some(pool) => config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling(pool)?)),
        None => config.allocation_strategy(InstanceAllocationStrategy::OnDemand),
    };
    wasmtime::Engine::new(&config).map_err(|error| {
        let calls = pool.map_or(0, |pool| pool.calls);
        let refused = Error::host(format!("the engine could not start with room for {calls} calls in flight"), format!("{error:#}"));
        if pool.is_some() {
            refused.hint("a pool reserves about 36 GiB of address space for each call: allow fewer calls in flight, or lift the limit (`ulimit -v unlimited`)")
        } else {
            refused
        }
    })
}

/// What compiled code depends on, and what is the same for every engine.
fn compile_config(deterministic: bool) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(deterministic)
        .relaxed_simd_deterministic(deterministic)
        .parallel_compilation(true)
        .epoch_interruption(true)
        .consume_fuel(false)
        .signals_based_traps(true)
        .memory_reservation(RESERVATION_BYTES)
        .memory_reservation_for_growth(0)
        .memory_guard_size(GUARD_BYTES)
        .memory_may_move(true)
        .guard_before_linear_memory(true)
        .memory_init_cow(true)
        .table_lazy_init(true)
        .max_wasm_stack(MIB)
        .async_stack_size(2 * MIB)
        .async_stack_zeroing(true)
        .shared_memory(false)
        .native_unwind_info(false)
        .generate_address_map(true)
        .debug_info(false)
        .wasm_backtrace_max_frames(Some(BACKTRACE_MAX_FRAMES))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    proposals(&mut config);
    config
}

/// Which proposals a component may use (A22).
fn proposals(config: &mut Config) {
    config
        .gc_support(false)
        .concurrency_support(false)
        .wasm_component_model(true)
        .wasm_component_model_map(true)
        .wasm_component_model_fixed_length_lists(true)
        .wasm_simd(true)
        .wasm_relaxed_simd(true)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_multi_memory(true)
        .wasm_tail_call(true)
        .wasm_extended_const(true)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    let off = WasmFeatures::THREADS
        | WasmFeatures::SHARED_EVERYTHING_THREADS
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::STACK_SWITCHING
        | WasmFeatures::GC
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::CM_ASYNC
        | WasmFeatures::CM_ASYNC_STACKFUL
        | WasmFeatures::CM_MORE_ASYNC_BUILTINS
        | WasmFeatures::CM_THREADING
        | WasmFeatures::CM_ERROR_CONTEXT
        | WasmFeatures::CM_GC
        | WasmFeatures::CM64;
    config.wasm_features(off, false);
}

/// A pool with room for `pool.calls` calls: each at its own maximum, or with the longest chain of tools beneath it that have one memory
/// each. Only a chain of tools with more of them can take a neighbour's place.
fn pooling(pool: PoolSettings) -> Result<PoolingAllocationConfig> {
    if pool.calls == 0 || pool.calls > PoolSettings::CALLS_MAX {
        return Err(Error::invalid(format!("`{}` calls in flight cannot be had", pool.calls))
            .hint(format!("choose between 1 and {}", PoolSettings::CALLS_MAX)));
    }
    if pool.memory_max_bytes == 0 || pool.memory_max_bytes > memory_max_bytes() {
        return Err(Error::invalid(format!("a memory of `{}` bytes cannot be pooled", pool.memory_max_bytes))
            .hint(format!("choose at most {}", memory_max_bytes())));
    }
    let each = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(pool.calls);
    let mut config = PoolingAllocationConfig::new();
    config
        .total_component_instances(each(INSTANCES_MAX))
        .total_core_instances(each(INSTANCES_MAX))
        .total_memories(each(MEMORIES_MAX.max(CHAIN_MAX)))
        .total_tables(each(TABLES_MAX))
        .total_stacks(each(CHAIN_MAX))
        .max_core_instances_per_component(INSTANCES_MAX as u32)
        .max_memories_per_component(MEMORIES_MAX as u32)
        .max_tables_per_component(TABLES_MAX as u32)
        .max_memories_per_module(MEMORIES_MAX as u32)
        .max_tables_per_module(TABLES_MAX as u32)
        .max_core_instance_size(2 * MIB)
        .max_component_instance_size(4 * MIB)
        .max_memory_size(pool.memory_max_bytes)
        .table_elements(TABLE_MAX_ELEMENTS)
        .max_unused_warm_slots(pool.calls)
        .decommit_batch_size(1)
        .linear_memory_keep_resident(64 * KIB)
        .table_keep_resident(64 * KIB)
        .async_stack_keep_resident(64 * KIB)
        .pagemap_scan(Enabled::Auto);
    Ok(config)
}
