//! `group`: rows with equal values taken together.

use std::collections::HashMap;

use remit::Error;

use super::{Budget, Order, Query, Rows, Shape, Sink, answer};
use crate::expression::Condition;
use crate::source::{Column, Row, Source, position};
use crate::value::{Kind, Value};

/// How to group.
#[remit::data]
#[derive(Debug, Default, Clone)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The file: `.csv`, `.tsv`, `.jsonl` or `.parquet`, such as `/data/ports.csv`.
    pub path: String,
    /// The columns whose equal values make a group; without any, all rows are one group.
    #[serde(default)]
    pub by: Vec<String>,
    /// What to work out for each group: `count`, `count(column)`, `sum(column)`, `min(column)`, `max(column)`, `mean(column)`.
    /// `count` unless told. Each is also the name of its column.
    #[serde(default)]
    pub aggregates: Vec<String>,
    /// The condition on rows before they are grouped, as in `filter`.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// The columns of the result to sort by; `-` in front means the largest first. By the groups' values unless told.
    #[serde(default)]
    pub sort: Vec<String>,
    /// Groups to leave out at the start: to go on with a long result.
    #[serde(default)]
    pub skip: usize,
    /// Most groups to give; 100 unless told, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<usize>,
    /// Text that stands for nothing, such as `n/a`.
    #[serde(default)]
    pub nulls: Vec<String>,
}

/// Takes rows of a CSV, JSON lines or Parquet file with equal values together and counts, sums, averages them.
#[remit::tool(read, title = "Group a table")]
pub fn group(args: Group) -> Result<Rows, Error> {
    answer(&prepare(&args)?, args.skip, args.limit)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Count,
    Sum,
    Min,
    Max,
    Mean,
}

/// One value to work out for each group; `None` counts rows.
#[derive(Debug, Clone, Copy)]
struct Aggregate {
    function: Function,
    column: Option<usize>,
}

/// What is known of one group so far, for one aggregate.
#[derive(Debug, Clone, Default)]
struct Running {
    count: u64,
    whole: i128,
    float: f64,
    floats: bool,
    least: Option<Value>,
    most: Option<Value>,
}

/// A grouping whose names were checked.
#[derive(Debug)]
pub struct Prepared {
    source: Source,
    condition: Option<Condition>,
    by: Vec<usize>,
    aggregates: Vec<Aggregate>,
    columns: Vec<Column>,
    shape: Shape,
}

/// Reads the columns of the file and checks the arguments against them.
///
/// # Errors
/// As [`Source::open`] and [`Condition::parse`]; `invalid-arguments` for an aggregate that is not known or does not fit its column.
pub fn prepare(args: &Group) -> Result<Prepared, Error> {
    let source = Source::open(&args.path, &args.nulls)?;
    let condition = args.condition.as_deref().map(|text| Condition::parse(text, &source.columns)).transpose()?;
    let by: Vec<usize> = args.by.iter().map(|name| position(&source.columns, name)).collect::<Result<_, _>>()?;
    let names = if args.aggregates.is_empty() { vec!["count".to_owned()] } else { args.aggregates.clone() };
    let aggregates: Vec<Aggregate> = names.iter().map(|name| aggregate(name, &source.columns)).collect::<Result<_, _>>()?;
    let mut columns: Vec<Column> = by.iter().filter_map(|at| source.columns.get(*at).cloned()).collect();
    columns.extend(names.iter().zip(&aggregates).map(|(name, aggregate)| Column::new(name.trim(), kind(*aggregate, &source.columns))));
    let sort = if args.sort.is_empty() { &args.by } else { &args.sort };
    let shape = Shape { order: Order::parse(sort, &columns)?, skip: args.skip, ..Shape::default() };
    Ok(Prepared { source, condition, by, aggregates, columns, shape })
}

fn aggregate(text: &str, columns: &[Column]) -> Result<Aggregate, Error> {
    let unknown = || {
        Error::invalid_arguments(format!(
            "`{text}` is no aggregate; write `count`, `count(x)`, `sum(x)`, `min(x)`, `max(x)` or `mean(x)` with a column for x"
        ))
    };
    let text = text.trim();
    if text == "count" {
        return Ok(Aggregate { function: Function::Count, column: None });
    }
    let (name, rest) = text.split_once('(').ok_or_else(unknown)?;
    let at = position(columns, rest.strip_suffix(')').ok_or_else(unknown)?.trim())?;
    let function = match name.trim() {
        "count" => Function::Count,
        "sum" => Function::Sum,
        "min" => Function::Min,
        "max" => Function::Max,
        "mean" | "avg" => Function::Mean,
        _ => return Err(unknown()),
    };
    match columns.get(at) {
        Some(column) if matches!(function, Function::Sum | Function::Mean) && matches!(column.kind, Kind::Text | Kind::Boolean) => {
            let odd = match &column.odd {
                Some((row, field)) => format!(": row {row} has `{field}`; list such text in `nulls` if it stands for nothing"),
                None => String::new(),
            };
            Err(Error::invalid_arguments(format!("`{text}` needs numbers, but the column holds {}{odd}", column.kind.words())))
        }
        _ => Ok(Aggregate { function, column: Some(at) }),
    }
}

fn kind(aggregate: Aggregate, columns: &[Column]) -> Kind {
    let of_column = aggregate.column.and_then(|at| columns.get(at)).map_or(Kind::Integer, |column| column.kind);
    match aggregate.function {
        Function::Count => Kind::Integer,
        Function::Mean => Kind::Number,
        _ => of_column,
    }
}

impl Running {
    fn add(&mut self, function: Function, value: Option<&Value>) {
        let Some(value) = value else {
            self.count += 1;
            return;
        };
        if *value == Value::Null {
            return;
        }
        self.count += 1;
        match (function, value) {
            (Function::Sum | Function::Mean, Value::Int(number)) => self.whole += i128::from(*number),
            (Function::Sum | Function::Mean, Value::Float(number)) => {
                self.float += number;
                self.floats = true;
            }
            (Function::Min, value) if self.least.as_ref().is_none_or(|least| value.order(least).is_lt()) => {
                self.least = Some(value.clone())
            }
            (Function::Max, value) if self.most.as_ref().is_none_or(|most| value.order(most).is_gt()) => self.most = Some(value.clone()),
            _ => {}
        }
    }

    fn finish(self, function: Function) -> Value {
        let float = |number: f64| if number.is_finite() { Value::Float(number) } else { Value::Null };
        match function {
            Function::Count => i64::try_from(self.count).map_or(Value::Null, Value::Int),
            Function::Min => self.least.unwrap_or(Value::Null),
            Function::Max => self.most.unwrap_or(Value::Null),
            _ if self.count == 0 => Value::Null,
            Function::Mean => float((self.whole as f64 + self.float) / self.count as f64),
            Function::Sum if self.floats => float(self.whole as f64 + self.float),
            Function::Sum => i64::try_from(self.whole).map_or_else(|_| float(self.whole as f64), Value::Int),
        }
    }
}

impl Query for Prepared {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn run(&self, limit: Option<usize>, sink: Sink<'_>) -> Result<u64, Error> {
        let mut groups: HashMap<Vec<String>, (Row, Vec<Running>)> = HashMap::new();
        let mut budget = Budget::default();
        self.source.each(|row| {
            if self.condition.as_ref().is_some_and(|condition| !condition.holds(&row)) {
                return Ok(true);
            }
            let values: Row = self.by.iter().filter_map(|at| row.get(*at).cloned()).collect();
            // Nothing and empty text are one group: both are written as nothing.
            let key: Vec<String> = values.iter().map(|value| value.text().into_owned()).collect();
            if !groups.contains_key(&key) {
                for _ in 0..=self.aggregates.len() {
                    budget.keep(&values, "there are too many groups; group by fewer columns or set `where`")?;
                }
            }
            let (_, running) = groups.entry(key).or_insert_with(|| (values, vec![Running::default(); self.aggregates.len()]));
            for (running, aggregate) in running.iter_mut().zip(&self.aggregates) {
                running.add(aggregate.function, aggregate.column.and_then(|at| row.get(at)));
            }
            Ok(true)
        })?;
        if self.by.is_empty() && groups.is_empty() {
            groups.insert(Vec::new(), (Row::new(), vec![Running::default(); self.aggregates.len()]));
        }
        let mut shaping = self.shape.start(limit, sink);
        for (mut row, running) in groups.into_values() {
            row.extend(running.into_iter().zip(&self.aggregates).map(|(running, aggregate)| running.finish(aggregate.function)));
            shaping.push(row)?;
        }
        shaping.finish()
    }
}
