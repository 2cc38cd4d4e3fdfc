//! Reading a journal into the machine.

use std::collections::BTreeMap;

use super::{End, Machine, damaged};
use crate::{
    Result,
    journal::{Body, Line, Record},
};

impl Machine {
    /// A turn that began before: `lines` are all there are of it, and `state` is what it began with.
    ///
    /// # Errors
    /// `host` when they are not those of one turn.
    pub fn replay(lines: &[Line], state: BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let mut records = lines.iter().map(Record::decode);
        let first = records.next().ok_or_else(|| damaged("a turn has no records"))??;
        let Body::TurnStart(start) = first.body else { return Err(damaged("a turn does not begin with its start")) };
        let mut machine = Self::new(*start, first.seq, first.at, state);
        machine.next_seq = first.seq + 1;
        machine.records = 1;
        machine.bytes = lines.iter().map(|line| line.text.len()).sum();
        records.try_for_each(|record| machine.load(record?))?;
        Ok(machine)
    }

    /// Takes the next record of a journal, which has to make sense after those before it.
    fn load(&mut self, record: Record) -> Result<()> {
        if record.seq != self.next_seq {
            return Err(damaged(&format!("record {} is missing", self.next_seq)));
        }
        if self.over {
            return Err(damaged(&format!("record {} stands behind the end of its turn", record.seq)));
        }
        self.next_seq += 1;
        self.records += 1;
        match &record.body {
            Body::TurnStart(_) => return Err(damaged("a turn begins within another one")),
            Body::Call { op, .. } | Body::Wait { op, .. } if *op != self.begun => {
                return Err(damaged(&format!("operation {op} stands where {} should", self.begun)));
            }
            Body::End { op, .. } | Body::Cancel { op } if *op >= self.begun => {
                return Err(damaged(&format!("operation {op} ends before it begins")));
            }
            Body::End { op, .. } if self.ends.contains_key(op) => return Err(damaged(&format!("operation {op} ends twice"))),
            Body::Take { op } if !self.ends.contains_key(op) => return Err(damaged("a result was taken that did not come")),
            Body::Call { .. } | Body::Wait { .. } => {
                self.note_asked(&record.body);
                self.begun += 1;
            }
            Body::Cancel { op } => drop(self.let_go.insert(*op)),
            Body::TurnEnd { .. } | Body::TurnFailed { .. } => self.over = true,
            Body::End { .. } | Body::Take { .. } | Body::State { .. } | Body::Patch { .. } | Body::Workspaces { .. } => {}
        }
        match record.body {
            Body::End { op, outcome, labels, .. } => {
                self.carry(op, record.seq, &outcome, labels);
                self.ends.insert(op, End { seq: record.seq, at: record.at, outcome: Some(Box::new(outcome)) });
            }
            Body::Workspaces { .. } => {}
            _ => self.ahead.push_back(record),
        }
        Ok(())
    }
}
