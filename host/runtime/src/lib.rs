//! What a host application embeds: loads plugins, and calls their tools under grants.

pub mod capability;
pub mod engine;
pub mod plugin;
