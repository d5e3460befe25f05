//! Statistics for small numbers: what ten leads can say and what they cannot.
//!
//! | question | answer |
//! |---|---|
//! | between what limits is a count, a sum of credits, a cost per lead? | [`counts`] |
//! | how do credits become counts? | [`credits`] |
//! | between what limits is a rate x of n? | [`proportion`] |
//! | did something change between two periods, and what change could be seen at all? | [`change`] |
//! | which of many periods stands out? | [`chart`] for counts, [`xmr`] for costs |
//! | what do many tests at once prove? | [`multiple`] |
//!
//! Counts are taken as Poisson. Limits cover the noise of counting, not the choice of an attribution model.
//! Nothing here is money or credit; it is an estimate about them, in `f64`, and the same input always gives the same
//! output. Where there is no answer a function gives `None`, never NaN.
//! Special functions and their quantiles are in `special`.

#![expect(clippy::float_arithmetic, reason = "estimates about counts and costs; no money or credit is kept in them")]

pub mod change;
pub mod chart;
pub mod counts;
pub mod credits;
pub mod multiple;
pub mod proportion;
mod special;
#[cfg(test)]
mod tests;
pub mod xmr;

pub use self::credits::Credits;

/// The largest count that is answered: one limit of it takes some hundredths of a second, and the time grows with
/// its square root.
pub const COUNT_MAX: u64 = 1_000_000_000;

/// How sure an interval or a test shall be. An interval misses the truth on each side with at most half of
/// [`Self::alpha`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence {
    alpha: f64,
}

impl Confidence {
    /// 95 %: intervals at 95 %, signals at p < .05.
    pub const NINETY_FIVE: Self = Self { alpha: 0.05 };

    /// A level between 0 and 1, such as 0.8; `None` for any other number.
    pub fn new(level: f64) -> Option<Self> {
        (level > 0.0 && level < 1.0).then_some(Self { alpha: 1.0 - level })
    }

    /// The probability of error: 1 less the level.
    pub fn alpha(self) -> f64 {
        self.alpha
    }

    /// The probability of error on one side.
    fn tail(self) -> f64 {
        self.alpha / 2.0
    }
}

impl Default for Confidence {
    /// 95 %.
    fn default() -> Self {
        Self::NINETY_FIVE
    }
}

/// Limits of an estimate, in the unit of what is estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower limit.
    pub low: f64,
    /// The upper limit; without one the data say "at least" and no more.
    pub high: Option<f64>,
}

impl Interval {
    /// Whether `value` lies within, limits included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && self.high.is_none_or(|high| value <= high)
    }
}

/// What was counted, and what it is counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Events: leads, customers.
    pub count: u64,
    /// What the events had a chance in: minor units spent, or days. The same unit throughout a comparison.
    pub exposure: u64,
}
