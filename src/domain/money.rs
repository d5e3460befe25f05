//! Money in integer minor units, and the exact printing of ratios.
//!
//! No float ever holds money (invariant 6). Amounts are `i64` minor units with
//! their ISO 4217 currency; ratios are exact rationals, rounded half-even once,
//! when they are printed.

use std::fmt;
use std::str::FromStr;

use super::fault::{Fault, shown};

/// An ISO 4217 currency that has minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl Currency {
    /// The euro, which the European Central Bank prices all others against.
    pub const fn euro() -> Self {
        Self(iso_currency::Currency::EUR)
    }

    /// The three-letter code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimal places of the minor unit: 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        self.0.exponent().unwrap_or(0).into()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let code = text.trim().to_ascii_uppercase();
        iso_currency::Currency::from_code(&code).filter(|c| c.exponent().is_some()).map(Self).ok_or_else(|| {
            Fault::new(
                "currency",
                "currency-unknown",
                format!("{} is not an ISO 4217 currency; use a code such as EUR", shown(text)),
            )
        })
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.code())
    }
}

impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount in minor units of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Money {
    /// Minor units: cents of EUR, whole yen of JPY. Credit notes and refunds may be negative.
    pub minor: i64,
    /// Which currency.
    pub currency: Currency,
}

impl Money {
    /// Largest amount of one event or cost, in minor units: a hundred billion of a currency with cents.
    ///
    /// A report adds amounts as 64-bit integers; this bound lets it add 900,000 of the largest before one could overflow.
    pub const MINOR_MAX: i64 = 10_000_000_000_000;

    /// An amount within [`Self::MINOR_MAX`].
    pub fn new(minor: i64, currency: Currency) -> Result<Self, Fault> {
        if minor.unsigned_abs() > Self::MINOR_MAX.unsigned_abs() {
            return Err(Fault::new(
                "amount",
                "amount-too-large",
                format!(
                    "{} {currency} is more than one event or cost may hold ({} {currency}); check the unit",
                    decimal(minor.into(), currency.exponent()),
                    decimal(Self::MINOR_MAX.into(), currency.exponent())
                ),
            ));
        }
        Ok(Self { minor, currency })
    }

    /// Reads a decimal amount such as `480.00` or `-12.5` exactly.
    ///
    /// Refuses more decimals than the currency has, thousands separators and
    /// exponents: guessing at an amount is worse than asking again.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, Fault> {
        let fault = |code: &str, why: String| Err(Fault::new("amount", code, why));
        let trimmed = text.trim();
        let (negative, digits) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(decimals) || digits.ends_with('.') {
            return fault(
                "amount-malformed",
                format!("{} is not an amount; write digits with a point for decimals, such as 480.00", shown(text)),
            );
        }
        let places = usize::try_from(currency.exponent()).unwrap_or(0);
        // Zeros beyond the minor unit say nothing and lose nothing.
        let kept = decimals.trim_end_matches('0');
        if kept.len() > places {
            return fault(
                "amount-too-precise",
                format!(
                    "{} has {} decimals but {currency} has {places}; round it at the source",
                    shown(text),
                    kept.len()
                ),
            );
        }
        let padded = format!("{whole}{kept:0<places$}");
        match padded.parse::<i64>() {
            Ok(minor) => Self::new(if negative { -minor } else { minor }, currency),
            Err(_) => fault("amount-too-large", format!("{} has too many digits; check the unit", shown(text))),
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", decimal(self.minor.into(), self.currency.exponent()), self.currency)
    }
}

/// Writes an integer of `10^-places` units as a decimal: `decimal(48050, 2)` is `480.50`.
pub fn decimal(value: i128, places: u32) -> String {
    let unit = 10_i128.pow(places);
    let sign = if value < 0 { "-" } else { "" };
    let (whole, rest) = (value.abs() / unit, value.abs() % unit);
    if places == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{rest:0width$}", width = usize::try_from(places).unwrap_or(0))
    }
}

/// Divides and rounds half to even; `None` where the denominator is 0, so that a ratio is blank and never 0.
pub fn divide_half_even(numerator: i128, denominator: i128) -> Option<i128> {
    if denominator == 0 {
        return None;
    }
    let (n, d) = if denominator < 0 { (-numerator, -denominator) } else { (numerator, denominator) };
    let (floor, rest) = (n.div_euclid(d), n.rem_euclid(d));
    let up = match (rest * 2).cmp(&d) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => floor % 2 != 0,
    };
    Some(floor + i128::from(up))
}

/// Prints `numerator / denominator` half-even to 4 decimals, or `None` where the denominator is 0.
pub fn ratio4(numerator: i128, denominator: i128) -> Option<String> {
    divide_half_even(numerator * 10_000, denominator).map(|scaled| decimal(scaled, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur() -> Currency {
        "eur".parse().expect("EUR")
    }

    #[test]
    fn amounts_are_read_exactly_or_refused_by_name() {
        for (text, minor) in [("480.00", 48_000), ("-12.5", -1_250), ("+7", 700), ("0.01", 1), ("3.1400", 314)] {
            assert_eq!(Money::parse(text, eur()).expect(text).minor, minor);
        }
        let jpy: Currency = "JPY".parse().expect("JPY");
        assert_eq!(Money::parse("1200", jpy).expect("yen").minor, 1200);
        for (text, code) in [
            ("1.234", "amount-too-precise"),
            ("1,234.00", "amount-malformed"),
            ("", "amount-malformed"),
            ("1e5", "amount-malformed"),
            ("5.", "amount-malformed"),
            ("99999999999999999999", "amount-too-large"),
            ("100000000000.01", "amount-too-large"),
        ] {
            assert_eq!(Money::parse(text, eur()).expect_err(text).code, code);
        }
        assert_eq!(Money::parse("1.5", jpy).expect_err("yen").code, "amount-too-precise");
        assert_eq!("XYZ".parse::<Currency>().expect_err("xyz").code, "currency-unknown");
    }

    #[test]
    fn ratios_round_half_to_even_and_are_blank_over_zero() {
        assert_eq!(ratio4(1, 3).as_deref(), Some("0.3333"));
        assert_eq!(ratio4(1, 20_000).as_deref(), Some("0.0000"));
        assert_eq!(ratio4(3, 20_000).as_deref(), Some("0.0002"));
        assert_eq!(ratio4(-1, 3).as_deref(), Some("-0.3333"));
        assert_eq!(ratio4(5, 0), None);
    }

    #[test]
    fn decimals_print_the_sign_once() {
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(1_200, 0), "1200");
    }
}
