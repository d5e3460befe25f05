//! Conversion by hand, weekends, the age of rates, and rounding.

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
        let value = crate::domain::money::decimal(digits.into(), 4);
        let table = RateTable::new([rate("2025-01-31", "EUR", "USD", &value)]);
        let quote = table.quote(currency("USD"), currency("EUR"), day("2025-01-31")).expect("quote");
        // |converted * digits - minor * 10^4| is at most half of digits.
        if let Ok(converted) = quote.convert(minor) {
            let off = (i128::from(converted) * i128::from(digits) - i128::from(minor) * 10_000).abs();
            prop_assert!(off * 2 <= i128::from(digits));
        }
    }
}
