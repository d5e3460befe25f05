//! Rates in sheets: x of n, exact to 4 decimals, with Wilson limits at 95 %.

use super::sheet::{SheetCell, SheetColumn};
use crate::domain::money::ratio4;
use crate::domain::statistics::{Confidence, proportion};

/// A part of a whole; blank of nothing.
pub(super) fn part(hits: i64, all: i64) -> SheetCell {
    SheetCell::Proportion(ratio4(hits.into(), all.into()).filter(|_| all > 0))
}

/// A rate and its limits; blank of nothing.
pub(super) fn rate(hits: i64, all: i64) -> [SheetCell; 3] {
    let counts = u64::try_from(hits).ok().zip(u64::try_from(all).ok());
    let limits = counts.and_then(|(hits, all)| proportion::wilson(hits, all, Confidence::NINETY_FIVE));
    let [low, high] = [limits.map(|l| l.low), limits.and_then(|l| l.high)].map(SheetCell::Share);
    [part(hits, all), low, high]
}

/// The columns of [`rate`].
pub(super) fn rate_columns(name: &str, heading: &str) -> [SheetColumn; 3] {
    [
        SheetColumn::new(name, heading),
        SheetColumn::new(format!("{name}_lo95"), "At least"),
        SheetColumn::new(format!("{name}_hi95"), "At most"),
    ]
}
