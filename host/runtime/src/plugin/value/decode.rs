//! From JSON to a component's values.

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use remit_core::{Error, Result, limit, plugin::text::visible};
use serde_json::{Map, Number, Value};
use wasmtime::component::{Type, Val};

use super::place::Place;

/// Standard alphabet, padding as it comes.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));
/// Largest integer up to which a double holds every integer.
const DOUBLE_MAX_EXACT: f64 = 9_007_199_254_740_992.0;
/// Most names that an error lists.
const NAMES_SHOWN: usize = 16;

/// Converts one set of arguments, counting values.
pub(super) struct Decoder {
    left: usize,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { left: limit::ARGUMENT_VALUES_MAX }
    }

    /// The value of type `ty`. The recursion is as deep as the type is, which validation bounds.
    pub(super) fn value(&mut self, json: &Value, ty: &Type, place: &Place<'_>) -> Result<Val> {
        self.spend(1, place)?;
        match ty {
            Type::Bool => json.as_bool().map(Val::Bool).ok_or_else(|| place.expected("true or false", json)),
            Type::U8 => integer(json, "u8", place).map(Val::U8),
            Type::U16 => integer(json, "u16", place).map(Val::U16),
            Type::U32 => integer(json, "u32", place).map(Val::U32),
            Type::U64 => integer(json, "u64", place).map(Val::U64),
            Type::S8 => integer(json, "s8", place).map(Val::S8),
            Type::S16 => integer(json, "s16", place).map(Val::S16),
            Type::S32 => integer(json, "s32", place).map(Val::S32),
            Type::S64 => integer(json, "s64", place).map(Val::S64),
            Type::Float32 => float32(json, place).map(Val::Float32),
            Type::Float64 => float64(json, place).map(Val::Float64),
            Type::Char => character(json, place).map(Val::Char),
            Type::String => json.as_str().map(|text| Val::String(text.to_owned())).ok_or_else(|| place.expected("a string", json)),
            other => self.compound(json, other, place),
        }
    }

    fn compound(&mut self, json: &Value, ty: &Type, place: &Place<'_>) -> Result<Val> {
        match ty {
            Type::List(list) => self.list(json, &list.ty(), None, place).map(Val::List),
            Type::FixedLengthList(list) => self.list(json, &list.ty(), Some(list.len()), place).map(Val::FixedLengthList),
            Type::Map(map) => self.map(json, &map.key(), &map.value(), place),
            Type::Tuple(tuple) => self.tuple(json, &tuple.types().collect::<Vec<_>>(), place).map(Val::Tuple),
            Type::Record(record) => {
                let fields = json.as_object().ok_or_else(|| place.expected("an object", json))?;
                let types: Vec<_> = record.fields().map(|field| (field.name, field.ty)).collect();
                let values = self.fields(fields, types.iter().map(|(name, ty)| (*name, ty)), place)?;
                Ok(Val::Record(types.iter().map(|(name, _)| (*name).to_owned()).zip(values).collect()))
            }
            Type::Enum(names) => {
                let found = json.as_str().filter(|text| names.names().any(|name| name == *text));
                found.map(|name| Val::Enum(name.to_owned())).ok_or_else(|| place.expected(one_of(names.names()), json))
            }
            Type::Flags(flags) => self.flags(json, &flags.names().collect::<Vec<_>>(), place),
            Type::Variant(variant) => {
                let cases: Vec<_> = variant.cases().map(|case| (case.name, case.ty)).collect();
                self.case(json, &cases, place).map(|(name, payload)| Val::Variant(name, payload))
            }
            Type::Result(sides) => {
                let (name, payload) = self.case(json, &[("ok", sides.ok()), ("err", sides.err())], place)?;
                Ok(Val::Result(if name == "ok" { Ok(payload) } else { Err(payload) }))
            }
            Type::Option(option) => self.option(json, &option.ty(), place),
            _ => Err(super::foreign("no plain type")),
        }
    }

    /// The fields of a record or the parameters of a function, in the order of `types`.
    pub(super) fn fields<'t>(
        &mut self,
        fields: &Map<String, Value>,
        types: impl Iterator<Item = (&'t str, &'t Type)> + Clone,
        place: &Place<'_>,
    ) -> Result<Vec<Val>> {
        if let Some(unknown) = fields.keys().find(|key| types.clone().all(|(name, _)| name != key.as_str())) {
            return Err(place.refuse(format!("`{}` is unknown, expected {}", visible(unknown, 64), one_of(types.map(|(name, _)| name)))));
        }
        let field = |(name, ty): (&'t str, &'t Type)| match (fields.get(name), ty) {
            (Some(json), _) => self.value(json, ty, &Place::Field(place, name)),
            (None, Type::Option(_)) => Ok(Val::Option(None)),
            (None, _) => Err(place.refuse(format!("`{name}` is missing"))),
        };
        types.map(field).collect()
    }

    fn list(&mut self, json: &Value, element: &Type, length: Option<u32>, place: &Place<'_>) -> Result<Vec<Val>> {
        let items = match (element, json) {
            (Type::U8, Value::String(text)) => self.bytes(text, place)?,
            (Type::U8, _) => return Err(place.expected("bytes in base64", json)),
            (_, Value::Array(items)) => {
                let item = |(index, item)| self.value(item, element, &Place::Index(place, index));
                items.iter().enumerate().map(item).collect::<Result<_>>()?
            }
            _ => return Err(place.expected("an array", json)),
        };
        match length {
            Some(length) if items.len() as u64 != u64::from(length) => {
                let what = if *element == Type::U8 { "bytes" } else { "items" };
                Err(place.refuse(format!("expected {length} {what}, found {}", items.len())))
            }
            _ => Ok(items),
        }
    }

    fn bytes(&mut self, text: &str, place: &Place<'_>) -> Result<Vec<Val>> {
        self.spend(text.len() / 4 * 3, place)?;
        let bytes = BASE64.decode(text).map_err(|error| place.refuse(format!("expected bytes in base64: {error}")))?;
        Ok(bytes.into_iter().map(Val::U8).collect())
    }

    fn map(&mut self, json: &Value, key: &Type, value: &Type, place: &Place<'_>) -> Result<Val> {
        if *key == Type::String {
            let fields = json.as_object().ok_or_else(|| place.expected("an object", json))?;
            let entry = |(name, json): (&String, &Value)| -> Result<(Val, Val)> {
                Ok((Val::String(name.clone()), self.value(json, value, &Place::Field(place, name))?))
            };
            return fields.iter().map(entry).collect::<Result<_>>().map(Val::Map);
        }
        let pairs = json.as_array().ok_or_else(|| place.expected("an array of pairs `[key, value]`", json))?;
        let entry = |(index, json): (usize, &Value)| -> Result<(Val, Val)> {
            let place = Place::Index(place, index);
            match json.as_array().map(Vec::as_slice) {
                Some([first, second]) => {
                    let first = self.value(first, key, &Place::Index(&place, 0))?;
                    Ok((first, self.value(second, value, &Place::Index(&place, 1))?))
                }
                _ => Err(place.expected("a pair `[key, value]`", json)),
            }
        };
        pairs.iter().enumerate().map(entry).collect::<Result<_>>().map(Val::Map)
    }

    fn tuple(&mut self, json: &Value, types: &[Type], place: &Place<'_>) -> Result<Vec<Val>> {
        match json {
            Value::Array(items) if items.len() == types.len() => {
                let item = |(index, (item, ty))| self.value(item, ty, &Place::Index(place, index));
                items.iter().zip(types).enumerate().map(item).collect()
            }
            _ => Err(place.expected(format!("an array of {} items", types.len()), json)),
        }
    }

    fn flags(&mut self, json: &Value, names: &[&str], place: &Place<'_>) -> Result<Val> {
        let items = json.as_array().ok_or_else(|| place.expected("an array of names", json))?;
        self.spend(items.len(), place)?;
        let mut set = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = Place::Index(place, index);
            let name =
                item.as_str().filter(|text| names.contains(text)).ok_or_else(|| place.expected(one_of(names.iter().copied()), item))?;
            if set.iter().any(|other| other == name) {
                return Err(place.refuse(format!("`{name}` is named twice")));
            }
            set.push(name.to_owned());
        }
        Ok(Val::Flags(set))
    }

    /// The name of a case without payload, or an object with the name and the payload of another one.
    fn case(&mut self, json: &Value, cases: &[(&str, Option<Type>)], place: &Place<'_>) -> Result<(String, Option<Box<Val>>)> {
        let refuse = || {
            let forms =
                cases.iter().map(|(name, payload)| if payload.is_some() { format!("{{\"{name}\": …}}") } else { format!("\"{name}\"") });
            place.expected(listed(forms), json)
        };
        match json {
            Value::String(text) => {
                let (name, _) = cases.iter().find(|(name, payload)| name == text && payload.is_none()).ok_or_else(refuse)?;
                Ok(((*name).to_owned(), None))
            }
            Value::Object(fields) if fields.len() == 1 => {
                let mut found = fields.iter().filter_map(|(key, json)| {
                    let (name, payload) = cases.iter().find(|(name, _)| name == key)?;
                    Some((*name, payload.as_ref()?, json))
                });
                let (name, ty, json) = found.next().ok_or_else(refuse)?;
                Ok((name.to_owned(), Some(Box::new(self.value(json, ty, &Place::Field(place, name))?))))
            }
            _ => Err(refuse()),
        }
    }

    fn option(&mut self, json: &Value, inner: &Type, place: &Place<'_>) -> Result<Val> {
        let json = match (json, inner) {
            (Value::Null, _) => return Ok(Val::Option(None)),
            (Value::Object(fields), Type::Option(_)) if fields.len() == 1 => {
                fields.get("some").ok_or_else(|| place.expected("null or `{\"some\": …}`", json))?
            }
            (_, Type::Option(_)) => return Err(place.expected("null or `{\"some\": …}`", json)),
            _ => json,
        };
        Ok(Val::Option(Some(Box::new(self.value(json, inner, place)?))))
    }

    fn spend(&mut self, values: usize, place: &Place<'_>) -> Result<()> {
        self.left = self.left.checked_sub(values).ok_or_else(|| {
            let message = format!("the arguments hold more than {} values (at `{place}`)", limit::ARGUMENT_VALUES_MAX);
            Error::limit(message).hint("send less at once; each byte of a `list<u8>` is a value")
        })?;
        Ok(())
    }
}

fn integer<T: TryFrom<i128>>(json: &Value, name: &str, place: &Place<'_>) -> Result<T> {
    let wide = matches!(name, "u64" | "s64");
    let number = match json {
        Value::Number(number) => whole(number),
        Value::String(digits) if wide && digits.len() <= 20 && !digits.starts_with('+') => digits.parse().ok(),
        _ => None,
    };
    let form = if wide { "an integer, or a string of digits," } else { "an integer" };
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| place.expected(format!("{form} that fits `{name}`"), json))
}

/// A number without a fraction, `3.0` included.
fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_u64() {
        return Some(number.into());
    }
    if let Some(number) = number.as_i64() {
        return Some(number.into());
    }
    number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= DOUBLE_MAX_EXACT).map(|number| number as i128)
}

fn float64(json: &Value, place: &Place<'_>) -> Result<f64> {
    let number = match json {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    };
    number.ok_or_else(|| place.expected("a number, or one of `NaN`, `Infinity`, `-Infinity`", json))
}

fn float32(json: &Value, place: &Place<'_>) -> Result<f32> {
    let number = float64(json, place)?;
    let narrow = number as f32;
    if narrow.is_infinite() && number.is_finite() {
        return Err(place.expected("a number that fits `f32`", json));
    }
    Ok(narrow)
}

fn character(json: &Value, place: &Place<'_>) -> Result<char> {
    let mut chars = json.as_str().unwrap_or_default().chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(place.expected("a string of one character", json)),
    }
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    listed(names.map(|name| format!("`{name}`")))
}

fn listed(forms: impl Iterator<Item = String>) -> String {
    let mut forms: Vec<String> = forms.take(NAMES_SHOWN + 1).collect();
    match forms.len() {
        0 => return "nothing".to_owned(),
        1 => {}
        count => {
            if count > NAMES_SHOWN {
                forms.truncate(NAMES_SHOWN);
                forms.push("…".to_owned());
            }
            return format!("one of {}", forms.join(", "));
        }
    }
    forms.concat()
}
