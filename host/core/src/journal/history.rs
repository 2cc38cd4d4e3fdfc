//! What a journal tells of the past: the state at any record, and what had not ended there.

use std::collections::{BTreeMap, BTreeSet};

use super::{Body, Carried, Outcome, Record, Wait};
use crate::{
    content::Blob,
    store::{Component, Place},
};

/// Where a session stood after some of its records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    /// Where it stood: turns, the turn that had not ended, the state between turns.
    pub place: Place,
    /// The state as the agent saw it then, in its turn.
    pub seen: BTreeMap<String, Vec<u8>>,
    /// Calls and waits that had not ended, in their order.
    pub pending: Vec<Record>,
    /// What it had seen, and what a person had allowed for its rest.
    pub carried: Carried,
    /// The wait for an approval of a call that was given and not used yet.
    unused_yes: Option<u64>,
    /// The first approval of a call in the turn.
    first_approval: Option<u64>,
    /// The component of the turn.
    runs: Option<Component>,
    /// What the turn that ends with the next record leaves in workspaces.
    captured: BTreeMap<String, Blob>,
}

impl Past {
    /// Where a session stood after `records`, which are all of its journal up to there.
    pub fn after<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut past = Self::default();
        records.into_iter().for_each(|record| past.add(record));
        past
    }

    fn add(&mut self, record: &Record) {
        match &record.body {
            Body::TurnStart(start) => {
                self.runs = Some(Component { digest: start.digest.clone(), version: start.version.clone() });
                self.place.turns += 1;
                self.place.open_turn = Some(record.seq);
                self.carried.clone_from(&start.carried);
            }
            Body::Call { .. } => {
                self.unused_yes = None;
                self.pending.push(record.clone());
            }
            Body::Wait { wait, .. } => {
                if matches!(wait, Wait::Approval { .. }) {
                    self.first_approval.get_or_insert(record.seq);
                }
                self.pending.push(record.clone());
            }
            Body::End { op, outcome, labels, .. } => {
                let ended = self.pending.iter().find(|pending| operation(pending) == Some(*op));
                if let (
                    Some(Record { seq, body: Body::Wait { wait: Wait::Approval { call: Some(_), .. }, .. }, .. }),
                    Outcome::Approved { .. },
                ) = (ended, outcome)
                {
                    self.unused_yes = Some(*seq);
                }
                let asked = ended.and_then(|ended| match &ended.body {
                    Body::Wait { wait: Wait::Approval { call, .. }, .. } => call.as_ref(),
                    _ => None,
                });
                self.carried.take_on(asked, record.seq, outcome, labels.clone());
                self.pending.retain(|pending| operation(pending) != Some(*op));
            }
            Body::Cancel { op } => self.pending.retain(|pending| operation(pending) != Some(*op)),
            Body::State { key, value: Some(value) } => drop(self.seen.insert(key.clone(), value.clone())),
            Body::State { key, value: None } => drop(self.seen.remove(key)),
            Body::Workspaces { trees } => self.captured.clone_from(trees),
            Body::TurnEnd { .. } => {
                self.place.state.clone_from(&self.seen);
                self.place.left_by = self.runs.take();
                self.end();
            }
            Body::TurnFailed { .. } => {
                self.seen.clone_from(&self.place.state);
                self.end();
            }
            Body::Take { .. } | Body::Patch { .. } => {}
        }
    }

    fn end(&mut self) {
        self.place.open_turn = None;
        self.place.workspaces.append(&mut self.captured);
        self.pending.clear();
        (self.unused_yes, self.first_approval) = (None, None);
    }

    /// The record from which on a fork has to ask anew: the first wait that had not ended, or an approval that was given for a call that
    /// was not made, which one session alone may use.
    pub fn asks_anew(&self) -> Option<u64> {
        let waits = self.pending.iter().find(|pending| matches!(pending.body, Body::Wait { .. })).map(|pending| pending.seq);
        waits.into_iter().chain(self.unused_yes).min()
    }

    /// The first approval of the turn that had not ended. Nobody here gave it where the journal comes from elsewhere.
    pub fn first_approval(&self) -> Option<u64> {
        self.first_approval
    }

    /// The first records of all turns.
    pub fn turns<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeSet<u64> {
        records.into_iter().filter(|record| matches!(record.body, Body::TurnStart(_))).map(|record| record.seq).collect()
    }
}

fn operation(record: &Record) -> Option<u32> {
    match &record.body {
        Body::Call { op, .. } | Body::Wait { op, .. } => Some(*op),
        _ => None,
    }
}
