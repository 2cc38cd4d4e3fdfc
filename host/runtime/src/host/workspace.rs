//! The workspace of a call: opened with its rights, and on the disk before its result is.

use std::sync::Arc;

use remit_core::{
    Error, Result,
    grant::{Access, Source},
    identity::Context,
};

use super::{Inner, running::Running};
use crate::{
    capability::Rights,
    workspace::{blocking, sync},
};

impl Inner {
    /// The rights of a call with the workspace that is among them opened.
    ///
    /// # Errors
    /// `invalid` when this host keeps no workspaces; those of opening it.
    pub(super) async fn with_workspace(
        &self,
        context: &Context,
        project: &str,
        rights: Arc<Rights>,
        running: &mut Running,
    ) -> Result<Arc<Rights>> {
        let resolved = &rights.resolved;
        let workspace = resolved.mounts.iter().find_map(|mount| match mount.source {
            Source::Workspace(scope) => Some((mount, scope)),
            Source::Host(_) => None,
        });
        let Some((mount, scope)) = workspace else { return Ok(rights) };
        let none = || Error::invalid(format!("`{}` is granted a workspace, and this host keeps none", resolved.plugin));
        let workspaces = self.services.workspaces.as_ref().ok_or_else(none)?;
        let opened = workspaces.open(context, project, &resolved.plugin, (mount, scope), self.services.sessions.as_ref()).await?;
        if mount.access == Access::Write {
            running.written = Some(opened.dir().clone());
        }
        let mounts = rights.mounts.iter().cloned().chain([opened]).collect();
        Ok(Arc::new(Rights { resolved: resolved.clone(), mounts }))
    }
}

/// Has what a call wrote to its workspace on the disk, however the call ended: its end is recorded after that.
///
/// # Errors
/// `host`; the result is withheld then.
pub(super) async fn written(running: &mut Running) -> Result<()> {
    let Some(dir) = running.written.take() else { return Ok(()) };
    blocking(move || sync(&dir).map_err(|error| Error::host("what was written to the workspace may not be on the disk", error))).await
}
