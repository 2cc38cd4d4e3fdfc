//! Grants: what a plugin declares, what a project grants, and the one function that decides.
//!
//! A right exists only where every layer has it: *declared* by the plugin ∩ *granted* by the project ∩ what the call's effect
//! class leaves. Nothing here can widen; see the property tests of [`decide`].
//!
//! The stages: text of a file or of a command line ([`authored`], [`mod@line`]) → [`Grants`] (validated: patterns parsed, paths
//! checked) → [`Resolved`] (for one call: `{user}` filled in, mounts intersected with what is declared).

mod address;
mod asked;
pub mod authored;
mod chain;
mod decide;
mod declares;
mod denial;
mod guest_path;
mod http_pattern;
pub mod line;
mod merge;
mod minimal;
mod model;
mod pattern;
mod percent;
mod place;
mod refuse;
mod request_url;
mod resolve;
mod socket;
mod validate;

#[cfg(test)]
mod tests;

pub use address::{AddressClass, address_class};
pub use asked::{Asked, wrong};
pub use chain::{Chain, Held, Holder};
pub use decide::{Allowed, Decision, Request, decide};
pub use denial::{Denial, Rule};
pub use http_pattern::HttpPattern;
pub use minimal::minimal;
pub use model::{
    Access, CAPABILITIES, DataScope, Declared, DeclaredFolder, Fs, Grants, Http, Kv, MCP, MCP_SCOPES, Scope, SecretUse, WORKSPACE_MOUNT,
    Workspace,
};
pub use pattern::{AddressPattern, FieldTarget, ToolPattern};
pub use place::{granted_at, placed};
pub use request_url::{canonical_url, request_url};
pub use resolve::{Mount, Resolved, Source};
pub use socket::{SocketPattern, socket_host};
pub(crate) use validate::host_path;
