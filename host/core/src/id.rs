//! Typed ids: a prefix that says what it names, then a ULID (sortable by creation time).
//!
//! Ids of two kinds cannot be mixed:
//!
//! ```compile_fail
//! use remit_core::id::{CallId, SessionId};
//! let call: CallId = SessionId::new(remit_core::clock::Timestamp(0), 0);
//! ```

use crate::{Error, clock::Timestamp};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ulid::Ulid);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// An id made at `now`; the lower 80 bits of `random` are used.
            pub fn new(now: Timestamp, random: u128) -> Self {
                Self(ulid::Ulid::from_parts(now.0, random))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}{}", Self::PREFIX, self.0.to_string().to_ascii_lowercase())
            }
        }

        impl std::str::FromStr for $name {
            type Err = Error;

            /// # Errors
            /// `invalid`, naming the prefix that was expected.
            fn from_str(text: &str) -> Result<Self, Error> {
                text.strip_prefix(Self::PREFIX)
                    .and_then(|rest| ulid::Ulid::from_string(rest).ok())
                    .map(Self)
                    .ok_or_else(|| Error::invalid(format!(
                        "`{}` is not an id: one is `{}` and 26 letters and digits",
                        crate::plugin::text::visible(text, 64),
                        Self::PREFIX
                    )))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// One tool call.
    CallId, "call_"
);
id!(
    /// A durable line of work of one agent.
    SessionId, "ses_"
);
id!(
    /// What lets a client in over HTTP.
    KeyId, "key_"
);
id!(
    /// Something that a session waits for: an approval, an input, a time.
    WaitId, "wait_"
);
id!(
    /// A stretch of an audit log: from its beginning, or from where a backup was put back.
    EpochId, "epoch_"
);
