//! `plugin.toml`: what an author says of a plugin.
