//! The pages: set-up, sign-in, sessions, CSRF, and what is anonymous.

use serde_json::json;

use crate::support::client::Reply;
use crate::support::{Backend, TestApp};

pub(crate) const PASSWORD: &str = "correct horse battery";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
}

pub(crate) fn post(app: &TestApp, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Reply {
    app.client.send("POST", path, &[FORM, ("cookie", cookie), ("origin", &app.client.base)], &form(fields))
}

pub(crate) fn page(app: &TestApp, path: &str, cookie: &str) -> Reply {
    app.client.send("GET", path, &[("cookie", cookie)], b"")
}

fn set_up_token(app: &TestApp) -> String {
    app.state().open_set_up().expect("set-up is open")
}

/// Creates the administrator; answers the session cookie.
pub(crate) fn set_up(app: &TestApp) -> String {
    let token = set_up_token(app);
    let fields =
        [("token", token.as_str()), ("email", "admin@example.com"), ("password", PASSWORD), ("visitor_cookie", "off")];
    let reply = post(app, "/app/set-up", "", &fields);
    assert_eq!(reply.status, 303, "{}", reply.text);
    cookie_of(&reply)
}

fn cookie_of(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie");
    for part in ["hw_session=", "HttpOnly", "SameSite=Lax", "Path=/app"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    cookie.split(';').next().expect("cookie").to_owned()
}

pub(crate) fn csrf_in(text: &str) -> String {
    let rest = text.split("name=\"csrf\" value=\"").nth(1).expect("a form with its token");
    rest.split('"').next().expect("value").to_owned()
}

/// One click, its lead an hour later and what it cost, in March 2026.
pub(crate) fn one_lead(app: &TestApp) {
    app.link("go");
    let click = app.click("go");
    app.settle();
    let cost = json!({ "from": "2026-03-02", "channel": "linkedin-organic", "amount": "12.34", "currency": "EUR" });
    app.client.post("/api/v1/costs", &json!({ "costs": [cost] })).expect(201);
    let lead = json!({ "event_id": "l1", "stage": "lead", "occurred_at": "2026-03-02T13:00:00Z", "click_id": click });
    app.client.post("/api/v1/conversions", &lead).expect(201);
}

/// Where the figures of a report lead to, by the name of the figure.
fn evidence_of(text: &str, figure: &str) -> Vec<String> {
    let hrefs = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let hrefs = hrefs.map(|href| href.replace("&#38;", "&").replace("&amp;", "&"));
    hrefs.filter(|h| h.starts_with("/app/reports/evidence?") && h.ends_with(&format!("figure={figure}"))).collect()
}

on_both! {
    fn the_first_administrator_is_made_once(app) {
        let token = set_up_token(&app);
        let fields = |token: &str, password: &str| form(&[("token", token), ("email", "a@example.com"), ("password", password), ("visitor_cookie", "on")]);
        let send = |body: Vec<u8>| app.client.send("POST", "/app/set-up", &[FORM], &body).status;
        assert_eq!(send(fields("wrong", PASSWORD)), 403);
        assert_eq!(send(fields(&token, "short")), 422);
        assert_eq!(send(fields(&token, PASSWORD)), 303);
        assert!(app.state().open_set_up().is_none());
        assert!(matches!(send(fields(&token, PASSWORD)), 403 | 410), "the link works once");
    }

    fn nobody_gets_in_without_the_password(app) {
        set_up(&app);
        let sign_in = |password: &str| post(&app, "/app/sign-in", "", &[("email", "Admin@example.com"), ("password", password)]);
        let (wrong, unknown) = (sign_in("wrong password"), post(&app, "/app/sign-in", "", &[("email", "x@example.com"), ("password", PASSWORD)]));
        assert_eq!((wrong.status, unknown.status), (401, 401));
        let reply = sign_in(PASSWORD);
        assert_eq!(reply.status, 303, "{}", reply.text);
        let session = cookie_of(&reply);
        assert_eq!(page(&app, "/app", &session).status, 200);
        let csrf = csrf_in(&page(&app, "/app/links", &session).text);
        assert_eq!(post(&app, "/app/sign-out", &session, &[("csrf", &csrf)]).status, 303);
        assert_eq!(page(&app, "/app", &session).status, 303, "a session that was ended is no session");
    }

    fn a_session_ends_after_twelve_hours(app) {
        let session = set_up(&app);
        app.clock.advance_ms(12 * 3_600_000 - 1);
        assert_eq!(page(&app, "/app", &session).status, 200);
        app.clock.advance_ms(1);
        assert_eq!(page(&app, "/app", &session).status, 303);
    }

    fn a_form_needs_its_token_and_its_own_origin(app) {
        let session = set_up(&app);
        let csrf = csrf_in(&page(&app, "/app/channels", &session).text);
        let fields = |token: &str| form(&[("csrf", token), ("code", "x-organic"), ("utm_source", "x"), ("utm_medium", "social")]);
        let send = |token: &str, origin: &str| {
            let headers = [FORM, ("cookie", session.as_str()), ("origin", origin)];
            app.client.send("POST", "/app/channels", &headers, &fields(token)).status
        };
        assert_eq!(send("", &app.client.base), 403);
        assert_eq!(send("forged", &app.client.base), 403);
        assert_eq!(send(&csrf, "https://evil.example"), 403);
        assert_eq!(send(&csrf, "null"), 403);
        assert_eq!(app.client.get("/api/v1/channels").expect(200)["items"], serde_json::json!([]), "nothing was stored");
        assert_eq!(send(&csrf, &app.client.base), 303);
    }

    fn pages_ask_for_a_session_and_escape_what_they_show(app) {
        for path in ["/app", "/app/links", "/app/channels", "/app/campaigns", "/app/costs", "/app/conversions", "/app/inbox", "/app/endpoints", "/app/keys", "/app/reports/cost-per-lead.csv"] {
            let reply = page(&app, path, "");
            assert_eq!(reply.status, 303, "{path}");
            assert!(reply.header("location").starts_with("/app/sign-in?next="), "{}", reply.header("location"));
        }
        let session = set_up(&app);
        app.link("go");
        app.client.patch("/api/v1/links/lnk_1", &serde_json::json!({ "title": "<script>alert(1)</script>" })).expect(200);
        for path in ["/app", "/app/links", "/app/links/lnk_1", "/app/channels", "/app/campaigns", "/app/costs", "/app/conversions", "/app/inbox", "/app/endpoints", "/app/keys", "/app/api"] {
            let reply = page(&app, path, &session);
            assert_eq!(reply.status, 200, "{path}");
            assert!(!reply.text.contains("<script>alert"), "{path}");
            let policy = reply.header("content-security-policy");
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{path}: {policy}");
        }
        assert_eq!(page(&app, "/app/nothing", &session).status, 404);
        assert_eq!(post(&app, "/app/sign-in", "", &[("email", "admin@example.com"), ("password", PASSWORD), ("next", "https://evil.example/")]).header("location"), "/app");
    }

    fn the_report_takes_what_its_form_sends_and_leads_to_the_evidence(app) {
        let session = set_up(&app);
        one_lead(&app);
        // As a form sends it: several of a name, and empty fields.
        let query = "by=channel&by=month&by=&model=linear&model=time_decay&model=&time_decay.half_life_days=14&custom.first=&from=2026-03-01&to=2026-03-31&zone=UTC&channel=&classes=human";
        let shown = page(&app, &format!("/app/reports/cost-per-lead?{query}"), &session);
        assert_eq!(shown.status, 200, "{}", shown.text);
        for part in [
            "<h1>Cost per lead by channel, month</h1>",
            "<option value=\"month\" selected>",
            "Linear, Time decay (half life days 14)",
            "name=\"time_decay.half_life_days\" value=\"14\"",
            "<h2 id=\"method\">What these figures depend on</h2>",
        ] {
            assert!(shown.text.contains(part), "{part} in {}", shown.text);
        }
        for inline in [" style=", "<style", "onclick="] {
            assert!(!shown.text.contains(inline), "{inline} needs a weaker policy");
        }
        let leads = evidence_of(&shown.text, "leads_micro");
        assert_eq!(leads.len(), 4, "a row and the totals, by two models: {leads:?}");
        let [linear, decayed, ..] = &leads[..] else { panic!("{leads:?}") };
        assert!(linear.contains("&model=linear&") && linear.contains("&row=linkedin-organic%2C2026-03&"), "{linear}");
        assert!(decayed.contains("&model=time_decay%3Ahalf_life_days%3D14&"), "{decayed}");
        for href in leads.iter().chain(&evidence_of(&shown.text, "cost_minor")) {
            let evidence = page(&app, href, &session);
            assert_eq!(evidence.status, 200, "{href}: {}", evidence.text);
        }
        let shown = page(&app, "/app?from=2026-03-01&to=2026-03-31", &session).text;
        for figure in ["cpl_minor", "roas"] {
            let href = evidence_of(&shown, figure).into_iter().next().unwrap_or_else(|| panic!("{figure} opens: {shown}"));
            let evidence = page(&app, &href, &session);
            assert_eq!((evidence.status, evidence.text.contains("Stage events")), (200, true), "{href}: {}", evidence.text);
        }
        let csv = page(&app, &format!("/app/reports/cost-per-lead.csv?{query}"), &session);
        assert!(csv.text.contains("linkedin-organic · 2026-03,time_decay:half_life_days=14,1,0,1000000,"), "{}", csv.text);
        let api = app.report("by=channel&by=month&model=linear&model=first&from=2026-03-01&to=2026-03-31");
        assert_eq!((&api["parameters"]["by"], &api["parameters"]["model"]), (&json!("channel,month"), &json!("linear,first")));
    }

    fn the_report_tells_signal_from_noise_and_models_that_overlap(app) {
        let session = set_up(&app);
        one_lead(&app);
        let shown = page(&app, "/app?model=participation&compare=previous&compare=year&from=2026-03-01&to=2026-03-31", &session);
        assert_eq!(shown.status, 200, "{}", shown.text);
        for part in [
            "Against the period before, 2026-02-01 to 2026-02-28",
            "Against a year before, 2025-03-01 to 2025-03-31",
            "<b class=\"verdict\">noise</b>",
            "We could not see a change smaller than: ",
            "do not add up to the total",
            "chart-row uncertain",
        ] {
            assert!(shown.text.contains(part), "{part} in {}", shown.text);
        }
        let weeks = page(&app, "/app?by=week&from=2026-01-01&to=2026-03-31", &session).text;
        assert!(weeks.contains("Leads by week") && weeks.contains("chart-band") && weeks.contains("2026-W10"), "{weeks}");
    }

    fn a_report_that_is_refused_says_why_at_its_fields(app) {
        let session = set_up(&app);
        let refused = page(&app, "/app?by=moon&model=magic&zone=Mars/Base&channel=-&from=2026-03-01&to=2026-03-31", &session);
        assert_eq!(refused.status, 422);
        for part in [
            "<a href=\"#f-by\">By</a>: <code>moon</code>",
            "id=\"f-by-fault\"",
            "id=\"f-zone-fault\"",
            "id=\"f-channel-fault\"",
            "value=\"magic\"",
            "name=\"channel\" value=\"-\"",
        ] {
            assert!(refused.text.contains(part), "{part} in {}", refused.text);
        }
        assert_eq!(refused.text.matches("<details class=\"fold\" open>").count(), 3, "what is wrong is not folded away");
        assert!(!refused.text.contains("<table"));
        let day = app.client.get("/api/v1/reports/cost-per-lead?from=2026-13-01&to=2026-03-31");
        assert_eq!(day.fault_codes().len(), 1, "a day that cannot be read is not also after the other: {}", day.text);
        let csrf = csrf_in(&page(&app, "/app/unmatched", &session).text);
        let match_of = [("csrf", csrf.as_str()), ("item", "deal:1"), ("to", "nonsense")];
        let refused = post(&app, "/app/matches", &session, &match_of);
        assert!(refused.status == 422 && refused.text.contains(">Match with</a>: "), "the filter's last day is not at fault: {}", refused.text);
        let metrics = page(&app, "/app/reports/post-metrics", &session).text;
        assert!(!metrics.contains("Look-back") && metrics.contains("href=\"/app/import\""), "a network's counts know no look-back: {metrics}");
    }

    fn a_marketer_makes_a_link_and_a_key_on_the_pages(app) {
        let session = set_up(&app);
        app.channel("linkedin-organic", "linkedin", "social");
        let csrf = csrf_in(&page(&app, "/app/links", &session).text);
        let fields = [("csrf", csrf.as_str()), ("destination", "https://example.com/?utm_source=x"), ("channel", "linkedin-organic"), ("slug", "made-here"), ("passes_query", "on")];
        let made = post(&app, "/app/links", &session, &fields);
        assert_eq!(made.status, 303, "{}", made.text);
        assert_eq!(app.client.browse("/made-here").status, 302, "live with its answer");
        let clash = post(&app, "/app/links", &session, &fields);
        assert!((400..500).contains(&clash.status) && clash.text.contains("taken"), "{}", clash.status);
        let key = post(&app, "/app/keys", &session, &[("csrf", &csrf), ("name", "CRM"), ("scopes", "conversions:write")]);
        assert_eq!(key.status, 303, "{}", key.text);
        assert_eq!(app.client.get("/api/v1/links").status, 200);
    }

    fn finance_keeps_costs_hours_monthly_costs_and_rates_on_the_pages(app) {
        let session = set_up(&app);
        app.channel("linkedin-organic", "linkedin", "social");
        let csrf = csrf_in(&page(&app, "/app/costs", &session).text);
        let send = |path: &str, fields: &[(&str, &str)]| {
            let fields: Vec<(&str, &str)> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
            post(&app, path, &session, &fields)
        };
        let done = |path: &str, fields: &[(&str, &str)], code: &str| {
            let reply = send(path, fields);
            assert_eq!((reply.status, reply.header("location").ends_with(&format!("?done={code}"))), (303, true), "{path}: {}", reply.text);
            assert!(page(&app, &reply.header("location"), &session).text.contains("notice good"), "{path} says that it worked");
        };
        let upload = |csrf: &str, text: &str| {
            let body = format!("--x\r\ncontent-disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--x\r\ncontent-disposition: form-data; \
                name=\"file\"; filename=\"<b>.csv\"\r\ncontent-type: text/csv\r\n\r\n{text}\r\n--x--\r\n");
            let headers = [("content-type", "multipart/form-data; boundary=x"), ("cookie", session.as_str()), ("origin", app.client.base.as_str())];
            app.client.send("POST", "/app/rates/import", &headers, body.as_bytes())
        };
        let history = "Date,USD,\n2026-03-02,1.25,\n";
        assert_eq!(upload("made-up", history).status, 403, "a form without the session's token");
        let refused = upload(&csrf, "Day,Cost\n");
        assert_eq!((refused.status, refused.text.contains("first line must be Date,USD,JPY")), (422, true), "{}", refused.text);
        assert_eq!(upload(&csrf, history).header("location"), "/app/rates?done=rates-imported");
        assert_eq!(upload(&csrf, history).header("location"), "/app/rates?done=rates-stood");
        assert_eq!(upload(&csrf, &"x".repeat(9 << 20)).status, 413);
        done("/app/rates", &[("day", "2026-03-03"), ("base", "EUR"), ("quote", "USD"), ("rate", "1.6")], "rate-added");
        let rates = page(&app, "/app/rates", &session).text;
        for told in ["European Central Bank", "by hand", "1.25", "1.6", "1 rate of the bank stands"] {
            assert!(rates.contains(told), "{told} in {rates}");
        }
        assert!(!page(&app, "/app/rates?to=2026-03-02", &session).text.contains("1.6"));

        done("/app/costs", &[("from", "2026-03-02"), ("amount", "10.00"), ("currency", "USD"), ("kind", "tools"), ("allocation", "weights"), ("weights", "linkedin-organic=1"), ("note", "Try <it>")], "cost-added");
        done("/app/costs", &[("from", "2026-05-04"), ("amount", "-1.234,50"), ("currency", "EUR"), ("kind", "media")], "cost-added");
        assert!(page(&app, "/app/costs", &session).text.contains("−1,234.50 EUR"), "an amount as it is typed in Europe");
        let doubtful = send("/app/costs", &[("from", "2026-05-04"), ("amount", "1,250"), ("currency", "EUR"), ("kind", "media")]);
        assert_eq!((doubtful.status, doubtful.text.contains("is not an amount")), (422, true), "{}", doubtful.text);
        done("/app/costs/hourly-rates", &[("person", "Ana"), ("effective_from", "2026-01-01"), ("rate", "80.00"), ("currency", "EUR")], "hourly-rate-added");
        done("/app/costs/labour", &[("person", "Ana"), ("hours", "1:30"), ("from", "2026-03-02"), ("channel", "linkedin-organic"), ("currency", "EUR")], "hours-added");
        done("/app/costs/monthly", &[("name", "Planner"), ("kind", "tools"), ("first_day", "2026-03-01"), ("amount", "31.00"), ("currency", "EUR"), ("allocation", "stage"), ("stage", "lead")], "monthly-added");
        let monthly = page(&app, "/app/costs/monthly", &session).text;
        let id = monthly.split("value=\"sch_").nth(1).and_then(|rest| rest.split('"').next()).expect("a schedule to choose");
        let id = format!("sch_{id}");
        done("/app/costs/monthly/change", &[("schedule", &id), ("from", "2026-03-01"), ("amount", "62.00")], "monthly-changed");
        let report = app.report("from=2026-03-01&to=2026-03-31");
        let cost = |key: &str| crate::support::row(&report, key)["cost_minor"].as_i64();
        assert_eq!((cost("linkedin-organic"), cost("(shared)")), (Some(800 + 12_000), Some(6_200)), "{report}");

        let labour = page(&app, "/app/costs/labour", &session).text;
        for id in ["f-rate", "f2-rate"] {
            let told = |name: &str| labour.matches(&format!("{name}=\"{id}\"")).count();
            assert_eq!((told("id"), told("for")), (1, 1), "each field has its own label: {id}");
        }
        let refused = send("/app/costs/labour", &[("person", "Bob"), ("hours", "soon"), ("from", "2026-03-02")]);
        assert_eq!((refused.status, refused.text.contains("is no time worked")), (422, true), "{}", refused.text);
        let refused = send("/app/costs/monthly", &[("name", "X"), ("first_day", "2026-03-01"), ("last_day", "2026-03-15"), ("amount", "1"), ("currency", "EUR")]);
        assert_eq!((refused.status, refused.text.contains("use 2026-03-31")), (422, true), "{}", refused.text);
        let costs = page(&app, "/app/costs", &session).text;
        assert!(costs.contains("Try &lt;it&gt;") || costs.contains("Try &#60;it&#62;"), "notes are escaped: {costs}");
        assert!(page(&app, "/app/costs/rules", &session).text.contains("What each rule would have done"));
    }
}

#[test]
fn the_visitor_cookie_is_decided_by_the_first_administrator() {
    let app = TestApp::start_with(Backend::Sqlite, &[("tracking.visitor_cookie", "ask")]);
    app.link("go");
    assert_eq!(app.client.browse("/go").header("set-cookie"), "", "off until decided");
    let token = set_up_token(&app);
    let without = [("token", token.as_str()), ("email", "a@example.com"), ("password", PASSWORD)];
    assert_eq!(post(&app, "/app/set-up", "", &without).status, 422, "the decision is asked for");
    let with = [without[0], without[1], without[2], ("visitor_cookie", "on")];
    assert_eq!(post(&app, "/app/set-up", "", &with).status, 303);
    assert!(app.client.browse("/go").header("set-cookie").starts_with("hw_visitor="));
}

#[test]
fn guessing_passwords_is_slowed_down() {
    let app = TestApp::start(Backend::Sqlite);
    set_up(&app);
    let guess = || post(&app, "/app/sign-in", "", &[("email", "admin@example.com"), ("password", "wrong password")]);
    let limited = (0..30).map(|_| guess()).find(|r| r.status == 429).expect("a limit");
    assert!(limited.header("retry-after").parse::<u64>().expect("seconds") > 0);
}
