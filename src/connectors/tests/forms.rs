//! The traps of forms, bookings, networks' own forms and tracking libraries.

use super::*;
use crate::connectors::request::TARGET;
use crate::connectors::verify::Refusal;

fn network_lead(preset: &str, delivery: &str, record: &str) -> Reading {
    let (fixture, connector) = (Fixture::load(delivery), connector(preset, "{}", &[]));
    let readings = connector.read(&fixture.request(), None);
    let ReadingOutcome::NeedsEnrichment(lookup) = &readings[0].outcome else { panic!("{:?}", readings[0]) };
    connector.complete(lookup, record.as_bytes())
}

#[test]
fn a_lead_of_meta_is_completed_with_campaign_and_network() {
    let record = String::from_utf8(Fixture::load("meta_lead_ads/graph-lead-read").body).expect("text");
    let done = network_lead("meta-lead-ads", "meta_lead_ads/leadgen-batch-escaped", &record);
    let ReadingOutcome::Event(input) = done.outcome else { panic!("{done:?}") };
    assert_eq!((input.stage.as_str(), input.email.as_deref()), ("lead", Some("Ana.Lopez@example.com")));
    assert_eq!(input.click_id, some("clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0"));
    assert_eq!(input.person, some("facebook:leadgen:1459076748710713"));
    let lead = input.network_lead.expect("network lead");
    assert_eq!((lead.network.as_str(), lead.campaign_id.as_deref()), ("instagram", Some("120210000000000022")));
    assert_eq!(
        (lead.ad_id.as_deref(), lead.lead_id.as_deref()),
        (Some("120210000000000044"), Some("1459076748710713"))
    );
}

#[test]
fn a_lead_of_linkedin_is_completed_and_a_test_is_left_out() {
    let record = String::from_utf8(Fixture::load("linkedin_lead_sync/lead-form-response-read").body).expect("text");
    let accepted = record.replace(
        r#""answerDetails":{"textQuestionAnswer":{"answer":"Ana.Lopez@example.com"}}"#,
        r#""answerDetails":{"accepted":{"textQuestionAnswer":{"answer":"Ana.Lopez@example.com"}}}"#,
    );
    for record in [&record, &accepted] {
        let done = network_lead("linkedin-lead-sync", "linkedin_lead_sync/lead-action-created", record);
        let ReadingOutcome::Event(input) = done.outcome else { panic!("{done:?}") };
        assert_eq!((input.stage.as_str(), input.email.as_deref()), ("lead", Some("Ana.Lopez@example.com")));
        assert_eq!(input.click_id, some("clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0"));
        let lead = input.network_lead.expect("network lead");
        assert_eq!(
            (lead.network.as_str(), lead.campaign_id.as_deref(), lead.ad_id.as_deref()),
            ("linkedin", Some("367378525"), Some("456"))
        );
    }
    let test = network_lead(
        "linkedin-lead-sync",
        "linkedin_lead_sync/lead-action-created",
        &record.replace(r#""testLead":false"#, r#""testLead":true"#),
    );
    assert!(matches!(&test.outcome, ReadingOutcome::Ignored { rule } if rule == "test-lead"), "{test:?}");
    let deleted = String::from_utf8(Fixture::load("linkedin_lead_sync/lead-action-created").body)
        .expect("text")
        .replace("CREATED", "DELETED");
    let reading = &read_with("linkedin-lead-sync", &[], &deleted)[0];
    assert!(matches!(&reading.supplies[..], [Supply::Erase(n)] if n.persons.len() == 1), "{reading:?}");
    let fixture = Fixture::load("linkedin_lead_sync/lead-action-created");
    let readings = connector("linkedin-lead-sync", "{}", &[]).read(&fixture.request(), None);
    let ReadingOutcome::NeedsEnrichment(lookup) = &readings[0].outcome else { panic!("{readings:?}") };
    assert_eq!(
        (lookup.path.as_str(), lookup.headers[0].0.as_str()),
        ("/rest/leadFormResponses/1a2b3c-4", "linkedin-version")
    );
}

fn ask(connector: &Connector, url: &str) -> Result<Option<String>, Refusal> {
    let request = Request { method: "GET", url, headers: &[], body: b"", received_at: NOW };
    connector.handshake(&request).map(|reply| {
        reply.map(|r| {
            format!("{} {} {}", r.status, r.content_type, String::from_utf8_lossy(&r.body.unwrap_or_default()))
        })
    })
}

#[test]
fn meta_is_answered_its_challenge_for_the_right_token_only() {
    let fixture = Fixture::load("meta_lead_ads/verify-challenge");
    let with = connector("meta-lead-ads", "{}", &["0123456789abcdef0123456789abcdef", "verify_token:meatyhamhock"]);
    assert_eq!(ask(&with, &fixture.url), Ok(some("200 text/plain 1158201444")));
    let made = with.verify_token().expect("made of the secret");
    assert!(ask(&with, &fixture.url.replace("meatyhamhock", &made)).is_ok());
    for wrong in ["verify_token=wrong", "verify_token=", "verify_token=0123456789abcdef0123456789abcdef"] {
        assert_eq!(
            ask(&with, &fixture.url.replace("verify_token=meatyhamhock", wrong)),
            Err(Refusal::HandshakeMismatch),
            "{wrong}"
        );
    }
    assert_eq!(ask(&with, &fixture.url.replace("subscribe", "unsubscribe")), Err(Refusal::HandshakeMismatch));
    assert_eq!(
        ask(&with, &fixture.url.replace("1158201444", "%3Cscript%3E")),
        Err(Refusal::HandshakeMismatch),
        "no markup is echoed"
    );
    assert_eq!(ask(&with, "https://t.example.com/in/meta"), Ok(None));
    assert_eq!(ask(&connector("meta-lead-ads", "{}", &[]), &fixture.url), Err(Refusal::HandshakeMismatch));
}

#[test]
fn linkedin_is_answered_codes_and_signs_nothing_else() {
    let fixture = Fixture::load("linkedin_lead_sync/validate-challenge");
    let with = connector("linkedin-lead-sync", "{}", &[fixture.secret.as_deref().expect("secret")]);
    let request = fixture.request();
    let reply = with.handshake(&request).expect("handshake").expect("reply");
    let body: Value = serde_json::from_slice(&reply.body.expect("body")).expect("json");
    assert_eq!((reply.status, reply.content_type.as_str()), (200, "application/json"));
    assert_eq!(body, fixture.expected["expected_response"]["body"]);
    // What is signed here must never be a delivery: their signature is over `hmacsha256=` and the body.
    for forged in ["hmacsha256%3D%7B%7D", "hmacsha256=", "x"] {
        assert_eq!(
            ask(&with, &format!("https://t.example.com/in/linkedin?challengeCode={forged}")),
            Err(Refusal::HandshakeMismatch),
            "{forged}"
        );
    }
    let none = connector("linkedin-lead-sync", "{}", &[]);
    assert_eq!(ask(&none, &fixture.url), Err(Refusal::NoSecret));
}

#[test]
fn moving_a_meeting_is_neither_a_loss_nor_a_lead() {
    let booked = String::from_utf8(Fixture::load("calendly/invitee-created").body).expect("text");
    let moved_to = booked
        .replace(r#""old_invitee":null"#, r#""old_invitee":"https://api.calendly.com/scheduled_events/x/invitees/y""#);
    assert_eq!(ignored("calendly", &[], &moved_to).0, "rescheduled-to");
    let canceled = booked.replace("invitee.created", "invitee.canceled");
    assert_eq!(event_of("calendly", &[], &canceled).stage, "lost");
    let moved_away = canceled.replace(r#""rescheduled":false"#, r#""rescheduled":true"#);
    assert_eq!(ignored("calendly", &[], &moved_away).0, "rescheduled-away");
    let other_content =
        booked.replace(r#""utm_content":"clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0""#, r#""utm_content":"post-12""#);
    let other = event_of("calendly", &[], &other_content);
    assert_eq!((other.stage.as_str(), other.click_id), ("lead", None), "other content is no fault");
    let asked = other_content.replace("Product demo", "clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0");
    assert!(event_of("calendly", &[], &asked).click_id.is_some(), "a hidden question");
}

/// Other things stand where a click id may: none of them keeps a lead out, and the next place is looked at.
#[test]
fn what_cannot_be_a_click_id_is_passed_over_wherever_it_may_stand() {
    let clk = "clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0";
    let booked = String::from_utf8(Fixture::load("calendly/invitee-created").body).expect("text");
    let (content, term) = (format!(r#""utm_content":"{clk}""#), r#""utm_term":null"#);
    assert!(booked.contains(&content) && booked.contains(term), "{booked}");
    for junk in [format!(r#""{}""#, "x".repeat(1_100)), r#""a\u0000b""#.into(), "true".into(), r#"["a"]"#.into()] {
        let alone = booked.replace(&content, &format!(r#""utm_content":{junk}"#));
        assert_eq!(event_of("calendly", &[], &alone).click_id, None, "{junk}");
        let next = alone.replace(term, &format!(r#""utm_term":"{clk}""#));
        assert_eq!(event_of("calendly", &[], &next).click_id, some(clk), "{junk}");
    }
    let mapping = r#"{"event_id":"/event_id","click_id":["query-of:hw_id:/page","query:ref","/reference"],"stage":{"const":"lead"},"email":"/email","occurred_at":"received"}"#;
    let connector = connector("bearer", mapping, &[]);
    let long = format!("https://example.com/?gclid={}&hw_id={clk}", "g".repeat(1_500));
    for (page, reference, found) in [
        (long.as_str(), "", Some(clk)),
        ("https://example.com/?hw_id=%00%01junk", clk, Some(clk)),
        (&format!("https://example.com/?hw_id={}", "j".repeat(2_000)), clk, Some(clk)),
        (&"u".repeat(10_000), clk, Some(clk)),
        ("not a url %%% ?hw_id", "cs_test_a1", None),
    ] {
        let body =
            serde_json::json!({ "email": "a@example.com", "event_id": "e", "page": page, "reference": reference });
        let reading = read_as(&connector, &[(TARGET, "?ref=%00%ff")], &body.to_string()).remove(0);
        let ReadingOutcome::Event(input) = reading.outcome else { panic!("{page}: {reading:?}") };
        assert_eq!(input.click_id.as_deref(), found, "{page}");
    }
}

/// A field that is there for the click id alone and holds something else is a mistake that its sender should hear of.
#[test]
fn a_field_of_our_own_name_that_holds_no_click_id_is_a_fault() {
    let body = |click: &str| {
        format!(
            r#"{{"event_id":"e","stage":"lead","occurred_at":"2026-03-01T00:00:00Z","email":"a@example.com","click_id":{click}}}"#
        )
    };
    assert_eq!(faults("bearer", &[], &body("true")), ["type-wrong"]);
    assert_eq!(faults("bearer", &[], &body(&format!(r#""{}""#, "x".repeat(1_100)))), ["text-too-long"]);
    assert_eq!(event_of("bearer", &[], &body(r#""nonsense""#)).click_id, some("nonsense"), "told by the check of all");
    assert_eq!(
        event_of("json", &[], &body("true").replace("stage", "event")).click_id,
        None,
        "tools send what they have"
    );
}

#[test]
fn typeform_tells_whole_answers_once() {
    let body = String::from_utf8(Fixture::load("typeform/form-response").body).expect("text");
    assert_eq!(
        ignored("typeform", &[], &body.replace(r#""form_response","#, r#""form_response_partial","#)).0,
        "partial-answer"
    );
    let again = body.replace("01HC3PTZN05GJWT0QDXXB2QV8F", "01OTHER");
    assert_eq!(
        event_of("typeform", &[], &again).event_id,
        event_of("typeform", &[], &body).event_id,
        "the response is the event"
    );
    let mapped =
        connector("typeform", r#"{"self_reported":"/form_response/answers[field/ref=size]/choice/label"}"#, &[]);
    let ReadingOutcome::Event(input) = &read_as(&mapped, &[], &body)[0].outcome else { panic!("event") };
    assert_eq!(input.self_reported, some("11-50"));
}

#[test]
fn segment_batches_merge_their_context_and_name_their_type() {
    let batch = r#"{"batch":[{"type":"identify","messageId":"a","userId":"u1","traits":{"email":"a@example.com"},"timestamp":"2026-10-05T09:00:00Z"},
        {"type":"track","messageId":"b","userId":"u1","event":"Demo Booked","timestamp":"2026-10-05T09:00:00Z"},
        {"type":"page","messageId":"c","anonymousId":"anon1"},
        {"type":"alias","messageId":"d","previousId":"anon1","userId":"u1"},
        {"type":"identify","messageId":"e","userId":"who@example.com","timestamp":"2026-10-05T09:00:00Z"}],
        "context":{"page":{"url":"https://www.example.com/?hw_id=clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0"}},"sentAt":"2026-10-05T07:15:00Z"}"#;
    let connector = connector("segment", r#"{"stages":{"Demo Booked":"mql"}}"#, &[]);
    let readings = read_as(&connector, &[], batch);
    let ReadingOutcome::Event(lead) = &readings[0].outcome else { panic!("{:?}", readings[0]) };
    assert_eq!(
        (lead.stage.as_str(), lead.event_id.as_str(), lead.person.as_deref()),
        ("lead", "segment:lead:u1", Some("segment.user:u1"))
    );
    assert_eq!(lead.click_id, some("clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0"));
    assert_eq!(lead.occurred_at, "2026-10-05T09:15:00.000Z", "two hours behind, but not after its arrival");
    assert!(matches!(&readings[1].outcome, ReadingOutcome::Event(e) if e.stage == "mql"));
    assert!(
        matches!(&readings[2].supplies[..], [Supply::Identity(n)] if n.click_id.is_some() && n.persons == ["segment.anonymous:anon1"])
    );
    assert!(
        matches!(&readings[3].supplies[..], [Supply::Identity(n)] if n.persons.contains(&"segment.anonymous:anon1".to_owned())),
        "{:?}",
        readings[3]
    );
    let ReadingOutcome::Event(address) = &readings[4].outcome else { panic!("{:?}", readings[4]) };
    assert_eq!(
        (address.email.as_deref(), address.person.as_deref()),
        (Some("who@example.com"), None),
        "an address is no contact id"
    );
    let track = r#"{"messageId":"m","userId":"u1","event":"Order Completed","properties":{"order_id":"1","revenue":5,"currency":"EUR"},"timestamp":"2026-10-05T09:00:00Z"}"#;
    assert_eq!(event_of("segment", &[(TARGET, "/v1/track")], track).stage, "customer", "the path names the type");
    assert_eq!(
        ignored("segment", &[(TARGET, "/v1/track")], &track.replace("Order Completed", "Button Clicked")).0,
        "event-without-stage"
    );
}

#[test]
fn typed_fields_come_as_json_as_forms_and_as_lists() {
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let posted = event_of(
        "make",
        &form,
        "event=deal.won&deal_id=7&email=a%40example.com&amount=1.234%2C50&currency=EUR&hw_id=clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0&visitor_id=",
    );
    assert_eq!(
        (posted.stage.as_str(), posted.value.as_deref(), posted.subject.as_deref()),
        ("customer", Some("1234.50"), Some("deal:7"))
    );
    assert_eq!(posted.occurred_at, NOW.to_string(), "when it came in, for lack of better");
    let list = r#"[{"event":"lead.created","email":"a@example.com","occurred_at":"1791191640"},{"event":"lead.created","email":"b@example.com","occurred_at":1791191640123}]"#;
    let readings = read_with("zapier", &[], list);
    let ids: Vec<_> = readings.iter().map(|r| r.dedup_key.clone().expect("an id made of the content")).collect();
    assert!(ids[0].starts_with("generic:") && ids[0] != ids[1]);
    assert_eq!(
        read_with("zapier", &[], list)[0].dedup_key.as_ref(),
        Some(&ids[0]),
        "the same content is the same event"
    );
    assert_eq!(
        faults("zapier", &[], r#"{"event":"lead.created","email":"a@example.com","amount":"4.800","currency":"EUR"}"#),
        ["amount-ambiguous"]
    );
    let spaced = connector(
        "zapier",
        r#"{"stage":{"const":"lead"},"occurred_at":"/Submitted At","email":"/Work Email","time_unit":"auto","zone":"Europe/Madrid"}"#,
        &[],
    );
    let ReadingOutcome::Event(input) =
        &read_as(&spaced, &[], r#"{"Submitted At":"2026-10-05 11:14:00","Work Email":"a@example.com"}"#)[0].outcome
    else {
        panic!("event")
    };
    assert_eq!((input.occurred_at.as_str(), input.event_id.starts_with("sha256:")), ("2026-10-05T09:14:00.000Z", true));
}
