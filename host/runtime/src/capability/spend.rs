//! What a session, or a principal outside of sessions, has sent and received within the last minute, plugin by plugin: no instance and no
//! call begins anew (N15).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use remit_core::{
    Blame, Error, Kind,
    identity::Context,
    limit::{CallLimits, SPENDERS_MAX},
    rate::Minute,
};

use super::call::now;
use crate::engine::Failed;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Requests, and connections of `sockets`.
    Requests,
    /// Bytes that leave, of heads and bodies.
    Sent,
    /// Bytes that arrive, of heads and bodies.
    Received,
}

/// Who spent how much: the same for every call of a host.
pub struct Spenders {
    started: Instant,
    spent: Mutex<HashMap<Spender, Spent>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Spender {
    project: String,
    plugin: String,
    /// A session or a principal.
    subject: String,
}

#[derive(Default)]
struct Spent {
    requests: Minute,
    sent: Minute,
    received: Minute,
}

/// What one call may spend.
pub struct Spend {
    spenders: Arc<Spenders>,
    spender: Spender,
    limits: CallLimits,
    over: Over,
}

/// The first bound that a call reached, for its caller.
#[derive(Debug, Clone, Default)]
pub struct Over(Arc<OnceLock<Error>>);

impl Default for Spenders {
    fn default() -> Self {
        Self { started: now(), spent: Mutex::default() }
    }
}

impl Spend {
    /// What a call of `plugin` may spend within `limits`; a bound that it reaches is told to `over`.
    pub fn new(spenders: &Arc<Spenders>, context: &Context, project: &str, plugin: &str, limits: CallLimits, over: &Over) -> Self {
        let subject = context.session.map_or_else(|| context.principal.to_string(), |session| session.to_string());
        let spender = Spender { project: project.to_owned(), plugin: plugin.to_owned(), subject };
        Self { spenders: spenders.clone(), spender, limits, over: over.clone() }
    }

    /// Spends `amount`.
    ///
    /// # Errors
    /// Which bound it would go beyond, for a denial. Nothing is spent then.
    pub fn spend(&self, what: Traffic, amount: u64) -> Result<(), String> {
        self.take(what, amount, Minute::spend)
    }

    /// Whether `amount` could be spent now.
    ///
    /// # Errors
    /// As [`Spend::spend`].
    pub fn fits(&self, what: Traffic, amount: u64) -> Result<(), String> {
        self.take(what, amount, Minute::fits)
    }

    fn take(&self, what: Traffic, amount: u64, take: fn(&mut Minute, u64, u64, u64) -> Result<(), u64>) -> Result<(), String> {
        let now_ms = u64::try_from(now().duration_since(self.spenders.started).as_millis()).unwrap_or(u64::MAX);
        let mut all = self.spenders.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SPENDERS_MAX && !all.contains_key(&self.spender) {
            all.retain(|_, spent| !spent.is_idle(now_ms));
            if all.len() >= SPENDERS_MAX {
                return Err(self.over.crowded());
            }
        }
        let spent = all.entry(self.spender.clone()).or_default();
        let (minute, max) = match what {
            Traffic::Requests => (&mut spent.requests, u64::from(self.limits.requests_per_minute)),
            Traffic::Sent => (&mut spent.sent, u64::from(self.limits.sent_kib_per_minute) << 10),
            Traffic::Received => (&mut spent.received, u64::from(self.limits.received_kib_per_minute) << 10),
        };
        take(minute, amount, max, now_ms).map_err(|wait_ms| self.exceeded(what, wait_ms))
    }

    fn exceeded(&self, what: Traffic, wait_ms: u64) -> String {
        let CallLimits { requests_per_minute, sent_kib_per_minute, received_kib_per_minute, .. } = self.limits;
        let (key, done, most) = match what {
            Traffic::Requests => {
                ("requests_per_minute", format!("make more than {requests_per_minute} requests"), CallLimits::REQUESTS_MAX)
            }
            Traffic::Sent => ("sent_kib_per_minute", format!("send more than {sent_kib_per_minute} KiB"), CallLimits::TRAFFIC_MAX_KIB),
            Traffic::Received => {
                ("received_kib_per_minute", format!("receive more than {received_kib_per_minute} KiB"), CallLimits::TRAFFIC_MAX_KIB)
            }
        };
        let plugin = &self.spender.plugin;
        self.over.note(|| {
            Error::limit(format!("`{plugin}` would {done} in a minute"))
                .hint(format!("it may go on in {} s", wait_ms.div_ceil(1000)))
                .hint(format!("or raise `{key}` in the `limits` of `[plugins.{plugin}]` in `remit.toml` (at most {most})"))
        });
        format!("it would {done} in a minute, the bound `{key}` of its `limits`")
    }
}

impl Spent {
    fn is_idle(&self, now_ms: u64) -> bool {
        [&self.requests, &self.sent, &self.received].into_iter().all(|minute| minute.is_idle(now_ms))
    }
}

impl Over {
    fn note(&self, error: impl FnOnce() -> Error) {
        self.0.get_or_init(error);
    }

    fn crowded(&self) -> String {
        let reason = format!("{SPENDERS_MAX} sessions and principals have reached out within a minute");
        self.note(|| Error::limit(reason.clone()).hint("try again in a minute"));
        reason
    }

    /// Why a guest failed that reached a bound: the bound, rather than the guest's own words, which stay for the log.
    pub fn explain(&self, mut failed: Failed) -> Failed {
        let guests_own =
            matches!((failed.error.kind, failed.error.blame), (Kind::Guest | Kind::Unavailable, _) | (Kind::Denied, Blame::Guest));
        if let Some(over) = self.0.get().filter(|_| guests_own) {
            failed.error = over.clone().internal(&failed.error.message);
        }
        failed
    }
}
