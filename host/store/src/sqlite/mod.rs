//! The SQLite store.

mod answer;
mod audit;
mod copy;
mod database;
mod failure;
mod kv;
mod log;
mod readers;
mod session;
#[cfg(test)]
mod tests;
mod value;
mod version;
mod writer;

pub use self::{
    audit::{AuditPage, AuditRow},
    copy::{backup, restore},
};

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use remit_core::{
    Result,
    clock::Timestamp,
    content::Blob,
    id::{SessionId, WaitId},
    identity::Principal,
    journal::Line,
    plugin::Digest,
    store::{
        Append, Claim, Decision, Import, KvSpace, KvStore, Later, NewSession, Place, QueuedInput, SessionFilter, SessionRow, SessionStore,
        WaitRow,
    },
};
use rusqlite::Connection;

pub(crate) use self::database::Database;
use self::{
    answer::Answer,
    failure::Failure,
    readers::Readers,
    version::Watch,
    writer::{Finished, Writer},
};
use crate::{folder, owner::Owner};

/// Sessions, key-value data and the audit log in one SQLite database, which several processes may have open at once.
///
/// A session that was claimed through it belongs to it until it is released, or this is dropped, or the process ends. Dropping it
/// waits for what was asked of it before.
pub struct Sqlite {
    // Dropped in this order: the last connection when nothing is written any more, and then the owner's lock.
    writer: Writer,
    readers: Readers,
    watch: Arc<Mutex<Watch>>,
    owner: Arc<Owner>,
    finished: Finished,
    waiting: audit::Shared,
    /// Whether records of what only reads may be written later.
    may_lag: bool,
}

impl Sqlite {
    /// Opens `state.db` in `folder`. Both are made when they are not there. Blocks.
    ///
    /// # Errors
    /// `denied` when the folder is not this user's own or is open to others; `unavailable` when the database is of a later format, or
    /// there is no space; `invalid` when it is another program's; `host` otherwise.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_database(Database::new(folder.to_owned()))
    }

    pub(crate) fn open_database(database: Database) -> Result<Self> {
        folder::own(&database.folder)?;
        let opening = folder::opening(&database.folder)?;
        let owner = Arc::new(Owner::new(&database.folder)?);
        let watch = Watch(database.prepare()?);
        drop(opening);
        let (finished, waiting) = (Finished::default(), audit::Shared::default());
        Ok(Self {
            readers: Readers::start(&database)?,
            writer: Writer::start(database, owner.clone(), finished.clone(), waiting.clone())?,
            watch: Arc::new(Mutex::new(watch)),
            owner,
            finished,
            waiting,
            may_lag: true,
        })
    }

    /// A result once it is durable.
    fn write<T: Send + 'static>(&self, act: impl Fn(&Connection) -> Result<T, Failure> + Send + 'static) -> Later<'static, T> {
        let (answer, later) = Answer::later();
        self.writer.submit(act, answer);
        later
    }

    fn write_now<T: Send + 'static>(&self, act: impl Fn(&Connection) -> Result<T, Failure> + Send + 'static) -> Result<T> {
        let (answer, wait) = Answer::now();
        self.writer.submit(act, answer);
        wait()
    }

    fn read<T: Send + 'static>(&self, act: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static) -> Later<'static, T> {
        let (answer, later) = Answer::later();
        self.readers.submit(act, answer);
        later
    }

    fn read_now<T: Send + 'static>(&self, act: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static) -> Result<T> {
        let (answer, wait) = Answer::now();
        self.readers.submit(act, answer);
        wait()
    }
}

impl SessionStore for Sqlite {
    fn session_create(&self, new: NewSession) -> Later<'_, SessionRow> {
        self.write(move |connection| session::create(connection, &new))
    }

    fn session_get(&self, id: SessionId) -> Later<'_, Option<SessionRow>> {
        self.read(move |connection| Ok(session::find(connection, id)?.map(|kept| kept.row)))
    }

    fn session_list(&self, filter: SessionFilter) -> Later<'_, Vec<SessionRow>> {
        self.read(move |connection| session::list(connection, &filter))
    }

    fn session_claim(&self, id: SessionId) -> Later<'_, Claim> {
        let owner = self.owner.clone();
        self.write(move |connection| session::claim(connection, id, &owner))
    }

    fn session_release(&self, id: SessionId, epoch: u64) -> Later<'_, ()> {
        let owner = self.owner.id();
        let finished = self.finished.clone();
        self.write(move |connection| {
            let found = session::release(connection, id, epoch, owner)?;
            finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(found);
            Ok(())
        })
    }

    fn session_append(&self, append: Append) -> Later<'_, ()> {
        self.write(move |connection| session::append(connection, &append))
    }

    fn session_records(&self, id: SessionId, from: u64, limit: u32) -> Later<'_, Vec<Line>> {
        self.read(move |connection| session::records(connection, id, from, limit))
    }

    fn session_state(&self, id: SessionId) -> Later<'_, BTreeMap<String, Vec<u8>>> {
        self.read(move |connection| session::state(connection, id))
    }

    fn session_workspaces(&self, id: SessionId) -> Later<'_, BTreeMap<String, Blob>> {
        self.read(move |connection| session::workspaces(connection, id))
    }

    fn content_put(&self, id: SessionId, epoch: u64, pieces: Vec<Vec<u8>>) -> Later<'_, ()> {
        self.write(move |connection| session::content_put(connection, id, epoch, &pieces))
    }

    fn content_get(&self, id: SessionId, piece: Digest) -> Later<'_, Vec<u8>> {
        self.read(move |connection| session::content_get(connection, id, piece))
    }

    fn output_get(&self, id: SessionId, output: Digest) -> Later<'_, Option<Blob>> {
        self.read(move |connection| session::output_get(connection, id, output))
    }

    fn session_turn(&self, id: SessionId, key: String) -> Later<'_, Option<u64>> {
        self.read(move |connection| session::turn(connection, id, &key))
    }

    fn session_import(&self, import: Import) -> Later<'_, SessionRow> {
        self.write(move |connection| session::import(connection, &import))
    }

    fn session_revert(&self, id: SessionId, epoch: u64, seq: u64, place: Place, at: Timestamp) -> Later<'_, ()> {
        self.write(move |connection| session::revert(connection, id, epoch, seq, &place, at))
    }

    fn input_queue(&self, id: SessionId, input: QueuedInput) -> Later<'_, Option<u32>> {
        self.write(move |connection| session::input_queue(connection, id, &input))
    }

    fn input_list(&self, id: SessionId) -> Later<'_, Vec<QueuedInput>> {
        self.read(move |connection| session::input_list(connection, id))
    }

    fn session_kill(&self, id: SessionId, detail: String, at: Timestamp) -> Later<'_, ()> {
        self.write(move |connection| session::kill(connection, id, &detail, at))
    }

    fn session_erase(&self, id: SessionId) -> Later<'_, ()> {
        let owner = self.owner.clone();
        self.write(move |connection| session::erase(connection, id, &owner))
    }

    fn session_prune(&self, filter: SessionFilter) -> Later<'_, Vec<SessionRow>> {
        let owner = self.owner.clone();
        self.write(move |connection| session::prune(connection, &filter, &owner))
    }

    fn principal_erase(&self, project: String, principal: Principal) -> Later<'_, u64> {
        let owner = self.owner.clone();
        self.write(move |connection| session::erase_principal(connection, &project, &principal, &owner))
    }

    fn wait_get(&self, id: WaitId) -> Later<'_, Option<WaitRow>> {
        self.read(move |connection| session::wait_find(connection, id))
    }

    fn wait_list(&self, project: String, session: Option<SessionId>, all: bool) -> Later<'_, Vec<WaitRow>> {
        self.read(move |connection| session::wait_list(connection, &project, session, all))
    }

    fn approvals_open(&self, project: String, principal: Principal, at: Timestamp) -> Later<'_, u64> {
        self.read(move |connection| session::approvals_open(connection, &project, &principal, at))
    }

    fn wait_decide(&self, decision: Decision) -> Later<'_, ()> {
        self.write(move |connection| session::wait_decide(connection, &decision))
    }

    fn version(&self) -> Later<'_, u64> {
        let watch = self.watch.clone();
        self.read(move |_| Ok(watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner).version()?))
    }
}

impl KvStore for Sqlite {
    fn kv_get(&self, space: &KvSpace, key: &str) -> Result<Option<Vec<u8>>> {
        let (space, key) = (space.clone(), key.to_owned());
        self.read_now(move |connection| kv::get(connection, &space, &key))
    }

    fn kv_set(&self, space: &KvSpace, key: &str, value: Vec<u8>, max_bytes: u64) -> Result<()> {
        let (space, key) = (space.clone(), key.to_owned());
        self.write_now(move |connection| kv::set(connection, &space, &key, &value, max_bytes))
    }

    fn kv_increment(&self, space: &KvSpace, key: &str, delta: i64, max_bytes: u64) -> Result<i64> {
        let (space, key) = (space.clone(), key.to_owned());
        self.write_now(move |connection| kv::increment(connection, &space, &key, delta, max_bytes))
    }

    fn kv_delete(&self, space: &KvSpace, key: &str) -> Result<()> {
        let (space, key) = (space.clone(), key.to_owned());
        self.write_now(move |connection| kv::delete(connection, &space, &key))
    }

    fn kv_keys(&self, space: &KvSpace, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let (space, after) = (space.clone(), after.map(str::to_owned));
        self.read_now(move |connection| kv::keys(connection, &space, after.as_deref(), limit))
    }
}
