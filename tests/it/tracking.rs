//! Clicks, pixels and reports of pages over HTTP: what is stored of them, how they are classed, and what is refused.

use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool, Nullable, Text};
use headwater::store::Conn;
use serde_json::{Value, json};

use crate::support::client::{BROWSER, browser_headers};
use crate::support::{Backend, Client, Reply, TestApp, click_id, row};

/// A touch as it lies in the database.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub(crate) struct Stored {
    #[diesel(sql_type = Text)]
    pub(crate) kind: String,
    #[diesel(sql_type = Text)]
    pub(crate) class: String,
    #[diesel(sql_type = Text)]
    pub(crate) class_rule: String,
    #[diesel(sql_type = Bool)]
    pub(crate) private: bool,
    #[diesel(sql_type = Nullable<Binary>)]
    pub(crate) visitor_id: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) network_ids: Option<String>,
    /// The channel that the touch itself says.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) channel: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) page: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) referrer: Option<String>,
}

/// Every touch so far, oldest first.
pub(crate) fn touches(app: &TestApp) -> Vec<Stored> {
    app.settle();
    let text = "SELECT kind, class, class_rule, private, visitor_id, network_ids, channel, page, referrer
        FROM readable_touches ORDER BY occurred_at, id";
    let read = |conn: &mut Conn| {
        let query = diesel::sql_query(text);
        Ok(match conn {
            Conn::Sqlite(c) => query.load(c),
            Conn::Postgres(c, _) => query.load(c),
        })
    };
    app.state().db.read_now(read).expect("database").expect("touches")
}

/// Every stage event and person so far.
fn conversions(app: &TestApp) -> usize {
    let events = app.client.get("/api/v1/conversions").expect(200);
    let people = app.client.get("/api/v1/people").expect(200);
    let count = |list: &Value| list["items"].as_array().expect("items").len();
    count(&events) + count(&people)
}

const ORIGIN: &str = "https://www.example.com";
const ALLOWED: (&str, &str) =
    ("tracking.allowed_origins", r#"["https://www.example.com", "https://shop.example.com/"]"#);
const LANDING: &str = r#"{"type":"landing","page":"https://www.example.com/p?utm_source=linkedin&utm_medium=social&gclid=g1&email=a@b.c"}"#;

/// A client with an empty cookie jar: a visitor's cookie is there where a test sends it, and nowhere else.
fn stranger(app: &TestApp) -> Client {
    Client::new(&app.client.base, "")
}

/// What a page's script sends, with headers beside those of a browser.
fn collect_with(app: &TestApp, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut all = vec![("user-agent", BROWSER), ("accept-language", "en"), ("content-type", "text/plain")];
    all.extend_from_slice(headers);
    stranger(app).send("POST", "/t/collect", &all, body.as_bytes())
}

fn collect(app: &TestApp, body: &str) -> Reply {
    collect_with(app, &[("origin", ORIGIN)], body)
}

/// A click with headers beside those of a browser.
fn click_with(app: &TestApp, method: &str, headers: &[(&str, &str)]) -> Reply {
    app.clock.advance_ms(60_000);
    let mut all = browser_headers();
    all.retain(|(name, _)| headers.iter().all(|(other, _)| name != other));
    all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
    let reply = stranger(app).send(method, "/spring", &all, b"");
    assert_eq!(reply.status, 302, "{}", reply.text);
    reply
}

fn classes(app: &TestApp) -> Vec<(String, String)> {
    touches(app).into_iter().map(|t| (t.class, t.class_rule)).collect()
}

/// Declares tests that run once on each database, with settings.
macro_rules! on_both_with {
    ($($(#[$doc:meta])* fn $name:ident($app:ident, $settings:expr) $body:block)+) => {
        $(
            mod $name {
                use super::*;

                $(#[$doc])*
                fn check($app: &TestApp) $body

                #[test]
                fn sqlite() {
                    check(&TestApp::start_with(Backend::Sqlite, $settings));
                }

                #[test]
                fn postgres() {
                    check(&TestApp::start_with(Backend::Postgres, $settings));
                }
            }
        )+
    };
}

on_both_with! {
    fn the_pixel_is_always_the_picture(app, &[]) {
        app.link("spring");
        for (path, reason) in [
            ("/t/p.gif?l=spring", ""),
            ("/t/p.gif?x=1&l=SPRING", ""),
            ("/t/p.gif", ""),
            ("/t/p.gif?l=nothing", "link-unknown"),
            ("/t/p.gif?l=%FF%00", "link-unknown"),
        ] {
            app.clock.advance_ms(1_000);
            let reply = stranger(app).send("GET", path, &[("user-agent", BROWSER)], b"");
            assert_eq!((reply.status, reply.header("content-length").as_str()), (200, "43"), "{path}");
            assert_eq!(reply.header("content-type"), "image/gif", "{path}");
            assert_eq!(reply.header("cache-control"), "no-store", "{path}");
            assert_eq!(reply.header("x-headwater-reason"), reason, "{path}");
            assert_eq!(reply.header("set-cookie"), "", "on pages of others it would be a third party's");
            assert!(reply.text.starts_with("GIF89a"), "{path}");
        }
        assert_eq!(touches(app).len(), 3, "what is unknown is not stored");
    }

    /// An impression is counted beside clicks, never as one, and nobody is known to have seen it.
    fn a_view_is_no_click(app, &[]) {
        app.link("spring");
        app.click("spring");
        let click = click_with(app, "GET", &[]);
        let (seen, cookie) = (click_id(&click.header("location")), click.header("set-cookie"));
        let visitor = cookie.split(';').next().expect("cookie");
        stranger(app).send("GET", "/t/p.gif?l=spring", &[("user-agent", BROWSER), ("cookie", visitor)], b"");
        let stored = touches(app);
        let view = stored.iter().find(|t| t.kind == "view").expect("view");
        assert_eq!((view.class.as_str(), &view.visitor_id), ("human", &stored[1].visitor_id));
        let report = app.report("from=2026-03-01&to=2026-03-31");
        assert_eq!(row(&report, "linkedin-organic")["clicks"], 2, "{report}");
        assert_eq!(row(&report, "linkedin-organic")["other_touches"], 1, "{report}");

        let lead = json!({ "event_id": "1", "stage": "lead", "occurred_at": "2026-03-02T13:00:00Z", "email": "a@b.example", "click_id": seen });
        app.client.post("/api/v1/conversions", &lead).expect(201);
        let journey = app.client.get("/api/v1/people").expect(200);
        let steps = journey["items"][0]["steps"].as_array().expect("steps");
        assert_eq!(steps.iter().map(|s| &s["kind"]).collect::<Vec<_>>(), ["click", "lead"], "{journey}");
    }

    /// A page may only tell of an arrival: whatever else it claims stays unread.
    fn a_report_of_a_page_makes_a_touch_and_never_a_conversion(app, &[ALLOWED]) {
        app.channel("linkedin-organic", "linkedin", "social").expect(201);
        let click = "clk_01KJQ2Z5T0ABCDEFGHJKMNPQRS";
        let body = json!({ "type": "landing", "page": "https://www.example.com/p?utm_source=LinkedIn&utm_medium=social&gclid=g1&email=a@b.c#x",
            "referrer": "https://news.example.org/story?id=7", "hw_id": click, "click_id": click, "email": "a@b.example",
            "stage": "lead", "event_id": "1", "occurred_at": "2026-03-02T12:00:00Z", "person": "crm:1", "merge": true });
        let reply = collect(app, &body.to_string());
        let id = reply.expect(200)["hw_id"].as_str().expect("hw_id").to_owned();
        assert!(id.starts_with("clk_") && id != click);
        collect(app, &json!({ "type": "submit", "page": "https://www.example.com/p", "email": "a@b.example", "stage": "lead" }).to_string()).expect(200);
        let stored = touches(app);
        assert_eq!(stored.len(), 1, "a submit is counted and makes no touch");
        let wanted = Stored {
            kind: "landing".into(),
            class: "human".into(),
            class_rule: "browser".into(),
            private: false,
            visitor_id: stored[0].visitor_id.clone(),
            network_ids: Some(json!([{ "param": "gclid", "value": "g1" }]).to_string()),
            channel: Some("linkedin-organic".into()),
            page: Some("www.example.com/p".into()),
            referrer: Some("news.example.org".into()),
        };
        assert_eq!(stored[0], wanted, "the page's query, with whatever it says of a person, is not kept");
        assert!(stored[0].visitor_id.is_some());
        assert_eq!(conversions(app), 0);

        let visitor = reply.header("set-cookie");
        let visitor = visitor.split(';').next().expect("cookie");
        app.clock.advance_ms(1_000);
        let again = collect_with(app, &[("origin", ORIGIN), ("cookie", visitor)], LANDING);
        assert_eq!((again.status, again.header("set-cookie").as_str()), (200, ""), "a known cookie keeps its end");
        assert_eq!(touches(app)[1].visitor_id, stored[0].visitor_id);
    }

    fn reports_come_from_configured_origins_only(app, &[ALLOWED]) {
        for origin in ["https://evil.example", "http://www.example.com", "https://www.example.com.evil.example", "null", ""] {
            let reply = collect_with(app, &[("origin", origin)], LANDING);
            assert_eq!((reply.status, reply.header("access-control-allow-origin").as_str()), (403, ""), "{origin}");
            let reply = app.client.send("OPTIONS", "/t/collect", &[("origin", origin)], b"");
            assert_eq!((reply.status, reply.header("access-control-allow-origin").as_str()), (403, ""), "{origin}");
        }
        assert_eq!(collect_with(app, &[], LANDING).status, 403, "no origin at all");
        assert_eq!(collect_with(app, &[("referer", "https://www.example.com/")], LANDING).status, 403);
        assert_eq!(touches(app), []);
        collect_with(app, &[("origin", "https://shop.example.com")], LANDING).expect(200);
        assert_eq!(touches(app).len(), 1, "a slash at the end of a configured origin does not count");
    }

    fn cors_headers_are_exact(app, &[ALLOWED]) {
        let cors = |reply: &Reply| {
            ["origin", "credentials", "methods", "headers"].map(|what| reply.header(&format!("access-control-allow-{what}")))
        };
        let wanted = [ORIGIN, "true", "POST", "content-type"].map(str::to_owned);
        let preflight = [("origin", ORIGIN), ("access-control-request-method", "POST"), ("access-control-request-headers", "content-type")];
        let asked = app.client.send("OPTIONS", "/t/collect", &preflight, b"");
        assert_eq!((asked.status, cors(&asked)), (204, wanted.clone()));
        assert_eq!((asked.header("access-control-max-age").as_str(), asked.header("vary").as_str()), ("3600", "Origin"));
        for (body, status) in [(LANDING, 200), ("{", 400)] {
            let reply = collect(app, body);
            assert_eq!((reply.status, cors(&reply), reply.header("vary")), (status, wanted.clone(), "Origin".to_owned()));
        }
    }

    fn reports_that_cannot_be_read_are_refused_and_leave_nothing(app, &[ALLOWED]) {
        let deep = format!("{{\"type\":\"landing\",\"page\":{}", "[".repeat(8_000));
        for body in ["", "{", "[]", "null", "\u{0}", r#"{"type":"landing"}"#, r#"{"page":"https://www.example.com/"}"#,
            r#"{"type":"landing","page":"no address"}"#, r#"{"type":"landing","page":"/relative"}"#, r#"{"type":"landing","page":7}"#,
            r#"{"type":"lead","page":"https://www.example.com/"}"#, &deep] {
            let reply = collect(app, body);
            assert_eq!(reply.status, 400, "{body}: {}", reply.text);
            assert!(reply.json()["error"].as_str().is_some_and(|why| !why.is_empty()));
        }
        let padded = |length: usize| format!("{}{}", LANDING, " ".repeat(length - LANDING.len()));
        assert_eq!(collect(app, &padded(8_193)).status, 413);
        assert_eq!(touches(app), []);
        collect(app, &padded(8_192)).expect(200);
        assert_eq!(touches(app).len(), 1);
    }

    fn too_many_reports_of_an_address_wait(app, &[ALLOWED, ("tracking.collect_per_minute", "3")]) {
        for _ in 0..3 {
            collect(app, LANDING).expect(200);
        }
        let reply = collect(app, LANDING);
        assert_eq!(reply.status, 429, "{}", reply.text);
        let seconds: u64 = reply.header("retry-after").parse().expect("seconds");
        assert!((1..=20).contains(&seconds), "3 a minute are one each 20 s: {seconds}");
        assert_eq!(reply.header("access-control-allow-origin"), ORIGIN);
        assert_eq!(touches(app).len(), 3);
        app.link("spring");
        click_with(app, "GET", &[]);
        assert_eq!(touches(app).len(), 4, "redirects have no such limit");
    }

    /// Invariant 8.
    fn privacy_signals_cost_the_visitor_and_nothing_else(app, &[ALLOWED]) {
        app.link("spring");
        let cookie = click_with(app, "GET", &[]).header("set-cookie");
        let visitor = cookie.split(';').next().expect("cookie").to_owned();
        for signal in [("sec-gpc", "1"), ("dnt", "1")] {
            let click = click_with(app, "GET", &[signal, ("cookie", &visitor)]);
            assert_eq!(click.header("set-cookie"), "", "{signal:?}");
            assert!(click_id(&click.header("location")).starts_with("clk_"), "the click id stays");
            app.clock.advance_ms(1_000);
            let landing = collect_with(app, &[("origin", ORIGIN), signal, ("cookie", &visitor)], LANDING);
            assert_eq!(landing.header("set-cookie"), "", "{signal:?}");
            assert!(landing.expect(200)["hw_id"].is_string());
            app.clock.advance_ms(1_000);
            stranger(app).send("GET", "/t/p.gif?l=spring", &[("user-agent", BROWSER), signal, ("cookie", &visitor)], b"");
        }
        let stored = touches(app);
        assert_eq!(stored.len(), 7);
        assert!(!stored[0].private && stored[0].visitor_id.is_some());
        for touch in &stored[1..] {
            assert!(touch.private && touch.visitor_id.is_none() && touch.network_ids.is_none(), "{touch:?}");
            assert_eq!(touch.class, "human", "counted all the same");
        }
        click_with(app, "GET", &[("sec-gpc", "0"), ("dnt", "0"), ("cookie", &visitor)]);
        assert!(!touches(app)[7].private);
    }

    fn privacy_signals_can_be_overruled(app, &[("tracking.honour_dnt", "false"), ("tracking.honour_gpc", "false")]) {
        app.link("spring");
        assert!(click_with(app, "GET", &[("dnt", "1"), ("sec-gpc", "1")]).header("set-cookie").starts_with("hw_visitor=vis_"));
        assert!(!touches(app)[0].private);
    }

    fn the_script_is_small_and_names_the_parameter(app, &[]) {
        let reply = app.client.send("GET", "/t/hw.js", &[], b"");
        assert_eq!(reply.status, 200);
        assert!(reply.text.len() <= 1_500, "{} bytes", reply.text.len());
        assert_eq!(reply.header("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(reply.header("cache-control"), "public, max-age=3600");
        assert_eq!(reply.header("cross-origin-resource-policy"), "cross-origin");
        assert!(reply.text.contains(r#"'input[name="hw_id"],[data-hw-id]'"#), "{}", reply.text);
        assert!(!reply.text.contains("__") && !reply.text.contains("//"), "{}", reply.text);
    }

    fn the_script_follows_a_parameter_of_ones_own(app, &[("tracking.click_id_param", "my_click")]) {
        let reply = app.client.send("GET", "/t/hw.js", &[], b"");
        assert!(reply.text.contains(r#"input[name="my_click"]"#) && reply.text.contains("[?&]my_click="), "{}", reply.text);
        assert!(!reply.text.contains("hw_id=") && reply.text.contains(").hw_id"), "the answer's field keeps its name");
    }

    fn the_visitor_cookie_is_first_party_and_for_the_server_only(app, &[("server.public_url", "https://go.example.com")]) {
        app.link("spring");
        let cookie = click_with(app, "GET", &[]).header("set-cookie");
        let mut parts: Vec<_> = cookie.split("; ").collect();
        assert!(parts.remove(0).starts_with("hw_visitor=vis_"), "{cookie}");
        parts.sort_unstable();
        assert_eq!(parts, ["HttpOnly", "Max-Age=34128000", "Path=/", "SameSite=Lax", "Secure"], "{cookie}");
    }

    fn the_visitor_cookie_on_plain_http_is_not_secure(app, &[]) {
        app.link("spring");
        let cookie = click_with(app, "GET", &[]).header("set-cookie");
        assert!(cookie.contains("HttpOnly") && !cookie.contains("Secure"), "{cookie}");
    }

    fn without_cookies_none_is_set_or_read(app, &[ALLOWED, ("tracking.visitor_cookie", "off")]) {
        no_cookie(app);
    }

    fn before_the_decision_no_cookie_is_set_or_read(app, &[ALLOWED, ("tracking.visitor_cookie", "ask")]) {
        no_cookie(app);
    }

    /// A double click counts once; without a cookie nothing is a repeat.
    fn a_second_click_within_ten_seconds_is_a_repeat(app, &[]) {
        app.link("spring");
        app.link("summer");
        let cookie = click_with(app, "GET", &[]).header("set-cookie");
        let visitor = cookie.split(';').next().expect("cookie");
        let again = |path: &str, after_ms: i64, cookie: &str| {
            app.clock.advance_ms(after_ms);
            let mut headers = browser_headers();
            headers.extend(Some(("cookie", cookie)).filter(|(_, c)| !c.is_empty()));
            assert_eq!(stranger(app).send("GET", path, &headers, b"").status, 302);
        };
        again("/spring", 9_999, visitor);
        again("/spring", 1, visitor);
        again("/summer", 1, visitor);
        again("/spring", 1, "");
        app.settle();
        again("/spring", 9_998, visitor);
        let wanted = ["human", "repeat", "repeat", "human", "human", "human"];
        let classes = classes(app);
        assert_eq!(classes.iter().map(|(class, _)| class.as_str()).collect::<Vec<_>>(), wanted);
        assert_eq!(classes[1].1, "repeat");
        assert_eq!(app.report("from=2026-03-01&to=2026-03-31")["totals"]["clicks"], 4);
    }

    fn machines_are_told_from_people_and_kept_with_the_reason(app, &[]) {
        app.link("spring");
        let googlebot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        let slack = "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)";
        for (method, headers, class, rule) in [
            ("GET", vec![("user-agent", googlebot)], "bot", "ua-bot:googlebot"),
            ("GET", vec![("user-agent", slack)], "preview", "ua-preview:slack"),
            ("GET", vec![("sec-purpose", "prefetch;prerender")], "prefetch", "prefetch"),
            ("GET", vec![("purpose", "prefetch")], "prefetch", "prefetch"),
            ("GET", vec![("accept-language", ""), ("sec-fetch-dest", ""), ("sec-fetch-mode", "")], "bot", "headers-bare"),
            ("HEAD", vec![("sec-fetch-dest", ""), ("sec-fetch-mode", "")], "bot", "head"),
            ("GET", vec![], "human", "browser"),
        ] {
            let before = touches(app).len();
            let reply = click_with(app, method, &headers);
            assert!(click_id(&reply.header("location")).starts_with("clk_"));
            let stored = touches(app);
            assert_eq!(stored.len(), before + 1);
            let last = &stored[before];
            assert!(last.class == class && last.class_rule.starts_with(rule), "{headers:?}: {last:?}");
        }
        assert_eq!(app.report("from=2026-03-01&to=2026-03-31")["totals"]["clicks"], 1, "reports count people");
    }
}

fn no_cookie(app: &TestApp) {
    app.link("spring");
    let old = "hw_visitor=vis_01KJQ2Z5T0ABCDEFGHJKMNPQRS";
    for cookie in ["", old] {
        assert_eq!(click_with(app, "GET", &[("cookie", cookie)]).header("set-cookie"), "");
        app.clock.advance_ms(1_000);
        let landing = collect_with(app, &[("origin", ORIGIN), ("cookie", cookie)], LANDING);
        assert_eq!((landing.status, landing.header("set-cookie").as_str()), (200, ""));
    }
    let stored = touches(app);
    assert_eq!(stored.len(), 4);
    assert!(stored.iter().all(|t| t.visitor_id.is_none() && !t.private && t.class == "human"), "{stored:?}");
}
