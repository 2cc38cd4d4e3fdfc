//! What a component reaches through its imports. Each function stands alone, so that what a tool does not call is not imported.

mod agent;
mod model;

use std::time::Duration;

pub use self::agent::*;
pub use self::model::call_model;
use super::convert::{from_guest_failure, from_guest_output};
use crate::bindings::remit::session::context as session;
use crate::bindings::remit::tool::{invoke as tools, progress as reports};
use crate::bindings::wasi::config::store as config;
use crate::bindings::wasi::keyvalue::{atomics, store as kv};
use crate::bindings::wasi::logging::logging;
pub use crate::http::wire::send;
use crate::log::Level;
use crate::{Context, Error, Output, Result};

pub fn context() -> Context {
    let call = session::current();
    Context {
        call: call.id,
        principal: call.principal,
        delegation: call.delegation,
        project: call.project,
        session: call.session,
        idempotency_key: call.idempotency_key,
        deadline: Duration::from_millis(call.deadline_ms),
        time_zone: call.time_zone,
    }
}

pub fn log(level: Level, target: &str, message: &str) {
    let level = match level {
        Level::Trace => logging::Level::Trace,
        Level::Debug => logging::Level::Debug,
        Level::Info => logging::Level::Info,
        Level::Warn => logging::Level::Warn,
        Level::Error => logging::Level::Error,
    };
    logging::log(level, target, message);
}

pub fn progress(fraction: Option<f64>, message: &str) {
    reports::report(fraction, message);
}

fn config_error(error: config::Error) -> Error {
    match error {
        config::Error::Upstream(message) | config::Error::Io(message) => Error::failed(message),
    }
}

pub fn config_get(key: &str) -> Result<Option<String>> {
    config::get(key).map_err(config_error)
}

pub fn config_all() -> Result<Vec<(String, String)>> {
    config::get_all().map_err(config_error)
}

fn kv_error(error: kv::Error) -> Error {
    match error {
        kv::Error::AccessDenied => Error::denied("no right to this key-value store"),
        kv::Error::NoSuchStore => Error::denied("no key-value store was granted"),
        kv::Error::Other(message) => Error::failed(message),
    }
}

/// Opens the store that the grant names; the host knows it by the empty name.
fn bucket() -> Result<kv::Bucket> {
    kv::open("").map_err(kv_error)
}

pub fn kv_get(key: &str) -> Result<Option<Vec<u8>>> {
    bucket()?.get(key).map_err(kv_error)
}

pub fn kv_set(key: &str, value: &[u8]) -> Result<()> {
    bucket()?.set(key, value).map_err(kv_error)
}

pub fn kv_delete(key: &str) -> Result<()> {
    bucket()?.delete(key).map_err(kv_error)
}

pub fn kv_keys() -> Result<Vec<String>> {
    let bucket = bucket()?;
    let mut keys = Vec::new();
    let mut cursor = None;
    loop {
        let page = bucket.list_keys(cursor).map_err(kv_error)?;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            keys.sort_unstable();
            return Ok(keys);
        }
    }
}

pub fn kv_increment(key: &str, delta: u64) -> Result<u64> {
    atomics::increment(&bucket()?, key, delta).map_err(kv_error)
}

pub fn invoke(tool: &str, arguments: &str) -> Result<Output> {
    from_guest_output(tools::call(tool, arguments).map_err(from_guest_failure)?)
}
