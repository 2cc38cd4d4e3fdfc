//! `remit.toml`: authored → validated.

pub mod problem;
