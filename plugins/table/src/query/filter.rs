//! `filter`: rows of a file that fulfil a condition.

use remit::Error;

use super::{Order, Query, Rows, Shape, Sink, answer};
use crate::expression::Condition;
use crate::source::{Column, Source};

/// Which rows of a file.
#[remit::data]
#[derive(Debug, Default, Clone)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The file: `.csv`, `.tsv`, `.jsonl` or `.parquet`, such as `/data/ports.csv`.
    pub path: String,
    /// The condition, such as `age >= 30 and (city = 'Paris' or city is null)`. Text stands in single quotes, names with spaces in
    /// backquotes. There are `= != < <= > >=`, `contains`, `starts_with`, `ends_with`, `in (…)`, `is null`, `and`, `or`, `not`.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// The columns to give, in this order; all unless told.
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

/// Gives rows of a CSV, JSON lines or Parquet file: those that fulfil a condition, in an order, with some columns.
#[remit::tool(read, title = "Filter a table")]
pub fn filter(args: Filter) -> Result<Rows, Error> {
    answer(&prepare(&args)?, args.skip, args.limit)
}

/// A filter whose names were checked.
#[derive(Debug)]
pub struct Prepared {
    source: Source,
    shape: Shape,
}

/// Reads the columns of the file and checks the arguments against them.
///
/// # Errors
/// As [`Source::open`] and [`Condition::parse`].
pub fn prepare(args: &Filter) -> Result<Prepared, Error> {
    let source = Source::open(&args.path, &args.nulls)?;
    let shape = Shape {
        condition: args.condition.as_deref().map(|text| Condition::parse(text, &source.columns)).transpose()?,
        select: Shape::selection(&args.select, &source.columns)?,
        order: Order::parse(&args.sort, &source.columns)?,
        skip: args.skip,
    };
    Ok(Prepared { source, shape })
}

impl Query for Prepared {
    fn columns(&self) -> Vec<Column> {
        self.shape.columns(&self.source.columns)
    }

    fn run(&self, limit: Option<usize>, sink: Sink<'_>) -> Result<u64, Error> {
        let mut shaping = self.shape.start(limit, sink);
        self.source.each(|row| shaping.push(row).map(|()| true))?;
        shaping.finish()
    }
}
