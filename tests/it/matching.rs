//! What no key joined: the list of it, suggestions, matches and their undoing; parents.

use serde_json::{Value, json};

use crate::identity::{people, tell};
use crate::support::client::Reply;
use crate::support::{TestApp, row};
use crate::ui::{csrf_in, page, post, set_up};

const MARCH: &str = "from=2026-03-01&to=2026-03-31";

fn unmatched(app: &TestApp, query: &str) -> Vec<Value> {
    app.client.get(&format!("/api/v1/unmatched?{query}")).expect(200)["items"].as_array().expect("items").clone()
}

fn item<'a>(list: &'a [Value], name: &str) -> &'a Value {
    list.iter().find(|r| r["item"] == name).unwrap_or(&Value::Null)
}

fn wish(app: &TestApp, item: &Value, to: &Value) -> Reply {
    app.client.post("/api/v1/matches", &json!({ "item": item, "to": to }))
}

fn person_of(app: &TestApp, event: &str) -> Value {
    let list = people(app);
    let has = |p: &&Value| p["steps"].as_array().expect("steps").iter().any(|s| s["event_id"] == event);
    list.iter().find(has).map_or(Value::Null, |p| p["person"].clone())
}

fn bytes(app: &TestApp, as_of: &Value) -> String {
    app.client.get(&format!("/api/v1/reports/cost-per-lead?{MARCH}&as_of={as_of}")).text
}

on_both! {
    fn each_reason_is_told_and_newest_come_first(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        tell(&app, "fine", "lead", &json!({ "click_id": click }));
        tell(&app, "none", "lead", &json!({ "person": "crm:1" }));
        tell(&app, "lost-click", "lead", &json!({ "person": "crm:2", "click_id": "clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0" }));
        tell(&app, "browser", "lead", &json!({ "person": "crm:3", "visitor_id": "vis_01JZ8Q4M7T2V9XW3B5C6D7E8F1" }));
        tell(&app, "deal", "customer", &json!({ "subject": "deal:7", "value": "50.00", "currency": "EUR" }));
        tell(&app, "refund", "refund", &json!({ "parent": "nowhere", "value": "5.00", "currency": "EUR" }));
        let late = json!({ "event_id": "early", "stage": "lead", "occurred_at": "2026-03-01T00:00:00Z", "click_id": app.click("go") });
        app.client.post("/api/v1/conversions", &late).expect(201);
        app.settle();
        let list = unmatched(&app, MARCH);
        let reasons: Vec<&str> = list.iter().map(|r| r["reason"].as_str().expect("reason")).collect();
        assert_eq!(reasons, ["parent-unknown", "no-person", "browser-unknown", "click-unknown", "no-key", "out-of-reach"]);
        let all = app.client.get(&format!("/api/v1/unmatched?{MARCH}")).expect(200);
        assert_eq!(all["counts"], json!({ "parent-unknown": 1, "no-person": 1, "browser-unknown": 1, "click-unknown": 1, "no-key": 1, "out-of-reach": 1 }));
        // Pages, filters.
        let mut cursor = String::new();
        let mut paged = Vec::new();
        loop {
            let page = app.client.get(&format!("/api/v1/unmatched?{MARCH}&limit=4&cursor={cursor}")).expect(200);
            paged.extend(page["items"].as_array().expect("items").clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = next.to_owned();
        }
        assert_eq!(paged, list);
        assert_eq!(unmatched(&app, &format!("{MARCH}&reason=no-person"))[0]["item"], "deal:7");
        assert_eq!(unmatched(&app, &format!("{MARCH}&stage=refund")).len(), 1);
        assert_eq!(unmatched(&app, &format!("{MARCH}&source=nobody")).len(), 0);
        assert_eq!(unmatched(&app, "from=2026-02-01&to=2026-02-28").len(), 0);
        let refused = app.client.get("/api/v1/unmatched?reason=moon&limit=900&cursor=x");
        assert_eq!((refused.status, refused.fault_codes()), (422, ["reason-unknown", "cursor-malformed", "limit-out-of-range"].map(str::to_owned).to_vec()));
        assert_eq!(app.client.get("/api/v1/unmatched?resaon=no-key").fault_codes(), ["parameter-unknown"]);
    }

    fn a_match_is_a_fact_and_its_undoing_another(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        tell(&app, "l1", "lead", &json!({ "click_id": click, "person": "crm:1" }));
        tell(&app, "c1", "customer", &json!({ "subject": "deal:7", "value": "50.00", "currency": "EUR" }));
        let then = app.report(MARCH);
        assert_eq!(row(&then, "(unattributed)")["customers_micro"], 1_000_000);
        let before = bytes(&app, &then["as_of"]);

        let made = wish(&app, &json!("deal:7"), &json!("crm:1")).expect(201);
        assert_eq!((&made["kind"], &made["item"], &made["basis"], &made["recorded_by"]), (&json!("join"), &json!("deal:7"), &json!("by-hand"), &json!("key:test")));
        let matched = app.report(MARCH);
        assert_eq!(row(&matched, "linkedin-organic")["revenue_minor"], 5_000);
        assert!(unmatched(&app, MARCH).is_empty());
        let matched_bytes = bytes(&app, &matched["as_of"]);
        let again = wish(&app, &json!("deal:7"), &json!("crm:1")).expect(200);
        assert_eq!(again["id"], made["id"], "saying it twice adds nothing");

        let id = made["id"].as_str().expect("id");
        app.client.delete(&format!("/api/v1/matches/{id}")).expect(204);
        app.client.delete(&format!("/api/v1/matches/{id}")).expect(204);
        assert_eq!(row(&app.report(MARCH), "(unattributed)")["customers_micro"], 1_000_000);
        assert_eq!(unmatched(&app, MARCH)[0]["item"], "deal:7");
        assert_eq!((bytes(&app, &then["as_of"]), bytes(&app, &matched["as_of"])), (before, matched_bytes), "what was reported stays");
        let list = app.client.get("/api/v1/matches").expect(200);
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
        assert!(list["items"][0]["undone_at"].is_string());
        assert_eq!(app.client.delete("/api/v1/matches/mch_01JZ8Q4M7T2V9XW3B5C6D7E8F0").status, 404);
        assert_eq!(wish(&app, &json!("deal:7"), &json!("crm:1")).status, 201, "and it may be said again");
    }

    fn persons_are_matched_to_persons_clicks_and_browsers(app) {
        app.link("go");
        let clicks: Vec<String> = (0..3).map(|_| app.click("go")).collect();
        app.settle();
        tell(&app, "known", "lead", &json!({ "click_id": clicks[0], "email": "a@example.com" }));
        for (event, contact) in [("a", "crm:1"), ("b", "crm:2"), ("c", "crm:3")] {
            tell(&app, event, "lead", &json!({ "person": contact }));
        }
        assert_eq!(app.report(MARCH)["totals"]["leads_micro"], 4_000_000);
        wish(&app, &person_of(&app, "a"), &person_of(&app, "known")).expect(201);
        wish(&app, &person_of(&app, "b"), &json!(clicks[1])).expect(201);
        let report = app.report(MARCH);
        assert_eq!((&report["totals"]["leads_micro"], &row(&report, "linkedin-organic")["leads_micro"]), (&json!(3_000_000), &json!(2_000_000)));
        assert_eq!(unmatched(&app, MARCH).len(), 1);
        // The browser of a click is found by the click's touch.
        let first = app.client.browse("/go");
        let cookie = first.header("set-cookie");
        let visitor = cookie.split(['=', ';', '.']).find(|part| part.len() >= 26).expect("visitor").to_owned();
        app.settle();
        let visitor = format!("vis_{}", visitor.trim_start_matches("vis_"));
        let late = json!({ "event_id": "c2", "stage": "mql", "occurred_at": headwater::domain::time::Clock::now(&*app.clock).to_string(), "person": "crm:3" });
        app.client.post("/api/v1/conversions", &late).expect(201);
        wish(&app, &person_of(&app, "c"), &json!(visitor)).expect(201);
        assert_eq!(unmatched(&app, MARCH).len(), 0);
    }

    fn a_match_that_contradicts_is_refused_with_the_reason(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        tell(&app, "a", "lead", &json!({ "person": "crm:1", "click_id": click }));
        tell(&app, "b", "lead", &json!({ "person": "crm:2" }));
        tell(&app, "c", "lead", &json!({ "email": "c@example.com" }));
        let (a, b, c) = (person_of(&app, "a"), person_of(&app, "b"), person_of(&app, "c"));
        let code = |item: &Value, to: &Value| {
            let reply = wish(&app, item, to);
            assert_eq!(reply.status, 422, "{}", reply.text);
            reply.fault_codes().join(" ")
        };
        assert_eq!(code(&b, &a), "contacts-differ");
        assert_eq!(code(&b, &json!("crm:2")), "same-person");
        assert_eq!(code(&c, &json!(click)), "taken");
        assert_eq!(code(&a, &json!(click)), "same-person");
        assert_eq!(code(&b, &json!("clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0")), "touch-unknown");
        assert_eq!(code(&b, &json!("vis_01JZ8Q4M7T2V9XW3B5C6D7E8F0")), "touch-unknown");
        assert_eq!(code(&json!("deal:7"), &json!(click)), "target-unfit");
        assert_eq!(code(&json!("deal:7"), &json!("crm:99")), "contact-unknown");
        assert_eq!(code(&json!("deal"), &a), "item-malformed");
        assert_eq!(wish(&app, &json!("deal:7"), &json!("per_7ZZZZZZZZZZZZZZZZZZZZZZZZZ")).status, 404);
        assert_eq!(wish(&app, &json!("evt_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), &a).status, 404);
        let told = tell(&app, "d", "customer", &json!({ "subject": "deal:8" }));
        assert_eq!(code(&told["items"][0]["event"], &a), "event-named");
        app.client.post("/api/v1/people/unmerge", &json!({ "person": c, "other": a })).expect(204);
        assert_eq!(code(&c, &a), "kept-apart");
        assert!(wish(&app, &c, &a).text.contains("key:test"), "it says whose word that was");
    }

    fn suggestions_say_what_speaks_for_them_and_join_nothing(app) {
        app.link("go");
        tell(&app, "s1", "customer", &json!({ "person": "crm:1", "subject": "order:4711", "parent": "account:900", "value": "1.00", "currency": "EUR" }));
        tell(&app, "p1", "customer", &json!({ "subject": "shop-order:4711", "value": "1.00", "currency": "EUR" }));
        tell(&app, "p2", "refund", &json!({ "parent": "account:900", "value": "1.00", "currency": "EUR" }));
        app.clock.advance_ms(3_600_000);
        app.click("go");
        app.settle();
        tell(&app, "l1", "lead", &json!({ "person": "crm:9" }));
        let list = unmatched(&app, MARCH);
        let best = |name: &str| {
            let s = &item(&list, name)["suggestions"][0];
            (s["basis"].as_str().unwrap_or("").to_owned(), s["strength"].as_str().unwrap_or("").to_owned(), s["to"].clone())
        };
        let owner = person_of(&app, "s1");
        assert_eq!(best("shop-order:4711"), ("same-id".into(), "likely".into(), owner.clone()));
        assert_eq!(best("account:900"), ("same-parent".into(), "strong".into(), owner));
        let lead = person_of(&app, "l1");
        let (basis, strength, browser) = best(lead.as_str().expect("person"));
        assert_eq!((basis.as_str(), strength.as_str()), ("only-touch", "weak"));
        assert_eq!(unmatched(&app, MARCH), list, "asking changes nothing");
        let second = app.client.browse("/go");
        assert_eq!(second.status, 302);
        app.settle();
        app.client.post("/api/v1/matches", &json!({ "item": lead, "to": browser, "basis": "only-touch" })).expect(201);
        assert_eq!(item(&unmatched(&app, MARCH), lead.as_str().expect("person")), &Value::Null);
        tell(&app, "l2", "lead", &json!({ "person": "crm:10" }));
        let next = person_of(&app, "l2");
        let suggestions = || item(&unmatched(&app, MARCH), next.as_str().expect("person"))["suggestions"].clone();
        let one = suggestions();
        assert_eq!(one[0]["detail"], "the only click of an unknown browser in the half hour before, 1 min earlier", "{one}");
        app.client.browse("/go");
        app.settle();
        assert_eq!(suggestions(), json!([]), "of two browsers nobody knows which it was");
    }

    fn an_office_address_is_suggested_and_not_joined(app) {
        for n in 0..6 {
            tell(&app, &format!("o{n}"), "lead", &json!({ "person": format!("crm:o{n}"), "email": "office@example.com" }));
        }
        let list = unmatched(&app, MARCH);
        assert_eq!(list.len(), 6);
        for row in &list {
            let suggestions = row["suggestions"].as_array().expect("suggestions");
            assert_eq!(suggestions.len(), 3);
            assert!(suggestions.iter().all(|s| s["basis"] == "same-email" && s["strength"] == "weak" && s["to"] != row["item"]), "{row}");
        }
    }

    fn a_refund_finds_its_order_and_an_invoice_its_subscription(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        let eur = |more: Value| { let mut body = json!({ "value": "100.00", "currency": "EUR" }); body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone()); body };
        tell(&app, "sub", "customer", &eur(json!({ "click_id": click, "person": "crm:1", "subject": "subscription:3" })));
        // Each invoice names its subscription alone, in whichever case; and its credit notes name the invoice.
        tell(&app, "inv1", "sale", &eur(json!({ "subject": "invoice:11", "parent": "Subscription:3" })));
        tell(&app, "inv2", "sale", &eur(json!({ "subject": "invoice:12", "parent": "subscription:3" })));
        tell(&app, "back", "refund", &json!({ "parent": "invoice:12", "value": "40.00", "currency": "EUR" }));
        // An order, refunded by the event's id.
        tell(&app, "order", "sale", &eur(json!({ "person": "crm:1", "subject": "order:5" })));
        tell(&app, "back2", "refund", &json!({ "parent": "order", "value": "10.00", "currency": "EUR" }));
        let report = app.report(MARCH);
        let channel = row(&report, "linkedin-organic");
        assert_eq!((&channel["customers_micro"], &channel["revenue_minor"], &channel["refunds_minor"]), (&json!(1_000_000), &json!(35_000), &json!(5_000)), "{channel}");
        assert_eq!(report["totals"]["customers_micro"], 1_000_000);
        assert!(unmatched(&app, MARCH).is_empty());
    }

    fn invoices_of_nobody_are_one_customer_until_the_subscription_is_matched(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        for (event, invoice) in [("i1", "invoice:1"), ("i2", "invoice:2")] {
            tell(&app, event, "sale", &json!({ "subject": invoice, "parent": "subscription:3", "value": "10.00", "currency": "EUR" }));
        }
        let list = unmatched(&app, MARCH);
        assert_eq!((list.len(), &list[0]["item"]), (1, &json!("subscription:3")));
        assert_eq!(app.report(MARCH)["totals"]["customers_micro"], 1_000_000);
        tell(&app, "l1", "lead", &json!({ "person": "crm:1", "click_id": click }));
        wish(&app, &json!("subscription:3"), &json!("crm:1")).expect(201);
        assert_eq!(row(&app.report(MARCH), "linkedin-organic")["revenue_minor"], 2_000);
    }

    fn an_event_of_a_parent_alone_is_matched_by_itself(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        tell(&app, "l1", "lead", &json!({ "person": "crm:1", "click_id": click }));
        let told = tell(&app, "s1", "sale", &json!({ "parent": "nowhere", "value": "10.00", "currency": "EUR" }));
        let event = told["items"][0]["event"].clone();
        assert_eq!(unmatched(&app, MARCH)[0]["item"], event);
        wish(&app, &event, &json!("crm:1")).expect(201);
        assert!(unmatched(&app, MARCH).is_empty());
        assert_eq!(row(&app.report(MARCH), "linkedin-organic")["revenue_minor"], 1_000);
    }

    fn a_deal_is_everybodys_who_is_told_to_be_on_it_later(app) {
        app.link("go");
        app.channel("x-organic", "x", "social");
        app.client.post("/api/v1/links", &json!({ "slug": "ex", "destination": "https://www.example.com/", "channel": "x-organic" })).expect(201);
        let clicks = [app.click("go"), app.click("ex")];
        app.settle();
        tell(&app, "l1", "lead", &json!({ "person": "crm:1", "click_id": clicks[0] }));
        tell(&app, "l2", "lead", &json!({ "person": "crm:2", "click_id": clicks[1] }));
        tell(&app, "won", "customer", &json!({ "subject": "deal:7", "value": "100.00", "currency": "EUR" }));
        // The CRM associates its contacts with the deal afterwards.
        for contact in ["crm:1", "crm:2"] {
            app.client.post("/api/v1/matches", &json!({ "item": "deal:7", "to": contact, "basis": "told" })).expect(201);
        }
        let report = app.report(&format!("{MARCH}&model=linear"));
        let revenue = |key: &str| row(&report, key)["revenue_minor"].clone();
        assert_eq!((revenue("linkedin-organic"), revenue("x-organic")), (json!(5_000), json!(5_000)), "both journeys, once");
        assert_eq!(report["totals"]["customers_micro"], 1_000_000);
    }

    fn a_crm_merges_contacts_by_their_own_ids(app) {
        tell(&app, "e1", "lead", &json!({ "person": "crm:1" }));
        tell(&app, "e2", "lead", &json!({ "person": "crm:2" }));
        app.client.post("/api/v1/people/merge", &json!({ "person": "crm:1", "other": "crm:2" })).expect(204);
        assert_eq!(people(&app).len(), 1);
        // One that nobody has told of yet: its later events are the person's, too.
        app.client.post("/api/v1/people/merge", &json!({ "person": "crm:1", "other": "crm:3" })).expect(204);
        tell(&app, "e3", "lead", &json!({ "person": "crm:3" }));
        assert_eq!(people(&app).len(), 1);
        let merges = app.client.get("/api/v1/matches").expect(200);
        assert_eq!(merges["items"].as_array().map(Vec::len), Some(2));
        let second = merges["items"][1]["id"].as_str().expect("id").to_owned();
        app.client.delete(&format!("/api/v1/matches/{second}")).expect(204);
        assert_eq!(people(&app).len(), 2, "a merge is undone like any match");
        for other in ["crm:1", "clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0", "me@example.com"] {
            assert_eq!(app.client.post("/api/v1/people/merge", &json!({ "person": "crm:1", "other": other })).status, 422, "{other}");
        }
    }

    fn the_page_matches_by_a_press_and_undoes_by_another(app) {
        app.link("go");
        let click = app.click("go");
        app.settle();
        tell(&app, "s1", "sale", &json!({ "person": "crm:1", "click_id": click, "subject": "order:4711", "value": "1.00", "currency": "EUR" }));
        tell(&app, "p1", "sale", &json!({ "subject": "<b>:4711", "value": "1.00", "currency": "EUR" }));
        let cookie = set_up(&app);
        let path = format!("/app/unmatched?{MARCH}");
        let shown = page(&app, &path, &cookie);
        assert_eq!(shown.status, 200);
        assert!(shown.text.contains("&#60;b&#62;:4711") && !shown.text.contains("<b>"), "escaped");
        assert!(shown.text.contains("Match") && shown.text.contains("which has the same id, is theirs"));
        let csrf = csrf_in(&shown.text);
        let owner = person_of(&app, "s1");
        let fields = |item: &'static str, to: &str| [("csrf", csrf.clone()), ("query", MARCH.to_owned()), ("item", item.to_owned()), ("to", to.to_owned()), ("basis", "same-id".to_owned())];
        let send = |path: &str, fields: &[(&str, String)]| {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
            post(&app, path, &cookie, &fields)
        };
        let refused = send("/app/matches", &fields("<b>:4711", "crm:99"));
        assert_eq!(refused.status, 422);
        assert!(refused.text.contains("No event has told of the contact"), "{}", refused.text);
        assert_eq!(send("/app/matches", &fields("<b>:4711", "per_7ZZZZZZZZZZZZZZZZZZZZZZZZZ")).status, 422);
        let done = send("/app/matches", &fields("<b>:4711", owner.as_str().expect("person")));
        assert_eq!((done.status, done.header("location")), (303, format!("/app/unmatched?done=matched&{MARCH}#matches")));
        let after = page(&app, &path, &cookie).text;
        assert!(after.contains("Nothing is unmatched here") && after.contains("same-id") && after.contains("admin@example.com"));
        let id = after.split("/app/matches/").nth(1).and_then(|rest| rest.split('/').next()).expect("a match").to_owned();
        assert_eq!(send(&format!("/app/matches/{id}/undo"), &[("csrf", csrf.clone()), ("query", String::new())]).status, 303);
        assert!(page(&app, &path, &cookie).text.contains("<span class=\"state archived\">undone</span>"));
        assert_eq!(page(&app, "/app/unmatched?reason=moon&from=x", &cookie).status, 422);
    }
}
