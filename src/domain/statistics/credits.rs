//! Sums of credits, and the whole counts that stand for them in tests.

use crate::domain::attribution::ONE_MICRO;
use crate::domain::money::divide_half_even;

use super::COUNT_MAX;

/// The credits that one row earned in one period: their sum and the sum of their squares.
///
/// A credit is what one lead gave the row in all: several touches of a lead on one row are added up before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credits {
    sum_micro: u64,
    squares: u128,
}

impl Credits {
    /// No lead.
    pub const NONE: Self = Self { sum_micro: 0, squares: 0 };

    /// `leads` whole leads.
    pub fn whole(leads: u64) -> Self {
        let one = ONE_MICRO.unsigned_abs();
        let sum_micro = leads.saturating_mul(one);
        Self { sum_micro, squares: u128::from(sum_micro) * u128::from(one) }
    }

    /// Adds one lead's credit in micro-units, 0 to [`ONE_MICRO`]; what lies outside counts as the nearer end.
    pub fn add(&mut self, credit_micro: i64) {
        let credit = credit_micro.clamp(0, ONE_MICRO).unsigned_abs();
        self.sum_micro = self.sum_micro.saturating_add(credit);
        self.squares = self.squares.saturating_add(u128::from(credit) * u128::from(credit));
    }

    /// Whether every credit is a whole lead. As no credit is above 1, it is so exactly where the squares sum to as much
    /// as the credits.
    pub fn is_whole(&self) -> bool {
        self.squares == u128::from(self.sum_micro) * u128::from(ONE_MICRO.unsigned_abs())
    }

    /// y = Σw, in leads.
    pub(super) fn sum(&self) -> f64 {
        self.sum_micro as f64 / 1e6
    }

    /// v = Σw², in leads squared.
    pub(super) fn squares(&self) -> f64 {
        self.squares as f64 / 1e12
    }

    /// Whether the sum is at most [`COUNT_MAX`] leads.
    pub(super) fn is_within_max(&self) -> bool {
        self.sum_micro / ONE_MICRO.unsigned_abs() < COUNT_MAX
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            sum_micro: self.sum_micro.saturating_add(other.sum_micro),
            squares: self.squares.saturating_add(other.squares),
        }
    }
}

impl FromIterator<i64> for Credits {
    fn from_iter<I: IntoIterator<Item = i64>>(credits_micro: I) -> Self {
        let mut credits = Self::default();
        for credit in credits_micro {
            credits.add(credit);
        }
        credits
    }
}

/// Counts that stand for credits.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// One for each period.
    pub counts: Vec<u64>,
    /// Micro-leads that one count stands for, as a fraction: a whole lead for whole credits, w̄ otherwise.
    pub weight: (i128, i128),
    /// Whether the counts are rounded, so that an exact test of them is only near the truth.
    pub is_approximate: bool,
}

/// The counts that a test of counts may use for the credits of some periods.
///
/// Whole credits are counted. Otherwise a count is round(y/w̄), half to even, with w̄ = Σw²/Σw over all periods: the
/// weight at which a Poisson count has the same mean and variance as the sum of credits.
/// `None` for more than [`COUNT_MAX`] leads in all.
pub fn counts(periods: &[Credits]) -> Option<Counts> {
    let pooled = periods.iter().fold(Credits::default(), |sum, c| sum.plus(*c));
    if !pooled.is_within_max() {
        return None;
    }
    let is_whole = pooled.is_whole();
    let weight = if is_whole {
        (i128::from(ONE_MICRO), 1)
    } else {
        (i128::try_from(pooled.squares).ok()?, i128::from(pooled.sum_micro))
    };
    let count = |c: &Credits| {
        let quotient = divide_half_even(i128::from(c.sum_micro) * weight.1, weight.0)?;
        u64::try_from(quotient).ok()
    };
    Some(Counts { counts: periods.iter().map(count).collect::<Option<_>>()?, weight, is_approximate: !is_whole })
}

impl Counts {
    /// Leads that one count stands for.
    pub fn leads_per_count(&self) -> f64 {
        self.weight.0 as f64 / self.weight.1 as f64 / 1e6
    }

    /// The leads that so many counts stand for, in micro-leads rounded half to even.
    pub fn leads_micro(&self, count: u64) -> Option<i64> {
        let (of, whole) = self.weight;
        divide_half_even(i128::from(count).checked_mul(of)?, whole).and_then(|micro| i64::try_from(micro).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_credits_are_counted_and_others_rounded_by_their_mean_weight() {
        let whole = counts(&[Credits::whole(7), [ONE_MICRO, 0, ONE_MICRO].into_iter().collect()]).expect("counts");
        assert_eq!(whole, Counts { counts: vec![7, 2], weight: (1_000_000, 1), is_approximate: false });
        // w̄ = (3 · 1 + 8 · ¼) / (3 + 4) = 5/7, so 3 leads are 4.2 counts and 4 are 5.6.
        let halves = counts(&[Credits::whole(3), [500_000; 8].into_iter().collect()]).expect("counts");
        assert_eq!(halves.counts, [4, 6]);
        assert!(halves.is_approximate);
        assert_eq!((whole.leads_micro(9), halves.leads_micro(7)), (Some(9_000_000), Some(5_000_000)));
        assert_eq!(counts(&[]).expect("none").counts, Vec::<u64>::new());
        assert_eq!(counts(&[Credits::default(); 2]).expect("zeros").counts, [0, 0]);
    }

    #[test]
    fn credits_outside_one_lead_count_as_the_nearer_end() {
        let odd: Credits = [i64::MAX, i64::MIN, -1].into_iter().collect();
        assert_eq!(odd, Credits::whole(1));
        assert!(!Credits::whole(u64::MAX).is_within_max());
        assert_eq!(counts(&[Credits::whole(u64::MAX); 3]), None);
    }
}
