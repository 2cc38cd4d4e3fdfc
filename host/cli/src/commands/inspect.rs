//! `remit inspect`: what a component is, asks for, is granted and lacks. Runs no guest code.

use std::collections::BTreeSet;

use remit_core::{
    plugin::{Definition, Kind, declared_lines, flag::Flag, granted_lines, text::visible},
    project::Plugin,
};
use remit_runtime::{plugin::Source, project::OpenProject};
use remit_server::mcp::shape;
use serde_json::{Value, json};

use super::{call::is_path, review_show::print_flag};
use crate::{
    Exit,
    opened::{Looked, read_component},
    output::{self, BAD, DIM, HEAD, WARN},
    outside::{known, lines},
    secrets::{State, print_state, states_json},
};

/// Show what a component is, imports, declares, is granted and lacks; runs none of it
///
/// Example: remit inspect target/greet.wasm
#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// A plugin's name in `remit.toml`, or the path of a `.wasm`
    reference: String,
}

/// Everything that is shown.
struct Report {
    looked: Looked,
    reference: String,
    declared: Vec<String>,
    granted: Vec<String>,
    /// Capabilities that it declares and is not granted.
    lacking: Vec<String>,
    /// The secrets that its grants name, and how it stands with them.
    secrets: Vec<(String, State)>,
    /// What deserves a second look.
    flags: Vec<Flag>,
}

impl super::Run {
    pub(super) fn inspect(&self, arguments: &Inspect) -> anyhow::Result<Exit> {
        let reference = &arguments.reference;
        let report = if is_path(reference) {
            let looked = Looked::at(read_component(&self.environment.cwd.join(reference))?)?;
            let flags = looked.undeclared();
            Report::new(reference, looked, None, flags)
        } else {
            let project = self.open()?;
            let plugin = project.plugin(reference)?;
            if plugin.is_outside() {
                return self.inspect_outside(&project, plugin);
            }
            let looked = Looked::at(project.artefact(plugin)?.bytes)?;
            // One that does not carry its definitions had them listed when it was reviewed.
            let reviewed = known(project.lock.as_ref(), plugin).filter(|locked| locked.digest == looked.inspection.digest);
            let reviewed = || reviewed.map(|locked| locked.tools.values().cloned().collect());
            let tools = looked.definitions(&plugin.effects).or_else(reviewed).unwrap_or_default();
            let flags = looked.flags(self, &project, plugin, &tools);
            let secrets = self.secret_states(&project, plugin, None);
            Report { secrets, ..Report::new(reference, looked, Some(plugin), flags) }
        };
        if self.global.json {
            output::json(&report.json());
        } else {
            report.print();
        }
        Ok(Exit::Done)
    }
}

impl super::Run {
    /// Shows an outside server without starting or asking it: what it is started from or where it is, and what was approved of it.
    fn inspect_outside(&self, project: &OpenProject, plugin: &Plugin) -> anyhow::Result<Exit> {
        let source = project.outside(plugin)?;
        let locked = known(project.lock.as_ref(), plugin);
        let secrets = self.secret_states(project, plugin, None);
        if self.global.json {
            let tools =
                locked.map(|locked| locked.tools.values().map(|tool| shape::tool(&tool.name, tool, Some(true))).collect::<Vec<_>>());
            let (kind, digest) = source.outside().unzip();
            let mut shown = json!({
                "reference": plugin.name.as_str(), "kind": kind, "digest": digest, "given": plugin.granted_lines(), "tools": tools,
                "secrets": states_json(&secrets),
            });
            let own = match &source {
                Source::Native(native) => json!({ "command": native.command.argv, "program": native.program, "files": native.files }),
                Source::Remote(remote) => json!({ "url": remote.url.as_str() }),
                Source::Bytes(_) | Source::File(_) => json!({}),
            };
            if let (Value::Object(shown), Value::Object(own)) = (&mut shown, own) {
                shown.extend(own);
            }
            output::json(&shown);
            return Ok(Exit::Done);
        }
        lines(plugin, &source).iter().for_each(|line| output::line(line));
        print_secrets(&secrets);
        output::line(&format!("{HEAD}tools{HEAD:#}"));
        match locked {
            Some(locked) => locked.tools.values().for_each(print_tool),
            None => {
                let done = if plugin.remote().is_some() { "asking" } else { "starting" };
                output::line(&format!("  not known without {done} it (see `remit review`)"));
            }
        }
        Ok(Exit::Done)
    }
}

fn print_tool(tool: &Definition) {
    let first = tool.description.lines().next().unwrap_or_default();
    output::line(&format!("  {} {DIM}({}){DIM:#}  {}", tool.name, super::effect(tool.effect), visible(first, 120)));
}

/// The first word of each line: its capability.
fn capabilities(lines: &[String]) -> BTreeSet<&str> {
    lines.iter().filter_map(|line| line.split_whitespace().next()).collect()
}

impl Report {
    fn new(reference: &str, looked: Looked, plugin: Option<&Plugin>, flags: Vec<Flag>) -> Self {
        let declared: Vec<String> = declared_lines(&looked.declared()).into_iter().collect();
        let granted: Vec<String> = plugin.map(|plugin| granted_lines(&plugin.grants).into_iter().collect()).unwrap_or_default();
        let imported: BTreeSet<&str> =
            looked.inspection.imports.iter().filter(|import| !import.ambient).filter_map(|import| import.capability).collect();
        let asked = capabilities(&declared);
        let has = capabilities(&granted);
        // Without a manifest it asks for whatever it imports, and every component for its environment: that is no wish of its author's.
        let wanted = if looked.section.is_some() { &asked } else { &imported };
        let lacking = wanted.difference(&has).map(|name| (*name).to_owned()).collect();
        let (reference, secrets) = (reference.to_owned(), Vec::new());
        Self { reference, declared: declared.clone(), granted: granted.clone(), lacking, secrets, flags, looked }
    }

    fn json(&self) -> serde_json::Value {
        let inspection = &self.looked.inspection;
        let tools = self.looked.definitions(&Default::default());
        let imports = inspection
            .imports
            .iter()
            .map(|import| json!({ "name": import.name, "capability": import.capability, "ambient": import.ambient }));
        json!({
            "reference": self.reference,
            "kind": inspection.kind,
            "digest": inspection.digest,
            "bytes": self.looked.bytes.len(),
            "plugin": self.looked.section.as_ref().map(|section| json!({
                "name": section.name.as_str(), "version": section.version, "description": section.description })),
            "exports": inspection.exports,
            "imports": imports.collect::<Vec<_>>(),
            "tools": tools.map(|tools| tools.iter().map(|tool| shape::tool(&tool.name, tool, None)).collect::<Vec<_>>()),
            "notOffered": inspection.not_offered.iter().map(|one| json!({ "name": one.name, "reason": one.reason })).collect::<Vec<_>>(),
            "declared": self.declared,
            "granted": self.granted,
            "lacking": self.lacking,
            "secrets": states_json(&self.secrets),
            "flags": self.flags,
        })
    }

    fn print(&self) {
        let inspection = &self.looked.inspection;
        let kind = match inspection.kind {
            Kind::Tool => "a tool component",
            Kind::Agent => "an agent",
            Kind::Plain => "a plain component",
            Kind::Native => "a native process",
            Kind::Remote => "a remote server",
        };
        output::line(&format!("{HEAD}{}{HEAD:#}  {kind}, {} KiB", self.reference, self.looked.bytes.len().div_ceil(1024)));
        if let Some(section) = &self.looked.section {
            output::line(&format!("  {} {}: {}", section.name, visible(&section.version, 64), visible(&section.description, 400)));
        }
        output::line(&format!("  {}", inspection.digest));
        self.print_tools();
        let ambient = inspection.imports.iter().filter(|import| import.ambient).count();
        let imports: Vec<_> = inspection.imports.iter().filter(|import| !import.ambient).map(|import| import.name.clone()).collect();
        list("imports", &imports, &format!("{DIM}and {ambient} that every component has{DIM:#}"));
        let unwritten =
            if self.looked.section.is_some() { String::new() } else { format!("{DIM}by its imports: it carries no manifest{DIM:#}") };
        list("declares", &self.declared, &unwritten);
        list("is granted", &self.granted, "");
        print_secrets(&self.secrets);
        if !self.lacking.is_empty() {
            output::line(&format!("{WARN}lacks{WARN:#}  {} (declared, not granted: see `remit grant`)", self.lacking.join(", ")));
        }
        self.flags.iter().for_each(print_flag);
    }

    fn print_tools(&self) {
        output::line(&format!("{HEAD}tools{HEAD:#}"));
        match self.looked.definitions(&Default::default()) {
            Some(tools) => {
                tools.iter().for_each(print_tool);
            }
            None => output::line("  not known without running it: it does not carry its definitions (see `remit review`)"),
        }
        for one in &self.looked.inspection.not_offered {
            output::line(&format!("  {BAD}{}{BAD:#}  not offered: {}", visible(&one.name, 96), visible(&one.reason, 200)));
        }
    }
}

fn print_secrets(secrets: &[(String, State)]) {
    if !secrets.is_empty() {
        output::line(&format!("{HEAD}secrets{HEAD:#}"));
    }
    secrets.iter().for_each(|(name, state)| print_state("  ", name, state, ""));
}

fn list(title: &str, lines: &[String], also: &str) {
    output::line(&format!("{HEAD}{title}{HEAD:#}"));
    if lines.is_empty() && also.is_empty() {
        output::line(&format!("  {DIM}nothing{DIM:#}"));
    }
    lines.iter().for_each(|line| output::line(&format!("  {}", visible(line, 300))));
    if !also.is_empty() {
        output::line(&format!("  {also}"));
    }
}
