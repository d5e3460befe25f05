//! Many tests at once: of a hundred changes that are all noise, five have p < .05.

/// Adjusts p values so that rejecting those below α keeps the expected share of false ones among them at most α.
///
/// With the p values in order, adjusted p_(i) = min over j >= i of min(1, p_(j) m/j). Benjamini & Hochberg, Journal
/// of the Royal Statistical Society B 57 (1995) 289. Answers in the order given. What is no probability proves
/// nothing: it counts as the nearer of 0 and 1, NaN as 1.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let clean = |v: f64| if v.is_nan() { 1.0 } else { v.clamp(0.0, 1.0) };
    let mut ordered: Vec<(usize, f64)> = p.iter().map(|v| clean(*v)).enumerate().collect();
    ordered.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![1.0; p.len()];
    let mut least: f64 = 1.0;
    for (rank, (place, value)) in ordered.into_iter().enumerate().rev() {
        least = least.min(value * (p.len() as f64 / (rank + 1) as f64));
        if let Some(slot) = adjusted.get_mut(place) {
            *slot = least;
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_probability_proves_nothing() {
        assert_eq!(benjamini_hochberg(&[]), Vec::<f64>::new());
        assert_eq!(benjamini_hochberg(&[f64::NAN, 0.01, 7.0, -1.0]), [1.0, 0.02, 1.0, 0.0]);
    }

    proptest! {
        #[test]
        fn adjusted_values_are_no_smaller_and_keep_their_order(p in prop::collection::vec(0.0f64..=1.0, 1..50)) {
            let adjusted = benjamini_hochberg(&p);
            for (i, a) in adjusted.iter().enumerate() {
                prop_assert!(*a >= p[i] && *a <= 1.0);
                for (j, b) in adjusted.iter().enumerate() {
                    prop_assert!(p[i] > p[j] || a <= b);
                }
            }
        }
    }
}
