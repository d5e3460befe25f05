//! Servers as child processes: pinned, watched, and gone when the run ends.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::Outcome;
use super::machine::SERVER_CORE;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
const START_MAX: Duration = Duration::from_secs(120);
const STOP_MAX: Duration = Duration::from_secs(60);

/// A server that answers requests.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// Where it listens.
    pub(super) port: u16,
    /// What it said on standard error, for the message when it ends.
    log: PathBuf,
    /// From its start to its first answer.
    pub(super) start: Duration,
}

/// Memory of a process, in KiB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// Resident, shared pages counted whole.
    pub(super) rss: u64,
    /// Resident, shared pages counted by their share.
    pub(super) pss: u64,
    /// The most that was ever resident.
    pub(super) peak: u64,
}

/// Measures another binary than Cargo's.
///
/// What Cargo builds for a benchmark has the release profile, but dependencies with whatever features the crates that
/// only test ask of them. Figures that are published are of what `cargo build --release` makes.
pub(super) fn measure_program(path: PathBuf) {
    // Said once, before anything is measured; the first word holds.
    let _said_before = PROGRAM.set(path);
}

/// The program that is measured, as an absolute path.
pub(super) fn program() -> Outcome<String> {
    let path = PROGRAM.get_or_init(|| PathBuf::from(env!("CARGO_BIN_EXE_headwater")));
    let path = fs::canonicalize(path).map_err(|e| format!("--program {}: {e}; build it first", path.display()))?;
    Ok(path.display().to_string())
}

/// A port that is free now.
pub(super) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A command that runs on one core and ends with this program: a server that is stopped at the moment would outlive
/// an interrupt from the keyboard.
pub(super) fn pinned(core: &str, program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "-c", core, program]);
    command
}

/// Headwater's command line on a data directory, on the server's core.
pub(super) fn headwater(data: &Path, arguments: &[String]) -> Outcome<Command> {
    let mut command = pinned(SERVER_CORE, &program()?);
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(data);
    command.args(["--set".into(), format!("data.dir={}", data.display())]).args(arguments);
    Ok(command)
}

/// Runs a command to its end; its standard output, or its complaint.
pub(super) fn run_to_end(command: &mut Command) -> Outcome<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}

impl Server {
    /// Starts a command and waits until it answers `request`.
    pub(super) fn start(mut command: Command, port: u16, request: &str, log: PathBuf) -> Outcome<Self> {
        let errors = File::create(&log)?;
        let begin = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn()?;
        let mut server = Self { child, port, log, start: Duration::ZERO };
        while !server.answers(request) {
            if let Some(status) = server.child.try_wait()? {
                let said = fs::read_to_string(&server.log).unwrap_or_default();
                return Err(format!("the server ended with {status}: {}", said.trim()).into());
            }
            if begin.elapsed() > START_MAX {
                return Err(format!("the server does not answer after {} s", START_MAX.as_secs()).into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        server.start = begin.elapsed();
        Ok(server)
    }

    fn answers(&self, request: &str) -> bool {
        let ask = || -> std::io::Result<usize> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(START_MAX))?;
            stream.write_all(request.as_bytes())?;
            stream.read(&mut [0; 64])
        };
        ask().is_ok_and(|read| read > 0)
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its address.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Stops it where it is, so that what it has left to do does not disturb another's turn.
    pub(super) fn freeze(&self) -> Outcome<()> {
        self.signal("STOP")
    }

    /// Lets it go on.
    pub(super) fn thaw(&self) -> Outcome<()> {
        self.signal("CONT")
    }

    /// Ends it as an operator does, and waits for it.
    pub(super) fn stop(mut self) -> Outcome<()> {
        self.signal("TERM")?;
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > STOP_MAX {
                return Err("the server does not end".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn signal(&self, name: &str) -> Outcome<()> {
        run_to_end(Command::new("kill").args(["-s", name, &self.pid().to_string()])).map(drop)
    }

    /// Its memory.
    pub(super) fn memory(&self) -> Outcome<Memory> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()))?;
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let kib = |text: &str, name: &str| -> u64 {
            let line = text.lines().find_map(|l| l.strip_prefix(name));
            line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        Ok(Memory { rss: kib(&rollup, "Rss:"), pss: kib(&rollup, "Pss:"), peak: kib(&status, "VmHWM:") })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}
