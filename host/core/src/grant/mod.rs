//! Grants: what a plugin declares, what a project grants, and the one function that decides.
//!
//! A right exists only where every layer has it: *declared* by the plugin ∩ *granted* by the project ∩ what the call's effect
//! class leaves. Nothing here can widen; see the property tests of [`decide`].
//!
//! The stages: text of a file or of a command line ([`authored`], [`line`]) → [`Grants`] (validated: patterns parsed, paths
//! checked) → [`Resolved`] (for one call: `{user}` filled in, mounts intersected with what is declared).

pub mod authored;
mod decide;
mod denial;
pub mod line;
mod model;
mod pattern;
mod resolve;

#[cfg(test)]
mod tests;

pub use decide::{Allowed, Decision, Request, decide};
pub use denial::{Denial, Rule};
pub use model::{Access, CAPABILITIES, Declared, Fs, Grants, Http, Kv, KvScope, Scope, SecretUse};
pub use pattern::{AddressPattern, FieldTarget, HttpPattern, ToolPattern};
pub use resolve::{Mount, Resolved};
