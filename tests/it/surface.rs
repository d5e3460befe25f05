//! The surface: what anybody may ask, what needs a key, and what is said about both.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::durability::{launch, terminate, until, wait_until};
use crate::support::binary;
use crate::support::{Client, Reply, TestApp as App, click_id};

/// A call of the API: method and path, with `{name}` for its variables.
type Call = (String, String);

fn routes_source() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/routes.rs")).expect("routes.rs")
}

/// Every `.route("path", web::method()…)` of a piece of routes.rs.
fn routes_in(text: &str) -> BTreeSet<Call> {
    let mut list = BTreeSet::new();
    for part in text.split(".route(\"").skip(1) {
        let (path, rest) = part.split_once('"').expect("a path");
        let method = rest.split_once("web::").map(|(_, m)| m).expect("a method");
        let method = match method.split_once('(').expect("a call") {
            ("method", rest) => rest.split_once("Method::").and_then(|(_, m)| m.split_once(')')).expect("name").0,
            (name, _) => name,
        };
        list.insert((method.to_uppercase(), path.to_owned()));
    }
    list
}

/// The calls of `/api/v1`, as routes.rs has them.
fn api_calls() -> BTreeSet<Call> {
    let source = routes_source();
    let (_, api) = source.split_once("fn api_v1").expect("routes.rs has fn api_v1");
    routes_in(api).into_iter().map(|(method, path)| (method, format!("/api/v1{path}"))).collect()
}

/// The path with values that name nothing.
fn filled(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "nothing" } else { part }).collect::<Vec<_>>().join("/")
}

fn assert_problem(reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.status, status, "{what}: {}", reply.text);
    assert_eq!(reply.header("content-type"), "application/problem+json", "{what}");
    let body = reply.json();
    assert_eq!(body["status"], status, "{what}: {body}");
    for field in ["type", "title", "detail"] {
        assert!(body[field].as_str().is_some_and(|t| !t.is_empty()), "{what}: {field} is missing in {body}");
    }
    assert!(body["type"].as_str().expect("text").starts_with("urn:headwater:problem:"), "{what}: {body}");
}

pub(crate) fn key(app: &App, scopes: &str) -> Client {
    use headwater::http::auth::new_key;
    let (key, hint) = new_key();
    let db = &app.state().db;
    let hash = headwater::secret::sha256(key.as_bytes());
    db.write_now(|conn| {
        headwater::store::access::create_key(conn, scopes, &hint, &hash, scopes, headwater::domain::time::UtcMillis(0))
    })
    .expect("key");
    Client::new(&app.client.base, &key)
}

on_both! {
    /// The document and the route table are one list.
    fn openapi_names_every_call(app) {
        let reply = Client::new(&app.client.base, "").send("GET", "/api/openapi.json", &[], b"");
        let document = reply.expect(200);
        assert!(document["openapi"].as_str().expect("version").starts_with("3.1."), "{}", document["openapi"]);
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, call) in item.as_object().expect("item") {
                described.insert((method.to_uppercase(), path.clone()));
                assert!(call["responses"].as_object().is_some_and(|r| !r.is_empty()), "{method} {path} answers nothing");
                let declared: BTreeSet<&str> = call["parameters"].as_array().into_iter().flatten()
                    .filter(|p| p["in"] == "path").filter_map(|p| p["name"].as_str()).collect();
                let written: BTreeSet<&str> =
                    path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}')).collect();
                assert_eq!(declared, written, "{method} {path}: its path parameters");
            }
        }
        assert!(described.len() > 25);
        assert_eq!(described, api_calls(), "left: the document; right: src/http/routes.rs");
        // References lead somewhere.
        for reference in reply.text.split("\"$ref\":\"").skip(1) {
            let target = reference.split('"').next().expect("end");
            let found = document.pointer(target.strip_prefix('#').expect("within the document"));
            assert!(found.is_some(), "{target} is referred to and missing");
        }
    }

    fn a_call_without_a_key_answers_401(app) {
        for (method, path) in api_calls() {
            for authorization in ["", "Bearer hwk_unknown", "Basic eDp5", "hwk_unknown"] {
                let headers = [("authorization", authorization), ("content-type", "application/json")];
                let headers = if authorization.is_empty() { &headers[1..] } else { &headers[..] };
                let reply = app.client.send(&method, &filled(&path), headers, b"{}");
                assert_problem(&reply, 401, &format!("{method} {path} with {authorization:?}"));
                assert!(reply.header("www-authenticate").starts_with("Bearer"), "{method} {path}");
            }
        }
    }

    /// A key of no use for the API is refused everywhere; a key with one scope is refused what others are for.
    fn a_key_without_the_scope_answers_403(app) {
        let metrics_only = key(&app, "metrics:read");
        let reports_only = key(&app, "reports:read");
        for (method, path) in api_calls() {
            let auth = |c: &Client| format!("Bearer {}", c.key);
            let ask = |c: &Client| {
                c.send(&method, &filled(&path), &[("authorization", &auth(c)), ("content-type", "application/json")], b"{}")
            };
            let what = format!("{method} {path}");
            assert_problem(&ask(&metrics_only), 403, &what);
            let is_set_up = path == "/api/v1/presets" || ["/endpoints", "/deliveries"].iter().any(|part| path.contains(part));
            if method == "GET" && !is_set_up {
                assert!(![401, 403].contains(&ask(&reports_only).status), "{what} with reports:read");
            } else {
                assert_problem(&ask(&reports_only), 403, &what);
            }
        }
    }

    fn an_unknown_call_answers_404(app) {
        for path in ["/api/v1/nothing", "/api/v1/links/1/2/3", "/api/v1/", "/api/v1/nothing?x=1"] {
            for method in ["GET", "POST", "DELETE"] {
                assert_problem(&app.client.send(method, path, &[], b""), 404, &format!("{method} {path}"));
            }
        }
    }

    /// The list that routes.rs promises: tracking, hooks, operations and the API's description; and nothing else.
    fn the_anonymous_surface_is_this(app) {
        app.link("known");
        let anonymous = Client::new(&app.client.base, "");
        let source = routes_source();
        let (outer, _) = source.split_once("fn api_v1").expect("routes.rs has fn api_v1");
        let expected: BTreeSet<Call> = [
            ("GET", "/healthz"), ("HEAD", "/healthz"), ("GET", "/readyz"), ("HEAD", "/readyz"), ("GET", "/metrics"),
            ("GET", "/t/p.gif"), ("GET", "/t/hw.js"), ("POST", "/t/collect"), ("OPTIONS", "/t/collect"), ("POST", "/hooks/{token}"),
            ("GET", "/hooks/{token}"), ("POST", "/hooks/{token}/{below:.*}"),
            ("GET", "/api/openapi.json"), ("GET", "/{slug}"), ("HEAD", "/{slug}"),
        ].iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
        let mut routes = routes_in(outer);
        // The pixel is answered in front of the routes.
        assert!(routes.insert(("GET".to_owned(), "/t/p.gif".to_owned())));
        assert_eq!(routes, expected, "left: src/http/routes.rs; right: what anybody may ask");
        for (method, path, status) in [
            ("GET", "/healthz", 200), ("HEAD", "/healthz", 200), ("GET", "/readyz", 200), ("HEAD", "/readyz", 200),
            ("GET", "/metrics", 200), ("GET", "/t/p.gif", 200),
            ("GET", "/t/hw.js", 200), ("POST", "/t/collect", 403), ("POST", "/hooks/unknown", 404),
            ("GET", "/api/openapi.json", 200), ("GET", "/known", 302), ("HEAD", "/known", 302), ("GET", "/unknown", 404),
        ] {
            assert_eq!(anonymous.send(method, path, &[], b"").status, status, "{method} {path}");
        }
        // What is not in the table is not there, in any depth and by any method.
        for (method, path) in [
            ("POST", "/"), ("GET", "/a/b"), ("GET", "/t/other"), ("GET", "/t"), ("GET", "/hooks/unknown"), ("GET", "/api"),
            ("GET", "/api/v2/links"), ("GET", "/debug/pprof"), ("POST", "/known"), ("DELETE", "/known"),
            ("PUT", "/healthz"), ("POST", "/metrics"), ("GET", "/.env"), ("GET", "/../Cargo.toml"), ("TRACE", "/healthz"),
        ] {
            let reply = anonymous.send(method, path, &[], b"");
            assert!([404, 405].contains(&reply.status), "{method} {path} answers {}", reply.status);
            assert!(reply.header("location").is_empty(), "{method} {path}");
        }
        assert_eq!(anonymous.send("GET", "/", &[], b"").header("location"), "/app");
        // A proxy on this machine makes everybody look like loopback, so it opens nothing.
        let metrics_key = key(&app, "metrics:read");
        let bearer = format!("Bearer {}", metrics_key.key);
        for name in ["forwarded", "x-forwarded-for", "x-real-ip"] {
            assert_problem(&anonymous.send("GET", "/metrics", &[(name, "192.0.2.1")], b""), 401, name);
            let known = anonymous.send("GET", "/metrics", &[(name, "192.0.2.1"), ("authorization", &bearer)], b"");
            assert_eq!(known.status, 200, "{name} with metrics:read");
        }
    }

    /// Whoever is not signed in gets no page but those that lead in.
    fn every_other_page_asks_to_sign_in(app) {
        app.link("known");
        let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/ui/mod.rs")).expect("ui");
        let (_, closed) = source.split_once(".route(\"\",").expect("the page /app comes first of those behind the sign-in");
        let pages = routes_in(&format!(".route(\"\",{closed}"));
        assert!(pages.len() > 25, "{pages:?}");
        let anonymous = Client::new(&app.client.base, "");
        let before = app.client.get("/api/v1/links").text;
        for (method, path) in pages {
            for headers in [&[][..], &[("cookie", "hw_session=made-up")], &[("authorization", "Bearer made-up")]] {
                let reply = anonymous.send(&method, &format!("/app{}", filled(&path)), headers, b"");
                let location = reply.header("location");
                let leads_in = [302, 303].contains(&reply.status) && location.starts_with("/app/sign-in");
                assert!(leads_in || [401, 403].contains(&reply.status), "{method} /app{path}: {} {location}", reply.status);
            }
        }
        assert_eq!(app.client.get("/api/v1/links").text, before);
    }

    /// answered = journaled + unrecorded; journaled + replayed + rewritten = stored + duplicate + quarantined + pending.
    fn the_counters_add_up(app) {
        app.link("known");
        for _ in 0..25 {
            app.click("known");
            app.client.send("GET", "/t/p.gif?l=known", &[], b"");
            assert_equations(&counters(&app.client));
        }
        app.client.send("GET", "/unknown-slug", &[], b"");
        app.settle();
        let c = counters(&app.client);
        assert_equations(&c);
        assert_eq!((c("touches_answered"), c("touches_stored"), c("touches_pending")), (50, 50, 0));
        assert_eq!((c("clicks_unrecorded"), c("touches_quarantined"), c("slugs_unknown")), (0, 0, 1));
    }

    /// A journal that cannot take any more costs the record and never the redirect, and says so.
    fn what_a_full_journal_refuses_is_counted(app) {
        app.link("known");
        app.stop();
        app.config.journal.max_bytes = 0;
        app.run();
        for _ in 0..7 {
            assert_eq!(app.client.browse("/known").status, 302);
        }
        let c = counters(&app.client);
        assert_equations(&c);
        assert_eq!((c("touches_answered"), c("clicks_unrecorded"), c("touches_journaled")), (7, 7, 0));
    }
}

/// Reads `/metrics`; answers a look-up of a counter or gauge by its name.
pub(crate) fn counters(client: &Client) -> impl Fn(&str) -> u64 + use<> {
    let text = client.send("GET", "/metrics", &[], b"").text;
    assert!(text.ends_with("# EOF\n"), "{text}");
    move |name| {
        let value = |line: &str| {
            line.strip_prefix(&format!("headwater_{name}"))?
                .trim_start_matches("_total")
                .strip_prefix(' ')?
                .parse()
                .ok()
        };
        text.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in {text}"))
    }
}

pub(crate) fn assert_equations(c: &impl Fn(&str) -> u64) {
    assert_eq!(c("touches_answered"), c("touches_journaled") + c("clicks_unrecorded"), "answered");
    assert_eq!(
        c("touches_journaled") + c("touches_replayed") + c("touches_rewritten"),
        c("touches_stored") + c("touches_duplicate") + c("touches_quarantined") + c("touches_pending"),
        "journaled"
    );
}

/// Where nothing is under way: what was accepted is journaled or stored directly, and the journal's account adds up.
pub(crate) fn assert_deliveries_add_up(c: &impl Fn(&str) -> u64) {
    let d = |name: &str| c(&format!("deliveries_{name}"));
    assert_eq!(
        d("accepted") + d("unsynced") + d("unanswered"),
        d("journaled") + d("stored_directly"),
        "accepted deliveries"
    );
    assert_eq!(
        d("journaled") + d("replayed") + d("rewritten"),
        d("stored") + d("duplicate") + d("quarantined") + d("pending"),
        "journaled deliveries"
    );
}

/// What people tell us in confidence, or what works like a password, is in no log line (invariant 8).
#[test]
fn the_log_names_nobody_and_no_secret() {
    let dir = tempfile::tempdir().expect("dir");
    let set_up = |arguments: &[&str]| -> Value {
        serde_json::from_str(&binary::run_ok(dir.path(), "", arguments)).expect("json")
    };
    binary::run_ok(dir.path(), "", &["channel", "create", "newsletter", "--source", "newsletter", "--medium", "email"]);
    binary::run_ok(
        dir.path(),
        "",
        &["link", "create", "https://www.example.com/", "--channel", "newsletter", "--slug", "known"],
    );
    let endpoint = set_up(&[
        "endpoint",
        "create",
        "crm",
        "--verification",
        "bearer",
        "--secret",
        "a-bearer-secret-of-length",
        "--json",
    ]);
    let made = set_up(&["key", "create", "t", "--scopes", "conversions:write", "--json"]);
    let key = made["key"].as_str().expect("key").to_owned();
    let log_file = dir.path().join("log");
    let log = || std::fs::read_to_string(&log_file).expect("log");
    let mut command = binary::command(dir.path(), "", &["serve", "--set", "log.level=info"]);
    let stderr = std::fs::File::create(&log_file).expect("log");
    command.stderr(stderr);
    let mut server = launch(command);
    let client = server.client(&key);
    let url = endpoint["url"].as_str().expect("url");
    let (_, token) = url.rsplit_once('/').expect("token");
    let event = json!({ "event_id": "e1", "stage": "lead", "occurred_at": "2026-01-01T00:00:00Z", "email": "jane.roe@people.example" });
    let hook = format!("/hooks/{token}");
    let mut secrets =
        vec![token.to_owned(), key.clone(), "a-bearer-secret-of-length".to_owned(), "jane.roe".to_owned()];
    for proof in ["Bearer a-bearer-secret-of-length", "Bearer wrong-secret-of-some-length", ""] {
        client.send(
            "POST",
            &hook,
            &[("authorization", proof), ("content-type", "application/json")],
            event.to_string().as_bytes(),
        );
    }
    client.send("POST", &hook, &[("authorization", "Bearer a-bearer-secret-of-length")], b"{ \"not\": jane.roe }");
    client.post("/api/v1/conversions", &event).expect(201);
    client.post("/api/v1/conversions", &json!({ "stage": "nonsense", "email": "jane.roe@people.example" }));
    for _ in 0..5 {
        secrets.push(click_id(&client.browse("/known?secret_query=jane.roe").header("location")));
    }
    wait_until("the clicks are stored", 20, || counters(&client)("touches_stored") == 5);
    // The refused webhooks are logged: the log is read after it has something to say.
    until("refusals in the log", 10, || log().contains("a webhook was refused").then_some(()));
    terminate(&mut server);
    let log = log();
    for secret in secrets {
        let bare = secret.trim_start_matches("clk_").to_lowercase();
        assert!(!log.to_lowercase().contains(&bare), "{secret} is in the log:\n{log}");
    }
    assert!(!log.contains("/hooks/") && !log.contains('\u{1b}'), "{log}");
}
