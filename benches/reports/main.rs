//! What a cost-per-lead report costs beside the bare journey join, and how that grows with touches.
//!
//! `cargo bench --bench reports -- --touches 1000000,10000000 --leads 100000` builds a database for each number of
//! touches, through the writer's sink and the store, and measures the contenders below in turns, round after round.
//! `--on postgres` takes a database on the server that `HEADWATER_TEST_PG_URL` names. `--keep yes` leaves the
//! databases under `target/reports` (and on the server), where the next run with the same numbers finds them.
//!
//! The data: 90 days, 10,000 links of which few take most, 12 channels, three touches per visitor within some days,
//! one touch in seven by a program; leads up to three days after one of their touches, half of them by click id, half
//! by browser, all with an email; three in ten become customers; ad spend of each channel and day.
//!
//! - *join*: the bare journey join. One statement joins a table of the leads, with the browser of each at hand, to the
//!   browsers' human touches of the 90 days before, by the index of browsers, and fetches (lead, id, time, kind, link,
//!   channel, campaign) of each. A report has to find the browsers first, and to label, sort, divide and add up after.
//!   PostgreSQL is kept from reading all touches for it, as the figure must not grow with them.
//! - *join, as planned*: the same, as the database's planner chooses.
//! - *join, by ids*: the same by the index, with the bounds of time told by ids as well, as the report tells them.
//! - *join, counted*: the same by the index, but the database only counts the rows.
//! - *by channel*: cost per lead and customers by `first`, `last` and `linear` over all days.
//! - *by channel, month*: the same, by months, too.
//! - *compared*: the second half of the days beside the first, by channel. Together they are the same leads.

#![expect(clippy::float_arithmetic, reason = "figures for people, of no money")]

#[path = "../dice.rs"]
mod dice;
mod fill;
mod join;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use headwater::domain::calendar::Comparison;
use headwater::domain::time::{DAY_MS, DayRange, Zone};
use headwater::reports::cost_per_lead;
use headwater::reports::{Dimension, Parameters};
use headwater::store::{Conn, Db, DbOptions, StoreError};

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

struct Settings {
    touches: Vec<u64>,
    leads: u64,
    rounds: usize,
    on: String,
    keep: bool,
}

impl Settings {
    fn read() -> Outcome<Self> {
        let mut settings =
            Self { touches: vec![1_000_000], leads: 100_000, rounds: 5, on: "sqlite".into(), keep: false };
        let mut words = std::env::args().skip(1).filter(|w| w != "--bench");
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--touches" => settings.touches = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--leads" => settings.leads = value.parse()?,
                "--rounds" => settings.rounds = value.parse::<usize>()?.max(1),
                "--on" if matches!(value.as_str(), "sqlite" | "postgres") => settings.on = value,
                "--keep" => settings.keep = value == "yes",
                other => {
                    return Err(format!(
                        "{other} {value} is not known; use --touches N,N --leads N --rounds N --on sqlite|postgres --keep yes"
                    )
                    .into());
                }
            }
        }
        Ok(settings)
    }
}

/// Does something on a connection, and answers how many rows it found.
type Run = Box<dyn Fn(&mut Conn) -> Result<u64, StoreError>>;

/// Something to measure.
struct Contender {
    name: &'static str,
    run: Run,
}

fn contenders() -> Outcome<Vec<Contender>> {
    let day = |n: i64| Zone::utc().day_of(fill::START.plus_ms(n * DAY_MS));
    // Leads come up to three days after their touch, customers up to five days later.
    let (first, middle, last) = (day(0), day(49), day(97));
    let parameters = |from, by: &[Dimension], compare: &[Comparison]| -> Outcome<Parameters> {
        let mut parameters = Parameters::new(DayRange { from, to: last }, "EUR".parse()?);
        parameters.models = vec!["first".parse()?, "last".parse()?, "linear".parse()?];
        parameters.by = by.to_vec();
        parameters.compare = compare.to_vec();
        Ok(parameters)
    };
    let report = |parameters: Parameters| -> Run {
        Box::new(move |conn| {
            let report = cost_per_lead::run(conn, &parameters).map_err(|e| StoreError::Other(e.to_string()))?;
            Ok(report.rows.len() as u64)
        })
    };
    let by_channel = &[Dimension::Channel];
    Ok(vec![
        Contender { name: "join", run: Box::new(join::fetch) },
        Contender { name: "join, as planned", run: Box::new(join::fetch_as_planned) },
        Contender { name: "join, by ids", run: Box::new(join::fetch_by_ids) },
        Contender { name: "join, counted", run: Box::new(join::count) },
        Contender { name: "by channel", run: report(parameters(first, by_channel, &[])?) },
        Contender {
            name: "by channel, month",
            run: report(parameters(first, &[Dimension::Channel, Dimension::Month], &[])?),
        },
        Contender { name: "compared", run: report(parameters(middle, by_channel, &[Comparison::Previous])?) },
    ])
}

/// What the rounds showed of a contender.
#[derive(Default)]
struct Measured {
    took: Vec<Duration>,
    of_join: Vec<f64>,
    rows: u64,
    peak_mib: u64,
}

fn measure(db: &Db, contenders: &[Contender], rounds: usize) -> Outcome<Vec<Measured>> {
    let mut all: Vec<Measured> = contenders.iter().map(|_| Measured::default()).collect();
    // The first round warms and is not counted.
    for round in 0..=rounds {
        let mut join = Duration::ZERO;
        for (contender, measured) in contenders.iter().zip(&mut all) {
            let before = peak_after_reset()?;
            let begun = Instant::now();
            measured.rows = db.read_now(|conn| (contender.run)(conn))?;
            let took = begun.elapsed();
            if contender.name == "join" {
                join = took;
            }
            if round > 0 {
                measured.took.push(took);
                measured.of_join.push(took.as_secs_f64() / join.as_secs_f64());
                measured.peak_mib = measured.peak_mib.max(resident_mib("VmHWM:")?.saturating_sub(before));
            }
        }
    }
    Ok(all)
}

/// Forgets the peak of the resident memory, and answers what is resident now, in MiB.
fn peak_after_reset() -> Outcome<u64> {
    std::fs::write("/proc/self/clear_refs", "5")?;
    resident_mib("VmRSS:")
}

fn resident_mib(line: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib = status.lines().find_map(|l| l.strip_prefix(line)).and_then(|l| l.split_whitespace().next());
    Ok(kib.ok_or("no such line in /proc/self/status")?.parse::<u64>()? / 1024)
}

fn print(settings: &Settings, touches: u64, contenders: &[Contender], all: &[Measured]) {
    println!("{}: {touches} touches, {} leads, median of {} rounds", settings.on, settings.leads, settings.rounds);
    for (contender, measured) in contenders.iter().zip(all) {
        let mut ms: Vec<f64> = measured.took.iter().map(|t| t.as_secs_f64() * 1e3).collect();
        let mut of_join = measured.of_join.clone();
        ms.sort_by(f64::total_cmp);
        of_join.sort_by(f64::total_cmp);
        let middle = settings.rounds / 2;
        println!(
            "| {} | {:.0} ms | {:.2} ({:.2}..{:.2}) | {} | {} MiB |",
            contender.name,
            ms[middle],
            of_join[middle],
            of_join[0],
            of_join[settings.rounds - 1],
            measured.rows,
            measured.peak_mib
        );
    }
}

/// Opens the database at an address, fills it where it is new, and measures.
fn on(url: &str, dir: &Path, is_new: bool, settings: &Settings, touches: u64) -> Outcome<()> {
    let options =
        DbOptions { url: url.to_owned(), data_dir: dir.to_owned(), connections: 2, wait: Duration::from_secs(10) };
    let db = Db::open(&options)?;
    if is_new {
        let begun = Instant::now();
        let conversions = fill::fill(&db, touches, settings.leads)?;
        db.write_now(|conn| join::prepare(conn, &conversions))?;
        if settings.on == "postgres" {
            // As autovacuum does in time.
            db.write_now(|conn| join::run(conn, "ANALYZE"))?;
        }
        println!("{}: {touches} touches and their leads made in {:.0} s", settings.on, begun.elapsed().as_secs_f64());
    }
    let contenders = contenders()?;
    let all = measure(&db, &contenders, settings.rounds)?;
    print(settings, touches, &contenders, &all);
    Ok(())
}

fn on_sqlite(settings: &Settings, touches: u64) -> Outcome<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/reports/{touches}-{}", settings.leads));
    let is_new = !dir.join("headwater.db").exists();
    std::fs::create_dir_all(&dir)?;
    let outcome = on("", &dir, is_new, settings, touches);
    if !settings.keep {
        std::fs::remove_dir_all(&dir)?;
    }
    outcome
}

fn on_postgres(settings: &Settings, touches: u64) -> Outcome<()> {
    let server = server().ok_or("HEADWATER_TEST_PG_URL names no server")?;
    let dir = tempfile::tempdir()?;
    let mut admin = PgConnection::establish(&server)?;
    let name = format!("headwater_reports_{touches}_{}", settings.leads);
    // It fails where a run before kept it.
    let is_new = admin.batch_execute(&format!("CREATE DATABASE {name}")).is_ok();
    let mut url = url::Url::parse(&server)?;
    url.set_path(&name);
    let outcome = on(url.as_str(), dir.path(), is_new, settings, touches);
    if !settings.keep {
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
    }
    outcome
}

#[expect(clippy::disallowed_methods, reason = "the throw-away server is named where tests look for it, too")]
fn server() -> Option<String> {
    std::env::var("HEADWATER_TEST_PG_URL").ok()
}

fn main() -> ExitCode {
    let outcome = Settings::read().and_then(|settings| {
        let on = if settings.on == "sqlite" { on_sqlite } else { on_postgres };
        settings.touches.iter().try_for_each(|touches| on(&settings, *touches))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
