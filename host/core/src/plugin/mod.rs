//! Plugins: how they are named, what they offer and declare, what was approved of them.

mod check;
mod definition;
pub mod diff;
pub mod flag;
mod foreign;
pub mod inspect;
mod isolation;
pub mod lock;
pub mod manifest;
mod name;
mod rights;
pub mod schema;
pub mod section;
pub mod signature;
pub mod text;

#[cfg(test)]
mod tests;

pub use check::{check_definitions, check_tool_name, compile_schema};
pub use definition::{Definition, Digest, Effect, Kind};
pub use foreign::{Adopted, ForeignTool, adopt};
pub use isolation::Isolation;
pub use name::{AGENTS, MODELS, NO_AGENT, PluginName};
pub use rights::{declared_from_lines, declared_lines, granted_lines};
