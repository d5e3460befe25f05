//! The inbox: lists, search, one delivery, replay and retention.

use diesel::connection::SimpleConnection as _;
use headwater::domain::delivery::Delivery;
use headwater::domain::ids::DeliveryId;
use headwater::domain::time::Clock as _;
use headwater::jobs::load_deliveries::DeliverySink;
use headwater::store::{Conn, deliveries, fact_id};
use headwater::tracking::writer::{RecordSink as _, SinkError};
use serde_json::{Value, json};

use crate::hooks::{Hook, endpoint, signed};
use crate::support::{Client, TestApp, binary};
use crate::surface::{assert_deliveries_add_up, counters, key};
use crate::ui::{csrf_in, page, post, set_up};

const DAY_MS: i64 = 86_400_000;

/// A lead as a vendor tells it, in fields of its own.
fn vendor(id: &str, stage: &str, sum: &str) -> String {
    json!({ "ref": id, "what": stage, "when": "2026-03-01T00:00:00Z", "sum": sum, "mail": format!("{id}@example.com") })
        .to_string()
}

fn mapping(value: &str, stages: &Value) -> Value {
    json!({ "event_id": "/ref", "email": "/mail", "stage": "/what", "occurred_at": "/when", "value": value,
        "currency": { "const": "EUR" }, "stages": stages })
}

/// An endpoint that reads [`vendor`].
fn vendor_endpoint(app: &TestApp) -> Hook {
    endpoint(app, &json!({ "mapping": mapping("/sum", &json!({ "won": "customer", "new": "lead" })) }))
}

fn map(app: &TestApp, hook: &Hook, mapping: &Value) {
    app.client.put(&format!("/api/v1/endpoints/{}/mapping", hook.id), mapping).expect(204);
}

fn deliver(app: &TestApp, hook: &Hook, id: &str, body: &str) -> String {
    let reply = signed(app, hook, id, body, 0).expect(200);
    app.read_inbox();
    reply["delivery"].as_str().expect("delivery").to_owned()
}

fn replay(app: &TestApp, delivery: &str) -> Value {
    app.client.post(&format!("/api/v1/deliveries/{delivery}/replay"), &json!({})).expect(200)["items"][0].clone()
}

fn listed(app: &TestApp, query: &str) -> Vec<Value> {
    app.client.get(&format!("/api/v1/deliveries?{query}")).expect(200)["items"].as_array().expect("items").clone()
}

fn execute(app: &TestApp, sqlite: &str, postgres: &str) {
    app.state()
        .db
        .write_now(|conn| match conn {
            Conn::Sqlite(c) => Ok(c.batch_execute(sqlite)?),
            Conn::Postgres(c, _) => Ok(c.batch_execute(postgres)?),
        })
        .expect("statement");
}

fn bearer(client: &Client) -> String {
    format!("Bearer {}", client.key)
}

const MARCH: &str = "from=2026-03-01&to=2026-03-31";

on_both! {
    /// Many retries of one event at once are one event.
    fn concurrent_duplicates_are_one_event(app) {
        let hook = vendor_endpoint(&app);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        signed(&app, &hook, "msg", &vendor("a", "won", "5.00"), 0).expect(200);
                    }
                });
            }
        });
        app.read_inbox();
        assert_eq!((listed(&app, "status=stored").len(), listed(&app, "status=duplicate").len()), (1, 39));
        assert_eq!(app.report(MARCH)["totals"]["revenue_minor"], 500);
        let c = counters(&app.client);
        assert_deliveries_add_up(&c);
        assert_eq!((c("deliveries_accepted"), c("deliveries_stored"), c("deliveries_pending")), (40, 40, 0));
        assert_eq!(c("delivery_items_stored") + c("delivery_items_duplicate"), 40);
    }

    /// What the database refuses, while loading or while reading, costs nobody else anything.
    fn poison_never_blocks_the_rest(app) {
        let hook = vendor_endpoint(&app);
        execute(
            &app,
            "CREATE TRIGGER p1 BEFORE INSERT ON stage_events WHEN NEW.event_id = 'poison' BEGIN SELECT RAISE(ABORT, 'no'); END;
             CREATE TRIGGER p2 BEFORE INSERT ON deliveries WHEN NEW.message_id = 'unloadable' BEGIN INSERT INTO meta (name, value) VALUES ('x', NULL); END;",
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE check_violation; END $$;
             CREATE TRIGGER p1 BEFORE INSERT ON stage_events FOR EACH ROW WHEN (NEW.event_id = 'poison') EXECUTE FUNCTION no();
             CREATE TRIGGER p2 BEFORE INSERT ON deliveries FOR EACH ROW WHEN (NEW.message_id = 'unloadable') EXECUTE FUNCTION no();",
        );
        for n in 0..30 {
            let id = if n % 10 == 5 { "poison".to_owned() } else { format!("good-{n}") };
            let message = if n == 17 { "unloadable".to_owned() } else { format!("msg_{n}") };
            signed(&app, &hook, &message, &vendor(&id, "won", "1.00"), 0).expect(200);
        }
        app.read_inbox();
        assert_eq!(listed(&app, "status=stored").len(), 26);
        let aside = listed(&app, "status=quarantined");
        assert_eq!(aside.len(), 3);
        assert!(aside.iter().all(|i| i["code"] == "refused-by-database"), "{aside:?}");
        let c = counters(&app.client);
        assert_deliveries_add_up(&c);
        assert_eq!((c("deliveries_quarantined"), c("deliveries_stored"), c("delivery_items_pending")), (1, 29, 0));
        let lines = std::fs::read_to_string(app.dir.path().join("deliveries/quarantine/quarantine.jsonl")).expect("lines");
        let line: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("json");
        assert_eq!(line["record"]["message_id"], "unloadable", "it is kept whole");
        assert!(line["record"]["sealed_body"].as_str().is_some_and(|b| b.len() > 100), "{line}");
    }

    /// An error that is neither passing nor a broken rule: one delivery waits in files, is told of, and is loaded again.
    fn a_delivery_that_is_not_taken_goes_aside_and_comes_back(app) {
        let hook = vendor_endpoint(&app);
        let blocks = |when: &str| {
            execute(
                &app,
                &format!("CREATE TRIGGER p BEFORE INSERT ON deliveries WHEN {when} BEGIN SELECT RAISE(ABORT, 'not today'); END;"),
                &format!(
                    "CREATE OR REPLACE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
                     CREATE TRIGGER p BEFORE INSERT ON deliveries FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION no();"
                ),
            );
        };
        let mended = || execute(&app, "DROP TRIGGER p;", "DROP TRIGGER p ON deliveries;");
        blocks("NEW.message_id LIKE 'bad%'");
        for n in 0..20 {
            let message = if n % 10 == 7 { format!("bad_{n}") } else { format!("msg_{n}") };
            signed(&app, &hook, &message, &vendor(&format!("e{n}"), "won", "1.00"), 0).expect(200);
        }
        app.read_inbox();
        assert_eq!(listed(&app, "status=stored").len(), 18);
        let c = counters(&app.client);
        assert_deliveries_add_up(&c);
        assert_eq!((c("deliveries_quarantined"), c("deliveries_in_quarantine"), c("deliveries_pending")), (2, 2, 0));
        let shown = page(&app, "/app/inbox", &set_up(&app)).text;
        assert!(shown.contains("2 deliveries were") && shown.contains("headwater inbox reload"), "{shown}");
        let reload = || -> Value { serde_json::from_str(&binary::run_in(&app, &["inbox", "reload", "--json"])).expect("json") };
        let refused = reload();
        assert_eq!((&refused["loaded"], &refused["left"]), (&json!(0), &json!(2)));
        assert!(refused["reasons"][0].as_str().is_some_and(|r| r.contains("not today")), "{refused}");
        mended();
        let loaded = reload();
        assert_eq!((&loaded["loaded"], &loaded["left"]), (&json!(2), &json!(0)));
        assert_eq!(reload()["loaded"], 0, "there is nothing left");
        app.read_inbox();
        assert_eq!(listed(&app, "status=stored").len(), 20);
        assert_eq!((counters(&app.client)("deliveries_in_quarantine"), app.report(MARCH)["totals"]["revenue_minor"].clone()), (0, json!(2_000)));

        // A database that takes no delivery at all is not the delivery's fault: everything waits for it.
        let kept = signed(&app, &hook, "next", &vendor("next", "won", "1.00"), 0).expect(200)["delivery"].clone();
        app.read_inbox();
        let id = kept.as_str().expect("id").parse().expect("id");
        let delivery = app.state().db.read_now(|conn| deliveries::get(conn, id)).expect("kept").delivery;
        let mut sink = DeliverySink::new(app.state().db.clone(), app.state().inbox.clone());
        let batch = [Delivery { message_id: Some("bad".into()), ..delivery }];
        assert!(matches!(sink.store(&batch), Ok(done) if done.duplicate == 1));
        blocks("NEW.message_id LIKE 'bad%'");
        let fresh = [Delivery { id: DeliveryId(fact_id(app.clock.now())), ..batch[0].clone() }];
        assert!(matches!(sink.store(&fresh), Err(SinkError::Suspect(_))));
        mended();
        blocks("NEW.method = 'POST'");
        assert!(matches!(sink.store(&fresh), Err(SinkError::Unavailable(_))));
        mended();
        assert!(matches!(sink.store(&fresh), Ok(done) if done.stored == 1), "and nothing was kept of the trials");
        app.read_inbox();
        assert_eq!(listed(&app, "status=duplicate").len(), 1);
    }

    fn one_delivery_opens_for_who_may_read_it(app) {
        let hook = vendor_endpoint(&app);
        let reply = app.client.send("POST", &format!("{}?src=form", hook.path), &[], b"{}");
        assert_eq!(reply.status, 401);
        let id = deliver(&app, &hook, "msg_1", &vendor("ana", "won", "5.00"));
        let opened = app.client.get(&format!("/api/v1/deliveries/{id}")).expect(200);
        assert_eq!((&opened["message_id"], &opened["method"], &opened["removed_at"]), (&json!("msg_1"), &json!("POST"), &Value::Null));
        assert!(opened["body"].as_str().is_some_and(|b| b.contains("ana@example.com")));
        let headers = opened["headers"].as_array().expect("headers");
        assert!(headers.iter().any(|h| h["name"] == "webhook-id" && h["value"] == "msg_1"), "{headers:?}");
        let manager = key(&app, "endpoints:write");
        let closed = manager.get(&format!("/api/v1/deliveries/{id}")).expect(200);
        assert_eq!((&closed["body"], &closed["headers"], &closed["items"]), (&Value::Null, &Value::Null, &opened["items"]));
        let reader = key(&app, "deliveries:read");
        assert_eq!(reader.get(&format!("/api/v1/deliveries/{id}")).expect(200)["body"], opened["body"]);
        let refused = reader.send("POST", &format!("/api/v1/deliveries/{id}/replay"), &[("authorization", &bearer(&reader))], b"");
        assert_eq!(refused.status, 403);
        assert_eq!(app.client.get("/api/v1/deliveries/dlv_00000000000000000000000000").status, 404);
        let shown = binary::run_in(&app, &["inbox", "show", &id, "--json"]);
        let shown: Value = serde_json::from_str(&shown).expect("json");
        assert_eq!((&shown["body"], &shown["items"][0]["status"]), (&opened["body"], &json!("stored")));
    }

    /// Proofs, cookies and addresses of senders are kept nowhere; every other header is, and sealed.
    fn what_is_kept_has_no_secret_and_is_sealed(app) {
        let hook = endpoint(&app, &json!({ "verification": "bearer" }));
        let body = r#"{"event_id":"f1","stage":"lead","occurred_at":"2026-03-01T00:00:00Z","email":"ana.lopez@example.com"}"#;
        let proof = format!("Bearer {}", hook.secret);
        let secret = [
            ("authorization", proof.as_str()),
            ("cookie", "sid=4711"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-real-ip", "203.0.113.9"),
            ("x-session-token", "4711-4712"),
            ("x-copied", hook.secret.as_str()),
            ("referer", hook.path.as_str()),
            ("x-peer", "203.0.113.9:4711"),
        ];
        let plain = [
            ("user-agent", "tell-me/1.0"),
            ("x-hub-signature-256", "sha256=00ff"),
            ("X-Request-Id", "<b>7d2e</b>"),
            ("x-repeated", "one"),
            ("x-repeated", "Zürich"),
        ];
        let filler: Vec<(String, String)> = (0..70).map(|n| (format!("z-filler-{n}"), "f".into())).collect();
        let filler = filler.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<(&str, &str)> = secret.into_iter().chain(plain).chain(filler).collect();
        let id = app.client.send("POST", &hook.path, &headers, body.as_bytes()).expect(200)["delivery"].clone();
        let id = id.as_str().expect("id");
        app.read_inbox();
        let opened = app.client.get(&format!("/api/v1/deliveries/{id}")).expect(200);
        let shown = page(&app, &format!("/app/inbox/{id}"), &set_up(&app)).text;
        for secret in [hook.secret.as_str(), hook.path.rsplit('/').next().expect("token"), "4711", "203.0.113.9"] {
            assert!(!opened.to_string().contains(secret), "{secret} in {opened}");
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        let kept: Vec<(&str, &str)> = opened["headers"].as_array().expect("headers").iter()
            .map(|h| (h["name"].as_str().expect("name"), h["value"].as_str().expect("value"))).collect();
        for (name, value) in plain {
            assert!(kept.contains(&(name.to_lowercase().as_str(), value)), "{name} in {kept:?}");
        }
        let repeated: Vec<&str> = kept.iter().filter(|(name, _)| *name == "x-repeated").map(|(_, value)| *value).collect();
        assert_eq!(repeated, ["one", "Zürich"]);
        let left_out = opened["headers_left_out"].as_u64().expect("a count");
        let filled = kept.iter().filter(|(name, _)| name.starts_with("z-filler-")).count() as u64;
        assert!(left_out > 0 && left_out + filled == 70, "{left_out} and {filled}");
        assert!(shown.contains("x-hub-signature-256") && shown.contains("&#60;b&#62;7d2e"), "{shown}");
        assert!(shown.contains(&format!("{left_out} more came with it")), "{shown}");
        let called = json!({ "event_id": "c1", "stage": "lead", "occurred_at": "2026-03-01T00:00:00Z", "email": "bea@example.com" });
        let called = app.client.post("/api/v1/conversions", &called).expect(201);
        let opened = app.client.get(&format!("/api/v1/deliveries/{}", called["delivery"].as_str().expect("id"))).expect(200);
        let names: Vec<&str> = opened["headers"].as_array().expect("headers").iter().filter_map(|h| h["name"].as_str()).collect();
        assert!(names.contains(&"host") && !names.contains(&"authorization"), "{names:?}");
        app.stop();
        for file in walk(app.dir.path()) {
            let bytes = std::fs::read(&file).expect("file");
            for plain in ["ana.lopez", "tell-me", "203.0.113.9"] {
                let is_there = bytes.windows(plain.len()).any(|w| w.eq_ignore_ascii_case(plain.as_bytes()));
                assert!(!is_there, "{plain} stands in {}", file.display());
            }
        }
        app.run();
    }

    fn lists_are_filtered_searched_and_cut_into_pages(app) {
        let hook = vendor_endpoint(&app);
        let other = endpoint(&app, &json!({ "name": "Form", "verification": "bearer" }));
        for n in 0..7 {
            app.clock.advance_ms(60_000);
            deliver(&app, &hook, &format!("msg_{n}"), &vendor(&format!("e{n}"), "won", "1.00"));
        }
        app.clock.advance_ms(DAY_MS);
        let broken = deliver(&app, &hook, "broken", "{");
        app.client.send("POST", &other.path, &[("authorization", &format!("Bearer {}", other.secret))], b"[]").expect(200);
        app.read_inbox();
        let mut seen = Vec::new();
        let mut query = "limit=2".to_owned();
        loop {
            let reply = app.client.get(&format!("/api/v1/deliveries?{query}")).expect(200);
            seen.extend(reply["items"].as_array().expect("items").iter().map(|i| i["delivery"].as_str().expect("id").to_owned()));
            let Some(next) = reply["next_cursor"].as_str() else { break };
            query = format!("limit=2&cursor={next}");
        }
        assert_eq!(seen.len(), 9);
        let mut sorted = seen.clone();
        sorted.sort_by(|a, b| b.cmp(a));
        assert_eq!(seen, sorted, "newest first, each once");
        let count = |query: &str| listed(&app, query).len();
        assert_eq!(count(&format!("endpoint={}", other.id)), 1);
        assert_eq!((count("status=stored"), count("status=quarantined"), count("status=needs-enrichment")), (7, 2, 0));
        assert_eq!((count("from=2026-03-02&to=2026-03-02"), count("from=2026-03-03")), (7, 2));
        assert_eq!((count("code=body-is-list"), count("to=2026-03-02T12:03:00Z")), (1, 3));
        assert_eq!((count("q=e3"), count("q=msg_3"), count(&format!("q={broken}"))), (1, 1, 1));
        let item = &listed(&app, "q=e3")[0];
        assert_eq!(count(&format!("q={}", item["event"].as_str().expect("event"))), 1);
        assert_eq!((count("q=E3@Example.com%20"), count("q=nobody@example.com")), (1, 0));
        let person = app.client.get("/api/v1/conversions").expect(200)["items"][0]["person"].clone();
        assert_eq!(count(&format!("q={}", person.as_str().expect("person"))), 1);
        for bad in ["status=lost", "endpoint=7", "from=yesterday", "q=dlv_7"] {
            let reply = app.client.get(&format!("/api/v1/deliveries?{bad}"));
            assert_eq!(reply.status, 422, "{bad}: {}", reply.text);
        }
        let listed = binary::run_in(&app, &["inbox", "list", "--status", "quarantined", "--json"]);
        assert_eq!(serde_json::from_str::<Value>(&listed).expect("json").as_array().map(Vec::len), Some(2));
    }

    /// An event that reads differently after a mapping change is voided and stored anew at one moment of the ledger.
    fn a_replay_changes_what_reads_differently(app) {
        let hook = vendor_endpoint(&app);
        let body = r#"{"ref":"d1","mail":"a@example.com","what":"won","when":"2026-03-01T00:00:00Z","sum":"5.00","net":"4.00"}"#;
        let id = deliver(&app, &hook, "m1", body);
        let first = listed(&app, "q=d1")[0].clone();
        let before = app.report(MARCH);
        let as_of = before["as_of"].clone();
        assert_eq!(before["totals"]["revenue_minor"], 500);
        assert_eq!(replay(&app, &id), json!({ "item": 0, "status": "stored", "duplicate": false, "event_id": "d1",
            "event": first["event"], "code": null, "detail": null }), "read as before, it stands");
        map(&app, &hook, &mapping("/net", &json!({ "won": "customer" })));
        let changed = replay(&app, &id);
        assert_eq!((&changed["status"], &changed["event_id"]), (&json!("stored"), &json!("d1")));
        assert_ne!(changed["event"], first["event"], "a fact is never edited");
        assert_eq!(app.report(MARCH)["totals"]["revenue_minor"], 400);
        assert_eq!(app.report(MARCH)["totals"]["customers_micro"], 1_000_000);
        let past = app.report(&format!("{MARCH}&as_of={as_of}"));
        assert_eq!(past["totals"], before["totals"], "what was reported stays reported");
        let retry = signed(&app, &hook, "m1", body, 0);
        assert_eq!(app.verdicts(&retry)[0]["status"], "duplicate", "the retry of what stands now");
        map(&app, &hook, &mapping("/net", &json!({ "new": "lead" })));
        let held = replay(&app, &id);
        assert_eq!((&held["status"], &held["event"]), (&json!("stored"), &changed["event"]), "a broken mapping takes no fact away: {held}");
        assert_eq!(held["code"], "stage-unmapped");
        assert_eq!(app.report(MARCH)["totals"]["revenue_minor"], 400);
        map(&app, &hook, &mapping("/net", &json!({ "won": "customer" })));
        assert_eq!(replay(&app, &id)["code"], Value::Null, "mended");
        let event = changed["event"].as_str().expect("event");
        app.client.delete(&format!("/api/v1/conversions/{event}")).expect(204);
        let voided = replay(&app, &id);
        assert_eq!((&voided["code"], &voided["event"]), (&json!("voided"), &changed["event"]), "voided by hand, it stays so");
        assert_eq!(app.report(MARCH)["totals"]["revenue_minor"], 0);
    }

    fn a_replay_of_a_filter_reads_in_parts_and_counts(app) {
        let hook = vendor_endpoint(&app);
        let other = endpoint(&app, &json!({ "name": "Other", "mapping": mapping("/sum", &json!({ "won": "customer" })) }));
        for n in 0..5 {
            signed(&app, &hook, &format!("a{n}"), &vendor(&format!("a{n}"), "won", "1.00"), 0).expect(200);
            signed(&app, &hook, &format!("b{n}"), &vendor(&format!("b{n}"), "Closed Won", "1.00"), 0).expect(200);
        }
        signed(&app, &hook, "a0", &vendor("a0", "won", "1.00"), 0).expect(200);
        signed(&app, &other, "c", &vendor("c", "Closed Won", "1.00"), 0).expect(200);
        app.read_inbox();
        assert_eq!(listed(&app, "status=quarantined").len(), 6);
        map(&app, &hook, &mapping("/sum", &json!({ "won": "customer", "closed won": "customer" })));
        let refused = app.client.post("/api/v1/deliveries/replay", &json!({}));
        assert_eq!((refused.status, refused.fault_codes()), (422, vec!["filter-missing".to_owned()]));
        let mut body = json!({ "endpoint": hook.id, "limit": 4 });
        let mut sums = std::collections::BTreeMap::<String, u64>::new();
        let mut calls = 0;
        loop {
            let done = app.client.post("/api/v1/deliveries/replay", &body).expect(200);
            calls += 1;
            for (name, n) in done.as_object().expect("counts") {
                *sums.entry(name.clone()).or_default() += n.as_u64().unwrap_or(0);
            }
            let Some(next) = done.get("next_cursor") else { break };
            body["cursor"] = next.clone();
        }
        let sum = |name: &str| sums[name];
        assert_eq!((calls, sum("deliveries"), sum("stored"), sum("duplicate"), sum("quarantined")), (3, 11, 5, 6, 0));
        assert_eq!(listed(&app, "status=quarantined").len(), 1, "the other endpoint's");
        assert_eq!(app.report(MARCH)["totals"]["revenue_minor"], 1_000);
        let told = binary::run_in(&app, &["inbox", "replay", "--status", "quarantined", "--json"]);
        let told: Value = serde_json::from_str(&told).expect("json");
        assert_eq!((&told["deliveries"], &told["quarantined"]), (&json!(1), &json!(1)));
    }

    /// Bodies and headers go after the days they are kept; verdicts and counts stay.
    fn bodies_are_removed_after_their_days(app) {
        let hook = vendor_endpoint(&app);
        let old = deliver(&app, &hook, "m1", &vendor("old", "won", "5.00"));
        let broken = deliver(&app, &hook, "m2", "{");
        app.clock.advance_ms(60 * DAY_MS);
        let young = deliver(&app, &hook, "m3", &vendor("young", "won", "5.00"));
        app.clock.advance_ms(31 * DAY_MS);
        app.read_inbox();
        let opened = |id: &str| app.client.get(&format!("/api/v1/deliveries/{id}")).expect(200);
        for id in [&old, &broken] {
            let opened = opened(id);
            assert_eq!((&opened["body"], &opened["headers"]), (&Value::Null, &json!([])));
            assert!(opened["removed_at"].as_str().is_some_and(|at| at.starts_with("2026-06-01")), "{opened}");
        }
        assert!(opened(&young)["body"].is_string());
        assert_eq!(opened(&old)["items"][0]["status"], "stored");
        let c = counters(&app.client);
        assert_eq!((c("delivery_items_stored"), c("delivery_items_quarantined")), (2, 1));
        let refused = app.client.post(&format!("/api/v1/deliveries/{old}/replay"), &json!({}));
        assert_eq!((refused.status, refused.fault_codes()), (422, vec!["body-removed".to_owned()]));
        let all = app.client.post("/api/v1/deliveries/replay", &json!({ "endpoint": hook.id })).expect(200);
        assert_eq!((&all["deliveries"], &all["without_body"], &all["duplicate"]), (&json!(3), &json!(2), &json!(1)));
        assert_eq!(app.report(MARCH)["totals"]["revenue_minor"], 1_000);
    }

    fn the_pages_list_show_and_replay_without_scripts(app) {
        let hook = vendor_endpoint(&app);
        let body = r#"{"ref":"<script>alert(1)</script>","mail":"x","big":9007199254740993}"#;
        let id = deliver(&app, &hook, "m1", body);
        for n in 0..101 {
            signed(&app, &hook, &format!("n{n}"), &vendor(&format!("n{n}"), "won", "1.00"), 0).expect(200);
        }
        app.read_inbox();
        let cookie = set_up(&app);
        let list = page(&app, "/app/inbox?status=quarantined", &cookie).text;
        assert!(list.contains(&format!("/app/inbox/{id}")) && list.contains("<code>missing</code>"), "{list}");
        let all = page(&app, "/app/inbox", &cookie).text;
        let older = all.split("<a href=\"/app/inbox?below=").nth(1).expect("a second page").split('"').next().expect("href");
        let second = page(&app, &format!("/app/inbox?below={older}"), &cookie).text;
        assert_eq!(second.matches("<span class=\"state ").count(), 2);
        let shown = page(&app, &format!("/app/inbox/{id}"), &cookie).text;
        assert!(shown.contains("&#60;script&#62;") && !shown.contains("<script>alert"), "{shown}");
        assert!(shown.contains("9007199254740993") && shown.contains("webhook-id"), "{shown}");
        assert!(page(&app, "/app/inbox?from=never", &cookie).text.contains("neither a day"));
        let csrf = csrf_in(&shown);
        let again = post(&app, &format!("/app/inbox/{id}/replay"), &cookie, &[("csrf", &csrf)]);
        assert_eq!((again.status, again.header("location")), (303, format!("/app/inbox/{id}?done=replayed")));
        let many = post(&app, "/app/inbox/replay", &cookie, &[("csrf", &csrf), ("status", "stored")]);
        assert_eq!(many.status, 303, "{}", many.text);
        let once = many.header("set-cookie").split(';').next().expect("cookie").to_owned();
        let told = page(&app, &many.header("location"), &format!("{cookie}; {once}")).text;
        assert!(told.contains("101 deliveries were read again. Items: 101 as before."), "{told}");
        assert_eq!(post(&app, "/app/inbox/replay", &cookie, &[("csrf", "wrong"), ("status", "stored")]).status, 403);
        let gone = page(&app, "/app/inbox/dlv_00000000000000000000000000", &cookie);
        assert_eq!(gone.status, 404);
    }
}

/// Every file below a directory.
fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("directory") {
        let path = entry.expect("entry").path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
