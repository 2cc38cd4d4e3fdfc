//! `read`: a file, or a range of its lines or bytes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek, SeekFrom};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use remit::Error;

use crate::digest::Hashing;
use crate::lines::{self, read_line};
use crate::path;

const MAX_BYTES_DEFAULT: usize = 64 << 10;
const MAX_BYTES_MAX: usize = 160 << 10;
/// Larger files are not read to their end to count lines and hash them.
const WHOLE_MAX_BYTES: u64 = 64 << 20;
const BUFFER_BYTES: usize = 64 << 10;

/// What to read.
#[remit::data]
#[derive(Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The file, such as `/docs/a.md`.
    pub path: String,
    /// First line, counted from 1.
    #[schemars(range(min = 1))]
    pub from_line: Option<u64>,
    /// How many lines; unless told, as many as fit.
    #[schemars(range(min = 1))]
    pub lines: Option<u64>,
    /// First byte, counted from 0: reads bytes instead of lines. Bytes that are not UTF-8 text come as base64.
    pub from_byte: Option<u64>,
    /// Most bytes of the file in the answer; 65,536 unless told, at most 163,840.
    #[schemars(range(min = 1, max = 163_840))]
    pub max_bytes: Option<usize>,
}

/// A part of a file.
#[remit::data]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The text, or base64 if `encoding` says so.
    pub content: String,
    /// How `content` is written.
    pub encoding: Encoding,
    /// Bytes of the whole file.
    pub size: u64,
    /// First line in `content`, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_line: Option<u64>,
    /// Last line in `content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_line: Option<u64>,
    /// Lines of the whole file, where they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_lines: Option<u64>,
    /// SHA-256 of the whole file: give it to `write` or `edit` as `expected_sha256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How to get the rest; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How the content is written.
#[remit::data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Text.
    #[default]
    Text,
    /// Text in which bytes that are not UTF-8 are shown as `U+FFFD`.
    Lossy,
    /// Base64 of the bytes.
    Base64,
    /// Nothing is shown: the file is not text.
    Binary,
}

/// Reads a text file, or a range of its lines or bytes, and says how much there is and how to get the rest.
#[remit::tool(read, title = "Read a file")]
pub fn read(args: Read) -> Result<Excerpt, Error> {
    if args.from_byte.is_some() && (args.from_line.is_some() || args.lines.is_some()) {
        return Err(Error::invalid_arguments("`from_byte` reads bytes, `from_line` and `lines` read lines; give one kind"));
    }
    let path = path::parse(&args.path)?;
    let fail = |error: std::io::Error| path::explain("read", &path, &error);
    let mut file = File::open(&path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(Error::invalid_arguments(format!("`{}` is a folder; use `list`", args.path)));
    }
    let budget = args.max_bytes.unwrap_or(MAX_BYTES_DEFAULT).clamp(1, MAX_BYTES_MAX);
    match args.from_byte {
        Some(from) => read_bytes(&mut file, &path, metadata.len(), from, budget),
        None => read_lines(file, &path, metadata.len(), &args, budget),
    }
}

fn read_bytes(file: &mut File, path: &Path, size: u64, from: u64, budget: usize) -> Result<Excerpt, Error> {
    let fail = |error: std::io::Error| path::explain("read", path, &error);
    if from > size {
        return Err(Error::invalid_arguments(format!("`from_byte` is {from}, but the file has {size} bytes")));
    }
    file.seek(SeekFrom::Start(from)).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(budget as u64).read_to_end(&mut bytes).map_err(fail)?;
    let mut used = bytes.len();
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => Some(text),
        // A character that is cut at the end is left to the next range.
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            used = error.valid_up_to();
            bytes.get(..used).and_then(|whole| std::str::from_utf8(whole).ok())
        }
        Err(_) => None,
    };
    let (content, encoding) = match text.filter(|text| !lines::is_binary(text.as_bytes())) {
        Some(text) => (text.to_owned(), Encoding::Text),
        None => {
            used = bytes.len();
            (BASE64.encode(&bytes), Encoding::Base64)
        }
    };
    let end = from + used as u64;
    let next = (end < size && used > 0).then(|| format!("{} more bytes: call again with `from_byte` = {end}", size - end));
    Ok(Excerpt { content, encoding, size, next, ..Excerpt::default() })
}

/// What [`gather`] collected of a file.
#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    last: u64,
    lines: u64,
    /// Set when the budget ended before the range did: the first line that is missing, and how to reach it.
    next: Option<String>,
    complete: bool,
}

fn read_lines(file: File, path: &Path, size: u64, args: &Read, budget: usize) -> Result<Excerpt, Error> {
    let fail = |error: std::io::Error| path::explain("read", path, &error);
    let mut reader = Hashing::new(BufReader::with_capacity(BUFFER_BYTES, file));
    if lines::is_binary(reader.fill_buf().map_err(fail)?) {
        let next = Some("the file is not text: call again with `from_byte` = 0 to get it as base64".to_owned());
        return Ok(Excerpt { encoding: Encoding::Binary, size, next, ..Excerpt::default() });
    }
    let from = args.from_line.unwrap_or(1).max(1);
    let until = args.lines.map_or(u64::MAX, |count| from.saturating_add(count.saturating_sub(1)));
    let found = gather(&mut reader, size, (from, until), budget).map_err(fail)?;
    if found.complete && from > found.lines.max(1) {
        return Err(Error::invalid_arguments(format!("`from_line` is {from}, but the file has {} lines", found.lines)));
    }
    let (content, encoding) = match String::from_utf8(found.bytes) {
        Ok(text) => (text, Encoding::Text),
        Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), Encoding::Lossy),
    };
    let (total_lines, sha256) = if found.complete { (Some(found.lines), Some(reader.finish())) } else { (None, None) };
    let shown = found.last >= from;
    Ok(Excerpt {
        content,
        encoding,
        size,
        first_line: shown.then_some(from),
        last_line: shown.then_some(found.last),
        total_lines,
        sha256,
        next: found.next,
    })
}

/// Collects the lines `from..=until` within `budget` bytes, and counts the others unless the file is large.
fn gather(reader: &mut impl BufRead, size: u64, (from, until): (u64, u64), budget: usize) -> std::io::Result<Gathered> {
    let mut found = Gathered { complete: true, ..Gathered::default() };
    let (mut line, mut offset) = (Vec::new(), 0u64);
    while let Some(part) = read_line(reader, &mut line)? {
        found.lines += 1;
        let number = found.lines;
        if (from..=until).contains(&number) && found.next.is_none() {
            if found.bytes.len() + line.len() <= budget && !part.cut {
                found.bytes.extend_from_slice(&line);
                found.last = number;
            } else if number == from {
                found.next = Some(format!("line {number} has {} bytes: call with `from_byte` = {offset} to read it in parts", part.bytes));
            } else {
                found.next = Some(format!("more lines: call again with `from_line` = {number}"));
            }
        }
        offset += part.bytes;
        let ended = number >= until || found.next.is_some();
        if ended && size > WHOLE_MAX_BYTES && offset < size {
            found.complete = false;
            break;
        }
    }
    if found.next.is_none() && found.last == until && (found.lines > until || !found.complete) {
        found.next = Some(format!("more lines: call again with `from_line` = {}", until.saturating_add(1)));
    }
    Ok(found)
}
