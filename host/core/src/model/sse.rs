//! Server-sent events, bounded.

use crate::{Error, Result, limit::MODEL_EVENT_MAX_BYTES};

/// Reads events out of bytes as they come.
#[derive(Default)]
pub(super) struct Events {
    /// What came of a line that has not ended.
    line: Vec<u8>,
    /// What came of an event that has not ended: its data.
    data: String,
}

impl Events {
    /// Takes bytes; returns the data of the events that ended with them. Names of events are not looked at: each API says in the data what it
    /// is.
    ///
    /// # Errors
    /// `limit` when an event has more than [`MODEL_EVENT_MAX_BYTES`] bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>> {
        let mut ended = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + self.data.len() + part.len() > MODEL_EVENT_MAX_BYTES {
                return Err(Error::limit(format!("an event of its answer has more than {MODEL_EVENT_MAX_BYTES} bytes")));
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                ended.extend(self.line(line.trim_ascii_end()));
            }
        }
        Ok(ended)
    }

    /// The data of the event that ends with this line, if one does.
    fn line(&mut self, line: &[u8]) -> Option<String> {
        if line.is_empty() {
            return Some(std::mem::take(&mut self.data)).filter(|data| !data.is_empty());
        }
        let data = line.strip_prefix(b"data:")?;
        if !self.data.is_empty() {
            self.data.push('\n');
        }
        self.data.push_str(&String::from_utf8_lossy(data.strip_prefix(b" ").unwrap_or(data)));
        None
    }
}
