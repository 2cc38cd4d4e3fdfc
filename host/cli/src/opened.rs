//! Projects and components as the commands see them: opened, looked into, handed to a host.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use remit_core::{
    Error,
    audit::{AuditRecord, AuditSink, Keep},
    clock::Clock,
    grant::Declared,
    limit::COMPONENT_MAX_BYTES,
    plugin::{
        Definition, Digest, Kind, PluginName, declared_lines,
        diff::{Relock, relock},
        flag::{self, Flag, Seen},
        inspect::{Inspection, inspect, inspect_interface},
        lock::{Approval, Lock, LockedPlugin},
        section::{self, Section},
    },
    project::{Plugin, Source},
};
use remit_runtime::{
    Builder, Host,
    plugin::plain_definitions,
    project::{HaltFile, LOCAL_FILE, OpenError, OpenProject, StateFolder, TrustStore, find, open, signing_key},
    services::SystemClock,
};
use remit_store::Sqlite;

use crate::{commands::Run, output, outside::Start, signing::Signing};

/// A component that was read and looked into, without running it.
#[derive(Clone)]
pub struct Looked {
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// What it is.
    pub inspection: Inspection,
    /// What it says of itself.
    pub section: Option<Section>,
}

impl Looked {
    /// Looks into `bytes`.
    ///
    /// # Errors
    /// Those of inspection.
    pub fn at(bytes: impl Into<Arc<[u8]>>) -> anyhow::Result<Self> {
        let bytes = bytes.into();
        let inspection = inspect(&bytes, &[])?;
        let section = section::find(&bytes)?;
        Ok(Self { bytes, inspection, section })
    }

    /// What it declares: its own words, or else every capability that it imports.
    pub fn declared(&self) -> Declared {
        self.section.as_ref().map_or_else(|| self.inspection.unscoped(), |section| section.declared.clone())
    }

    /// What it imports without declaring it; one that declares nothing itself declares what it imports.
    pub fn undeclared(&self) -> Vec<Flag> {
        let Some(section) = &self.section else { return Vec::new() };
        let imports = self.inspection.imports.iter().filter(|import| !import.ambient);
        flag::undeclared(imports.filter_map(|import| Some((import.name.as_str(), import.capability?))), &declared_lines(&section.declared))
    }

    /// What deserves a second look of it as `plugin` of `project`, with these tools.
    pub fn flags(&self, run: &Run, project: &OpenProject, plugin: &Plugin, tools: &[Definition]) -> Vec<Flag> {
        let declared = self.declared();
        let mut flags = self.undeclared();
        flags.extend(flag::flags(run.seen(project, plugin, tools, Some(&declared))));
        flags
    }

    /// What it offers, where that is known without running it.
    pub fn definitions(&self, effects: &BTreeMap<String, remit_core::plugin::Effect>) -> Option<Vec<Definition>> {
        let mut definitions = match (&self.section, self.inspection.kind) {
            (Some(section), _) => section.tools.clone(),
            (None, Kind::Plain) => plain_definitions(&self.inspection, &BTreeMap::new(), &BTreeMap::new()),
            (None, _) => return None,
        };
        // The effect class of a plain function is nobody's claim, so the project may say what it is.
        if self.inspection.kind == Kind::Plain {
            for definition in &mut definitions {
                definition.effect = effects.get(&definition.name).copied().unwrap_or(definition.effect);
            }
        }
        Some(definitions)
    }
}

/// A plugin of a project as it is now, beside what was approved of it.
#[derive(Clone)]
pub struct Current {
    /// The component, unless it is an outside server.
    pub component: Option<Looked>,
    /// The tools of an outside server that cannot be offered, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// What a lock would say of it.
    pub locked: LockedPlugin,
}

impl Current {
    /// What it declares; of an outside server nothing is known.
    pub fn declared(&self) -> Declared {
        self.component.as_ref().map(Looked::declared).unwrap_or_default()
    }

    /// What deserves a second look of what it is and is granted as `plugin` of `project`.
    pub fn flags(&self, run: &Run, project: &OpenProject, plugin: &Plugin) -> Vec<Flag> {
        let tools: Vec<Definition> = self.locked.tools.values().cloned().collect();
        match &self.component {
            Some(looked) => looked.flags(run, project, plugin, &tools),
            None => flag::flags(run.seen(project, plugin, &tools, None)),
        }
    }
}

impl Run {
    /// The project, read but not trusted.
    ///
    /// # Errors
    /// Those of finding and reading it.
    pub fn open(&self) -> anyhow::Result<OpenProject> {
        let root = find(self.global.project.as_deref(), self.environment.project.as_deref(), &self.environment.cwd)?;
        open(&root, self.environment.home.as_deref()).map_err(opening)
    }

    /// The project, when this user trusts it exactly as it is.
    ///
    /// # Errors
    /// `denied` when it is not trusted; otherwise those of [`Run::open`].
    pub fn open_trusted(&self) -> anyhow::Result<OpenProject> {
        let project = self.open()?;
        self.trusted().check(&project.pins)?;
        Ok(project)
    }

    /// The project at `root` once more, when this user trusts it as it is now.
    ///
    /// # Errors
    /// Those of [`Run::open_trusted`].
    pub fn open_again(&self, root: &Path) -> anyhow::Result<OpenProject> {
        let project = open(root, self.environment.home.as_deref()).map_err(opening)?;
        self.trusted().check(&project.pins)?;
        Ok(project)
    }

    fn seen<'a>(
        &'a self,
        project: &'a OpenProject,
        plugin: &'a Plugin,
        tools: &'a [Definition],
        declared: Option<&'a Declared>,
    ) -> Seen<'a> {
        Seen { plugin, declared, tools, root: &project.root, home: self.environment.user.as_deref() }
    }

    /// Whom this user trusts.
    pub fn trusted(&self) -> TrustStore {
        TrustStore::new(self.environment.trust.clone())
    }

    /// A host for one command, with the user's compile cache and secrets from the environment.
    ///
    /// # Errors
    /// Those of building a host.
    pub fn host(&self) -> anyhow::Result<Host> {
        Ok(self.builder().build()?)
    }

    fn builder(&self) -> Builder {
        let builder = Host::builder()
            .cache_dir(&self.environment.cache)
            .worker(&self.environment.program)
            .outside(Arc::new(self.gateway()))
            .secrets(Arc::new(self.environment.secret_variables.clone()));
        if std::io::stderr().is_terminal() { builder.progress(Arc::new(Spinner::default())) } else { builder }
    }

    /// What a host on `project` is built from: with its secrets, and its sessions, its key-value data and its audit log in `store`.
    ///
    /// # Errors
    /// Those of the folder of its workspaces, and of setting up TLS.
    pub fn project_builder(&self, project: &OpenProject, store: Arc<Sqlite>) -> anyhow::Result<Builder> {
        let state = project.state.clone();
        let builder = self.builder().audit(store.clone()).kv(store.clone()).sessions(store).secrets(Arc::new(self.secrets(project)));
        let builder = builder.workspaces(project.state.workspaces()?).halts(Arc::new(HaltFile::new(&project.state)));
        let builder = builder.gateway(project.gateway()?);
        Ok(builder.components(Arc::new(move |digest: &Digest| state.component(digest))))
    }

    /// What a project keeps of its sessions and in its audit log. `may_lag` says whether the record of a call that only reads may be written
    /// after its result is known.
    ///
    /// # Errors
    /// Those of opening the store, and of reading or making the key that signs the log.
    pub fn store(&self, state: &StateFolder, may_lag: bool) -> anyhow::Result<Sqlite> {
        let signer = signing_key(&self.environment.signing)?;
        Ok(Sqlite::open(&state.sessions()?)?.audited(signer, may_lag))
    }

    /// Puts a decision into the audit log of a project; durable on return.
    ///
    /// # Errors
    /// Those of opening the log, and of writing.
    pub fn record(&self, state: &StateFolder, record: &AuditRecord<'_>) -> anyhow::Result<()> {
        let store = self.store(state, false)?;
        self.block_on(async { Ok(store.record(record, Keep::Now).await?) })
    }

    /// What `plugin` is now, beside what was approved of it, where that is known. A component that does not carry its definitions is asked
    /// for them, in an instance that is granted nothing; for an outside server, see [`Run::current_outside`].
    ///
    /// # Errors
    /// Those of reading, inspecting and listing it; each concerns this plugin alone.
    pub fn current(&self, project: &OpenProject, plugin: &Plugin, known: Option<&LockedPlugin>, start: Start) -> anyhow::Result<Current> {
        if plugin.is_outside() {
            return self.current_outside(project, plugin, known, start);
        }
        let artefact = project.artefact(plugin)?;
        let looked = Looked::at(artefact.bytes)?;
        looked.inspection.require_tools()?;
        stands_right(plugin, looked.inspection.kind)?;
        let definitions = match looked.definitions(&plugin.effects) {
            Some(definitions) => definitions,
            None => self.block_on(async { Ok(self.host()?.definitions(plugin.name.as_str(), &looked.bytes).await?) })?,
        };
        let locked = LockedPlugin {
            source: plugin.source.to_string(),
            digest: artefact.digest,
            kind: looked.inspection.kind,
            files: BTreeMap::new(),
            imports: looked.inspection.imports.iter().filter(|import| !import.ambient).map(|import| import.name.clone()).collect(),
            declared: declared_lines(&looked.declared()),
            granted: plugin.granted_lines(),
            ask: plugin.ask.iter().cloned().collect(),
            limits: plugin.limits,
            isolation: plugin.isolation,
            tools: definitions.into_iter().map(|tool| (tool.name.clone(), tool)).collect(),
            approvals: Vec::new(),
        };
        Ok(Current { component: Some(looked), left_out: Vec::new(), locked })
    }

    /// `plugin` ready for a host: what the lock says of it, when that is still what is there. A crate under development relocks by
    /// itself while its rights do not grow.
    ///
    /// # Errors
    /// `unavailable` when it has to be reviewed first, is switched off or not built.
    pub fn approved(&self, project: &OpenProject, plugin: &Plugin) -> anyhow::Result<remit_runtime::Plugin> {
        self.has_secrets(project, plugin)?;
        if plugin.is_outside() {
            return self.approved_outside(project, plugin);
        }
        let artefact = project.artefact(plugin)?;
        let lock = project.lock.clone().unwrap_or_default();
        let (locked, bytes) = match lock.admits(&project.project, plugin, artefact.digest) {
            Ok(locked) => (locked.clone(), artefact.bytes.into()),
            // Nobody signs what a lock would become by itself.
            Err(refusal) if !project.project.signers.is_empty() => return Err(refusal.into()),
            Err(refusal) => {
                // The lock is everybody's: what only this user takes away is not written into it.
                let shared = project.as_written();
                let current = self.current(&shared, shared.plugin(plugin.name.as_str())?, None, Start::Never)?;
                match relock(&plugin.source, lock.plugins.get(&plugin.name), &current.locked) {
                    Relock::Unchanged => {}
                    Relock::Automatic(changes) => {
                        self.approve(project, lock, vec![(plugin.name.clone(), current.clone())], Door::of("relock"), None)?;
                        changes.list.iter().for_each(|change| output::note(&format!("relocked `{}`: {change}", plugin.name)));
                    }
                    Relock::NeedsReview(_) => return Err(refusal.into()),
                }
                let Some(looked) = current.component else { return Err(refusal.into()) };
                (current.locked, looked.bytes)
            }
        };
        let declared = match section::find(&bytes)? {
            Some(section) => section.declared,
            // These bytes were looked into in full when they were approved.
            None => inspect_interface(&bytes, &[])?.unscoped(),
        };
        Ok(remit_runtime::Plugin {
            name: plugin.name.clone(),
            source: remit_runtime::plugin::Source::Bytes(bytes),
            digest: locked.digest,
            kind: locked.kind,
            definitions: locked.tools.into_values().collect(),
            declared,
            granted: plugin.grants.clone(),
            limits: plugin.limits,
            isolation: plugin.isolation,
            ask: plugin.ask.clone(),
        })
    }

    /// Writes `approved` into the lock, with a new `remit.toml` when there is one, and trusts the result.
    ///
    /// # Errors
    /// Those of writing; nothing is loaded that does not fit both files.
    pub fn approve(
        &self,
        project: &OpenProject,
        mut lock: Lock,
        approved: Vec<(PluginName, Current)>,
        door: Door<'_>,
        manifest: Option<&str>,
    ) -> anyhow::Result<()> {
        for (name, Current { component, locked: mut plugin, .. }) in approved {
            if let Some(looked) = component {
                project.state.keep_component(&looked.bytes)?;
            }
            plugin.approvals = lock.plugins.get(&name).map(|old| old.approvals.clone()).unwrap_or_default();
            let (by, via) = (self.environment.principal.clone(), door.via.to_owned());
            let mut approval = Approval { by, via, at: SystemClock.now(), signature: None };
            match door.signing {
                Some(signing) => approval.signature = Some(signing.sign(&project.project, &name, &plugin, &approval)?),
                None if !project.project.signers.is_empty() => {
                    output::note(&format!("`{name}` is not loaded until its approval is signed: remit review --sign KEYFILE"));
                }
                None => {}
            }
            plugin.approvals.push(approval);
            lock.plugins.insert(name, plugin);
        }
        let pins = project.save(manifest, &lock).map_err(opening)?;
        Ok(self.trusted().trust(&pins)?)
    }
}

/// How an approval was given.
#[derive(Clone, Copy)]
pub struct Door<'a> {
    /// The command, or `relock`.
    pub via: &'a str,
    /// What signs it.
    pub signing: Option<&'a Signing>,
}

impl<'a> Door<'a> {
    /// A command that signs nothing.
    pub fn of(via: &'a str) -> Self {
        Self { via, signing: None }
    }
}

/// A mistake in a file is shown in its place; anything else is an error like every other.
pub fn opening(error: OpenError) -> anyhow::Error {
    match error {
        OpenError::File(error) => error.into(),
        OpenError::Other(error) => error.into(),
    }
}

/// Whether a component stands in the table of its kind.
fn stands_right(plugin: &Plugin, kind: Kind) -> Result<(), Error> {
    let name = &plugin.name;
    match (plugin.agent, kind) {
        (true, Kind::Agent) | (false, Kind::Tool | Kind::Plain | Kind::Native | Kind::Remote) => Ok(()),
        (true, _) => Err(Error::invalid(format!("`{name}` stands under `[agents]` and is no agent"))
            .hint(format!("write `[plugins.{name}]` in place of `[agents.{name}]`"))),
        (false, Kind::Agent) => Err(Error::invalid(format!("`{name}` is an agent and stands under `[plugins]`"))
            .hint(format!("write `[agents.{name}]` in place of `[plugins.{name}]`, with `tools = […]`"))),
    }
}

/// Tells which grants of `capability` the user's own `remit.local.toml` takes away, a line each: to grant them again would not help.
pub fn revoked_lines<'a>(revoked: &'a BTreeSet<String>, capability: &'a str) -> impl Iterator<Item = String> + 'a {
    let of = revoked.iter().filter(move |line| line.split(' ').next() == Some(capability));
    of.map(|line| format!("  `{LOCAL_FILE}` revokes `{line}`"))
}

/// Reads a file that the user named, `what` it is, of at most `most` bytes.
///
/// # Errors
/// `not-found` when it cannot be read; `limit` when it is larger.
#[allow(clippy::disallowed_methods, reason = "what the user names is read here, bounded")]
pub fn read_named(what: &str, path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let shown = path.display();
    let failed = |error: std::io::Error| Error::not_found(format!("the {what} `{shown}` cannot be read: {error}"));
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(failed)?;
    match bytes.len() as u64 > most {
        true => Err(Error::limit(match most >> 20 {
            0 => format!("the {what} `{shown}` has more than {} KiB", most >> 10),
            mib => format!("the {what} `{shown}` has more than {mib} MiB"),
        })),
        false => Ok(bytes),
    }
}

/// The same of a text.
///
/// # Errors
/// Those of [`read_named`]; `invalid` when it is not text in UTF-8.
pub fn read_named_text(what: &str, path: &Path, most: u64) -> Result<String, Error> {
    let text = String::from_utf8(read_named(what, path, most)?);
    text.map_err(|error| Error::invalid(format!("the {what} `{}` is not text in UTF-8", path.display())).internal(error))
}

/// Reads a component that was named by its path.
///
/// # Errors
/// `not-found` when it is not there; `limit` when it is too large.
pub fn read_component(path: &Path) -> anyhow::Result<Vec<u8>> {
    let read = read_named("component", path, COMPONENT_MAX_BYTES);
    Ok(read.map_err(|error| match error.kind {
        remit_core::Kind::Limit => error.hint("strip debug information: `wasm-tools strip`"),
        _ => error.hint("name the file of a component; a crate's is made by: remit build"),
    })?)
}

/// The crates of a project: name and folder.
pub fn crates(project: &OpenProject) -> Vec<(PluginName, PathBuf)> {
    let plugins = project.project.plugins.values();
    let of = |plugin: &Plugin| match &plugin.source {
        Source::Crate(path) => Some((plugin.name.clone(), project.root.join(path))),
        Source::Wasm(_) | Source::Command(_) | Source::Url(_) => None,
    };
    plugins.filter_map(of).collect()
}

/// A plugin straight from a component's file: no project, no lock; granted what the command line says.
///
/// # Errors
/// Those of reading and inspecting it, and of listing its tools.
pub fn plugin_from_file(run: &Run, host: &Host, path: &Path) -> anyhow::Result<remit_runtime::Plugin> {
    let component = read_component(path)?;
    run.block_on(async { Ok(host.plugin(&plugin_name(path), component).await?) })
}

/// A plugin name made of a file's.
pub fn plugin_name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_lowercase()).to_owned();
    let end = name.len().min(remit_core::limit::PLUGIN_NAME_MAX_CHARS);
    let name = name.get(..end).unwrap_or_default();
    if name.is_empty() { "plugin".to_owned() } else { name.to_owned() }
}

/// Shows compilations on a terminal.
#[derive(Default)]
struct Spinner(std::sync::Mutex<Option<ProgressBar>>);

impl remit_runtime::engine::Progress for Spinner {
    fn started(&self, name: &str, bytes: u64) {
        let bar = ProgressBar::new_spinner().with_message(format!("compiling `{name}` ({} KiB), once", bytes.div_ceil(1024)));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(bar);
    }

    fn finished(&self, _: &str) {
        if let Some(bar) = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }
}
