//! Call groups: calls side by side, whose results the agent takes in the order that the journal has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
};

use remit_core::{
    Error, Kind,
    journal::{Answer, Outcome, TakeStep, ToolCall},
    limit::GROUP_MAX,
};
use tokio::sync::watch;

use super::{
    called::agent_of,
    journal::Standing,
    model::{is_model, no_tool},
    stop::Stop,
    turn::{Turn, refused},
};

/// The groups of one turn.
#[derive(Default)]
pub(crate) struct Groups {
    groups: BTreeMap<u32, Group>,
    next: u32,
    /// Calls that run.
    running: usize,
    /// Calls of agents whose turns wait: they do not run, and have not ended.
    waiting: BTreeSet<u32>,
    /// Why results are not recorded any more.
    broken: Option<Stop>,
}

/// One group.
#[derive(Default)]
struct Group {
    /// How many calls were started.
    started: u32,
    /// Operations that were not taken, each with its number in the group.
    open: Vec<(u32, u32)>,
    /// The keys of those that call agents.
    agents: BTreeMap<u32, String>,
    /// Ends the calls that run.
    let_go: watch::Sender<bool>,
}

impl Turn {
    fn groups(&self) -> std::sync::MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new group; returns its number.
    pub(super) fn new_group(&self) -> u32 {
        let mut groups = self.groups();
        let number = groups.next;
        groups.next += 1;
        groups.groups.insert(number, Group::default());
        number
    }

    /// Starts a call in a group; returns its number there.
    pub(super) async fn start_in_group(self: &Arc<Self>, group: u32, tool: &str, arguments: &str) -> Result<u32, Stop> {
        let before = self.journal.machine().start_call(tool, arguments).map_err(Stop::Turn)?;
        let op = match before {
            Some((op, call)) => {
                self.note_agent(group, op, &call);
                if !self.journal.machine().ended(op) {
                    self.go(group, op, call, true);
                }
                op
            }
            None => self.start_new(group, tool, arguments).await?,
        };
        let mut groups = self.groups();
        let group = groups.groups.get_mut(&group).ok_or_else(no_group)?;
        let number = group.started;
        group.started += 1;
        group.open.push((op, number));
        Ok(number)
    }

    async fn start_new(self: &Arc<Self>, group: u32, tool: &str, arguments: &str) -> Result<u32, Stop> {
        let open = self.groups().groups.get(&group).map_or(0, |group| group.open.len());
        let planned = match self.plan(tool, arguments) {
            Ok(_) if is_model(tool) => Err(no_tool()),
            Ok(_) if open >= GROUP_MAX => Err(Error::limit(format!("a group runs at most {GROUP_MAX} calls at once; take a result first"))),
            Ok(planned) if planned.asks => Err(Error::denied(format!("`{tool}` needs an approval, which a group does not wait for"))),
            planned => planned,
        };
        match planned {
            Ok(planned) => {
                let op = self.begin(planned.call.clone()).await?;
                self.note_agent(group, op, &planned.call);
                self.go(group, op, planned.call, false);
                Ok(op)
            }
            Err(refusal) => {
                let op = self.begin_refused(tool, arguments)?;
                self.end_beside(op, refused(&refusal).into()).await?;
                Ok(op)
            }
        }
    }

    fn note_agent(&self, group: u32, op: u32, call: &ToolCall) {
        if agent_of(&call.tool).is_some()
            && let Some(group) = self.groups().groups.get_mut(&group)
        {
            group.agents.insert(op, call.key.clone());
        }
    }

    /// Lets a call run beside the agent, until the agent lets go of its group. Only the call itself is ended then: a record that is on
    /// its way arrives.
    fn go(self: &Arc<Self>, group: u32, op: u32, call: ToolCall, again: bool) {
        let Some(mut let_go) = self.groups().groups.get(&group).map(|group| group.let_go.subscribe()) else { return };
        let running = Running::start(self.clone());
        tokio::spawn(async move {
            let turn = &running.0;
            let work = async { if again { turn.settle(&call).await } else { turn.execute(&call).await } };
            let ended = tokio::select! {
                ended = work => ended,
                _ = let_go.wait_for(|gone| *gone) => return,
            };
            let recorded = match ended {
                Ok(answer) => turn.end_beside(op, answer).await,
                Err(Stop::Waiting) => {
                    turn.groups().waiting.insert(op);
                    return;
                }
                Err(stop) => Err(stop),
            };
            if let Err(stop) = recorded {
                turn.groups().broken.get_or_insert(stop);
            }
        });
    }

    /// Records the end of a call that the agent has not come to yet.
    async fn end_beside(&self, op: u32, answer: Answer) -> Result<(), Stop> {
        self.journal.machine().end(op, answer, self.journal.now()).map_err(Stop::Turn)?;
        self.journal.write(Standing::running()).await.map_err(Stop::Host)
    }

    /// Waits for the next result of a group: its number there, and how the call ended.
    pub(super) async fn next_of_group(&self, group: u32) -> Result<Option<(u32, Outcome)>, Stop> {
        loop {
            let changed = self.group_call_ended.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let among: Vec<u32> = {
                let groups = self.groups();
                if let Some(stop) = &groups.broken {
                    return Err(stop.clone());
                }
                groups.groups.get(&group).ok_or_else(no_group)?.open.iter().map(|(op, _)| *op).collect()
            };
            if among.is_empty() {
                return Ok(None);
            }
            let now = self.journal.now();
            let taken = {
                let mut machine = self.journal.machine();
                match machine.take(&among).map_err(Stop::Turn)? {
                    TakeStep::Taken { op, outcome } => Some((op, outcome)),
                    TakeStep::New { ended: Some(op) } => Some((op, machine.took(op, now).map_err(Stop::Turn)?)),
                    TakeStep::New { ended: None } => None,
                }
            };
            match taken {
                Some((op, outcome)) => return Ok(Some((self.close(group, op)?, outcome))),
                None if self.all_wait(&among) => return Err(self.suspend().await),
                None => changed.await,
            }
        }
    }

    fn all_wait(&self, ops: &[u32]) -> bool {
        let groups = self.groups();
        ops.iter().all(|op| groups.waiting.contains(op))
    }

    fn close(&self, group: u32, op: u32) -> Result<u32, Stop> {
        let mut groups = self.groups();
        let group = groups.groups.get_mut(&group).ok_or_else(no_group)?;
        let at = group.open.iter().position(|(open, _)| *open == op);
        let at = at.ok_or_else(|| Stop::Host(Error::host("a result was taken from another group", op)))?;
        Ok(group.open.remove(at).1)
    }

    /// The agent lets go of a group: what still runs is ended. Returns the keys of the calls of agents among it.
    pub(super) fn drop_group(&self, group: u32) -> Result<Vec<String>, Stop> {
        let Some(mut group) = self.groups().groups.remove(&group) else { return Ok(Vec::new()) };
        group.let_go.send_replace(true);
        let now = self.journal.now();
        let mut machine = self.journal.machine();
        group.open.iter().try_for_each(|(op, _)| machine.cancel(*op, now).map_err(Stop::Turn))?;
        Ok(group.open.iter().filter_map(|(op, _)| group.agents.remove(op)).collect())
    }

    /// Lets go of every group, in the order in which they were made, as the end of a turn does.
    pub(super) fn drop_groups(&self) -> Result<(), Stop> {
        let numbers: Vec<u32> = self.groups().groups.keys().copied().collect();
        numbers.into_iter().try_for_each(|number| self.drop_group(number).map(drop))
    }

    /// Waits until no call of a group runs.
    pub(super) async fn groups_ended(&self) -> Result<(), Stop> {
        loop {
            let changed = self.group_call_ended.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let groups = self.groups();
                if let Some(stop) = &groups.broken {
                    return Err(stop.clone());
                }
                if groups.running == 0 {
                    return Ok(());
                }
            }
            changed.await;
        }
    }

    /// Why the results of groups are not recorded any more, if they are not.
    pub(super) fn groups_broken(&self) -> Option<Stop> {
        self.groups().broken.clone()
    }

    /// Ends every call that runs beside the agent, without a record: the turn stops here.
    pub(super) fn abort_groups(&self) {
        for group in self.groups().groups.values() {
            group.let_go.send_replace(true);
        }
    }
}

/// Counts a call as over however it ends.
struct Running(Arc<Turn>);

impl Running {
    fn start(turn: Arc<Turn>) -> Self {
        turn.groups().running += 1;
        Self(turn)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut groups = self.0.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.running = groups.running.saturating_sub(1);
        drop(groups);
        self.0.group_call_ended.notify_waiters();
    }
}

fn no_group() -> Stop {
    Stop::Turn(Error::new(Kind::Guest, "the call group is not there"))
}
