//! Evidence of aggregate models: the sheets alone give the report's figure again.

#![expect(clippy::float_arithmetic, reason = "estimates, computed again the long way")]

use std::collections::{BTreeMap, BTreeSet};

use headwater::domain::attribution::ONE_MICRO;
use headwater::reports::ReportError;
use headwater::reports::cost_per_lead::Row;
use headwater::reports::evidence::{self, asked_from, written};
use headwater::reports::sheet::{Document, Sheet, SheetCell};
use headwater::store::Db;
use serde_json::json;

use crate::evidence::{DemoData, column, pairs, parameters, report, sheet, text, whole};
use crate::support::Backend;

const ALL: &str = "from=2025-01-01&to=2025-08-31&below_floor=accept";

fn open(db: &Db, query: &str, more: &str) -> Result<Document, ReportError> {
    let asked = asked_from(&pairs(more)).expect("asked");
    let parameters = parameters(query);
    db.read_now(|conn| Ok(evidence::run(conn, &parameters, &asked))).expect("database")
}

fn estimate(cell: &SheetCell) -> f64 {
    if let SheetCell::Estimate(estimate) = cell { *estimate } else { panic!("{cell:?} is no estimate") }
}

fn count(cell: &SheetCell) -> u64 {
    u64::try_from(whole(cell)).expect("a count")
}

/// The value of a step.
fn step<'d>(document: &'d Document, name: &str) -> &'d SheetCell {
    let steps = sheet(document, "steps").expect("steps");
    let place = column(steps, "name").iter().position(|n| text(n) == name).unwrap_or_else(|| panic!("step {name}"));
    column(steps, "value")[place]
}

/// What is counted in one state: where to, how often, of how many.
type Chain = BTreeMap<String, Vec<(String, u64, u64)>>;

fn chain(sheet: &Sheet) -> Chain {
    let mut chain = Chain::new();
    let ends = column(sheet, "from_state").into_iter().zip(column(sheet, "to_state"));
    let counts = column(sheet, "count").into_iter().zip(column(sheet, "of"));
    for ((from, to), (n, of)) in ends.zip(counts) {
        chain.entry(text(from).into()).or_default().push((text(to).into(), count(n), count(of)));
    }
    chain
}

/// The probability to convert from the start, without the states of a row, by going through the chain over and over
/// until nothing moves.
fn conversion(chain: &Chain, removed: Option<&str>) -> f64 {
    let mut odds: BTreeMap<&str, f64> = BTreeMap::from([("(conversion)", 1.0)]);
    let is_removed = |state: &str| removed.is_some_and(|row| state.split(" > ").any(|part| part == row));
    for _ in 0..10_000 {
        let mut moved: f64 = 0.0;
        for (from, ways) in chain.iter().filter(|(from, _)| !is_removed(from)) {
            let of_way = |(to, n, of): &(String, u64, u64)| {
                let onward = odds.get(to.as_str()).filter(|_| !is_removed(to)).copied().unwrap_or_default();
                *n as f64 / *of as f64 * onward
            };
            let now = ways.iter().map(of_way).sum();
            let then = odds.insert(from, now).unwrap_or_default();
            moved = moved.max((now - then).abs());
        }
        if moved < 1e-16 {
            return odds["(start)"];
        }
    }
    panic!("the chain does not settle");
}

/// Each row's effect from the transitions alone.
fn chain_effects(document: &Document) -> BTreeMap<String, f64> {
    let chain = chain(sheet(document, "transitions").expect("transitions"));
    let whole = conversion(&chain, None);
    let touched = chain.keys().filter(|state| *state != "(start)");
    let rows: BTreeSet<&str> = touched.flat_map(|state| state.split(" > ")).collect();
    rows.into_iter().map(|row| (row.to_owned(), 1.0 - conversion(&chain, Some(row)) / whole)).collect()
}

/// Each row's value from the counts of exact coalitions alone, over all coalitions.
fn game_effects(document: &Document) -> BTreeMap<String, f64> {
    let coalitions = sheet(document, "coalitions").expect("coalitions");
    let sets: Vec<BTreeSet<&str>> = column(coalitions, "coalition")
        .into_iter()
        .map(|c| text(c).split(" + ").filter(|n| *n != "(none)").collect())
        .collect();
    let counts = |name| column(coalitions, name).into_iter().map(count).collect::<Vec<u64>>();
    let (paths, converted) = (counts("exact_paths"), counts("exact_conversions"));
    let rows: Vec<&str> = sets.last().expect("all rows").iter().copied().collect();
    let bits = |set: &BTreeSet<&str>| {
        rows.iter().enumerate().filter(|(_, r)| set.contains(*r)).map(|(n, _)| 1_usize << n).sum::<usize>()
    };
    let touched: Vec<(usize, u64, u64)> = sets
        .iter()
        .zip(paths.iter().zip(&converted))
        .map(|(set, (p, c))| (bits(set), *p, *c))
        .filter(|(_, p, _)| *p > 0)
        .collect();
    let rate = |coalition: usize| {
        let inside = touched.iter().filter(|(set, _, _)| set & !coalition == 0);
        let (paths, converted) = inside.fold((0, 0), |(p, c), (_, paths, converted)| (p + paths, c + converted));
        if paths == 0 { 0.0 } else { converted as f64 / paths as f64 }
    };
    let factorial = |n: usize| (1..=n).map(|i| i as f64).product::<f64>();
    let n = rows.len();
    let value = |row: usize| {
        let added = |set: usize| {
            let size = usize::try_from(set.count_ones()).expect("small");
            factorial(size) * factorial(n - 1 - size) / factorial(n) * (rate(set | 1 << row) - rate(set))
        };
        (0..1 << n).filter(|set| set >> row & 1 == 0).map(added).sum()
    };
    rows.iter().enumerate().map(|(n, row)| ((*row).to_owned(), value(n))).collect()
}

/// The cell of the evidence is the cell of the report.
fn check_summary(document: &Document, row: &Row, figure: &str, of: &str) {
    let summary = sheet(document, "summary").expect("summary");
    let place = column(summary, "figure").iter().position(|f| text(f) == figure).expect(figure);
    let cell = headwater::reports::cost_per_lead::COLUMNS.iter().find(|c| c.name == figure).expect(figure);
    let reported: i64 = (cell.value)(row.leading()).and_then(|v| v.parse().ok()).expect("a whole number");
    assert_eq!(whole(column(summary, "by_evidence")[place]), reported, "{of}");
    assert_eq!(whole(column(summary, "by_report")[place]), reported, "{of}");
}

/// Opens rows and the totals of a model, and computes each share again from one sheet of counts.
fn check_model(db: &Db, model: &str, figure: &str, effects: fn(&Document) -> BTreeMap<String, f64>) {
    let query = format!("{ALL}&model={model}");
    let report = report(db, &parameters(&query));
    let totals = open(db, &query, &format!("figure={figure}")).expect("totals");
    check_summary(&totals, &report.totals, figure, "totals");
    let effects = effects(&totals);
    let (all, conversions): (f64, u64) = (effects.values().sum(), count(step(&totals, "conversions")));
    let without = count(step(&totals, "without_path"));
    let mut shared = 0;
    let nobodys = report.rows.iter().filter(|r| r.key.to_string() == "(unattributed)");
    for row in report.rows.iter().step_by(5).chain(nobodys) {
        let of = format!("{model} {figure} {}", row.key);
        let document = open(db, &query, &format!("figure={figure}&row={}", written(&row.key)))
            .unwrap_or_else(|e| panic!("{of}: {e}"));
        check_summary(&document, row, figure, &of);
        let Some(effect) = effects.get(&row.key.to_string()) else {
            assert_eq!(row.key.to_string(), "(unattributed)", "{of}");
            let events = sheet(&document, "stage_events").expect("stage events");
            assert_eq!(events.rows.len() as u64, without, "{of}");
            continue;
        };
        let credit = effect / all * conversions as f64;
        let cell = whole(column(sheet(&document, "summary").expect("summary"), "by_evidence")[0]);
        assert_eq!((credit * ONE_MICRO as f64).round() as i64, cell, "{of}");
        for (name, expected) in [("effect", *effect), ("share", effect / all), ("credit", credit)] {
            let told = estimate(step(&document, name));
            assert!((told - expected).abs() < 1e-9, "{of} {name}: {told} for {expected}");
        }
        let weighted =
            sheet(&document, "added").map(|s| column(s, "weighted").iter().map(|c| estimate(c)).sum::<f64>());
        assert!(weighted.is_none_or(|sum| (sum - effect).abs() < 1e-12), "{of}: {weighted:?}");
        shared += 1;
    }
    assert!(shared >= 2 && effects.len() == 11, "{shared} of {effects:?}");
}

fn check_demo(backend: Backend) {
    let demo = DemoData::new(backend);
    let db = &demo.core.db;
    check_model(db, "markov", "leads_micro", chain_effects);
    check_model(db, "markov:order=2", "leads_micro", chain_effects);
    check_model(db, "markov:order=2", "customers_micro", chain_effects);
    check_model(db, "shapley", "leads_micro", game_effects);
    let query = format!("{ALL}&model=markov:order=2");
    let cut = open(db, &query, "row=tiktok&figure=cpl_minor&limit=7").expect("cut");
    assert_eq!(sheet(&cut, "transitions").expect("transitions").rows.len(), 7);
    assert!(cut.notes.iter().any(|n| n.contains("transitions the first 7 are listed")), "{:?}", cut.notes);
    assert!(
        sheet(&cut, "costs").is_some_and(|s| !s.rows.is_empty()),
        "a figure of several sums has the evidence of each"
    );
    let cut = open(db, &format!("{ALL}&model=shapley"), "row=tiktok&limit=7").expect("cut");
    assert_eq!([sheet(&cut, "coalitions"), sheet(&cut, "added")].map(|s| s.expect("sheet").rows.len()), [7, 7]);
    let sizes = sheet(&cut, "sizes").expect("sizes");
    let sum: f64 = column(sizes, "weighted").iter().map(|c| estimate(c)).sum();
    assert!((sum - estimate(step(&cut, "effect"))).abs() < 1e-12, "the sums by size are of all");
    assert_eq!(cut.notes.iter().filter(|n| n.contains("are listed")).count(), 2, "{:?}", cut.notes);
}

#[test]
fn shares_follow_from_the_sheets_on_sqlite() {
    check_demo(Backend::Sqlite);
}

#[test]
fn shares_follow_from_the_sheets_on_postgres() {
    check_demo(Backend::Postgres);
}

on_both! {
    fn cells_without_a_share_open_too_and_what_is_not_divided_is_refused(app) {
        app.link("go");
        app.client.post("/api/v1/conversions", &json!({ "event_id": "l", "stage": "lead", "occurred_at": "2026-02-10T10:00:00Z", "person": "crm:1" })).expect(201);
        let db = &app.state().db;
        let nobodys = open(db, "model=markov", "row=(unattributed)").expect("unattributed");
        assert_eq!(column(sheet(&nobodys, "summary").expect("summary"), "by_evidence"), [&SheetCell::Micro(ONE_MICRO)]);
        assert_eq!(sheet(&nobodys, "stage_events").expect("events").rows.len(), 1);
        let totals = open(db, "model=shapley", "").expect("totals");
        assert_eq!(column(sheet(&totals, "summary").expect("summary"), "by_evidence"), [&SheetCell::Micro(ONE_MICRO)]);
        assert_eq!((count(step(&totals, "conversions")), count(step(&totals, "without_path"))), (0, 1));
        for (query, more, field) in [
            ("model=markov", "figure=revenue_minor", "model"),
            ("model=markov", "figure=leads_lo95", "model"),
            ("model=markov", "figure=net_leads_micro", "model"),
            ("model=self_reported", "figure=leads_micro", "model"),
        ] {
            match open(db, query, more) {
                Err(ReportError::Refused(faults)) => assert_eq!((faults[0].field.as_str(), faults[0].code.as_str()), (field, "model-without-evidence")),
                other => panic!("{query} {more}: {other:?}"),
            }
        }
        let id = text(column(sheet(&nobodys, "stage_events").expect("events"), "stage_event")[0]).to_owned();
        assert!(matches!(open(db, "model=markov", &format!("after={id}")), Err(ReportError::Refused(f)) if f[0].field == "after"));
    }
}
