//! Exact division: the largest-remainder rule (Hamilton).
//!
//! `q_i = floor(|V| p_i / W)`; the units left over go to the largest remainders,
//! ties to the earlier one. The sum is exact by construction and every share is
//! within one unit of its quota. A negative amount is divided as its absolute
//! value and negated, so that a refund undoes its sale exactly.

/// Up to this many parts need no memory beyond the answer: nearly every journey.
const FEW: usize = 16;

/// Divides `total` by integer parts; the shares sum to `total` exactly.
///
/// Answers zeros where there is nothing to divide by: no parts, or all of them 0. The parts must sum to at most
/// 2^64, so that 128 bits hold every product with an amount; beyond that the sum or a product overflows and fails
/// (`overflow-checks`), and never wraps into a wrong figure.
pub fn allocate(total: i64, parts: &[u128]) -> Vec<i64> {
    let mut shares = Vec::new();
    allocate_into(total, parts, &mut shares);
    shares
}

/// [`allocate`] into a buffer, which is emptied first; for callers that divide by the million.
pub fn allocate_into(total: i64, parts: &[u128], shares: &mut Vec<i64>) {
    shares.clear();
    let whole: u128 = parts.iter().sum();
    if whole == 0 || total == 0 {
        shares.resize(parts.len(), 0);
        return;
    }
    let (amount, sign) = (u128::from(total.unsigned_abs()), total.signum());
    let (mut few, mut many) = ([0; FEW], Vec::new());
    let remainders = match few.get_mut(..parts.len()) {
        Some(few) => few,
        None => {
            many.resize(parts.len(), 0);
            many.as_mut_slice()
        }
    };
    let mut left = total;
    for (part, remainder) in parts.iter().zip(remainders.iter_mut()) {
        let (quotient, rest) = divided(amount * part, whole);
        // At most the total itself, so it has a place in an i64 with the total's sign.
        let share = i64::try_from(quotient).map_or(total, |q| q * sign);
        *remainder = rest;
        left -= share;
        shares.push(share);
    }
    let left = usize::try_from(left.unsigned_abs()).unwrap_or(0);
    give_left_over(left, sign, remainders, shares);
}

/// Gives one unit each to the `left` greatest remainders, the earlier of equal ones first. More remainders are above
/// 0 than units are left, as each is less than the whole and together they are `left` times the whole.
fn give_left_over(left: usize, sign: i64, remainders: &mut [u128], shares: &mut [i64]) {
    if remainders.len() <= FEW {
        for _ in 0..left {
            let greatest = remainders.iter().copied().max().unwrap_or(0);
            let pairs = remainders.iter_mut().zip(shares.iter_mut());
            if let Some((remainder, share)) = pairs.into_iter().find(|(r, _)| **r == greatest) {
                *remainder = 0;
                *share += sign;
            }
        }
        return;
    }
    let mut order: Vec<(&mut u128, &mut i64)> = remainders.iter_mut().zip(shares.iter_mut()).collect();
    // A stable sort keeps the earlier of equal remainders first.
    order.sort_by_key(|(remainder, _)| std::cmp::Reverse(**remainder));
    for (_, share) in order.into_iter().take(left) {
        *share += sign;
    }
}

/// Quotient and remainder. Most fit in a machine word, whose division is several times as fast.
fn divided(product: u128, whole: u128) -> (u128, u128) {
    match (u64::try_from(product), u64::try_from(whole)) {
        (Ok(product), Ok(whole)) => (u128::from(product / whole), u128::from(product % whole)),
        _ => (product / whole, product % whole),
    }
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

    #[test]
    fn amounts_and_parts_at_their_bounds_divide_exactly() {
        assert_eq!(allocate(i64::MAX, &[1, 1 << 63, 1]).iter().sum::<i64>(), i64::MAX);
        assert_eq!(allocate(i64::MAX, &[0, 1 << 64]), [0, i64::MAX]);
        assert_eq!(allocate(i64::MIN, &[0, 1 << 64]), [0, i64::MIN]);
        assert_eq!(allocate(i64::MIN, &[1, 1]), [i64::MIN / 2, i64::MIN / 2]);
    }

    /// The rule as the module states it, word by word.
    fn by_the_rule(total: i64, parts: &[u128]) -> Vec<i64> {
        let (whole, amount) = (parts.iter().sum::<u128>(), u128::from(total.unsigned_abs()));
        let floors: Vec<u128> = parts.iter().map(|p| amount * p / whole).collect();
        let left = amount - floors.iter().sum::<u128>();
        let remainder = |i: usize| amount * parts[i] % whole;
        let rank = |i: usize| {
            let before = |j: &usize| remainder(*j) > remainder(i) || (remainder(*j) == remainder(i) && *j < i);
            (0..parts.len()).filter(before).count()
        };
        let share = |i: usize| floors[i] + u128::from(u128::try_from(rank(i)).expect("rank") < left);
        (0..parts.len()).map(|i| i64::try_from(share(i)).expect("share") * total.signum()).collect()
    }

    proptest! {
        #[test]
        fn few_and_many_parts_follow_one_rule(
            total in any::<i64>().prop_filter("has an opposite", |t| *t != i64::MIN),
            parts in prop::collection::vec(prop_oneof![0u128..4, 0u128..1 << 50], 1..40),
        ) {
            prop_assume!(parts.iter().sum::<u128>() > 0);
            prop_assert_eq!(allocate(total, &parts), by_the_rule(total, &parts));
        }

        #[test]
        fn shares_always_sum_to_the_whole(total in any::<i32>(), parts in prop::collection::vec(0u128..1 << 50, 1..40)) {
            let shares = allocate(i64::from(total), &parts);
            let expected = if parts.iter().sum::<u128>() == 0 { 0 } else { i64::from(total) };
            prop_assert_eq!(shares.iter().sum::<i64>(), expected);
        }
    }
}
