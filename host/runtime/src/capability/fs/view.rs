//! From a guest's descriptor and path to a place on disk, with every refusal recorded.

use std::{any::Any, sync::Arc};

use remit_bindings::filesystem::{Descriptor, FsError, FsResult, Node, types::ErrorCode};
use remit_core::grant::{Access, Request, Rule};
use wasmtime::component::{Resource, ResourceTable};

use super::{
    OpenMount, State,
    disk::Site,
    failure::{Failure, Refusal},
    path::{Route, join, route},
    quota::Usage,
    refuse::Recorder,
};
use crate::capability::{Denials, Rights, Seen, Uses};

/// What the host functions of this capability see of a call.
pub(super) struct View<'a> {
    pub(super) rights: &'a Arc<Rights>,
    pub(super) denials: &'a Denials,
    pub(super) seen: &'a Seen,
    pub(super) uses: &'a Uses,
    pub(super) table: &'a mut ResourceTable,
    pub(super) state: &'a mut State,
}

/// A place that a guest's path names.
pub(super) enum Place {
    /// In a mount.
    Spot(Spot),
    /// A folder above the mounts.
    Above(String),
}

/// A place in a mount.
pub(super) struct Spot {
    /// The mount's place in the list.
    pub mount: usize,
    pub site: Site,
    /// Whether it is a single granted file; its folder is none of the guest's business.
    pub single: bool,
    /// The path as the guest sees it, absolute; for people and for denials.
    pub shown: String,
}

impl View<'_> {
    pub(super) fn descriptor(&self, fd: &Resource<Descriptor>) -> FsResult<&Descriptor> {
        self.table.get(fd).map_err(FsError::trap)
    }

    pub(super) fn push<T: Any + Send>(&mut self, resource: T) -> FsResult<Resource<T>> {
        self.table.push(resource).map_err(FsError::trap)
    }

    /// A mount that is used: what is there, its names too, is seen from here on.
    pub(super) fn mount(&self, index: usize) -> FsResult<&OpenMount> {
        let mount = self.rights.mounts.get(index).ok_or_else(|| FsError::trap(wasmtime::format_err!("a descriptor of no mount")))?;
        self.seen.see(&mount.labels);
        Ok(mount)
    }

    pub(super) fn usage(&self, mount: usize) -> FsResult<Arc<Usage>> {
        let usage = self.state.usage.get(mount).map(Arc::clone);
        usage.ok_or_else(|| FsError::trap(wasmtime::format_err!("a mount without its bounds")))
    }

    /// Where the guest sees each mount.
    pub(super) fn guests(&self) -> Vec<&str> {
        self.rights.mounts.iter().map(|mount| mount.guest.as_str()).collect()
    }

    pub(super) fn recorder(&self, path: &str, access: Access) -> Recorder {
        Recorder { rights: Arc::clone(self.rights), denials: self.denials.clone(), path: path.to_owned(), access }
    }

    /// The place that `path` names when it is taken from `fd`.
    pub(super) fn place(&self, fd: &Resource<Descriptor>, path: &str, follow: bool, access: Access) -> FsResult<Place> {
        let base = self.descriptor(fd)?;
        if path.is_empty() {
            return Err(ErrorCode::NoEntry.into());
        }
        if path.starts_with('/') {
            let refusal = Failure::forbidden("a path must be relative to an open folder");
            return Err(self.recorder(&join("/", path), access).error(refusal));
        }
        let (mount, path) = match &base.node {
            Node::File { .. } => return Err(ErrorCode::NotDirectory.into()),
            Node::Dir { mount, dir } => {
                let site = Site { dir: Arc::clone(dir), path: path.to_owned(), volume: self.mount(*mount)?.volume, follow };
                let shown = join(&base.path, path);
                self.note(*mount, &shown, access)?;
                return Ok(Place::Spot(Spot { mount: *mount, site, single: false, shown }));
            }
            Node::Virtual => match route(&base.path, path, &self.guests()) {
                Route::Mount(mount, rest) => (mount, rest),
                Route::Above(path) => return Ok(Place::Above(path)),
                Route::Outside(path) => return Err(self.recorder(&path, access).not_granted(ErrorCode::Access)),
            },
        };
        let spot = self.spot(mount, path, follow)?;
        self.note(mount, &spot.shown, access)?;
        Ok(Place::Spot(spot))
    }

    /// Keeps what the guest is about to do at a path, where its mount allows that.
    fn note(&self, mount: usize, path: &str, access: Access) -> FsResult<()> {
        if self.mount(mount)?.access >= access {
            self.uses.record(&self.rights.resolved.plugin, &Request::Fs { path, access });
        }
        Ok(())
    }

    /// The place in `mount` that `path`, relative to it, names.
    fn spot(&self, index: usize, path: String, follow: bool) -> FsResult<Spot> {
        let mount = self.mount(index)?;
        let shown = join(&mount.guest, &path);
        let (dir, volume) = (Arc::clone(&mount.dir), mount.volume);
        let (path, follow) = match &mount.file {
            None => (path, follow),
            Some(name) if path == "." => (name.clone(), false),
            Some(_) => return Err(ErrorCode::NotDirectory.into()),
        };
        Ok(Spot { mount: index, site: Site { dir, path, volume, follow }, single: mount.file.is_some(), shown })
    }

    /// Refuses to change anything in a mount that may only be read (F6).
    pub(super) fn writable(&self, mount: usize, shown: &str) -> FsResult<()> {
        if self.mount(mount)?.access == Access::Write {
            return Ok(());
        }
        let refusal = Refusal { code: ErrorCode::ReadOnly, rule: Rule::NoMatch, reason: "the mount may only be read".to_owned() };
        Err(self.recorder(shown, Access::Write).error(Failure::Refused(refusal)))
    }

    /// The place of an entry that is about to be made, moved or removed.
    pub(super) fn entry(&self, fd: &Resource<Descriptor>, path: &str) -> FsResult<Spot> {
        let spot = match self.place(fd, path, false, Access::Write)? {
            Place::Above(path) => return Err(self.recorder(&path, Access::Write).not_granted(ErrorCode::Access)),
            Place::Spot(spot) => spot,
        };
        self.writable(spot.mount, &spot.shown)?;
        if spot.single {
            let refusal = Failure::forbidden("a file that is granted by itself can be written, but not made, moved or removed");
            return Err(self.recorder(&spot.shown, Access::Write).error(refusal));
        }
        Ok(spot)
    }

    /// The two places of a move or a hard link. They must lie in one mount that may be written (F7).
    pub(super) fn pair(
        &self,
        fd: &Resource<Descriptor>,
        path: &str,
        new_fd: &Resource<Descriptor>,
        new_path: &str,
    ) -> FsResult<(Spot, Site)> {
        let (old, new) = (self.entry(fd, path)?, self.entry(new_fd, new_path)?);
        if old.mount == new.mount { Ok((old, new.site)) } else { Err(ErrorCode::CrossDevice.into()) }
    }

    /// Does `work` at `spot` where it may block.
    pub(super) async fn at<T, F>(&mut self, spot: Spot, access: Access, work: F) -> FsResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Site) -> Result<T, Failure> + Send + 'static,
    {
        let Spot { site, shown, .. } = spot;
        let result = blocking(move || work(&site)).await?;
        result.map_err(|failure| self.recorder(&shown, access).error(failure))
    }
}

/// Does `work` on a thread that may block; the system may take its time even for what looks quick.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> FsResult<T> {
    tokio::task::spawn_blocking(work).await.map_err(FsError::trap)
}
