//! A session's row: made, found, listed.

use remit_core::{
    Error,
    id::SessionId,
    journal::Link,
    store::{Called, Component, NewSession, SessionFilter, SessionRow, Status},
};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::super::{
    failure::{Failure, conflict},
    value::{Named as _, Unsigned, named, parsed, parsed_if, time, unsigned},
};
use super::called;

/// A session as it is kept.
pub(in crate::sqlite) struct Kept {
    /// What other tables call it.
    pub(super) session: i64,
    /// Who claimed it last and did not release it.
    pub(super) owner: Option<i64>,
    /// The link of its last record.
    pub(super) head: Link,
    /// The rest.
    pub(in crate::sqlite) row: SessionRow,
}

/// A session's columns, and how many inputs wait for it.
const SELECT: &str = "SELECT *, (SELECT count(*) FROM inputs WHERE inputs.session = sessions.session) AS queued FROM sessions";

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let left_by: Option<String> = row.get("left_by")?;
    let version = row.get("left_version")?;
    let parent: Option<SessionId> = parsed_if(row, "parent")?;
    Ok(Kept {
        session: row.get("session")?,
        owner: row.get("owner")?,
        head: row.get("head")?,
        row: SessionRow {
            id: parsed(row, "id")?,
            project: row.get("project")?,
            agent: row.get("agent")?,
            principal: parsed(row, "principal")?,
            created: time(row, "created")?,
            updated: time(row, "updated")?,
            status: named(row, "status")?,
            detail: row.get("detail")?,
            epoch: unsigned(row, "epoch")?,
            branch: row.get("branch")?,
            next_seq: unsigned(row, "next_seq")?,
            turn_seq: unsigned(row, "turn_seq")?,
            turns: row.get("turns")?,
            queued: row.get("queued")?,
            left_by: left_by.map(|digest| Component { digest, version }),
            parent: parent.map(|parent| Ok::<_, rusqlite::Error>((parent, unsigned(row, "parent_seq")?))).transpose()?,
            caller: called::caller(row)?,
        },
    })
}

/// The session `id`.
pub(in crate::sqlite) fn find(connection: &Connection, id: SessionId) -> Result<Option<Kept>, Failure> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    Ok(statement.query_row([id.to_string()], kept).optional()?)
}

/// Makes a session, or finds the one that its key names.
pub(in crate::sqlite) fn create(connection: &Connection, new: &NewSession) -> Result<SessionRow, Failure> {
    if let Some(key) = &new.key {
        let sql = format!("{SELECT} WHERE project = ?1 AND principal = ?2 AND request = ?3");
        let found = connection.prepare_cached(&sql)?.query_row(params![new.project, new.principal.to_string(), key], kept).optional()?;
        if let Some(found) = found {
            return if found.row.agent == new.agent { Ok(found.row) } else { Err(of_another_agent(&found.row).into()) };
        }
    }
    if find(connection, new.id)?.is_some() {
        return Err(conflict(format!("the session `{}` is there already", new.id)).into());
    }
    let caller = new.caller.as_ref();
    caller.map_or(Ok(()), |caller| called::refuse_too_many(connection, caller))?;
    let sql = "INSERT INTO sessions (id, project, agent, principal, request, created, parent, parent_seq, caller, caller_key, root,
            root_turn, chain, updated, status, detail, epoch, branch, next_seq, turn_seq, turns, bytes, head)
        VALUES (:id, :project, :agent, :principal, :request, :at, :parent, :parent_seq, :caller, :caller_key, :root, :root_turn, :chain,
            :at, :status, '', 0, 0, 0, 0, 0, 0, :head)";
    connection.prepare_cached(sql)?.execute(named_params! {
        ":id": new.id.to_string(),
        ":project": new.project,
        ":agent": new.agent,
        ":principal": new.principal.to_string(),
        ":request": new.key,
        ":at": Unsigned(new.at.0),
        ":parent": new.parent.map(|(id, _)| id.to_string()),
        ":parent_seq": new.parent.map(|(_, seq)| Unsigned(seq)),
        ":caller": caller.map(|caller| caller.session.to_string()),
        ":caller_key": caller.map(|caller| caller.key.as_str()),
        ":root": caller.map(|caller| caller.root.to_string()),
        ":root_turn": caller.map(|caller| Unsigned(caller.root_turn)),
        ":chain": caller.map(|caller| serde_json::json!(caller.chain).to_string()),
        ":status": Status::Idle.name(),
        ":head": Link::default(),
    })?;
    find(connection, new.id)?.map(|kept| kept.row).ok_or_else(|| super::absent(new.id).into())
}

fn of_another_agent(found: &SessionRow) -> Error {
    conflict(format!("the key belongs to the session `{}` of the agent `{}`", found.id, found.agent)).hint("give another key, or none")
}

/// After every id of a session.
const END: &str = "ses_~";

/// Sessions, newest first.
pub(in crate::sqlite) fn list(connection: &Connection, filter: &SessionFilter) -> Result<Vec<SessionRow>, Failure> {
    // A text for each, so that each has an index that gives its order.
    let of = if filter.principal.is_some() { "principal = :principal" } else { ":principal IS NULL" };
    let (under, called, by) = match filter.called {
        Called::Any => ("", ":id IS NULL", None),
        Called::No => ("", "caller IS NULL AND :id IS NULL", None),
        Called::By(id) => ("", "caller = :id", Some(id)),
        Called::Under(id) => (called::UNDER, "session IN (SELECT session FROM under)", Some(id)),
    };
    let sql = format!(
        "{under} {SELECT} WHERE project = :project AND {of} AND {called} AND id < :before AND (:until IS NULL OR updated <= :until)
            AND (:any OR status IN (SELECT value FROM json_each(:status)))
        ORDER BY id DESC LIMIT :limit"
    );
    let status: Vec<&str> = filter.status.iter().map(|status| status.name()).collect();
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(
        named_params! {
            ":project": filter.project,
            ":principal": filter.principal.as_ref().map(ToString::to_string),
            ":id": by.map(|id| id.to_string()),
            ":before": filter.before.map_or_else(|| END.to_owned(), |id| id.to_string()),
            ":until": filter.until.map(|until| Unsigned(until.0)),
            ":any": status.is_empty(),
            ":status": serde_json::json!(status).to_string(),
            ":limit": filter.limit,
        },
        |row| kept(row).map(|kept| kept.row),
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
