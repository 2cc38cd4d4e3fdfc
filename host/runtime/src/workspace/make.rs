//! Making the folder of a workspace anew from its tree.

use std::{io::Write as _, sync::Arc};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt as _};
use remit_core::{
    Error, Result,
    content::{Blob, Entry, Tree},
    id::SessionId,
    limit::TREE_MAX_BYTES,
    store::SessionStore,
};

use super::{Place, blocking, remove_folder, sync};

/// The tree that a blob is the text of.
///
/// # Errors
/// `host` for content that is missing or damaged; `invalid` for what is no tree.
pub(crate) async fn tree(blob: &Blob, session: SessionId, store: &Arc<dyn SessionStore>) -> Result<Tree> {
    if blob.size > TREE_MAX_BYTES {
        return Err(Error::limit(format!("the tree of a workspace has at most {TREE_MAX_BYTES} bytes")));
    }
    let mut text = Vec::new();
    for piece in &blob.pieces {
        text.extend(store.content_get(session, *piece).await?);
    }
    Tree::decode(&text)
}

impl Place {
    /// Puts the folder of the tree `base` in place of the one that is there; none is an empty one. It is made beside it, so that what is
    /// there under its name is whole. Durable on return.
    pub(super) async fn make(&self, base: Option<&Blob>, session: SessionId, store: &Arc<dyn SessionStore>) -> Result<()> {
        let tree = match base {
            Some(blob) => tree(blob, session, store).await?,
            None => Tree::default(),
        };
        let place = self.clone();
        let new = blocking(move || place.begin()).await?;
        for (path, entry) in tree.entries() {
            match entry {
                Entry::Folder {} => {
                    let (place, new, path) = (self.clone(), new.clone(), path.to_owned());
                    let make = move || new.create_dir_with(&path, DirBuilder::new().mode(0o755));
                    blocking(move || make().map_err(|error| place.failed("made", &error))).await?;
                }
                Entry::File { bytes, executable } => self.file(&new, path, bytes, *executable, session, store).await?,
                Entry::Link { .. } => {}
            }
        }
        // Links come last: nothing is made behind one.
        let links = tree.entries().filter_map(|(path, entry)| match entry {
            Entry::Link { target } => Some((path.to_owned(), target.clone())),
            _ => None,
        });
        let links: Vec<_> = links.collect();
        let place = self.clone();
        blocking(move || place.finish(&new, &links).map_err(|error| place.failed("made", &error))).await
    }

    fn begin(&self) -> Result<Arc<Dir>> {
        let holder = self.open_holder()?;
        let name = format!("{}.new", self.name);
        let made = remove_folder(&holder, &name)
            .and_then(|()| holder.create_dir_with(&name, DirBuilder::new().mode(0o700)))
            .and_then(|()| holder.open_dir(&name));
        made.map(Arc::new).map_err(|error| self.failed("made", &error))
    }

    async fn file(
        &self,
        new: &Arc<Dir>,
        path: &str,
        bytes: &Blob,
        executable: bool,
        session: SessionId,
        store: &Arc<dyn SessionStore>,
    ) -> Result<()> {
        let (place, dir, name) = (self.clone(), new.clone(), path.to_owned());
        let mut file = blocking(move || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(if executable { 0o755 } else { 0o644 });
            dir.open_with(&name, &options).map_err(|error| place.failed("made", &error))
        })
        .await?;
        for (number, piece) in bytes.pieces.iter().enumerate() {
            let content = store.content_get(session, *piece).await?;
            if content.len() as u64 != bytes.piece_len(number) {
                return Err(Error::invalid(format!("the tree of the workspace of `{}` names a piece of another length", self.plugin)));
            }
            let place = self.clone();
            file = blocking(move || {
                file.write_all(&content).map_err(|error| place.failed("written", &error))?;
                Ok(file)
            })
            .await?;
        }
        Ok(())
    }

    fn finish(&self, new: &Dir, links: &[(String, String)]) -> std::io::Result<()> {
        for (path, target) in links {
            new.symlink(target, path)?;
        }
        sync(new)?;
        let holder = self.open_holder().map_err(std::io::Error::other)?;
        remove_folder(&holder, &self.name)?;
        match holder.remove_file(format!("{}.index", self.name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        holder.rename(format!("{}.new", self.name), &holder, &self.name)?;
        sync(&holder)
    }
}
