//! Every report that answers sheets, as a page, CSV and JSON.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use askama::Template;

use super::forms::{Fields, Form};
use super::page::{PageError, PageResult, Shell, ok, sentence, unprocessable};
use super::session::SignedIn;
use crate::domain::fault::Fault;
use crate::domain::time::UtcMillis;
use crate::export;
use crate::export::sheet::{display, is_number};
use crate::http::api::reports::{Pairs, defaults, joined};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::reports::catalogue::{Kind, More, REPORTS};
use crate::reports::sheet::{Document, Sheet, SheetCell};
use crate::reports::{ReportError, parameters_from};

#[derive(Template)]
#[template(path = "sheets.html")]
struct SheetsPage {
    shell: Shell,
    form: Form,
    name: &'static str,
    title: &'static str,
    about: String,
    reports: Vec<(String, &'static str, bool)>,
    more: &'static [More],
    /// Whether it takes days only: a network's own counts know no model, look-back or currency.
    is_plain: bool,
    /// What the form does not show and keeps.
    kept: Vec<(String, String)>,
    shown: Option<Shown>,
}

struct Shown {
    title: String,
    sheets: Vec<ShownSheet>,
    notes: Vec<String>,
    written: Vec<(&'static str, String)>,
    query: String,
}

struct ShownSheet {
    name: &'static str,
    title: String,
    headings: Vec<(String, bool)>,
    rows: Vec<Vec<(String, bool)>>,
    totals: Vec<(String, bool)>,
}

/// Parameters that the form has fields for.
const FIELDS: &[&str] = &["by", "model", "from", "to", "zone", "lookback_days", "currency", "as_of"];

/// Parameters of reports that take days only.
const DAYS: &[&str] = &["from", "to", "as_of"];

fn is_plain(kind: &Kind) -> bool {
    matches!(kind.name, "post-metrics" | "account-metrics")
}

/// `GET /app/reports/{report}`
pub(super) async fn show(who: SignedIn, state: Data<State>, name: Path<String>, query: Query<Pairs>) -> PageResult {
    let kind = kind_of(&name)?;
    let given = joined(query.into_inner());
    let answer = run(&state, kind, &given).await?;
    let defaults = defaults(&state);
    let more = kind.more.iter().map(|m| (m.name, String::new()));
    let as_of = ("as_of", String::new());
    let written = defaults.written().into_iter().chain(more).chain([as_of]);
    // What a report fixes by itself, as cohorts their rows, is shown as it is.
    let used: HashMap<&str, String> = answer.as_ref().map_or_else(|_| HashMap::new(), used);
    let fields = written.map(|(name, default)| {
        let given = given.get(name).map(|v| v.trim()).filter(|v| !v.is_empty());
        (name, used.get(name).cloned().unwrap_or_else(|| given.map_or(default, str::to_owned)))
    });
    let fields = Fields::of(fields);
    let is_kept = |name: &str| !FIELDS.contains(&name) && !kind.more.iter().any(|m| m.name == name);
    let mut kept: Vec<(String, String)> = given.into_iter().filter(|(n, _)| is_kept(n)).collect();
    kept.sort();
    let (form, shown) = match &answer {
        Ok(document) => {
            let mut shown = shown(document);
            shown.written.retain(|(name, _)| !is_plain(kind) || DAYS.contains(name));
            (Form::new(fields), Some(shown))
        }
        Err(faults) => (Form::refused(fields, faults.clone()), None),
    };
    let page = SheetsPage {
        shell: Shell::new("report", kind.title, &who.session),
        form,
        name: kind.name,
        title: kind.title,
        about: sentence(kind.about),
        reports: navigation(kind.name),
        more: kind.more,
        is_plain: is_plain(kind),
        kept,
        shown,
    };
    if answer.is_ok() { ok(&page) } else { unprocessable(&page) }
}

/// The parameters of an answer, but for those that a form keeps as they are sent.
fn used(document: &Document) -> HashMap<&'static str, String> {
    document.parameters.written().into_iter().filter(|(name, _)| *name != "as_of").collect()
}

/// Links to every report; `here` is the one that is shown.
pub(super) fn navigation(here: &str) -> Vec<(String, &'static str, bool)> {
    let first = ("/app/reports/cost-per-lead".to_owned(), "Cost per lead", here == "cost-per-lead");
    let others = REPORTS.iter().map(|k| (format!("/app/reports/{}", k.name), k.title, k.name == here));
    std::iter::once(first).chain(others).collect()
}

/// `GET /app/reports/{report}.csv`
pub(super) async fn csv(_who: SignedIn, state: Data<State>, name: Path<String>, query: Query<Pairs>) -> PageResult {
    let kind = kind_of(&name)?;
    let mut given = joined(query.into_inner());
    let sheet = given.remove("sheet");
    let document = run(&state, kind, &given).await?.map_err(Problem::invalid)?;
    let text = export::sheet::csv(&document, sheet.as_deref()).map_err(|f| Problem::invalid(vec![f]))?;
    let file = format!("attachment; filename=\"{}-{}.csv\"", kind.name, sheet.as_deref().unwrap_or("rows"));
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", file.replace(['\r', '\n'], "")))
        .body(text))
}

/// `GET /app/reports/{report}.json`
pub(super) async fn json(_who: SignedIn, state: Data<State>, name: Path<String>, query: Query<Pairs>) -> PageResult {
    let kind = kind_of(&name)?;
    let document = run(&state, kind, &joined(query.into_inner())).await?.map_err(Problem::invalid)?;
    Ok(HttpResponse::Ok()
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{}.json\"", kind.name)))
        .json(export::sheet::json(&document)))
}

fn kind_of(name: &str) -> Result<&'static Kind, PageError> {
    Kind::named(name).map_err(|_unknown| PageError::not_found("There is no report of this name."))
}

async fn run(
    state: &State,
    kind: &'static Kind,
    given: &HashMap<String, String>,
) -> Result<Result<Document, Vec<Fault>>, PageError> {
    let parameters = match parameters_from(given, &kind.more_names(), &defaults(state)) {
        Ok(parameters) => parameters,
        Err(faults) => return Ok(Err(faults)),
    };
    let given = given.clone();
    match state.db.read(move |conn| Ok((kind.run)(conn, &parameters, &given))).await? {
        Ok(document) => Ok(Ok(document)),
        Err(ReportError::Refused(faults)) => Ok(Err(faults)),
        Err(other) => Err(other.into()),
    }
}

fn shown(document: &Document) -> Shown {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let mut written = document.parameters.written();
    written.extend(document.more.iter().cloned());
    written.retain(|(_, value)| !value.is_empty());
    query.extend_pairs(&written);
    let told = written.into_iter().map(|(name, value)| (name, told(name, value))).collect();
    Shown {
        title: document.title.clone(),
        sheets: document.sheets.iter().map(|s| shown_sheet(s, document)).collect(),
        notes: document.notes.clone(),
        query: query.finish(),
        written: told,
    }
}

/// A parameter as people read it: an instant is a number in every format, and beside it the time that it is.
fn told(name: &str, value: String) -> String {
    let at = value.parse().ok().filter(|_| name.ends_with("as_of")).map(UtcMillis);
    at.map_or(value, |at| format!("{} ({at})", at.0))
}

fn shown_sheet(sheet: &Sheet, document: &Document) -> ShownSheet {
    let currency = document.parameters.currency;
    let is_shown: Vec<bool> = sheet.columns.iter().map(|c| c.is_shown).collect();
    // A blank cell stands where the others of its column do.
    let has_numbers = |n: usize| {
        let mut told = sheet.rows.iter().filter_map(|row| row.get(n)).filter(|cell| **cell != SheetCell::Blank);
        told.next().is_none_or(is_number)
    };
    let numbers: Vec<bool> = (0..sheet.columns.len()).map(has_numbers).collect();
    let line = |cells: &Vec<SheetCell>| {
        let shown = cells.iter().zip(&numbers).zip(&is_shown).filter(|(_, shown)| **shown);
        let told = shown.map(|((cell, is_number), _)| (display(cell, currency), *is_number));
        told.collect::<Vec<_>>()
    };
    let headings = sheet.columns.iter().zip(&numbers).filter(|(column, _)| column.is_shown);
    let headings = headings.map(|(column, is_number)| (column.heading.clone(), *is_number));
    ShownSheet {
        name: sheet.name,
        title: sheet.title.clone(),
        headings: headings.collect(),
        rows: sheet.rows.iter().map(line).collect(),
        totals: totals(sheet, line(&sheet.totals)),
    }
}

/// A sum that says nothing is no dash: a dash is a ratio over nothing.
fn totals(sheet: &Sheet, line: Vec<(String, bool)>) -> Vec<(String, bool)> {
    let shown = sheet.columns.iter().zip(&sheet.totals).filter(|(column, _)| column.is_shown);
    let is_blank = |cell: &SheetCell| *cell == SheetCell::Blank;
    line.into_iter()
        .zip(shown)
        .map(|((text, n), (_, cell))| if is_blank(cell) { (String::new(), n) } else { (text, n) })
        .collect()
}
