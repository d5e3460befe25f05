//! Leads given inside a network's own form: real deliveries, the touches they make, and what mappings say of them.

use headwater::store::ledger;
use serde_json::{Value, json};

use crate::connectors::{Fixture, StandIn, endpoint, fixture, inbox};
use crate::exports::{exports, send};
use crate::hooks::Hook;
use crate::identity::people;
use crate::support::browser::eventually;
use crate::support::{TestApp, row};

const OCTOBER: &str = "from=2026-10-01&to=2026-10-31&currency=USD";
/// The campaign of the fixtures of Meta: of its lead and of its export.
const META_CAMPAIGN: &str = "120210000000000022";
const META_LEAD: &str = "1459076748710713";
/// Every model that divides an event among its touches by itself.
const MODELS: &str = "first,last,last_non_direct,linear,linear_distinct,time_decay,position,j_shaped,inverse_j,u_shaped,w_shaped,full_path";

/// Meta's API with the records of both leads: one of an ad, one of a form that was shared without one.
fn meta_api() -> StandIn {
    let vendor = StandIn::start();
    let record = String::from_utf8(fixture("meta_lead_ads/graph-lead-read").body).expect("text");
    vendor.tell(&format!("/v24.0/{META_LEAD}"), 200, "", &record);
    let organic = json!({
        "created_time": "2026-10-05T09:13:59+0000", "id": "1459076748710714", "form_id": "1616801872291122",
        "is_organic": true, "platform": "fb", "field_data": [{ "name": "email", "values": ["bea@example.com"] }],
    });
    vendor.tell("/v24.0/1459076748710714", 200, "", &organic.to_string());
    vendor
}

fn meta_hook(app: &TestApp, vendor: &StandIn) -> (Fixture, Hook) {
    let batch = fixture("meta_lead_ads/leadgen-batch-escaped");
    let more = json!({ "secret": batch.secret(), "api_base_url": vendor.base, "api_token": "page-token" });
    let hook = endpoint(app, "meta-lead-ads", more);
    (batch, hook)
}

/// Waits until no item waits for its record.
fn completed(app: &TestApp) {
    eventually("every lead is completed", || {
        app.read_inbox();
        let list = inbox(app);
        let waits = |item: &Value| item["status"] == "needs-enrichment" || item["status"] == "pending";
        (!list.is_empty() && !list.iter().any(waits)).then_some(())
    });
}

/// Meta tells its two leads.
fn meta_leads(app: &TestApp) -> Hook {
    let (batch, hook) = meta_hook(app, &meta_api());
    assert_eq!(batch.send(app, &hook.path).status, 200);
    completed(app);
    hook
}

/// LinkedIn tells its lead.
fn linkedin_lead(app: &TestApp) -> Hook {
    let vendor = StandIn::start();
    let record = String::from_utf8(fixture("linkedin_lead_sync/lead-form-response-read").body).expect("text");
    vendor.tell("/rest/leadFormResponses/1a2b3c-4", 200, "", &record);
    let lead = fixture("linkedin_lead_sync/lead-action-created");
    let more = json!({ "secret": lead.secret(), "api_base_url": vendor.base, "api_token": "linkedin-token" });
    let hook = endpoint(app, "linkedin-lead-sync", more);
    assert_eq!(lead.send(app, &hook.path).status, 200);
    completed(app);
    hook
}

fn spend(app: &TestApp, path: &str, query: &str) -> Value {
    let path = exports().join("spend").join(path);
    let name = path.file_name().expect("name").to_string_lossy().into_owned();
    send(app, query, &name, &std::fs::read(&path).expect("file")).expect(201)
}

/// Everything on the page of platforms.
fn platforms(app: &TestApp) -> Vec<Value> {
    app.client.get("/api/v1/platforms").expect(200)["items"].as_array().expect("accounts").clone()
}

fn account(app: &TestApp, name: &str) -> Value {
    platforms(app).into_iter().find(|a| a["name"] == name).unwrap_or(Value::Null)
}

fn campaign(account: &Value, is: impl Fn(&Value) -> bool) -> Value {
    account["campaigns"].as_array().expect("campaigns").iter().find(|c| is(c)).cloned().unwrap_or(Value::Null)
}

fn map(app: &TestApp, of: &Value, kind: &str, body: &Value) {
    app.clock.advance_ms(60_000);
    let id = of["id"].as_str().expect("id");
    app.client.put(&format!("/api/v1/platforms/{kind}/{id}"), body).expect(200);
}

fn bytes(app: &TestApp, query: &str, as_of: &Value) -> String {
    let reply = app.client.get(&format!("/api/v1/reports/cost-per-lead?{query}&as_of={as_of}"));
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text
}

/// The channels and the campaign that tests map to.
fn ours(app: &TestApp) {
    app.link("go");
    app.channel("facebook-paid", "facebook", "cpc").expect(201);
    app.channel("linkedin-paid", "linkedin", "cpc").expect(201);
}

/// The kinds of the steps of the one person who gave a lead in `network`, with the forms.
fn steps(app: &TestApp, network: &str) -> Vec<(String, Option<String>)> {
    let of_network = |person: &Value| person["steps"].to_string().contains(&format!("form of {network}"));
    let person = people(app).into_iter().find(of_network).unwrap_or_else(|| panic!("no lead of {network}"));
    let text = |v: &Value| v.as_str().map(str::to_owned);
    person["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|s| (text(&s["kind"]).expect("kind"), text(&s["form"])))
        .collect()
}

fn touches(report: &Value, key: &str) -> i64 {
    row(report, key)["other_touches"].as_i64().unwrap_or(0)
}

fn tell(app: &TestApp, event: &Value) -> Value {
    app.client.post("/api/v1/conversions", event).expect(201)["items"][0].clone()
}

on_both! {
    fn a_lead_of_a_form_is_its_campaigns_and_costs_what_the_campaign_spent(app) {
        ours(&app);
        spend(&app, "meta_ads/daily-usd.csv", "");
        let main = account(&app, "main");
        map(&app, &main, "accounts", &json!({ "channel": "facebook-paid" }));
        map(&app, &campaign(&main, |c| c["external_id"] == META_CAMPAIGN), "campaigns", &json!({ "campaign": "spring-2026" }));
        meta_leads(&app);
        for model in MODELS.split(',') {
            let report = app.report(&format!("{OCTOBER}&model={model}&lookback_days=30"));
            assert_eq!(row(&report, "facebook-paid")["leads_micro"], 1_000_000, "{model}: {report}");
            assert_eq!(row(&report, "(unmapped)")["leads_micro"], 1_000_000, "{model}: a form without an ad is never lost");
            assert_eq!(report["totals"]["leads_micro"], 2_000_000, "{model}");
        }
        let report = app.report(OCTOBER);
        assert_eq!((touches(&report, "facebook-paid"), touches(&report, "(unmapped)")), (1, 1), "{report}");
        let by_campaign = app.report(&format!("{OCTOBER}&by=campaign"));
        let spring = row(&by_campaign, "spring-2026");
        assert_eq!((&spring["leads_micro"], &spring["cost_minor"]), (&json!(1_000_000), &json!(116_000)), "{spring}");
        assert_eq!(spring["cpl_minor"], "116000.0000", "spend / leads: {spring}");
        assert_eq!(row(&app.report(&format!("{OCTOBER}&by=device")), "unknown")["leads_micro"], 2_000_000);
        assert_eq!(row(&app.report(&format!("{OCTOBER}&classes=bot,human")), "facebook-paid")["leads_micro"], 1_000_000);
        assert_eq!(touches(&app.report(&format!("{OCTOBER}&classes=bot")), "facebook-paid"), 0, "its class is human");
    }

    fn its_evidence_and_its_paths_name_the_form(app) {
        ours(&app);
        spend(&app, "meta_ads/daily-usd.csv", "");
        map(&app, &account(&app, "main"), "accounts", &json!({ "channel": "facebook-paid" }));
        meta_leads(&app);
        let evidence = app.client.get(&format!("/api/v1/reports/evidence?{OCTOBER}&row=facebook-paid&figure=leads_micro")).expect(200);
        let text = evidence.to_string();
        let form = format!("form of instagram, ad 120210000000000044, ad set 120210000000000033, campaign {META_CAMPAIGN}, form 1616801872291121");
        assert!(text.contains(&form), "{text}");
        let counts = app.client.get(&format!("/api/v1/reports/evidence?{OCTOBER}&row=facebook-paid&figure=other_touches")).expect(200);
        assert!(counts.to_string().contains("\"form\""), "{counts}");
        let paths = app.client.get(&format!("/api/v1/reports/paths?{OCTOBER}&stage=lead")).expect(200).to_string();
        assert!(paths.contains("facebook-paid") && paths.contains("(unmapped)"), "{paths}");
        assert_eq!(steps(&app, "instagram"), [("form".to_owned(), Some(form)), ("lead".to_owned(), None)]);
        let unmatched = app.client.get("/api/v1/unmatched?from=2026-10-01&to=2026-10-31").expect(200);
        assert_eq!(unmatched["items"], json!([]), "a lead of a form has a touch: {unmatched}");
    }

    fn a_campaign_that_only_leads_have_named_is_listed_mapped_and_taken_over_by_the_file_that_spends_on_it(app) {
        ours(&app);
        meta_leads(&app);
        let before = app.report(OCTOBER);
        assert_eq!((&row(&before, "(unmapped)")["leads_micro"], touches(&before, "(unmapped)")), (&json!(2_000_000), 2), "{before}");
        let leads = account(&app, "lead forms");
        let named = campaign(&leads, |c| c["external_id"] == META_CAMPAIGN);
        let organic = campaign(&leads, |c| c["name"] == "leads without an ad");
        assert_eq!((&named["leads"], &organic["leads"], &named["is_mapped"]), (&json!(1), &json!(1), &json!(false)), "{leads}");

        map(&app, &named, "campaigns", &json!({ "campaign": "spring-2026", "channel": "linkedin-paid" }));
        let first = app.report(OCTOBER);
        assert_eq!(row(&first, "linkedin-paid")["leads_micro"], 1_000_000, "the first word holds from the beginning");
        map(&app, &named, "campaigns", &json!({ "campaign": "spring-2026", "effect": "correction" }));
        map(&app, &leads, "accounts", &json!({ "channel": "facebook-paid", "effect": "correction" }));
        let corrected = app.report(OCTOBER);
        assert_eq!((&row(&corrected, "facebook-paid")["leads_micro"], touches(&corrected, "facebook-paid")), (&json!(2_000_000), 2), "as the account: {corrected}");
        let why = app.client.get(&format!("/api/v1/reports/restatement?{OCTOBER}&from_as_of={}&to_as_of={}", before["as_of"], corrected["as_of"])).expect(200);
        let moved = why["rows"].as_array().expect("rows").iter().find(|r| r["channel"] == "facebook-paid" && r["figure"] == "leads_micro").expect("moved").clone();
        assert_eq!((&moved["relabel"], &moved["difference"]), (&json!(2_000_000), &json!(2_000_000)), "{moved}");

        app.clock.advance_ms(60_000);
        let preview = spend(&app, "meta_ads/daily-usd.csv", "")["preview"].clone();
        assert_eq!(preview["accounts"][0]["account"], "main", "no file means the account of leads: {preview}");
        assert_eq!(preview["accounts"][0]["campaigns"][0]["campaign"], "spring-2026", "what was said of it stays: {preview}");
        let main = account(&app, "main");
        let taken = campaign(&main, |c| c["external_id"] == META_CAMPAIGN);
        assert_eq!((&taken["id"], &taken["leads"], &taken["name"]), (&named["id"], &json!(1), &json!("Spring, leads")), "{main}");
        let moved = app.report(OCTOBER);
        assert_eq!((&row(&moved, "(unmapped)")["leads_micro"], &row(&moved, "(unmapped)")["cost_minor"]), (&json!(1_000_000), &json!(116_000)), "its account now is one that nobody has mapped: {moved}");
        map(&app, &main, "accounts", &json!({ "channel": "facebook-paid" }));
        let by_campaign = app.report(&format!("{OCTOBER}&by=channel,campaign"));
        let spring = row(&by_campaign, "facebook-paid · spring-2026");
        assert_eq!((&spring["leads_micro"], &spring["cost_minor"]), (&json!(1_000_000), &json!(116_000)), "{by_campaign}");

        for then in [&before, &first, &corrected, &moved] {
            let again = app.report(&format!("{OCTOBER}&as_of={}", then["as_of"]));
            assert_eq!(again, *then, "the report of then");
        }
    }

    fn a_report_of_before_a_mapping_is_the_same_bytes_for_ever(app) {
        ours(&app);
        linkedin_lead(&app);
        let as_of = app.report(OCTOBER)["as_of"].clone();
        let queries: Vec<String> = ["channel", "campaign", "network,day"].iter().map(|by| format!("{OCTOBER}&by={by}")).collect();
        let before: Vec<String> = queries.iter().map(|q| bytes(&app, q, &as_of)).collect();
        let leads = account(&app, "lead forms");
        map(&app, &campaign(&leads, |c| c["external_id"] == "367378525"), "campaigns", &json!({ "channel": "linkedin-paid", "campaign": "spring-2026" }));
        spend(&app, "linkedin_ads/campaign-performance.utf16le.csv", "");
        map(&app, &account(&app, "Acme Ads"), "accounts", &json!({ "channel": "facebook-paid" }));
        let now = app.report("from=2026-10-01&to=2026-10-31&by=campaign");
        let spring = row(&now, "spring-2026");
        assert_eq!((&spring["leads_micro"], &spring["cost_minor"], &spring["cpl_minor"]), (&json!(1_000_000), &json!(133_450), &json!("133450.0000")), "{now}");
        assert_eq!(row(&app.report("from=2026-10-01&to=2026-10-31"), "linkedin-paid")["leads_micro"], 1_000_000, "its own word goes before its account's");
        assert_eq!(queries.iter().map(|q| bytes(&app, q, &as_of)).collect::<Vec<_>>(), before);
    }

    fn a_mapping_from_now_on_leaves_earlier_leads_where_they_were(app) {
        ours(&app);
        linkedin_lead(&app);
        let leads = account(&app, "lead forms");
        map(&app, &leads, "accounts", &json!({ "channel": "linkedin-paid" }));
        map(&app, &leads, "accounts", &json!({ "channel": "facebook-paid" }));
        let lead = json!({ "event_id": "l2", "stage": "lead", "occurred_at": headwater::domain::time::Clock::now(&*app.clock).to_string(),
            "network_lead": { "network": "linkedin", "lead_id": "later", "campaign_id": "367378525" } });
        tell(&app, &lead);
        let report = app.report(OCTOBER);
        assert_eq!((&row(&report, "linkedin-paid")["leads_micro"], &row(&report, "facebook-paid")["leads_micro"]), (&json!(1_000_000), &json!(1_000_000)), "{report}");
        assert_eq!((touches(&report, "linkedin-paid"), touches(&report, "facebook-paid")), (1, 1));
    }

    fn an_ad_alone_waits_for_the_file_that_names_its_campaign(app) {
        ours(&app);
        app.clock.set(headwater::domain::time::UtcMillis::parse("2026-10-05T10:00:00Z").expect("time"));
        let known = "Day,Campaign name,Campaign ID,Link clicks,Amount spent (USD)\n2026-10-04,Brand,120210000000000099,1,10.00\n";
        send(&app, "channel=facebook-paid", "known.csv", known.as_bytes()).expect(201);
        let lead = |id: &str, ad: &str| json!({ "event_id": id, "stage": "lead", "occurred_at": "2026-10-05T09:00:00Z",
            "network_lead": { "network": "Facebook", "lead_id": id, "ad_id": ad } });
        assert_eq!(tell(&app, &lead("l1", "23850000000000111"))["status"], "stored", "a lead id is enough to be somebody");
        let before = app.report(OCTOBER);
        assert_eq!(row(&before, "(unmapped)")["leads_micro"], 1_000_000);
        assert_eq!(campaign(&account(&app, "lead forms"), |c| c["leads"] == 1)["name"], "leads of ads that no file has named");
        let file = "Day,Campaign name,Campaign ID,Ad ID,Link clicks,Amount spent (USD)\n2026-10-05,Brand,120210000000000099,23850000000000111,1,30.00\n2026-10-05,Brand,120210000000000099,23850000000000222,1,10.00\n";
        app.clock.advance_ms(60_000);
        send(&app, "", "ads.csv", file.as_bytes()).expect(201);
        tell(&app, &lead("l2", "23850000000000222"));
        let now = app.report(OCTOBER);
        let paid = row(&now, "facebook-paid");
        assert_eq!((&paid["leads_micro"], &paid["cost_minor"], &paid["cpl_minor"]), (&json!(2_000_000), &json!(5_000), &json!("2500.0000")), "{now}");
        assert_eq!(touches(&now, "facebook-paid"), 2);
        assert_eq!(campaign(&account(&app, "lead forms"), |c| c["leads"] != 0), Value::Null, "none is left there");
        assert_eq!(app.report(&format!("{OCTOBER}&as_of={}", before["as_of"])), before, "the report of then");
    }

    fn its_address_joins_an_earlier_click(app) {
        ours(&app);
        app.clock.set(headwater::domain::time::UtcMillis::parse("2026-10-01T08:00:00Z").expect("time"));
        let click = app.click("go");
        app.settle();
        let sign_up = json!({ "event_id": "s1", "stage": "mql", "occurred_at": "2026-10-01T09:00:00Z", "click_id": click, "email": " ana.lopez@EXAMPLE.com" });
        tell(&app, &sign_up);
        linkedin_lead(&app);
        spend(&app, "linkedin_ads/campaign-performance.utf16le.csv", "");
        map(&app, &account(&app, "Acme Ads"), "accounts", &json!({ "channel": "linkedin-paid" }));
        let kinds: Vec<String> = steps(&app, "linkedin").into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["click", "mql", "form", "lead"]);
        let of = |model: &str, key: &str| row(&app.report(&format!("from=2026-10-01&to=2026-10-31&model={model}")), key)["leads_micro"].clone();
        assert_eq!((of("first", "linkedin-organic"), of("last", "linkedin-paid")), (json!(1_000_000), json!(1_000_000)));
        assert_eq!((of("linear", "linkedin-organic"), of("linear", "linkedin-paid")), (json!(500_000), json!(500_000)));
    }

    fn a_crm_that_names_the_networks_lead_means_the_same_person(app) {
        ours(&app);
        linkedin_lead(&app);
        meta_leads(&app);
        map(&app, &account(&app, "lead forms"), "accounts", &json!({ "channel": "linkedin-paid" }));
        for (n, name) in ["linkedin:1a2b3c-4", "linkedin:urn:li:leadGenFormResponse:1a2b3c-4", "LinkedIn:1a2b3c-4"].iter().enumerate() {
            tell(&app, &json!({ "event_id": format!("q{n}"), "stage": "sql", "occurred_at": "2026-10-05T09:14:30Z", "person": name }));
        }
        let crm = json!({ "event_id": "w1", "stage": "customer", "occurred_at": "2026-10-05T09:14:40Z", "person": "crm:7", "value": "10.00", "currency": "USD",
            "network_lead": { "network": "instagram", "lead_id": META_LEAD, "campaign_id": META_CAMPAIGN } });
        tell(&app, &crm);
        // Ana gave both leads by one address; Bea the third.
        assert_eq!(people(&app).len(), 2, "{:?}", people(&app));
        let crm = json!({ "event_id": "w2", "stage": "lead", "occurred_at": "2026-10-05T09:14:41Z", "person": "facebook:1459076748710714",
            "network_lead": { "network": "facebook", "lead_id": "1459076748710714", "form_id": "1616801872291122" } });
        tell(&app, &crm);
        let members: Vec<usize> = people(&app).iter().map(|p| p["members"].as_array().expect("members").len()).collect();
        assert_eq!(members.iter().sum::<usize>(), 3, "Ana, Ana as her CRM's contact, and Bea: {members:?}");
        assert_eq!(people(&app).len(), 2);
        let forms = app.report(OCTOBER)["totals"]["other_touches"].clone();
        assert_eq!(forms, 3, "a lead that its network and a CRM tell is one touch, and nobody fills in a form to become a customer");
        let journey = app.report(&format!("{OCTOBER}&model=linear"));
        assert_eq!(journey["totals"]["customers_micro"], 1_000_000);
        assert_eq!(row(&journey, "(unattributed)"), &Value::Null, "{journey}");
    }

    fn doubled_and_concurrent_deliveries_make_one_touch(app) {
        ours(&app);
        let (batch, hook) = meta_hook(&app, &meta_api());
        let lead = fixture("linkedin_lead_sync/lead-action-created");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..3).for_each(|_| assert_eq!(batch.send(&app, &hook.path).status, 200)));
            }
        });
        completed(&app);
        linkedin_lead(&app);
        let again = endpoint(&app, "linkedin-lead-sync", json!({ "name": "again", "secret": lead.secret() }));
        assert_eq!(lead.send(&app, &again.path).status, 200);
        app.read_inbox();
        let report = app.report(OCTOBER);
        assert_eq!(report["totals"]["other_touches"], 3, "{report}");
        assert_eq!(report["totals"]["leads_micro"], 2_000_000, "Ana by both networks, and Bea: {report}");
        let replay = app.client.post("/api/v1/deliveries/replay", &json!({ "status": "stored" })).expect(200);
        let after = app.report(OCTOBER);
        assert_eq!(after["totals"], report["totals"], "{replay}");
    }

    fn a_replay_after_a_mapping_change_replaces_the_touch_with_its_event(app) {
        ours(&app);
        let hook = linkedin_lead(&app);
        let before = app.report(OCTOBER);
        assert_eq!(before["totals"]["other_touches"], 1);
        let rule = json!({ "rules": [{ "name": "lead", "when": [{ "at": "/leadAction", "is": ["CREATED"] }], "stage": "mql", "enrich": "response" }] });
        app.client.put(&format!("/api/v1/endpoints/{}/mapping", hook.id), &rule).expect(204);
        app.clock.advance_ms(60_000);
        let id = inbox(&app)[0]["delivery"].as_str().expect("delivery").to_owned();
        app.client.post(&format!("/api/v1/deliveries/{id}/replay"), &json!({})).expect(200);
        let after = app.report(&format!("{OCTOBER}&model=linear"));
        assert_eq!((&after["totals"]["leads_micro"], &after["totals"]["mqls_micro"], &after["totals"]["other_touches"]), (&json!(0), &json!(1_000_000), &json!(1)), "{after}");
        assert_eq!(row(&after, "(unmapped)")["mqls_micro"], 1_000_000, "{after}");
        assert_eq!(app.report(&format!("{OCTOBER}&as_of={}", before["as_of"])), before, "the report of then");
        let why = app.client.get(&format!("/api/v1/reports/restatement?{OCTOBER}&from_as_of={}", before["as_of"])).expect(200);
        let cause = |figure: &str, cause: &str| {
            let lines = why["totals"].as_array().unwrap_or_else(|| panic!("{why}"));
            lines.iter().find(|l| l["figure"] == figure).unwrap_or_else(|| panic!("{figure}: {why}"))[cause].clone()
        };
        assert_eq!((cause("other_touches", "void"), cause("other_touches", "late_touch")), (json!(-1), json!(1)), "{why}");
        assert_eq!((cause("leads_micro", "void"), cause("mqls_micro", "late_conversion")), (json!(-1_000_000), json!(1_000_000)), "{why}");
    }

    fn voiding_the_event_takes_its_touch_along(app) {
        ours(&app);
        linkedin_lead(&app);
        let before = app.report(OCTOBER);
        let event = inbox(&app)[0]["event"].as_str().expect("event").to_owned();
        app.clock.advance_ms(60_000);
        app.client.delete(&format!("/api/v1/conversions/{event}")).expect(204);
        let after = app.report(OCTOBER);
        assert_eq!((&after["totals"]["other_touches"], &after["totals"]["leads_micro"]), (&json!(0), &json!(0)), "{after}");
        assert_eq!(campaign(&account(&app, "lead forms"), |c| c["leads"] != 0), Value::Null);
        assert_eq!(app.report(&format!("{OCTOBER}&as_of={}", before["as_of"])), before);
        let horizon = app.state().db.read_now(ledger::horizon).expect("horizon");
        assert_eq!(after["as_of"], json!(horizon.0), "the event and its touch went at one moment");
    }
}
