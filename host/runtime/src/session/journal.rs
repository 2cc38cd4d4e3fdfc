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
    journal::Machine,
    plugin::Digest,
    store::{Append, OpenWait, SessionRow, SessionStore, Status, TurnClose, TurnOpen},
};

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

    /// Opens a wait with the next records.
    pub(super) async fn opens(&self, wait: OpenWait) {
        self.beside.lock().await.opened.push(wait);
    }

    /// Takes the decision of a wait with the next records.
    pub(super) async fn uses(&self, wait: WaitId) {
        self.beside.lock().await.used.push(wait);
    }

    /// Keeps a result with the next records. To be called before its record is made, so that no write takes that one alone.
    pub(super) async fn keeps(&self, digest: Digest, bytes: &[u8]) {
        let (blob, pieces) = super::outputs::pieces(bytes);
        let mut beside = self.beside.lock().await;
        beside.content.extend(pieces);
        beside.outputs.insert(digest, blob);
    }

    /// Keeps the trees that the turn leaves, with its end.
    pub(super) async fn leaves(&self, content: Vec<Vec<u8>>) {
        self.beside.lock().await.content.extend(content);
    }

    /// Where the turn stands.
    pub(super) fn place(&self) -> TurnPlace {
        TurnPlace { branch: self.branch, seq: self.machine().began_seq() }
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
        let Beside { open, opened, used, content, outputs } = std::mem::take(&mut *beside);
        let at = self.now();
        let (session, epoch) = (self.session, self.epoch);
        let Standing { status, detail, close } = standing;
        let append = Append { session, epoch, at, records, opened, used, open, close, content, outputs, status, detail };
        self.store.session_append(append).await
    }
}
