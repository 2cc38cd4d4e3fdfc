//! `remit build`: a crate becomes a component that carries its definitions.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::Context as _;
use remit_core::{
    Error, Kind as ErrorKind,
    plugin::{Digest, Kind, PluginName, inspect::inspect, manifest::Manifest, section::Section},
};
use remit_runtime::project::{OpenProject, embed};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Exit, output};

const TARGET: &str = "wasm32-wasip2";

/// Build a plugin's crate to a component
///
/// Without a path: the crate in the working directory, or else every plugin of the project whose source is a crate. Where the project
/// here has the crate as a plugin, the component is put in place for it, too; what it may do is approved by `remit review`.
///
/// Example: remit build
#[derive(Debug, clap::Args)]
pub struct Build {
    /// A crate's folder, or the name of a plugin of the project
    plugin: Option<PathBuf>,
    /// Where the component goes; default: target/NAME.wasm of the crate
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Where a finished component goes.
pub enum Goal<'a> {
    /// To this file, or to `target/NAME.wasm` of the crate.
    File(Option<&'a Path>),
    /// To the state folder of a project, for one of its plugins.
    Project(&'a OpenProject, &'a PluginName),
}

/// A component that was built.
pub struct Built {
    /// Where it lies.
    pub path: PathBuf,
    /// Which kind it is.
    pub kind: Kind,
    /// What it carries.
    pub section: Section,
    /// Its size in bytes.
    pub bytes: usize,
    /// SHA-256 of it.
    pub digest: Digest,
}

impl super::Run {
    pub(super) fn build(&self, arguments: &Build) -> anyhow::Result<Exit> {
        let built = match &arguments.plugin {
            Some(path) if self.environment.cwd.join(path).join("Cargo.toml").is_file() => {
                vec![self.build_folder(&self.environment.cwd.join(path), arguments.output.as_deref())?]
            }
            None if self.environment.cwd.join("plugin.toml").is_file() => {
                vec![self.build_folder(&self.environment.cwd, arguments.output.as_deref())?]
            }
            name => self.build_project(name.as_deref())?,
        };
        for built in &built {
            if self.global.json {
                let tools: Vec<_> = built.section.tools.iter().map(|tool| tool.name.as_str()).collect();
                output::json(&serde_json::json!({ "component": built.path, "bytes": built.bytes, "digest": built.digest, "tools": tools }));
            } else {
                let tools: Vec<_> =
                    built.section.tools.iter().map(|tool| format!("{}({})", tool.name, super::effect(tool.effect))).collect();
                output::line(&format!("{}  {} KiB  {}", built.path.display(), built.bytes.div_ceil(1024), tools.join(" ")));
            }
        }
        Ok(Exit::Done)
    }

    /// Builds the crate in `folder`: to `output`, or else to its own `target` and for the plugin of the project here that is made from it.
    fn build_folder(&self, folder: &Path, output: Option<&Path>) -> anyhow::Result<Built> {
        let built = self.build_crate(folder, Goal::File(output))?;
        if output.is_some() {
            return Ok(built);
        }
        let project = match self.open() {
            Err(error) if error.downcast_ref().is_some_and(|error: &Error| error.kind == ErrorKind::NotFound) => return Ok(built),
            project => project?,
        };
        let folder = canonical(folder)?;
        for (name, source) in crate::opened::crates(&project) {
            if canonical(&source).is_ok_and(|source| source == folder) {
                project.state.keep_built(&name, &read(&built.path)?)?;
                output::note(&format!("built for `{name}` of project `{}`", project.project.name));
            }
        }
        Ok(built)
    }

    /// Builds every crate of the project, or the one that is named.
    fn build_project(&self, only: Option<&Path>) -> anyhow::Result<Vec<Built>> {
        let project = self.open_trusted()?;
        let mut built = Vec::new();
        for (name, folder) in crate::opened::crates(&project) {
            if only.is_none_or(|only| only == Path::new(name.as_str())) {
                built.push(self.build_crate(&folder, Goal::Project(&project, &name))?);
            }
        }
        match only {
            Some(only) if built.is_empty() => {
                Err(Error::not_found(format!("`{}` is neither a crate's folder nor a plugin built from one", only.display())).into())
            }
            _ => Ok(built),
        }
    }

    /// Builds one crate: cargo, then the definitions that its component lists, then both in one file.
    pub(crate) fn build_crate(&self, folder: &Path, goal: Goal<'_>) -> anyhow::Result<Built> {
        let manifest = manifest(folder)?;
        need_target()?;
        let raw = read(&self.cargo_build(folder)?)?;
        let inspection = inspect(&raw, &[])?;
        let definitions = match inspection.kind {
            Kind::Tool | Kind::Agent | Kind::Native | Kind::Remote => {
                self.block_on(async { Ok(self.host()?.definitions(manifest.name.as_str(), &raw).await?) })?
            }
            Kind::Plain => remit_runtime::plugin::plain_definitions(&inspection, &manifest.tools, &Default::default()),
        };
        let section = Section::new(&manifest, definitions)?;
        let component = embed(&raw, &section)?;
        let path = match goal {
            Goal::File(output) => {
                let path = output.map_or_else(|| folder.join("target").join(format!("{}.wasm", manifest.name)), Path::to_path_buf);
                write(&path, &component)?;
                path
            }
            Goal::Project(project, name) => {
                project.state.keep_built(name, &component)?;
                project.state.built(name)
            }
        };
        Ok(Built { path, bytes: component.len(), digest: Digest::of(&component), kind: inspection.kind, section })
    }

    /// Runs cargo and returns the component it made. Cargo's own progress and errors go to standard error. A signal ends it, and the
    /// compilers that it runs.
    fn cargo_build(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let mut command = tokio::process::Command::new("cargo");
        command.args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"]).current_dir(folder);
        // An outer cargo's choices are about its own build.
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("CARGO_") && name != "CARGO_HOME"))
        {
            command.env_remove(name);
        }
        command.env_remove("RUSTFLAGS").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).process_group(0);
        let ended = self.block_on(async {
            let unavailable = |error| Error::unavailable(format!("cargo cannot be run: {error}")).hint("install Rust: https://rustup.rs");
            let child = command.spawn().map_err(unavailable)?;
            let _group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
            Ok(child.wait_with_output().await.map_err(unavailable)?)
        })?;
        if !ended.status.success() {
            return Err(Error::guest(format!("the crate in `{}` does not build", folder.display()))
                .hint("cargo's own words stand above")
                .into());
        }
        let made = String::from_utf8_lossy(&ended.stdout).lines().filter_map(artefact).next_back();
        made.ok_or_else(|| {
            Error::invalid(format!("the crate in `{}` makes no component", folder.display()))
                .hint("add to its Cargo.toml: [lib] crate-type = [\"cdylib\"]")
                .into()
        })
    }
}

/// What a component offers, in words.
pub(super) fn offers(kind: Kind, tools: usize) -> String {
    match kind {
        Kind::Agent => "an agent".to_owned(),
        Kind::Tool | Kind::Plain | Kind::Native | Kind::Remote => output::counted(tools, "tool"),
    }
}

#[allow(clippy::disallowed_methods, reason = "what was just built is read here; its size is bounded by inspection")]
fn read(path: &Path) -> anyhow::Result<Arc<[u8]>> {
    Ok(std::fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))?.into())
}

#[allow(clippy::disallowed_methods, reason = "two names of one folder are found out to be one")]
fn canonical(folder: &Path) -> anyhow::Result<PathBuf> {
    folder.canonicalize().with_context(|| format!("`{}` cannot be read", folder.display()))
}

#[allow(clippy::disallowed_methods, reason = "the built component is written here")]
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("`{}` cannot be made", parent.display()))?;
    }
    let part = path.with_extension("part");
    std::fs::write(&part, bytes).with_context(|| format!("`{}` cannot be written", part.display()))?;
    std::fs::rename(&part, path).with_context(|| format!("`{}` cannot be written", path.display()))
}

fn manifest(folder: &Path) -> anyhow::Result<Manifest> {
    let path = folder.join("plugin.toml");
    if !path.is_file() {
        return Err(Error::invalid(format!("`{}` has no `plugin.toml`", folder.display())).hint("start from: remit new NAME").into());
    }
    Ok(Manifest::parse(&path.display().to_string(), &read(&path)?)?)
}

/// Makes sure that Rust can build for WebAssembly.
fn need_target() -> anyhow::Result<()> {
    let rustup = |arguments: &[&str]| Command::new("rustup").args(arguments).stdin(Stdio::null()).output();
    let Ok(installed) = rustup(&["target", "list", "--installed"]) else {
        // Without rustup the target may still be there; cargo says so if it is not.
        return Ok(());
    };
    if String::from_utf8_lossy(&installed.stdout).lines().any(|line| line == TARGET) {
        return Ok(());
    }
    output::note(&format!("installing the Rust target {TARGET}: rustup target add {TARGET}"));
    let added = rustup(&["target", "add", TARGET])?;
    if added.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&added.stderr).trim().to_owned();
    Err(Error::unavailable(format!("the Rust target `{TARGET}` could not be installed: {why}"))
        .hint(format!("rustup target add {TARGET}"))
        .into())
}

/// A process and those that it started: what is left of them ends with this.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.map(|leader| kill_process_group(leader, Signal::KILL)) {
            tracing::debug!(%error, "nothing is left of a process group");
        }
    }
}

/// The component's path in a line of cargo's messages.
fn artefact(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let names = message.get("filenames")?.as_array()?.iter().filter_map(|name| name.as_str());
    names.rev().find(|name| name.ends_with(".wasm")).map(PathBuf::from)
}
