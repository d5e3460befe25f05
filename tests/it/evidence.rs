//! Every cell opens: evidence adds to exactly the cell, and says of every touch why it is in or out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use headwater::app::Core;
use headwater::config::Config;
use headwater::domain::ids::{LinkId, TouchId, VisitorId, uuid_v7};
use headwater::domain::time::{Clock, DayRange, UtcMillis};
use headwater::domain::touch::{TouchClass, TouchKind};
use headwater::reports::cost_per_lead::{self, COLUMNS, Report};
use headwater::reports::evidence::{self, asked_from, written};
use headwater::reports::sheet::{Document, Sheet, SheetCell};
use headwater::reports::{Parameters, ReportError, parameters_from};
use headwater::store::touches::{self, Client, NewTouch};
use headwater::store::{Conn, Db, ledger};
use serde_json::{Value, json};

use crate::support::binary::Process;
use crate::support::{Backend, TestApp, TestDb};

/// Parameters by name over the months that tests play in.
pub(crate) fn parameters(given: &str) -> Parameters {
    let range = DayRange::new("2026-01-01".parse().expect("day"), "2026-03-31".parse().expect("day")).expect("range");
    let defaults = Parameters::new(range, "EUR".parse().expect("EUR"));
    parameters_from(&pairs(given), &[], &defaults).expect("parameters")
}

/// `a=b&c=d`.
pub(crate) fn pairs(query: &str) -> HashMap<String, String> {
    let pair = |p: &str| p.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())).expect("name=value");
    query.split('&').filter(|p| !p.is_empty()).map(pair).collect()
}

pub(crate) fn report(db: &Db, parameters: &Parameters) -> Report {
    db.read_now(|conn| Ok(cost_per_lead::run(conn, parameters))).expect("database").expect("report")
}

fn open(db: &Db, parameters: &Parameters, more: &str) -> Result<Document, ReportError> {
    let asked = asked_from(&pairs(more)).expect("asked");
    db.read_now(|conn| Ok(evidence::run(conn, parameters, &asked))).expect("database")
}

pub(crate) fn sheet<'d>(document: &'d Document, name: &str) -> Option<&'d Sheet> {
    document.sheets.iter().find(|s| s.name == name)
}

/// The cells of a column.
pub(crate) fn column<'s>(sheet: &'s Sheet, name: &str) -> Vec<&'s SheetCell> {
    let place = sheet.columns.iter().position(|c| c.name == name).unwrap_or_else(|| panic!("column {name}"));
    sheet.rows.iter().map(|row| &row[place]).collect()
}

pub(crate) fn whole(cell: &SheetCell) -> i64 {
    match cell {
        SheetCell::Count(n) | SheetCell::Micro(n) | SheetCell::Minor(n) => *n,
        other => panic!("{other:?} is no whole number"),
    }
}

pub(crate) fn text(cell: &SheetCell) -> &str {
    match cell {
        SheetCell::Text(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

fn sum(document: &Document, sheet_name: &str, of: &str, is_counted: impl Fn(&Sheet, usize) -> bool) -> i64 {
    let Some(sheet) = sheet(document, sheet_name) else { return 0 };
    column(sheet, of).iter().enumerate().filter(|(n, _)| is_counted(sheet, *n)).map(|(_, c)| whole(c)).sum()
}

/// Adds a document up, sheet by sheet, and holds it against the values of a report's row.
fn check_sums(document: &Document, cells: &BTreeMap<&str, i64>, of: &str, adds_up: bool) {
    let summary = sheet(document, "summary").expect("summary");
    for (n, figure) in column(summary, "figure").iter().enumerate() {
        let figure = text(figure);
        let SheetCell::Count(items) = column(summary, "items")[n] else { continue };
        let cell = cells[figure];
        assert_eq!(whole(column(summary, "by_evidence")[n]), cell, "{of} {figure}");
        let is_own = |sheet: &Sheet, n: usize| text(column(sheet, "figure")[n]) == figure;
        match figure {
            "cost_minor" => {
                for name in ["costs", "cost_days"] {
                    assert_eq!(sum(document, name, "in_cell_minor", |_, _| true), cell, "{of} {name}");
                    let total =
                        sheet(document, name).expect("costs").totals.iter().find(|c| matches!(c, SheetCell::Minor(_)));
                    assert_eq!(total.map(whole), Some(cell), "{of} {name}");
                }
            }
            "clicks" | "other_touches" => assert_eq!(sum(document, "touch_counts", "count", |_, _| true), cell, "{of}"),
            _ => {
                assert_eq!(sum(document, "stage_events", "credit", is_own), cell, "{of} {figure}");
                if adds_up {
                    assert_eq!(sum(document, "touches", "credit", is_own), cell, "{of} {figure}");
                    let whole = sum(document, "stage_events", "whole", is_own);
                    assert_eq!(sum(document, "touches", "share", is_own), whole, "{of} {figure}");
                }
                let events = (0..sheet(document, "stage_events").expect("sheet").rows.len())
                    .filter(|n| is_own(sheet(document, "stage_events").expect("sheet"), *n));
                assert_eq!(i64::try_from(events.count()).expect("small"), *items, "{of} {figure}");
            }
        }
    }
}

/// The whole numbers of a row by the first model, by column.
fn cells(row: &cost_per_lead::Row) -> BTreeMap<&'static str, i64> {
    let value = |c: &cost_per_lead::Column| Some((c.name, (c.value)(row.leading())?.parse().ok()?));
    COLUMNS.iter().filter_map(value).collect()
}

/// Opens cells of every `nth` row and of the totals.
fn check_report(db: &Db, query: &str, figures: &[&str], nth: usize) {
    let parameters = parameters(query);
    let adds_up = parameters.models[0].adds_up();
    let report = report(db, &parameters);
    let rows = report.rows.iter().step_by(nth).chain([&report.totals]);
    for row in rows {
        for figure in figures {
            let of = format!("{query} {} {figure}", row.key);
            let more = format!("row={}&figure={figure}", written(&row.key));
            let document = open(db, &parameters, &more).unwrap_or_else(|e| panic!("{of}: {e}"));
            check_sums(&document, &cells(row), &of, adds_up);
        }
    }
}

/// The demo's database, without its server.
pub(crate) struct DemoData {
    pub(crate) core: Core,
    _db: TestDb,
    _dir: tempfile::TempDir,
}

impl DemoData {
    pub(crate) fn new(backend: Backend) -> Self {
        let db = TestDb::new(backend);
        let dir = tempfile::tempdir().expect("dir");
        Process::start(dir.path(), db.url(), &["demo"]).kill();
        let data = dir.path().join("data");
        let mut settings = vec![("data.dir".to_owned(), data.to_str().expect("utf-8").to_owned())];
        settings.extend(Some(("database.url".to_owned(), db.url().to_owned())).filter(|(_, url)| !url.is_empty()));
        let core = Core::open(Config::with(&settings).expect("settings")).expect("core");
        Self { core, _db: db, _dir: dir }
    }
}

fn check_demo(backend: Backend) {
    let demo = DemoData::new(backend);
    let core = &demo.core;
    let all = "from=2025-01-01&to=2025-08-31";
    for model in ["first", "linear", "time_decay", "w_shaped", "participation"] {
        let query = format!("{all}&model={model}");
        check_report(&core.db, &query, &["net_leads_micro", "revenue_minor"], 7);
    }
    check_report(&core.db, &format!("{all}&model=position&by=channel,month"), &["cpl_minor", "cac_minor"], 41);
    check_report(&core.db, &format!("{all}&model=last&by=link&clock=cohort"), &["leads_micro", "roi"], 9);
    check_report(&core.db, &format!("{all}&by=campaign&channel=linkedin,youtube"), &["cost_minor", "epc_minor"], 1);
    check_report(&core.db, &format!("{all}&by=stage,month"), &["gross_revenue_minor", "clicks", "other_touches"], 23);
}

#[test]
fn demo_cells_open_on_sqlite() {
    check_demo(Backend::Sqlite);
}

#[test]
fn demo_cells_open_on_postgres() {
    check_demo(Backend::Postgres);
}

pub(crate) fn time(text: &str) -> UtcMillis {
    UtcMillis::parse(text).expect("time")
}

/// The id of browser `n`.
pub(crate) fn visitor(n: u8) -> VisitorId {
    VisitorId(uuid_v7(UtcMillis(0), [n; 10]))
}

/// A human click of a browser on link 1.
pub(crate) fn click(browser: u8, at: UtcMillis) -> NewTouch<'static> {
    NewTouch {
        id: TouchId::new(at, rand::random()),
        occurred_at: at,
        kind: TouchKind::Click,
        class: TouchClass::Human,
        class_rule: "test".into(),
        link: Some(LinkId(1)),
        channel: None,
        campaign: None,
        visitor: Some(visitor(browser)),
        private: false,
        source: None,
        external_id: None,
        batch: None,
        user_agent: None,
        referrer: None,
        page: None,
        network_ids: Cow::Borrowed(&[]),
        client: Client::unknown(),
    }
}

pub(crate) fn store(app: &TestApp, list: &[NewTouch<'_>]) {
    let now = app.clock.now();
    let write = |conn: &mut Conn| {
        let at = ledger::stamp(conn, now)?;
        touches::insert(conn, list, at)
    };
    app.state().db.write_now(write).expect("stored");
}

/// Tells a stage event of a browser and a person; answers its id.
pub(crate) fn tell(app: &TestApp, id: &str, stage: &str, at: &str, more: &Value) -> String {
    let mut event = json!({ "event_id": id, "stage": stage, "occurred_at": at });
    event.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    let reply = app.client.post("/api/v1/conversions", &event).expect(201);
    reply["items"][0]["event"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
}

fn reasons_of<'d>(document: &'d Document, event: &str) -> BTreeMap<String, &'d str> {
    let excluded = sheet(document, "excluded").expect("excluded");
    let events = column(excluded, "stage_event");
    let touches = column(excluded, "touch");
    let reasons = column(excluded, "reason");
    let own = events.iter().zip(touches).zip(reasons).filter(|((e, _), _)| text(e) == event);
    own.map(|((_, touch), reason)| (text(touch).to_owned(), text(reason))).collect()
}

on_both! {
    fn every_reason_is_told(app) {
        app.link("go");
        let at = |day: &str| time(&format!("{day}T10:00:00Z"));
        let bot = NewTouch { class: TouchClass::Bot, ..click(1, at("2026-02-21")) };
        let view = NewTouch { kind: TouchKind::View, ..click(1, at("2026-02-22")) };
        let old = click(1, at("2025-10-01"));
        let late = click(1, at("2026-03-01"));
        let own = click(1, at("2026-02-20"));
        let first = click(2, at("2026-02-05"));
        let second = click(2, at("2026-02-20"));
        let all = [bot, view, old, late, own, first, second];
        store(&app, &all);
        let [bot, view, old, late, own, first, second] = all.map(|t| t.id.to_string());
        let lead = tell(&app, "l", "lead", "2026-02-25T10:00:00Z", &json!({ "person": "crm:1", "visitor_id": visitor(1).to_string() }));
        let buyer = json!({ "person": "crm:2", "visitor_id": visitor(2).to_string(), "value": "10.00", "currency": "EUR" });
        tell(&app, "c", "customer", "2026-02-10T10:00:00Z", &buyer);
        let sale = tell(&app, "s", "sale", "2026-02-25T10:00:00Z", &buyer);
        let repeat = tell(&app, "r", "sale", "2026-02-26T10:00:00Z", &buyer);
        let db = &app.state().db;

        let leads = open(db, &parameters(""), "figure=leads_micro").expect("evidence");
        let expected = [(bot, "class"), (view, "view"), (old, "before_look_back"), (late.clone(), "after_event")];
        assert_eq!(reasons_of(&leads, &lead), expected.into_iter().collect());
        let credited = sheet(&leads, "touches").expect("touches");
        assert_eq!(column(credited, "touch").iter().map(|c| text(c)).collect::<Vec<_>>(), [own.as_str()]);

        let revenue = open(db, &parameters(""), "figure=gross_revenue_minor&row=").expect("evidence");
        assert_eq!(reasons_of(&revenue, &sale), [(first.clone(), "earlier_purchase")].into_iter().collect());
        assert_eq!(reasons_of(&revenue, &repeat), [(first, "earlier_purchase")].into_iter().collect());
        let events = sheet(&revenue, "stage_events").expect("events");
        assert_eq!(column(events, "inherited").iter().map(|c| text(c)).collect::<Vec<_>>(), ["no", "no", "yes"]);
        let shares = sheet(&revenue, "touches").expect("touches");
        let of_repeat = column(shares, "stage_event").iter().zip(column(shares, "touch")).find(|(e, _)| text(e) == repeat).map(|(_, t)| text(t));
        assert_eq!(of_repeat, Some(second.as_str()), "a repeat inherits the touches of the sale before");
        // What is asked for counts, and is told apart.
        let wider = open(db, &parameters("classes=human,bot&views=true&lookback_days=365"), "figure=leads_micro").expect("evidence");
        assert_eq!(reasons_of(&wider, &lead), [(late, "after_event")].into_iter().collect());
    }

    fn a_refund_stands_beside_its_sale(app) {
        app.link("go");
        store(&app, &[click(1, time("2026-02-01T10:00:00Z"))]);
        let money = |value: &str| json!({ "person": "crm:1", "visitor_id": visitor(1).to_string(), "value": value, "currency": "EUR" });
        let sale = tell(&app, "c", "customer", "2026-02-10T10:00:00Z", &money("10.00"));
        let refund = tell(&app, "r", "refund", "2026-02-11T10:00:00Z", &money("4.00"));
        tell(&app, "x", "refund", "2026-02-12T10:00:00Z", &money("40.00"));
        let document = open(&app.state().db, &parameters(""), "figure=revenue_minor&row=linkedin-organic").expect("evidence");
        let refunds = sheet(&document, "refunds").expect("refunds");
        let list = |name: &str| column(refunds, name).iter().map(|c| text(c)).collect::<Vec<_>>();
        assert_eq!((list("refund"), list("sale"), list("found")), (vec![refund.as_str()], vec![sale.as_str()], vec!["the latest sale with enough left"]));
        assert_eq!(refunds.totals.last(), Some(&SheetCell::Minor(400)));
        let unmatched = open(&app.state().db, &parameters(""), "figure=refunds_minor&row=(unmatched refund)").expect("evidence");
        assert_eq!(text(column(sheet(&unmatched, "refunds").expect("refunds"), "found")[0]), "(unmatched refund)");
        let refunded = open(&app.state().db, &parameters(""), "figure=refunded_customers_micro").expect("evidence");
        assert_eq!(text(column(sheet(&refunded, "stage_events").expect("events"), "counterpart")[0]), refund);
    }

    fn pages_add_up_to_the_cell(app) {
        app.link("go");
        for n in 1..6 {
            let person = json!({ "person": format!("crm:{n}") });
            tell(&app, &format!("l{n}"), "lead", &format!("2026-02-1{n}T10:00:00Z"), &person);
            tell(&app, &format!("r{n}"), "rejected", &format!("2026-02-2{n}T10:00:00Z"), &person);
        }
        let db = &app.state().db;
        let mut seen = BTreeSet::new();
        let mut after = String::new();
        for expected in [2, 2, 1] {
            let document = open(db, &parameters(""), &format!("figure=net_leads_micro&limit=2&{after}")).expect("page");
            let summary = sheet(&document, "summary").expect("summary");
            assert_eq!(column(summary, "by_evidence").iter().map(|c| whole(c)).collect::<Vec<_>>(), [5_000_000, 5_000_000, 0], "the summary is of all");
            let events = column(sheet(&document, "stage_events").expect("events"), "stage_event");
            let own: BTreeSet<String> = events.iter().map(|c| text(c).to_owned()).collect();
            assert_eq!((own.len(), events.len()), (expected, 2 * expected), "both measures of an event stand on its page");
            assert_eq!(document.notes.iter().any(|n| n.contains("after=")), expected == 2, "{:?}", document.notes);
            after = format!("after={}", text(events.last().expect("an event")));
            seen.extend(own);
        }
        assert_eq!(seen.len(), 5);
    }

    fn what_has_no_evidence_is_refused_by_name(app) {
        app.link("go");
        tell(&app, "l", "lead", "2026-02-10T10:00:00Z", &json!({ "person": "crm:1" }));
        let db = &app.state().db;
        let refused = |query: &str, more: &str| match open(db, &parameters(query), more) {
            Err(ReportError::Refused(mut faults)) => faults.pop().map(|f| (f.field, f.code)).expect("a fault"),
            other => panic!("{query} {more}: {other:?}"),
        };
        let named = |field: &str, code: &str| (field.to_owned(), code.to_owned());
        assert_eq!(refused("", "row=nowhere"), named("row", "row-unknown"));
        assert_eq!(refused("by=channel,month", "row=(unattributed)"), named("row", "row-unknown"));
        assert_eq!(refused("model=markov", "figure=revenue_minor"), named("model", "model-without-evidence"));
        let nobody = TouchId::new(UtcMillis(0), [0; 10]).to_string().replace(TouchId::PREFIX, "");
        assert_eq!(refused("", &format!("after={nobody}")), named("after", "stage-event-unknown"));
        assert!(open(db, &parameters("by=channel,month"), "row=(unattributed),2026-02").is_ok());
    }
}
