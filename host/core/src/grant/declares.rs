//! What an author declares, checked by the same rules as grants.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use toml::Spanned;

use super::{
    Access, Declared, DeclaredFolder, Scope,
    authored::{AuthoredDeclares, DeclaredAccess, DeclaredFs, DeclaredKeys, DeclaredModels, DeclaredPatterns},
    validate::{capability_name, custom_scopes, key_name, model_names, mount_path, not_empty, one_line, patterns, unknown},
};
use crate::{Error, project::problem::Problem};

type Problems = Vec<Problem>;

impl AuthoredDeclares {
    /// Checks everything that was written.
    ///
    /// # Errors
    /// All mistakes, in the order of the capabilities.
    pub fn validate(&self) -> Result<Declared, Problems> {
        let mut problems = Vec::new();
        let mut reasons = Reasons::default();
        let mut declared = Declared {
            fs: folders(&self.fs, &mut reasons, &mut problems),
            http: allowed("http", &self.http, &mut reasons, &mut problems),
            env: keys("env", &self.env, &mut reasons, &mut problems),
            config: keys("config", &self.config, &mut reasons, &mut problems),
            kv: access("kv", &self.kv, &mut reasons, &mut problems),
            workspace: access("workspace", &self.workspace, &mut reasons, &mut problems),
            tools: allowed("tools", &self.tools, &mut reasons, &mut problems),
            sockets: allowed("sockets", &self.sockets, &mut reasons, &mut problems),
            model: models(&self.model, &mut reasons, &mut problems),
            ..Declared::default()
        };
        for (name, all) in &self.custom {
            capability_name(name, &mut problems);
            let lists = all.iter().map(|one| {
                reasons.add(name.get_ref(), &one.get_ref().reason, &mut problems);
                let list = one.get_ref().scopes.as_ref()?;
                not_empty(list, "scopes", &mut problems);
                Some(custom_scopes(name.get_ref(), list.get_ref(), &mut problems))
            });
            if let Some(scope) = scope_of(lists.collect()) {
                declared.custom.insert(name.get_ref().clone(), scope);
            }
        }
        problems.extend(self.unknown.iter().map(unknown));
        declared.reasons = reasons.0;
        if problems.is_empty() { Ok(declared) } else { Err(problems) }
    }
}

/// Capability → why; several reasons are joined.
#[derive(Default)]
struct Reasons(BTreeMap<String, String>);

impl Reasons {
    fn add(&mut self, capability: &str, reason: &Spanned<String>, problems: &mut Problems) {
        one_line(reason, "reason", problems);
        let text = reason.get_ref().trim();
        self.0.entry(capability.to_owned()).and_modify(|all| *all = format!("{all}; {text}")).or_insert_with(|| text.to_owned());
    }
}

/// No entry declares nothing; an entry without a list declares everything.
fn scope_of<T>(lists: Vec<Option<Vec<T>>>) -> Option<Scope<Vec<T>>> {
    if lists.is_empty() {
        return None;
    }
    let all: Option<Vec<Vec<T>>> = lists.into_iter().collect();
    Some(all.map_or(Scope::Any, |all| Scope::Only(all.into_iter().flatten().collect())))
}

fn folders(all: &[Spanned<DeclaredFs>], reasons: &mut Reasons, problems: &mut Problems) -> Option<Scope<Vec<DeclaredFolder>>> {
    let mut folders = Vec::with_capacity(all.len());
    for one in all.iter().map(Spanned::get_ref) {
        reasons.add("fs", &one.reason, problems);
        folders.push((one.mount.as_ref().and_then(|mount| mount_path(mount, problems)), one.access));
    }
    (!folders.is_empty()).then_some(Scope::Only(folders))
}

fn access(capability: &str, all: &[Spanned<DeclaredAccess>], reasons: &mut Reasons, problems: &mut Problems) -> Option<Scope<Access>> {
    all.iter().for_each(|one| reasons.add(capability, &one.get_ref().reason, problems));
    all.iter().map(|one| one.get_ref().access).max().map(Scope::Only)
}

fn allowed<T: FromStr<Err = Error>>(
    capability: &str,
    all: &[Spanned<DeclaredPatterns>],
    reasons: &mut Reasons,
    problems: &mut Problems,
) -> Option<Scope<Vec<T>>> {
    let lists = all.iter().map(Spanned::get_ref).map(|one| {
        reasons.add(capability, &one.reason, problems);
        let list = one.allow.as_ref()?;
        not_empty(list, "allow", problems);
        Some(patterns(list.get_ref(), problems))
    });
    scope_of(lists.collect())
}

fn models(all: &[Spanned<DeclaredModels>], reasons: &mut Reasons, problems: &mut Problems) -> Option<Scope<BTreeSet<String>>> {
    let lists = all.iter().map(|one| {
        reasons.add("model", &one.get_ref().reason, problems);
        let list = one.get_ref().names.as_ref()?;
        not_empty(list, "names", problems);
        model_names(list.get_ref(), one.span(), problems);
        Some(list.get_ref().iter().map(|name| name.get_ref().clone()).collect())
    });
    scope_of(lists.collect()).map(set)
}

/// The same without order.
fn set(scope: Scope<Vec<String>>) -> Scope<BTreeSet<String>> {
    match scope {
        Scope::Any => Scope::Any,
        Scope::Only(names) => Scope::Only(names.into_iter().collect()),
    }
}

fn keys(
    capability: &str,
    all: &[Spanned<DeclaredKeys>],
    reasons: &mut Reasons,
    problems: &mut Problems,
) -> Option<Scope<BTreeSet<String>>> {
    let lists = all.iter().map(Spanned::get_ref).map(|one| {
        reasons.add(capability, &one.reason, problems);
        let list = one.keys.as_ref()?;
        not_empty(list, "keys", problems);
        list.get_ref().iter().for_each(|key| key_name(key, "a value", problems));
        Some(list.get_ref().iter().map(|key| key.get_ref().clone()).collect())
    });
    scope_of(lists.collect()).map(set)
}
