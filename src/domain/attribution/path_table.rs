//! What the shares of an aggregate model are computed from, so that they can be computed again: the transitions of a
//! chain, the coalitions of a game. Whole counts, and probabilities that follow from them.

use std::collections::BTreeMap;

/// The table of a model; rows are tokens, as paths named them.
#[derive(Debug, Clone, PartialEq)]
pub enum PathTable {
    /// Of a Markov chain.
    Chain(ChainTable),
    /// Of a cooperative game.
    Game(GameTable),
}

/// A state of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainState {
    /// Where every path begins.
    Start,
    /// At a touch of `last`; in a chain of order 2 after one of `before`, unless the path has one touch.
    Touched {
        /// The row of the touch before.
        before: Option<u32>,
        /// The row of the touch.
        last: u32,
    },
    /// The end of a path that converted.
    Conversion,
    /// The end of a path that did not.
    Null,
}

impl ChainState {
    /// Whether a chain without a row is without this state.
    pub fn holds(self, row: u32) -> bool {
        matches!(self, Self::Touched { before, last } if last == row || before == Some(row))
    }
}

/// A step that paths took from one state into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Out of this state.
    pub from: ChainState,
    /// Into this one.
    pub to: ChainState,
    /// How often; never 0.
    pub count: u64,
    /// Of so many steps out of `from`: the probability is `count / of`.
    pub of: u64,
}

/// What becomes of a walk that stands in a state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// The start, or a state of touches.
    pub state: ChainState,
    /// How often paths stood in it.
    pub visits: u64,
    /// The probability to convert from here.
    pub conversion: f64,
    /// The same in the chain without the removed row, whose states are 0; as `conversion` where none is removed.
    pub conversion_without: f64,
}

/// A chain, with one of its rows removed or none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChainTable {
    /// Every transition that some path took.
    pub transitions: Vec<Transition>,
    /// Every state but the ends, the start first. Each probability is the sum over the state's transitions of their
    /// probability times that of where they lead, a conversion being 1 and null 0.
    pub outlooks: Vec<Outlook>,
}

/// Paths that converted, and those that did not.
pub type PathCount = (u64, u64);

/// A game of conversion rates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GameTable {
    /// The rows: row n is bit n of a set.
    pub rows: Vec<u32>,
    /// Paths that touched exactly the rows of a set; sets that some path did.
    pub exactly: BTreeMap<usize, PathCount>,
    /// Paths that touched no other rows than those of a set: the sum of `exactly` over its subsets. One for each set,
    /// by its bits.
    pub inside: Vec<PathCount>,
}

/// What a row adds to a coalition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marginal {
    /// The coalition before, by its bits.
    pub before: usize,
    /// Its rate.
    pub rate: f64,
    /// The rate with the row.
    pub rate_with: f64,
    /// The weight is one in so many: `n C(n - 1, s)` with s rows before, of n.
    pub one_in: u64,
}

impl GameTable {
    /// The rate of a coalition, 0 where no path is inside.
    #[expect(clippy::float_arithmetic, reason = "a rate, rounded once by whoever shows it; never money or credit")]
    pub fn rate((conversions, nulls): PathCount) -> f64 {
        match conversions + nulls {
            0 => 0.0,
            paths => conversions as f64 / paths as f64,
        }
    }

    /// What a row adds to every coalition of others, in the order of their bits; none for a row of no path.
    pub fn marginals(&self, row: u32) -> impl Iterator<Item = Marginal> + '_ {
        let bit = self.rows.iter().position(|own| *own == row);
        let rate = |set: usize| self.inside.get(set).copied().map(Self::rate);
        let with = move |bit: usize| {
            let others = (0..self.inside.len()).filter(move |set| set >> bit & 1 == 0);
            others.filter_map(move |before| {
                let one_in = one_in(self.rows.len(), before.count_ones());
                Some(Marginal { before, rate: rate(before)?, rate_with: rate(before | 1 << bit)?, one_in })
            })
        };
        bit.into_iter().flat_map(with)
    }
}

/// `n C(n - 1, s) = n! / (s! (n - s - 1)!)`: so many orders of n rows for each in which exactly `s` given ones come
/// before a given one.
pub(super) fn one_in(rows: usize, before: u32) -> u64 {
    let others = u64::try_from(rows.saturating_sub(1)).unwrap_or(u64::MAX);
    let choices = (0..u64::from(before)).fold(1, |choices, s| choices * others.saturating_sub(s) / (s + 1));
    (others + 1) * choices
}
