//! The interfaces of a guest that the host answers. Each function is a question, and what it gives is the host's answer.

use std::sync::Arc;

use remit_bindings::{
    Bucket,
    tool::remit::{
        session::context,
        tool::{
            invoke, progress,
            types::{Failure, Output},
        },
    },
    wasi::wasi::{
        config::store as config,
        keyvalue::{
            atomics, batch,
            store::{self, Error, HostBucket, KeyResponse},
        },
        logging::logging::{self, Level},
    },
};
use serde::de::DeserializeOwned;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use super::{
    super::wire::{Kv, Question},
    link::Link,
};
use crate::capability::CallState;

/// Names the view of a call to the linker.
struct Forwarded;

impl HasData for Forwarded {
    type Data<'a> = View<'a>;
}

/// What these functions need of a call.
struct View<'a> {
    link: Option<Arc<Link>>,
    table: &'a mut ResourceTable,
}

fn view(state: &mut CallState) -> View<'_> {
    View { link: state.custom::<Arc<Link>>().cloned(), table: &mut state.table }
}

impl View<'_> {
    async fn ask<T: DeserializeOwned>(&mut self, question: Question) -> wasmtime::Result<T> {
        let link = self.link.as_ref().ok_or_else(|| wasmtime::Error::msg("this call has no host"))?;
        link.ask(question).map_err(wasmtime::Error::from)?.await
    }

    async fn kv<T: DeserializeOwned>(&mut self, asked: Kv) -> wasmtime::Result<Result<T, Error>> {
        self.ask(Question::Kv(asked)).await
    }
}

/// Puts these functions in the place of those that act.
///
/// # Errors
/// None that is known.
pub(super) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    context::add_to_linker::<_, Forwarded>(linker, view)?;
    progress::add_to_linker::<_, Forwarded>(linker, view)?;
    logging::add_to_linker::<_, Forwarded>(linker, view)?;
    config::add_to_linker::<_, Forwarded>(linker, view)?;
    store::add_to_linker::<_, Forwarded>(linker, view)?;
    atomics::add_to_linker::<_, Forwarded>(linker, view)?;
    batch::add_to_linker::<_, Forwarded>(linker, view)?;
    invoke::add_to_linker::<_, Forwarded>(linker, view)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl context::Host for View<'_> {
    async fn current(&mut self) -> wasmtime::Result<context::Call> {
        self.ask(Question::Context).await
    }
}

impl progress::Host for View<'_> {
    async fn report(&mut self, fraction: Option<f64>, message: String) -> wasmtime::Result<()> {
        self.ask(Question::Progress(fraction, message)).await
    }
}

impl logging::Host for View<'_> {
    async fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        self.ask(Question::Log(level, context, message)).await
    }
}

impl config::Host for View<'_> {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, config::Error>> {
        self.ask(Question::Config(key)).await
    }

    async fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, config::Error>> {
        self.ask(Question::ConfigAll).await
    }
}

impl invoke::Host for View<'_> {
    async fn call(&mut self, id: String, arguments: String) -> wasmtime::Result<Result<Output, Failure>> {
        self.ask(Question::Tool(id, arguments)).await
    }
}

impl store::Host for View<'_> {
    async fn open(&mut self, identifier: String) -> wasmtime::Result<Result<Resource<Bucket>, Error>> {
        match self.kv::<()>(Kv::Open(identifier)).await? {
            Ok(()) => Ok(Ok(self.table.push(Bucket)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl HostBucket for View<'_> {
    async fn get(&mut self, _: Resource<Bucket>, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        self.kv(Kv::Get(key)).await
    }

    async fn set(&mut self, _: Resource<Bucket>, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        self.kv(Kv::Set(key, value)).await
    }

    async fn delete(&mut self, _: Resource<Bucket>, key: String) -> wasmtime::Result<Result<(), Error>> {
        self.kv(Kv::Delete(key)).await
    }

    async fn exists(&mut self, _: Resource<Bucket>, key: String) -> wasmtime::Result<Result<bool, Error>> {
        self.kv(Kv::Exists(key)).await
    }

    async fn list_keys(&mut self, _: Resource<Bucket>, cursor: Option<u64>) -> wasmtime::Result<Result<KeyResponse, Error>> {
        self.kv(Kv::ListKeys(cursor)).await
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for View<'_> {
    async fn increment(&mut self, _: Resource<Bucket>, key: String, delta: u64) -> wasmtime::Result<Result<u64, Error>> {
        self.kv(Kv::Increment(key, delta)).await
    }
}

impl batch::Host for View<'_> {
    async fn get_many(
        &mut self,
        _: Resource<Bucket>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<(String, Vec<u8>)>>, Error>> {
        self.kv(Kv::GetMany(keys)).await
    }

    async fn set_many(&mut self, _: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> wasmtime::Result<Result<(), Error>> {
        self.kv(Kv::SetMany(pairs)).await
    }

    async fn delete_many(&mut self, _: Resource<Bucket>, keys: Vec<String>) -> wasmtime::Result<Result<(), Error>> {
        self.kv(Kv::DeleteMany(keys)).await
    }
}
