//! Files as tables: columns with their kinds, and rows one at a time.
//!
//! A file is read twice: once to learn what its columns hold, so that every row is read the same way, then for its rows. Parquet says
//! what its columns hold, so there the first time is the footer alone.

mod csv;
mod json_lines;
mod parquet;

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use remit::{Error, WithContext};

use crate::value::{Kind, Value, guess, parse};

/// Most columns of a table.
pub const COLUMNS_MAX: usize = 1000;
/// Longest row, in bytes.
pub const ROW_MAX_BYTES: usize = 1 << 20;

const BUFFER_BYTES: usize = 64 << 10;

/// One row.
pub type Row = Vec<Value>;

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// The row and the text that made it a column of text, if it held anything else before.
    pub odd: Option<(u64, String)>,
}

impl Column {
    /// A column without values yet.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, odd: None }
    }

    fn learn(&mut self, kind: Kind, row: u64, field: &str) {
        let wider = self.kind.widen(kind);
        if wider == Kind::Text && wider != self.kind && self.kind != Kind::Empty {
            self.odd = Some((row, field.chars().take(40).collect()));
        }
        self.kind = wider;
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Fields divided by this byte; the first line names the columns.
    Csv(u8),
    /// A JSON object on each line.
    JsonLines,
    /// Columns with types, for reading only.
    Parquet,
}

impl Format {
    /// The format that a path names.
    ///
    /// # Errors
    /// `invalid-arguments` when it names none that is known.
    pub fn of(path: &str) -> Result<Self, Error> {
        let lower = path.to_ascii_lowercase();
        match lower.rsplit_once('.').map(|(_, extension)| extension) {
            Some("csv" | "txt") => Ok(Self::Csv(b',')),
            Some("tsv" | "tab") => Ok(Self::Csv(b'\t')),
            Some("jsonl" | "ndjson" | "jsonlines") => Ok(Self::JsonLines),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(Error::invalid_arguments(format!(
                "`{path}` is of no known format; tables are `.csv`, `.tsv`, `.jsonl` and `.parquet` files"
            ))),
        }
    }
}

/// A file whose columns are known.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    format: Format,
    nulls: Vec<String>,
    /// The columns, in their order.
    pub columns: Vec<Column>,
    /// Rows of the file.
    pub rows: u64,
}

impl Source {
    /// Learns the columns of the file `path`; fields that are one of `nulls` count as empty.
    ///
    /// # Errors
    /// `invalid-arguments` when the format is unknown or the file is malformed, with the row; else what the system says.
    pub fn open(path: &str, nulls: &[String]) -> Result<Self, Error> {
        if !path.starts_with('/') {
            return Err(Error::invalid_arguments(format!(
                "`{path}` is not an absolute path; write it from the root, such as `/data/a.csv`"
            )));
        }
        let mut source = Self { path: path.into(), format: Format::Parquet, nulls: nulls.to_vec(), columns: Vec::new(), rows: 0 };
        let reader = source.reader()?;
        if !parquet::detect(reader.get_ref()).context(format!("cannot read {}", source.shown()))? {
            source.format = Format::of(path)?;
        }
        match source.format {
            Format::Csv(delimiter) => {
                let mut fields = csv::Reader::new(reader, delimiter);
                source.format = Format::Csv(fields.sniff(delimiter).context(source.shown())?);
                source.learn_csv(fields)
            }
            Format::JsonLines => source.learn_json(json_lines::Reader::new(reader)),
            Format::Parquet => source.learn_parquet(reader.into_inner()),
        }
        .map_err(|error| error.context(source.shown()))?;
        Ok(source)
    }

    fn shown(&self) -> String {
        format!("`{}`", self.path.display())
    }

    fn reader(&self) -> Result<BufReader<File>, Error> {
        let tried = || format!("cannot read {}", self.shown());
        let file = File::open(&self.path).context(tried())?;
        if file.metadata().context(tried())?.is_dir() {
            return Err(Error::invalid_arguments(format!("{} is a folder; name a file in it", self.shown())));
        }
        Ok(BufReader::with_capacity(BUFFER_BYTES, file))
    }

    fn learn_csv(&mut self, mut fields: csv::Reader<BufReader<File>>) -> Result<(), Error> {
        let names = fields.header()?;
        self.columns = names.into_iter().map(|name| Column::new(name, Kind::Empty)).collect();
        while let Some(record) = fields.next(self.columns.len())? {
            self.rows += 1;
            for (at, column) in self.columns.iter_mut().enumerate() {
                let field = record.field(at, &column.name)?;
                if !self.nulls.iter().any(|null| null == field) {
                    column.learn(guess(field), self.rows, field);
                }
            }
        }
        Ok(())
    }

    fn learn_json(&mut self, mut lines: json_lines::Reader<BufReader<File>>) -> Result<(), Error> {
        while let Some(object) = lines.next()? {
            self.rows += 1;
            for (name, value) in object {
                let at = self.columns.iter().position(|column| column.name == name);
                let at = at.unwrap_or(self.columns.len());
                if at == COLUMNS_MAX {
                    return Err(Error::invalid_arguments(format!("row {}: there are more than {COLUMNS_MAX} columns", self.rows)));
                }
                if at == self.columns.len() {
                    self.columns.push(Column::new(name, Kind::Empty));
                }
                if let Some(column) = self.columns.get_mut(at).filter(|_| !self.nulls.iter().any(|null| *null == value.text())) {
                    column.learn(value.kind(), self.rows, &value.text());
                }
            }
        }
        Ok(())
    }

    fn learn_parquet(&mut self, file: File) -> Result<(), Error> {
        let mut rows = parquet::Reader::new(file)?;
        (self.columns, self.rows) = (rows.columns.clone(), rows.rows);
        let unknown: Vec<usize> = (0..).zip(&self.columns).filter(|(_, column)| column.kind == Kind::Empty).map(|(at, _)| at).collect();
        let mut number = 0;
        while !unknown.is_empty()
            && let Some(row) = rows.next()?
        {
            number += 1;
            for at in &unknown {
                let (Some(column), Some(value)) = (self.columns.get_mut(*at), row.get(*at)) else { continue };
                if !self.nulls.iter().any(|null| *null == value.text()) {
                    column.learn(value.kind(), number, &value.text());
                }
            }
        }
        Ok(())
    }

    /// Gives every row to `take`, until it answers `false`.
    ///
    /// # Errors
    /// As [`Source::open`], and what `take` answers.
    pub fn each(&self, mut take: impl FnMut(Row) -> Result<bool, Error>) -> Result<(), Error> {
        let reader = self.reader()?;
        match self.format {
            Format::Csv(delimiter) => {
                let mut fields = csv::Reader::new(reader, delimiter);
                fields.header().context(self.shown())?;
                while let Some(record) = fields.next(self.columns.len()).context(self.shown())? {
                    let cells =
                        self.columns.iter().enumerate().map(|(at, column)| self.cell(record.field(at, &column.name)?, column, record.row));
                    if !take(cells.collect::<Result<Row, Error>>().context(self.shown())?)? {
                        break;
                    }
                }
            }
            Format::JsonLines => {
                let mut lines = json_lines::Reader::new(reader);
                while let Some(object) = lines.next().context(self.shown())? {
                    if !take(self.row(object))? {
                        break;
                    }
                }
            }
            Format::Parquet => {
                let mut rows = parquet::Reader::new(reader.into_inner()).context(self.shown())?;
                if !rows.columns.iter().map(|column| &column.name).eq(self.columns.iter().map(|column| &column.name)) {
                    return Err(Error::failed(format!("{} was changed while it was read; call again", self.shown())));
                }
                while let Some(row) = rows.next().context(self.shown())? {
                    if !take(row.into_iter().zip(&self.columns).map(|(value, column)| self.settle(value, column)).collect())? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn cell(&self, field: &str, column: &Column, row: u64) -> Result<Value, Error> {
        if self.nulls.iter().any(|null| null == field) {
            return Ok(Value::Null);
        }
        parse(field, column.kind).ok_or_else(|| {
            Error::failed(format!("row {row}, column `{}`: the file was changed while it was read; call again", column.name))
        })
    }

    /// The values of an object in the order of the columns; a column that holds several kinds holds text.
    fn row(&self, object: Vec<(String, Value)>) -> Row {
        let mut row = vec![Value::Null; self.columns.len()];
        for (name, value) in object {
            let Some(at) = self.columns.iter().position(|column| column.name == name) else { continue };
            if let (Some(cell), Some(column)) = (row.get_mut(at), self.columns.get(at)) {
                *cell = self.settle(value, column);
            }
        }
        row
    }

    /// A value as its column has it: nothing if it stands for that, text in a column of text.
    fn settle(&self, value: Value, column: &Column) -> Value {
        match value {
            value if self.nulls.iter().any(|null| *null == value.text()) => Value::Null,
            value @ (Value::Null | Value::Text(_)) => value,
            value if column.kind == Kind::Text => Value::Text(value.text().into_owned()),
            value => value,
        }
    }
}

/// The position of the column `name`.
///
/// # Errors
/// `invalid-arguments` that names the columns there are.
pub fn position(columns: &[Column], name: &str) -> Result<usize, Error> {
    columns.iter().position(|column| column.name == name).ok_or_else(|| {
        let names: Vec<String> = columns.iter().take(40).map(|column| format!("`{}`", column.name)).collect();
        Error::invalid_arguments(format!("there is no column `{name}`; columns: {}", names.join(", ")))
    })
}
