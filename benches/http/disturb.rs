//! Latency at half load: idle, while reports run, while imports run, and while the database is away.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::contenders::{self, Sync};
use super::machine::{CLIENT_CORE, FOREIGN_PER_MILLE_MAX, Usage};
use super::process::{Server, headwater, pinned, run_to_end};
use super::report::{Report, Spread};
use super::requests::{self, Kind, SLUGS};
use super::rounds::Hold;
use super::steady::Latencies;
use super::tally::Tally;
use super::targets::{self, Unit};
use super::wrk::Wrk;
use super::{Outcome, Run, fixture, say};

/// Touches in the database that reports read, and of one import.
const HISTORY: u64 = 100_000;
const ROUNDS_MAX: usize = 3;
const DRAIN_MAX: Duration = Duration::from_secs(60);

/// What goes on beside the redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Reports,
    Imports,
    NoDatabase,
}

impl Beside {
    const ALL: [Self; 4] = [Self::Nothing, Self::Reports, Self::Imports, Self::NoDatabase];

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing (idle)",
            Self::Reports => "cost-per-lead reports, one after another",
            Self::Imports => "imports of 100,000 touches, one after another",
            Self::NoDatabase => "the database away",
        }
    }
}

struct Stage {
    data: PathBuf,
    server: Server,
    requests: PathBuf,
    key: String,
    rate: u64,
}

/// Measures and adds the table.
pub(super) fn measure(run: &Run, dir: &Path, report: &mut Report) -> Outcome<()> {
    say("preparing the latency measurement");
    let stage = Stage::prepare(dir, run)?;
    let rounds = if run.quick { 1 } else { run.rounds.min(ROUNDS_MAX) };
    let mut all: Vec<Vec<Latencies>> = vec![Vec::new(); Beside::ALL.len()];
    let (mut noisy, mut done) = (0, 0);
    for round in 0..rounds {
        say(&format!("latency, round {} of {rounds}", round + 1));
        for (beside, list) in Beside::ALL.into_iter().zip(&mut all) {
            let (latencies, count, is_quiet) = stage.attempt(beside, run, round)?;
            noisy += usize::from(!is_quiet);
            done += usize::from(matches!(beside, Beside::Reports | Beside::Imports) && count > 0);
            list.push(latencies);
        }
    }
    if noisy > 0 {
        report.remark(format!("{noisy} of {} latency measurements met foreign load.", rounds * Beside::ALL.len()));
    }
    if done < rounds * 2 {
        report.remark("In some latency measurements no report or import came to its end.".to_owned());
    }
    tell(&stage, &all, report);
    Ok(())
}

impl Stage {
    fn prepare(dir: &Path, run: &Run) -> Outcome<Self> {
        let data = fixture::make(dir, "latency", SLUGS)?;
        let command = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&w| w.to_owned()).collect();
            run_to_end(&mut headwater(&data, &words)?)
        };
        let touches = fixture::touches_csv(&data, "history", HISTORY)?;
        let leads = fixture::leads_csv(&data, HISTORY)?;
        command(&["import", "touches", &touches.display().to_string(), "--source", "history"])?;
        command(&["import", "conversions", &leads.display().to_string(), "--source", "history"])?;
        let made: serde_json::Value =
            serde_json::from_str(&command(&["key", "create", "bench", "--scopes", "reports:read", "--json"])?)?;
        let key = made.get("key").and_then(|k| k.as_str()).ok_or("key create printed no key")?.to_owned();
        let server = contenders::serve(&data, Sync::Interval)?;
        let requests = requests::write_file(dir, Kind::Redirect)?;
        let full = Wrk::new(dir)?.drive(&server.url("/"), &requests, 64, run.seconds)?;
        let stage = Self { data, server, requests, key, rate: (full.rate() / 2).max(1) };
        stage.drain()?;
        Ok(stage)
    }

    fn drain(&self) -> Outcome<()> {
        if Tally::drained(&self.server, DRAIN_MAX)?.is_none() {
            say("the writer did not catch up; what is measured next has it at work from the start");
        }
        Ok(())
    }

    /// One measurement, repeated while others use the machine. Also how much of the other work was done.
    fn attempt(&self, beside: Beside, run: &Run, round: usize) -> Outcome<(Latencies, u64, bool)> {
        for attempt in 0.. {
            let work = Work::start(self, beside, &format!("import-{round}-{attempt}"))?;
            let usage = Usage::now(&[self.server.pid()])?;
            let latencies = self.drive(run.latency_seconds);
            // Imports are processes of their own; only a finished one counts as ours, so they are not held against it.
            let foreign = Usage::now(&[self.server.pid()])?.foreign_per_mille(&usage);
            // The time of a process counts as ours once it has ended, so that of a running import would not.
            let is_quiet = beside == Beside::Imports || foreign <= FOREIGN_PER_MILLE_MAX;
            let count = work.stop();
            self.drain()?;
            if is_quiet || attempt >= run.repeats {
                return Ok((latencies?, count, is_quiet));
            }
        }
        Err("no measurement was taken".into())
    }

    fn drive(&self, seconds: u64) -> Outcome<Latencies> {
        let before = Tally::settled(&self.server)?;
        let mut command = pinned(CLIENT_CORE, &std::env::current_exe()?.display().to_string());
        command.args(["steady", "--port", &self.server.port.to_string(), "--rate", &self.rate.to_string()]);
        command.args(["--seconds", &seconds.to_string(), "--requests"]).arg(&self.requests);
        let latencies: Latencies = serde_json::from_str(&run_to_end(&mut command)?)?;
        Tally::settled(&self.server)?.account_for(&before, latencies.requests, 0, false)?;
        Ok(latencies)
    }
}

/// The other work, until it is stopped.
struct Work {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    done: Arc<AtomicU64>,
    hold: Option<Hold>,
}

impl Work {
    fn start(stage: &Stage, beside: Beside, source: &str) -> Outcome<Self> {
        let mut work = Self { is_over: Arc::default(), thread: None, done: Arc::default(), hold: None };
        let (is_over, done) = (Arc::clone(&work.is_over), Arc::clone(&work.done));
        match beside {
            Beside::Nothing => {}
            Beside::NoDatabase => work.hold = Some(Hold::take(fixture::open(&stage.data)?)?),
            Beside::Reports => {
                let (url, key) = (stage.server.url(REPORT), stage.key.clone());
                work.thread = Some(std::thread::spawn(move || report_on(&url, &key, &is_over, &done)));
            }
            Beside::Imports => {
                let (data, source) = (stage.data.clone(), source.to_owned());
                let file = fixture::touches_csv(&stage.data, &source, HISTORY)?;
                work.thread = Some(std::thread::spawn(move || import_on(&data, &file, &source, &is_over, &done)));
            }
        }
        Ok(work)
    }

    fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread {
            let _ended = thread.join();
        }
        if let Some(hold) = self.hold {
            hold.release();
        }
        self.done.load(Ordering::Relaxed)
    }
}

const REPORT: &str = "/api/v1/reports/cost-per-lead?from=2025-01-01&to=2025-12-31";

fn report_on(url: &str, key: &str, is_over: &AtomicBool, done: &AtomicU64) {
    while !is_over.load(Ordering::Relaxed) {
        let asked = ureq::get(url).header("Authorization", format!("Bearer {key}")).call();
        match asked.and_then(|mut answer| answer.body_mut().read_to_vec()) {
            Ok(_body) => drop(done.fetch_add(1, Ordering::Relaxed)),
            Err(error) => return say(&format!("a report failed: {error}")),
        }
    }
}

/// Imports the file under a new source each time; one that is still at it in the end is killed and leaves nothing.
fn import_on(data: &Path, file: &Path, source: &str, is_over: &AtomicBool, done: &AtomicU64) {
    while !is_over.load(Ordering::Relaxed) {
        let source = format!("{source}-{}", done.load(Ordering::Relaxed));
        let words = ["import", "touches", &file.display().to_string(), "--source", &source].map(str::to_owned);
        let started = headwater(data, &words)
            .and_then(|mut command| Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?));
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return say(&format!("an import does not start: {error}")),
        };
        let status = loop {
            match child.try_wait() {
                Ok(None) if is_over.load(Ordering::Relaxed) => {
                    let _killed = child.kill();
                    let _waited = child.wait();
                    return;
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Ok(Some(status)) => break status,
                Err(error) => return say(&format!("an import is lost: {error}")),
            }
        };
        if !status.success() {
            return say(&format!("an import failed with {status}"));
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn tell(stage: &Stage, all: &[Vec<Latencies>], report: &mut Report) {
    let Some(idle) = all.first() else { return };
    let mut rows = Vec::new();
    for (beside, list) in Beside::ALL.into_iter().zip(all) {
        let ratio = Spread::of(list.iter().zip(idle).map(|(l, i)| l.p99 * 1_000 / i.p99.max(1)).collect());
        let median = |figure: fn(&Latencies) -> u64| Spread::of(list.iter().map(figure).collect()).median.to_string();
        let figures = [median(|l| l.p50), median(|l| l.p99), median(|l| l.p999), median(|l| l.max)];
        rows.push([vec![beside.name().to_owned(), ratio.print(Unit::Ratio)], figures.to_vec()].concat());
        match beside {
            Beside::Nothing => {}
            Beside::Reports => report.check(&targets::P99_REPORT, ratio),
            Beside::Imports => report.check(&targets::P99_IMPORT, ratio),
            Beside::NoDatabase => report.check(&targets::P99_AWAY, ratio),
        }
    }
    let note =
        format!("{} redirects per second, half of what this server managed with its writer at work.", stage.rate);
    let header = ["beside the redirects", "p99 of idle p99", "(p50 µs)", "(p99 µs)", "(p99.9 µs)", "(max µs)"];
    report.table("Latency at half load", &note, &header, rows);
}
