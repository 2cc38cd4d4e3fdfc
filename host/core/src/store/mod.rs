//! Storage traits: what a backend keeps for sessions and for plugins. What is kept for one project is invisible to every other one.

mod kv;
mod session;
mod wait;

pub use kv::{KvSpace, KvStore};
pub use session::{
    Append, Called, Caller, Claim, Component, Import, Later, NewSession, Place, QueuedInput, SessionFilter, SessionRow, SessionStore,
    Status, TurnClose, TurnOpen,
};
pub use wait::{Decision, OpenWait, WaitKind, WaitRow, WaitState};
