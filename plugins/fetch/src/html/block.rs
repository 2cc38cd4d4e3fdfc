//! Blocks under each other: paragraphs in lists in quotes.

/// Deepest nesting; what lies deeper is written as if it lay there.
const DEPTH_MAX: usize = 32;
/// Most bytes of a converted page.
pub const TEXT_MAX_BYTES: usize = 6 << 20;

/// What holds blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A quotation; whether a line of it is written already.
    Quote(bool),
    /// A list; the number of its next item if they are numbered.
    List(Option<u64>),
    /// An item of a list with its marker, until the marker is written.
    Item {
        /// What stands before its first line.
        marker: String,
        /// Whether it is written already.
        written: bool,
    },
}

/// The page as it grows.
#[derive(Debug, Default)]
pub struct Blocks {
    text: String,
    holders: Vec<Holder>,
    /// Whether the last block stood in a list.
    in_list: bool,
    cut: bool,
}

impl Blocks {
    /// Goes into a holder.
    pub fn enter(&mut self, holder: Holder) {
        if self.holders.len() < DEPTH_MAX {
            self.holders.push(holder);
        }
    }

    /// Leaves the innermost quotation and what is open in it.
    pub fn leave_quote(&mut self) {
        self.leave(|holder| matches!(holder, Holder::Quote(_)));
    }

    /// Leaves the innermost list and what is open in it.
    pub fn leave_list(&mut self) {
        self.leave(|holder| matches!(holder, Holder::List(_)));
    }

    fn leave(&mut self, wanted: impl Fn(&Holder) -> bool) {
        if let Some(at) = self.holders.iter().rposition(wanted) {
            self.holders.truncate(at);
        }
    }

    /// Leaves the item that is open in the innermost list, if there is one.
    pub fn leave_item(&mut self) {
        let list = self.holders.iter().rposition(|holder| matches!(holder, Holder::List(_) | Holder::Quote(_)));
        let item = self.holders.iter().rposition(|holder| matches!(holder, Holder::Item { .. }));
        if let Some(at) = item.filter(|item| list.is_none_or(|list| *item > list)) {
            self.holders.truncate(at);
        }
    }

    /// Starts an item of the innermost list with the marker that it gives, or with `marker`.
    pub fn enter_item(&mut self, marker: Option<&str>) {
        self.leave_item();
        let list = self.holders.iter_mut().rev().find_map(|holder| match holder {
            Holder::List(next) => Some(next),
            _ => None,
        });
        let marker = match (marker, list) {
            (Some(marker), _) => marker.to_owned(),
            (None, Some(Some(next))) => {
                let marker = format!("{next}. ");
                *next = next.saturating_add(1);
                marker
            }
            (None, _) => "- ".to_owned(),
        };
        self.enter(Holder::Item { marker, written: false });
    }

    /// Writes one block.
    pub fn write(&mut self, block: &str) {
        if block.is_empty() || self.cut {
            return;
        }
        if self.text.len() + block.len() > TEXT_MAX_BYTES {
            self.cut = true;
            return;
        }
        let starts_item = self.holders.iter().any(|holder| matches!(holder, Holder::Item { written: false, .. }));
        let in_list = self.holders.iter().any(|holder| matches!(holder, Holder::Item { .. }));
        if !self.text.is_empty() {
            self.text.push('\n');
            // Items follow each other without an empty line; anything else is set apart.
            if !(starts_item && self.in_list) {
                let prefix = self.prefix(false);
                self.text.push_str(prefix.trim_end());
                self.text.push('\n');
            }
        }
        self.in_list = in_list;
        for (index, line) in block.split('\n').enumerate() {
            if index > 0 {
                self.text.push('\n');
            }
            let prefix = self.prefix(true);
            self.text.push_str(if line.is_empty() { prefix.trim_end() } else { &prefix });
            self.text.push_str(line);
        }
    }

    /// What stands before a line; with `first`, markers and quotations that are still to come begin now.
    fn prefix(&mut self, first: bool) -> String {
        let mut prefix = String::new();
        for holder in &mut self.holders {
            match holder {
                // The line before a quotation is not part of it.
                Holder::Quote(false) if !first => break,
                Holder::Quote(written) => {
                    prefix.push_str("> ");
                    *written = true;
                }
                Holder::List(_) => {}
                Holder::Item { marker, written } if first && !*written => {
                    prefix.push_str(marker);
                    *written = true;
                }
                Holder::Item { marker, .. } => prefix.push_str(&" ".repeat(marker.len())),
            }
        }
        prefix
    }

    /// The page, and whether its end is missing.
    pub fn finish(self) -> (String, bool) {
        (self.text, self.cut)
    }
}
