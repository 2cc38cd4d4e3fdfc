//! Doors of the host: what speaks MCP with others. Nothing is decided here.

pub mod gateway;
