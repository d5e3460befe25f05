//! Limits of a rate: x of n.
//!
//! [`wilson`] is the default: near its level on average and sensible for any n. [`clopper_pearson`] never covers less
//! than its level and is wider; [`jeffreys`] is the Bayesian one. Brown et al., Statistical Science 16 (2001)
//! 101 compare them. Each gives `None` for n = 0, x > n and n above [`COUNT_MAX`].

use super::special::{beta_log_odds_above, beta_log_odds_below, gamma_quantile_above, of_log_odds};
use super::{COUNT_MAX, Confidence, Interval};

/// Wilson's score limits: the p with (x/n − p)² = z² p (1 − p)/n. Wilson, JASA 22 (1927) 209.
pub fn wilson(x: u64, n: u64, confidence: Confidence) -> Option<Interval> {
    let (hits, misses) = split(x, n)?;
    // z² is the χ² quantile of one degree of freedom.
    let z2 = 2.0 * gamma_quantile_above(0.5, confidence.alpha());
    let root = (z2 * (z2 + 4.0 * hits * misses / (hits + misses))).sqrt();
    // The lower root as the product of both over the upper one, so that nothing cancels.
    let lower = |hits: f64, misses: f64| {
        let n = hits + misses;
        2.0 * hits * (hits / n) / (2.0 * hits + z2 + root)
    };
    Some(Interval { low: lower(hits, misses), high: Some(1.0 - lower(misses, hits)) })
}

/// Exact limits: the beta quantiles B(α/2; x, n − x + 1), 0 for x = 0, and B(1 − α/2; x + 1, n − x), 1 for x = n.
/// Clopper & Pearson, Biometrika 26 (1934) 404.
pub fn clopper_pearson(x: u64, n: u64, confidence: Confidence) -> Option<Interval> {
    let (hits, misses) = split(x, n)?;
    let (low, high) = log_odds_limits(hits, misses, confidence);
    Some(Interval { low: low.map_or(0.0, of_log_odds), high: Some(high.map_or(1.0, of_log_odds)) })
}

/// Limits of Clopper and Pearson as log odds, without those that are 0 or 1.
pub(super) fn log_odds_limits(hits: f64, misses: f64, confidence: Confidence) -> (Option<f64>, Option<f64>) {
    let tail = confidence.tail();
    let low = (hits > 0.0).then(|| beta_log_odds_below(hits, misses + 1.0, tail));
    let high = (misses > 0.0).then(|| beta_log_odds_above(hits + 1.0, misses, tail));
    (low, high)
}

/// Limits from the prior Beta(½, ½): the quantiles of Beta(x + ½, n − x + ½), with 0 for x = 0 and 1 for x = n.
pub fn jeffreys(x: u64, n: u64, confidence: Confidence) -> Option<Interval> {
    let (hits, misses) = split(x, n)?;
    let (a, b, tail) = (hits + 0.5, misses + 0.5, confidence.tail());
    let low = if x == 0 { 0.0 } else { of_log_odds(beta_log_odds_below(a, b, tail)) };
    let high = if x == n { 1.0 } else { of_log_odds(beta_log_odds_above(a, b, tail)) };
    Some(Interval { low, high: Some(high) })
}

/// x and n − x, where a rate exists.
fn split(x: u64, n: u64) -> Option<(f64, f64)> {
    (n > 0 && n <= COUNT_MAX).then_some(())?;
    Some((x as f64, n.checked_sub(x)? as f64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIDENCE: Confidence = Confidence::NINETY_FIVE;
    type Limits = fn(u64, u64, Confidence) -> Option<Interval>;
    const ALL: [Limits; 3] = [wilson, clopper_pearson, jeffreys];

    #[test]
    fn impossible_rates_have_no_limits() {
        for limits in ALL {
            for (x, n) in [(0, 0), (1, 0), (3, 2), (u64::MAX, 1), (0, u64::MAX), (1, COUNT_MAX + 1)] {
                assert_eq!(limits(x, n, CONFIDENCE), None, "{x} of {n}");
            }
        }
    }

    #[test]
    fn large_rates_keep_their_precision() {
        // 1 of 1e9 is Garwood's limits of 1, as the binomial is then Poisson: 0.0253178 to 5.5716434.
        let limits = clopper_pearson(1, COUNT_MAX, CONFIDENCE).expect("limits");
        assert!((limits.low * 1e9 - 0.025_317_8).abs() < 1e-6, "{limits:?}");
        assert!((limits.high.expect("high") * 1e9 - 5.571_643_4).abs() < 1e-5, "{limits:?}");
    }

    proptest! {
        #[test]
        fn limits_hold_the_rate_and_grow_with_it(n in 1u64..5_000, part in 0.0f64..1.0) {
            let x = (part * n as f64) as u64;
            for limits in ALL {
                let here = limits(x, n, CONFIDENCE).expect("here");
                let next = limits(x + 1, n, CONFIDENCE).expect("next");
                let high = here.high.expect("high");
                prop_assert!(here.low >= 0.0 && high <= 1.0 && here.contains(x as f64 / n as f64));
                prop_assert!(here.low < next.low && high < next.high.expect("high"));
            }
        }

        #[test]
        fn hits_and_misses_mirror_each_other(n in 1u64..5_000, part in 0.0f64..1.0) {
            let x = (part * n as f64) as u64;
            for limits in ALL {
                let hits = limits(x, n, CONFIDENCE).expect("hits");
                let misses = limits(n - x, n, CONFIDENCE).expect("misses");
                prop_assert!((hits.low - (1.0 - misses.high.expect("high"))).abs() < 1e-11);
            }
        }
    }
}
