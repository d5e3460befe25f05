//! Cost per lead and customers acquired: by up to three dimensions, by any number of models, on either clock.
//!
//! What each number means is design section 6; every sum is checked before it is shown. The rows are made by
//! `table` from one stream of credits, which evidence lists for a single cell.

pub(super) mod aggregate;
mod columns;
mod compare;
mod figures;
mod maturity;
pub(super) mod slots;
mod table;
pub(super) mod touches;

pub use aggregate::{PathCounts, PathModel};
pub use columns::{COLUMNS, Column, Unit, grouped};
pub use compare::{Changed, Compared};
pub use figures::{Aggregate, Figures, Ratio};
pub(super) use maturity::Lags;
pub(super) use table::{Filled, fill};

use std::collections::BTreeMap;

use super::ReportError;
use super::dimension::RowKey;
use super::facts::Facts;
use super::parameters::{Parameters, ReportClock};
use crate::domain::attribution::{Choice, Method, ONE_MICRO};
use crate::domain::money::{divide_half_even, ratio4};
use crate::store::{Conn, Moments, ledger};

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which row.
    pub key: RowKey,
    /// The name people read; empty where the key says it all.
    pub name: String,
    /// Its sums, one for each model of the report.
    pub figures: Vec<Figures>,
    /// What it is compared with, in the order of the parameters.
    pub compared: Vec<Compared>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was asked, `as_of` filled in.
    pub parameters: Parameters,
    /// The rows, in the order of their keys.
    pub rows: Vec<Row>,
    /// All rows together; of a model that does not add up, each stage event once.
    pub totals: Row,
    /// What the aggregate models among those asked for were computed from.
    pub path_models: Vec<PathModel>,
    /// How late the credit of each model comes in; of cohorts alone.
    pub(super) lags: Vec<Lags>,
    /// What a reader must know about these figures.
    pub notes: Vec<String>,
}

/// Computes the report. Call it inside one snapshot ([`crate::store::Db::read`]).
pub fn run(conn: &mut Conn, parameters: &Parameters) -> Result<Report, ReportError> {
    let as_of = ledger::as_of(conn, parameters.as_of)?;
    let facts = Facts::load(conn, &Moments::all(as_of))?;
    run_on(conn, &facts, &Parameters { as_of: Some(as_of), ..parameters.clone() })
}

/// Computes the report of facts that are loaded; the parameters must name their `as_of`.
pub(super) fn run_on(conn: &mut Conn, facts: &Facts, parameters: &Parameters) -> Result<Report, ReportError> {
    let mut filled = fill(conn, facts, parameters)?;
    let lags = match parameters.clock {
        ReportClock::Period => Vec::new(),
        ReportClock::Cohort => maturity::add(conn, facts, parameters, &mut filled)?,
    };
    let others = compare::fill_all(conn, facts, parameters)?;
    let mut keys: BTreeMap<RowKey, Vec<Figures>> = filled.rows;
    for key in others.iter().flat_map(|(_, _, other)| other.rows.keys()) {
        // What was there and is gone is a change, too.
        keys.entry(key.clone()).or_insert_with(|| blank(parameters));
    }
    let rows = keys.into_iter().map(|(key, figures)| {
        let compared = compare::with(parameters, &figures, &others, |other| other.rows.get(&key));
        Row { name: name_of(facts, parameters, &key), key, figures, compared }
    });
    let mut rows: Vec<Row> = rows.collect();
    let compared = compare::with(parameters, &filled.totals, &others, |other| Some(&other.totals));
    let totals = Row { key: RowKey(Vec::new()), name: String::new(), figures: filled.totals, compared };
    let mut notes = aggregate_notes(parameters);
    notes.append(&mut filled.notes);
    for (_, range, other) in &others {
        notes.extend(other.notes.iter().map(|note| format!("{} to {}: {note}", range.from, range.to)));
    }
    notes.extend(compare::adjust(&mut rows, parameters));
    Ok(Report { parameters: parameters.clone(), rows, totals, path_models: filled.path_models, lags, notes })
}

/// A row with nothing in it.
fn blank(parameters: &Parameters) -> Vec<Figures> {
    let is_aggregate = |choice: &Choice| matches!(choice.model().method, Method::Paths(_));
    parameters.models.iter().map(|choice| Figures::blank(is_aggregate(choice))).collect()
}

/// What aggregate models cannot show.
fn aggregate_notes(parameters: &Parameters) -> Vec<String> {
    let aggregate = parameters.models.iter().filter(|c| matches!(c.model().method, Method::Paths(_)));
    let note = |choice: &Choice| {
        format!(
            "{choice} has no touch evidence: it shares out all leads at once, and a cell opens to the table that it is \
             computed from. Its leads are estimates without limits, and it divides no money."
        )
    };
    aggregate.map(note).collect()
}

impl Row {
    /// The figures of the first model.
    pub fn leading(&self) -> &Figures {
        const BLANK: &Figures = &Figures::BLANK;
        self.figures.first().unwrap_or(BLANK)
    }

    /// The lowest and highest cost per lead over the models, minor units with 4 decimals; blank for a single model or
    /// where some model gives no lead.
    pub fn cpl_spread(&self) -> Option<(String, String)> {
        if self.figures.len() < 2 {
            return None;
        }
        let exact = |f: &Figures| {
            let micro = f.get(super::credits::Measure::Leads);
            let cost = i128::from(f.cost_minor) * i128::from(ONE_MICRO);
            divide_half_even(cost * 10_000, micro.into()).filter(|_| micro > 0)
        };
        let costs: Vec<i128> = self.figures.iter().map(exact).collect::<Option<_>>()?;
        Some((ratio4(*costs.iter().min()?, 10_000)?, ratio4(*costs.iter().max()?, 10_000)?))
    }
}

fn name_of(facts: &Facts, parameters: &Parameters, key: &RowKey) -> String {
    let named = parameters.by.iter().zip(key.parts());
    let has_name = named.clone().any(|(d, part)| facts.labels.name_of(*d, part.as_str()).is_some());
    if !has_name {
        return String::new();
    }
    let names = named.map(|(d, part)| facts.labels.name_of(*d, part.as_str()).unwrap_or(part.as_str()));
    names.collect::<Vec<_>>().join(" · ")
}
