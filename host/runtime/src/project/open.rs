//! Reading a project, whole and without running anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

use remit_core::{
    Error, Kind, Result,
    limit::{COMPONENT_MAX_BYTES, FILE_MAX_BYTES},
    plugin::{
        Digest, PluginName,
        lock::{Lock, LockedPlugin},
        text::visible,
    },
    project::{Pins, Plugin, Project, ProjectError, Source},
};

use super::{LOCAL_FILE, LOCK_FILE, MANIFEST_FILE, Native, Root, StateFolder, egress, file};

/// A project as its files say it at one moment.
#[derive(Debug, Clone)]
pub struct OpenProject {
    /// Its folder, absolute and without links.
    pub root: PathBuf,
    /// `remit.toml`, narrowed by `remit.local.toml`: what this user's calls may do.
    pub project: Project,
    /// `remit.toml` as it is written: what is reviewed, changed and locked, since it is everybody's.
    pub written: Project,
    /// `remit.lock`, when there is one.
    pub lock: Option<Lock>,
    /// The root certificates that `[http]` names.
    pub roots: Vec<Root>,
    /// Which bytes `project` and `lock` were read from: what trust is about.
    pub pins: Pins,
    /// Where its state lives.
    pub state: StateFolder,
}

/// A component that was read, not yet looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// Where it was.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
}

/// Why a project cannot be read.
#[derive(Debug)]
pub enum OpenError {
    /// One of its files has mistakes; they can be shown in their places.
    File(ProjectError),
    /// Anything else.
    Other(Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<ProjectError> for OpenError {
    fn from(error: ProjectError) -> Self {
        Self::File(error)
    }
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::File(error) => error.into(),
            OpenError::Other(error) => error,
        }
    }
}

/// Reads the project at `root`; `home` is `REMIT_HOME`, when it is set. Writes nothing, and asks nobody for trust.
///
/// # Errors
/// [`OpenError::File`] when `remit.toml`, `remit.lock` or `remit.local.toml` has mistakes; otherwise `not-found` without a `remit.toml`,
/// `invalid` when a file is not a regular one, a root certificate cannot be read, or the path is not UTF-8, `host` when a file cannot be read.
pub fn open(root: &Path, home: Option<&Path>) -> Result<OpenProject, OpenError> {
    let missing = || Error::not_found(format!("there is no `{MANIFEST_FILE}`")).hint("name the project's folder: --project FOLDER");
    let root = file::canonical(root)?.ok_or_else(missing)?;
    let manifest = file::read(&root.join(MANIFEST_FILE), FILE_MAX_BYTES)?.ok_or_else(missing)?;
    let locked = file::read(&root.join(LOCK_FILE), FILE_MAX_BYTES)?;
    let written = Project::parse(MANIFEST_FILE, &manifest)?;
    let mut project = written.clone();
    if let Some(local) = file::read(&root.join(LOCAL_FILE), FILE_MAX_BYTES)? {
        project.narrow(LOCAL_FILE, &local)?;
    }
    let lock = locked.as_deref().map(|bytes| Lock::parse(LOCK_FILE, bytes)).transpose()?;
    let roots = egress::roots(&root, &written.egress)?;
    let pins = pins(&root, &manifest, locked.as_deref(), &roots)?;
    let state = StateFolder::new(&root, &project.name, home);
    Ok(OpenProject { root, project, written, lock, roots, pins, state })
}

fn pins(root: &Path, manifest: &[u8], lock: Option<&[u8]>, roots: &[Root]) -> Result<Pins> {
    let shown = || visible(&root.to_string_lossy(), 256);
    let project = root
        .to_str()
        .ok_or_else(|| Error::invalid(format!("the project's path `{}` is not UTF-8", shown())).hint("move it to another folder"))?;
    let roots = roots.iter().map(|root| (root.path.clone(), root.digest)).collect();
    Ok(Pins { project: project.to_owned(), manifest: Digest::of(manifest), lock: lock.map(Digest::of), roots })
}

/// What a project without a lock has approved.
static NO_LOCK: Lock = Lock { plugins: BTreeMap::new() };

/// See [`OpenProject::marks`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks(Vec<Option<file::Mark>>);

fn switched_on(plugin: &Plugin) -> Result<()> {
    if plugin.disabled {
        return Err(
            Error::unavailable(format!("`{}` is switched off by `{LOCAL_FILE}`", plugin.name)).hint("remove `disabled = true` there")
        );
    }
    Ok(())
}

impl OpenProject {
    /// The same project without what `remit.local.toml` takes away.
    #[must_use]
    pub fn as_written(&self) -> Self {
        Self { project: self.written.clone(), ..self.clone() }
    }

    /// The grants that `remit.local.toml` takes from a plugin, one line of the grants' grammar each.
    pub fn revoked(&self, plugin: &PluginName) -> BTreeSet<String> {
        let lines = |project: &Project| project.plugins.get(plugin).map(Plugin::granted_lines).unwrap_or_default();
        lines(&self.written).difference(&lines(&self.project)).cloned().collect()
    }

    /// A plugin of the project.
    ///
    /// # Errors
    /// `not-found`, with the name that was probably meant.
    pub fn plugin(&self, name: &str) -> Result<&Plugin> {
        self.project.plugins.iter().find(|(known, _)| known.as_str() == name).map(|(_, plugin)| plugin).ok_or_else(|| {
            let error = Error::not_found(format!("the project has no plugin `{}`", visible(name, 64)));
            let known = self.project.plugins.keys().map(PluginName::as_str);
            match remit_core::project::nearest(name, known.clone()) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None if self.project.plugins.is_empty() => error.hint("it has none yet: remit add PATH"),
                None => error.hint(format!("it has {}", known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))),
            }
        })
    }

    /// Where the component of a plugin lies: its `.wasm` file, or where `remit build` puts what it made of the crate.
    ///
    /// # Errors
    /// `invalid` for an outside server, which has none.
    pub fn artefact_path(&self, plugin: &Plugin) -> Result<PathBuf> {
        match &plugin.source {
            Source::Wasm(path) => Ok(self.root.join(path)),
            Source::Crate(_) => Ok(self.state.built(&plugin.name)),
            Source::Command(_) | Source::Url(_) => {
                Err(Error::invalid(format!("`{}` is an outside server and has no component", plugin.name)))
            }
        }
    }

    /// What an outside server is started from, as it is now, or where it is. Nothing is started or asked.
    ///
    /// # Errors
    /// `unavailable` when it is switched off; `invalid` when it is a component; those of [`Native::find`]. Each concerns this plugin alone.
    pub fn outside(&self, plugin: &Plugin) -> Result<crate::plugin::Source> {
        switched_on(plugin)?;
        match &plugin.source {
            Source::Command(command) => Native::find(&plugin.name, &self.root, command).map(crate::plugin::Source::Native),
            Source::Url(remote) => Ok(crate::plugin::Source::Remote(remote.clone())),
            Source::Crate(_) | Source::Wasm(_) => Err(Error::invalid(format!("`{}` is no outside server", plugin.name))),
        }
    }

    /// What was approved of a plugin, when it still has that source and no more grants. Its component is not looked at.
    ///
    /// # Errors
    /// `unavailable` when it is switched off, was not approved, or its source or its grants are not the approved ones.
    pub fn locked(&self, plugin: &Plugin) -> Result<LockedPlugin> {
        switched_on(plugin)?;
        let lock = self.lock.as_ref().unwrap_or(&NO_LOCK);
        let digest = lock.plugins.get(&plugin.name).map_or(Digest::of(&[]), |locked| locked.digest);
        lock.admits(&self.project, plugin, digest).cloned()
    }

    /// How the files of the project, and the components of its plugins, are marked now: other marks, other files.
    pub fn marks(&self) -> Marks {
        let own = [MANIFEST_FILE, LOCK_FILE, LOCAL_FILE].map(|file| self.root.join(file));
        let components = self.project.plugins.values().filter_map(|plugin| self.artefact_path(plugin).ok());
        let roots = self.written.egress.roots.iter().map(|path| self.root.join(path));
        Marks(own.into_iter().chain(components).chain(roots).map(|path| file::mark(&path)).collect())
    }

    /// Reads the component of a plugin. Nothing is built.
    ///
    /// # Errors
    /// `unavailable` when it is switched off or is not there; `limit` when it is larger than [`COMPONENT_MAX_BYTES`]; `invalid` when it is not a
    /// regular file; `host` when it cannot be read. Each concerns this plugin alone.
    pub fn artefact(&self, plugin: &Plugin) -> Result<Artefact> {
        let name = &plugin.name;
        switched_on(plugin)?;
        let path = self.artefact_path(plugin)?;
        let Some(bytes) = file::read(&path, COMPONENT_MAX_BYTES)? else {
            let error =
                Error::unavailable(format!("`{name}` has no component: `{}` was not found", visible(&plugin.source.to_string(), 256)));
            return Err(match &plugin.source {
                Source::Crate(_) => Error { message: format!("`{name}` is not built yet"), ..error }.hint(format!("remit build {name}")),
                Source::Wasm(_) | Source::Command(_) | Source::Url(_) => {
                    error.hint(format!("correct `source` of `{name}` in `{MANIFEST_FILE}`"))
                }
            });
        };
        if bytes.len() as u64 > COMPONENT_MAX_BYTES {
            return Err(Error::limit(format!("the component of `{name}` has more than {} MiB", COMPONENT_MAX_BYTES >> 20))
                .hint("strip debug information: `wasm-tools strip`"));
        }
        let digest = Digest::of(&bytes);
        Ok(Artefact { path, bytes, digest })
    }

    /// The component of a plugin, with what was approved of it. Whether the user trusts the project is another question.
    ///
    /// # Errors
    /// Those of [`OpenProject::artefact`], and `unavailable` when it is not what was approved. Each concerns this plugin alone.
    pub fn approved(&self, plugin: &Plugin) -> Result<(Artefact, &LockedPlugin)> {
        let artefact = self.artefact(plugin)?;
        let lock = self.lock.as_ref().unwrap_or(&NO_LOCK);
        let locked = lock.admits(&self.project, plugin, artefact.digest)?;
        Ok((artefact, locked))
    }

    /// Writes a new lock, and with it a new text of `remit.toml` when there is one; returns what a trust in the result has to pin.
    ///
    /// Each file is replaced whole, the lock first: after a crash in between, the lock does not fit and nothing is loaded.
    ///
    /// # Errors
    /// `conflict` when a file changed since this project was read; `invalid` when the new text has mistakes; `host` when one cannot be written.
    pub fn save(&self, manifest: Option<&str>, lock: &Lock) -> Result<Pins, OpenError> {
        let path = self.root.join(MANIFEST_FILE);
        let lock_path = self.root.join(LOCK_FILE);
        let old = file::read(&path, FILE_MAX_BYTES)?.unwrap_or_default();
        let old_lock = file::read(&lock_path, FILE_MAX_BYTES)?;
        let roots = egress::roots(&self.root, &self.written.egress)?;
        if pins(&self.root, &old, old_lock.as_deref(), &roots)? != self.pins {
            let message = format!("`{MANIFEST_FILE}`, `{LOCK_FILE}` or a root certificate changed meanwhile");
            return Err(Error::new(Kind::Conflict, message).hint("look at it and try again; nothing was written").into());
        }
        let new = manifest.map_or(old.as_slice(), str::as_bytes);
        let roots = egress::roots(&self.root, &Project::parse(MANIFEST_FILE, new)?.egress)?;
        let new_lock = lock.format()?;
        Lock::parse(LOCK_FILE, new_lock.as_bytes())?;
        file::write(&lock_path, new_lock.as_bytes(), 0o644)?;
        if new != old.as_slice() {
            file::write(&path, new, 0o644)?;
        }
        Ok(pins(&self.root, new, Some(new_lock.as_bytes()), &roots)?)
    }
}
