//! The journal of a session, and the machine that replays a turn from it. Pure: records in, effects out.
//!
//! A turn is code that runs from its start whenever it is woken. Each thing it does is an *operation*, numbered from 0 in the order in
//! which the code gets there. The journal has records of two sorts:
//!
//! - what the code did, in order: it began a call, it began to wait, it took a result from a group, it changed its state. On replay
//!   the code has to do the same again; anything else is a divergence.
//! - what came back: the end of an operation, whenever that was. On replay it is found by its operation's number.
//!
//! So results may arrive in any order, also while the turn is asleep, and the code still sees them in the order that was recorded.

mod carried;
mod chain;
mod history;
mod machine;
mod progress;
mod random;
mod record;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use carried::{Allowed, Carried};
pub use chain::{Link, link};
pub use history::Past;
pub use machine::Machine;
pub use progress::Progress;
pub use random::Random;
pub use record::{Answer, Body, Line, MORE_USES, Outcome, PendingCall, Record, ToolCall, TurnStart, Wait};
pub use step::{CallStep, Finished, TakeStep, WaitStep};
