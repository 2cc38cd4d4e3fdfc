//! Puts mails into an outbox folder, one file each, and lists what waits there.

pub mod address;
pub mod list;
pub mod message;
pub mod outbox;
pub mod send;

remit::plugin!(send::send, list::list);

#[cfg(test)]
mod tests;
