//! Who a session belongs to, and its end.

use remit_core::{
    Error, Kind,
    clock::Timestamp,
    id::SessionId,
    identity::Principal,
    store::{Claim, SessionFilter, SessionRow, Status},
};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    super::{
        failure::{Failure, conflict},
        value::{Named as _, Unsigned, parsed},
    },
    absent, called, chunk, input,
    row::{Kept, find, list},
    wait,
};
use crate::owner::Owner;

/// Makes `owner` the owner, if nobody alive is.
pub(in crate::sqlite) fn claim(connection: &Connection, id: SessionId, owner: &Owner) -> Result<Claim, Failure> {
    let kept = find(connection, id)?.ok_or_else(|| absent(id))?;
    refuse_while_owned(connection, &kept, owner)?;
    let mut row = kept.row;
    row.epoch += 1;
    let sql = "UPDATE sessions SET epoch = ?2, owner = ?3 WHERE session = ?1";
    connection.prepare_cached(sql)?.execute(params![kept.session, Unsigned(row.epoch), owner.id()])?;
    Ok(Claim { row, taken_over: kept.owner.is_some() })
}

fn refuse_while_owned(connection: &Connection, kept: &Kept, asking: &Owner) -> Result<(), Failure> {
    let Some(owner) = kept.owner else { return Ok(()) };
    if !asking.is_alive(owner)? {
        return Ok(());
    }
    let sql = "SELECT pid FROM owners WHERE owner = ?1";
    let pid: Option<u32> = connection.prepare_cached(sql)?.query_row([owner], |row| row.get(0)).optional()?;
    let id = kept.row.id;
    let holder = pid.map_or_else(|| "another process".to_owned(), |pid| format!("the process {pid}"));
    let error = conflict(format!("the session `{id}` is in use")).code("E-IN-USE");
    Err(error.hint(format!("{holder} has it: wait for that one, or end the session: remit session kill {id}")).into())
}

/// Gives a claim back, if it is still the newest. Says which session has records to be packed then.
pub(in crate::sqlite) fn release(connection: &Connection, id: SessionId, epoch: u64, owner: i64) -> Result<Option<i64>, Failure> {
    let sql = "UPDATE sessions SET owner = NULL WHERE id = ?1 AND epoch = ?2 AND owner = ?3";
    match connection.prepare_cached(sql)?.execute(params![id.to_string(), Unsigned(epoch), owner])? {
        0 => Ok(None),
        _ => chunk::worth_packing(connection, id),
    }
}

/// Ends a session for good, and those under it that are in a turn.
pub(in crate::sqlite) fn kill(connection: &Connection, id: SessionId, detail: &str, at: Timestamp) -> Result<(), Failure> {
    let kept = find(connection, id)?.ok_or_else(|| absent(id))?;
    called::kill_under(connection, id, detail, at)?;
    if kept.row.status == Status::Killed {
        return Ok(());
    }
    let sql = "UPDATE sessions SET status = ?2, detail = ?3, updated = ?4 WHERE session = ?1";
    connection.prepare_cached(sql)?.execute(params![kept.session, Status::Killed.name(), detail, Unsigned(at.0)])?;
    input::clear(connection, kept.session)?;
    wait::cancel(connection, kept.session)
}

/// Removes a session with everything of it, and those under it.
pub(in crate::sqlite) fn erase(connection: &Connection, id: SessionId, owner: &Owner) -> Result<(), Failure> {
    let kept = find(connection, id)?.ok_or_else(|| absent(id))?;
    // The call would be made again, and with it all that this session did.
    if let Some(caller) = &kept.row.caller
        && find(connection, caller.session)?.is_some()
    {
        let error = conflict(format!("the session `{id}` belongs to a call of `{}` and goes with it", caller.session));
        return Err(error.hint(format!("erase the outermost one: remit session erase {}", caller.root)).into());
    }
    for id in called::under(connection, id)? {
        erase_one(connection, id, owner)?;
    }
    erase_one(connection, id, owner)
}

fn erase_one(connection: &Connection, id: SessionId, owner: &Owner) -> Result<(), Failure> {
    let kept = find(connection, id)?.ok_or_else(|| absent(id))?;
    refuse_while_owned(connection, &kept, owner)?;
    super::content::erase(connection, kept.session)?;
    for table in ["records", "chunks", "turns", "state", "waits", "inputs", "sessions"] {
        connection.execute(&format!("DELETE FROM {table} WHERE session = ?1"), [kept.session])?;
    }
    erase_spaces(connection, &kept.row.project, &format!("session/{id}"))?;
    give_back(connection)
}

/// Gives the pages that nothing is on any more back to the file system, once the log is copied.
fn give_back(connection: &Connection) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("PRAGMA incremental_vacuum")?;
    let mut rows = statement.query([])?;
    // Each step frees a page.
    while rows.next()?.is_some() {}
    Ok(())
}

/// Removes the sessions that `filter` names and nobody runs, and those under them.
pub(in crate::sqlite) fn prune(connection: &Connection, filter: &SessionFilter, owner: &Owner) -> Result<Vec<SessionRow>, Failure> {
    let over = |status: &Status| matches!(status, Status::Idle | Status::Killed | Status::Quarantined);
    if filter.status.is_empty() || !filter.status.iter().all(over) {
        return Err(Error::invalid("a session that runs or waits is not pruned").into());
    }
    let mut rest = filter.clone();
    let mut pruned = Vec::new();
    loop {
        let page = list(connection, &rest)?;
        let Some(last) = page.last() else { break };
        rest.before = Some(last.id);
        for row in page {
            let under = called::under(connection, row.id)?.into_iter().map(|id| find(connection, id));
            let under = under.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
            match erase(connection, row.id, owner) {
                Ok(()) => pruned.extend([row].into_iter().chain(under.into_iter().map(|kept| kept.row))),
                Err(Failure::Refused(error)) if error.kind == Kind::Conflict => {}
                Err(failure) => return Err(failure),
            }
            if pruned.len() >= filter.limit as usize {
                return Ok(pruned);
            }
        }
    }
    Ok(pruned)
}

/// Removes everything of a principal in a project.
pub(in crate::sqlite) fn erase_principal(
    connection: &Connection,
    project: &str,
    principal: &Principal,
    owner: &Owner,
) -> Result<u64, Failure> {
    let sql = "SELECT id FROM sessions WHERE project = ?1 AND principal = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map(params![project, principal.to_string()], |row| parsed(row, "id"))?;
    let ids: Vec<SessionId> = ids.collect::<rusqlite::Result<_>>()?;
    for id in &ids {
        erase_one(connection, *id, owner)?;
    }
    erase_spaces(connection, project, &format!("user/{principal}"))?;
    Ok(ids.len() as u64)
}

/// Removes the key-value data of a scope, of whichever plugin.
fn erase_spaces(connection: &Connection, project: &str, scope: &str) -> Result<(), Failure> {
    let spaces = "SELECT space FROM kv_spaces WHERE project = ?1 AND scope = ?2";
    for table in ["kv", "kv_spaces"] {
        connection.execute(&format!("DELETE FROM {table} WHERE space IN ({spaces})"), params![project, scope])?;
    }
    Ok(())
}

/// A refusal of what only the owner may do.
pub(super) fn fenced(id: SessionId) -> Error {
    conflict(format!("the session `{id}` has another owner by now")).hint("open it again")
}
