//! Words as an expression.

use remit::Error;

use super::lexer::{Word, words};
use super::{Expression, Operand, Operator, check, column};
use crate::source::Column;
use crate::value::{Kind, Value, guess, parse as parse_value};

/// Deepest nesting of brackets and `not`.
const DEPTH_MAX: usize = 32;

struct Parser<'a> {
    words: Vec<(usize, Word)>,
    at: usize,
    depth: usize,
    columns: &'a [Column],
}

/// Reads a condition.
pub fn parse(text: &str, columns: &[Column]) -> Result<Expression, Error> {
    let mut parser = Parser { words: words(text)?, at: 0, depth: 0, columns };
    let expression = parser.any()?;
    match parser.words.get(parser.at) {
        None => Ok(expression),
        Some(_) => Err(parser.unexpected("`and`, `or` or the end")),
    }
}

impl Parser<'_> {
    fn unexpected(&self, wanted: &str) -> Error {
        let found = match self.words.get(self.at) {
            Some((place, Word::Name(text) | Word::Number(text) | Word::Quoted(text) | Word::Text(text))) => {
                format!("`{text}` at character {place}")
            }
            Some((place, Word::Sign(sign))) => format!("`{sign}` at character {place}"),
            None => "the end".to_owned(),
        };
        Error::invalid_arguments(format!(
            "the condition has {found} where {wanted} should be; write one such as `age >= 30 and city = 'Paris'`"
        ))
    }

    /// Takes the keyword `name` if it comes next.
    fn keyword(&mut self, name: &str) -> bool {
        let found = matches!(self.words.get(self.at), Some((_, Word::Name(word))) if word.eq_ignore_ascii_case(name));
        self.at += usize::from(found);
        found
    }

    /// Takes `sign` if it comes next.
    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.words.get(self.at), Some((_, Word::Sign(word))) if *word == sign);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Expression, Error> {
        let mut parts = vec![self.all()?];
        while self.keyword("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self) -> Result<Expression, Error> {
        let mut parts = vec![self.part()?];
        while self.keyword("and") {
            parts.push(self.part()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn part(&mut self) -> Result<Expression, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::invalid_arguments(format!("the condition nests deeper than {DEPTH_MAX} levels")));
        }
        let expression = if self.keyword("not") {
            Expression::Not(Box::new(self.part()?))
        } else if self.sign("(") {
            let inner = self.any()?;
            if !self.sign(")") {
                return Err(self.unexpected("`)`"));
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn comparison(&mut self) -> Result<Expression, Error> {
        let left = self.operand()?;
        if self.keyword("is") {
            let not = self.keyword("not");
            if !self.keyword("null") {
                return Err(self.unexpected("`null`"));
            }
            return Ok(negated(Expression::IsNull(left), not));
        }
        let before = self.at;
        let not = self.keyword("not");
        if self.keyword("in") {
            let list = self.list(&left)?;
            return Ok(negated(Expression::In(left, list), not));
        }
        let Some(operator) = self.operator() else {
            self.at = before;
            return match left.kind(self.columns) {
                Kind::Boolean | Kind::Empty => Ok(Expression::Truth(left)),
                _ => Err(self.unexpected("a comparison such as `=`, `<` or `contains`")),
            };
        };
        let right = self.operand()?;
        if !matches!(operator, Operator::Contains | Operator::StartsWith | Operator::EndsWith) {
            check(&left, &right, self.columns)?;
        }
        Ok(negated(Expression::Compare(left, operator, right), not))
    }

    fn operator(&mut self) -> Option<Operator> {
        let operator = match self.words.get(self.at)? {
            (_, Word::Sign("=" | "==")) => Operator::Equal,
            (_, Word::Sign("!=" | "<>")) => Operator::Unequal,
            (_, Word::Sign("<")) => Operator::Less,
            (_, Word::Sign("<=")) => Operator::LessOrEqual,
            (_, Word::Sign(">")) => Operator::Greater,
            (_, Word::Sign(">=")) => Operator::GreaterOrEqual,
            (_, Word::Name(name)) => match name.to_ascii_lowercase().as_str() {
                "contains" => Operator::Contains,
                "starts_with" => Operator::StartsWith,
                "ends_with" => Operator::EndsWith,
                _ => return None,
            },
            _ => return None,
        };
        self.at += 1;
        Some(operator)
    }

    fn list(&mut self, left: &Operand) -> Result<Vec<Value>, Error> {
        if !self.sign("(") {
            return Err(self.unexpected("`(`"));
        }
        let mut list = Vec::new();
        loop {
            match self.operand()? {
                literal @ Operand::Literal(_) => {
                    check(left, &literal, self.columns)?;
                    if let Operand::Literal(value) = literal {
                        list.push(value);
                    }
                }
                Operand::Column(_) => {
                    return Err(Error::invalid_arguments("the list after `in` may hold values only; write text in single quotes"));
                }
            }
            if self.sign(")") {
                return Ok(list);
            }
            if !self.sign(",") {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, Error> {
        let Some((_, word)) = self.words.get(self.at) else { return Err(self.unexpected("a column or a value")) };
        let operand = match word {
            Word::Text(text) => Operand::Literal(Value::Text(text.clone())),
            Word::Number(text) => match guess(text) {
                kind @ (Kind::Integer | Kind::Number) => Operand::Literal(parse_value(text, kind).unwrap_or(Value::Null)),
                _ => {
                    return Err(Error::invalid_arguments(format!(
                        "`{text}` in the condition is not a number; write text and dates in single quotes"
                    )));
                }
            },
            Word::Quoted(name) => column(name, self.columns)?,
            Word::Name(name) => match name.as_str() {
                "true" => Operand::Literal(Value::Bool(true)),
                "false" => Operand::Literal(Value::Bool(false)),
                "and" | "or" | "not" | "in" | "is" | "null" => return Err(self.unexpected("a column or a value")),
                _ => column(name, self.columns)
                    .map_err(|error| Error::invalid_arguments(format!("{error}; text is written in single quotes, such as '{name}'")))?,
            },
            Word::Sign(_) => return Err(self.unexpected("a column or a value")),
        };
        self.at += 1;
        Ok(operand)
    }
}

fn negated(expression: Expression, not: bool) -> Expression {
    if not { Expression::Not(Box::new(expression)) } else { expression }
}
