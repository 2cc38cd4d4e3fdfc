//! Values of Parquet as cells.

use ::parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use ::parquet::record::Field;
use ::parquet::schema::types::Type;
use remit::Error;
use remit::serde_json::{Map, Value as Json};

use crate::value::{Kind, Value};

const DAY_SECONDS: i64 = 86_400;

/// How the values of a column are to be read, where their own type does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As they are.
    Plain,
    /// A moment in UTC; the value counts nanoseconds if it is a bare number.
    Utc,
    /// A date and a time of no zone, likewise.
    Local,
    /// A time of day, likewise.
    Time,
    /// A UUID.
    Uuid,
}

impl Reading {
    /// How `field` is read, and the kind of its values.
    pub fn of(field: &Type) -> (Self, Kind) {
        use ConvertedType as C;
        let info = field.get_basic_info();
        if field.is_group() || info.has_repetition() && info.repetition() == Repetition::REPEATED {
            return (Self::Plain, Kind::Text);
        }
        match info.logical_type_ref() {
            Some(LogicalType::Timestamp(stamp)) => {
                return (if stamp.is_adjusted_to_u_t_c { Self::Utc } else { Self::Local }, Kind::Text);
            }
            Some(LogicalType::Time(time)) if time.unit == TimeUnit::NANOS => return (Self::Time, Kind::Text),
            Some(LogicalType::Uuid) => return (Self::Uuid, Kind::Text),
            Some(LogicalType::Float16) => return (Self::Plain, Kind::Number),
            Some(LogicalType::Unknown) => return (Self::Plain, Kind::Empty),
            _ => {}
        }
        let kind = match (field.get_physical_type(), info.converted_type()) {
            // What is too large for `i64` becomes text, so the values have to be looked at.
            (_, C::UINT_64) => Kind::Empty,
            (_, C::DECIMAL | C::DATE | C::TIME_MILLIS | C::TIME_MICROS) => Kind::Text,
            (_, C::TIMESTAMP_MILLIS | C::TIMESTAMP_MICROS) => return (Self::Utc, Kind::Text),
            // Nanoseconds of older writers, which name no zone.
            (Physical::INT96, _) => return (Self::Local, Kind::Text),
            (Physical::BOOLEAN, _) => Kind::Boolean,
            (Physical::INT32 | Physical::INT64, _) => Kind::Integer,
            (Physical::FLOAT | Physical::DOUBLE, _) => Kind::Number,
            (Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY, _) => Kind::Text,
        };
        (Self::Plain, kind)
    }

    /// The value as a cell; lists and objects become their JSON text, and numbers that are not finite nothing.
    ///
    /// # Errors
    /// `invalid-arguments` when a decimal is longer than its type allows.
    pub fn value(self, field: Field) -> Result<Value, Error> {
        let zone = if self == Self::Local { "" } else { "Z" };
        Ok(match field {
            Field::Null => Value::Null,
            Field::Bool(flag) => Value::Bool(flag),
            Field::Byte(number) => Value::Int(number.into()),
            Field::Short(number) => Value::Int(number.into()),
            Field::Int(number) => Value::Int(number.into()),
            Field::Long(nanos) if self == Self::Time => Value::Text(clock(nanos, 9)),
            Field::Long(nanos) if matches!(self, Self::Utc | Self::Local) => Value::Text(moment(nanos, 9, zone)),
            Field::Long(number) => Value::Int(number),
            Field::UByte(number) => Value::Int(number.into()),
            Field::UShort(number) => Value::Int(number.into()),
            Field::UInt(number) => Value::Int(number.into()),
            Field::ULong(number) => i64::try_from(number).map_or_else(|_| Value::Text(number.to_string()), Value::Int),
            Field::Float16(number) => float(number.to_f64()),
            // By its text, so that `0.1` stays `0.1`.
            Field::Float(number) => float(number.to_string().parse().unwrap_or(f64::from(number))),
            Field::Double(number) => float(number),
            Field::Decimal(number) => Value::Text(decimal(number.data(), number.scale())?),
            Field::Str(text) => Value::Text(text),
            Field::Bytes(bytes) => Value::Text(self.bytes_text(bytes.data())),
            Field::Date(days) => Value::Text(date(days.into())),
            Field::TimeMillis(millis) => Value::Text(clock(millis.into(), 3)),
            Field::TimeMicros(micros) => Value::Text(clock(micros, 6)),
            Field::TimestampMillis(millis) => Value::Text(moment(millis, 3, zone)),
            Field::TimestampMicros(micros) => Value::Text(moment(micros, 6, zone)),
            nested @ (Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_)) => Value::Text(json(nested)?.to_string()),
        })
    }

    /// Bytes as text: as they are when they are UTF-8, else their digits.
    fn bytes_text(self, bytes: &[u8]) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match (self, bytes) {
            (Self::Uuid, [a @ .., _, _, _, _, _, _, _, _, _, _, _, _]) if bytes.len() == 16 => {
                let rest = hex(bytes).split_off(8);
                let part = |from: usize, to: usize| rest.get(from..to).unwrap_or_default().to_owned();
                format!("{}-{}-{}-{}-{}", hex(a), part(0, 4), part(4, 8), part(8, 12), part(12, 24))
            }
            _ => std::str::from_utf8(bytes).map_or_else(|_| format!("0x{}", hex(bytes)), str::to_owned),
        }
    }
}

fn float(number: f64) -> Value {
    if number.is_finite() { Value::Float(number) } else { Value::Null }
}

/// A nested value in JSON; a map is a list of its entries.
fn json(field: Field) -> Result<Json, Error> {
    Ok(match field {
        Field::Group(row) => {
            let members = row.into_columns().into_iter().map(|(name, field)| Ok((name, json(field)?)));
            Json::Object(members.collect::<Result<Map<_, _>, Error>>()?)
        }
        Field::ListInternal(list) => Json::Array(list.elements().iter().cloned().map(json).collect::<Result<_, Error>>()?),
        Field::MapInternal(map) => {
            let entry = |(key, value): &(Field, Field)| {
                let members = [("key".to_owned(), json(key.clone())?), ("value".to_owned(), json(value.clone())?)];
                Ok(Json::Object(Map::from_iter(members)))
            };
            Json::Array(map.entries().iter().map(entry).collect::<Result<_, Error>>()?)
        }
        plain => Reading::Plain.value(plain)?.json(),
    })
}

/// A decimal whose digits are a big-endian number in two's complement.
fn decimal(bytes: &[u8], scale: i32) -> Result<String, Error> {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = [if negative { 0xff } else { 0 }; 16];
    let start = whole.len().checked_sub(bytes.len());
    let place = start.and_then(|start| whole.get_mut(start..));
    let place = place.ok_or_else(|| Error::invalid_arguments(format!("a decimal of {} bytes is too long", bytes.len())))?;
    place.copy_from_slice(bytes);
    let scale = scale.unsigned_abs() as usize;
    let mut digits = format!("{:0>width$}", i128::from_be_bytes(whole).unsigned_abs().to_string(), width = scale + 1);
    if scale > 0 {
        digits.insert(digits.len() - scale, '.');
    }
    Ok(if negative { format!("-{digits}") } else { digits })
}

/// A moment, as ISO 8601 writes it. The fraction always has `places` digits, so that moments compare as their texts do.
fn moment(count: i64, places: u32, zone: &str) -> String {
    let day = DAY_SECONDS * 10i64.pow(places);
    format!("{}T{}{zone}", date(count.div_euclid(day)), clock(count.rem_euclid(day), places))
}

/// A time of day.
fn clock(count: i64, places: u32) -> String {
    let unit = 10i64.pow(places);
    let (seconds, fraction) = (count.div_euclid(unit), count.rem_euclid(unit));
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{fraction:0width$}", seconds % 60, width = places as usize)
}

/// The date that is so many days after 1970-01-01, in the Gregorian calendar. After Howard Hinnant, `civil_from_days`.
fn date(days: i64) -> String {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
