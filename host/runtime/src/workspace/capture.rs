//! Taking the files of a session's workspaces into its content, at the end of a turn.

use std::{collections::BTreeMap, io::Read as _, sync::Arc};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, Metadata, MetadataExt as _, OpenOptions};
use remit_core::{
    Error, Result,
    content::{Blob, Entry, Tree},
    id::SessionId,
    identity::TurnPlace,
    limit::PIECE_MAX_BYTES,
    plugin::Digest,
    store::SessionStore,
};

use super::{
    Place, Workspaces, blocking,
    index::{Index, Stamp},
    mark::Mark,
    walk::walk,
};

/// Pieces that are handed to the store at once.
const BATCH: usize = 8;

/// What a turn left in its session's workspaces. The pieces of their files are kept already.
#[derive(Default)]
pub(crate) struct Captured {
    /// Plugin → tree, of those that are not what they were.
    pub(crate) trees: BTreeMap<String, Blob>,
    /// Pieces of the trees themselves, which are kept with the turn's end.
    pub(crate) content: Vec<Vec<u8>>,
    /// What each folder is from then on.
    marks: Vec<(Place, Mark)>,
}

/// Where captured pieces go.
struct Sink<'a> {
    session: SessionId,
    epoch: u64,
    store: &'a Arc<dyn SessionStore>,
}

impl Workspaces {
    /// Captures the workspaces of a session that this turn may have written.
    ///
    /// # Errors
    /// `host` when a folder cannot be read, or holds what no guest can have made; `limit`; those of the store.
    pub(crate) async fn capture(
        &self,
        project: &str,
        session: SessionId,
        turn: TurnPlace,
        epoch: u64,
        store: &Arc<dyn SessionStore>,
    ) -> Result<Captured> {
        let mut captured = Captured::default();
        let places = self.places(project, &session.to_string())?;
        let marked = blocking(move || {
            let mark = |place: Place| Ok(Mark::read(&place)?.map(|mark| (place, mark)));
            places.into_iter().filter_map(|place| mark(place).transpose()).collect::<Result<Vec<_>>>()
        });
        for (place, mark) in marked.await? {
            if mark.branch != turn.branch || mark.turn != Some(turn.seq) {
                continue;
            }
            let text = Sink { session, epoch, store }.capture(&place).await?.encode()?;
            let tree = Blob::of(&text);
            captured.marks.push((place.clone(), Mark { branch: turn.branch, tree: Some(tree.clone()), turn: None }));
            if mark.tree.as_ref() != Some(&tree) {
                captured.content.extend(Blob::split(&text).map(<[u8]>::to_vec));
                captured.trees.insert(place.plugin, tree);
            }
        }
        Ok(captured)
    }
}

impl Captured {
    /// Marks the folders as what the journal says, now that it says so. Where that fails, they are made anew when they are next used.
    pub(crate) async fn settle(self) {
        for (place, mark) in self.marks {
            if let Err(error) = blocking(move || mark.write(&place)).await {
                tracing::warn!(%error, internal = error.internal, "a workspace could not be marked as captured");
            }
        }
    }
}

impl Sink<'_> {
    async fn capture(&self, place: &Place) -> Result<Tree> {
        let at = place.clone();
        let (dir, before, found, now) = blocking(move || {
            let dir = at.open_holder()?.open_dir(&at.name).map_err(|error| at.failed("opened", &error))?;
            let before = Index::read(&at)?;
            let mut found = Vec::new();
            walk(&at, &dir, |path, metadata| {
                found.push((path.to_owned(), metadata.clone()));
                Ok(())
            })?;
            // The mark was written before anything else in this turn; a new file is what tells the file system's time of now.
            Index::default().write(&at)?;
            let holder = at.open_holder()?;
            let now = holder.symlink_metadata(format!("{}.index", at.name)).map_err(|error| at.failed("read", &error))?;
            Ok((Arc::new(dir), before, found, Stamp::of(&now)))
        })
        .await?;
        let (mut entries, mut index) = (BTreeMap::new(), Index::default());
        for (path, metadata) in found {
            let entry = if metadata.is_dir() {
                Entry::Folder {}
            } else if metadata.is_symlink() {
                let (at, dir, path) = (place.clone(), dir.clone(), path.clone());
                let target = blocking(move || dir.read_link_contents(&path).map_err(|error| at.failed("read", &error))).await?;
                let target = target.into_os_string().into_string();
                Entry::Link { target: target.map_err(|_bytes| Error::host("a link of a workspace is not UTF-8", &place.plugin))? }
            } else {
                let stamp = Stamp::of(&metadata);
                let bytes = match before.known(&path, &stamp) {
                    Some(bytes) => bytes.clone(),
                    None => self.read(place, &dir, &path, &metadata).await?,
                };
                index.add(&path, stamp, &bytes, &now);
                Entry::File { bytes, executable: metadata.mode() & 0o100 != 0 }
            };
            entries.insert(path, entry);
        }
        let place = place.clone();
        blocking(move || index.write(&place)).await?;
        Tree::new(entries)
    }

    /// Reads a file piece by piece, and keeps the pieces.
    async fn read(&self, place: &Place, dir: &Arc<Dir>, path: &str, metadata: &Metadata) -> Result<Blob> {
        let (at, dir, path, size) = (place.clone(), dir.clone(), path.to_owned(), metadata.len());
        let mut file = blocking(move || {
            let mut options = OpenOptions::new();
            options.read(true).follow(FollowSymlinks::No).nonblock(true);
            let file = dir.open_with(&path, &options).map_err(|error| at.failed("read", &error))?;
            let is_file = file.metadata().map_err(|error| at.failed("read", &error))?.is_file();
            if is_file { Ok(file) } else { Err(at.failed("read", &std::io::Error::other("something took a file's place"))) }
        })
        .await?;
        let (mut bytes, mut batch) = (Blob::default(), Vec::new());
        loop {
            let at = place.clone();
            let (back, piece) = blocking(move || {
                let mut piece = Vec::new();
                let read = (&mut file).take(PIECE_MAX_BYTES as u64).read_to_end(&mut piece);
                read.map_err(|error| at.failed("read", &error))?;
                Ok((file, piece))
            })
            .await?;
            file = back;
            let last = piece.len() < PIECE_MAX_BYTES;
            if !piece.is_empty() {
                bytes.size += piece.len() as u64;
                bytes.pieces.push(Digest::of(&piece));
                batch.push(piece);
            }
            if last || batch.len() >= BATCH || bytes.size > size {
                self.store.content_put(self.session, self.epoch, std::mem::take(&mut batch)).await?;
            }
            if last || bytes.size > size {
                break;
            }
        }
        match bytes.size == size {
            true => Ok(bytes),
            false => Err(place.failed("read", &std::io::Error::other("a file changed while it was captured"))),
        }
    }
}
