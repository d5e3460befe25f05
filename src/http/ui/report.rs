//! The report: cost per lead and customers acquired, as a page to read, print and defend.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use askama::Template;

use super::forms::{Choice, Fields, Form};
use super::page::{PageError, PageResult, Shell, ok, sentence, unprocessable};
use super::session::SignedIn;
use crate::domain::attribution::MODELS;
use crate::domain::cost::CostBasis;
use crate::domain::fault::Fault;
use crate::domain::time::Zone;
use crate::export;
use crate::export::svg::{Bar, bars};
use crate::http::api::reports::defaults;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::reports::ReportError;
use crate::reports::cost_per_lead::{self, COLUMNS, Dimension, Figures, Parameters, Report, Row, RowKey, Unit};

/// Most bars that a chart draws.
const BARS_MAX: usize = 20;
/// Longest label beside a bar.
const LABEL_MAX: usize = 24;

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    shell: Shell,
    form: Form,
    dimensions: Vec<Choice>,
    models: Vec<Choice>,
    bases: Vec<Choice>,
    zones: &'static [&'static str],
    shown: Option<Shown>,
}

/// A report as the page prints it.
struct Shown {
    heading: String,
    range: String,
    rule: String,
    chart: Option<String>,
    chart_note: String,
    by: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Line>,
    totals: Vec<String>,
    legend: Vec<(&'static str, &'static str)>,
    facts: Vec<(&'static str, String)>,
    query: String,
}

struct Line {
    name: String,
    code: String,
    is_special: bool,
    cells: Vec<String>,
}

/// `GET /app` and `GET /app/reports/cost-per-lead`
pub(super) async fn show(who: SignedIn, state: Data<State>, query: Query<HashMap<String, String>>) -> PageResult {
    let mut given = query.into_inner();
    let done = given.remove("done");
    let kept = form_of(&given, &defaults(&state));
    let shell = Shell::new("report", "Cost per lead", &who.session).after(done.as_deref());
    match run(&state, &given).await? {
        Ok(report) => ok(&page(shell, Form::new(kept), Some(shown(&report)))),
        Err(faults) => unprocessable(&page(shell, Form::refused(kept, faults), None)),
    }
}

/// `GET /app/reports/cost-per-lead.csv`
pub(super) async fn csv(_who: SignedIn, state: Data<State>, query: Query<HashMap<String, String>>) -> PageResult {
    let report = run(&state, &query).await?.map_err(refused)?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{}.csv\"", file_name(&report))))
        .body(export::csv::report(&report)))
}

/// `GET /app/reports/cost-per-lead.json`
pub(super) async fn json(_who: SignedIn, state: Data<State>, query: Query<HashMap<String, String>>) -> PageResult {
    let report = run(&state, &query).await?.map_err(refused)?;
    Ok(HttpResponse::Ok()
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{}.json\"", file_name(&report))))
        .json(export::json::report(&report)))
}

fn refused(faults: Vec<Fault>) -> PageError {
    Problem::invalid(faults).into()
}

/// The report, or the faults of what was asked.
async fn run(state: &State, given: &HashMap<String, String>) -> Result<Result<Report, Vec<Fault>>, PageError> {
    let parameters = match cost_per_lead::parameters_from(given, &defaults(state)) {
        Ok(parameters) => parameters,
        Err(faults) => return Ok(Err(faults)),
    };
    match state.db.read(move |conn| Ok(cost_per_lead::run(conn, &parameters))).await? {
        Ok(report) => Ok(Ok(report)),
        Err(ReportError::Refused(fault)) => Ok(Err(vec![fault])),
        Err(other) => Err(other.into()),
    }
}

fn file_name(report: &Report) -> String {
    let p = &report.parameters;
    format!("cost-per-lead-by-{}-{}-{}", p.by, p.range.from, p.range.to)
}

fn page(shell: Shell, form: Form, shown: Option<Shown>) -> ReportPage {
    ReportPage {
        shell,
        form,
        dimensions: [(Dimension::Channel, "Channel"), (Dimension::Campaign, "Campaign"), (Dimension::Link, "Link")]
            .map(|(d, label)| Choice::new(d.as_str(), label))
            .to_vec(),
        models: MODELS.iter().map(|m| Choice::explained(m.name, m.label, sentence(m.rule))).collect(),
        bases: vec![Choice::new("loaded", "Loaded"), Choice::new("media", "Media")],
        zones: &[
            "UTC",
            "Europe/Berlin",
            "Europe/London",
            "Europe/Paris",
            "America/New_York",
            "America/Los_Angeles",
            "Asia/Tokyo",
        ],
        shown,
    }
}

/// What was given, filled up with the defaults, so that the form shows what the figures depend on.
fn form_of(given: &HashMap<String, String>, defaults: &Parameters) -> Fields {
    let basis = if defaults.cost == CostBasis::Media { "media" } else { "loaded" };
    let known: [(&'static str, String); 9] = [
        ("by", defaults.by.to_string()),
        ("model", defaults.model.to_string()),
        ("from", defaults.range.from.to_string()),
        ("to", defaults.range.to.to_string()),
        ("zone", defaults.zone.name().to_owned()),
        ("lookback_days", defaults.lookback_days.to_string()),
        ("cost", basis.to_owned()),
        ("currency", defaults.currency.to_string()),
        ("as_of", String::new()),
    ];
    Fields::of(known.map(|(name, default)| {
        (name, given.get(name).map(|v| v.trim()).filter(|v| !v.is_empty()).map_or(default, str::to_owned))
    }))
}

fn shown(report: &Report) -> Shown {
    let p = &report.parameters;
    let columns = || COLUMNS.iter().filter(|c| c.is_shown);
    let cells = |f: &Figures| columns().map(|c| c.display(f, p.currency)).collect::<Vec<_>>();
    let by = match p.by {
        Dimension::Channel => "Channel",
        Dimension::Campaign => "Campaign",
        Dimension::Link => "Link",
    };
    let (chart, chart_note) = chart(report);
    Shown {
        heading: format!("Cost per lead by {}", p.by),
        range: format!("{} to {}", p.range.from, p.range.to),
        rule: sentence(p.model.model().rule),
        chart,
        chart_note,
        by,
        columns: columns().map(|c| c.heading).collect(),
        rows: report.rows.iter().map(|r| line(r, cells(&r.figures))).collect(),
        totals: cells(&report.totals),
        legend: report.rows.iter().filter_map(|r| Some((special(&r.key)?.0, special(&r.key)?.1))).collect(),
        facts: facts(p),
        query: query_of(p),
    }
}

fn line(row: &Row, cells: Vec<String>) -> Line {
    let key = row.key.as_str();
    let is_special = special(&row.key).is_some();
    let (name, code) = if row.name.is_empty() || row.name == key { (key, "") } else { (row.name.as_str(), key) };
    Line { name: name.to_owned(), code: code.to_owned(), is_special, cells }
}

/// What a row without a code means.
fn special(key: &RowKey) -> Option<(&'static str, &'static str)> {
    Some(match key {
        RowKey::Named(_) => return None,
        RowKey::Without("(unmapped)") => ("(unmapped)", "Touches whose tags or referrer fit no channel."),
        RowKey::Without("(no campaign)") => {
            ("(no campaign)", "Touches of links that belong to no campaign, and visits without one.")
        }
        RowKey::Without(_) => ("(no link)", "Visits that did not come through a tracked link."),
        RowKey::Unattributed => ("(unattributed)", "Leads and customers without any touch inside the look-back."),
        RowKey::Unallocated => ("(unallocated)", "Costs of days on which no click says where they belong."),
        RowKey::Shared => ("(shared)", "Costs that name no channel; they belong to all."),
        RowKey::UnmatchedRefund => ("(unmatched refund)", "Refunds whose sale is not known."),
    })
}

/// What the figures depend on.
fn facts(p: &Parameters) -> Vec<(&'static str, String)> {
    let rule = format!("{}: {}", p.model.model().label, p.model.model().rule);
    let as_of =
        p.as_of.map(|t| format!("{} UTC (number {})", t.to_string().replace('T', " ").trim_end_matches('Z'), t.0));
    vec![
        ("Model", rule),
        ("Look-back", format!("{} days before each lead or sale, both ends included", p.lookback_days)),
        ("Days", format!("cut in {}; time zone data {}", p.zone.name(), Zone::data_version())),
        (
            "Costs",
            match p.cost {
                CostBasis::Media => format!("ad spend only, in {}", p.currency),
                CostBasis::Loaded => format!("all kinds (media, agency, tools, content, labour), in {}", p.currency),
            },
        ),
        ("As of", as_of.unwrap_or_default()),
    ]
}

/// The parameters as a query string, with the as-of time: it answers the same figures for ever.
fn query_of(p: &Parameters) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("by", p.by.as_str())
        .append_pair("model", &p.model.to_string())
        .append_pair("from", &p.range.from.to_string())
        .append_pair("to", &p.range.to.to_string())
        .append_pair("zone", p.zone.name())
        .append_pair("lookback_days", &p.lookback_days.to_string())
        .append_pair("cost", if p.cost == CostBasis::Media { "media" } else { "loaded" })
        .append_pair("currency", p.currency.code());
    if let Some(as_of) = p.as_of {
        query.append_pair("as_of", &as_of.0.to_string());
    }
    query.finish()
}

/// Bars of cost per lead, cheapest first, and what they leave out.
fn chart(report: &Report) -> (Option<String>, String) {
    let p = &report.parameters;
    let Some(column) = COLUMNS.iter().find(|c| c.name == "cpl_minor" && c.unit == Unit::MinorRatio) else {
        return (None, String::new());
    };
    let value = |row: &Row| row.figures.cpl().and_then(|t| t.replace('.', "").parse::<i64>().ok());
    let mut priced: Vec<(&Row, i64)> =
        report.rows.iter().filter_map(|r| value(r).filter(|v| *v > 0).map(|v| (r, v))).collect();
    priced.sort_by_key(|(row, v)| (*v, row.key.clone()));
    let left_out = report.rows.len() - priced.len();
    let total = priced.len();
    priced.truncate(BARS_MAX);
    if priced.is_empty() {
        return (None, String::new());
    }
    let drawn: Vec<Bar> = priced
        .iter()
        .map(|(row, v)| Bar {
            label: shortened(if row.name.is_empty() { row.key.as_str() } else { &row.name }),
            value: Some(*v),
            text: column.display(&row.figures, p.currency),
        })
        .collect();
    let mut notes = vec![format!("In {}, cheapest first.", p.currency)];
    if total > drawn.len() {
        notes.push(format!("The {} cheapest of {total} rows.", drawn.len()));
    }
    if left_out > 0 {
        notes.push("Rows without leads or without cost have no cost per lead and no bar.".to_owned());
    }
    let title = format!("Cost per lead by {}", p.by);
    (Some(bars(&title, "The figures are in the table below.", &drawn)), notes.join(" "))
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LABEL_MAX {
        return label.to_owned();
    }
    format!("{}…", label.chars().take(LABEL_MAX - 1).collect::<String>())
}
