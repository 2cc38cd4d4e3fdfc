//! What the records of a journal leave to the content: found for a fork and an export, taken in with an import.

use std::collections::{BTreeMap, BTreeSet};

use remit_core::{
    Error, Result,
    content::{Blob, Tree},
    id::SessionId,
    identity::Context,
    journal::{Body, Outcome, Record},
    limit::{IMPORT_CONTENT_MAX_BYTES, OUTPUT_KEPT_MAX_BYTES, PIECE_MAX_BYTES, TREE_MAX_BYTES},
    plugin::Digest,
    store::SessionStore,
};

use crate::{host::Host, workspace::tree};

/// The content of a session as an export carries it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// Pieces, in any order.
    pub pieces: Vec<Vec<u8>>,
    /// Results that are kept beside the journal, by the digest of all of each.
    pub outputs: BTreeMap<Digest, Blob>,
}

/// What a journal names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Every piece.
    pub pieces: BTreeSet<Digest>,
    /// Results, by the digest of all of each.
    pub outputs: BTreeMap<Digest, Blob>,
}

impl Host {
    /// The content that a session's journal names, for an export.
    ///
    /// # Errors
    /// Those of [`Host::journal`]; `host` when content is missing or damaged.
    pub async fn content(&self, context: &Context, project: &str, id: SessionId) -> Result<Named> {
        let records = self.journal(context, project, id, 0).await?;
        named(&records, id, self.inner().session_store()?).await
    }

    /// A piece of a session's content.
    ///
    /// # Errors
    /// Those of [`Host::session`]; `host` when it is missing or damaged.
    pub async fn piece(&self, context: &Context, project: &str, id: SessionId, piece: Digest) -> Result<Vec<u8>> {
        self.session(context, project, id).await?;
        self.inner().session_store()?.content_get(id, piece).await
    }

    /// A result that a session keeps beside its journal, as JSON.
    ///
    /// # Errors
    /// Those of [`Host::session`]; `not-found`; `host` when it is missing or damaged.
    pub async fn output(&self, context: &Context, project: &str, id: SessionId, output: Digest) -> Result<Vec<u8>> {
        self.session(context, project, id).await?;
        let store = self.inner().session_store()?;
        let blob = store.output_get(id, output).await?.ok_or_else(|| {
            let error = Error::not_found(format!("`{id}` keeps no output {output}"));
            error.hint(format!("see which it keeps: remit session output {id}"))
        })?;
        let mut bytes = Vec::new();
        for piece in &blob.pieces {
            bytes.extend(store.content_get(id, *piece).await?);
        }
        match Digest::of(&bytes) == output {
            true => Ok(bytes),
            false => Err(Error::host(format!("the output {output} of the session `{id}` is damaged"), "digest of the whole")),
        }
    }
}

/// The trees and results that records name, each once.
fn names(records: &[Record]) -> (Vec<&Blob>, BTreeSet<Digest>) {
    let (mut trees, mut outputs) = (Vec::new(), BTreeSet::new());
    for record in records {
        match &record.body {
            Body::Workspaces { trees: left } => trees.extend(left.values()),
            Body::End { outcome: Outcome::Output { kept: Some(kept), .. }, .. } => drop(outputs.insert(kept.digest)),
            _ => {}
        }
    }
    trees.sort_by(|one, other| one.pieces.cmp(&other.pieces));
    trees.dedup();
    (trees, outputs)
}

/// What the records of a session name, all of it kept.
///
/// # Errors
/// `host` when something of it is missing or damaged; those of the store.
pub(super) async fn named(records: &[Record], session: SessionId, store: &std::sync::Arc<dyn SessionStore>) -> Result<Named> {
    let (trees, outputs) = names(records);
    let mut named = Named::default();
    for blob in trees {
        named.pieces.extend(&blob.pieces);
        named.pieces.extend(tree(blob, session, store).await?.files().flat_map(|file| &file.pieces));
    }
    for digest in outputs {
        let lost = || Error::host(format!("the output {digest} of the session `{session}` is missing"), "outputs");
        let blob = store.output_get(session, digest).await?.ok_or_else(lost)?;
        named.pieces.extend(&blob.pieces);
        named.outputs.insert(digest, blob);
    }
    Ok(named)
}

impl Content {
    /// The part of it that `records` name, checked: nothing of an export is taken on trust.
    ///
    /// # Errors
    /// `invalid` when something is missing or is not what it says; `limit` when it is too large.
    pub(super) fn named_by(&self, records: &[Record]) -> Result<(Vec<Vec<u8>>, Named)> {
        let size: u64 = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        if size > IMPORT_CONTENT_MAX_BYTES || self.pieces.iter().any(|piece| piece.len() > PIECE_MAX_BYTES) {
            let message = format!("an export has at most {IMPORT_CONTENT_MAX_BYTES} bytes of content, in pieces of {PIECE_MAX_BYTES}");
            return Err(Error::limit(message));
        }
        let pieces: BTreeMap<Digest, &[u8]> = self.pieces.iter().map(|piece| (Digest::of(piece), piece.as_slice())).collect();
        let (trees, outputs) = names(records);
        let mut named = Named::default();
        for blob in trees {
            let tree = Tree::decode(&whole(blob, TREE_MAX_BYTES, &pieces)?)?;
            tree.files().try_for_each(|file| check(file, &pieces))?;
            named.pieces.extend(blob.pieces.iter().chain(tree.files().flat_map(|file| &file.pieces)));
        }
        for digest in outputs {
            let blob = self.outputs.get(&digest).ok_or_else(|| lacking(&digest))?;
            if Digest::of(&whole(blob, OUTPUT_KEPT_MAX_BYTES as u64, &pieces)?) != digest {
                return Err(Error::invalid(format!("the output {digest} of the export is not what its name says")));
            }
            named.pieces.extend(&blob.pieces);
            named.outputs.insert(digest, blob.clone());
        }
        let content = named.pieces.iter().filter_map(|digest| pieces.get(digest).map(|piece| piece.to_vec())).collect();
        Ok((content, named))
    }
}

fn lacking(digest: &Digest) -> Error {
    Error::invalid(format!("the export lacks the content {digest}, which its records name")).hint("take the whole of an export")
}

/// Refuses bytes whose pieces are not there, or of another length.
fn check(blob: &Blob, pieces: &BTreeMap<Digest, &[u8]>) -> Result<()> {
    blob.check()?;
    for (number, digest) in blob.pieces.iter().enumerate() {
        if pieces.get(digest).ok_or_else(|| lacking(digest))?.len() as u64 != blob.piece_len(number) {
            return Err(Error::invalid(format!("the piece {digest} of the export has another length than its place")));
        }
    }
    Ok(())
}

fn whole(blob: &Blob, most: u64, pieces: &BTreeMap<Digest, &[u8]>) -> Result<Vec<u8>> {
    if blob.size > most {
        return Err(Error::limit(format!("the export names {} bytes where at most {most} may be", blob.size)));
    }
    check(blob, pieces)?;
    Ok(blob.pieces.iter().filter_map(|digest| pieces.get(digest)).copied().flatten().copied().collect())
}
