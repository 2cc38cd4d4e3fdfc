//! `fs`: granted folders under `wasi:filesystem`.

/// A granted folder or file, opened when it was granted.
pub struct OpenMount {}

/// Mounted folders of one call.
#[derive(Default)]
pub struct State {}
