//! What a project keeps beside its files: built and loaded components, keys, and where the rest lies.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use remit_core::{
    Error, Result,
    limit::COMPONENT_MAX_BYTES,
    plugin::{Digest, PluginName},
};

use super::{Keys, file};

/// The state folder of one project: `.remit/` in it, or a folder of its own below `REMIT_HOME`. Made when something is first kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFolder {
    path: PathBuf,
}

impl StateFolder {
    /// The state folder of the project `name` at `root` (absolute); `home` is `REMIT_HOME`, when it is set.
    pub fn new(root: &Path, name: &str, home: Option<&Path>) -> Self {
        let path = match home {
            Some(home) => {
                let place = Digest::of(root.as_os_str().as_encoded_bytes()).hex();
                home.join(format!("{name}-{}", place.get(..16).unwrap_or(&place)))
            }
            None => root.join(".remit"),
        };
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where `remit build` puts the finished component of a project's crate.
    pub fn built(&self, plugin: &PluginName) -> PathBuf {
        self.path.join("build").join(format!("{plugin}.wasm"))
    }

    /// Puts a finished component where [`StateFolder::built`] says. Durable on return.
    ///
    /// # Errors
    /// `host` when it cannot be written, `denied` when the folder is not this user's own.
    pub fn keep_built(&self, plugin: &PluginName, component: &[u8]) -> Result<()> {
        self.folder("build")?;
        file::write(&self.built(plugin), component, 0o600)
    }

    /// Keeps a component under its digest, which is returned. Durable on return; kept once, however often it is given.
    ///
    /// # Errors
    /// `host` when it cannot be written, `denied` when the folder is not this user's own.
    pub fn keep_component(&self, component: &[u8]) -> Result<Digest> {
        let digest = Digest::of(component);
        let folder = self.folder("components")?;
        let path = folder.join(format!("{}.wasm", digest.hex()));
        let kept = file::read(&path, COMPONENT_MAX_BYTES)?.is_some_and(|bytes| Digest::of(&bytes) == digest);
        if !kept {
            file::write(&path, component, 0o600)?;
        }
        Ok(digest)
    }

    /// The component with this digest, if it is kept.
    ///
    /// # Errors
    /// `host` when it cannot be read or its bytes are no longer the ones that were kept.
    pub fn component(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let path = self.path.join("components").join(format!("{}.wasm", digest.hex()));
        match file::read(&path, COMPONENT_MAX_BYTES)? {
            Some(bytes) if Digest::of(&bytes) != *digest => {
                Err(Error::host(format!("the kept component {digest} is damaged"), path.display())
                    .hint("remove it and load its source again"))
            }
            kept => Ok(kept),
        }
    }

    /// The components that are kept.
    ///
    /// # Errors
    /// `host` when the folder cannot be listed, `denied` when it is not this user's own.
    pub fn components(&self) -> Result<BTreeSet<Digest>> {
        let names = file::names(&self.folder("components")?)?;
        let digest = |name: &String| format!("sha256:{}", name.strip_suffix(".wasm")?).parse().ok();
        Ok(names.iter().filter_map(digest).collect())
    }

    /// Keeps a component no longer. Returns how large it was; 0 when it was not there.
    ///
    /// # Errors
    /// `host` when it cannot be removed.
    pub fn drop_component(&self, digest: &Digest) -> Result<u64> {
        file::remove(&self.path.join("components").join(format!("{}.wasm", digest.hex())))
    }

    /// Where sessions and the audit log are kept; the folder is made.
    ///
    /// # Errors
    /// `host` when the folder cannot be made, `denied` when it is not this user's own.
    pub fn sessions(&self) -> Result<PathBuf> {
        self.folder("sessions")
    }

    /// The audit log as earlier versions kept it, a file of JSON lines; `None` when there is none.
    pub fn earlier_audit(&self) -> Option<PathBuf> {
        let path = self.path.join("audit/calls.jsonl");
        file::is_regular(&path).then_some(path)
    }

    /// Where workspaces are kept; the folder is made.
    ///
    /// # Errors
    /// `host` when the folder cannot be made, `denied` when it is not this user's own.
    pub fn workspaces(&self) -> Result<PathBuf> {
        self.folder("workspace")
    }

    /// The key with which doors seal what clients give back; made when it is first asked for, and the same for all doors of the project.
    ///
    /// # Errors
    /// `host` when it cannot be read or made, `denied` when the folder is not this user's own.
    pub fn door_key(&self) -> Result<[u8; 32]> {
        let folder = self.folder("door")?;
        // Of doors that are opened at once for the first time, one makes it.
        let _lock = file::lock(&folder.join("lock"))?;
        let path = folder.join("key");
        if let Some(kept) = file::read(&path, 32)? {
            return <[u8; 32]>::try_from(kept)
                .map_err(|_other| Error::host("the key of the doors is damaged", path.display()).hint("remove it, and a new one is made"));
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| Error::host("the machine gives no random numbers", error))?;
        file::write(&path, &key, 0o600)?;
        Ok(key)
    }

    /// The keys that let clients in; their folder is made.
    ///
    /// # Errors
    /// `host` when the folder cannot be made, `denied` when it is not this user's own.
    pub fn keys(&self) -> Result<Keys> {
        Ok(Keys::new(self.folder("keys")?))
    }

    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        file::own_folder(&self.path)?;
        let ignore = self.path.join(".gitignore");
        if file::read(&ignore, 16)?.is_none() {
            file::write(&ignore, b"*\n", 0o600)?;
        }
        let folder = self.path.join(name);
        file::own_folder(&folder)?;
        Ok(folder)
    }
}
