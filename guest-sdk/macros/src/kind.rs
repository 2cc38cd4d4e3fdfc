use std::fmt::{self, Display};

/// What a macro makes of a function. Shown as `a tool` or `an agent`, as the messages begin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Tool,
    Agent,
}

impl Kind {
    /// The macro's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Agent => "agent",
        }
    }

    /// What its parameter is called.
    pub fn takes(self) -> &'static str {
        match self {
            Self::Tool => "arguments",
            Self::Agent => "input",
        }
    }

    /// What is said of JSON that its parameter cannot be read from.
    pub fn misfit(self) -> &'static str {
        match self {
            Self::Tool => "the arguments do not fit",
            Self::Agent => "the input does not fit",
        }
    }

    /// The options that stand in its brackets.
    pub fn accepts(self) -> &'static str {
        match self {
            Self::Tool => "`read`, `idempotent`, `once`, `name = \"…\"` or `title = \"…\"`",
            Self::Agent => "`name = \"…\"`, `title = \"…\"` or `migrate = a_function`",
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tool => "a tool",
            Self::Agent => "an agent",
        })
    }
}
