//! What is printed: results on standard output, everything else on standard error.

use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use remit_core::plugin::text::visible_json;

/// The style of what is done and allowed.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// The style of what is refused and wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// The style of what deserves a look.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// The style of what is beside the point.
pub const DIM: Style = Style::new().dimmed();
/// The style of a heading.
pub const HEAD: Style = Style::new().bold();

/// Prints one JSON document; what a terminal could be fooled by is escaped in it.
pub fn json(value: &serde_json::Value) {
    line(&visible_json(&value.to_string()));
}

/// Prints a line of result. A reader that has gone away (`| head`) ends the process quietly.
pub fn line(text: &str) {
    if writeln!(anstream::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a line beside the result.
pub fn note(text: &str) {
    // Nobody listens to standard error any more: there is nowhere to say so.
    drop(writeln!(anstream::stderr(), "{text}"));
}

/// Prints a piece of a text beside the result, as it comes.
pub fn piece(text: &str) {
    // As with a note.
    drop(write!(anstream::stderr(), "{text}"));
}

/// Prints an error; its first word stands out.
pub fn error(text: &str) {
    match text.split_once(':') {
        Some((lead @ ("error" | "denied"), rest)) => note(&format!("{BAD}{lead}:{BAD:#}{rest}")),
        _ => note(text),
    }
}

/// `1 turn`, `2 turns`.
pub fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// Whether a person can be asked: standard input and standard error are a terminal.
pub fn interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}
