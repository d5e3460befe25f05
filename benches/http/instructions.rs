//! How many instructions one request costs: a figure that noise cannot touch.
//!
//! The release binary runs under callgrind, counted thread by thread. One connection sends a few requests, then
//! many; what the many cost more, divided by how many more they are, is one request without what comes once. Only
//! the thread that answers is counted, and the writer is kept from loading, so neither timers nor batches matter.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::contenders::{Sync, serve_arguments};
use super::process::{Server, free_port, program, run_to_end};
use super::requests::{Kind, SLUGS, request};
use super::rounds::Hold;
use super::steady::is_whole;
use super::{Outcome, fixture, machine, say};

const BASELINE: &str = "benches/instructions.toml";
/// The bare handler among the counts.
const BARE: &str = "actix-web";
const WARM_UP: u64 = 300;
const FEW: u64 = 200;
const MANY: u64 = 1_200;

#[derive(Debug, Args)]
pub(super) struct Instructions {
    /// Take what is counted now as the baseline
    #[arg(long)]
    accept: bool,
    /// Count this often, each time in a new process, and compare the median
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// Keep what callgrind wrote, one file for each kind of request, for `callgrind_annotate`
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// The committed figures.
#[derive(Debug, Serialize, Deserialize)]
struct Baseline {
    /// By how many percent a count may differ.
    tolerance_percent: u64,
    /// By the kind of request.
    instructions: BTreeMap<String, u64>,
}

/// Counts, prints, compares.
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
pub(super) fn run(command: &Instructions) -> Outcome<()> {
    for tool in ["valgrind", "callgrind_control"] {
        machine::require(tool)?;
    }
    let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for number in 0..command.runs.max(1) {
        say(&format!("counting, run {} of {}", number + 1, command.runs.max(1)));
        for (name, count) in count(command.keep.as_deref())? {
            counts.entry(name.to_owned()).or_default().push(count);
        }
    }
    let text = fs::read_to_string(BASELINE).map_err(|e| format!("cannot read {BASELINE}: {e}"))?;
    let baseline: Baseline = toml::from_str(&text)?;
    let mut faults = Vec::new();
    let mut medians = BTreeMap::new();
    for (kind, list) in &mut counts {
        list.sort_unstable();
        let median = list.get(list.len() / 2).copied().unwrap_or(0);
        if kind == BARE {
            println!("{kind:9} {median:7} instructions, the share of actix-web in a fixed 302, all runs {list:?}");
            continue;
        }
        let known = baseline.instructions.get(kind).copied().unwrap_or(0);
        println!("{kind:9} {median:7} instructions, baseline {known:7}, all runs {list:?}");
        if let Some(fault) = compare(kind, median, known, baseline.tolerance_percent) {
            faults.push(fault);
        }
        medians.insert(kind.clone(), median);
    }
    if command.accept {
        return accept(&text, &medians);
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

/// What is wrong with a count: too many, or so few that the baseline guards nothing any more.
fn compare(kind: &str, count: u64, known: u64, tolerance: u64) -> Option<String> {
    let slack = known * tolerance / 100;
    let advice = "find the cause, or take it with `make instructions ARGS=--accept` and say why in the commit";
    if count > known + slack {
        return Some(format!(
            "{kind} takes {count} instructions; the baseline is {known}, and {tolerance} % more are let pass: {advice}"
        ));
    }
    (count + slack < known).then(|| format!(
        "{kind} takes only {count} instructions of the baseline's {known}: take the gain with `make instructions ARGS=--accept`"
    ))
}

/// Replaces the figures and leaves the explanations.
fn accept(text: &str, counts: &BTreeMap<String, u64>) -> Outcome<()> {
    let line = |line: &str| match line.split_once(" = ").and_then(|(name, _)| Some((name, counts.get(name)?))) {
        Some((name, count)) => format!("{name} = {count}\n"),
        None => format!("{line}\n"),
    };
    fs::write(BASELINE, text.lines().map(line).collect::<String>())?;
    say(&format!("{BASELINE} holds the new figures"));
    Ok(())
}

/// Instructions of one request of every kind, by name; last the bare handler's, which is compared with nothing.
fn count(keep: Option<&Path>) -> Outcome<Vec<(&'static str, u64)>> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let data = fixture::make(dir.path(), "data", SLUGS)?;
    let port = free_port()?;
    let mut arguments = vec![program()?, "--set".to_owned(), format!("data.dir={}", data.display())];
    arguments.extend(serve_arguments(Sync::Interval, port));
    let grind = Grind::start(dir.path(), port, &arguments)?;
    let hold = Hold::take(fixture::open(&data)?)?;
    let mut found = Vec::new();
    for kind in Kind::ALL {
        let (count, many) = grind.count(kind)?;
        if let Some(folder) = keep {
            fs::create_dir_all(folder)?;
            fs::copy(&many.file, folder.join(format!("{}.callgrind", kind.name())))?;
        }
        found.push((kind.name(), count));
    }
    hold.release();
    drop(grind);
    let port = free_port()?;
    let own = std::env::current_exe()?.display().to_string();
    let bare = [own, "bare".to_owned(), "--bind".to_owned(), format!("127.0.0.1:{port}")];
    found.push((BARE, Grind::start(dir.path(), port, &bare)?.count(Kind::Redirect)?.0));
    Ok(found)
}

/// The server under callgrind.
struct Grind {
    server: Server,
    out: PathBuf,
    prefix: String,
}

impl Grind {
    fn start(dir: &Path, port: u16, server: &[String]) -> Outcome<Self> {
        let out = dir.join("callgrind");
        // The pipes that callgrind_control talks through are named after the user otherwise, of whom it must not depend.
        let prefix = format!("--vgdb-prefix={}", dir.join("vgdb").display());
        let mut command = Command::new("valgrind");
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").current_dir(dir);
        command.args(["--tool=callgrind", "--separate-threads=yes", "--quiet", &prefix]);
        command.arg(format!("--callgrind-out-file={}", out.display()));
        command.args(server);
        let server = Server::start(command, port, &request(Kind::Redirect, 1), dir.join("valgrind.log"))?;
        Ok(Self { server, out, prefix })
    }

    /// Instructions of one request, and the dump of [`MANY`] of them.
    fn count(&self, kind: Kind) -> Outcome<(u64, Dump)> {
        let mut client = Client::connect(&self.server)?;
        client.send(kind, WARM_UP)?;
        self.dump()?;
        client.send(kind, FEW)?;
        let few = self.dump()?.total;
        client.send(kind, MANY)?;
        let many = self.dump()?;
        Ok((many.total.saturating_sub(few) / (MANY - FEW), many))
    }

    /// Writes the counts since the last dump; those of the busiest thread, which is the one that answers.
    fn dump(&self) -> Outcome<Dump> {
        let folder = self.out.parent().ok_or("the output has a folder")?;
        for old in self.files(folder)? {
            fs::remove_file(old)?;
        }
        run_to_end(Command::new("callgrind_control").args([&self.prefix, "-d", &self.server.pid().to_string()]))?;
        let mut busiest: Option<Dump> = None;
        for file in self.files(folder)? {
            let text = fs::read_to_string(&file)?;
            let total = text.lines().find_map(|l| l.strip_prefix("totals: ").or_else(|| l.strip_prefix("summary: ")));
            let total = total.and_then(|t| t.trim().parse().ok()).unwrap_or(0);
            if busiest.as_ref().is_none_or(|b| b.total < total) {
                busiest = Some(Dump { file, total });
            }
        }
        busiest.filter(|b| b.total > 0).ok_or_else(|| "callgrind wrote no counts".into())
    }

    fn files(&self, folder: &Path) -> Outcome<Vec<PathBuf>> {
        let mut list = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("callgrind.")) {
                list.push(path);
            }
        }
        Ok(list)
    }
}

/// What one thread executed between two dumps.
struct Dump {
    file: PathBuf,
    total: u64,
}

/// One connection that waits for each answer.
struct Client(TcpStream);

impl Client {
    fn connect(server: &Server) -> Outcome<Self> {
        let stream = TcpStream::connect(("127.0.0.1", server.port))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    fn send(&mut self, kind: Kind, count: u64) -> Outcome<()> {
        for i in 0..count {
            self.0.write_all(request(kind, i % SLUGS + 1).as_bytes())?;
            let (mut received, mut buffer) = (Vec::new(), [0; 4_096]);
            while !is_whole(&received)? {
                let read = self.0.read(&mut buffer)?;
                if read == 0 {
                    return Err("the server closed the connection".into());
                }
                received.extend_from_slice(buffer.get(..read).unwrap_or_default());
            }
        }
        Ok(())
    }
}
