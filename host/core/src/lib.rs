//! Words and decisions of Remit, pure: no engine, no database, no network, no clock of its own, no async runtime.
//!
//! Everything that decides whether something may happen lives here, so that it can be tested without running anything.
//! What reaches outside (files, time, randomness, secrets) arrives as a value or behind a trait that a host implements.

pub mod audit;
pub mod clock;
pub mod content;
pub mod error;
pub mod grant;
pub mod halt;
pub mod id;
pub mod identity;
pub mod journal;
pub mod label;
pub mod limit;
pub mod model;
pub mod plugin;
pub mod project;
pub mod rate;
pub mod secret;
pub mod store;

pub use error::{Blame, Error, Kind, Result};
