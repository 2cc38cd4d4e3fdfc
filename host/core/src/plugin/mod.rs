//! Plugins: how they are named, what they offer and declare, what was approved of them.

mod definition;
pub mod inspect;
pub mod lock;
pub mod manifest;
mod name;
pub mod schema;
pub mod section;
pub mod text;

pub use definition::{Definition, Digest, Effect, Kind};
pub use name::PluginName;
