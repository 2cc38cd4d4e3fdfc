//! The labels of one call: what was seen before it, and what it came to see itself.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use remit_core::label::{Label, Labels, When};

/// What one call has seen, shared by its capabilities. Where the project does not enforce labels, it is always nothing.
#[derive(Debug, Default)]
pub struct Seen {
    enforced: bool,
    /// What brings new labels: `plugin/tool`.
    origin: String,
    /// Labels that a person let go with this very call.
    cleared: BTreeSet<Label>,
    held: Mutex<Labels>,
}

impl Seen {
    /// Of a call of `origin`, where `before` was seen already, of which a person let go `cleared`.
    pub fn new(origin: String, before: Labels, cleared: BTreeSet<Label>) -> Self {
        Self { enforced: true, origin, cleared, held: Mutex::new(before) }
    }

    /// What was seen so far.
    pub fn held(&self) -> Labels {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes on what the call itself comes to see.
    pub fn see(&self, labels: &BTreeSet<Label>) {
        if !labels.is_empty() {
            self.take_on(Labels::of(labels, &self.origin));
        }
    }

    /// Takes on what a call that it made has seen.
    pub fn take_on(&self, labels: Labels) {
        if self.enforced && !labels.is_empty() {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).take_on(labels);
        }
    }

    /// What is held, where it closes a sink that is closed at `when`.
    pub fn closes(&self, when: When) -> Option<Labels> {
        if !self.enforced {
            return None;
        }
        let held = self.held();
        when.meets(|label| held.has(label) && !self.cleared.contains(&label)).then_some(held)
    }
}
