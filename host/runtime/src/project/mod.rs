//! A project on disk: finding and reading its files, its state folder, and who trusts it.
//!
//! Reading never writes and never runs anything. What may run is decided by three values together: the [`Lock`](remit_core::plugin::lock::Lock)
//! says what was approved, [`Pins`](remit_core::project::Pins) say which bytes decide that, and the [`TrustStore`] says whether this
//! user trusts exactly those bytes at exactly this place.

mod egress;
mod embed;
pub(crate) mod file;
mod find;
mod halts;
mod keys;
mod native;
mod open;
mod secrets;
mod signing;
mod state;
mod trust;

#[cfg(test)]
mod tests;

pub use egress::Root;
pub use embed::embed;
pub use find::{LOCAL_FILE, LOCK_FILE, MANIFEST_FILE, find};
pub use halts::HaltFile;
pub use keys::{Keys, NewKey, public_keys};
pub use native::{NATIVE_PATH, Native};
pub use open::{Artefact, Marks, OpenError, OpenProject, open};
pub use secrets::{KeptSecret, NewSecret, SecretStore, secrets_folder};
pub use signing::signing_key;
pub use state::StateFolder;
pub use trust::{TrustStore, trust_folder};
