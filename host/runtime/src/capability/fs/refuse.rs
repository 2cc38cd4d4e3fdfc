//! Denials: what is recorded when a guest is refused, whatever it makes of the error.

use std::sync::Arc;

use remit_bindings::filesystem::{FsError, types::ErrorCode};
use remit_core::grant::{Access, Decision, Denial, Request, Rule, decide};

use super::failure::{Failure, Refusal};
use crate::capability::{Denials, Rights};

/// Records refusals about one path; outlives the view, for streams.
#[derive(Clone)]
pub(super) struct Recorder {
    pub rights: Arc<Rights>,
    pub denials: Denials,
    /// The path, absolute, in the guest's names.
    pub path: String,
    /// What the guest wanted to do there.
    pub access: Access,
}

impl Recorder {
    /// What the guest is told about `failure`; a refusal is recorded.
    pub fn failure(&self, failure: Failure) -> ErrorCode {
        match failure {
            Failure::Code(code) => code,
            Failure::Refused(refusal) => self.refusal(refusal),
        }
    }

    /// Like [`Recorder::failure`], as the error of a host function.
    pub fn error(&self, failure: Failure) -> FsError {
        self.failure(failure).into()
    }

    /// Records that the grants do not allow it.
    pub fn not_granted(&self, code: ErrorCode) -> FsError {
        let reason = "no `fs` grant allows it".to_owned();
        self.refusal(Refusal { code, rule: Rule::NoMatch, reason }).into()
    }

    /// The layers of the grants are asked first, since they can name the smallest fix; what they would allow was refused here.
    fn refusal(&self, Refusal { code, rule, reason }: Refusal) -> ErrorCode {
        let request = Request::Fs { path: &self.path, access: self.access };
        let denial = match decide(&request, &self.rights.resolved) {
            Decision::Deny(denial) => denial,
            Decision::Allow(_) => self.denial(rule, reason),
        };
        self.denials.record(denial);
        code
    }

    fn denial(&self, rule: Rule, reason: String) -> Denial {
        Denial::new(&self.rights.resolved.plugin, "fs", &format!("{} {}", self.access, self.path), rule, reason)
    }
}
