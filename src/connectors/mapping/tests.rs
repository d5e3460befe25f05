//! Mappings against the Standard Webhooks fixtures, vendors' habits and hostile bodies.

use super::*;
use crate::domain::intake::IntakeDefaults;

const CONVERTED: &[u8] = include_bytes!("../../../tests/fixtures/standard_webhooks/contact-converted.json");
const CONVERTED_META: &str = include_str!("../../../tests/fixtures/standard_webhooks/contact-converted.meta.json");
const OFFICIAL: &[u8] = include_bytes!("../../../tests/fixtures/standard_webhooks/official-rust-vector.json");

fn codes(faults: Vec<Fault>) -> Vec<(String, String)> {
    faults.into_iter().map(|f| (f.field, f.code)).collect()
}

fn mapping(json: &str) -> Mapping {
    Mapping::from_json(json).unwrap_or_else(|faults| panic!("{json}: {faults:?}"))
}

fn refused(mapping: &Mapping, body: &str) -> Vec<(String, String)> {
    codes(mapping.map(body.as_bytes(), None).expect_err(body))
}

#[test]
fn the_fixture_maps_to_what_its_sidecar_expects() {
    let meta: Value = serde_json::from_str(CONVERTED_META).expect("sidecar");
    let expected = &meta["expect"]["events"][0];
    let message_id = meta["request"]["headers"]["webhook-id"].as_str();
    let input = Mapping::default().map(CONVERTED, message_id).expect("mapped");
    assert_eq!(expected["dedup_key"], format!("standard:{}", input.event_id));
    assert_eq!(input.occurred_at, "2026-10-05T09:14:10.344522Z");
    let defaults = IntakeDefaults { currency: None, namespace: "crm".into(), zone: None };
    let now = UtcMillis(meta["clock_unix"].as_i64().expect("clock") * 1_000);
    let draft = input.check(&defaults, now, &str::to_owned).expect("draft");
    assert_eq!(expected["stage"], draft.stage.as_str());
    let keys: Vec<String> = draft.keys.iter().map(ToString::to_string).collect();
    let wanted = |k: &str| expected[k].as_str().expect(k).to_owned();
    assert_eq!(keys, [format!("email={}", wanted("email")), format!("click={}", wanted("click_id"))]);
    let money = draft.value.expect("money");
    assert_eq!(
        (expected["value"]["amount_minor"].as_i64(), expected["value"]["currency"].as_str()),
        (Some(money.minor), Some(money.currency.code()))
    );
}

#[test]
fn a_body_that_tells_no_stage_is_no_event() {
    let faults = Mapping::default().map(OFFICIAL, Some("msg_1")).expect_err("no event");
    assert!(faults[0].detail.contains("/stage, /data/stage"), "{}", faults[0]);
    assert_eq!(codes(faults), [("stage".into(), "missing".into()), ("occurred_at".into(), "missing".into())]);
}

#[test]
fn our_own_flat_json_maps_by_default() {
    let body = r#"{"event_id":"e1","stage":"Lead","occurred_at":"2025-05-01T10:00:00Z","person":"hubspot:51","subject":"deal:7",
        "parent":"e0","value_minor":48010,"currency":"EUR","self_reported":"a friend","visitor_id":"v","data":{"email":"under@data.example","stage":"customer"}}"#;
    let input = Mapping::default().map(body.as_bytes(), Some("msg_1")).expect("mapped");
    let expected = EventInput {
        event_id: "e1".into(),
        stage: "lead".into(),
        occurred_at: "2025-05-01T10:00:00Z".into(),
        person: Some("hubspot:51".into()),
        subject: Some("deal:7".into()),
        parent: Some("e0".into()),
        value_minor: Some(48_010),
        currency: Some("EUR".into()),
        self_reported: Some("a friend".into()),
        visitor_id: Some("v".into()),
        email: Some("under@data.example".into()),
        ..EventInput::default()
    };
    assert_eq!(input, expected);
}

#[test]
fn a_vendor_is_mapped_by_pointers_words_units_and_namespaces() {
    let vendor = mapping(
        r#"{"event_id":"/id","stage":["/deal/stage",{"const":"Open"}],"occurred_at":"/at","person":"/contact/id",
        "subject":"/deal/id","value":"/deal/a~1mount","currency":{"const":"EUR"},"email":["/contact/mail","/contact/mail2"],
        "person_namespace":"acme","subject_namespace":"deal","stages":{"Closed Won":"customer","open":"opportunity"},
        "value_unit":"minor","time_unit":"seconds"}"#,
    );
    let body = r#"{"id":9007199254740993,"at":1791191700,"contact":{"id":51,"mail":" ","mail2":"a@b.co"},
        "deal":{"id":"null","stage":" CLOSED won","a/mount":48000}}"#;
    let input = vendor.map(body.as_bytes(), Some("ignored")).expect("mapped");
    assert_eq!(input.event_id, "9007199254740993");
    assert_eq!((input.stage.as_str(), input.occurred_at.as_str()), ("customer", "2026-10-05T09:15:00.000Z"));
    assert_eq!(
        (input.person.as_deref(), input.subject, input.email.as_deref()),
        (Some("acme:51"), None, Some("a@b.co"))
    );
    assert_eq!((input.value, input.value_minor, input.currency.as_deref()), (None, Some(48_000), Some("EUR")));
    let open = vendor.map(br#"{"id":"x","at":"5","contact":{"id":"other:7"},"deal":{"id":3}}"#, None).expect("mapped");
    assert_eq!(
        (open.stage.as_str(), open.person.as_deref(), open.subject.as_deref()),
        ("opportunity", Some("other:7"), Some("deal:3"))
    );
    let millis = Mapping { time_unit: TimeUnit::Millis, ..vendor };
    assert_eq!(millis.map(body.as_bytes(), None).expect("mapped").occurred_at, "1970-01-21T17:33:11.700Z");
}

#[test]
fn wrong_values_are_faults_that_name_their_place_and_no_address() {
    let with =
        |extra: &str| format!(r#"{{"event_id":"e","stage":"lead","occurred_at":"2025-05-01T10:00:00Z",{extra}}}"#);
    for (extra, place, code) in [
        (r#""email":["ana@example.com"]"#, "/email", "type-wrong"),
        (r#""person":{"id":"ana@example.com"}"#, "/person", "type-wrong"),
        (r#""data":{"click_id":true}"#, "/data/click_id", "type-wrong"),
        (r#""value":12345678901234567.89"#, "/value", "number-inexact"),
        (r#""stage":"ana@example.com""#, "stage", "stage-unmapped"),
        (r#""occurred_at":1791191700"#, "occurred_at", "time-is-number"),
        (r#""value":1,"value_minor":100"#, "value", "value-twice"),
        (r#""value_minor":1.5"#, "value", "amount-malformed"),
    ] {
        let faults = Mapping::default().map(with(extra).as_bytes(), None).expect_err(extra);
        assert!(faults.iter().all(|f| !f.to_string().contains("ana@")), "{faults:?}");
        assert_eq!(codes(faults), [(place.to_owned(), code.to_owned())], "{extra}");
    }
    // What is there but wrong is not told as missing too.
    assert_eq!(
        refused(&Mapping::default(), &with(r#""stage":["lead"]"#)),
        [("/stage".to_owned(), "type-wrong".to_owned())]
    );
    let seconds = Mapping { time_unit: TimeUnit::Seconds, ..Mapping::default() };
    for time in ["\"yesterday\"", "1.5", "9223372036854775807", "99999999999999"] {
        assert_eq!(refused(&seconds, &with(&format!(r#""occurred_at":{time}"#)))[0].1, "time-malformed", "{time}");
    }
}

#[test]
fn an_event_id_comes_from_the_message_where_the_body_has_none() {
    let body = r#"{"stage":"lead","occurred_at":"2025-05-01T10:00:00Z","event_id":null}"#;
    assert_eq!(Mapping::default().map(body.as_bytes(), Some("msg_1")).expect("mapped").event_id, "msg_1");
    for none in [None, Some(" ")] {
        let faults = Mapping::default().map(body.as_bytes(), none).expect_err("no id");
        assert_eq!(codes(faults), [("event_id".into(), "missing".into())]);
    }
}

#[test]
fn bodies_that_are_not_one_object_are_refused() {
    for end in 0..CONVERTED.len() {
        assert_eq!(
            codes(Mapping::default().map(&CONVERTED[..end], None).expect_err("cut"))[0].1,
            "body-not-json",
            "{end}"
        );
    }
    let bomb = "[".repeat(100_000) + &"]".repeat(100_000);
    let nested = format!(r#"{{"stage":{bomb}}}"#);
    for (body, code) in [
        ("[]", "body-is-list"),
        (r#"[{"stage":"lead"}]"#, "body-is-list"),
        ("1", "body-not-object"),
        ("null", "body-not-object"),
        ("stage=lead", "body-not-json"),
        (bomb.as_str(), "body-not-json"),
        (nested.as_str(), "body-not-json"),
        (r#"{"a":1}{"b":2}"#, "body-not-json"),
    ] {
        assert_eq!(refused(&Mapping::default(), body), [("body".to_owned(), code.to_owned())]);
    }
    assert_eq!(codes(Mapping::default().map(b"{\"stage\":\"\xff\"}", None).expect_err("latin"))[0].1, "body-not-json");
}

#[test]
fn mappings_are_checked_before_they_are_used() {
    assert_eq!(Mapping::default().check(), Ok(()));
    let written = serde_json::to_string(&Mapping::default()).expect("json");
    assert_eq!(mapping(&written), Mapping::default());
    let base = r#""stage":"/s","occurred_at":"/t""#;
    for (extra, field, code) in [
        (r#""email":"email""#, "email", "pointer-malformed"),
        (r#""email":"/a~2b""#, "email", "pointer-malformed"),
        (r#""email":"/a~""#, "email", "pointer-malformed"),
        (r#""email":"""#, "email", "pointer-malformed"),
        (r#""email":[]"#, "email", "mapping-empty"),
        (r#""person":{"const":"p"}"#, "person", "constant-misplaced"),
        (r#""event_id":["/id",{"const":"e"}]"#, "event_id", "constant-misplaced"),
        (r#""currency":{"const":" "}"#, "currency", "constant-malformed"),
        (r#""person_namespace":"Hub Spot""#, "person_namespace", "namespace-malformed"),
        (r#""stages":{"Won":"customer","won":"lead"}"#, "stages", "stage-twice"),
        (r#""stages":{"Won":"winner"}"#, "mapping", "mapping-malformed"),
        (r#""e_mail":"/x""#, "mapping", "mapping-malformed"),
        (r#""email":5"#, "mapping", "mapping-malformed"),
        (r#""value":{"const":"1","more":2}"#, "mapping", "mapping-malformed"),
        (r#""value_unit":"cents""#, "mapping", "mapping-malformed"),
    ] {
        let faults = Mapping::from_json(&format!("{{{base},{extra}}}")).expect_err(extra);
        assert_eq!(codes(faults), [(field.to_owned(), code.to_owned())], "{extra}");
    }
    assert_eq!(codes(Mapping::from_json("{}").expect_err("empty")).len(), 2);
}
