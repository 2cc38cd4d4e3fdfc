//! Text within one block: emphasis, links, code.

use super::Style;

/// What a piece of text is marked as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// `**…**`
    Strong,
    /// `*…*`
    Emphasis,
    /// `~~…~~`
    Strike,
    /// Code.
    Code,
    /// A link to a URL, `None` where it leads nowhere.
    Link(Option<String>),
}

impl Mark {
    fn same_kind(&self, other: &Mark) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// The text of one block as it grows.
#[derive(Debug)]
pub struct Inline {
    text: String,
    open: Vec<(usize, Mark)>,
    style: Style,
}

impl Inline {
    /// An empty block.
    pub fn new(style: Style) -> Self {
        Self { text: String::new(), open: Vec::new(), style }
    }

    /// Adds text of the page: runs of white space become one space.
    pub fn push(&mut self, text: &str) {
        let code = self.open.iter().any(|(_, mark)| *mark == Mark::Code);
        let escape = self.style == Style::Markdown && !code;
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter.is_ascii_whitespace() {
                self.space();
                continue;
            }
            let marks = matches!(letter, '*' | '`' | '[' | ']' | '\\')
                || (letter == '<' && letters.peek().is_some_and(|next| !next.is_whitespace()));
            if escape && marks {
                self.text.push('\\');
            }
            self.text.push(letter);
        }
    }

    /// Adds a space unless there is one.
    pub fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
            self.text.push(' ');
        }
    }

    /// Adds a line break.
    pub fn line_break(&mut self) {
        let kept = self.text.trim_end_matches(' ').len();
        self.text.truncate(kept.max(self.open.last().map_or(0, |(from, _)| *from)));
        self.text.push_str(if self.style == Style::Markdown { "  \n" } else { "\n" });
    }

    /// Adds a picture.
    pub fn picture(&mut self, alt: &str, source: Option<&str>) {
        let alt = alt.split_whitespace().collect::<Vec<_>>().join(" ").replace(['[', ']'], "");
        match source.filter(|_| self.style == Style::Markdown) {
            Some(source) => self.text.push_str(&format!("![{alt}]({})", destination(source))),
            None => self.push(&alt),
        }
    }

    /// Starts a mark. One of each kind is open at most: a link ends the one before, another mark within its own kind says nothing.
    pub fn open(&mut self, mark: Mark) {
        if matches!(mark, Mark::Link(_)) {
            self.close(&mark);
        }
        if !self.open.iter().any(|(_, open)| open.same_kind(&mark)) {
            self.open.push((self.text.len(), mark));
        }
    }

    /// Ends the innermost mark of this kind, and those within it.
    pub fn close(&mut self, kind: &Mark) {
        let Some(at) = self.open.iter().rposition(|(_, mark)| mark.same_kind(kind)) else { return };
        while self.open.len() > at {
            self.finish_last();
        }
    }

    /// Ends the block: gives its text, and keeps the open marks for the next one.
    pub fn take(&mut self) -> String {
        let again: Vec<_> = self.open.iter().map(|(_, mark)| (0, mark.clone())).collect();
        while !self.open.is_empty() {
            self.finish_last();
        }
        self.open = again;
        std::mem::take(&mut self.text).trim().to_owned()
    }

    /// Puts the signs of the last mark round its text.
    fn finish_last(&mut self) {
        let Some((from, mark)) = self.open.pop() else { return };
        let inner = self.text.split_off(self.text.floor_char_boundary(from));
        let trimmed = inner.trim();
        if self.style == Style::Plain || trimmed.is_empty() {
            self.text.push_str(&inner);
            return;
        }
        if inner.starts_with([' ', '\n']) {
            self.space();
        }
        match mark {
            Mark::Strong => self.wrap("**", trimmed),
            Mark::Emphasis => self.wrap("*", trimmed),
            Mark::Strike => self.wrap("~~", trimmed),
            Mark::Code => self.code(trimmed),
            Mark::Link(Some(url)) => self.text.push_str(&format!("[{trimmed}]({})", destination(&url))),
            Mark::Link(None) => self.text.push_str(trimmed),
        }
        if inner.ends_with([' ', '\n']) {
            self.text.push(' ');
        }
    }

    fn wrap(&mut self, sign: &str, inner: &str) {
        self.text.push_str(sign);
        self.text.push_str(inner);
        self.text.push_str(sign);
    }

    fn code(&mut self, inner: &str) {
        let fence = "`".repeat(longest_run(inner, '`') + 1);
        let space = if inner.starts_with('`') || inner.ends_with('`') { " " } else { "" };
        self.text.push_str(&format!("{fence}{space}{inner}{space}{fence}"));
    }
}

/// A URL as the target of a link.
fn destination(url: &str) -> String {
    url.replace(' ', "%20").replace('(', "%28").replace(')', "%29")
}

/// The longest run of `sign` in `text`.
pub fn longest_run(text: &str, sign: char) -> usize {
    text.split(|c| c != sign).map(str::len).max().unwrap_or(0)
}
