//! How it stands with a session and its turns, without running anything.

use std::{collections::BTreeMap, sync::Arc};

use remit_core::{
    Error, Kind, Result,
    id::SessionId,
    identity::Context,
    journal::{Body, Progress, Record},
    store::{SessionRow, SessionStore, Status, WaitState},
};

use super::{RunRequest, TurnEnd, drive::killed};
use crate::host::{Host, Inner};

/// Records that are read at once to see how far a turn is.
const NEWEST: u64 = 32;

/// How it stands with a turn.
#[derive(Debug)]
pub struct Seen {
    /// Its number in the session, from 0; of an input that waits, the number that it is going to have.
    pub turn: u32,
    /// How it ended, or what it waits for; none while it runs, or where it was cut off.
    pub end: Option<TurnEnd>,
    /// Whether [`Host::run`] without an input would take the session further, unless somebody runs it.
    pub goes_on: bool,
    /// Of a turn that has begun and not ended, how many records its session has: what changes with each of its steps.
    pub records: Option<u64>,
}

impl Host {
    /// Makes the session that `request` asks for, or finds it. Nothing is run; with a session that is new, its input is checked.
    ///
    /// # Errors
    /// Those of [`Host::run`] that concern the request.
    pub async fn open_session(&self, context: &Context, request: &RunRequest<'_>) -> Result<SessionRow> {
        let inner = self.inner();
        let (_agent, row) = inner.session_of(context, request, inner.session_store()?, None).await?;
        Ok(row)
    }

    /// How it stands with the turn whose input came with `key`; without one, with the last turn of the session. `None` where there was none.
    ///
    /// # Errors
    /// Those of [`Host::session`]; `not-found` when no input came with `key`; `host` when the journal is damaged.
    pub async fn turn(&self, context: &Context, project: &str, id: SessionId, key: Option<&str>) -> Result<Option<Seen>> {
        let row = self.session(context, project, id).await?;
        self.inner().seen(self.inner().session_store()?, &row, key).await
    }

    /// How far turn `turn` of a session is, as far as that is durable: a call that only reads may be told of when it has ended. `None` when
    /// it is not the one that has not ended.
    ///
    /// # Errors
    /// Those of [`Host::session`]; `host` when the journal is damaged.
    pub async fn progress(&self, context: &Context, project: &str, id: SessionId, turn: u32) -> Result<Option<Progress>> {
        let row = self.session(context, project, id).await?;
        if row.status == Status::Idle || row.turns.checked_sub(1) != Some(turn) {
            return Ok(None);
        }
        let store = self.inner().session_store()?;
        let begins = |record: &Record| matches!(record.body, Body::Call { .. } | Body::Wait { .. });
        let (mut first, mut newest) = (row.next_seq, Vec::<Record>::new());
        while first > row.turn_seq && !newest.iter().any(begins) {
            let next = first;
            first = next.saturating_sub(NEWEST).max(row.turn_seq);
            let mut records = Vec::new();
            for line in store.session_records(id, first, u32::try_from(next - first).unwrap_or(u32::MAX)).await? {
                records.push(Record::decode(&line)?);
            }
            records.append(&mut newest);
            newest = records;
        }
        Ok(Some(Progress::of(&newest)))
    }

    /// The state of a session: at the start of the turn that runs, or as it is between turns.
    ///
    /// # Errors
    /// Those of [`Host::session`].
    pub async fn state(&self, context: &Context, project: &str, id: SessionId) -> Result<BTreeMap<String, Vec<u8>>> {
        self.session(context, project, id).await?;
        self.inner().session_store()?.session_state(id).await
    }

    /// At most `limit` records of a session's journal, from record `from` on.
    ///
    /// # Errors
    /// Those of [`Host::journal`].
    pub async fn journal_page(&self, context: &Context, project: &str, id: SessionId, from: u64, limit: u32) -> Result<Vec<Record>> {
        self.session(context, project, id).await?;
        let lines = self.inner().session_store()?.session_records(id, from, limit).await?;
        lines.iter().map(Record::decode).collect()
    }

    /// How large a result is that a session keeps beside its journal, in bytes.
    ///
    /// # Errors
    /// Those of [`Host::output`].
    pub async fn output_size(&self, context: &Context, project: &str, id: SessionId, output: remit_core::plugin::Digest) -> Result<u64> {
        self.session(context, project, id).await?;
        let blob = self.inner().session_store()?.output_get(id, output).await?;
        blob.map(|blob| blob.size).ok_or_else(|| Error::not_found(format!("`{id}` keeps no output {output}")))
    }
}

impl Inner {
    async fn seen(&self, store: &Arc<dyn SessionStore>, row: &SessionRow, key: Option<&str>) -> Result<Option<Seen>> {
        let in_turn = row.status != Status::Idle;
        let Some(key) = key else {
            return match (in_turn, row.queued) {
                (false, 0) => self.last_turn(store, row).await,
                (false, _) => Ok(Some(queued(row, 1))),
                (true, _) => self.open_turn(store, row).await.map(Some),
            };
        };
        let waiting = store.input_list(row.id).await?;
        if let Some(place) = (1..).zip(&waiting).find_map(|(place, input)| (input.key == key).then_some(place)) {
            return Ok(Some(queued(row, place)));
        }
        let seq = store.session_turn(row.id, key.to_owned()).await?;
        let seq = seq.ok_or_else(|| Error::not_found(format!("no input of `{}` came with this key", row.id)))?;
        match self.repeated(store, row, seq, None).await? {
            Some(ran) => Ok(Some(Seen { turn: ran.turn, end: Some(ran.end), goes_on: false, records: None })),
            None => self.open_turn(store, row).await.map(Some),
        }
    }

    /// The last turn of a session that is between turns.
    async fn last_turn(&self, store: &Arc<dyn SessionStore>, row: &SessionRow) -> Result<Option<Seen>> {
        let (Some(turn), Some(last)) = (row.turns.checked_sub(1), row.next_seq.checked_sub(1)) else { return Ok(None) };
        let end = match store.session_records(row.id, last, 1).await?.first().map(Record::decode).transpose()?.map(|record| record.body) {
            Some(Body::TurnEnd { output, .. }) => TurnEnd::Done(output),
            Some(Body::TurnFailed { kind, message, .. }) => TurnEnd::Failed(Error::new(kind, message)),
            _ => return Err(Error::host("the journal is damaged: the session is between turns, and no turn ends it", last)),
        };
        Ok(Some(Seen { turn, end: Some(end), goes_on: false, records: None }))
    }

    /// The turn that has not ended.
    async fn open_turn(&self, store: &Arc<dyn SessionStore>, row: &SessionRow) -> Result<Seen> {
        let (end, goes_on) = match row.status {
            Status::Idle | Status::Running => (None, true),
            Status::Waiting => {
                let waits = store.wait_list(row.project.clone(), Some(row.id), false).await?;
                let now = self.services().clock.now();
                let over = waits.iter().any(|wait| wait.state == WaitState::Decided || wait.due.is_some_and(|due| due <= now));
                let goes_on = over || waits.is_empty();
                (Some(TurnEnd::Waiting(waits)), goes_on)
            }
            Status::Killed => (Some(TurnEnd::Failed(killed(&row.detail))), false),
            Status::Quarantined => {
                let error = Error::new(Kind::Diverged, format!("the session is quarantined: {}", row.detail));
                (Some(TurnEnd::Failed(error)), false)
            }
        };
        Ok(Seen { turn: row.turns.saturating_sub(1), end, goes_on, records: Some(row.next_seq) })
    }
}

/// An input that has `place` among those that wait.
fn queued(row: &SessionRow, place: u32) -> Seen {
    let turn = row.turns.saturating_sub(1).saturating_add(place);
    Seen { turn, end: Some(TurnEnd::Queued(place)), goes_on: true, records: None }
}
