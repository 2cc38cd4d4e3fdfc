//! What time it is, in any zone, and how far apart two times are.

mod time;

use jiff::{Span, Timestamp, Unit, Zoned};
use remit::{Context, Error, Result};

use time::{Moment, zone};

/// The clock to read.
#[remit::data]
#[serde(deny_unknown_fields)]
struct Now {
    /// The time zone, an IANA name such as `Europe/Berlin`; without it the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
}

/// Tells what time it is now, in the user's time zone or in another one.
#[remit::tool(read, title = "Time now")]
fn now(args: Now, context: &Context) -> Result<Moment> {
    let zone = zone(args.zone.as_deref().unwrap_or(&context.time_zone))?;
    let now = Timestamp::try_from(std::time::SystemTime::now())?;
    Ok(Moment::of(&now.to_zoned(zone)))
}

/// A moment and a place to see it from.
#[remit::data]
#[serde(deny_unknown_fields)]
struct Convert {
    /// The moment: RFC 3339, or a local time with its zone, such as `2026-03-29T09:00[Europe/Berlin]`.
    time: String,
    /// The time zone to see it in, an IANA name such as `Asia/Tokyo`.
    zone: String,
}

/// Tells what a moment is called in another time zone.
#[remit::tool(read, title = "Convert a time")]
fn convert(args: Convert) -> Result<Moment> {
    Ok(Moment::of(&time::read(&args.time)?.with_time_zone(zone(&args.zone)?)))
}

/// A moment and a distance.
#[remit::data]
#[serde(deny_unknown_fields)]
struct Add {
    /// The moment: RFC 3339, or a local time with its zone, such as `2026-03-29T09:00[Europe/Berlin]`.
    time: String,
    /// How much later, such as `2 weeks 3 days`, `1 month`, `PT90M`; earlier with `-` in front.
    span: String,
}

/// Tells what time it is a while after or before a moment, by the calendar of its time zone: a day is a day, also when clocks change.
#[remit::tool(read, title = "Add to a time")]
fn add(args: Add) -> Result<Moment> {
    let span: Span = args.span.parse().map_err(|error: jiff::Error| {
        Error::invalid_arguments(format!("`{}` is not a span such as `2 weeks 3 days` or `PT90M`: {error}", args.span))
    })?;
    let sum = time::read(&args.time)?.checked_add(span).map_err(|error| Error::invalid_arguments(format!("out of range: {error}")))?;
    Ok(Moment::of(&sum))
}

/// Two moments.
#[remit::data]
#[serde(deny_unknown_fields)]
struct Diff {
    /// The first moment, RFC 3339 or a local time with its zone.
    from: String,
    /// The second moment, RFC 3339 or a local time with its zone.
    to: String,
}

/// How far apart two moments are.
#[remit::data]
#[derive(Debug, PartialEq)]
struct Distance {
    /// For people, such as `3d 4h`; with `ago` where the second moment is the earlier one.
    span: String,
    /// The same in seconds; negative where the second moment is the earlier one.
    seconds: i64,
    /// Days between the two dates as a calendar counts them, each date in its own zone.
    calendar_days: i32,
}

/// Tells how much time lies between two moments.
#[remit::tool(read, title = "Time between")]
fn diff(args: Diff) -> Result<Distance> {
    let (from, to) = (time::read(&args.from)?, time::read(&args.to)?);
    let elapsed = to.timestamp().since((Unit::Hour, from.timestamp()))?;
    Ok(Distance {
        span: format!("{:#}", readable(elapsed)?),
        seconds: to.timestamp().as_second() - from.timestamp().as_second(),
        calendar_days: days(&from, &to)?,
    })
}

/// Writes hours beyond a day as days of 24 hours.
fn readable(elapsed: Span) -> Result<Span> {
    let options = jiff::SpanRound::new().largest(Unit::Day).days_are_24_hours();
    Ok(elapsed.round(options)?)
}

fn days(from: &Zoned, to: &Zoned) -> Result<i32> {
    Ok(to.date().since((Unit::Day, from.date()))?.get_days())
}

remit::plugin!(now, convert, add, diff);

#[cfg(test)]
mod tests;
