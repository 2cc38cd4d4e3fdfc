//! From bytes to a component: cache, else compiler, once for everybody who asks at the same time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use remit_core::{Error, Result, plugin::Digest};
use tokio::task::spawn_blocking;
use wasmtime::component::Component;

use super::{
    artefact::{Artefact, Configuration},
    cache::Cache,
    compile::Compiler,
    config::Settings,
};

type Load = BoxFuture<'static, Result<Component>>;

/// Loads components into one engine.
pub(super) struct Loads {
    source: Arc<Source>,
    running: Mutex<HashMap<Digest, WeakShared<Load>>>,
}

struct Source {
    engine: wasmtime::Engine,
    configuration: Configuration,
    cache: Option<Cache>,
    compiler: Compiler,
}

impl Loads {
    pub(super) fn new(engine: &wasmtime::Engine, cache: Option<Cache>, settings: &Settings) -> Self {
        let configuration = Configuration::of(engine);
        let compiler = Compiler::new(engine, configuration, settings);
        let source = Arc::new(Source { engine: engine.clone(), configuration, cache, compiler });
        Self { source, running: Mutex::default() }
    }

    /// See [`Engine::component`](super::Engine::component).
    pub(super) async fn component(&self, name: &str, bytes: &[u8], digest: &Digest) -> Result<Component> {
        if let Some(component) = Arc::clone(&self.source).cached(*digest).await? {
            return Ok(component);
        }
        self.join(name, bytes, *digest).await
    }

    /// The load of `digest` that is going on, or a new one. It goes on only as long as somebody waits for it.
    fn join(&self, name: &str, bytes: &[u8], digest: Digest) -> Shared<Load> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(load) = running.get(&digest).and_then(WeakShared::upgrade) {
            return load;
        }
        running.retain(|_, load| load.upgrade().is_some());
        let load = Arc::clone(&self.source).load(name.to_owned(), Bytes::copy_from_slice(bytes), digest).boxed().shared();
        if let Some(weak) = load.downgrade() {
            running.insert(digest, weak);
        }
        load
    }
}

impl Source {
    /// Looks into the cache again, since another load may have ended just before this one began.
    async fn load(self: Arc<Self>, name: String, bytes: Bytes, digest: Digest) -> Result<Component> {
        if let Some(component) = Arc::clone(&self).cached(digest).await? {
            return Ok(component);
        }
        let artefact = self.compiler.compile(&name, bytes).await?;
        blocking(move || {
            self.keep(&digest, &artefact);
            artefact.load(&self.engine)
        })
        .await
    }

    /// The component as the cache has it. A cache that fails costs time, not the call: the component is compiled anew, and the log
    /// says why.
    async fn cached(self: Arc<Self>, digest: Digest) -> Result<Option<Component>> {
        if self.cache.is_none() {
            return Ok(None);
        }
        blocking(move || Ok(self.read(&digest))).await
    }

    fn read(&self, digest: &Digest) -> Option<Component> {
        let artefact = self.cache.as_ref()?.get(digest, self.configuration);
        match artefact.and_then(|artefact| artefact.map(|artefact| artefact.load(&self.engine)).transpose()) {
            Ok(component) => component,
            Err(error) => {
                tracing::warn!(%digest, %error, internal = error.internal, "compiled code cannot be used; compiling anew");
                None
            }
        }
    }

    fn keep(&self, digest: &Digest, artefact: &Artefact) {
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.put(digest, self.configuration, artefact)) {
            tracing::warn!(%digest, %error, internal = error.internal, "compiled code cannot be kept");
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(|failed| Error::host("loading a component failed inside the host", failed))?
}
