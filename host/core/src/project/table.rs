//! Reading a TOML table key by key, so that one wrong key does not hide the next mistake.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{Problem, ProjectError, nearest};
use crate::plugin::text::visible;

/// Parses a whole file.
///
/// # Errors
/// All mistakes of syntax. Nothing else is said then: what stands round them would be misread.
pub(crate) fn document<'i>(file: &str, text: &'i str) -> Result<Table<'i>, ProjectError> {
    let (root, errors) = DeTable::parse_recoverable(text);
    match errors.is_empty() {
        true => Ok(Table::new("the file", 0..0, root.into_inner())),
        false => Err(ProjectError::new(file, text, errors.iter().map(problem).collect())),
    }
}

/// A table whose keys are taken one by one; what is left at the end is unknown.
pub(crate) struct Table<'i> {
    what: String,
    span: Range<usize>,
    items: DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'i> Table<'i> {
    fn new(what: impl Into<String>, span: Range<usize>, items: DeTable<'i>) -> Self {
        Self { what: what.into(), span, items, known: Vec::new() }
    }

    /// Where the table begins.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Whether `key` is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.items.contains_key(key)
    }

    /// The value of `key`, if it is there and right.
    pub(crate) fn optional<T: DeserializeOwned>(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<T> {
        let (_, value) = self.take(key)?;
        T::deserialize(ValueDeserializer::from(value)).map_err(|error| problems.push(problem(&error))).ok()
    }

    /// Like [`Table::optional`], but leaves the value where it is.
    pub(crate) fn copy<T: DeserializeOwned>(&self, key: &str, problems: &mut Vec<Problem>) -> Option<T> {
        let value = self.items.get(key)?.clone();
        T::deserialize(ValueDeserializer::from(value)).map_err(|error| problems.push(problem(&error))).ok()
    }

    /// The value of `key`; its absence is a problem.
    pub(crate) fn required<T: DeserializeOwned>(&mut self, key: &'static str, example: &str, problems: &mut Vec<Problem>) -> Option<T> {
        if !self.items.contains_key(key) {
            self.known.push(key);
            problems.push(Problem::new(self.span(), format!("{} has no `{key}`", self.what)).hint(format!("write `{example}`")));
            return None;
        }
        self.optional(key, problems)
    }

    /// The table under `key`.
    pub(crate) fn table(&mut self, key: &'static str, what: impl Into<String>, problems: &mut Vec<Problem>) -> Option<Self> {
        let (span, value) = self.take(key)?;
        Self::of(what.into(), span, value, problems)
    }

    /// The tables under `key`, each with its name as written.
    pub(crate) fn tables(&mut self, key: &'static str, kind: &str, problems: &mut Vec<Problem>) -> Vec<(Spanned<String>, Self)> {
        let Some(outer) = self.table(key, format!("`[{key}]`"), problems) else { return Vec::new() };
        let named = outer.items.into_iter().filter_map(|(name, value)| {
            let span = name.span();
            let name = name.into_inner().into_owned();
            let table = Self::of(format!("{kind} `{}`", visible(&name, 64)), span.clone(), value, problems)?;
            Some((Spanned::new(span, name), table))
        });
        named.collect()
    }

    /// Every key with its value, for a table whose keys are not fixed.
    pub(crate) fn entries<T: DeserializeOwned>(self, problems: &mut Vec<Problem>) -> Vec<(Spanned<String>, T)> {
        let entries = self.items.into_iter().filter_map(|(key, value)| {
            let value = T::deserialize(ValueDeserializer::from(value)).map_err(|error| problems.push(problem(&error))).ok()?;
            Some((Spanned::new(key.span(), key.into_inner().into_owned()), value))
        });
        entries.collect()
    }

    /// The whole table as one value.
    pub(crate) fn whole<T: DeserializeOwned>(self, problems: &mut Vec<Problem>) -> Option<T> {
        let value = Spanned::new(self.span, DeValue::Table(self.items));
        T::deserialize(ValueDeserializer::from(value)).map_err(|error| problems.push(problem(&error))).ok()
    }

    /// Refuses `key` although it is a known name: this version does not serve it.
    pub(crate) fn unserved(&mut self, key: &'static str, problems: &mut Vec<Problem>) {
        if let Some(span) = self.items.remove_entry(key).map(|(key, _)| key.span()) {
            problems.push(
                Problem::new(span, format!("`{key}` is not served by this version"))
                    .hint("remove it: a file that says more than is enforced would mislead its readers"),
            );
        }
    }

    /// Refuses `key`, which has its place in another file.
    pub(crate) fn belongs(&mut self, key: &'static str, file: &str, problems: &mut Vec<Problem>) {
        if let Some(span) = self.items.remove_entry(key).map(|(key, _)| key.span()) {
            problems.push(
                Problem::new(span, format!("`{key}` does not belong here")).hint(format!("say it in `{file}`: this file can only narrow")),
            );
        }
    }

    /// Checks `version = 1`.
    pub(crate) fn version(&mut self, problems: &mut Vec<Problem>) {
        let Some(version) = self.required::<Spanned<i64>>("version", "version = 1", problems) else { return };
        match *version.get_ref() {
            1 => {}
            newer @ 2.. => problems.push(
                Problem::new(version.span(), format!("version {newer} of this file is newer than this `remit` reads (1)"))
                    .hint("use a newer `remit`"),
            ),
            other => {
                problems.push(Problem::new(version.span(), format!("there is no version {other} of this file")).hint("write `version = 1`"))
            }
        }
    }

    /// Reports the keys that nobody asked for.
    pub(crate) fn finish(self, problems: &mut Vec<Problem>) {
        for key in self.items.keys() {
            problems.push(unknown(key.span(), key.get_ref(), &self.known));
        }
    }

    /// Like [`Table::finish`], but does not offer `refused` keys as known ones.
    pub(crate) fn finish_without(mut self, refused: &[&str], problems: &mut Vec<Problem>) {
        self.known.retain(|key| !refused.contains(key));
        self.finish(problems);
    }

    fn take(&mut self, key: &'static str) -> Option<(Range<usize>, Spanned<DeValue<'i>>)> {
        self.known.push(key);
        self.items.remove_entry(key).map(|(key, value)| (key.span(), value))
    }

    fn of(what: String, span: Range<usize>, value: Spanned<DeValue<'i>>, problems: &mut Vec<Problem>) -> Option<Self> {
        match value.into_inner() {
            DeValue::Table(items) => Some(Self::new(what, span, items)),
            other => {
                problems.push(Problem::new(span, format!("{what} must be a table, not {}", value_kind(&other))));
                None
            }
        }
    }
}

fn value_kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// An unknown key, with the known one that was probably meant.
fn unknown(span: Range<usize>, key: &str, known: &[&str]) -> Problem {
    let problem = Problem::new(span, format!("unknown key `{}`", visible(key, 64)));
    match nearest(key, known.iter().copied()) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint(format!("known here: {}", quoted(known))),
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A parser's error in the words of the file, without names of the program's types.
pub(crate) fn problem(error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or_default();
    let message = error.message().trim_end();
    if let Some((key, known)) = between(message, "unknown field `", "`, expected ") {
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        return unknown(span, key, &known);
    }
    if let Some((value, known)) = between(message, "unknown variant `", "`, expected ") {
        return Problem::new(span, format!("`{}` is not one of the accepted values", visible(value, 64))).hint(format!("write {known}"));
    }
    if let Some((key, _)) = between(message, "missing field `", "`") {
        return Problem::new(span, format!("the key `{key}` is missing"));
    }
    if message.starts_with("cannot recurse further") {
        return Problem::new(span, "lists and tables are nested too deep").hint("take out the levels that no key needs");
    }
    match message.split_once(", expected ") {
        Some((got, expected)) => Problem::new(span, visible(got, 160)).hint(format!("write {}", plain(expected))),
        None => Problem::new(span, visible(message, 240)),
    }
}

fn between<'a>(message: &'a str, start: &str, end: &str) -> Option<(&'a str, &'a str)> {
    message.strip_prefix(start)?.split_once(end)
}

/// What a deserialiser expects, said for people.
fn plain(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" => "a list: `[…]`".to_owned(),
        "a map" => "a table".to_owned(),
        rust if rust.starts_with("struct ") => "a table".to_owned(),
        other => visible(other, 160),
    }
}
