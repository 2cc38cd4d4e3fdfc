//! What is halted in a project: a file of its state folder that every process obeys.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use remit_core::{
    Error, Result,
    halt::{HaltSource, Halts},
    limit::HALTS_MAX_BYTES,
};

use super::{StateFolder, file};

/// The file, and what was read of it last. Without the file, nothing is halted; one that cannot be read halts everything.
pub struct HaltFile {
    state: StateFolder,
    path: PathBuf,
    seen: Mutex<Option<(file::Mark, Arc<Halts>)>>,
}

impl HaltFile {
    /// That of a project.
    pub fn new(state: &StateFolder) -> Self {
        Self { path: state.path().join("halt").join("halted.json"), state: state.clone(), seen: Mutex::default() }
    }

    /// Changes what is halted; of two processes that do so at once, one does it after the other. Durable on return.
    ///
    /// # Errors
    /// Those of `change`, after which all is as it was; `host` when the file cannot be read or written, `denied` when somebody else may
    /// have written it.
    pub fn change<T>(&self, change: impl FnOnce(&mut Halts) -> Result<T>) -> Result<T> {
        let folder = self.state.folder("halt")?;
        let _lock = file::lock(&folder.join("lock"))?;
        let mut halts = (*self.halts()?).clone();
        let changed = change(&mut halts)?;
        file::write(&self.path, &halts.text()?, 0o600)?;
        Ok(changed)
    }

    fn read(&self) -> Result<Arc<Halts>> {
        let text = file::read_own(&self.path, HALTS_MAX_BYTES)?;
        text.map_or_else(|| Ok(Halts::default()), |text| Halts::parse(&text)).map(Arc::new)
    }
}

impl HaltSource for HaltFile {
    fn halts(&self) -> Result<Arc<Halts>> {
        let hint = |error: Error| {
            let error = Error { message: format!("nothing runs: {}", error.message), ..error };
            error.hint(format!("look into `{}`, and remove it when nothing shall be halted", self.path.display()))
        };
        let Some(mark) = file::mark(&self.path) else {
            return self.read().map_err(hint);
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &*seen {
            Some((known, halts)) if *known == mark => Ok(halts.clone()),
            _ => {
                let halts = self.read().map_err(hint)?;
                *seen = Some((mark, halts.clone()));
                Ok(halts)
            }
        }
    }
}
