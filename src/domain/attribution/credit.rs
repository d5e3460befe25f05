//! Exact division: the largest-remainder rule (Hamilton).
//!
//! `q_i = floor(|V| p_i / W)`; the units left over go to the largest remainders,
//! ties to the earlier one. The sum is exact by construction and every share is
//! within one unit of its quota. A negative amount is divided as its absolute
//! value and negated, so that a refund undoes its sale exactly.

/// Divides `total` by integer parts; the shares sum to `total` exactly.
///
/// Answers zeros where there is nothing to divide by: no parts, or all of them 0.
pub fn allocate(total: i64, parts: &[u128]) -> Vec<i64> {
    let whole: u128 = parts.iter().sum();
    if whole == 0 || total == 0 {
        return vec![0; parts.len()];
    }
    let amount = u128::from(total.unsigned_abs());
    let mut shares: Vec<u128> = parts.iter().map(|p| amount * p / whole).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    // A stable sort keeps the earlier of equal remainders first.
    order.sort_by_key(|&i| std::cmp::Reverse(parts.get(i).map_or(0, |p| amount * p % whole)));
    let left = usize::try_from(amount - shares.iter().sum::<u128>()).unwrap_or(0);
    for &i in order.iter().take(left) {
        if let Some(share) = shares.get_mut(i) {
            *share += 1;
        }
    }
    let sign = if total < 0 { -1 } else { 1 };
    shares.into_iter().map(|s| i64::try_from(s).unwrap_or(i64::MAX) * sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn leftovers_go_to_the_largest_remainders_and_ties_to_the_earlier() {
        assert_eq!(allocate(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(allocate(3, &[1, 3, 3]), [1, 1, 1]);
        assert_eq!(allocate(4, &[1, 3, 3]), [0, 2, 2]);
        assert_eq!(allocate(-100, &[1, 1, 1]), [-34, -33, -33]);
        assert_eq!(allocate(7, &[0, 0]), [0, 0]);
        assert_eq!(allocate(7, &[]), Vec::<i64>::new());
    }

    proptest! {
        #[test]
        fn shares_always_sum_to_the_whole(total in any::<i32>(), parts in prop::collection::vec(0u128..1 << 50, 1..40)) {
            let shares = allocate(i64::from(total), &parts);
            let expected = if parts.iter().sum::<u128>() == 0 { 0 } else { i64::from(total) };
            prop_assert_eq!(shares.iter().sum::<i64>(), expected);
        }
    }
}
