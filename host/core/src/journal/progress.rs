//! How far a turn is that has not ended.

use std::fmt;

use super::{Body, Record};
use crate::plugin::text::visible;

/// How far a turn is, as far as its newest records say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Calls and waits that it has come to.
    pub steps: u32,
    /// Tools of calls that have not ended, `plugin/tool`, in the order in which they began; of many at once the newest.
    pub calls: Vec<String>,
    /// Whether it waits.
    pub waits: bool,
}

impl Progress {
    /// From the newest records of a turn, in their order. They have to go back to the call or wait that began last, or to the turn's start.
    pub fn of(newest: &[Record]) -> Self {
        let (mut steps, mut begun) = (0, Vec::new());
        for record in newest {
            match &record.body {
                Body::Call { op, call } => {
                    steps = op.saturating_add(1);
                    begun.push((*op, Some(call.tool.clone())));
                }
                Body::Wait { op, .. } => {
                    steps = op.saturating_add(1);
                    begun.push((*op, None));
                }
                Body::End { op: ended, .. } | Body::Cancel { op: ended } => begun.retain(|(op, _)| op != ended),
                _ => {}
            }
        }
        let waits = begun.iter().any(|(_, tool)| tool.is_none());
        Self { steps, calls: begun.into_iter().filter_map(|(_, tool)| tool).collect(), waits }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.steps, self.calls.as_slice()) {
            (0, _) => f.write_str("no step yet"),
            (steps, []) if self.waits => write!(f, "step {steps}: waits"),
            (1, []) => f.write_str("1 step done"),
            (steps, []) => write!(f, "{steps} steps done"),
            (steps, calls) => {
                let calls: Vec<String> = calls.iter().map(|tool| format!("`{}`", visible(tool, 128))).collect();
                write!(f, "step {steps}: calls {}", calls.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests;
