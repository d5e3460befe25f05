//! Setting endpoints up: presets, test events, secrets in rotation, health, and their pages.

use headwater::connectors::verify::{SigningSecret, standard_webhooks_signature};
use headwater::domain::time::Clock;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::client::Reply;
use crate::ui::{csrf_in, page, post, set_up};

const DAY_MS: i64 = 86_400_000;

fn made(app: &TestApp, body: &Value) -> Value {
    app.client.post("/api/v1/endpoints", body).expect(201)
}

fn detail(app: &TestApp, id: &Value) -> Value {
    app.client.get(&format!("/api/v1/endpoints/{}", id.as_str().expect("id"))).expect(200)
}

fn send(app: &TestApp, endpoint: &Value, secret: &str, event: &str) -> Reply {
    let url = endpoint["url"].as_str().expect("url");
    let path = url.strip_prefix(&app.config.server.public_url).expect("our own address");
    let now = app.clock.now();
    let body =
        json!({ "event_id": event, "stage": "lead", "occurred_at": now.to_string(), "person": "crm:1" }).to_string();
    let at = now.0 / 1_000;
    let signature =
        standard_webhooks_signature(&SigningSecret::parse(secret).expect("secret"), event, at, body.as_bytes());
    let headers = [("webhook-id", event), ("webhook-timestamp", &at.to_string()), ("webhook-signature", &signature)];
    let reply = app.client.send("POST", path, &headers, body.as_bytes());
    app.read_inbox();
    reply
}

on_both! {
    fn every_preset_has_steps_and_a_test_that_becomes_nothing(app) {
        // Later than the samples of all vendors.
        app.clock.advance_ms(400 * DAY_MS);
        let presets = app.client.get("/api/v1/presets").expect(200)["items"].as_array().expect("presets").clone();
        assert!(presets.len() >= 2);
        for preset in &presets {
            let name = preset["name"].as_str().expect("name");
            assert!(preset["setup"]["steps"].as_array().is_some_and(|s| !s.is_empty()), "{name}");
            let mut body = json!({ "name": name, "preset": name, "currency": "EUR" });
            if preset["setup"]["secret"] == "vendor-gives" {
                let endpoint = made(&app, &json!({ "name": format!("{name}, bare"), "preset": name }));
                let refused = app.client.post(&format!("/api/v1/endpoints/{}/test", endpoint["id"].as_str().expect("id")), &json!({}));
                assert_eq!((refused.status, refused.fault_codes()), (422, vec!["no-secret".to_owned()]), "{name}: {}", refused.text);
                body["secret"] = json!("000102030405060708090a0b0c0d0e0f1011121314151617");
            }
            let endpoint = made(&app, &body);
            assert_eq!(endpoint["setup"]["steps"], preset["setup"]["steps"], "{name}");
            let id = endpoint["id"].as_str().expect("id");
            let told = app.client.post(&format!("/api/v1/endpoints/{id}/test"), &json!({})).expect(200);
            assert!(told["status"].as_u64().is_some_and(|s| (200..300).contains(&s)), "{name}: {told}");
            let items = told["items"].as_array().expect("items");
            assert!(!items.is_empty(), "{name}: {told}");
            for item in items {
                assert_eq!((&item["status"], &item["code"]), (&json!("ignored"), &json!("test-event")), "{name}: {item}");
                let words = item["detail"].as_str().expect("detail");
                assert!(words.starts_with("a test: ") && !words.contains("quarantined"), "{name}: {words}");
            }
            assert_eq!(detail(&app, &endpoint["id"])["health"]["light"], "waiting", "{name}: tests are no deliveries");
        }
        assert_eq!(app.client.get("/api/v1/conversions").expect(200)["items"], json!([]));
        assert_eq!(app.client.get("/api/v1/people/shared").expect(200)["items"], json!([]));
    }

    fn a_test_says_what_is_wrong_with_the_secret_or_the_url(app) {
        let endpoint = made(&app, &json!({ "name": "CRM", "preset": "standard-webhooks", "mapping": {
            "event_id": "/data/event_id", "stage": "/data/email", "occurred_at": "/data/occurred_at", "email": "/data/email" } }));
        let id = endpoint["id"].as_str().expect("id");
        let told = app.client.post(&format!("/api/v1/endpoints/{id}/test"), &json!({}));
        assert!(told.status == 200, "{}", told.text);
        let told = told.json();
        assert!(told["items"][0]["detail"].as_str().is_some_and(|d| d.contains("would have been quarantined")), "{told}");
        app.client.delete(&format!("/api/v1/endpoints/{id}")).expect(204);
        let archived = app.client.post(&format!("/api/v1/endpoints/{id}/test"), &json!({}));
        assert_eq!(archived.fault_codes(), ["archived"]);
        assert_eq!(app.client.post("/api/v1/endpoints/end_99/test", &json!({})).status, 404);
    }

    fn the_light_follows_the_endpoints_own_habits(app) {
        let endpoint = made(&app, &json!({ "name": "CRM", "preset": "standard-webhooks" }));
        let secret = endpoint["secret"].as_str().expect("secret").to_owned();
        let health = || detail(&app, &endpoint["id"])["health"].clone();
        assert_eq!(health()["light"], "waiting");
        for day in 0..7 {
            app.clock.advance_ms(DAY_MS);
            send(&app, &endpoint, &secret, &format!("e{day}")).expect(200);
        }
        let green = health();
        assert_eq!((&green["light"], &green["usual_gap_s"], &green["silent_after_s"]), (&json!("green"), &json!(86_400), &json!(432_000)));
        app.clock.advance_ms(5 * DAY_MS + 1);
        let amber = health();
        assert_eq!(amber["light"], "amber");
        assert_eq!(amber["reasons"], json!(["silent for 5 days; longer than 5 days is not usual here"]));
        app.clock.advance_ms(10 * DAY_MS);
        assert_eq!(health()["light"], "red");
        send(&app, &endpoint, &secret, "back").expect(200);
        assert_eq!(health()["light"], "green");
        // A wrong secret is counted with its reason, on both ways of asking.
        app.clock.advance_ms(1_000);
        let wrong = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
        assert_eq!(send(&app, &endpoint, wrong, "x").status, 401);
        let list = app.client.get("/api/v1/endpoints").expect(200);
        assert_eq!((&list["items"][0]["health"]["light"], &list["items"][0]["health"]["refused"]), (&json!("red"), &json!(1)), "{list}");
        let told = detail(&app, &endpoint["id"]);
        assert_eq!((&told["refusals"][0]["code"], &told["refusals"][0]["count"]), (&json!("signature-mismatch"), &json!(1)));
    }

    fn refusals_outlive_the_process_that_counted_them(app) {
        let endpoint = made(&app, &json!({ "name": "CRM", "preset": "standard-webhooks" }));
        for n in 0..3 {
            assert_eq!(send(&app, &endpoint, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", &format!("x{n}")).status, 401);
        }
        app.stop();
        app.run();
        assert_eq!(detail(&app, &endpoint["id"])["health"]["refused"], 3);
    }

    fn secrets_rotate_without_losing_a_delivery(app) {
        let endpoint = made(&app, &json!({ "name": "CRM", "preset": "standard-webhooks" }));
        let id = endpoint["id"].as_str().expect("id");
        let old = endpoint["secret"].as_str().expect("secret").to_owned();
        let path = format!("/api/v1/endpoints/{id}/secrets");
        let new = app.client.post(&path, &json!({ "overlap_hours": 2 })).expect(201)["secret"].as_str().expect("secret").to_owned();
        assert_ne!(old, new);
        send(&app, &endpoint, &old, "a").expect(200);
        send(&app, &endpoint, &new, "b").expect(200);
        let secrets = detail(&app, &endpoint["id"])["secrets"].clone();
        assert_eq!(secrets.as_array().map(Vec::len), Some(2));
        assert!(secrets[0]["ends_at"].is_null() && secrets[1]["ends_at"].is_string(), "{secrets}");
        assert!(!secrets.to_string().contains(&new) && secrets[0]["hint"].as_str().is_some_and(|h| new.starts_with(h.trim_end_matches('…'))));
        app.clock.advance_ms(2 * 3_600_000);
        assert_eq!(send(&app, &endpoint, &old, "c").status, 401);
        send(&app, &endpoint, &new, "d").expect(200);
        let third = app.client.post(&path, &json!({})).expect(201)["secret"].as_str().expect("secret").to_owned();
        send(&app, &endpoint, &new, "e").expect(200);
        app.client.delete(&path).expect(204);
        assert_eq!(send(&app, &endpoint, &new, "f").status, 401, "ended at once");
        send(&app, &endpoint, &third, "g").expect(200);
        assert_eq!(app.client.post(&path, &json!({ "overlap_hours": -1 })).fault_codes(), ["overlap-out-of-range"]);
        assert_eq!(app.client.post(&path, &json!({ "secret": "short" })).status, 422);
    }

    fn what_is_said_about_an_endpoint_can_be_changed(app) {
        let endpoint = made(&app, &json!({ "name": "CRM", "preset": "standard-webhooks", "currency": "EUR" }));
        made(&app, &json!({ "name": "Shop", "preset": "bearer" }));
        let path = format!("/api/v1/endpoints/{}", endpoint["id"].as_str().expect("id"));
        app.client.patch(&path, &json!({ "name": "Sales", "currency": null, "counts_revenue": false, "signed_url": "https://t.example/in" })).expect(204);
        let told = detail(&app, &endpoint["id"]);
        assert_eq!((&told["name"], &told["currency"], &told["counts_revenue"], &told["signed_url"]), (&json!("Sales"), &Value::Null, &json!(false), &json!("https://t.example/in")));
        app.client.patch(&path, &json!({ "signed_url": null })).expect(204);
        assert_eq!((&detail(&app, &endpoint["id"])["name"], &detail(&app, &endpoint["id"])["signed_url"]), (&json!("Sales"), &Value::Null));
        assert_eq!(app.client.patch(&path, &json!({ "name": "Shop" })).fault_codes(), ["name-taken"]);
        assert_eq!(app.client.patch(&path, &json!({ "signed_url": "ftp://x" })).status, 422);
        assert_eq!(app.client.patch(&path, &json!({ "nam": "x" })).status, 400);
    }

    fn a_person_sets_an_endpoint_up_on_its_page(app) {
        let cookie = set_up(&app);
        let start = page(&app, "/app/endpoints", &cookie).text;
        let csrf = csrf_in(&start);
        let send = |path: &str, fields: &[(&str, &str)]| {
            let mut all = vec![("csrf", csrf.as_str())];
            all.extend_from_slice(fields);
            post(&app, path, &cookie, &all)
        };
        let refused = send("/app/endpoints", &[("name", ""), ("preset", "standard-webhooks")]);
        assert_eq!(refused.status, 422);
        let made = send("/app/endpoints", &[("name", "My <CRM>"), ("preset", "standard-webhooks"), ("counts_revenue", "on")]);
        assert_eq!(made.status, 303, "{}", made.text);
        let path = made.header("location");
        let place = path.split('?').next().expect("path").to_owned();
        let once = made.header("set-cookie").split(';').next().expect("cookie").to_owned();
        let both = format!("{cookie}; {once}");
        let fresh = page(&app, &path, &both);
        assert!(fresh.text.contains("whsec_") && fresh.text.contains("not shown again"), "{}", fresh.text);
        assert!(fresh.text.contains("My &#60;CRM&#62;") && fresh.text.contains("Where to paste it"));
        let later = page(&app, &place, &cookie).text;
        assert!(!later.contains("not shown again"), "the secret is shown once");
        let tested = send(&format!("{place}/test"), &[]);
        assert_eq!(tested.status, 303, "{}", tested.text);
        let arrived = page(&app, tested.header("location").split('#').next().expect("path"), &cookie).text;
        assert!(arrived.contains("It arrived.") && arrived.contains("would have become the <code>lead</code>"), "{arrived}");
        assert_eq!(send(&format!("{place}/stages"), &[("stages", "Closed Won = customer\nqualified = sql"), ("click_id_property", ""), ("account", "")]).status, 303);
        let mapping = detail(&app, &json!(place.trim_start_matches("/app/endpoints/")))["mapping"].clone();
        assert_eq!(mapping["stages"], json!({ "Closed Won": "customer", "qualified": "sql" }));
        for (bad, words) in [("Closed Won", "write it as"), ("Won = winner", "winner")] {
            let refused = send(&format!("{place}/stages"), &[("stages", bad)]);
            assert!(refused.status == 422 && refused.text.contains(words) && refused.text.contains(bad), "{}", refused.text);
        }
        assert_eq!(send(&format!("{place}/secrets"), &[("secret", ""), ("overlap_hours", "1")]).status, 303);
        assert_eq!(send(&format!("{place}/secrets"), &[("secret", ""), ("overlap_hours", "soon")]).status, 422);
        assert!(page(&app, &place, &cookie).text.contains("End the old ones now"));
        assert_eq!(send(&format!("{place}/secrets/end"), &[]).status, 303);
        assert_eq!(send(&place, &[("name", "Sales"), ("currency", "EUR"), ("signed_url", "")]).status, 303);
        let told = detail(&app, &json!(place.trim_start_matches("/app/endpoints/")));
        assert_eq!((&told["name"], &told["counts_revenue"]), (&json!("Sales"), &json!(false)));
        assert_eq!(send(&place, &[("name", "Sales"), ("currency", "EURO")]).status, 422);
        assert_eq!(send(&format!("{place}/archive"), &[]).status, 303);
        assert!(page(&app, &place, &cookie).text.contains("This endpoint is archived"));
        let refused = send(&format!("{place}/test"), &[]);
        assert!(refused.status == 200 && refused.text.contains("Refused."), "{}", refused.text);
    }
}
