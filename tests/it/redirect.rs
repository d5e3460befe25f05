//! `GET` and `HEAD /{slug}`: what is answered, appended, kept and refused.

use serde_json::json;

use crate::support::client::browser_headers;
use crate::support::{click_id, row};

on_both! {
    fn a_redirect_carries_tags_click_id_query_and_fragment(app) {
        app.link("go");
        let reply = app.client.browse("/go?fbclid=x%20y&utm_source=evil&a=9&hw_id=forged");
        assert_eq!(reply.status, 302);
        assert_eq!(reply.header("cache-control"), "no-store");
        let location = reply.header("location");
        let id = click_id(&location);
        assert_eq!(location, format!(
            "https://www.example.com/landing?a=1&utm_source=linkedin&utm_medium=social&utm_campaign=spring-2026&hw_id={id}&fbclid=x%20y#top"));
        assert!(reply.header("set-cookie").starts_with("hw_visitor=vis_"), "{}", reply.header("set-cookie"));
        let head = app.client.send("HEAD", "/GO", &browser_headers(), b"");
        assert_eq!((head.status, head.text.as_str()), (302, ""), "HEAD, in any case of letters");
    }

    fn privacy_signals_keep_the_click_and_drop_the_visitor(app) {
        app.link("go");
        for signal in ["sec-gpc", "dnt"] {
            let mut headers = browser_headers();
            headers.extend([(signal, "1"), ("cookie", "hw_visitor=vis_01JZ8Q4M7T2V9XW3B5C6D7E8F0")]);
            let reply = app.client.send("GET", "/go?fbclid=abc", &headers, b"");
            assert_eq!((reply.status, reply.header("set-cookie").as_str()), (302, ""), "{signal}");
            assert!(reply.header("location").contains("hw_id=clk_"), "the site's own measurement stays");
        }
        app.settle();
        let report = app.report("from=2026-03-01&to=2026-03-31");
        assert_eq!(row(&report, "linkedin-organic")["clicks"], 2);
    }

    fn an_impression_makes_no_click_a_repeat(app) {
        app.link("go");
        let cookie = app.client.browse("/go").header("set-cookie").split(';').next().expect("cookie").to_owned();
        app.clock.advance_ms(60_000);
        let mut headers = browser_headers();
        headers.push(("cookie", &cookie));
        app.client.send("GET", "/t/p.gif?l=go", &headers, b"");
        app.clock.advance_ms(3_000);
        app.client.send("GET", "/go", &headers, b"");
        app.settle();
        assert_eq!(row(&app.report("from=2026-03-01&to=2026-03-31"), "linkedin-organic")["clicks"], 2);
    }

    fn a_visitors_query_can_be_kept_out(app) {
        app.link("open");
        app.client.post("/api/v1/links", &json!({ "slug": "closed", "destination": "https://example.com", "channel": "linkedin-organic", "passes_query": false })).expect(201);
        assert!(!app.client.browse("/closed?a=1").header("location").contains("a=1"));
        let long = format!("/open?q={}", "x".repeat(16 * 1024));
        let reply = app.client.browse(&long);
        assert_eq!(reply.status, 302, "16 kB of query do not stop a redirect");
        assert!(reply.header("location").len() < 1_000);
    }

    fn unknown_archived_and_expired_slugs_answer_properly(app) {
        let made = app.link("gone");
        assert_eq!(app.client.browse("/nothing-here").status, 404);
        let id = made["id"].as_str().expect("id");
        app.client.patch(&format!("/api/v1/links/{id}"), &json!({ "expires_at": "2026-03-02T12:30:00Z" })).expect(200);
        assert_eq!(app.client.browse("/gone").status, 302, "not yet");
        app.clock.advance_ms(31 * 60_000);
        let expired = app.client.browse("/gone");
        assert_eq!((expired.status, expired.header("location").as_str()), (410, ""));
        app.client.patch(&format!("/api/v1/links/{id}"), &json!({ "expires_at": null })).expect(200);
        assert_eq!(app.client.browse("/gone").status, 302);
    }

    fn every_click_is_counted_once_after_a_restart(app) {
        app.link("go");
        for _ in 0..25 {
            app.click("go");
        }
        app.stop();
        app.run();
        app.settle();
        let report = app.report("from=2026-03-01&to=2026-03-31&by=link");
        assert_eq!(row(&report, "go")["clicks"], 25);
    }
}

#[test]
fn an_unknown_slug_leads_to_the_fallback_where_one_is_set() {
    use crate::support::{Backend, TestApp};
    let app = TestApp::start_with(Backend::Sqlite, &[("tracking.fallback_url", "https://www.example.com/")]);
    let reply = app.client.browse("/nothing");
    assert_eq!((reply.status, reply.header("location").as_str()), (302, "https://www.example.com/"));
}
