//! The report: columns, special rows, refunds, zones, formats, bad parameters.

use serde_json::{Value, json};

use crate::support::{TestApp, binary, row};

const MARCH: &str = "from=2026-03-01&to=2026-03-31";

fn tell(app: &TestApp, id: &str, stage: &str, at: &str, more: &Value) {
    let mut event = json!({ "event_id": id, "stage": stage, "occurred_at": at });
    event.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    app.client.post("/api/v1/conversions", &event).expect(201);
}

fn money(amount: &str) -> Value {
    json!({ "person": "crm:1", "value": amount, "currency": "EUR" })
}

on_both! {
    fn spend_without_leads_and_leads_without_money_both_stay(app) {
        app.link("go");
        app.channel("x-organic", "x", "social");
        let click = app.click("go");
        app.settle();
        app.client.post("/api/v1/costs", &json!({ "costs": [{ "from": "2026-03-02", "channel": "x-organic", "amount": "10.00", "currency": "EUR" }] })).expect(201);
        tell(&app, "l1", "lead", "2026-03-02T13:00:00Z", &json!({ "click_id": click }));
        let report = app.report(MARCH);
        let (x, li) = (row(&report, "x-organic"), row(&report, "linkedin-organic"));
        assert_eq!((&x["cost_minor"], &x["leads_micro"], &x["cpl_minor"]), (&json!(1_000), &json!(0), &Value::Null), "a ratio over nothing is blank");
        assert_eq!((&li["cost_minor"], &li["leads_micro"], &li["cpl_minor"], &li["roas"]), (&json!(0), &json!(1_000_000), &json!("0.0000"), &Value::Null));
        assert_eq!(report["totals"]["cpl_minor"], "1000.0000");
    }

    fn refunds_undo_their_sale_and_strangers_stay_visible(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        app.clock.advance_ms(10 * 86_400_000);
        tell(&app, "c1", "customer", "2026-03-05T00:00:00Z", &json!({ "click_id": click, "person": "crm:1", "subject": "deal:1", "value": "100.00", "currency": "EUR" }));
        app.clock.advance_ms(60 * 86_400_000);
        tell(&app, "r1", "refund", "2026-03-10T00:00:00Z", &json!({ "parent": "deal:1", "value": "30.00", "currency": "EUR" }));
        tell(&app, "r2", "refund", "2026-04-10T00:00:00Z", &money("-70.00"));
        tell(&app, "r3", "refund", "2026-03-11T00:00:00Z", &money("0.01"));
        let march = app.report(MARCH);
        let row_march = row(&march, "linkedin-organic");
        // The cent of r3 comes off the sale as well, so r2 finds less than its 70.00 left and stays unmatched.
        assert_eq!((&row_march["gross_revenue_minor"], &row_march["refunds_minor"], &row_march["revenue_minor"]), (&json!(10_000), &json!(3_001), &json!(6_999)));
        assert_eq!(row_march["customers_micro"], 1_000_000, "a refund un-counts nobody");
        let april = app.report("from=2026-04-01&to=2026-04-30");
        assert_eq!(row(&april, "(unmatched refund)")["refunds_minor"], 7_000);
        assert_eq!(april["totals"]["revenue_minor"], -7_000, "a refund counts on its own date");
    }

    fn a_customers_later_lead_is_no_new_lead_and_rejections_are_told_beside(app) {
        tell(&app, "c1", "customer", "2026-02-01T00:00:00Z", &json!({ "person": "crm:1" }));
        tell(&app, "l1", "lead", "2026-03-01T00:00:00Z", &json!({ "person": "crm:1" }));
        tell(&app, "l2", "lead", "2026-03-01T00:00:00Z", &json!({ "person": "crm:2" }));
        tell(&app, "x2", "rejected", "2026-03-02T00:00:00Z", &json!({ "person": "crm:2" }));
        let totals = app.report(MARCH)["totals"].clone();
        assert_eq!((&totals["leads_micro"], &totals["existing_customer_leads_micro"], &totals["rejected_leads_micro"], &totals["net_leads_micro"]),
            (&json!(1_000_000), &json!(1_000_000), &json!(1_000_000), &json!(0)));
    }

    fn one_deal_is_one_revenue_whoever_is_on_it_and_its_refund_finds_it(app) {
        let deal = |person: &str| json!({ "person": person, "subject": "Deal:1", "value": "100.00", "currency": "EUR" });
        tell(&app, "c1", "customer", "2026-03-01T00:00:00Z", &json!({ "person": "crm:0x", "subject": "deal:1" }));
        tell(&app, "c2", "customer", "2026-03-01T01:00:00Z", &deal("crm:1"));
        tell(&app, "c3", "customer", "2026-03-01T02:00:00Z", &deal("crm:2"));
        tell(&app, "r1", "refund", "2026-03-01T03:00:00Z", &json!({ "parent": "Deal:1", "value": "30.00", "currency": "EUR" }));
        tell(&app, "r2", "refund", "2026-03-01T04:00:00Z", &json!({ "parent": "c3", "value": "20.00", "currency": "EUR" }));
        let totals = app.report(MARCH)["totals"].clone();
        assert_eq!((&totals["gross_revenue_minor"], &totals["refunds_minor"]), (&json!(10_000), &json!(5_000)));
        assert_eq!(row(&app.report(MARCH), "(unmatched refund)"), &Value::Null);
        assert_eq!(totals["customers_micro"], 3_000_000, "each of them became a customer");
    }

    fn the_ends_of_the_calendar_are_refused(app) {
        for by in ["channel", "campaign", "link"] {
            let reply = app.client.get(&format!("/api/v1/reports/cost-per-lead?from=9999-12-31&to=9999-12-31&by={by}"));
            assert_eq!(reply.status, 422);
        }
        assert_eq!(app.report("from=9000-12-01&to=9000-12-31&by=link")["totals"]["leads_micro"], 0);
    }

    fn days_are_cut_in_the_reports_zone(app) {
        tell(&app, "l1", "lead", "2026-02-28T23:30:00Z", &json!({ "person": "crm:1" }));
        assert_eq!(app.report(MARCH)["totals"]["leads_micro"], 0);
        assert_eq!(app.report(&format!("{MARCH}&zone=Europe/Berlin"))["totals"]["leads_micro"], 1_000_000);
    }

    fn the_look_back_is_inclusive(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        app.clock.advance_ms(100 * 86_400_000);
        // The click was at 12:01; exactly ten days later is inside a look-back of ten days, a millisecond more is not.
        tell(&app, "l1", "lead", "2026-03-12T12:01:00.000Z", &json!({ "click_id": click, "person": "crm:1" }));
        tell(&app, "l2", "lead", "2026-03-12T12:01:00.001Z", &json!({ "click_id": click, "person": "crm:2" }));
        let report = app.report(&format!("{MARCH}&lookback_days=10"));
        assert_eq!(row(&report, "linkedin-organic")["leads_micro"], 1_000_000);
        assert_eq!(row(&report, "(unattributed)")["leads_micro"], 1_000_000);
    }

    fn the_same_figures_come_as_json_csv_and_in_the_terminal(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        tell(&app, "l1", "lead", "2026-03-02T13:00:00Z", &json!({ "click_id": click }));
        app.client.patch("/api/v1/channels/chn_1", &json!({ "name": "=LinkedIn()" })).expect(200);
        let csv = app.client.get(&format!("/api/v1/reports/cost-per-lead?{MARCH}&format=csv"));
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
        let lines: Vec<&str> = csv.text.lines().collect();
        assert!(lines[0].starts_with("channel,name,model,clicks,other_touches,leads_micro"), "{}", lines[0]);
        assert!(lines[1].starts_with("linkedin-organic,'=LinkedIn(),linear,1,0,1000000"), "{}", lines[1]);
        assert!(lines[2].starts_with("(total),,linear,1,0,1000000"));
        let terminal = binary::run_in(&app, &["report", "cost-per-lead", "--from", "2026-03-01", "--to", "2026-03-31", "--by", "channel", "--model", "linear"]);
        assert!(terminal.contains("linkedin-organic") && terminal.contains("Cost per lead") && terminal.contains("1.00"), "{terminal}");
        let json = binary::run_in(&app, &["report", "cost-per-lead", "--from", "2026-03-01", "--to", "2026-03-31", "--json"]);
        let api = app.report(MARCH);
        assert_eq!(serde_json::from_str::<Value>(&json).expect("json"), api, "the command line and the API are one report");
    }

    fn bad_parameters_are_all_named(app) {
        let bad = |query: &str| app.client.get(&format!("/api/v1/reports/cost-per-lead?{query}")).fault_codes();
        assert_eq!(bad("from=2026-03-31&to=2026-03-01"), ["range-reversed"]);
        assert_eq!(bad("from=yesterday&model=magic&by=moon&zone=Mars/Base&currency=XXX1"), ["dimension-unknown", "model-unknown", "day-malformed", "zone-unknown", "currency-unknown"]);
        assert_eq!(bad("colour=red"), ["parameter-unknown"]);
        assert_eq!(bad("lookback_days=-1"), ["lookback-out-of-range"]);
        assert_eq!(bad("format=pdf"), ["format-unknown"]);
        assert_eq!(bad("from=1900-01-01&to=2026-01-01"), ["range-too-long"]);
    }
}
