//! How fast the writer's sink loads touches, and how many bytes each takes.
//!
//! `cargo bench --bench loading -- --base 9000000 --rows 1000000` loads `base` synthetic clicks through the real
//! [`StoreSink`] into a fresh SQLite file and, where `HEADWATER_TEST_PG_URL` names a server, into a fresh PostgreSQL
//! database; then it loads `rows` more in slices and prints the rate of each. The schema, its indexes, the rollups and
//! the commits are those of the product. What is not measured is the making of the records.
//!
//! The clicks: 10,000 links of which few take most, 12 channels, visitors of which a third come back, 2,000 user
//! agents, one click in seven by a program, one touch in ten a landing, 110,000 a day.

#[path = "dice.rs"]
mod dice;

use std::borrow::Cow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use headwater::domain::channel::{CampaignCodes, CampaignLabels, ChannelCodes, ChannelLabels};
use headwater::domain::ids::{CampaignId, ChannelId, LinkId, TouchId, VisitorId, uuid_v7};
use headwater::domain::link::LinkLabels;
use headwater::domain::slug::Slug;
use headwater::domain::time::{Clock, DrivenClock, UtcMillis, Zone};
use headwater::domain::touch::{Arrival, ClientFacts, RecordKind, TouchRecord};
use headwater::jobs::load_touches::StoreSink;
use headwater::store::labels::{Author, Similar, create_campaign, create_channel};
use headwater::store::{Conn, Db, DbOptions, StoreError, links, rollups};
use headwater::tracking::classify::{ClassificationSettings, Classifier};
use headwater::tracking::writer::RecordSink;

use dice::Dice;

const LINKS: u64 = 10_000;
const AGENTS: u64 = 2_000;
/// Where the clicks begin: 2026-01-01.
const START: i64 = 1_767_225_600_000;
const DAY: i64 = 86_400_000;

struct Settings {
    base: u64,
    rows: u64,
    batch: usize,
    slices: u64,
    per_day: i64,
    on: String,
}

impl Settings {
    fn read() -> Result<Self, String> {
        let mut settings =
            Self { base: 1_000_000, rows: 500_000, batch: 10_000, slices: 10, per_day: 110_000, on: "both".into() };
        let mut words = std::env::args().skip(1).filter(|w| w != "--bench");
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
            let number = || value.parse::<u64>().map_err(|_malformed| format!("{name}: {value} is not a whole number"));
            match name.as_str() {
                "--base" => settings.base = number()?,
                "--rows" => settings.rows = number()?,
                "--batch" => settings.batch = usize::try_from(number()?).unwrap_or(usize::MAX).max(1),
                "--slices" => settings.slices = number()?.max(1),
                "--per-day" => settings.per_day = i64::try_from(number()?).unwrap_or(1).max(1),
                "--on" => settings.on = value,
                other => {
                    return Err(format!(
                        "{other} is not known; use --base ROWS, --rows ROWS, --batch ROWS, --slices N, --per-day ROWS, --on sqlite|postgres|both"
                    ));
                }
            }
        }
        Ok(settings)
    }
}

/// Makes clicks in the order of their time.
struct Traffic {
    dice: Dice,
    made: i64,
    per_day: i64,
    recent: Vec<VisitorId>,
    agents: Vec<String>,
}

impl Traffic {
    fn new(per_day: i64) -> Self {
        let agents = (0..AGENTS).map(agent).collect();
        Self { dice: Dice(42), made: 0, per_day, recent: Vec::new(), agents }
    }

    fn now(&self) -> UtcMillis {
        UtcMillis(START + self.made * DAY / self.per_day)
    }

    fn visitor(&mut self, at: UtcMillis) -> VisitorId {
        let known = self.recent.len();
        if known > 1_000 && self.dice.below(3) == 0 {
            let which = usize::try_from(self.dice.below(known as u64)).unwrap_or(0);
            return self.recent[which];
        }
        let new = VisitorId(uuid_v7(at, self.dice.bytes()));
        if known < 50_000 {
            self.recent.push(new);
        } else {
            let which = usize::try_from(self.dice.below(known as u64)).unwrap_or(0);
            self.recent[which] = new;
        }
        new
    }

    fn next(&mut self) -> TouchRecord<'static> {
        self.made += 1;
        let at = self.now();
        let visitor = self.visitor(at);
        let is_bot = self.dice.below(7) == 0;
        let kind = if self.dice.below(10) == 0 {
            RecordKind::Landing(Arrival {
                page: format!("www.example.com/p/{}", self.dice.skewed(500)),
                utm_source: Some(format!("s{}", self.dice.below(12))),
                utm_medium: Some("social".into()),
                utm_campaign: Some(format!("campaign-{}", self.dice.below(30))),
                ..Arrival::default()
            })
        } else {
            RecordKind::Click { link: LinkId(1 + i64::try_from(self.dice.skewed(LINKS)).unwrap_or(0)) }
        };
        let agent = usize::try_from(self.dice.skewed(AGENTS)).unwrap_or(0);
        let user_agent = if is_bot { "Googlebot/2.1 (+http://www.google.com/bot.html)" } else { &self.agents[agent] };
        let referrer = self.dice.skewed(50);
        TouchRecord {
            id: TouchId::new(at, self.dice.bytes()),
            occurred_at: at,
            kind,
            visitor: Some(visitor),
            private: false,
            client: ClientFacts {
                user_agent: Some(Cow::Owned(user_agent.to_owned())),
                referrer_host: Some(Cow::Owned(format!("host{referrer}.example.com"))),
                address: Some(std::net::IpAddr::from(self.dice.bytes()[..4].try_into().unwrap_or([192, 0, 2, 1]))),
                head: false,
                prefetch: false,
                accept_language: true,
                navigation: true,
            },
            network_ids: Vec::new(),
        }
    }
}

fn agent(n: u64) -> String {
    format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.{}.0 Safari/537.36",
        100 + n % 40,
        n
    )
}

fn set_up(conn: &mut Conn) -> Result<(), StoreError> {
    let author = Author { name: "bench".into(), now: UtcMillis(START - DAY) };
    for n in 0..12 {
        let codes = ChannelCodes {
            code: format!("channel-{n}").parse()?,
            utm_source: format!("s{n}").parse()?,
            utm_medium: "social".parse()?,
        };
        create_channel(conn, &codes, &ChannelLabels::default(), Similar::Accept, &author)?;
    }
    for n in 0..30 {
        let codes = CampaignCodes { code: format!("campaign-{n}").parse()?, utm_id: None };
        create_campaign(conn, &codes, &CampaignLabels::default(), Similar::Accept, &author)?;
    }
    for n in 0..LINKS {
        let slug: Slug = format!("link-{n}").parse()?;
        let nth = i64::try_from(n).unwrap_or(0);
        let labels = LinkLabels {
            destination: format!("https://www.example.com/{n}"),
            title: String::new(),
            channel: ChannelId(1 + nth % 12),
            campaign: Some(CampaignId(1 + nth % 30)),
            post: None,
            tags: Vec::new(),
            passes_query: true,
            archived: false,
            expires_at: None,
        };
        links::create(conn, &slug, &labels, &author)?;
    }
    Ok(())
}

/// Loads `rows` and answers how long the sink took.
fn load(
    sink: &mut StoreSink,
    traffic: &mut Traffic,
    clock: &DrivenClock,
    rows: u64,
    batch: usize,
) -> Result<Duration, String> {
    let mut took = Duration::ZERO;
    let mut left = usize::try_from(rows).unwrap_or(usize::MAX);
    while left > 0 {
        let records: Vec<TouchRecord<'static>> = (0..left.min(batch)).map(|_| traffic.next()).collect();
        left -= records.len();
        clock.set(traffic.now().plus_ms(50));
        let begun = Instant::now();
        let done = sink.store(&records).map_err(|e| e.to_string())?;
        took += begun.elapsed();
        if done.stored != records.len() as u64 {
            return Err(format!("{} of {} records were stored", done.stored, records.len()));
        }
    }
    Ok(took)
}

#[expect(clippy::float_arithmetic, reason = "a rate for people to read")]
fn per_second(rows: u64, took: Duration) -> f64 {
    rows as f64 / took.as_secs_f64()
}

fn measure(name: &str, url: &str, dir: &Path, settings: &Settings, size: &dyn Fn() -> u64) -> Result<(), String> {
    let options =
        DbOptions { url: url.to_owned(), data_dir: dir.to_owned(), connections: 2, wait: Duration::from_secs(10) };
    let db = Db::open(&options).map_err(|e| e.to_string())?;
    db.write_now(set_up).map_err(|e| e.to_string())?;
    let empty = size();
    let clock = Arc::new(DrivenClock::new(UtcMillis(START)));
    let present: Arc<dyn Clock> = Arc::<DrivenClock>::clone(&clock);
    db.write_now(|conn| rollups::adopt_zone(conn, &Zone::utc())).map_err(|e| e.to_string())?;
    let classifier =
        Classifier::new(&ClassificationSettings::default(), Box::new(|| [7; 16])).map_err(|f| f.to_string())?;
    let mut sink = StoreSink::new(db, present, classifier);
    let mut traffic = Traffic::new(settings.per_day);
    let base = load(&mut sink, &mut traffic, &clock, settings.base, settings.batch)?;
    println!("{name}: base of {} rows at {:.0} rows/s", settings.base, per_second(settings.base, base));
    let slice = settings.rows / settings.slices;
    let mut rates = Vec::new();
    for _ in 0..settings.slices {
        let took = load(&mut sink, &mut traffic, &clock, slice, settings.batch)?;
        rates.push(per_second(slice, took));
    }
    rates.sort_by(f64::total_cmp);
    let rows = settings.base + slice * settings.slices;
    println!(
        "{name}: {slice} rows a slice: median {:.0} rows/s, {:.0}..{:.0}; {} bytes a click",
        rates[rates.len() / 2],
        rates[0],
        rates[rates.len() - 1],
        (size().saturating_sub(empty)) / rows.max(1)
    );
    Ok(())
}

fn on_sqlite(settings: &Settings) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let file = dir.path().join("headwater.db");
    let size = || {
        if let Ok(mut conn) = SqliteConnection::establish(&file.display().to_string()) {
            let _checkpointed = conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)");
        }
        std::fs::metadata(&file).map_or(0, |m| m.len())
    };
    measure("sqlite", "", dir.path(), settings, &size)
}

#[derive(QueryableByName)]
struct Size {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

#[derive(QueryableByName)]
struct Part {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

fn on_postgres(server: &str, settings: &Settings) -> Result<(), String> {
    let said = |e: &dyn std::fmt::Display| e.to_string();
    let dir = tempfile::tempdir().map_err(|e| said(&e))?;
    let mut admin = PgConnection::establish(server).map_err(|e| said(&e))?;
    let name = format!("headwater_bench_{}", std::process::id());
    admin.batch_execute(&format!("CREATE DATABASE {name}")).map_err(|e| said(&e))?;
    let mut url = url::Url::parse(server).map_err(|e| said(&e))?;
    url.set_path(&name);
    let size = || {
        let size = PgConnection::establish(url.as_str()).ok().and_then(|mut c| {
            diesel::sql_query("SELECT pg_database_size(current_database()) AS bytes").get_result::<Size>(&mut c).ok()
        });
        size.map_or(0, |s| s.bytes.unsigned_abs())
    };
    let outcome = measure("postgres", url.as_str(), dir.path(), settings, &size);
    let largest = "SELECT relname::text AS name, pg_relation_size(oid) AS bytes FROM pg_class \
        WHERE relnamespace = 'public'::regnamespace ORDER BY 2 DESC LIMIT 8";
    let mut inside = PgConnection::establish(url.as_str()).map_err(|e| said(&e))?;
    for part in diesel::sql_query(largest).load::<Part>(&mut inside).map_err(|e| said(&e))? {
        println!("postgres: {} takes {} bytes", part.name, part.bytes);
    }
    drop(inside);
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).map_err(|e| said(&e))?;
    outcome
}

#[expect(clippy::disallowed_methods, reason = "the throw-away server is named where tests look for it, too")]
fn server() -> Option<String> {
    std::env::var("HEADWATER_TEST_PG_URL").ok()
}

fn main() -> ExitCode {
    let outcome = Settings::read().and_then(|settings| {
        if settings.on != "postgres" {
            on_sqlite(&settings)?;
        }
        if settings.on != "sqlite" {
            match server() {
                Some(server) => on_postgres(&server, &settings)?,
                None => println!("postgres: left out; HEADWATER_TEST_PG_URL names no server"),
            }
        }
        Ok(())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
