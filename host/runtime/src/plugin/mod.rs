//! Plugins: reading, inspecting, linking and calling components.

pub mod value;
