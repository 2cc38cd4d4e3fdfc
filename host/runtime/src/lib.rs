//! What a host application embeds: loads plugins, and calls their tools under grants.

mod builder;
pub mod capability;
pub mod engine;
mod host;
mod isolation;
pub mod mcp;
mod model;
pub mod output;
mod outside;
pub mod plugin;
pub mod project;
mod quota;
pub mod secrets;
pub mod services;
pub mod session;
mod workspace;

pub use builder::{Builder, Capability};
pub use host::{Host, Outcome, Project, Request};
pub use isolation::isolation_worker_main;
pub use output::{Content, Output};
pub use outside::{GivenSecrets, Outside, OutsideCall};
pub use plugin::Plugin;
pub use quota::Quota;
pub use remit_core as core;
pub use session::{CallEnd, Patience, Ran, RunRequest, Seen, TurnEnd, Verdict};
