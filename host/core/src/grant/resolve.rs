//! Rights of one call: the project's grants, with `{user}` filled in and mounts narrowed to what is declared.

use std::path::{Path, PathBuf};

use super::{Access, Declared, Grants};
use crate::{identity::Principal, plugin::Effect};

/// A folder or file as one call sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The folder or file on the host, absolute, not yet opened.
    pub host: PathBuf,
    /// Where the guest sees it.
    pub guest: String,
    /// The lesser of what is declared, granted and left by the effect class.
    pub access: Access,
    /// What the grant alone says, so that a denial can name the layer.
    pub granted: Access,
    /// Bytes that this call may write.
    pub max_bytes: u64,
    /// Files and folders that this call may create.
    pub max_files: u64,
}

/// Everything one call may do. Capability state can only be built from this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The plugin.
    pub plugin: String,
    /// What the running tool may do at most.
    pub effect: Effect,
    /// What the plugin declares.
    pub declared: Declared,
    /// What the project grants, `{user}` filled in.
    pub granted: Grants,
    /// The mounts that remain.
    pub mounts: Vec<Mount>,
}

impl Resolved {
    /// Resolves `granted` for one call by `principal`; relative paths are below `root`.
    pub fn new(plugin: &str, effect: Effect, declared: Declared, granted: Grants, principal: &Principal, root: &Path) -> Self {
        let _ = (plugin, effect, declared, granted, principal, root);
        todo!()
    }
}
