//! Ownership of a session by this process.

use std::sync::Arc;

use remit_core::{
    Result,
    id::SessionId,
    store::{Claim, SessionStore},
};

/// Ownership of a session, given back when it is dropped.
pub(super) struct Owned {
    store: Arc<dyn SessionStore>,
    pub(super) claim: Claim,
    released: bool,
}

impl Owned {
    pub(super) async fn claim(store: &Arc<dyn SessionStore>, id: SessionId) -> Result<Self> {
        Ok(Self { claim: store.session_claim(id).await?, store: store.clone(), released: false })
    }

    /// Gives the session back.
    pub(super) async fn release(mut self) -> Result<()> {
        self.released = true;
        self.store.session_release(self.claim.row.id, self.claim.row.epoch).await
    }

    /// Does `work` as the owner, and gives the session back.
    pub(super) async fn during<T>(self, work: impl AsyncFnOnce(&Self) -> Result<T>) -> Result<T> {
        let done = work(&self).await;
        self.release().await?;
        done
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.released {
            return;
        }
        // Whoever ran the turn went away; the session is free as soon as the store hears of it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (store, id, epoch) = (self.store.clone(), self.claim.row.id, self.claim.row.epoch);
            runtime.spawn(async move {
                if let Err(error) = store.session_release(id, epoch).await {
                    tracing::warn!(session = %id, %error, internal = error.internal, "a session could not be released");
                }
            });
        }
    }
}

/// Runs `work` with the session claimed, and gives it back.
pub(super) async fn owning<T, F>(store: &Arc<dyn SessionStore>, id: SessionId, work: impl FnOnce(Claim) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    Owned::claim(store, id).await?.during(async |owned: &Owned| work(owned.claim.clone()).await).await
}
