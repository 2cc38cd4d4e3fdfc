//! Plugins: reading, inspecting, linking and calling components.
