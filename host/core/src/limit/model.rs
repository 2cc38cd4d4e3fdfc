//! Bounds of what is asked of models and of what they answer.

use super::{RECORD_MAX_BYTES, SESSION_ARGUMENTS_MAX_BYTES};

/// Models of one project.
pub const MODELS_MAX: usize = 64;
/// Longest name of a model in a project.
pub const MODEL_NAME_MAX_CHARS: usize = 48;
/// Longest name of a model at its provider.
pub const MODEL_ID_MAX_BYTES: usize = 256;
/// Models that are asked in place of one that does not answer.
pub const MODEL_FALLBACK_MAX: usize = 4;
/// Tokens that one answer may have when the project says nothing.
pub const MODEL_TOKENS_DEFAULT: u32 = 4096;
/// See [`MODEL_TOKENS_DEFAULT`]: what a project, a grant or a request may say at most.
pub const MODEL_TOKENS_MAX: u32 = 1 << 20;
/// A whole call of a model, with what is tried again, when the project says nothing, in milliseconds.
pub const MODEL_DEADLINE_DEFAULT_MS: u64 = 600_000;
/// See [`MODEL_DEADLINE_DEFAULT_MS`]: what a project may say at most.
pub const MODEL_DEADLINE_MAX_MS: u64 = 3_600_000;
/// How long a model may say nothing in the middle of an answer when the project says nothing, in milliseconds: a provider that stalls is
/// noticed long before the deadline.
pub const MODEL_IDLE_DEFAULT_MS: u64 = 120_000;
/// How often a model that did not answer is asked again when the project says nothing.
pub const MODEL_RETRIES_DEFAULT: u32 = 2;
/// See [`MODEL_RETRIES_DEFAULT`]: what a project may say at most.
pub const MODEL_RETRIES_MAX: u32 = 8;
/// First pause before a model is asked again; it doubles with each time.
pub const MODEL_PAUSE_MS: u64 = 250;
/// Longest such pause, and the longest that a provider may ask for: one that wants more is not waited for.
pub const MODEL_PAUSE_MAX_MS: u64 = 60_000;
/// Largest request, as JSON: it stands in a record of the journal.
pub const MODEL_REQUEST_MAX_BYTES: usize = SESSION_ARGUMENTS_MAX_BYTES;
/// Items of one request.
pub const MODEL_ITEMS_MAX: usize = 4096;
/// Tools that one request offers.
pub const MODEL_TOOLS_MAX: usize = 128;
/// Bytes of one answer as its provider writes it, events included: an endless stream ends here.
pub const MODEL_ANSWER_MAX_BYTES: usize = 16 << 20;
/// Bytes of one event of a stream.
pub const MODEL_EVENT_MAX_BYTES: usize = 2 << 20;
/// Largest answer, as JSON: it stands in a record of the journal.
pub const MODEL_RESPONSE_MAX_BYTES: usize = RECORD_MAX_BYTES / 2 - 4096;
/// Calls of tools that one answer may want: a model that wants ten thousand is not listened to.
pub const MODEL_CALLS_MAX: usize = 128;
/// Longest name, and longest id, that a model gives a call.
pub const MODEL_WORD_MAX_BYTES: usize = 256;
/// How much is read of the answer of a provider that refuses a request.
pub const MODEL_REFUSAL_MAX_BYTES: usize = 64 << 10;
/// How much of what such a provider says is passed on.
pub const MODEL_REFUSAL_SHOWN_CHARS: usize = 300;
