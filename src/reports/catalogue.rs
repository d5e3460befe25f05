//! The reports that answer sheets: what each is called, what it takes beyond the common parameters, how it is made.
//!
//! To add a report, write its file and one line in [`REPORTS`]: the API, the command line and the pages take it from
//! there.

use std::collections::HashMap;

use super::sheet::Document;
use super::{Parameters, ReportError, cohorts, evidence, network_metrics, paths, restatement, self_reported, stages};
use crate::domain::fault::{Fault, shown};
use crate::store::Conn;

/// A report.
#[derive(Debug)]
pub struct Kind {
    /// The name on the wire: `stages`.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it answers, in a sentence.
    pub about: &'static str,
    /// What it takes beyond the common parameters.
    pub more: &'static [More],
    /// Makes it, inside one snapshot, from the parameters and what was given beyond them.
    pub run: Run,
}

/// How a report is made.
pub type Run = fn(&mut Conn, &Parameters, &HashMap<String, String>) -> Result<Document, ReportError>;

/// A parameter of one report.
#[derive(Debug)]
pub struct More {
    /// The name on the wire.
    pub name: &'static str,
    /// What it means, with its default.
    pub meaning: &'static str,
}

/// Every report but cost per lead, in the order of the pages.
pub static REPORTS: &[&Kind] = &[
    &stages::KIND,
    &paths::KIND,
    &cohorts::KIND,
    &evidence::KIND,
    &restatement::KIND,
    &self_reported::KIND,
    &network_metrics::POSTS,
    &network_metrics::ACCOUNTS,
];

impl Kind {
    /// The report of a wire name.
    ///
    /// # Errors
    /// A fault that lists the names there are.
    pub fn named(name: &str) -> Result<&'static Self, Fault> {
        REPORTS.iter().find(|kind| kind.name == name).copied().ok_or_else(|| {
            let names: Vec<&str> = REPORTS.iter().map(|kind| kind.name).collect();
            let detail = format!("{} is no report; use cost-per-lead, {}", shown(name), names.join(", "));
            Fault::new("report", "report-unknown", detail)
        })
    }

    /// The names of what it takes beyond the common parameters.
    pub fn more_names(&self) -> Vec<&'static str> {
        self.more.iter().map(|m| m.name).collect()
    }
}
