//! Driving a server as fast as it goes.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Outcome;
use super::machine::CLIENT_CORE;
use super::process::{pinned, run_to_end};

/// Reads the requests once and hands them out in turn; prints the sums as JSON.
const SCRIPT: &str = r#"
local requests, n, i = {}, 0, 0
function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for one in string.gmatch(file:read("*a"), "[^%z]+") do n = n + 1; requests[n] = one end
  file:close()
end
function request()
  i = i % n + 1
  return requests[i]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"micros":%d,"status":%d,"broken":%d,"p50":%d,"p99":%d}\n', summary.requests,
    summary.duration, e.status, e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"#;

/// What one turn came to.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Turn {
    /// Answers read.
    pub(super) requests: u64,
    micros: u64,
    /// Answers with a status of 400 and more.
    pub(super) status: u64,
    /// Failed connects, reads and writes, and time-outs.
    pub(super) broken: u64,
    /// Median latency, microseconds.
    #[expect(dead_code, reason = "completes the record of a turn when one is looked into")]
    p50: u64,
    /// Latency, microseconds.
    pub(super) p99: u64,
}

impl Turn {
    /// Requests per second.
    pub(super) fn rate(&self) -> u64 {
        self.requests.saturating_mul(1_000_000) / self.micros.max(1)
    }
}

/// wrk with its script.
#[derive(Debug)]
pub(super) struct Wrk(PathBuf);

impl Wrk {
    /// Writes the script into `dir`.
    pub(super) fn new(dir: &Path) -> Outcome<Self> {
        let script = dir.join("rotate.lua");
        fs::write(&script, SCRIPT)?;
        Ok(Self(script))
    }

    /// One turn: a single thread on the client's core.
    pub(super) fn drive(&self, url: &str, requests: &Path, connections: usize, seconds: u64) -> Outcome<Turn> {
        let mut command = pinned(CLIENT_CORE, "wrk");
        command.args(["-t1", "-c", &connections.to_string(), "-d", &format!("{seconds}s"), "-s"]);
        command.arg(&self.0).args([url, "--"]).arg(requests);
        let text = run_to_end(&mut command)?;
        let line = text.lines().find(|l| l.starts_with('{')).ok_or("wrk printed no sums")?;
        Ok(serde_json::from_str(line)?)
    }
}
