//! Tags as blocks and marks.

use url::Url;

use super::block::{Blocks, Holder, TEXT_MAX_BYTES};
use super::inline::{Inline, Mark, longest_run};
use super::table::Table;
use super::{Style, Tag};

/// Elements that stand on lines of their own.
const BLOCKS: [&str; 23] = [
    "address",
    "article",
    "aside",
    "body",
    "center",
    "details",
    "div",
    "dl",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "html",
    "legend",
    "main",
    "nav",
    "p",
    "section",
    "summary",
    "search",
    "hgroup",
];

/// A block of code as it grows.
#[derive(Debug, Default)]
struct Code {
    text: String,
    language: String,
}

/// Writes a page, tag by tag.
pub struct Writer {
    base: Url,
    style: Style,
    inline: Inline,
    blocks: Blocks,
    heading: usize,
    code: Option<Code>,
    table: Option<Table>,
    /// Whether a cell of it is open.
    in_cell: bool,
    /// Tables for layout that are open, and tables within a table.
    layouts: usize,
}

impl Writer {
    /// Starts a page at `base`.
    pub fn new(base: Url, style: Style) -> Self {
        Self {
            base,
            style,
            inline: Inline::new(style),
            blocks: Blocks::default(),
            heading: 0,
            code: None,
            table: None,
            in_cell: false,
            layouts: 0,
        }
    }

    /// Takes the word of the page on where its links start from.
    pub fn set_base(&mut self, href: Option<&str>) {
        if let Some(base) = href.and_then(|href| self.base.join(href).ok()) {
            self.base = base;
        }
    }

    /// The page, and notes on what is missing.
    pub fn finish(mut self) -> (String, Vec<String>) {
        self.end_code();
        self.flush();
        self.end_table();
        let (text, cut) = self.blocks.finish();
        (text, if cut { vec![format!("the page is longer than {TEXT_MAX_BYTES} bytes of text; its end is missing")] } else { Vec::new() })
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) {
        match &mut self.code {
            Some(code) => code.text.push_str(text),
            None => self.inline.push(text),
        }
    }

    /// Starts an element.
    pub fn open(&mut self, tag: &Tag) {
        let name = tag.name.as_str();
        if let Some(code) = &mut self.code {
            match name {
                "br" => code.text.push('\n'),
                "code" if code.language.is_empty() => code.language = language(tag),
                _ => {}
            }
            return;
        }
        if let Some(mark) = self.mark(tag) {
            return self.inline.open(mark);
        }
        match name {
            "br" if self.table.is_some() || self.heading > 0 => self.inline.space(),
            "br" => self.inline.line_break(),
            "wbr" => {}
            "img" => self.picture(tag),
            "pre" if self.table.is_none() => {
                self.flush();
                self.code = Some(Code { text: String::new(), language: language(tag) });
            }
            "table" => self.open_table(tag),
            "tr" | "td" | "th" => self.open_cell(name),
            _ => self.open_block(name, tag),
        }
    }

    fn open_block(&mut self, name: &str, tag: &Tag) {
        if let Some(level) = heading(name) {
            self.flush();
            self.heading = level;
            return;
        }
        match name {
            "hr" => {
                self.flush();
                self.write(if self.style == Style::Markdown { "---" } else { "" });
            }
            "ul" | "ol" | "menu" => {
                self.flush();
                let first = tag.attribute("start").and_then(|start| start.trim().parse().ok()).unwrap_or(1);
                self.hold(Holder::List((name == "ol").then_some(first)));
            }
            "blockquote" => {
                self.flush();
                self.hold(Holder::Quote(false));
            }
            "li" | "dd" | "dt" => {
                self.flush();
                if self.table.is_some() {
                    return;
                }
                match name {
                    "li" => self.blocks.enter_item(None),
                    "dd" => self.blocks.enter_item(Some(": ")),
                    _ => self.blocks.leave_item(),
                }
            }
            _ if BLOCKS.contains(&name) => self.flush(),
            _ => {}
        }
    }

    fn hold(&mut self, holder: Holder) {
        if self.table.is_none() {
            self.blocks.enter(holder);
        }
    }

    /// Ends an element.
    pub fn close(&mut self, name: &str) {
        if self.code.is_some() {
            if name == "pre" {
                self.end_code();
            }
            return;
        }
        if let Some(mark) = mark_of(name) {
            return self.inline.close(&mark);
        }
        match name {
            "table" if self.layouts > 0 => {
                self.flush();
                self.layouts -= 1;
            }
            "table" => self.end_table(),
            "td" | "th" => self.end_cell(),
            "ul" | "ol" | "menu" | "blockquote" | "li" | "dd" | "dl" => {
                self.flush();
                match name {
                    _ if self.table.is_some() => {}
                    "ul" | "ol" | "menu" => self.blocks.leave_list(),
                    "blockquote" => self.blocks.leave_quote(),
                    _ => self.blocks.leave_item(),
                }
            }
            "caption" => self.end_cell(),
            _ if heading(name).is_some() || BLOCKS.contains(&name) || matches!(name, "dt" | "tr") => self.flush(),
            _ => {}
        }
    }

    fn mark(&self, tag: &Tag) -> Option<Mark> {
        if tag.name != "a" {
            return mark_of(&tag.name);
        }
        let href = tag
            .attribute("href")
            .filter(|href| !href.starts_with('#') && !href.trim_start().to_ascii_lowercase().starts_with("javascript:"));
        Some(Mark::Link(href.and_then(|href| self.base.join(href).ok()).map(String::from)))
    }

    fn picture(&mut self, tag: &Tag) {
        let source = tag.attribute("src").filter(|source| !source.is_empty() && !source.starts_with("data:"));
        let source = source.and_then(|source| self.base.join(source).ok());
        self.inline.picture(tag.attribute("alt").unwrap_or_default(), source.as_ref().map(Url::as_str));
    }

    /// Ends the block that grows: writes it, or sets it apart within a cell.
    fn flush(&mut self) {
        if self.table.is_some() {
            return self.inline.space();
        }
        let level = std::mem::take(&mut self.heading);
        let block = self.inline.take();
        if self.style == Style::Plain {
            return self.write(&block);
        }
        let text = match level {
            0 => guarded(&block),
            _ if block.is_empty() => block,
            _ => format!("{} {}", "#".repeat(level), block.replace('\n', " ")),
        };
        self.write(&text);
    }

    fn write(&mut self, block: &str) {
        self.blocks.write(block);
    }

    fn end_code(&mut self) {
        let Some(code) = self.code.take() else { return };
        let text = code.text.strip_prefix('\n').unwrap_or(&code.text).trim_end();
        if text.is_empty() {
            return;
        }
        if self.style == Style::Plain {
            return self.write(text);
        }
        let fence = "`".repeat(longest_run(text, '`').max(2) + 1);
        self.write(&format!("{fence}{}\n{text}\n{fence}", code.language));
    }

    fn open_table(&mut self, tag: &Tag) {
        let layout = matches!(tag.attribute("role"), Some("presentation" | "none")) || tag.attribute("cellspacing").is_some();
        self.flush();
        if self.table.is_some() || layout || self.layouts > 0 {
            self.layouts += 1;
        } else {
            self.table = Some(Table::default());
        }
    }

    fn open_cell(&mut self, name: &str) {
        if self.layouts > 0 || self.table.is_none() {
            return self.flush();
        }
        self.end_cell();
        match self.table.as_mut().filter(|_| name == "tr") {
            Some(table) => table.row(),
            None => self.in_cell = true,
        }
    }

    fn end_cell(&mut self) {
        if self.layouts > 0 {
            return self.flush();
        }
        if self.table.is_none() {
            return;
        }
        let text = self.inline.take();
        match &mut self.table {
            Some(table) if std::mem::take(&mut self.in_cell) => table.cell(text),
            // What stands between cells, such as a caption, comes before the table.
            _ => self.blocks.write(&text),
        }
    }

    fn end_table(&mut self) {
        self.end_cell();
        if let Some(table) = self.table.take() {
            let text = table.render(self.style);
            self.write(&text);
        }
    }
}

fn heading(name: &str) -> Option<usize> {
    ["h1", "h2", "h3", "h4", "h5", "h6"].iter().position(|heading| *heading == name).map(|at| at + 1)
}

fn mark_of(name: &str) -> Option<Mark> {
    match name {
        "b" | "strong" => Some(Mark::Strong),
        "i" | "em" | "cite" | "dfn" => Some(Mark::Emphasis),
        "s" | "del" | "strike" => Some(Mark::Strike),
        "code" | "kbd" | "samp" | "tt" => Some(Mark::Code),
        "a" => Some(Mark::Link(None)),
        _ => None,
    }
}

/// The language that a block of code names, as in `class="language-rust"`.
fn language(tag: &Tag) -> String {
    let classes = tag.attribute("class").unwrap_or_default().split_whitespace();
    let named = classes.filter_map(|class| class.strip_prefix("language-").or_else(|| class.strip_prefix("lang-"))).next();
    named.filter(|name| name.len() <= 20 && name.chars().all(|c| c.is_alphanumeric() || "+-#_".contains(c))).unwrap_or_default().to_owned()
}

/// A paragraph whose start would be read as something else.
fn guarded(block: &str) -> String {
    let mark = block.find(' ').and_then(|at| block.get(..at)).unwrap_or(block);
    let number = mark
        .strip_suffix(['.', ')'])
        .is_some_and(|digits| !digits.is_empty() && digits.len() < 10 && digits.bytes().all(|b| b.is_ascii_digit()));
    if number {
        let (digits, rest) = block.split_at(mark.len() - 1);
        return format!("{digits}\\{rest}");
    }
    let special = matches!(mark, "-" | "+" | ">" | "---") || (!mark.is_empty() && mark.len() <= 6 && mark.bytes().all(|b| b == b'#'));
    if special { format!("\\{block}") } else { block.to_owned() }
}
