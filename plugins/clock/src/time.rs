//! Reading and showing moments.

use jiff::fmt::temporal::{DateTimeParser, Pieces};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use remit::{Error, Result};

/// A moment as it is called in a time zone.
#[remit::data]
#[derive(Debug, PartialEq)]
pub struct Moment {
    /// RFC 3339 with the offset.
    pub time: String,
    /// The time zone.
    pub zone: String,
    /// The day of the week.
    pub weekday: String,
    /// Seconds since 1970 in UTC.
    pub unix: i64,
}

impl Moment {
    /// Shows a moment in its zone, to the second.
    pub fn of(moment: &Zoned) -> Self {
        Self {
            time: moment.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            zone: moment.time_zone().iana_name().map_or_else(|| moment.offset().to_string(), str::to_owned),
            weekday: moment.strftime("%A").to_string(),
            unix: moment.timestamp().as_second(),
        }
    }
}

/// Finds a zone by its name.
///
/// # Errors
///
/// `InvalidArguments` where there is none of that name.
pub fn zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|_absent| {
        Error::invalid_arguments(format!("there is no time zone `{name}`; use an IANA name such as `Europe/Berlin`, or `UTC`"))
    })
}

/// Reads a moment: with a zone in brackets, else with an offset.
///
/// # Errors
///
/// `InvalidArguments` where the text is not a moment.
pub fn read(text: &str) -> Result<Zoned> {
    let refuse = |error: jiff::Error| {
        let form = "RFC 3339 such as `2026-03-29T09:00:00+02:00`, or `2026-03-29T09:00[Europe/Berlin]`";
        Error::invalid_arguments(format!("`{text}` is not a moment ({form}): {error}"))
    };
    let pieces = Pieces::parse(text).map_err(refuse)?;
    if pieces.time_zone_annotation().is_some() {
        return DateTimeParser::new().parse_zoned(text).map_err(refuse);
    }
    let timestamp: Timestamp = text.parse().map_err(refuse)?;
    let offset = pieces.to_numeric_offset().map_or(TimeZone::UTC, TimeZone::fixed);
    Ok(timestamp.to_zoned(offset))
}
