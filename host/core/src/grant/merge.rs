//! Adding grants to grants and taking them away.

use super::{Fs, Grants, Http, Kv, WORKSPACE_MOUNT, Workspace};
use crate::{Error, Kind, Result};

impl Grants {
    /// Adds `other`. Nothing that is granted is lost: where both grant the same thing, the greater access and the greater bounds stay.
    /// A value of `env` or `config` replaces the one of the same key.
    ///
    /// # Errors
    /// `conflict`, and nothing is changed, when `other` mounts another folder where one is mounted, or other people's `kv` or `workspace`.
    pub fn merge(&mut self, other: Grants) -> Result<()> {
        self.check_conflicts(&other)?;
        for fs in other.fs {
            match self.fs.iter_mut().find(|own| own.mount == fs.mount) {
                Some(own) => own.raise(&fs),
                None => self.fs.push(fs),
            }
        }
        for http in other.http {
            match self.http.iter_mut().find(|own| own.has_terms_of(&http)) {
                Some(own) => add_new(&mut own.allow, http.allow),
                None => self.http.push(http),
            }
        }
        self.env.extend(other.env);
        self.config.extend(other.config);
        if let Some(kv) = other.kv {
            let access = self.kv.as_ref().map_or(kv.access, |own| own.access.max(kv.access));
            let max_bytes = self.kv.as_ref().map_or(kv.max_bytes, |own| own.max_bytes.max(kv.max_bytes));
            self.kv = Some(Kv { access, scope: kv.scope, max_bytes });
        }
        if let Some(workspace) = other.workspace {
            match &mut self.workspace {
                Some(own) => own.raise(&workspace),
                None => self.workspace = Some(workspace),
            }
        }
        add_new(&mut self.tools, other.tools);
        add_new(&mut self.sockets, other.sockets);
        for (name, bound) in other.model {
            let kept = self.model.entry(name).or_insert(bound);
            *kept = kept.zip(bound).map(|(kept, bound)| kept.max(bound));
        }
        for (name, scopes) in other.custom {
            add_new(self.custom.entry(name).or_default(), scopes);
        }
        Ok(())
    }

    fn check_conflicts(&self, other: &Grants) -> Result<()> {
        for fs in &other.fs {
            if let Some(own) = self.fs.iter().find(|own| own.mount == fs.mount && own.path != fs.path) {
                return Err(Error::new(Kind::Conflict, format!("`{}` is already mounted at `{}`", own.path, own.mount))
                    .hint(format!("revoke that grant first, or choose another mount for `{}`", fs.path)));
            }
        }
        let here = |grants: &Grants| grants.fs.iter().any(|fs| fs.mount == WORKSPACE_MOUNT);
        if (here(self) && other.workspace.is_some()) || (self.workspace.is_some() && here(other)) {
            let message = format!("`fs` and `workspace` would both be at `{WORKSPACE_MOUNT}`");
            return Err(Error::new(Kind::Conflict, message).hint("give the folder another mount"));
        }
        let scopes = |grants: &Grants| (grants.kv.as_ref().map(|kv| kv.scope), grants.workspace.as_ref().map(|own| own.scope));
        let (own, new) = (scopes(self), scopes(other));
        for (capability, own, new) in [("kv", own.0, new.0), ("workspace", own.1, new.1)] {
            if let (Some(own), Some(new)) = (own, new)
                && own != new
            {
                return Err(Error::new(Kind::Conflict, format!("`{capability}` is already granted with the scope `{own}`"))
                    .hint("revoke that grant first: each scope holds data of its own"));
            }
        }
        Ok(())
    }

    /// Takes away what `other` names, and tells whether anything was taken.
    ///
    /// A folder goes by path and mount, a request by its pattern, a value by its key, a tool, place or scope by its pattern, a model by its
    /// name, `kv` and
    /// `workspace` by their scope; access, bounds, addresses and secrets are not compared.
    pub fn remove(&mut self, other: &Grants) -> bool {
        let before = self.size();
        self.fs.retain(|own| !other.fs.iter().any(|fs| fs.path == own.path && fs.mount == own.mount));
        for own in &mut self.http {
            own.allow.retain(|pattern| !other.http.iter().any(|http| http.allow.contains(pattern)));
        }
        self.http.retain(|own| !own.allow.is_empty());
        self.env.retain(|key, _| !other.env.contains_key(key));
        self.config.retain(|key, _| !other.config.contains_key(key));
        self.kv.take_if(|own| other.kv.as_ref().is_some_and(|kv| kv.scope == own.scope));
        self.workspace.take_if(|own| other.workspace.as_ref().is_some_and(|workspace| workspace.scope == own.scope));
        self.tools.retain(|pattern| !other.tools.contains(pattern));
        self.sockets.retain(|place| !other.sockets.contains(place));
        self.model.retain(|name, _| !other.model.contains_key(name));
        for (name, scopes) in &mut self.custom {
            scopes.retain(|scope| !other.custom.get(name).is_some_and(|all| all.contains(scope)));
        }
        self.custom.retain(|_, scopes| !scopes.is_empty());
        self.size() != before
    }

    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    fn size(&self) -> usize {
        self.fs.len()
            + self.http.iter().map(|http| http.allow.len()).sum::<usize>()
            + self.env.len()
            + self.config.len()
            + usize::from(self.kv.is_some())
            + usize::from(self.workspace.is_some())
            + self.tools.len()
            + self.sockets.len()
            + self.model.len()
            + self.custom.values().map(Vec::len).sum::<usize>()
    }
}

impl Fs {
    fn raise(&mut self, other: &Self) {
        self.access = self.access.max(other.access);
        self.max_bytes = self.max_bytes.max(other.max_bytes);
        self.max_files = self.max_files.max(other.max_files);
        self.labels.extend(&other.labels);
    }
}

impl Workspace {
    fn raise(&mut self, other: &Self) {
        self.access = self.access.max(other.access);
        self.max_bytes = self.max_bytes.max(other.max_bytes);
        self.max_files = self.max_files.max(other.max_files);
    }
}

impl Http {
    /// Whether everything but the patterns is the same.
    fn has_terms_of(&self, other: &Self) -> bool {
        (&self.secret, self.max_bytes, self.deadline_ms, &self.private, &self.labels, self.closed_when)
            == (&other.secret, other.max_bytes, other.deadline_ms, &other.private, &other.labels, other.closed_when)
    }
}

fn add_new<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}
