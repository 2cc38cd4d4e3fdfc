//! A host that runs an agent over the machine, in a world of its own: its answers, its clock, the order in which calls end.

use super::{super::*, agent::TOOLS};

/// What stops a turn short of its end.
#[derive(Debug)]
pub(super) struct Stop(pub(super) Error);

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// What the world would do next, drawn from a seed.
struct World {
    dice: Random,
    now: u64,
    answers: u64,
    seed: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        Self { dice: Random::new(seed), now: 10_000_000, answers: 0, seed }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice.next_u64() % sides
    }

    /// The machine's clock: mostly forward, sometimes back by up to an hour.
    fn clock(&mut self) -> Timestamp {
        let back = self.roll(4) == 0;
        self.now = if back { self.now - self.roll(3_600_000).min(self.now) } else { self.now + self.roll(2_000) };
        at(self.now)
    }

    /// An answer that no other call of any world gets, and that says what it answers.
    fn answer(&mut self, about: &str) -> String {
        self.answers += 1;
        format!("{about} -> {}.{}", self.seed, self.answers)
    }

    /// The digest of a tool's component; another one in every third world.
    fn digest(&self) -> String {
        format!("sha256:{}", self.seed % 3)
    }
}

/// One thing that the agent saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) what: String,
    /// How many records the journal had by then, written or pending.
    pub(super) records: u64,
}

/// The host, with the journal that is durable.
pub(super) struct Driver {
    machine: Machine,
    world: World,
    pub(super) journal: Vec<Line>,
    /// Lengths of the journal at which a crash could cut it.
    pub(super) cuts: Vec<usize>,
    pub(super) seen: Vec<Seen>,
    /// Calls that were made, by their keys.
    pub(super) acted: Vec<ToolCall>,
    pub(super) finished: Option<Finished>,
    /// Operations of the group that were not taken, and those of them that run.
    group: Vec<(u32, String)>,
    running: Vec<(u32, ToolCall)>,
}

impl Driver {
    /// A new turn.
    pub(super) fn begin_turn(seed: u64, state: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut world = World::new(seed);
        let machine = Machine::start(turn(), 0, world.clock(), state.clone()).unwrap();
        let mut driver = Self::new(machine, world, Vec::new());
        driver.flush();
        driver
    }

    /// A turn that goes on from what is left of it, in another world.
    pub(super) fn go_on(seed: u64, journal: &[Line], state: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut driver = Self::new(Machine::replay(journal, state.clone()).unwrap(), World::new(seed), journal.to_vec());
        driver.flush();
        driver
    }

    fn new(machine: Machine, world: World, journal: Vec<Line>) -> Self {
        let (cuts, seen, acted, group, running) = Default::default();
        Self { machine, world, journal, cuts, seen, acted, finished: None, group, running }
    }

    /// Makes durable what is pending.
    fn flush(&mut self) {
        self.journal.extend(self.machine.take_pending());
        self.cuts.push(self.journal.len());
    }

    /// What happens beside the agent before its next step: calls end, records are written.
    fn meanwhile(&mut self) {
        if !self.running.is_empty() && self.world.roll(3) == 0 {
            self.complete_one();
        }
        if self.world.roll(3) == 0 {
            self.flush();
        }
    }

    /// One of the running calls of the group ends.
    fn complete_one(&mut self) {
        let sides = self.running.len() as u64;
        let index = self.world.roll(sides) as usize;
        let (op, call) = self.running.remove(index);
        let outcome = self.act(&call);
        let now = self.world.clock();
        self.machine.end(op, outcome, now).unwrap();
    }

    fn act(&mut self, call: &ToolCall) -> Outcome {
        self.acted.push(call.clone());
        let about = format!("{} {}", call.tool, call.arguments);
        match self.world.roll(5) {
            0 => Outcome::Failed { kind: Kind::Unavailable, message: self.world.answer(&about) },
            _ => Outcome::Output { output: self.world.answer(&about), kept: None },
        }
    }

    fn see(&mut self, what: String) -> String {
        self.seen.push(Seen { what: what.clone(), records: self.machine.next_seq() });
        what
    }

    /// What the agent sees of an outcome, which has to be one of what it asked for.
    fn told(&mut self, about: &str, outcome: &Outcome) -> String {
        let (Outcome::Output { output: text, .. }
        | Outcome::Failed { message: text, .. }
        | Outcome::Expired { reason: text }
        | Outcome::Input { text, .. }) = outcome
        else {
            let (Outcome::Approved { note, .. } | Outcome::Denied { note, .. }) = outcome else { return self.see("woken".to_owned()) };
            let note = note.clone().unwrap_or_default();
            assert!(note.starts_with(&format!("{about} -> ")), "`{about}` was answered by `{note}`");
            return self.see(format!("{outcome:?}"));
        };
        assert!(text.starts_with(&format!("{about} -> ")), "`{about}` was answered by `{text}`");
        self.see(text.clone())
    }

    fn plan(&self, name: String, tool: u8, arguments: &str) -> ToolCall {
        let effect = match tool % TOOLS {
            0 | 1 => Effect::Read,
            2 => Effect::Idempotent,
            _ => Effect::Once,
        };
        let key = format!("key {}", self.machine.next_op());
        ToolCall { tool: name, arguments: arguments.to_owned(), effect, digest: self.world.digest(), key, cleared: Default::default() }
    }

    /// Records a new call; what is not a mere read is durable before it happens.
    fn begin(&mut self, call: ToolCall) -> Result<u32, Stop> {
        let now = self.world.clock();
        let durable = call.effect != Effect::Read;
        let op = self.machine.begin_call(call, now)?;
        if durable {
            self.flush();
        }
        Ok(op)
    }

    pub(super) fn call(&mut self, tool: u8, arguments: &str) -> Result<String, Stop> {
        self.meanwhile();
        let name = format!("tools/{tool}");
        let about = format!("{name} {arguments}");
        let mut approved = None;
        let outcome = loop {
            match self.machine.call(&name, arguments)? {
                CallStep::Ended(outcome) => break outcome,
                CallStep::InFlight { op, call } => break self.settle(op, &call)?,
                CallStep::Waiting { op, wait } => match self.decide(op, &wait)? {
                    Outcome::Approved { .. } => approved = call_of(wait),
                    refused => break refused,
                },
                CallStep::New { approved: before } => {
                    let call = self.plan(name.clone(), tool, arguments);
                    let may = approved.take().or(before).is_some_and(|approved: PendingCall| approved.digest == call.digest);
                    if tool == TOOLS - 1 && !may {
                        match self.ask(&call)? {
                            (wait, Outcome::Approved { .. }) => approved = call_of(wait),
                            (_, refused) => break refused,
                        }
                        continue;
                    }
                    let op = self.begin(call.clone())?;
                    let outcome = self.act(&call);
                    break self.ended(op, outcome)?;
                }
            }
        };
        Ok(self.told(&about, &outcome))
    }

    /// A call that was begun before a crash.
    fn settle(&mut self, op: u32, call: &ToolCall) -> Result<Outcome, Stop> {
        let outcome = self.again(call);
        self.ended(op, outcome)
    }

    /// What becomes of a call whose end a crash cut off: what may be repeated is.
    fn again(&mut self, call: &ToolCall) -> Outcome {
        match call.effect {
            Effect::Once => Outcome::Failed { kind: Kind::InDoubt, message: format!("{} {} -> in doubt", call.tool, call.arguments) },
            Effect::Read | Effect::Idempotent => self.act(call),
        }
    }

    fn ended(&mut self, op: u32, outcome: Outcome) -> Result<Outcome, Stop> {
        let now = self.world.clock();
        Ok(self.machine.settle(op, outcome, now)?)
    }

    /// Asks a person about a call of the tool that needs it.
    fn ask(&mut self, call: &ToolCall) -> Result<(Wait, Outcome), Stop> {
        let now = self.world.clock();
        let wait = asked_with(call, now);
        let op = self.machine.begin_wait(wait.clone(), now)?;
        self.flush();
        let outcome = self.decide(op, &wait)?;
        Ok((wait, outcome))
    }

    /// The turn sleeps until somebody, or the time, decides.
    fn decide(&mut self, op: u32, wait: &Wait) -> Result<Outcome, Stop> {
        while !self.running.is_empty() && self.world.roll(2) == 0 {
            self.complete_one();
        }
        let answer = self.world.answer(&about(wait));
        let (by, note) = (ada(), Some(answer.clone()));
        let outcome = match wait {
            Wait::Timer { .. } => Outcome::Woken,
            Wait::Input { .. } => Outcome::Input { by, text: answer },
            Wait::Approval { .. } => match self.world.roll(5) {
                0 => Outcome::Denied { by, note },
                1 => Outcome::Expired { reason: answer },
                _ => Outcome::Approved { by, note, session: None },
            },
        };
        let outcome = self.ended(op, outcome)?;
        self.flush();
        Ok(outcome)
    }

    pub(super) fn wait(&mut self, wait: Wait) -> Result<String, Stop> {
        self.meanwhile();
        let outcome = match self.machine.wait(&wait)? {
            WaitStep::Ended(outcome) => outcome,
            WaitStep::Waiting { op, wait } => self.decide(op, &wait)?,
            WaitStep::New => {
                let now = self.world.clock();
                let op = self.machine.begin_wait(wait.clone(), now)?;
                self.flush();
                self.decide(op, &wait)?
            }
        };
        Ok(self.told(&about(&wait), &outcome))
    }

    pub(super) fn sleep(&mut self, ms: u64) -> Result<String, Stop> {
        let due = at(self.machine.now().0 + ms);
        let seen = self.wait(Wait::Timer { id: wait_id(0), due })?;
        self.machine.advance(due);
        Ok(seen)
    }

    pub(super) fn start(&mut self, tool: u8, arguments: &str) -> Result<String, Stop> {
        self.meanwhile();
        let name = format!("tools/{tool}");
        let (op, call, begun) = match self.machine.start_call(&name, arguments)? {
            Some((op, call)) => (op, call, true),
            None => {
                let call = self.plan(name.clone(), tool, arguments);
                (self.begin(call.clone())?, call, false)
            }
        };
        self.group.push((op, format!("{name} {arguments}")));
        match (self.machine.ended(op), begun && call.effect == Effect::Once) {
            (true, _) => {}
            (false, true) => {
                let outcome = self.again(&call);
                let now = self.world.clock();
                self.machine.end(op, outcome, now)?;
            }
            (false, false) => self.running.push((op, call)),
        }
        Ok(self.see(format!("started {op}")))
    }

    pub(super) fn next(&mut self) -> Result<String, Stop> {
        self.meanwhile();
        let among: Vec<u32> = self.group.iter().map(|(op, _)| *op).collect();
        if among.is_empty() {
            return Ok(self.see("nothing left".to_owned()));
        }
        let (op, outcome) = loop {
            match self.machine.take(&among)? {
                TakeStep::Taken { op, outcome } => break (op, outcome),
                TakeStep::New { ended: Some(op) } => {
                    let now = self.world.clock();
                    break (op, self.machine.took(op, now)?);
                }
                TakeStep::New { ended: None } => self.complete_one(),
            }
        };
        let index = self.group.iter().position(|(open, _)| *open == op).unwrap();
        let (_, about) = self.group.remove(index);
        self.running.retain(|(running, _)| *running != op);
        self.see(format!("took {op}"));
        Ok(self.told(&about, &outcome))
    }

    pub(super) fn let_go(&mut self) -> Result<String, Stop> {
        self.meanwhile();
        self.running.clear();
        for (op, _) in std::mem::take(&mut self.group) {
            let now = self.world.clock();
            self.machine.cancel(op, now)?;
        }
        Ok(self.see("let go".to_owned()))
    }

    pub(super) fn set(&mut self, key: u8, value: Option<Vec<u8>>) -> Result<String, Stop> {
        self.meanwhile();
        let now = self.world.clock();
        self.machine.state_set(&format!("key {key}"), value, now)?;
        Ok(self.see("set".to_owned()))
    }

    pub(super) fn get(&mut self, key: u8) -> String {
        self.meanwhile();
        let value = format!("{:?}", self.machine.state_get(&format!("key {key}")));
        self.see(value)
    }

    pub(super) fn keys(&mut self) -> String {
        self.meanwhile();
        let keys = self.machine.state_keys("key").join(", ");
        self.see(keys)
    }

    pub(super) fn random(&mut self) -> String {
        self.meanwhile();
        let number = self.machine.random().next_u64();
        self.see(number.to_string())
    }

    pub(super) fn now(&mut self) -> String {
        self.meanwhile();
        let now = self.machine.now().0;
        self.see(format!("now {now:020}"))
    }

    pub(super) fn patch(&mut self, name: u8) -> Result<bool, Stop> {
        self.meanwhile();
        let now = self.world.clock();
        let patched = self.machine.patch(&format!("patch {name}"), now)?;
        self.see(format!("patched {patched}"));
        Ok(patched)
    }

    pub(super) fn finish(&mut self, result: Result<String, (Kind, String)>) -> Result<(), Stop> {
        self.see(format!("{result:?}"));
        let now = self.world.clock();
        self.finished = Some(self.machine.finish(result, now)?);
        assert!(!self.machine.replaying());
        self.flush();
        Ok(())
    }
}

fn about(wait: &Wait) -> String {
    match wait {
        Wait::Approval { call: Some(call), .. } => format!("{} {}", call.tool, call.arguments),
        Wait::Approval { title: text, .. } | Wait::Input { prompt: text, .. } => text.clone(),
        Wait::Timer { due, .. } => due.to_string(),
    }
}

fn call_of(wait: Wait) -> Option<PendingCall> {
    match wait {
        Wait::Approval { call, .. } => call,
        Wait::Input { .. } | Wait::Timer { .. } => None,
    }
}

fn asked_with(call: &ToolCall, now: Timestamp) -> Wait {
    let ToolCall { tool, arguments, digest, .. } = call.clone();
    let call = Some(PendingCall { tool, arguments, digest, effect: None, labels: Default::default() });
    Wait::Approval { id: wait_id(1), title: "may it?".to_owned(), details: String::new(), due: at(now.0 + 1000), call }
}
