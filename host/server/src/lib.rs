//! Doors: how programs reach a host, and how a host reaches outside servers. Who knocks is found out here; what they may do is decided
//! behind the door.

pub mod gateway;
pub mod mcp;
