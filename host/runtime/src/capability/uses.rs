//! What one call of a session was allowed and did, so that its journal tells which rights it used.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use remit_core::{
    grant::Request,
    journal::MORE_USES,
    limit::{USE_MAX_BYTES, USES_MAX},
};

/// The requests that one call was allowed, each once, in words: the plugin, a space, and what [`Request::written`] says. At most
/// [`USES_MAX`] are kept, of at most [`USE_MAX_BYTES`] each; what is left out is told by [`MORE_USES`].
#[derive(Debug, Clone, Default)]
pub struct Uses(Option<Arc<Mutex<Kept>>>);

#[derive(Debug, Default)]
struct Kept {
    uses: BTreeSet<String>,
    more: bool,
}

impl Uses {
    /// Keeps what comes when `on`, else nothing: a call that no journal tells of costs nothing here.
    pub fn kept(on: bool) -> Self {
        Self(on.then(Arc::default))
    }

    /// Keeps that `plugin` was allowed `request`.
    pub fn record(&self, plugin: &str, request: &Request<'_>) {
        if let Some(kept) = &self.0 {
            kept.lock().unwrap_or_else(PoisonError::into_inner).add(format!("{plugin} {}", request.written()));
        }
    }

    /// Keeps what a call that this one made was allowed.
    pub fn extend(&self, uses: Vec<String>) {
        if let Some(kept) = &self.0 {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            uses.into_iter().for_each(|one| kept.add(one));
        }
    }

    /// Takes what was kept, in order; [`MORE_USES`] is last where it is not all.
    pub fn take(&self) -> Vec<String> {
        let Some(kept) = &self.0 else { return Vec::new() };
        let Kept { uses, more } = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        uses.into_iter().chain(more.then(|| MORE_USES.to_owned())).collect()
    }
}

impl Kept {
    fn add(&mut self, one: String) {
        if one == MORE_USES || one.len() > USE_MAX_BYTES || (self.uses.len() >= USES_MAX && !self.uses.contains(&one)) {
            self.more = true;
        } else {
            self.uses.insert(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use remit_core::grant::Access;

    use super::*;

    fn read(path: &str) -> Request<'_> {
        Request::Fs { path, access: Access::Read }
    }

    #[test]
    fn each_request_is_kept_once_and_only_so_many() {
        let uses = Uses::kept(true);
        for path in ["/b", "/a", "/b"] {
            uses.record("files", &read(path));
        }
        assert_eq!(uses.take(), ["files fs read /a", "files fs read /b"]);
        assert!(uses.take().is_empty());
        for number in 0..=USES_MAX {
            uses.record("files", &read(&format!("/{number}")));
        }
        let kept = uses.take();
        assert_eq!((kept.len(), kept.last().map(String::as_str)), (USES_MAX + 1, Some(MORE_USES)));
        uses.record("files", &read(&"x".repeat(USE_MAX_BYTES)));
        assert_eq!(uses.take(), [MORE_USES]);
        uses.extend(vec!["table fs read /a".to_owned(), MORE_USES.to_owned()]);
        assert_eq!(uses.take(), ["table fs read /a", MORE_USES]);
    }

    #[test]
    fn a_call_outside_of_sessions_keeps_nothing() {
        let uses = Uses::kept(false);
        uses.record("files", &read("/a"));
        assert!(uses.take().is_empty());
    }
}
