//! What every component has: context, progress, log, clock, random, environment as granted, bounded stdio.

use remit_bindings::{
    tool::remit::{session::context, tool::progress},
    wasi::wasi::logging::logging::{self, Level},
};
use remit_core::{
    grant::{Decision, Request, decide},
    limit::{GUEST_TEXT_MAX_CHARS, RANDOM_MAX_BYTES},
    plugin::text::visible,
};
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::WasiCtx;

use super::{Call, CallState, sockets, stdio::Ring};

/// Something that a running guest tells its caller. A hint: it may be dropped.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// How far it is.
    Progress {
        /// Between 0 and 1, where it is known.
        fraction: Option<f64>,
        /// In words, safe to show.
        message: String,
    },
    /// What a model says, as it says it.
    Said {
        /// A part of it, safe to show.
        text: String,
    },
    /// A line for the log.
    Log {
        /// `trace`, `debug`, `info`, `warn`, `error` or `critical`.
        level: &'static str,
        /// In words, safe to show.
        message: String,
    },
}

/// Links `remit:session/context`, `remit:tool/progress` and `wasi:logging`.
///
/// # Errors
/// When the linker already has one of them.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    context::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)?;
    progress::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)?;
    logging::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)
}

/// Clock, random, stdio and the granted environment of one call.
pub fn wasi(call: &std::sync::Arc<Call>, opened: &sockets::State, stdout: &Ring, stderr: &Ring) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder.stdout(stdout.clone()).stderr(stderr.clone()).max_random_size(RANDOM_MAX_BYTES);
    let resolved = &call.rights.resolved;
    for (name, value) in &resolved.granted.env {
        if matches!(decide(&Request::Env { name }, resolved), Decision::Allow(_)) {
            builder.env(name, value);
        }
    }
    sockets::check(&mut builder, call, opened.names());
    builder.build()
}

impl context::Host for CallState {
    async fn current(&mut self) -> wasmtime::Result<context::Call> {
        let context = &self.call.context;
        let left = self.call.deadline.saturating_duration_since(super::call::now());
        Ok(context::Call {
            id: context.call.to_string(),
            principal: context.principal.to_string(),
            delegation: context.delegation.clone(),
            project: self.call.project.clone(),
            session: context.session.map(|session| session.to_string()),
            idempotency_key: context.idempotency_key.clone(),
            deadline_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            time_zone: context.time_zone.clone(),
        })
    }
}

impl progress::Host for CallState {
    async fn report(&mut self, fraction: Option<f64>, message: String) -> wasmtime::Result<()> {
        let fraction = fraction.filter(|fraction| (0.0..=1.0).contains(fraction));
        let message = self.call.masks.scrub(message);
        self.call.event(Event::Progress { fraction, message: visible(&message, GUEST_TEXT_MAX_CHARS) });
        Ok(())
    }
}

impl logging::Host for CallState {
    async fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        let masks = &self.call.masks;
        self.call.event(log_event(level, &masks.scrub(context), &masks.scrub(message)));
        Ok(())
    }
}

/// A guest's line for the log, safe to show.
pub(crate) fn log_event(level: Level, context: &str, message: &str) -> Event {
    let level = match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Critical => "critical",
    };
    let message = visible(message, GUEST_TEXT_MAX_CHARS);
    let message = if context.is_empty() { message } else { format!("{}: {message}", visible(context, 64)) };
    Event::Log { level, message }
}
