//! Values of cells, and what kinds there are.

use std::borrow::Cow;
use std::cmp::Ordering;

use remit::serde_json::{Number, Value as Json};

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number; always finite.
    Float(f64),
    /// Text.
    Text(String),
}

/// What the values of a column are.
#[remit::data]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// There is none.
    Empty,
    /// `true` or `false`.
    Boolean,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Number,
    /// Text.
    Text,
}

impl Kind {
    /// The kind that holds the values of both.
    pub fn widen(self, other: Self) -> Self {
        match (self, other) {
            (Self::Empty, kind) | (kind, Self::Empty) => kind,
            (a, b) if a == b => a,
            (Self::Integer | Self::Number, Self::Integer | Self::Number) => Self::Number,
            _ => Self::Text,
        }
    }

    /// What its values are called in a message.
    pub fn words(self) -> &'static str {
        match self {
            Self::Empty => "no values",
            Self::Boolean => "`true` and `false`",
            Self::Integer => "whole numbers",
            Self::Number => "numbers",
            Self::Text => "text",
        }
    }
}

impl Value {
    /// The kind of this value.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Empty,
            Self::Bool(_) => Kind::Boolean,
            Self::Int(_) => Kind::Integer,
            Self::Float(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
        }
    }

    /// The value as a number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The value as it is written; `Null` is empty.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Bool(flag) => Cow::Owned(flag.to_string()),
            Self::Int(number) => Cow::Owned(number.to_string()),
            // Keeps `.0`, so that it reads back as what it was.
            Self::Float(number) => Cow::Owned(format!("{number:?}")),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }

    /// The value in JSON.
    pub fn json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Int(number) => Json::from(*number),
            Self::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
            Self::Text(text) => Json::String(text.clone()),
        }
    }

    /// Bytes that it takes in memory, about.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + if let Self::Text(text) = self { text.len() } else { 0 }
    }

    /// Compares two values; `None` when one of them is nothing, or they are of different kinds.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (a, b) => a.number()?.partial_cmp(&b.number()?),
        }
    }

    /// An order over all values, for sorting: numbers before text, nothing last.
    pub fn order(&self, other: &Self) -> Ordering {
        let rank = |value: &Self| match value {
            Self::Bool(_) => 0,
            Self::Int(_) | Self::Float(_) => 1,
            Self::Text(_) => 2,
            Self::Null => 3,
        };
        self.compare(other).unwrap_or_else(|| rank(self).cmp(&rank(other)))
    }
}

/// The kind that a field of text seems to be. Numbers count only as they are written plainly: `007` and `+5` are text.
pub fn guess(field: &str) -> Kind {
    let digits = field.strip_prefix('-').unwrap_or(field);
    let plain = digits.bytes().next().is_some_and(|b| b.is_ascii_digit())
        && !(digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0."));
    match field {
        "" => Kind::Empty,
        "true" | "false" => Kind::Boolean,
        _ if plain && field.parse::<i64>().is_ok() => Kind::Integer,
        _ if plain && digits.contains(['.', 'e', 'E']) && field.parse::<f64>().is_ok_and(f64::is_finite) => Kind::Number,
        _ => Kind::Text,
    }
}

/// A field of text as a value of `kind`, which was found to hold it.
pub fn parse(field: &str, kind: Kind) -> Option<Value> {
    if field.is_empty() {
        return Some(Value::Null);
    }
    match kind {
        Kind::Empty => None,
        Kind::Boolean => field.parse().ok().map(Value::Bool),
        Kind::Integer => field.parse().ok().map(Value::Int),
        Kind::Number => field.parse::<i64>().map(Value::Int).or_else(|_| field.parse().map(Value::Float)).ok(),
        Kind::Text => Some(Value::Text(field.to_owned())),
    }
}
