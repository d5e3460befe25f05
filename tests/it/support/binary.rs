//! The real binary, started, killed and asked.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use super::client::Client;

/// A running `headwater` process.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) base: String,
    /// What it printed up to the line that names its address, and the few after it.
    pub(crate) greeting: String,
}

/// The binary with settings, not started yet.
pub(crate) fn command(dir: &Path, database_url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.env_clear().current_dir(dir).args(arguments);
    command.arg("--set").arg(format!("data.dir={}", dir.join("data").display()));
    if !database_url.is_empty() {
        command.arg("--set").arg(format!("database.url={database_url}"));
    }
    command
}

/// Runs a command of the binary to its end.
pub(crate) fn run(dir: &Path, database_url: &str, arguments: &[&str]) -> Output {
    command(dir, database_url, arguments).output().expect("the binary runs")
}

/// Runs a command that must succeed; answers its standard output.
pub(crate) fn run_ok(dir: &Path, database_url: &str, arguments: &[&str]) -> String {
    let output = run(dir, database_url, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("utf-8")
}

impl Process {
    /// Starts a serving command on a free port and waits for its greeting.
    pub(crate) fn start(dir: &Path, database_url: &str, arguments: &[&str]) -> Self {
        let mut command = command(dir, database_url, arguments);
        command.args(["--set", "server.bind=127.0.0.1:0", "--set", "log.level=warn"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut greeting = String::new();
        for line in lines.by_ref() {
            let line = line.expect("utf-8");
            greeting.push_str(&line);
            greeting.push('\n');
            if line.starts_with("Data:") {
                break;
            }
        }
        let base = greeting.split_whitespace().find(|w| w.starts_with("http://")).expect("an address").to_owned();
        Self { child, base, greeting }
    }

    pub(crate) fn client(&self, key: &str) -> Client {
        Client::new(&self.base, key)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Runs a command of the binary on the data of a server that runs in this process.
pub(crate) fn output_in(app: &super::TestApp, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.env_clear().current_dir(app.dir.path()).args(arguments);
    command.arg("--set").arg(format!("data.dir={}", app.dir.path().display()));
    if !app.db.url().is_empty() {
        command.arg("--set").arg(format!("database.url={}", app.db.url()));
    }
    command.output().expect("the binary runs")
}

/// The same, for a command that must succeed; answers its standard output.
pub(crate) fn run_in(app: &super::TestApp, arguments: &[&str]) -> String {
    let output = output_in(app, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("utf-8")
}
