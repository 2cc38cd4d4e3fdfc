//! The threads that read, each on a connection of its own.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
};

use remit_core::{Error, Result};
use rusqlite::Connection;

use super::{answer::Answer, database::Database, failure::Failure};

/// How many there are.
const THREADS: usize = 2;

/// A request that reads; tells whether the connection may be used again.
type Read = Box<dyn FnOnce(&mut Place) -> bool + Send>;

/// What a thread reads with.
struct Place {
    database: Database,
    connection: Option<Connection>,
}

/// Hands requests to the threads that read.
pub(super) struct Readers {
    queue: Option<Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts the threads.
    ///
    /// # Errors
    /// `host` when the system gives no thread.
    pub(super) fn start(database: &Database) -> Result<Self> {
        let (queue, requests) = mpsc::channel();
        let requests = Arc::new(Mutex::new(requests));
        let mut readers = Self { queue: Some(queue), threads: Vec::new() };
        for _ in 0..THREADS {
            let mut place = Place { database: database.clone(), connection: None };
            let requests = requests.clone();
            let thread = std::thread::Builder::new().name("remit-store-reader".to_owned()).spawn(move || {
                while let Some(read) = next(&requests) {
                    if !read(&mut place) {
                        place.connection = None;
                    }
                }
            });
            readers.threads.push(thread.map_err(|error| Error::host("the system gives no thread for the state database", error))?);
        }
        Ok(readers)
    }

    /// Has `act` run in a transaction that sees one state of the database.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
        answer: Answer<T>,
    ) {
        let read: Read = Box::new(move |place| {
            let result = place.read(act);
            let usable = !matches!(result, Err(Failure::Broken(_)));
            answer.give(result.map_err(Error::from));
            usable
        });
        // Without the threads the request is dropped, and whoever waits for its answer is told so.
        if self.queue.as_ref().is_none_or(|queue| queue.send(read).is_err()) {
            tracing::error!("the threads of the state database have ended");
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the state database panicked");
            }
        }
    }
}

fn next(requests: &Mutex<Receiver<Read>>) -> Option<Read> {
    requests.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl Place {
    fn read<T>(&mut self, act: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.database.reader()?,
        };
        let connection = self.connection.insert(connection);
        connection.prepare_cached("BEGIN")?.execute([])?;
        let result = act(connection);
        if !matches!(result, Err(Failure::Broken(_))) {
            connection.prepare_cached("COMMIT")?.execute([])?;
        }
        result
    }
}
