//! Parquet, a row at a time, within bounded memory.
//!
//! What the file says of itself is checked before it is relied on. How many values a page holds, and at which levels, is known only when
//! it is decoded: where that is broken the decoder may trap, which ends this call alone. So may a `gzip` page that unpacks to more than
//! it says.

mod cell;
mod input;
mod pages;
mod schema;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use ::parquet::record::Row as Record;
use ::parquet::record::reader::{ReaderIter, TreeBuilder};
use remit::{Error, WithContext};

use self::cell::Reading;
use self::input::{Group, Input};
use super::{Column, ROW_MAX_BYTES, Row};

/// How a file begins and ends.
const MAGIC: [u8; 4] = *b"PAR1";
/// How a file ends whose footer is encrypted.
const MAGIC_ENCRYPTED: [u8; 4] = *b"PARE";
/// Largest footer, in bytes: it is held in memory, and so are the texts in it.
const FOOTER_MAX_BYTES: u64 = 4 << 20;
/// Values of a column that are decoded at a time.
const BATCH_ROWS: usize = 128;
/// Longest part of a reader's message that is passed on, in characters.
const MESSAGE_MAX_CHARS: usize = 200;

/// Whether `file` begins and ends as Parquet does; it is at its start afterwards.
///
/// # Errors
/// What the file answers.
pub fn detect(mut file: &File) -> io::Result<bool> {
    let tail_at = file.metadata()?.len().saturating_sub(MAGIC.len() as u64);
    let mut marks = Vec::new();
    for at in [0, tail_at] {
        file.seek(SeekFrom::Start(at))?;
        file.take(MAGIC.len() as u64).read_to_end(&mut marks)?;
    }
    file.rewind()?;
    Ok(marks == [MAGIC, MAGIC].concat())
}

/// Reads rows of a file whose footer was found sound.
pub struct Reader {
    input: Arc<Input>,
    meta: ParquetMetaData,
    readings: Vec<Reading>,
    /// The columns with the kinds that the file says; `Empty` where the values have to be looked at.
    pub columns: Vec<Column>,
    /// Rows of the file.
    pub rows: u64,
    groups_begun: usize,
    group: Option<ReaderIter>,
    row: u64,
}

impl Reader {
    /// Reads the footer of `file`.
    ///
    /// # Errors
    /// `invalid-arguments` when it is malformed, too large, compressed or encrypted in a way that is not read here, or has a column of
    /// a type that is not; else what the file answers.
    pub fn new(file: File) -> Result<Self, Error> {
        let input = Input::new(file)?;
        let meta = ParquetMetaDataReader::decode_metadata(&footer(&input)?).map_err(failure)?;
        let rows = schema::check(&meta, input.length)?;
        let fields = meta.file_metadata().schema().get_fields().iter();
        let (columns, readings) = fields
            .map(|field| {
                let (reading, kind) = Reading::of(field);
                (Column::new(field.name(), kind), reading)
            })
            .unzip();
        Ok(Self { input: Arc::new(input), meta, readings, columns, rows, groups_begun: 0, group: None, row: 0 })
    }

    /// Reads the next row; `None` at the end.
    ///
    /// # Errors
    /// `invalid-arguments`, with the row, when the file is malformed there, or the row or a page is too large; else what the file
    /// answers.
    pub fn next(&mut self) -> Result<Option<Row>, Error> {
        loop {
            if let Some(row) = self.group.as_mut().and_then(Iterator::next) {
                self.row += 1;
                return row.map_err(failure).and_then(|row| self.cells(row)).context(format!("row {}", self.row)).map(Some);
            }
            let Some(group) = self.meta.row_groups().get(self.groups_begun) else { return Ok(None) };
            self.groups_begun += 1;
            self.group = None;
            self.input.begin(group);
            let reader = Group { input: Arc::clone(&self.input), meta: group };
            let schema = self.meta.file_metadata().schema_descr_ptr();
            let rows = TreeBuilder::new().with_batch_size(BATCH_ROWS).as_iter(schema, &reader);
            self.group = Some(rows.map_err(failure).context(format!("row {}", self.row + 1))?);
        }
    }

    fn cells(&self, row: Record) -> Result<Row, Error> {
        let (mut cells, mut bytes) = (Row::with_capacity(self.columns.len()), 0);
        for ((name, field), reading) in row.into_columns().into_iter().zip(&self.readings) {
            let cell = reading.value(field).context(format!("column `{name}`"))?;
            bytes += cell.bytes();
            cells.push(cell);
        }
        if bytes > ROW_MAX_BYTES {
            return Err(Error::invalid_arguments(format!("it is longer than {ROW_MAX_BYTES} bytes")));
        }
        Ok(cells)
    }
}

/// The bytes of the footer.
fn footer(input: &Input) -> Result<Vec<u8>, Error> {
    let short = || Error::invalid_arguments("it is no whole Parquet file: it does not end with `PAR1`; was it cut off?");
    let tail_at = input.length.checked_sub(8).ok_or_else(short)?;
    let tail = input.exact(tail_at, 8)?;
    let [a, b, c, d, magic @ ..] = tail.as_slice() else { return Err(short()) };
    if magic == MAGIC_ENCRYPTED {
        return Err(Error::invalid_arguments("it is encrypted; write it without encryption"));
    }
    if magic != MAGIC {
        return Err(short());
    }
    let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
    if length > FOOTER_MAX_BYTES {
        return Err(Error::invalid_arguments(format!(
            "its footer of {length} bytes is larger than {FOOTER_MAX_BYTES}; write it with fewer row groups or without statistics"
        )));
    }
    let start = tail_at.checked_sub(length).filter(|start| *start >= 4);
    let start = start.ok_or_else(|| Error::invalid_arguments("malformed Parquet: its footer is longer than the file"))?;
    Ok(input.exact(start, length as usize)?)
}

/// What a failure of the reader is to the caller.
fn failure(error: ParquetError) -> Error {
    let text = match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => return Error::from(*error),
            Err(other) => other.to_string(),
        },
        ParquetError::General(text) | ParquetError::EOF(text) | ParquetError::NYI(text) => text,
        other => other.to_string(),
    };
    let text: String = text.chars().take(MESSAGE_MAX_CHARS).collect();
    Error::invalid_arguments(format!("malformed Parquet: {text}"))
}
