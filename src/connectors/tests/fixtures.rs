//! Every fixture verifies, and is read as its sidecar expects.

use std::collections::BTreeSet;

use super::*;
use crate::domain::intake::IntakeDefaults;
use crate::domain::money::Money;

/// Fixture, preset, and what the user would set.
pub(super) const TABLE: &[(&str, &str, &str)] = &[
    ("activecampaign/subscribe", "activecampaign", "{}"),
    ("calendly/invitee-created", "calendly", "{}"),
    ("close/lead-created", "close", "{}"),
    ("hubspot/batch-lifecycle-and-dealstage.v3", "hubspot", "{}"),
    ("hubspot/contact-creation.v1-official", "hubspot", "{}"),
    ("hubspot/get.v2-official", "hubspot", "{}"),
    ("hubspot/workflow-webhook-contact.v2", "hubspot", "{}"),
    ("linkedin_lead_sync/lead-action-created", "linkedin-lead-sync", "{}"),
    ("meta_lead_ads/leadgen-batch-escaped", "meta-lead-ads", "{}"),
    ("pipedrive/v2-change-deal-won", "pipedrive", "{}"),
    ("pipedrive/v2-create-person", "pipedrive", r#"{"click_id_property":"d4de1c1518b4531717c676029a45911c340390a6"}"#),
    ("salesforce/cdc-lead-update", "salesforce-flow", "{}"),
    ("salesforce/flow-http-callout", "salesforce-flow", "{}"),
    ("salesforce/outbound-message-lead", "salesforce-outbound", r#"{"account":"00D5f0000012abc"}"#),
    ("segment/identify", "segment", "{}"),
    ("segment/track-order-completed", "segment", "{}"),
    ("shopify/orders-create", "shopify", r#"{"account":"acme.myshopify.com"}"#),
    ("standard_webhooks/contact-converted", "standard-webhooks", "{}"),
    ("standard_webhooks/contact-converted-svix-headers", "standard-webhooks", "{}"),
    ("standard_webhooks/official-rust-vector", "standard-webhooks", "{}"),
    ("stripe/charge-refunded-partial", "stripe", "{}"),
    ("stripe/checkout-session-completed", "stripe", "{}"),
    ("stripe/invoice-paid", "stripe", "{}"),
    ("typeform/form-response", "typeform", "{}"),
    ("zapier/post-flat-json", "zapier", "{}"),
    ("zoho_crm/notification-insert", "zoho", "{}"),
];

/// A fixture with its connector; a relay that posts unsigned events is given a token.
pub(super) fn prepared(row: &(&str, &str, &str)) -> (Fixture, Connector) {
    let mut fixture = Fixture::load(row.0);
    if fixture.name.starts_with("salesforce/cdc") {
        fixture.secret = some("relay-token-1234");
        fixture.headers.push(("authorization".into(), "Bearer relay-token-1234".into()));
    }
    let is_path = presets::by_name(row.1).is_ok_and(|p| !p.needs_secret());
    let secrets: Vec<&str> = fixture.secret.iter().map(String::as_str).filter(|_| !is_path).collect();
    let connector = connector(row.1, row.2, &secrets);
    (fixture, connector)
}

pub(super) fn read(fixture: &Fixture, connector: &Connector) -> Vec<Reading> {
    let verified = connector.verify(&fixture.request()).unwrap_or_else(|why| panic!("{}: {why}", fixture.name));
    connector.read(&fixture.request(), verified.message_id.as_deref())
}

/// What a reading tells, wherever it tells it.
#[derive(Debug, Default)]
struct Told {
    ids: Vec<String>,
    input: EventInput,
}

fn told(reading: &Reading) -> Told {
    let input = match &reading.outcome {
        ReadingOutcome::Event(input) => (**input).clone(),
        ReadingOutcome::NeedsEnrichment(lookup) => lookup.known.clone().expect("an event to complete"),
        ReadingOutcome::Ignored { .. } => EventInput::default(),
        ReadingOutcome::Fault(faults) => panic!("{faults:?}"),
    };
    let mut told = Told { ids: input.person.iter().chain(&input.subject).cloned().collect(), input };
    for supply in &reading.supplies {
        let Supply::Identity(names) = supply else { continue };
        told.ids.extend(names.persons.iter().chain(&names.subjects).cloned());
        told.input.click_id = told.input.click_id.or(names.click_id.clone());
        told.input.email = told.input.email.or(names.email.clone());
    }
    told
}

fn money(input: &EventInput) -> Option<Money> {
    let stand_in = EventInput {
        event_id: "e".into(),
        stage: "refund".into(),
        occurred_at: NOW.to_string(),
        person: some("a:b"),
        ..input.clone()
    };
    let defaults = IntakeDefaults { currency: "EUR".parse().ok(), namespace: "crm".into(), zone: None };
    stand_in.check(&defaults, NOW, &str::to_owned).expect("draft").value
}

fn compare(name: &str, expected: &Value, reading: &Reading) {
    let told = told(reading);
    for key in ["external_id", "person_external_id", "customer_external_id"] {
        let Some(id) = expected[key].as_str() else { continue };
        let ends = |told: &String| told.to_lowercase().ends_with(&id.to_lowercase());
        assert!(told.ids.iter().any(ends), "{name}: {key} {id} is not among {:?}", told.ids);
    }
    let text = |key: &str| expected[key].as_str().map(str::to_owned);
    if let Some(key) = text("dedup_key") {
        assert_eq!(reading.dedup_key, Some(key), "{name}");
    }
    if let Some(email) = expected.get("email") {
        assert_eq!(told.input.email.clone().map(|e| e.to_lowercase()).as_deref(), email.as_str(), "{name}");
    }
    if let Some(click) = expected.get("click_id") {
        assert_eq!(told.input.click_id.as_deref(), click.as_str(), "{name}");
    }
    if let Some(stage) = expected.get("stage") {
        let stage = stage.as_str().map_or("", |s| if s == "qualified" { "sql" } else { s });
        assert_eq!(told.input.stage, stage, "{name}");
    }
    if let Some(at) = text("occurred_at") {
        let utc = |text: &str| UtcMillis::parse(text).unwrap_or_else(|f| panic!("{name}: {f}"));
        assert_eq!(utc(&told.input.occurred_at), utc(&at), "{name}");
    }
    if let Some(ad) = text("ad_id") {
        assert_eq!(told.input.network_lead.as_ref().and_then(|l| l.ad_id.clone()), Some(ad), "{name}");
    }
    if let Some(value) = expected.get("value") {
        let money = money(&told.input).unwrap_or_else(|| panic!("{name}: no money"));
        let currency = value["currency"].as_str().unwrap_or("EUR");
        let wanted = match value["amount_minor"].as_i64() {
            Some(minor) => Money { minor: minor.abs(), currency: currency.parse().expect("currency") },
            None => Money::parse(value["amount"].as_str().expect("amount"), currency.parse().expect("currency"))
                .expect("money"),
        };
        assert_eq!(money, wanted, "{name}");
        if value["currency"].is_null() {
            assert_eq!(told.input.currency, None, "{name}: no currency is invented");
        }
    }
}

#[test]
fn every_fixture_is_read_as_its_sidecar_expects() {
    let mut compared = 0;
    for row in TABLE {
        let (fixture, connector) = prepared(row);
        let readings = read(&fixture, &connector);
        let expected = fixture.expected["expect"]["events"].as_array().expect("events");
        if !expected.is_empty() {
            assert_eq!(readings.len(), expected.len(), "{}: {readings:#?}", row.0);
        }
        for (expected, reading) in expected.iter().zip(&readings) {
            compare(row.0, expected, reading);
            compared += 1;
        }
        let reply = connector.reply();
        assert_eq!(reply.status, 200);
        if let Some(body) = fixture.expected["expected_response"]["body"].as_object() {
            let answered: Value = serde_json::from_slice(&reply.body.expect("body")).expect("json");
            assert_eq!(answered.as_object(), Some(body), "{}", row.0);
        }
    }
    assert_eq!(compared, 30, "events told by the sidecars");
}

#[test]
fn outbound_messages_are_acknowledged_in_their_own_words() {
    let dir = format!("{}/tests/fixtures/connectors/salesforce", env!("CARGO_MANIFEST_DIR"));
    let expected = std::fs::read_to_string(format!("{dir}/outbound-message.ack-true.xml")).expect("ack");
    let reply = connector("salesforce-outbound", "{}", &[]).reply();
    assert_eq!(reply.content_type, "text/xml; charset=utf-8");
    assert_eq!(String::from_utf8(reply.body.expect("body")).expect("text").trim(), expected.trim());
}

#[test]
fn the_second_official_vector_of_hubspot_verifies() {
    let mut fixture = Fixture::load("hubspot/get.v2-official");
    let vector = fixture.expected["signature"]["second_vector"].clone();
    fixture.method = vector["method"].as_str().expect("method").to_owned();
    fixture.body = vector["body"].as_str().expect("body").as_bytes().to_vec();
    for (name, value) in &mut fixture.headers {
        if name == "x-hubspot-signature" {
            vector["expected"].as_str().expect("digest").clone_into(value);
        }
    }
    let connector = connector("hubspot", "{}", &[fixture.secret.as_deref().expect("secret")]);
    assert!(connector.verify(&fixture.request()).is_ok());
}

#[test]
fn what_is_kept_holds_no_secret_and_reads_the_same() {
    for row in TABLE {
        let (fixture, connector) = prepared(row);
        let message_id = connector.verify(&fixture.request()).expect("verified").message_id;
        let before = connector.read(&fixture.request(), message_id.as_deref());
        let (headers, body) =
            (connector.kept_headers(&fixture.headers, "").headers, connector.kept_body(&fixture.body));
        let kept = Request { method: "POST", url: "", headers: &headers, body: &body, received_at: fixture.at };
        assert_eq!(connector.read(&kept, message_id.as_deref()), before, "{}", row.0);
        let secret =
            fixture.secret.clone().filter(|_| connector.preset().needs_secret()).unwrap_or_else(|| "\0".into());
        let all = format!("{headers:?}{}", String::from_utf8_lossy(&body));
        assert!(!all.contains(&secret), "{}: {all}", row.0);
        let told = fixture.headers.iter().filter(|(name, _)| !["authorization", "x-api-key"].contains(&name.as_str()));
        let told: BTreeSet<_> = told.cloned().collect();
        assert_eq!(headers.into_iter().collect::<BTreeSet<_>>(), told, "{}: nothing else is missing", row.0);
    }
}
