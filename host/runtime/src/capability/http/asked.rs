//! What a guest asked for, and where its refusals are recorded.

use std::net::IpAddr;

use http::Method;
use remit_core::{grant::Denial, secret::Place};
use url::Url;
use wasmtime_wasi_http::Error;

use crate::capability::Denials;

/// One request, as denials show it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    plugin: String,
    request: String,
    denials: Denials,
}

impl Asked {
    /// `method` to `url`, which need not be canonical when that is why it is refused.
    pub(super) fn new(plugin: &str, method: &Method, url: impl std::fmt::Display, denials: &Denials) -> Self {
        Self { plugin: plugin.to_owned(), request: format!("{method} {url}"), denials: denials.clone() }
    }

    /// Records a denial, and gives back `error` for the guest.
    pub(super) fn deny(&self, denial: Denial, error: Error) -> Error {
        self.denials.record(denial);
        error
    }

    /// Records a refusal that no grant can lift.
    pub(super) fn forbid(&self, reason: impl Into<String>, error: Error) -> Error {
        self.deny(Denial::forbidden(&self.plugin, "http", &self.request, reason), error)
    }

    /// The denial of a request whose secret is not given.
    pub(super) fn without_secret(&self, name: &str, place: Place<'_>, reason: impl Into<String>) -> Denial {
        Denial::secret(&self.plugin, "http", &self.request, name, place, reason)
    }

    /// Records that a bound of the grant was reached.
    pub(super) fn exceed(&self, reason: impl Into<String>, error: Error) -> Error {
        self.deny(Denial::quota(&self.plugin, "http", &self.request, reason), error)
    }

    /// What `spent` was allowed, or a record of the bound that it would go beyond, and `error`.
    pub(super) fn within(&self, spent: Result<(), String>, error: Error) -> Result<(), Error> {
        spent.map_err(|reason| self.exceed(reason, error))
    }

    /// Records that the host leads to `address`, which is neither public nor granted.
    pub(super) fn private(&self, method: &Method, url: &Url, address: IpAddr) -> Error {
        self.deny(Denial::private_address(&self.plugin, method.as_str(), url, address), Error::DestinationIpProhibited)
    }
}
