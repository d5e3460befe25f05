//! Limits of counts, of sums of credits and of costs per lead.

use super::special::{gamma_quantile_above, gamma_quantile_below};
use super::{COUNT_MAX, Confidence, Credits, Interval};

/// Exact limits of the mean of a Poisson count k.
///
/// low = χ²(α/2; 2k)/2, 0 for k = 0; high = χ²(1 − α/2; 2k + 2)/2. Garwood, Biometrika 28 (1936) 437.
/// `None` above [`COUNT_MAX`].
pub fn count_limits(count: u64, confidence: Confidence) -> Option<Interval> {
    if count > COUNT_MAX {
        return None;
    }
    let (k, tail) = (count as f64, confidence.tail());
    let low = if count == 0 { 0.0 } else { gamma_quantile_below(k, tail) };
    Some(Interval { low, high: Some(gamma_quantile_above(k + 1.0, tail)) })
}

/// Limits of the mean of a sum of credits, in leads, where leads are a Poisson count and each has its credit.
///
/// With y = Σw, v = Σw² and the greatest credit 1: low = v/(2y) χ²(α/2; 2y²/v), 0 for y = 0;
/// high = (v + 1)/(2(y + 1)) χ²(1 − α/2; 2(y + 1)²/(v + 1)). Fay & Feuer, Statistics in Medicine 16 (1997) 791.
/// Whole credits give [`count_limits`]. `None` above [`COUNT_MAX`] leads.
pub fn credit_limits(credits: &Credits, confidence: Confidence) -> Option<Interval> {
    if !credits.is_within_max() {
        return None;
    }
    let (y, v, tail) = (credits.sum(), credits.squares(), confidence.tail());
    let low = if y > 0.0 { v / y * gamma_quantile_below(y * (y / v), tail) } else { 0.0 };
    let (y, v) = (y + 1.0, v + 1.0);
    Some(Interval { low, high: Some(v / y * gamma_quantile_above(y * (y / v), tail)) })
}

/// Limits of the cost per lead, in minor units: what was spent is taken as fixed and divided by [`credit_limits`].
///
/// Without a lead there is no upper limit: the cost is "at least" the lower one. `None` where nothing was spent, as
/// any number of leads then costs the same.
pub fn cost_limits(spend_minor: i64, credits: &Credits, confidence: Confidence) -> Option<Interval> {
    if spend_minor <= 0 {
        return None;
    }
    let (spend, leads) = (spend_minor as f64, credit_limits(credits, confidence)?);
    Some(Interval { low: spend / leads.high?, high: (leads.low > 0.0).then(|| spend / leads.low) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIDENCE: Confidence = Confidence::NINETY_FIVE;

    #[test]
    fn no_spend_or_too_many_leads_have_no_limits() {
        assert_eq!(cost_limits(0, &Credits::whole(3), CONFIDENCE), None);
        assert_eq!(cost_limits(-5, &Credits::whole(3), CONFIDENCE), None);
        assert_eq!(count_limits(u64::MAX, CONFIDENCE), None);
        assert_eq!(credit_limits(&Credits::whole(u64::MAX), CONFIDENCE), None);
    }

    #[test]
    fn the_largest_values_have_limits_near_the_normal_ones() {
        let limits = count_limits(COUNT_MAX, CONFIDENCE).expect("limits");
        let half_width = 1.959_964 * (COUNT_MAX as f64).sqrt();
        assert!((limits.low - (1e9 - half_width)).abs() < 2.0, "{limits:?}");
        assert!((limits.high.expect("high") - (1e9 + half_width)).abs() < 4.0, "{limits:?}");
        let cost = cost_limits(i64::MAX, &[1].into_iter().collect(), CONFIDENCE).expect("limits");
        assert!(cost.low > 0.0 && cost.high.expect("high").is_finite());
    }

    proptest! {
        #[test]
        fn unit_credits_give_the_limits_of_their_count(leads in 0u64..20_000, level in 0.5f64..0.999) {
            let confidence = Confidence::new(level).expect("level");
            let counted = count_limits(leads, confidence).expect("count");
            let credited = credit_limits(&Credits::whole(leads), confidence).expect("credits");
            prop_assert!((counted.low - credited.low).abs() <= 1e-11 * counted.low);
            let (a, b) = (counted.high.expect("high"), credited.high.expect("high"));
            prop_assert!((a - b).abs() <= 1e-11 * a);
        }

        #[test]
        fn limits_hold_the_count_and_grow_with_it(leads in 0u64..20_000) {
            let here = count_limits(leads, CONFIDENCE).expect("here");
            let next = count_limits(leads + 1, CONFIDENCE).expect("next");
            prop_assert!(here.contains(leads as f64));
            prop_assert!(here.low < next.low && here.high < next.high);
        }

        #[test]
        fn limits_of_credits_hold_their_sum(credits in prop::collection::vec(0i64..=1_000_000, 0..60)) {
            let credits: Credits = credits.into_iter().collect();
            let limits = credit_limits(&credits, CONFIDENCE).expect("limits");
            prop_assert!(limits.contains(credits.sum()), "{credits:?} {limits:?}");
        }

        #[test]
        fn more_confidence_is_wider(leads in 0u64..500, level in 0.5f64..0.99) {
            let near = count_limits(leads, Confidence::new(level).expect("level")).expect("near");
            let wide = count_limits(leads, Confidence::new(level + 0.005).expect("level")).expect("wide");
            prop_assert!(wide.low <= near.low && wide.high > near.high);
        }
    }
}
