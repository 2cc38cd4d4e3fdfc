//! Calls of outside servers: what they are called with, and the secrets that they are given.

use remit_core::{Error, Result, identity::Context};

use super::{Inner, Request};
use crate::{
    capability::{Denials, stdio::Ring},
    outside::{GivenSecrets, Outside, OutsideCall},
    plugin::Plugin,
};

impl Inner {
    /// What an outside server is called with, and what calls it. It is shared by calls and takes no place among the instances.
    pub(super) fn outside<'a>(
        &'a self,
        request: &'a Request<'_>,
        plugin: &'a Plugin,
        arguments: &'a serde_json::Value,
        secrets: &'a GivenSecrets,
        stderr: &'a Ring,
    ) -> Result<(&'a dyn Outside, OutsideCall<'a>)> {
        let outside = self.services.outside.as_deref();
        let outside = outside.ok_or_else(|| {
            Error::unavailable(format!("`{}` is an outside server, and this host runs none", plugin.name))
                .hint("name what runs them when building the host: `outside(…)`")
        })?;
        let (project, http) = (request.project, &self.services.gateway);
        Ok((outside, OutsideCall { project, plugin, tool: request.tool, arguments, secrets, http, stderr }))
    }

    /// The secrets that an outside server is given for whoever calls; where it is not given one, that is recorded.
    pub(super) fn given(&self, context: &Context, request: &Request<'_>, plugin: &Plugin, denials: &Denials) -> Result<GivenSecrets> {
        let of = (request.project, &context.principal);
        GivenSecrets::find(&plugin.source, &plugin.name, of, self.services.secrets.as_ref()).map_err(|denial| {
            let error = denial.command().into_iter().fold(Error::denied(denial.to_string()), Error::hint);
            denials.record(*denial);
            error
        })
    }
}
