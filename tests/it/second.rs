//! Reads that take two connections: what they see, and that a report of many people is the same whoever read them.

use headwater::domain::time::Clock;
use headwater::store::{StoreError, ledger};
use serde_json::{Value, json};

use crate::support::{Backend, TestApp, row};

/// More people than are read at a time.
const LEADS: usize = 5_500;
/// Every how many of them came by a click.
const EVERY: usize = 100;

fn leads(app: &TestApp, clicks: &[String]) {
    let lead = |n: usize| {
        let mut event = json!({
            "event_id": format!("l{n}"), "stage": "lead", "occurred_at": "2026-03-02T20:00:00Z", "person": format!("crm:{n}"),
        });
        if let (0, Some(click)) = (n % EVERY, clicks.get(n / EVERY)) {
            event["click_id"] = json!(click);
        }
        event
    };
    let all: Vec<Value> = (0..LEADS).map(lead).collect();
    for part in all.chunks(500) {
        app.client.post("/api/v1/conversions", &json!({ "events": part })).expect(200);
    }
}

on_both! {
    fn a_report_of_more_people_than_are_read_at_a_time_adds_up(app) {
        app.link("go");
        app.channel("x-organic", "x", "social");
        app.client.post("/api/v1/links", &json!({ "slug": "other", "destination": "https://example.com/b", "channel": "x-organic" })).expect(201);
        let slug = |n: usize| if n.is_multiple_of(5) { "other" } else { "go" };
        let clicks: Vec<String> = (0..LEADS / EVERY).map(|n| app.click(slug(n))).collect();
        app.settle();
        leads(&app, &clicks);
        let report = app.report("from=2026-03-01&to=2026-03-31&model=first&model=linear");
        assert_eq!(report["totals"]["leads_micro"], 5_500_000_000_i64, "{}", report["totals"]);
        assert_eq!(row(&report, "linkedin-organic")["leads_micro"], 44_000_000);
        assert_eq!(row(&report, "x-organic")["leads_micro"], 11_000_000);
        assert_eq!(row(&report, "(unattributed)")["leads_micro"], 5_445_000_000_i64);
    }
}

/// The horizon while another connection writes: before, by the first one after, by the second one, and by a later reader.
fn horizons(app: &TestApp) -> Result<(i64, i64, Option<i64>, i64), StoreError> {
    let db = &app.state().db;
    db.read_now(|conn| {
        let before = ledger::horizon(conn)?.0;
        db.write_now(|other| ledger::stamp(other, app.clock.now()).map(drop))?;
        let (first, second) = conn.with_second(|first, second| {
            let second = second.map(ledger::horizon).transpose()?.map(|h| h.0);
            Ok::<_, StoreError>((ledger::horizon(first)?.0, second))
        })?;
        Ok((before, first, second, db.read_now(ledger::horizon)?.0))
    })
}

#[test]
fn a_second_connection_sees_the_snapshot_of_the_first() {
    let app = TestApp::start(Backend::Postgres);
    // The second round finds the connection that the first one opened.
    for _ in 0..2 {
        let (before, first, second, later) = horizons(&app).expect("read");
        assert_eq!((first, second), (before, Some(before)));
        assert!(later > before, "others wrote meanwhile");
    }
}

#[test]
fn sqlite_reads_on_one_connection() {
    let app = TestApp::start(Backend::Sqlite);
    let has_second = app.state().db.read_now(|conn| Ok(conn.with_second(|_, second| second.is_some())));
    assert!(!has_second.expect("read"));
}
