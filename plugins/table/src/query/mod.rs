//! Queries over tables, and what becomes of their rows.

pub mod filter;
pub mod group;
pub mod join;
mod shape;

#[cfg(test)]
pub(crate) use shape::MEMORY_MAX_BYTES;
pub(crate) use shape::{Budget, Order, Shape};

use remit::Error;
use remit::serde_json::Value as Json;

use crate::source::{Column, Row};

/// Rows of an answer unless told.
pub const LIMIT_DEFAULT: usize = 100;
/// Most rows of an answer.
pub const LIMIT_MAX: usize = 1000;
/// Most bytes of an answer's cells, about.
const ANSWER_MAX_BYTES: usize = 128 << 10;

/// What takes rows; it answers `false` when it wants no more.
pub type Sink<'a> = &'a mut dyn FnMut(Row) -> Result<bool, Error>;

/// A query that is ready to run.
pub trait Query {
    /// The columns of its result; known before it runs.
    fn columns(&self) -> Vec<Column>;

    /// Gives the rows of the result to `sink`, and tells how many rows there are without `skip` and `limit`.
    ///
    /// # Errors
    /// What reading answers, what the sink answers, and `failed` when it would take too much memory.
    fn run(&self, limit: Option<usize>, sink: Sink<'_>) -> Result<u64, Error>;
}

/// Rows for the caller.
#[remit::data]
#[derive(Debug, Default, PartialEq)]
pub struct Rows {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, each with its values in the order of the columns.
    pub rows: Vec<Vec<Json>>,
    /// Rows of the whole result.
    pub total: u64,
    /// How to get the rest; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Runs a query for the caller: at most `limit` rows, and no more than an answer can hold.
///
/// # Errors
/// As [`Query::run`].
pub fn answer(query: &dyn Query, skip: usize, limit: Option<usize>) -> Result<Rows, Error> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let (mut rows, mut bytes): (Vec<Vec<Json>>, usize) = (Vec::new(), 0);
    let total = query.run(Some(limit), &mut |row| {
        bytes += row.iter().map(|value| value.text().len() + 8).sum::<usize>();
        if bytes <= ANSWER_MAX_BYTES || rows.is_empty() {
            rows.push(row.iter().map(crate::value::Value::json).collect());
        }
        Ok(bytes <= ANSWER_MAX_BYTES)
    })?;
    let shown = skip.saturating_add(rows.len());
    let more = total.saturating_sub(shown as u64);
    let next = (more > 0 && !rows.is_empty())
        .then(|| format!("{more} more rows: call again with `skip` = {shown}, or use `export` to write all of them to a file"));
    Ok(Rows { columns: query.columns().into_iter().map(|column| column.name).collect(), rows, total, next })
}
