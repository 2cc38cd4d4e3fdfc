//! Rights of one call: the project's grants, with `{user}` filled in and mounts narrowed to what is declared.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::{Path, PathBuf},
};

use url::Url;

use super::{Access, DataScope, Declared, Fs, Grants, Http, Scope, WORKSPACE_MOUNT, Workspace, guest_path::is_within, percent};
use crate::{
    identity::Principal,
    label::{Label, When},
    plugin::Effect,
};

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder or file on the host, absolute, not yet opened.
    Host(PathBuf),
    /// The workspace of this scope.
    Workspace(DataScope),
}

/// A folder or file as one call sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub source: Source,
    /// Where the guest sees it.
    pub guest: String,
    /// The lesser of what is declared, granted and left by the effect class.
    pub access: Access,
    /// What the grant alone says, so that a denial can name the layer.
    pub granted: Access,
    /// Bytes that this call may write; of a workspace, bytes that it may hold.
    pub max_bytes: u64,
    /// Files and folders that this call may create; of a workspace, that it may hold.
    pub max_files: u64,
    /// What whoever uses it has seen.
    pub labels: BTreeSet<Label>,
}

/// Everything one call may do. Capability state can only be built from this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The plugin.
    pub plugin: String,
    /// What the running tool may do at most.
    pub effect: Effect,
    /// What the plugin declares, `{user}` filled in.
    pub declared: Declared,
    /// What the project grants, `{user}` filled in but in the paths of `fs`, which stay as written; `mounts` has the real ones.
    pub granted: Grants,
    /// The mounts that remain: those within a declared one.
    pub mounts: Vec<Mount>,
}

impl Resolved {
    /// Resolves `granted` for one call by `principal`; relative paths are below `root`.
    ///
    /// A granted mount stays only when it is a declared one or below one; a grant that is wider than what is declared gives nothing,
    /// since a folder inside it could be a link by the time it is opened.
    pub fn new(plugin: &str, effect: Effect, mut declared: Declared, mut granted: Grants, principal: &Principal, root: &Path) -> Self {
        let user = percent::encode_user(principal.name());
        for pattern in granted.http.iter_mut().flat_map(|http| &mut http.allow) {
            *pattern = pattern.fill(&user);
        }
        if let Some(Scope::Only(patterns)) = &mut declared.http {
            patterns.iter_mut().for_each(|pattern| *pattern = pattern.fill(&user));
        }
        for value in granted.env.values_mut().chain(granted.config.values_mut()) {
            *value = percent::fill(value, &user);
        }
        let mounts = granted.fs.iter().filter_map(|fs| {
            let access = declared.fs_access(&fs.mount)?.min(fs.access).min(most(effect));
            let source = Source::Host(root.join(percent::fill(&fs.path, &user)));
            let Fs { mount, access: granted, max_bytes, max_files, labels, .. } = fs.clone();
            Some(Mount { source, guest: mount, access, granted, max_bytes, max_files, labels })
        });
        let workspace = granted.workspace.as_ref().and_then(|workspace| {
            let access = declared.workspace_access()?.min(workspace.access).min(most(effect));
            let (source, guest) = (Source::Workspace(workspace.scope), WORKSPACE_MOUNT.to_owned());
            let Workspace { access: granted, max_bytes, max_files, .. } = *workspace;
            Some(Mount { source, guest, access, granted, max_bytes, max_files, labels: BTreeSet::new() })
        });
        let mounts = mounts.chain(workspace).collect();
        Self { plugin: plugin.to_owned(), effect, declared, granted, mounts }
    }

    /// The most specific mount at or above `path`, whatever its access.
    pub fn mount_of(&self, path: &str) -> Option<&Mount> {
        self.mounts.iter().filter(|mount| is_within(path, &mount.guest)).max_by_key(|mount| mount.guest.len())
    }

    /// Whether `address`, which is not public, is granted for this very request, by any grant that matches it.
    pub fn allows_address(&self, method: &str, url: &Url, address: IpAddr) -> bool {
        self.http_matches(method, url).any(|(http, _)| http.private.iter().any(|pattern| pattern.contains(address)))
    }

    /// What whoever sends this request has seen, and at which labels it is closed. A request brings the labels of every grant that matches
    /// it, and is closed where none of them is open.
    pub fn http_labels(&self, method: &str, url: &Url) -> (BTreeSet<Label>, When) {
        let mut labels: BTreeSet<Label> = BTreeSet::new();
        let closed = self.http_matches(method, url).map(|(http, _)| {
            labels.extend(&http.labels);
            http.closed_when
        });
        let closed = closed.reduce(When::and).unwrap_or_default();
        (labels, closed)
    }

    /// The grant whose secret and bounds apply to a request: one with a secret before one without, then the one that says most
    /// about it, then the greater bounds; so the order of grants does not matter.
    pub(super) fn http_rule(&self, method: &str, url: &Url) -> Option<&Http> {
        let key = |(http, fixed): &(&Http, usize)| (http.secret.is_some(), *fixed, http.max_bytes, http.deadline_ms);
        let by_secret = |a: &(&Http, usize), b: &(&Http, usize)| a.0.secret.cmp(&b.0.secret).then_with(|| a.0.private.cmp(&b.0.private));
        let more = |a: &(&Http, usize), b: &(&Http, usize)| key(a).cmp(&key(b)).then_with(|| by_secret(a, b));
        self.http_matches(method, url).max_by(more).map(|(http, _)| http)
    }

    /// The granted rules that match, each with how much its best pattern says.
    fn http_matches(&self, method: &str, url: &Url) -> impl Iterator<Item = (&Http, usize)> {
        self.granted.http.iter().filter_map(move |http| {
            let fixed = http.allow.iter().filter(|pattern| pattern.matches(method, url)).map(super::HttpPattern::fixed_parts).max()?;
            Some((http, fixed))
        })
    }
}

/// What an effect class leaves.
pub(super) fn most(effect: Effect) -> Access {
    match effect {
        Effect::Read => Access::Read,
        Effect::Idempotent | Effect::Once => Access::Write,
    }
}

impl Declared {
    /// What is declared of the folder or file at `path`; `None` when nothing is.
    pub(crate) fn fs_access(&self, path: &str) -> Option<Access> {
        match self.fs.as_ref()? {
            Scope::Any => Some(Access::Write),
            Scope::Only(folders) => {
                let covers = |mount: &Option<String>| mount.as_deref().is_none_or(|mount| is_within(path, mount));
                folders.iter().filter(|(mount, _)| covers(mount)).map(|(_, access)| *access).max()
            }
        }
    }

    /// What is declared of a workspace; `None` when nothing is.
    pub(crate) fn workspace_access(&self) -> Option<Access> {
        match self.workspace.as_ref()? {
            Scope::Any => Some(Access::Write),
            Scope::Only(access) => Some(*access),
        }
    }

    /// What is declared of what a guest sees at `path`, as a folder or as the workspace.
    pub(super) fn path_access(&self, path: &str) -> Option<Access> {
        let workspace = if is_within(path, WORKSPACE_MOUNT) { self.workspace_access() } else { None };
        self.fs_access(path).max(workspace)
    }
}
