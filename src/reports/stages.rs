//! Stages: who entered which, at what cost, how many went on, and how long it took.

use std::collections::{BTreeMap, HashMap};

use super::catalogue::Kind;
use super::cost_per_lead::{self, Figures};
use super::credits::Measure;
use super::facts::Facts;
use super::parameters::ReportClock;
use super::rates::{part, rate, rate_columns};
use super::sheet::{Document, Sheet, SheetCell as Cell, SheetColumn as Column};
use super::{Parameters, ReportError};
use crate::domain::stage::{Stage, StageEvent};
use crate::domain::time::UtcMillis;
use crate::store::{Conn, Moments, ledger};

/// The report of the stages.
pub(super) static KIND: Kind = Kind {
    name: "stages",
    title: "Stages",
    about: "leads, MQLs, SQLs, opportunities and customers by date of entry: cost of each, conversion, time it took",
    more: &[],
    run,
};

/// The funnel, in order.
const FUNNEL: &[(Measure, &str, [&str; 3])] = &[
    (Measure::Leads, "lead", ["Lead", "Leads", "Cost per lead"]),
    (Measure::Mqls, "mql", ["MQL", "MQLs", "Cost per MQL"]),
    (Measure::Sqls, "sql", ["SQL", "SQLs", "Cost per SQL"]),
    (Measure::Opportunities, "opportunity", ["Opportunity", "Opportunities", "Cost per opportunity"]),
    (Measure::Customers, "customer", ["Customer", "Customers", "Cost per customer"]),
];

fn run(conn: &mut Conn, asked: &Parameters, _more: &HashMap<String, String>) -> Result<Document, ReportError> {
    let as_of = ledger::as_of(conn, asked.as_of)?;
    let parameters =
        Parameters { clock: ReportClock::Period, compare: Vec::new(), as_of: Some(as_of), ..asked.clone() };
    let facts = Facts::load(conn, &Moments::all(as_of))?;
    let report = cost_per_lead::run_on(conn, &facts, &parameters)?;
    let entries = entries(&facts);
    let mut sheets = vec![funnel(&parameters, report.totals.leading(), &entries)];
    sheets.push(by_row(&report));
    let mut notes = vec![
        "A stage counts at its first entry, by the date of the entry; a deal's opportunity counts once for the deal."
            .to_owned(),
        "Rates are of those who became a lead in the period: how many of them entered the stage at or after their \
         lead and by the as-of, with Wilson's 95 % limits. Young leads have had less time, so a recent period looks \
         worse than it will be."
            .to_owned(),
        "Lags are of the people who entered the stage in the period, from their lead; the 90th percentile is that of \
         nearest rank."
            .to_owned(),
    ];
    notes.extend(report.notes);
    Ok(Document { report: KIND.name, title: KIND.title.into(), parameters, more: Vec::new(), sheets, notes })
}

/// When somebody first entered each stage of the funnel.
type Entries = BTreeMap<&'static str, UtcMillis>;

fn entries(facts: &Facts) -> Vec<Entries> {
    let first =
        |events: &[&StageEvent], is: &dyn Fn(Stage) -> bool| events.iter().find(|e| is(e.stage)).map(|e| e.occurred_at);
    let of_owner = |events: &[&StageEvent]| {
        let stages: [(&'static str, Option<UtcMillis>); 5] = [
            ("lead", first(events, &|s| s == Stage::Lead)),
            ("mql", first(events, &|s| s == Stage::Mql)),
            ("sql", first(events, &|s| s == Stage::Sql)),
            ("opportunity", first(events, &|s| s == Stage::Opportunity)),
            ("customer", first(events, &Stage::is_purchase)),
        ];
        let mut entries: Entries = stages.into_iter().filter_map(|(name, at)| Some((name, at?))).collect();
        // A lead of somebody who was a customer already is no new lead, as in every report.
        if let (Some(lead), Some(customer)) = (entries.get("lead"), entries.get("customer"))
            && customer < lead
        {
            entries.remove("lead");
        }
        entries
    };
    facts.owners().iter().map(|owner| of_owner(&owner.events)).collect()
}

/// One row for each stage.
fn funnel(parameters: &Parameters, totals: &Figures, entries: &[Entries]) -> Sheet {
    let (begin, end) = (parameters.begin(), parameters.end());
    let is_in = |at: &UtcMillis| begin <= *at && *at < end;
    let leads: Vec<(&Entries, UtcMillis)> =
        entries.iter().filter_map(|e| e.get("lead").filter(|at| is_in(at)).map(|at| (e, *at))).collect();
    let mut rows = Vec::new();
    let of = to_i64(leads.len());
    let mut before: Option<i64> = None;
    for (measure, name, [label, _, _]) in FUNNEL {
        let reached = leads.iter().filter(|(e, lead)| e.get(name).is_some_and(|at| at >= lead)).count();
        let reached = to_i64(reached);
        let mut lags: Vec<i64> = entries
            .iter()
            .filter_map(|e| Some((e.get("lead")?, e.get(name).filter(|at| is_in(at))?)))
            .map(|(lead, at)| at.0 - lead.0)
            .filter(|lag| *lag >= 0)
            .collect();
        lags.sort_unstable();
        let mut row = vec![
            Cell::text(*label),
            Cell::Micro(totals.get(*measure)),
            Cell::MinorRatio(totals.cost_per(totals.get(*measure))),
            Cell::Count(reached),
            Cell::Count(of),
        ];
        row.extend(rate(reached, of));
        row.extend([
            before.map_or(Cell::Blank, |n| part(reached, n)),
            Cell::Count(to_i64(lags.len())),
            percentile(&lags, 50).map_or(Cell::Blank, Cell::Span),
            percentile(&lags, 90).map_or(Cell::Blank, Cell::Span),
        ]);
        rows.push(row);
        before = Some(reached);
    }
    let mut columns = vec![
        Column::new("stage", "Stage"),
        Column::new("entered_micro", "Entered"),
        Column::new("cost_per_entry_minor", "Cost of each"),
        Column::new("leads_that_reached", "Leads that reached it"),
        Column::hidden("leads", "Leads"),
    ];
    columns.extend(rate_columns("rate", "Of leads"));
    columns.extend([
        Column::new("rate_of_previous", "Of the stage before"),
        Column::hidden("lags", "Lags known"),
        Column::new("lag_median_ms", "Median lag"),
        Column::new("lag_p90_ms", "90th percentile"),
    ]);
    Sheet { name: "rows", title: "Stages".into(), columns, rows, totals: Vec::new() }
}

/// Stages by the report's dimensions, credited by its first model.
fn by_row(report: &cost_per_lead::Report) -> Sheet {
    let dimensions = &report.parameters.by;
    let mut columns: Vec<Column> = dimensions.iter().map(|d| Column::new(d.as_str(), d.heading())).collect();
    columns.push(Column::new("cost_minor", "Cost"));
    for (measure, name, [_, many, cost]) in FUNNEL {
        columns.push(Column::new(measure.as_str(), *many));
        columns.push(Column::new(format!("cost_per_{name}_minor"), *cost));
    }
    let cells = |figures: &Figures| {
        let mut cells = vec![Cell::Minor(figures.cost_minor)];
        for (measure, _, _) in FUNNEL {
            let micro = figures.get(*measure);
            cells.extend([Cell::Micro(micro), Cell::MinorRatio(figures.cost_per(micro))]);
        }
        cells
    };
    let rows = report.rows.iter().map(|row| {
        let keys = row.key.parts().iter().map(|part| Cell::text(part.as_str()));
        keys.chain(cells(row.leading())).collect()
    });
    let mut totals: Vec<Cell> = dimensions.iter().map(|_| Cell::Blank).collect();
    if let Some(first) = totals.first_mut() {
        *first = Cell::text("(total)");
    }
    totals.extend(cells(report.totals.leading()));
    let model = report.parameters.models.first().map_or("", |m| m.model().label);
    Sheet { name: "by_row", title: format!("By row, {model}"), columns, rows: rows.collect(), totals }
}

/// The value of nearest rank among sorted ones.
pub(super) fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

fn to_i64(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_nearest_rank() {
        let lags = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        assert_eq!((percentile(&lags, 50), percentile(&lags, 90)), (Some(5), Some(9)));
        assert_eq!((percentile(&[7], 50), percentile(&[], 50)), (Some(7), None));
    }
}
