//! Signal or noise: whether a count changed between two periods, and what change could be seen at all.
//!
//! Given N = x1 + x2 events in all and equal rates, x1 is binomial with p = t1/(t1 + t2), whatever the rates are
//! (Przyborowski & Wilenski, Biometrika 31 (1940) 313). The test is exact; its p value is twice the smaller tail, and
//! the interval of the ratio is that of Clopper and Pearson for x1 of N, turned into odds. The two agree: p < α
//! exactly where the interval leaves out 1.

use super::credits::{self, Credits};
use super::proportion::log_odds_limits;
use super::special::{Split, beta_below, first_from};
use super::{COUNT_MAX, Confidence, Interval, Observation};

/// The rate of one period over that of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateRatio {
    /// (count now / exposure now) / (count before / exposure before); `None` where nothing was counted before.
    pub ratio: Option<f64>,
    /// Limits of the ratio; 0 to nothing at all where nothing was counted in either period.
    pub interval: Interval,
    /// The probability of a split at least as uneven, were both rates equal.
    pub p: f64,
}

/// Compares two counts exactly.
///
/// `None` where an exposure is 0, as there is no rate then, and for more than [`COUNT_MAX`] events.
pub fn rate_ratio(now: Observation, before: Observation, confidence: Confidence) -> Option<RateRatio> {
    let is_comparable = now.exposure > 0 && before.exposure > 0;
    (is_comparable && now.count.checked_add(before.count)? <= COUNT_MAX).then_some(())?;
    let (x1, x2) = (now.count as f64, before.count as f64);
    let scale = before.exposure as f64 / now.exposure as f64;
    let (low, high) = log_odds_limits(x1, x2, confidence);
    let (at_most, at_least) = tails(now, before);
    Some(RateRatio {
        ratio: (before.count > 0).then(|| x1 / x2 * scale),
        interval: Interval { low: low.map_or(0.0, |t| t.exp() * scale), high: high.map(|t| t.exp() * scale) },
        p: (2.0 * at_most.min(at_least)).min(1.0),
    })
}

/// P(X <= count now) and P(X >= count now), both exact in their small values.
fn tails(now: Observation, before: Observation) -> (f64, f64) {
    let share = Split::of(now.exposure as f64, before.exposure as f64);
    let (x1, x2) = (now.count as f64, before.count as f64);
    let at_most = if before.count == 0 { 1.0 } else { beta_below(x2, x1 + 1.0, share.swapped()) };
    let at_least = if now.count == 0 { 1.0 } else { beta_below(x1, x2 + 1.0, share) };
    (at_most, at_least)
}

/// The credits of one row in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// What the row earned.
    pub credits: Credits,
    /// What it is compared by: minor units spent for a cost per lead, days for a volume.
    pub exposure: u64,
}

/// A change between two periods, judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The ratio of the rates, its limits and p. Compared by spend it is leads per money: a cost per lead changed by
    /// its inverse.
    pub ratio: RateRatio,
    /// Whether p < α: otherwise the change is noise.
    pub is_signal: bool,
    /// Whether counts stood for fractional credits (see [`credits::counts`]), so that p is near, not exact.
    pub is_approximate: bool,
    /// What could have been seen at all; `None` where it would lie above [`COUNT_MAX`].
    pub floor: Option<LeadsFloor>,
}

/// A [`NoiseFloor`] in leads: of fractional credits, its counts times what a count stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeadsFloor {
    /// So many micro-leads or fewer are a significant drop; `None` where not even 0 is one.
    pub down_micro: Option<i64>,
    /// So many or more are a significant rise.
    pub up_micro: i64,
}

/// Judges the change of a row from the period `before` to `now`. `None` as for [`rate_ratio`].
pub fn change(now: &Period, before: &Period, confidence: Confidence) -> Option<Change> {
    let counts = credits::counts(&[now.credits, before.credits])?;
    let &[count_now, count_before] = counts.counts.as_slice() else { return None };
    let then = Observation { count: count_before, exposure: before.exposure };
    let ratio = rate_ratio(Observation { count: count_now, exposure: now.exposure }, then, confidence)?;
    let in_leads = |floor: NoiseFloor| {
        let down_micro = floor.down.map(|down| counts.leads_micro(down));
        let up_micro = counts.leads_micro(floor.up)?;
        Some(LeadsFloor { down_micro: down_micro.flatten(), up_micro })
    };
    Some(Change {
        ratio,
        is_signal: ratio.p < confidence.alpha(),
        is_approximate: counts.is_approximate,
        floor: noise_floor(then, now.exposure, confidence).and_then(in_leads),
    })
}

/// The nearest counts that a period could have and be told from the one before: everything between is noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoiseFloor {
    /// The largest count that is a significant drop; `None` where not even 0 is one.
    pub down: Option<u64>,
    /// The smallest count that is a significant rise.
    pub up: u64,
}

/// The noise floor of a period with `exposure_now` after one with `before`: the counts at which [`rate_ratio`] first
/// has p < α.
///
/// `None` where an exposure is 0 and where a floor would lie above [`COUNT_MAX`].
pub fn noise_floor(before: Observation, exposure_now: u64, confidence: Confidence) -> Option<NoiseFloor> {
    (before.exposure > 0 && exposure_now > 0).then_some(())?;
    let max = COUNT_MAX.checked_sub(before.count)?;
    let tails_at = |count| tails(Observation { count, exposure: exposure_now }, before);
    let up = first_from(max, |count| 2.0 * tails_at(count).1 < confidence.alpha())?;
    let first_not_down = first_from(max, |count| 2.0 * tails_at(count).0 >= confidence.alpha())?;
    Some(NoiseFloor { down: first_not_down.checked_sub(1), up })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIDENCE: Confidence = Confidence::NINETY_FIVE;

    fn seen(count: u64, exposure: u64) -> Observation {
        Observation { count, exposure }
    }

    #[test]
    fn the_noise_floor_of_equal_exposures_is_as_published() {
        for (before, down, up) in [
            (0, None, 6),
            (1, None, 8),
            (3, None, 12),
            (5, None, 15),
            (10, Some(2), 23),
            (20, Some(8), 36),
            (50, Some(31), 73),
            (100, Some(73), 131),
        ] {
            assert_eq!(noise_floor(seen(before, 31), 31, CONFIDENCE), Some(NoiseFloor { down, up }), "{before}");
        }
    }

    #[test]
    fn nothing_to_compare_by_has_no_answer_and_nothing_counted_is_noise() {
        assert_eq!(rate_ratio(seen(3, 0), seen(3, 10), CONFIDENCE), None);
        assert_eq!(rate_ratio(seen(3, 10), seen(3, 0), CONFIDENCE), None);
        assert_eq!(rate_ratio(seen(u64::MAX, 1), seen(1, 1), CONFIDENCE), None);
        assert_eq!(noise_floor(seen(3, 0), 1, CONFIDENCE), None);
        assert_eq!(noise_floor(seen(3, 1), 0, CONFIDENCE), None);
        assert_eq!(noise_floor(seen(u64::MAX, 1), 1, CONFIDENCE), None);
        assert_eq!(noise_floor(seen(1_000_000, 1), u64::MAX, CONFIDENCE), None);
        let none = rate_ratio(seen(0, 7), seen(0, 9), CONFIDENCE).expect("ratio");
        assert_eq!(none, RateRatio { ratio: None, interval: Interval { low: 0.0, high: None }, p: 1.0 });
    }

    #[test]
    fn the_noise_floor_is_in_the_counts_that_are_tested() {
        let period = |credits: Credits| Period { credits, exposure: 31 };
        let floor =
            |now: Credits, before: Credits| change(&period(now), &period(before), CONFIDENCE).expect("change").floor;
        let in_leads = |down_micro, up_micro| Some(LeadsFloor { down_micro, up_micro });
        assert_eq!(floor(Credits::whole(3), Credits::whole(10)), in_leads(Some(2_000_000), 23_000_000));
        // Of halves, 5 leads are 10 counts, told from 2 or 23 of them: 1 lead or 11.5.
        let halves = |n| std::iter::repeat_n(500_000, n).collect::<Credits>();
        assert_eq!(floor(halves(4), halves(10)), in_leads(Some(1_000_000), 11_500_000));
        let at = |n| change(&period(halves(n)), &period(halves(10)), CONFIDENCE).expect("change");
        assert_eq!([2, 3, 22, 23].map(|n| at(n).is_signal), [true, false, false, true]);
        assert!(at(2).is_approximate);
    }

    #[test]
    fn extreme_exposures_keep_their_precision() {
        // One event of N = 1 in a share of 1/(1 + 2^64): the tail is that share.
        let rare = rate_ratio(seen(1, 1), seen(0, u64::MAX), CONFIDENCE).expect("ratio");
        assert!((rare.p / (2.0 / (u64::MAX as f64)) - 1.0).abs() < 1e-9, "{rare:?}");
        let usual = rate_ratio(seen(0, 1), seen(1, u64::MAX), CONFIDENCE).expect("ratio");
        assert!((usual.p - 1.0).abs() < 1e-9);
        let most = COUNT_MAX / 2;
        let even = rate_ratio(seen(most, 5), seen(most, 5), CONFIDENCE).expect("ratio");
        assert!(even.p > 0.999 && even.interval.contains(1.0));
    }

    #[test]
    fn fractional_credits_are_judged_by_rounded_counts_and_say_so() {
        let whole = |leads, exposure| Period { credits: Credits::whole(leads), exposure };
        let signal = change(&whole(23, 31), &whole(10, 31), CONFIDENCE).expect("change");
        assert!(signal.is_signal && !signal.is_approximate);
        assert!(!change(&whole(22, 31), &whole(10, 31), CONFIDENCE).expect("change").is_signal);
        // Halves: 23 leads from 46 are 46 counts, and 10 leads from 20 are 20.
        let halves = |leads, exposure| Period { credits: vec![500_000; leads].into_iter().collect(), exposure };
        let change = change(&halves(46, 31), &halves(20, 31), CONFIDENCE).expect("change");
        assert!(change.is_approximate);
        assert_eq!(Some(change.ratio), rate_ratio(seen(46, 31), seen(20, 31), CONFIDENCE));
    }

    fn observation() -> impl Strategy<Value = Observation> {
        (0u64..400, 1u64..2_000_000).prop_map(|(count, exposure)| Observation { count, exposure })
    }

    proptest! {
        #[test]
        fn p_is_below_alpha_exactly_where_the_interval_leaves_out_1(
            now in observation(), before in observation(), level in 0.5f64..0.999
        ) {
            let confidence = Confidence::new(level).expect("level");
            let ratio = rate_ratio(now, before, confidence).expect("ratio");
            prop_assert!((0.0..=1.0).contains(&ratio.p));
            if (ratio.p - confidence.alpha()).abs() > 1e-9 {
                prop_assert_eq!(ratio.p < confidence.alpha(), !ratio.interval.contains(1.0));
            }
            prop_assert!(ratio.ratio.is_none_or(|r| ratio.interval.contains(r)), "{:?}", ratio);
        }

        #[test]
        fn swapped_periods_give_the_same_p_and_the_inverse_ratio(now in observation(), before in observation()) {
            let there = rate_ratio(now, before, CONFIDENCE).expect("there");
            let back = rate_ratio(before, now, CONFIDENCE).expect("back");
            prop_assert!((there.p - back.p).abs() <= 1e-9 * there.p);
            if let Some(high) = back.interval.high {
                prop_assert!((there.interval.low * high - 1.0).abs() < 1e-9);
            }
        }

        #[test]
        fn the_floor_is_where_p_crosses_alpha(before in observation(), exposure_now in 1u64..2_000_000) {
            let is_signal = |count| {
                let now = Observation { count, exposure: exposure_now };
                rate_ratio(now, before, CONFIDENCE).expect("ratio").p < CONFIDENCE.alpha()
            };
            if let Some(floor) = noise_floor(before, exposure_now, CONFIDENCE) {
                prop_assert!(is_signal(floor.up) && !is_signal(floor.up - 1));
                prop_assert!(floor.down.is_none_or(is_signal) && !is_signal(floor.down.map_or(0, |d| d + 1)));
            }
        }
    }
}
