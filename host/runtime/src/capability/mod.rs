//! Capabilities: one module each, side by side; none imports another one.
//!
//! Each has the same parts: `State` (what one call may do with it, built from resolved rights alone), `link` (its interfaces in
//! the linker) and the host traits of its interfaces, implemented for a view of [`CallState`]. Every interface is always linked;
//! what was not granted answers with that interface's own refusal, and is recorded.

pub mod basics;
pub mod call;
pub mod config;
mod denials;
pub mod fs;
pub mod http;
pub mod kv;
mod labels;
pub mod scrub;
pub mod sockets;
pub mod spend;
pub mod stdio;
pub mod tools;
mod uses;

pub use basics::Event;
pub use call::{Call, CallState, Components, Events, Rights, Services};
pub use denials::Denials;
pub use labels::Seen;
pub use uses::Uses;

use wasmtime::component::Linker;

/// Links every interface that this host serves.
///
/// # Errors
/// When two of them are the same.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    fs::link(linker)?;
    sockets::link(linker)?;
    linker.allow_shadowing(false);
    http::link(linker)?;
    basics::link(linker)?;
    config::link(linker)?;
    kv::link(linker)?;
    tools::link(linker)
}
