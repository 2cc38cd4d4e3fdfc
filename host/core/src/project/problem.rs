//! One mistake in a file, with the place where it stands.

use std::ops::Range;

/// One mistake in an authored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The bytes of the file that are wrong.
    pub span: Range<usize>,
    /// What is wrong: one line, lowercase, what was written in backticks.
    pub message: String,
    /// The smallest change that makes it right.
    pub hint: Option<String>,
}

impl Problem {
    /// A mistake without a hint.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The mistake that `error` tells of what stands at `span`.
    pub fn at(span: Range<usize>, error: crate::Error) -> Self {
        Self { span, message: error.message, hint: error.hints.into_iter().next() }
    }
}
