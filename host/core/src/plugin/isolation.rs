//! Where the calls of a plugin run.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, grant::Grants};

/// Where the calls of a plugin run, as `isolation` in `remit.toml` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// In the sandbox of the engine, within the host's process.
    #[default]
    None,
    /// In the sandbox of the engine, within a process of its own that can do nothing but compute and ask the host.
    Process,
}

impl Isolation {
    /// Whether it is what holds where nothing is said.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Checks that what is granted to `plugin` can be had where its calls run.
    ///
    /// # Errors
    /// `invalid`, naming the first grant that a process of its own does not carry.
    pub fn carries(self, plugin: &str, grants: &Grants) -> Result<()> {
        let line = super::granted_lines(grants);
        let carried = ["http", "env", "config", "kv", "tools"];
        let capability = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        match line.iter().find(|line| !carried.contains(&capability(line).as_str())) {
            Some(line) if self == Self::Process => Err(Error::invalid(format!(
                "`{plugin}` is granted `{}`, which `isolation = \"process\"` does not carry yet",
                super::text::visible(line, 160)
            ))
            .hint(format!("revoke it, or leave `isolation` out; it carries {}", carried.map(|name| format!("`{name}`")).join(", ")))),
            _ => Ok(()),
        }
    }
}
