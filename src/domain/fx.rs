//! Exchange rates: what one currency was worth in another one on a day, and exact conversion by them.
//!
//! Design section 6, *Currency*: the rate of an amount is the last one published on or before its day, at most
//! [`AGE_DAYS_MAX`] days old, directly between the two currencies or across the euro; without one there is no
//! conversion, and never one at 1:1. An amount is converted once, in exact rationals, and rounded half-even.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use super::fault::{Fault, shown};
use super::money::{Currency, Money, divide_half_even};
use super::named_enum::named_enum;
use super::time::Day;

/// Oldest rate that may be used, in days before the day of the amount: weekends and the longest holidays fit.
pub const AGE_DAYS_MAX: i64 = 7;

named_enum!(
    /// Who told a rate. Of two for one day and pair the first in this list counts.
    RateSource, "source", "rate-source-unknown" {
        /// Somebody of the organisation.
        Manual = "manual",
        /// The European Central Bank's reference rates.
        Ecb = "ecb",
    }
);

/// A rate as an exact decimal: `digits / 10^places`, without zeros at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateValue {
    digits: i64,
    places: u32,
}

impl RateValue {
    /// Most significant digits.
    const DIGITS_MAX: usize = 12;
    /// Most decimal places.
    const PLACES_MAX: usize = 10;
}

impl FromStr for RateValue {
    type Err = Fault;

    /// Reads a decimal above 0 such as `1.0956`: digits with a point, nothing else.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let malformed = || {
            let detail = format!("{} is not a rate; write a decimal above 0 with a point, such as 1.0956", shown(text));
            Fault::new("rate", "rate-malformed", detail)
        };
        let trimmed = text.trim();
        let (whole, decimals) = trimmed.split_once('.').unwrap_or((trimmed, ""));
        let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(decimals) || trimmed.ends_with('.') {
            return Err(malformed());
        }
        let decimals = decimals.trim_end_matches('0');
        let all = format!("{whole}{decimals}");
        let significant = all.trim_start_matches('0');
        if significant.is_empty() {
            return Err(malformed());
        }
        if significant.len() > Self::DIGITS_MAX || decimals.len() > Self::PLACES_MAX {
            let (digits, places) = (Self::DIGITS_MAX, Self::PLACES_MAX);
            let detail = format!("{} is too precise; use at most {digits} digits and {places} decimals", shown(text));
            return Err(Fault::new("rate", "rate-too-precise", detail));
        }
        let digits = significant.parse().map_err(|_never| malformed())?;
        Ok(Self { digits, places: u32::try_from(decimals.len()).unwrap_or(0) })
    }
}

impl fmt::Display for RateValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::money::decimal(self.digits.into(), self.places))
    }
}

/// One rate of one day: 1 `base` is `value` `quote`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The day that it was published for.
    pub day: Day,
    /// What is priced; for the central bank always the euro.
    pub base: Currency,
    /// What it is priced in.
    pub quote: Currency,
    /// The price.
    pub value: RateValue,
    /// Who told it.
    pub source: RateSource,
}

impl Rate {
    /// A rate between two different currencies.
    ///
    /// # Errors
    /// A fault where both are the same, as 1 euro is 1 euro.
    pub fn new(
        day: Day,
        (base, quote): (Currency, Currency),
        value: RateValue,
        source: RateSource,
    ) -> Result<Self, Fault> {
        if base == quote {
            let detail = format!("a rate from {base} to {quote} says nothing; give two different currencies");
            return Err(Fault::new("quote", "rate-of-itself", detail));
        }
        Ok(Self { day, base, quote, value, source })
    }

    /// Its two currencies in a fixed order, whichever of them it prices.
    pub fn pair(&self) -> (Currency, Currency) {
        pair(self.base, self.quote)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 {} = {} {}", self.base, self.value, self.quote)
    }
}

fn pair(a: Currency, b: Currency) -> (Currency, Currency) {
    if a <= b { (a, b) } else { (b, a) }
}

/// No rate is recent enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The currency of the amount.
    pub from: Currency,
    /// The currency that is wanted.
    pub to: Currency,
    /// The day of the amount.
    pub day: Day,
    /// The last rate that there is before, too old to be used: its currencies and its day.
    pub last: Option<(Currency, Currency, Day)>,
}

impl Missing {
    /// The fault of an amount that has no rate; `what` is `cost`, `sale`, `refund`.
    pub fn fault(&self, what: &str) -> Fault {
        let Self { from, to, day, last } = self;
        let known = match last {
            Some((a, b, last)) => {
                format!("the last one between {a} and {b} is of {last}, more than {AGE_DAYS_MAX} days before")
            }
            None => "none was recorded for any day before".to_owned(),
        };
        let detail = format!(
            "a {what} of {day} is in {from}, and there is no rate from {from} to {to} for that day: {known}; import the \
             history file of the European Central Bank or add a rate (page Rates, `headwater rates`), end the report \
             before that day, or report in {from}"
        );
        Fault::new("currency", "rate-missing", detail)
    }
}

/// How an amount of one currency becomes one of another: by no rate, by one, or by two across the euro.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// The currency of the amount.
    pub from: Currency,
    /// The currency that it becomes.
    pub to: Currency,
    legs: [Option<Rate>; 2],
}

impl Quote {
    /// The rates that it goes by, in order.
    pub fn rates(&self) -> impl Iterator<Item = &Rate> {
        self.legs.iter().flatten()
    }

    /// The day of its oldest rate; `None` where nothing is converted.
    pub fn day(&self) -> Option<Day> {
        self.rates().map(|r| r.day).min()
    }

    /// Converts minor units of [`Self::from`] to minor units of [`Self::to`], half-even.
    ///
    /// # Errors
    /// A fault where the result is more than an amount may be.
    pub fn convert(&self, minor: i64) -> Result<i64, Fault> {
        if self.from == self.to {
            return Ok(minor);
        }
        let (mut numerator, mut denominator) = (Some(i128::from(minor)), Some(1_i128));
        let mut scale = |up: i128, down: i128| {
            numerator = numerator.and_then(|n| n.checked_mul(up));
            denominator = denominator.and_then(|d| d.checked_mul(down));
        };
        let mut held = self.from;
        for rate in self.rates() {
            let (digits, unit) = (i128::from(rate.value.digits), 10_i128.pow(rate.value.places));
            if rate.base == held {
                scale(digits, unit);
                held = rate.quote;
            } else {
                scale(unit, digits);
                held = rate.base;
            }
        }
        scale(10_i128.pow(self.to.exponent()), 10_i128.pow(self.from.exponent()));
        let too_large = || {
            let detail = format!(
                "{} at {self} is more than an amount may be; check the rate",
                Money { minor, currency: self.from }
            );
            Fault::new("amount", "amount-too-large", detail)
        };
        let exact = numerator.zip(denominator).and_then(|(n, d)| divide_half_even(n, d)).ok_or_else(too_large)?;
        let converted = i64::try_from(exact).map_err(|_too_many| too_large())?;
        Money::new(converted, self.to).map(|m| m.minor).map_err(|_limit| too_large())
    }
}

impl fmt::Display for Quote {
    /// `1 EUR = 1.0956 USD; 1 EUR = 160.2 JPY`, or nothing where nothing is converted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, rate) in self.rates().enumerate() {
            write!(f, "{}{rate}", if n > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// Rates by pair and day.
#[derive(Debug, Clone, Default)]
pub struct RateTable(HashMap<(Currency, Currency), BTreeMap<Day, Rate>>);

impl RateTable {
    /// Of rates in any order; of several for one day and pair, the manual one counts.
    pub fn new(rates: impl IntoIterator<Item = Rate>) -> Self {
        let mut table: HashMap<_, BTreeMap<Day, Rate>> = HashMap::new();
        for rate in rates {
            let own = table.entry(rate.pair()).or_default().entry(rate.day).or_insert(rate);
            if rate.source < own.source {
                *own = rate;
            }
        }
        Self(table)
    }

    /// How an amount of a day is converted: by the newer of a direct rate and two rates across the euro, the direct
    /// one where both are of one day.
    ///
    /// # Errors
    /// [`Missing`] where neither is recent enough.
    pub fn quote(&self, from: Currency, to: Currency, day: Day) -> Result<Quote, Missing> {
        let quote = |legs| Quote { from, to, legs };
        if from == to {
            return Ok(quote([None, None]));
        }
        let direct = self.usable(from, to, day).map(|rate| quote([Some(rate), None]));
        let euro = Currency::euro();
        let is_crossed = from != euro && to != euro;
        let legs = || Some([Some(self.usable(from, euro, day)?), Some(self.usable(euro, to, day)?)]);
        let crossed = if is_crossed { legs().map(quote) } else { None };
        let newer = match (direct, crossed) {
            (Some(direct), Some(crossed)) if crossed.day() > direct.day() => Some(crossed),
            (direct, crossed) => direct.or(crossed),
        };
        newer.ok_or_else(|| {
            let between = |a, b| self.last(a, b, day).map(|rate| (a, b, rate.day));
            let lacking = |a, b| if self.usable(a, b, day).is_none() { between(a, b) } else { None };
            let of_legs = || if is_crossed { lacking(from, euro).or_else(|| lacking(euro, to)) } else { None };
            Missing { from, to, day, last: between(from, to).or_else(of_legs) }
        })
    }

    /// The last rate on or before a day, however old.
    fn last(&self, a: Currency, b: Currency, day: Day) -> Option<Rate> {
        self.0.get(&pair(a, b))?.range(..=day).next_back().map(|(_, rate)| *rate)
    }

    fn usable(&self, a: Currency, b: Currency, day: Day) -> Option<Rate> {
        self.last(a, b, day).filter(|rate| rate.day.days_until(day) <= AGE_DAYS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        code.parse().expect(code)
    }

    fn day(text: &str) -> Day {
        text.parse().expect(text)
    }

    fn rate(on: &str, base: &str, quote: &str, value: &str) -> Rate {
        let value = value.parse().expect(value);
        Rate::new(day(on), (currency(base), currency(quote)), value, RateSource::Ecb).expect("rate")
    }

    fn table() -> RateTable {
        RateTable::new([
            rate("2025-01-31", "EUR", "USD", "1.0393"),
            rate("2025-01-31", "EUR", "JPY", "160.99"),
            rate("2025-01-31", "EUR", "GBP", "0.83608"),
            rate("2025-02-03", "EUR", "USD", "1.0274"),
        ])
    }

    fn converted(table: &RateTable, minor: i64, from: &str, to: &str, on: &str) -> i64 {
        let quote = table.quote(currency(from), currency(to), day(on)).expect("quote");
        quote.convert(minor).expect("converted")
    }

    #[test]
    fn amounts_are_converted_exactly_and_rounded_half_even() {
        let table = table();
        // 100.00 USD / 1.0393 = 96.2186...; 10,000 JPY / 160.99 = 62.1156...; minor units differ.
        assert_eq!(converted(&table, 10_000, "USD", "EUR", "2025-01-31"), 9_622);
        assert_eq!(converted(&table, 10_000, "JPY", "EUR", "2025-01-31"), 6_212);
        assert_eq!(converted(&table, 10_000, "EUR", "JPY", "2025-01-31"), 16_099);
        // 250.00 GBP / 0.83608 * 1.0393 = 310.765716...
        assert_eq!(converted(&table, 25_000, "GBP", "USD", "2025-01-31"), 31_077);
        assert_eq!(converted(&table, -25_000, "GBP", "USD", "2025-01-31"), -31_077);
        assert_eq!(converted(&table, 77, "USD", "USD", "1999-01-01"), 77, "its own currency needs no rate");
        let half = RateTable::new([rate("2025-01-31", "EUR", "USD", "2")]);
        let halves = [1, 3, 5, -1, -3].map(|minor| converted(&half, minor, "USD", "EUR", "2025-01-31"));
        assert_eq!(halves, [0, 2, 2, 0, -2], "half to even");
    }

    #[test]
    fn weekends_take_the_rate_before_and_seven_days_are_the_limit() {
        let table = table();
        let of = |on: &str| table.quote(currency("USD"), currency("EUR"), day(on));
        assert_eq!(of("2025-02-02").expect("Sunday").day(), Some(day("2025-01-31")));
        assert_eq!(of("2025-02-03").expect("Monday").day(), Some(day("2025-02-03")));
        assert_eq!(of("2025-02-10").expect("seven days").to_string(), "1 EUR = 1.0274 USD");
        let missing = of("2025-02-11").expect_err("eight days");
        assert_eq!(missing.last, Some((currency("USD"), currency("EUR"), day("2025-02-03"))));
        let fault = missing.fault("cost");
        assert_eq!((fault.field.as_str(), fault.code.as_str()), ("currency", "rate-missing"));
        for told in ["a cost of 2025-02-11 is in USD", "from USD to EUR", "of 2025-02-03, more than 7 days"] {
            assert!(fault.detail.contains(told), "{fault}");
        }
        assert_eq!(of("2025-01-30").expect_err("before all").last, None, "a later rate is no rate");
        let crossed = table.quote(currency("USD"), currency("JPY"), day("2025-02-09")).expect_err("one leg is too old");
        assert_eq!(crossed.last, Some((currency("EUR"), currency("JPY"), day("2025-01-31"))));
    }

    #[test]
    fn a_manual_rate_wins_on_its_day_and_a_direct_one_before_two() {
        let manual = Rate { source: RateSource::Manual, ..rate("2025-01-31", "USD", "EUR", "0.9") };
        for order in
            [[manual, rate("2025-01-31", "EUR", "USD", "1.0393")], [rate("2025-01-31", "EUR", "USD", "1.0393"), manual]]
        {
            let table = RateTable::new(order);
            assert_eq!(converted(&table, 10_000, "USD", "EUR", "2025-02-01"), 9_000);
            assert_eq!(converted(&table, 9_000, "EUR", "USD", "2025-02-01"), 10_000);
        }
        let all = |more: Rate| RateTable::new(table().0.into_values().flat_map(BTreeMap::into_values).chain([more]));
        let same_day = all(rate("2025-01-31", "GBP", "USD", "1.25"));
        assert_eq!(converted(&same_day, 100, "GBP", "USD", "2025-01-31"), 125);
        let older = all(rate("2025-01-29", "GBP", "USD", "1.25"));
        assert_eq!(converted(&older, 100, "GBP", "USD", "2025-01-31"), 124, "the newer rates count");
    }

    #[test]
    fn rates_are_read_exactly_or_refused_by_name() {
        for (text, printed) in [("1.0956", "1.0956"), ("160.50", "160.5"), ("0.0000345", "0.0000345"), ("007", "7")] {
            assert_eq!(text.parse::<RateValue>().expect(text).to_string(), printed);
        }
        for (text, code) in [
            ("", "rate-malformed"),
            ("0.000", "rate-malformed"),
            ("-1.1", "rate-malformed"),
            ("1,1", "rate-malformed"),
            ("1e3", "rate-malformed"),
            ("N/A", "rate-malformed"),
            ("1.", "rate-malformed"),
            ("1.00000000001", "rate-too-precise"),
            ("1234567890123", "rate-too-precise"),
        ] {
            assert_eq!(text.parse::<RateValue>().expect_err(text).code, code, "{text}");
        }
        let itself =
            Rate::new(day("2025-01-31"), (currency("EUR"), currency("EUR")), "1".parse().expect("1"), RateSource::Ecb);
        assert_eq!(itself.expect_err("itself").code, "rate-of-itself");
    }

    #[test]
    fn what_is_too_large_is_refused_and_never_wraps() {
        let table = RateTable::new([rate("2025-01-31", "EUR", "USD", "999999999999")]);
        let quote = table.quote(currency("EUR"), currency("USD"), day("2025-01-31")).expect("quote");
        assert_eq!(quote.convert(Money::MINOR_MAX).expect_err("large").code, "amount-too-large");
        assert_eq!(quote.convert(i64::MIN).expect_err("large").code, "amount-too-large");
        let tiny = RateTable::new([
            rate("2025-01-31", "USD", "EUR", "0.0000000001"),
            rate("2025-01-31", "EUR", "JPY", "0.0000000001"),
        ]);
        let quote = tiny.quote(currency("USD"), currency("JPY"), day("2025-01-31")).expect("quote");
        assert_eq!(quote.convert(Money::MINOR_MAX).expect("nothing is left"), 0);
    }

    proptest! {
        #[test]
        fn a_conversion_is_within_half_a_unit_of_the_exact_value(minor in -1_000_000_000_000_i64..1_000_000_000_000, digits in 1_i64..1_000_000) {
            let value = super::super::money::decimal(digits.into(), 4);
            let table = RateTable::new([rate("2025-01-31", "EUR", "USD", &value)]);
            let quote = table.quote(currency("USD"), currency("EUR"), day("2025-01-31")).expect("quote");
            // |converted * digits - minor * 10^4| is at most half of digits.
            if let Ok(converted) = quote.convert(minor) {
                let off = (i128::from(converted) * i128::from(digits) - i128::from(minor) * 10_000).abs();
                prop_assert!(off * 2 <= i128::from(digits));
            }
        }
    }
}
