//! Whether a log is what was written: everything is recomputed from its rows.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{
    checkpoint::{Checkpoint, PublicKey, SignedCheckpoint},
    tree::{Hash, Tree, leaf_hash},
};
use crate::{clock::Timestamp, id::EpochId};

/// What is read of a record to place it.
#[derive(Deserialize)]
struct Entry {
    seq: u64,
    at: Timestamp,
    /// The epoch that begins with it.
    epoch: Option<EpochId>,
}

/// How a log is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A record has other bytes.
    Edited,
    /// A record is gone.
    Removed,
    /// A record stands where another one stood.
    Moved,
    /// There is one that the log never took.
    Added,
    /// The last ones are gone, or this is an older copy.
    CutOff,
    /// A checkpoint of the log is not the one that was signed.
    Checkpoint,
    /// A checkpoint is signed by none of the keys that are known.
    UnknownKey,
    /// The checkpoint that was given is of another log, or of another course of this one.
    OtherLog,
    /// A backup took the place of the log since the checkpoint that was given, and what came after the backup is not here.
    Restored,
}

/// What is wrong with a log, as far as can be told: the first record that it concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// How.
    pub kind: FaultKind,
    /// The first record that may be concerned; none where it is about no record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// The last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// The same in one line.
    pub message: String,
}

impl Fault {
    fn new(kind: FaultKind, first: u64, last: u64, message: impl Into<String>) -> Self {
        Self { kind, first: Some(first), last: Some(last), message: message.into() }
    }

    fn of_none(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, first: None, last: None, message: message.into() }
    }

    fn edited(seq: u64, why: &str) -> Self {
        Self::new(FaultKind::Edited, seq, seq, format!("record {seq} was edited: {why}"))
    }
}

/// A stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Epoch {
    /// Its name.
    pub epoch: EpochId,
    /// Its first record.
    pub first: u64,
    /// When it began.
    pub at: Timestamp,
}

/// What a log that is whole has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Records.
    pub records: u64,
    /// When the first and the last one were made.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Its epochs, the first one first.
    pub epochs: Vec<Epoch>,
    /// Records up to the last checkpoint: what comes after it nobody has signed yet.
    pub signed: u64,
    /// The keys that signed its checkpoints.
    pub keys: Vec<String>,
}

/// Takes the rows of a log in their order, each followed by the checkpoint that was made there.
pub struct Verifier<'a> {
    keys: &'a [PublicKey],
    given: Option<&'a SignedCheckpoint>,
    given_root: Option<Hash>,
    tree: Tree,
    report: Report,
}

impl<'a> Verifier<'a> {
    /// One that accepts signatures of `keys`, and holds the log against the checkpoint that was `given`.
    pub fn new(keys: &'a [PublicKey], given: Option<&'a SignedCheckpoint>) -> Self {
        Self { keys, given, given_root: None, tree: Tree::default(), report: Report::default() }
    }

    /// The next row: its number, the hash that is kept of it, and the record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn row(&mut self, seq: i64, leaf: &[u8], record: &[u8]) -> Result<(), Fault> {
        let expected = self.tree.size() + 1;
        let Some(seq) = u64::try_from(seq).ok().filter(|seq| *seq > 0) else {
            return Err(Fault::of_none(FaultKind::Added, format!("a record was added before the first one, with the number {seq}")));
        };
        if seq != expected {
            return Err(Fault::new(FaultKind::Removed, expected, seq - 1, format!("{} missing", are(expected, seq - 1))));
        }
        let hash = leaf_hash(record);
        if leaf != hash {
            return Err(Fault::edited(seq, "its hash is another one"));
        }
        let entry: Entry = serde_json::from_slice(record).map_err(|error| Fault::edited(seq, &format!("it is no record ({error})")))?;
        if entry.seq > seq {
            let message = format!("record {seq} was removed or moved: record {} stands in its place", entry.seq);
            return Err(Fault::new(FaultKind::Moved, seq, seq, message));
        }
        if entry.seq < seq {
            let message = format!("a record was added or moved: record {} stands in the place of record {seq}", entry.seq);
            return Err(Fault::new(FaultKind::Moved, seq, seq, message));
        }
        self.tree.push(hash);
        let report = &mut self.report;
        report.records = seq;
        report.times = Some((report.times.map_or(entry.at, |(first, _)| first), entry.at));
        if let Some(epoch) = entry.epoch {
            report.epochs.push(Epoch { epoch, first: seq, at: entry.at });
        }
        if self.given.is_some_and(|given| given.checkpoint.size == seq) {
            self.given_root = Some(self.tree.root());
        }
        Ok(())
    }

    /// The checkpoint that the log keeps for the rows so far; after the last row, the last one that it keeps.
    ///
    /// # Errors
    /// What is wrong with it, or with the rows since the one before.
    pub fn checkpoint(&mut self, size: i64, note: &str) -> Result<(), Fault> {
        let now = self.tree.size();
        let edited = || Fault::of_none(FaultKind::Checkpoint, format!("the checkpoint at record {size} was edited"));
        let note: SignedCheckpoint = note.parse().map_err(|_error: crate::Error| edited())?;
        let key = note.signed_by(self.keys).ok_or_else(|| {
            let message = format!("the checkpoint at record {size} is signed by none of the keys that are known here");
            Fault::of_none(FaultKind::UnknownKey, message)
        })?;
        let Checkpoint { epoch, size: signed, root } = note.checkpoint;
        if u64::try_from(size) != Ok(signed) || signed < now {
            return Err(edited());
        }
        if signed > now {
            return Err(cut_off(now, signed));
        }
        if self.report.epochs.last().is_none_or(|last| last.epoch != epoch) {
            return Err(edited());
        }
        if root != self.tree.root() {
            return Err(not_as_written(self.report.signed + 1, now, "signed"));
        }
        self.report.signed = now;
        let key = key.to_string();
        if !self.report.keys.contains(&key) {
            self.report.keys.push(key);
        }
        Ok(())
    }

    /// There is nothing more: what the log itself says of its end, if it says something.
    ///
    /// # Errors
    /// What is wrong with its end, or with the checkpoint that was given.
    pub fn end(self, head: Option<&Checkpoint>) -> Result<Report, Fault> {
        let now = self.tree.size();
        match head {
            Some(head) if head.size > now => return Err(cut_off(now, head.size)),
            Some(head) if head.size < now => {
                let message = format!("record {} was added: the log has taken {} only", head.size + 1, head.size);
                return Err(Fault::new(FaultKind::Added, head.size + 1, now, message));
            }
            Some(head) if head.root != self.tree.root() => return Err(not_as_written(self.report.signed + 1, now, "written")),
            Some(head) if self.report.epochs.last().is_none_or(|last| last.epoch != head.epoch) => {
                return Err(Fault::of_none(FaultKind::OtherLog, "what is kept of the end of the log is another log's"));
            }
            None if now > 0 => return Err(Fault::of_none(FaultKind::CutOff, "what is kept of the end of the log is missing")),
            _ => {}
        }
        self.hold_against_given()?;
        Ok(self.report)
    }

    fn hold_against_given(&self) -> Result<(), Fault> {
        let Some(given) = self.given else { return Ok(()) };
        if given.signed_by(self.keys).is_none() {
            let message = "the checkpoint that was given is signed by none of the keys that are known here";
            return Err(Fault::of_none(FaultKind::UnknownKey, message));
        }
        let (Checkpoint { epoch, size, root }, now) = (given.checkpoint, self.tree.size());
        let mut epochs = self.report.epochs.iter().skip_while(|one| one.epoch != epoch);
        if epochs.next().is_none() {
            return Err(match now {
                0 => cut_off(0, size),
                _ => Fault::of_none(
                    FaultKind::OtherLog,
                    format!("the checkpoint that was given is of a log that begins with `{epoch}`, and this is another one"),
                ),
            });
        }
        match epochs.next() {
            Some(next) if size >= next.first => {
                let message = format!("the log was restored from a backup at {}: {} not here", next.at, are_of_it(next.first, size));
                Err(Fault::new(FaultKind::Restored, next.first, size, message))
            }
            None if size > now => Err(cut_off(now, size)),
            _ if self.given_root != Some(root) => {
                let message = format!(
                    "the first {size} records are not those of the checkpoint: some were exchanged, and what the log keeps was made to fit, or an older copy was put in its place and went on"
                );
                Err(Fault::new(FaultKind::OtherLog, 1, size, message))
            }
            _ => Ok(()),
        }
    }
}

/// `record 7 is`, `records 7 to 9 are`.
fn are(first: u64, last: u64) -> String {
    if first == last { format!("record {first} is") } else { format!("records {first} to {last} are") }
}

/// The same, of a log that is no longer the one at hand.
fn are_of_it(first: u64, last: u64) -> String {
    if first == last { format!("record {first} of it is") } else { format!("records {first} to {last} of it are") }
}

fn cut_off(now: u64, size: u64) -> Fault {
    let message = format!("{} missing: the end was cut off, or an older copy was put in its place", are(now + 1, size));
    Fault::new(FaultKind::CutOff, now + 1, size, message)
}

fn not_as_written(first: u64, last: u64, how: &str) -> Fault {
    let which =
        if first == last { format!("record {first} was edited") } else { format!("one of the records {first} to {last} was edited") };
    Fault::new(FaultKind::Edited, first, last, format!("{which}, and its hash with it: together they are not what was {how}"))
}
