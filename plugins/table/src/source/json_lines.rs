//! JSON lines: an object on each line.

use std::fmt;
use std::io::{BufRead, Read as _};

use remit::Error;
use remit::serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use remit::serde_json::{self, Value as Json};

use super::ROW_MAX_BYTES;
use crate::value::Value;

/// Reads objects.
pub struct Reader<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads `input`.
    pub fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// Reads the next object with its names in their order; empty lines are passed over, `None` is the end.
    ///
    /// # Errors
    /// `invalid-arguments`, with the line, when it is too long or holds no object; else what the file answers.
    pub fn next(&mut self) -> Result<Option<Vec<(String, Value)>>, Error> {
        loop {
            self.number += 1;
            self.line.clear();
            let bound = ROW_MAX_BYTES as u64 + 1;
            if (&mut self.input).take(bound).read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            let number = self.number;
            if self.line.len() > ROW_MAX_BYTES {
                return Err(Error::invalid_arguments(format!("line {number} is longer than {ROW_MAX_BYTES} bytes")));
            }
            let line = self.line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let object: Object = serde_json::from_slice(line)
                .map_err(|error| Error::invalid_arguments(format!("line {number}: {error}; each line has to hold one JSON object")))?;
            return Ok(Some(object.0.into_iter().map(|(name, value)| (name, cell(value))).collect()));
        }
    }
}

/// A JSON value as a cell; lists and objects become their JSON text.
fn cell(value: Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::String(text) => Value::Text(text),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(float)) if !number.is_u64() && float.is_finite() => Value::Float(float),
            _ => Value::Text(number.to_string()),
        },
        nested @ (Json::Array(_) | Json::Object(_)) => Value::Text(nested.to_string()),
    }
}

/// The members of an object in their order.
struct Object(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
