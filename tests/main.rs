//! All integration tests: one binary, so that it is linked once.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests reach outside and may fail loudly"
)]

mod attack;
mod capability;
mod cli;
mod embedding;
mod fuzz;
mod gateway;
mod house;
mod isolation;
mod kinds;
mod mcp;
mod session;
mod wasi;
