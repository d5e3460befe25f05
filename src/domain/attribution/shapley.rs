//! The Shapley value of the rate game, exactly.
//!
//! A coalition S of rows is worth the conversion rate of the journeys whose every touch lies in it,
//! `v(S) = conversions / (conversions + nulls)`, 0 where there is none. The value of row i is
//!
//! `phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S))`
//!
//! and all values sum to the rate of all journeys. The counts of all 2^n coalitions come from those of the n-row sets
//! that occurred by adding along one row after the other (the zeta transform of subsets), in integers. A row that
//! comes with a lower rate than it found has a negative value.

#![expect(clippy::float_arithmetic, reason = "rates, rounded once by whoever shows them; never money or credit")]

use std::collections::BTreeMap;

use super::path_table::{GameTable, PathCount, PathTable, one_in};
use super::{Method, Model, PathGame, PathShares, Settings};
use crate::domain::fault::Fault;

/// Conversions that the game needs.
const FLOOR_CONVERSIONS: u64 = 100;
/// Rows that the game takes unasked.
const ROWS_FLOOR: usize = 15;
/// Most rows at all: a million coalitions.
const ROWS_MAX: usize = 20;

/// The Shapley value that also uses journeys without a conversion; the additive one is `linear_distinct`.
pub(super) static MODEL: Model = Model {
    name: "shapley",
    label: "Shapley value (conversion-rate game)",
    formula: "phi_j / sum of phi, phi the Shapley value of v(S) = conversion rate of the journeys inside S",
    rule: "what a row adds to the conversion rate, averaged over all orders in which rows may join, scaled to sum to \
           all; order and repeats of touches do not count; a row that lowers the rate has a negative share; needs 100 \
           conversions and at most 15 rows",
    settings: &[],
    method: Method::Paths(game),
};

fn game(_: &Settings) -> Box<dyn PathGame> {
    Box::new(Coalitions::default())
}

/// Counts by the set of rows that a journey touched: all that is kept of the paths.
#[derive(Debug, Default)]
struct Coalitions {
    /// Rows with their bit, in the order of appearance.
    bits: BTreeMap<u32, usize>,
    counts: BTreeMap<u32, PathCount>,
    conversions: u64,
    nulls: u64,
}

impl PathGame for Coalitions {
    fn add(&mut self, path: &[u32], conversions: u64, nulls: u64) {
        if conversions + nulls == 0 {
            return;
        }
        self.conversions += conversions;
        self.nulls += nulls;
        let mut set = 0;
        for token in path {
            let next = self.bits.len();
            let bit = *self.bits.entry(*token).or_insert(next);
            set |= if bit < ROWS_MAX { 1 << bit } else { 0 };
        }
        // A game of too many rows is refused, so its sets need no memory.
        if self.bits.len() <= ROWS_MAX {
            let count = self.counts.entry(set).or_default();
            *count = (count.0 + conversions, count.1 + nulls);
        }
    }

    fn solve(&self, accepts_below_floor: bool) -> Result<PathShares, Fault> {
        let rows = self.bits.len();
        if rows > ROWS_MAX {
            let detail = format!(
                "the Shapley value of {rows} rows needs 2^{rows} coalitions, and {ROWS_MAX} rows are the most that are \
                 solved; report by something that has fewer rows, such as the channel, or use linear_distinct"
            );
            return Err(Fault::new("model", "too-many-rows", detail));
        }
        let below_floor = self.below_floor();
        if let Some(sentence) = below_floor.as_ref().filter(|_| !accepts_below_floor) {
            let remedy = "use linear_distinct, a longer period or fewer rows, or accept it with below_floor=accept";
            return Err(Fault::new("model", "below-floor", format!("{sentence}; {remedy}")));
        }
        let values = values(rows, &self.inside());
        let effects = self.bits.keys().copied().zip(values).collect();
        Ok(PathShares::scaled(effects, self.conversions, self.nulls, below_floor))
    }

    fn table(&self, _removed: Option<u32>) -> PathTable {
        let exactly = self.counts.iter().map(|(set, count)| (self.ranked(*set), *count)).collect();
        PathTable::Game(GameTable { rows: self.bits.keys().copied().collect(), exactly, inside: self.inside() })
    }
}

impl Coalitions {
    fn below_floor(&self) -> Option<String> {
        let (rows, conversions) = (self.bits.len(), self.conversions);
        (conversions < FLOOR_CONVERSIONS || rows > ROWS_FLOOR).then(|| {
            format!(
                "a Shapley value of rates needs {FLOOR_CONVERSIONS} conversions and at most {ROWS_FLOOR} rows, and \
                 there are {conversions} conversions and {rows} rows"
            )
        })
    }

    /// Counts of the journeys inside each coalition, whose bits are the rows by number: the answer must not depend on
    /// which path came first.
    fn inside(&self) -> Vec<PathCount> {
        let mut inside = vec![(0, 0); 1 << self.bits.len()];
        for (set, count) in &self.counts {
            if let Some(slot) = inside.get_mut(self.ranked(*set)) {
                *slot = *count;
            }
        }
        for row in 0..self.bits.len() {
            for pair in inside.chunks_exact_mut(2 << row) {
                let (without, with) = pair.split_at_mut(1 << row);
                for (with, without) in with.iter_mut().zip(without) {
                    *with = (with.0 + without.0, with.1 + without.1);
                }
            }
        }
        inside
    }

    /// A set whose bits are the rows by number.
    fn ranked(&self, set: u32) -> usize {
        let ranks = self.bits.values().enumerate().filter(|(_, bit)| set >> **bit & 1 == 1);
        ranks.map(|(rank, _)| 1 << rank).sum()
    }
}

/// The value of each row by the counts of all coalitions.
fn values(rows: usize, inside: &[PathCount]) -> Vec<f64> {
    let rates: Vec<f64> = inside.iter().copied().map(GameTable::rate).collect();
    // s! (n - s - 1)! / n! for s = 0..n.
    let weights: Vec<f64> = (0..).take(rows).map(|size| 1.0 / one_in(rows, size) as f64).collect();
    let value = |row: usize| {
        // Coalitions in blocks: those without the row, then the same ones with it.
        let block = |(number, pair): (usize, &[f64])| {
            let (without, with) = pair.split_at(1 << row);
            let marginal = |(low, (without, with)): (usize, (&f64, &f64))| {
                let size = number.count_ones() + low.count_ones();
                let weight = usize::try_from(size).ok().and_then(|size| weights.get(size));
                weight.map_or(0.0, |weight| weight * (with - without))
            };
            without.iter().zip(with).enumerate().map(marginal).sum::<f64>()
        };
        rates.chunks_exact(2 << row).enumerate().map(block).sum()
    };
    (0..rows).map(value).collect()
}
