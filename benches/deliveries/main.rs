//! Measures the acceptance of webhooks from outside: so many a second of mixed vendors, signed for real, beside redirects,
//! all on one core of the server, with the database taken away in the middle and given back. Nothing may be lost.
//!
//! `docs/performance.md` has the figures and the command. The server runs on core 0, this client (and PostgreSQL, where
//! it is measured) on core 1. Every request is due at its time, and a latency counts from then, whether or not a
//! connection was free.

mod client;
mod database;
mod vendors;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;

use client::{Answers, Load};
use database::Database;
use vendors::Sender;

/// What goes wrong is told to the person who started the run; nothing recovers from it.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Measures the acceptance of webhooks.
#[derive(Debug, Parser)]
struct Cli {
    /// Deliveries a second
    #[arg(long, default_value_t = 1_000)]
    rate: u64,
    /// Redirects a second beside them
    #[arg(long, default_value_t = 2_000)]
    redirects: u64,
    /// Seconds of each of the three parts: with the database, without it, with it again
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Use PostgreSQL: the throw-away server of `ci/with-postgres.sh`, beside which this runs
    #[arg(long)]
    postgres: bool,
    /// Cargo adds this to every benchmark's arguments
    #[arg(long, hide = true)]
    bench: bool,
}

#[expect(clippy::print_stderr, reason = "a failure is told on the terminal")]
fn main() -> ExitCode {
    match measure(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A server of one worker on core 0.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn headwater(data: &Path, database: &Database) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0", env!("CARGO_BIN_EXE_headwater")]);
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(data);
    command.args(["--set", &format!("data.dir={}", data.display())]);
    command.args(["--set", &format!("database.url={}", database.url())]);
    command.args(["--set", "server.public_url=https://t.example.com", "--set", "log.level=error"]);
    command
}

fn run(data: &Path, database: &Database, arguments: &[&str]) -> Outcome<String> {
    let output = headwater(data, database).args(arguments).output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}

fn serve(data: &Path, database: &Database) -> Outcome<Server> {
    let mut command = headwater(data, database);
    command.args(["serve", "--set", "server.bind=127.0.0.1:0", "--set", "server.workers=1"]);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let mut address = None;
    for line in lines.by_ref() {
        let line = line?;
        let found = line.split_whitespace().find_map(|w| w.strip_prefix("http://"));
        address = address.or_else(|| found.map(str::to_owned));
        if line.starts_with("Data:") {
            break;
        }
    }
    Ok(Server { child, address: address.ok_or("the server names no address")? })
}

#[expect(clippy::print_stdout, reason = "the figures")]
fn measure(cli: &Cli) -> Outcome<()> {
    pin_to_client_core()?;
    // Below target/, as /tmp may be memory, where a sync costs nothing.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut database = Database::new(cli.postgres, dir.path())?;
    run(dir.path(), &database, &["channel", "create", "news", "--source", "news", "--medium", "email"])?;
    let link = ["link", "create", "https://www.example.com/", "--channel", "news", "--slug", "known"];
    run(dir.path(), &database, &link)?;
    let senders = vendors::all(|arguments| run(dir.path(), &database, arguments))?;
    println!("vendors: {}", senders.iter().map(|s| s.name).collect::<Vec<_>>().join(", "));
    let server = serve(dir.path(), &database)?;
    let part = Duration::from_secs(cli.seconds);
    let cpu_before = cpu_ms(server.child.id())?;
    let alone = redirects_alone(cli, &server, part)?;
    let (cpu_alone, begin) = (cpu_ms(server.child.id())?, Instant::now());
    let (deliveries, redirects) = with_database_taken_away(cli, &server, senders, &mut database, part)?;
    let cpu_both = cpu_ms(server.child.id())?;
    let (drained, counters) = drain(&server)?;
    println!("redirects alone:       {}", alone.summary(Duration::ZERO, part));
    for (name, from) in [("database there", Duration::ZERO), ("database away", part), ("database back", part * 2)] {
        println!("deliveries, {name}: {}", deliveries.summary(from, from + part));
        println!("redirects,  {name}: {}", redirects.summary(from, from + part));
    }
    println!(
        "accepted {} of {} sent, {} answered 503 and sent again; drained {} s after the end ({} s after the beginning)",
        deliveries.accepted(),
        deliveries.sent(),
        deliveries.again(),
        drained.as_secs(),
        begin.elapsed().as_secs()
    );
    println!(
        "server's processor time: {} ms alone, {} ms with deliveries",
        cpu_alone - cpu_before,
        cpu_both - cpu_alone
    );
    check(&deliveries, &counters)
}

fn redirects_alone(cli: &Cli, server: &Server, part: Duration) -> Outcome<Answers> {
    let stop = Arc::new(AtomicBool::new(false));
    let load = Load::redirects(&server.address, cli.redirects, &stop);
    std::thread::sleep(part);
    stop.store(true, Ordering::SeqCst);
    load.finish()
}

fn with_database_taken_away(
    cli: &Cli,
    server: &Server,
    senders: Vec<Sender>,
    database: &mut Database,
    part: Duration,
) -> Outcome<(Answers, Answers)> {
    let stop = Arc::new(AtomicBool::new(false));
    let redirects = Load::redirects(&server.address, cli.redirects, &stop);
    let deliveries = Load::deliveries(&server.address, cli.rate, senders, &stop);
    std::thread::sleep(part);
    database.take_away()?;
    std::thread::sleep(part);
    database.give_back()?;
    std::thread::sleep(part);
    stop.store(true, Ordering::SeqCst);
    Ok((deliveries.finish()?, redirects.finish()?))
}

/// Waits until everything is loaded and read; answers how long that took, and the counters.
fn drain(server: &Server) -> Outcome<(Duration, BTreeMap<String, u64>)> {
    let begin = Instant::now();
    loop {
        let counters = client::counters(&server.address)?;
        let of = |name: &str| counters.get(name).copied();
        let is_done = of("deliveries_pending") == Some(0)
            && of("touches_pending") == Some(0)
            && of("delivery_items_pending") == Some(0);
        if is_done {
            return Ok((begin.elapsed(), counters));
        }
        if begin.elapsed() > Duration::from_secs(600) {
            return Err("it is not drained after ten minutes".into());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The counters add up, and every event of the senders whose events are simple is there once.
#[expect(clippy::print_stdout, reason = "the figures")]
fn check(deliveries: &Answers, counters: &BTreeMap<String, u64>) -> Outcome<()> {
    let of = |name: &str| counters.get(name).copied().unwrap_or(0);
    let accepted = deliveries.accepted();
    let loaded = of("deliveries_stored") + of("deliveries_stored_directly");
    let items: BTreeMap<&str, u64> =
        counters.iter().filter_map(|(n, v)| Some((n.strip_prefix("delivery_items_")?, *v))).collect();
    println!(
        "server: accepted {}, loaded {loaded} of them {} directly, quarantined {}, 503 {}; items {items:?}",
        of("deliveries_accepted"),
        of("deliveries_stored_directly"),
        of("deliveries_quarantined"),
        of("deliveries_unavailable"),
    );
    if of("deliveries_accepted") != accepted || loaded < accepted || of("deliveries_quarantined") > 0 {
        return Err("deliveries are lost".into());
    }
    if items.values().sum::<u64>() < accepted || of("delivery_items_quarantined") > 0 {
        return Err("items are missing or cannot be read".into());
    }
    println!("none lost");
    Ok(())
}

/// Processor time of a process, in milliseconds.
fn cpu_ms(pid: u32) -> Outcome<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|t| t.parse::<u64>().ok()).unwrap_or(0);
    // Ticks are hundredths of a second on Linux.
    Ok((ticks(11) + ticks(12)) * 10)
}

fn pin_to_client_core() -> Outcome<()> {
    let pid = std::process::id().to_string();
    let done = Command::new("taskset").args(["-a", "-p", "-c", "1", &pid]).stdout(Stdio::null()).status()?;
    if done.success() { Ok(()) } else { Err("taskset failed: this needs two cores".into()) }
}
