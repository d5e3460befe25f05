//! Ring 3: reports. Each loads facts through the store, runs the domain over them
//! and answers typed rows; none knows HTTP.
//!
//! A report is a pure function of its parameters and the facts recorded up to
//! `as_of` (invariant 4): rows are sorted here, never by a database's collation,
//! and no wall clock enters. To add a column to *cost per lead*, extend
//! [`cost_per_lead::Figures`]; its JSON, CSV, table and page follow from
//! [`cost_per_lead::COLUMNS`].

pub mod catalogue;
mod cohorts;
pub mod cost_per_lead;
mod costs;
mod credits;
pub mod dimension;
pub mod evidence;
mod exchange;
mod facts;
pub mod journey;
mod labels;
mod network_metrics;
pub mod parameters;
pub mod paths;
mod places;
mod rates;
pub mod restatement;
mod said;
pub mod self_reported;
mod sharing;
pub mod sheet;
mod stages;
pub mod touch_counts;
pub mod unmatched;

pub use costs::CostRule;
pub use credits::Measure;
pub use dimension::{Dimension, Part, RowKey};
pub use exchange::{RateGap, rate_gaps};
pub use facts::people;
pub use labels::Labels;
pub use parameters::{Parameters, parameters_from};
pub use sharing::Shared;

use crate::domain::fault::Fault;
use crate::store::StoreError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The parameters, or the facts they lead to, do not allow it; the caller can mend it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Fault>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sum that must agree does not. Better no report than a wrong one.
    #[error("internal error: {0}")]
    DoesNotAddUp(String),
}

impl From<Fault> for ReportError {
    fn from(fault: Fault) -> Self {
        Self::Refused(vec![fault])
    }
}

impl From<Vec<Fault>> for ReportError {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Refused(faults)
    }
}
