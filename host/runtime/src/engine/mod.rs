//! The engine: wasmtime's configuration, pool, compile cache, epochs, limits.

/// Bounds of one call's memories, tables and instances together.
pub struct Limiter {}
