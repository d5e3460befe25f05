//! Clicks of browsers and scanners from addresses of their own, and what is stored of them.

use std::path::Path;
use std::sync::Arc;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use headwater::domain::ids::{LinkId, TouchId};
use headwater::domain::time::{Clock, DrivenClock};
use headwater::domain::touch::{ClientFacts, RecordKind, TouchRecord};
use headwater::jobs::load_touches::StoreSink;
use headwater::store::{Conn, ledger};
use serde_json::{Value, json};

use super::TestApp;
use super::client::{BROWSER, Client, browser_headers};

/// A touch as it lies in the database.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub(crate) struct Kept {
    #[diesel(sql_type = Text)]
    pub(crate) class: String,
    #[diesel(sql_type = Text)]
    pub(crate) class_rule: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) country: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) device: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) range_labels: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) source_hash: Option<i64>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    pub(crate) signals: Option<i16>,
}

/// Every touch so far, oldest first.
pub(crate) fn kept(app: &TestApp) -> Vec<Kept> {
    app.settle();
    let text = "SELECT r.class, r.class_rule, r.country, r.device, r.range_labels, t.source_hash, t.signals
        FROM readable_touches r JOIN touches t ON t.id = r.id ORDER BY r.occurred_at, r.id";
    let read = |conn: &mut Conn| {
        let query = diesel::sql_query(text);
        Ok(match conn {
            Conn::Sqlite(c) => query.load(c),
            Conn::Postgres(c, _) => query.load(c),
        })
    };
    app.state().db.read_now(read).expect("database").expect("touches")
}

pub(crate) fn rules(app: &TestApp) -> Vec<String> {
    kept(app).into_iter().map(|t| format!("{} {}", t.class, t.class_rule)).collect()
}

/// The last time of the ledger.
pub(crate) fn horizon(app: &TestApp) -> i64 {
    app.settle();
    app.state().db.read_now(ledger::horizon).expect("database").0
}

pub(crate) const PROXIED: (&str, &str) = ("server.trusted_proxies", r#"["127.0.0.1"]"#);
const PERIOD: &str = "from=2026-03-01&to=2026-03-31";
/// An address that is nobody's.
const ADDRESS: &str = "203.0.113.7";

/// Who asks: by default a browser without cookies at [`ADDRESS`].
pub(crate) struct Visitor<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) address: &'a str,
    pub(crate) user_agent: &'a str,
    pub(crate) cookie: String,
    pub(crate) navigates: bool,
}

impl<'a> Visitor<'a> {
    pub(crate) fn of(app: &'a TestApp) -> Self {
        Self { app, address: ADDRESS, user_agent: BROWSER, cookie: String::new(), navigates: true }
    }

    /// Opens a link `after_ms` later, and keeps the cookie.
    pub(crate) fn open(&mut self, after_ms: i64, method: &str, slug: &str) {
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
pub(crate) fn links(app: &TestApp, count: usize) {
    app.link("l1");
    for n in 2..=count {
        let body = json!({ "slug": format!("l{n}"), "destination": "https://www.example.com/", "channel": "linkedin-organic" });
        app.client.post("/api/v1/links", &body).expect(201);
    }
}

pub(crate) fn clicks(app: &TestApp, as_of: i64) -> Value {
    app.report(&format!("{PERIOD}&as_of={as_of}"))["totals"]["clicks"].clone()
}

pub(crate) fn report_bytes(app: &TestApp, as_of: i64) -> String {
    app.client.get(&format!("/api/v1/reports/cost-per-lead?{PERIOD}&by=link&as_of={as_of}")).text
}

/// A country database of one network, 203.0.113.0/24 in Germany: the format's smallest part, a tree of bits with
/// records of 24 bits, and texts (<https://maxmind.github.io/MaxMind-DB/>).
pub(crate) fn write_countries(path: &Path) {
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

/// A loader of its own beside the server's.
pub(crate) fn sink(app: &TestApp) -> StoreSink {
    let classifier = headwater::app::classifier(&app.config).expect("settings");
    let clock: Arc<dyn Clock> = Arc::<DrivenClock>::clone(&app.clock);
    StoreSink::new(app.state().db.clone(), clock, classifier)
}

/// A browser's click from an address, `link` milliseconds from now.
pub(crate) fn record(app: &TestApp, address: u8, link: i64) -> TouchRecord<'static> {
    let at = app.clock.now().plus_ms(link);
    TouchRecord {
        id: TouchId::new(at, [address; 10]),
        occurred_at: at,
        kind: RecordKind::Click { link: LinkId(link) },
        visitor: None,
        private: false,
        client: ClientFacts {
            user_agent: Some(BROWSER.into()),
            address: Some([203, 0, 113, address].into()),
            accept_language: true,
            navigation: true,
            ..ClientFacts::default()
        },
        network_ids: Vec::new(),
    }
}

fn execute(app: &TestApp, sqlite: &str, postgres: &str) {
    let write = |conn: &mut Conn| {
        Ok(match conn {
            Conn::Sqlite(c) => c.batch_execute(sqlite),
            Conn::Postgres(c, _) => c.batch_execute(postgres),
        })
    };
    app.state().db.write_now(write).expect("database").expect("statement");
}

/// From now on a table takes no rows, as on a full disk.
pub(crate) fn refuse_inserts(app: &TestApp, table: &str) {
    execute(
        app,
        &format!("CREATE TRIGGER full_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"),
        &format!(
            "CREATE FUNCTION full_disk() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'disk is full'; END $$ LANGUAGE plpgsql;
             CREATE TRIGGER full_{table} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION full_disk()"
        ),
    );
}

pub(crate) fn accept_inserts(app: &TestApp, table: &str) {
    execute(app, &format!("DROP TRIGGER full_{table}"), "DROP FUNCTION full_disk CASCADE");
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
