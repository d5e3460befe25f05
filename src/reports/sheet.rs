//! A report as sheets: titled tables of typed cells, which every surface prints its own way.
//!
//! *Cost per lead* has a shape of its own; every other report answers a [`Document`], so that JSON, CSV, the
//! terminal and the page of a new report need no code.

use crate::domain::time::{Day, UtcMillis};

use super::Parameters;

/// A report: one or more sheets, and what a reader must know.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The report's name on the wire: `stages`.
    pub report: &'static str,
    /// Its title.
    pub title: String,
    /// What was asked, `as_of` filled in.
    pub parameters: Parameters,
    /// What was asked beyond the common parameters, as it is written.
    pub more: Vec<(&'static str, String)>,
    /// The tables; the first one is the report, others go with it.
    pub sheets: Vec<Sheet>,
    /// What a reader must know about these figures.
    pub notes: Vec<String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// The name on the wire: `rows`.
    pub name: &'static str,
    /// The title people read.
    pub title: String,
    /// Its columns.
    pub columns: Vec<SheetColumn>,
    /// Its rows, one cell for each column.
    pub rows: Vec<Vec<SheetCell>>,
    /// Sums below, one cell for each column; empty where a sum says nothing.
    pub totals: Vec<SheetCell>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetColumn {
    /// The name on the wire.
    pub name: String,
    /// The heading people read.
    pub heading: String,
    /// Whether the page and the terminal show it, too.
    pub is_shown: bool,
}

impl SheetColumn {
    /// A column that is shown everywhere.
    pub fn new(name: impl Into<String>, heading: impl Into<String>) -> Self {
        Self { name: name.into(), heading: heading.into(), is_shown: true }
    }

    /// A column for JSON and CSV alone.
    pub fn hidden(name: impl Into<String>, heading: impl Into<String>) -> Self {
        Self { is_shown: false, ..Self::new(name, heading) }
    }
}

/// A value and its unit.
#[derive(Debug, Clone, PartialEq)]
pub enum SheetCell {
    /// Nothing can be said.
    Blank,
    /// A name, a code, a sentence.
    Text(String),
    /// A whole number.
    Count(i64),
    /// Micro-units of a lead or customer.
    Micro(i64),
    /// Minor units of the reporting currency.
    Minor(i64),
    /// Minor units with 4 decimals, as [`crate::domain::money::ratio4`] prints them.
    MinorRatio(Option<String>),
    /// A plain ratio with 4 decimals.
    Ratio(Option<String>),
    /// A part of a whole with 4 decimals, as [`crate::domain::money::ratio4`] prints it, shown as a percentage.
    Proportion(Option<String>),
    /// A probability or a limit of one, printed with 9 decimals and shown as a percentage.
    Share(Option<f64>),
    /// A probability, a rate or a sum of them, printed with 9 decimals and shown with 6, as readers compute with it.
    Estimate(f64),
    /// A length of time in milliseconds, shown in days.
    Span(i64),
    /// An instant.
    Time(UtcMillis),
    /// A day.
    Day(Day),
}

impl SheetCell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}
