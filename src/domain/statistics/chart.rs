//! Control charts of counts over many periods: which of them stands out from the rest.
//!
//! The limits hold all but 0.27 % of what chance does to a steady rate. By default they are, for each period, exact
//! Poisson limits where fewer than [`EXPECTED_MIN`] events are expected and those of the u-chart otherwise; once there
//! are [`LANEY_PERIODS_MIN`] periods that vary by more than a Poisson count does, those of Laney. With many charts say
//! how many false alarms to expect, or see [`super::multiple`].

use super::special::{first_from, gamma_above};
use super::{COUNT_MAX, Observation};

/// Expected events from which on the u-chart's limits are good enough.
pub const EXPECTED_MIN: f64 = 10.0;
/// Periods from which on the variation between periods can be measured.
pub const LANEY_PERIODS_MIN: usize = 8;
/// The p value of the dispersion test below which the counts vary too much for a Poisson count.
pub const DISPERSION_P_MAX: f64 = 0.05;

/// The share of a normal distribution below −3 σ.
const TAIL: f64 = 0.001_35;
/// The mean range of two values of a normal distribution, in σ (d2).
const MEAN_RANGE_OF_TWO: f64 = 1.128;

/// Where limits come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The quantiles .00135 and .99865 of a Poisson count.
    Poisson,
    /// ū ± 3 √(ū/n): the u-chart.
    Normal,
    /// `ū ± 3 σ_z √(ū/n)`: the u′-chart.
    Laney,
}

/// Limits of one period's rate; both are still within.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Events per exposure, at least 0.
    pub low: f64,
    /// Events per exposure.
    pub high: f64,
    /// Where they come from.
    pub method: Method,
}

/// One period on a chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Events per exposure.
    pub rate: f64,
    /// Its limits.
    pub limits: Limits,
    /// Whether the rate lies outside of them.
    pub is_signal: bool,
}

/// Whether counts vary by more than Poisson counts do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dispersion {
    /// χ² = Σ (x − E)²/E with E = n ū.
    pub chi2: f64,
    /// Degrees of freedom: periods less 1.
    pub degrees: usize,
    /// The probability of a χ² at least as large.
    pub p: f64,
}

/// A chart of counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// ū: all events over all exposure.
    pub center: f64,
    /// `None` where no event was counted.
    pub dispersion: Option<Dispersion>,
    /// `σ_z`, how much wider Laney's limits are; `None` where others are used.
    pub sigma_z: Option<f64>,
    /// One for each period given; `None` where it has no exposure and so no rate.
    pub points: Vec<Option<Point>>,
}

/// Draws the chart with its default limits.
///
/// Periods without exposure are left out of every sum. `None` for fewer than two periods with exposure and for more
/// than [`COUNT_MAX`] events.
pub fn chart(periods: &[Observation]) -> Option<Chart> {
    let used = Used::of(periods)?;
    let dispersion = used.dispersion();
    let is_laney = used.periods.len() >= LANEY_PERIODS_MIN && dispersion.is_some_and(|d| d.p < DISPERSION_P_MAX);
    let sigma_z = is_laney.then(|| used.sigma_z());
    let point = |period: &Observation| {
        let exposure = (period.exposure > 0).then_some(period.exposure as f64)?;
        let limits = match sigma_z {
            Some(width) => Limits { method: Method::Laney, ..normal_limits(used.center, exposure, width) },
            None if used.center * exposure < EXPECTED_MIN => poisson_limits(used.center, exposure),
            None => normal_limits(used.center, exposure, 1.0),
        };
        let rate = period.count as f64 / exposure;
        Some(Point { rate, limits, is_signal: rate < limits.low || rate > limits.high })
    };
    Some(Chart { center: used.center, dispersion, sigma_z, points: periods.iter().map(point).collect() })
}

/// Tests whether the counts vary by more than Poisson counts do (the index of dispersion).
///
/// `None` as for [`chart`], and where no event was counted.
pub fn dispersion(periods: &[Observation]) -> Option<Dispersion> {
    Used::of(periods)?.dispersion()
}

/// The limits of the u-chart, `width` times as wide. Montgomery, Introduction to Statistical Quality Control,
/// section 7.3.
pub(super) fn normal_limits(center: f64, exposure: f64, width: f64) -> Limits {
    let half = 3.0 * width * (center / exposure).sqrt();
    Limits { low: (center - half).max(0.0), high: center + half, method: Method::Normal }
}

/// The counts between which a Poisson count lies but for 0.135 % on each side, as rates.
pub(super) fn poisson_limits(center: f64, exposure: f64) -> Limits {
    let mean = center * exposure;
    // P(N <= k) = P(a gamma variable of shape k + 1 is above the mean).
    let quantile = |share: f64| {
        let count = first_from(COUNT_MAX, |k| gamma_above(k as f64 + 1.0, mean) >= share);
        count.unwrap_or(COUNT_MAX) as f64 / exposure
    };
    Limits { low: quantile(TAIL), high: quantile(1.0 - TAIL), method: Method::Poisson }
}

/// The periods that have exposure, as (count, exposure), and their mean rate.
struct Used {
    periods: Vec<(f64, f64)>,
    center: f64,
}

impl Used {
    fn of(periods: &[Observation]) -> Option<Self> {
        let used = || periods.iter().filter(|p| p.exposure > 0);
        let events = used().map(|p| u128::from(p.count)).sum::<u128>();
        let exposure = used().map(|p| u128::from(p.exposure)).sum::<u128>();
        (used().count() >= 2 && events <= u128::from(COUNT_MAX)).then(|| Self {
            periods: used().map(|p| (p.count as f64, p.exposure as f64)).collect(),
            center: events as f64 / exposure as f64,
        })
    }

    fn dispersion(&self) -> Option<Dispersion> {
        (self.center > 0.0).then_some(())?;
        let chi2 = self.periods.iter().map(|&(x, n)| (x - n * self.center).powi(2) / (n * self.center)).sum::<f64>();
        let degrees = self.periods.len() - 1;
        Some(Dispersion { chi2, degrees, p: gamma_above(degrees as f64 / 2.0, chi2 / 2.0) })
    }

    /// How much wider than a Poisson count the periods vary from one to the next:
    /// `σ_z = mean |z_i − z_(i−1)| / 1.128` with `z = (u − ū)/√(ū/n)`. Laney, Quality Engineering 14 (2002) 531.
    fn sigma_z(&self) -> f64 {
        let z: Vec<f64> = self.periods.iter().map(|&(x, n)| (x / n - self.center) / (self.center / n).sqrt()).collect();
        let steps: f64 = z.iter().zip(z.iter().skip(1)).map(|(a, b)| (b - a).abs()).sum();
        steps / (self.periods.len() - 1) as f64 / MEAN_RANGE_OF_TWO
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn months(counts: &[u64]) -> Vec<Observation> {
        counts.iter().map(|&count| Observation { count, exposure: 30 }).collect()
    }

    fn methods(chart: &Chart) -> Vec<Option<Method>> {
        chart.points.iter().map(|p| p.map(|p| p.limits.method)).collect()
    }

    fn signals(chart: &Chart) -> Vec<usize> {
        let is_signal = |i: &usize| chart.points[*i].is_some_and(|p| p.is_signal);
        (0..chart.points.len()).filter(is_signal).collect()
    }

    #[test]
    fn small_counts_have_exact_limits_and_large_ones_those_of_the_u_chart() {
        let mut periods = months(&[3, 4, 2, 3]);
        periods.push(Observation { count: 40, exposure: 400 });
        let drawn = chart(&periods).expect("chart");
        let mut expected = vec![Some(Method::Poisson); 4];
        expected.push(Some(Method::Normal));
        assert_eq!(methods(&drawn), expected);
        assert_eq!(signals(&drawn), Vec::<usize>::new());
        // Of 3 expected, the .99865 quantile is 9: nine is within, ten is not.
        let limits = poisson_limits(0.1, 30.0);
        assert!((limits.high * 30.0 - 9.0).abs() < 1e-9 && limits.low == 0.0, "{limits:?}");
    }

    #[test]
    fn laney_needs_eight_periods_that_vary_too_much() {
        let wild = [12, 9, 15, 8, 11, 30, 10, 7];
        let drawn = chart(&months(&wild)).expect("chart");
        assert_eq!(methods(&drawn), [Some(Method::Laney); 8]);
        let seven = chart(&months(&wild[1..])).expect("chart");
        assert_eq!((methods(&seven), seven.sigma_z), (vec![Some(Method::Normal); 7], None));
        assert_eq!(signals(&seven), [4]);
        let calm = chart(&months(&[12, 9, 15, 8, 11, 14, 10, 11])).expect("chart");
        assert_eq!(methods(&calm), [Some(Method::Normal); 8]);
    }

    #[test]
    fn periods_without_exposure_or_events_break_nothing() {
        let mut periods = months(&[12, 15]);
        periods.insert(1, Observation { count: 7, exposure: 0 });
        let drawn = chart(&periods).expect("chart");
        assert_eq!((drawn.center, drawn.points[1]), (0.45, None));
        assert_eq!(chart(&periods[..2]), None);
        assert_eq!(chart(&[]), None);
        assert_eq!(chart(&months(&[u64::MAX, u64::MAX])), None);
        let nothing = chart(&months(&[0, 0, 0])).expect("chart");
        assert_eq!((nothing.center, nothing.dispersion, signals(&nothing)), (0.0, None, vec![]));
    }

    proptest! {
        #[test]
        fn every_figure_is_finite_and_in_order(
            periods in prop::collection::vec((0u64..100_000_000, any::<u64>()), 0..10)
        ) {
            let periods: Vec<_> =
                periods.into_iter().map(|(count, exposure)| Observation { count, exposure }).collect();
            if let Some(drawn) = chart(&periods) {
                prop_assert!(drawn.dispersion.is_none_or(|d| d.chi2.is_finite() && (0.0..=1.0).contains(&d.p)));
                for point in drawn.points.into_iter().flatten() {
                    let Limits { low, high, .. } = point.limits;
                    prop_assert!(point.rate.is_finite() && high.is_finite() && 0.0 <= low && low <= high);
                }
            }
        }
    }
}
