//! Why an agent's instance is stopped in the middle of a host function.

use remit_core::Error;

/// Ends the instance; what becomes of the turn is another question.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Stop {
    /// The turn waits: it goes on later, from its journal.
    #[error("the turn waits")]
    Waiting,
    /// The turn cannot go on as it is: it diverged, or grew too large.
    #[error("{0}")]
    Turn(Error),
    /// This process cannot go on with the turn: its records are not kept, or the host ends. Another one may.
    #[error("{0}")]
    Host(Error),
}
