//! What may not run for now, whatever its rights are: everything, a plugin or an agent, or what a principal does.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    clock::Timestamp,
    identity::Principal,
    limit::{HALT_REASON_MAX_BYTES, HALTS_MAX, HALTS_MAX_BYTES},
    plugin::{PluginName, text::visible},
};

/// What is halted. Written `*`, as a plugin's name, or as a principal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// All that the project runs.
    Everything,
    /// A plugin or an agent.
    Plugin(PluginName),
    /// Whatever a principal does.
    Principal(Principal),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("*"),
            Self::Plugin(name) => name.fmt(f),
            Self::Principal(principal) => principal.fmt(f),
        }
    }
}

impl FromStr for Target {
    type Err = Error;

    /// # Errors
    /// `invalid` when it is neither `*` nor the name of a plugin nor a principal.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "*" => Ok(Self::Everything),
            text if text.contains(':') => text.parse().map(Self::Principal),
            text => text.parse().map(Self::Plugin),
        }
    }
}

/// Who halted something, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halt {
    /// Who.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
    /// Why, in one line of at most [`HALT_REASON_MAX_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "since {} by {}", self.at, self.by)?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// Why something may not run for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is halted, by whom and since when, in words.
    pub reason: String,
    /// What a person can do about it.
    pub hint: String,
}

/// All that is halted in a project, [`HALTS_MAX`] targets at most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Halts(BTreeMap<Target, Halt>);

/// The same as it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    halted: BTreeMap<String, Halt>,
}

impl Halts {
    /// Reads what [`Halts::text`] wrote.
    ///
    /// # Errors
    /// `invalid` when it is something else, `limit` when it is larger than [`HALTS_MAX_BYTES`].
    pub fn parse(text: &[u8]) -> Result<Self> {
        if text.len() as u64 > HALTS_MAX_BYTES {
            return Err(Error::limit(format!("what is halted takes more than {HALTS_MAX_BYTES} bytes")));
        }
        let Written { version, halted } = serde_json::from_slice(text)
            .map_err(|error| Error::invalid("what is halted cannot be read: it is damaged, or of a newer Remit").internal(error))?;
        if version != 1 {
            return Err(Error::invalid(format!("what is halted is written in version {version}, and this Remit reads 1")));
        }
        let mut halts = Self::default();
        for (target, halt) in halted {
            halts.halt(target.parse()?, halt)?;
        }
        Ok(halts)
    }

    /// As a JSON text.
    ///
    /// # Errors
    /// `host` when it cannot be written.
    pub fn text(&self) -> Result<Vec<u8>> {
        let halted = self.0.iter().map(|(target, halt)| (target.to_string(), halt.clone())).collect();
        serde_json::to_vec_pretty(&Written { version: 1, halted }).map_err(|error| Error::host("what is halted cannot be written", error))
    }

    /// Halts `target`; whether it was not halted before. What was said of it first stays.
    ///
    /// # Errors
    /// `limit` when too much is halted, or the reason is too long; `invalid` when the reason does not show in one line.
    pub fn halt(&mut self, target: Target, halt: Halt) -> Result<bool> {
        if let Some(reason) = &halt.reason {
            if reason.len() > HALT_REASON_MAX_BYTES {
                return Err(Error::limit(format!("a reason may have {HALT_REASON_MAX_BYTES} bytes")));
            }
            if visible(reason, usize::MAX) != *reason {
                return Err(Error::invalid("a reason is one line of text that shows"));
            }
        }
        if self.0.contains_key(&target) {
            return Ok(false);
        }
        if self.0.len() >= HALTS_MAX {
            return Err(Error::limit(format!("{HALTS_MAX} plugins and principals are halted already")).hint("halt everything: remit stop"));
        }
        self.0.insert(target, halt);
        Ok(true)
    }

    /// Lets `target` run again; whether it was halted.
    pub fn resume(&mut self, target: &Target) -> bool {
        self.0.remove(target).is_some()
    }

    /// All of it, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Target, &Halt)> {
        self.0.iter()
    }

    /// Why `principal` may run nothing of `plugin`, when that is so.
    pub fn refusal(&self, principal: &Principal, plugin: &str) -> Option<Refusal> {
        self.0.iter().find_map(|(target, halt)| {
            let (applies, reason) = match target {
                Target::Everything => (true, format!("everything is stopped {halt}")),
                Target::Plugin(name) => (name.as_str() == plugin, format!("it is disabled {halt}")),
                Target::Principal(halted) => (halted == principal, format!("`{principal}` is disabled {halt}")),
            };
            let command = if *target == Target::Everything { "remit start".to_owned() } else { format!("remit enable {target}") };
            applies.then(|| Refusal { reason, hint: format!("once it may run again: {command}") })
        })
    }
}

/// Where a host finds out what is halted. Asked before each call and while calls run: it must be quick.
pub trait HaltSource: Send + Sync {
    /// What is halted now.
    ///
    /// # Errors
    /// When it cannot be found out; nothing runs then.
    fn halts(&self) -> Result<Arc<Halts>>;
}

#[cfg(test)]
mod tests;
