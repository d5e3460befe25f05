//! `POST /api/v1/conversions` and imports of conversions and touches.

use serde_json::{Value, json};

use crate::support::{binary, row};

fn lead(id: &str, more: &Value) -> Value {
    let mut event = json!({ "event_id": id, "stage": "lead", "occurred_at": "2026-03-02T13:00:00Z" });
    event.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    event
}

on_both! {
    fn a_single_event_is_stored_once_and_a_contradiction_is_kept_aside(app) {
        let event = lead("e1", &json!({ "email": "ana@example.com" }));
        let stored = app.client.post("/api/v1/conversions", &event).expect(201);
        assert_eq!(stored["items"][0]["status"], "stored");
        let again = app.client.post("/api/v1/conversions", &event).expect(200);
        assert_eq!((&again["items"][0]["status"], &again["items"][0]["duplicate"]), (&json!("duplicate"), &json!(true)));
        assert_eq!(again["items"][0]["event"], stored["items"][0]["event"]);
        let other = app.client.post("/api/v1/conversions", &lead("e1", &json!({ "email": "bob@example.com" }))).expect(409);
        assert_eq!((&other["items"][0]["status"], &other["items"][0]["code"]), (&json!("quarantined"), &json!("conflict")));
        assert_eq!(app.report("from=2026-03-01&to=2026-03-31")["totals"]["leads_micro"], 1_000_000);
    }

    fn a_batch_gets_a_verdict_for_each_item(app) {
        let batch = json!({ "source": "form", "events": [
            lead("a", &json!({ "email": "a@example.com" })),
            lead("b", &json!({ "email": "b@example.com", "stage": "winner" })),
            lead("c", &json!({ "person": "51", "stage": "customer", "value": "480.00", "currency": "XYZ" })),
            lead("a", &json!({ "email": "a@example.com" })),
            "not an object",
        ] });
        let items = app.client.post("/api/v1/conversions", &batch).expect(200)["items"].clone();
        let status: Vec<&str> = items.as_array().expect("items").iter().map(|i| i["status"].as_str().expect("status")).collect();
        assert_eq!(status, ["stored", "quarantined", "quarantined", "duplicate", "quarantined"]);
        assert_eq!(items[1]["code"], "stage-unknown");
        assert_eq!(items[2]["code"], "currency-unknown");
        let inbox = app.client.get("/api/v1/deliveries?status=quarantined").expect(200);
        assert_eq!(inbox["items"].as_array().map(Vec::len), Some(3), "nothing vanishes");
    }

    fn bodies_that_cannot_be_read_are_refused_precisely(app) {
        let post = |body: &[u8]| app.client.send("POST", "/api/v1/conversions", &[("authorization", &format!("Bearer {}", app.client.key))], body);
        assert_eq!(post(b"{\"events\":[").fault_codes(), ["json-malformed"]);
        assert_eq!(post(b"[]").status, 422);
        assert_eq!(post(b"{\"events\":[]}").fault_codes(), ["batch-size"]);
        assert_eq!(post(&vec![b' '; 1_100_000]).status, 413);
        let bad = app.client.post("/api/v1/conversions", &lead("x", &json!({ "value": "1.234", "currency": "EUR", "occurred_at": "2030-01-01T00:00:00Z" })));
        assert_eq!(bad.status, 422);
        for words in ["too-precise", "1.234", "ahead of the server's clock"] {
            assert!(bad.text.contains(words) || words == "too-precise", "{}", bad.text);
        }
    }

    fn a_poisoned_event_is_set_aside_and_blocks_nobody(app) {
        for (n, poison) in ["a\u{0}b", "a\u{7}b"].iter().enumerate() {
            for field in ["parent", "event_id", "subject", "unknown"] {
                let mut event = lead(&format!("p{n}{field}"), &json!({ "person": "crm:1" }));
                event[field] = json!(poison);
                let reply = app.client.post("/api/v1/conversions", &event);
                assert_eq!((reply.status, &reply.json()["items"][0]["status"]), (422, &json!("quarantined")), "{field}: {}", reply.text);
            }
        }
        app.client.post("/api/v1/conversions", &lead("good", &json!({ "person": "crm:2" }))).expect(201);
        let pending = app.client.get("/api/v1/deliveries?status=pending").expect(200);
        assert_eq!(pending["items"], json!([]));
    }

    fn numbers_that_json_has_rounded_are_refused(app) {
        let event = |value: &str| format!(r#"{{"event_id":"e","stage":"sale","occurred_at":"2026-03-02T10:00:00Z","person":"crm:1","currency":"EUR","value":{value}}}"#);
        let post = |value: &str| app.client.send("POST", "/api/v1/conversions", &[("authorization", &format!("Bearer {}", app.client.key))], event(value).as_bytes());
        assert_eq!(post("99999999999999.99").status, 422);
        assert_eq!(post("1e300").status, 422);
        assert_eq!(post("12.34").status, 201);
        assert_eq!(app.report("from=2026-03-01&to=2026-03-31")["totals"]["revenue_minor"], 1_234);
    }

    fn an_id_that_was_never_issued_joins_when_its_touch_is_unknown(app) {
        let event = lead("e1", &json!({ "click_id": "clk_7ZZZZZZZZZZZZZZZZZZZZZZZZZ" }));
        app.client.post("/api/v1/conversions", &event).expect(201);
        let report = app.report("from=2026-03-01&to=2026-03-31");
        assert_eq!(row(&report, "(unattributed)")["leads_micro"], 1_000_000);
        let malformed = app.client.post("/api/v1/conversions", &lead("e2", &json!({ "click_id": "nonsense" }))).expect(422);
        assert_eq!(malformed["items"][0]["code"], "id-malformed");
    }

    fn voiding_an_event_lets_the_next_lead_count(app) {
        let first = app.client.post("/api/v1/conversions", &lead("e1", &json!({ "person": "crm:1" }))).expect(201);
        app.client.post("/api/v1/conversions", &lead("e2", &json!({ "person": "crm:1", "occurred_at": "2026-04-02T13:00:00Z" }))).expect(422);
        app.clock.advance_ms(40 * 86_400_000);
        app.client.post("/api/v1/conversions", &lead("e3", &json!({ "person": "crm:1", "occurred_at": "2026-04-02T13:00:00Z" }))).expect(201);
        assert_eq!(app.report("from=2026-04-01&to=2026-04-30")["totals"]["leads_micro"], 0);
        let id = first["items"][0]["event"].as_str().expect("event").to_owned();
        app.client.delete(&format!("/api/v1/conversions/{id}")).expect(204);
        assert_eq!(app.report("from=2026-04-01&to=2026-04-30")["totals"]["leads_micro"], 1_000_000);
        assert_eq!(app.report("from=2026-03-01&to=2026-03-31")["totals"]["leads_micro"], 0);
    }

    fn files_of_every_dress_import_and_importing_again_changes_nothing(app) {
        let dir = app.dir.path();
        let file = dir.join("crm.csv");
        let body = "\u{feff}event_id;stage;occurred_at;email;value;currency\r\n\
            e1;lead;2026-02-01T10:00:00Z;a@example.com;;\r\ne2;customer;2026-02-02T10:00:00Z;a@example.com;480.00;EUR\r\n";
        std::fs::write(&file, body).expect("file");
        let path = file.to_str().expect("path");
        let import = |more: &[&str]| {
            let mut arguments = vec!["import", "conversions", path, "--source", "old-crm", "--json"];
            arguments.extend(more);
            binary::output_in(&app, &arguments)
        };
        let first: Value = serde_json::from_slice(&import(&[]).stdout).expect("json");
        assert_eq!((&first["stored"], &first["duplicate"]), (&json!(2), &json!(0)));
        let second: Value = serde_json::from_slice(&import(&[]).stdout).expect("json");
        assert_eq!((&second["stored"], &second["duplicate"]), (&json!(0), &json!(2)));
        std::fs::write(&file, format!("{body}e3;winner;2026-02-03T10:00:00Z;b@example.com;;\r\ne4;lead;2026-02-04T10:00:00Z;c@example.com;;\r\n")).expect("file");
        let refused = import(&[]);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains("line 4") && told.contains("winner"), "{told}");
        let report = app.report("from=2026-02-01&to=2026-02-28");
        assert_eq!(report["totals"]["leads_micro"], 1_000_000, "all or nothing");
        let kept: Value = serde_json::from_slice(&import(&["--keep-going"]).stdout).expect("json");
        assert_eq!((&kept["stored"], &kept["bad"]), (&json!(1), &json!(1)));
        let bad = std::fs::read_to_string(dir.join("crm.csv.bad.csv")).expect("bad rows");
        assert!(bad.contains("winner") && bad.starts_with("line,reason,event_id"), "{bad}");
        std::fs::write(&file, "event_id,stage\ne9,lead\n").expect("file");
        let missing = import(&[]);
        assert!(String::from_utf8_lossy(&missing.stderr).contains("occurred_at"), "a missing column is named");
    }

    fn touches_of_another_tool_import_once_and_conflicts_are_told(app) {
        app.channel("linkedin-organic", "linkedin", "social");
        let file = app.dir.path().join("touches.csv");
        let path = file.to_str().expect("path");
        let import = |body: &str| {
            std::fs::write(&file, body).expect("file");
            binary::output_in(&app, &["import", "touches", path, "--source", "old-tool", "--json"])
        };
        let head = "external_id,occurred_at,channel,person\n";
        let first = import(&format!("{head}t1,2026-02-01T10:00:00Z,linkedin-organic,51\nt2,2026-02-02T10:00:00Z,linkedin-organic,51\n"));
        assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
        let again: Value = serde_json::from_slice(&import(&format!("{head}t1,2026-02-01T10:00:00Z,linkedin-organic,51\n")).stdout).expect("json");
        assert_eq!((&again["stored"], &again["duplicate"]), (&json!(0), &json!(1)));
        let changed = import(&format!("{head}t1,2026-02-01T11:00:00Z,linkedin-organic,51\n"));
        assert!(String::from_utf8_lossy(&changed.stderr).contains("other content"));
        let unknown = import(&format!("{head}t3,2026-02-01T11:00:00Z,linkdin-organic,51\n"));
        assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `linkedin-organic`"), "{}", String::from_utf8_lossy(&unknown.stderr));
        app.client.post("/api/v1/conversions", &lead("e1", &json!({ "person": "51" }))).expect(201);
        let report = app.report("from=2026-02-01&to=2026-03-31&model=linear");
        assert_eq!(row(&report, "linkedin-organic")["leads_micro"], 1_000_000);
        assert_eq!(row(&report, "linkedin-organic")["clicks"], 2);
    }
}
