//! `remit.toml`: authored → validated.
