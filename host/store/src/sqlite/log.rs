//! The write-ahead log: how long it is, and the room that it has.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rusqlite::Connection;

use super::database::Database;

/// Bytes before the first page.
const HEAD_BYTES: u64 = 32;
/// Bytes of a page, with what the log says of it.
const FRAME_BYTES: u64 = 4096 + 24;
/// Pages from which on room is made: a process that writes less ends before it would pay.
const FIRST_PAGES: u32 = 32;
/// Pages of room that there should be.
const SPARE_PAGES: u32 = 16;
/// Most pages that the log is lengthened by at once.
const STEP_MAX_PAGES: u32 = 256;

/// The log as the thread that writes knows it.
pub(super) struct Log {
    path: PathBuf,
    /// Pages from which on it is copied into the database.
    bound: u32,
    /// Pages after the last commit.
    pages: Arc<AtomicU32>,
    /// Pages when it was last copied, or should have been.
    copied_at: u32,
    /// Pages that its file holds, as far as is known.
    room: u32,
}

impl Log {
    /// The log of `database`.
    pub(super) fn new(database: &Database) -> Self {
        let path = database.folder.join(format!("{}-wal", database.name));
        Self { path, bound: database.wal_max_pages, pages: Arc::default(), copied_at: 0, room: 0 }
    }

    /// Has SQLite tell the length after each commit of `connection`.
    pub(super) fn watched(&self, mut connection: Connection) -> rusqlite::Result<Connection> {
        let pages = self.pages.clone();
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, now: i32| {
            pages.store(now.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(connection)
    }

    fn pages(&self) -> u32 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Whether it grew by the bound since it was copied last. It begins anew once it was copied and nobody reads it.
    pub(super) fn is_long(&mut self) -> bool {
        if self.pages() < self.copied_at {
            self.copied_at = 0;
        }
        self.pages() - self.copied_at >= self.bound
    }

    /// It was copied, or that failed.
    pub(super) fn tried(&mut self) {
        self.copied_at = self.pages();
    }

    /// Whether the next commits would lengthen its file.
    pub(super) fn is_tight(&self) -> bool {
        let pages = self.pages();
        pages >= FIRST_PAGES && self.room < self.bound.min(pages + SPARE_PAGES)
    }

    /// Puts zeros behind its end, durably. A commit that writes over them syncs in two thirds of the time of one that lengthens the file,
    /// since the file system has nothing to note down. SQLite takes zeros for the log's end.
    ///
    /// The caller is in a transaction that writes: nobody else writes to the log, cuts it or removes it meanwhile.
    pub(super) fn lengthen(&mut self) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        let bytes = file.metadata()?.len();
        let pages = self.pages();
        let wanted = self.bound.min(pages + pages.min(STEP_MAX_PAGES));
        let missing = (HEAD_BYTES + u64::from(wanted) * FRAME_BYTES).saturating_sub(bytes);
        if missing > 0 {
            let zeros = vec![0; usize::try_from(missing).map_err(io::Error::other)?];
            file.write_all(&zeros)?;
            file.sync_data()?;
        }
        self.room = u32::try_from((bytes + missing).saturating_sub(HEAD_BYTES) / FRAME_BYTES).unwrap_or(u32::MAX);
        Ok(())
    }

    /// Leaves the length of its file to SQLite from now on.
    pub(super) fn leave(&mut self) {
        self.room = u32::MAX;
    }
}
