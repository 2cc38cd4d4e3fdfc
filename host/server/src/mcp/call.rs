//! One call of a tool, from a request to its answer, and what the client is told meanwhile.

#![allow(deprecated, reason = "the protocol advises against its log messages by now, and clients of every revision ask for them")]

use std::{sync::Arc, time::Duration};

use remit_core::{
    Error,
    identity::Context,
    limit::{MCP_EVENTS_MAX, MCP_LAST_WORDS_MS},
};
use remit_runtime::{
    Outcome, Request,
    capability::{Event, Events},
    mcp::{Ask, Given, Pause, Step},
};
use rmcp::{
    ErrorData, Peer, RoleServer,
    model::{CallToolResponse, JsonObject, ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use super::{
    Door, Offer, Who,
    in_session::{InSession, Plain},
    shape,
    talk::{Brought, Stuck, Talk},
    visitor::Level,
};

/// A request for a call.
pub struct Asked<'a> {
    pub who: &'a Who,
    pub offer: &'a Offer,
    pub arguments: JsonObject,
    pub brought: Brought,
    pub level: Option<Level>,
    pub place: &'a InSession,
}

impl Door {
    /// Calls the tool that is asked for, in the session that it belongs to; one that may ask the client, in as many rounds as it asks, and in
    /// none. A client that takes its request back ends the guest, and so does the end of what let it in.
    ///
    /// # Errors
    /// Only when what the client brought is not for this call, it cannot be asked what has to be
    /// asked, the request was taken back, or the host has no randomness: whatever else fails is a result that a model can read.
    pub(super) async fn call(
        &self,
        Asked { who, offer, arguments, brought, level, place }: Asked<'_>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Ok(_room) = self.0.calls.try_acquire() else {
            return Ok(told(&Error::limit("too many calls are in flight: call again when some have ended")));
        };
        let acting = self.acting(who)?;
        let arguments = Value::Object(arguments).to_string();
        let listener = Listener::new(&context, level, offer);
        let work = async {
            if offer.may_ask {
                let of = ("tools/call", offer.name.as_str(), arguments.as_str());
                let talk = Talk::new(self, &who.principal, &context, &offer.plugin, of, brought)?;
                return self.in_rounds(&acting, offer, &arguments, talk, &listener).await;
            }
            let call = Plain { acting: &acting, offer, arguments: &arguments, place, listener: &listener, context: &context };
            self.at_once(&call, brought).await
        };
        tokio::select! {
            biased;
            () = context.ct.cancelled() => Err(ErrorData::internal_error("the request was taken back", None)),
            () = who.withdrawn() => Err(ErrorData::internal_error("what let this client in was withdrawn", None)),
            answer = work => answer,
        }
    }

    /// A call of a tool that asks its client, until it ends or the client has to bring answers. Each round is a call of its own.
    async fn in_rounds(
        &self,
        acting: &Context,
        offer: &Offer,
        arguments: &str,
        mut talk: Talk<'_>,
        listener: &Listener<'_>,
    ) -> Result<CallToolResponse, ErrorData> {
        let setup = &self.0.setup;
        loop {
            let (events, told_of) = listener.channel();
            let request = Request { events, ..Request::new(&setup.project, &offer.plugin, &offer.name, arguments) };
            let ask = setup.host.ask(acting, &request, Ask::Tool { round: &talk.round });
            let pause = match asked(listener.during(told_of, ask).await) {
                Ok(outcome) => return Ok(shape::result(outcome, offer.promises()).into()),
                Err(pause) => pause,
            };
            match talk.put(pause).await {
                Ok(None) => {}
                Ok(Some(required)) => return Ok(required.into()),
                Err(Stuck::Protocol(error)) => return Err(error),
                Err(Stuck::Told(error)) => return Ok(told(&error)),
            }
        }
    }

    /// What a call of `who` is made with.
    pub(super) fn acting(&self, who: &Who) -> Result<Context, ErrorData> {
        who.context(&self.0.setup).map_err(|error| {
            tracing::error!(internal = error.internal, "{error}");
            ErrorData::internal_error(error.message, None)
        })
    }
}
/// A failure that no guest was asked for.
fn told(error: &Error) -> CallToolResponse {
    shape::failure(error).into()
}

/// How a call ended, or what it asks.
fn asked(outcome: Outcome<Given>) -> Result<Outcome, Pause> {
    let Outcome { call, result, denials, labels, used, metering, backtrace, stdout, stderr } = outcome;
    let result = match result {
        Ok(Given::Tool(Step::Done(output))) => Ok(output),
        Ok(Given::Tool(Step::Asks(pause))) => return Err(pause),
        Ok(other) => Err(Error::host("the plugin gave something else than it was asked for", format!("{other:?}"))),
        Err(error) => Err(error),
    };
    Ok(Outcome { call, result, denials, labels, used, metering, backtrace, stdout, stderr })
}

type Told = mpsc::Receiver<Event>;

/// Who hears what a guest says while it runs.
pub(super) struct Listener<'a> {
    peer: &'a Peer<RoleServer>,
    /// The client's, when it wants to know of progress.
    token: Option<ProgressToken>,
    /// The least severe lines that it wants, when it wants any.
    level: Option<Level>,
    logger: &'a str,
}

impl<'a> Listener<'a> {
    pub(super) fn new(context: &'a RequestContext<RoleServer>, level: Option<Level>, offer: &'a Offer) -> Self {
        Self { peer: &context.peer, token: context.meta.get_progress_token(), level, logger: &offer.tool.name }
    }

    /// Tells the client what is said while `work` goes on.
    pub(super) async fn during<T>(&self, told: Option<Told>, work: impl Future<Output = T>) -> T {
        let over = Notify::new();
        tokio::pin!(work);
        let relay = self.relay(told, &over);
        tokio::pin!(relay);
        let done = tokio::select! {
            done = &mut work => done,
            () = &mut relay => return work.await,
        };
        // Its last words come before the answer, and do not hold it up when the client does not listen.
        over.notify_one();
        drop(tokio::time::timeout(Duration::from_millis(MCP_LAST_WORDS_MS), relay).await);
        done
    }

    /// What the host calls with the words of the guest, and where they come out. Those that the client does not keep up with are
    /// dropped.
    pub(super) fn channel(&self) -> (Option<Events>, Option<Told>) {
        if self.token.is_none() && self.level.is_none() {
            return (None, None);
        }
        let (tell, told) = mpsc::channel(MCP_EVENTS_MAX);
        (Some(Arc::new(move |event| drop(tell.try_send(event)))), Some(told))
    }

    /// Tells the client until the call is over, or the client is gone.
    async fn relay(&self, told: Option<Told>, over: &Notify) {
        let Some(mut told) = told else { return };
        let mut steps = Steps::default();
        while let Some(event) = next(&mut told, over).await {
            let sent = match event {
                Event::Progress { fraction, message } => self.progress(steps.next(fraction), message).await,
                Event::Log { level, message } => self.log(level, message).await,
                // Nothing in the protocol takes it: the client gets the output.
                Event::Said { .. } => continue,
            };
            if sent.is_err() {
                return;
            }
        }
    }

    async fn progress(&self, (progress, total): (f64, Option<f64>), message: String) -> Result<(), rmcp::ServiceError> {
        let Some(token) = &self.token else { return Ok(()) };
        let mut told = ProgressNotificationParam::new(token.clone(), progress).with_message(message);
        told.total = total;
        self.peer.notify_progress(told).await
    }

    async fn log(&self, level: &str, message: String) -> Result<(), rmcp::ServiceError> {
        let level = match level {
            "trace" | "debug" => Level::Debug,
            "info" => Level::Info,
            "warn" => Level::Warning,
            "error" => Level::Error,
            _ => Level::Critical,
        };
        if self.level.is_none_or(|least| severity(level) < severity(least)) {
            return Ok(());
        }
        let line = rmcp::model::LoggingMessageNotificationParam::new(level, message.into()).with_logger(self.logger);
        self.peer.notify_logging_message(line).await
    }
}

/// The next thing that was said; none once `over` was notified and all that was said before is told, whoever could say more.
async fn next(told: &mut Told, over: &Notify) -> Option<Event> {
    tokio::select! {
        biased;
        event = told.recv() => event,
        () = over.notified() => {
            told.close();
            told.recv().await
        }
    }
}

fn severity(level: Level) -> u8 {
    match level {
        Level::Debug => 0,
        Level::Info => 1,
        Level::Notice => 2,
        Level::Warning => 3,
        Level::Error => 4,
        Level::Critical => 5,
        Level::Alert => 6,
        Level::Emergency => 7,
    }
}

/// The protocol wants every number of a progress to be larger than the one before, whatever a guest says.
#[derive(Default)]
struct Steps {
    last: f64,
    total: Option<f64>,
}

impl Steps {
    /// The next number, and what it is of: a fraction of 1 where the guest gives fractions, else a count of what it said.
    fn next(&mut self, fraction: Option<f64>) -> (f64, Option<f64>) {
        match fraction {
            Some(fraction) if fraction > self.last || (self.last == 0.0 && self.total.is_none()) => {
                (self.last, self.total) = (fraction, Some(1.0));
            }
            _ if self.total.is_some() => self.last = self.last.next_up(),
            _ => self.last += 1.0,
        }
        (self.last, self.total)
    }
}

#[cfg(test)]
mod tests;
