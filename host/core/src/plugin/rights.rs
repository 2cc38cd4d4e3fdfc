//! Rights as lines, for the lock: one line a right, sorted, so that a difference of rights is a difference of lines.

use std::collections::BTreeSet;

use super::text::visible;
use crate::{
    Error, Result,
    grant::{Access, Declared, Fs, Grants, Http, Kv, Scope, ToolPattern, Workspace, line},
};

/// Stands for "whatever the project grants" in a declared line.
const ANY: &str = "*";

/// What is granted, in the grammar of [`mod@line`]: `CAPABILITY SCOPE`.
pub fn granted_lines(grants: &Grants) -> BTreeSet<String> {
    line::format(grants).into_iter().map(|(capability, scope)| format!("{capability} {scope}")).collect()
}

/// What is declared: the capability, then what of it; `*` is anything.
pub fn declared_lines(declared: &Declared) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    scoped(&mut lines, "fs", declared.fs.as_ref(), |all| {
        all.iter().map(|(mount, access)| format!("{} {access}", mount.as_deref().unwrap_or(ANY))).collect()
    });
    scoped(&mut lines, "http", declared.http.as_ref(), |all| all.iter().map(ToString::to_string).collect());
    scoped(&mut lines, "env", declared.env.as_ref(), |all| all.iter().cloned().collect());
    scoped(&mut lines, "config", declared.config.as_ref(), |all| all.iter().cloned().collect());
    scoped(&mut lines, "kv", declared.kv.as_ref(), |access| vec![access.to_string()]);
    scoped(&mut lines, "workspace", declared.workspace.as_ref(), |access| vec![access.to_string()]);
    scoped(&mut lines, "tools", declared.tools.as_ref(), |all| all.iter().map(ToString::to_string).collect());
    scoped(&mut lines, "sockets", declared.sockets.as_ref(), |all| all.iter().map(ToString::to_string).collect());
    scoped(&mut lines, "model", declared.model.as_ref(), |all| all.iter().cloned().collect());
    for (name, scope) in &declared.custom {
        scoped(&mut lines, name, Some(scope), Clone::clone);
    }
    lines
}

/// What [`declared_lines`] wrote, without the author's reasons.
///
/// # Errors
/// `invalid`, naming the first line that it could not have written.
pub fn declared_from_lines(lines: &BTreeSet<String>) -> Result<Declared> {
    let mut declared = Declared::default();
    for line in lines {
        let refuse = || Error::invalid(format!("`{}` is nothing that a plugin can declare", visible(line, 200))).hint("remit review");
        let (capability, scope) = line.split_once(' ').ok_or_else(refuse)?;
        match capability {
            "fs" => add(&mut declared.fs, scope, |all, scope| {
                let (mount, access) = scope.rsplit_once(' ')?;
                let mount = (mount != ANY).then(|| mount.to_owned());
                all.push((mount, access_of(access)?));
                Some(())
            }),
            "http" => add(&mut declared.http, scope, |all, scope| scope.parse().ok().map(|one| all.push(one))),
            "env" => add(&mut declared.env, scope, text),
            "config" => add(&mut declared.config, scope, text),
            "model" => add(&mut declared.model, scope, text),
            "kv" | "workspace" => {
                let access = if scope == ANY { Scope::Any } else { Scope::Only(access_of(scope).ok_or_else(refuse)?) };
                *(if capability == "kv" { &mut declared.kv } else { &mut declared.workspace }) = Some(access);
                Some(())
            }
            "tools" => add(&mut declared.tools, scope, |all, scope| scope.parse().ok().map(|one| all.push(one))),
            "sockets" => add(&mut declared.sockets, scope, |all, scope| scope.parse().ok().map(|one| all.push(one))),
            name if name.contains(':') => {
                let mut own = declared.custom.remove(name);
                let added = add(&mut own, scope, text);
                declared.custom.extend(own.map(|own| (name.to_owned(), own)));
                added
            }
            _ => None,
        }
        .ok_or_else(refuse)?;
    }
    Ok(declared)
}

/// Adds one line's scope to those of its capability.
fn add<T: Default>(declared: &mut Option<Scope<T>>, scope: &str, one: impl FnOnce(&mut T, &str) -> Option<()>) -> Option<()> {
    if scope == ANY {
        *declared = Some(Scope::Any);
    }
    match declared.get_or_insert_with(|| Scope::Only(T::default())) {
        Scope::Any => Some(()),
        Scope::Only(all) => one(all, scope),
    }
}

fn text(all: &mut impl Extend<String>, scope: &str) -> Option<()> {
    all.extend([scope.to_owned()]);
    Some(())
}

fn access_of(text: &str) -> Option<Access> {
    [Access::Read, Access::Write].into_iter().find(|access| access.to_string() == text)
}

fn scoped<T>(lines: &mut BTreeSet<String>, capability: &str, scope: Option<&Scope<T>>, each: impl FnOnce(&T) -> Vec<String>) {
    match scope {
        None => {}
        Some(Scope::Any) => drop(lines.insert(format!("{capability} {ANY}"))),
        Some(Scope::Only(all)) => lines.extend(each(all).into_iter().map(|one| format!("{capability} {one}"))),
    }
}

/// Whether a declared line asks for no more than the `old` ones. What is not known to be narrower is wider.
pub(super) fn declares(new: &str, old: &BTreeSet<String>) -> bool {
    let Some((capability, scope)) = new.split_once(' ') else { return false };
    if old.contains(new) || old.contains(&format!("{capability} {ANY}")) {
        return true;
    }
    match (capability, scope.rsplit_once(' ')) {
        ("fs", Some((mount, access))) => [mount, ANY].into_iter().any(|mount| {
            let has = |access: &str| old.contains(&format!("fs {mount} {access}"));
            has(access) || (access == "read" && has("write"))
        }),
        ("kv" | "workspace", None) => scope == "read" && old.contains(&format!("{capability} write")),
        _ => false,
    }
}

/// Whether a granted line gives no more than one of the `old` ones. What is not known to be narrower is wider.
pub(super) fn grants(new: &str, old: &BTreeSet<String>) -> bool {
    if old.contains(new) {
        return true;
    }
    let Ok(new) = line::parse_pair(new) else { return false };
    old.iter().filter_map(|line| line::parse_pair(line).ok()).any(|old| covers(&old, &new))
}

/// Whether `old`, read from one line, gives everything that `new`, read from one line, gives.
fn covers(old: &Grants, new: &Grants) -> bool {
    let Grants { fs, http, env, config, kv, workspace, tools, sockets, model, custom } = new;
    env.iter().all(|(key, value)| old.env.get(key) == Some(value))
        && config.iter().all(|(key, value)| old.config.get(key) == Some(value))
        && custom.iter().all(|(name, scopes)| old.custom.get(name) == Some(scopes))
        && fs.iter().all(|new| old.fs.iter().any(|old| covers_fs(old, new)))
        && http.iter().all(|new| old.http.iter().any(|old| covers_http(old, new)))
        && kv.iter().all(|new| old.kv.iter().any(|old| covers_kv(old, new)))
        && workspace.iter().all(|new| old.workspace.iter().any(|old| covers_workspace(old, new)))
        && tools.iter().all(|new| old.tools.iter().any(|old| covers_tool(old, new)))
        && sockets.iter().all(|new| old.sockets.contains(new))
        && model
            .iter()
            .all(|(name, most)| old.model.get(name).is_some_and(|old| old.is_none_or(|old| most.is_some_and(|most| most <= old))))
}

fn covers_fs(old: &Fs, new: &Fs) -> bool {
    let within = new.access <= old.access && new.max_bytes <= old.max_bytes && new.max_files <= old.max_files;
    within && new.path == old.path && new.mount == old.mount && old.labels.is_subset(&new.labels)
}

fn covers_http(old: &Http, new: &Http) -> bool {
    let within = new.max_bytes <= old.max_bytes && new.deadline_ms <= old.deadline_ms;
    let private = new.private.iter().all(|address| old.private.contains(address));
    let labels = old.labels.is_subset(&new.labels) && new.closed_when.covers(old.closed_when);
    within && private && labels && new.secret == old.secret && new.allow.iter().all(|pattern| old.allow.contains(pattern))
}

fn covers_kv(old: &Kv, new: &Kv) -> bool {
    new.access <= old.access && new.scope == old.scope && new.max_bytes <= old.max_bytes
}

fn covers_workspace(old: &Workspace, new: &Workspace) -> bool {
    new.access <= old.access && new.scope == old.scope && new.max_bytes <= old.max_bytes && new.max_files <= old.max_files
}

fn covers_tool(old: &ToolPattern, new: &ToolPattern) -> bool {
    let written = new.to_string();
    match written.split_once('/') {
        Some((plugin, tool)) if !written.contains('*') => old.matches(plugin, tool),
        _ => old == new,
    }
}

/// [`Access`] is ordered: reading is less than writing, which the comparisons above rest on.
const _: () = assert!((Access::Read as u8) < (Access::Write as u8));
