//! How values of the traits stand in columns.

use remit_core::{
    Error,
    clock::Timestamp,
    store::{Status, WaitKind, WaitState},
};
use rusqlite::{
    Row,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};

/// An unsigned number. SQLite has signed ones: the bits are kept.
pub(super) struct Unsigned(pub(super) u64);

impl ToSql for Unsigned {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.cast_signed().into())
    }
}

impl FromSql for Unsigned {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(|number| Self(number.cast_unsigned()))
    }
}

/// An unsigned number in a column.
pub(super) fn unsigned(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, Unsigned>(column).map(|number| number.0)
}

/// A point in time in a column.
pub(super) fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    unsigned(row, column).map(Timestamp)
}

/// Text in a column that stands for something else, such as an id.
pub(super) fn parsed<T: std::str::FromStr<Err = Error>>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    row.get::<_, Parsed<T>>(column).map(|parsed| parsed.0)
}

/// As [`parsed`], where there may be nothing.
pub(super) fn parsed_if<T: std::str::FromStr<Err = Error>>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    row.get::<_, Option<Parsed<T>>>(column).map(|parsed| parsed.map(|parsed| parsed.0))
}

struct Parsed<T>(T);

impl<T: std::str::FromStr<Err = Error>> FromSql for Parsed<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(FromSqlError::other)
    }
}

/// JSON in a column.
pub(super) fn json_if<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    row.get::<_, Option<Json<T>>>(column).map(|json| json.map(|json| json.0))
}

/// As [`json_if`], where there is always something.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    row.get::<_, Json<T>>(column).map(|json| json.0)
}

struct Json<T>(T);

impl<T: serde::de::DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(FromSqlError::other)
    }
}

/// Values that are kept under a name.
pub(super) trait Named: Sized + Copy + 'static {
    /// Each with its name.
    const NAMES: &'static [(Self, &'static str)];
    /// The name of this one.
    fn name(self) -> &'static str;
}

/// A named value in a column.
pub(super) fn named<T: Named>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    row.get::<_, ByName<T>>(column).map(|named| named.0)
}

/// A value that is kept under its name.
pub(super) struct ByName<T>(pub(super) T);

impl<T: Named> FromSql for ByName<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        let found = T::NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(value, _)| Self(*value)).ok_or(FromSqlError::InvalidType)
    }
}

macro_rules! named {
    ($type:ident { $($value:ident = $name:literal),+ $(,)? }) => {
        impl Named for $type {
            const NAMES: &'static [(Self, &'static str)] = &[$((Self::$value, $name)),+];
            fn name(self) -> &'static str {
                match self { $(Self::$value => $name),+ }
            }
        }
    };
}

named!(Status { Idle = "idle", Running = "running", Waiting = "waiting", Quarantined = "quarantined", Killed = "killed" });
named!(WaitKind { Approval = "approval", Input = "input", Timer = "timer" });
named!(WaitState { Open = "open", Decided = "decided", Used = "used", Cancelled = "cancelled" });
