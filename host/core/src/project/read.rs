//! `remit.toml` → [`Project`].

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::{
    Approvals, Mcp, Model, Plugin, Problem, Project, ProjectError, Retention, Source,
    auth::auth,
    command,
    egress::egress,
    models, nearest, remote,
    table::{self, Table},
};
use crate::{
    Error,
    grant::{
        Grants, ToolPattern,
        authored::{AuthoredGrants, Models},
    },
    identity::{Principal, Role},
    label::{Label, Policy, ToolLabels},
    limit::{CallLimits, RETENTION_MAX_DAYS, SIGNERS_MAX},
    plugin::{AGENTS, Effect, Isolation, MODELS, PluginName, check_tool_name, signature::Signer, text::visible},
};

/// Tables that later versions serve. Silence about them would let a reader believe that they are enforced.
const UNSERVED: [&str; 2] = ["budgets", "functions"];
/// Likewise, keys of a plugin.
const UNSERVED_OF_PLUGIN: [&str; 1] = ["digest"];

impl Project {
    /// Reads a `remit.toml`; `file` is its name in messages.
    ///
    /// # Errors
    /// Every mistake of the file at once: too large, no UTF-8, no TOML, unknown or unserved keys, values out of bounds, names that
    /// mean nothing, sources outside the project without `outside = true`.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ProjectError> {
        let text = super::text(file, bytes)?;
        let mut problems = Vec::new();
        let mut root = table::document(file, text)?;
        root.version(&mut problems);
        let name = project_name(&mut root, &mut problems);
        let mut plugins = plugins(&mut root, &mut problems);
        agents(&mut root, &mut plugins, &mut problems);
        let models = models::models(&mut root, &mut problems);
        let roles = roles(&mut root, &mut problems);
        let principals = principals(&mut root, &roles, &mut problems);
        let retention = retention(&mut root, &mut problems);
        let mcp = mcp(&mut root, &mut problems);
        let auth = auth(&mut root, &mut problems);
        let approvals = approvals(&mut root, &mut problems);
        let labels = labels(&mut root, (&plugins, &models), &mut problems);
        let signers = signers(&mut root, &mut problems);
        let egress = egress(&mut root, &mut problems);
        for key in UNSERVED {
            root.unserved(key, &mut problems);
        }
        root.finish(&mut problems);
        match name {
            Some(name) if problems.is_empty() => {
                Ok(Self { name, plugins, models, roles, principals, retention, mcp, auth, approvals, labels, signers, egress })
            }
            _ => Err(ProjectError::new(file, text, problems)),
        }
    }
}

fn project_name(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> Option<String> {
    let Some(mut header) = root.table("project", "`[project]`", problems) else {
        problems.push(Problem::new(0..0, "the file has no `[project]`").hint("write `[project]` and below it `name = \"my-project\"`"));
        return None;
    };
    let name = header.required::<Spanned<String>>("name", "name = \"my-project\"", problems);
    header.finish(problems);
    let name = name?;
    let text = name.get_ref();
    let fits = text.len() <= Project::NAME_MAX_BYTES
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'));
    if !fits {
        let hint = format!(
            "use lowercase letters, digits, `-`, `_` and `.`, starting with a letter or digit, at most {} characters",
            Project::NAME_MAX_BYTES
        );
        problems.push(Problem::new(name.span(), format!("`{}` is not a project name", visible(text, 64))).hint(hint));
    }
    Some(name.into_inner())
}

fn plugins(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> BTreeMap<PluginName, Plugin> {
    let mut plugins = BTreeMap::new();
    for (name, table) in root.tables("plugins", "plugin", problems) {
        let parsed = name.get_ref().parse::<PluginName>().map_err(|error| problems.push(Problem::at(name.span(), error))).ok();
        let Some(name) = parsed else { continue };
        if let Some(plugin) = plugin(name.clone(), table, problems) {
            plugins.insert(name, plugin);
        }
    }
    plugins
}

fn plugin(name: PluginName, mut table: Table<'_>, problems: &mut Vec<Problem>) -> Option<Plugin> {
    for key in UNSERVED_OF_PLUGIN {
        table.unserved(key, problems);
    }
    if table.has("url") {
        return remote::plugin(name, table, problems);
    }
    if table.has("command") {
        return command::plugin(name, table, problems);
    }
    let outside: bool = table.optional("outside", problems).unwrap_or_default();
    let written: Option<Spanned<String>> = table.required("source", "source = \"plugins/name\"", problems);
    let source = written
        .and_then(|written| source(written.get_ref(), outside).map_err(|error| problems.push(Problem::at(written.span(), error))).ok());
    let ask = asked(&mut table, problems);
    let limits = limits(&mut table, false, problems).over(CallLimits::default());
    let grants = table.optional::<AuthoredGrants>("grants", problems).unwrap_or_default().validate();
    let grants = grants.map_err(|found| problems.extend(found)).unwrap_or_default();
    let isolation = isolation(&mut table, &name, &grants, problems);
    let effects = effects(&mut table, problems);
    table.finish(problems);
    Some(Plugin { name, source: source?, ask, limits, isolation, grants, effects, disabled: false, agent: false })
}

/// Where calls run; what is granted has to be there, too.
fn isolation(plugin: &mut Table<'_>, name: &PluginName, grants: &Grants, problems: &mut Vec<Problem>) -> Isolation {
    let Some(written) = plugin.optional::<Spanned<Isolation>>("isolation", problems) else { return Isolation::None };
    if let Err(error) = written.get_ref().carries(name.as_str(), grants) {
        problems.push(Problem::at(written.span(), error));
    }
    written.into_inner()
}

/// The tools whose every call needs an approval.
pub(super) fn asked(plugin: &mut Table<'_>, problems: &mut Vec<Problem>) -> Vec<String> {
    let ask: Vec<Spanned<String>> = plugin.optional("ask", problems).unwrap_or_default();
    for tool in ask.iter().filter(|tool| tool.get_ref() != "*") {
        tool_name(tool, problems);
    }
    ask.into_iter().map(Spanned::into_inner).collect()
}

fn agents(root: &mut Table<'_>, plugins: &mut BTreeMap<PluginName, Plugin>, problems: &mut Vec<Problem>) {
    for (written, table) in root.tables("agents", "agent", problems) {
        let name = match written.get_ref().parse::<PluginName>() {
            Ok(name) if plugins.contains_key(&name) => {
                let problem = Problem::new(written.span(), format!("`{name}` is the name of a plugin already"));
                problems.push(problem.hint("choose another name for the agent"));
                continue;
            }
            Ok(name) => name,
            Err(error) => {
                problems.push(Problem::at(written.span(), error));
                continue;
            }
        };
        if let Some(agent) = agent(name.clone(), table, problems) {
            plugins.insert(name, agent);
        }
    }
}

/// An agent: a plugin whose grants are the tools that it may call and the models that it may ask.
fn agent(name: PluginName, mut table: Table<'_>, problems: &mut Vec<Problem>) -> Option<Plugin> {
    table.unserved("digest", problems);
    table.unserved("isolation", problems);
    let outside: bool = table.optional("outside", problems).unwrap_or_default();
    let written: Option<Spanned<String>> = table.required("source", "source = \"plugins/name\"", problems);
    let source = written
        .and_then(|written| source(written.get_ref(), outside).map_err(|error| problems.push(Problem::at(written.span(), error))).ok());
    let tools = table.optional("tools", problems).unwrap_or_default();
    let model = table.optional::<Spanned<Models>>("model", problems).map_or_else(Vec::new, Models::placed);
    let grants = AuthoredGrants { tools, model, ..AuthoredGrants::default() }.validate();
    let grants = grants.map_err(|found| problems.extend(found)).unwrap_or_default();
    let limits = limits(&mut table, true, problems).over(CallLimits::default());
    table.finish(problems);
    let (ask, effects, isolation) = (Vec::new(), BTreeMap::new(), Isolation::None);
    Some(Plugin { name, source: source?, ask, limits, isolation, grants, effects, disabled: false, agent: true })
}

/// What `source = "…"` means.
fn source(written: &str, outside: bool) -> Result<Source, Error> {
    let shown = visible(written, 128);
    if written.is_empty() || shown != written {
        return Err(Error::invalid(format!("`{shown}` is not a path")).hint("write the path of a crate's folder or of a `.wasm` file"));
    }
    if let Some((scheme, _)) = written.split_once("://") {
        return Err(Error::invalid(format!("`{scheme}://` sources are not served by this version"))
            .hint("fetch the component yourself and name the `.wasm` file"));
    }
    if leaves_project(written) && !outside {
        return Err(
            Error::invalid(format!("`{shown}` lies outside the project")).hint("say that this is meant: `outside = true` beside it")
        );
    }
    match written.strip_suffix(".wasm") {
        Some(_) => Ok(Source::Wasm(written.to_owned())),
        None => Ok(Source::Crate(written.to_owned())),
    }
}

/// Whether a path, as written, is absolute or climbs out of the folder it is relative to.
fn leaves_project(path: &str) -> bool {
    use std::path::{Component, Path};
    let mut depth = 0_usize;
    for component in Path::new(path).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return true,
            },
            Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}

/// Limits as written; what is absent keeps what it was.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) memory_mib: Option<Spanned<u32>>,
    pub(super) deadline_ms: Option<Spanned<u64>>,
    pub(super) output_kib: Option<Spanned<u32>>,
    pub(super) requests_per_minute: Option<Spanned<u32>>,
    pub(super) sent_kib_per_minute: Option<Spanned<u32>>,
    pub(super) received_kib_per_minute: Option<Spanned<u32>>,
}

impl Limits {
    /// `base` with what is written here.
    pub(super) fn over(&self, base: CallLimits) -> CallLimits {
        CallLimits {
            memory_mib: self.memory_mib.as_ref().map_or(base.memory_mib, |value| *value.get_ref()),
            deadline_ms: self.deadline_ms.as_ref().map_or(base.deadline_ms, |value| *value.get_ref()),
            output_kib: self.output_kib.as_ref().map_or(base.output_kib, |value| *value.get_ref()),
            requests_per_minute: self.requests_per_minute.as_ref().map_or(base.requests_per_minute, |value| *value.get_ref()),
            sent_kib_per_minute: self.sent_kib_per_minute.as_ref().map_or(base.sent_kib_per_minute, |value| *value.get_ref()),
            received_kib_per_minute: self.received_kib_per_minute.as_ref().map_or(base.received_kib_per_minute, |value| *value.get_ref()),
        }
    }

    /// Reports each value that is not within its maximum.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        bounded("memory_mib", self.memory_mib.as_ref(), CallLimits::MEMORY_MAX_MIB, problems);
        bounded("deadline_ms", self.deadline_ms.as_ref(), CallLimits::DEADLINE_MAX_MS, problems);
        bounded("output_kib", self.output_kib.as_ref(), CallLimits::OUTPUT_MAX_KIB, problems);
        bounded("requests_per_minute", self.requests_per_minute.as_ref(), CallLimits::REQUESTS_MAX, problems);
        bounded("sent_kib_per_minute", self.sent_kib_per_minute.as_ref(), CallLimits::TRAFFIC_MAX_KIB, problems);
        bounded("received_kib_per_minute", self.received_kib_per_minute.as_ref(), CallLimits::TRAFFIC_MAX_KIB, problems);
    }
}

/// The table `limits`, each value within its maximum. An agent reaches nothing, so its table bounds no requests.
pub(super) fn limits(plugin: &mut Table<'_>, agent: bool, problems: &mut Vec<Problem>) -> Limits {
    let Some(mut table) = plugin.table("limits", "`limits`", problems) else { return Limits::default() };
    let mut limits = Limits {
        memory_mib: table.optional("memory_mib", problems),
        deadline_ms: table.optional("deadline_ms", problems),
        output_kib: table.optional("output_kib", problems),
        ..Limits::default()
    };
    if !agent {
        limits.requests_per_minute = table.optional("requests_per_minute", problems);
        limits.sent_kib_per_minute = table.optional("sent_kib_per_minute", problems);
        limits.received_kib_per_minute = table.optional("received_kib_per_minute", problems);
    }
    table.finish(problems);
    limits.check(problems);
    limits
}

fn bounded<T: Copy + Into<u64>>(key: &str, value: Option<&Spanned<T>>, max: T, problems: &mut Vec<Problem>) {
    let Some(value) = value else { return };
    let (number, max) = ((*value.get_ref()).into(), max.into());
    if number == 0 || number > max {
        problems.push(Problem::new(value.span(), format!("`{key}` is {number}")).hint(format!("write a number from 1 to {max}")));
    }
}

fn retention(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> Retention {
    let Some(mut table) = root.table("retention", "`[retention]`", problems) else { return Retention::default() };
    let mut days = |key| {
        let days: Option<Spanned<u32>> = table.optional(key, problems);
        bounded(key, days.as_ref(), RETENTION_MAX_DAYS, problems);
        days.map(Spanned::into_inner)
    };
    let retention = Retention { sessions_days: days("sessions_days"), quarantined_days: days("quarantined_days") };
    table.finish(problems);
    retention
}

fn mcp(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> Mcp {
    let Some(mut table) = root.table("mcp", "`[mcp]`", problems) else { return Mcp::default() };
    let search = table.optional("search", problems).unwrap_or_default();
    let listed = table.optional("listed", problems).unwrap_or_default();
    table.finish(problems);
    Mcp { search, listed: patterns(listed, problems) }
}

fn approvals(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> Approvals {
    let Some(mut table) = root.table("approvals", "`[approvals]`", problems) else { return Approvals::default() };
    let approvals = Approvals { accept_client: table.optional("accept_client", problems).unwrap_or_default() };
    table.finish(problems);
    approvals
}

/// What the project says of labels. It may be said before it is enforced.
fn labels(
    root: &mut Table<'_>,
    (plugins, models): (&BTreeMap<PluginName, Plugin>, &BTreeMap<String, Model>),
    problems: &mut Vec<Problem>,
) -> Policy {
    let Some(mut table) = root.table("labels", "`[labels]`", problems) else { return Policy::default() };
    let enforce = table.optional("enforce", problems).unwrap_or_default();
    let tools = table.tables("tools", "label entry", problems).into_iter().filter_map(|(pattern, mut entry)| {
        let before = problems.len();
        let said = ToolLabels {
            labels: entry.optional::<BTreeSet<Label>>("labels", problems),
            closed_when: entry.optional("closed_when", problems),
            ask_when: entry.optional("ask_when", problems),
        };
        if said == ToolLabels::default() && problems.len() == before {
            let problem = Problem::new(pattern.span(), format!("the entry of `{}` says nothing", visible(pattern.get_ref(), 64)));
            problems.push(problem.hint("write `labels`, `closed_when` or `ask_when`, such as `{ labels = [\"private\"] }`"));
        }
        entry.finish(problems);
        // A name that is nobody's would be a promise that nobody keeps.
        let (plugin, tool) = pattern.get_ref().split_once('/').unwrap_or((pattern.get_ref(), ""));
        let (name, agent) = if plugin == AGENTS { (tool, true) } else { (plugin, false) };
        let of_kind = || plugins.values().filter(move |plugin| plugin.agent == agent).map(|plugin| plugin.name.as_str());
        let is_model = plugin == MODELS && (tool.contains('*') || models.contains_key(tool));
        if !is_model && !name.contains('*') && !of_kind().any(|known| known == name) {
            let what = if agent { "agent" } else { "plugin" };
            let problem = Problem::new(pattern.span(), format!("the project has no {what} `{}`", visible(name, 64)));
            problems.push(match nearest(name, of_kind()) {
                Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                None => problem.hint("name a tool as `plugin/tool`, or all of a plugin as `plugin/*`"),
            });
        }
        Some((patterns(vec![pattern], problems).pop()?, said))
    });
    let tools = tools.collect();
    table.finish(problems);
    Policy { enforce, tools }
}

/// `[review] signers`. An empty list would let nobody sign, which nobody can mean.
fn signers(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> Vec<Signer> {
    let Some(mut table) = root.table("review", "`[review]`", problems) else { return Vec::new() };
    let written: Option<Spanned<Vec<Spanned<String>>>> = table.required("signers", "signers = [\"RW…\"]", problems);
    table.finish(problems);
    let Some(written) = written else { return Vec::new() };
    let count = written.get_ref().len();
    if count == 0 || count > SIGNERS_MAX {
        let problem = Problem::new(written.span(), format!("`signers` names {count} keys"));
        problems.push(problem.hint(format!("name from 1 to {SIGNERS_MAX}; without `[review]`, no approval has to be signed")));
    }
    let parse = |one: Spanned<String>| one.get_ref().parse::<Signer>().map_err(|error| problems.push(Problem::at(one.span(), error))).ok();
    written.into_inner().into_iter().take(SIGNERS_MAX).filter_map(parse).collect()
}

pub(super) fn effects(plugin: &mut Table<'_>, problems: &mut Vec<Problem>) -> BTreeMap<String, Effect> {
    let Some(table) = plugin.table("effects", "`effects`", problems) else { return BTreeMap::new() };
    let entries = table.entries::<Effect>(problems);
    for (tool, _) in &entries {
        tool_name(tool, problems);
    }
    entries.into_iter().map(|(tool, effect)| (tool.into_inner(), effect)).collect()
}

/// Reports what cannot be the name of a tool.
fn tool_name(tool: &Spanned<String>, problems: &mut Vec<Problem>) {
    if let Err(error) = check_tool_name(tool.get_ref()) {
        problems.push(Problem::at(tool.span(), error));
    }
}

fn roles(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> BTreeMap<String, Role> {
    let mut roles = BTreeMap::new();
    for (name, mut table) in root.tables("roles", "role", problems) {
        if name.get_ref() == Project::OWNER {
            problems.push(Problem::new(name.span(), "the role `owner` is built in: it may call every tool").hint("choose another name"));
        } else if name.get_ref() != AGENTS
            && let Err(error) = name.get_ref().parse::<PluginName>()
        {
            let problem = Problem::at(name.span(), error);
            problems.push(Problem { message: format!("`{}` is not a name for a role", visible(name.get_ref(), 64)), ..problem });
        }
        let tools = table.required("tools", "tools = [\"files/*\"]", problems).unwrap_or_default();
        table.finish(problems);
        roles.insert(name.into_inner(), Role::Tools(patterns(tools, problems)));
    }
    roles
}

/// The patterns that were written; the others are reported.
fn patterns(written: Vec<Spanned<String>>, problems: &mut Vec<Problem>) -> Vec<ToolPattern> {
    let parsed = written
        .into_iter()
        .filter_map(|pattern| pattern.get_ref().parse().map_err(|error| problems.push(Problem::at(pattern.span(), error))).ok());
    parsed.collect()
}

fn principals(root: &mut Table<'_>, roles: &BTreeMap<String, Role>, problems: &mut Vec<Problem>) -> BTreeMap<Principal, Vec<String>> {
    let Some(table) = root.table("principals", "`[principals]`", problems) else { return BTreeMap::new() };
    let mut principals = BTreeMap::new();
    for (principal, names) in table.entries::<Vec<Spanned<String>>>(problems) {
        for name in &names {
            let written = name.get_ref().as_str();
            if written != Project::OWNER && !roles.contains_key(written) {
                let known = roles.keys().map(String::as_str).chain([Project::OWNER]);
                let hint = match nearest(written, known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "define it under `[roles.NAME]`, or use `owner`".to_owned(),
                };
                problems.push(Problem::new(name.span(), format!("there is no role `{}`", visible(written, 64))).hint(hint));
            }
        }
        match principal.get_ref().parse::<Principal>() {
            Ok(parsed) => drop(principals.insert(parsed, names.into_iter().map(Spanned::into_inner).collect())),
            Err(error) => problems.push(Problem::at(principal.span(), error)),
        }
    }
    principals
}
