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
             history file of the European Central Bank or add a rate (page Exchange rates, `headwater rates`), end the report \
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
mod tests;
