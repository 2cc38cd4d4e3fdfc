//! The thread that writes: takes what is queued, runs it in one transaction, commits, answers.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
};

use remit_core::{Error, Kind, Result};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    answer::Answer,
    audit::{Records, Shared},
    database::Database,
    failure::{Failure, broken, is_full},
    log::Log,
    session,
};
use crate::owner::Owner;

/// Most requests of one transaction.
const GROUP_MAX: usize = 1024;

/// Sessions with records of turns that ended, which are to be packed when nobody asks for anything.
pub(super) type Finished = Arc<Mutex<BTreeSet<i64>>>;

/// What the thread that writes is told.
enum Message {
    /// To do this.
    Do(Box<dyn Request>),
    /// That records of the audit log wait.
    Records,
}

/// Hands requests to the thread that writes. Dropping it waits until all of them are done.
pub(super) struct Writer {
    queue: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// `host` when the system gives no thread.
    pub(super) fn start(database: Database, owner: Arc<Owner>, finished: Finished, waiting: Shared) -> Result<Self> {
        let (queue, requests) = mpsc::channel();
        let (log, records) = (Log::new(&database), Records::new(waiting));
        let mut thread = Thread { database, owner, connection: None, log, mark: 0, swept: false, finished, records, is_end: false };
        let started = std::thread::Builder::new().name("remit-store-writer".to_owned()).spawn(move || thread.run(&requests));
        let thread = started.map_err(|error| Error::host("the system gives no thread for the state database", error))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Has `act` run in a transaction, perhaps a second time after what it did was undone; `answer` is told its result once that is durable.
    pub(super) fn submit<T: Send + 'static>(&self, act: impl Fn(&Connection) -> Result<T, Failure> + Send + 'static, answer: Answer<T>) {
        // Without the thread the request is dropped, and whoever waits for its answer is told so.
        self.tell(Message::Do(Box::new(Work { act, result: None, answer })));
    }

    /// Has the records of the audit log that wait be written, soon.
    pub(super) fn wake(&self) {
        self.tell(Message::Records);
    }

    fn tell(&self, message: Message) {
        if self.queue.as_ref().is_none_or(|queue| queue.send(message).is_err()) {
            tracing::error!("the thread of the state database has ended");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the state database panicked");
        }
    }
}

/// A request on its way through a transaction.
trait Request: Send {
    /// Runs it. An error is the database's; a refusal is kept for the answer. Tells whether it did all of it, or nothing.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<bool>;

    /// Answers: with its own result if the transaction was committed.
    fn answer(self: Box<Self>, committed: Result<()>);
}

struct Work<T, F> {
    act: F,
    result: Option<Result<T>>,
    answer: Answer<T>,
}

impl<T: Send, F: Fn(&Connection) -> Result<T, Failure> + Send> Request for Work<T, F> {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let before = connection.total_changes();
        let result = match (self.act)(connection) {
            Ok(value) => Ok(value),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Broken(error)) => return Err(error),
        };
        let whole = result.is_ok() || connection.total_changes() == before;
        self.result = Some(result);
        Ok(whole)
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        match (committed, self.result) {
            (Ok(()), Some(result)) => self.answer.give(result),
            (Ok(()), None) => self.answer.give(Err(Error::host("a request to the state database was not run", "no result"))),
            (Err(error), _) => self.answer.give(Err(error)),
        }
    }
}

/// What the thread has. Its connection is closed after every failure: what SQLite thinks of the files cannot be relied on then, and
/// closing rolls back.
struct Thread {
    database: Database,
    owner: Arc<Owner>,
    connection: Option<Connection>,
    log: Log,
    /// Numbers the transactions that were tried. Each writes its number, so that it can be found out whether it took place.
    mark: i64,
    /// Whether what dead owners left was removed.
    swept: bool,
    finished: Finished,
    records: Records,
    /// Whether nobody can ask for anything any more.
    is_end: bool,
}

impl Thread {
    fn run(&mut self, requests: &Receiver<Message>) {
        while let Some(group) = self.next(requests) {
            self.run_once(group, requests);
        }
        self.is_end = true;
        if self.records.rest().is_some() {
            self.run_once(Vec::new(), requests);
        }
    }

    fn run_once(&mut self, mut group: Vec<Box<dyn Request>>, requests: &Receiver<Message>) {
        let committed = self.commit(&mut group, requests);
        match &committed {
            Ok(()) => self.records.kept(),
            Err(error) => {
                tracing::warn!(error = error.message, "a group was not committed");
                self.records.lost();
            }
        }
        for request in group {
            request.answer(committed.clone());
        }
        if self.log.is_long() {
            self.checkpoint();
        } else if self.log.is_tight() {
            self.lengthen();
        }
    }

    /// What to do next: a request, or nothing but to write records of the audit log. Packing is for when nobody asks for anything; what is
    /// left of it then is done before the thread ends.
    fn next(&self, requests: &Receiver<Message>) -> Option<Vec<Box<dyn Request>>> {
        loop {
            if let Some(request) = asked(requests).next() {
                return Some(vec![request]);
            }
            let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner).pop_first();
            if let Some(session) = finished {
                let act = move |connection: &Connection| session::pack(connection, session);
                return Some(vec![Box::new(Work { act, result: None, answer: Answer::later().0 })]);
            }
            let message = match self.records.rest() {
                None => requests.recv().map_err(RecvTimeoutError::from),
                Some(rest) => requests.recv_timeout(rest),
            };
            match message {
                Ok(Message::Do(request)) => return Some(vec![request]),
                Ok(Message::Records) => {}
                Err(RecvTimeoutError::Timeout) => return Some(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Runs and commits a group, with what joins it until then. After an error nothing of it took place, unless the error says that it
    /// is in doubt.
    fn commit(&mut self, group: &mut Vec<Box<dyn Request>>, requests: &Receiver<Message>) -> Result<()> {
        let connection = self.connection.take().map_or_else(|| self.connect(), Ok).map_err(|error| broken(&error))?;
        let changed = self.run_group(&connection, group, requests)?;
        // Last, so that records which were there before a request are committed with it at the latest.
        let changed = self.records.write(&connection, self.is_end)? || changed;
        // A group that changed nothing, such as a claim that is refused, costs no sync, and wakes nobody who waits for changes.
        match execute(&connection, if changed { "COMMIT" } else { "ROLLBACK" }) {
            Ok(()) => {
                self.connection = Some(connection);
                self.swept = true;
                Ok(())
            }
            Err(failure) => {
                drop(connection);
                self.settle(&failure)
            }
        }
    }

    /// Runs a group, and what comes meanwhile: of those who were answered together, the first one to ask again does not sync alone.
    ///
    /// There are no savepoints, which would take a third of the time. Few are refused, and hardly one after it changed something; then the
    /// group is run again, and what a refused one did is undone. Returns whether anything was changed.
    fn run_group(
        &mut self,
        connection: &Connection,
        group: &mut Vec<Box<dyn Request>>,
        requests: &Receiver<Message>,
    ) -> Result<bool, Failure> {
        self.begin(connection)?;
        let before = connection.total_changes();
        for next in 0.. {
            group.extend(asked(requests).take(GROUP_MAX - group.len()));
            let Some(request) = group.get_mut(next) else { break };
            if !request.run(connection)? {
                execute(connection, "ROLLBACK")?;
                self.begin(connection)?;
                group.iter_mut().try_for_each(|request| run_apart(connection, &mut **request))?;
                return Ok(true);
            }
        }
        Ok(connection.total_changes() != before)
    }

    fn begin(&mut self, connection: &Connection) -> Result<(), Failure> {
        execute(connection, "BEGIN IMMEDIATE")?;
        self.write_mark(connection)?;
        if !self.swept {
            self.forget_dead(connection)?;
        }
        Ok(())
    }

    /// Removes the marks of owners that ended. Their claims stay, so that whoever takes a session over knows it.
    fn forget_dead(&self, connection: &Connection) -> Result<(), Failure> {
        let mut owners = connection.prepare("SELECT owner FROM owners")?;
        for owner in owners.query_map([], |row| row.get::<_, i64>(0))? {
            let owner = owner?;
            if !self.owner.is_alive(owner)? {
                connection.execute("DELETE FROM owners WHERE owner = ?1", [owner])?;
            }
        }
        Ok(())
    }

    /// A commit failed. Whether it took place is read on a new connection, in a transaction whose own commit settles it: what a
    /// failed one left in the write-ahead log is overwritten by the next one.
    fn settle(&mut self, failure: &rusqlite::Error) -> Result<()> {
        let tried = self.mark;
        let settled = self.connect().and_then(|connection| {
            execute(&connection, "BEGIN IMMEDIATE")?;
            let took_place = read_mark(&connection, self.owner.id())? == Some(tried);
            self.write_mark(&connection)?;
            execute(&connection, "COMMIT")?;
            self.connection = Some(connection);
            Ok(took_place)
        });
        match settled {
            Ok(false) => Err(broken(failure)),
            // It can be read, and whether it is on the disk is not known.
            Ok(true) => Err(in_doubt(failure)),
            // Without space the last page of the transaction was not written, and without that one it counts for nothing.
            Err(_) if is_full(failure) => Err(broken(failure)),
            Err(error) => {
                Err(Error::new(Kind::InDoubt, "the state database failed while it was written, and what became of it is not known")
                    .hint("look at the disk; read the session again before going on")
                    .internal(format!("{failure}; then {error}")))
            }
        }
    }

    fn write_mark(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.mark += 1;
        let sql = "INSERT INTO owners (owner, pid, mark) VALUES (?1, ?2, ?3) ON CONFLICT (owner) DO UPDATE SET mark = excluded.mark";
        connection.prepare_cached(sql)?.execute(params![self.owner.id(), std::process::id(), self.mark])?;
        Ok(())
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        self.database.writer().and_then(|connection| self.log.watched(connection))
    }

    /// Copies the write-ahead log into the database, as far as no reader needs it. Nothing is lost when that fails.
    fn checkpoint(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            Ok(()) => self.connection = Some(connection),
            Err(error) => tracing::warn!(%error, "the log of the state database could not be copied into it"),
        }
        self.log.tried();
    }

    /// Makes room in the write-ahead log, when nobody waits for it. Without room commits only take longer.
    fn lengthen(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let lengthened = execute(&connection, "BEGIN IMMEDIATE").map_err(io::Error::other).and_then(|()| self.log.lengthen());
        match lengthened.and_then(|()| execute(&connection, "ROLLBACK").map_err(io::Error::other)) {
            Ok(()) => self.connection = Some(connection),
            Err(error) => {
                tracing::debug!(%error, "no room could be made in the log of the state database");
                self.log.leave();
            }
        }
    }
}

/// Requests that wait.
fn asked(requests: &Receiver<Message>) -> impl Iterator<Item = Box<dyn Request>> {
    requests.try_iter().filter_map(|message| match message {
        Message::Do(request) => Some(request),
        Message::Records => None,
    })
}

fn in_doubt(internal: impl std::fmt::Display) -> Error {
    Error::new(Kind::InDoubt, "the state database failed while it was written, and what became of it is not known")
        .hint("look at the disk; read the session again before going on")
        .internal(internal)
}

/// Runs a request so that nothing of it stays when it is refused.
fn run_apart(connection: &Connection, request: &mut dyn Request) -> rusqlite::Result<()> {
    execute(connection, "SAVEPOINT request")?;
    if !request.run(connection)? {
        execute(connection, "ROLLBACK TO request")?;
    }
    execute(connection, "RELEASE request")
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

fn read_mark(connection: &Connection, owner: i64) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT mark FROM owners WHERE owner = ?1", [owner], |row| row.get(0)).optional()
}
