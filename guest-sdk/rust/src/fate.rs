use crate::{Output, Result};

/// What is known of the effect with an idempotency key; the function behind `reconcile` of [`plugin!`](crate::plugin) tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It happened. The caller gets this result, which has to be the one of the tool: `Fate::Done(Output::json(&sent)?)`.
    Done(Output),
    /// It did not happen and will not. The host then calls the tool, with the same key.
    NotDone,
    /// It cannot be told.
    Unknown,
}

/// A plugin that can tell what became of an effect; `plugin!` implements it.
pub trait Reconcile {
    /// Tells what became of the call of `tool` with `key`.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn settle(tool: &str, key: &str) -> Result<Fate>;
}
