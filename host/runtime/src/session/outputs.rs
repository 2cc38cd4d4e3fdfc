//! Results that are too large for the journal: kept whole in the content of the session, and shown to the agent by their beginning.

use remit_core::{
    Error, Result,
    content::{Blob, Kept},
    id::SessionId,
    journal::{Body, Outcome, Record},
    limit::{OUTPUT_KEPT_MAX_BYTES, OUTPUT_PREVIEW_BYTES, OUTPUT_READ_MAX_BYTES, PIECE_MAX_BYTES, RECORD_MAX_BYTES},
    plugin::Digest,
};

use super::{stop::Stop, turn::Turn};
use crate::output::{Content, Output};

impl Turn {
    /// How a call ended that gave a result of `bytes` bytes, of which its plugin may give `most`. What is more than that, or more than a
    /// record holds, is kept with the record.
    pub(super) async fn outcome_of(&self, output: &Output, bytes: u64, most: usize) -> Result<Outcome, Stop> {
        let text = written(output).map_err(Stop::Host)?;
        if bytes <= most as u64 && fits(&text) {
            return Ok(Outcome::Output { output: text, kept: None });
        }
        if text.len() > OUTPUT_KEPT_MAX_BYTES {
            let error = crate::output::too_large(text.len(), OUTPUT_KEPT_MAX_BYTES);
            return Ok(Outcome::Failed { kind: error.kind, message: error.message });
        }
        let kept = Kept { digest: Digest::of(text.as_bytes()), size: text.len() as u64 };
        let shown = written(&preview(self.journal.session, output, &text, kept)).map_err(Stop::Host)?;
        self.journal.keeps(kept.digest, text.as_bytes()).await;
        Ok(Outcome::Output { output: shown, kept: Some(kept) })
    }

    /// Reads a part of what the session keeps under an address. Another session's is not there.
    pub(super) async fn read_output(&self, uri: &str, offset: u64, length: u32) -> Result<Option<Vec<u8>>, Stop> {
        let Some(digest) = digest_of(uri) else { return Ok(None) };
        let (session, store) = (self.journal.session, &self.journal.store);
        let Some(blob) = store.output_get(session, digest).await.map_err(Stop::Host)? else { return Ok(None) };
        let end = offset.saturating_add(length.min(OUTPUT_READ_MAX_BYTES).into()).min(blob.size);
        let mut part = Vec::new();
        let mut at = offset;
        while at < end {
            let (number, within) = (at / PIECE_MAX_BYTES as u64, at % PIECE_MAX_BYTES as u64);
            let piece = usize::try_from(number).ok().and_then(|number| blob.pieces.get(number));
            let piece = piece.ok_or_else(|| Stop::Host(Error::host("a kept result has fewer pieces than bytes", digest)))?;
            let bytes = store.content_get(session, *piece).await.map_err(Stop::Host)?;
            let range = |from: u64, most: u64| usize::try_from(from).ok().zip(usize::try_from(from + most).ok());
            let wanted = range(within, (end - at).min((bytes.len() as u64).saturating_sub(within)));
            let wanted = wanted.and_then(|(from, to)| bytes.get(from..to)).filter(|wanted| !wanted.is_empty());
            let wanted = wanted.ok_or_else(|| Stop::Host(Error::host("a piece of a kept result is too short", digest)))?;
            at += wanted.len() as u64;
            part.extend(wanted);
        }
        Ok(Some(part))
    }
}

fn written(output: &Output) -> Result<String> {
    serde_json::to_string(output).map_err(|error| Error::host("a result cannot be written as JSON", error))
}

/// Whether a result can stand in a record.
fn fits(text: &str) -> bool {
    let record = || Record { seq: u64::MAX, at: Default::default(), body: end(text) }.encode();
    // JSON in a string of JSON is at most twice as long.
    text.len() < RECORD_MAX_BYTES / 2 - 256 || (text.len() < RECORD_MAX_BYTES && record().is_ok())
}

fn end(text: &str) -> Body {
    Body::end(u32::MAX, Outcome::Output { output: text.to_owned(), kept: None })
}

/// The address of a result that `session` keeps.
pub(super) fn uri(session: SessionId, digest: Digest) -> String {
    format!("remit://session/{session}/output/{}", digest.hex())
}

/// The digest in an address. Whose address it is does not matter: what is read is what the reading session keeps, and a fork keeps what the
/// session did that it comes from.
fn digest_of(uri: &str) -> Option<Digest> {
    let (session, hex) = uri.strip_prefix("remit://session/")?.split_once("/output/")?;
    session.parse::<SessionId>().ok()?;
    format!("sha256:{hex}").parse().ok()
}

/// What is shown in place of a result: its beginning, how large it is, and where it is.
fn preview(session: SessionId, output: &Output, json: &str, kept: Kept) -> Output {
    let text = output.text();
    let text = if text.is_empty() { json } else { &text };
    let mut end = text.len().min(OUTPUT_PREVIEW_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let beginning = text.get(..end).unwrap_or_default();
    let left_out = if output.structured.is_some() { " Its structured content is left out here." } else { "" };
    let size = kept.size;
    let note = format!("[The result has {size} bytes as JSON; this is its beginning. All of it is kept under the link.{left_out}]");
    Output {
        content: vec![
            Content::Text { text: format!("{beginning}\n\n{note}") },
            Content::ResourceLink {
                uri: uri(session, kept.digest),
                name: "result".to_owned(),
                description: Some(format!("the whole result, {size} bytes")),
                mime_type: Some("application/json".to_owned()),
                size: Some(size),
            },
        ],
        structured: None,
    }
}

/// The pieces of a result, and what names them.
pub(super) fn pieces(bytes: &[u8]) -> (Blob, Vec<Vec<u8>>) {
    (Blob::of(bytes), Blob::split(bytes).map(<[u8]>::to_vec).collect())
}
