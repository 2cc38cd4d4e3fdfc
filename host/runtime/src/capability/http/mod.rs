//! `http`: a gateway of our own under `wasi:http`.

/// What the gateway of a host is made of: name lookup, TLS roots.
pub struct Gateway {}

/// The gateway of one call.
#[derive(Default)]
pub struct State {}
