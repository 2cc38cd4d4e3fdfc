//! `kv`: the plugin's own key-value storage under `wasi:keyvalue`.

use std::sync::Arc;

use remit_bindings::{
    Bucket,
    wasi::wasi::keyvalue::{
        atomics, batch,
        store::{self, Error, HostBucket, KeyResponse},
    },
};
use remit_core::{
    Kind,
    grant::{Access, Allowed, DataScope, Decision, Denial, Request, decide},
    store::{KvSpace, KvStore},
};
use wasmtime::component::{HasSelf, Linker, Resource};

use super::CallState;

/// Longest key, in bytes.
pub const KEY_MAX_BYTES: usize = 1024;
/// Keys of one `list-keys` page, and of one batch.
const PAGE_KEYS: usize = 1000;

/// Links `wasi:keyvalue/store`, `atomics` and `batch`.
///
/// # Errors
/// When the linker already has one of them.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    store::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)?;
    atomics::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)?;
    batch::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)
}

/// A granted space with its bound.
struct Open {
    store: Arc<dyn KvStore>,
    space: KvSpace,
    max_bytes: u64,
}

impl CallState {
    /// The space, when `access` to it is granted; the refusal is recorded otherwise.
    fn space(&self, access: Access) -> Result<Open, Error> {
        let call = &self.call;
        let kv = match decide(&Request::Kv { access }, &call.rights.resolved) {
            Decision::Allow(Allowed::Kv(kv)) => {
                call.uses(&Request::Kv { access });
                kv
            }
            Decision::Allow(_) => return Err(Error::AccessDenied),
            Decision::Deny(denial) => {
                call.denials.record(denial);
                return Err(Error::AccessDenied);
            }
        };
        let scope = match (kv.scope, call.context.session) {
            (DataScope::Project, _) => "project".to_owned(),
            (DataScope::User, _) => format!("user/{}", call.context.principal),
            (DataScope::Session, Some(session)) => format!("session/{session}"),
            (DataScope::Session, None) => return Err(Error::Other("this call belongs to no session".to_owned())),
        };
        let space = KvSpace { project: call.project.clone(), plugin: call.rights.resolved.plugin.clone(), scope };
        Ok(Open { store: call.services.kv.clone(), space, max_bytes: kv.max_bytes })
    }

    /// What a guest sees of a failure of the store; a full space is recorded.
    fn failed(&self, error: &remit_core::Error) -> Error {
        if error.kind == Kind::Limit {
            self.call.denials.record(Denial::quota(&self.call.rights.resolved.plugin, "kv", "write key-value data", &error.message));
        }
        Error::Other(error.message.clone())
    }

    fn set_in(&self, open: &Open, key: &str, value: Vec<u8>) -> Result<(), Error> {
        check_key(key)?;
        open.store.kv_set(&open.space, key, value, open.max_bytes).map_err(|error| self.failed(&error))
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    if key.len() <= KEY_MAX_BYTES { Ok(()) } else { Err(Error::Other(format!("a key has at most {KEY_MAX_BYTES} bytes"))) }
}

fn check_batch(len: usize) -> Result<(), Error> {
    if len <= PAGE_KEYS { Ok(()) } else { Err(Error::Other(format!("a batch has at most {PAGE_KEYS} keys"))) }
}

impl store::Host for CallState {
    /// Opens the bucket; it is named `` or `default`, and there is no other.
    async fn open(&mut self, identifier: String) -> wasmtime::Result<Result<Resource<Bucket>, Error>> {
        if !matches!(identifier.as_str(), "" | "default") {
            return Ok(Err(Error::NoSuchStore));
        }
        if let Err(error) = self.space(Access::Read) {
            return Ok(Err(error));
        }
        Ok(Ok(self.table.push(Bucket)?))
    }
}

impl HostBucket for CallState {
    async fn get(&mut self, _: Resource<Bucket>, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(self.space(Access::Read).and_then(|open| open.store.kv_get(&open.space, &key).map_err(|error| self.failed(&error))))
    }

    async fn set(&mut self, _: Resource<Bucket>, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.space(Access::Write).and_then(|open| self.set_in(&open, &key, value)))
    }

    async fn delete(&mut self, _: Resource<Bucket>, key: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.space(Access::Write).and_then(|open| open.store.kv_delete(&open.space, &key).map_err(|error| self.failed(&error))))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<bool, Error>> {
        Ok(HostBucket::get(self, bucket, key).await?.map(|value| value.is_some()))
    }

    /// Keys in order, `PAGE_KEYS` a page; the cursor is how many came before.
    async fn list_keys(&mut self, _: Resource<Bucket>, cursor: Option<u64>) -> wasmtime::Result<Result<KeyResponse, Error>> {
        Ok(self.space(Access::Read).and_then(|open| {
            let skip = usize::try_from(cursor.unwrap_or(0)).map_err(|_too_large| Error::Other("no such cursor".to_owned()))?;
            let wanted = skip.saturating_add(PAGE_KEYS).saturating_add(1);
            let keys = open.store.kv_keys(&open.space, None, wanted).map_err(|error| self.failed(&error))?;
            let more = keys.len() == wanted;
            let keys: Vec<String> = keys.into_iter().skip(skip).take(PAGE_KEYS).collect();
            Ok(KeyResponse { keys, cursor: more.then_some((skip + PAGE_KEYS) as u64) })
        }))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for CallState {
    /// Adds to a decimal number; absent counts as 0.
    async fn increment(&mut self, _: Resource<Bucket>, key: String, delta: u64) -> wasmtime::Result<Result<u64, Error>> {
        Ok(self.space(Access::Write).and_then(|open| {
            check_key(&key)?;
            let delta = i64::try_from(delta).map_err(|error| Error::Other(error.to_string()))?;
            let sum = open.store.kv_increment(&open.space, &key, delta, open.max_bytes).map_err(|error| self.failed(&error))?;
            u64::try_from(sum).map_err(|error| Error::Other(error.to_string()))
        }))
    }
}

type Pairs = Vec<Option<(String, Vec<u8>)>>;

impl batch::Host for CallState {
    async fn get_many(&mut self, _: Resource<Bucket>, keys: Vec<String>) -> wasmtime::Result<Result<Pairs, Error>> {
        Ok(self.space(Access::Read).and_then(|open| {
            check_batch(keys.len())?;
            let get = |key: String| {
                let value = open.store.kv_get(&open.space, &key).map_err(|error| self.failed(&error))?;
                Ok(value.map(|value| (key, value)))
            };
            keys.into_iter().map(get).collect()
        }))
    }

    async fn set_many(&mut self, _: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.space(Access::Write).and_then(|open| {
            check_batch(pairs.len())?;
            pairs.into_iter().try_for_each(|(key, value)| self.set_in(&open, &key, value))
        }))
    }

    async fn delete_many(&mut self, _: Resource<Bucket>, keys: Vec<String>) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.space(Access::Write).and_then(|open| {
            check_batch(keys.len())?;
            keys.iter().try_for_each(|key| open.store.kv_delete(&open.space, key).map_err(|error| self.failed(&error)))
        }))
    }
}
