//! What changed between an approved plugin and the one that is there now, and whether a person has to look at it.

use std::{collections::BTreeSet, fmt};

use super::{Definition, Effect, Isolation, Kind, lock::LockedPlugin, rights, text::visible};
use crate::{
    limit::CallLimits,
    project::{Plugin, Source},
};

/// One difference. It is shown as a line: `+ granted http GET https://…`, `- granted fs docs:/docs:read`, `~ tool search: description changed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Added, removed or changed.
    pub sign: Sign,
    /// What, in one line that is safe to print.
    pub what: String,
    /// Whether a person has to approve it.
    pub grows: Growth,
}

/// How a difference reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It was not there.
    Added,
    /// It is no longer there.
    Removed,
    /// It is another one.
    Changed,
}

/// What a difference does to what was approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Growth {
    /// It only takes away.
    Narrows,
    /// What was approved is no longer what is there, within the same rights.
    Differs,
    /// It may do more.
    Rights,
}

/// All differences of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The differences: the component first, then tools, rights, and what holds of its calls.
    pub list: Vec<Change>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether anything is there that was not approved: other bytes, a new or changed definition, an import, a right.
    pub fn grew(&self) -> bool {
        self.list.iter().any(|change| change.grows > Growth::Narrows)
    }

    /// Whether it may do more than was approved: a new import, a right that is new or wider, a tool that may change more.
    pub fn rights_grew(&self) -> bool {
        self.list.iter().any(|change| change.grows == Growth::Rights)
    }

    fn push(&mut self, sign: Sign, grows: Growth, what: impl Into<String>) {
        self.list.push(Change { sign, what: what.into(), grows });
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.sign {
            Sign::Added => '+',
            Sign::Removed => '-',
            Sign::Changed => '~',
        };
        write!(f, "{sign} {}", self.what)
    }
}

/// What a lock should become when a plugin is not what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relock {
    /// Nothing differs.
    Unchanged,
    /// It may be written without asking: a crate of this project that was built anew, or rights that only shrank.
    Automatic(Changes),
    /// A person has to look at this first.
    NeedsReview(Changes),
}

/// Decides whether a lock may follow a plugin by itself.
///
/// The crate of a project is code under development: its bytes and the texts of its tools may change while its rights (imports,
/// declared and granted rights, effect classes) do not grow. Any other source has to be reviewed whenever anything was not approved,
/// and so has every plugin that is not in the lock at all.
pub fn relock(source: &Source, locked: Option<&LockedPlugin>, current: &LockedPlugin) -> Relock {
    let changes = diff(locked, current);
    let follows = match source {
        Source::Crate(_) => !changes.rights_grew(),
        Source::Wasm(_) | Source::Command(_) | Source::Url(_) => !changes.grew(),
    };
    match locked {
        Some(_) if changes.is_empty() => Relock::Unchanged,
        Some(_) if follows => Relock::Automatic(changes),
        _ => Relock::NeedsReview(changes),
    }
}

/// The differences between what was approved, if anything was, and what is there.
pub fn diff(locked: Option<&LockedPlugin>, current: &LockedPlugin) -> Changes {
    let mut changes = Changes::default();
    match locked {
        None => {
            let what = match current.kind {
                Kind::Agent => "agent",
                Kind::Native => "native process, outside of the sandbox,",
                Kind::Remote => "remote server, outside of the sandbox,",
                Kind::Tool | Kind::Plain => "plugin",
            };
            changes.push(Sign::Added, Growth::Rights, format!("{what} from {}, {}", visible(&current.source, 200), current.digest));
        }
        Some(locked) => component(&mut changes, locked, current),
    }
    tools(&mut changes, locked, current);
    let none = BTreeSet::new();
    let old = |pick: fn(&LockedPlugin) -> &BTreeSet<String>| locked.map_or(&none, pick);
    lines(&mut changes, "import", old(|plugin| &plugin.imports), &current.imports, |line, old| old.contains(line));
    lines(&mut changes, "declared", old(|plugin| &plugin.declared), &current.declared, rights::declares);
    lines(&mut changes, "granted", old(|plugin| &plugin.granted), &current.granted, rights::grants);
    asked(&mut changes, old(|plugin| &plugin.ask), &current.ask);
    limits(&mut changes, locked.map_or_else(CallLimits::default, |locked| locked.limits), current.limits);
    isolation(&mut changes, locked.map_or(Isolation::None, |locked| locked.isolation), current.isolation);
    changes
}

/// The differences when a plugin leaves its project.
pub fn removal(plugin: &Plugin) -> Changes {
    let mut changes = Changes::default();
    let what = if plugin.agent { "agent" } else { "plugin" };
    changes.push(Sign::Removed, Growth::Narrows, format!("{what} from {}", visible(&plugin.source.to_string(), 200)));
    lines(&mut changes, "granted", &plugin.granted_lines(), &BTreeSet::new(), rights::grants);
    changes
}

fn component(changes: &mut Changes, locked: &LockedPlugin, current: &LockedPlugin) {
    if locked.source != current.source {
        let what = format!("source: {} → {}", visible(&locked.source, 200), visible(&current.source, 200));
        changes.push(Sign::Changed, Growth::Rights, what);
    }
    if locked.kind != current.kind {
        changes.push(Sign::Changed, Growth::Rights, "kind of component");
    }
    if current.kind.is_outside() {
        files(changes, locked, current);
    } else if locked.digest != current.digest {
        changes.push(Sign::Changed, Growth::Differs, format!("component: {} → {}", locked.digest, current.digest));
    }
}

fn files(changes: &mut Changes, locked: &LockedPlugin, current: &LockedPlugin) {
    for (path, digest) in &current.files {
        match locked.files.get(path) {
            None => changes.push(Sign::Added, Growth::Rights, format!("file {}, {digest}", visible(path, 200))),
            Some(old) if old != digest => {
                changes.push(Sign::Changed, Growth::Rights, format!("file {}: {old} → {digest}", visible(path, 200)))
            }
            Some(_) => {}
        }
    }
    for path in locked.files.keys().filter(|path| !current.files.contains_key(*path)) {
        changes.push(Sign::Removed, Growth::Narrows, format!("file {}", visible(path, 200)));
    }
}

fn tools(changes: &mut Changes, locked: Option<&LockedPlugin>, current: &LockedPlugin) {
    for (name, tool) in &current.tools {
        match locked.and_then(|locked| locked.tools.get(name)) {
            None => changes.push(Sign::Added, Growth::Differs, format!("tool {name} ({})", effect(tool.effect))),
            Some(old) if old != tool => {
                let grows = if tool.effect > old.effect { Growth::Rights } else { Growth::Differs };
                changes.push(Sign::Changed, grows, format!("tool {name}: {}", aspects(old, tool).join(", ")));
            }
            Some(_) => {}
        }
    }
    let gone = locked.into_iter().flat_map(|locked| locked.tools.keys()).filter(|name| !current.tools.contains_key(*name));
    for name in gone {
        changes.push(Sign::Removed, Growth::Narrows, format!("tool {name}"));
    }
}

fn asked(changes: &mut Changes, old: &BTreeSet<String>, new: &BTreeSet<String>) {
    let what = |tool: &String| format!("ask {}", visible(tool, 64));
    new.difference(old).for_each(|tool| changes.push(Sign::Added, Growth::Narrows, what(tool)));
    for tool in old.difference(new) {
        let grows = if new.contains("*") { Growth::Narrows } else { Growth::Rights };
        changes.push(Sign::Removed, grows, what(tool));
    }
}

fn limits(changes: &mut Changes, old: CallLimits, new: CallLimits) {
    for ((name, old), (_, new)) in old.named().into_iter().zip(new.named()).filter(|(old, new)| old != new) {
        let grows = if new > old { Growth::Rights } else { Growth::Narrows };
        changes.push(Sign::Changed, grows, format!("limit {name}: {old} → {new}"));
    }
}

fn isolation(changes: &mut Changes, old: Isolation, new: Isolation) {
    match (old, new) {
        (Isolation::None, Isolation::Process) => changes.push(Sign::Added, Growth::Narrows, "isolation process"),
        (Isolation::Process, Isolation::None) => changes.push(Sign::Removed, Growth::Rights, "isolation process"),
        (Isolation::None, Isolation::None) | (Isolation::Process, Isolation::Process) => {}
    }
}

fn aspects(old: &Definition, new: &Definition) -> Vec<String> {
    let changed = [
        ("title changed", old.title != new.title),
        ("description changed", old.description != new.description),
        ("input schema changed", old.input_schema != new.input_schema),
        ("output schema changed", old.output_schema != new.output_schema),
    ];
    let mut aspects: Vec<String> = changed.iter().filter(|(_, differs)| *differs).map(|(what, _)| (*what).to_owned()).collect();
    if old.effect != new.effect {
        aspects.push(format!("effect {} → {}", effect(old.effect), effect(new.effect)));
    }
    aspects
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Idempotent => "idempotent",
        Effect::Once => "once",
    }
}

fn lines(changes: &mut Changes, what: &str, old: &BTreeSet<String>, new: &BTreeSet<String>, within: fn(&str, &BTreeSet<String>) -> bool) {
    for line in new.difference(old) {
        let grows = if within(line, old) { Growth::Narrows } else { Growth::Rights };
        changes.push(Sign::Added, grows, format!("{what} {}", visible(line, 400)));
    }
    for line in old.difference(new) {
        changes.push(Sign::Removed, Growth::Narrows, format!("{what} {}", visible(line, 400)));
    }
}
