//! The report: cost per lead and customers acquired, as a page to read, print and defend.
//!
//! [`form`] is what can be asked, [`table`] the figures, [`changes`] the figures beside an earlier period,
//! [`charts`] and [`over_time`] the drawings, [`facts`] what all of it depends on.

mod changes;
mod charts;
mod facts;
mod form;
mod over_time;
mod table;

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use askama::Template;

use super::page::{PageError, PageResult, Shell, ok, sentence, unprocessable};
use super::session::SignedIn;
use super::sheets::navigation;
use crate::domain::fault::Fault;
use crate::export;
use crate::http::api::reports::defaults;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::reports::cost_per_lead::{self, Report};
use crate::reports::{ReportError, parameters_from};

use changes::Changes;
use charts::Drawing;
use form::ReportForm;
use table::{Table, query_of};

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    shell: Shell,
    /// Every report: address, title, whether it is this one.
    reports: Vec<(String, &'static str, bool)>,
    form: ReportForm,
    shown: Option<Shown>,
}

/// A report as the page prints it.
struct Shown {
    heading: String,
    range: String,
    by: String,
    charts: Vec<Drawing>,
    table: Table,
    /// Models whose rows sum to more than the total.
    overlapping: String,
    changes: Vec<Changes>,
    notes: Vec<String>,
    legend: Vec<(&'static str, &'static str)>,
    facts: Vec<(&'static str, String)>,
    query: String,
}

type Asked = Query<Vec<(String, String)>>;

/// `GET /app` and `GET /app/reports/cost-per-lead`
pub(super) async fn show(who: SignedIn, state: Data<State>, query: Asked) -> PageResult {
    let mut given = form::asked(query.into_inner());
    let done = given.remove("done");
    let shell = Shell::new("report", "Cost per lead", &who.session).after(done.as_deref());
    let page = |faults, shown| ReportPage {
        shell,
        reports: navigation("cost-per-lead"),
        form: ReportForm::new(&given, &defaults(&state), faults),
        shown,
    };
    match run(&state, &given).await? {
        Ok(report) => ok(&page(Vec::new(), Some(shown(&report)))),
        Err(faults) => unprocessable(&page(faults, None)),
    }
}

/// `GET /app/reports/cost-per-lead.csv`
pub(super) async fn csv(_who: SignedIn, state: Data<State>, query: Asked) -> PageResult {
    let report = run(&state, &form::asked(query.into_inner())).await?.map_err(refused)?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{}.csv\"", file_name(&report))))
        .body(export::csv::report(&report)))
}

/// `GET /app/reports/cost-per-lead.json`
pub(super) async fn json(_who: SignedIn, state: Data<State>, query: Asked) -> PageResult {
    let report = run(&state, &form::asked(query.into_inner())).await?.map_err(refused)?;
    Ok(HttpResponse::Ok()
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{}.json\"", file_name(&report))))
        .json(export::json::report(&report)))
}

fn refused(faults: Vec<Fault>) -> PageError {
    Problem::invalid(faults).into()
}

/// The report, or the faults of what was asked.
async fn run(state: &State, given: &HashMap<String, String>) -> Result<Result<Report, Vec<Fault>>, PageError> {
    let parameters = match parameters_from(given, &[], &defaults(state)) {
        Ok(parameters) => parameters,
        Err(faults) => return Ok(Err(faults)),
    };
    match state.db.read(move |conn| Ok(cost_per_lead::run(conn, &parameters))).await? {
        Ok(report) => Ok(Ok(report)),
        Err(ReportError::Refused(faults)) => Ok(Err(faults)),
        Err(other) => Err(other.into()),
    }
}

fn file_name(report: &Report) -> String {
    let p = &report.parameters;
    let by: Vec<&str> = p.by.iter().map(|d| d.as_str()).collect();
    format!("cost-per-lead-by-{}-{}-{}", by.join("-"), p.range.from, p.range.to)
}

fn shown(report: &Report) -> Shown {
    let p = &report.parameters;
    let by = charts::headings(report);
    let table = Table::new(report);
    Shown {
        heading: format!("Cost per lead by {by}"),
        range: format!("{} to {}", p.range.from, p.range.to),
        charts: [charts::cost_per_lead(report), over_time::leads(report)].into_iter().flatten().collect(),
        overlapping: Table::overlapping(p).join(", "),
        changes: Changes::all(report, table.groups.len()),
        table,
        notes: report.notes.iter().map(|note| sentence(note)).collect(),
        legend: facts::legend(report),
        facts: facts::facts(p),
        query: query_of(p),
        by,
    }
}
