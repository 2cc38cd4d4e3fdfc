//! A disk that SQLite's files are on: it fails on request, and remembers what a crash would leave.
#![allow(clippy::disallowed_methods, reason = "the files are those of a test")]

use std::{
    collections::BTreeMap,
    ffi::c_int,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    image::{Crash, Image},
    layer::{self, Registered},
};
use crate::{Sqlite, sqlite::Database};

/// What SQLite does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Read,
    Write,
    Sync,
}

/// A failure to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// What fails.
    pub(super) doing: Doing,
    /// How many of them go well before.
    pub(super) after: usize,
    /// How many fail.
    pub(super) times: usize,
    /// How, as SQLite says it.
    pub(super) code: c_int,
}

/// A point at which a crash is tried: just before something is written or synced.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// The files, by name.
    pub(super) files: BTreeMap<String, Image>,
    /// The next record of each session, as far as it was acknowledged.
    pub(super) acknowledged: BTreeMap<u64, u64>,
    /// Whether nothing was under way.
    pub(super) at_rest: bool,
}

/// What the layer calls for each thing that SQLite does.
#[derive(Debug, Default)]
pub(super) struct State {
    files: BTreeMap<String, Image>,
    fault: Option<Fault>,
    acknowledged: BTreeMap<u64, u64>,
    moments: Option<Vec<Moment>>,
    failed: usize,
}

impl State {
    /// Says whether it is to fail.
    pub(super) fn before(&mut self, doing: Doing, file: &str) -> Option<c_int> {
        if doing != Doing::Read && self.moments.is_some() {
            let now = Moment { at_rest: false, ..self.now() };
            self.moments.as_mut().into_iter().for_each(|moments| moments.push(now.clone()));
        }
        let fault = self.fault.as_mut().filter(|fault| fault.doing == doing && fault.times > 0)?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times -= 1;
        self.failed += 1;
        if doing == Doing::Sync {
            self.file(file).lose();
        }
        Some(self.fault?.code)
    }

    fn now(&self) -> Moment {
        Moment { files: self.files.clone(), acknowledged: self.acknowledged.clone(), at_rest: true }
    }

    pub(super) fn file(&mut self, name: &str) -> &mut Image {
        self.files.entry(name.to_owned()).or_default()
    }

    pub(super) fn delete(&mut self, name: &str) {
        self.files.remove(name);
    }
}

/// A disk with one store.
pub(super) struct Disk {
    folder: tempfile::TempDir,
    state: Arc<Mutex<State>>,
    layer: Registered,
}

impl Disk {
    /// An empty one.
    pub(super) fn new() -> Self {
        let state = Arc::<Mutex<State>>::default();
        Self { folder: tempfile::tempdir().expect("a folder"), layer: layer::register(state.clone()), state }
    }

    /// What is left after a crash at `moment`.
    pub(super) fn after(moment: &Moment, crash: Crash) -> Self {
        Self::with(moment.left(crash))
    }

    /// One with these files.
    pub(super) fn with(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let disk = Self::new();
        crate::folder::own(&disk.place()).expect("a folder");
        for (name, bytes) in files {
            std::fs::write(disk.place().join(&name), &bytes).expect("a file");
            disk.state().file(&name).write(0, &bytes);
            disk.state().file(&name).sync();
        }
        disk
    }

    pub(super) fn place(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(super) fn database(&self) -> Database {
        Database { vfs: Some(self.layer.name().to_owned()), ..Database::new(self.place()) }
    }

    pub(super) fn open(&self) -> remit_core::Result<Sqlite> {
        Sqlite::open_database(self.database())
    }

    /// Has something fail from now on, and no more what was to fail before.
    pub(super) fn fail(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = Some(fault);
        state.failed = 0;
    }

    /// Has nothing fail any more. Says how often something failed.
    pub(super) fn mend(&self) -> usize {
        let mut state = self.state();
        state.fault = None;
        state.failed
    }

    /// Has each moment kept from now on.
    pub(super) fn record(&self) {
        self.state().moments = Some(Vec::new());
    }

    /// The moments that were kept, and now.
    pub(super) fn moments(&self) -> Vec<Moment> {
        let now = self.now();
        let mut moments = self.state().moments.take().unwrap_or_default();
        moments.push(now);
        moments
    }

    pub(super) fn now(&self) -> Moment {
        self.state().now()
    }

    /// Notes that the store has acknowledged the records of a session before `next_seq`.
    pub(super) fn acknowledge(&self, session: u64, next_seq: u64) {
        self.state().acknowledged.insert(session, next_seq);
    }

    pub(super) fn length(&self, name: &str) -> usize {
        self.state().files.get(name).map_or(0, |image| image.after(Crash::Process).len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moment {
    /// The files after a crash now.
    pub(super) fn left(&self, crash: Crash) -> BTreeMap<String, Vec<u8>> {
        self.files.iter().map(|(name, image)| (name.clone(), image.after(crash))).collect()
    }
}

/// The name of a file without its folder.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
