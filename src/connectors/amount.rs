//! Amounts as senders write them: decimals, minor units, and what people type into sheets.
//!
//! Everything here is digits and integers; no float ever holds money (invariant 6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::fault::{Fault, shown};
use crate::domain::money::{Currency, decimal};

/// In what unit a sender writes `value`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueUnit {
    /// Decimals: `480.00`.
    #[default]
    Major,
    /// Minor units: `48000`.
    Minor,
}

/// How a sender writes decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decimals {
    /// A point, and no mark between thousands.
    #[default]
    Point,
    /// A comma; points or spaces between thousands.
    Comma,
    /// As people type them: the last of two marks is the decimal one, and what could be either is refused.
    Human,
}

/// Most digits behind the point that are added up.
const PLACES_MAX: usize = 12;

/// An amount with a point for decimals and nothing else, from the way its sender writes it.
pub(super) fn plain(text: &str, style: Decimals) -> Result<String, Fault> {
    if style == Decimals::Point {
        return Ok(text.to_owned());
    }
    let is_filler = |c: char| c.is_whitespace() || "'’€£$¥\u{202f}".contains(c);
    let bare: String = text.chars().filter(|c| !is_filler(*c)).collect();
    let (point, comma) = (bare.rfind('.'), bare.rfind(','));
    let mark = match (style, point, comma) {
        (Decimals::Comma, _, _) => Some(','),
        (_, Some(point), Some(comma)) => Some(if point > comma { '.' } else { ',' }),
        (_, None, None) => None,
        (_, Some(_), None) => lone('.', &bare, text)?,
        (_, None, Some(_)) => lone(',', &bare, text)?,
    };
    let plain: String = match mark {
        Some(mark) => {
            bare.chars().filter(|c| *c == mark || !",.".contains(*c)).map(|c| if c == mark { '.' } else { c }).collect()
        }
        None => bare.replace([',', '.'], ""),
    };
    if plain.matches('.').count() > 1 {
        return Err(malformed(text));
    }
    Ok(plain)
}

/// Whether the only kind of mark is the decimal one; three digits behind a single one could be either.
fn lone(mark: char, bare: &str, text: &str) -> Result<Option<char>, Fault> {
    let groups: Vec<&str> = bare.split(mark).collect();
    match groups.as_slice() {
        [whole, rest] if rest.len() == 3 && whole.trim_start_matches('-') != "0" => Err(Fault::new(
            "value",
            "amount-ambiguous",
            format!("{} could be thousands or decimals; set the mapping's `decimals` to point or comma", shown(text)),
        )),
        [_, _] => Ok(Some(mark)),
        _ if groups.iter().skip(1).all(|g| g.len() == 3) => Ok(None),
        _ => Err(malformed(text)),
    }
}

fn malformed(text: &str) -> Fault {
    Fault::new("value", "amount-malformed", format!("{} is not an amount; send digits such as 480.00", shown(text)))
}

/// Adds decimals exactly; `None` for no amounts at all.
pub(super) fn sum(amounts: &[String]) -> Result<Option<String>, Fault> {
    if amounts.is_empty() {
        return Ok(None);
    }
    let scaled = amounts.iter().map(|a| scaled(a)).collect::<Result<Vec<_>, _>>()?;
    let total = scaled.iter().try_fold(0_i128, |sum, a| sum.checked_add(*a));
    total.map(unscaled).map(Some).ok_or_else(|| malformed("the sum"))
}

/// `of - less`, exactly.
pub(super) fn difference(of: &str, less: &str) -> Result<String, Fault> {
    scaled(of)?.checked_sub(scaled(less)?).map(unscaled).ok_or_else(|| malformed(of))
}

/// A decimal as a whole number of its last allowed place.
fn scaled(text: &str) -> Result<i128, Fault> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let legal = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 20 || places.len() > PLACES_MAX || !legal(whole) || !legal(places) {
        return Err(malformed(text));
    }
    let all = format!("{whole}{places:0<PLACES_MAX$}");
    all.parse::<i128>().map(|n| sign * n).map_err(|_too_long| malformed(text))
}

fn unscaled(amount: i128) -> String {
    let text = decimal(amount, u32::try_from(PLACES_MAX).unwrap_or(0));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A sender's minor units as ISO 4217 has them; `exponents` are the places of currencies in which it differs.
///
/// Stripe, for one, counts ISK and UGX in hundredths, which ISO 4217 does not have.
pub(super) fn iso_minor(text: &str, currency: Option<&str>, exponents: &BTreeMap<String, u32>) -> Result<i64, Fault> {
    let minor = text.parse::<i64>().map_err(|_why| {
        Fault::new(
            "value",
            "amount-malformed",
            "minor units are a whole number such as 48000; set `value_unit` to major for decimals",
        )
    })?;
    let code = currency.unwrap_or_default().to_ascii_uppercase();
    let (Some(theirs), Ok(iso)) = (exponents.get(&code), code.parse::<Currency>().map(Currency::exponent)) else {
        return Ok(minor);
    };
    let fault =
        || Fault::new("value", "amount-malformed", format!("{minor} is no whole amount of {code}; check the unit"));
    if *theirs <= iso {
        return minor.checked_mul(10_i64.pow(iso - theirs)).ok_or_else(fault);
    }
    let unit = 10_i64.pow(theirs - iso);
    if minor % unit == 0 { Ok(minor / unit) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_amounts_are_read_and_ambiguous_ones_refused() {
        for (text, expected) in [
            ("4.800,50", Ok("4800.50")),
            ("4,800.50", Ok("4800.50")),
            ("4 800,5", Ok("4800.5")),
            ("€ 1'234.50", Ok("1234.50")),
            ("1.234.567", Ok("1234567")),
            ("4800", Ok("4800")),
            ("0.125", Ok("0.125")),
            ("-12,5", Ok("-12.5")),
            ("4.800", Err("amount-ambiguous")),
            ("1,234", Err("amount-ambiguous")),
            ("1,23,4", Err("amount-malformed")),
            ("1.2,3.4", Err("amount-malformed")),
        ] {
            assert_eq!(plain(text, Decimals::Human).as_deref().map_err(|f| f.code.as_str()), expected, "{text}");
        }
        assert_eq!(plain("1.234", Decimals::Comma).as_deref(), Ok("1234"));
        assert_eq!(plain("1.234", Decimals::Point).as_deref(), Ok("1.234"));
    }

    #[test]
    fn sums_and_differences_are_exact() {
        let sum_of = |list: &[&str]| sum(&list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert_eq!(sum_of(&["0.1", "0.2", "-0.05"]), Ok(Some("0.25".into())));
        assert_eq!(sum_of(&["9007199254740993", "0.01"]), Ok(Some("9007199254740993.01".into())));
        assert_eq!(sum_of(&[]), Ok(None));
        assert!(sum_of(&["1e3"]).is_err());
        assert_eq!(difference("48000", "12000").as_deref(), Ok("36000"));
        assert_eq!(difference("100", "100").as_deref(), Ok("0"));
    }

    #[test]
    fn minor_units_that_differ_from_iso_are_converted() {
        let stripe = BTreeMap::from([("ISK".to_owned(), 2), ("MGA".to_owned(), 0)]);
        assert_eq!(iso_minor("5000", Some("jpy"), &stripe), Ok(5_000));
        assert_eq!(iso_minor("500", Some("isk"), &stripe), Ok(5));
        assert_eq!(iso_minor("5", Some("MGA"), &stripe), Ok(500));
        assert_eq!(iso_minor("501", Some("ISK"), &stripe).expect_err("part").code, "amount-malformed");
    }
}
