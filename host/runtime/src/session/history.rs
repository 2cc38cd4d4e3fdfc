//! What becomes of a journal besides going on: looked at as it was, forked, reverted, abandoned, taken over from elsewhere.

use remit_core::{
    Error, Kind, Result,
    audit::Decision,
    id::SessionId,
    identity::{Context, Principal},
    journal::{Body, Machine, Past, Record},
    limit::KEY_MAX_BYTES,
    plugin::{Kind as PluginKind, text::visible},
    store::{Append, Import, NewSession, SessionRow, Status, TurnClose},
};

use super::{
    Stands,
    content::{Content, Named, named},
    decided::About,
    drive::records,
    owned::owning,
};
use crate::host::{Host, Request};

impl Host {
    /// Where a session stood after record `at`.
    ///
    /// # Errors
    /// Those of [`Host::journal`]; `invalid` when there is no such record.
    pub async fn past(&self, context: &Context, project: &str, id: SessionId, at: u64) -> Result<Past> {
        let records = self.journal(context, project, id, 0).await?;
        Ok(Past::after(until(&records, id, at)?))
    }

    /// Makes a session that begins as this one was after record `at`, or as it is now. A turn that had not ended there goes on in the
    /// new session, once it is run, with the component that the project serves now (where it serves none, with the one of before); a
    /// wait is asked for anew.
    ///
    /// # Errors
    /// Those of [`Host::past`]; `denied` for another principal's session.
    pub async fn fork(&self, context: &Context, project: &str, id: SessionId, at: Option<u64>) -> Result<SessionRow> {
        let row = self.own_session(context, project, id).await?;
        let mut records = self.journal(context, project, id, 0).await?;
        if let Some(at) = at {
            let kept = until(&records, id, at)?.len();
            records.truncate(kept);
        }
        if let Some(asked) = Past::after(&records).asks_anew() {
            records.retain(|record| record.seq < asked);
        }
        let past = Past::after(&records);
        let served = Request::new(project, &row.agent, "", "");
        let current = self.inner().find_plugin(&served).ok().filter(|(_, agent)| agent.spec.kind == PluginKind::Agent);
        let start = records.iter_mut().find(|record| Some(record.seq) == past.place.open_turn);
        if let Some(Record { body: Body::TurnStart(start), .. }) = start {
            // The key belongs to the turn of the session that it was given to.
            start.key = None;
            if let Some((_, agent)) = current {
                start.digest = agent.spec.digest.to_string();
            }
        }
        let last = records.last().map_or(0, |record| record.seq);
        let content = named(&records, id, self.inner().session_store()?).await?;
        let new = self.new_session(&row.project, &row.agent, &row.principal, Some((id, last)))?;
        let act = self.take_in(new, &records, Vec::new(), content);
        self.inner().decided(context, project, Decision::Fork, About::Session(id), || act).await
    }

    /// Takes a session back to before its turn `turn`, with the state of then. What came after is kept as an old branch.
    ///
    /// # Errors
    /// Those of [`Host::session`]; `denied` for another principal's session; `invalid` when there is no such turn; `conflict` while the
    /// session is run.
    pub async fn revert(&self, context: &Context, project: &str, id: SessionId, turn: u32) -> Result<()> {
        self.own_session(context, project, id).await?;
        let store = self.inner().session_store()?;
        let at = self.inner().services().clock.now();
        let act = owning(store, id, async |claim| {
            let records = self.journal(context, project, id, 0).await?;
            let turns = Past::turns(&records);
            let seq = turns.iter().nth(turn as usize).copied();
            let seq = seq.ok_or_else(|| Error::invalid(format!("`{id}` has no turn {turn}: it has {}", turns.len())))?;
            let past = Past::after(records.iter().take_while(|record| record.seq < seq));
            store.session_revert(id, claim.row.epoch, seq, past.place, at).await
        });
        self.inner().decided(context, project, Decision::Revert, About::Session(id), || act).await
    }

    /// Ends the turn that a session is in as failed, whatever its journal says: the way out of a quarantine.
    ///
    /// # Errors
    /// Those of [`Host::session`]; `denied` for another principal's session; `conflict` when the session is in no turn, or is run.
    pub async fn abandon(&self, context: &Context, project: &str, id: SessionId) -> Result<()> {
        self.own_session(context, project, id).await?;
        let store = self.inner().session_store()?;
        let at = self.inner().services().clock.now();
        let act = owning(store, id, async |claim| {
            if !matches!(claim.row.status, Status::Running | Status::Waiting | Status::Quarantined) {
                return Err(Error::new(Kind::Conflict, format!("`{id}` is in no turn")));
            }
            let lines = records(store, id, claim.row.turn_seq).await?;
            let mut machine = Machine::replay(&lines, Default::default())?;
            let message = format!("abandoned by `{}`", context.principal);
            machine.abandon(Kind::Conflict, message.clone(), at)?;
            store
                .session_append(Append {
                    records: machine.take_pending(),
                    close: Some(TurnClose::default()),
                    detail: message,
                    ..Append::new(id, claim.row.epoch, at, Status::Idle)
                })
                .await
        });
        self.inner().decided(context, project, Decision::Abandon, About::Session(id), || act).await
    }

    /// Lets a turn that is quarantined be tried once more with `component`, which has to be the one that it began with: the way for a fault
    /// that has gone, such as another version of Remit. It is run by [`Host::run`].
    ///
    /// # Errors
    /// Those of [`Host::session`]; `denied` for another principal's session; `conflict` when the session is in no turn or is run, the turn
    /// began with another component, or what it waits for was cancelled.
    pub async fn retry(&self, context: &Context, project: &str, id: SessionId, component: &str) -> Result<()> {
        self.own_session(context, project, id).await?;
        let store = self.inner().session_store()?;
        let at = self.inner().services().clock.now();
        let act = owning(store, id, async |claim| {
            let row = &claim.row;
            if !matches!(row.status, Status::Running | Status::Waiting | Status::Quarantined) {
                return Err(Error::new(Kind::Conflict, format!("`{id}` is in no turn")));
            }
            let pinned = self.inner().pinned(store, row).await?;
            if pinned != component {
                let message = format!("the turn began with the component {pinned}, and goes on with no other");
                let hint = format!("to go on from it with the component of now: remit session fork {id}");
                return Err(Error::new(Kind::Conflict, message).hint(hint));
            }
            if row.status != Status::Quarantined {
                return Ok(());
            }
            let status = match self.inner().stands(store, row).await? {
                Stands::Runs => Status::Running,
                Stands::Waits => Status::Waiting,
                Stands::Cancelled => {
                    let error = Error::new(Kind::Conflict, "what the turn waits for was cancelled, so it cannot go on");
                    let [_with_its_own, others @ ..] = super::ways_out(row, &pinned);
                    return Err(others.into_iter().fold(error, Error::hint));
                }
            };
            store.session_append(Append::new(id, row.epoch, at, status)).await
        });
        self.inner().decided(context, project, Decision::Retry, About::Session(id), || act).await
    }

    /// Makes a session of records that were exported, with the content that they name. It works for whoever takes it in. A turn that had not ended is taken up to its first
    /// approval, which is asked for anew: an export can say what it likes.
    ///
    /// # Errors
    /// `invalid` when the records are not a journal from its start, or content that they name is missing or another; `limit`; those of the store.
    pub async fn import(&self, context: &Context, project: &str, agent: &str, records: &[Record], content: &Content) -> Result<SessionRow> {
        if agent.is_empty() || agent.len() > KEY_MAX_BYTES {
            return Err(Error::invalid(format!("`{}` is no agent's name", visible(agent, 64))));
        }
        let in_order = records.iter().zip(0..).all(|(record, seq)| record.seq == seq);
        if !in_order || !matches!(records.first().map(|first| &first.body), Some(Body::TurnStart(_))) {
            return Err(Error::invalid("these records are not a journal from its start").hint("take the whole of an export"));
        }
        let mut records = records;
        let past = Past::after(records);
        if let Some(asked) = past.asks_anew().into_iter().chain(past.first_approval()).min() {
            records = records.split_at(records.partition_point(|record| record.seq < asked)).0;
        }
        let (pieces, named) = content.named_by(records)?;
        self.take_in(self.new_session(project, agent, &context.principal, None)?, records, pieces, named).await
    }

    fn new_session(&self, project: &str, agent: &str, principal: &Principal, parent: Option<(SessionId, u64)>) -> Result<NewSession> {
        let at = self.inner().services().clock.now();
        Ok(NewSession {
            id: SessionId::new(at, self.inner().random()?),
            project: project.to_owned(),
            agent: agent.to_owned(),
            principal: principal.clone(),
            key: None,
            at,
            parent,
            caller: None,
        })
    }

    async fn take_in(&self, new: NewSession, records: &[Record], content: Vec<Vec<u8>>, named: Named) -> Result<SessionRow> {
        let place = Past::after(records).place;
        let records = records.iter().map(Record::encode).collect::<Result<Vec<_>>>()?;
        let import = Import { new, records, place, content, uses: named.pieces, outputs: named.outputs };
        self.inner().session_store()?.session_import(import).await
    }

    /// A session of the principal's own.
    async fn own_session(&self, context: &Context, project: &str, id: SessionId) -> Result<SessionRow> {
        let row = self.session(context, project, id).await?;
        super::own(&row, context)?;
        Ok(row)
    }
}

/// The records up to `at`, that one too.
fn until(records: &[Record], id: SessionId, at: u64) -> Result<&[Record]> {
    let end = usize::try_from(at).ok().and_then(|at| at.checked_add(1));
    end.and_then(|end| records.get(..end)).ok_or_else(|| {
        Error::invalid(format!("`{id}` has no record {at}")).hint(format!("its records are 0 to {}", records.len().saturating_sub(1)))
    })
}
