//! Connector presets through the real thing: vendors' own requests, handshakes, and records read from a stand-in.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater::domain::ids::EndpointId;
use headwater::domain::time::{Clock, UtcMillis};
use headwater::jobs::edit_endpoints;
use serde_json::{Value, json};

use crate::hooks::Hook;
use crate::support::TestApp;
use crate::support::browser::eventually;
use crate::support::client::Reply;

const CLICK: &str = "clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0";

/// A vendor's request with its sidecar.
pub(crate) struct Fixture {
    pub(crate) body: Vec<u8>,
    pub(crate) meta: Value,
}

pub(crate) fn fixture(path: &str) -> Fixture {
    let dir = format!("{}/tests/fixtures/connectors", env!("CARGO_MANIFEST_DIR"));
    let meta: Value =
        serde_json::from_str(&std::fs::read_to_string(format!("{dir}/{path}.meta.json")).expect("sidecar"))
            .expect("json");
    let vendor = path.split('/').next().expect("vendor");
    let body = meta["body_file"].as_str().map(|file| std::fs::read(format!("{dir}/{vendor}/{file}")).expect("body"));
    Fixture { body: body.unwrap_or_default(), meta }
}

impl Fixture {
    pub(crate) fn secret(&self) -> String {
        let encoded = self.meta["signature"]["secret_base64"].as_str().expect("secret");
        String::from_utf8(STANDARD.decode(encoded).expect("base64")).expect("text")
    }

    /// Sends it as its vendor did, at the time at which it was signed.
    pub(crate) fn send(&self, app: &TestApp, path: &str) -> Reply {
        app.clock.set(UtcMillis(self.meta["clock_unix"].as_i64().expect("clock") * 1_000));
        let headers = self.meta["request"]["headers"].as_object().expect("headers");
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str().expect("text"))).collect();
        app.client.send("POST", path, &headers, &self.body)
    }
}

pub(crate) fn endpoint(app: &TestApp, preset: &str, more: Value) -> Hook {
    let mut body = json!({ "name": preset, "preset": preset });
    body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    let made = app.client.post("/api/v1/endpoints", &body).expect(201);
    let url = made["url"].as_str().expect("url");
    let path = url.strip_prefix(&app.config.server.public_url).expect("our own address").to_owned();
    Hook {
        path,
        secret: made["secret"].as_str().unwrap_or_default().to_owned(),
        id: made["id"].as_str().expect("id").to_owned(),
    }
}

fn statuses(verdicts: &[Value]) -> Vec<&str> {
    verdicts.iter().map(|v| v["status"].as_str().expect("status")).collect()
}

/// Everything that the inbox says about its items, newest delivery first.
pub(crate) fn inbox(app: &TestApp) -> Vec<Value> {
    app.client.get("/api/v1/deliveries").expect(200)["items"].as_array().expect("items").clone()
}

/// A status, headers and a body.
type Answer = (u16, String, String);

/// A vendor's API that answers what it is told to, and remembers who asked.
#[derive(Clone)]
pub(crate) struct StandIn {
    pub(crate) base: String,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
        let base = format!("http://{}", listener.local_addr().expect("address"));
        let stand_in = Self { base, answers: Arc::default(), asked: Arc::default() };
        let served = stand_in.clone();
        // It ends with the process, as nobody connects any more.
        std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| served.serve(stream)));
        stand_in
    }

    pub(crate) fn tell(&self, path: &str, status: u16, headers: &str, body: &str) {
        self.answers.lock().expect("lock").insert(path.to_owned(), (status, headers.to_owned(), body.to_owned()));
    }

    fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().expect("lock").clone()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("stream").take(16_384));
        let (mut path, mut token) = (String::new(), String::new());
        for line in reader.by_ref().lines().map_while(Result::ok).take_while(|l| !l.is_empty()) {
            if let Some(rest) = line.strip_prefix("GET ") {
                rest.split(' ').next().unwrap_or_default().clone_into(&mut path);
            }
            if let Some(rest) = line.to_lowercase().strip_prefix("authorization: ") {
                rest.clone_into(&mut token);
            }
        }
        self.asked.lock().expect("lock").push((path.clone(), token));
        let known = self.answers.lock().expect("lock").get(path.split('?').next().unwrap_or_default()).cloned();
        let (status, headers, body) = known.unwrap_or((404, String::new(), "{}".into()));
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
        let _gone = stream.write_all(format!("{head}{body}").as_bytes());
    }
}

fn contact(id: &str, email: &str) -> String {
    json!({ "id": id, "properties": { "email": email, "hw_id": CLICK, "lifecyclestage": null } }).to_string()
}

const DEAL: &str = r#"{"id":"70012345678","properties":{"amount":"1250.50","deal_currency_code":"EUR","dealstage":"closedwon"},"associations":{"contacts":{"results":[{"id":"98765432101","type":"deal_to_contact"}]}}}"#;

on_both! {
    fn one_payment_that_stripe_tells_twice_is_one_sale(app) {
        let (session, invoice) = (fixture("stripe/checkout-session-completed"), fixture("stripe/invoice-paid"));
        let refund = fixture("stripe/charge-refunded-partial");
        let hook = endpoint(&app, "stripe", json!({ "secret": session.secret() }));
        let verdict = |f: &Fixture| app.verdicts(&f.send(&app, &hook.path))[0].clone();
        assert_eq!(verdict(&invoice)["status"], "stored");
        assert_eq!(verdict(&session)["status"], "duplicate", "the same money");
        assert_eq!(verdict(&session)["status"], "duplicate", "a retry");
        assert_eq!(verdict(&refund)["status"], "stored");
        let totals = app.report("from=2026-10-01&to=2026-10-31")["totals"].clone();
        assert_eq!((&totals["customers_micro"], &totals["revenue_minor"]), (&json!(1_000_000), &json!(36_000)), "{totals}");
    }

    fn an_order_beyond_two_to_the_53_is_told_once(app) {
        let order = fixture("shopify/orders-create");
        let hook = endpoint(&app, "shopify", json!({ "secret": order.secret(), "mapping": { "account": "acme.myshopify.com" } }));
        let verdict = |f: &Fixture| app.verdicts(&f.send(&app, &hook.path))[0].clone();
        let stored = verdict(&order);
        assert_eq!((&stored["status"], &stored["event_id"]), (&json!("stored"), &json!("shopify:order:820982911946154508:paid")));
        assert_eq!(verdict(&order)["status"], "duplicate");
        let mut forged = fixture("shopify/orders-create");
        forged.body[100] ^= 1;
        assert_eq!(forged.send(&app, &hook.path).status, 401);
        assert_eq!(app.report("from=2026-10-01&to=2026-10-31&currency=USD")["totals"]["customers_micro"], 1_000_000);
    }

    fn salesforce_is_acknowledged_and_its_session_is_not_kept(app) {
        let message = fixture("salesforce/outbound-message-lead");
        let hook = endpoint(&app, "salesforce-outbound", json!({}));
        assert_eq!(hook.secret, "", "the address is the secret");
        let reply = message.send(&app, &hook.path);
        assert_eq!((reply.status, reply.header("content-type")), (200, "text/xml; charset=utf-8".to_owned()));
        assert!(reply.text.contains("<Ack>true</Ack>"), "{}", reply.text);
        app.read_inbox();
        assert_eq!(inbox(&app)[0]["status"], "stored", "{:?}", inbox(&app));
    }

    fn segment_libraries_find_their_paths(app) {
        let (identify, track) = (fixture("segment/identify"), fixture("segment/track-order-completed"));
        let hook = endpoint(&app, "segment", json!({ "secret": identify.secret() }));
        for (fixture, below) in [(&identify, "/v1/identify"), (&track, "/v1/track")] {
            let reply = fixture.send(&app, &format!("{}{below}", hook.path));
            assert_eq!((reply.status, reply.json()), (200, json!({ "success": true })));
        }
        app.read_inbox();
        assert_eq!(statuses(&inbox(&app)), ["stored", "stored"]);
        let totals = app.report("from=2026-10-01&to=2026-10-31&currency=USD")["totals"].clone();
        assert_eq!((&totals["leads_micro"], &totals["customers_micro"]), (&json!(1_000_000), &json!(1_000_000)), "one person: {totals}");
    }

    fn vendors_that_ask_are_answered(app) {
        let meta = endpoint(&app, "meta-lead-ads", json!({ "secret": "0123456789abcdef0123456789abcdef" }));
        let asked = |token: &str| app.client.get(&format!("{}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}", meta.path));
        assert_eq!(asked("wrong").status, 403);
        let challenge = fixture("linkedin_lead_sync/validate-challenge");
        let linkedin = endpoint(&app, "linkedin-lead-sync", json!({ "secret": challenge.secret() }));
        let url = challenge.meta["request"]["url"].as_str().expect("url");
        let (_, query) = url.split_once('?').expect("query");
        let reply = app.client.get(&format!("{}?{query}", linkedin.path));
        assert_eq!((reply.status, reply.json()), (200, challenge.meta["expected_response"]["body"].clone()));
        assert_eq!(app.client.get(&format!("{}?challengeCode=hmacsha256%3D%7B%7D", linkedin.path)).status, 403);
        assert_eq!(app.client.get(&linkedin.path).status, 404);
    }

    fn an_endpoint_whose_vendor_makes_the_secret_accepts_nothing_before_it_has_it(app) {
        let lead = fixture("close/lead-created");
        let hook = endpoint(&app, "close", json!({}));
        assert!(lead.send(&app, &hook.path).text.contains("no-secret"));
        let id: EndpointId = hook.id.parse().expect("id");
        let rotate = |secret: Option<&str>, overlap_ms: i64| {
            let (context, now) = (app.state().intake(), app.clock.now());
            let rotated = app.state().db.write_now(|conn| edit_endpoints::rotate_secret(conn, id, secret, overlap_ms, &context, now));
            app.state().endpoints.refresh().expect("refreshed");
            rotated
        };
        assert!(rotate(None, 0).is_err(), "Close makes it");
        assert!(rotate(Some("not hex"), 0).is_err());
        rotate(Some(&lead.secret()), 0).expect("secret");
        assert_eq!(statuses(&app.verdicts(&lead.send(&app, &hook.path))), ["stored"]);
        rotate(Some("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"), 60_000).expect("another");
        assert_eq!(lead.send(&app, &hook.path).status, 200, "the former one still lives");
        app.clock.advance_ms(60_001);
        let headers = lead.meta["request"]["headers"].as_object().expect("headers");
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str().expect("text"))).collect();
        assert!(app.client.send("POST", &hook.path, &headers, &lead.body).text.contains("signature-mismatch"), "and ends");
    }

    fn thin_deliveries_wait_for_a_token_and_are_completed_with_it(app) {
        let vendor = StandIn::start();
        vendor.tell("/crm/v3/objects/contacts/98765432101", 200, "", &contact("98765432101", "ana@example.com"));
        vendor.tell("/crm/v3/objects/deals/70012345678", 200, "", DEAL);
        let batch = fixture("hubspot/batch-lifecycle-and-dealstage.v3");
        let hook = endpoint(&app, "hubspot", json!({
            "secret": batch.secret(), "signed_url": batch.meta["request"]["url"], "api_base_url": vendor.base,
        }));
        let verdicts = app.verdicts(&batch.send(&app, &hook.path));
        assert_eq!(statuses(&verdicts), ["needs-enrichment", "ignored", "stored", "needs-enrichment", "needs-enrichment"]);
        assert_eq!(vendor.asked(), [], "nobody is asked without a token");
        let (id, now): (EndpointId, _) = (hook.id.parse().expect("id"), app.clock.now());
        let context = app.state().intake();
        app.state().db.write_now(|conn| edit_endpoints::set_api(conn, id, Some(&vendor.base), Some("pat-na1-token"), &context, now)).expect("token");
        eventually("everything is completed", || {
            let list = inbox(&app);
            (list.iter().all(|i| i["status"] != "needs-enrichment")).then_some(())
        });
        let mut list = inbox(&app);
        list.sort_by_key(|i| i["item"].as_i64());
        assert_eq!(statuses(&list), ["ignored", "ignored", "stored", "stored", "stored"], "{list:?}");
        assert!(vendor.asked().iter().all(|(_, token)| token == "bearer pat-na1-token"), "{:?}", vendor.asked());
        let totals = app.report("from=2026-10-01&to=2026-10-31")["totals"].clone();
        assert_eq!((&totals["leads_micro"], &totals["customers_micro"], &totals["revenue_minor"]), (&json!(1_000_000), &json!(1_000_000), &json!(125_050)), "{totals}");
        let replayed = app.client.post(&format!("/api/v1/deliveries/{}/replay", list[0]["delivery"].as_str().expect("id")), &json!({}));
        assert_eq!(replayed.status, 200, "{}", replayed.text);
        let mut again = inbox(&app);
        again.sort_by_key(|i| i["item"].as_i64());
        assert_eq!(statuses(&again), statuses(&list), "the answers are kept, so that reading again asks nobody");
    }

    fn a_vendor_that_is_busy_is_left_alone_and_a_record_that_is_gone_is_said_to_be(app) {
        let vendor = StandIn::start();
        let lead = fixture("linkedin_lead_sync/lead-action-created");
        vendor.tell("/rest/leadFormResponses/1a2b3c-4", 429, "retry-after: 120\r\n", "{}");
        let hook = endpoint(&app, "linkedin-lead-sync", json!({ "secret": lead.secret(), "api_base_url": vendor.base, "api_token": "linkedin-token" }));
        lead.send(&app, &hook.path);
        eventually("it is asked once", || (vendor.asked().len() == 1).then_some(()));
        app.read_inbox();
        assert_eq!(statuses(&inbox(&app)), ["needs-enrichment"]);
        let record = fixture("linkedin_lead_sync/lead-form-response-read");
        vendor.tell("/rest/leadFormResponses/1a2b3c-4", 200, "", &String::from_utf8(record.body).expect("text"));
        app.clock.advance_ms(119_000);
        app.read_inbox();
        assert_eq!(vendor.asked().len(), 1, "not before the time it asked for");
        app.clock.advance_ms(2_000);
        eventually("the lead is completed", || (statuses(&inbox(&app)) == ["stored"]).then_some(()));
        let gone = json!({ "type": "LEAD_ACTION", "leadGenFormResponse": "urn:li:leadGenFormResponse:gone", "leadAction": "CREATED", "occurredAt": 1_791_191_640_881_i64 });
        let secret = lead.secret();
        let signature = hmac(secret.as_bytes(), format!("hmacsha256={gone}").as_bytes());
        let reply = app.client.send("POST", &hook.path, &[("x-li-signature", &signature)], gone.to_string().as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text);
        eventually("it is said to be gone", || inbox(&app).iter().any(|i| i["code"] == "record-missing" && i["status"] == "quarantined").then_some(()));
    }
}

/// HMAC-SHA-256 in hex.
pub(crate) fn hmac(key: &[u8], message: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(key).expect("key");
    mac.update(message);
    mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}
