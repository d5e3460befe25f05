//! The traps of CRMs: thin deliveries, merges, stages of one's own, records that come again with every change.

use super::*;
use crate::connectors::reading::Lookup;

fn hubspot(more: &str) -> String {
    format!(r#"[{{"eventId":7,"portalId":62515,"occurredAt":1791191640123,"attemptNumber":0,"objectId":51,{more}}}]"#)
}

fn enrichment(reading: &Reading) -> &Lookup {
    match &reading.outcome {
        ReadingOutcome::NeedsEnrichment(lookup) => lookup,
        other => panic!("{other:?}"),
    }
}

fn completed(preset: &str, mapping: &str, body: &str, answer: &str) -> Reading {
    let connector = connector(preset, mapping, &[]);
    let readings = read_as(&connector, &[], body);
    connector.complete(enrichment(&readings[0]), answer.as_bytes())
}

fn event(reading: &Reading) -> &EventInput {
    match &reading.outcome {
        ReadingOutcome::Event(input) => input,
        other => panic!("{other:?}"),
    }
}

#[test]
fn hubspot_tells_stages_and_names_under_both_families_of_types() {
    for kind in [
        r#""subscriptionType":"contact.propertyChange""#,
        r#""subscriptionType":"object.propertyChange","objectTypeId":"0-1""#,
    ] {
        let stage = event_of(
            "hubspot",
            &[],
            &hubspot(&format!(r#"{kind},"propertyName":"lifecyclestage","propertyValue":"marketingqualifiedlead""#)),
        );
        assert_eq!((stage.stage.as_str(), stage.person.as_deref()), ("mql", Some("hubspot.62515.contact:51")));
        assert_eq!(stage.occurred_at, "2026-10-05T09:14:00.123Z");
        let (_, names) = ignored(
            "hubspot",
            &[],
            &hubspot(&format!(r#"{kind},"propertyName":"our_click","propertyValue":"clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0""#)),
        );
        assert_eq!(
            names.expect("names").click_id,
            some("clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0"),
            "whatever the property is called"
        );
        let (_, names) = ignored(
            "hubspot",
            &[],
            &hubspot(&format!(r#"{kind},"propertyName":"email","propertyValue":"ana@example.com""#)),
        );
        assert_eq!(names.expect("names").email, some("ana@example.com"));
        let cleared = hubspot(&format!(r#"{kind},"propertyName":"lifecyclestage","propertyValue":"""#));
        assert_eq!(ignored("hubspot", &[], &cleared).0, "property-cleared");
        let own = hubspot(&format!(r#"{kind},"propertyName":"lifecyclestage","propertyValue":"123456""#));
        assert_eq!(
            faults("hubspot", &[], &own),
            ["stage-unmapped"],
            "a stage of one's own is set aside until it is mapped"
        );
        let mapped = connector("hubspot", r#"{"stages":{"123456":"sql"}}"#, &[]);
        assert_eq!(event(&read_as(&mapped, &[], &own)[0]).stage, "sql");
        let ignored_word = hubspot(&format!(r#"{kind},"propertyName":"lifecyclestage","propertyValue":"subscriber""#));
        assert_eq!(ignored("hubspot", &[], &ignored_word).0, "stage-ignored");
    }
}

#[test]
fn hubspot_merges_and_associations_say_who_is_who() {
    let merge =
        hubspot(r#""subscriptionType":"contact.merge","primaryObjectId":51,"mergedObjectIds":[52],"newObjectId":53"#);
    let (rule, names) = ignored("hubspot", &[], &merge);
    let of = |id: u32| format!("hubspot.62515.contact:{id}");
    assert_eq!((rule.as_str(), names.expect("names").persons), ("contacts-merged", vec![of(51), of(52), of(53)]));
    let link = |kind: &str, removed: bool| {
        hubspot(&format!(
            r#""subscriptionType":"contact.associationChange","associationType":"{kind}","fromObjectId":51,"toObjectId":9,"associationRemoved":{removed}"#
        ))
    };
    let names = ignored("hubspot", &[], &link("CONTACT_TO_DEAL", false)).1.expect("names");
    assert_eq!((names.persons, names.subjects), (vec![of(51)], vec!["hubspot.62515.deal:9".to_owned()]));
    let names = ignored("hubspot", &[], &link("DEAL_TO_CONTACT", false)).1.expect("names");
    assert_eq!((names.persons, names.subjects), (vec![of(9)], vec!["hubspot.62515.deal:51".to_owned()]));
    assert_eq!(ignored("hubspot", &[], &link("CONTACT_TO_DEAL", true)).0, "association-removed");
    let reading = &read_with("hubspot", &[], &hubspot(r#""subscriptionType":"contact.privacyDeletion""#))[0];
    assert!(matches!(&reading.supplies[..], [Supply::Erase(names)] if names.persons == [of(51)]), "{reading:?}");
}

#[test]
fn a_thin_contact_is_completed_from_its_record() {
    let body = hubspot(r#""subscriptionType":"contact.creation""#);
    let reading = &read_with("hubspot", &[], &body)[0];
    let lookup = enrichment(reading);
    assert_eq!(
        (lookup.method.as_str(), lookup.path.as_str()),
        ("GET", "/crm/v3/objects/contacts/51?properties=email,lifecyclestage,hw_id,click_id")
    );
    let record = r#"{"id":"51","properties":{"email":"Ana@Example.com","hw_id":"clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0","lifecyclestage":"lead"}}"#;
    let done = completed("hubspot", "{}", &body, record);
    let input = event(&done);
    assert_eq!(
        (input.stage.as_str(), input.email.as_deref(), input.person.as_deref()),
        ("lead", Some("Ana@Example.com"), Some("hubspot.62515.contact:51"))
    );
    assert!(input.click_id.is_some() && input.event_id.starts_with("hubspot:62515:7:"));
    let silent = completed("hubspot", "{}", &body, &record.replace(r#""lead""#, "null"));
    assert!(
        matches!(&silent.outcome, ReadingOutcome::Ignored { rule } if rule == "record-without-stage"),
        "{silent:?}"
    );
    assert!(
        matches!(&silent.supplies[..], [Supply::Identity(names)] if names.email.is_some() && names.click_id.is_some())
    );
    for (answer, code) in
        [("<html>", "record-not-json"), (r#"{"id":"51","properties":{"lifecyclestage":"999"}}"#, "stage-unmapped")]
    {
        let done = completed("hubspot", "{}", &body, answer);
        assert!(matches!(&done.outcome, ReadingOutcome::Fault(f) if f[0].code == code), "{answer}: {done:?}");
    }
}

#[test]
fn a_won_deal_is_completed_and_is_one_sale_however_often_it_is_won() {
    let won = |event: u32, at: u64| {
        format!(
            r#"[{{"eventId":{event},"portalId":62515,"occurredAt":{at},"objectId":900,"subscriptionType":"deal.propertyChange","propertyName":"dealstage","propertyValue":"closedwon"}}]"#
        )
    };
    let record = r#"{"id":"900","properties":{"amount":"1250.50","deal_currency_code":"EUR","dealstage":"closedwon"},"associations":{"contacts":{"results":[{"id":"51","type":"deal_to_contact"},{"id":"52","type":"deal_to_contact"}]}}}"#;
    let one = completed("hubspot", "{}", &won(1, 1_791_191_640_123), record);
    let two = completed("hubspot", "{}", &won(2, 1_791_191_690_123), record);
    let input = event(&one);
    assert_eq!((input.stage.as_str(), input.subject.as_deref()), ("customer", Some("hubspot.62515.deal:900")));
    assert_eq!(
        (input.value.as_deref(), input.currency.as_deref(), input.person.as_deref()),
        (Some("1250.50"), Some("EUR"), Some("hubspot.62515.contact:51"))
    );
    assert_eq!(input.event_id, event(&two).event_id);
    assert!(input.repeats_by_id);
    let paths: Vec<&str> = one
        .supplies
        .iter()
        .filter_map(|s| if let Supply::Read(l) = s { Some(l.path.as_str()) } else { None })
        .collect();
    assert_eq!(paths.len(), 2, "both contacts are read: {paths:?}");
    assert!(paths[1].starts_with("/crm/v3/objects/contacts/52?"));
    let Supply::Read(next) = &one.supplies[0] else { panic!("a record to read") };
    let contact =
        connector("hubspot", "{}", &[]).complete(next, br#"{"id":"51","properties":{"email":"a@example.com"}}"#);
    assert!(
        matches!(&contact.supplies[..], [Supply::Identity(n)] if n.email.is_some() && n.persons == ["hubspot.62515.contact:51"])
    );
}

#[test]
fn ids_cannot_leave_their_place_in_a_path() {
    let body = r#"{"server_time":1791191640123,"module":"Leads","ids":["../../settings?x=1"],"operation":"insert","channel_id":"1","token":"t"}"#;
    let readings = read_with("zoho", &[], body);
    assert_eq!(enrichment(&readings[0]).path, "/crm/v8/Leads/..%2F..%2Fsettings%3Fx%3D1");
}

#[test]
fn zoho_tells_values_or_has_its_records_read() {
    let body = |module: &str, operation: &str, values: &str| {
        format!(
            r#"{{"server_time":1791191640123,"module":"{module}","resource_uri":"https://evil.example/crm","ids":["1","2"],"operation":"{operation}","channel_id":"9","token":"secret-token-1",{values}}}"#
        )
    };
    let told = body(
        "Leads",
        "insert",
        r#""affected_values":[{"record_id":"2","values":{"Email":"b@example.com","Hw_Id":"clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0"}}]"#,
    );
    let readings = read_with("zoho", &[], &told);
    assert_eq!(enrichment(&readings[0]).path, "/crm/v8/Leads/1");
    let second = event(&readings[1]);
    assert_eq!((second.person.as_deref(), second.email.as_deref()), (Some("zoho.leads:2"), Some("b@example.com")));
    assert!(second.click_id.is_some());
    let lead = completed(
        "zoho",
        "{}",
        &body("Leads", "insert", r#""x":1"#),
        r#"{"data":[{"id":"1","Email":"a@example.com","Hw_Id":"clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0"}]}"#,
    );
    assert_eq!((event(&lead).stage.as_str(), event(&lead).email.as_deref()), ("lead", Some("a@example.com")));
    let deal = |stage: &str| {
        let record = format!(
            r#"{{"data":[{{"id":"1","Stage":"{stage}","Amount":4800.5,"Currency":"EUR","Contact_Name":{{"id":"77","name":"Ana"}}}}]}}"#
        );
        completed("zoho", "{}", &body("Deals", "update", r#""x":1"#), &record)
    };
    let won = deal("Closed Won");
    assert_eq!(
        (
            event(&won).event_id.as_str(),
            event(&won).stage.as_str(),
            event(&won).value.as_deref(),
            event(&won).person.as_deref()
        ),
        ("zoho:deal:1:closed won", "customer", Some("4800.5"), Some("zoho.contacts:77"))
    );
    assert!(matches!(&won.supplies[..], [Supply::Read(next)] if next.path == "/crm/v8/Contacts/77"), "{won:?}");
    assert!(matches!(&deal("Our own stage").outcome, ReadingOutcome::Fault(f) if f[0].code == "stage-unmapped"));
    let gone = completed("zoho", "{}", &body("Leads", "insert", r#""x":1"#), r#"{"data":[]}"#);
    assert!(matches!(&gone.outcome, ReadingOutcome::Fault(f) if f[0].code == "record-missing"));
    assert_eq!(
        ignored("zoho", &[], &body("Leads", "delete", r#""x":1"#).replace(r#"["1","2"]"#, r#"["1"]"#)).0,
        "deleted"
    );
}

#[test]
fn pipedrive_is_read_in_both_versions() {
    let v1 = |status: &str, before: &str| {
        format!(
            r#"{{"v":1,"meta":{{"action":"updated","object":"deal","id":512,"company_id":12882925,"timestamp":1791191640,"timestamp_micro":1791191640123456}},"current":{{"id":512,"value":4800,"currency":"EUR","status":"{status}","person_id":3107,"won_time":"2026-10-05 09:14:00","lost_time":"2026-10-05 09:14:01","d4de1c1518b4531717c676029a45911c340390a6":"clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0"}},"previous":{{"id":512,"status":"{before}","value":4800}},"event":"updated.deal","retry":0}}"#
        )
    };
    let won = event_of("pipedrive", &[], &v1("won", "open"));
    let v2 = event_of(
        "pipedrive",
        &[],
        &String::from_utf8(Fixture::load("pipedrive/v2-change-deal-won").body).expect("text"),
    );
    assert_eq!(won, v2, "one deal, told by two versions");
    assert_eq!(
        read_with("pipedrive", &[], &v1("won", "open"))[0].dedup_key,
        some("pipedrive:12882925:deal:512:1791191640123456")
    );
    assert_eq!(ignored("pipedrive", &[], &v1("won", "won")).0, "deal-changed", "an edit of a won deal is no sale");
    let lost = event_of("pipedrive", &[], &v1("lost", "open"));
    assert_eq!((lost.stage.as_str(), lost.occurred_at.as_str()), ("lost", "2026-10-05T09:14:01.000Z"));
    let v2_edit = String::from_utf8(Fixture::load("pipedrive/v2-change-deal-won").body)
        .expect("text")
        .replace(r#""previous":{"status":"open","stage_id":4"#, r#""previous":{"stage_id":4"#);
    assert_eq!(ignored("pipedrive", &[], &v2_edit).0, "deal-changed");
    let person = r#"{"v":1,"meta":{"action":"added","object":"person","id":3107,"company_id":1,"timestamp":1791191640,"timestamp_micro":1},"current":{"id":3107,"email":[{"label":"work","value":"x@example.com","primary":false},{"value":"ana@example.com","primary":true}]},"previous":null}"#;
    let lead = event_of("pipedrive", &[], person);
    assert_eq!(
        (lead.stage.as_str(), lead.email.as_deref(), lead.person.as_deref()),
        ("lead", Some("ana@example.com"), Some("pipedrive.1.person:3107"))
    );
    let merged = person.replace("added", "updated").replace(r#""email""#, r#""merged_to_id":3108,"email""#);
    assert_eq!(
        ignored("pipedrive", &[], &merged).1.expect("names").persons,
        ["pipedrive.1.person:3107", "pipedrive.1.person:3108"]
    );
}

#[test]
fn close_opportunities_are_cents_and_won_once() {
    let body = |action: &str, status: &str, before: &str| {
        format!(
            r#"{{"event":{{"id":"ev_{action}{status}","date_created":"2026-10-05T09:13:20.5","action":"{action}","object_type":"opportunity","object_id":"oppo_1","lead_id":"lead_1","organization_id":"o","changed_fields":["status_type"],"data":{{"id":"oppo_1","value":480050,"value_currency":"EUR","status_type":"{status}"}},"previous_data":{before}}},"subscription_id":"w"}}"#
        )
    };
    let won = event_of("close", &[], &body("updated", "won", r#"{"status_type":"active"}"#));
    assert_eq!(
        (won.stage.as_str(), won.value_minor, won.event_id.as_str()),
        ("customer", Some(480_050), "close:opportunity:oppo_1:won")
    );
    assert_eq!(
        (won.person.as_deref(), won.subject.as_deref(), won.occurred_at.as_str()),
        (Some("close.lead:lead_1"), Some("close.opportunity:oppo_1"), "2026-10-05T09:13:20.500Z")
    );
    assert_eq!(event_of("close", &[], &body("created", "active", "{}")).stage, "opportunity");
    assert_eq!(event_of("close", &[], &body("created", "won", "{}")).stage, "customer");
    assert_eq!(event_of("close", &[], &body("updated", "lost", r#"{"status_type":"active"}"#)).stage, "lost");
    assert_eq!(
        ignored("close", &[], &body("updated", "won", r#"{"note":"x"}"#)).0,
        "no-meaning",
        "an edit of a won one"
    );
}

#[test]
fn salesforce_messages_hold_many_records_in_their_latest_state() {
    let notification = |id: u32, sobject: &str, fields: &str| {
        format!(
            r#"<Notification><Id>04l{id}</Id><sObject xsi:type="sf:{sobject}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">{fields}</sObject></Notification>"#
        )
    };
    let message = |inside: &str| {
        format!(
            r#"<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>00D5f0000012abcEAA</OrganizationId><SessionId>00D!secret</SessionId>{inside}</notifications></soapenv:Body></soapenv:Envelope>"#
        )
    };
    let lead = |status: &str, more: &str| {
        format!(
            "<sf:Id>00Q5f00000AbCdE</sf:Id><sf:CreatedDate>2026-10-05T09:13:20.000Z</sf:CreatedDate><sf:LastModifiedDate>2026-10-05T09:14:00.000Z</sf:LastModifiedDate><sf:Email>ana@example.com</sf:Email><sf:Status>{status}</sf:Status>{more}"
        )
    };
    let converted = "<sf:IsConverted>true</sf:IsConverted><sf:ConvertedContactId>0035f00000AbCdE</sf:ConvertedContactId><sf:ConvertedOpportunityId>0065f00000AbCdE</sf:ConvertedOpportunityId>";
    let opportunity = "<sf:Id>0065f00000AbCdE</sf:Id><sf:StageName>Closed Won</sf:StageName><sf:IsWon>true</sf:IsWon><sf:Amount>12500.0</sf:Amount><sf:CurrencyIsoCode>EUR</sf:CurrencyIsoCode><sf:LastModifiedDate>2026-10-05T09:14:00.000Z</sf:LastModifiedDate>";
    let body = message(
        &[
            notification(1, "Lead", &lead("Working - Contacted", "")),
            notification(2, "Lead", &lead("Qualified", "")),
            notification(3, "Lead", &lead("Closed - Converted", converted)),
            notification(4, "Opportunity", opportunity),
            notification(5, "Lead", &lead("Our own", "")),
            notification(6, "Case", "<sf:Id>5005f00000AbCdE</sf:Id>"),
        ]
        .concat(),
    );
    let connector = connector("salesforce-outbound", "{}", &[]);
    assert!(!String::from_utf8_lossy(&connector.kept_body(body.as_bytes())).contains("00D!secret"));
    let readings = read_as(&connector, &[], &body);
    let told: Vec<(&str, &str)> =
        readings[..4].iter().map(|r| (event(r).stage.as_str(), event(r).occurred_at.as_str())).collect();
    let (created, changed) = ("2026-10-05T09:13:20.000Z", "2026-10-05T09:14:00.000Z");
    assert_eq!(told, [("lead", created), ("sql", changed), ("sql", changed), ("customer", changed)]);
    assert_eq!(event(&readings[0]).person, some("salesforce.lead:00Q5f00000AbCdEEAV"), "15 characters are 18");
    assert!(
        matches!(&readings[2].supplies[..], [Supply::Identity(n)] if n.persons.len() == 2 && n.subjects == ["salesforce.opportunity:0065f00000AbCdEAAV"]),
        "{:?}",
        readings[2]
    );
    assert_eq!(
        (event(&readings[3]).value.as_deref(), event(&readings[3]).subject.as_deref()),
        (Some("12500.0"), Some("salesforce.opportunity:0065f00000AbCdEAAV"))
    );
    assert!(matches!(&readings[4].outcome, ReadingOutcome::Fault(f) if f[0].code == "stage-unmapped"));
    assert!(matches!(&readings[5].outcome, ReadingOutcome::Ignored { rule } if rule == "no-meaning"));
    assert_eq!(readings[5].dedup_key, some("salesforce:00D5f0000012abcEAA:04l6"));
    let hundred: String = (0..100).map(|id| notification(id, "Lead", &lead("New", ""))).collect();
    assert_eq!(read_as(&connector, &[], &message(&hundred)).len(), 100);
}

#[test]
fn activecampaign_deals_are_told_by_their_status() {
    let deal = |kind: &str, status: &str| {
        format!(
            "type={kind}&date_time=2026-10-05T04%3A14%3A00-05%3A00&deal%5Bid%5D=9&deal%5Bvalue%5D=1%2C234.50&deal%5Bcurrency%5D=usd&deal%5Bstatus%5D={status}&deal%5Bcontactid%5D=4411&deal%5Bcontact_email%5D=ana%40example.com"
        )
    };
    let won = event_of("activecampaign", &[], &deal("deal_update", "1"));
    assert_eq!(
        (won.stage.as_str(), won.value.as_deref(), won.currency.as_deref()),
        ("customer", Some("1234.50"), Some("usd"))
    );
    assert_eq!(
        (won.person.as_deref(), won.subject.as_deref()),
        (Some("activecampaign.contact:4411"), Some("activecampaign.deal:9"))
    );
    assert_eq!(event_of("activecampaign", &[], &deal("deal_add", "0")).stage, "opportunity");
    assert_eq!(event_of("activecampaign", &[], &deal("deal_update", "2")).stage, "lost");
    assert_eq!(ignored("activecampaign", &[], &deal("deal_update", "0")).0, "deal-changed");
}
