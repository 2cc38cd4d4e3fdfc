//! Who is let in over HTTP, and as whom.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header};
use remit_core::{
    clock::{Clock, Timestamp},
    identity::{Principal, key::Key},
    limit::MCP_WITHDRAWN_MS,
    plugin::text::visible,
};
use remit_runtime::project::Keys;
use tokio::sync::watch;

use super::{
    token::Tokens,
    who::{Members, Pass, Who},
};

/// What decides who is let in.
pub struct Admission {
    /// The keys of the project.
    pub keys: Keys,
    /// What checks tokens of an authorization server, where the project names one.
    pub tokens: Option<Tokens>,
    /// Who has a role in the project; nobody else is let in.
    pub members: watch::Receiver<Arc<Members>>,
    /// Who a client is that shows nothing, where it need not.
    pub owner: Principal,
    /// Whether every request has to show something.
    pub required: bool,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Why somebody is not let in. Of a key that is unknown, wrong, expired or taken back, no more is said than that.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nothing was shown.
    Nothing,
    /// What was shown lets nobody in; the log tells why.
    Unknown(String),
    /// The principal has no role.
    NoRole(Principal),
    /// The token does not name the scopes that are needed.
    Scope,
    /// What was shown cannot be checked now.
    Unavailable(String),
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("owner", &self.owner).field("required", &self.required).finish_non_exhaustive()
    }
}

impl Admission {
    /// Who makes a request with these headers. What a request shows is always looked at, also where it need not show anything.
    pub(super) async fn admit(self: &Arc<Self>, headers: &HeaderMap) -> Result<Who, Refusal> {
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        let shown = match (shown.next(), shown.next()) {
            (None, _) if self.required || came_by_proxy(headers) => return Err(Refusal::Nothing),
            (None, _) => return Ok(Who::owner(self.owner.clone())),
            (Some(one), None) => bearer(one).ok_or_else(|| Refusal::Unknown("it shows no bearer token".to_owned()))?,
            (Some(_), Some(_)) => return Err(Refusal::Unknown("it shows two things at once".to_owned())),
        };
        match (Key::parse(shown), &self.tokens) {
            (Some(key), _) => self.by_key(&key),
            (None, Some(tokens)) if !shown.starts_with(Key::PREFIX) => self.by_token(tokens, shown).await,
            (None, _) => Err(Refusal::Unknown("it shows no key".to_owned())),
        }
    }

    async fn by_token(self: &Arc<Self>, tokens: &Tokens, shown: &str) -> Result<Who, Refusal> {
        let believed = tokens.check(shown, self.clock.now()).await?;
        let role = self.members.borrow().get(&believed.principal).cloned();
        let Some(role) = role else { return Err(Refusal::NoRole(believed.principal)) };
        let pass = Pass { admission: self.clone(), expires: believed.expires };
        Ok(Who::with_pass(believed.principal, role, None, pass))
    }

    fn by_key(self: &Arc<Self>, key: &Key) -> Result<Who, Refusal> {
        let now = self.clock.now();
        let kept = self.keys.admit(key, now).map_err(|error| Refusal::Unavailable(error.to_string()))?;
        let kept = kept.ok_or_else(|| Refusal::Unknown(format!("`{}` is not a key of this project now", key.id())))?;
        let role = self.members.borrow().get(&kept.principal).cloned();
        let Some(role) = role else { return Err(Refusal::NoRole(kept.principal)) };
        let role = kept.tools.as_deref().map_or_else(|| role.clone(), |scope| role.within(scope));
        if let Err(error) = self.keys.note_use(kept.id, now) {
            tracing::warn!(%error, key = %kept.id, "its use could not be noted");
        }
        let pass = Pass { admission: self.clone(), expires: kept.expires };
        Ok(Who::with_pass(kept.principal, role, Some(kept.id), pass))
    }

    /// See [`Who::withdrawn`].
    pub(super) async fn withdrawn(&self, who: &Who, expires: Timestamp) {
        let stays = || {
            let has_role = self.members.borrow().contains_key(&who.principal);
            has_role && self.clock.now() < expires && who.key.is_none_or(|key| self.keys.has(key))
        };
        while stays() {
            tokio::time::sleep(Duration::from_millis(MCP_WITHDRAWN_MS)).await;
        }
    }
}

/// The token of `Bearer TOKEN`.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// Whether a request came through a proxy that says so: then it came from elsewhere, whatever address it arrives at.
fn came_by_proxy(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

impl Refusal {
    /// Why, for the log: without anything that was shown.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Nothing => "it shows nothing".to_owned(),
            Self::Unknown(why) | Self::Unavailable(why) => visible(why, 256),
            Self::Scope => "its token does not name the scopes that are needed".to_owned(),
            Self::NoRole(principal) => format!("`{principal}` has no role"),
        }
    }
}

#[cfg(test)]
mod tests;
