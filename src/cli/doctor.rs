//! `headwater doctor`: what is well, what is not, and what to do about it.
//!
//! It looks and changes nothing: no migration runs, no directory or key is made, the journal's lock is left alone. So it
//! can be run at any time, beside a server that works, hangs or cannot start. Nothing that it prints tells of a visitor.

mod database;
mod deliveries;
mod files;
mod journal;
mod server;

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use super::CliError;
use crate::config::Config;
use crate::domain::time::Clock;

/// How a check came out. In the order of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    verdict: Verdict,
    finding: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// Everything that was found, in the order of looking.
#[derive(Debug, Default)]
struct Findings(Vec<Check>);

impl Findings {
    fn ok(&mut self, check: &'static str, finding: impl Into<String>) {
        self.0.push(Check { check, verdict: Verdict::Ok, finding: finding.into(), remedy: None });
    }

    fn warn(&mut self, check: &'static str, finding: impl Into<String>, remedy: impl Into<String>) {
        self.add(Verdict::Warn, check, finding.into(), remedy.into());
    }

    fn fail(&mut self, check: &'static str, finding: impl Into<String>, remedy: impl Into<String>) {
        self.add(Verdict::Fail, check, finding.into(), remedy.into());
    }

    fn add(&mut self, verdict: Verdict, check: &'static str, finding: String, remedy: String) {
        self.0.push(Check { check, verdict, finding, remedy: Some(remedy) });
    }

    fn worst(&self) -> Verdict {
        self.0.iter().map(|c| c.verdict).max().unwrap_or(Verdict::Ok)
    }
}

/// Looks at everything; the exit code is 0 when all is well, 1 with warnings, 2 with a failure, as monitoring systems
/// expect of a check. `config` may be the reason why it cannot be read.
pub(super) fn run(config: Result<Config, CliError>, clock: &dyn Clock, as_json: bool) -> ExitCode {
    let mut findings = Findings::default();
    match config {
        Err(why) => {
            findings.fail("configuration", why.to_string(), "correct it; config/default.toml names every key");
        }
        Ok(config) => look(&config, clock, &mut findings),
    }
    print(&findings, as_json);
    match findings.worst() {
        Verdict::Ok => ExitCode::SUCCESS,
        Verdict::Warn => ExitCode::from(1),
        Verdict::Fail => ExitCode::from(2),
    }
}

fn look(config: &Config, clock: &dyn Clock, findings: &mut Findings) {
    configuration(config, findings);
    if !files::look(config, findings) {
        return;
    }
    let journal = journal::look(config, clock, findings);
    deliveries::look(config, clock, findings);
    let database = database::look(config, clock, findings);
    server::look(config, journal.as_ref(), database, findings);
}

fn configuration(config: &Config, findings: &mut Findings) {
    let url = &config.server.public_url;
    let host = url::Url::parse(url).ok().and_then(|u| u.host_str().map(str::to_owned)).unwrap_or_default();
    if ["0.0.0.0", "[::]"].contains(&host.as_str()) {
        let remedy = "set server.public_url to the address that visitors use, such as https://links.example.com";
        findings.warn("configuration", format!("short links would begin with {url}, which leads nowhere"), remedy);
    } else {
        let about = format!("valid; listens on {}, known as {url}", config.server.bind);
        findings.ok("configuration", about);
    }
}

#[expect(clippy::print_stdout, reason = "this is what the command line is for")]
fn print(findings: &Findings, as_json: bool) {
    if as_json {
        println!("{:#}", json!({ "verdict": findings.worst(), "checks": findings.0 }));
        return;
    }
    for check in &findings.0 {
        let word = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        let remedy = check.remedy.as_deref().map(|r| format!(" → {r}")).unwrap_or_default();
        // One line each, whatever a system's message holds.
        let line = format!("{word:<4}  {:<13}  {}{remedy}", check.check, check.finding);
        println!("{}", line.replace(['\n', '\r'], " "));
    }
}

/// A number of bytes for people, to one decimal.
fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut tenths, mut unit) = (u128::from(n) * 10, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = (tenths + 512) / 1_024;
        unit += 1;
    }
    if unit == 0 { format!("{n} bytes") } else { format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]) }
}

/// A span of milliseconds for people.
fn span(ms: i64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        ..1 => format!("{} ms", ms.max(0)),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        assert_eq!([bytes(1_023), bytes(1_536), bytes(10 << 30)], ["1023 bytes", "1.5 KiB", "10.0 GiB"]);
        assert_eq!([span(900), span(90_000), span(3_600_000), span(400_000_000)], ["900 ms", "90 s", "60 min", "4 d"]);
    }

    #[test]
    fn the_worst_finding_decides() {
        let mut findings = Findings::default();
        assert_eq!(findings.worst(), Verdict::Ok);
        findings.fail("a", "b", "c");
        findings.warn("a", "b", "c");
        assert_eq!(findings.worst(), Verdict::Fail);
    }
}
