//! Puts mails into an outbox folder, one file each, and lists what waits there.

pub mod address;
pub mod list;
pub mod message;
pub mod outbox;
pub mod send;
pub mod settle;

remit::plugin!(send::send, list::list; reconcile = settle::settle);

#[cfg(test)]
mod tests;
