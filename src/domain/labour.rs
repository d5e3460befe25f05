//! Labour: hours of a person or a team, and what an hour costs.

use std::fmt;
use std::str::FromStr;

use super::fault::{Fault, shown};
use super::money::{Currency, Money, divide_half_even};
use super::time::{Day, DayRange};

const HOUR_S: i64 = 3_600;
/// Most hours of one entry.
const HOURS_MAX: i64 = 100_000;
/// Longest name of a person or team, in characters.
const NAME_MAX: usize = 100;

/// Time worked, in whole seconds: 0.01 h is 36 s, so that two decimals are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hours(i64);

impl Hours {
    /// Of seconds as they were stored.
    pub fn of_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Whole seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// What they cost at `hourly` minor units an hour: exact, and rounded half-even once.
    ///
    /// # Errors
    /// A fault where an hour costs less than nothing, or the amount is more than a cost may be.
    pub fn cost(self, hourly: Money) -> Result<Money, Fault> {
        if hourly.minor < 0 {
            let detail = "an hour costs nothing or more; write an amount such as 85.00";
            return Err(Fault::new("rate", "rate-negative", detail));
        }
        let exact = divide_half_even(i128::from(self.0) * i128::from(hourly.minor), i128::from(HOUR_S)).unwrap_or(0);
        Money::new(i64::try_from(exact).unwrap_or(i64::MAX), hourly.currency).map_err(|f| f.named("hours"))
    }
}

impl FromStr for Hours {
    type Err = Fault;

    /// Reads `1.5`, or `1:30` for an hour and thirty minutes.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |code: &str, why: &str| Err(Fault::new("hours", code, format!("{} {why}", shown(text))));
        let trimmed = text.trim();
        let is_digits = |s: &str| !s.is_empty() && s.len() <= 9 && s.bytes().all(|b| b.is_ascii_digit());
        let number = |s: &str| s.parse::<i64>().unwrap_or(0);
        let seconds = if let Some((hours, minutes)) = trimmed.split_once(':') {
            if !is_digits(hours) || minutes.len() != 2 || !is_digits(minutes) || number(minutes) > 59 {
                return fault("hours-malformed", "is no time worked; write 1.5 or 1:30");
            }
            number(hours) * HOUR_S + number(minutes) * 60
        } else {
            let (whole, decimals) = trimmed.split_once('.').unwrap_or((trimmed, "0"));
            if !is_digits(whole) || !is_digits(decimals) {
                return fault("hours-malformed", "is no time worked; write 1.5 or 1:30");
            }
            let unit = 10_i64.pow(u32::try_from(decimals.len()).unwrap_or(0));
            if number(decimals) * HOUR_S % unit != 0 {
                return fault("hours-too-precise", "is no whole number of seconds; round it to two decimals");
            }
            number(whole) * HOUR_S + number(decimals) * HOUR_S / unit
        };
        if seconds > HOURS_MAX * HOUR_S {
            return fault("hours-too-many", "is more than 100000 hours; check the unit");
        }
        Ok(Self(seconds))
    }
}

impl fmt::Display for Hours {
    /// `1:30`, with seconds where there are some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:02}", self.0 / HOUR_S, self.0 % HOUR_S / 60)?;
        if self.0 % 60 == 0 { Ok(()) } else { write!(f, ":{:02}", self.0 % 60) }
    }
}

/// What a labour cost was computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labour {
    /// The person or team.
    pub worker: String,
    /// How long they worked.
    pub hours: Hours,
    /// Minor units of the cost's currency for an hour.
    pub hourly_minor: i64,
}

/// The name of a person or team, trimmed.
///
/// # Errors
/// A fault of an empty or overlong name.
pub fn worker(text: &str) -> Result<String, Fault> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        let detail = format!("give the name of a person or a team, 1 to {NAME_MAX} characters");
        return Err(Fault::new("person", "worker-name", detail));
    }
    Ok(name.to_owned())
}

/// What an hour of somebody costs from a day on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourlyRate {
    /// The person or team.
    pub worker: String,
    /// The first day that it holds for.
    pub effective_from: Day,
    /// Money for an hour.
    pub hourly: Money,
}

/// What an hour cost on all of some days, of one worker's rates in the order in which they were recorded: on a day the
/// last one recorded of those that hold from that day or before.
///
/// # Errors
/// A fault of `rate` where none holds, the rate changes within the days, or it is in another currency.
pub fn hourly_on(
    rates: &[HourlyRate],
    worker: &str,
    days: DayRange,
    currency: Option<Currency>,
) -> Result<Money, Fault> {
    let fault = |code: &str, detail: String| Err(Fault::new("rate", code, detail));
    let on = |day: Day| rates.iter().rev().find(|r| r.effective_from <= day);
    let name = shown(worker);
    let Some(first) = on(days.from) else {
        return fault(
            "hourly-rate-missing",
            format!(
                "no hourly rate of {name} holds on {}; give one with the hours, or record it for that day",
                days.from
            ),
        );
    };
    let changed = rates.iter().map(|r| r.effective_from).filter(|d| *d > days.from && *d <= days.to);
    let changed = changed.filter(|d| on(*d).is_some_and(|r| r.hourly != first.hourly)).min();
    if let Some(day) = changed {
        let detail = format!(
            "the hourly rate of {name} changes on {day}, within {} to {}; enter the days before and from then on apart",
            days.from, days.to
        );
        return fault("hourly-rate-changes", detail);
    }
    if let Some(wanted) = currency.filter(|c| *c != first.hourly.currency) {
        let detail = format!(
            "the hourly rate of {name} is in {}, not {wanted}; leave out the currency, or give a rate with the hours",
            first.hourly.currency
        );
        return fault("hourly-rate-currency", detail);
    }
    Ok(first.hourly)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur(minor: i64) -> Money {
        Money { minor, currency: "EUR".parse().expect("EUR") }
    }

    fn day(text: &str) -> Day {
        text.parse().expect(text)
    }

    #[test]
    fn hours_are_read_exactly() {
        for (text, seconds) in
            [("1.5", 5_400), ("1:30", 5_400), ("0.01", 36), ("0.125", 450), ("0", 0), ("12", 43_200), ("0:05", 300)]
        {
            assert_eq!(text.parse::<Hours>().expect(text).seconds(), seconds, "{text}");
        }
        for (text, code) in [
            ("", "hours-malformed"),
            ("-1", "hours-malformed"),
            ("1,5", "hours-malformed"),
            ("1:5", "hours-malformed"),
            ("1:60", "hours-malformed"),
            ("1.", "hours-malformed"),
            ("0.33333", "hours-too-precise"),
            ("100001", "hours-too-many"),
        ] {
            assert_eq!(text.parse::<Hours>().expect_err(text).code, code, "{text}");
        }
        assert_eq!(Hours(5_436).to_string(), "1:30:36");
    }

    #[test]
    fn an_amount_is_rounded_once() {
        // 7:20 at 85.55 EUR: 26,400 s * 8,555 / 3,600 = 62,736.67 cents.
        assert_eq!("7:20".parse::<Hours>().expect("hours").cost(eur(8_555)).expect("cost"), eur(62_737));
        // Half a cent goes to the even one.
        assert_eq!("0.5".parse::<Hours>().expect("hours").cost(eur(25)).expect("cost"), eur(12));
        assert_eq!("0.5".parse::<Hours>().expect("hours").cost(eur(27)).expect("cost"), eur(14));
        assert_eq!(
            "100000".parse::<Hours>().expect("hours").cost(eur(Money::MINOR_MAX)).expect_err("much").field,
            "hours"
        );
        assert_eq!("1".parse::<Hours>().expect("hours").cost(eur(-1)).expect_err("negative").code, "rate-negative");
    }

    #[test]
    fn the_rate_is_that_of_the_day() {
        let rate =
            |from: &str, minor: i64| HourlyRate { worker: "Ana".into(), effective_from: day(from), hourly: eur(minor) };
        let range = |from: &str, to: &str| DayRange { from: day(from), to: day(to) };
        let rates = [rate("2025-01-01", 8_000), rate("2025-03-01", 9_000), rate("2025-01-01", 8_500)];
        let of = |from: &str, to: &str| hourly_on(&rates, "Ana", range(from, to), None);
        assert_eq!(of("2025-02-01", "2025-02-28").expect("rate"), eur(8_500));
        assert_eq!(of("2025-03-02", "2025-03-02").expect("rate"), eur(8_500), "the last one recorded");
        assert_eq!(of("2024-12-31", "2024-12-31").expect_err("none").code, "hourly-rate-missing");
        let raised = &rates[..2];
        let fault = hourly_on(raised, "Ana", range("2025-02-20", "2025-03-05"), None).expect_err("changes");
        assert!(fault.code == "hourly-rate-changes" && fault.detail.contains("2025-03-01"), "{fault}");
        let usd = hourly_on(raised, "Ana", range("2025-02-20", "2025-02-20"), "USD".parse().ok());
        assert_eq!(usd.expect_err("currency").code, "hourly-rate-currency");
    }
}
