//! Incomplete gamma and beta functions, and their quantiles.
//!
//! The incomplete gamma function and ln Γ come from `statrs`. Quantiles are bisected here: its own were up to 1e-6
//! off. The incomplete beta function is here too, as that of `statrs` stops after 140 steps of its continued
//! fraction, too few near the mean from some thirty thousand events on, and takes x alone, whose complement is lost
//! near 1.
//! Probabilities are good to 1e-10 up to ten thousand events and to 1e-8 at a million, as ln Γ grows and cancels.

use statrs::function::gamma::{checked_gamma_lr, checked_gamma_ur, ln_gamma};

/// Farthest logarithm searched for a quantile: its exponential and that of its negative are normal numbers.
const LOG_MAX: f64 = 700.0;

/// P(X <= x) of a gamma distribution with `shape` > 0 and scale 1.
pub(super) fn gamma_below(shape: f64, x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { checked_gamma_lr(shape, x).unwrap_or(1.0) }
}

/// P(X > x) of a gamma distribution; also P(N < shape) of a Poisson count N with mean x, for a whole shape.
pub(super) fn gamma_above(shape: f64, x: f64) -> f64 {
    if x <= 0.0 { 1.0 } else { checked_gamma_ur(shape, x).unwrap_or(0.0) }
}

/// The x with [`gamma_below`] = `tail`.
pub(super) fn gamma_quantile_below(shape: f64, tail: f64) -> f64 {
    bisect(-LOG_MAX, gamma_log_max(shape), |t| gamma_below(shape, t.exp()) < tail).exp()
}

/// The x with [`gamma_above`] = `tail`.
pub(super) fn gamma_quantile_above(shape: f64, tail: f64) -> f64 {
    bisect(-LOG_MAX, gamma_log_max(shape), |t| gamma_above(shape, t.exp()) > tail).exp()
}

/// Above every quantile: the tail of a gamma distribution beyond a + √(2ab) + b is below e^-b.
fn gamma_log_max(shape: f64) -> f64 {
    (shape + (2.0 * LOG_MAX * shape).sqrt() + LOG_MAX).ln()
}

/// A probability x and its complement y, both to full precision however small.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    x: f64,
    y: f64,
}

impl Split {
    /// x = part / (part + rest), for at least one of them above 0.
    pub(super) fn of(part: f64, rest: f64) -> Self {
        let whole = part + rest;
        Self { x: part / whole, y: rest / whole }
    }

    fn of_log_odds(t: f64) -> Self {
        Self { x: 1.0 / (1.0 + (-t).exp()), y: 1.0 / (1.0 + t.exp()) }
    }

    /// The complement first.
    pub(super) fn swapped(self) -> Self {
        Self { x: self.y, y: self.x }
    }
}

/// P(X <= x) of a beta distribution with a, b > 0: the regularised incomplete beta function.
pub(super) fn beta_below(a: f64, b: f64, at: Split) -> f64 {
    if at.x <= 0.0 {
        return 0.0;
    }
    if at.y <= 0.0 {
        return 1.0;
    }
    // The continued fraction converges fast on the near side of the mean only.
    if at.x < (a + 1.0) / (a + b + 2.0) { beta_near(a, b, at) } else { 1.0 - beta_near(b, a, at.swapped()) }
}

/// The continued fraction 26.5.8 of Abramowitz & Stegun by the modified method of Lentz, as in Press et al.,
/// Numerical Recipes, section 6.4. It takes some √max(a, b) steps at most.
fn beta_near(a: f64, b: f64, at: Split) -> f64 {
    const STEPS_MAX: u32 = 100_000;
    let ln_front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * at.x.ln() + b * at.y.ln();
    let away_from_0 = |v: f64| if v.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_0(1.0 - (a + b) * at.x / (a + 1.0));
    let mut fraction = d;
    for step in 1..STEPS_MAX {
        let m = f64::from(step);
        let even = m * (b - m) * at.x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * at.x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut factor = 1.0;
        for term in [even, odd] {
            d = 1.0 / away_from_0(1.0 + term * d);
            c = away_from_0(1.0 + term / c);
            factor = c * d;
            fraction *= factor;
        }
        if (factor - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    (ln_front.exp() * fraction / a).clamp(0.0, 1.0)
}

/// ln(x / (1 - x)) of the x with [`beta_below`] = `tail`: odds keep their precision near 0 and near 1.
pub(super) fn beta_log_odds_below(a: f64, b: f64, tail: f64) -> f64 {
    bisect(-LOG_MAX, LOG_MAX, |t| beta_below(a, b, Split::of_log_odds(t)) < tail)
}

/// ln(x / (1 - x)) of the x that a share of `tail` lies above.
pub(super) fn beta_log_odds_above(a: f64, b: f64, tail: f64) -> f64 {
    -beta_log_odds_below(b, a, tail)
}

/// The probability with these log odds.
pub(super) fn of_log_odds(t: f64) -> f64 {
    Split::of_log_odds(t).x
}

/// Where a condition that holds from `low` on ceases to hold, to the last bit; `low` or `high` where it never does.
fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The smallest whole number up to `max` from which on a condition holds, if there is one.
pub(super) fn first_from(max: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let mut high = max.min(1);
    while !holds(high) {
        if high >= max {
            return None;
        }
        high = (high * 2).min(max);
    }
    let mut low = 0;
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of mpmath at 40 digits.
    #[test]
    fn distributions_agree_with_higher_precision() {
        let is_near = |size: f64, found: f64, wanted: f64| {
            let error = (found / wanted - 1.0).abs();
            assert!(error < if size > 1e4 { 1e-8 } else { 1e-10 }, "{found}, not {wanted}: {error}");
        };
        for (a, b, x, wanted) in [
            (2.0, 3.0, 0.25, 0.261_718_75),
            (0.5, 10.5, 0.01, 0.350_156_341_921_909),
            (1e4, 1e4, 0.493, 0.023_853_378_906_508_9),
            (1e4, 1e4, 0.507, 0.976_146_621_093_491),
            (1e6, 1.2e6, 0.454, 0.052_094_567_595_050_3),
        ] {
            is_near(b, beta_below(a, b, Split::of(x, 1.0 - x)), wanted);
        }
        for (shape, x, below, above) in [
            (0.5, 0.01, 0.112_462_916_018_285, 0.887_537_083_981_715),
            (3.0, 8.0, 0.986_246_032_255_997, 0.013_753_967_744_003),
            (1e5, 99_000.0, 0.000_757_419_921_174_768, 0.999_242_580_078_825),
            (1e5, 101_000.0, 0.999_191_578_487_074, 0.000_808_421_512_925_591),
            (1e6, 1_003_000.0, 0.998_638_259_353_782, 0.001_361_740_646_218_59),
        ] {
            is_near(shape, gamma_below(shape, x), below);
            is_near(shape, gamma_above(shape, x), above);
        }
    }

    #[test]
    fn quantiles_undo_their_distributions() {
        for shape in [0.5, 1.0, 3.7, 120.0, 1e5] {
            for tail in [1e-12, 0.001_35, 0.025, 0.5, 0.9] {
                let (low, high) = (gamma_quantile_below(shape, tail), gamma_quantile_above(shape, tail));
                assert!((gamma_below(shape, low) / tail - 1.0).abs() < 1e-9, "{shape} {tail}");
                assert!((gamma_above(shape, high) / tail - 1.0).abs() < 1e-9, "{shape} {tail}");
                let t = beta_log_odds_below(shape, 40.0, tail);
                assert!((beta_below(shape, 40.0, Split::of_log_odds(t)) / tail - 1.0).abs() < 1e-9, "{shape} {tail}");
            }
        }
    }

    #[test]
    fn the_search_finds_the_first_number_up_to_its_end() {
        for first in [0, 1, 2, 5, 64, 99, 100] {
            assert_eq!(first_from(100, |n| n >= first), Some(first));
        }
        assert_eq!(first_from(100, |n| n > 100), None);
        assert_eq!(first_from(0, |_| true), Some(0));
        assert_eq!(first_from(0, |_| false), None);
    }
}
