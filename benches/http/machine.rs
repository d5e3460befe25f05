//! The machine: what it is, and who else uses it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use headwater::domain::time::{Clock as _, SystemClock};

use super::Outcome;

/// The server's core.
pub(super) const SERVER_CORE: &str = "0";
/// The client's core.
pub(super) const CLIENT_CORE: &str = "1";
/// Kernel clock ticks in a second; Linux tells user space 100 on every architecture.
const TICKS_PER_SECOND: u64 = 100;
/// Of all processor time in a turn, what others may use: per mille.
pub(super) const FOREIGN_PER_MILLE_MAX: u64 = 30;
const SYNCS: u32 = 300;

/// Fails when a program is missing, and says where it comes from.
pub(super) fn require(tool: &str) -> Outcome<()> {
    let found = Command::new("sh").arg("-c").arg(format!("PATH=$PATH:/usr/sbin:/sbin command -v {tool}")).output()?;
    if found.status.success() { Ok(()) } else { Err(format!("`{tool}` is missing: run `ci/install.sh bench`").into()) }
}

/// Lines about the machine and the versions, as name and value.
pub(super) fn describe(dir: &Path) -> Outcome<Vec<(String, String)>> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("unknown");
    let cores = std::thread::available_parallelism()?;
    if cores.get() < 2 {
        return Err("this machine has one core; server and client need one each".into());
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let memory_kib: u64 =
        memory.lines().next().and_then(|l| l.split_whitespace().nth(1)).and_then(|n| n.parse().ok()).unwrap_or(0);
    let line = |name: &str, value: String| (name.to_owned(), value);
    Ok(vec![
        line("date", SystemClock.now().to_string()),
        line("commit", first_line("git", &["describe", "--always", "--dirty"])),
        line("processor", format!("{}, {cores} cores", model.trim_start_matches([' ', '\t', ':']))),
        line("memory", format!("{} MiB", memory_kib / 1024)),
        line("kernel", kernel.trim().to_owned()),
        line("append of 200 bytes + fdatasync, p50", format!("{} µs", sync_p50(dir)?.as_micros())),
        line("rustc", first_line("rustc", &["--version"])),
        line("nginx", first_line("nginx", &["-v"]).replace("nginx version: ", "")),
        line("wrk", first_line("wrk", &["-v"]).split(" [").next().unwrap_or("").to_owned()),
    ])
}

/// The first line that a program prints, on either output.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
    // Not found in these folders, it is looked for where the caller's own path leads.
    let run = Command::new("/usr/bin/env")
        .arg("sh")
        .arg("-c")
        .arg(format!("PATH=$PATH:{path} exec \"$0\" \"$@\""))
        .arg(program)
        .args(arguments)
        .output();
    run.map_or_else(
        |_| "unknown".to_owned(),
        |out| {
            let text = [out.stdout, out.stderr].concat();
            String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").to_owned()
        },
    )
}

/// What a sync of a small append costs here: what group commit stands or falls with.
fn sync_p50(dir: &Path) -> Outcome<Duration> {
    let mut file = fs::File::create(dir.join("sync-probe"))?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[7; 200])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

/// Processor time so far, in ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    at: Instant,
    /// Of every process on the machine, without interrupts, which belong to nobody.
    all: u64,
    /// Taken by other machines on the same host.
    stolen: u64,
    /// Of this program, what it has started and waited for, and the servers.
    own: u64,
}

impl Usage {
    /// Reads it; `servers` are the processes that still run.
    pub(super) fn now(servers: &[u32]) -> Outcome<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let cpu: Vec<u64> =
            stat.lines().next().unwrap_or("").split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
        let field = |i: usize| cpu.get(i).copied().unwrap_or(0);
        let mut own = process_ticks("self", &[13, 14, 15, 16])?;
        for pid in servers {
            own += process_ticks(&pid.to_string(), &[13, 14])?;
        }
        Ok(Self { at: Instant::now(), all: field(0) + field(1) + field(2), stolen: field(7), own })
    }

    /// What others used since `earlier`, per mille of the machine's time.
    pub(super) fn foreign_per_mille(&self, earlier: &Self) -> u64 {
        let cores = std::thread::available_parallelism().map_or(1, |n| u64::try_from(n.get()).unwrap_or(1));
        let elapsed = u64::try_from(self.at.duration_since(earlier.at).as_millis()).unwrap_or(u64::MAX);
        let available = (elapsed.saturating_mul(TICKS_PER_SECOND * cores) / 1_000).max(1);
        let others = (self.all - earlier.all).saturating_sub(self.own - earlier.own);
        (others + (self.stolen - earlier.stolen)).saturating_mul(1_000) / available
    }
}

/// Sums fields of `/proc/PID/stat`, counted from 0.
fn process_ticks(pid: &str, fields: &[usize]) -> Outcome<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold spaces; behind it stands field 2.
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let values: Vec<&str> = rest.split_whitespace().collect();
    Ok(fields.iter().filter_map(|f| values.get(f - 2)?.parse::<u64>().ok()).sum())
}

/// Processor time of a process so far, in microseconds.
pub(super) fn process_micros(pid: u32) -> Outcome<u64> {
    Ok(process_ticks(&pid.to_string(), &[13, 14])? * (1_000_000 / TICKS_PER_SECOND))
}
