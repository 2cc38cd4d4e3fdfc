//! Describes, filters, groups and joins CSV, JSON lines and Parquet files.

pub mod describe;
pub mod export;
pub mod expression;
pub mod query;
pub mod source;
pub mod value;

pub use query::{filter, group, join};

remit::plugin!(describe::describe, filter::filter, group::group, join::join, export::export);

#[cfg(test)]
mod tests;
