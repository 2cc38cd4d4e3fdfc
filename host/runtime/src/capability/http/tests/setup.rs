//! A call with grants, and requests as a guest would send them.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use remit_bindings::tool::remit::tool::types::{Failure, Output};
use remit_core::{
    clock::Timestamp,
    grant::{Declared, Denial, FieldTarget, Grants, Http, Resolved, Rule, Scope, SecretUse},
    id::{CallId, SessionId},
    identity::{Context, Role},
    label::{Label, Labels},
    limit::CallLimits,
    plugin::Effect,
    project::Proxy,
    secret::{Destination, Found, SecretSource, SecretString, Wanted},
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::super::{Egress, Gateway, GatewayOptions, Resolve};
use crate::{
    capability::{
        Call, Denials, Rights, Seen, Services, Uses,
        call::now,
        scrub::Masks,
        spend::{Over, Spend, Spenders},
        tools::Dispatch,
    },
    services::{MemoryKv, NoAudit, SystemClock},
};

pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Names with one list of addresses for each time they are asked; the last list stays.
#[derive(Default)]
pub(super) struct Names {
    answers: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    pub(super) asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(host.to_owned());
        if host == "stalled.test" {
            std::future::pending::<()>().await;
        }
        let mut answers = self.answers.lock().unwrap();
        let queue = answers.get_mut(host).ok_or_else(|| io::Error::other("no such name in /etc/secret-host-file"))?;
        let answer = queue.front().cloned().unwrap_or_default();
        if queue.len() > 1 {
            queue.pop_front();
        }
        Ok(answer)
    }
}

struct Secrets {
    values: BTreeMap<String, String>,
    /// Where they may go, where that is not everywhere.
    bound: Option<Destination>,
}

impl SecretSource for Secrets {
    fn secret(&self, wanted: &Wanted<'_>) -> remit_core::Result<Found> {
        assert_eq!((wanted.project, wanted.principal.to_string().as_str()), ("test", "user:ada"));
        if !self.bound.iter().all(|bound| bound.admits(wanted.place)) {
            return Ok(Found::Elsewhere);
        }
        Ok(self.values.get(wanted.name).map_or(Found::Unset, |value| Found::Value(SecretString::from(value.as_str()))))
    }
}

/// Nobody to call.
struct NoTools;

impl Dispatch for NoTools {
    fn dispatch<'a>(self: Arc<Self>, _: &'a Call, _: &'a str, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Output, Failure>> {
        Box::pin(async { Err(Failure::Unavailable("no tools".to_owned())) })
    }
}

/// What a test's call is made of.
pub(super) struct Setup {
    pub(super) http: Vec<Http>,
    pub(super) effect: Effect,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) bound: Option<Destination>,
    pub(super) key: Option<String>,
    pub(super) call_ms: u64,
    pub(super) names: Arc<Names>,
    pub(super) roots: Vec<Vec<u8>>,
    pub(super) proxy: Option<Proxy>,
    /// What requests leave by, where calls share it.
    pub(super) gateway: Option<Gateway>,
    /// What was seen before the call.
    pub(super) before: Labels,
    /// What it may send and receive in a minute, and who did.
    pub(super) limits: CallLimits,
    pub(super) spenders: Arc<Spenders>,
    /// Who calls, and in which session.
    pub(super) principal: &'static str,
    pub(super) session: Option<SessionId>,
}

impl Setup {
    /// A call with one grant of `allow`, all bounds wide, nothing private.
    pub(super) fn new(allow: &[&str]) -> Self {
        let http = vec![grant(allow)];
        let names = Arc::default();
        Self {
            http,
            effect: Effect::Once,
            secrets: BTreeMap::new(),
            bound: None,
            key: None,
            call_ms: 600_000,
            names,
            roots: Vec::new(),
            proxy: None,
            gateway: None,
            before: Labels::default(),
            limits: CallLimits::default(),
            spenders: Arc::default(),
            principal: "user:ada",
            session: None,
        }
    }

    /// The same, with loopback granted by address.
    pub(super) fn local(allow: &[&str]) -> Self {
        Self::new(allow).private("127.0.0.1")
    }

    pub(super) fn private(mut self, address: &str) -> Self {
        self.http[0].private.push(address.parse().unwrap());
        self
    }

    pub(super) fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.http[0].max_bytes = max_bytes;
        self
    }

    pub(super) fn deadline_ms(mut self, deadline_ms: u64) -> Self {
        self.http[0].deadline_ms = deadline_ms;
        self
    }

    pub(super) fn secret(mut self, target: FieldTarget, format: &str, value: &str) -> Self {
        self.http[0].secret = Some(SecretUse { name: "git-hub".to_owned(), target, format: format.to_owned() });
        self.secrets.insert("git-hub".to_owned(), value.to_owned());
        self
    }

    pub(super) fn seen(mut self, labels: &[Label]) -> Self {
        self.before = Labels::of(&labels.iter().copied().collect(), "files/read");
        self
    }

    pub(super) fn name(self, host: &str, answers: &[&[IpAddr]]) -> Self {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        self.names.answers.lock().unwrap().insert(host.to_owned(), answers);
        self
    }

    pub(super) fn egress(&self) -> Egress {
        Egress::new(Arc::new(self.call()))
    }

    fn call(&self) -> Call {
        let options = GatewayOptions { resolver: Some(self.names.clone()), extra_roots: self.roots.clone(), proxy: self.proxy.clone() };
        let services = Services {
            outside: None,
            audit: Arc::new(NoAudit),
            secrets: Arc::new(Secrets { values: self.secrets.clone(), bound: self.bound.clone() }),
            sessions: None,
            components: None,
            kv: Arc::new(MemoryKv::default()),
            workspaces: None,
            halts: None,
            clock: Arc::new(SystemClock),
            gateway: self.gateway.clone().unwrap_or_else(|| Gateway::new(options).unwrap()),
        };
        let context = Context {
            call: CallId::new(Timestamp(0), 0),
            principal: self.principal.parse().unwrap(),
            role: Role::Owner,
            key: None,
            delegation: Vec::new(),
            held: Default::default(),
            labels: self.before.clone(),
            session: self.session,
            turn: None,
            idempotency_key: self.key.clone(),
            deadline_ms: None,
            time_zone: "UTC".to_owned(),
        };
        let declared = Declared { http: Some(Scope::Any), ..Declared::default() };
        let granted = Grants { http: self.http.clone(), ..Grants::default() };
        let resolved = Resolved::new("fetch", self.effect, declared, granted, &context.principal, std::path::Path::new("/"));
        let spend = Spend::new(&self.spenders, &context, "test", "fetch", self.limits, &Over::default());
        Call {
            tool: "get".to_owned(),
            context,
            project: "test".to_owned(),
            rights: Arc::new(Rights { resolved, mounts: Vec::new() }),
            denials: Denials::default(),
            seen: Arc::new(Seen::new("fetch/get".to_owned(), self.before.clone(), Default::default())),
            masks: Masks::default(),
            uses: Uses::default(),
            spend: Arc::new(spend),
            deadline: now() + Duration::from_millis(self.call_ms),
            services: Arc::new(services),
            events: None,
            dispatch: Weak::<NoTools>::new(),
        }
    }
}

fn grant(allow: &[&str]) -> Http {
    let allow = allow.iter().map(|pattern| pattern.parse().unwrap()).collect();
    Http {
        allow,
        secret: None,
        max_bytes: 1 << 20,
        deadline_ms: 600_000,
        private: Vec::new(),
        labels: Default::default(),
        closed_when: Default::default(),
    }
}

/// A response, read to its end.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) head: http::response::Parts,
    pub(super) body: Vec<u8>,
    pub(super) trailers: HeaderMap,
    /// How the body ended.
    pub(super) end: Result<(), Error>,
}

impl Read {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) async fn send(egress: &Egress, request: Request<WasiBody>) -> Result<Read, Error> {
    send_with(egress, request, RequestOptions::default()).await
}

/// Sends a request and reads the response to its end. That this ends at all is bounded: for failing, not for measuring.
pub(super) async fn send_with(egress: &Egress, request: Request<WasiBody>, options: RequestOptions) -> Result<Read, Error> {
    ends(exchange(egress, request, options)).await
}

pub(super) async fn ends<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it ends by itself")
}

async fn exchange(egress: &Egress, request: Request<WasiBody>, options: RequestOptions) -> Result<Read, Error> {
    let (response, driver): (Response<WasiBody>, _) = egress.send(request, options).await?;
    let driver = tokio::spawn(Box::into_pin(driver));
    let (head, mut body) = response.into_parts();
    let mut read = Read { head, body: Vec::new(), trailers: HeaderMap::new(), end: Ok(()) };
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => read.body.extend(data),
            Ok(Err(frame)) => read.trailers.extend(frame.into_trailers().unwrap_or_default()),
            Err(error) => read.end = Err(error),
        }
    }
    driver.abort();
    Ok(read)
}

pub(super) fn get(url: &str) -> Request<WasiBody> {
    request("GET", url, "")
}

pub(super) fn request(method: &str, url: &str, body: &str) -> Request<WasiBody> {
    Request::builder().method(method).uri(url).body(text(body)).unwrap()
}

pub(super) fn text(body: &str) -> WasiBody {
    Full::new(Bytes::from(body.to_owned())).map_err(|never| match never {}).boxed_unsync()
}

/// The one denial of a call: its rule and what it says.
pub(super) fn denied(egress: &Egress) -> (Rule, String) {
    let denials = egress.call.denials.take();
    let [Denial { rule, reason, .. }] = &denials[..] else { panic!("{denials:?}") };
    (*rule, reason.clone())
}

pub(super) fn undenied(egress: &Egress) {
    assert_eq!(egress.call.denials.take(), []);
}

pub(super) fn assert_ok(read: &Read) {
    assert_eq!(read.head.status, StatusCode::OK);
    assert!(read.end.is_ok(), "{:?}", read.end);
}
