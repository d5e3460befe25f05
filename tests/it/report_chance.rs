//! Reports of random histories: whatever the order of arrival, the same facts give the same figures.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::{TestApp, binary};

const DAY: i64 = 86_400_000;
/// 2026-01-01T00:00:00Z
const BEGIN: i64 = 1_767_225_600_000;
const CHANNELS: &[&str] = &["linkedin-organic", "x-organic", "facebook-paid", "newsletter"];
const MODELS: &str = "first,last,last_non_direct,linear,linear_distinct,time_decay,position,j_shaped,inverse_j,custom:first=1:middle=2:last=3,u_shaped,w_shaped,full_path,participation";

/// Touches as lines of a file, conversions as bodies of the API.
struct History {
    touches: Vec<(i64, String, String)>,
    events: Vec<(i64, Value)>,
}

/// A history of some people of this name; equal times, shared deals and refunds occur.
fn history(rng: &mut StdRng, name: &str) -> History {
    let mut touches = Vec::new();
    let mut events = Vec::new();
    for person in 0..rng.random_range(4..9) {
        for n in 0..rng.random_range(0..7) {
            // Coarse times, so that ties occur.
            let at = rng.random_range(0..60 * 4) * DAY / 4;
            let channel = CHANNELS[rng.random_range(0..CHANNELS.len())];
            touches.push((at, format!("t{name}{person}-{n}"), format!("{channel},{name}{person}")));
        }
        let lead = rng.random_range(20..60) * DAY;
        let mut add = |id: &str, stage: &str, at: i64, more: Value| {
            let mut event = json!({ "event_id": format!("{id}{name}{person}"), "stage": stage, "person": format!("{name}{person}") });
            event.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
            events.push((at, event));
        };
        add("l", "lead", lead, json!({}));
        if rng.random_bool(0.6) {
            add("o", "opportunity", lead + 3 * DAY, json!({ "subject": format!("deal:{name}{}", person / 2) }));
            let cents = rng.random_range(1..100_000);
            let amount =
                |cents: i64| json!({ "value": format!("{}.{:02}", cents / 100, cents % 100), "currency": "EUR" });
            add("c", "customer", lead + 9 * DAY, amount(cents));
            if rng.random_bool(0.5) {
                add("s", "sale", lead + 12 * DAY, amount(777));
            }
            if rng.random_bool(0.5) {
                let mut refund = amount(rng.random_range(1..=cents));
                refund["parent"] = json!(format!("c{name}{person}"));
                add("r", "refund", lead + 13 * DAY, refund);
            }
        }
    }
    History { touches, events }
}

fn time(at: i64) -> String {
    headwater::domain::time::UtcMillis(at).to_string()
}

/// Makes the channels, imports the touches and posts the events, `shift` milliseconds later than they are told.
fn tell(app: &TestApp, history: &History, shift: i64) {
    let file = app.dir.path().join("touches.csv");
    let line = |(at, id, rest): &(i64, String, String)| format!("{id},{},{rest}\n", time(BEGIN + at + shift));
    let body: String = history.touches.iter().map(line).collect();
    std::fs::write(&file, format!("external_id,occurred_at,channel,person\n{body}")).expect("file");
    if !history.touches.is_empty() {
        binary::run_in(app, &["import", "touches", file.to_str().expect("path"), "--source", "old-tool", "--json"]);
    }
    for (at, event) in &history.events {
        let mut event = event.clone();
        event["occurred_at"] = json!(time(BEGIN + at + shift));
        let reply = app.client.post("/api/v1/conversions", &event);
        assert!(reply.status == 201 || reply.status == 200, "{}", reply.text);
    }
}

fn prepare(app: &TestApp) {
    for (code, medium) in CHANNELS.iter().zip(["social", "post", "cpc", "email"]) {
        app.channel(code, code, medium);
    }
    app.clock.set(headwater::domain::time::UtcMillis(BEGIN + 100 * DAY));
}

/// Rows and totals, without what differs by name alone.
fn figures(app: &TestApp, from: &str, to: &str) -> (Value, Value) {
    let report = app.report(&format!("from={from}&to={to}&model={MODELS}&lookback_days=30,customer=45"));
    (report["rows"].clone(), report["totals"].clone())
}

on_both! {
    fn the_order_of_arrival_does_not_matter(app) {
        prepare(&app);
        let mut rng = StdRng::seed_from_u64(7);
        let mut told = history(&mut rng, "ana");
        tell(&app, &told, 0);
        let before = figures(&app, "2026-01-01", "2026-04-30");
        let other = TestApp::start(app.db.backend());
        prepare(&other);
        told.touches.shuffle(&mut rng);
        told.events.shuffle(&mut rng);
        tell(&other, &told, 0);
        assert_eq!(figures(&other, "2026-01-01", "2026-04-30"), before);
        tell(&other, &told, 0);
        assert_eq!(figures(&other, "2026-01-01", "2026-04-30"), before, "told again, nothing changes");
    }

    fn a_shift_by_whole_days_shifts_the_report(app) {
        prepare(&app);
        let told = history(&mut StdRng::seed_from_u64(11), "ana");
        tell(&app, &told, 0);
        let other = TestApp::start(app.db.backend());
        prepare(&other);
        tell(&other, &told, 9 * DAY);
        assert_eq!(figures(&other, "2026-01-10", "2026-03-01"), figures(&app, "2026-01-01", "2026-02-20"));
    }

    fn histories_of_many_seeds_add_up(app) {
        prepare(&app);
        for seed in 20..26 {
            // Every history comes on top of the one before, by people of its own.
            let told = history(&mut StdRng::seed_from_u64(seed), &format!("p{seed}-"));
            tell(&app, &told, 0);
            // The engine refuses to answer sums that differ; the parts of a period must add up to it as well.
            let (_, whole) = figures(&app, "2026-01-01", "2026-04-30");
            let parts = [("2026-01-01", "2026-01-31"), ("2026-02-01", "2026-02-10"), ("2026-02-11", "2026-04-30")];
            let parts = parts.map(|(from, to)| figures(&app, from, to).1);
            for (n, model) in MODELS.split(',').enumerate() {
                for column in ["leads_micro", "customers_micro", "opportunities_micro", "revenue_minor", "refunds_minor"] {
                    let of = |totals: &Value| totals["models"][n][column].as_i64().expect("integer");
                    let sum: i64 = parts.iter().map(of).sum();
                    assert_eq!(sum, of(&whole), "{seed} {model} {column}");
                }
            }
        }
    }
}
