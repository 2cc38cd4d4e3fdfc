//! Sessions that agents called: counted under their outermost turn, and ended with what called them.

use remit_core::{
    Error,
    clock::Timestamp,
    id::SessionId,
    limit::CALLED_SESSIONS_MAX,
    store::{Caller, Status},
};
use rusqlite::{Connection, Row, named_params, params};

use super::super::{
    failure::Failure,
    value::{Named as _, Unsigned, json_if, parsed, parsed_if, unsigned},
};

/// The sessions under `:id`, in any depth, without itself, as the table `under`.
pub(super) const UNDER: &str = "WITH RECURSIVE under (session, id) AS (
    SELECT session, id FROM sessions WHERE caller = :id
    UNION SELECT sessions.session, sessions.id FROM sessions JOIN under ON sessions.caller = under.id)";

/// The call that a session was made for.
pub(super) fn caller(row: &Row<'_>) -> rusqlite::Result<Option<Caller>> {
    let Some(session) = parsed_if(row, "caller")? else { return Ok(None) };
    Ok(Some(Caller {
        session,
        key: row.get("caller_key")?,
        root: parsed(row, "root")?,
        root_turn: unsigned(row, "root_turn")?,
        chain: json_if(row, "chain")?.unwrap_or_default(),
    }))
}

/// Refuses one more session where the outermost turn has all that it may have.
pub(super) fn refuse_too_many(connection: &Connection, caller: &Caller) -> Result<(), Failure> {
    let sql = "SELECT count(*) FROM sessions WHERE root = ?1 AND root_turn = ?2";
    let there: u64 = connection
        .prepare_cached(sql)?
        .query_row(params![caller.root.to_string(), Unsigned(caller.root_turn)], |row| row.get::<_, Unsigned>(0))?
        .0;
    if there < CALLED_SESSIONS_MAX {
        return Ok(());
    }
    let message = format!("agents called agents {CALLED_SESSIONS_MAX} times in this turn of `{}`, which is its bound", caller.root);
    Err(Error::limit(message).hint("let the agent do more in one call, or spread the work over several turns").into())
}

/// Ends what is in a turn under `id`.
pub(super) fn kill_under(connection: &Connection, id: SessionId, detail: &str, at: Timestamp) -> Result<(), Failure> {
    // Most sessions call nobody.
    let any = "SELECT EXISTS (SELECT 1 FROM sessions WHERE caller = ?1)";
    if !connection.prepare_cached(any)?.query_row([id.to_string()], |row| row.get::<_, bool>(0))? {
        return Ok(());
    }
    let waits = format!(
        "{UNDER} UPDATE waits SET state = 'cancelled' WHERE state IN ('open', 'decided') AND session IN (SELECT session FROM under)"
    );
    connection.prepare_cached(&waits)?.execute(named_params! { ":id": id.to_string() })?;
    let sessions = format!(
        "{UNDER} UPDATE sessions SET status = :killed, detail = :detail, updated = :at
        WHERE status IN ('running', 'waiting', 'quarantined') AND session IN (SELECT session FROM under)"
    );
    connection.prepare_cached(&sessions)?.execute(named_params! {
        ":id": id.to_string(),
        ":killed": Status::Killed.name(),
        ":detail": detail,
        ":at": Unsigned(at.0),
    })?;
    Ok(())
}

/// The sessions under `id`.
pub(super) fn under(connection: &Connection, id: SessionId) -> Result<Vec<SessionId>, Failure> {
    let mut statement = connection.prepare_cached(&format!("{UNDER} SELECT id FROM under"))?;
    let ids = statement.query_map(named_params! { ":id": id.to_string() }, |row| parsed(row, "id"))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}
