use remit::serde_json::json;
use remit::{ErrorKind, testing};

use super::*;

fn add_to(time: &str, span: &str) -> Result<String> {
    Ok(add(Add { time: time.into(), span: span.into() })?.time)
}

#[test]
fn now_is_in_the_zone_of_the_user_or_in_the_one_named() {
    let context = Context { time_zone: "Asia/Tokyo".into(), ..Context::default() };
    let here = now(Now { zone: None }, &context).unwrap();
    assert_eq!((here.zone.as_str(), &here.time[19..]), ("Asia/Tokyo", "+09:00"));
    assert_eq!(now(Now { zone: Some("UTC".into()) }, &context).unwrap().zone, "UTC");
}

#[test]
fn a_moment_is_the_same_in_another_zone() {
    let seen = convert(Convert { time: "2026-01-01T00:30:00+01:00".into(), zone: "America/New_York".into() }).unwrap();
    assert_eq!((seen.time.as_str(), seen.weekday.as_str()), ("2025-12-31T18:30:00-05:00", "Wednesday"));
}

#[test]
fn a_day_is_a_day_when_clocks_change_and_hours_are_hours() {
    assert_eq!(add_to("2026-03-28T12:00[Europe/Berlin]", "1 day").unwrap(), "2026-03-29T12:00:00+02:00");
    assert_eq!(add_to("2026-03-28T12:00[Europe/Berlin]", "24 hours").unwrap(), "2026-03-29T13:00:00+02:00");
    assert_eq!(add_to("2026-01-31T12:00:00Z", "1 month").unwrap(), "2026-02-28T12:00:00+00:00");
    assert_eq!(add_to("2026-03-01T00:00:00+05:30", "-1 day").unwrap(), "2026-02-28T00:00:00+05:30");
}

#[test]
fn the_distance_counts_time_and_dates() {
    let apart = diff(Diff { from: "2026-03-28T23:00:00Z".into(), to: "2026-03-30T01:00:00Z".into() }).unwrap();
    assert_eq!(apart, Distance { span: "1d 2h".into(), seconds: 93_600, calendar_days: 2 });
    let back = diff(Diff { from: "2026-03-30T01:00:00Z".into(), to: "2026-03-30T00:00:00Z".into() }).unwrap();
    assert_eq!((back.span.as_str(), back.seconds), ("1h ago", -3600));
}

#[test]
fn what_is_not_a_time_is_refused_with_the_accepted_form() {
    for text in ["", "tomorrow", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00", "99999-01-01T00:00:00Z"] {
        let error = add_to(text, "1 day").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArguments, "{text}");
        assert!(error.message().contains("RFC 3339"), "{error}");
    }
    assert_eq!(add_to("2026-01-01T00:00:00Z", "99999 years").unwrap_err().kind(), ErrorKind::InvalidArguments);
    let error = testing::call::<now>(json!({ "zone": "Mars/Base" })).unwrap_err();
    assert_eq!((error.kind(), error.message().contains("`Mars/Base`")), (ErrorKind::InvalidArguments, true));
}

#[test]
fn the_definition_says_what_the_code_says() {
    let definition = testing::definition::<now>();
    assert_eq!((definition.name, definition.title, definition.effect), ("now", Some("Time now"), remit::Effect::Read));
    assert_eq!(definition.input_schema["properties"]["zone"]["type"], json!(["string", "null"]));
    assert_eq!(definition.output_schema.unwrap()["required"], json!(["time", "zone", "weekday", "unix"]));
}
