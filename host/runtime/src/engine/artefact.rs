//! Compiled code. Its bytes run as they are, so a value of this type is proof of where they came from.

use remit_core::Result;
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

/// Compiled code that this host made: fresh from its compiler, or read back and authenticated by the cache; or handed
/// by the host to a process of its own. Only those three make one.
pub(super) struct Artefact(Vec<u8>);

impl Artefact {
    /// Takes over what this host's compiler made just now.
    pub(super) fn compiled(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Takes over what the cache read and authenticated.
    pub(super) fn authenticated(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Takes over what the host that started this process handed to it, before the process ran any guest.
    pub(super) fn handed(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The component, ready to be instantiated.
    ///
    /// # Errors
    /// `limit` when it does not fit the engine's pool; `host` when it was made for another engine.
    #[allow(unsafe_code, reason = "the one place where compiled code is taken as it is")]
    pub(super) fn load(&self, engine: &wasmtime::Engine) -> Result<Component> {
        // SAFETY: `deserialize` must be given bytes that wasmtime's compiler made, unaltered. A value of this type is made only from
        // the compiler's own output or from bytes whose authentication code, under a key that only this user can read, was checked
        // over these very bytes in memory together with their component's digest and the engine's configuration; or, in a process of
        // the host's own, from bytes of those two kinds that came over the socket that the host made for it.
        unsafe { Component::deserialize(engine, &self.0) }.map_err(|error| super::error::load_failed(&error))
    }
}

/// What compiled code depends on besides the component: compiler, target, settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Configuration(pub(super) [u8; 32]);

impl Configuration {
    /// The configuration of `engine`.
    pub(super) fn of(engine: &wasmtime::Engine) -> Self {
        struct IntoSha(Sha256);
        impl std::hash::Hasher for IntoSha {
            fn write(&mut self, bytes: &[u8]) {
                self.0.update(bytes);
            }
            fn finish(&self) -> u64 {
                0
            }
        }
        let mut hasher = IntoSha(Sha256::new());
        std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
        Self(hasher.0.finalize().into())
    }

    /// The 64 hex digits.
    pub(super) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
