//! Paths: whose touches are one path, which ones led to nothing, and what becomes of paths out of the ordinary.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use headwater::domain::ids::{ChannelId, TouchId, VisitorId, uuid_v7};
use headwater::domain::time::{DayRange, UtcMillis};
use headwater::domain::touch::{TouchClass, TouchKind};
use headwater::reports::paths::{self, Goal, Options};
use headwater::reports::sheet::{Document, SheetCell};
use headwater::reports::{Parameters, ReportError, parameters_from};
use headwater::store::labels::list_channels;
use headwater::store::touches::{self, Client, NewTouch};
use headwater::store::{Conn, ledger};
use serde_json::{Value, json};

use crate::support::{TestApp, row};

fn at(text: &str) -> UtcMillis {
    UtcMillis::parse(text).expect("time")
}

fn browser(number: u8) -> VisitorId {
    VisitorId(uuid_v7(UtcMillis(0), [number; 10]))
}

/// A human click of a browser, by hand.
fn touch(channel: ChannelId, when: UtcMillis, visitor: Option<u8>) -> NewTouch<'static> {
    NewTouch {
        id: TouchId::new(when, rand::random()),
        occurred_at: when,
        kind: TouchKind::Click,
        class: TouchClass::Human,
        class_rule: "imported".into(),
        link: None,
        channel: Some(channel),
        campaign: None,
        visitor: visitor.map(browser),
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

fn store(app: &TestApp, list: &[NewTouch<'_>]) {
    let write = |conn: &mut Conn| {
        let now = ledger::stamp(conn, at("2026-03-02T12:00:00Z"))?;
        touches::insert(conn, list, now)
    };
    app.state().db.write_now(write).expect("stored");
}

/// Channels by code.
fn channels(app: &TestApp, codes: &[&str]) -> HashMap<String, ChannelId> {
    for code in codes {
        app.channel(code, code, "social").expect(201);
    }
    let all = app.state().db.read_now(list_channels).expect("channels");
    all.into_iter().map(|c| (c.code.clone(), c.id)).collect()
}

fn tell(app: &TestApp, id: &str, stage: &str, when: &str, more: &Value) {
    let mut event = json!({ "event_id": id, "stage": stage, "occurred_at": when });
    event.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    app.client.post("/api/v1/conversions", &event).expect(201);
}

fn february() -> Parameters {
    let range = DayRange { from: "2026-02-01".parse().expect("day"), to: "2026-02-28".parse().expect("day") };
    Parameters::new(range, "EUR".parse().expect("EUR"))
}

fn report(app: &TestApp, parameters: &Parameters, stage: Goal) -> Result<Document, ReportError> {
    let options = Options { stage, limit: 50 };
    app.state().db.read_now(|conn| Ok(paths::run(conn, parameters, &options))).expect("store")
}

/// Names and counts of a sheet, in its order.
fn listed(document: &Document, sheet: &str, column: usize) -> Vec<(String, i64)> {
    let sheet = document.sheets.iter().find(|s| s.name == sheet).expect("sheet");
    let cells = sheet.rows.iter().map(|row| match (&row[0], &row[column]) {
        (SheetCell::Text(name), SheetCell::Count(count)) => (name.clone(), *count),
        other => panic!("{other:?}"),
    });
    cells.collect()
}

fn pairs(list: &[(&str, i64)]) -> Vec<(String, i64)> {
    list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

on_both! {
    fn a_path_is_a_persons_over_all_browsers_or_a_strangers_browser(app) {
        let of = channels(&app, &["a", "b", "c"]);
        let click = |channel: &str, when: &str, who: u8| touch(of[channel], at(when), Some(who));
        let mut bot = click("a", "2026-02-05T00:00:00Z", 6);
        bot.class = TouchClass::Bot;
        let mut view = click("a", "2026-02-05T00:00:00Z", 6);
        view.kind = TouchKind::View;
        let clickers = touch(of["c"], at("2026-02-06T00:00:00Z"), None);
        let click_id = clickers.id;
        store(&app, &[
            // Person 1 converts, with two browsers; a touch after the lead is on no path.
            click("a", "2026-02-01T00:00:00Z", 1), click("b", "2026-02-02T00:00:00Z", 2),
            click("b", "2026-02-03T00:00:00Z", 1), click("c", "2026-02-05T00:00:00Z", 1),
            // Person 2 is known by two browsers and a click, and is no lead.
            click("a", "2026-02-01T00:00:00Z", 3), click("b", "2026-02-03T00:00:00Z", 4), clickers,
            // A stranger, with touches out of the window on both sides.
            click("c", "2025-10-01T00:00:00Z", 5), click("b", "2025-12-01T00:00:00Z", 5), click("a", "2026-02-28T23:59:59Z", 5), click("c", "2026-03-01T00:00:00Z", 5),
            // Nobody that counts.
            bot, view, touch(of["a"], at("2026-02-05T00:00:00Z"), None),
        ]);
        for visitor in [1, 2] {
            tell(&app, &format!("l{visitor}"), "lead", "2026-02-04T00:00:00Z", &json!({ "person": "crm:1", "visitor_id": browser(visitor).to_string() }));
        }
        tell(&app, "s1", "sale", "2026-02-20T00:00:00Z", &json!({ "person": "crm:1", "value": "12.00", "currency": "EUR" }));
        tell(&app, "r1", "refund", "2026-02-21T00:00:00Z", &json!({ "person": "crm:1", "value": "2.00", "currency": "EUR" }));
        for (id, key) in [("m3", json!({ "person": "crm:2", "visitor_id": browser(3).to_string() })),
            ("m4", json!({ "person": "crm:2", "visitor_id": browser(4).to_string() })), ("m5", json!({ "person": "crm:2", "click_id": click_id.to_string() }))] {
            tell(&app, id, "mql", "2026-02-10T00:00:00Z", &key);
        }
        let leads = report(&app, &february(), Goal::Lead).expect("report");
        assert_eq!(listed(&leads, "paths", 1), pairs(&[("a > b", 1)]));
        let row = &leads.sheets[0].rows[0];
        let ratio = |text: &str| SheetCell::Ratio(Some(text.into()));
        assert_eq!(row[2..], [SheetCell::Count(1), SheetCell::Minor(1_000), ratio("3.0000"), ratio("3.0000"), SheetCell::Span(3 * 86_400_000), SheetCell::Span(3 * 86_400_000)]);
        assert_eq!(listed(&leads, "null_paths", 1), pairs(&[("a > b > c", 1), ("b > a", 1)]));
        assert_eq!(listed(&leads, "lengths", 2), pairs(&[("2", 1), ("3", 1)]));
        let customers = report(&app, &february(), Goal::Customer).expect("report");
        assert_eq!(listed(&customers, "paths", 2), pairs(&[("a > b > c", 1)]));
        assert_eq!(listed(&customers, "null_paths", 2), pairs(&[("a > b > c", 1), ("b > a", 0)]));
        // The model counts the same paths.
        let model = app.report("from=2026-02-01&to=2026-02-28&model=markov");
        let counts = &model["path_models"][0];
        assert_eq!((&counts["leads"]["conversions"], &counts["leads"]["null_paths"]), (&json!(1), &json!(2)), "{counts}");
        assert_eq!(counts["leads"]["conversion_rate"], "0.333333333");
        // A shorter look-back begins later, for null paths as for journeys.
        let short = Parameters { look_back: "1".parse().expect("days"), ..february() };
        let short = report(&app, &short, Goal::Lead).expect("report");
        assert_eq!(listed(&short, "paths", 1), pairs(&[("b", 1)]));
        assert_eq!(listed(&short, "null_paths", 1), pairs(&[("a", 1), ("a > b > c", 1)]));
    }

    fn rows_know_whether_they_opened_or_closed(app) {
        let of = channels(&app, &["a", "b"]);
        let click = |channel: &str, day: u8, who: u8| touch(of[channel], at(&format!("2026-02-{day:02}T00:00:00Z")), Some(who));
        store(&app, &[click("a", 1, 1), click("b", 2, 1), click("b", 3, 1), click("a", 4, 1), click("a", 1, 2)]);
        for who in [1, 2] {
            tell(&app, &format!("l{who}"), "lead", "2026-02-05T00:00:00Z", &json!({ "person": format!("crm:{who}"), "visitor_id": browser(who).to_string() }));
        }
        let document = report(&app, &february(), Goal::Lead).expect("report");
        let roles = &document.sheets[1];
        let (count, ratio) = (SheetCell::Count, |text: &str| SheetCell::Ratio(Some(text.into())));
        assert_eq!(roles.rows, [
            vec![SheetCell::text("a"), count(1), count(0), count(1), count(1), count(1), ratio("0.5000")],
            vec![SheetCell::text("b"), count(0), count(1), count(0), count(0), count(1), SheetCell::Ratio(None)],
        ]);
        // A third of the visits to a go on to b, so 1 and 1/3 of the conversions need each. Without a path to nothing a chain measures presence alone, and says so.
        let model = app.report("from=2026-02-01&to=2026-02-28&model=markov");
        assert!(model["notes"].to_string().contains("only measures"), "{}", model["notes"]);
        assert_eq!((&row(&model, "a")["leads"], &row(&model, "b")["leads"]), (&json!("1.500000000"), &json!("0.500000000")));
        assert_eq!(row(&model, "a")["customers_micro"], 0, "no customers are no fault");
    }

    fn a_part_of_the_paths_is_refused_by_name(app) {
        let refused = |pairs: &[(&str, &str)]| {
            let given = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let parameters = parameters_from(&given, &[], &february()).expect("each is known");
            match report(&app, &parameters, Goal::Lead) {
                Err(ReportError::Refused(mut faults)) => faults.pop().expect("a fault").code,
                other => panic!("{other:?}"),
            }
        };
        channels(&app, &["a"]);
        for pair in [("by", "channel,month"), ("by", "month"), ("clock", "cohort"), ("channel", "a"), ("compare", "previous")] {
            assert_eq!(refused(&[pair]), "paths-not-whole", "{pair:?}");
        }
    }

    fn hundreds_of_channels_and_thousands_of_touches_are_answered_or_refused_at_once(app) {
        let codes: Vec<String> = (0..400).map(|n| format!("channel-{n:03}")).collect();
        let of = channels(&app, &codes.iter().map(String::as_str).collect::<Vec<_>>());
        let begin = at("2026-02-01T00:00:00Z");
        // One person with 10,000 touches through all channels, and a stranger with each.
        let mut list: Vec<_> = (0..10_000).map(|n: i64| {
            let code = &codes[usize::try_from(n * 7 % 400).expect("small")];
            touch(of[code], begin.plus_ms(n * 60_000), Some(1))
        }).collect();
        list.extend(codes.iter().zip(2..=250).map(|(code, who)| touch(of[code], begin, Some(who))));
        store(&app, &list);
        tell(&app, "l1", "lead", "2026-02-28T00:00:00Z", &json!({ "person": "crm:1", "visitor_id": browser(1).to_string() }));
        let began = Instant::now();
        let chain = app.report("from=2026-02-01&to=2026-02-28&model=markov");
        assert_eq!(chain["rows"].as_array().map(Vec::len), Some(400));
        assert_eq!(chain["path_models"][0]["leads"]["null_paths"], 249);
        let refused = |model: &str| {
            let reply = app.client.get(&format!("/api/v1/reports/cost-per-lead?from=2026-02-01&to=2026-02-28&below_floor=accept&model={model}"));
            assert_eq!(reply.status, 422, "{}", reply.text);
            reply.fault_codes().concat()
        };
        assert_eq!(refused("shapley"), "too-many-rows");
        let document = report(&app, &february(), Goal::Lead).expect("report");
        let name = &listed(&document, "paths", 1)[0].0;
        assert!(name.ends_with("(9970 more steps)"), "{name}");
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    }
}
