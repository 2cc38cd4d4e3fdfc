//! Who a client is.

use std::{collections::BTreeMap, sync::Arc};

use remit_core::{
    Result,
    clock::Timestamp,
    id::KeyId,
    identity::{Context, Principal, Role},
};

use super::{Setup, admission::Admission};

/// Principals of a project, each with what its roles allow together.
pub type Members = BTreeMap<Principal, Role>;

/// Whom the door serves with a request.
#[derive(Debug)]
pub struct Who {
    /// As whom it acts.
    pub principal: Principal,
    /// What it may call.
    pub role: Role,
    /// The key that it showed.
    pub key: Option<KeyId>,
    /// What let it in, for those who had to show something.
    pass: Option<Pass>,
}

/// What let somebody in, which may be withdrawn.
#[derive(Debug)]
pub(super) struct Pass {
    pub admission: Arc<Admission>,
    pub expires: Timestamp,
}

impl Who {
    /// Who started the door, as owner of the project.
    pub fn owner(principal: Principal) -> Self {
        Self { principal, role: Role::Owner, key: None, pass: None }
    }

    pub(super) fn with_pass(principal: Principal, role: Role, key: Option<KeyId>, pass: Pass) -> Self {
        Self { principal, role, key, pass: Some(pass) }
    }

    /// What makes it the same visitor as another one: nobody else may use what it opened.
    pub(super) fn badge(&self) -> (Principal, Option<KeyId>) {
        (self.principal.clone(), self.key)
    }

    /// Whether it had to show something, so that it is told apart from others.
    pub(super) fn is_known(&self) -> bool {
        self.pass.is_some()
    }

    /// The context of a call that it makes now.
    ///
    /// # Errors
    /// `host` when the machine gives no randomness.
    pub(super) fn context(&self, setup: &Setup) -> Result<Context> {
        let mut context = setup.host.context(self.principal.clone(), self.role.clone())?;
        context.key = self.key;
        context.time_zone.clone_from(&setup.time_zone);
        Ok(context)
    }

    /// Returns when it would not be let in any more: its key was taken back, its time is over, or its principal has no role. Within
    /// [`remit_core::limit::MCP_WITHDRAWN_MS`] of that. Cancel-safe.
    pub(super) async fn withdrawn(&self) {
        match &self.pass {
            Some(pass) => pass.admission.withdrawn(self, pass.expires).await,
            None => std::future::pending().await,
        }
    }
}
