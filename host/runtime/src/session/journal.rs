//! The journal of the turn that runs: the replay machine, and the way of its records into the store.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use remit_core::{
    Result,
    clock::{Clock, Timestamp},
    content::Blob,
    id::{SessionId, WaitId},
    identity::TurnPlace,
    journal::{Machine, Outcome, ToolCall, Wait},
    plugin::Digest,
    store::{Append, OpenWait, SessionRow, SessionStore, Status, TurnClose, TurnOpen, WaitKind},
};

use crate::{capability::Services, workspace::Captured};

/// A turn's journal, under one claim of its session.
pub(super) struct Journal {
    pub(super) session: SessionId,
    pub(super) epoch: u64,
    pub(super) branch: u32,
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) machine: Arc<Mutex<Machine>>,
    /// Held while records are on their way, so that they arrive in their order.
    beside: tokio::sync::Mutex<Beside>,
}

/// What is committed with the next records.
#[derive(Default)]
struct Beside {
    open: Option<TurnOpen>,
    opened: Vec<OpenWait>,
    used: Vec<WaitId>,
    named: Vec<(String, u64)>,
    content: Vec<Vec<u8>>,
    outputs: BTreeMap<Digest, Blob>,
}

/// How the session stands after an append.
pub(super) struct Standing {
    pub(super) status: Status,
    pub(super) detail: String,
    pub(super) close: Option<TurnClose>,
}

impl Standing {
    /// In its turn.
    pub(super) fn running() -> Self {
        Self { status: Status::Running, detail: String::new(), close: None }
    }

    /// In its turn, which waits.
    pub(super) fn waiting(detail: String) -> Self {
        Self { status: Status::Waiting, detail, close: None }
    }

    /// In its turn, which cannot go on.
    pub(super) fn quarantined(detail: String) -> Self {
        Self { status: Status::Quarantined, detail, close: None }
    }

    /// Between turns.
    pub(super) fn idle(detail: String, close: TurnClose) -> Self {
        Self { status: Status::Idle, detail, close: Some(close) }
    }
}

impl Journal {
    pub(super) fn new(
        claimed: &SessionRow,
        store: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        machine: Machine,
        open: Option<TurnOpen>,
    ) -> Self {
        let beside = tokio::sync::Mutex::new(Beside { open, ..Beside::default() });
        Self {
            session: claimed.id,
            epoch: claimed.epoch,
            branch: claimed.branch,
            store,
            clock,
            machine: Arc::new(Mutex::new(machine)),
            beside,
        }
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Opens a wait with the next records, which `key` names; returns what it is for.
    ///
    /// # Errors
    /// `limit`.
    pub(super) async fn opens(&self, wait: Wait, key: Option<&str>) -> Result<String> {
        let mut beside = self.beside.lock().await;
        let mut machine = self.machine();
        let (due, seq) = (wait.due(), machine.next_seq());
        let op = machine.begin_wait(wait.clone(), self.now())?;
        let (id, kind, title, details, call) = match wait {
            Wait::Approval { id, title, details, call, .. } => (id, WaitKind::Approval, title, details, call),
            Wait::Input { id, prompt } => (id, WaitKind::Input, prompt, String::new(), None),
            Wait::Timer { id, due } => (id, WaitKind::Timer, format!("until {due}"), String::new(), None),
        };
        let detail = title.clone();
        beside.opened.push(OpenWait { id, op, kind, title, details, call, due });
        beside.named.extend(key.map(|key| (key.to_owned(), seq)));
        Ok(detail)
    }

    /// Takes the decision of a wait with the next records.
    pub(super) async fn uses(&self, wait: WaitId) {
        self.beside.lock().await.used.push(wait);
    }

    /// Records that a call begins, which `key` names with the next records.
    ///
    /// # Errors
    /// `limit`.
    pub(super) async fn begins(&self, call: ToolCall, key: Option<&str>) -> Result<u32> {
        // No write takes the record alone.
        let mut beside = match key {
            Some(_) => Some(self.beside.lock().await),
            None => None,
        };
        let mut machine = self.machine();
        let seq = machine.next_seq();
        let op = machine.begin_call(call, self.now())?;
        if let (Some(beside), Some(key)) = (&mut beside, key) {
            beside.named.push((key.to_owned(), seq));
        }
        Ok(op)
    }

    /// Records a wait that was opened before, and how it ended; takes the decision, and has `key` name it, with the next records.
    ///
    /// # Errors
    /// `limit`.
    pub(super) async fn ends_wait(&self, wait: Wait, outcome: Outcome, key: Option<&str>) -> Result<()> {
        let mut beside = self.beside.lock().await;
        let mut machine = self.machine();
        let (id, seq) = (wait.id(), machine.next_seq());
        let op = machine.begin_wait(wait, self.now())?;
        machine.conclude(op, outcome, self.now())?;
        beside.used.push(id);
        beside.named.extend(key.map(|key| (key.to_owned(), seq)));
        Ok(())
    }

    /// Keeps a result with the next records. To be called before its record is made, so that no write takes that one alone.
    pub(super) async fn keeps(&self, digest: Digest, bytes: &[u8]) {
        let (blob, pieces) = super::outputs::pieces(bytes);
        let mut beside = self.beside.lock().await;
        beside.content.extend(pieces);
        beside.outputs.insert(digest, blob);
    }

    /// Keeps the trees that the turn leaves, with its end.
    async fn leaves(&self, content: Vec<Vec<u8>>) {
        self.beside.lock().await.content.extend(content);
    }

    /// Whether nothing of the turn is written and nothing has happened in it.
    pub(super) async fn is_blank(&self) -> bool {
        self.beside.lock().await.open.is_some() && self.machine().next_op() == 0
    }

    /// Where the turn stands.
    pub(super) fn place(&self) -> TurnPlace {
        TurnPlace { branch: self.branch, seq: self.machine().began_seq() }
    }

    /// Takes what the turn left in workspaces into the content of the session.
    pub(super) async fn capture(&self, services: &Services, project: &str) -> Result<Captured> {
        let Some(workspaces) = &services.workspaces else { return Ok(Captured::default()) };
        let mut captured = workspaces.capture(project, self.session, self.place(), self.epoch, &self.store).await?;
        if !captured.trees.is_empty() {
            self.machine().captured(captured.trees.clone(), self.now())?;
            self.leaves(std::mem::take(&mut captured.content)).await;
        }
        Ok(captured)
    }

    /// Writes what has to be added. Durable on return.
    ///
    /// # Errors
    /// Those of [`SessionStore::session_append`]: the turn cannot go on here.
    pub(super) async fn write(&self, standing: Standing) -> Result<()> {
        let mut beside = self.beside.lock().await;
        let records = self.machine().take_pending();
        let changes = standing.status != Status::Running || standing.close.is_some();
        if records.is_empty() && beside.used.is_empty() && !changes {
            return Ok(());
        }
        let Beside { open, opened, used, named, content, outputs } = std::mem::take(&mut *beside);
        let at = self.now();
        let (session, epoch) = (self.session, self.epoch);
        let Standing { status, detail, close } = standing;
        let append = Append { session, epoch, at, records, opened, used, named, open, close, content, outputs, status, detail };
        self.store.session_append(append).await
    }
}
