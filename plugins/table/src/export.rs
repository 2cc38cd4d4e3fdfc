//! `export`: the result of a query as a file.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use remit::serde_json;
use remit::{Error, WithContext};

use crate::query::{Query, filter, group, join};
use crate::source::{Format, Row};
use crate::value::Value;

/// Which query, and where its result goes: one of `filter`, `group` and `join`.
#[remit::data]
#[derive(Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The file to write: `.csv`, `.tsv` or `.jsonl`, such as `/out/ports.csv`. It is replaced if it exists.
    pub output: String,
    /// A filter, with the arguments of the tool `filter`; without `limit`, all rows.
    pub filter: Option<filter::Filter>,
    /// A grouping, with the arguments of the tool `group`; without `limit`, all groups.
    pub group: Option<group::Group>,
    /// A join, with the arguments of the tool `join`; without `limit`, all rows.
    pub join: Option<join::Join>,
}

/// What was written.
#[remit::data]
#[derive(Debug, PartialEq, Eq)]
pub struct Exported {
    /// The file.
    pub output: String,
    /// Rows in it.
    pub rows: u64,
    /// Its bytes.
    pub size: u64,
    /// Its columns.
    pub columns: Vec<String>,
}

/// Writes all rows of a filter, a grouping or a join to a CSV or JSON lines file, which is replaced in one step.
#[remit::tool(idempotent, title = "Export a table")]
pub fn export(args: Export) -> Result<Exported, Error> {
    let (query, limit): (Box<dyn Query>, Option<usize>) = match (&args.filter, &args.group, &args.join) {
        (Some(filter), None, None) => (Box::new(filter::prepare(filter)?), filter.limit),
        (None, Some(group), None) => (Box::new(group::prepare(group)?), group.limit),
        (None, None, Some(join)) => (Box::new(join::prepare(join)?), join.limit),
        _ => return Err(Error::invalid_arguments("give just one of `filter`, `group` and `join`")),
    };
    if !args.output.starts_with('/') {
        return Err(Error::invalid_arguments(format!(
            "`{}` is not an absolute path; write it from the root, such as `/out/a.csv`",
            args.output
        )));
    }
    let delimiter = match Format::of(&args.output)? {
        Format::Csv(delimiter) => Some(delimiter),
        Format::JsonLines => None,
        Format::Parquet => {
            return Err(Error::invalid_arguments(format!("`{}`: Parquet is not written; use `.csv`, `.tsv` or `.jsonl`", args.output)));
        }
    };
    let target = Path::new(&args.output);
    if target.is_dir() {
        return Err(Error::invalid_arguments(format!("`{}` is a folder; name a file in it", args.output)));
    }
    let tried = format!("cannot write `{}`", args.output);
    let (draft, file) = create_draft(target).context(&tried)?;
    let columns: Vec<String> = query.columns().into_iter().map(|column| column.name).collect();
    let written = write(query.as_ref(), limit, delimiter, &columns, file).and_then(|rows| Ok((rows, fs::metadata(&draft)?.len())));
    let written = written.and_then(|done| fs::rename(&draft, target).map(|()| done).map_err(Error::from));
    match written {
        Ok((rows, size)) => Ok(Exported { output: args.output.clone(), rows, size, columns }),
        Err(error) => Err(match fs::remove_file(&draft) {
            Ok(()) => error.context(tried),
            Err(left) => error.context(format!("{tried} (`{}` was left behind: {left})", draft.display())),
        }),
    }
}

/// Creates a hidden file of a new name beside `target`.
fn create_draft(target: &Path) -> Result<(PathBuf, File), std::io::Error> {
    let draft = target.with_file_name(format!(".draft-{:016x}", RandomState::new().build_hasher().finish()));
    let file = OpenOptions::new().write(true).create_new(true).open(&draft)?;
    Ok((draft, file))
}

/// Writes the result of `query`, as JSON lines if there is no delimiter, and tells how many rows it has.
fn write(query: &dyn Query, limit: Option<usize>, delimiter: Option<u8>, columns: &[String], file: File) -> Result<u64, Error> {
    let mut out = BufWriter::new(file);
    let mut rows = 0;
    if let Some(delimiter) = delimiter {
        record(&mut out, columns.iter().map(String::as_str), delimiter)?;
    }
    query.run(limit, &mut |row: Row| {
        match delimiter {
            Some(delimiter) => {
                let cells: Vec<_> = row.iter().map(Value::text).collect();
                record(&mut out, cells.iter().map(AsRef::as_ref), delimiter)?;
            }
            None => object(&mut out, columns, &row)?,
        }
        rows += 1;
        Ok(true)
    })?;
    let file = out.into_inner().map_err(|error| Error::from(error.into_error()))?;
    file.sync_all()?;
    Ok(rows)
}

/// Writes one record; fields are quoted where they have to be.
fn record<'a>(out: &mut impl Write, fields: impl Iterator<Item = &'a str>, delimiter: u8) -> Result<(), Error> {
    let mut line = String::new();
    for (at, field) in fields.enumerate() {
        if at > 0 {
            line.push(char::from(delimiter));
        }
        if field.contains(['"', '\n', '\r', char::from(delimiter)]) {
            line.push('"');
            line.push_str(&field.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(field);
        }
    }
    // A record of one empty field would be an empty line, which readers pass over.
    line.push_str(if line.is_empty() { "\"\"\n" } else { "\n" });
    Ok(out.write_all(line.as_bytes())?)
}

/// Writes one object, its members in the order of the columns.
fn object(out: &mut impl Write, columns: &[String], row: &Row) -> Result<(), Error> {
    let mut line = String::from("{");
    for (at, (name, value)) in columns.iter().zip(row).enumerate() {
        let comma = if at > 0 { "," } else { "" };
        line.push_str(&format!("{comma}{}:{}", serde_json::to_string(name)?, value.json()));
    }
    line.push_str("}\n");
    Ok(out.write_all(line.as_bytes())?)
}
