//! Words of a condition.

use remit::Error;

/// Longest condition, in bytes.
const TEXT_MAX_BYTES: usize = 4096;

/// One word.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    /// A name or a keyword.
    Name(String),
    /// A name in backquotes, which is never a keyword.
    Quoted(String),
    /// Text in quotes.
    Text(String),
    /// A number as it was written.
    Number(String),
    /// A sign such as `>=`.
    Sign(&'static str),
}

const SIGNS: [&str; 13] = ["<=", ">=", "!=", "<>", "==", "=", "<", ">", "(", ")", ",", "[", "]"];

/// Cuts `text` into words, each with the place where it starts (in characters, counted from 1).
///
/// # Errors
/// `invalid-arguments`, with the place.
pub fn words(text: &str) -> Result<Vec<(usize, Word)>, Error> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(Error::invalid_arguments(format!("the condition has {} bytes; at most {TEXT_MAX_BYTES} are accepted", text.len())));
    }
    let (mut words, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(words) };
        let done = text.len() - rest.len();
        let place = text.get(..done).map_or(0, |before| before.chars().count()) + 1;
        let (word, length) = match first {
            '\'' | '"' => quoted(rest, first, place).map(|(text, length)| (Word::Text(text), length))?,
            '`' => quoted(rest, first, place).map(|(text, length)| (Word::Quoted(text), length))?,
            '-' | '0'..='9' => run(rest, |c| c.is_ascii_alphanumeric() || "+-.".contains(c), Word::Number),
            _ if first.is_alphabetic() || first == '_' => run(rest, |c| c.is_alphanumeric() || "_.".contains(c), Word::Name),
            _ => match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
                Some(sign) => (Word::Sign(sign), sign.len()),
                None => return Err(Error::invalid_arguments(format!("unexpected `{first}` at character {place} of the condition"))),
            },
        };
        words.push((place, word));
        rest = rest.get(length..).unwrap_or_default();
    }
}

fn run(rest: &str, fits: impl Fn(char) -> bool, word: impl Fn(String) -> Word) -> (Word, usize) {
    let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
    (word(rest.get(..length).unwrap_or(rest).to_owned()), length)
}

/// Text up to the closing `quote`; a doubled quote stands for one.
fn quoted(rest: &str, quote: char, place: usize) -> Result<(String, usize), Error> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != quote {
            text.push(letter);
        } else if letters.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Ok((text, at + 1));
        }
    }
    Err(Error::invalid_arguments(format!("the {quote} at character {place} of the condition is not closed")))
}
