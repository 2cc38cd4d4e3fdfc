//! Which proposals of WebAssembly are on, and the names of those that are not.

use wasmparser::WasmFeatures;

/// The proposals that a component may use: the engine has the same ones on.
pub fn features() -> WasmFeatures {
    WasmFeatures::WASM3
        .union(WasmFeatures::COMPONENT_MODEL)
        .union(WasmFeatures::CM_MAP)
        .union(WasmFeatures::CM_FIXED_LENGTH_LISTS)
        .difference(GC)
        .difference(WasmFeatures::EXCEPTIONS)
        .difference(WasmFeatures::THREADS)
        .difference(WasmFeatures::MEMORY64)
}

const GC: WasmFeatures = WasmFeatures::GC.union(WasmFeatures::GC_TYPES).union(WasmFeatures::FUNCTION_REFERENCES);
const ASYNC: WasmFeatures = WasmFeatures::CM_ASYNC
    .union(WasmFeatures::CM_ASYNC_STACKFUL)
    .union(WasmFeatures::CM_MORE_ASYNC_BUILTINS)
    .union(WasmFeatures::CM_ERROR_CONTEXT);

/// A proposal that is off.
pub(super) struct Proposal {
    /// What people call it.
    pub(super) name: &'static str,
    /// What it switches on.
    pub(super) features: WasmFeatures,
    /// What to do about it.
    pub(super) hint: &'static str,
}

const REBUILD: &str = "build for `wasm32-wasip2` without it";

/// The proposals that are off, the likely ones first.
pub(super) const OFF: &[Proposal] = &[
    Proposal {
        name: "component-model async",
        features: ASYNC,
        hint: "build for WASI 0.2 without async; for JavaScript: `jco componentize --backend qjs --backend-qjs-disable-async`",
    },
    Proposal { name: "exceptions", features: WasmFeatures::EXCEPTIONS.union(WasmFeatures::GC_TYPES), hint: REBUILD },
    Proposal { name: "legacy exceptions", features: WasmFeatures::LEGACY_EXCEPTIONS.union(WasmFeatures::EXCEPTIONS), hint: REBUILD },
    Proposal { name: "threads", features: WasmFeatures::THREADS, hint: "build without shared memory and atomics" },
    Proposal { name: "memory64", features: WasmFeatures::MEMORY64, hint: "build for a 32-bit target such as `wasm32-wasip2`" },
    Proposal { name: "garbage collection", features: GC, hint: "build with a toolchain that brings its own collector" },
    Proposal { name: "stack switching", features: WasmFeatures::STACK_SWITCHING.union(GC), hint: REBUILD },
    Proposal {
        name: "shared-everything threads",
        features: WasmFeatures::SHARED_EVERYTHING_THREADS.union(WasmFeatures::THREADS),
        hint: REBUILD,
    },
    Proposal { name: "component-model threads", features: WasmFeatures::CM_THREADING.union(ASYNC), hint: REBUILD },
    Proposal { name: "component-model values", features: WasmFeatures::CM_VALUES, hint: REBUILD },
    Proposal { name: "component-model garbage collection", features: WasmFeatures::CM_GC.union(GC), hint: REBUILD },
    Proposal { name: "64-bit component model", features: WasmFeatures::CM64.union(WasmFeatures::MEMORY64), hint: REBUILD },
    Proposal { name: "`implements` names", features: WasmFeatures::CM_IMPLEMENTS, hint: REBUILD },
    Proposal { name: "custom page sizes", features: WasmFeatures::CUSTOM_PAGE_SIZES, hint: REBUILD },
    Proposal { name: "wide arithmetic", features: WasmFeatures::WIDE_ARITHMETIC, hint: REBUILD },
    Proposal { name: "custom descriptors", features: WasmFeatures::CUSTOM_DESCRIPTORS.union(GC), hint: REBUILD },
];
