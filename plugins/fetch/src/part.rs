//! A part of a long text.

/// Most characters of an answer.
pub const CHARS_MAX: usize = 100_000;
/// Characters of an answer unless told.
pub const CHARS_DEFAULT: usize = 20_000;

/// A part of a text, and how to get the rest.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The part.
    pub text: String,
    /// Characters of the whole.
    pub total: usize,
    /// How to get the rest; `None` when there is none.
    pub next: Option<String>,
}

/// Takes at most `max` characters of `text` from character `start` on; ends at a line break when one is near.
pub fn take(text: &str, start: usize, max: usize) -> Part {
    let total = text.chars().count();
    let rest = text.char_indices().nth(start).map_or("", |(at, _)| text.get(at..).unwrap_or_default());
    let end = rest.char_indices().nth(max).map_or(rest.len(), |(at, _)| at);
    let full = rest.get(..end).unwrap_or(rest);
    let mut part = full;
    if end < rest.len() {
        let near = full.len() - full.len() / 10;
        if let Some(at) = full.rfind('\n').filter(|at| *at >= near) {
            part = full.get(..=at).unwrap_or(full);
        }
    }
    let reached = start.saturating_add(part.chars().count());
    let next =
        (reached < total && !part.is_empty()).then(|| format!("{} more characters: call again with `start` = {reached}", total - reached));
    Part { text: part.to_owned(), total, next }
}
