//! Capabilities: one module each, side by side; none imports another one.
//!
//! Each has the same parts: `State` (what one call may do with it, built from resolved rights alone), `link` (its interfaces in
//! the linker) and the host traits of its interfaces, implemented for a view of [`CallState`]. Every interface is always linked;
//! what was not granted answers with that interface's own refusal, and is recorded.

mod call;
mod denials;
pub mod fs;
pub mod http;

pub use call::{Call, CallState, Rights, Services};
pub use denials::Denials;
