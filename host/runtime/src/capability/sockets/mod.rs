//! `sockets`: TCP connections to places that are granted by host and port, and look-ups of their names.
//!
//! A guest connects to addresses, so the host remembers what the names led to that it looked up for the call: `look` asks once for each name and
//! keeps the addresses that may be connected to; `open` allows an address that a granted name led to, or that is granted itself (N11).
//! Datagrams are never sent and nothing listens. Without a grant everything is linked as well, refused and recorded (N12).

mod count;
mod link;
mod look;
mod open;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

pub use link::link;
pub use open::check;

/// What one call has looked up and opened.
#[derive(Default)]
pub struct State {
    names: Arc<Names>,
    /// Sockets that were made, by the handles that they had.
    made: BTreeSet<u32>,
}

impl State {
    /// What was looked up, for the check of addresses.
    pub fn names(&self) -> Arc<Names> {
        self.names.clone()
    }
}

/// Names that were looked up, each with the addresses that may be connected to: the first answer holds for the call (N2).
#[derive(Default)]
pub struct Names(Mutex<BTreeMap<String, Vec<IpAddr>>>);

impl Names {
    fn answer(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn keep(&self, name: &str, addresses: Vec<IpAddr>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_insert(addresses);
    }

    /// The names that led to `address`.
    fn of(&self, address: IpAddr) -> Vec<String> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().filter(|(_, addresses)| addresses.contains(&address)).map(|(name, _)| name.clone()).collect()
    }
}
