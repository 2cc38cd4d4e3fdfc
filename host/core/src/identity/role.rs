//! Roles: which tools a principal may call at all.

use crate::grant::ToolPattern;

/// What a principal's roles allow together. A principal without a role may call nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Every tool of the project.
    Owner,
    /// The tools that match one of these.
    Tools(Vec<ToolPattern>),
}

impl Role {
    /// Whether the tool `plugin/tool` may be called.
    pub fn allows(&self, plugin: &str, tool: &str) -> bool {
        match self {
            Self::Owner => true,
            Self::Tools(patterns) => patterns.iter().any(|pattern| pattern.matches(plugin, tool)),
        }
    }
}
