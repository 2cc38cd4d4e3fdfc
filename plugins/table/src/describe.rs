//! `describe`: what a file holds.

use remit::Error;
use remit::serde_json::Value as Json;

use crate::source::Source;
use crate::value::{Kind, Value};

/// Rows that are shown.
const SAMPLE_ROWS: usize = 5;
/// Longest shown text of a cell, in characters.
const SHOWN_CHARS: usize = 80;

/// What to describe.
#[remit::data]
#[derive(Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct Describe {
    /// The file: `.csv`, `.tsv`, `.jsonl` or `.parquet`, such as `/data/ports.csv`.
    pub path: String,
    /// Text that stands for nothing, such as `n/a`.
    #[serde(default)]
    pub nulls: Vec<String>,
}

/// What a file holds.
#[remit::data]
#[derive(Debug, Default, PartialEq)]
pub struct Description {
    /// How many rows.
    pub rows: u64,
    /// The columns.
    pub columns: Vec<Summary>,
    /// The first rows, each with its values in the order of the columns.
    pub sample: Vec<Vec<Json>>,
}

/// What a column holds.
#[remit::data]
#[derive(Debug, PartialEq)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Rows without a value.
    pub nulls: u64,
    /// The least value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Json>,
    /// The greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Json>,
    /// The mean of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// What made it a column of text, if it holds other things as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What is known of a column so far.
#[derive(Debug, Clone, Default)]
struct Running {
    nulls: u64,
    count: u64,
    sum: f64,
    least: Option<Value>,
    most: Option<Value>,
}

impl Running {
    fn add(&mut self, value: &Value) {
        if *value == Value::Null {
            self.nulls += 1;
            return;
        }
        self.count += 1;
        self.sum += value.number().unwrap_or(0.0);
        if self.least.as_ref().is_none_or(|least| value.order(least).is_lt()) {
            self.least = Some(value.clone());
        }
        if self.most.as_ref().is_none_or(|most| value.order(most).is_gt()) {
            self.most = Some(value.clone());
        }
    }
}

/// Tells what a CSV, JSON lines or Parquet file holds: its columns with kind, nulls, least and greatest value and mean, and the first rows.
#[remit::tool(read, title = "Describe a table")]
pub fn describe(args: Describe) -> Result<Description, Error> {
    let source = Source::open(&args.path, &args.nulls)?;
    let mut running = vec![Running::default(); source.columns.len()];
    let mut sample = Vec::new();
    source.each(|row| {
        if sample.len() < SAMPLE_ROWS {
            sample.push(row.iter().map(shown).collect());
        }
        running.iter_mut().zip(&row).for_each(|(running, value)| running.add(value));
        Ok(true)
    })?;
    let columns = source.columns.iter().zip(running).map(|(column, running)| {
        let mean =
            matches!(column.kind, Kind::Integer | Kind::Number).then(|| running.sum / running.count as f64).filter(|mean| mean.is_finite());
        let note =
            column.odd.as_ref().map(|(row, text)| format!("text since row {row} (`{text}`); list it in `nulls` if it stands for nothing"));
        let (min, max) = (running.least.as_ref().map(shown), running.most.as_ref().map(shown));
        Summary { name: column.name.clone(), kind: column.kind, nulls: running.nulls, min, max, mean, note }
    });
    Ok(Description { rows: source.rows, columns: columns.collect(), sample })
}

/// A value in JSON, long text cut.
fn shown(value: &Value) -> Json {
    match value {
        Value::Text(text) => match text.char_indices().nth(SHOWN_CHARS) {
            Some((at, _)) => Json::String(format!("{}…", text.get(..at).unwrap_or_default())),
            None => Json::String(text.clone()),
        },
        other => other.json(),
    }
}
