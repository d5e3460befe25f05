//! Who is who, through the API: joins, shared clicks, merges, unmerges, deals.

use serde_json::{Value, json};

use crate::support::{TestApp, row};

const MARCH: &str = "from=2026-03-01&to=2026-03-31";

pub(crate) fn tell(app: &TestApp, id: &str, stage: &str, more: &Value) -> Value {
    app.clock.advance_ms(60_000);
    let at = headwater::domain::time::Clock::now(&*app.clock).to_string();
    let mut event = json!({ "event_id": id, "stage": stage, "occurred_at": at });
    event.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    app.client.post("/api/v1/conversions", &event).expect(201)
}

pub(crate) fn people(app: &TestApp) -> Vec<Value> {
    app.client.get("/api/v1/people").expect(200)["items"].as_array().expect("people").clone()
}

on_both! {
    fn email_and_contact_make_one_person_and_one_journey(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        tell(&app, "e1", "lead", &json!({ "click_id": click, "email": "Ana@example.com" }));
        tell(&app, "e2", "opportunity", &json!({ "person": "crm:1", "email": "ana@example.com " }));
        tell(&app, "e3", "customer", &json!({ "person": "crm:1", "value": "100.00", "currency": "EUR" }));
        let people = people(&app);
        assert_eq!(people.len(), 1);
        let kinds: Vec<&str> = people[0]["steps"].as_array().expect("steps").iter().map(|s| s["kind"].as_str().expect("kind")).collect();
        assert_eq!(kinds, ["click", "lead", "opportunity", "customer"]);
        let report = app.report(MARCH);
        let channel = row(&report, "linkedin-organic");
        assert_eq!((&channel["leads_micro"], &channel["customers_micro"], &channel["revenue_minor"]), (&json!(1_000_000), &json!(1_000_000), &json!(10_000)));
    }

    fn a_shared_click_never_fuses_two_known_people(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        tell(&app, "e1", "lead", &json!({ "click_id": click, "person": "crm:1" }));
        tell(&app, "e2", "lead", &json!({ "click_id": click, "person": "crm:2" }));
        assert_eq!(people(&app).len(), 2);
        let shared = app.client.get("/api/v1/people/shared").expect(200);
        assert!(shared["items"].as_array().is_some_and(|list| list.iter().any(|s| s["kind"] == "click")), "{shared}");
        let report = app.report(MARCH);
        assert_eq!(row(&report, "linkedin-organic")["leads_micro"], 2_000_000, "both may use the touch");
    }

    fn merges_and_unmerges_are_facts(app) {
        tell(&app, "e1", "lead", &json!({ "person": "crm:1" }));
        tell(&app, "e2", "lead", &json!({ "person": "crm:2" }));
        let before = app.report(MARCH);
        assert_eq!(before["totals"]["leads_micro"], 2_000_000);
        let list = people(&app);
        let pair = json!({ "person": list[0]["person"], "other": list[1]["person"] });
        app.client.post("/api/v1/people/merge", &pair).expect(204);
        assert_eq!(app.report(MARCH)["totals"]["leads_micro"], 1_000_000);
        app.client.post("/api/v1/people/unmerge", &pair).expect(204);
        assert_eq!(app.report(MARCH)["totals"]["leads_micro"], 2_000_000);
        let then = app.report(&format!("{MARCH}&as_of={}", before["as_of"]));
        assert_eq!(then, before, "what was reported then is reported still");
        let itself = json!({ "person": list[0]["person"], "other": list[0]["person"] });
        assert_eq!(app.client.post("/api/v1/people/merge", &itself).status, 422);
        let nobody = json!({ "person": list[0]["person"], "other": "per_7ZZZZZZZZZZZZZZZZZZZZZZZZZ" });
        assert_eq!(app.client.post("/api/v1/people/merge", &nobody).status, 404);
    }

    fn placeholders_join_nobody_and_office_addresses_stop_joining(app) {
        for n in 0..3 {
            tell(&app, &format!("p{n}"), "lead", &json!({ "person": format!("crm:p{n}"), "email": "noreply@example.com" }));
        }
        assert_eq!(people(&app).len(), 3);
        for n in 0..6 {
            tell(&app, &format!("o{n}"), "lead", &json!({ "person": format!("crm:o{n}"), "email": "office@example.com" }));
            let expected = if n < 5 { 4 } else { 9 };
            assert_eq!(people(&app).len(), expected, "after {} contacts of one address", n + 1);
        }
    }

    fn a_deal_without_a_person_finds_its_people(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        tell(&app, "c1", "customer", &json!({ "subject": "deal:7", "value": "50.00", "currency": "EUR" }));
        let report = app.report(MARCH);
        assert_eq!(row(&report, "(unattributed)")["customers_micro"], 1_000_000, "unmatched, but counted");
        // The click came before the deal was won; the CRM tells later who was on it.
        tell(&app, "o1", "opportunity", &json!({ "subject": "deal:7", "click_id": click, "person": "crm:1" }));
        let report = app.report(MARCH);
        assert_eq!(row(&report, "linkedin-organic")["customers_micro"], 1_000_000);
        assert_eq!(row(&report, "linkedin-organic")["revenue_minor"], 5_000);
    }

    fn undoing_one_import_leaves_the_people_of_another_whole(app) {
        let import = |name: &str, row: &str| {
            let file = app.dir.path().join(format!("{name}.csv"));
            std::fs::write(&file, format!("event_id,stage,occurred_at,person\n{row}\n")).expect("file");
            let done = crate::support::binary::run_in(&app, &["import", "conversions", file.to_str().expect("path"), "--source", name, "--json"]);
            serde_json::from_str::<Value>(&done).expect("json")["batch"].as_str().expect("batch").to_owned()
        };
        let first = import("leads", "e1,lead,2026-03-01T00:00:00Z,1");
        import("wins", "e2,customer,2026-03-02T00:00:00Z,1");
        app.client.delete(&format!("/api/v1/batches/{first}")).expect(200);
        import("sales", "e3,sale,2026-03-02T10:00:00Z,1");
        assert_eq!(people(&app).len(), 1);
        assert_eq!(app.report(MARCH)["totals"]["customers_micro"], 1_000_000);
    }

    fn voiding_an_event_takes_its_joins_along(app) {
        let wrong = tell(&app, "e1", "lead", &json!({ "person": "crm:1", "email": "shared@example.com" }));
        tell(&app, "e2", "lead", &json!({ "person": "crm:1" }));
        tell(&app, "e3", "lead", &json!({ "person": "crm:2", "email": "shared@example.com" }));
        assert_eq!(people(&app).len(), 1);
        let id = wrong["items"][0]["event"].as_str().expect("event").to_owned();
        app.client.delete(&format!("/api/v1/conversions/{id}")).expect(204);
        assert_eq!(people(&app).len(), 2);
    }

    fn two_leads_of_one_unknown_browser_are_one_however_fast_the_loader_is(app) {
        app.link("go");
        let first = app.client.browse("/go");
        let cookie = first.header("set-cookie").split(';').next().expect("cookie").to_owned();
        app.clock.advance_ms(60_000);
        let mut headers = crate::support::client::browser_headers();
        headers.push(("cookie", &cookie));
        let second = app.client.send("GET", "/go", &headers, b"");
        let ids = [&first, &second].map(|r| crate::support::click_id(&r.header("location")));
        // Not settled: the conversions may well come before their touches are loaded.
        tell(&app, "e1", "lead", &json!({ "click_id": ids[0] }));
        tell(&app, "e2", "lead", &json!({ "click_id": ids[1] }));
        app.settle();
        assert_eq!(people(&app).len(), 1);
        assert_eq!(app.report(MARCH)["totals"]["leads_micro"], 1_000_000);
    }

    fn an_unmerge_parts_whom_a_weak_key_or_an_address_joined(app) {
        tell(&app, "e1", "lead", &json!({ "person": "crm:1", "email": "a@example.com" }));
        tell(&app, "e2", "lead", &json!({ "person": "crm:2", "email": "a@example.com" }));
        let one = people(&app);
        assert_eq!(one.len(), 1);
        let members = one[0]["members"].as_array().expect("members").clone();
        let pair = json!({ "person": members[0], "other": members[1] });
        app.client.post("/api/v1/people/unmerge", &pair).expect(204);
        assert_eq!(people(&app).len(), 2);
    }

    fn a_returning_browser_brings_its_earlier_clicks(app) {
        app.link("go");
        let first = app.client.browse("/go");
        let cookie = first.header("set-cookie").split(';').next().expect("cookie").to_owned();
        app.clock.advance_ms(86_400_000);
        let mut headers = crate::support::client::browser_headers();
        headers.push(("cookie", &cookie));
        let second = app.client.send("GET", "/go", &headers, b"");
        let click = crate::support::click_id(&second.header("location"));
        app.settle();
        tell(&app, "e1", "lead", &json!({ "click_id": click, "email": "a@example.com" }));
        let touches = people(&app)[0]["steps"].as_array().expect("steps").iter().filter(|s| s["step"] == "touch").count();
        assert_eq!(touches, 2);
    }
}
