//! Every mutation of every fixture: the right refusal, or the same reading; never a panic, never something else.

use super::fixtures::{TABLE, prepared, read};
use super::*;
use crate::connectors::scheme::{How, Scheme};
use crate::connectors::verify::Refusal;

/// What proves a fixture: the body is covered by it or not.
fn is_signed(connector: &Connector) -> bool {
    let signs = |s: &Scheme| matches!(s.how, How::HmacSha256 | How::Sha256);
    connector.preset().verify.iter().any(signs)
}

fn has_time(fixture: &Fixture, connector: &Connector) -> bool {
    let carried = |s: &&Scheme| fixture.headers.iter().any(|(name, _)| *name == s.header);
    connector.preset().verify.iter().find(carried).is_some_and(|s| s.timestamp.is_some())
}

/// What is read where the mutated request is taken at all.
fn outcome(fixture: &Fixture, connector: &Connector) -> Result<Vec<Reading>, Refusal> {
    let verified = connector.verify(&fixture.request())?;
    Ok(connector.read(&fixture.request(), verified.message_id.as_deref()))
}

#[test]
fn a_changed_body_is_refused_or_is_another_honest_body() {
    for row in TABLE {
        let (fixture, connector) = prepared(row);
        let signed = is_signed(&connector);
        for at in 0..fixture.body.len() {
            let mut changed = fixture.clone();
            changed.body[at] ^= 1;
            if signed {
                assert_eq!(outcome(&changed, &connector), Err(Refusal::SignatureMismatch), "{} byte {at}", row.0);
            } else if at % 7 == 0 {
                // Reading must end and must not panic; what it says is what the body says.
                drop(outcome(&changed, &connector));
            }
        }
        let half = fixture.body.len() / 2;
        let cuts = [fixture.body[..half].to_vec(), Vec::new(), [&fixture.body[..], &fixture.body[..]].concat()];
        for body in cuts.into_iter().filter(|b| *b != fixture.body) {
            let changed = Fixture { body, ..fixture.clone() };
            match outcome(&changed, &connector) {
                Err(_) => {}
                Ok(readings) => {
                    assert!(!signed, "{}: a body that was not signed", row.0);
                    // Forms may be cut anywhere and still be forms: what is missing is a fault all the same.
                    let fault =
                        |r: &Reading| matches!(r.outcome, ReadingOutcome::Fault(_) | ReadingOutcome::Ignored { .. });
                    assert!(row.1 == "activecampaign" || readings.iter().all(fault), "{}: {readings:?}", row.0);
                }
            }
        }
    }
}

#[test]
fn a_header_that_is_missing_or_changed_is_refused_or_changes_nothing() {
    for row in TABLE {
        let (fixture, connector) = prepared(row);
        let before = read(&fixture, &connector);
        for at in 0..fixture.headers.len() {
            let mut without = fixture.clone();
            let (name, _) = without.headers.remove(at);
            match outcome(&without, &connector) {
                Err(refusal) => {
                    let code = refusal.code();
                    let known =
                        ["header-missing", "token-missing", "signature-mismatch", "account-mismatch", "token-mismatch"];
                    assert!(known.contains(&code), "{} without {name}: {code}", row.0);
                }
                // Unsigned headers say what the body is and which message it came in.
                Ok(_) if row.1 == "shopify" && name.starts_with("x-shopify-") => {}
                Ok(readings) => assert_eq!(readings, before, "{} without {name}", row.0),
            }
            let mut changed = fixture.clone();
            changed.headers[at].1.push('0');
            match outcome(&changed, &connector) {
                Err(_) => {}
                Ok(_) if row.1 == "shopify" && name.starts_with("x-shopify-") => {}
                Ok(readings) => assert_eq!(readings, before, "{} with another {name}", row.0),
            }
        }
    }
}

#[test]
fn an_order_without_its_topic_is_set_aside_and_not_passed_over() {
    let row = TABLE.iter().find(|r| r.1 == "shopify").expect("row");
    let (mut fixture, connector) = prepared(row);
    fixture.headers.retain(|(name, _)| name != "x-shopify-topic");
    let readings = outcome(&fixture, &connector).expect("the body is signed");
    assert!(matches!(&readings[0].outcome, ReadingOutcome::Fault(f) if f[0].code == "topic-missing"), "{readings:?}");
}

#[test]
fn an_old_message_is_refused_where_its_time_is_signed() {
    for row in TABLE {
        let (mut fixture, connector) = prepared(row);
        let before = read(&fixture, &connector);
        fixture.at = fixture.at.plus_ms(3_600_000);
        match (has_time(&fixture, &connector), outcome(&fixture, &connector)) {
            (true, Err(Refusal::TimestampOutside { skew_s, .. })) => assert_eq!(skew_s, 3_600, "{}", row.0),
            (false, Ok(readings)) => {
                let keys = |r: &[Reading]| r.iter().map(|r| r.dedup_key.clone()).collect::<Vec<_>>();
                assert_eq!(keys(&readings), keys(&before), "{}", row.0);
            }
            (_, other) => panic!("{}: {other:?}", row.0),
        }
    }
}

#[test]
fn another_secret_proves_nothing_and_an_old_one_beside_the_new_does() {
    // Hex, base64 and text at once, so that every scheme can read it.
    let other = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    for row in TABLE {
        let (fixture, right) = prepared(row);
        if !right.preset().needs_secret() {
            continue;
        }
        let refusal = connector(row.1, row.2, &[other]).verify(&fixture.request()).expect_err(row.0);
        assert!(matches!(refusal, Refusal::SignatureMismatch | Refusal::TokenMismatch), "{}: {refusal}", row.0);
        let own = fixture.secret.clone().expect("secret");
        for secrets in [[other, own.as_str()], [own.as_str(), other]] {
            assert!(connector(row.1, row.2, &secrets).verify(&fixture.request()).is_ok(), "{}", row.0);
        }
    }
}

#[test]
fn items_are_read_alike_in_any_order_and_as_often_as_they_come() {
    for (name, list) in
        [("hubspot/batch-lifecycle-and-dealstage.v3", ""), ("meta_lead_ads/leadgen-batch-escaped", "/entry")]
    {
        let row = TABLE.iter().find(|r| r.0 == name).expect("row");
        let (fixture, connector) = prepared(row);
        let before = read(&fixture, &connector);
        let mut body: Value = serde_json::from_slice(&fixture.body).expect("json");
        let items = body.pointer_mut(list).and_then(Value::as_array_mut).expect("list");
        items.reverse();
        items.extend(items.clone());
        let changed = Fixture { body: body.to_string().into_bytes(), ..fixture };
        let readings = connector.read(&changed.request(), None);
        assert_eq!(readings.len(), 2 * before.len());
        for reading in &readings {
            assert!(before.contains(reading), "{name}: {reading:?}");
        }
    }
}

#[test]
fn another_account_of_the_same_vendor_is_refused() {
    for (name, account) in [
        ("shopify/orders-create", "other.myshopify.com"),
        ("salesforce/outbound-message-lead", "00D5f0000012abd"),
        ("pipedrive/v2-create-person", "1"),
        ("hubspot/batch-lifecycle-and-dealstage.v3", "1"),
        ("zoho_crm/notification-insert", "1"),
    ] {
        let row = TABLE.iter().find(|r| r.0 == name).expect("row");
        let (fixture, right) = prepared(row);
        let secrets: Vec<&str> =
            fixture.secret.iter().map(String::as_str).filter(|_| right.preset().needs_secret()).collect();
        let wrong = connector(row.1, &format!(r#"{{"account":"{account}"}}"#), &secrets);
        assert_eq!(wrong.verify(&fixture.request()), Err(Refusal::AccountMismatch), "{name}");
    }
}

#[test]
fn the_signed_url_is_the_configured_one() {
    let row = TABLE.iter().find(|r| r.0.ends_with("dealstage.v3")).expect("row");
    let (mut fixture, connector) = prepared(row);
    fixture.headers.push(("host".into(), "t.example.com".into()));
    fixture.url = "https://other.example.com/in/hubspot".into();
    assert_eq!(connector.verify(&fixture.request()), Err(Refusal::SignatureMismatch));
}

/// A small generator, so that every run meets the same bodies.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("small") % sides.max(1)
    }
}

#[test]
fn hostile_bodies_end_within_their_bounds_by_every_preset() {
    let mut dice = Dice(7);
    let many = format!("[{}]", vec!["{}"; 5_000].join(","));
    let wide =
        format!(r#"{{"entry":[{}],"ids":{many},"batch":{many}}}"#, vec![r#"{"changes":[{},{}]}"#; 3_000].join(","));
    let deep = "[".repeat(20_000);
    let mut bodies: Vec<Vec<u8>> =
        [many, wide, deep, String::new(), "null".into(), "\u{feff}{}".into()].map(String::into_bytes).to_vec();
    for row in TABLE {
        let fixture = Fixture::load(row.0);
        for _ in 0..20 {
            let mut body = fixture.body.clone();
            for _ in 0..=dice.roll(8) {
                let (at, byte) = (dice.roll(body.len()), u8::try_from(dice.roll(256)).expect("byte"));
                match dice.roll(3) {
                    0 => body.insert(at, byte),
                    1 if !body.is_empty() => drop(body.remove(at)),
                    _ => body.iter_mut().skip(at).take(1).for_each(|b| *b = byte),
                }
            }
            bodies.push(body);
        }
    }
    let headers = vec![("x-shopify-topic".to_owned(), "orders/create".to_owned())];
    for preset in presets::all() {
        let connector = connector(&preset.name, "{}", &[]);
        for body in &bodies {
            let request = Request { method: "POST", url: "", headers: &headers, body, received_at: NOW };
            let readings = connector.read(&request, None);
            assert!((1..=2_000).contains(&readings.len()), "{}", preset.name);
            drop(connector.kept_body(body));
        }
    }
}
