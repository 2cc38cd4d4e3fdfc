//! `remit.lock`: digests, definitions, imports and rights as a person approved them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Definition, Digest, Effect, Isolation, Kind, PluginName, check, rights, text::visible};
use crate::{
    Error, Result,
    clock::Timestamp,
    identity::Principal,
    limit::{CallLimits, SIGNATURE_MAX_BYTES},
    project::{Plugin, Problem, Project, ProjectError, table, text},
};

const HEAD: &str = "# Written by `remit review`: what was approved. Commit it; do not edit it.\n";

/// A whole `remit.lock`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lock {
    /// What was approved of each plugin.
    pub plugins: BTreeMap<PluginName, LockedPlugin>,
}

/// What was approved of one plugin; or, before an approval, what it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct LockedPlugin {
    /// The source, as `remit.toml` writes it.
    pub source: String,
    /// The component; of an outside server, the digest of its source and `files` together: see [`native_digest`].
    pub digest: Digest,
    /// Which kind of component it is.
    pub kind: Kind,
    /// The files that an outside server is started from: its executable, and what of the project its command names.
    pub files: BTreeMap<String, Digest>,
    /// What it imports.
    pub imports: BTreeSet<String>,
    /// What it declares, one line of the grants' grammar each.
    pub declared: BTreeSet<String>,
    /// What it is granted, one line of the grants' grammar each.
    pub granted: BTreeSet<String>,
    /// Its tools that need an approval of each call; `*` stands for all.
    pub ask: BTreeSet<String>,
    /// Bounds of its calls.
    pub limits: CallLimits,
    /// Where its calls run.
    pub isolation: Isolation,
    /// What it offers, by name.
    pub tools: BTreeMap<String, Definition>,
    /// Who approved it, the latest last.
    pub approvals: Vec<Approval>,
}

/// A person's decision on a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who decided.
    pub by: Principal,
    /// At which door: `review`, `add`, `grant`, `revoke`, or `relock` when the rights of a crate under development did not grow.
    pub via: String,
    /// When.
    pub at: Timestamp,
    /// A minisign signature over [`statement`](super::signature::statement), where there is one.
    pub signature: Option<String>,
}

impl Lock {
    /// Reads a `remit.lock`; `file` is its name in messages.
    ///
    /// # Errors
    /// Every mistake at once, as for `remit.toml`; among them definitions that do not match their recorded digest.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ProjectError> {
        let text = text(file, bytes)?;
        let mut problems = Vec::new();
        let mut root = table::document(file, text)?;
        root.version(&mut problems);
        let mut plugins = BTreeMap::new();
        for (name, table) in root.tables("plugins", "plugin", &mut problems) {
            let Some(written) = table.whole::<Written>(&mut problems) else { continue };
            match name.get_ref().parse().and_then(|parsed| Ok((parsed, written.check()?))) {
                Ok((name, plugin)) => drop(plugins.insert(name, plugin)),
                Err(error) => problems.push(Problem::at(name.span(), error)),
            }
        }
        root.finish(&mut problems);
        match problems.is_empty() {
            true => Ok(Self { plugins }),
            false => Err(ProjectError::new(file, text, problems)),
        }
    }

    /// The file's text: the same for the same lock, so that a change of one line is a difference of one line.
    ///
    /// # Errors
    /// `invalid` when something in it cannot be written as TOML.
    pub fn format(&self) -> Result<String> {
        let plugins = self.plugins.iter().map(|(name, plugin)| Ok((name.as_str(), Written::of(plugin)?)));
        let file = File { version: 1, plugins: plugins.collect::<Result<_>>()? };
        let body = toml::to_string_pretty(&file).map_err(|error| Error::invalid(format!("the lock cannot be written: {error}")))?;
        Ok(format!("{HEAD}{body}"))
    }

    /// What was approved of `plugin`, when it is still what is there: the same source and bytes, no more grants, no fewer approvals of
    /// calls, no higher limits; and when somebody signed the approval whose signature `project` wants.
    ///
    /// # Errors
    /// `unavailable`, saying what differs; that plugin is not loaded until it is reviewed.
    pub fn admits(&self, project: &Project, plugin: &Plugin, digest: Digest) -> Result<&LockedPlugin> {
        let name = &plugin.name;
        let refuse = |why: &str| not_loaded(name, why).hint("remit review");
        let locked = self.plugins.get(name).ok_or_else(|| refuse("nobody has approved it yet"))?;
        if locked.source != plugin.source.to_string() {
            return Err(refuse("its source is not the approved one"));
        }
        if locked.digest != digest {
            return Err(refuse(match locked.kind {
                Kind::Native => "its executable, or a file that its command names, is not the approved one",
                _ => "its component is not the approved one",
            }));
        }
        if let Some(line) = plugin.granted_lines().iter().find(|line| !rights::grants(line, &locked.granted)) {
            return Err(refuse(&format!("its grant `{}` is not approved", visible(line, 200))));
        }
        if let Some(tool) = locked.ask.iter().find(|tool| !plugin.asks(tool)) {
            return Err(refuse(&format!("that `{tool}` needs no approval any more is not approved")));
        }
        if !plugin.limits.is_within(&locked.limits) {
            return Err(refuse("its limits are higher than the approved ones"));
        }
        if locked.isolation != plugin.isolation && plugin.isolation.is_none() {
            return Err(refuse("that its calls run in the host's own process is not approved"));
        }
        locked.check_signed(project, name)?;
        Ok(locked)
    }
}

/// The error of a plugin that is not what was approved.
pub(super) fn not_loaded(plugin: &PluginName, why: &str) -> Error {
    Error::unavailable(format!("`{plugin}` is not loaded: {why}")).blame(crate::Blame::Grant).code("E-REVIEW")
}

impl LockedPlugin {
    /// The digest of all definitions together.
    ///
    /// # Errors
    /// `host`; only when memory is exhausted.
    pub fn definitions_digest(&self) -> Result<Digest> {
        let all = self.tools.values().map(|tool| serde_json::to_value(tool).map(sorted)).collect::<std::result::Result<Vec<_>, _>>();
        let text = all.and_then(|all| serde_json::to_vec(&all)).map_err(|error| Error::host("definitions could not be written", error))?;
        Ok(Digest::of(&text))
    }

    /// The digest of everything that is approved: all of it but the approvals.
    ///
    /// # Errors
    /// `host`; only when memory is exhausted.
    pub fn entry_digest(&self) -> Result<Digest> {
        let entry = Written { approvals: Vec::new(), ..Written::of(self)? };
        let text = serde_json::to_value(entry).map(|entry| sorted(entry).to_string());
        Ok(Digest::of(text.map_err(|error| Error::host("what is approved could not be written", error))?.as_bytes()))
    }
}

/// What stands for an outside server in audit log and journal: the digest of the command, as `remit.toml` writes it, and of the files
/// that it is started from.
pub fn native_digest(source: &str, files: &BTreeMap<String, Digest>) -> Digest {
    let lines = files.iter().map(|(path, digest)| format!("{digest} {path}\n"));
    Digest::of(format!("{source}\n{}", lines.collect::<String>()).as_bytes())
}

/// `value` with the keys of every object in order, whatever kind of map is used.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(entries) => {
            let entries: BTreeMap<String, Value> = entries.into_iter().map(|(key, item)| (key, sorted(item))).collect();
            Value::Object(entries.into_iter().collect())
        }
        other => other,
    }
}

#[derive(Serialize)]
struct File<'a> {
    version: u32,
    plugins: BTreeMap<&'a str, Written>,
}

/// A plugin as the file holds it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    source: String,
    digest: Digest,
    kind: Kind,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, Digest>,
    imports: BTreeSet<String>,
    definitions: Digest,
    declared: BTreeSet<String>,
    granted: BTreeSet<String>,
    // A lock of before these were locked approved what holds where nothing is said.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    ask: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Isolation::is_none")]
    isolation: Isolation,
    #[serde(default)]
    limits: CallLimits,
    #[serde(default)]
    tools: Vec<WrittenTool>,
    #[serde(default)]
    approvals: Vec<WrittenApproval>,
}

/// A definition; schemas are JSON text, since TOML has no null and smaller numbers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTool {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    description: String,
    effect: Effect,
    input_schema: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_schema: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenApproval {
    by: Principal,
    via: String,
    at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

impl Written {
    fn of(plugin: &LockedPlugin) -> Result<Self> {
        let approvals = plugin.approvals.iter();
        Ok(Self {
            source: plugin.source.clone(),
            digest: plugin.digest,
            kind: plugin.kind,
            files: plugin.files.clone(),
            imports: plugin.imports.clone(),
            definitions: plugin.definitions_digest()?,
            declared: plugin.declared.clone(),
            granted: plugin.granted.clone(),
            ask: plugin.ask.clone(),
            isolation: plugin.isolation,
            limits: plugin.limits,
            tools: plugin.tools.values().map(WrittenTool::of).collect(),
            approvals: approvals.map(WrittenApproval::of).collect(),
        })
    }

    fn check(self) -> Result<LockedPlugin> {
        let tools = self.tools.into_iter().map(WrittenTool::check).collect::<Result<Vec<_>>>()?;
        check::check_names(&tools)?;
        let approvals = self.approvals.into_iter().map(WrittenApproval::check).collect::<Result<_>>()?;
        let plugin = LockedPlugin {
            source: self.source,
            digest: self.digest,
            kind: self.kind,
            files: self.files,
            imports: self.imports,
            declared: self.declared,
            granted: self.granted,
            ask: self.ask,
            limits: self.limits,
            isolation: self.isolation,
            tools: tools.into_iter().map(|tool| (tool.name.clone(), tool)).collect(),
            approvals,
        };
        match plugin.definitions_digest()? == self.definitions {
            true => Ok(plugin),
            false => {
                Err(Error::invalid("its definitions are not the ones that `definitions` is the digest of")
                    .hint("review it anew: remit review"))
            }
        }
    }
}

impl WrittenTool {
    fn of(tool: &Definition) -> Self {
        let text = |schema: &Value| sorted(schema.clone()).to_string();
        Self {
            name: tool.name.clone(),
            title: tool.title.clone(),
            description: tool.description.clone(),
            effect: tool.effect,
            input_schema: text(&tool.input_schema),
            output_schema: tool.output_schema.as_ref().map(text),
        }
    }

    fn check(self) -> Result<Definition> {
        let schema = |text: &str| -> Result<Value> {
            serde_json::from_str(text)
                .map_err(|error| Error::invalid(format!("tool `{}`: its schema is not JSON: {error}", visible(&self.name, 64))))
        };
        let input_schema = schema(&self.input_schema)?;
        let output_schema = self.output_schema.as_deref().map(schema).transpose()?;
        Ok(Definition {
            name: self.name,
            title: self.title,
            description: self.description,
            input_schema,
            output_schema,
            effect: self.effect,
        })
    }
}

impl WrittenApproval {
    fn of(approval: &Approval) -> Self {
        let Approval { by, via, at, signature } = approval.clone();
        Self { by, via, at: at.to_string(), signature }
    }

    fn check(self) -> Result<Approval> {
        let refuse =
            || Error::invalid(format!("`{}` is not a time", visible(&self.at, 64))).hint("write it like `2026-11-22T09:30:00.000Z`");
        let at = self.at.parse::<jiff::Timestamp>().map_err(|error| refuse().internal(error))?;
        let at = u64::try_from(at.as_millisecond()).map_err(|error| refuse().internal(error))?;
        if let Some(signature) = self.signature.as_ref().filter(|signature| signature.len() > SIGNATURE_MAX_BYTES) {
            return Err(Error::limit(format!("a signature has {} bytes, more than {SIGNATURE_MAX_BYTES}", signature.len())));
        }
        Ok(Approval { by: self.by, via: self.via, at: Timestamp(at), signature: self.signature })
    }
}
