//! What the tests share: guests built from source, a host to run them in, and the command line as a person types it.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests reach outside and may fail loudly"
)]

mod build;
pub mod client;
pub mod desk;
mod lab;
pub mod provider;
mod shell;
mod toolchain;

pub use build::{component, fixture, handed_on, remit, skipped, tool, workspace};
pub use client::McpClient;
pub use lab::{Ending, Lab, Records};
pub use shell::{Shell, Transcript};
pub use toolchain::{conformance_suite, javascript, node_with, python, python_with};
