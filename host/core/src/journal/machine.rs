//! The replay machine: asked for each thing that a turn's code does, it answers from the journal or says that it is new.

mod carry;
mod end;
mod load;
mod series;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::{
    Answer, Body, CallStep, Carried, Finished, Line, Outcome, PendingCall, Random, Record, TakeStep, ToolCall, TurnStart, Wait, WaitStep,
    record::describe_call, state::State,
};
use crate::{
    Error, Kind, Result,
    clock::Timestamp,
    limit::{TURN_MAX_BYTES, TURN_RECORDS_MAX},
};

/// Bytes of a turn that are kept free for the end of each operation that runs: enough for a failure that says why it is not the result.
const END_ROOM_BYTES: usize = 512;

/// One turn, from its start to where it is now.
///
/// Every method that the code's doings go through has the same three answers: it was done before and ended so; it was begun before and
/// has not ended; it is new, and the caller acts and records. An error of kind `diverged` means that the code did something else than
/// the journal says; one of kind `limit`, that the turn is too large; one of kind `host`, that the journal is damaged or the caller
/// records something at a time when nothing can be recorded.
#[derive(Debug)]
pub struct Machine {
    start: TurnStart,
    /// What the code did and has not done again yet.
    ahead: VecDeque<Record>,
    ends: HashMap<u32, End>,
    /// Operations that the code let go of, also where it has not done so again yet.
    let_go: HashSet<u32>,
    /// Operations that the journal has; the code has come to `next_op` of them.
    begun: u32,
    next_op: u32,
    next_seq: u64,
    began_seq: u64,
    began: Timestamp,
    clock: Timestamp,
    random: Random,
    state: State,
    carried: Carried,
    /// Calls that a person is asked about, by the operation of the wait.
    asked: HashMap<u32, PendingCall>,
    patches: BTreeMap<String, bool>,
    pending: Vec<Line>,
    records: usize,
    bytes: usize,
    /// Whether the journal has the turn's end.
    over: bool,
}

#[derive(Debug)]
struct End {
    seq: u64,
    at: Timestamp,
    /// None where nobody asks for it again.
    outcome: Option<Box<Outcome>>,
}

impl Machine {
    /// A turn that begins now, as record `seq` of its journal, with the session's state.
    ///
    /// # Errors
    /// `limit` when its input is too large for a record.
    pub fn start(start: TurnStart, seq: u64, at: Timestamp, state: BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let mut machine = Self::new(start.clone(), seq, at, state);
        machine.push(Body::TurnStart(Box::new(start)), at)?;
        Ok(machine)
    }

    fn new(start: TurnStart, seq: u64, at: Timestamp, values: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            random: Random::new(start.seed),
            carried: start.carried.clone(),
            asked: HashMap::new(),
            start,
            ahead: VecDeque::new(),
            ends: HashMap::new(),
            let_go: HashSet::new(),
            begun: 0,
            next_op: 0,
            next_seq: seq,
            began_seq: seq,
            began: at,
            clock: at,
            state: State::new(values),
            patches: BTreeMap::new(),
            pending: Vec::new(),
            records: 0,
            bytes: 0,
            over: false,
        }
    }

    /// What the turn began with.
    pub fn turn(&self) -> &TurnStart {
        &self.start
    }

    /// The number of the turn's first record.
    pub fn began_seq(&self) -> u64 {
        self.began_seq
    }

    /// When the turn began.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// Whether the code is still doing what the journal has.
    pub fn replaying(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// The number of the next record.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The time that the code sees: that of the last thing it saw happen. It never goes backwards.
    pub fn now(&self) -> Timestamp {
        self.clock
    }

    /// Moves the code's time forward; it does not go back. `to` has to come from the code, as the time that it slept for does: no record
    /// is made of it.
    pub fn advance(&mut self, to: Timestamp) {
        self.clock = self.clock.max(to);
    }

    /// The turn's randomness.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// What has to be added to the journal, in order; it is handed out once.
    pub fn take_pending(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.pending)
    }

    /// The code calls `tool` and waits for the result.
    ///
    /// # Errors
    /// `diverged`.
    pub fn call(&mut self, tool: &str, arguments: &str) -> Result<CallStep> {
        let mut approved = None;
        loop {
            let same = match self.ahead.front().map(|next| &next.body) {
                None => return Ok(CallStep::New { approved }),
                Some(Body::Call { call, .. }) => call.tool == tool && call.arguments == arguments,
                Some(Body::Wait { wait: Wait::Approval { call: Some(call), .. }, .. }) => call.tool == tool && call.arguments == arguments,
                Some(_) => false,
            };
            if !same {
                return Err(self.diverged(&describe_call(tool, arguments)));
            }
            let op = self.next_op;
            match (self.consume()?, self.waited_for(op)?) {
                // Where the component changed after the yes, the call was asked for once more.
                (Body::Wait { wait: Wait::Approval { call, .. }, .. }, Some(Outcome::Approved { .. })) => approved = call,
                (_, Some(outcome)) => return Ok(CallStep::Ended(outcome)),
                (Body::Wait { wait, .. }, None) => return Ok(CallStep::Waiting { op, wait }),
                (Body::Call { call, .. }, None) => return Ok(CallStep::InFlight { op, call }),
                _ => return Err(damaged("an operation is neither a call nor a wait")),
            }
        }
    }

    /// The code starts a call in a group; one that needs an approval is refused there. The result is asked for with [`Machine::take`].
    ///
    /// # Errors
    /// `diverged`.
    pub fn start_call(&mut self, tool: &str, arguments: &str) -> Result<Option<(u32, ToolCall)>> {
        match self.ahead.front().map(|next| &next.body) {
            None => Ok(None),
            Some(Body::Call { op, call }) if call.tool == tool && call.arguments == arguments => {
                let found = (*op, call.clone());
                self.consume()?;
                Ok(Some(found))
            }
            Some(_) => Err(self.diverged(&describe_call(tool, arguments))),
        }
    }

    /// The code asks for the next result of a group whose operations `among` were not taken yet.
    ///
    /// # Errors
    /// `diverged`.
    pub fn take(&mut self, among: &[u32]) -> Result<TakeStep> {
        match self.ahead.front().map(|next| &next.body) {
            Some(Body::Take { op }) if among.contains(op) => {
                let op = *op;
                if let Some(record) = self.ahead.pop_front() {
                    self.advance(record.at);
                }
                let outcome = self.see(op).ok_or_else(|| damaged("a result was taken that did not come"))?;
                Ok(TakeStep::Taken { op, outcome })
            }
            Some(_) => Err(self.diverged("taking the next result of a group")),
            None => {
                let ended = among.iter().filter_map(|op| self.ends.get(op).map(|end| (end.seq, *op))).min();
                Ok(TakeStep::New { ended: ended.map(|(_, op)| op) })
            }
        }
    }

    /// Records that the code takes the result of `op`, which has ended.
    ///
    /// # Errors
    /// `limit`; `host` when the operation has not ended.
    pub fn took(&mut self, op: u32, at: Timestamp) -> Result<Outcome> {
        let not_ended = || Error::host("the result of a call was taken before it came", op);
        if !self.ends.contains_key(&op) {
            return Err(not_ended());
        }
        self.push(Body::Take { op }, at)?;
        self.advance(at);
        self.see(op).ok_or_else(not_ended)
    }

    /// The code lets go of a group whose operation `op` it did not take, whether or not that has ended.
    ///
    /// # Errors
    /// `diverged`, `limit`; `host` when there is no such operation.
    pub fn cancel(&mut self, op: u32, at: Timestamp) -> Result<()> {
        if op >= self.begun {
            return Err(Error::host("an operation was let go of that did not begin", op));
        }
        match self.ahead.front().map(|next| &next.body) {
            None => self.push(Body::Cancel { op }, at)?,
            Some(Body::Cancel { op: before }) if *before == op => drop(self.ahead.pop_front()),
            Some(_) => return Err(self.diverged(&Body::Cancel { op }.describe())),
        }
        self.let_go.insert(op);
        Ok(())
    }

    /// The code waits for `asked`.
    ///
    /// # Errors
    /// `diverged`.
    pub fn wait(&mut self, asked: &Wait) -> Result<WaitStep> {
        match self.ahead.front().map(|next| &next.body) {
            None => Ok(WaitStep::New),
            Some(Body::Wait { op, wait }) if wait.same(asked) => {
                let (op, wait) = (*op, wait.clone());
                self.consume()?;
                Ok(match self.waited_for(op)? {
                    Some(outcome) => WaitStep::Ended(outcome),
                    None => WaitStep::Waiting { op, wait },
                })
            }
            Some(_) => Err(self.diverged(&Body::Wait { op: 0, wait: asked.clone() }.describe())),
        }
    }

    /// Records a new call; returns its operation.
    ///
    /// # Errors
    /// `limit`.
    pub fn begin_call(&mut self, call: ToolCall, at: Timestamp) -> Result<u32> {
        self.begin(|op| Body::Call { op, call }, at)
    }

    /// Records a new wait; returns its operation.
    ///
    /// # Errors
    /// `limit`.
    pub fn begin_wait(&mut self, wait: Wait, at: Timestamp) -> Result<u32> {
        self.begin(|op| Body::Wait { op, wait }, at)
    }

    fn begin(&mut self, body: impl FnOnce(u32) -> Body, at: Timestamp) -> Result<u32> {
        let op = self.next_op;
        let body = body(op);
        self.note_asked(&body);
        self.push(body, at)?;
        self.advance(at);
        self.next_op += 1;
        self.begun += 1;
        Ok(op)
    }

    /// The operation that the next new call or wait will be.
    pub fn next_op(&self) -> u32 {
        self.next_op
    }

    /// Records how an operation ended; the code does not see it yet. One that ended is not ended again, and nothing ends after its turn.
    /// A result that does not fit into the journal becomes a failure of kind `limit`, for which there is always room.
    ///
    /// # Errors
    /// `host` when there is no such operation.
    pub fn end(&mut self, op: u32, answer: impl Into<Answer>, at: Timestamp) -> Result<()> {
        let mut answer = answer.into();
        if self.over || self.ends.contains_key(&op) {
            return Ok(());
        }
        if op >= self.begun {
            return Err(Error::host("an operation ended that did not begin", op));
        }
        let seq = self.next_seq;
        match self.push_answer(op, &answer, at) {
            Err(error) if error.kind == Kind::Limit => {
                answer = Answer { outcome: Outcome::Failed { kind: Kind::Limit, message: error.message }, used: Vec::new(), ..answer };
                self.push(Body::end(op, answer.clone()), at)?;
            }
            pushed => pushed?,
        }
        let Answer { outcome, labels, .. } = answer;
        self.carry(op, seq, &outcome, labels);
        self.ends.insert(op, End { seq, at, outcome: Some(Box::new(outcome)) });
        Ok(())
    }

    /// Records how the operation ended that the code waits for, and returns what the code sees of it. Never for a call of a group, whose
    /// time comes when it is taken.
    ///
    /// # Errors
    /// `host` when there is no such operation, or the turn is over.
    pub fn settle(&mut self, op: u32, answer: impl Into<Answer>, at: Timestamp) -> Result<Outcome> {
        self.end(op, answer, at)?;
        self.see(op).ok_or_else(|| Error::host("an operation ended after its turn", op))
    }

    /// How `op` ended, for code that does nothing else before that. If it did something else then, it is not the same code.
    fn waited_for(&mut self, op: u32) -> Result<Option<Outcome>> {
        let ended_first = |next: &Record| self.ends.get(&op).is_some_and(|end| end.seq < next.seq);
        if self.ahead.front().is_none_or(ended_first) {
            return Ok(self.see(op));
        }
        Err(self.diverged(&format!("waiting for the end of operation {op}")))
    }

    /// How `op` ended, which the code sees now: its time has come as well.
    fn see(&mut self, op: u32) -> Option<Outcome> {
        let end = self.ends.get(&op)?;
        let (at, outcome) = (end.at, end.outcome.as_deref()?.clone());
        self.advance(at);
        Some(outcome)
    }

    /// Whether there is nothing left to do for `op`: it ended, whether or not the code has seen it, the code lets go of it, or the turn
    /// is over.
    pub fn ended(&self, op: u32) -> bool {
        self.over || self.ends.contains_key(&op) || self.let_go.contains(&op)
    }

    /// The value of `key`.
    pub fn state_get(&self, key: &str) -> Option<&[u8]> {
        self.state.get(key)
    }

    /// The keys that begin with `prefix`.
    pub fn state_keys(&self, prefix: &str) -> Vec<String> {
        self.state.keys(prefix)
    }

    /// The code sets `key`, or removes it. Nothing is recorded where that changes nothing.
    ///
    /// # Errors
    /// `invalid` when key, value or state would be too large, which is the code's to deal with; `diverged`, `limit`.
    pub fn state_set(&mut self, key: &str, value: Option<Vec<u8>>, at: Timestamp) -> Result<()> {
        if self.state_get(key) == value.as_deref() {
            return Ok(());
        }
        let bytes = self.state.after(key, value.as_deref())?;
        match self.ahead.front().map(|next| &next.body) {
            None => self.push(Body::State { key: key.to_owned(), value: value.clone() }, at)?,
            Some(Body::State { key: before, value: held }) if before == key && *held == value => drop(self.ahead.pop_front()),
            Some(_) => return Err(self.diverged(&Body::State { key: key.to_owned(), value }.describe())),
        }
        self.state.set(key, value, bytes);
        Ok(())
    }

    /// The code asks whether the change `name` may run in this turn.
    ///
    /// # Errors
    /// `limit`.
    pub fn patch(&mut self, name: &str, at: Timestamp) -> Result<bool> {
        if let Some(known) = self.patches.get(name) {
            return Ok(*known);
        }
        let patched = match self.ahead.front().map(|next| &next.body) {
            None => {
                self.push(Body::Patch { name: name.to_owned() }, at)?;
                true
            }
            Some(Body::Patch { name: before }) if before == name => {
                self.ahead.pop_front();
                true
            }
            // A `false` makes no record, so it needs a bound of its own.
            Some(_) if self.patches.len() >= TURN_RECORDS_MAX => {
                return Err(Error::limit(format!("the turn asked for {TURN_RECORDS_MAX} patches, which is its bound")));
            }
            Some(_) => false,
        };
        self.patches.insert(name.to_owned(), patched);
        Ok(patched)
    }

    /// The code returned `result`: an output, or the message of a failure with its sort.
    ///
    /// # Errors
    /// `diverged` when the journal has more than the code did; `limit` when the output is too large, and the turn has then failed.
    pub fn finish(&mut self, result: Result<String, (Kind, String)>, at: Timestamp) -> Result<Finished> {
        let failed = result.is_err();
        let body = match result {
            Ok(output) => Body::TurnEnd { output, carried: self.carried.clone() },
            Err((kind, message)) => self.failure(kind, &message),
        };
        let mut record = Record { seq: self.next_seq, at, body };
        let too_large = match record.encode() {
            Err(error) if error.kind == Kind::Limit => Some(error),
            encoded => encoded.map(|_| None)?,
        };
        if let Some(error) = &too_large {
            record.body = self.failure(error.kind, &error.message);
        }
        match self.ahead.front() {
            None => self.push_end(&record)?,
            Some(next) if next.body == record.body => drop(self.ahead.pop_front()),
            Some(_) => return Err(self.diverged(&record.body.describe())),
        }
        match too_large {
            Some(error) => Err(error),
            None if failed => Ok(Finished { state: BTreeMap::new() }),
            None => Ok(Finished { state: self.state.take_changes() }),
        }
    }

    /// The end of a turn is not bounded by the turn, so that one that grew too large can still be ended.
    fn push_end(&mut self, record: &Record) -> Result<()> {
        if self.over {
            return Err(Error::host("the turn is over", "a second end"));
        }
        self.pending.push(record.encode()?);
        self.next_seq += 1;
        self.over = true;
        Ok(())
    }

    fn push(&mut self, body: Body, at: Timestamp) -> Result<()> {
        if self.over || (self.replaying() && !matches!(body, Body::End { .. })) {
            let internal = format!("{} at record {}", body.describe(), self.next_seq);
            return Err(Error::host("the turn can record nothing now: it is over, or still does again what it did", internal));
        }
        let running = (self.begun as usize).saturating_sub(self.ends.len());
        let running = match &body {
            Body::Call { .. } | Body::Wait { .. } => running + 1,
            Body::End { .. } => running.saturating_sub(1),
            _ => running,
        };
        if self.records + 1 + running > TURN_RECORDS_MAX {
            return Err(Error::limit(format!("the turn has {TURN_RECORDS_MAX} records, which is its bound")).hint("do less in one turn"));
        }
        let line = Record { seq: self.next_seq, at, body }.encode()?;
        if self.bytes + line.text.len() + running * END_ROOM_BYTES > TURN_MAX_BYTES {
            return Err(
                Error::limit(format!("the turn's records have {TURN_MAX_BYTES} bytes, which is their bound")).hint("do less in one turn")
            );
        }
        self.bytes += line.text.len();
        self.records += 1;
        self.next_seq += 1;
        self.pending.push(line);
        Ok(())
    }

    /// The operation that the code did before comes next, and is done again now.
    fn consume(&mut self) -> Result<Body> {
        let record = self.ahead.pop_front().ok_or_else(|| damaged("an operation is missing"))?;
        self.next_op += 1;
        self.advance(record.at);
        Ok(record.body)
    }

    fn diverged(&self, got: &str) -> Error {
        let (seq, expected) = match self.ahead.front() {
            Some(next) => (next.seq, next.body.describe()),
            None => (self.next_seq, "nothing more".to_owned()),
        };
        let got = if got == expected { "the same with other content" } else { got };
        Error::new(Kind::Diverged, format!("the agent did not do again what it did: record {seq} has {expected}, and it now came to {got}"))
            .hint("an agent has to do the same whenever it gets the same answers")
            .hint("guard a change of its code by `patch`, or let running turns end with the component that they began with")
            .code("E-DIVERGED")
    }
}

fn damaged(what: &str) -> Error {
    Error::host(format!("the journal is damaged: {what}"), "replay")
}
