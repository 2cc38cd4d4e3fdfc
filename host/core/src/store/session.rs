//! Sessions: their journals, who owns them, what they wait for.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
};

use serde::{Deserialize, Serialize};

use super::wait::{Decision, OpenWait, WaitRow};
use crate::{
    Result,
    clock::Timestamp,
    content::Blob,
    id::{SessionId, WaitId},
    identity::Principal,
    journal::Line,
    plugin::Digest,
};

/// A result that a store gives later. Dropping it does not undo what was asked: an append may still become durable.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// How it stands with a session, as read from its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Between turns: ready for an input.
    Idle,
    /// In a turn. Without a living owner, the turn was cut off and goes on with `resume`.
    Running,
    /// In a turn that waits for a person or for a time.
    Waiting,
    /// In a turn whose replay did not do what the journal says.
    Quarantined,
    /// Ended by a person; takes no more inputs.
    Killed,
}

/// The call that a session was made for, by the agent of another session. What is made so is killed or erased with its caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Caller {
    /// The session that called.
    pub session: SessionId,
    /// The key of the call.
    pub key: String,
    /// The outermost session, which a person began.
    pub root: SessionId,
    /// The first record of that session's turn.
    pub root_turn: u64,
    /// The agents that called on the way here, outermost first.
    pub chain: Vec<String>,
}

/// Which sessions to list, by the calls of agents that they were made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Called {
    /// All.
    #[default]
    Any,
    /// Those that no agent called.
    No,
    /// Those that this session called itself.
    By(SessionId),
    /// Those that this session called, and those that they called.
    Under(SessionId),
}

/// A session to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// The project's name.
    pub project: String,
    /// The agent's name.
    pub agent: String,
    /// For whom it works.
    pub principal: Principal,
    /// Names the request that made it: the same key of the same principal in the same project gives the same session.
    pub key: Option<String>,
    /// When it was made.
    pub at: Timestamp,
    /// The session and the record that it was forked at.
    pub parent: Option<(SessionId, u64)>,
    /// The call that it is made for.
    pub caller: Option<Caller>,
}

/// A component as journals name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    /// `sha256:…`.
    pub digest: String,
    /// Its version, where it says one.
    pub version: Option<String>,
}

/// A session as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// The project's name.
    pub project: String,
    /// The agent's name.
    pub agent: String,
    /// For whom it works.
    pub principal: Principal,
    /// When it was made.
    pub created: Timestamp,
    /// When something was last added to it, or it was killed.
    pub updated: Timestamp,
    /// How it stands.
    pub status: Status,
    /// The same in words, such as the last turn's error; empty when there is nothing to say.
    pub detail: String,
    /// Counts owners. An append under an older one is refused.
    pub epoch: u64,
    /// The line of records that is current.
    pub branch: u32,
    /// The number of the next record.
    pub next_seq: u64,
    /// The first record of the turn that runs or waits; `next_seq` between turns.
    pub turn_seq: u64,
    /// Turns that were started.
    pub turns: u32,
    /// Inputs that wait until the turn has ended.
    pub queued: u32,
    /// The component whose turn left the state, once one ended well.
    pub left_by: Option<Component>,
    /// The session and the record that it was forked at.
    pub parent: Option<(SessionId, u64)>,
    /// The call that it was made for.
    pub caller: Option<Caller>,
}

/// An input that waits until the turn of its session has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedInput {
    /// Names it in its session.
    pub key: String,
    /// Who gave it.
    pub principal: Principal,
    /// Their time zone.
    pub time_zone: String,
    /// When it was given.
    pub at: Timestamp,
    /// The input, a JSON text.
    pub input: String,
}

/// Which sessions to list: newest first.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Of this project.
    pub project: String,
    /// Of this principal alone.
    pub principal: Option<Principal>,
    /// In one of these; empty for all.
    pub status: Vec<Status>,
    /// By what called them.
    pub called: Called,
    /// Older than this one, for the next page.
    pub before: Option<SessionId>,
    /// To which nothing was added after this time.
    pub until: Option<Timestamp>,
    /// At most this many.
    pub limit: u32,
}

/// Ownership of a session, which an append has to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The session as it was at the claim, with the new epoch.
    pub row: SessionRow,
    /// Whether an owner before ended without releasing it.
    pub taken_over: bool,
}

/// The start of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnOpen {
    /// Its first record.
    pub seq: u64,
    /// The key that its input came with, unique in its session. Where an input waits under this key, it is this one, and waits no more.
    pub key: Option<String>,
}

/// The end of a turn: what an append that holds it commits besides the record. Sessions that the turn called and that are in a turn of
/// their own are killed with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TurnClose {
    /// Keys with their new values; `None` removes.
    pub state: BTreeMap<String, Option<Vec<u8>>>,
    /// The component that leaves the state so; none when the turn failed.
    pub left_by: Option<Component>,
    /// The plugins whose workspace the turn wrote → the trees that it left.
    pub workspaces: BTreeMap<String, Blob>,
    /// Whether what waits goes on waiting, for a later turn.
    pub leaves_waits: bool,
}

/// A session that begins with records which were made elsewhere: a fork, or an export that is taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The session.
    pub new: NewSession,
    /// Its records, from 0.
    pub records: Vec<Line>,
    /// Where it stands after them.
    pub place: Place,
    /// Pieces that come with it.
    pub content: Vec<Vec<u8>>,
    /// Pieces that it uses: those of its workspaces' files, of all turns. They are kept already, or come with it.
    pub uses: BTreeSet<Digest>,
    /// Results that its records leave to the content.
    pub outputs: BTreeMap<Digest, Blob>,
}

/// Where a journal stands after some of its records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Place {
    /// Turns that were started.
    pub turns: u32,
    /// The first record of the turn that has not ended; none between turns.
    pub open_turn: Option<u64>,
    /// The state that the last turn which ended left.
    pub state: BTreeMap<String, Vec<u8>>,
    /// The component of that turn.
    pub left_by: Option<Component>,
    /// The trees of its workspaces, by plugin, as the last turns which ended left them.
    pub workspaces: BTreeMap<String, Blob>,
}

/// Records to be added to a session's journal, and what is committed with them: all or nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// The session.
    pub session: SessionId,
    /// The epoch of the claim.
    pub epoch: u64,
    /// When.
    pub at: Timestamp,
    /// The records, numbered on from the session's `next_seq`.
    pub records: Vec<Line>,
    /// Waits that these records open.
    pub opened: Vec<OpenWait>,
    /// Waits that these records take: they are decided, or end by themselves.
    pub used: Vec<WaitId>,
    /// Keys of calls, each with the first of these records that it names; one that named another call names this one from now on.
    pub named: Vec<(String, u64)>,
    /// The turn that these records start.
    pub open: Option<TurnOpen>,
    /// The end of the turn. Waits that it did not take are cancelled with it, unless it leaves them.
    pub close: Option<TurnClose>,
    /// Pieces to be kept for the session: those of `outputs`, and of trees that `close` names.
    pub content: Vec<Vec<u8>>,
    /// Results that these records leave to the content.
    pub outputs: BTreeMap<Digest, Blob>,
    /// How the session stands after it.
    pub status: Status,
    /// The same in words.
    pub detail: String,
}

impl Append {
    /// One that adds nothing, and only says how the session stands after it.
    pub fn new(session: SessionId, epoch: u64, at: Timestamp, status: Status) -> Self {
        Self {
            session,
            epoch,
            at,
            records: Vec::new(),
            opened: Vec::new(),
            used: Vec::new(),
            named: Vec::new(),
            open: None,
            close: None,
            content: Vec::new(),
            outputs: BTreeMap::new(),
            status,
            detail: String::new(),
        }
    }
}

/// Where sessions are kept. Every method may be called from any task at once; each is one transaction.
///
/// What a method has returned is durable. Every error leaves everything as it was, but one: `in-doubt`, when a commit failed and it
/// could not be found out whether it took place.
pub trait SessionStore: Send + Sync {
    /// Makes a session, or finds the one that the same principal made under the same key. Returns it as it is.
    ///
    /// # Errors
    /// `conflict` when the key names a session of another agent, or the id is taken; `limit` when agents called
    /// [`CALLED_SESSIONS_MAX`](crate::limit::CALLED_SESSIONS_MAX) sessions in the outermost turn already; `host` when the store failed.
    fn session_create(&self, new: NewSession) -> Later<'_, SessionRow>;

    /// A session.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn session_get(&self, id: SessionId) -> Later<'_, Option<SessionRow>>;

    /// Sessions, newest first.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn session_list(&self, filter: SessionFilter) -> Later<'_, Vec<SessionRow>>;

    /// Makes this process the owner: the epoch grows, and appends under an older one are refused from now on. A refusal changes nothing,
    /// [`SessionStore::version`] included.
    ///
    /// # Errors
    /// `conflict`, with the code `E-IN-USE`, while another owner lives; `not-found`; `host` when the store failed.
    fn session_claim(&self, id: SessionId) -> Later<'_, Claim>;

    /// Gives ownership back. A claim that is no longer the newest is released already.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn session_release(&self, id: SessionId, epoch: u64) -> Later<'_, ()>;

    /// Adds records.
    ///
    /// # Errors
    /// `conflict` when the epoch is not the newest, the session was killed, or what is added does not fit to what is there, pieces that it
    /// names and nobody kept included; `limit` when the session or its content would be too large; `not-found`; `unavailable` when there is
    /// no space; `in-doubt`; `host` when the store failed.
    fn session_append(&self, append: Append) -> Later<'_, ()>;

    /// Records of the current branch from `from` on, at most `limit`, in order. Their chain of digests is checked.
    ///
    /// # Errors
    /// `host`, with the number of the record, when the journal is damaged; `not-found`; `host` when the store failed.
    fn session_records(&self, id: SessionId, from: u64, limit: u32) -> Later<'_, Vec<Line>>;

    /// The state at the start of the turn that runs, or as it is between turns.
    ///
    /// # Errors
    /// `not-found`; `host` when the store failed.
    fn session_state(&self, id: SessionId) -> Later<'_, BTreeMap<String, Vec<u8>>>;

    /// The trees of the session's workspaces, by plugin, at the start of the turn that runs, or as they are between turns.
    ///
    /// # Errors
    /// `not-found`; `host` when the store failed.
    fn session_workspaces(&self, id: SessionId) -> Later<'_, BTreeMap<String, Blob>>;

    /// Keeps pieces for a session, each of [`PIECE_MAX_BYTES`](crate::limit::PIECE_MAX_BYTES) at most. What is kept already is kept once.
    ///
    /// # Errors
    /// `conflict` when the epoch is not the newest or the session was killed; `limit` when a piece, or all content of the session, is too
    /// large; `not-found`; `unavailable` when there is no space; `in-doubt`; `host` when the store failed.
    fn content_put(&self, id: SessionId, epoch: u64, pieces: Vec<Vec<u8>>) -> Later<'_, ()>;

    /// A piece that a session uses. Its digest is checked.
    ///
    /// # Errors
    /// `host`, with the digest, when the session uses no such piece, or it is damaged; `not-found`; `host` when the store failed.
    fn content_get(&self, id: SessionId, piece: Digest) -> Later<'_, Vec<u8>>;

    /// A result that a session's records left to the content, by the digest of all of it.
    ///
    /// # Errors
    /// `not-found` when there is no such session; `host` when the store failed.
    fn output_get(&self, id: SessionId, output: Digest) -> Later<'_, Option<Blob>>;

    /// The first record of the turn that was started with `key`, or of the call that it names.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn session_turn(&self, id: SessionId, key: String) -> Later<'_, Option<u64>>;

    /// Makes a session with records, chained anew.
    ///
    /// # Errors
    /// `conflict` when its id or key is there already, the records do not follow on from 0, or a piece that it uses is not there; `limit`
    /// when they are too many bytes;
    /// `host` when the store failed.
    fn session_import(&self, import: Import) -> Later<'_, SessionRow>;

    /// Begins a new branch with the records before `seq`, which is the current one from now on; the old one is kept. Turns after it lose
    /// their keys, waits that were not taken are cancelled, sessions that it called and that are in a turn are killed, and the session
    /// stands where `place` says.
    ///
    /// # Errors
    /// `conflict` when the epoch is not the newest or the session was killed; `invalid` when there are fewer records than `seq`; `limit`
    /// when the session would be too large; `not-found`; `host` when the journal is damaged or the store failed.
    fn session_revert(&self, id: SessionId, epoch: u64, seq: u64, place: Place, at: Timestamp) -> Later<'_, ()>;

    /// Has an input wait until the turn has ended, behind those that wait already. Returns its place among them, from 1: the one that it
    /// has where the same input waits under its key; none where a turn was started with the key.
    ///
    /// # Errors
    /// `limit` when [`INPUTS_QUEUED_MAX`](crate::limit::INPUTS_QUEUED_MAX) wait; `conflict` when another input waits under its key, or the
    /// session was killed; `not-found`; `host` when the store failed.
    fn input_queue(&self, id: SessionId, input: QueuedInput) -> Later<'_, Option<u32>>;

    /// Inputs that wait, the next one first.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn input_list(&self, id: SessionId) -> Later<'_, Vec<QueuedInput>>;

    /// Ends a session for good, and those under it that are in a turn: their owners' next append is refused, waits that they did not
    /// take are cancelled, and inputs that wait are dropped. Ending it twice is fine.
    ///
    /// # Errors
    /// `not-found`; `host` when the store failed.
    fn session_kill(&self, id: SessionId, detail: String, at: Timestamp) -> Later<'_, ()>;

    /// Removes a session with everything of it, content that no other session uses included, and those that it called.
    ///
    /// # Errors
    /// `conflict` while an owner of one of them lives, or when an agent called it: it goes with its caller, and nothing is removed then;
    /// `not-found`; `host` when the store failed.
    fn session_erase(&self, id: SessionId) -> Later<'_, ()>;

    /// Removes the sessions that `filter` names and those that they called, each with everything of it, and returns them. One that an
    /// owner runs stays, and one that was called stays as long as its caller.
    ///
    /// # Errors
    /// `invalid` when the filter names others than idle, killed and quarantined ones; `host` when the store failed.
    fn session_prune(&self, filter: SessionFilter) -> Later<'_, Vec<SessionRow>>;

    /// Removes everything of a principal in a project: sessions with all that is theirs, and its own key-value data. Returns how many
    /// sessions there were.
    ///
    /// # Errors
    /// `conflict` while an owner of one of them lives, and nothing is removed then; `host` when the store failed.
    fn principal_erase(&self, project: String, principal: Principal) -> Later<'_, u64>;

    /// A wait.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn wait_get(&self, id: WaitId) -> Later<'_, Option<WaitRow>>;

    /// Waits of a project, or of one session and those under it, that are open or decided; with `all`, every one. Oldest first, at most 1,000.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn wait_list(&self, project: String, session: Option<SessionId>, all: bool) -> Later<'_, Vec<WaitRow>>;

    /// How many approvals of sessions of `principal` in `project` are open at `at`, those of called sessions too.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn approvals_open(&self, project: String, principal: Principal, at: Timestamp) -> Later<'_, u64>;

    /// Decides a wait that is open.
    ///
    /// # Errors
    /// `conflict` when it is not open any more, or its time has passed; `invalid` when it is no answer to what is waited for; `not-found`;
    /// `host` when the store failed.
    fn wait_decide(&self, decision: Decision) -> Later<'_, ()>;

    /// A number that changes whenever anybody, in this process or another one, has changed something.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn version(&self) -> Later<'_, u64>;
}
