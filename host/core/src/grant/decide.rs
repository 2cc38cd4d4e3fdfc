//! The one function that decides.

use url::Url;

use super::{Access, Denial, Http, Kv, Mount, Resolved};

/// What a guest is about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Open a raw connection or look up a name; nothing grants it in this version.
    Socket {
        /// `host:port` as far as it is known.
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
    /// Nothing beyond the decision itself.
    Plain,
}

/// Decides one request against the rights of one call.
///
/// Every layer has to allow it, in this order: declared, granted, the call's effect class. The first that refuses names the rule
/// in the denial. Pure, and cheaper than any call it refuses.
pub fn decide<'a>(request: &Request<'_>, rights: &'a Resolved) -> Decision<'a> {
    let _ = (request, rights);
    todo!()
}
