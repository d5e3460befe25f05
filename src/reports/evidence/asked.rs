//! What is asked of evidence beyond the report's own parameters: which cell.

use std::collections::HashMap;

use crate::domain::fault::{Fault, shown};
use crate::domain::ids::StageEventId;
use crate::reports::catalogue::More;
use crate::reports::cost_per_lead::{COLUMNS, Column};
use crate::reports::credits::Measure;
use crate::reports::dimension::RowKey;

/// Most stage events, days of costs and counts of one answer, and as many as come if not asked otherwise.
pub const LIMIT_MAX: usize = 10_000;

/// The parameters beyond those of the report, with their meanings.
pub(super) const MORE: &[More] = &[
    More {
        name: "row",
        meaning: "the row of the cell: its values in the order of by with commas between, as keys prints them, with \
                  \\, for a comma of a value; the totals if not given",
    },
    More {
        name: "figure",
        meaning: "the column of the cell, as the report names it: cost_minor, cpl_minor, …; leads_micro if not given",
    },
    More {
        name: "limit",
        meaning: "most stage events, transitions or coalitions of one answer, 1 to 10000, the default; sums are of all",
    },
    More { name: "after", meaning: "the last stage event of the answer before: the next ones follow" },
];

/// What a sum is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Base {
    /// Clicks.
    Clicks,
    /// Landings, views and forms.
    OtherTouches,
    /// Costs.
    Cost,
    /// Credits of stage events.
    Credit(Measure),
}

impl Base {
    /// The column that is this sum.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Clicks => "clicks",
            Self::OtherTouches => "other_touches",
            Self::Cost => "cost_minor",
            Self::Credit(measure) => measure.as_str(),
        }
    }
}

/// What a sum does in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Itself,
    Less,
    Numerator,
    NumeratorLess,
    Denominator,
    DenominatorLess,
}

impl Role {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Itself => "the figure",
            Self::Less => "less",
            Self::Numerator => "numerator",
            Self::NumeratorLess => "numerator, less",
            Self::Denominator => "denominator",
            Self::DenominatorLess => "denominator, less",
        }
    }
}

/// A column of the report and the sums that it is made of.
#[derive(Clone)]
pub struct Figure {
    pub(super) column: &'static Column,
    pub(super) bases: Vec<(Role, Base)>,
}

impl std::fmt::Debug for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Figure").field(&self.column.name).finish()
    }
}

impl Figure {
    /// The column with this name.
    pub fn parse(name: &str) -> Result<Self, Fault> {
        let column = COLUMNS.iter().find(|c| c.name == name);
        column.and_then(|column| Some(Self { column, bases: bases(column.name)? })).ok_or_else(|| {
            let known: Vec<&str> = COLUMNS.iter().map(|c| c.name).filter(|n| bases(n).is_some()).collect();
            let detail = format!("{} is no figure with evidence; use one of {}", shown(name), known.join(", "));
            Fault::new("figure", "figure-unknown", detail)
        })
    }

    pub(super) fn measures(&self) -> Vec<Measure> {
        let measure = |(_, base): &(Role, Base)| if let Base::Credit(measure) = base { Some(*measure) } else { None };
        self.bases.iter().filter_map(measure).collect()
    }

    pub(super) fn has(&self, base: Base) -> bool {
        self.bases.iter().any(|(_, own)| *own == base)
    }
}

/// The sums of a column; `None` of one that other cells make, too.
fn bases(name: &str) -> Option<Vec<(Role, Base)>> {
    use Measure::{Customers, GrossRevenue, Leads, Refunds, RejectedLeads};
    let credit = |role: Role, measure: Measure| (role, Base::Credit(measure));
    let cost = (Role::Numerator, Base::Cost);
    let revenue = [credit(Role::Numerator, GrossRevenue), credit(Role::NumeratorLess, Refunds)];
    let [gross, refunds] = revenue;
    Some(match name {
        "clicks" => vec![(Role::Itself, Base::Clicks)],
        "other_touches" => vec![(Role::Itself, Base::OtherTouches)],
        "cost_minor" => vec![(Role::Itself, Base::Cost)],
        "net_leads_micro" => vec![credit(Role::Itself, Leads), credit(Role::Less, RejectedLeads)],
        "leads_lo95" | "leads_hi95" => vec![credit(Role::Itself, Leads)],
        "cpl_minor" | "cpl_lo95_minor" | "cpl_hi95_minor" => vec![cost, credit(Role::Denominator, Leads)],
        "net_cpl_minor" => {
            vec![cost, credit(Role::Denominator, Leads), credit(Role::DenominatorLess, RejectedLeads)]
        }
        "cac_minor" => vec![cost, credit(Role::Denominator, Customers)],
        "revenue_minor" => vec![credit(Role::Itself, GrossRevenue), credit(Role::Less, Refunds)],
        "roas" => vec![gross, refunds, (Role::Denominator, Base::Cost)],
        "roi" => vec![gross, refunds, (Role::NumeratorLess, Base::Cost), (Role::Denominator, Base::Cost)],
        "leads_per_click" => vec![credit(Role::Numerator, Leads), (Role::Denominator, Base::Clicks)],
        "epc_minor" => vec![gross, refunds, (Role::Denominator, Base::Clicks)],
        other => vec![credit(Role::Itself, other.parse().ok()?)],
    })
}

/// Which cell, and which part of its stage events.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The row's values in the order of the dimensions; empty for the totals.
    pub row: Vec<String>,
    /// The column.
    pub figure: Figure,
    /// Most stage events.
    pub limit: usize,
    /// The last stage event of the page before.
    pub after: Option<StageEventId>,
}

/// Reads what is given; by default the leads of the totals.
///
/// # Errors
/// A fault under the name of its parameter.
pub fn asked_from(given: &HashMap<String, String>) -> Result<Asked, Fault> {
    let text = |name: &str| given.get(name).map(|t| t.trim()).filter(|t| !t.is_empty());
    Ok(Asked {
        row: text("row").map_or(Ok(Vec::new()), values)?,
        figure: Figure::parse(text("figure").unwrap_or(Measure::Leads.as_str()))?,
        limit: text("limit").map_or(Ok(LIMIT_MAX), limit)?,
        after: text("after").map(str::parse).transpose().map_err(|f: Fault| f.named("after"))?,
    })
}

fn limit(text: &str) -> Result<usize, Fault> {
    text.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n)).ok_or_else(|| {
        let detail = format!("{} is no limit; use a whole number from 1 to {LIMIT_MAX}", shown(text));
        Fault::new("limit", "limit-out-of-range", detail)
    })
}

/// Values with commas between; `\,` is a comma of a value and `\\` a backslash.
fn values(text: &str) -> Result<Vec<String>, Fault> {
    let mut values = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let own = match character {
            ',' => {
                values.push(String::new());
                continue;
            }
            '\\' => characters.next().filter(|c| matches!(c, ',' | '\\')).ok_or_else(|| {
                let detail = format!("{} has a backslash before neither a comma nor a backslash", shown(text));
                Fault::new("row", "row-malformed", detail)
            })?,
            other => other,
        };
        if let Some(value) = values.last_mut() {
            value.push(own);
        }
    }
    Ok(values)
}

/// A row as the parameter `row` names it.
pub fn written(key: &RowKey) -> String {
    joined(key.parts().iter().map(|part| part.as_str()))
}

/// Values as the parameter `row` joins them.
pub(super) fn joined<'a>(values: impl Iterator<Item = &'a str>) -> String {
    values.map(|v| v.replace('\\', "\\\\").replace(',', "\\,")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::dimension::Part;

    fn asked(pairs: &[(&str, &str)]) -> Result<Asked, Fault> {
        asked_from(&pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn a_row_is_read_as_it_is_written() {
        for parts in [vec!["linkedin", "2025-03"], vec!["a, b\\", "(unattributed)"], vec!["one"]] {
            let key = RowKey(parts.iter().map(|p| Part::named(p)).collect());
            assert_eq!(asked(&[("row", &written(&key))]).expect("row").row, parts);
        }
        assert!(asked(&[]).expect("totals").row.is_empty());
    }

    #[test]
    fn every_fault_is_named() {
        let faults = [
            ("row", "a\\b", "row-malformed"),
            ("figure", "luck", "figure-unknown"),
            ("limit", "0", "limit-out-of-range"),
            ("after", "x", "id-malformed"),
        ];
        for (name, value, code) in faults {
            let fault = asked(&[(name, value)]).expect_err(name);
            assert_eq!((fault.field.as_str(), fault.code.as_str()), (name, code));
        }
    }

    #[test]
    fn every_column_has_evidence_but_maturity() {
        let without: Vec<&str> = COLUMNS.iter().map(|c| c.name).filter(|name| Figure::parse(name).is_err()).collect();
        assert_eq!(without, ["maturity"], "maturity is made of other cohorts");
        for (_, base) in COLUMNS.iter().filter_map(|c| bases(c.name)).flatten() {
            assert!(COLUMNS.iter().any(|c| c.name == base.name()), "{base:?} is a column of its own");
        }
    }
}
