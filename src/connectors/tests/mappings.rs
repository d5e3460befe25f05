//! Users' own mappings: former ones go on reading the same, and every fault is told before a delivery comes.

use super::*;
use crate::connectors::preset::Preset;
use crate::domain::fault::Fault;

const BEARER: &str = "bearer";

fn codes(faults: Vec<Fault>) -> Vec<(String, String)> {
    faults.into_iter().map(|f| (f.field, f.code)).collect()
}

fn map(mapping: &str, body: &str, message_id: Option<&str>) -> Result<EventInput, Vec<Fault>> {
    let with = connector(BEARER, mapping, &[]);
    let request = Request { method: "POST", url: "", headers: &[], body: body.as_bytes(), received_at: NOW };
    match with.read(&request, message_id).remove(0).outcome {
        ReadingOutcome::Event(input) => Ok(*input),
        ReadingOutcome::Fault(faults) => Err(faults),
        other => panic!("{other:?}"),
    }
}

fn refused(mapping: &str, body: &str) -> Vec<(String, String)> {
    codes(map(mapping, body, None).expect_err(body))
}

fn checked(mapping: &str) -> Result<(), Vec<Fault>> {
    let overrides = Overrides::from_json(mapping)?;
    Connector::new(presets::by_name(BEARER).expect("preset"), &overrides, &[]).map(drop)
}

/// What endpoints stored before there were presets: every field of the mapping that stood by default.
const FORMER: &str = r#"{"event_id":["/event_id","/data/event_id"],"stage":["/stage","/data/stage"],"occurred_at":["/occurred_at","/data/occurred_at","/timestamp"],"click_id":["/click_id","/data/click_id"],"visitor_id":["/visitor_id","/data/visitor_id"],"email":["/email","/data/email"],"person":["/person","/data/person"],"subject":["/subject","/data/subject"],"parent":["/parent","/data/parent"],"value":["/value","/data/value","/data/amount"],"value_minor":["/value_minor","/data/value_minor"],"currency":["/currency","/data/currency"],"self_reported":["/self_reported","/data/self_reported"],"value_unit":"major","time_unit":"rfc3339"}"#;

#[test]
fn former_mappings_read_as_they_did() {
    let (fixture, with) =
        (Fixture::load("standard_webhooks/contact-converted"), connector("standard-webhooks", FORMER, &[]));
    let now = connector("standard-webhooks", "{}", &[]);
    let id = Some("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W");
    let event = |c: &Connector| c.read(&fixture.request(), id).remove(0).outcome;
    assert_eq!(event(&with), event(&now));
    let ReadingOutcome::Event(input) = event(&with) else { panic!("event") };
    assert_eq!(Some(input.event_id.as_str()), id, "stored events keep their ids, so that a replay finds them");
}

#[test]
fn a_preset_of_ones_own_is_checked_whole() {
    let text = presets::source("hubspot").expect("text");
    assert_eq!(Preset::from_toml(text).expect("as it is").name, "hubspot");
    for (from, to, field) in [
        ("\"url-decoded\", \"body\", ", "\"url-decoded\", ", "verify"),
        ("enrich = \"deal\"", "enrich = \"nothing\"", "rules.deal-created"),
        ("signed = [\"secret\", \"body\"]", "signed = [\"body\"]", "verify"),
        (
            "[[verify]]\nhow = \"hmac-sha256\"",
            "[[verify]]\nhow = \"path\"\n[[verify]]\nhow = \"hmac-sha256\"",
            "verify",
        ),
        ("name = \"hubspot\"", "name = \"Hub Spot\"", "name"),
        ("email = \"/propertyValue\"", "email = \"propertyValue\"", "rules.contact-email.email"),
        ("[api]", "[apis]", "preset"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let faults = Preset::from_toml(&changed).expect_err(to);
        assert!(faults.iter().any(|f| f.field == field), "{to}: {faults:?}");
    }
    let two = text.replacen("name = \"hubspot\"", "name = \"Hub Spot\"", 1).replacen(
        "email = \"/propertyValue\"",
        "email = \"x\"",
        1,
    );
    assert_eq!(Preset::from_toml(&two).expect_err("both").len(), 2, "all faults at once");
}

#[test]
fn a_users_rules_and_places_go_before_the_presets() {
    let session = String::from_utf8(Fixture::load("stripe/checkout-session-completed").body).expect("text");
    let own = connector(
        "stripe",
        r#"{"rules":[{"name":"trial","when":[{"at":"/data/object/mode","is":["subscription"]}],"stage":"qualified"}],"person_namespace":"billing","click_id_property":"ref"}"#,
        &[],
    );
    let body = session
        .replace(r#""click_id": "clk_"#, r#""ref": "clk_"#)
        .replace(r#""client_reference_id": "clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0""#, r#""client_reference_id": "cart-12""#);
    let ReadingOutcome::Event(input) = &read_as(&own, &[], &body)[0].outcome else { panic!("event") };
    assert_eq!((input.stage.as_str(), input.person.as_deref()), ("sql", Some("billing:cus_QXg1o8vcGmoR32")));
    assert!(input.click_id.is_some(), "under the user's own name, past a cart's id");
    let toml = Overrides::from_toml("click_id_property = \"ref\"\n[stages]\nWon = \"customer\"\n").expect("toml");
    assert_eq!(toml.stages.len(), 1);
}

#[test]
fn a_body_that_tells_no_stage_is_no_event() {
    let official = String::from_utf8(Fixture::load("standard_webhooks/official-rust-vector").body).expect("text");
    let faults = map("{}", &official, Some("msg_1")).expect_err("no event");
    assert!(faults[0].detail.contains("/stage, /data/stage"), "{}", faults[0]);
    assert_eq!(codes(faults), [("stage".into(), "missing".into()), ("occurred_at".into(), "missing".into())]);
}

#[test]
fn our_own_flat_json_maps_by_default() {
    let body = r#"{"event_id":"e1","stage":"Lead","occurred_at":"2025-05-01T10:00:00Z","person":"hubspot:51","subject":"deal:7",
        "parent":"e0","value_minor":48010,"currency":"EUR","self_reported":"a friend","visitor_id":"v","data":{"email":"under@data.example","stage":"customer"}}"#;
    let input = map("{}", body, Some("msg_1")).expect("mapped");
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
    let vendor = r#"{"event_id":"/id","stage":["/deal/stage",{"const":"Open"}],"occurred_at":"/at","person":"/contact/id",
        "subject":"/deal/id","value":"/deal/a~1mount","currency":{"const":"EUR"},"email":["/contact/mail","/contact/mail2"],
        "person_namespace":"acme","subject_namespace":"deal","stages":{"Closed Won":"customer","open":"opportunity"},
        "value_unit":"minor","time_unit":"seconds"}"#;
    let body = r#"{"id":9007199254740993,"at":1791191700,"contact":{"id":51,"mail":" ","mail2":"a@b.co"},
        "deal":{"id":"null","stage":" CLOSED won","a/mount":48000}}"#;
    let input = map(vendor, body, Some("ignored")).expect("mapped");
    assert_eq!(input.event_id, "9007199254740993");
    assert_eq!((input.stage.as_str(), input.occurred_at.as_str()), ("customer", "2026-10-05T09:15:00.000Z"));
    assert_eq!(
        (input.person.as_deref(), input.subject, input.email.as_deref()),
        (Some("acme:51"), None, Some("a@b.co"))
    );
    assert_eq!((input.value, input.value_minor, input.currency.as_deref()), (None, Some(48_000), Some("EUR")));
    let open = map(vendor, r#"{"id":"x","at":"5","contact":{"id":"other:7"},"deal":{"id":3}}"#, None).expect("mapped");
    assert_eq!(
        (open.stage.as_str(), open.person.as_deref(), open.subject.as_deref()),
        ("opportunity", Some("other:7"), Some("deal:3"))
    );
    let millis = vendor.replace("seconds", "millis");
    assert_eq!(map(&millis, body, None).expect("mapped").occurred_at, "1970-01-21T17:33:11.700Z");
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
        let faults = map("{}", &with(extra), None).expect_err(extra);
        assert!(faults.iter().all(|f| !f.to_string().contains("ana@")), "{faults:?}");
        assert_eq!(codes(faults), [(place.to_owned(), code.to_owned())], "{extra}");
    }
    // What is there but wrong is not told as missing too.
    assert_eq!(refused("{}", &with(r#""stage":["lead"]"#)), [("/stage".to_owned(), "type-wrong".to_owned())]);
    let seconds = r#"{"event_id":"/event_id","stage":"/stage","occurred_at":"/occurred_at","time_unit":"seconds"}"#;
    for time in ["\"yesterday\"", "1.5", "9223372036854775807", "99999999999999"] {
        assert_eq!(refused(seconds, &with(&format!(r#""occurred_at":{time}"#)))[0].1, "time-malformed", "{time}");
    }
}

#[test]
fn an_event_id_comes_from_the_message_where_the_body_has_none() {
    let body = r#"{"stage":"lead","occurred_at":"2025-05-01T10:00:00Z","event_id":null}"#;
    assert_eq!(map("{}", body, Some("msg_1")).expect("mapped").event_id, "msg_1");
    for none in [None, Some(" ")] {
        let faults = map("{}", body, none).expect_err("no id");
        assert_eq!(codes(faults), [("event_id".into(), "missing".into())]);
    }
}

#[test]
fn bodies_that_are_not_one_object_are_refused() {
    let whole = r#"{"event_id":"e","stage":"lead","occurred_at":"2025-05-01T10:00:00Z","email":"a@b.co"}"#;
    for end in 0..whole.len() {
        assert_eq!(refused("{}", &whole[..end])[0].1, "body-not-json", "{end}");
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
        assert_eq!(refused("{}", body), [("body".to_owned(), code.to_owned())]);
    }
}

#[test]
fn mappings_are_checked_before_they_are_used() {
    for text in [
        "{}",
        FORMER,
        r#"{"click_id_property":"x","account":"a","rules":[{"name":"r","stage":"ignore"}],"stages":{"a":"ignore","b":"qualified"}}"#,
    ] {
        let read = Overrides::from_json(text).expect(text);
        assert_eq!(Overrides::from_json(&read.to_json()), Ok(read), "{text}");
    }
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
        let faults = checked(&format!("{{{base},{extra}}}")).expect_err(extra);
        assert_eq!(codes(faults), [(field.to_owned(), code.to_owned())], "{extra}");
    }
    assert_eq!(
        codes(checked(r#"{"email":"/x"}"#).expect_err("alone")).len(),
        2,
        "a mapping that stands alone needs stage and time"
    );
}
