//! Cohorts: the leads that each month's touches brought, as they came in, and how many are still to be expected.

use std::collections::{BTreeMap, HashMap};

use super::catalogue::Kind;
use super::cost_per_lead::{self, Lags};
use super::credits::{self, Credit, Measure, Sink};
use super::dimension::Dimension;
use super::facts::{Facts, Journeys};
use super::parameters::ReportClock;
use super::places::Places;
use super::sheet::{Document, Sheet, SheetCell as Cell, SheetColumn as Column};
use super::{Parameters, ReportError};
use crate::domain::calendar::{Grain, piece_of};
use crate::domain::money::ratio4;
use crate::domain::time::{DAY_MS, UtcMillis};
use crate::store::{Conn, Moments, ledger};

/// The report of cohorts.
pub(super) static KIND: Kind = Kind {
    name: "cohorts",
    title: "Cohorts",
    about: "leads by the month of the touches that brought them, as they came in over time, with the lag curve and maturity",
    more: &[],
    run,
};

/// Ages in days at which a cohort is looked at.
const AGES: &[i64] = &[0, 1, 3, 7, 14, 30, 60, 90, 180, 365];

fn run(conn: &mut Conn, asked: &Parameters, _more: &HashMap<String, String>) -> Result<Document, ReportError> {
    let first_model = asked.models.first().cloned().into_iter().collect();
    let as_of = ledger::as_of(conn, asked.as_of)?;
    let parameters = Parameters {
        by: vec![Dimension::Month],
        models: first_model,
        clock: ReportClock::Cohort,
        compare: Vec::new(),
        as_of: Some(as_of),
        ..asked.clone()
    };
    let facts = Facts::load(conn, &Moments::all(as_of))?;
    let report = cost_per_lead::run_on(conn, &facts, &parameters)?;
    let mut curves = Curves { parameters: &parameters, by_month: BTreeMap::new() };
    let mut places = Places::new(&parameters, &facts.labels)?;
    credits::walk(conn, &facts, &mut places, &parameters, &mut curves)?;
    let lag_curve = report.lags.first().map(lag_curve);
    let sheets = std::iter::once(months(&report, &curves, as_of)).chain(lag_curve).collect();
    let notes = vec![
        "A lead counts in the month of the touch that is credited for it, with that month's costs; a lead without a \
         touch counts in its own month."
            .to_owned(),
        "Columns by age add what came in within so many days of the touch. An age that a month's last day has not \
         reached yet is blank, as it can still grow."
            .to_owned(),
        "Maturity is the share of credit that is in by now, as touches older than one look-back tell; blank with fewer \
         than 30 such credits. Leads expected are leads divided by maturity."
            .to_owned(),
    ];
    Ok(Document { report: KIND.name, title: KIND.title.into(), parameters, more: Vec::new(), sheets, notes })
}

/// Credit by month of touch and lag.
struct Curves<'a> {
    parameters: &'a Parameters,
    by_month: BTreeMap<String, BTreeMap<i64, i64>>,
}

impl Sink for Curves<'_> {
    fn take(&mut self, _: &Journeys<'_>, places: &mut Places<'_>, credit: &Credit<'_>) -> Result<(), ReportError> {
        if credit.measure != Measure::Leads {
            return Ok(());
        }
        let (begin, end) = (self.parameters.begin(), self.parameters.end());
        for share in credit.shares.iter().filter(|s| begin <= s.at && s.at < end && places.passes(s.place)) {
            let day = self.parameters.zone.day_of(share.at);
            let month = piece_of(day, Grain::Month, self.parameters.fiscal_start);
            let lag = credit.event.occurred_at.0 - share.at.0;
            *self.by_month.entry(month).or_default().entry(lag).or_default() += share.amount;
        }
        Ok(())
    }
}

fn months(report: &cost_per_lead::Report, curves: &Curves<'_>, as_of: UtcMillis) -> Sheet {
    let mut columns = vec![
        Column::new("month", "Month of touch"),
        Column::new("cost_minor", "Cost"),
        Column::new("leads_micro", "Leads so far"),
        Column::new("cpl_minor", "Cost per lead so far"),
        Column::new("maturity", "Maturity"),
        Column::new("leads_expected", "Leads expected"),
    ];
    columns.extend(AGES.iter().map(|days| Column::new(format!("within_{days}d_micro"), format!("Within {days} d"))));
    let p = &report.parameters;
    let last_day_of =
        |month: &str| p.range.days().filter(|d| piece_of(*d, Grain::Month, p.fiscal_start) == month).last();
    let rows = report.rows.iter().map(|row| {
        let month = row.key.to_string();
        let figures = row.leading();
        let leads = figures.get(Measure::Leads);
        let expected = figures.maturity.and_then(|m| {
            let scaled = i128::from(leads).checked_mul(m.whole)?;
            ratio4(scaled, m.of.checked_mul(1_000_000)?)
        });
        let mut cells = vec![
            Cell::text(month.clone()),
            Cell::Minor(figures.cost_minor),
            Cell::Micro(leads),
            Cell::MinorRatio(figures.cost_per(leads)),
            Cell::Proportion(figures.maturity()),
            Cell::Ratio(expected),
        ];
        let by_lag = curves.by_month.get(&month);
        let over = last_day_of(&month).map(|day| p.zone.day_start(day.plus_days(1)));
        cells.extend(AGES.iter().map(|days| {
            let is_over = over.is_some_and(|end| end.plus_ms(days * DAY_MS) <= as_of);
            let within = || by_lag.map_or(0, |all| all.range(..=days * DAY_MS).map(|(_, micro)| micro).sum());
            if is_over { Cell::Micro(within()) } else { Cell::Blank }
        }));
        cells
    });
    let totals = report.totals.leading();
    let leads = totals.get(Measure::Leads);
    let mut last = vec![
        Cell::text("(total)"),
        Cell::Minor(totals.cost_minor),
        Cell::Micro(leads),
        Cell::MinorRatio(totals.cost_per(leads)),
        Cell::Proportion(totals.maturity()),
    ];
    last.resize(columns.len(), Cell::Blank);
    Sheet { name: "rows", title: "Months of touch".into(), columns, rows: rows.collect(), totals: last }
}

/// How much of the credit has come in after so many days.
fn lag_curve(lags: &Lags) -> Sheet {
    let columns = vec![Column::new("days", "Days since the touch"), Column::new("share", "Credit that is in")];
    let row = |days: &i64| {
        let within = lags.within(days * DAY_MS).and_then(|r| ratio4(r.of, r.whole));
        vec![Cell::Count(*days), Cell::Proportion(within)]
    };
    let rows = AGES.iter().map(row).collect();
    Sheet { name: "lag_curve", title: "Lag curve".into(), columns, rows, totals: Vec::new() }
}
