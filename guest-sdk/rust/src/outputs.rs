//! Results that were too large for the journal. An agent is given the beginning of such a result and a link to all of it.
//!
//! ```
//! # extern crate remit_sdk as remit;
//! # use remit::{durable, outputs, serde_json::json};
//! fn count(query: &str) -> remit::Result<usize> {
//!     let output = durable::call("table/query", &json!({ "query": query }))?;
//!     match outputs::link(&output) {
//!         Some(uri) => Ok(outputs::read_all(uri)?.len()),
//!         None => Ok(output.content.len()),
//!     }
//! }
//! # fn main() {}
//! ```

use crate::{Content, Output, Result};

/// How every address begins.
const SCHEME: &str = "remit://session/";
/// Bytes that are read at once.
const PART_BYTES: u32 = 256 << 10;

/// The address of the whole result, where `output` shows only its beginning.
pub fn link(output: &Output) -> Option<&str> {
    output.content.iter().find_map(|piece| match piece {
        Content::Link(link) if link.uri.starts_with(SCHEME) => Some(link.uri.as_str()),
        _ => None,
    })
}

/// Reads at most `length` bytes, or 256 KiB, from `offset` on. Past the end there are none.
///
/// # Errors
///
/// `Failed` where this session keeps nothing under `uri`.
pub fn read(uri: &str, offset: u64, length: u32) -> Result<Vec<u8>> {
    crate::host::output_read(uri, offset, length)
}

/// Reads all of it: the result as JSON, with `content` and `structuredContent`.
///
/// # Errors
///
/// `Failed` where this session keeps nothing under `uri`.
pub fn read_all(uri: &str) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let part = read(uri, all.len() as u64, PART_BYTES)?;
        if part.is_empty() {
            return Ok(all);
        }
        all.extend(part);
    }
}
