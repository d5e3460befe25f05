//! Senders that sign as their vendors do. The bodies are cut down from public samples to what is read of them.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Outcome;

/// What all secrets are made of.
const SECRET: &str = "a-secret-of-sufficient-length-01";

/// One endpoint's sender.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) name: &'static str,
    path: String,
    make: fn(&Sender, u64, u64) -> Message,
}

/// A signed request before it is written out.
#[derive(Debug)]
struct Message {
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// Preset, secret as it is entered, and how its requests are made.
type Vendor = (&'static str, &'static str, fn(&Sender, u64, u64) -> Message);

const VENDORS: &[Vendor] = &[
    ("standard-webhooks", "whsec_YS1zZWNyZXQtb2Ytc3VmZmljaWVudC1sZW5ndGgtMDE=", standard),
    ("bearer", SECRET, bearer),
    ("stripe", SECRET, stripe),
    ("shopify", SECRET, shopify),
    ("typeform", SECRET, typeform),
    ("calendly", SECRET, calendly),
    ("hubspot", SECRET, hubspot),
];

/// Makes an endpoint for each vendor whose preset there is.
pub(super) fn all(run: impl Fn(&[&str]) -> Outcome<String>) -> Outcome<Vec<Sender>> {
    let presets = run(&["endpoint", "presets", "--json"])?;
    let presets: Value = serde_json::from_str(&presets)?;
    let known = |name: &str| presets.as_array().is_some_and(|all| all.iter().any(|p| p["preset"] == name));
    let mut senders = Vec::new();
    for (name, secret, make) in VENDORS.iter().filter(|(name, ..)| known(name)) {
        let arguments =
            ["endpoint", "create", name, "--preset", name, "--secret", secret, "--currency", "EUR", "--json"];
        let made: Value = serde_json::from_str(&run(&arguments)?)?;
        let url = made["url"].as_str().ok_or("an endpoint without URL")?;
        let (_, token) = url.rsplit_once('/').ok_or("a URL without token")?;
        senders.push(Sender { name, path: format!("/hooks/{token}"), make: *make });
    }
    Ok(senders)
}

impl Sender {
    /// The whole request of one delivery.
    #[expect(clippy::disallowed_methods, reason = "the server proves times by its own clock")]
    pub(super) fn request(&self, n: u64) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let message = (self.make)(self, n, u64::try_from(now.as_millis()).unwrap_or(0));
        let mut text = format!("POST {} HTTP/1.1\r\nhost: t.example.com\r\n", self.path);
        for (name, value) in &message.headers {
            // Writing to a String cannot fail.
            let _written = write!(text, "{name}: {value}\r\n");
        }
        let _written = write!(
            text,
            "content-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
            message.body.len(),
            message.body
        );
        text.into_bytes()
    }
}

fn mac(parts: &[&[u8]]) -> Vec<u8> {
    // An HMAC key may have any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()) else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        let _written = write!(out, "{b:02x}");
        out
    })
}

/// Some fields that nobody reads, so that bodies have the size of real ones.
fn padding() -> String {
    "lorem ipsum dolor sit amet ".repeat(40)
}

fn event(n: u64) -> Value {
    json!({ "event_id": format!("e{n}"), "stage": "lead", "occurred_at": "2026-03-01T10:00:00Z",
        "email": format!("person{n}@example.com"), "person": format!("crm:{n}") })
}

fn standard(_: &Sender, n: u64, now_ms: u64) -> Message {
    let body = json!({ "type": "contact.created", "timestamp": "2026-03-01T10:00:00Z", "data": event(n) }).to_string();
    let (id, at) = (format!("msg_{n}"), (now_ms / 1_000).to_string());
    let tag = mac(&[id.as_bytes(), b".", at.as_bytes(), b".", body.as_bytes()]);
    let signature = format!("v1,{}", STANDARD.encode(tag));
    Message { headers: vec![("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)], body }
}

fn bearer(_: &Sender, n: u64, _: u64) -> Message {
    Message { headers: vec![("authorization", format!("Bearer {SECRET}"))], body: event(n).to_string() }
}

fn stripe(_: &Sender, n: u64, now_ms: u64) -> Message {
    let body = json!({ "id": format!("evt_{n}"), "object": "event", "api_version": "2025-09-30.clover", "created": now_ms / 1_000,
        "type": "checkout.session.completed", "livemode": true, "data": { "object": { "id": format!("cs_{n}"),
        "object": "checkout.session", "amount_total": 4900, "currency": "eur", "customer": format!("cus_{n}"), "mode": "payment",
        "payment_intent": format!("pi_{n}"), "payment_status": "paid", "status": "complete", "created": now_ms / 1_000,
        "customer_details": { "email": format!("person{n}@example.com") }, "metadata": { "note": padding() } } } })
    .to_string();
    let at = (now_ms / 1_000).to_string();
    let tag = hex(&mac(&[at.as_bytes(), b".", body.as_bytes()]));
    Message { headers: vec![("stripe-signature", format!("t={at},v1={tag}"))], body }
}

fn shopify(_: &Sender, n: u64, _: u64) -> Message {
    let body = json!({ "id": 820_000_000_000_000_000 + n, "email": format!("person{n}@example.com"), "created_at": "2026-03-01T10:00:00+01:00",
        "processed_at": "2026-03-01T10:00:00+01:00", "updated_at": "2026-03-01T10:00:00+01:00", "currency": "EUR",
        "financial_status": "paid", "total_price": "49.00", "total_price_set": { "shop_money": { "amount": "49.00", "currency_code": "EUR" } },
        "customer": { "id": 115_000_000_000_000_000 + n, "email": format!("person{n}@example.com") }, "note": padding(),
        "note_attributes": [], "landing_site": "/?utm_source=news", "line_items": [] })
    .to_string();
    let headers = vec![
        ("x-shopify-topic", "orders/paid".to_owned()),
        ("x-shopify-hmac-sha256", STANDARD.encode(mac(&[body.as_bytes()]))),
        ("x-shopify-shop-domain", "acme.myshopify.com".to_owned()),
        ("x-shopify-api-version", "2026-07".to_owned()),
        ("x-shopify-webhook-id", format!("w-{n}")),
        ("x-shopify-event-id", format!("ev-{n}")),
        ("x-shopify-triggered-at", "2026-03-01T09:00:00Z".to_owned()),
    ];
    Message { headers, body }
}

fn typeform(_: &Sender, n: u64, _: u64) -> Message {
    let body = json!({ "event_id": format!("01FORM{n}"), "event_type": "form_response", "form_response": { "form_id": "lT4Z3j",
        "token": format!("tok{n}"), "landed_at": "2026-03-01T09:00:00Z", "submitted_at": "2026-03-01T10:00:00Z", "hidden": {},
        "definition": { "id": "lT4Z3j", "title": padding(), "fields": [] },
        "answers": [{ "type": "email", "email": format!("person{n}@example.com"), "field": { "id": "a", "ref": "email", "type": "email" } }] } })
    .to_string();
    let signature = format!("sha256={}", STANDARD.encode(mac(&[body.as_bytes()])));
    Message { headers: vec![("typeform-signature", signature)], body }
}

fn calendly(_: &Sender, n: u64, now_ms: u64) -> Message {
    let body = json!({ "event": "invitee.created", "created_at": "2026-03-01T10:00:00.000000Z", "created_by": "https://api.calendly.com/users/A",
        "payload": { "uri": format!("https://api.calendly.com/scheduled_events/E/invitees/I{n}"), "email": format!("person{n}@example.com"),
        "name": "Ana", "status": "active", "rescheduled": false, "old_invitee": null, "new_invitee": null,
        "questions_and_answers": [{ "question": "What is it about?", "answer": padding(), "position": 0 }],
        "tracking": { "utm_campaign": null, "utm_source": "news", "utm_content": null }, "created_at": "2026-03-01T10:00:00.000000Z",
        "scheduled_event": { "uri": "https://api.calendly.com/scheduled_events/E", "start_time": "2026-03-09T10:00:00.000000Z" } } })
    .to_string();
    let at = (now_ms / 1_000).to_string();
    let tag = hex(&mac(&[at.as_bytes(), b".", body.as_bytes()]));
    Message { headers: vec![("calendly-webhook-signature", format!("t={at},v1={tag}"))], body }
}

/// A list of three changes that name records only.
fn hubspot(sender: &Sender, n: u64, now_ms: u64) -> Message {
    let change = |i: u64| {
        json!({ "eventId": n * 10 + i, "subscriptionId": 25, "portalId": 62515, "appId": 54321, "occurredAt": now_ms - 1_000,
            "subscriptionType": "contact.propertyChange", "attemptNumber": 0, "objectId": n * 10 + i, "propertyName": "lifecyclestage",
            "propertyValue": "customer", "changeSource": "CRM" })
    };
    let body = json!([change(0), change(1), change(2)]).to_string();
    let at = now_ms.to_string();
    let url = format!("https://t.example.com{}", sender.path);
    let tag = mac(&[b"POST", url.as_bytes(), body.as_bytes(), at.as_bytes()]);
    Message {
        headers: vec![("x-hubspot-signature-v3", STANDARD.encode(tag)), ("x-hubspot-request-timestamp", at)],
        body,
    }
}
