//! Content in tables: pieces, who uses them, and what is made of them.

use std::collections::{BTreeMap, BTreeSet};

use remit_core::{
    Error,
    content::Blob,
    id::SessionId,
    limit::{PIECE_MAX_BYTES, SESSION_CONTENT_MAX_BYTES},
    plugin::Digest,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    super::{
        failure::{Failure, conflict},
        value::{Unsigned, json},
    },
    absent,
    row::find,
};

/// Keeps pieces for a session.
pub(super) fn put(connection: &Connection, session: i64, pieces: &[Vec<u8>]) -> Result<(), Failure> {
    for bytes in pieces {
        if bytes.len() > PIECE_MAX_BYTES {
            return Err(Error::limit(format!("a piece of content has at most {PIECE_MAX_BYTES} bytes, and not {}", bytes.len())).into());
        }
        let digest = Digest::of(bytes);
        let content = match number(connection, &digest)? {
            Some(content) => content,
            None => {
                let sql = "INSERT INTO content (digest, bytes) VALUES (?1, ?2)";
                connection.prepare_cached(sql)?.execute(params![digest.to_string(), bytes])?;
                connection.last_insert_rowid()
            }
        };
        add_use(connection, session, content)?;
    }
    Ok(())
}

fn number(connection: &Connection, piece: &Digest) -> Result<Option<i64>, Failure> {
    let sql = "SELECT content FROM content WHERE digest = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([piece.to_string()], |row| row.get(0)).optional()?)
}

/// Counts a piece for a session, once.
fn add_use(connection: &Connection, session: i64, content: i64) -> Result<(), Failure> {
    let sql = "INSERT INTO content_uses (session, content) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    if connection.prepare_cached(sql)?.execute(params![session, content])? == 0 {
        return Ok(());
    }
    let sql = "UPDATE sessions SET content = content + (SELECT octet_length(bytes) FROM content WHERE content = ?2) WHERE session = ?1
        RETURNING content";
    let bytes = connection.prepare_cached(sql)?.query_row(params![session, content], |row| row.get::<_, Unsigned>(0))?;
    match bytes.0 > SESSION_CONTENT_MAX_BYTES {
        true => Err(Error::limit(format!("the session would keep more than {SESSION_CONTENT_MAX_BYTES} bytes of content"))
            .hint("go on in a new session")
            .into()),
        false => Ok(()),
    }
}

/// Has a session use pieces that are kept for another one.
pub(super) fn share(connection: &Connection, session: i64, pieces: &BTreeSet<Digest>) -> Result<(), Failure> {
    pieces.iter().try_for_each(|piece| match number(connection, piece)? {
        Some(content) => add_use(connection, session, content),
        None => Err(unkept(piece).into()),
    })
}

fn unkept(piece: &Digest) -> Error {
    conflict(format!("the content {piece} is named, and nobody kept it"))
}

/// Writes what records leave to the content. Its pieces are the session's already.
pub(super) fn add_outputs(connection: &Connection, session: i64, outputs: &BTreeMap<Digest, Blob>) -> Result<(), Failure> {
    let sql = "INSERT INTO outputs (session, digest, blob) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    for (digest, blob) in outputs {
        require(connection, session, blob)?;
        connection.prepare_cached(sql)?.execute(params![session, digest.to_string(), text(blob)?])?;
    }
    Ok(())
}

/// Writes the trees of workspaces. Their pieces are the session's already.
pub(super) fn set_workspaces(connection: &Connection, session: i64, trees: &BTreeMap<String, Blob>) -> Result<(), Failure> {
    let sql = "INSERT INTO workspaces (session, plugin, blob) VALUES (?1, ?2, ?3)
        ON CONFLICT (session, plugin) DO UPDATE SET blob = excluded.blob";
    for (plugin, blob) in trees {
        require(connection, session, blob)?;
        connection.prepare_cached(sql)?.execute(params![session, plugin, text(blob)?])?;
    }
    Ok(())
}

fn require(connection: &Connection, session: i64, blob: &Blob) -> Result<(), Failure> {
    blob.check()?;
    let sql = "SELECT 1 FROM content JOIN content_uses USING (content) WHERE session = ?1 AND digest = ?2";
    for piece in &blob.pieces {
        if !connection.prepare_cached(sql)?.exists(params![session, piece.to_string()])? {
            return Err(unkept(piece).into());
        }
    }
    Ok(())
}

fn text(blob: &Blob) -> Result<String, Error> {
    serde_json::to_string(blob).map_err(|error| Error::host("a name of content cannot be written as JSON", error))
}

/// A piece that a session uses.
pub(in crate::sqlite) fn get(connection: &Connection, id: SessionId, piece: Digest) -> Result<Vec<u8>, Failure> {
    let kept = find(connection, id)?.ok_or_else(|| absent(id))?;
    let sql = "SELECT bytes FROM content JOIN content_uses USING (content) WHERE session = ?1 AND digest = ?2";
    let row = params![kept.session, piece.to_string()];
    let bytes: Option<Vec<u8>> = connection.prepare_cached(sql)?.query_row(row, |row| row.get(0)).optional()?;
    let lost = |how: &str| {
        Error::host(format!("the content {piece} of the session `{id}` is {how}"), "content")
            .hint("keep the folder of the state database as it is, and put back a copy of it from before")
    };
    let bytes = bytes.ok_or_else(|| lost("missing"))?;
    if Digest::of(&bytes) == piece { Ok(bytes) } else { Err(lost("damaged").into()) }
}

/// A result that records left to the content.
pub(in crate::sqlite) fn output(connection: &Connection, id: SessionId, output: Digest) -> Result<Option<Blob>, Failure> {
    let kept = find(connection, id)?.ok_or_else(|| absent(id))?;
    let sql = "SELECT blob FROM outputs WHERE session = ?1 AND digest = ?2";
    let row = params![kept.session, output.to_string()];
    Ok(connection.prepare_cached(sql)?.query_row(row, |row| json(row, "blob")).optional()?)
}

/// The trees of a session's workspaces.
pub(in crate::sqlite) fn workspaces(connection: &Connection, id: SessionId) -> Result<BTreeMap<String, Blob>, Failure> {
    let kept = find(connection, id)?.ok_or_else(|| absent(id))?;
    let mut statement = connection.prepare_cached("SELECT plugin, blob FROM workspaces WHERE session = ?1")?;
    let tree = |row: &Row<'_>| Ok((row.get("plugin")?, json(row, "blob")?));
    let rows = statement.query_map([kept.session], tree)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Removes what a session uses, and the pieces that nobody uses then.
pub(super) fn erase(connection: &Connection, session: i64) -> Result<(), Failure> {
    let alone = "DELETE FROM content WHERE content IN (SELECT content FROM content_uses WHERE session = ?1)
        AND NOT EXISTS (SELECT 1 FROM content_uses AS other WHERE other.content = content.content AND other.session <> ?1)";
    connection.execute(alone, [session])?;
    for table in ["content_uses", "outputs", "workspaces"] {
        connection.execute(&format!("DELETE FROM {table} WHERE session = ?1"), [session])?;
    }
    Ok(())
}

/// Keeps pieces for a session that the caller owns.
pub(in crate::sqlite) fn put_owned(connection: &Connection, id: SessionId, epoch: u64, pieces: &[Vec<u8>]) -> Result<(), Failure> {
    put(connection, super::append::owned_session(connection, id, epoch)?, pieces)
}
