//! Measures the release binary from outside, beside nginx and a bare actix-web handler, in one run.
//!
//! `make bench` and `make instructions` start it; `docs/performance.md` says what is measured and why so.
//! Figures are ratios between contenders that were driven in turns by the same client, since what a machine
//! manages in a second moves by a third from hour to hour and its ratios do not. In reading order: `machine`
//! and `process` (where it runs), `requests`, `fixture` and `contenders` (what is driven, with what), `wrk` and
//! `rounds` (throughput), `steady` and `disturb` (latency), `standing` (memory, start, disk), `instructions`,
//! `tally` (the counters add up) and `report` (tables and targets).

mod bare;
mod contenders;
mod disturb;
mod fixture;
mod instructions;
mod loading;
mod machine;
mod process;
mod report;
mod requests;
mod rounds;
mod standing;
mod steady;
mod tally;
mod targets;
mod wrk;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use report::Report;

/// What goes wrong is told to the person who started the run; nothing recovers from it.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Measures Headwater beside nginx and a bare actix-web handler.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
    /// The binary to measure; the one that Cargo built for the benchmarks if not given
    #[arg(long, global = true, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Cargo adds this to every benchmark's arguments
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Count the instructions of one request with callgrind and compare them with benches/instructions.toml
    Instructions(instructions::Instructions),
    /// Serve a fixed 302 with one actix-web worker: the base that redirects are compared with
    Bare(bare::Bare),
    /// Send requests at a constant rate and print the latencies as JSON
    Steady(steady::Steady),
}

/// What the run measures, and for how long.
#[derive(Debug, Args)]
struct Run {
    /// Turns of every contender
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of one turn
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Only these groups, by the beginning of their names: redirect-64, redirect-256, redirect-1024, pixel-64, missing-64
    #[arg(long, value_delimiter = ',')]
    groups: Vec<String>,
    /// Only these contenders, by name; those they are compared with are driven in any case
    #[arg(long, value_delimiter = ',')]
    contenders: Vec<String>,
    /// Only these parts: throughput, latency, standing, loading
    #[arg(long, value_delimiter = ',')]
    parts: Vec<String>,
    /// How often a turn is repeated when another process used the machine meanwhile
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Seconds of one latency measurement
    #[arg(long, default_value_t = 6)]
    latency_seconds: u64,
    /// Links of the big table, whose memory and start are measured
    #[arg(long, default_value_t = 1_000_000)]
    links: u64,
    /// Short turns, few rounds, no loading rate; the figures are only good for seeing that it works
    #[arg(long)]
    quick: bool,
    /// The page whose figures are replaced; a quick or partial run replaces none unless told where
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

impl Run {
    fn has(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|p| p == part)
    }

    fn is_whole(&self) -> bool {
        !self.quick && self.parts.is_empty() && self.groups.is_empty() && self.contenders.is_empty()
    }

    fn page(&self) -> Option<PathBuf> {
        let default = || self.is_whole().then(|| PathBuf::from("docs/performance.md"));
        self.into.clone().or_else(default)
    }

    fn shortened(mut self) -> Self {
        if self.quick {
            self.rounds = self.rounds.min(3);
            self.seconds = 1;
            self.latency_seconds = self.latency_seconds.min(2);
            self.repeats = self.repeats.min(1);
        }
        self
    }
}

#[expect(clippy::print_stderr, reason = "a failure is told on the terminal")]
fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(program) = cli.program {
        process::measure_program(program);
    }
    let outcome = match cli.command {
        Some(Command::Instructions(command)) => instructions::run(&command),
        Some(Command::Bare(command)) => bare::run(&command),
        Some(Command::Steady(command)) => steady::run(&command),
        None => measure(cli.run.shortened()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The whole run. Fails when the counters do not add up; a missed target is shown, not an error.
fn measure(run: Run) -> Outcome<()> {
    for tool in ["nginx", "wrk", "taskset", "setpriv"] {
        machine::require(tool)?;
    }
    // Below target/, as /tmp may be memory, where a sync costs nothing.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut report = Report::new(machine::describe(dir.path())?);
    if run.has("throughput") {
        rounds::measure(&run, dir.path(), &mut report)?;
    }
    if run.has("latency") {
        disturb::measure(&run, dir.path(), &mut report)?;
    }
    if run.has("standing") {
        standing::measure(&run, dir.path(), &mut report)?;
    }
    if run.has("loading") && !run.quick {
        loading::measure(&mut report)?;
    }
    report.finish(run.page().as_deref())
}

/// Progress, on the terminal and not in the figures.
#[expect(clippy::print_stderr, reason = "a run takes minutes; whoever waits wants to see it move")]
fn say(text: &str) {
    eprintln!("bench: {text}");
}
