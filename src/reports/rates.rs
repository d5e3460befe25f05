//! Rates in sheets: x of n with Wilson limits at 95 %.

use super::sheet::{SheetCell, SheetColumn};
use crate::domain::statistics::{Confidence, proportion};

/// A rate and its limits; blank of nothing.
pub(super) fn rate(hits: i64, all: i64) -> [SheetCell; 3] {
    let counts = u64::try_from(hits).ok().zip(u64::try_from(all).ok());
    let limits = counts.and_then(|(hits, all)| proportion::wilson(hits, all, Confidence::NINETY_FIVE));
    [share(hits, all), limits.map(|l| l.low), limits.and_then(|l| l.high)].map(SheetCell::Share)
}

/// The columns of [`rate`].
pub(super) fn rate_columns(name: &str, heading: &str) -> [SheetColumn; 3] {
    [
        SheetColumn::new(name, heading),
        SheetColumn::new(format!("{name}_lo95"), "At least"),
        SheetColumn::new(format!("{name}_hi95"), "At most"),
    ]
}

#[expect(clippy::float_arithmetic, reason = "a rate, rounded once where it is printed; never money or credit")]
fn share(hits: i64, all: i64) -> Option<f64> {
    (all > 0).then(|| hits as f64 / all as f64)
}
