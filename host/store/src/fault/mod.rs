//! What a store survives: power loss, torn and failing writes, failing syncs, a full disk, damaged files.
//!
//! SQLite reaches its files through a layer that keeps what a disk would have of them, and fails where a test says so.

mod audit;
mod damage;
mod disk;
mod failing;
mod image;
mod layer;
mod power;
mod script;
