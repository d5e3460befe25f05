//! Invariant 4: the same parameters and `as_of` give the same bytes, whatever is recorded afterwards.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::{TestApp, row};

const MARCH: &str = "from=2026-03-01&to=2026-03-31";

fn bytes(app: &TestApp, query: &str) -> String {
    let reply = app.client.get(&format!("/api/v1/reports/cost-per-lead?{query}"));
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text
}

fn lead(app: &TestApp, id: &str, more: serde_json::Value) -> serde_json::Value {
    let mut event = json!({ "event_id": id, "stage": "lead", "occurred_at": "2026-03-02T20:00:00Z" });
    event.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    app.client.post("/api/v1/conversions", &event).expect(201)
}

on_both! {
    fn a_report_never_changes_for_one_as_of(app) {
        app.link("go");
        let clicks: Vec<String> = (0..3).map(|_| app.click("go")).collect();
        app.settle();
        let first = lead(&app, "l1", json!({ "click_id": clicks[0], "person": "crm:1" }));
        lead(&app, "l2", json!({ "click_id": clicks[1], "person": "crm:2" }));
        app.client.post("/api/v1/costs", &json!({ "costs": [{ "from": "2026-03-02", "channel": "linkedin-organic", "amount": "10.00", "currency": "EUR" }] })).expect(201);
        let queries: Vec<String> = ["channel", "campaign", "link"].iter().flat_map(|by| ["first", "last", "linear"].map(|m| format!("{MARCH}&by={by}&model={m}"))).collect();
        let as_of = app.report(MARCH)["as_of"].clone();
        let before: Vec<String> = queries.iter().map(|q| bytes(&app, &format!("{q}&as_of={as_of}"))).collect();

        // Everything that can happen afterwards, happens.
        app.click("go");
        lead(&app, "l3", json!({ "click_id": clicks[2], "person": "crm:3" }));
        let event = first["items"][0]["event"].as_str().expect("event").to_owned();
        app.client.delete(&format!("/api/v1/conversions/{event}")).expect(204);
        app.client.post("/api/v1/costs", &json!({ "costs": [{ "from": "2026-03-02", "channel": "linkedin-organic", "amount": "99.00", "currency": "EUR" }] })).expect(201);
        let batches = app.client.get("/api/v1/batches").expect(200);
        let oldest = batches["items"].as_array().and_then(|b| b.last()).expect("batch")["id"].as_str().expect("id").to_owned();
        app.client.delete(&format!("/api/v1/batches/{oldest}")).expect(200);
        app.channel("x-organic", "x", "social");
        app.client.patch("/api/v1/links/lnk_1", &json!({ "channel": "x-organic", "campaign": null, "effect": "correction" })).expect(200);
        app.client.patch("/api/v1/channels/chn_1", &json!({ "name": "Renamed", "effect": "correction" })).expect(200);
        let people = app.client.get("/api/v1/people").expect(200);
        app.client.post("/api/v1/people/merge", &json!({ "person": people["items"][0]["person"], "other": people["items"][1]["person"] })).expect(204);
        app.settle();

        let after: Vec<String> = queries.iter().map(|q| bytes(&app, &format!("{q}&as_of={as_of}"))).collect();
        assert_eq!(after, before);
        let now = app.report(MARCH);
        assert_eq!(row(&now, "x-organic")["clicks"], 4, "and today's report has it all: {now}");
        assert_ne!(now["as_of"], as_of);
    }

    fn a_change_from_now_on_leaves_earlier_clicks_where_they_were(app) {
        app.link("go");
        app.channel("x-organic", "x", "social");
        app.click("go");
        app.settle();
        app.clock.advance_ms(3_600_000);
        app.client.patch("/api/v1/links/lnk_1", &json!({ "channel": "x-organic" })).expect(200);
        app.click("go");
        app.click("go");
        app.settle();
        let report = app.report(MARCH);
        assert_eq!((&row(&report, "linkedin-organic")["clicks"], &row(&report, "x-organic")["clicks"]), (&json!(1), &json!(2)));
        app.client.patch("/api/v1/links/lnk_1", &json!({ "channel": "x-organic", "effect": "correction" })).expect(200);
        assert_eq!(row(&app.report(MARCH), "x-organic")["clicks"], 3, "a correction reaches back");
    }

    fn a_correction_of_one_field_leaves_the_others_where_they_were(app) {
        app.link("go");
        app.channel("x-organic", "x", "social");
        app.click("go");
        app.settle();
        app.clock.advance_ms(3_600_000);
        app.client.patch("/api/v1/links/lnk_1", &json!({ "channel": "x-organic" })).expect(200);
        app.click("go");
        app.settle();
        app.client.patch("/api/v1/links/lnk_1", &json!({ "title": "Mended", "effect": "correction" })).expect(200);
        let report = app.report(MARCH);
        assert_eq!((&row(&report, "linkedin-organic")["clicks"], &row(&report, "x-organic")["clicks"]), (&json!(1), &json!(1)));
    }

    fn a_change_holds_from_the_clock_on_even_if_the_ledger_is_ahead(app) {
        app.link("go");
        app.channel("x-organic", "x", "social");
        app.clock.advance_ms(-3_600_000);
        app.client.patch("/api/v1/links/lnk_1", &json!({ "channel": "x-organic" })).expect(200);
        app.click("go");
        app.settle();
        assert_eq!(row(&app.report(MARCH), "x-organic")["clicks"], 1);
    }

    fn an_as_of_beyond_the_horizon_is_clamped_to_it(app) {
        lead(&app, "l1", json!({ "person": "crm:1" }));
        let now = app.report(MARCH);
        let far = app.report(&format!("{MARCH}&as_of=9999999999999"));
        assert_eq!(far, now);
    }

    fn the_bytes_hold_while_facts_arrive(app) {
        app.link("go");
        lead(&app, "l0", json!({ "person": "crm:first" }));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 1.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    lead(&app, &format!("l{n}"), json!({ "person": format!("crm:{n}") }));
                }
            });
            for _ in 0..10 {
                let as_of = app.report(MARCH)["as_of"].clone();
                let query = format!("{MARCH}&as_of={as_of}");
                let first = bytes(&app, &query);
                assert_eq!(bytes(&app, &query), first);
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
