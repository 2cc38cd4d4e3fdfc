//! `join`: rows of two files that belong together.

use std::collections::{HashMap, HashSet};

use remit::Error;

use super::{Budget, Order, Query, Rows, Shape, Sink, answer};
use crate::expression::Condition;
use crate::source::{Column, Row, Source, position};
use crate::value::Value;

/// How to join.
#[remit::data]
#[derive(Debug, Default, Clone)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The first file; it may be large.
    pub left: String,
    /// The second file; it is kept in memory, so take the smaller one.
    pub right: String,
    /// The columns that have to be equal: `id`, or `id = customer_id` where their names differ (left = right).
    pub on: Vec<String>,
    /// Which rows of the first file to keep: those with a partner (unless told), or all.
    #[serde(default)]
    pub kind: JoinKind,
    /// The condition on joined rows, as in `filter`.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// The columns to give, in this order; all unless told. A column of the second file whose name the first one has too is
    /// called `right.name`.
    #[serde(default)]
    pub select: Vec<String>,
    /// The columns to sort by; `-` in front means the largest first.
    #[serde(default)]
    pub sort: Vec<String>,
    /// Rows to leave out at the start: to go on with a long result.
    #[serde(default)]
    pub skip: usize,
    /// Most rows to give; 100 unless told, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<usize>,
    /// Text that stands for nothing, such as `n/a`.
    #[serde(default)]
    pub nulls: Vec<String>,
}

/// Which rows of the first file are kept.
#[remit::data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum JoinKind {
    /// Those with a partner.
    #[default]
    Inner,
    /// All.
    Left,
}

/// Joins two CSV, JSON lines or Parquet files on columns with equal values.
#[remit::tool(read, title = "Join two tables")]
pub fn join(args: Join) -> Result<Rows, Error> {
    answer(&prepare(&args)?, args.skip, args.limit)
}

/// A join whose names were checked.
#[derive(Debug)]
pub struct Prepared {
    left: Source,
    right: Source,
    left_keys: Vec<usize>,
    right_keys: Vec<usize>,
    /// The columns of the second file that are given.
    taken: Vec<usize>,
    columns: Vec<Column>,
    kind: JoinKind,
    shape: Shape,
}

/// Reads the columns of both files and checks the arguments against them.
///
/// # Errors
/// As [`Source::open`] and [`Condition::parse`]; `invalid-arguments` when no column is named in `on`.
pub fn prepare(args: &Join) -> Result<Prepared, Error> {
    if args.on.is_empty() {
        return Err(Error::invalid_arguments("`on` is empty; name the columns that have to be equal, such as `id` or `id = customer_id`"));
    }
    let (left, right) = (Source::open(&args.left, &args.nulls)?, Source::open(&args.right, &args.nulls)?);
    let (mut left_keys, mut right_keys, mut shared) = (Vec::new(), Vec::new(), HashSet::new());
    for pair in &args.on {
        let (a, b) = pair.split_once('=').map_or((pair.trim(), pair.trim()), |(a, b)| (a.trim(), b.trim()));
        left_keys.push(position(&left.columns, a).map_err(|error| error.context(format!("`{}`", args.left)))?);
        let at = position(&right.columns, b).map_err(|error| error.context(format!("`{}`", args.right)))?;
        right_keys.push(at);
        // A key of the same name would only be there twice.
        if a == b {
            shared.insert(at);
        }
    }
    let taken: Vec<usize> = (0..right.columns.len()).filter(|at| !shared.contains(at)).collect();
    let mut columns = left.columns.clone();
    for column in taken.iter().filter_map(|at| right.columns.get(*at)) {
        let clash = left.columns.iter().any(|other| other.name == column.name);
        let name = if clash { format!("right.{}", column.name) } else { column.name.clone() };
        columns.push(Column { name, ..column.clone() });
    }
    let shape = Shape {
        condition: args.condition.as_deref().map(|text| Condition::parse(text, &columns)).transpose()?,
        select: Shape::selection(&args.select, &columns)?,
        order: Order::parse(&args.sort, &columns)?,
        skip: args.skip,
    };
    Ok(Prepared { left, right, left_keys, right_keys, taken, columns, kind: args.kind, shape })
}

/// The values of `row` at `keys` as they are written; `None` if one is nothing, which equals nothing.
fn key(row: &Row, keys: &[usize]) -> Option<Vec<String>> {
    let text = |at: &usize| row.get(*at).filter(|value| **value != Value::Null).map(|value| value.text().into_owned());
    keys.iter().map(text).collect()
}

impl Query for Prepared {
    fn columns(&self) -> Vec<Column> {
        self.shape.columns(&self.columns)
    }

    fn run(&self, limit: Option<usize>, sink: Sink<'_>) -> Result<u64, Error> {
        let mut partners: HashMap<Vec<String>, Vec<Row>> = HashMap::new();
        let mut budget = Budget::default();
        self.right.each(|row| {
            if let Some(key) = key(&row, &self.right_keys) {
                let kept: Row = self.taken.iter().filter_map(|at| row.get(*at).cloned()).collect();
                budget.keep(&row, "take the smaller file as `right`")?;
                partners.entry(key).or_default().push(kept);
            }
            Ok(true)
        })?;
        let mut shaping = self.shape.start(limit, sink);
        self.left.each(|row| {
            let found = key(&row, &self.left_keys).and_then(|key| partners.get(&key));
            match found {
                Some(rows) => rows.iter().try_for_each(|partner| shaping.push(row.iter().chain(partner).cloned().collect()))?,
                None if self.kind == JoinKind::Left => {
                    let nothing = std::iter::repeat_n(Value::Null, self.taken.len());
                    shaping.push(row.into_iter().chain(nothing).collect())?;
                }
                None => {}
            }
            Ok(true)
        })?;
        shaping.finish()
    }
}
