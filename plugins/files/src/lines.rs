//! Lines of a file, one at a time, within bounded memory.

use std::io::{self, BufRead};

/// Longest part of a line that is kept, in bytes; what follows is skipped.
pub const LINE_MAX_BYTES: usize = 1 << 20;

/// What [`read_line`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Bytes of the line in the file, its line break included.
    pub bytes: u64,
    /// Whether the line was longer than [`LINE_MAX_BYTES`], so that the buffer holds its start only.
    pub cut: bool,
}

/// Reads the next line into `line`, with its line break; `None` at the end of the file.
///
/// # Errors
/// What the reader answers.
pub fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<Line>> {
    line.clear();
    let mut found = Line { bytes: 0, cut: false };
    loop {
        let chunk = match reader.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            return Ok((found.bytes > 0).then_some(found));
        }
        let end = memchr::memchr(b'\n', chunk).map(|at| at + 1);
        let used = end.unwrap_or(chunk.len());
        let room = LINE_MAX_BYTES.saturating_sub(line.len());
        line.extend(chunk.iter().take(used.min(room)));
        found.cut |= used > room;
        found.bytes += used as u64;
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(found));
        }
    }
}

/// `line` without its line break.
pub fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether the first bytes of a file say that it is not text.
pub fn is_binary(start: &[u8]) -> bool {
    memchr::memchr(0, start).is_some()
}

/// The start of `text` with at most `max_bytes` bytes, cut between characters.
pub fn head(text: &str, max_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(max_bytes)).unwrap_or(text)
}
