//! Lists, reads, searches and changes files in granted folders.

pub mod digest;
pub mod edit;
pub mod lines;
pub mod list;
pub mod path;
pub mod read;
pub mod search;
pub mod walk;
pub mod write;

remit::plugin!(list::list, read::read, search::search, write::write, edit::edit);

#[cfg(test)]
mod tests;
