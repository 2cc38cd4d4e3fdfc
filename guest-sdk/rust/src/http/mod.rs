//! A small HTTP client; capability `http`. Calls block, the host follows no redirect, and each call is one decision.

mod request;
mod response;
#[cfg(target_family = "wasm")]
pub(crate) mod wire;

pub use request::{Request, delete, get, head, post, put};
pub use response::Response;

/// How many bytes of a response body are read unless [`Request::max_bytes`] says otherwise: 4 MiB.
pub const BODY_MAX_BYTES: usize = 4 << 20;
