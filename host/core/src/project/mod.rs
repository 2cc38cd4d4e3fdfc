//! The files of a project: authored text → validated values.
//!
//! `remit.toml` becomes a [`Project`], [`Project::narrow`] applies a `remit.local.toml`, which can only take away, and [`Trust`] says that one user
//! trusts exactly these files. Nothing here opens a file: text comes in, values or a [`ProjectError`] with every mistake go out.

mod auth;
mod command;
mod egress;
mod local;
mod model;
mod models;
mod nearest;
mod place;
pub mod problem;
mod read;
mod remote;
pub(crate) mod table;
mod trust;

#[cfg(test)]
mod tests;

pub use auth::{Auth, Jwks, Signature, SubjectRule};
pub use command::{Command, EnvSecret, EnvValue};
pub use egress::{Egress, Proxy};
pub use model::{Approvals, Mcp, Plugin, Project, Retention, Source, ToolSearch};
pub use models::Model;
pub use nearest::nearest;
pub use place::{Step, line_of};
pub use problem::{Problem, ProjectError, text};
pub use remote::Remote;
pub use trust::{Pins, Trust, untrusted};
