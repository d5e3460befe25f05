//! Touches classified with all that is known of them, corrected when more is known, and classified again by other
//! rules: through the real server, and by the real command beside it.

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
use headwater::tracking::writer::TouchSink as _;
use serde_json::{Value, json};

use crate::support::binary;
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

/// The command beside the running server; its JSON.
fn reclassify(app: &TestApp, arguments: &[&str]) -> Value {
    app.settle();
    let all = [&["reclassify", "--json"], arguments].concat();
    serde_json::from_str(&binary::run_in(app, &all)).expect("JSON")
}

/// What the command says when it fails.
fn refusal(app: &TestApp, arguments: &[&str]) -> String {
    app.settle();
    let output = binary::output_in(app, &[&["reclassify"], arguments].concat());
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).expect("utf-8")
}

/// A file of rules in the server's directory.
fn rules_file(app: &TestApp, text: &str) -> String {
    let path = app.dir.path().join("rules.toml");
    std::fs::write(&path, text).expect("rules");
    path.to_str().expect("utf-8 path").to_owned()
}

const KIOSK: &str = "Kiosk/1.0 (+https://kiosk.example)";
const FROM: [&str; 2] = ["--from", "2026-03-01"];

/// A loader of its own beside the server's.
fn sink(app: &TestApp) -> StoreSink {
    let classifier = headwater::app::classifier(&app.config).expect("settings");
    let clock: Arc<dyn Clock> = Arc::<DrivenClock>::clone(&app.clock);
    StoreSink::new(app.state().db.clone(), clock, classifier)
}

/// A browser's click from an address, `link` milliseconds from now.
fn record(app: &TestApp, address: u8, link: i64) -> TouchRecord<'static> {
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
            Conn::Postgres(c) => c.batch_execute(postgres),
        })
    };
    app.state().db.write_now(write).expect("database").expect("statement");
}

/// From now on a table takes no rows, as on a full disk.
fn refuse_inserts(app: &TestApp, table: &str) {
    execute(
        app,
        &format!("CREATE TRIGGER full_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"),
        &format!(
            "CREATE FUNCTION full_disk() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'disk is full'; END $$ LANGUAGE plpgsql;
             CREATE TRIGGER full_{table} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION full_disk()"
        ),
    );
}

fn accept_inserts(app: &TestApp, table: &str) {
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
        links(app, 5);
        let burst: Vec<_> = (1..=5).map(|n| record(app, 7, n)).collect();
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

    fn a_batch_that_is_refused_and_comes_in_halves_is_judged_as_a_whole(app) {
        links(app, 5);
        let burst: Vec<_> = (1..=5).map(|n| record(app, 7, n)).collect();
        let mut sink = sink(app);
        refuse_inserts(app, "touches");
        sink.store(&burst).expect_err("refused");
        accept_inserts(app, "touches");
        assert_eq!(rules(app), [""; 0]);
        sink.store(&burst[..2]).expect("stored");
        sink.store(&burst[2..]).expect("stored");
        assert_eq!(rules(app), ["scanner burst"; 5]);
    }

    fn corrections_outlive_a_database_that_is_away(app) {
        links(app, 5);
        let burst: Vec<_> = (1..=5).map(|n| record(app, 7, n)).collect();
        let mut sink = sink(app);
        sink.store(&burst[..4]).expect("stored");
        refuse_inserts(app, "touch_classes");
        assert_eq!(sink.store(&burst[4..]).expect("the click itself is stored").stored, 1);
        let waiting = [&["human browser"; 4][..], &["scanner burst"]].concat();
        assert_eq!(rules(app), waiting);
        sink.store(&[record(app, 8, 1)]).expect("stored");
        accept_inserts(app, "touch_classes");
        sink.store(&[record(app, 9, 1)]).expect("stored");
        assert_eq!(clicks(app, horizon(app)), 2, "of two other addresses");
    }

    fn the_last_corrections_are_written_when_the_writer_ends(app) {
        links(app, 5);
        let burst: Vec<_> = (1..=5).map(|n| record(app, 7, n)).collect();
        let mut sink = sink(app);
        sink.store(&burst[..4]).expect("stored");
        refuse_inserts(app, "touch_classes");
        sink.store(&burst[4..]).expect("stored");
        accept_inserts(app, "touch_classes");
        drop(sink);
        assert_eq!(rules(app), ["scanner burst"; 5]);
    }

    /// Each transaction of corrections is an epoch that every report looks at.
    fn many_scanners_are_corrected_at_a_pace(app) {
        links(app, 5);
        let mut sink = sink(app);
        for address in 1..=50 {
            app.clock.advance_ms(2_000);
            for part in [1..=4, 5..=5] {
                let list: Vec<_> = part.map(|n| record(app, address, n)).collect();
                sink.store(&list).expect("stored");
            }
        }
        // 100 seconds: thirty at once, and one for each minute.
        assert_eq!(clicks(app, horizon(app)), 4 * (50 - 31));
        app.clock.advance_ms(60_000);
        sink.store(&[record(app, 99, 1)]).expect("stored");
        assert_eq!(clicks(app, horizon(app)), 1, "all that waited, in one");
    }

    fn other_rules_are_shown_first_and_then_recorded(app) {
        links(app, 2);
        Visitor { user_agent: KIOSK, ..Visitor::of(app) }.open(60_000, "GET", "l1");
        Visitor { user_agent: KIOSK, ..Visitor::of(app) }.open(60_000, "GET", "l2");
        Visitor::of(app).open(60_000, "GET", "l1");
        let googlebot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        Visitor { user_agent: googlebot, ..Visitor::of(app) }.open(60_000, "GET", "l1");
        let before = horizon(app);
        let (report, stored) = (report_bytes(app, before), kept(app));
        let file = rules_file(app, "[classification]\nagents = ['human ^Kiosk', 'scanner X11; Linux']\n");
        let arguments = [&FROM[..], &["--rules", &file]].concat();

        let shown = reclassify(app, &arguments);
        assert_eq!((&shown["judged"], &shown["changed"], &shown["recorded"]), (&json!(4), &json!(3), &json!(0)), "{shown}");
        assert_eq!((&shown["applied"], &shown["run"]), (&json!(false), &Value::Null));
        let changes = json!([
            { "from": { "class": "bot", "rule": "ua-word:+http" }, "to": { "class": "human", "rule": "browser" }, "touches": 2 },
            { "from": { "class": "human", "rule": "browser" }, "to": { "class": "scanner", "rule": "ua-own:X11; Linux" }, "touches": 1 },
        ]);
        assert_eq!(shown["changes"], changes);
        let human = json!({ "clicks_before": 1, "clicks_after": 2, "other_touches_before": 0, "other_touches_after": 0 });
        assert_eq!(shown["total"], human);
        assert_eq!((&shown["channels"][0]["channel"], &shown["channels"][0]["clicks_after"]), (&json!("linkedin-organic"), &json!(2)));
        assert_eq!((&shown["days"][0]["day"], &shown["days"][0]["clicks_before"]), (&json!("2026-03-02"), &json!(1)));
        assert_eq!((horizon(app), kept(app)), (before, stored), "nothing was written");

        let done = reclassify(app, &[&arguments[..], &["--apply"]].concat());
        assert_eq!((&done["changes"], &done["total"], &done["recorded"]), (&changes, &human, &json!(3)), "what was shown");
        assert!(done["run"].as_str().is_some_and(|run| run.starts_with("bat_")), "{done}");
        let classes = rules(app);
        assert_eq!(classes[..3], ["human browser", "human browser", "scanner ua-own:X11; Linux"].map(str::to_owned));
        assert_eq!((clicks(app, before), clicks(app, horizon(app))), (json!(1), json!(2)));
        assert_eq!(report_bytes(app, before), report, "a report of before is the same to the byte");

        let after = (horizon(app), kept(app));
        let again = reclassify(app, &[&arguments[..], &["--apply"]].concat());
        assert_eq!((&again["changed"], &again["recorded"], &again["run"]), (&json!(0), &json!(0), &Value::Null));
        assert_eq!((horizon(app), kept(app)), after, "a second run changes nothing");
        // The configuration's own rules bring it all back.
        let back = reclassify(app, &[&FROM[..], &["--apply"]].concat());
        assert_eq!(back["recorded"], 3);
        assert_eq!(clicks(app, horizon(app)), 1);
        let text = binary::run_in(app, &[&["reclassify"], &arguments[..]].concat());
        assert!(text.contains("3 of 4 touches would change. Nothing was written; --apply records it."), "{text}");
        assert!(text.contains("│ bot   ┆ ua-word:+http ┆ human   ┆ browser"), "{text}");
        assert!(text.contains("│ linkedin-organic ┆ 1            ┆ 2"), "{text}");
    }

    /// Whoever becomes human makes the next click a repeat, and whoever is human no longer leaves it human.
    fn repeats_follow_from_the_new_classes(app) {
        links(app, 1);
        let mut kiosk = Visitor { user_agent: KIOSK, ..Visitor::of(app) };
        kiosk.open(60_000, "GET", "l1");
        // The same browser under its other name, twice within the window, and once more behind it.
        kiosk.user_agent = BROWSER;
        for after_ms in [4_000, 7_000, 4_000] {
            kiosk.open(after_ms, "GET", "l1");
        }
        let as_loaded = ["bot ua-word:+http", "human browser", "repeat repeat", "human browser"];
        assert_eq!(rules(app), as_loaded);
        let file = rules_file(app, "[classification]\nagents = ['human ^Kiosk']\n");
        let arguments = [&FROM[..], &["--rules", &file, "--apply"]].concat();
        assert_eq!(reclassify(app, &arguments)["recorded"], 4);
        let with_kiosk = ["human browser", "repeat repeat", "human browser", "repeat repeat"];
        assert_eq!(rules(app), with_kiosk, "4 s, 11 s and 15 s after the first: the third is human, the fourth repeats it");
        assert_eq!(reclassify(app, &arguments)["changed"], 0);
        // A period that begins behind the first click takes it as it stands.
        let (first, second) = ("2026-03-02T12:01:00.001Z", "2026-03-02T12:01:04.001Z");
        assert_eq!(reclassify(app, &["--from", first, "--rules", &file])["changed"], 0);
        assert_eq!(reclassify(app, &["--from", first, "--to", second, "--rules", &file])["judged"], 1);
        assert_eq!(reclassify(app, &[&FROM[..], &["--apply"]].concat())["recorded"], 4);
        assert_eq!(rules(app), as_loaded);
        let short = rules_file(app, "[tracking]\nrepeat_window_ms = 3000\n");
        let shown = reclassify(app, &[&FROM[..], &["--rules", &short]].concat());
        assert_eq!(shown["total"]["clicks_after"], 3, "{shown}");
    }

    fn what_cannot_be_judged_again_stays(app) {
        links(app, 5);
        let mut scanner = Visitor::of(app);
        for n in 1..=5 {
            scanner.open(100, "GET", &format!("l{n}"));
        }
        app.settle();
        let touches = "occurred_at,channel,kind,external_id\n2026-03-02T10:00:00Z,linkedin-organic,click,a1\n";
        let csv = app.dir.path().join("old.csv");
        std::fs::write(&csv, touches).expect("csv");
        binary::run_in(app, &["import", "touches", csv.to_str().expect("path"), "--source", "old-tool"]);
        let file = rules_file(app, "[classification]\nburst_links = 0\nagents = ['bot X11']\n");
        let shown = reclassify(app, &FROM);
        assert_eq!((&shown["judged"], &shown["changed"]), (&json!(5), &json!(0)), "{shown}");
        assert_eq!(shown["kept"], json!({ "imported": 1, "behaviour": 5, "range_labels": 0 }));
        // Stronger evidence names them otherwise; without it they are what they were.
        let named = reclassify(app, &[&FROM[..], &["--rules", &file, "--apply"]].concat());
        assert_eq!((&named["recorded"], &named["kept"]["behaviour"]), (&json!(5), &json!(0)), "{named}");
        assert_eq!(rules(app)[1], "bot ua-own:X11");
        assert_eq!(reclassify(app, &[&FROM[..], &["--apply"]].concat())["recorded"], 5);
        assert_eq!(rules(app), [&["human imported"][..], &["scanner burst"; 5]].concat());
        let imported = refusal(app, &["--from", "2026-03-02T09:00:00Z", "--to", "2026-03-02T11:00:00Z"]);
        assert!(imported.contains("from: all 1 touches of this period were imported"), "{imported}");
    }

    fn ranges_are_asked_by_their_labels(app) {
        links(app, 1);
        app.stop();
        app.config.classification.ranges = vec!["203.0.113.0/28 - rack-3".into()];
        app.run();
        Visitor::of(app).open(60_000, "GET", "l1");
        Visitor { address: "203.0.113.200", ..Visitor::of(app) }.open(60_000, "GET", "l1");
        let file = rules_file(app, "[classification]\nranges = ['203.0.113.0/24 bot wide', '203.0.113.0/28 bot rack-3']\n");
        let done = reclassify(app, &[&FROM[..], &["--rules", &file, "--apply"]].concat());
        assert_eq!(done["kept"]["range_labels"], 1, "{done}");
        assert_eq!(rules(app), ["bot range:rack-3", "human browser"], "the second one's address is gone");
    }

    fn what_is_asked_wrongly_is_refused_by_name(app) {
        let none = refusal(app, &FROM);
        assert!(none.contains("error: from: no touches are stored yet"), "{none}");
        links(app, 1);
        Visitor::of(app).open(60_000, "GET", "l1");
        let misspelt = rules_file(app, "[classification]\nburst_link = 3\n");
        let range = app.dir.path().join("range.toml");
        std::fs::write(&range, "[classification]\nranges = ['192.0.2.1/24 bot x']\n").expect("rules");
        let range = range.to_str().expect("path");
        let before = horizon(app);
        for (arguments, wanted) in [
            (vec!["--from", "2026-02-30"], "error: from: `2026-02-30` is neither a day nor a time; write 2026-03-01, or"),
            (vec!["--from", "2026-03-01", "--to", "soon"], "error: to: `soon` is neither a day nor a time"),
            (vec!["--from", "2026-03-02", "--to", "2026-03-01"], "error: from: the period from `2026-03-02` to `2026-03-01` has no time in it; swap the two"),
            (vec!["--from", "2026-04-01"], "error: from: no touches are stored of this period; the first is of 2026-03-02T12:01:00.000Z"),
            (vec!["--from", "2026-03-01", "--rules", "/no/such.toml"], "cannot read /no/such.toml"),
            (vec!["--from", "2026-03-01", "--rules", &misspelt], "error: classification.burst_link: "),
            (vec!["--from", "2026-03-01", "--rules", range], "error: classification.ranges[0]: `192.0.2.1/24` is inside its network"),
        ] {
            let said = refusal(app, &[&arguments[..], &["--apply"]].concat());
            assert!(said.contains(wanted) && said.lines().count() == 1, "{said}");
        }
        let output = binary::output_in(app, &["check", "--set", "classification.ranges=['x']"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("error: classification.ranges[0]: `x` has 1 words"), "{said}");
        assert_eq!(horizon(app), before);
    }
}
