//! The host functions on real folders, without a component: each attack case beside the legitimate action that must still work.

#![allow(clippy::disallowed_methods, reason = "a test plays the host's user, who has the whole disk")]

mod escape;
mod exchange;
mod kinds;
mod quota;
mod race;
mod tree;
mod write;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use remit_bindings::filesystem::{
    Descriptor, FsResult,
    preopens::Host as _,
    types::{DescriptorFlags, ErrorCode, HostDescriptor as _, HostDirectoryEntryStream as _, OpenFlags, PathFlags},
};
use remit_core::{
    Error,
    grant::{Access, Declared, Denial, Fs, Grants, Mount, Resolved, Rule, Scope, Source},
    plugin::Effect,
};
use tempfile::TempDir;
use wasmtime::component::{Resource, ResourceTable};

use super::{OpenMount, State, View, open};
use crate::capability::{Denials, Rights, Seen, Uses};

const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;
const READ: DescriptorFlags = DescriptorFlags::READ;
const WRITE: DescriptorFlags = DescriptorFlags::WRITE;
fn none() -> OpenFlags {
    OpenFlags::empty()
}

/// One call, with mounts in a temporary folder.
struct Call {
    rights: Arc<Rights>,
    denials: Denials,
    seen: Seen,
    uses: Uses,
    table: ResourceTable,
    state: State,
    preopens: BTreeMap<String, u32>,
}

/// `host` seen as `guest`, with bounds that no test meets by accident.
fn mount(host: &Path, guest: &str, access: Access) -> Mount {
    Mount {
        source: Source::Host(host.to_owned()),
        guest: guest.to_owned(),
        access,
        granted: access,
        max_bytes: 1 << 20,
        max_files: 100,
        labels: Default::default(),
    }
}

fn resolved(mounts: Vec<Mount>, effect: Effect) -> Resolved {
    let declared = Declared { fs: Some(Scope::Any), ..Declared::default() };
    let fs = mounts.iter().map(|mount| Fs {
        path: format!("{:?}", mount.source),
        mount: mount.guest.clone(),
        access: mount.granted,
        max_bytes: mount.max_bytes,
        max_files: mount.max_files,
        labels: mount.labels.clone(),
    });
    let granted = Grants { fs: fs.collect(), ..Grants::default() };
    Resolved { plugin: "notes".to_owned(), effect, declared, granted, mounts }
}

impl Call {
    fn new(mounts: Vec<Mount>) -> Self {
        let opened = open(&mounts).unwrap();
        Self::with(resolved(mounts, Effect::Once), opened)
    }

    fn with(resolved: Resolved, mounts: Vec<OpenMount>) -> Self {
        let state = State::new(&mounts);
        let rights = Arc::new(Rights { resolved, mounts });
        let mut call = Self {
            rights,
            denials: Denials::default(),
            seen: Seen::default(),
            uses: Uses::kept(true),
            table: ResourceTable::new(),
            state,
            preopens: BTreeMap::new(),
        };
        let preopens = call.view().get_directories().unwrap();
        call.preopens = preopens.into_iter().map(|(fd, path)| (path, fd.rep())).collect();
        call
    }

    fn view(&mut self) -> View<'_> {
        View {
            rights: &self.rights,
            denials: &self.denials,
            seen: &self.seen,
            uses: &self.uses,
            table: &mut self.table,
            state: &mut self.state,
        }
    }

    /// The folder that a guest was given as `path`.
    fn fd(&self, path: &str) -> Resource<Descriptor> {
        Resource::new_borrow(self.preopens[path])
    }

    /// Opens `path` in the preopened folder `base`, following links.
    async fn open(&mut self, base: &str, path: &str, open: OpenFlags, flags: DescriptorFlags) -> Result<u32, ErrorCode> {
        let fd = self.fd(base);
        code(self.view().open_at(fd, FOLLOW, path.to_owned(), open, flags).await).map(|fd| fd.rep())
    }

    async fn read(&mut self, base: &str, path: &str) -> Result<String, ErrorCode> {
        let fd = self.open(base, path, none(), READ).await?;
        let (bytes, _end) = code(self.view().read(Resource::new_borrow(fd), 1 << 20, 0).await)?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    async fn write(&mut self, base: &str, path: &str, text: &str) -> Result<u64, ErrorCode> {
        let fd = self.open(base, path, OpenFlags::CREATE, WRITE).await?;
        let written = code(self.view().write(Resource::new_borrow(fd), text.into(), 0).await);
        self.close(fd);
        written
    }

    fn close(&mut self, fd: u32) {
        remit_bindings::filesystem::types::HostDescriptor::drop(&mut self.view(), Resource::new_own(fd)).unwrap();
    }

    /// Closes everything but the folders that the guest was given.
    fn close_all(&mut self) {
        let given: Vec<u32> = self.preopens.values().copied().collect();
        for fd in 0..64 {
            if !given.contains(&fd) {
                drop(self.table.delete(Resource::<Descriptor>::new_own(fd)));
            }
        }
    }

    /// The names in `path`, sorted; an error in the place of a name is shown as such.
    async fn list(&mut self, base: &str, path: &str) -> Result<Vec<String>, ErrorCode> {
        let fd = self.open(base, path, OpenFlags::DIRECTORY, READ).await?;
        let stream = code(self.view().read_directory(Resource::new_borrow(fd)).await)?;
        let mut names = Vec::new();
        loop {
            match code(self.view().read_directory_entry(Resource::new_borrow(stream.rep())).await) {
                Ok(Some(entry)) => names.push(entry.name),
                Ok(None) => break,
                Err(error) => names.push(format!("<{error:?}>")),
            }
        }
        names.sort();
        Ok(names)
    }

    /// The denials so far; they are taken.
    fn denied(&self) -> Vec<Denial> {
        self.denials.take()
    }

    /// That exactly one denial was recorded, by `rule`, with `request` in it.
    #[track_caller]
    fn assert_denied(&self, rule: Rule, request: &str) {
        let denied = self.denied();
        assert!(matches!(&denied[..], [one] if one.rule == rule && one.request.contains(request)), "{rule:?} {request}: {denied:?}");
    }
}

/// The code that a guest sees; a trap fails the test.
fn code<T>(result: FsResult<T>) -> Result<T, ErrorCode> {
    result.map_err(|error| error.downcast().unwrap())
}

/// A temporary folder with `docs/a.md`, `docs/sub/b.md` and, outside the mounts, `secret`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join("docs/sub")).unwrap();
    std::fs::create_dir(root.join("out")).unwrap();
    std::fs::write(root.join("docs/a.md"), "alpha").unwrap();
    std::fs::write(root.join("docs/sub/b.md"), "beta").unwrap();
    std::fs::write(root.join("secret"), "secret").unwrap();
    folder
}

/// `docs` as `/docs` to read and `out` as `/out` to write.
fn docs_and_out(folder: &TempDir) -> Call {
    let root = folder.path();
    Call::new(vec![mount(&root.join("docs"), "/docs", Access::Read), mount(&root.join("out"), "/out", Access::Write)])
}

fn refused(host: &Path, guest: &str) -> Error {
    open(&[mount(host, guest, Access::Read)]).map(|_| ()).unwrap_err()
}
