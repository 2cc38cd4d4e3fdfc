//! CSV, a record at a time, within bounded memory.

use std::io::BufRead;

use csv_core::ReadRecordResult;
use remit::Error;

use super::{COLUMNS_MAX, ROW_MAX_BYTES};

/// Bytes of the first line that are looked at to find the delimiter.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Reads records.
pub struct Reader<R> {
    input: R,
    core: csv_core::Reader,
    fields: Vec<u8>,
    ends: Vec<usize>,
    row: u64,
}

/// One record; it borrows from its reader.
#[derive(Debug)]
pub struct Record<'a> {
    fields: &'a [u8],
    ends: &'a [usize],
    /// Its number, counted from 1 after the line that names the columns.
    pub row: u64,
}

impl Record<'_> {
    /// The field at `at`, in the column `name`.
    ///
    /// # Errors
    /// `invalid-arguments` when it is not UTF-8.
    pub fn field(&self, at: usize, name: &str) -> Result<&str, Error> {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let bytes = self.ends.get(at).and_then(|end| self.fields.get(start..*end)).unwrap_or_default();
        std::str::from_utf8(bytes)
            .map_err(|error| Error::invalid_arguments(format!("row {}, column `{name}`: not UTF-8: {error}", self.row)))
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads `input`, whose fields are divided by `delimiter`.
    pub fn new(input: R, delimiter: u8) -> Self {
        let core = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        Self { input, core, fields: vec![0; 4096], ends: vec![0; COLUMNS_MAX + 1], row: 0 }
    }

    /// Looks at the start of the file for another delimiter than `usual`, and takes the one that occurs most in the first line.
    ///
    /// # Errors
    /// What the file answers.
    pub fn sniff(&mut self, usual: u8) -> Result<u8, Error> {
        let start = self.input.fill_buf()?;
        let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let count = |delimiter: u8| line.iter().filter(|byte| **byte == delimiter).count();
        let delimiter = if count(usual) > 0 {
            usual
        } else {
            DELIMITERS.into_iter().max_by_key(|other| count(*other)).filter(|other| count(*other) > 0).unwrap_or(usual)
        };
        self.core = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        Ok(delimiter)
    }

    /// Reads the names of the columns.
    ///
    /// # Errors
    /// `invalid-arguments` when the file is empty, or two columns have one name.
    pub fn header(&mut self) -> Result<Vec<String>, Error> {
        let Some(count) = self.record()? else {
            return Err(Error::invalid_arguments("the file is empty; its first line has to name the columns"));
        };
        let record = Record { fields: &self.fields, ends: self.ends.get(..count).unwrap_or(&self.ends), row: 0 };
        let mut names: Vec<String> = Vec::with_capacity(count);
        for at in 0..count {
            let name = record.field(at, "")?.trim_start_matches('\u{feff}').trim();
            let name = if name.is_empty() { format!("column_{}", at + 1) } else { name.to_owned() };
            if names.contains(&name) {
                return Err(Error::invalid_arguments(format!("two columns have the name `{name}`; give one of them another")));
            }
            names.push(name);
        }
        Ok(names)
    }

    /// Reads the next record, which has to have `columns` fields; `None` at the end.
    ///
    /// # Errors
    /// `invalid-arguments`, with row and line, when it has another number of fields or is too long; else what the file answers.
    pub fn next(&mut self, columns: usize) -> Result<Option<Record<'_>>, Error> {
        self.row += 1;
        let line = self.core.line();
        let Some(count) = self.record()? else { return Ok(None) };
        if count != columns {
            let row = self.row;
            return Err(Error::invalid_arguments(format!("row {row} (line {line}) has {count} fields, but there are {columns} columns")));
        }
        Ok(Some(Record { fields: &self.fields, ends: self.ends.get(..count).unwrap_or(&self.ends), row: self.row }))
    }

    /// Reads a record into the buffers and tells how many fields it has.
    fn record(&mut self) -> Result<Option<usize>, Error> {
        let (mut written, mut ended, first) = (0, 0, self.core.line());
        loop {
            let input = self.input.fill_buf()?;
            let output = self.fields.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(ended..).unwrap_or_default();
            let (result, read, wrote, found) = self.core.read_record(input, output, ends);
            self.input.consume(read);
            written += wrote;
            ended += found;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => return self.bounded(ended).map(Some),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::OutputFull if self.fields.len() < ROW_MAX_BYTES => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputFull => {
                    let row = self.row;
                    return Err(Error::invalid_arguments(format!(
                        "row {row} (line {first}) is longer than {ROW_MAX_BYTES} bytes; is a quote left open there?"
                    )));
                }
                ReadRecordResult::OutputEndsFull => return self.bounded(COLUMNS_MAX + 1).map(Some),
            }
        }
    }

    fn bounded(&self, fields: usize) -> Result<usize, Error> {
        if fields > COLUMNS_MAX {
            return Err(Error::invalid_arguments(format!("row {} has more than {COLUMNS_MAX} fields", self.row)));
        }
        Ok(fields)
    }
}
