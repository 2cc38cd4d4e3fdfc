//! `remit.local.toml`: one user's own narrowing of a project, not committed.

use toml::Spanned;

use super::{
    Plugin, Problem, Project, ProjectError, nearest,
    read::limits,
    table::{self, Table},
};
use crate::{
    grant::{Grants, line},
    plugin::text::visible,
};

impl Project {
    /// Narrows the project by the text of its `remit.local.toml`.
    ///
    /// For a plugin it may say `disabled = true`, lower its `limits`, and `revoke = ["http", "fs docs:/docs"]`: a
    /// capability as a whole, or one grant. For the project it may say `enforce = true` in `[labels]`.
    ///
    /// # Errors
    /// Every mistake at once: what [`Project::parse`] refuses, a plugin or grant that is not there, a limit above the
    /// project's, labels that are switched off. The project is unchanged then.
    pub fn narrow(&mut self, file: &str, bytes: &[u8]) -> Result<(), ProjectError> {
        let text = super::text(file, bytes)?;
        let mut problems = Vec::new();
        let mut root = table::document(file, text)?;
        root.version(&mut problems);
        let mut narrowed = self.plugins.clone();
        for (section, kind) in [("plugins", "plugin"), ("agents", "agent")] {
            for (name, table) in root.tables(section, kind, &mut problems) {
                match narrowed.iter_mut().find(|(known, plugin)| known.as_str() == name.get_ref() && plugin.table() == section) {
                    Some((_, plugin)) => narrow_plugin(plugin, table, &mut problems),
                    None => problems.push(unknown_plugin(&name, kind, self)),
                }
            }
        }
        let enforce = labels(&mut root, self.labels.enforce, &mut problems);
        root.belongs("http", "remit.toml", &mut problems);
        root.finish(&mut problems);
        if !problems.is_empty() {
            return Err(ProjectError::new(file, text, problems));
        }
        self.plugins = narrowed;
        self.labels.enforce = enforce;
        Ok(())
    }
}

/// Whether labels are enforced: they may be switched on here, and not off.
fn labels(root: &mut Table<'_>, enforced: bool, problems: &mut Vec<Problem>) -> bool {
    let Some(mut table) = root.table("labels", "`[labels]`", problems) else { return enforced };
    let written: Option<Spanned<bool>> = table.optional("enforce", problems);
    table.belongs("tools", "remit.toml", problems);
    table.finish(problems);
    match written {
        Some(off) if enforced && !off.get_ref() => {
            let problem = Problem::new(off.span(), "the project enforces labels, and this file can only narrow");
            problems.push(problem.hint("remove the line, or switch labels off in `remit.toml`"));
            enforced
        }
        Some(written) => *written.get_ref(),
        None => enforced,
    }
}

fn unknown_plugin(name: &Spanned<String>, kind: &str, project: &Project) -> Problem {
    let problem = Problem::new(name.span(), format!("the project has no {kind} `{}`", visible(name.get_ref(), 64)));
    match nearest(
        name.get_ref(),
        project.plugins.values().filter(|plugin| plugin.table().starts_with(kind)).map(|plugin| plugin.name.as_str()),
    ) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint("this file can only narrow what `remit.toml` has"),
    }
}

fn narrow_plugin(plugin: &mut Plugin, mut table: Table<'_>, problems: &mut Vec<Problem>) {
    plugin.disabled = table.optional("disabled", problems).unwrap_or_default();
    let written = limits(&mut table, plugin.agent, problems);
    let base = plugin.limits;
    lower("memory_mib", written.memory_mib.as_ref(), base.memory_mib, problems);
    lower("deadline_ms", written.deadline_ms.as_ref(), base.deadline_ms, problems);
    lower("output_kib", written.output_kib.as_ref(), base.output_kib, problems);
    lower("requests_per_minute", written.requests_per_minute.as_ref(), base.requests_per_minute, problems);
    lower("sent_kib_per_minute", written.sent_kib_per_minute.as_ref(), base.sent_kib_per_minute, problems);
    lower("received_kib_per_minute", written.received_kib_per_minute.as_ref(), base.received_kib_per_minute, problems);
    plugin.limits = written.over(base);
    let revoked: Vec<Spanned<String>> = table.optional("revoke", problems).unwrap_or_default();
    for capability in revoked {
        if let Err(problem) = revoke(&mut plugin.grants, &capability) {
            problems.push(problem);
        }
    }
    for key in ["grants", "source", "ask", "effects", "isolation", "outside", "command", "env", "cwd", "url", "secret", "private"] {
        table.belongs(key, "remit.toml", problems);
    }
    table.finish(problems);
}

fn lower<T: Copy + Into<u64>>(key: &str, value: Option<&Spanned<T>>, base: T, problems: &mut Vec<Problem>) {
    let Some(value) = value else { return };
    let (number, base) = ((*value.get_ref()).into(), base.into());
    if number > base {
        let message = format!("`{key}` is {number}, more than the project's {base}");
        problems.push(Problem::new(value.span(), message).hint(format!("this file can only narrow: write at most {base}")));
    }
}

/// Takes away one grant, as `CAPABILITY SCOPE`, or everything that is granted of a capability.
fn revoke(grants: &mut Grants, written: &Spanned<String>) -> Result<(), Problem> {
    let text = written.get_ref().trim();
    let removed = match text.split_once(char::is_whitespace) {
        Some((capability, scope)) => {
            let named = line::parse_revoked(capability, scope.trim_start()).map_err(|error| Problem::at(written.span(), error))?;
            grants.remove(&named)
        }
        None => grants.remove(&all_of(grants, text)),
    };
    match removed {
        true => Ok(()),
        false => Err(Problem::new(written.span(), format!("`{}` is not granted", visible(text, 160)))
            .hint("write a capability, such as `http`, or one grant as `remit.lock` has it; remove what is not granted any more")),
    }
}

/// Everything that is granted of one capability.
fn all_of(grants: &Grants, capability: &str) -> Grants {
    let mut all = Grants::default();
    match capability {
        "fs" => all.fs.clone_from(&grants.fs),
        "http" => all.http.clone_from(&grants.http),
        "env" => all.env.clone_from(&grants.env),
        "config" => all.config.clone_from(&grants.config),
        "kv" => all.kv.clone_from(&grants.kv),
        "workspace" => all.workspace.clone_from(&grants.workspace),
        "tools" => all.tools.clone_from(&grants.tools),
        "sockets" => all.sockets.clone_from(&grants.sockets),
        "model" => all.model.clone_from(&grants.model),
        custom => all.custom.extend(grants.custom.get_key_value(custom).map(|(name, scopes)| (name.clone(), scopes.clone()))),
    }
    all
}
