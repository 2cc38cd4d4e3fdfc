//! Where something stands in a file, so that an answer can name the line.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A step into a file: a key of a table, or an item of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A key.
    Key(&'a str),
    /// An item, from 0. Where one table stands in the place of a list, it is the first item.
    Item(usize),
}

/// The line, from 1, of what `path` leads to in a TOML text; `None` when there is nothing, or no TOML.
pub fn line_of(text: &str, path: &[Step<'_>]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?.into_inner();
    let (Step::Key(first), rest) = path.split_first()? else { return None };
    let (key, mut value) = root.get_key_value(*first)?;
    let mut start = key.span().start;
    for step in rest {
        let (at, next) = match (step, value.get_ref()) {
            (Step::Key(name), DeValue::Table(table)) => {
                let (key, value) = table.get_key_value(*name)?;
                (key.span().start, value)
            }
            (Step::Item(index), DeValue::Array(items)) => {
                let item: &Spanned<DeValue<'_>> = items.get(*index)?;
                (item.span().start, item)
            }
            (Step::Item(0), DeValue::Table(_)) => continue,
            _ => return None,
        };
        (start, value) = (at, next);
    }
    Some(text.get(..start)?.matches('\n').count() + 1)
}
