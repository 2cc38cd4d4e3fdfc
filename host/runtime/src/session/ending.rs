//! The ends of sessions: killed, erased, pruned.

use remit_core::{
    Error, Result,
    audit::Decision as Decided,
    id::SessionId,
    identity::{Context, Principal, Role},
    store::{Called, SessionFilter, SessionRow},
};

use super::{decided::About, may_see};
use crate::host::Host;

/// Sessions that are listed at once.
const PAGE: u32 = 1000;

impl Host {
    /// Ends a session for good, wherever its turn hangs: the process that runs it stops within 200 ms.
    ///
    /// # Errors
    /// Those of [`Host::session`].
    pub async fn kill(&self, context: &Context, project: &str, id: SessionId) -> Result<()> {
        self.session(context, project, id).await?;
        let inner = self.inner();
        let by = format!("by `{}`", context.principal);
        let (store, at) = (inner.session_store()?, inner.services().clock.now());
        inner.decided(context, project, Decided::Kill, About::Session(id), || store.session_kill(id, by, at)).await
    }

    /// Removes a session and everything of it, its workspaces included. Erasing it again goes on with what was cut off.
    ///
    /// # Errors
    /// Those of [`Host::session`]; `conflict` while it is run.
    pub async fn erase(&self, context: &Context, project: &str, id: SessionId) -> Result<()> {
        let (store, workspaces) = (self.inner().session_store()?, self.inner().services().workspaces.as_ref());
        match self.session(context, project, id).await {
            Ok(_) => {}
            // What was cut off after that goes on here: a folder without a session is nobody's.
            Err(absent) if store.session_get(id).await?.is_none() => {
                if let Some(workspaces) = workspaces {
                    workspaces.erase_session(project, id).await?;
                }
                return Err(absent);
            }
            Err(error) => return Err(error),
        }
        let under = SessionFilter { project: project.to_owned(), called: Called::Under(id), limit: u32::MAX, ..SessionFilter::default() };
        let erase = async || {
            let under = store.session_list(under).await?;
            store.session_erase(id).await?;
            let Some(workspaces) = workspaces else { return Ok(()) };
            for id in under.iter().map(|row| row.id).chain([id]) {
                workspaces.erase_session(project, id).await?;
            }
            Ok(())
        };
        self.inner().decided(context, project, Decided::Erase, About::Session(id), erase).await
    }

    /// Removes the sessions that `filter` names and nobody runs, each with everything of it, and returns them.
    ///
    /// # Errors
    /// `denied` unless an owner asks; `invalid` when the filter names others than idle, killed and quarantined ones, or the host keeps no
    /// sessions; those of the store.
    pub async fn prune(&self, context: &Context, filter: SessionFilter) -> Result<Vec<SessionRow>> {
        if context.role != Role::Owner {
            return Err(Error::denied(format!("`{}` may not prune sessions: it is no owner", context.principal)));
        }
        let (store, project) = (self.inner().session_store()?, filter.project.clone());
        let prune = async || {
            let pruned = store.session_prune(filter).await?;
            if let Some(workspaces) = &self.inner().services().workspaces {
                for row in &pruned {
                    workspaces.erase_session(&project, row.id).await?;
                }
            }
            Ok(pruned)
        };
        self.inner().decided(context, &project, Decided::Prune, About::Old, prune).await
    }

    /// Removes everything of a principal in a project: sessions, their journals, state and workspaces, and its own key-value data and
    /// workspaces. Returns how many sessions there were.
    ///
    /// # Errors
    /// `denied` unless the principal asks for itself or an owner does; `conflict` while one of the sessions is run, and nothing is removed.
    pub async fn erase_principal(&self, context: &Context, project: &str, principal: &Principal) -> Result<u64> {
        if !may_see(context, principal) {
            return Err(Error::denied(format!("`{}` may not erase what belongs to `{principal}`", context.principal)));
        }
        let all = About::Everything(principal);
        self.inner().decided(context, project, Decided::Erase, all, || self.erase_everything(project, principal)).await
    }

    async fn erase_everything(&self, project: &str, principal: &Principal) -> Result<u64> {
        let store = self.inner().session_store()?;
        let Some(workspaces) = &self.inner().services().workspaces else {
            return store.principal_erase(project.to_owned(), principal.clone()).await;
        };
        let mut sessions: Vec<SessionId> = Vec::new();
        loop {
            let (project, before) = (project.to_owned(), sessions.last().copied());
            let of = SessionFilter { project, principal: Some(principal.clone()), before, limit: PAGE, ..SessionFilter::default() };
            let page = store.session_list(of).await?;
            sessions.extend(page.iter().map(|row| row.id));
            if page.len() < PAGE as usize {
                break;
            }
        }
        let erased = store.principal_erase(project.to_owned(), principal.clone()).await?;
        for session in sessions {
            workspaces.erase_session(project, session).await?;
        }
        workspaces.erase_user(project, principal).await?;
        Ok(erased)
    }
}
