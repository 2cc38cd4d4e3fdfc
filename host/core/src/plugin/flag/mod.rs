//! What a reviewer should look at twice: more than was declared, more than is used, more than most need. Each flag has its reason and,
//! where there is one, something narrower. A flag refuses nothing.

mod http;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Definition, Effect, text::visible};
use crate::{
    grant::{Access, DataScope, Declared, Fs, Grants, Scope, SocketPattern, ToolPattern, line},
    project::Plugin,
};

/// One thing to look at twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// Its kind, the same in every version: `undeclared-import`, `any-host`.
    pub rule: &'static str,
    /// What it is about, in one line that is safe to print.
    pub what: String,
    /// Why it is flagged, in one line.
    pub reason: String,
    /// What to type or write for less, in this order; what only a person can know stands in angle brackets.
    pub narrower: Vec<String>,
}

/// What is known of a plugin when it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What the project says of it.
    pub plugin: &'a Plugin,
    /// What it declares, by its manifest or else by its imports; none of an outside server.
    pub declared: Option<&'a Declared>,
    /// What it offers.
    pub tools: &'a [Definition],
    /// The project's folder, absolute.
    pub root: &'a Path,
    /// The user's home folder.
    pub home: Option<&'a Path>,
}

/// Everything of `seen` that is flagged: what it does not use first, then what is broad, in the order of the grants.
pub fn flags(seen: Seen<'_>) -> Vec<Flag> {
    let mut flags = Flags { name: seen.plugin.name.as_str(), found: Vec::new() };
    let grants = &seen.plugin.grants;
    if let Some(declared) = seen.declared {
        flags.unused(grants, declared);
    }
    grants.fs.iter().for_each(|fs| flags.folder(fs, seen));
    grants.http.iter().for_each(|http| flags.http(http));
    flags.shared(grants);
    flags.any_tool(&grants.tools);
    flags.raw_sockets(&grants.sockets);
    flags.unasked(seen);
    flags.found
}

/// Imports whose capability a component's own manifest does not declare, one for each capability; `imports` are names with their
/// capabilities.
pub fn undeclared<'a>(imports: impl IntoIterator<Item = (&'a str, &'a str)>, declared: &BTreeSet<String>) -> Vec<Flag> {
    let is_declared = |capability: &str| declared.iter().any(|line| line.split(' ').next() == Some(capability));
    let mut seen = BTreeSet::new();
    let missing = imports.into_iter().filter(|(_, capability)| !is_declared(capability) && seen.insert(*capability));
    let flag = |(name, capability): (&str, &str)| Flag {
        rule: "undeclared-import",
        what: format!("imports `{}` and does not declare `{capability}`", visible(name, 96)),
        reason: "it can ask for more than its author says that it does; the host denies it".to_owned(),
        narrower: Vec::new(),
    };
    missing.map(flag).collect()
}

/// The flags of one plugin, as they are found.
struct Flags<'a> {
    name: &'a str,
    found: Vec<Flag>,
}

impl Flags<'_> {
    fn push(&mut self, rule: &'static str, what: String, reason: impl Into<String>, narrower: Vec<String>) {
        self.found.push(Flag { rule, what: visible(&what, 400), reason: reason.into(), narrower });
    }

    fn grant(&self, capability: &str, scope: &str) -> String {
        format!("remit grant {} {capability} {}", self.name, line::quote(scope))
    }

    fn revoke(&self, capability: &str, scope: &str) -> String {
        format!("remit revoke {} {capability} {}", self.name, line::quote(scope))
    }

    /// Grants that give nothing, since the plugin does not declare what they are about.
    fn unused(&mut self, grants: &Grants, declared: &Declared) {
        for (capability, scope) in line::format(grants) {
            let known = line::parse(&capability, &scope);
            if known.is_ok_and(|one| !is_used(&one, declared)) {
                let revoke = self.revoke(&capability, &scope);
                self.push("unused-grant", format!("granted {capability} {scope}"), "it is not declared, so it gives nothing", vec![revoke]);
            }
        }
    }

    /// A folder that holds more than a plugin's own files.
    fn folder(&mut self, fs: &Fs, seen: Seen<'_>) {
        let Some((rule, reason, is_above)) = too_much(fs, seen) else { return };
        let scope = |fs: Fs| {
            let lines = line::format(&Grants { fs: vec![fs], ..Grants::default() });
            lines.into_iter().next().map(|(_, scope)| scope).unwrap_or_default()
        };
        let only_reads = !seen.tools.is_empty() && seen.tools.iter().all(|tool| tool.effect == Effect::Read);
        let access = if only_reads { Access::Read } else { fs.access };
        let below = if fs.path == "." { "<folder>".to_owned() } else { format!("{}/<folder>", fs.path.trim_end_matches('/')) };
        let (old, new) = (scope(fs.clone()), scope(Fs { path: below, access, ..fs.clone() }));
        let mut narrower = vec![self.revoke("fs", &old)];
        narrower.extend(is_above.then(|| self.grant("fs", &new)));
        self.push(rule, format!("granted fs {old}"), reason, narrower);
    }

    /// Data that is everybody's in the project.
    fn shared(&mut self, grants: &Grants) {
        let kv = grants.kv.as_ref().filter(|kv| kv.scope == DataScope::Project).map(|kv| ("kv", kv.access));
        let workspace = grants.workspace.as_ref().filter(|own| own.scope == DataScope::Project).map(|own| ("workspace", own.access));
        for (capability, access) in kv.into_iter().chain(workspace) {
            let scope = if capability == "kv" { format!("{access}:project") } else { format!("{access} scope=project") };
            let narrower = vec![self.revoke(capability, &scope), self.grant(capability, &access.to_string())];
            let reason = "what the calls of one user leave there, those of every other user see";
            self.push("shared-data", format!("granted {capability} {scope}"), reason, narrower);
        }
    }

    fn any_tool(&mut self, tools: &[ToolPattern]) {
        for pattern in tools.iter().filter(|pattern| pattern.is_of_any_plugin()) {
            let scope = pattern.to_string();
            let narrower = vec![self.revoke("tools", &scope), self.grant("tools", "<plugin>/<tool>")];
            let reason = "it may call tools of plugins that nobody named, those too that are added later";
            self.push("any-tool", format!("granted tools {scope}"), reason, narrower);
        }
    }

    /// Connections of which nobody sees what goes through.
    fn raw_sockets(&mut self, places: &[SocketPattern]) {
        for place in places {
            let scope = place.to_string();
            let reason =
                "whatever it likes goes through that connection: no method, path or secret is decided about, and nothing is masked";
            let narrower = vec![self.revoke("sockets", &scope), self.grant("http", "<METHOD> https://<host>/<path>")];
            self.push("raw-socket", format!("granted sockets {scope}"), reason, narrower);
        }
    }

    /// Tools that must not be repeated, can change something, and ask nobody.
    fn unasked(&mut self, seen: Seen<'_>) {
        if !seen.plugin.is_outside() && !can_change(&seen.plugin.grants) {
            return;
        }
        let unasked = seen.tools.iter().filter(|tool| tool.effect == Effect::Once && !seen.plugin.asks(&tool.name));
        let names: Vec<&str> = unasked.map(|tool| tool.name.as_str()).collect();
        if names.is_empty() {
            return;
        }
        let quoted = |mark: &str| names.iter().map(|name| format!("{mark}{name}{mark}")).collect::<Vec<_>>().join(", ");
        let own = seen.plugin.ask.iter().map(|tool| format!("\"{tool}\"")).collect::<Vec<_>>();
        let asked = own.into_iter().chain([quoted("\"")]).collect::<Vec<_>>().join(", ");
        let write = format!("ask = [{asked}]   # below [plugins.{}] in remit.toml", self.name);
        let reason = "what it does cannot be taken back or repeated safely, and no person is asked first";
        self.push("once-unasked", format!("runs {} without an approval", quoted("`")), reason, vec![write]);
    }
}

/// Why a folder is more than a plugin should have: kind and reason, and whether a folder in it would do.
fn too_much(fs: &Fs, seen: Seen<'_>) -> Option<(&'static str, &'static str, bool)> {
    let at: PathBuf = seen.root.join(&fs.path).components().collect();
    let holds = |path: &Path| path.starts_with(&at);
    let lies_in = |name: &str| at.starts_with(seen.root.join(name));
    let writes = fs.access == Access::Write;
    if seen.home.is_some_and(holds) {
        return Some(("home-folder", "your home folder is in it, with your keys and all that your programs trust", true));
    }
    if lies_in(".remit") {
        return Some(("project-state", "it is the project's own state: what everybody's sessions hold, and the audit log", false));
    }
    if holds(seen.root) {
        return Some(match writes {
            true => {
                ("project-folder", "`remit.toml`, `remit.lock` and whatever else you run from there are in it, and it may write them", true)
            }
            false => ("project-folder", "the project's own state, `.remit`, is in it: what everybody's sessions hold", true),
        });
    }
    let trusted = [".git", "remit.toml", "remit.lock", "remit.local.toml"];
    (writes && trusted.into_iter().any(lies_in)).then_some((
        "trusted-file",
        "you run, or trust, what stands there, and it may write it",
        false,
    ))
}

/// Whether a grant, read from one line, gives anything to a plugin that declares so much.
fn is_used(one: &Grants, declared: &Declared) -> bool {
    let Grants { fs, http, env, config, kv, workspace, tools, sockets, model, custom } = one;
    fn named(scope: &Option<Scope<BTreeSet<String>>>, key: &String) -> bool {
        match scope {
            None => false,
            Some(Scope::Any) => true,
            Some(Scope::Only(keys)) => keys.contains(key),
        }
    }
    fn meets<T>(scope: &Option<Scope<Vec<T>>>, meet: impl Fn(&T) -> bool) -> bool {
        match scope {
            None => false,
            Some(Scope::Any) => true,
            Some(Scope::Only(all)) => all.iter().any(meet),
        }
    }
    fs.iter().all(|fs| declared.fs_access(&fs.mount).is_some())
        && http.iter().flat_map(|http| &http.allow).all(|own| meets(&declared.http, |its| its.may_meet(own)))
        && env.keys().all(|key| named(&declared.env, key))
        && config.keys().all(|key| named(&declared.config, key))
        && (kv.is_none() || declared.kv.is_some())
        && (workspace.is_none() || declared.workspace.is_some())
        && tools.iter().all(|own| meets(&declared.tools, |its| its.both(own).is_some()))
        && sockets.iter().all(|own| meets(&declared.sockets, |its| its == own))
        && model.keys().all(|name| named(&declared.model, name))
        && custom.keys().all(|name| declared.custom.contains_key(name))
}

/// Whether anything is granted that outlives a call.
fn can_change(grants: &Grants) -> bool {
    grants.fs.iter().any(|fs| fs.access == Access::Write)
        || grants.http.iter().flat_map(|http| &http.allow).any(|pattern| pattern.sends())
        || grants.kv.as_ref().is_some_and(|kv| kv.access == Access::Write)
        || grants.workspace.as_ref().is_some_and(|own| own.access == Access::Write)
        || !grants.tools.is_empty()
        || !grants.sockets.is_empty()
        || !grants.custom.is_empty()
}
