//! What a host is built with when an application brings nothing of its own.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use remit_core::{
    Error, Result,
    audit::{AuditRecord, AuditSink, Keep},
    clock::{Clock, Timestamp},
    store::{KvSpace, KvStore, Later},
};

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(std::time::Duration::ZERO);
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Keeps no audit records.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAudit;

impl AuditSink for NoAudit {
    fn record(&self, _: &AuditRecord<'_>, _: Keep) -> Later<'static, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Key-value storage in memory: gone with the host.
#[derive(Default)]
pub struct MemoryKv(Mutex<BTreeMap<KvSpace, BTreeMap<String, Vec<u8>>>>);

impl MemoryKv {
    fn with<T>(&self, space: &KvSpace, act: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> Result<T>) -> Result<T> {
        act(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(space.clone()).or_default())
    }
}

fn put(entries: &mut BTreeMap<String, Vec<u8>>, key: &str, value: Vec<u8>, max_bytes: u64) -> Result<()> {
    let others = entries.iter().filter(|(name, _)| *name != key);
    let used: usize = others.map(|(name, value)| name.len() + value.len()).sum();
    if (used + key.len() + value.len()) as u64 > max_bytes {
        return Err(Error::limit(format!("key-value storage is full: its bound is {max_bytes} bytes")));
    }
    entries.insert(key.to_owned(), value);
    Ok(())
}

impl KvStore for MemoryKv {
    fn kv_get(&self, space: &KvSpace, key: &str) -> Result<Option<Vec<u8>>> {
        self.with(space, |entries| Ok(entries.get(key).cloned()))
    }

    fn kv_set(&self, space: &KvSpace, key: &str, value: Vec<u8>, max_bytes: u64) -> Result<()> {
        self.with(space, |entries| put(entries, key, value, max_bytes))
    }

    fn kv_increment(&self, space: &KvSpace, key: &str, delta: i64, max_bytes: u64) -> Result<i64> {
        self.with(space, |entries| {
            let old = entries.get(key).map_or(Some(0), |value| std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok()));
            let old = old.ok_or_else(|| Error::invalid("the value is not a whole number"))?;
            let sum = old.checked_add(delta).ok_or_else(|| Error::invalid("the sum is too large"))?;
            put(entries, key, sum.to_string().into_bytes(), max_bytes)?;
            Ok(sum)
        })
    }

    fn kv_delete(&self, space: &KvSpace, key: &str) -> Result<()> {
        self.with(space, |entries| {
            entries.remove(key);
            Ok(())
        })
    }

    fn kv_keys(&self, space: &KvSpace, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.with(space, |entries| Ok(entries.range::<str, _>((from, Bound::Unbounded)).take(limit).map(|(key, _)| key.clone()).collect()))
    }
}
