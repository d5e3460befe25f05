//! Erasure of a person's data: nothing of them is left, no figure moves, and nothing brings them back.

use std::collections::BTreeMap;

use headwater::domain::time::{Clock, UtcMillis};
use headwater::jobs::erase::{self, Wish};
use headwater::store::StoreError;
use headwater::store::labels::Author;
use serde_json::{Value, json};

use crate::connectors::{endpoint as vendor_endpoint, fixture, hmac};
use crate::hooks::{Hook, endpoint, signed};
use crate::identity::{people, tell};
use crate::support::client::{Client, Reply, browser_headers};
use crate::support::dump::{Dump, dump, hex, holding};
use crate::support::{TestApp, click_id, row};

const MARCH: &str = "from=2026-03-01&to=2026-03-31";
const EMAIL: &str = "Ana.Lopez@example.com";
const CONTACT: &str = "crm:ana-4711-a";
const OLD_CONTACT: &str = "crm:ana-0815-b";
const DEAL: &str = "deal:deal-of-ana-77";
/// A network's own id of her lead.
const LEAD: &str = "1459076748719999";
const ANSWER: &str = "a friend of Ana Lopez";

/// A browser with its cookie and the ids of its clicks.
struct Browser {
    cookie: String,
    visitor: String,
    clicks: Vec<String>,
}

/// Clicks on a link; the second click brings the cookie back, and a click id of a network with it.
fn browse(app: &TestApp, slug: &str) -> Browser {
    app.clock.advance_ms(60_000);
    let first = app.client.browse(&format!("/{slug}"));
    let cookie = first.header("set-cookie").split(';').next().expect("cookie").to_owned();
    let mut browser = Browser { cookie, visitor: String::new(), clicks: vec![click_id(&first.header("location"))] };
    again(app, slug, &mut browser);
    app.settle();
    let (_, id) = browser.cookie.split_once('=').expect("cookie");
    browser.visitor = id.parse::<headwater::domain::ids::VisitorId>().expect("visitor").to_string();
    browser
}

fn again(app: &TestApp, slug: &str, browser: &mut Browser) {
    app.clock.advance_ms(60_000);
    let mut headers = browser_headers();
    headers.push(("cookie", &browser.cookie));
    let path = format!("/{slug}?fbclid=IwAR-network-id-{slug}-{}", browser.clicks.len());
    let reply = app.client.send("GET", &path, &headers, b"");
    assert_eq!(reply.status, 302, "{}", reply.text);
    browser.clicks.push(click_id(&reply.header("location")));
}

/// Ana with everything that can be told of a person, beside Ben, who shares nothing with her.
struct World {
    ana: Browser,
    hook: Hook,
    stored: String,
    quarantined: String,
}

fn world(app: &TestApp) -> World {
    app.link("go");
    app.link("also");
    let cost = json!({ "from": "2026-03-02", "channel": "linkedin-organic", "amount": "12.34", "currency": "EUR" });
    app.client.post("/api/v1/costs", &json!({ "costs": [cost] })).expect(201);
    let ana = browse(app, "go");
    tell(
        app,
        "ana-lead-1",
        "lead",
        &json!({ "click_id": ana.clicks[1], "email": EMAIL, "person": CONTACT, "self_reported": ANSWER }),
    );
    // In a form of a network: a touch that is named after its event.
    let form = json!({ "network": "facebook", "lead_id": LEAD, "campaign_id": "120212345670001" });
    tell(app, "ana-form-1", "sql", &json!({ "person": CONTACT, "network_lead": form }));
    tell(app, "ana-opp-1", "opportunity", &json!({ "person": CONTACT, "subject": DEAL, "self_reported": "LinkedIn" }));
    tell(app, "ana-sale-1", "customer", &json!({ "subject": DEAL, "value": "250.00", "currency": "EUR" }));
    tell(app, "ana-refund-1", "refund", &json!({ "parent": "ana-sale-1", "value": "50.00", "currency": "EUR" }));
    let voided = tell(app, "ana-void-1", "mql", &json!({ "person": CONTACT, "email": EMAIL }));
    let id = voided["items"][0]["event"].as_str().expect("event").to_owned();
    app.client.delete(&format!("/api/v1/conversions/{id}")).expect(204);
    // Another contact of hers is merged, one of somebody else was merged by mistake and taken apart again.
    tell(app, "old-lead-1", "lead", &json!({ "person": OLD_CONTACT }));
    app.client.post("/api/v1/people/merge", &json!({ "person": CONTACT, "other": OLD_CONTACT })).expect(204);
    tell(app, "cyd-lead-1", "lead", &json!({ "person": "crm:cyd-1", "email": EMAIL }));
    app.client.post("/api/v1/people/unmerge", &json!({ "person": CONTACT, "other": "crm:cyd-1" })).expect(204);
    app.client.post("/api/v1/people/unmerge", &json!({ "person": OLD_CONTACT, "other": "crm:cyd-1" })).expect(204);
    // A deal that nobody told whose it is was matched to her by hand.
    tell(app, "matched-1", "sale", &json!({ "subject": "order:matched-order-9", "value": "5.00", "currency": "EUR" }));
    app.client.post("/api/v1/matches", &json!({ "item": "order:matched-order-9", "to": CONTACT })).expect(201);
    ben(app);
    let hook = endpoint(app, &json!({}));
    let event = |id: &str, email: &str| {
        json!({ "type": "contact.converted", "timestamp": "2026-03-02T12:30:00Z",
            "data": { "id": id, "email": email, "stage": "sale", "amount": "7.00", "currency": "EUR" } })
        .to_string()
    };
    let stored = event("hook-of-ana", EMAIL);
    assert_eq!(app.verdicts(&signed(app, &hook, "msg-of-ana", &stored, 0))[0]["status"], "stored");
    let quarantined = event("bad-of-ana", EMAIL).replace("7.00", "much");
    assert_eq!(app.verdicts(&signed(app, &hook, "bad-msg-of-ana", &quarantined, 0))[0]["status"], "quarantined");
    let others = event("bad-of-ben", "ben@example.com").replace("7.00", "much");
    assert_eq!(app.verdicts(&signed(app, &hook, "bad-msg-of-ben", &others, 0))[0]["status"], "quarantined");
    import(app);
    World { ana, hook, stored, quarantined }
}

fn ben(app: &TestApp) {
    let ben = browse(app, "also");
    tell(
        app,
        "ben-lead-1",
        "lead",
        &json!({ "click_id": ben.clicks[0], "email": "ben@example.com", "person": "crm:ben-1" }),
    );
    tell(
        app,
        "ben-sale-1",
        "sale",
        &json!({ "person": "crm:ben-1", "subject": "deal:ben-2", "value": "90.00", "currency": "EUR" }),
    );
}

/// Touches from another tool, two of one instant, of Ana and of Ben.
fn import(app: &TestApp) -> String {
    let file = app.dir.path().join("old.csv");
    let rows = "external_id,occurred_at,channel,person\n\
        row-of-ana-2,2026-03-01T08:00:00Z,linkedin-organic,crm:ana-4711-a\n\
        row-of-ana-1,2026-03-01T08:00:00Z,linkedin-organic,crm:ana-4711-a\n\
        row-of-ben-1,2026-03-01T08:00:00Z,linkedin-organic,crm:ben-1\n";
    std::fs::write(&file, rows).expect("file");
    let path = file.to_str().expect("path");
    crate::support::binary::run_in(app, &["import", "touches", path, "--source", "old-tool", "--json"])
}

/// Every report at one `as_of`, as the bytes that it answers.
fn figures(app: &TestApp, as_of: &Value) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for by in ["channel", "link", "campaign", "country"] {
        for rest in ["models=first,last,linear,position,time-decay", "models=markov&below_floor=accept", "clock=cohort"]
        {
            let query = format!("cost-per-lead?{MARCH}&as_of={as_of}&by={by}&{rest}");
            all.insert(query, String::new());
        }
    }
    for sheet in ["stages", "paths", "cohorts", "self-reported"] {
        all.insert(format!("{sheet}?{MARCH}&as_of={as_of}"), String::new());
    }
    for (query, text) in &mut all {
        let reply = app.client.get(&format!("/api/v1/reports/{query}"));
        assert!(matches!(reply.status, 200 | 422), "{query}: {}", reply.text);
        *text = reply.text;
    }
    all
}

/// A cell's evidence without its ids.
fn evidence(app: &TestApp, as_of: &Value) -> String {
    let query = format!("{MARCH}&as_of={as_of}&row=linkedin-organic&figure=revenue_minor");
    let text = app.client.get(&format!("/api/v1/reports/evidence?{query}")).text;
    let mut out = String::new();
    for word in text.split_inclusive(['"', ' ', ',']) {
        let bare = word.trim_end_matches(['"', ' ', ',']);
        let is_id = ["clk_", "per_", "vis_", "ana-", "erased-"].iter().any(|p| bare.starts_with(p))
            || bare.contains(":erased-")
            || bare.contains("of-ana")
            || bare == DEAL
            || bare.contains("matched-");
        out.push_str(if is_id { "ID" } else { bare });
    }
    out
}

fn as_of(app: &TestApp) -> Value {
    app.report(MARCH)["as_of"].clone()
}

fn erase(app: &TestApp, body: &Value) -> Value {
    app.client.post("/api/v1/erasures", body).expect(201)
}

/// Everything by which Ana is known, in hex.
fn needles(app: &TestApp, world: &World) -> Vec<(String, String)> {
    let secret = app.state().intake().secret;
    let hash = secret.email_hash("ana.lopez@example.com");
    let texts = [
        &hash,
        EMAIL,
        "ana.lopez@example.com",
        CONTACT,
        "ana-4711-a",
        OLD_CONTACT,
        "ana-0815-b",
        DEAL,
        "deal-of-ana-77",
        ANSWER,
        "ana-lead-1",
        "ana-opp-1",
        "ana-sale-1",
        "ana-refund-1",
        "ana-void-1",
        "old-lead-1",
        "matched-order-9",
        "ana-form-1",
        LEAD,
        "msg-of-ana",
        "bad-msg-of-ana",
        "row-of-ana",
        "IwAR-network-id-go",
        &world.ana.visitor,
    ];
    let mut all: Vec<(String, String)> = texts.iter().map(|t| ((*t).to_owned(), hex(t.as_bytes()))).collect();
    let visitor: headwater::domain::ids::VisitorId = world.ana.visitor.parse().expect("visitor");
    all.push(("the browser's bytes".into(), hex(visitor.0.as_bytes())));
    for click in &world.ana.clicks {
        let id: headwater::domain::ids::TouchId = click.parse().expect("click");
        all.push((click.clone(), hex(click.as_bytes())));
        all.push((format!("bytes of {click}"), hex(id.0.as_bytes())));
    }
    for person in people(app) {
        let steps = person["steps"].to_string();
        if steps.contains("ana-lead-1") {
            for member in person["members"].as_array().expect("members") {
                let id: headwater::domain::ids::PersonId = member.as_str().expect("id").parse().expect("id");
                all.push((format!("bytes of {member}"), hex(id.0.as_bytes())));
            }
        }
    }
    all
}

/// Which needles a database holds, and where.
fn found(dump: &Dump, needles: &[(String, String)]) -> Vec<String> {
    let places = |(name, hex): &(String, String)| {
        let columns = holding(dump, hex);
        (!columns.is_empty()).then(|| format!("{name} in {}", columns.join(", ")))
    };
    needles.iter().filter_map(places).collect()
}

on_both! {
    fn nothing_of_the_person_is_left_and_no_figure_moves(app) {
        let world = world(&app);
        let needles = needles(&app, &world);
        // Cyd has the same address, and is somebody else.
        let of_cyd = hex(app.state().intake().secret.email_hash("ana.lopez@example.com").as_bytes());
        let before = found(&dump(&app), &needles);
        assert!(before.len() >= 25, "the search finds what there is: {before:#?}");
        let rows = app.report(MARCH)["rows"].clone();
        let moments = [json!(as_of(&app)), json!(app.clock.now().0 - 600_000), json!(app.clock.now().0 - 1_200_000)];
        let figures_before: Vec<_> = moments.iter().map(|at| (figures(&app, at), evidence(&app, at))).collect();
        let dry = app.client.post("/api/v1/erasures", &json!({ "contact": CONTACT, "dry_run": true })).expect(200);
        let done = erase(&app, &json!({ "contact": CONTACT, "reason": "case 17" }));
        assert_eq!(done["counts"], dry["counts"]);
        assert_eq!(done["counts"]["persons"], 3, "two contacts, and an address that came alone: {done}");
        assert_eq!((&done["counts"]["touches"], &done["counts"]["stage_events"]), (&json!(4), &json!(9)), "{done}");
        assert!(done["counts"]["deliveries"].as_u64().is_some_and(|n| n >= 9), "{done}");
        let after = dump(&app);
        let left: Vec<_> = needles.iter().filter(|(_, hex)| *hex != of_cyd).cloned().collect();
        assert_eq!(found(&after, &left), Vec::<String>::new());
        assert_eq!(holding(&after, &of_cyd), ["identity_facts.key_value"], "Cyd keeps the address");
        for (at, (figures_then, evidence_then)) in moments.iter().zip(&figures_before) {
            for (query, text) in figures(&app, at) {
                assert_eq!(text, figures_then[&query], "{query}");
            }
            assert_eq!(evidence(&app, at), *evidence_then);
        }
        assert_eq!(app.report(MARCH)["rows"], rows, "nor do those of now");
        let list = app.client.get("/api/v1/erasures").expect(200);
        assert_eq!((&list["items"][0]["reason"], &list["items"][0]["recorded_by"]), (&json!("case 17"), &json!("key:test")));
        assert_eq!(list["items"][0]["asked"], "contact");
    }

    fn somebody_who_shares_nothing_is_untouched_byte_for_byte(app) {
        let world = world(&app);
        let ben = |dump: &Dump| {
            let needles = ["ben-1", "ben-2", "ben-lead-1", "ben-sale-1", "row-of-ben-1"].map(|t| hex(t.as_bytes()));
            let of_ben = |row: &&String| needles.iter().any(|n| row.contains(n.as_str()));
            dump.values().flatten().filter(of_ben).cloned().collect::<Vec<_>>()
        };
        let before = ben(&dump(&app));
        assert!(before.len() > 8, "{before:?}");
        erase(&app, &json!({ "email": EMAIL, "contact": CONTACT, "click_id": world.ana.clicks[0] }));
        assert_eq!(ben(&dump(&app)), before);
    }

    fn whoever_comes_back_is_somebody_new(app) {
        let mut world = world(&app);
        erase(&app, &json!({ "visitor_id": world.ana.visitor }));
        let count = people(&app).len();
        again(&app, "go", &mut world.ana);
        app.settle();
        let click = world.ana.clicks.last().expect("click").clone();
        tell(&app, "new-lead", "lead", &json!({ "click_id": click, "email": "ana.lopez+new@example.com", "person": "crm:ana-4711-a" }));
        let list = people(&app);
        assert_eq!(list.len(), count + 1);
        let her = list.iter().find(|p| p["steps"].to_string().contains("new-lead")).expect("her");
        let kinds: Vec<&str> = her["steps"].as_array().expect("steps").iter().map(|s| s["kind"].as_str().expect("kind")).collect();
        assert_eq!(kinds, ["click", "lead"], "nothing of before: {her}");
    }

    fn what_is_sent_again_stays_a_duplicate_and_brings_nobody_back(app) {
        let world = world(&app);
        let needles = needles(&app, &world);
        let of_cyd = hex(app.state().intake().secret.email_hash("ana.lopez@example.com").as_bytes());
        let needles: Vec<_> = needles.into_iter().filter(|(_, hex)| *hex != of_cyd).collect();
        erase(&app, &json!({ "contact": CONTACT }));
        let people_before = people(&app).len();
        let report = app.report(MARCH)["rows"].clone();
        let changed = world.stored.replace("7.00", "8.00");
        for body in [&world.stored, &changed] {
            let verdict = app.verdicts(&signed(&app, &world.hook, "msg-of-ana", body, 0))[0].clone();
            assert_eq!((&verdict["status"], &verdict["code"]), (&json!("duplicate"), &json!("erasure")), "{verdict}");
        }
        // One that never became an event: nobody is left whom it could be held for.
        let mended = world.quarantined.replace("much", "7.00");
        let verdict = app.verdicts(&signed(&app, &world.hook, "bad-msg-of-ana", &mended, 0))[0].clone();
        assert!(matches!(verdict["status"].as_str(), Some("ignored" | "stored")), "{verdict}");
        let told = json!({ "event_id": "ana-lead-1", "stage": "lead", "occurred_at": "2026-03-02T12:10:00Z", "email": EMAIL, "person": CONTACT });
        let reply = app.client.post("/api/v1/conversions", &told);
        assert_eq!(reply.json()["items"][0]["status"], "duplicate", "{}", reply.text);
        let again: Value = serde_json::from_str(&import(&app)).expect("json");
        assert_eq!((&again["stored"], &again["duplicate"]), (&json!(0), &json!(3)), "{again}");
        assert_eq!(people(&app).len(), people_before);
        assert_eq!(app.report(MARCH)["rows"], report);
        assert_eq!(found(&dump(&app), &needles), Vec::<String>::new());
    }

    fn a_journal_that_is_read_again_brings_no_touch_back(app) {
        let world = world(&app);
        let id: headwater::domain::ids::TouchId = world.ana.clicks[0].parse().expect("click");
        erase(&app, &json!({ "contact": CONTACT }));
        let touches = dump(&app)["touches"].len();
        let record = headwater::domain::touch::TouchRecord { id, ..crate::support::traffic::record(&app, 9, 1) };
        let mut sink = crate::support::traffic::sink(&app);
        let stored = headwater::tracking::writer::RecordSink::store(&mut sink, &[record]).expect("stored");
        assert_eq!((stored.stored, stored.duplicate), (0, 1));
        assert_eq!(dump(&app)["touches"].len(), touches);
    }

    fn a_dry_run_and_a_refusal_change_nothing(app) {
        let world = world(&app);
        let before = dump(&app);
        let post = |body: Value| app.client.post("/api/v1/erasures", &body);
        let dry = post(json!({ "email": "cyd@example.com", "person": people(&app)[0]["person"], "dry_run": true })).expect(200);
        assert_eq!((&dry["id"], &dry["recorded_at"]), (&Value::Null, &Value::Null));
        let ambiguous = post(json!({ "email": EMAIL }));
        assert_eq!((ambiguous.status, ambiguous.fault_codes()), (422, vec!["erasure-ambiguous".to_owned()]));
        assert!(!ambiguous.text.to_lowercase().contains("lopez"), "{}", ambiguous.text);
        assert_eq!(post(json!({})).fault_codes(), ["missing"]);
        assert_eq!(post(json!({ "contact": CONTACT, "reason": "ana@example.com" })).fault_codes(), ["reason-names-address"]);
        assert_eq!(post(json!({ "person": "per_7ZZZZZZZZZZZZZZZZZZZZZZZZZ" })).status, 404);
        assert_eq!(post(json!({ "clickid": world.ana.clicks[0] })).status, 400);
        // Whoever may do all but this may not.
        let scopes = "links:write conversions:write costs:write reports:read endpoints:write deliveries:read metrics:read";
        let key = limited_key(&app, scopes);
        let other = Client::new(&app.client.base, &key);
        assert_eq!(other.post("/api/v1/erasures", &json!({ "contact": CONTACT })).status, 403);
        assert_eq!(other.get("/api/v1/erasures").status, 200, "the list names nobody");
        assert_eq!(Client::new(&app.client.base, "").post("/api/v1/erasures", &json!({ "contact": CONTACT })).status, 401);
        let after = dump(&app);
        for (table, rows) in before.iter().filter(|(table, _)| *table != "api_keys" && *table != "sqlite_sequence") {
            assert_eq!(&after[table], rows, "{table}");
        }
    }

    fn what_fails_in_between_leaves_everything_as_it_was(app) {
        world(&app);
        let before = dump(&app);
        let (context, now) = (app.state().intake(), app.clock.now());
        let wish = Wish { whom: vec![headwater::domain::erasure::Whom::Key(headwater::domain::person::JoinKey::Contact(CONTACT.into()))], reason: None, delivery: None };
        let failed = app.state().db.write_now(|conn| {
            erase::erase(conn, &context, &wish, &Author { name: "test".into(), now }, UtcMillis(now.0 + 1))?;
            Err::<(), _>(StoreError::Other("the power went".into()))
        });
        assert!(failed.is_err());
        assert_eq!(dump(&app), before);
    }

    fn somebody_unknown_is_recorded_as_nothing_held(app) {
        app.link("go");
        let done = erase(&app, &json!({ "email": "nobody-here@example.com" }));
        assert_eq!((&done["counts"]["persons"], &done["counts"]["touches"]), (&json!(0), &json!(0)));
        assert_eq!(app.client.get("/api/v1/erasures").expect(200)["items"].as_array().map(Vec::len), Some(1));
        // A browser of nobody is erased all the same.
        let browser = browse(&app, "go");
        let done = erase(&app, &json!({ "click_id": browser.clicks[0] }));
        assert_eq!((&done["counts"]["persons"], &done["counts"]["touches"]), (&json!(0), &json!(2)), "{done}");
        let visitor: headwater::domain::ids::VisitorId = browser.visitor.parse().expect("visitor");
        assert_eq!(holding(&dump(&app), &hex(visitor.0.as_bytes())), Vec::<String>::new());
        assert_eq!(row(&app.report(MARCH), "linkedin-organic")["clicks"], row(&app.report(MARCH), "linkedin-organic")["clicks"]);
    }

    fn hubspot_asks_for_a_deletion_and_it_is_done(app) {
        let batch = fixture("hubspot/batch-lifecycle-and-dealstage.v3");
        let hook = vendor_endpoint(&app, "hubspot", json!({ "secret": batch.secret(), "signed_url": batch.meta["request"]["url"] }));
        app.verdicts(&batch.send(&app, &hook.path));
        let contact = "98765432101";
        let october = "from=2026-10-01&to=2026-10-31";
        let (report, at) = (app.report(october)["rows"].clone(), app.report(october)["as_of"].clone());
        let needle = hex(contact.as_bytes());
        assert!(!holding(&dump(&app), &needle).is_empty());
        let item = json!([{ "eventId": 1, "subscriptionId": 2, "portalId": 62515, "appId": 54321, "occurredAt": 1_791_191_700_000_i64,
            "subscriptionType": "contact.privacyDeletion", "attemptNumber": 0, "objectId": 98_765_432_101_i64 }]).to_string();
        let ask = || hubspot(&app, &hook, &batch.secret(), batch.meta["request"]["url"].as_str().expect("url"), &item);
        let reply = ask();
        let verdict = app.verdicts(&reply)[0].clone();
        assert_eq!((&verdict["status"], &verdict["code"]), (&json!("ignored"), &json!("erasure")), "{verdict}");
        let erasures = app.client.get("/api/v1/erasures").expect(200)["items"].clone();
        assert_eq!((&erasures[0]["recorded_by"], &erasures[0]["delivery"]), (&json!(format!("endpoint {}", hook.id)), &reply.json()["delivery"]));
        assert_eq!(erasures[0]["id"], verdict["detail"], "{verdict}");
        assert_eq!(holding(&dump(&app), &needle), Vec::<String>::new());
        let kept = app.client.get(&format!("/api/v1/deliveries/{}", reply.json()["delivery"].as_str().expect("id"))).expect(200);
        assert!(kept["body"].is_null() && !kept["removed_at"].is_null(), "its own body is gone: {kept}");
        assert_eq!(app.report(&format!("{october}&as_of={at}"))["rows"], report);
        // Asked again there is nothing left, and that is recorded, too.
        let verdict = app.verdicts(&ask())[0].clone();
        assert!(verdict["detail"].as_str().is_some_and(|d| d.ends_with("nothing was held")), "{verdict}");
        assert_eq!(statuses(&app, &batch.send(&app, &hook.path))[2], "duplicate");
        // Items of others beside hers may still become something, so the delivery waits, with the id of the record it names.
        let waits = ["delivery_items.event_id", "lookups.path"];
        assert_eq!(holding(&dump(&app), &needle), waits, "but nobody is joined to her");
    }

    fn the_command_line_counts_asks_and_erases(app) {
        let world = world(&app);
        let needles = needles(&app, &world);
        let run = |arguments: &[&str]| crate::support::binary::output_in(&app, arguments);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("utf-8");
        let before = dump(&app);
        let dry = run(&["erase", "--contact", CONTACT, "--email", EMAIL, "--dry-run"]);
        assert!(text(&dry.stdout).contains("Would erase"), "{}", text(&dry.stderr));
        let unasked = run(&["erase", "--contact", CONTACT]);
        assert!(!unasked.status.success() && text(&unasked.stderr).contains("--yes"), "{}", text(&unasked.stderr));
        assert_eq!(dump(&app), before);
        let done = run(&["erase", "--contact", CONTACT, "--email", EMAIL, "--yes", "--reason", "case 18", "--json"]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        let done: Value = serde_json::from_slice(&done.stdout).expect("json");
        assert_eq!((&done["asked"], &done["recorded_by"]), (&json!("contact email"), &json!("cli")));
        let list = run(&["erasures", "--json"]);
        assert!(text(&list.stdout).contains("case 18"), "{}", text(&list.stdout));
        let of_cyd = hex(app.state().intake().secret.email_hash("ana.lopez@example.com").as_bytes());
        let left: Vec<_> = needles.iter().filter(|(_, hex)| *hex != of_cyd).cloned().collect();
        assert_eq!(found(&dump(&app), &left), Vec::<String>::new());
    }

    fn a_page_shows_what_it_takes_and_asks_first(app) {
        use crate::ui::{csrf_in, page, post, set_up};
        world(&app);
        let cookie = set_up(&app);
        let her = people(&app).into_iter().find(|p| p["steps"].to_string().contains("ana-lead-1")).expect("her");
        let path = format!("/app/people/{}/erase", her["person"].as_str().expect("id"));
        assert!(page(&app, path.trim_end_matches("/erase"), &cookie).text.contains(&path), "the person's page leads there");
        let asked = page(&app, &path, &cookie);
        assert!(asked.text.contains("identity facts") && asked.text.contains("delivery bodies"), "{}", asked.text);
        let csrf = csrf_in(&asked.text);
        let unsure = post(&app, &path, &cookie, &[("csrf", &csrf), ("reason", "case 19")]);
        assert!(unsure.status == 422 && unsure.text.contains("tick the box"), "{}", unsure.text);
        let foreign = post(&app, &path, &cookie, &[("csrf", "x"), ("confirm", "on")]);
        assert_eq!(foreign.status, 403);
        assert_eq!(app.client.get("/api/v1/erasures").expect(200)["items"], json!([]));
        let done = post(&app, &path, &cookie, &[("csrf", &csrf), ("reason", "case 19"), ("confirm", "on")]);
        assert_eq!((done.status, done.header("location")), (303, "/app/erasures?done=erased".to_owned()), "{}", done.text);
        let list = page(&app, "/app/erasures", &cookie).text;
        assert!(list.contains("case 19") && list.contains("admin@example.com"), "{list}");
        assert_eq!(page(&app, &path, &cookie).status, 404, "there is no such person any more");
    }

    fn ten_thousand_touches_are_one_erasure(app) {
        use headwater::domain::ids::{TouchId, VisitorId};
        use headwater::domain::touch::TouchRecord;
        app.link("go");
        let visitor: VisitorId = "vis_01JZ8Q4M7T2V9XW3B5C6D7E8F1".parse().expect("visitor");
        let first = crate::support::traffic::record(&app, 9, 1);
        let at = first.occurred_at;
        // Some thousand of one millisecond: their order is that of their ids.
        let touch = |n: i64| {
            let occurred_at = at.plus_ms(-(n / 4) * 15_000);
            TouchRecord { id: TouchId::new(occurred_at, rand::random()), occurred_at, visitor: Some(visitor), ..first.clone() }
        };
        let list: Vec<TouchRecord<'_>> = (0..10_000).map(touch).collect();
        let mut sink = crate::support::traffic::sink(&app);
        for batch in list.chunks(2_000) {
            headwater::tracking::writer::RecordSink::store(&mut sink, batch).expect("stored");
        }
        app.clock.advance_ms(1_000);
        tell(&app, "big-lead", "lead", &json!({ "visitor_id": visitor.to_string(), "person": "crm:big-1" }));
        let at = as_of(&app);
        let january = format!("from=2026-01-01&to=2026-03-31&models=first,last,linear&as_of={at}");
        let before = app.client.get(&format!("/api/v1/reports/cost-per-lead?{january}")).text;
        let began = std::time::Instant::now();
        let done = erase(&app, &json!({ "contact": "crm:big-1" }));
        let took = began.elapsed();
        println!("10,000 touches: {took:?}");
        assert_eq!(done["counts"]["touches"], 10_000);
        assert!(took.as_secs() < 60, "{took:?}");
        assert_eq!(app.client.get(&format!("/api/v1/reports/cost-per-lead?{january}")).text, before);
        assert_eq!(holding(&dump(&app), &hex(visitor.0.as_bytes())), Vec::<String>::new());
    }

    fn nothing_is_left_in_the_free_pages_of_the_file(app) {
        if app.db.backend() == crate::support::Backend::Postgres {
            // PostgreSQL keeps old versions of rows until it vacuums, as docs/privacy.md says.
            return;
        }
        let world = world(&app);
        let visitor: headwater::domain::ids::VisitorId = world.ana.visitor.parse().expect("visitor");
        erase(&app, &json!({ "contact": CONTACT }));
        let file = std::fs::read(app.dir.path().join("headwater.db")).expect("file");
        let wal = std::fs::read(app.dir.path().join("headwater.db-wal")).unwrap_or_default();
        let all = [file, wal].concat();
        for needle in [CONTACT.as_bytes(), ANSWER.as_bytes(), b"ana-lead-1", b"row-of-ana-1", visitor.0.as_bytes()] {
            assert!(!all.windows(needle.len()).any(|w| w == needle), "{}", String::from_utf8_lossy(needle));
        }
    }

    fn linkedin_deletes_a_lead_and_its_figures_stay(app) {
        let lead = fixture("linkedin_lead_sync/lead-action-created");
        let hook = vendor_endpoint(&app, "linkedin-lead-sync", json!({ "secret": lead.secret() }));
        assert_eq!(statuses(&app, &lead.send(&app, &hook.path)), ["needs-enrichment"]);
        let urn = "urn:li:leadGenFormResponse:1a2b3c-4";
        let gone = json!({ "type": "LEAD_ACTION", "leadGenFormResponse": urn, "leadAction": "DELETED", "occurredAt": 1_791_191_640_999_i64 }).to_string();
        let signature = hmac(lead.secret().as_bytes(), format!("hmacsha256={gone}").as_bytes());
        let reply = app.client.send("POST", &hook.path, &[("x-li-signature", &signature)], gone.as_bytes());
        assert_eq!(app.verdicts(&reply)[0]["code"], "erasure");
        assert_eq!(holding(&dump(&app), &hex(urn.as_bytes())), Vec::<String>::new());
        assert_eq!(statuses(&app, &lead.send(&app, &hook.path)), ["ignored"], "the lead is not told again");
        assert_eq!(holding(&dump(&app), &hex(urn.as_bytes())), Vec::<String>::new());
    }
}

fn statuses(app: &TestApp, reply: &Reply) -> Vec<String> {
    app.verdicts(reply).iter().map(|v| v["status"].as_str().expect("status").to_owned()).collect()
}

/// A request that HubSpot signed by its third scheme.
fn hubspot(app: &TestApp, hook: &Hook, secret: &str, url: &str, body: &str) -> Reply {
    use ::hmac::{Hmac, KeyInit, Mac};
    use base64::Engine as _;
    let at = app.clock.now().0.to_string();
    let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).expect("key");
    mac.update(format!("POST{url}{body}{at}").as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    let headers = [
        ("content-type", "application/json"),
        ("x-hubspot-signature-v3", signature.as_str()),
        ("x-hubspot-request-timestamp", at.as_str()),
    ];
    app.client.send("POST", &hook.path, &headers, body.as_bytes())
}

fn limited_key(app: &TestApp, scopes: &str) -> String {
    use headwater::secret::sha256;
    let (key, hint) = headwater::http::auth::new_key();
    let hash = sha256(key.as_bytes());
    app.state()
        .db
        .write_now(|conn| headwater::store::access::create_key(conn, "limited", &hint, &hash, scopes, UtcMillis(0)))
        .expect("key");
    key
}
