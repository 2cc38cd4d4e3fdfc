//! Roles: which tools a principal may call at all.

use serde::{Deserialize, Serialize};

use crate::{grant::ToolPattern, plugin::AGENTS};

/// What a principal's roles allow together. A principal without a role may call nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Every tool of the project.
    Owner,
    /// The tools that match one of these.
    Tools(Vec<ToolPattern>),
}

impl Role {
    /// Whether the tool `plugin/tool` may be called. A role names an agent `triage` as `triage/triage`, whether a person runs it or an
    /// agent calls it as `agents/triage`.
    pub fn allows(&self, plugin: &str, tool: &str) -> bool {
        let plugin = if plugin == AGENTS { tool } else { plugin };
        match self {
            Self::Owner => true,
            Self::Tools(patterns) => patterns.iter().any(|pattern| pattern.matches(plugin, tool)),
        }
    }

    /// What this role and `scope` both allow. An owner who is narrowed is none any more.
    pub fn within(&self, scope: &[ToolPattern]) -> Self {
        match self {
            Self::Owner => Self::Tools(scope.to_vec()),
            Self::Tools(patterns) => {
                Self::Tools(patterns.iter().flat_map(|one| scope.iter().filter_map(|other| one.both(other))).collect())
            }
        }
    }
}
