//! When something happened, in the ways senders write it.

use serde::{Deserialize, Serialize};

use crate::domain::fault::{Fault, shown};
use crate::domain::time::{UtcMillis, Zone};

/// How a sender writes `occurred_at`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// RFC 3339 text.
    #[default]
    Rfc3339,
    /// Whole seconds since 1970.
    Seconds,
    /// Whole milliseconds since 1970.
    Millis,
    /// Any of these, told apart by their form; a text without an offset is in the mapping's `zone`, else UTC.
    Auto,
}

/// Numbers from here on are milliseconds: as seconds they would lie after the year 5138.
const SECONDS_END: i64 = 100_000_000_000;

/// How far a client's clock must be off before its times are corrected.
const CLOCK_OFF_MINUTES: i64 = 10;

/// Reads a sender's time. `Rfc3339` passes texts on, for the endpoint's own zone to read.
pub(super) fn read(text: String, unit: TimeUnit, zone: Option<&Zone>) -> Result<String, Fault> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unit_ms = match unit {
        TimeUnit::Rfc3339 if digits => {
            return Err(Fault::new(
                "occurred_at",
                "time-is-number",
                "it is a bare number; set the mapping's `time_unit` to seconds or millis",
            ));
        }
        TimeUnit::Rfc3339 => return Ok(text),
        TimeUnit::Auto if !digits => return local(&text, zone).map(|at| at.to_string()),
        TimeUnit::Auto if text.parse::<i64>().is_ok_and(|n| n >= SECONDS_END) => 1,
        TimeUnit::Auto | TimeUnit::Seconds => 1_000,
        TimeUnit::Millis => 1,
    };
    let at = text.parse::<i64>().ok().and_then(|n| n.checked_mul(unit_ms)).map(|ms| UtcMillis(ms).to_string());
    at.filter(|at| UtcMillis::parse(at).is_ok()).ok_or_else(|| {
        Fault::new(
            "occurred_at",
            "time-malformed",
            "it is not a whole number of the mapping's `time_unit` since 1970; send one, or use rfc3339",
        )
    })
}

/// A time with an offset, or a local one, or a day, which begins at midnight.
fn local(text: &str, zone: Option<&Zone>) -> Result<UtcMillis, Fault> {
    let utc = Zone::utc();
    let zone = zone.unwrap_or(&utc);
    let day = || zone.parse_time(&format!("{text} 00:00:00"));
    zone.parse_time(text).or_else(|fault| day().map_err(|_no_day| fault)).map_err(|_fault| {
        Fault::new(
            "occurred_at",
            "time-malformed",
            format!("{} is not a time; send 2025-04-12T13:41:42Z, or seconds or milliseconds since 1970", shown(text)),
        )
    })
}

/// Any of the forms as UTC to the second.
pub(super) fn utc_second(text: &str) -> Result<String, Fault> {
    let at = UtcMillis::parse(&read(text.to_owned(), TimeUnit::Auto, None)?)?;
    let text = UtcMillis(at.0.div_euclid(1_000) * 1_000).to_string();
    Ok(text.replace(".000Z", "Z"))
}

/// A client's time corrected by its clock: `at + (received - sent_at)`, as Segment defines it.
///
/// Whole minutes, and only of clocks that are far off: the time of the way must not make two tellings of one event differ,
/// nor a queue's delay move it. Never after its arrival.
pub(super) fn corrected(at: &str, sent_at: &str, received_at: UtcMillis) -> Result<String, Fault> {
    let (at, sent) = (UtcMillis::parse(at)?, UtcMillis::parse(sent_at)?);
    let minutes = (received_at.0.saturating_sub(sent.0)).saturating_add(30_000).div_euclid(60_000);
    if minutes.saturating_abs() < CLOCK_OFF_MINUTES {
        return Ok(at.to_string());
    }
    Ok(at.plus_ms(minutes.saturating_mul(60_000)).min(received_at).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_time_is_told_apart() {
        let madrid: Zone = "Europe/Madrid".parse().expect("zone");
        for (text, zone, expected) in [
            ("1791191640123", None, "2026-10-05T09:14:00.123Z"),
            ("1791191640", None, "2026-10-05T09:14:00.000Z"),
            ("2026-10-05T09:13:58+0000", None, "2026-10-05T09:13:58.000Z"),
            ("2026-10-05T09:13:20.000000", None, "2026-10-05T09:13:20.000Z"),
            ("2026-10-05 11:13:20", Some(&madrid), "2026-10-05T09:13:20.000Z"),
            ("2026-10-05", Some(&madrid), "2026-10-04T22:00:00.000Z"),
        ] {
            assert_eq!(read(text.into(), TimeUnit::Auto, zone).as_deref(), Ok(expected), "{text}");
        }
        for bad in ["", "soon", "1.5", "-5", "99999999999999999999"] {
            assert_eq!(read(bad.into(), TimeUnit::Auto, None).expect_err(bad).code, "time-malformed");
        }
        assert_eq!(utc_second("2026-10-05T04:14:00.9-05:00").as_deref(), Ok("2026-10-05T09:14:00Z"));
    }

    #[test]
    fn a_clock_that_is_wrong_is_corrected_by_minutes() {
        let received = UtcMillis::parse("2026-10-05T09:15:00Z").expect("time");
        let corrected = |sent: &str| corrected("2026-10-05T07:00:00Z", sent, received);
        assert_eq!(corrected("2026-10-05T09:14:59.7Z").as_deref(), Ok("2026-10-05T07:00:00.000Z"));
        assert_eq!(corrected("2026-10-05T09:06:00Z").as_deref(), Ok("2026-10-05T07:00:00.000Z"), "a queue's delay");
        assert_eq!(corrected("2026-10-05T07:14:59Z").as_deref(), Ok("2026-10-05T09:00:00.000Z"));
        assert_eq!(
            corrected("2026-10-05T05:15:00Z").as_deref(),
            Ok("2026-10-05T09:15:00.000Z"),
            "never after its arrival"
        );
    }
}
