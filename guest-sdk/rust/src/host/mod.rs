//! The one place where the SDK meets its host: `guest.rs` inside a component, `absent.rs` natively.

#[cfg(target_family = "wasm")]
mod convert;
#[cfg(target_family = "wasm")]
mod guest;
#[cfg(target_family = "wasm")]
pub use convert::{to_guest_definition, to_guest_failure, to_guest_output};
#[cfg(target_family = "wasm")]
pub use guest::*;

#[cfg(not(target_family = "wasm"))]
mod absent;
#[cfg(not(target_family = "wasm"))]
pub use absent::*;
