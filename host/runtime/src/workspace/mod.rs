//! Workspaces: folders of a plugin's own, kept by (project, plugin, scope) below one folder of the host.
//!
//! A workspace of a project or a user is its folder. One of a session is its folder only while a turn writes it: at the turn's end its
//! files go to the content of the session, and a folder that is not what the journal says is made anew from there. So going back, a
//! fork, a copy that was put back, and a crash all need nothing but the journal.
//!
//! Beside the folder `NAME` of a session lie `NAME.mark` (what the folder is), `NAME.index` (what its files were when they were last
//! captured) and, while it is made, `NAME.new`.

mod capture;
mod index;
mod make;
mod mark;
#[cfg(test)]
mod tests;
mod walk;

use std::{
    collections::HashMap,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, DirBuilder, DirBuilderExt as _},
};
use remit_core::{
    Error, Result,
    grant::{Access, DataScope, Mount},
    id::SessionId,
    identity::{Context, Principal, TurnPlace},
    plugin::Digest,
    store::SessionStore,
};

pub(crate) use capture::Captured;
pub(crate) use make::tree;

use self::mark::Mark;
use crate::capability::fs::{OpenMount, Usage};

/// Workspaces that are remembered before those that nobody uses are forgotten.
const SLOTS_KEPT: usize = 1024;

/// What calls of one workspace share: what is in it, while any of them runs.
type Slot = Arc<tokio::sync::Mutex<Weak<Usage>>>;

/// All workspaces of a host.
pub struct Workspaces {
    root: PathBuf,
    slots: Mutex<HashMap<PathBuf, Slot>>,
}

/// Where a workspace is.
#[derive(Debug, Clone)]
struct Place {
    /// The folder that holds it, its mark and its index.
    holder: PathBuf,
    /// Its name there.
    name: String,
    /// The plugin that it belongs to.
    plugin: String,
}

impl Place {
    fn beside(&self, ending: &str) -> PathBuf {
        self.holder.join(format!("{}.{ending}", self.name))
    }

    fn folder(&self) -> PathBuf {
        self.holder.join(&self.name)
    }

    /// The folder that holds it, opened; made where it is not there.
    fn open_holder(&self) -> Result<Dir> {
        Dir::create_ambient_dir_all(&self.holder, ambient_authority()).map_err(|error| self.failed("made", &error))?;
        Dir::open_ambient_dir(&self.holder, ambient_authority()).map_err(|error| self.failed("opened", &error))
    }

    fn failed(&self, what: &str, error: &std::io::Error) -> Error {
        let message = format!("the workspace of `{}` could not be {what}: {error}", self.plugin);
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::unavailable(message).hint("free some space, and try again"),
            _ => Error::host(message, self.folder().display()),
        }
    }
}

impl Workspaces {
    /// Workspaces below `root`, which is made when the first one is. It belongs to the sessions of one store.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, slots: Mutex::default() }
    }

    /// The workspace of `mount` for a call, opened. Of a session, its folder is what the journal says, or what this turn made of it.
    ///
    /// # Errors
    /// `denied` for the workspace of a session outside of one; `host` and `unavailable` when its folder cannot be made or read.
    pub(crate) async fn open(
        &self,
        context: &Context,
        project: &str,
        plugin: &str,
        (mount, scope): (&Mount, DataScope),
        store: Option<&Arc<dyn SessionStore>>,
    ) -> Result<OpenMount> {
        let place = self.place(context, project, plugin, scope)?;
        let slot = self.slot(&place.folder());
        let mut shared = slot.lock().await;
        match (scope, context.session, context.turn, store) {
            (DataScope::Session, Some(session), Some(turn), Some(store)) => {
                let base = store.session_workspaces(session).await?.remove(plugin);
                place.ready(turn, base, mount.access == Access::Write, session, store).await?;
            }
            (DataScope::Session, ..) => return Err(no_session(plugin)),
            _ => {
                let place = place.clone();
                blocking(move || place.folder_made()).await?;
            }
        }
        let (shown, access) = (place.clone(), shared.upgrade());
        let (dir, present) = blocking(move || {
            let dir = shown.open_holder()?.open_dir(&shown.name).map_err(|error| shown.failed("opened", &error))?;
            let present = if access.is_some() { walk::Present::default() } else { walk::present(&shown, &dir)? };
            Ok((dir, (access, present)))
        })
        .await?;
        let usage = match present {
            (Some(usage), _) => usage,
            (None, present) => Arc::new(Usage::whole(present.bytes, present.files, mount)),
        };
        *shared = Arc::downgrade(&usage);
        OpenMount::workspace(mount, dir, usage).map_err(|error| place.failed("opened", &error))
    }

    fn place(&self, context: &Context, project: &str, plugin: &str, scope: DataScope) -> Result<Place> {
        let name = match (scope, context.session, context.turn) {
            (DataScope::Project, ..) => "project".to_owned(),
            (DataScope::User, ..) => user(&context.principal),
            (DataScope::Session, Some(session), Some(_)) => session.to_string(),
            (DataScope::Session, ..) => return Err(no_session(plugin)),
        };
        Ok(Place { holder: self.project(project).join(plugin), name, plugin: plugin.to_owned() })
    }

    /// Names of projects and principals are anything, so that their folders are called by digests.
    fn project(&self, project: &str) -> PathBuf {
        self.root.join(Digest::of(project.as_bytes()).hex())
    }

    fn slot(&self, folder: &Path) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SLOTS_KEPT {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.try_lock().map_or(true, |usage| usage.strong_count() > 0));
        }
        slots.entry(folder.to_owned()).or_default().clone()
    }

    /// The places that a session's workspaces have, or a user's, one for each plugin that may ever have had one.
    fn places(&self, project: &str, name: &str) -> Result<Vec<Place>> {
        let holder = self.project(project);
        let unreadable = |error: &std::io::Error| Error::host(format!("the workspaces could not be listed: {error}"), holder.display());
        let dir = match Dir::open_ambient_dir(&holder, ambient_authority()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            dir => dir.map_err(|error| unreadable(&error))?,
        };
        let mut places = Vec::new();
        for entry in dir.entries().map_err(|error| unreadable(&error))? {
            let plugin = entry.map_err(|error| unreadable(&error))?.file_name().to_string_lossy().into_owned();
            places.push(Place { holder: holder.join(&plugin), name: name.to_owned(), plugin });
        }
        Ok(places)
    }

    /// Removes the workspaces of a session. Durable on return.
    ///
    /// # Errors
    /// `host`.
    pub(crate) async fn erase_session(&self, project: &str, session: SessionId) -> Result<()> {
        self.erase(project, session.to_string()).await
    }

    /// Removes the workspaces of a user. Durable on return.
    ///
    /// # Errors
    /// `host`.
    pub(crate) async fn erase_user(&self, project: &str, principal: &Principal) -> Result<()> {
        self.erase(project, user(principal)).await
    }

    async fn erase(&self, project: &str, name: String) -> Result<()> {
        let places = self.places(project, &name)?;
        blocking(move || places.iter().try_for_each(Place::remove)).await
    }
}

fn no_session(plugin: &str) -> Error {
    Error::denied(format!("the workspace of `{plugin}` is a session's, and this call belongs to no turn of one"))
        .hint(format!("make the call in a session: remit call {plugin} TOOL --session NAME"))
        .hint(format!("or grant it a workspace of another scope: remit grant {plugin} workspace 'write scope=user'"))
}

fn user(principal: &Principal) -> String {
    format!("user-{}", Digest::of(principal.to_string().as_bytes()).hex())
}

impl Place {
    fn folder_made(&self) -> Result<()> {
        let holder = self.open_holder()?;
        match holder.create_dir_with(&self.name, DirBuilder::new().mode(0o700)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(self.failed("made", &error)),
            _ => Ok(()),
        }
    }

    /// Has the folder be what it should be at this place of the journal: what this turn made of it already, or else the tree `base`.
    async fn ready(
        &self,
        turn: TurnPlace,
        base: Option<remit_core::content::Blob>,
        writes: bool,
        session: SessionId,
        store: &Arc<dyn SessionStore>,
    ) -> Result<()> {
        let place = self.clone();
        let mark = blocking(move || Mark::read(&place)).await?;
        let holds = mark.as_ref().is_some_and(|mark| mark.holds(turn, base.as_ref()));
        if !holds {
            self.make(base.as_ref(), session, store).await?;
        }
        let now = Mark { branch: turn.branch, tree: base, turn: writes.then_some(turn.seq) };
        let write = if holds { writes && mark.is_none_or(|mark| mark.turn != now.turn) } else { true };
        if write {
            let place = self.clone();
            blocking(move || now.write(&place)).await?;
        }
        Ok(())
    }

    fn remove(&self) -> Result<()> {
        let holder = self.open_holder()?;
        // The mark goes first: without it the folder is nothing.
        for ending in ["mark", "index"] {
            match holder.remove_file(format!("{}.{ending}", self.name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(self.failed("removed", &error)),
                _ => {}
            }
        }
        for name in [self.name.clone(), format!("{}.new", self.name)] {
            remove_folder(&holder, &name).map_err(|error| self.failed("removed", &error))?;
        }
        sync(&holder).map_err(|error| self.failed("removed", &error))
    }
}

fn remove_folder(holder: &Dir, name: &str) -> std::io::Result<()> {
    match holder.remove_dir_all(name) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Has everything of a folder on the disk: its files, their names, whatever was written there before.
pub(crate) fn sync(dir: &Dir) -> std::io::Result<()> {
    // The handle itself only names the folder; what is synced has to be open for reading.
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(dir.open(".")?)?;
    #[cfg(not(target_os = "linux"))]
    walk::sync_each(dir)?;
    Ok(())
}

/// Does `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::host("work on a workspace did not end", error)))
}
