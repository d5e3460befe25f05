//! `POST /hooks/{token}`: proof, storage, mapping, quarantine, replay.

use headwater::connectors::verify::{SigningSecret, standard_webhooks_signature};
use headwater::domain::time::Clock;
use serde_json::{Value, json};

use crate::support::client::Reply;
use crate::support::{TestApp, row};

const EVENT: &str = r#"{"type":"contact.converted","timestamp":"2026-03-02T11:14:10Z","data":{"id":"c-1","email":"Ana.Lopez@example.com","stage":"customer","amount":"480.00","currency":"EUR"}}"#;

pub(crate) struct Hook {
    pub(crate) path: String,
    pub(crate) secret: String,
    pub(crate) id: String,
}

pub(crate) fn endpoint(app: &TestApp, more: &Value) -> Hook {
    let mut body = json!({ "name": "CRM", "verification": "standard-webhooks" });
    body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    let made = app.client.post("/api/v1/endpoints", &body).expect(201);
    let url = made["url"].as_str().expect("url");
    let path = url.strip_prefix(&app.config.server.public_url).expect("our own address").to_owned();
    Hook {
        path,
        secret: made["secret"].as_str().expect("secret").to_owned(),
        id: made["id"].as_str().expect("id").to_owned(),
    }
}

pub(crate) fn signed(app: &TestApp, hook: &Hook, id: &str, body: &str, skew_s: i64) -> Reply {
    let at = app.clock.now().0 / 1_000 + skew_s;
    let secret = SigningSecret::parse(&hook.secret).expect("secret");
    let signature = standard_webhooks_signature(&secret, id, at, body.as_bytes());
    app.client.send(
        "POST",
        &hook.path,
        &[("webhook-id", id), ("webhook-timestamp", &at.to_string()), ("webhook-signature", &signature)],
        body.as_bytes(),
    )
}

on_both! {
    fn a_signed_delivery_becomes_an_event_and_its_retry_a_duplicate(app) {
        let hook = endpoint(&app, &json!({}));
        let verdict = |reply: &Reply| app.verdicts(reply)[0].clone();
        let first = verdict(&signed(&app, &hook, "msg_1", EVENT, 0));
        assert_eq!((&first["status"], &first["duplicate"]), (&json!("stored"), &json!(false)));
        let retry = verdict(&signed(&app, &hook, "msg_1", EVENT, 60));
        assert_eq!((&retry["status"], &retry["duplicate"]), (&json!("duplicate"), &json!(true)));
        let changed = verdict(&signed(&app, &hook, "msg_1", &EVENT.replace("480.00", "481.00"), 0));
        assert_eq!((&changed["status"], &changed["code"]), (&json!("quarantined"), &json!("conflict")));
        let report = app.report("from=2026-03-01&to=2026-03-31");
        assert_eq!(report["totals"]["customers_micro"], 1_000_000);
        assert_eq!(report["totals"]["revenue_minor"], 48_000);
    }

    fn wrong_proofs_are_refused_and_store_nothing(app) {
        let hook = endpoint(&app, &json!({}));
        for (skew, words) in [(-301, "timestamp-outside"), (301, "timestamp-outside")] {
            let reply = signed(&app, &hook, "m", EVENT, skew);
            assert_eq!(reply.status, 401);
            assert!(reply.text.contains(words), "{}", reply.text);
        }
        let other = Hook { secret: "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into(), path: hook.path.clone(), id: String::new() };
        assert!(signed(&app, &other, "m", EVENT, 0).text.contains("signature-mismatch"));
        let unsigned = app.client.send("POST", &hook.path, &[], EVENT.as_bytes());
        assert_eq!(unsigned.status, 401);
        assert_eq!(app.client.send("POST", "/hooks/nobody", &[], b"{}").status, 404);
        assert_eq!(signed(&app, &hook, "m", &"x".repeat(1_100_000), 0).status, 413);
        let inbox = app.client.get("/api/v1/deliveries").expect(200);
        assert_eq!(inbox["items"], json!([]));
        app.client.delete(&format!("/api/v1/endpoints/{}", hook.id)).expect(204);
        assert_eq!(signed(&app, &hook, "m", EVENT, 0).status, 401, "an archived endpoint accepts nothing");
    }

    fn what_cannot_be_mapped_is_kept_listed_and_replayed(app) {
        let hook = endpoint(&app, &json!({}));
        let vendor = r#"{"contact":{"mail":"a@example.com"},"what":"Closed Won","when":"2026-03-01T00:00:00Z","sum":12.5}"#;
        let kept = signed(&app, &hook, "m1", vendor, 0);
        assert_eq!(app.verdicts(&kept)[0]["status"], "quarantined", "a mapping fault is no refusal: the vendor would give up");
        let kept = kept.json();
        for (id, broken) in ["{\"half\":", "[1,2]", "\"text\"", ""].into_iter().enumerate() {
            let verdicts = app.verdicts(&signed(&app, &hook, &format!("broken_{id}"), broken, 0));
            assert_eq!(verdicts[0]["status"], "quarantined", "{broken}");
        }
        let mapping = json!({
            "email": "/contact/mail", "stage": "/what", "occurred_at": "/when", "value": "/sum", "currency": { "const": "EUR" },
            "stages": { "closed won": "customer" },
        });
        app.client.put(&format!("/api/v1/endpoints/{}/mapping", hook.id), &mapping).expect(204);
        let delivery = kept["delivery"].as_str().expect("delivery");
        let replayed = app.client.post(&format!("/api/v1/deliveries/{delivery}/replay"), &json!({})).expect(200);
        assert_eq!(replayed["items"][0]["status"], "stored", "{replayed}");
        assert_eq!(app.report("from=2026-03-01&to=2026-03-31")["totals"]["revenue_minor"], 1_250);
        let again = app.client.post(&format!("/api/v1/deliveries/{delivery}/replay"), &json!({})).expect(200);
        assert_eq!(again["items"][0]["status"], "stored", "replaying what is stored changes nothing");
        let bad = app.client.put(&format!("/api/v1/endpoints/{}/mapping", hook.id), &json!({ "email": "no-pointer" }));
        assert_eq!(bad.status, 422);
    }

    /// What stands where a click id may is no reason to keep a lead out.
    fn a_lead_joins_its_click_past_junk_in_other_places(app) {
        app.link("spring");
        let click = app.click("spring");
        app.settle();
        let hook = endpoint(&app, &json!({ "mapping": {
            "event_id": "/id", "stage": { "const": "lead" }, "occurred_at": "received", "email": "/mail",
            "click_id": ["/utm_content", "query-of:hw_id:/page", "/reference"],
        } }));
        let body = json!({ "id": "b1", "mail": "a@example.com", "utm_content": "x".repeat(1_100),
            "page": format!("https://example.com/?hw_id=%00{}", "j".repeat(1_500)), "reference": click });
        let verdict = app.verdicts(&signed(&app, &hook, "m1", &body.to_string(), 0))[0].clone();
        assert_eq!(verdict["status"], "stored", "{verdict}");
        let report = app.report("from=2026-01-01&to=2026-12-31");
        assert_eq!(row(&report, "linkedin-organic")["leads_micro"], 1_000_000, "{report}");
    }

    fn a_bearer_token_is_proof_too(app) {
        let hook = endpoint(&app, &json!({ "name": "Form", "verification": "bearer", "counts_revenue": false, "currency": "EUR" }));
        let body = r#"{"event_id":"f1","stage":"sale","occurred_at":"2026-03-01T00:00:00Z","email":"a@example.com","value":"5.00"}"#;
        let post = |token: &str| app.client.send("POST", &hook.path, &[("authorization", &format!("Bearer {token}"))], body.as_bytes());
        assert_eq!(post("wrong-token-wrong-token").status, 401);
        assert_eq!(app.verdicts(&post(&hook.secret))[0]["status"], "stored");
        let report = app.report("from=2026-03-01&to=2026-03-31");
        assert_eq!((&report["totals"]["customers_micro"], &report["totals"]["revenue_minor"]), (&json!(1_000_000), &json!(0)), "its money is told elsewhere");
    }

    fn an_endpoint_needs_a_usable_secret_and_mapping(app) {
        let refused = |body: Value| app.client.post("/api/v1/endpoints", &body).status;
        assert_eq!(refused(json!({ "name": "x", "verification": "none" })), 422);
        assert_eq!(refused(json!({ "name": "x", "verification": "standard-webhooks", "secret": "short" })), 422);
        assert_eq!(refused(json!({ "name": "", "verification": "bearer" })), 422);
        assert_eq!(refused(json!({ "name": "x", "verification": "bearer", "mapping": { "nothing": "/x" } })), 422);
        endpoint(&app, &json!({}));
        assert_eq!(refused(json!({ "name": "CRM", "verification": "bearer" })), 409);
    }
}
