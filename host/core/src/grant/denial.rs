//! Why something was refused, and the smallest change that would allow it.

use serde::Serialize;

/// The layer that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The plugin does not declare the capability, or not this much of it.
    NotDeclared,
    /// The project grants nothing of the capability.
    NotGranted,
    /// It grants some, but nothing that matches.
    NoMatch,
    /// The effect class of the running tool forbids it (a `read` tool may not write).
    Effect,
    /// The name is allowed, but it leads to an address that is not public.
    PrivateAddress,
    /// The caller's role does not allow the tool.
    Role,
    /// A guest may not do this at all (set a header that belongs to the host, open a device).
    Forbidden,
    /// A bound of the grant was reached.
    Quota,
}

/// A refusal. It travels unchanged to every door.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Denial {
    /// The plugin that asked.
    pub plugin: String,
    /// The capability.
    pub capability: String,
    /// What it asked for, in one line, made safe to show: `GET https://api.example.com/`, `read /docs/a.md`.
    pub request: String,
    /// The layer that refused.
    pub rule: Rule,
    /// Why, in one line: `no `http` grant matches`.
    pub reason: String,
    /// The smallest grant that would allow it, in the grammar of [`super::line`]: `http 'GET https://api.example.com/'`
    /// (capability, then its scope quoted for a shell). `None` when no grant would.
    pub fix: Option<String>,
}

impl Denial {
    /// The command that would allow it.
    pub fn command(&self) -> Option<String> {
        self.fix.as_ref().map(|fix| format!("remit grant {} {fix}", self.plugin))
    }
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` may not {} ({})", self.plugin, self.request, self.reason)
    }
}
