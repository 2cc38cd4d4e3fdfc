//! An outside MCP server behind a URL as a plugin's source: where it is, and what it is sent beside calls.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use toml::Spanned;
use url::{Host, Url};

use super::{Plugin, Problem, Source, command, read, table::Table};
use crate::{
    grant::{
        AddressPattern, FieldTarget, Grants, SecretUse, address_class,
        authored::{AuthoredGrants, AuthoredHttp, AuthoredSecret},
        canonical_url,
    },
    plugin::{Isolation, PluginName},
};

/// Where a server is, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Remote {
    /// Its URL, canonical: `https`, or `http` to this machine.
    pub url: Url,
    /// The secret that the host attaches to every request, in a header.
    pub secret: Option<SecretUse>,
    /// Addresses that may be connected to although they are not public.
    pub private: Vec<AddressPattern>,
}

impl Remote {
    /// Whether `address` may be connected to: for a server on this machine a loopback address, for every other one a public one, or one
    /// that the project names.
    pub fn permits(&self, address: IpAddr) -> bool {
        match is_local(&self.url) {
            true => address.to_canonical().is_loopback(),
            false => address_class(address).is_public() || self.private.iter().any(|pattern| pattern.contains(address)),
        }
    }

    /// What it is given, a line each, as the lock holds it.
    pub fn lines(&self) -> Vec<String> {
        let secret = self.secret.iter().map(|secret| match &secret.target {
            FieldTarget::Header(name) if secret.format == "{}" => format!("secret {} as header {name}", secret.name),
            FieldTarget::Header(name) => format!("secret {} as header {name}, written `{}`", secret.name, secret.format),
            FieldTarget::Query(name) => format!("secret {} as query field {name}", secret.name),
        });
        secret.chain(self.private.iter().map(|address| format!("private {address}"))).collect()
    }
}

/// The URL, canonically.
impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

/// Whether the host of `url` is this machine, by its name or by its address.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// A plugin whose table has `url`. Nothing can be granted to it: no grant would hold a process on another machine.
pub(super) fn plugin(name: PluginName, mut table: Table<'_>, problems: &mut Vec<Problem>) -> Option<Plugin> {
    if let Some(grants) = table.table("grants", "`grants`", problems) {
        let problem = Problem::new(grants.span(), "a server elsewhere cannot be held to `grants`");
        problems.push(problem.hint("remove them: what it is given are the arguments of its calls, and `secret`"));
    }
    for key in ["source", "command"] {
        if table.has(key) {
            let span = table.optional::<Spanned<toml::Value>>(key, problems).map_or(table.span(), |other| other.span());
            problems.push(Problem::new(span, format!("a plugin has either `{key}` or `url`")).hint("remove one of them"));
        }
    }
    let before = problems.len();
    let written: Option<Spanned<String>> = table.required("url", "url = \"https://example.com/mcp\"", problems);
    let url = written.as_ref().and_then(|written| url(written, problems));
    let secret: Option<Spanned<AuthoredSecret>> = table.optional("secret", problems);
    let private: Vec<Spanned<String>> = table.optional("private", problems).unwrap_or_default();
    let (secret, private) = sent(secret, private, problems);
    let remote = url.filter(|_| problems.len() == before).map(|url| Remote { url, secret, private });
    let ask = read::asked(&mut table, problems);
    let limits = command::limits(&mut table, problems);
    let effects = read::effects(&mut table, problems);
    table.finish_without(&["grants", "source", "command"], problems);
    let source = Source::Url(remote?);
    let (grants, isolation) = (Grants::default(), Isolation::None);
    Some(Plugin { name, source, ask, limits, isolation, grants, effects, disabled: false, agent: false })
}

/// The URL of a server: secrets and arguments go there, so nobody may read or change them on the way.
pub(super) fn url(written: &Spanned<String>, problems: &mut Vec<Problem>) -> Option<Url> {
    let url = canonical_url(written.get_ref()).map_err(|error| problems.push(Problem::at(written.span(), error))).ok()?;
    if url.scheme() != "https" && !is_local(&url) {
        let problem = Problem::new(written.span(), "a server elsewhere is spoken to over `https` alone");
        problems.push(problem.hint("write `https://…`; `http` leads to 127.0.0.1, [::1] and localhost only"));
        return None;
    }
    Some(url)
}

/// Headers by which the two sides speak the protocol.
const PROTOCOL_HEADERS: [&str; 5] = ["accept", "accept-encoding", "content-type", "last-event-id", "user-agent"];

/// Secret and addresses, checked as those of an `http` grant.
fn sent(
    secret: Option<Spanned<AuthoredSecret>>,
    private: Vec<Spanned<String>>,
    problems: &mut Vec<Problem>,
) -> (Option<SecretUse>, Vec<AddressPattern>) {
    let span = secret.as_ref().map_or(0..0, Spanned::span);
    let allow = Spanned::new(0..0, vec![Spanned::new(0..0, "POST https://example.com/".to_owned())]);
    let http = AuthoredHttp { allow, secret, max_kib: None, deadline_ms: None, private, labels: BTreeSet::new(), closed_when: None };
    let grants = AuthoredGrants { http: vec![Spanned::new(0..0, http)], ..AuthoredGrants::default() }.validate();
    let http = grants.map_err(|found| problems.extend(found)).unwrap_or_default().http.pop();
    let Some(http) = http else { return (None, Vec::new()) };
    let unfit = http.secret.as_ref().is_some_and(|secret| match &secret.target {
        FieldTarget::Header(name) => name.starts_with("mcp-") || PROTOCOL_HEADERS.contains(&name.as_str()),
        FieldTarget::Query(_) => true,
    });
    if unfit {
        let problem = Problem::new(span, "a server gets its secret in a header that the protocol does not use");
        problems.push(problem.hint("write `header = \"authorization\"`, and what the server wants in `format`"));
    }
    (http.secret, http.private)
}
