//! An agent as a list of steps. What it does depends on what it saw, so that a wrong answer leads it elsewhere.

use proptest::{collection::vec, prelude::*};

use super::{
    super::*,
    driver::{Driver, Stop},
};

/// Tools by number; see [`Tool`].
pub(super) const TOOLS: u8 = 5;

/// One thing that an agent does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Calls a tool and waits.
    Call(u8, u8),
    /// The same, with what was seen before as its arguments.
    CallWithSeen(u8),
    /// Starts a call in the group.
    Start(u8, u8),
    /// Takes the next result of the group.
    Next,
    /// Lets go of the group.
    LetGo,
    Approval(u8),
    Input(u8),
    Sleep(u16),
    Set(u8, u8),
    Delete(u8),
    Get(u8),
    Keys,
    Random,
    Now,
    /// Runs the steps where the patch may run.
    Patch(u8, Vec<Step>),
    /// Takes one way or the other, by what was seen before.
    Either(Vec<Step>, Vec<Step>),
}

/// The agent while it runs.
pub(super) struct Agent<'a> {
    host: &'a mut Driver,
    /// Everything seen so far, as one number.
    seen: u64,
}

impl<'a> Agent<'a> {
    /// Runs `steps` as a turn, from its start to its end or to what stops it.
    pub(super) fn run(host: &'a mut Driver, steps: &[Step]) -> Result<(), Stop> {
        let mut agent = Self { host, seen: 0 };
        agent.steps(steps)?;
        agent.host.let_go()?;
        let seen = agent.seen;
        let result =
            if seen.is_multiple_of(5) { Err((Kind::Guest, format!("failed after {seen}"))) } else { Ok(format!("done after {seen}")) };
        agent.host.finish(result)
    }

    fn steps(&mut self, steps: &[Step]) -> Result<(), Stop> {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &Step) -> Result<(), Stop> {
        let seen = match step {
            Step::Call(tool, arguments) => self.host.call(*tool, &arguments.to_string())?,
            Step::CallWithSeen(tool) => self.host.call(*tool, &format!("seen {}", self.seen))?,
            Step::Start(tool, arguments) => self.host.start(*tool, &arguments.to_string())?,
            Step::Next => self.host.next()?,
            Step::LetGo => self.host.let_go()?,
            Step::Approval(title) => self.host.wait(question(&format!("question {title}")))?,
            Step::Input(prompt) => self.host.wait(Wait::Input { id: wait_id(0), prompt: format!("prompt {prompt}") })?,
            Step::Sleep(ms) => self.host.sleep(u64::from(*ms))?,
            Step::Set(key, value) => self.host.set(*key, Some(vec![*value]))?,
            Step::Delete(key) => self.host.set(*key, None)?,
            Step::Get(key) => self.host.get(*key),
            Step::Keys => self.host.keys(),
            Step::Random => self.host.random(),
            Step::Now => self.host.now(),
            Step::Patch(name, steps) => {
                return if self.host.patch(*name)? { self.steps(steps) } else { Ok(()) };
            }
            Step::Either(one, other) => return self.steps(if self.seen.count_ones().is_multiple_of(2) { one } else { other }),
        };
        self.see(&seen);
        Ok(())
    }

    /// FNV-1a over all that was seen.
    fn see(&mut self, text: &str) {
        for byte in text.bytes() {
            self.seen = (self.seen ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

fn leaf() -> impl Strategy<Value = Step> {
    let tool = 0..TOOLS;
    prop_oneof![
        4 => (tool.clone(), 0..3u8).prop_map(|(tool, arguments)| Step::Call(tool, arguments)),
        2 => tool.clone().prop_map(Step::CallWithSeen),
        5 => (tool, 0..3u8).prop_map(|(tool, arguments)| Step::Start(tool, arguments)),
        4 => Just(Step::Next),
        1 => Just(Step::LetGo),
        1 => (0..2u8).prop_map(Step::Approval),
        1 => (0..2u8).prop_map(Step::Input),
        1 => (0..3000u16).prop_map(Step::Sleep),
        3 => (0..3u8, 0..3u8).prop_map(|(key, value)| Step::Set(key, value)),
        1 => (0..3u8).prop_map(Step::Delete),
        2 => (0..3u8).prop_map(Step::Get),
        1 => Just(Step::Keys),
        1 => Just(Step::Random),
        3 => Just(Step::Now),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    leaf().prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            (0..2u8, vec(inner.clone(), 0..4)).prop_map(|(name, steps)| Step::Patch(name, steps)),
            (vec(inner.clone(), 0..4), vec(inner, 0..4)).prop_map(|(one, other)| Step::Either(one, other)),
        ]
    })
}

/// Agents.
pub(super) fn program() -> impl Strategy<Value = Vec<Step>> {
    vec(prop_oneof![5 => leaf().boxed(), 1 => step().boxed()], 0..16)
}

/// Steps that are added to an agent.
pub(super) fn addition() -> impl Strategy<Value = Vec<Step>> {
    vec(leaf(), 1..4)
}
