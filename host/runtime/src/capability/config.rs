//! `config`: fixed values under `wasi:config`.

use remit_bindings::wasi::wasi::config::store::{self, Error, Host};
use remit_core::grant::{Allowed, Decision, Request, decide};
use wasmtime::component::{HasSelf, Linker};

use super::CallState;

/// Links `wasi:config/store`.
///
/// # Errors
/// When the linker already has it.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    store::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)
}

impl Host for CallState {
    /// A value that is granted; `none` for a name that is not among the granted ones; an error, recorded, where nothing is granted.
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        let resolved = &self.call.rights.resolved;
        match decide(&Request::Config { name: &key }, resolved) {
            Decision::Allow(Allowed::Value(value)) => {
                self.call.uses(&Request::Config { name: &key });
                Ok(Ok(Some(value.to_owned())))
            }
            Decision::Allow(_) => Ok(Ok(None)),
            Decision::Deny(_) if !resolved.granted.config.is_empty() => Ok(Ok(None)),
            Decision::Deny(denial) => {
                let message = denial.to_string();
                self.call.denials.record(denial);
                Ok(Err(Error::Upstream(message)))
            }
        }
    }

    /// Every value that is granted and declared; none where nothing is.
    async fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        let resolved = &self.call.rights.resolved;
        let all = resolved.granted.config.iter().filter(|(name, _)| allowed(resolved, name));
        let all = all.inspect(|(name, _)| self.call.uses(&Request::Config { name }));
        Ok(Ok(all.map(|(name, value)| (name.clone(), value.clone())).collect()))
    }
}

fn allowed(resolved: &remit_core::grant::Resolved, name: &str) -> bool {
    matches!(decide(&Request::Config { name }, resolved), Decision::Allow(_))
}
