//! Touches classified with all that is known of them, corrected when more is known, and classified again by other
//! rules: through the real server, and by the real command beside it.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use headwater::domain::time::Clock;
use headwater::store::{Conn, ledger};
use serde_json::{Value, json};

use crate::support::client::{BROWSER, browser_headers};
use crate::support::{Backend, Client, TestApp};

/// A touch as it lies in the database.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
struct Kept {
    #[diesel(sql_type = Text)]
    class: String,
    #[diesel(sql_type = Text)]
    class_rule: String,
    #[diesel(sql_type = Nullable<Text>)]
    country: Option<String>,
    #[diesel(sql_type = Text)]
    device: String,
    #[diesel(sql_type = Nullable<Text>)]
    range_labels: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    source_hash: Option<i64>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    signals: Option<i16>,
}

/// Every touch so far, oldest first.
fn kept(app: &TestApp) -> Vec<Kept> {
    app.settle();
    let text = "SELECT r.class, r.class_rule, r.country, r.device, r.range_labels, t.source_hash, t.signals
        FROM readable_touches r JOIN touches t ON t.id = r.id ORDER BY r.occurred_at, r.id";
    let read = |conn: &mut Conn| {
        let query = diesel::sql_query(text);
        Ok(match conn {
            Conn::Sqlite(c) => query.load(c),
            Conn::Postgres(c) => query.load(c),
        })
    };
    app.state().db.read_now(read).expect("database").expect("touches")
}

fn rules(app: &TestApp) -> Vec<String> {
    kept(app).into_iter().map(|t| format!("{} {}", t.class, t.class_rule)).collect()
}

/// The last time of the ledger.
fn horizon(app: &TestApp) -> i64 {
    app.settle();
    app.state().db.read_now(ledger::horizon).expect("database").0
}

const PROXIED: (&str, &str) = ("server.trusted_proxies", r#"["127.0.0.1"]"#);
const PERIOD: &str = "from=2026-03-01&to=2026-03-31";
/// An address that is nobody's.
const ADDRESS: &str = "203.0.113.7";

/// Who asks: by default a browser without cookies at [`ADDRESS`].
struct Visitor<'a> {
    app: &'a TestApp,
    address: &'a str,
    user_agent: &'a str,
    cookie: String,
    navigates: bool,
}

impl<'a> Visitor<'a> {
    fn of(app: &'a TestApp) -> Self {
        Self { app, address: ADDRESS, user_agent: BROWSER, cookie: String::new(), navigates: true }
    }

    /// Opens a link `after_ms` later, and keeps the cookie.
    fn open(&mut self, after_ms: i64, method: &str, slug: &str) {
        self.app.clock.advance_ms(after_ms);
        let mut headers = browser_headers();
        headers.retain(|(name, _)| self.navigates || !name.starts_with("sec-fetch"));
        headers.retain(|(name, _)| *name != "user-agent");
        headers.extend([("user-agent", self.user_agent), ("x-forwarded-for", self.address)]);
        headers.extend(Some(("cookie", self.cookie.as_str())).filter(|(_, c)| !c.is_empty()));
        let reply = Client::new(&self.app.client.base, "").send(method, &format!("/{slug}"), &headers, b"");
        assert_eq!(reply.status, 302, "{}", reply.text);
        if let Some(cookie) = reply.header("set-cookie").split(';').next().filter(|c| !c.is_empty()) {
            cookie.clone_into(&mut self.cookie);
        }
    }
}

/// Links `l1`, `l2` and so on.
fn links(app: &TestApp, count: usize) {
    app.link("l1");
    for n in 2..=count {
        let body = json!({ "slug": format!("l{n}"), "destination": "https://www.example.com/", "channel": "linkedin-organic" });
        app.client.post("/api/v1/links", &body).expect(201);
    }
}

fn clicks(app: &TestApp, as_of: i64) -> Value {
    app.report(&format!("{PERIOD}&as_of={as_of}"))["totals"]["clicks"].clone()
}

fn report_bytes(app: &TestApp, as_of: i64) -> String {
    app.client.get(&format!("/api/v1/reports/cost-per-lead?{PERIOD}&by=link&as_of={as_of}")).text
}

/// A country database of one network, 203.0.113.0/24 in Germany: the format's smallest part, a tree of bits with
/// records of 24 bits, and texts (<https://maxmind.github.io/MaxMind-DB/>).
fn write_countries(path: &Path) {
    let text = |text: &str| {
        let mut out = vec![2 << 5 | u8::try_from(text.len()).expect("short")];
        out.extend_from_slice(text.as_bytes());
        out
    };
    let map = |entries: &[(&str, Vec<u8>)]| {
        let mut out = vec![7 << 5 | u8::try_from(entries.len()).expect("few")];
        for (key, value) in entries {
            out.extend(text(key));
            out.extend_from_slice(value);
        }
        out
    };
    let short = |number: u16| [&[5 << 5 | 2][..], &number.to_be_bytes()].concat();
    let network = u32::from_be_bytes([203, 0, 113, 0]);
    let nodes: u32 = 24;
    let mut bytes = Vec::new();
    for depth in 0..nodes {
        let next = if depth + 1 == nodes { nodes + 16 } else { depth + 1 };
        let is_right = network >> (31 - depth) & 1 == 1;
        for side in [false, true] {
            let record = if side == is_right { next } else { nodes };
            bytes.extend_from_slice(&record.to_be_bytes()[1..]);
        }
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend(map(&[("country", map(&[("iso_code", text("DE"))]))]));
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    bytes.extend(map(&[
        ("binary_format_major_version", short(2)),
        ("binary_format_minor_version", short(0)),
        ("build_epoch", vec![8, 2, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("database_type", text("Country")),
        ("description", map(&[])),
        ("ip_version", short(4)),
        ("languages", vec![0, 4]),
        ("node_count", [&[6 << 5 | 4][..], &nodes.to_be_bytes()].concat()),
        ("record_size", short(24)),
    ]));
    std::fs::write(path, bytes).expect("country database");
}

/// Declares tests that run once on each database, behind a proxy.
macro_rules! on_both_proxied {
    ($($(#[$doc:meta])* fn $name:ident($app:ident) $body:block)+) => {
        $(
            mod $name {
                use super::*;

                $(#[$doc])*
                fn check($app: &mut TestApp) $body

                #[test]
                fn sqlite() {
                    check(&mut TestApp::start_with(Backend::Sqlite, &[PROXIED]));
                }

                #[test]
                fn postgres() {
                    check(&mut TestApp::start_with(Backend::Postgres, &[PROXIED]));
                }
            }
        )+
    };
}

on_both_proxied! {
    fn a_click_is_kept_with_what_its_address_told(app) {
        links(app, 1);
        app.stop();
        let countries = app.dir.path().join("countries.mmdb");
        write_countries(&countries);
        app.config.classification.country_database = Some(countries);
        app.config.classification.ranges = vec!["203.0.113.0/28 - rack-3".into(), "203.0.113.0/30 scanner gateway".into()];
        app.run();
        Visitor::of(app).open(60_000, "GET", "l1");
        Visitor { address: "203.0.113.1", ..Visitor::of(app) }.open(60_000, "GET", "l1");
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
        Visitor { address: "198.51.100.9", user_agent: phone, navigates: false, ..Visitor::of(app) }.open(60_000, "GET", "l1");
        let stored = kept(app);
        let (here, gateway, phone) = (&stored[0], &stored[1], &stored[2]);
        assert_eq!((here.class_rule.as_str(), here.country.as_deref(), here.device.as_str()), ("browser", Some("DE"), "desktop"));
        assert_eq!((here.range_labels.as_deref(), here.signals), (Some("rack-3"), Some(0b1100)));
        assert!(here.source_hash.is_some_and(|hash| hash >= 0) && here.source_hash != gateway.source_hash);
        assert_eq!((gateway.class.as_str(), gateway.class_rule.as_str()), ("scanner", "range:gateway"));
        assert_eq!(gateway.range_labels.as_deref(), Some("gateway,rack-3"));
        assert_eq!((&phone.country, phone.device.as_str(), phone.signals), (&None, "phone", Some(0b0100)));
        assert_eq!(clicks(app, horizon(app)), 2);
    }

    fn a_burst_corrects_the_touches_that_are_stored(app) {
        links(app, 5);
        let mut scanner = Visitor::of(app);
        for n in 1..=4 {
            scanner.open(100, "GET", &format!("l{n}"));
            app.settle();
        }
        let before = horizon(app);
        let report = report_bytes(app, before);
        assert_eq!(clicks(app, before), 4);
        scanner.open(100, "GET", "l5");
        assert_eq!(rules(app), ["scanner burst"; 5]);
        assert_eq!(clicks(app, horizon(app)), 0);
        assert_eq!(report_bytes(app, before), report, "what was said before stays said");
        // A person at another address is none of it.
        Visitor { address: "198.51.100.9", ..Visitor::of(app) }.open(100, "GET", "l1");
        assert_eq!(clicks(app, horizon(app)), 1);
    }

    fn a_get_after_its_head_corrects_the_head(app) {
        links(app, 1);
        let mut scanner = Visitor { navigates: false, ..Visitor::of(app) };
        scanner.open(60_000, "HEAD", "l1");
        assert_eq!(rules(app), ["bot head"]);
        scanner.open(1_000, "GET", "l1");
        assert_eq!(rules(app), ["scanner head-then-get"; 2]);
        Visitor::of(app).open(60_000, "GET", "l1");
        assert_eq!(rules(app)[2], "human browser");
    }

    /// The double click of a scanner's browser repeats nobody.
    fn a_click_after_one_that_was_corrected_is_no_repeat_of_it(app) {
        links(app, 5);
        let mut scanner = Visitor::of(app);
        for n in 1..=5 {
            scanner.open(100, "GET", &format!("l{n}"));
            app.settle();
        }
        scanner.open(6_000, "GET", "l1");
        assert_eq!(rules(app)[5], "human browser", "alone it is no burst, and there is no human click before it");
    }

    fn a_batch_that_is_loaded_twice_is_corrected_once(app) {
        use headwater::domain::ids::{LinkId, TouchId};
        use headwater::domain::touch::{ClientFacts, RecordKind, TouchRecord};
        use headwater::tracking::writer::TouchSink as _;
        links(app, 5);
        let now = app.clock.now();
        let record = |n: i64| TouchRecord {
            id: TouchId::new(now.plus_ms(n), [9; 10]),
            occurred_at: now.plus_ms(n),
            kind: RecordKind::Click { link: LinkId(n) },
            visitor: None,
            private: false,
            client: ClientFacts {
                user_agent: Some(BROWSER.into()),
                address: Some(ADDRESS.parse().expect("address")),
                accept_language: true,
                navigation: true,
                ..ClientFacts::default()
            },
            network_ids: Vec::new(),
        };
        let burst: Vec<_> = (1..=5).map(record).collect();
        let sink = |app: &TestApp| {
            let classifier = headwater::app::classifier(&app.config).expect("settings");
            let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::<headwater::domain::time::DrivenClock>::clone(&app.clock);
            headwater::jobs::load_touches::StoreSink::new(app.state().db.clone(), clock, classifier)
        };
        // A process that stored four of them and died before its checkpoint: the next one reads them again.
        sink(app).store(&burst[..4]).expect("stored");
        assert_eq!(rules(app), ["human browser"; 4]);
        let mut next = sink(app);
        let done = next.store(&burst).expect("stored");
        assert_eq!((done.stored, done.duplicate), (1, 4));
        assert_eq!(rules(app), ["scanner burst"; 5]);
        // A batch that is tried again shows the same, and changes nothing.
        let before = horizon(app);
        assert_eq!(next.store(&burst[4..]).expect("stored").duplicate, 1);
        assert_eq!(horizon(app) - before, 1, "the batch's own stamp alone");
    }
}
