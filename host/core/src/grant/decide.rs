//! The one function that decides.

use url::Url;

use super::{Access, Denial, Http, Kv, Mount, Resolved, Scope, guest_path, pattern::glob, refuse, resolve::most};
use crate::plugin::Effect;

/// What a guest is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Open, list or change `path` (absolute, in the guest's names, without `.` and `..`).
    Fs {
        /// The guest's path.
        path: &'a str,
        /// What it wants to do.
        access: Access,
    },
    /// Send a request.
    Http {
        /// The method in upper case.
        method: &'a str,
        /// The canonical URL.
        url: &'a Url,
    },
    /// Read an environment variable.
    Env {
        /// Its name.
        name: &'a str,
    },
    /// Read a configuration value.
    Config {
        /// Its name.
        name: &'a str,
    },
    /// Use the plugin's key-value storage.
    Kv {
        /// What it wants to do.
        access: Access,
    },
    /// Call another tool.
    Tool {
        /// Its plugin.
        plugin: &'a str,
        /// The tool.
        tool: &'a str,
    },
    /// Ask a model of the project.
    Model {
        /// Its name in the project.
        name: &'a str,
        /// Tokens that the answer may have.
        max_tokens: u32,
    },
    /// Open a TCP connection, or look up the name of its host.
    Socket {
        /// `host:port`, or the name alone.
        target: &'a str,
    },
    /// Use a capability of the application.
    Custom {
        /// The capability.
        capability: &'a str,
        /// What it wants, in that capability's words.
        request: &'a str,
    },
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'a> {
    /// It may go ahead, under this grant.
    Allow(Allowed<'a>),
    /// It may not.
    Deny(Denial),
}

/// The grant that allows a request; its bounds apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed<'a> {
    /// A mount.
    Fs(&'a Mount),
    /// A rule for requests.
    Http(&'a Http),
    /// A value of `env` or `config`.
    Value(&'a str),
    /// Key-value storage.
    Kv(&'a Kv),
    /// Tokens that one answer may have; none where the grant bounds nothing.
    Model(Option<u32>),
    /// Nothing beyond the decision itself.
    Plain,
}

/// Decides one request against the rights of one call.
///
/// Every layer has to allow it, in this order: declared, granted, the call's effect class. The first that refuses names the rule
/// in the denial. Pure, and cheaper than any call it refuses.
///
/// The effect class `read` leaves `fs`, `kv` and `workspace` reading, `http` GET and HEAD, and of `sockets` nothing. Of `tools` it leaves those that are `read`
/// themselves, which only the caller of this function knows; what it leaves of an application's capability is up to the application.
pub fn decide<'a>(request: &Request<'_>, rights: &'a Resolved) -> Decision<'a> {
    match allowed(request, rights) {
        Some(allowed) => Decision::Allow(allowed),
        None => Decision::Deny(refuse::denial(request, rights)),
    }
}

/// What allows a request, when every layer does.
fn allowed<'a>(request: &Request<'_>, rights: &'a Resolved) -> Option<Allowed<'a>> {
    let layers = layers(request, rights);
    if !(layers.declared && layers.effect) {
        return None;
    }
    match *request {
        Request::Fs { path, access } => {
            let fits = |mount: &&Mount| mount.access >= access && guest_path::is_within(path, &mount.guest);
            rights.mounts.iter().filter(fits).max_by_key(|mount| mount.guest.len()).map(Allowed::Fs)
        }
        Request::Http { method, url } => rights.http_rule(method, url).map(Allowed::Http),
        Request::Env { name } => rights.granted.env.get(name).map(|value| Allowed::Value(value)),
        Request::Config { name } => rights.granted.config.get(name).map(|value| Allowed::Value(value)),
        Request::Kv { access } => rights.granted.kv.as_ref().filter(|kv| kv.access >= access).map(Allowed::Kv),
        Request::Tool { plugin, tool } => {
            rights.granted.tools.iter().any(|pattern| pattern.matches(plugin, tool)).then_some(Allowed::Plain)
        }
        Request::Socket { target } => rights.granted.sockets.iter().any(|place| place.admits(target)).then_some(Allowed::Plain),
        Request::Model { name, max_tokens } => {
            let most = *rights.granted.model.get(name)?;
            most.is_none_or(|most| max_tokens <= most).then_some(Allowed::Model(most))
        }
        Request::Custom { capability, request } => {
            let scopes = rights.granted.custom.get(capability)?;
            scopes.iter().any(|scope| glob(scope, request)).then_some(Allowed::Plain)
        }
    }
}

/// What the layers around the grants say.
pub(super) struct Layers {
    /// The plugin declares it.
    pub declared: bool,
    /// The effect class leaves it.
    pub effect: bool,
}

pub(super) fn layers(request: &Request<'_>, rights: &Resolved) -> Layers {
    let Resolved { declared, effect, .. } = rights;
    let (declared, effect) = match *request {
        Request::Fs { path, access } => {
            (guest_path::is_plain(path) && declared.path_access(path).is_some_and(|most| most >= access), access <= most(*effect))
        }
        Request::Http { method, url } => {
            let reads = matches!(method, "GET" | "HEAD") || *effect != Effect::Read;
            (within(declared.http.as_ref(), |all| all.iter().any(|pattern| pattern.matches(method, url))), reads)
        }
        Request::Env { name } => (within(declared.env.as_ref(), |all| all.contains(name)), true),
        Request::Config { name } => (within(declared.config.as_ref(), |all| all.contains(name)), true),
        Request::Kv { access } => (within(declared.kv.as_ref(), |most| *most >= access), access <= most(*effect)),
        Request::Tool { plugin, tool } => {
            (within(declared.tools.as_ref(), |all| all.iter().any(|pattern| pattern.matches(plugin, tool))), true)
        }
        Request::Socket { target } => {
            (within(declared.sockets.as_ref(), |all| all.iter().any(|place| place.admits(target))), *effect != Effect::Read)
        }
        Request::Model { name, .. } => (within(declared.model.as_ref(), |all| all.contains(name)), true),
        Request::Custom { capability, request } => {
            (within(declared.custom.get(capability), |all| all.iter().any(|scope| glob(scope, request))), true)
        }
    };
    Layers { declared, effect }
}

/// Whether a capability is declared, and this much of it.
fn within<T>(scope: Option<&Scope<T>>, covers: impl Fn(&T) -> bool) -> bool {
    match scope {
        None => false,
        Some(Scope::Any) => true,
        Some(Scope::Only(only)) => covers(only),
    }
}
