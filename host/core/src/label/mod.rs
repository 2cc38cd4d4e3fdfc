//! Labels: what somebody has seen, and what may not be sent any more because of it.
//!
//! A label is brought by a tool or a grant that gives it, and is never lost again. What sends somewhere, a *sink*, says at which labels it
//! closes or a person is asked. Both are the project's words, never a plugin's. [`Policy::decide`] is the one rule for tools,
//! [`When::meets`] the one condition, for grants too.

mod policy;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

pub(crate) use policy::closed_by;
pub use policy::{Flow, Policy, ToolLabels};

/// What is known of a content by where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// Not everybody may read it.
    Private,
    /// Anybody may have written it.
    Untrusted,
}

impl Label {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Private, Self::Untrusted];

    /// Its name in files and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Untrusted => "untrusted",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// At which labels a sink closes, or asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// At none.
    Never,
    /// Once both are there: what nobody outside may read, and what somebody outside may have written.
    #[default]
    Both,
    /// Once `private` is there.
    Private,
    /// Once `untrusted` is there.
    Untrusted,
    /// Once one of the two is there.
    Either,
}

impl When {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Never, Self::Both, Self::Private, Self::Untrusted, Self::Either];

    /// Whether the labels that `present` tells meet it.
    pub fn meets(self, present: impl Fn(Label) -> bool) -> bool {
        let (private, untrusted) = (present(Label::Private), present(Label::Untrusted));
        match self {
            Self::Never => false,
            Self::Both => private && untrusted,
            Self::Private => private,
            Self::Untrusted => untrusted,
            Self::Either => private || untrusted,
        }
    }

    /// The condition that is met wherever one of the two is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Private, Self::Untrusted) | (Self::Untrusted, Self::Private) => Self::Either,
            (one, other) => one.max(other),
        }
    }

    /// The condition that is met where both of the two are.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Private, Self::Untrusted) | (Self::Untrusted, Self::Private) => Self::Both,
            (one, other) => one.min(other),
        }
    }

    /// Whether it is met wherever `other` is.
    pub fn covers(self, other: Self) -> bool {
        self.or(other) == self
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Both => "both",
            Self::Private => "private",
            Self::Untrusted => "untrusted",
            Self::Either => "either",
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Labels that are held, each with the call that brought it first, in words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<Label, String>);

impl Labels {
    /// `labels`, all brought by `origin`.
    pub fn of(labels: &BTreeSet<Label>, origin: &str) -> Self {
        Self(labels.iter().map(|label| (*label, origin.to_owned())).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `label` is there.
    pub fn has(&self, label: Label) -> bool {
        self.0.contains_key(&label)
    }

    /// Each label with what brought it.
    pub fn iter(&self) -> impl Iterator<Item = (Label, &str)> {
        self.0.iter().map(|(label, origin)| (*label, origin.as_str()))
    }

    /// The labels alone.
    pub fn kinds(&self) -> BTreeSet<Label> {
        self.0.keys().copied().collect()
    }

    /// Adds those of `other` that are not there yet.
    pub fn take_on(&mut self, other: Self) {
        for (label, origin) in other.0 {
            self.0.entry(label).or_insert(origin);
        }
    }

    /// Those that `other` has not.
    #[must_use]
    pub fn beyond(mut self, other: &Self) -> Self {
        self.0.retain(|label, _| !other.has(*label));
        self
    }

    /// The same labels, with the origins that `rename` makes of theirs.
    #[must_use]
    pub fn renamed(self, rename: impl Fn(&str) -> String) -> Self {
        Self(self.0.into_iter().map(|(label, origin)| (label, rename(&origin))).collect())
    }
}

impl fmt::Display for Labels {
    /// Each label with its origin: `private` (since files/read) and `untrusted` (since fetch/get).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, (label, origin)) in self.iter().enumerate() {
            let and = if count == 0 { "" } else { " and " };
            write!(f, "{and}`{label}` (since {})", crate::plugin::text::visible(origin, 200))?;
        }
        Ok(())
    }
}
