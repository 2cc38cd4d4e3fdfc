//! Storage traits: what a backend keeps for sessions and for plugins. What is kept for one project is invisible to every other one.

mod kv;
mod session;

pub use kv::{KvSpace, KvStore};
pub use session::{
    Append, Called, Caller, Claim, Component, Decision, Import, Later, NewSession, OpenWait, Place, QueuedInput, SessionFilter, SessionRow,
    SessionStore, Status, TurnClose, TurnOpen, WaitKind, WaitRow, WaitState,
};
