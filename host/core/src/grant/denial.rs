//! Why something was refused, and the smallest change that would allow it.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use url::Url;

use super::{HttpPattern, address_class, line};
use crate::{
    label::{Labels, When, closed_by},
    plugin::text::visible,
    secret::{Destination, Place},
};

/// Longest `request` of a denial.
const REQUEST_MAX_CHARS: usize = 256;

/// The layer that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The plugin does not declare the capability, or not this much of it.
    NotDeclared,
    /// The project grants nothing of the capability.
    NotGranted,
    /// It grants some, but nothing that matches.
    NoMatch,
    /// The effect class of the running tool forbids it (a `read` tool may not write).
    Effect,
    /// The name is allowed, but it leads to an address that is not public.
    PrivateAddress,
    /// The caller's role does not allow the tool.
    Role,
    /// A guest may not do this at all (set a header that belongs to the host, open a device).
    Forbidden,
    /// A bound of the grant was reached.
    Quota,
    /// A person has to approve the call first.
    Approval,
    /// A secret that the grant names is not set, may not go there, or cannot be read.
    Secret,
    /// Somebody disabled the plugin or the principal, or stopped everything.
    Halted,
    /// What was seen before may not be sent this way.
    Labels,
}

/// A refusal. It travels unchanged to every door.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Denial {
    /// The plugin that asked.
    pub plugin: String,
    /// The capability.
    pub capability: String,
    /// What it asked for, in one line, made safe to show: `GET https://api.example.com/`, `read /docs/a.md`.
    pub request: String,
    /// The layer that refused.
    pub rule: Rule,
    /// Why, in one line: `no `http` grant matches`.
    pub reason: String,
    /// The smallest grant that would allow it, in the grammar of [`super::line`]: `http 'GET https://api.example.com/'`
    /// (capability, then its scope quoted for a shell). What only a person can know stands in angle brackets:
    /// `fs '<folder>:/docs:read'`, `env 'LANG=<value>'`. `None` when no grant would. Where the rule is [`Rule::Secret`], what
    /// `remit secret set` takes: `github --for https://api.github.com`.
    pub fix: Option<String>,
    /// The labels that are why, each with the call that brought it.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

impl Denial {
    /// A refusal without a fix. `request` is made safe to show and cut.
    pub fn new(plugin: &str, capability: &str, request: &str, rule: Rule, reason: impl Into<String>) -> Self {
        let request = visible(request, REQUEST_MAX_CHARS);
        Self {
            plugin: plugin.to_owned(),
            capability: capability.to_owned(),
            request,
            rule,
            reason: reason.into(),
            fix: None,
            labels: Labels::default(),
        }
    }

    /// Adds the grant that would allow it, unless it holds characters that do not show.
    #[must_use]
    pub(super) fn with_fix(mut self, scope: Option<String>) -> Self {
        let shows = |scope: &String| visible(scope, usize::MAX) == *scope;
        self.fix = scope.filter(shows).map(|scope| format!("{} {}", self.capability, line::quote(&scope)));
        self
    }

    /// The host name of an allowed request leads to `address`, which is not public. The fix grants that very address.
    pub fn private_address(plugin: &str, method: &str, url: &Url, address: IpAddr) -> Self {
        let address = address.to_canonical();
        let class = address_class(address);
        let fix = HttpPattern::only(method, url).map(|pattern| format!("{pattern} private={address}"));
        let reason = format!("it leads to {address}, a {class} address, and no `http` grant names that address");
        Self::new(plugin, "http", &format!("{method} {url}"), Rule::PrivateAddress, reason).with_fix(fix)
    }

    /// A granted name leads to `address`, which is not public. The fix grants that very address.
    pub fn private_socket(plugin: &str, name: &str, port: u16, address: IpAddr) -> Self {
        let class = address_class(address);
        let reason = format!("it leads to {address}, a {class} address, and no `sockets` grant names that address");
        let fix = SocketAddr::new(address, port).to_string();
        Self::new(plugin, "sockets", &format!("open a socket to {name}:{port}"), Rule::PrivateAddress, reason).with_fix(Some(fix))
    }

    /// A `sockets` grant allows it, and it is closed by what was seen before: nobody sees what goes through a socket.
    pub fn closed_socket(plugin: &str, request: &str, held: &Labels) -> Self {
        Self::labels(plugin, "sockets", request, held, &closed_by(When::default()))
    }

    /// A bound of a grant was reached; `reason` names the bound.
    pub fn quota(plugin: &str, capability: &str, request: &str, reason: impl Into<String>) -> Self {
        Self::new(plugin, capability, request, Rule::Quota, reason)
    }

    /// The secret `name` is not given to a request, or to a process; `reason` says why. The fix sets it for all of that origin.
    pub fn secret(plugin: &str, capability: &str, request: &str, name: &str, place: Place<'_>, reason: impl Into<String>) -> Self {
        let destination = match place {
            Place::Url(url) => Destination::of_url(url).map(|destination| destination.origin()),
            Place::Process(plugin) => Some(Destination::Process(plugin.clone())),
        };
        let fix = destination.map(|destination| format!("{name} --for {}", line::quote(&destination.to_string())));
        Self { fix, ..Self::new(plugin, capability, request, Rule::Secret, reason) }
    }

    /// What no guest may do, whatever is granted.
    pub fn forbidden(plugin: &str, capability: &str, request: &str, reason: impl Into<String>) -> Self {
        Self::new(plugin, capability, request, Rule::Forbidden, reason)
    }

    /// The caller's roles do not have the tool.
    pub fn role(plugin: &str, tool: &str, principal: &str) -> Self {
        let reason = format!("no role of `{}` has this tool", visible(principal, 160));
        Self::new(plugin, "tools", &format!("be called as {plugin}/{tool}"), Rule::Role, reason)
    }

    /// What is halted, and why, as [`crate::halt::Halts::refusal`] says it.
    pub fn halted(plugin: &str, tool: &str, reason: impl Into<String>) -> Self {
        Self::new(plugin, "tools", &format!("run {plugin}/{tool}"), Rule::Halted, reason)
    }

    /// What was seen before, `held`, may not be sent this way; `why` says by which words of the project.
    pub fn labels(plugin: &str, capability: &str, request: &str, held: &Labels, why: &str) -> Self {
        let denial = Self::new(plugin, capability, request, Rule::Labels, format!("{why}; held: {held}"));
        Self { labels: held.clone(), ..denial }
    }

    /// An `http` grant allows the request, and is closed by what was seen before. The fix grants that very request without the condition.
    pub fn closed_request(plugin: &str, method: &str, url: &Url, held: &Labels, closed: When) -> Self {
        let fix = HttpPattern::only(method, url).map(|pattern| format!("{pattern} closed_when=never"));
        Self::labels(plugin, "http", &format!("{method} {url}"), held, &closed_by(closed)).with_fix(fix)
    }

    /// The same of a right that was given since the turn began; no grant would help this turn.
    #[must_use]
    pub(super) fn when_the_turn_began(self) -> Self {
        Self { reason: format!("{} when the turn began; what was given since counts from the next turn", self.reason), fix: None, ..self }
    }

    /// The project wants a person's approval of each call of the tool.
    pub fn approval(plugin: &str, tool: &str) -> Self {
        Self::new(plugin, "tools", &format!("run {plugin}/{tool}"), Rule::Approval, "it needs an approval of this very call")
    }

    /// The command that would allow it.
    pub fn command(&self) -> Option<String> {
        let fix = self.fix.as_ref()?;
        Some(match self.rule {
            Rule::Secret => format!("remit secret set {fix}"),
            _ => format!("remit grant {} {fix}", self.plugin),
        })
    }
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` may not {} ({})", self.plugin, self.request, self.reason)
    }
}
