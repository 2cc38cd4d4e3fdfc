//! What becomes of rows at the end of a query: condition, order, part, columns.

use std::cmp::Ordering;

use remit::Error;

use super::Sink;
use crate::expression::Condition;
use crate::source::{Column, Row, position};

/// Most bytes of rows that a query keeps in memory, about.
pub const MEMORY_MAX_BYTES: usize = 24 << 20;

/// Bytes that a query keeps.
#[derive(Debug, Default)]
pub struct Budget(usize);

impl Budget {
    /// Takes the bytes of `row`.
    ///
    /// # Errors
    /// `failed`, with `advice`, when there are too many.
    pub fn keep(&mut self, row: &Row, advice: &str) -> Result<(), Error> {
        self.0 += bytes(row);
        if self.0 > MEMORY_MAX_BYTES {
            return Err(Error::failed(format!("this takes more than {MEMORY_MAX_BYTES} bytes of memory; {advice}")));
        }
        Ok(())
    }
}

fn bytes(row: &Row) -> usize {
    size_of::<Row>() + row.iter().map(crate::value::Value::bytes).sum::<usize>()
}

/// An order of rows.
#[derive(Debug, Default)]
pub struct Order(Vec<(usize, bool)>);

impl Order {
    /// Reads names of columns; a `-` in front means the largest first.
    ///
    /// # Errors
    /// `invalid-arguments` when a column is not there.
    pub fn parse(sort: &[String], columns: &[Column]) -> Result<Self, Error> {
        let key = |name: &String| match position(columns, name) {
            Ok(at) => Ok((at, false)),
            Err(error) => name.strip_prefix('-').map_or(Err(error), |name| Ok((position(columns, name)?, true))),
        };
        sort.iter().map(key).collect::<Result<_, Error>>().map(Self)
    }

    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        let keys = self.0.iter().map(|(at, descending)| match (a.get(*at), b.get(*at)) {
            // Nothing comes last either way.
            (Some(a), Some(b)) if *descending && a.kind() != crate::value::Kind::Empty && b.kind() != crate::value::Kind::Empty => {
                b.order(a)
            }
            (Some(a), Some(b)) => a.order(b),
            _ => Ordering::Equal,
        });
        keys.fold(Ordering::Equal, Ordering::then)
    }
}

/// The end of a query.
#[derive(Debug, Default)]
pub struct Shape {
    /// Which rows are wanted.
    pub condition: Option<Condition>,
    /// Which columns are wanted; `None` means all.
    pub select: Option<Vec<usize>>,
    /// The order; without keys the rows come as they are.
    pub order: Order,
    /// Rows to leave out at the start.
    pub skip: usize,
}

impl Shape {
    /// Finds the positions of the columns to `select`; an empty list means all.
    ///
    /// # Errors
    /// `invalid-arguments` when a column is not there.
    pub fn selection(select: &[String], columns: &[Column]) -> Result<Option<Vec<usize>>, Error> {
        if select.is_empty() {
            return Ok(None);
        }
        select.iter().map(|name| position(columns, name)).collect::<Result<_, _>>().map(Some)
    }

    /// The columns that are left of `columns`.
    pub fn columns(&self, columns: &[Column]) -> Vec<Column> {
        match &self.select {
            Some(select) => select.iter().filter_map(|at| columns.get(*at).cloned()).collect(),
            None => columns.to_vec(),
        }
    }

    /// Starts to take rows, of which at most `limit` are wanted.
    pub fn start<'a>(&'a self, limit: Option<usize>, sink: Sink<'a>) -> Shaping<'a> {
        Shaping { shape: self, limit, sink, total: 0, open: true, kept: Vec::new(), budget: Budget::default() }
    }

    fn project(&self, row: Row) -> Row {
        match &self.select {
            Some(select) => select.iter().filter_map(|at| row.get(*at).cloned()).collect(),
            None => row,
        }
    }
}

/// The end of a query as it runs.
pub struct Shaping<'a> {
    shape: &'a Shape,
    limit: Option<usize>,
    sink: Sink<'a>,
    total: u64,
    /// Whether the sink wants more.
    open: bool,
    kept: Vec<Row>,
    budget: Budget,
}

impl Shaping<'_> {
    /// Takes one row.
    ///
    /// # Errors
    /// What the sink answers, and `failed` when there are too many rows to sort.
    pub fn push(&mut self, row: Row) -> Result<(), Error> {
        if self.shape.condition.as_ref().is_some_and(|condition| !condition.holds(&row)) {
            return Ok(());
        }
        self.total += 1;
        if !self.shape.order.0.is_empty() {
            return self.keep(row);
        }
        let at = usize::try_from(self.total).unwrap_or(usize::MAX) - 1;
        let wanted = at >= self.shape.skip && self.limit.is_none_or(|limit| at - self.shape.skip < limit);
        if self.open && wanted {
            self.open = (self.sink)(self.shape.project(row))?;
        }
        Ok(())
    }

    /// Keeps a row to sort it; drops those that cannot be wanted any more.
    fn keep(&mut self, row: Row) -> Result<(), Error> {
        self.budget.keep(&row, "sort fewer rows: set `where`, `limit` or a smaller `skip`")?;
        self.kept.push(row);
        if let Some(wanted) = self.limit.map(|limit| self.shape.skip.saturating_add(limit))
            && self.kept.len() >= wanted.saturating_mul(2).max(1024)
        {
            self.sort();
            self.kept.truncate(wanted);
            self.budget = Budget(self.kept.iter().map(bytes).sum());
        }
        Ok(())
    }

    fn sort(&mut self) {
        let order = &self.shape.order;
        self.kept.sort_by(|a, b| order.compare(a, b));
    }

    /// Ends: gives what was kept, and tells how many rows there are in all.
    ///
    /// # Errors
    /// What the sink answers.
    pub fn finish(mut self) -> Result<u64, Error> {
        self.sort();
        let wanted = self.kept.into_iter().skip(self.shape.skip).take(self.limit.unwrap_or(usize::MAX));
        for row in wanted {
            if !(self.sink)(self.shape.project(row))? {
                break;
            }
        }
        Ok(self.total)
    }
}
