//! The browser's side, in a real Chromium on the pages of `examples/landing`: what it keeps, shows and reports.

use std::path::Path;

use headwater::connectors::verify::{SigningSecret, standard_webhooks_signature};
use headwater::domain::time::{Clock as _, SystemClock, UtcMillis};
use headwater::domain::touch::NETWORK_CLICK_ID_PARAMS;
use serde_json::{Value, json};

use crate::hooks;
use crate::support::binary::{self, Process};
use crate::support::browser::{Browser, Site, eventually};
use crate::support::{Backend, Client, TestApp, TestDb, row};
use crate::tracking::{Stored, touches};
use crate::ui::{PASSWORD, one_lead, set_up};

/// A site whose pages report to a server in this process, and a browser.
struct Bench {
    browser: Browser,
    site: Site,
    app: TestApp,
}

impl Bench {
    fn start(backend: Backend) -> Self {
        let site = Site::start();
        let app = TestApp::start_with(backend, &[("tracking.allowed_origins", &site.allowed_origins())]);
        site.publish(&app.client.base);
        app.channel("linkedin-organic", "linkedin", "social").expect(201);
        Self { browser: Browser::start(), site, app }
    }

    /// Opens a path of the site, a minute after what was before.
    fn visit(&self, path: &str) {
        self.app.clock.advance_ms(60_000);
        self.browser.open(&format!("{}{path}", self.site.origin()));
    }

    /// What the present page's script asked the server for.
    fn reported(&self) -> Vec<String> {
        let sent = self.browser.eval("window.sent");
        let said = |text: &Value| serde_json::from_str::<Value>(text.as_str().expect("text")).expect("json");
        sent.as_array().expect("list").iter().map(|s| said(s)["type"].as_str().expect("type").to_owned()).collect()
    }

    /// The id that the script got for a landing.
    fn landed(&self) -> String {
        assert_eq!(self.reported(), ["landing"]);
        eventually("the answer to a landing", || Some(self.id()).filter(|id| id.starts_with("clk_")))
    }

    fn id(&self) -> String {
        self.browser.eval("headwater.id()").as_str().unwrap_or("").to_owned()
    }

    fn kinds(&self) -> Vec<(String, String)> {
        touches(&self.app).into_iter().map(|t| (t.kind, t.class)).collect()
    }

    fn forms_submitted(&self) -> u64 {
        self.app.state().metrics.forms_submitted.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// Declares tests that run once on each database, with a browser.
macro_rules! in_browser {
    ($($(#[$doc:meta])* fn $name:ident($bench:ident) $body:block)+) => {
        $(
            mod $name {
                use super::*;

                $(#[$doc])*
                fn check($bench: &Bench) $body

                #[test]
                fn sqlite() {
                    check(&Bench::start(Backend::Sqlite));
                }

                #[test]
                fn postgres() {
                    check(&Bench::start(Backend::Postgres));
                }
            }
        )+
    };
}

mod a_click_becomes_a_lead_and_a_customer_in_one_journey {
    use super::*;

    #[test]
    fn sqlite() {
        check(Backend::Sqlite);
    }

    #[test]
    fn postgres() {
        check(Backend::Postgres);
    }

    /// The real binary, a real browser, and a CRM that knows no more than what the form and the e-mail say.
    fn check(backend: Backend) {
        let (db, dir, site) = (TestDb::new(backend), tempfile::tempdir().expect("dir"), Site::start());
        let key = make_key(dir.path(), db.url());
        let origins = format!("tracking.allowed_origins={}", site.allowed_origins());
        let arguments = ["serve", "--set", &origins, "--set", "tracking.visitor_cookie=off"];
        let server = Process::start(dir.path(), db.url(), &arguments);
        let client = server.client(&key);
        site.publish(&server.base);
        let short_url = make_link(&client, &format!("{}/?plan=a%20b#demo", site.origin()));
        site.put("/post.html", &format!("<!doctype html><a href=\"{short_url}\">Rain you can plan with</a>"));

        let browser = Browser::start();
        let form = click_and_fill_in(&browser, &site);
        tell(&client, &form["hw_id"], &form["email"]);

        let journey = client.get("/api/v1/people").expect(200);
        let people = journey["items"].as_array().expect("items");
        assert_eq!(people.len(), 1, "{journey}");
        let steps = people[0]["steps"].as_array().expect("steps");
        let kinds: Vec<_> = steps.iter().map(|s| s["kind"].as_str().expect("kind")).collect();
        assert_eq!(kinds, ["click", "lead", "customer"], "{journey}");
        assert_eq!(steps[0]["channel"], "linkedin-organic");
        assert_eq!(steps[0]["link"], "tidewell");
        assert_eq!(steps[0]["id"], form["hw_id"].as_str());
        let by_id = client.get(&format!("/api/v1/people/{}", people[0]["person"].as_str().expect("person")));
        assert_eq!(by_id.expect(200), people[0]);

        let report = client.get("/api/v1/reports/cost-per-lead?model=last").expect(200);
        let channel = row(&report, "linkedin-organic");
        assert_eq!(channel["clicks"], 1, "{report}");
        assert_eq!(channel["other_touches"], 0, "a redirected arrival is no landing as well: {report}");
        assert_eq!(channel["leads_micro"], 1_000_000, "{report}");
        assert_eq!(channel["customers_micro"], 1_000_000, "{report}");
        assert_eq!(channel["revenue_minor"], 48_000, "{report}");
        assert_eq!(report["totals"]["leads_micro"], 1_000_000, "{report}");
    }

    fn make_key(dir: &Path, database_url: &str) -> String {
        let scopes = "links:write,endpoints:write,reports:read";
        let made = binary::run_ok(dir, database_url, &["key", "create", "test", "--scopes", scopes, "--json"]);
        let made: Value = serde_json::from_str(&made).expect("json");
        made["key"].as_str().expect("key").to_owned()
    }

    fn make_link(client: &Client, destination: &str) -> String {
        let channel = json!({ "code": "linkedin-organic", "utm_source": "linkedin", "utm_medium": "social" });
        client.post("/api/v1/channels", &channel).expect(201);
        let link = json!({ "slug": "tidewell", "destination": destination, "channel": "linkedin-organic" });
        client.post("/api/v1/links", &link).expect(201);
        format!("{}/tidewell", client.base)
    }

    fn click_and_fill_in(browser: &Browser, site: &Site) -> std::collections::HashMap<String, String> {
        browser.open(&format!("{}/post.html", site.elsewhere()));
        browser.click("a");
        let shown = browser.wait_url("the landing page", |url| url.starts_with(&site.origin()));
        let wanted = format!("{}/?plan=a%20b&utm_source=linkedin&utm_medium=social#demo", site.origin());
        assert_eq!(shown, wanted, "hw_id has gone, everything else is there");
        let id = browser.value("input[name=hw_id]");
        assert!(id.starts_with("clk_") && id.len() == 30, "{id}");
        browser.type_into("input[name=email]", "ana@brewery.example");
        browser.type_into("input[name=company]", "Brewery");
        browser.click("form button");
        browser.wait_url("the thanks page", |url| url.ends_with("/thanks.html"));
        let mut forms = site.forms();
        assert_eq!(forms.len(), 1);
        let form = forms.remove(0);
        assert_eq!((form["email"].as_str(), form["hw_id"].as_str()), ("ana@brewery.example", id.as_str()));
        form
    }

    /// The lead carries the click id; the later sale only knows the address.
    fn tell(client: &Client, click_id: &str, email: &str) {
        let mapping = json!({ "stage": "/lifecycle", "occurred_at": "/at", "click_id": "/properties/hw_id",
            "email": "/contact/email", "value": "/amount", "currency": "/currency" });
        let endpoint = json!({ "name": "CRM", "verification": "standard-webhooks", "mapping": mapping });
        let endpoint = client.post("/api/v1/endpoints", &endpoint).expect(201);
        let secret = SigningSecret::parse(endpoint["secret"].as_str().expect("secret")).expect("secret");
        let path = url::Url::parse(endpoint["url"].as_str().expect("url")).expect("url").path().to_owned();
        let now = SystemClock.now();
        let lead = json!({ "lifecycle": "lead", "at": now.to_string(), "contact": { "email": email },
            "properties": { "hw_id": click_id } });
        post_signed(client, &path, &secret, "lead-1", now, &lead);
        let sale = json!({ "lifecycle": "customer", "at": now.plus_ms(1).to_string(),
            "contact": { "email": email.to_uppercase() }, "amount": "480.00", "currency": "EUR" });
        post_signed(client, &path, &secret, "sale-1", now, &sale);
    }

    fn post_signed(client: &Client, path: &str, secret: &SigningSecret, id: &str, now: UtcMillis, body: &Value) {
        let (body, seconds) = (body.to_string(), now.0.div_euclid(1_000));
        let signature = standard_webhooks_signature(secret, id, seconds, body.as_bytes());
        let timestamp = seconds.to_string();
        let headers = [("webhook-id", id), ("webhook-timestamp", &timestamp), ("webhook-signature", &signature)];
        let answer = client.send("POST", path, &headers, body.as_bytes()).expect(200);
        assert_eq!(answer["status"], "accepted", "{answer}");
        let delivery = format!("/api/v1/deliveries/{}", answer["delivery"].as_str().expect("delivery"));
        eventually("the delivery is stored and read", || {
            let reply = client.get(&delivery);
            (reply.status == 200 && reply.json()["items"][0]["status"] == "stored").then_some(())
        });
    }
}

in_browser! {
    /// A tagged visit without a link of ours is one landing of its channel, however many pages it has.
    fn an_arrival_without_a_redirect_is_one_landing_a_visit(bench) {
        bench.visit("/?utm_source=LinkedIn&utm_medium=social&utm_campaign=spring&li_fat_id=abc#demo");
        let id = bench.landed();
        assert_eq!(bench.browser.value("input[name=hw_id]"), id);
        assert!(bench.browser.url().ends_with("/?utm_source=LinkedIn&utm_medium=social&utm_campaign=spring&li_fat_id=abc#demo"));

        bench.browser.reload();
        assert_eq!((bench.reported(), bench.id()), (vec![], id.clone()), "reloaded");
        bench.browser.click("a.brand");
        bench.browser.wait_url("the start page", |url| url.ends_with("/"));
        assert_eq!((bench.reported(), bench.id()), (vec![], id.clone()), "a second page");
        assert_eq!(bench.browser.value("input[name=hw_id]"), id, "carried on to the form there");
        bench.visit("/thanks.html");
        assert_eq!((bench.reported(), bench.id()), (vec![], id.clone()), "typed, in the same tab");

        let [landing] = &touches(&bench.app)[..] else { panic!("{:?}", touches(&bench.app)) };
        let wanted = Stored {
            kind: "landing".into(),
            class: "human".into(),
            class_rule: "browser".into(),
            private: false,
            channel: Some("linkedin-organic".into()),
            page: Some("127.0.0.1/".into()),
            ..landing.clone()
        };
        assert_eq!(*landing, wanted);
        assert!(landing.network_ids.as_ref().is_some_and(|ids| ids.contains("li_fat_id") && ids.contains("abc")));
        assert!(landing.visitor_id.is_some(), "the site is the server's own, so its cookie holds");
        let report = bench.app.report("from=2026-03-01&to=2026-03-31");
        assert_eq!(row(&report, "linkedin-organic")["other_touches"], 1, "{report}");
        assert_eq!(row(&report, "linkedin-organic")["clicks"], 0, "{report}");
    }

    fn a_new_campaign_or_referrer_in_the_same_tab_is_a_new_landing(bench) {
        bench.visit("/?utm_source=linkedin&utm_medium=social");
        let first = bench.landed();
        bench.visit("/?utm_source=linkedin&utm_medium=social&utm_campaign=autumn");
        let second = eventually("another id", || Some(bench.id()).filter(|id| *id != first));
        assert_eq!(bench.reported(), ["landing"]);
        assert_eq!(bench.browser.value("input[name=hw_id]"), second, "a tagged arrival takes the form over");

        bench.site.put("/pay.html", &format!("<!doctype html><a href=\"{}/thanks.html\">back</a>", bench.site.origin()));
        bench.app.clock.advance_ms(60_000);
        bench.browser.open(&format!("{}/pay.html", bench.site.elsewhere()));
        bench.browser.click("a");
        bench.browser.wait_url("the way back", |url| url.starts_with(&bench.site.origin()));
        assert_eq!(bench.reported(), ["landing"], "from another site");
        eventually("the third landing", || (touches(&bench.app).len() == 3).then_some(()));
        assert_eq!(bench.id(), second, "an untagged return does not displace the id");
        bench.browser.reload();
        assert_eq!((bench.reported(), bench.id()), (vec![], second));
    }

    fn a_page_that_the_site_itself_led_to_is_no_landing(bench) {
        let links = "<a id=plain href=\"/thanks.html\">a</a> <a id=tagged href=\"/thanks.html?utm_source=linkedin&utm_medium=social\">b</a>";
        bench.site.put("/menu.html", &format!("<!doctype html>{links}"));
        let follow = |css: &str| {
            bench.visit("/menu.html");
            bench.browser.click(css);
            bench.browser.wait_url("the next page", |url| url.contains("/thanks.html"));
            bench.reported()
        };
        // A link opened in a new tab has no memory of the visit either.
        assert_eq!(follow("#plain"), Vec::<String>::new());
        assert_eq!(follow("#tagged"), ["landing"], "where a page without the script passed the tags on");
        bench.landed();
        assert_eq!(follow("#tagged"), Vec::<String>::new());
        bench.browser.new_tab();
        bench.visit("/");
        bench.landed();
        assert_eq!(bench.kinds().len(), 2);
    }

    /// Before consent nothing is kept or sent; the id that came in the address may go into the form.
    fn nothing_is_kept_or_sent_before_consent(bench) {
        let page = bench.site.page("/index.html").replace("hw.js\"", "hw.js\" data-consent=\"required\"");
        bench.site.put("/consent.html", &page);
        let given = "clk_01KJQ2Z5T0ABCDEFGHJKMNPQRS";
        let kept = || bench.browser.eval("sessionStorage.length + document.cookie.length");
        bench.visit(&format!("/consent.html?utm_source=linkedin&utm_medium=social&hw_id={given}"));
        assert_eq!(bench.browser.value("input[name=hw_id]"), given);
        assert!(!bench.browser.url().contains("hw_id"), "{}", bench.browser.url());
        submit(bench);
        assert_eq!(bench.site.forms()[0]["hw_id"], given);
        bench.visit("/consent.html?utm_source=linkedin&utm_medium=social");
        assert_eq!((bench.reported(), kept()), (vec![], json!(0)));
        assert_eq!(bench.browser.value("input[name=hw_id]"), "", "nothing was kept of the first page");
        assert_eq!((bench.forms_submitted(), bench.kinds().len()), (0, 0));

        bench.browser.eval("headwater.consent()");
        let id = bench.landed();
        assert_eq!(bench.browser.value("input[name=hw_id]"), id);
        bench.browser.eval("headwater.consent()");
        assert_eq!(bench.reported(), ["landing"], "asked twice");
        assert_eq!(kept(), json!(1));
        submit(bench);
        eventually("the submit report", || (bench.forms_submitted() == 1).then_some(()));
        assert_eq!(bench.kinds(), [("landing".to_owned(), "human".to_owned())]);
    }

    fn forms_are_filled_whenever_they_appear_and_their_submits_counted(bench) {
        let given = "clk_01KJQ2Z5T0ABCDEFGHJKMNPQRS";
        bench.visit(&format!("/?hw_id={given}"));
        let late = "<form id=late method=post action=/><input name=hw_id type=hidden><input name=x data-hw-id><button>b</button></form>\
            <form id=search method=post action=/><input name=q value=1><button>b</button></form>";
        let add = |id: &str| {
            bench.browser.eval(&format!("void document.body.insertAdjacentHTML('beforeend', {})", json!(late)));
            bench.browser.click(&format!("#{id} button"));
            bench.browser.wait_url("the thanks page", |url| url.ends_with("/thanks.html"));
        };
        add("late");
        let form = bench.site.forms().pop().expect("form");
        assert_eq!((form["hw_id"].as_str(), form["x"].as_str()), (given, given));
        eventually("the submit report", || (bench.forms_submitted() == 1).then_some(()));
        bench.visit("/");
        add("search");
        assert_eq!(bench.site.forms().len(), 2);
        bench.visit("/");
        submit(bench);
        eventually("the second report", || (bench.forms_submitted() >= 2).then_some(()));
        assert_eq!(bench.forms_submitted(), 2, "a form without the field is no lead form");
        assert_eq!(bench.kinds(), [], "a submit is counted and makes no touch");
    }

    fn the_address_keeps_everything_but_the_click_id(bench) {
        let given = "clk_01KJQ2Z5T0ABCDEFGHJKMNPQRS";
        for (before, after) in [
            (format!("?hw_id={given}"), ""),
            (format!("?hw_id={given}#top"), "#top"),
            (format!("?hw_id={given}&a=1#?hw_id=x"), "?a=1#?hw_id=x"),
            (format!("?a=%20b+c&flag&hw_id={given}&a=1&not_hw_id=2#top"), "?a=%20b+c&flag&a=1&not_hw_id=2#top"),
            (format!("?a=1&hw_id={given}&hw_id={given}"), "?a=1"),
        ] {
            bench.visit(&format!("/{before}"));
            assert_eq!(bench.browser.url(), format!("{}/{after}", bench.site.origin()), "{before}");
            assert_eq!(bench.browser.value("input[name=hw_id]"), given, "{before}");
            assert_eq!(bench.reported(), Vec::<String>::new());
        }
        bench.browser.new_tab();
        bench.visit("/?hw_id={{click}}&a=1");
        assert_eq!(bench.browser.url(), format!("{}/?a=1", bench.site.origin()));
        bench.landed();
    }

    fn blocked_storage_and_old_browsers_lose_what_needs_them_and_nothing_else(bench) {
        let given = "clk_01KJQ2Z5T0ABCDEFGHJKMNPQRS";
        bench.browser.on_every_page(
            "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('no', 'SecurityError') } })");
        bench.visit("/?utm_source=linkedin&utm_medium=social");
        assert_eq!(bench.browser.value("input[name=hw_id]"), bench.landed());
        bench.browser.click("a.brand");
        bench.browser.wait_url("the start page", |url| url.ends_with("/"));
        assert_eq!(bench.reported(), Vec::<String>::new());
        assert_eq!(bench.browser.eval("errors"), json!([]));

        bench.browser.on_every_page(
            "delete window.XMLHttpRequest; history.replaceState = navigator.sendBeacon = undefined; NodeList.prototype.forEach = undefined");
        bench.visit(&format!("/?hw_id={given}"));
        assert_eq!(bench.id(), given);
        submit(bench);
        bench.browser.on_every_page("Object.defineProperty(document, 'currentScript', { value: null })");
        bench.visit("/");
        assert_eq!(bench.browser.eval("typeof headwater"), json!("undefined"));
        assert_eq!(bench.browser.eval("errors"), json!([]));
        assert_eq!(bench.kinds().len(), 1);
    }

    /// A delivery that does not fit is found, opened, and read again after its mapping was mended.
    fn a_delivery_is_found_opened_and_read_again(bench) {
        let app = &bench.app;
        set_up(app);
        let mapping = json!({ "event_id": "/ref", "stage": "/what", "occurred_at": "/when", "person": "/who" });
        let hook = hooks::endpoint(app, &json!({ "mapping": mapping }));
        let body = r#"{"ref":"d1","what":"Closed Won","when":"2026-03-01T00:00:00Z","who":"crm:7","note":"<img src=x onerror=refused++>"}"#;
        app.verdicts(&hooks::signed(app, &hook, "m1", body, 0));
        bench.browser.on_every_page("window.refused = 0; addEventListener('securitypolicyviolation', () => refused++)");
        bench.browser.open(&format!("{}/app/sign-in?next=/app/inbox", app.client.base));
        bench.browser.type_into("input[name=email]", "admin@example.com");
        bench.browser.type_into("input[name=password]", PASSWORD);
        bench.browser.click("main form button");
        bench.browser.wait_url("the inbox", |url| url.ends_with("/app/inbox"));
        bench.browser.eval("void (document.querySelector('#f-status').value = 'quarantined')");
        bench.browser.click("form.parameters button.primary");
        bench.browser.wait_url("the filter", |url| url.contains("status=quarantined"));
        bench.browser.click("tbody th a");
        let url = bench.browser.wait_url("the delivery", |url| url.contains("/app/inbox/dlv_"));
        let shown = bench.browser.eval("document.querySelector('pre.body').textContent");
        assert!(shown.as_str().is_some_and(|t| t.contains("  \"note\": \"<img src=x")), "{shown}");
        let mended = json!({ "event_id": "/ref", "stage": "/what", "occurred_at": "/when", "person": "/who", "stages": { "closed won": "lead" } });
        app.client.put(&format!("/api/v1/endpoints/{}/mapping", hook.id), &mended).expect(204);
        bench.browser.click("main form.inline button");
        bench.browser.wait_url("the new verdict", |now| now == format!("{url}?done=replayed"));
        assert_eq!(bench.browser.eval("document.querySelector('.state').textContent"), "stored");
        assert_eq!(bench.browser.eval("[refused, document.documentElement.scrollWidth <= innerWidth]"), json!([0, true]));
        bench.browser.click("tbody td a[href*='/app/people/per_']");
        bench.browser.wait_url("the journey", |url| url.contains("/app/people/per_"));
    }

    /// With JavaScript the form's address names only what is set; the page's policy refuses nothing that it does.
    fn the_report_is_asked_by_dimensions_models_and_a_comparison(bench) {
        set_up(&bench.app);
        one_lead(&bench.app);
        bench.browser.on_every_page("window.refused = 0; addEventListener('securitypolicyviolation', () => refused++)");
        let base = &bench.app.client.base;
        bench.browser.open(&format!("{base}/app/sign-in?next=/app/reports/cost-per-lead"));
        bench.browser.type_into("input[name=email]", "admin@example.com");
        bench.browser.type_into("input[name=password]", PASSWORD);
        bench.browser.click("main form button");
        bench.browser.wait_url("the report", |url| url.ends_with("/app/reports/cost-per-lead"));
        for (css, value) in [("#f-by-2", "campaign"), ("#f-from", "2026-03-01"), ("#f-to", "2026-03-31")] {
            bench.browser.eval(&format!("void (document.querySelector('{css}').value = '{value}')"));
        }
        bench.browser.click(".fold > summary");
        bench.browser.click("#f-model-first");
        bench.browser.click("#f-compare-previous");
        bench.browser.click("#report-form button.primary");
        let url = bench.browser.wait_url("the answer", |url| url.contains("by=channel&by=campaign"));
        assert!(url.contains("model=linear&model=first") && url.contains("compare=previous"), "{url}");
        assert!(!url.contains("=&") && !url.ends_with('=') && !url.contains("half_life"), "{url}");
        assert_eq!(bench.browser.value("#f-by-2"), "campaign");
        let count = |css: &str| bench.browser.eval(&format!("document.querySelectorAll('{css}').length"));
        assert_eq!((count("#f-model-first:checked"), count("svg[role=img]")), (json!(1), json!(1)));
        assert_eq!((count(".changes .verdict"), count(".by-model tbody .model-name")), (json!(4), json!(4)));
        assert_eq!(bench.browser.eval("[refused, errors]"), json!([0, []]));
        bench.browser.click(".figures tbody td a[href*=leads_micro]");
        let url = bench.browser.wait_url("the evidence", |url| url.contains("/app/reports/evidence?"));
        assert!(url.contains("row=linkedin-organic%2Cspring-2026&figure=leads_micro"), "{url}");
    }

    /// Somebody who has never seen the product: a file, a look, a click.
    fn an_export_is_imported_from_the_page(bench) {
        set_up(&bench.app);
        bench.app.channel("linkedin-paid", "linkedin", "cpc").expect(201);
        let base = &bench.app.client.base;
        bench.browser.on_every_page("window.refused = 0; addEventListener('securitypolicyviolation', () => refused++)");
        bench.browser.open(&format!("{base}/app/sign-in?next=/app/import"));
        bench.browser.type_into("input[name=email]", "admin@example.com");
        bench.browser.type_into("input[name=password]", PASSWORD);
        bench.browser.click("main form button");
        bench.browser.wait_url("the page", |url| url.ends_with("/app/import"));
        let file = format!(
            "{}/tests/fixtures/exports/spend/linkedin_ads/campaign-performance.utf16le.csv",
            env!("CARGO_MANIFEST_DIR")
        );
        bench.browser.type_into("input[type=file]", &file);
        bench.browser.click("main form button.primary");
        bench.browser.wait_url("the preview", |url| url.contains("/app/import/file/"));
        let text = |css: &str| bench.browser.eval(&format!("document.querySelector('{css}').innerText")).to_string();
        assert!(text("main").contains("LinkedIn Campaign Manager") && text("main").contains("1,334.50 EUR"), "{}", text("main"));
        assert_eq!(bench.browser.value("#f-channel"), "linkedin-paid", "suggested");
        bench.browser.click("button[value=import]");
        bench.browser.wait_url("the result", |url| url.contains("/app/import/done/"));
        assert!(text("main").contains("1,334.50 EUR"), "{}", text("main"));
        assert_eq!(bench.browser.eval("[refused, errors]"), json!([0, []]));
        let report = bench.app.report("from=2026-10-01&to=2026-10-31");
        assert_eq!(row(&report, "linkedin-paid")["cost_minor"], 133_450);
    }

    fn the_script_knows_the_click_id_of_every_network(bench) {
        bench.visit("/");
        bench.landed();
        for param in NETWORK_CLICK_ID_PARAMS {
            bench.visit(&format!("/?{param}=x1"));
            assert_eq!(bench.reported(), ["landing"], "{param}");
        }
        bench.visit("/?client_id=1&page=2");
        assert_eq!(bench.reported(), Vec::<String>::new());
    }
}

/// Fills in the example's form and sends it.
fn submit(bench: &Bench) {
    bench.browser.type_into("input[name=email]", "a@b.example");
    bench.browser.type_into("input[name=company]", "B");
    bench.browser.click("#demo button");
    bench.browser.wait_url("the thanks page", |url| url.ends_with("/thanks.html"));
}
