//! What sessions wait for.

use remit_core::{
    Error,
    clock::Timestamp,
    id::{SessionId, WaitId},
    identity::Principal,
    journal::Outcome,
    store::{Append, Decision, WaitKind, WaitRow, WaitState},
};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::super::{
    failure::{Failure, conflict},
    value::{Named as _, Unsigned, json_if, named, parsed, time},
};
use super::called;

/// Most waits that are listed at once.
const LIST_MAX: u32 = 1000;

const COLUMNS: &str = "waits.id, waits.op, waits.kind, waits.title, waits.details, waits.call, waits.asked, waits.due, waits.state,
    waits.outcome, waits.decided, sessions.id AS of, sessions.project, sessions.agent, sessions.principal, sessions.caller,
    sessions.caller_key, sessions.root, sessions.root_turn, sessions.chain";

fn wait(row: &Row<'_>) -> rusqlite::Result<WaitRow> {
    Ok(WaitRow {
        id: parsed(row, "id")?,
        session: parsed(row, "of")?,
        project: row.get("project")?,
        agent: row.get("agent")?,
        principal: parsed(row, "principal")?,
        caller: called::caller(row)?,
        op: row.get("op")?,
        kind: named(row, "kind")?,
        title: row.get("title")?,
        details: row.get("details")?,
        call: json_if(row, "call")?,
        asked: time(row, "asked")?,
        due: row.get::<_, Option<Unsigned>>("due")?.map(|due| remit_core::clock::Timestamp(due.0)),
        state: named(row, "state")?,
        outcome: json_if(row, "outcome")?,
        decided: row.get::<_, Option<Unsigned>>("decided")?.map(|at| remit_core::clock::Timestamp(at.0)),
    })
}

/// The wait `id`.
pub(in crate::sqlite) fn find(connection: &Connection, id: WaitId) -> Result<Option<WaitRow>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM waits JOIN sessions USING (session) WHERE waits.id = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([id.to_string()], wait).optional()?)
}

/// Waits, oldest first.
pub(in crate::sqlite) fn list(
    connection: &Connection,
    project: &str,
    session: Option<SessionId>,
    all: bool,
) -> Result<Vec<WaitRow>, Failure> {
    // One text for each, and for that of a session the index by name: by itself SQLite would look through all that is open in the project.
    let (under, by, of) = match session {
        Some(_) => {
            let of = "waits.session IN (SELECT session FROM sessions WHERE id = :id UNION SELECT session FROM under)";
            (called::UNDER, "INDEXED BY waits_by_session", of)
        }
        None => ("", "", ":id IS NULL"),
    };
    let which = if all { "" } else { "AND waits.state IN ('open', 'decided')" };
    let sql = format!(
        "{under} SELECT {COLUMNS} FROM waits {by} JOIN sessions USING (session) WHERE waits.project = :project AND {of} {which}
        ORDER BY waits.id LIMIT {LIST_MAX}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let session = session.map(|id| id.to_string());
    let rows = statement.query_map(named_params! { ":project": project, ":id": session }, wait)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Counts the approvals that a principal's sessions wait for.
pub(in crate::sqlite) fn approvals_open(
    connection: &Connection,
    project: &str,
    principal: &Principal,
    at: Timestamp,
) -> Result<u64, Failure> {
    // A time whose highest bit is set is a negative number here.
    let sql = "SELECT count(*) FROM waits JOIN sessions USING (session)
        WHERE waits.project = :project AND waits.state = 'open' AND waits.kind = 'approval' AND sessions.principal = :principal
            AND (waits.due IS NULL OR waits.due < 0 OR waits.due > :at)";
    let values = named_params! { ":project": project, ":principal": principal.to_string(), ":at": Unsigned(at.0) };
    let count: Unsigned = connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
    Ok(count.0)
}

/// Takes a person's decision.
pub(in crate::sqlite) fn decide(connection: &Connection, decision: &Decision) -> Result<(), Failure> {
    let id = decision.wait;
    let wait = find(connection, id)?.ok_or_else(|| Error::not_found(format!("nothing waits under `{id}`")))?;
    if wait.state != WaitState::Open {
        let how = match wait.state {
            WaitState::Cancelled => "its turn has ended without it",
            _ => "it was decided before",
        };
        return Err(conflict(format!("`{id}` does not wait any more: {how}")).into());
    }
    if wait.due.is_some_and(|due| due <= decision.at) {
        return Err(conflict(format!("the time of `{id}` has passed")).into());
    }
    let answers = match wait.kind {
        WaitKind::Approval => matches!(decision.outcome, Outcome::Approved { .. } | Outcome::Denied { .. }),
        WaitKind::Input => matches!(decision.outcome, Outcome::Input { .. }),
        WaitKind::Timer => false,
    };
    if !answers {
        let hint = match wait.kind {
            WaitKind::Approval => "approve or deny it",
            WaitKind::Input => "give a text",
            WaitKind::Timer => "wait for its time",
        };
        return Err(Error::invalid(format!("this is no answer to `{id}`")).hint(hint).into());
    }
    let sql = "UPDATE waits SET state = ?2, outcome = ?3, decided = ?4 WHERE id = ?1";
    let outcome = json(&decision.outcome)?;
    connection.prepare_cached(sql)?.execute(params![id.to_string(), WaitState::Decided.name(), outcome, Unsigned(decision.at.0)])?;
    Ok(())
}

/// Opens what an append opens.
pub(super) fn open(connection: &Connection, session: i64, project: &str, append: &Append) -> Result<(), Failure> {
    let sql = "INSERT INTO waits (id, session, project, op, kind, title, details, call, asked, due, state)
        VALUES (:id, :session, :project, :op, :kind, :title, :details, :call, :asked, :due, :state) ON CONFLICT DO NOTHING";
    for wait in &append.opened {
        let made = connection.prepare_cached(sql)?.execute(named_params! {
            ":id": wait.id.to_string(),
            ":session": session,
            ":project": project,
            ":op": wait.op,
            ":kind": wait.kind.name(),
            ":title": wait.title,
            ":details": wait.details,
            ":call": wait.call.as_ref().map(json).transpose()?,
            ":asked": Unsigned(append.at.0),
            ":due": wait.due.map(|due| Unsigned(due.0)),
            ":state": WaitState::Open.name(),
        })?;
        if made == 0 {
            return Err(conflict(format!("`{}` is there already", wait.id)).into());
        }
    }
    Ok(())
}

/// Takes what an append takes: what was decided, or has a time by which it ends undecided.
pub(super) fn take(connection: &Connection, session: i64, used: &[WaitId]) -> Result<(), Failure> {
    let sql = "UPDATE waits SET state = ?3 WHERE id = ?1 AND session = ?2 AND (state = 'decided' OR state = 'open' AND due IS NOT NULL)";
    for id in used {
        if connection.prepare_cached(sql)?.execute(params![id.to_string(), session, WaitState::Used.name()])? == 0 {
            return Err(conflict(format!("`{id}` is not decided, or was used before")).into());
        }
    }
    Ok(())
}

/// Cancels what was not taken.
pub(super) fn cancel(connection: &Connection, session: i64) -> Result<(), Failure> {
    let sql = "UPDATE waits SET state = ?2 WHERE session = ?1 AND state IN ('open', 'decided')";
    connection.prepare_cached(sql)?.execute(params![session, WaitState::Cancelled.name()])?;
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::host("a wait cannot be written as JSON", error))
}
