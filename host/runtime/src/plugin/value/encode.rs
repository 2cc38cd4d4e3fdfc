//! From a component's values to JSON.

use base64::Engine as _;
use remit_core::{Error, Result};
use serde_json::{Map, Number, Value};
use wasmtime::component::{Type, Val};

use super::foreign;

/// Largest integer that every reader of JSON keeps; larger ones are written as strings.
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Converts one result, counting bytes of JSON.
pub(super) struct Encoder {
    left: usize,
    max: usize,
}

impl Encoder {
    pub(super) fn new(max: usize) -> Self {
        Self { left: max, max }
    }

    /// The JSON of `value`. The recursion is as deep as the type is, which validation bounds.
    pub(super) fn value(&mut self, value: &Val, ty: &Type) -> Result<Value> {
        match (value, ty) {
            (Val::Bool(it), Type::Bool) => self.counted(if *it { 4 } else { 5 }, Value::Bool(*it)),
            (Val::U8(it), Type::U8) => self.unsigned(u64::from(*it)),
            (Val::U16(it), Type::U16) => self.unsigned(u64::from(*it)),
            (Val::U32(it), Type::U32) => self.unsigned(u64::from(*it)),
            (Val::U64(it), Type::U64) => self.unsigned(*it),
            (Val::S8(it), Type::S8) => self.signed(i64::from(*it)),
            (Val::S16(it), Type::S16) => self.signed(i64::from(*it)),
            (Val::S32(it), Type::S32) => self.signed(i64::from(*it)),
            (Val::S64(it), Type::S64) => self.signed(*it),
            (Val::Float32(it), Type::Float32) => self.float(shortest(*it)),
            (Val::Float64(it), Type::Float64) => self.float(*it),
            (Val::Char(it), Type::Char) => self.text(it.encode_utf8(&mut [0; 4])),
            (Val::String(it), Type::String) | (Val::Enum(it), Type::Enum(_)) => self.text(it),
            _ => self.compound(value, ty),
        }
    }

    fn compound(&mut self, value: &Val, ty: &Type) -> Result<Value> {
        match (value, ty) {
            (Val::List(items), Type::List(list)) => self.list(items, &list.ty()),
            (Val::FixedLengthList(items), Type::FixedLengthList(list)) => self.list(items, &list.ty()),
            (Val::Tuple(items), Type::Tuple(tuple)) => {
                let types = tuple.types();
                self.array(items.iter().zip(types), |this, (item, ty)| this.value(item, &ty))
            }
            (Val::Record(fields), Type::Record(record)) => {
                let types = record.fields();
                self.object(fields.iter().zip(types).map(|((name, value), field)| (name.as_str(), value, field.ty)))
            }
            (Val::Map(entries), Type::Map(map)) => self.map(entries, &map.key(), &map.value()),
            (Val::Flags(names), Type::Flags(_)) => self.array(names.iter(), |this, name| this.text(name)),
            (Val::Variant(name, payload), Type::Variant(variant)) => {
                let ty = variant.cases().find(|case| case.name == name).and_then(|case| case.ty);
                self.case(name, payload.as_deref(), ty)
            }
            (Val::Result(Ok(payload)), Type::Result(sides)) => self.case("ok", payload.as_deref(), sides.ok()),
            (Val::Result(Err(payload)), Type::Result(sides)) => self.case("err", payload.as_deref(), sides.err()),
            (Val::Option(None), Type::Option(_)) => self.counted(4, Value::Null),
            (Val::Option(Some(value)), Type::Option(option)) => match option.ty() {
                inner @ Type::Option(_) => self.object([("some", &**value, inner)].into_iter()),
                inner => self.value(value, &inner),
            },
            _ => Err(foreign("another type")),
        }
    }

    fn list(&mut self, items: &[Val], element: &Type) -> Result<Value> {
        if *element != Type::U8 {
            return self.array(items.iter(), |this, item| this.value(item, element));
        }
        self.spend(items.len().div_ceil(3).saturating_mul(4).saturating_add(2))?;
        let byte = |item: &Val| match item {
            Val::U8(byte) => Ok(*byte),
            _ => Err(foreign("no byte")),
        };
        let bytes = items.iter().map(byte).collect::<Result<Vec<u8>>>()?;
        Ok(Value::String(base64::engine::general_purpose::STANDARD.encode(bytes)))
    }

    fn map(&mut self, entries: &[(Val, Val)], key: &Type, value: &Type) -> Result<Value> {
        if *key != Type::String {
            return self.array(entries.iter(), |this, (first, second)| {
                this.array([(first, key), (second, value)].into_iter(), |this, (item, ty)| this.value(item, ty))
            });
        }
        self.spend(2)?;
        let mut object = Map::new();
        for (name, item) in entries {
            let Val::String(name) = name else { return Err(foreign("no text as key")) };
            self.spend(quoted(name) + 2)?;
            object.insert(name.clone(), self.value(item, value)?);
        }
        Ok(Value::Object(object))
    }

    fn case(&mut self, name: &str, payload: Option<&Val>, ty: Option<Type>) -> Result<Value> {
        match (payload, ty) {
            (None, None) => self.text(name),
            (Some(value), Some(ty)) => self.object([(name, value, ty)].into_iter()),
            _ => Err(foreign("a payload")),
        }
    }

    fn array<T>(&mut self, items: impl Iterator<Item = T>, mut convert: impl FnMut(&mut Self, T) -> Result<Value>) -> Result<Value> {
        self.spend(2)?;
        let item = |item| {
            self.spend(1)?;
            convert(self, item)
        };
        items.map(item).collect::<Result<_>>().map(Value::Array)
    }

    fn object<'v>(&mut self, fields: impl Iterator<Item = (&'v str, &'v Val, Type)>) -> Result<Value> {
        self.spend(2)?;
        let mut object = Map::new();
        for (name, value, ty) in fields {
            self.spend(quoted(name) + 2)?;
            object.insert(name.to_owned(), self.value(value, &ty)?);
        }
        Ok(Value::Object(object))
    }

    fn unsigned(&mut self, number: u64) -> Result<Value> {
        let digits = number.to_string();
        if number > SAFE_INTEGER_MAX {
            return self.text(&digits);
        }
        self.counted(digits.len(), number.into())
    }

    fn signed(&mut self, number: i64) -> Result<Value> {
        let digits = number.to_string();
        if number.unsigned_abs() > SAFE_INTEGER_MAX {
            return self.text(&digits);
        }
        self.counted(digits.len(), number.into())
    }

    fn float(&mut self, number: f64) -> Result<Value> {
        match Number::from_f64(number) {
            Some(number) => self.counted(number.to_string().len(), Value::Number(number)),
            None if number.is_nan() => self.text("NaN"),
            None if number > 0.0 => self.text("Infinity"),
            None => self.text("-Infinity"),
        }
    }

    fn text(&mut self, text: &str) -> Result<Value> {
        self.spend(quoted(text))?;
        Ok(Value::String(text.to_owned()))
    }

    fn counted(&mut self, bytes: usize, json: Value) -> Result<Value> {
        self.spend(bytes)?;
        Ok(json)
    }

    fn spend(&mut self, bytes: usize) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            Error::limit(format!("the result is longer than {} bytes of JSON", self.max))
                .hint("ask for less, or raise `limits.output_kib` of the plugin")
        })?;
        Ok(())
    }
}

/// Bytes of a JSON string, its quotes and escapes included.
fn quoted(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).fold(2, usize::saturating_add)
}

/// The double that is written with the fewest digits that give `number` back.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}
