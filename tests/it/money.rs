//! Money in several currencies, shared costs, labour and monthly costs: through the API, against figures by hand.

use headwater::domain::time::UtcMillis;
use headwater::store::ledger;
use serde_json::{Value, json};

use crate::support::client::Reply;
use crate::support::dice::Dice;
use crate::support::{TestApp, binary, row};

const JANUARY: &str = "from=2026-01-01&to=2026-01-12";
const HISTORY: &str = "Date,USD,JPY,GBP,CYP,\n2026-01-06,1.2,N/A,N/A,N/A,\n2026-01-05,1.25,160,0.8,N/A,\n";

fn import(app: &TestApp, bytes: &[u8]) -> Reply {
    let authorization = format!("Bearer {}", app.client.key);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/octet-stream")];
    app.client.send("POST", "/api/v1/rates/import", &headers, bytes)
}

fn add_rate(app: &TestApp, day: &str, base: &str, quote: &str, rate: &str) -> Value {
    let rate = json!({ "day": day, "base": base, "quote": quote, "rate": rate });
    app.client.post("/api/v1/rates", &json!({ "rates": [rate] })).expect(201)
}

fn spend(app: &TestApp, cost: Value) -> Value {
    app.client.post("/api/v1/costs", &json!({ "costs": [cost] })).expect(201)
}

fn media(app: &TestApp, day: &str, channel: &str, amount: &str, currency: &str) {
    spend(app, json!({ "from": day, "channel": channel, "amount": amount, "currency": currency }));
}

fn tools(app: &TestApp, day: &str, amount: &str, allocation: &str) {
    let cost = json!({ "from": day, "kind": "tools", "amount": amount, "currency": "EUR", "allocation": allocation });
    spend(app, cost);
}

fn tell(app: &TestApp, id: &str, stage: &str, at: &str, more: &Value) {
    let mut event = json!({ "event_id": id, "stage": stage, "occurred_at": at });
    event.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    app.client.post("/api/v1/conversions", &event).expect(201);
}

fn total(app: &TestApp, query: &str, column: &str) -> i64 {
    app.report(query)["totals"][column].as_i64().unwrap_or_else(|| panic!("{column} of {query}"))
}

fn cost(report: &Value, key: &str) -> Option<i64> {
    row(report, key)["cost_minor"].as_i64()
}

fn undo(app: &TestApp, stored: &Value) {
    app.client.delete(&format!("/api/v1/batches/{}", stored["batch"].as_str().expect("batch"))).expect(200);
}

fn evidence(app: &TestApp, query: &str) -> Value {
    app.client.get(&format!("/api/v1/reports/evidence?{query}")).expect(200)
}

/// The rows of a sheet of evidence.
fn lines<'a>(document: &'a Value, sheet: &str) -> &'a Vec<Value> {
    document[sheet].as_array().unwrap_or_else(|| panic!("{sheet} in {document}"))
}

/// Costs of 100 USD, 100 USD, 10,001 JPY and 33.33 GBP; a sale of 50 USD of which 25 are given back the day after.
fn four_currencies(app: &TestApp) {
    app.link("go");
    import(app, HISTORY.as_bytes()).expect(201);
    media(app, "2026-01-05", "linkedin-organic", "100.00", "USD");
    media(app, "2026-01-06", "linkedin-organic", "100.00", "USD");
    media(app, "2026-01-05", "linkedin-organic", "10001", "JPY");
    // A Saturday, five days after the last rate of the pound.
    media(app, "2026-01-10", "linkedin-organic", "33.33", "GBP");
    let money = |value: &str| json!({ "person": "crm:1", "value": value, "currency": "USD", "subject": "order:1" });
    tell(app, "s1", "sale", "2026-01-05T10:00:00Z", &money("50.00"));
    let back = json!({ "person": "crm:1", "value": "25.00", "currency": "USD", "parent": "s1" });
    tell(app, "r1", "refund", "2026-01-06T10:00:00Z", &back);
}

on_both! {
    fn a_report_adds_four_currencies_to_figures_by_hand(app) {
        four_currencies(&app);
        // 80.00 + 83.33 (83.333) + 62.51 (62.50625) + 41.66 (41.6625) EUR.
        assert_eq!(total(&app, JANUARY, "cost_minor"), 8_000 + 8_333 + 6_251 + 4_166);
        assert_eq!(total(&app, JANUARY, "gross_revenue_minor"), 4_000);
        assert_eq!(total(&app, JANUARY, "refunds_minor"), 2_000, "at the sale's rate, not that of the day after");
        // 64.00 + 66.67 (66.667, a pound of the day before) + 50.00 (50.005, half to even) + 33.33 GBP.
        let pounds = format!("{JANUARY}&currency=GBP");
        assert_eq!(total(&app, &pounds, "cost_minor"), 6_400 + 6_667 + 5_000 + 3_333);
        assert_eq!((total(&app, &pounds, "gross_revenue_minor"), total(&app, &pounds, "refunds_minor")), (3_200, 1_600));
        // The day after, the refund alone: still at the sale's rate, on its own date.
        let sixth = "from=2026-01-06&to=2026-01-06";
        assert_eq!((total(&app, sixth, "gross_revenue_minor"), total(&app, sixth, "refunds_minor")), (0, 2_000));
        let paths = app.client.get(&format!("/api/v1/reports/paths?{JANUARY}&stage=customer")).expect(200);
        assert!(paths.to_string().contains("2000"), "paths tell net revenue at the same rates: {paths}");

        let document = evidence(&app, &format!("{JANUARY}&row=linkedin-organic&figure=cost_minor"));
        let text = document.to_string();
        for told in ["1 EUR = 1.25 USD", "1 EUR = 1.2 USD", "1 EUR = 160 JPY", "1 EUR = 0.8 GBP", "2026-01-05", "2026-01-06"] {
            assert!(text.contains(told), "{told} in {text}");
        }
        let refund = evidence(&app, &format!("{JANUARY}&row=&figure=refunds_minor")).to_string();
        assert!(refund.contains("1 EUR = 1.25 USD") && !refund.contains("1.2 USD"), "{refund}");
    }

    fn missing_rates_are_named_and_never_one_to_one(app) {
        four_currencies(&app);
        media(&app, "2026-01-13", "linkedin-organic", "1.00", "GBP");
        media(&app, "2026-01-02", "linkedin-organic", "1.00", "JPY");
        spend(&app, json!({ "from": "2026-01-01", "to": "2026-01-04", "channel": "linkedin-organic", "amount": "4.00", "currency": "USD" }));
        let refused = app.client.get("/api/v1/reports/cost-per-lead?from=2026-01-01&to=2026-01-31");
        assert_eq!((refused.status, refused.fault_codes()), (422, vec!["rate-missing".to_owned(); 3]));
        for told in ["a cost of 2026-01-13 is in GBP", "is of 2026-01-05, more than 7 days", "a cost of 2026-01-02 is in JPY",
            "a cost of 2026-01-01 is in USD", "3 more days of costs up to 2026-01-04"] {
            assert!(refused.text.contains(told), "{told}: {}", refused.text);
        }
        add_rate(&app, "2025-12-31", "EUR", "USD", "1.1");
        add_rate(&app, "2025-12-31", "EUR", "JPY", "150");
        assert!(total(&app, JANUARY, "cost_minor") > 0, "other days need no rate");
        tell(&app, "s2", "sale", "2026-02-20T10:00:00Z", &json!({ "person": "crm:2", "value": "5.00", "currency": "USD" }));
        let refused = app.client.get("/api/v1/reports/cost-per-lead?from=2026-02-01&to=2026-02-28");
        assert_eq!(refused.fault_codes(), ["rate-missing"]);
        assert!(refused.text.contains("a sale of 2026-02-20 is in USD"), "{}", refused.text);
        assert_eq!(total(&app, "from=2026-02-01&to=2026-02-28&currency=USD", "gross_revenue_minor"), 500);
    }

    fn rates_are_facts_that_are_corrected_and_undone(app) {
        four_currencies(&app);
        let report = |query: &str| app.client.get(&format!("/api/v1/reports/cost-per-lead?{query}")).text;
        let first = app.report(JANUARY);
        let as_of = format!("{JANUARY}&as_of={}", first["as_of"]);
        let bytes = report(&as_of);
        let again = import(&app, HISTORY.as_bytes()).expect(201);
        assert_eq!((&again["batch"], &again["added"], &again["standing"]), (&Value::Null, &json!(0), &json!(4)));
        assert_eq!(again["unknown"], json!(["CYP"]));
        let corrected = import(&app, HISTORY.replace("1.25", "1.6").as_bytes()).expect(201);
        assert_eq!((&corrected["added"], &corrected["corrected"], &corrected["standing"]), (&json!(1), &json!(1), &json!(3)));
        assert_eq!(total(&app, JANUARY, "cost_minor"), 6_250 + 8_333 + 6_251 + 4_166);
        assert_eq!((total(&app, JANUARY, "gross_revenue_minor"), total(&app, JANUARY, "refunds_minor")), (3_125, 1_562));
        assert_eq!(report(&as_of), bytes, "a report of before stays what it was");
        let manual = add_rate(&app, "2026-01-05", "USD", "EUR", "0.9");
        assert_eq!(total(&app, JANUARY, "gross_revenue_minor"), 4_500, "a rate by hand wins on its day");
        let batches = app.client.get("/api/v1/batches").expect(200);
        let oldest = batches["items"].as_array().expect("batches").iter().rev().find(|b| b["kind"] == "rates").expect("rates")["id"].clone();
        let refused = app.client.delete(&format!("/api/v1/batches/{}", oldest.as_str().expect("id")));
        assert_eq!(refused.fault_codes(), ["replaced-since"]);
        undo(&app, &manual);
        undo(&app, &corrected);
        assert_eq!(total(&app, JANUARY, "cost_minor"), 26_750, "what was corrected stands again");
        app.client.delete(&format!("/api/v1/batches/{}", oldest.as_str().expect("id"))).expect(200);
        assert_eq!(app.client.get(&format!("/api/v1/reports/cost-per-lead?{JANUARY}")).fault_codes()[0], "rate-missing");
        assert_eq!(report(&as_of), bytes);
    }

    fn a_restatement_counts_a_later_cost_at_the_rate_that_it_came_with(app) {
        app.link("go");
        media(&app, "2026-01-05", "linkedin-organic", "10.00", "EUR");
        let from = app.report(JANUARY)["as_of"].clone();
        add_rate(&app, "2026-01-05", "EUR", "USD", "1.25");
        media(&app, "2026-01-05", "linkedin-organic", "100.00", "USD");
        let between = app.report(JANUARY)["as_of"].clone();
        add_rate(&app, "2026-01-05", "EUR", "USD", "1.6");
        let restated = |from: &Value| {
            let query = format!("{JANUARY}&from_as_of={from}");
            let report = app.client.get(&format!("/api/v1/reports/restatement?{query}")).expect(200);
            let own = lines(&report, "totals").iter().find(|l| l["figure"] == "cost_minor").expect("cost").clone();
            ["before", "after", "cost_correction", "rate"].map(|name| own[name].as_i64().expect("amount"))
        };
        // What had no rate before is counted at the one of today.
        assert_eq!(restated(&from), [1_000, 7_250, 6_250, 0]);
        assert_eq!(restated(&between), [9_000, 7_250, 0, -1_750]);
    }

    fn bad_rates_are_refused_whole(app) {
        let refused = import(&app, b"Date,USD\n2026-01-05,1.1\n2026-01-06,x\n");
        assert_eq!((refused.status, refused.fault_codes()), (422, vec!["rate-malformed".to_owned()]));
        assert!(refused.text.contains("line 3, USD"), "{}", refused.text);
        assert_eq!(import(&app, b"Day,Cost\n").fault_codes(), ["ecb-header"]);
        let rates = json!({ "rates": [
            { "day": "2026-01-05", "quote": "USD", "rate": "1.1" },
            { "day": "2026-13-05", "base": "EURO", "quote": "EUR", "rate": "0" },
        ] });
        let refused = app.client.post("/api/v1/rates", &rates);
        assert_eq!(refused.fault_codes(), ["day-malformed", "currency-unknown", "rate-malformed"]);
        assert!(refused.text.contains("/rates/1/base"), "{}", refused.text);
        let twice = json!({ "rates": [{ "day": "2026-01-05", "quote": "USD", "rate": "1.1" }, { "day": "2026-01-05", "base": "USD", "quote": "EUR", "rate": "0.9" }] });
        assert_eq!(app.client.post("/api/v1/rates", &twice).fault_codes(), ["rate-twice"]);
        assert_eq!(app.client.get("/api/v1/rates").expect(200)["items"], json!([]));
    }

    fn shared_costs_follow_their_own_rule_and_no_model(app) {
        app.link("one");
        app.channel("x-organic", "x", "social");
        app.client.post("/api/v1/links", &json!({ "slug": "two", "destination": "https://example.com", "channel": "x-organic" })).expect(201);
        let clicks: Vec<String> = ["one", "one", "two"].iter().map(|slug| app.click(slug)).collect();
        app.settle();
        let lead = |id: &str, person: &str, click: &str| {
            tell(&app, id, "lead", "2026-03-02T20:00:00Z", &json!({ "person": person, "click_id": click }));
        };
        lead("l1", "crm:1", &clicks[0]);
        // The second person came by both channels, which share that lead equally.
        lead("l2", "crm:2", &clicks[1]);
        tell(&app, "m2", "mql", "2026-03-02T21:00:00Z", &json!({ "person": "crm:2", "click_id": clicks[2] }));
        media(&app, "2026-03-02", "linkedin-organic", "30.00", "EUR");
        media(&app, "2026-03-02", "x-organic", "10.00", "EUR");
        let march = "from=2026-03-01&to=2026-03-31";
        let shares = |allocation: &str, amount: &str, expected: (i64, i64)| {
            let stored = spend(&app, json!({ "from": "2026-03-02", "kind": "tools", "amount": amount, "currency": "EUR", "allocation": allocation }));
            for query in ["model=first", "model=last&lookback_days=1", "model=linear&clock=cohort&classes=human,bot", "by=channel,month", "model=markov&below_floor=accept"] {
                if query.starts_with("by=") {
                    assert_eq!(total(&app, &format!("{march}&{query}"), "cost_minor"), 4_000 + expected.0 + expected.1);
                    continue;
                }
                let report = app.report(&format!("{march}&{query}"));
                assert_eq!((cost(&report, "linkedin-organic"), cost(&report, "x-organic")), (Some(3_000 + expected.0), Some(1_000 + expected.1)), "{allocation} {query}");
            }
            let by_link = app.report(&format!("{march}&by=link"));
            assert_eq!((cost(&by_link, "one"), cost(&by_link, "two")), (Some(3_000 + expected.0), Some(1_000 + expected.1)), "{allocation} by link");
            let document = evidence(&app, &format!("{march}&row=x-organic&figure=cost_minor"));
            let days = lines(&document, "cost_days");
            let own = days.iter().find(|line| !line["weight"].is_null()).unwrap_or_else(|| panic!("{document}"));
            assert_eq!(own["in_cell_minor"].as_i64(), Some(expected.1), "{own}");
            undo(&app, &stored);
        };
        shares("clicks", "10.00", (667, 333));
        shares("spend", "1.01", (76, 25));
        shares("stage:lead", "10.00", (750, 250));
        shares("weights:linkedin-organic=1,x-organic=3", "-1.01", (-25, -76));
        // What is left shared is shown, with the reason.
        tools(&app, "2026-03-03", "7.00", "clicks");
        tools(&app, "2026-03-02", "5.00", "shared");
        let report = app.report(march);
        assert_eq!((cost(&report, "(shared)"), &report["totals"]["cost_minor"]), (Some(1_200), &json!(5_200)));
        let why = evidence(&app, &format!("{march}&row=(shared)&figure=cost_minor")).to_string();
        assert!(why.contains("but the day has none, so it stays shared"), "{why}");
        assert_eq!(total(&app, &format!("{march}&cost=media"), "cost_minor"), 4_000, "tools are no media");
        let refused = |cost: Value| app.client.post("/api/v1/costs", &json!({ "costs": [cost] })).fault_codes();
        let bad = |allocation: &str| json!({ "from": "2026-03-02", "kind": "tools", "amount": "1", "currency": "EUR", "allocation": allocation });
        assert_eq!(refused(bad("evenly")), ["allocation-unknown"]);
        assert_eq!(refused(bad("weights:linkdin-organic=1")), ["channel-unknown"]);
        let named = json!({ "from": "2026-03-02", "channel": "x-organic", "amount": "1", "currency": "EUR", "allocation": "clicks" });
        assert_eq!(refused(named), ["allocation-needless"]);
    }

    fn hours_become_costs_at_the_rate_of_their_day(app) {
        app.link("go");
        let rate = |from: &str, rate: &str| {
            let rate = json!({ "person": "Ana", "effective_from": from, "rate": rate, "currency": "EUR" });
            app.client.post("/api/v1/costs/hourly-rates", &rate).expect(201)
        };
        rate("2026-01-01", "80.00");
        rate("2026-02-01", "90.00");
        let hours = |from: &str, to: &str| json!({ "from": from, "to": to, "person": "Ana", "hours": "7:20", "channel": "linkedin-organic", "note": "Posts" });
        spend(&app, hours("2026-01-30", "2026-01-31"));
        spend(&app, hours("2026-02-01", "2026-02-01"));
        assert_eq!(total(&app, "from=2026-01-01&to=2026-01-31", "cost_minor"), 58_667, "7:20 at 80.00 is 586.666…");
        assert_eq!(total(&app, "from=2026-02-01&to=2026-02-28", "cost_minor"), 66_000);
        let refused = |cost: Value| app.client.post("/api/v1/costs", &json!({ "costs": [cost] })).fault_codes();
        assert_eq!(refused(hours("2026-01-31", "2026-02-01")), ["hourly-rate-changes"]);
        assert_eq!(refused(json!({ "from": "2026-01-05", "person": "Anna", "hours": "1" })), ["hourly-rate-missing"]);
        assert_eq!(refused(json!({ "from": "2026-01-05", "person": "Ana", "team": "Social", "hours": "1" })), ["worker-missing"]);
        assert_eq!(refused(json!({ "from": "2026-01-05", "person": "Ana", "hours": "1", "kind": "media" })), ["labour-kind"]);
        assert_eq!(refused(json!({ "from": "2026-01-05", "person": "Ana" })), ["hours-malformed"]);
        // A time sheet: its own rates, the recorded ones, decimals and minutes.
        let file = app.dir.path().join("hours.csv");
        std::fs::write(&file, "day,team,hours,rate,allocation,note\n2026-03-02,Social,1.25,100.00,clicks,Plan\n2026-03-03,Social,0:30,100.00,,\n").expect("file");
        let path = file.to_str().expect("path");
        binary::run_in(&app, &["import", "costs", path, "--source", "sheet"]);
        assert_eq!(total(&app, "from=2026-03-01&to=2026-03-31", "cost_minor"), 12_500 + 5_000);
        std::fs::write(&file, "day,person,hours\n2026-02-02,Ana,1\n2026-02-03,Bob,1\n").expect("file");
        let output = binary::output_in(&app, &["import", "costs", path, "--source", "sheet"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("line 3: rate: no hourly rate of `Bob`"), "{told}");
        let document = evidence(&app, "from=2026-01-01&to=2026-01-31&row=linkedin-organic&figure=cost_minor");
        let own = &lines(&document, "costs")[0];
        assert_eq!((&own["worker"], &own["hours"], &own["hourly_minor"], &own["note"]), (&json!("Ana"), &json!("7:20"), &json!(8_000), &json!("Posts, 7:20 h of Ana")));
    }

    fn monthly_costs_are_there_once_and_follow_as_of(app) {
        app.link("go");
        let tool = json!({ "name": "Planner", "first_day": "2026-01-15", "amount": "31.00", "currency": "EUR", "allocation": "weights:linkedin-organic=1" });
        let made = app.client.post("/api/v1/costs/schedules", &tool).expect(201);
        let path = format!("/api/v1/costs/schedules/{}", made["id"].as_str().expect("id"));
        let of = |query: &str| total(&app, query, "cost_minor");
        assert_eq!(of("from=2026-01-01&to=2026-12-31"), 3_100 * 11 + 1_700, "the last month has 17 of its 31 days here");
        assert_eq!((of("from=2026-01-15&to=2026-02-14"), of("from=2026-01-01&to=2026-01-14")), (3_100, 0));
        let report = app.report("from=2026-01-01&to=2026-03-31");
        let as_of = report["as_of"].clone();
        assert_eq!(cost(&report, "linkedin-organic"), report["totals"]["cost_minor"].as_i64());
        let change = |body: Value| app.client.patch(&path, &body);
        let raised = change(json!({ "from": "2026-02-15", "amount": "56.00" })).expect(200);
        assert_eq!((of("from=2026-01-15&to=2026-02-14"), of("from=2026-02-15&to=2026-03-14")), (3_100, 5_600));
        assert_eq!(change(json!({ "from": "2026-02-16" })).fault_codes(), ["schedule-month"]);
        change(json!({ "from": "2026-03-15", "last_day": "2026-04-14" })).expect(200);
        assert_eq!(of("from=2026-01-01&to=2026-12-31"), 3_100 + 5_600 + 5_600);
        let refused = app.client.delete(&format!("/api/v1/batches/{}", raised["batch"].as_str().expect("batch")));
        assert_eq!(refused.fault_codes(), ["replaced-since"]);
        let replayed = app.report(&format!("from=2026-01-01&to=2026-03-31&as_of={as_of}"));
        assert_eq!(replayed, report);
        let list = app.client.get("/api/v1/costs/schedules").expect(200);
        assert_eq!((&list["items"][0]["last_day"], list["items"][0]["revisions"].as_array().map(Vec::len)), (&json!("2026-04-14"), Some(3)));
        let wrong = json!({ "name": "", "kind": "beer", "first_day": "2026-01-15", "last_day": "2026-02-20", "amount": "1", "currency": "EUR" });
        assert_eq!(app.client.post("/api/v1/costs/schedules", &wrong).fault_codes(), ["missing", "cost-kind-unknown"]);
        assert_eq!(app.client.patch("/api/v1/costs/schedules/sch_00000000000000000000000000", &json!({ "from": "2026-02-15" })).status, 404);
    }

    fn days_add_up_and_reports_replay_while_rates_and_costs_arrive(app) {
        app.link("go");
        app.channel("x-organic", "x", "social");
        let mut dice = Dice(11);
        let mut kept: Vec<(UtcMillis, String)> = Vec::new();
        let query = "from=2026-01-01&to=2026-01-31&by=channel,week";
        let read = |as_of: UtcMillis| app.client.get(&format!("/api/v1/reports/cost-per-lead?{query}&as_of={}", as_of.0)).text;
        add_rate(&app, "2025-12-31", "EUR", "USD", "1.1");
        for week in [7, 14, 21, 28] {
            add_rate(&app, &format!("2026-01-{week:02}"), "EUR", "USD", "1.2");
        }
        for step in 0..40 {
            let (first, length) = (dice.below(20) + 1, dice.below(10));
            let (from, to) = (format!("2026-01-{first:02}"), format!("2026-01-{:02}", first + length));
            let amount = format!("{}.{:02}", dice.below(1_000), dice.below(100));
            match dice.below(4) {
                0 => drop(add_rate(&app, &from, "EUR", "USD", &format!("1.{:04}", dice.below(9_999) + 1))),
                1 => media(&app, &from, dice.of(&["linkedin-organic", "x-organic"]), &amount, "EUR"),
                2 => drop(spend(&app, json!({ "from": from, "to": to, "channel": "x-organic", "amount": amount, "currency": "USD" }))),
                _ => drop(spend(&app, json!({ "from": from, "to": to, "kind": "tools", "amount": amount, "currency": "USD", "allocation": dice.of(&["spend", "weights:x-organic=2,linkedin-organic=5", "clicks"]) }))),
            }
            let as_of = app.state().db.read_now(ledger::horizon).expect("horizon");
            kept.push((as_of, read(as_of)));
            if step % 10 == 9 {
                let whole = total(&app, "from=2026-01-01&to=2026-01-31", "cost_minor");
                let halves = total(&app, "from=2026-01-01&to=2026-01-13", "cost_minor") + total(&app, "from=2026-01-14&to=2026-01-31", "cost_minor");
                assert_eq!(whole, halves, "split periods add up");
            }
        }
        assert!(kept.iter().all(|(_, text)| text.contains("totals")), "{}", kept[0].1);
        for (as_of, text) in &kept {
            assert_eq!(read(*as_of), *text, "as of {}", as_of.0);
        }
    }
}
