//! Versions of three numbers.

use std::fmt::{self, Display};

use remit::{Error, Result};

/// Which part of a version to raise.
#[remit::data]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Bump {
    /// The first number.
    Major,
    /// The second number.
    Minor,
    /// The third number.
    Patch,
}

/// A version such as `1.4.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u64, u64, u64);

impl Version {
    /// Reads a version of three numbers.
    ///
    /// # Errors
    ///
    /// `InvalidArguments` where it is none; pre-releases such as `1.4.0-rc.1` are not raised by this agent.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = text.split('.').map(|part| part.parse::<u64>().ok().filter(|number| number.to_string() == part));
        match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten(), parts.next()) {
            (Some(major), Some(minor), Some(patch), None) => Ok(Self(major, minor, patch)),
            _ => Err(Error::invalid_arguments(format!("`{text}` is no version of three numbers such as `1.4.0`"))),
        }
    }

    /// Raises one part; the ones after it become 0.
    pub fn raise(self, bump: Bump) -> Self {
        match bump {
            Bump::Major => Self(self.0.saturating_add(1), 0, 0),
            Bump::Minor => Self(self.0, self.1.saturating_add(1), 0),
            Bump::Patch => Self(self.0, self.1, self.2.saturating_add(1)),
        }
    }
}

impl Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}
