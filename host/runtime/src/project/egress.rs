//! `[http]` of a project on disk: its root certificates as they are now, and the gateway that its requests leave by.

use std::path::Path;

use remit_core::{
    Error, Result,
    limit::ROOT_MAX_BYTES,
    plugin::{Digest, text::visible},
    project::Egress,
};

use super::{MANIFEST_FILE, OpenProject, file};
use crate::capability::http::{Gateway, GatewayOptions, check_root};

/// A file of root certificates, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its path, as `remit.toml` has it.
    pub path: String,
    /// Its bytes: DER, or PEM.
    pub bytes: Vec<u8>,
    /// Their digest, which trust pins.
    pub digest: Digest,
}

/// Reads the root certificates that `egress` names.
///
/// # Errors
/// `invalid` when one is not there, no regular file or no certificate; `limit` when it has more than [`ROOT_MAX_BYTES`]; `host` when it cannot be
/// read.
pub(super) fn roots(folder: &Path, egress: &Egress) -> Result<Vec<Root>> {
    let read = |path: &String| {
        let named = || format!("`{}`, which `roots` in `[http]` of `{MANIFEST_FILE}` names,", visible(path, 128));
        let missing = || Error::invalid(format!("{} is not there", named())).hint("put the certificate there, or correct the path");
        let bytes = file::read(&folder.join(path), ROOT_MAX_BYTES)?.ok_or_else(missing)?;
        if bytes.len() as u64 > ROOT_MAX_BYTES {
            return Err(Error::limit(format!("{} has more than {} KiB", named(), ROOT_MAX_BYTES >> 10))
                .hint("keep the certificates of your own authorities in it, and nothing else"));
        }
        check_root(&bytes)
            .map_err(|error| Error { message: format!("{} holds no root certificate that can be read", named()), ..error })?;
        Ok(Root { path: path.clone(), digest: Digest::of(&bytes), bytes })
    };
    egress.roots.iter().map(read).collect()
}

impl OpenProject {
    /// What requests leave by: through the proxy of the project, trusting its root certificates beside the public ones.
    ///
    /// # Errors
    /// `host` when TLS cannot be set up.
    pub fn gateway(&self) -> Result<Gateway> {
        let extra_roots = self.roots.iter().map(|root| root.bytes.clone()).collect();
        Gateway::new(GatewayOptions { resolver: None, extra_roots, proxy: self.written.egress.proxy.clone() })
    }

    /// What `[http]` says, for who reviews or trusts the project: one line each.
    pub fn egress_lines(&self) -> Vec<String> {
        let proxy = self.written.egress.proxy.iter().map(|proxy| match proxy.resolves {
            true => format!("requests go through the proxy {}, which looks names up: where they lead is not checked here", proxy.url),
            false => format!("requests to public addresses go through the proxy {}", proxy.url),
        });
        let roots = self.roots.iter().map(|root| format!("trusts the root certificates of {}, {}", visible(&root.path, 128), root.digest));
        proxy.chain(roots).collect()
    }
}
