//! Conditions on rows: `age >= 30 and (city = 'Paris' or city is null)`.

mod lexer;
mod parser;

use std::cmp::Ordering;

use remit::Error;

use crate::source::{Column, Row, position};
use crate::value::{Kind, Value};

/// A condition whose columns and kinds were checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(Expression);

impl Condition {
    /// Reads `text` for a table with `columns`.
    ///
    /// # Errors
    /// `invalid-arguments` when it is malformed, names a column that is not there, or compares what cannot be compared.
    pub fn parse(text: &str, columns: &[Column]) -> Result<Self, Error> {
        parser::parse(text, columns).map(Self)
    }

    /// Whether it holds for `row`. A comparison with nothing is neither true nor false, as in SQL, and then the row is left out.
    pub fn holds(&self, row: &Row) -> bool {
        self.0.truth(row) == Some(true)
    }
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    StartsWith,
    EndsWith,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Column(usize),
    Literal(Value),
}

impl Operand {
    fn value<'a>(&'a self, row: &'a Row) -> &'a Value {
        match self {
            Self::Column(at) => row.get(*at).unwrap_or(&Value::Null),
            Self::Literal(value) => value,
        }
    }

    fn kind(&self, columns: &[Column]) -> Kind {
        match self {
            Self::Column(at) => columns.get(*at).map_or(Kind::Empty, |column| column.kind),
            Self::Literal(value) => value.kind(),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Operand, Operator, Operand),
    In(Operand, Vec<Value>),
    IsNull(Operand),
    Truth(Operand),
}

impl Expression {
    /// True, false, or neither.
    fn truth(&self, row: &Row) -> Option<bool> {
        match self {
            Self::All(parts) => settle(parts.iter().map(|part| part.truth(row)), false),
            Self::Any(parts) => settle(parts.iter().map(|part| part.truth(row)), true),
            Self::Not(part) => part.truth(row).map(|truth| !truth),
            Self::Compare(left, operator, right) => compare(left.value(row), *operator, right.value(row)),
            Self::In(operand, list) => settle(list.iter().map(|value| compare(operand.value(row), Operator::Equal, value)), true),
            Self::IsNull(operand) => Some(*operand.value(row) == Value::Null),
            Self::Truth(operand) => match operand.value(row) {
                Value::Bool(flag) => Some(*flag),
                _ => None,
            },
        }
    }
}

/// `decisive` as soon as one part is; else neither if one part is neither.
fn settle(parts: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let mut open = false;
    for part in parts {
        match part {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => open = true,
        }
    }
    (!open).then_some(!decisive)
}

fn compare(left: &Value, operator: Operator, right: &Value) -> Option<bool> {
    if *left == Value::Null || *right == Value::Null {
        return None;
    }
    match operator {
        Operator::Contains => return Some(left.text().contains(right.text().as_ref())),
        Operator::StartsWith => return Some(left.text().starts_with(right.text().as_ref())),
        Operator::EndsWith => return Some(left.text().ends_with(right.text().as_ref())),
        _ => {}
    }
    let order = left.compare(right)?;
    Some(match operator {
        Operator::Equal => order == Ordering::Equal,
        Operator::Unequal => order != Ordering::Equal,
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

/// Refuses to compare what is never equal, and says how to write it.
pub(crate) fn check(left: &Operand, right: &Operand, columns: &[Column]) -> Result<(), Error> {
    let (a, b) = (left.kind(columns), right.kind(columns));
    if a == Kind::Empty || b == Kind::Empty || a.widen(b) != Kind::Text || a == b {
        return Ok(());
    }
    let column = [left, right].into_iter().find_map(|side| match side {
        Operand::Column(at) => columns.get(*at),
        Operand::Literal(_) => None,
    });
    let Some(column) = column else {
        return Err(Error::invalid_arguments(format!("{} and {} cannot be compared", a.words(), b.words())));
    };
    let odd = match &column.odd {
        Some((row, text)) => format!(" (row {row} has `{text}`; list such text in `nulls` if it stands for nothing)"),
        None => String::new(),
    };
    let hint = if column.kind == Kind::Text { "write the value in quotes" } else { "write the value without quotes" };
    Err(Error::invalid_arguments(format!("the column `{}` holds {}{odd}; {hint}", column.name, column.kind.words())))
}

/// Looks up the column `name`.
pub(crate) fn column(name: &str, columns: &[Column]) -> Result<Operand, Error> {
    position(columns, name).map(Operand::Column)
}
