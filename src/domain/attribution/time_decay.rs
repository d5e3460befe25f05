//! Time decay, in fixed-point integers.

use super::journey::Journey;
use super::{Method, Model, Setting, Settings};
use crate::domain::time::DAY_MS;

const HALF_LIFE: &str = "half_life_days";

/// Parts that halve with every half-life of a touch's age (Adobe's `2^(-t/halflife)`, in continuous time).
///
/// The part is `round(2^40 2^(-(a_i - a_min)/h))`, `a_i` the age in milliseconds and `a_min` the youngest touch's:
/// subtracting it leaves the shares unchanged and keeps old journeys from vanishing.
pub(super) static MODEL: Model = Model {
    name: "time_decay",
    label: "Time decay",
    formula: "2^(-a_i/h) / sum over j of 2^(-a_j/h), a the touch's age at the stage event, h the half-life",
    rule: "a touch one half-life older has half the share; ages count in milliseconds, and a touch 41 half-lives older \
           than the youngest has none",
    settings: &[Setting {
        name: HALF_LIFE,
        meaning: "days in which a touch loses half its weight",
        default: 7,
        min: 1,
        max: 3_650,
    }],
    method: Method::Parts(parts),
};

fn parts(journey: &Journey<'_>, settings: &Settings, parts: &mut Vec<u128>) {
    let half_life_ms = settings.get(HALF_LIFE).saturating_mul(DAY_MS);
    let youngest = journey.touches.iter().map(|t| t.at.0).max().unwrap_or_default();
    parts.extend(journey.touches.iter().map(|t| decayed(youngest.abs_diff(t.at.0), half_life_ms.unsigned_abs())));
}

/// The part of the youngest touch is 2^40.
const PART_BITS: u64 = 40;
/// Fraction bits of what follows.
const BITS: u32 = 127;
/// 1.
const ONE: u128 = 1 << BITS;
/// ln 2.
const LN_2: u128 = 0x58b9_0bfb_e8e7_bcd5_e4f1_d9cc_01f9_7b57;
/// How often the exponent is halved before the series and the result squared after it.
const HALVINGS: u32 = 4;
/// 1/n! for the terms of the series: the exponent is less than 0.0434, so the first term left out is under 2^-125.
const INVERSE_FACTORIALS: [u128; 17] = inverse_factorials();

const fn inverse_factorials() -> [u128; 17] {
    let mut terms = [ONE; 17];
    let mut n = 1;
    while n < terms.len() {
        terms[n] = terms[n - 1] / n as u128;
        n += 1;
    }
    terms
}

/// `2^40 2^(-age/half_life)`, rounded to the nearest integer, a tie to 0; any unit of time.
///
/// The error before rounding is below 2^-75 of the unit of the answer, far less than such a power is known to come
/// near a half, so the answer is the correctly rounded one. There is no float: the same bits on every machine.
fn decayed(age: u64, half_life: u64) -> u128 {
    let Some(halvings) = age.checked_div(half_life) else { return 1 << PART_BITS };
    if halvings > PART_BITS {
        return 0;
    }
    let shift = u64::from(BITS) - PART_BITS + halvings;
    (power(age % half_life, half_life) + (1 << (shift - 1))) >> shift
}

/// `2^(-numerator/denominator)` for a fraction under 1.
fn power(numerator: u64, denominator: u64) -> u128 {
    let exponent = product(fraction(numerator, denominator), LN_2) >> HALVINGS;
    let series = INVERSE_FACTORIALS.iter().rev().fold(0, |sum, term| term - product(exponent, sum));
    (0..HALVINGS).fold(series, |root, _| product(root, root))
}

/// A fraction under 1, cut to 127 bits: a long division of 64 and 63 bits.
fn fraction(numerator: u64, denominator: u64) -> u128 {
    let (first, denominator) = (u128::from(numerator) << 64, u128::from(denominator));
    let second = (first % denominator) << 63;
    ((first / denominator) << 63) | (second / denominator)
}

/// The product of two numbers from 0 to 1, cut to 127 bits.
fn product(a: u128, b: u128) -> u128 {
    const LOW: u128 = u64::MAX as u128;
    let ((a_high, a_low), (b_high, b_low)) = ((a >> 64, a & LOW), (b >> 64, b & LOW));
    let middle = a_high * b_low + a_low * b_high + ((a_low * b_low) >> 64);
    ((a_high * b_high) << 1) + (middle >> 63)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_half_lives_are_exact_powers_of_two() {
        for halvings in 0..=40 {
            assert_eq!(decayed(halvings * 604_800_000, 604_800_000), 1 << (40 - halvings), "{halvings}");
        }
        assert_eq!(decayed(41 * 604_800_000 - 1, 604_800_000), 1);
        assert_eq!(decayed(41 * 604_800_000, 604_800_000), 0, "exactly one half goes to 0");
        assert_eq!(decayed(u64::MAX, 1), 0);
    }

    /// Taken from 100-digit decimals.
    #[test]
    fn odd_ages_are_rounded_correctly() {
        let cases: &[(u64, u64, u128)] = &[
            (777600000, 604800000, 450984131303),
            (1, 604800000, 1099511626516),
            (7776000000, 604800000, 148188386),
            (123456789, 86400000, 408374543062),
            (1, 315360000000, 1099511627774),
            (315359999999, 315360000000, 549755813889),
            (2999999999, 2592000000, 492930260456),
            (24192000001, 604800000, 1),
        ];
        for &(age, half_life, part) in cases {
            assert_eq!(decayed(age, half_life), part, "{age} of {half_life}");
        }
    }

    proptest! {
        #[test]
        fn the_square_of_a_power_is_the_power_of_twice_the_exponent(half in 1u64..1 << 38, age in 0u64..1 << 37) {
            let half_life = half * 2;
            let age = age % half;
            let (square, twice) = (product(power(age, half_life), power(age, half_life)), power(2 * age, half_life));
            prop_assert!(square.abs_diff(twice) < 1 << 10, "{}", square.abs_diff(twice));
        }

        #[test]
        fn an_older_touch_never_weighs_more(age in 0u64..1 << 40, more in 0u64..1 << 40, half_life in 1u64..1 << 39) {
            prop_assert!(decayed(age + more, half_life) <= decayed(age, half_life));
        }
    }
}
