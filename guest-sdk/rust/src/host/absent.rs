//! What tests see, where there is no host.

mod agent;

use std::cell::RefCell;
use std::collections::BTreeMap;

pub use self::agent::*;
use crate::http::{Request, Response};
use crate::log::Level;
use crate::{Context, Error, Output, Result};

thread_local! {
    static CONTEXT: RefCell<Context> = RefCell::new(Context::default());
    static CONFIG: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
    static VALUES: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
}

fn no_host(what: &str) -> Error {
    Error::unavailable(format!("{what} needs a host, and there is none here"))
}

pub fn context() -> Context {
    CONTEXT.with_borrow(Clone::clone)
}

pub fn set_context(context: Context) {
    CONTEXT.set(context);
}

pub fn log(level: Level, target: &str, message: &str) {
    eprintln!("{level} {target}: {message}");
}

pub fn progress(fraction: Option<f64>, message: &str) {
    match fraction {
        Some(fraction) => eprintln!("{:3.0} % {message}", fraction * 100.0),
        None => eprintln!("    … {message}"),
    }
}

pub fn config_get(key: &str) -> Result<Option<String>> {
    Ok(CONFIG.with_borrow(|values| values.get(key).cloned()))
}

pub fn config_all() -> Result<Vec<(String, String)>> {
    Ok(CONFIG.with_borrow(|values| values.iter().map(|(key, value)| (key.clone(), value.clone())).collect()))
}

pub fn set_config(key: &str, value: &str) {
    CONFIG.with_borrow_mut(|values| values.insert(key.to_owned(), value.to_owned()));
}

pub fn kv_get(key: &str) -> Result<Option<Vec<u8>>> {
    Ok(VALUES.with_borrow(|values| values.get(key).cloned()))
}

pub fn kv_set(key: &str, value: &[u8]) -> Result<()> {
    VALUES.with_borrow_mut(|values| values.insert(key.to_owned(), value.to_owned()));
    Ok(())
}

pub fn kv_delete(key: &str) -> Result<()> {
    VALUES.with_borrow_mut(|values| values.remove(key));
    Ok(())
}

pub fn kv_keys() -> Result<Vec<String>> {
    Ok(VALUES.with_borrow(|values| values.keys().cloned().collect()))
}

pub fn kv_increment(key: &str, delta: u64) -> Result<u64> {
    let present = match kv_get(key)? {
        Some(bytes) => std::str::from_utf8(&bytes)?.parse::<u64>()?,
        None => 0,
    };
    let sum = present.checked_add(delta).ok_or_else(|| Error::failed(format!("the counter `{key}` would exceed 64 bits")))?;
    kv_set(key, sum.to_string().as_bytes())?;
    Ok(sum)
}

pub fn invoke(tool: &str, arguments: &str) -> Result<Output> {
    call_tool(tool, arguments)
}

pub fn send(request: &Request) -> Result<Response> {
    Err(no_host(&format!("{} {}", request.method(), request.url())))
}
