//! `XmR` charts: which of a row of costs stands out, judged by how they move from one to the next.
//!
//! For values that are no counts, such as the cost per lead of each month. Wheeler, Understanding Variation (1993).

/// What the limits are measured by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Center {
    /// Means: the usual chart.
    #[default]
    Mean,
    /// Medians: one wild value does not widen the limits.
    Median,
}

/// The limits of a row of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Xmr {
    /// The mean or median of the values.
    pub center: f64,
    /// The mean or median of the moving ranges, which are the distances between neighbours.
    pub moving_range: f64,
    /// The lower limit of a value. Below 0 it is no limit for a cost.
    pub low: f64,
    /// The upper limit of a value.
    pub high: f64,
    /// The upper limit of a moving range.
    pub moving_range_high: f64,
}

/// Draws limits: center ± 2.66 mR and 3.268 mR for means, center ± 3.145 mR and 3.865 mR for medians.
///
/// The first two are 3/d2 and D4 for ranges of two, the others the same for medians.
/// `None` for fewer than two values, and where one or a limit is not finite.
pub fn xmr(values: &[f64], center: Center) -> Option<Xmr> {
    let ranges: Vec<f64> = values.iter().zip(values.iter().skip(1)).map(|(a, b)| (b - a).abs()).collect();
    let (middle, moving_range, width, range_width) = match center {
        Center::Mean => (mean(values)?, mean(&ranges)?, 2.66, 3.268),
        Center::Median => (median(values)?, median(&ranges)?, 3.145, 3.865),
    };
    let half = width * moving_range;
    let limits = Xmr {
        center: middle,
        moving_range,
        low: middle - half,
        high: middle + half,
        moving_range_high: range_width * moving_range,
    };
    let is_finite = values.iter().chain([&limits.low, &limits.high, &limits.moving_range_high]).all(|v| v.is_finite());
    is_finite.then_some(limits)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(low + (high - low) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_or_infinite_values_have_no_limits() {
        for values in [&[][..], &[1.0], &[1.0, f64::NAN], &[f64::INFINITY, 1.0], &[f64::MAX, -f64::MAX]] {
            assert_eq!(xmr(values, Center::Mean), None, "{values:?}");
            assert_eq!(xmr(values, Center::Median), None, "{values:?}");
        }
    }

    #[test]
    fn one_wild_value_widens_the_limits_of_means_only() {
        let mut values = [50.0, 52.0, 49.0, 51.0, 50.0, 48.0, 51.0, 50.0];
        let (calm_mean, calm_median) = (xmr(&values, Center::Mean), xmr(&values, Center::Median));
        values[4] = 500.0;
        let width = |x: Option<Xmr>| x.map(|x| x.high - x.low).expect("limits");
        assert!(width(xmr(&values, Center::Mean)) > 10.0 * width(calm_mean));
        assert!(width(xmr(&values, Center::Median)) < 2.0 * width(calm_median));
    }
}
