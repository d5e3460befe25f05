//! The bench: one server under one load, its disk, its database, and everything that has happened to them.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection as _, SqliteConnection};

use super::draw::Draw;
use super::load::Load;
use super::segments::Destroyed;
use crate::durability::{OwnPostgres, Site, until, wait_until};
use crate::support::Client;
use crate::support::binary;
use crate::support::faults::{Faults, Injected, Odds};
use crate::surface::{assert_equations, counters};

/// One process, from its start to its end.
#[derive(Debug, Clone)]
pub(super) struct Life {
    /// `journal.sync` of this process.
    pub(super) sync: String,
    /// What it counted as unrecorded when nothing could be refused any more; `None` where it died before that.
    pub(super) unrecorded: Option<u64>,
    /// What the shim had done at its start, and at its end.
    pub(super) from: Injected,
    pub(super) to: Injected,
}

/// The database, and how it is taken away.
pub(super) enum Database {
    /// A transaction of ours holds the file's only write lock.
    Sqlite { file: PathBuf, lock: Option<SqliteConnection> },
    /// The server is stopped.
    Postgres(OwnPostgres),
}

impl Database {
    pub(super) fn take_away(&mut self) {
        match self {
            Self::Postgres(server) => server.ctl("stop"),
            Self::Sqlite { file, lock } => {
                let mut other = SqliteConnection::establish(file.to_str().expect("utf-8")).expect("sqlite");
                other.batch_execute("PRAGMA busy_timeout = 60000; BEGIN EXCLUSIVE").expect("lock");
                *lock = Some(other);
            }
        }
    }

    pub(super) fn give_back(&mut self) {
        match self {
            Self::Postgres(server) => server.ctl("start"),
            Self::Sqlite { lock, .. } => drop(lock.take()),
        }
    }
}

pub(super) struct Bench {
    pub(super) site: Site,
    pub(super) database: Database,
    pub(super) faults: Faults,
    pub(super) load: Load,
    pub(super) lives: Vec<Life>,
    pub(super) destroyed: Destroyed,
    /// Whether a process may refuse to start: while its database or its disk is away.
    pub(super) may_refuse: bool,
    port: u16,
    child: Option<Child>,
    sync: String,
    settings: Vec<String>,
    log: PathBuf,
}

impl Bench {
    pub(super) fn new(mut database: Option<OwnPostgres>, seed: u64, draw: &mut Draw) -> Self {
        let database = database.take();
        let site = Site::new(database.as_ref().map_or("", |d| d.url.as_str()));
        let file = site.dir.path().join("data/headwater.db");
        let database = database.map_or(Database::Sqlite { file, lock: None }, Database::Postgres);
        let faults = Faults::new(site.dir.path(), &site.dir.path().join("data/journal"), seed);
        let port = free_port(draw);
        let log = site.dir.path().join("server.log");
        File::create(&log).expect("log");
        Self {
            load: Load::start(port),
            site,
            database,
            faults,
            lives: Vec::new(),
            destroyed: Destroyed::default(),
            may_refuse: false,
            port,
            child: None,
            sync: String::new(),
            settings: Vec::new(),
            log,
        }
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.site.dir.path().join("data/journal")
    }

    pub(super) fn client(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.port), &self.site.key)
    }

    /// Starts a process with these settings, which later restarts keep.
    pub(super) fn start(&mut self, sync: &str, settings: &[String]) {
        sync.clone_into(&mut self.sync);
        self.settings = settings.to_vec();
        self.spawn();
    }

    fn spawn(&mut self) {
        assert!(self.child.is_none(), "one process at a time");
        let mut command = binary::command(self.site.dir.path(), &self.site.url, &["serve"]);
        let own = [
            format!("server.bind=127.0.0.1:{}", self.port),
            format!("journal.sync={}", self.sync),
            "server.workers=2".into(),
            "server.shutdown_ms=2000".into(),
            "database.wait_ms=1000".into(),
            "journal.sync_interval_ms=10".into(),
            "journal.segment_bytes=65536".into(),
            "log.level=error".into(),
        ];
        for setting in own.iter().chain(&self.settings) {
            command.args(["--set", setting]);
        }
        let life = self.lives.len();
        self.faults.apply(&mut command, life as u64);
        let log = OpenOptions::new().append(true).open(&self.log).expect("log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let now = self.faults.injected();
        self.lives.push(Life { sync: self.sync.clone(), unrecorded: None, from: now, to: now });
        self.load.goes_to(life);
        self.child = Some(command.spawn().expect("the binary starts"));
    }

    /// What a supervisor does: a process that ended by itself is started again.
    pub(super) fn tend(&mut self) {
        let ended = self.child.as_mut().and_then(|c| c.try_wait().expect("wait"));
        if let Some(status) = ended {
            assert!(self.may_refuse, "the server ended by itself, {status}:\n{}", self.log_tail());
            assert_eq!(status.code(), Some(1), "{}", self.log_tail());
            self.reaped();
            self.spawn();
        }
    }

    fn reaped(&mut self) {
        self.child = None;
        let now = self.faults.injected();
        self.lives.last_mut().expect("a life").to = now;
    }

    /// Waits until the process that runs has answered so many clicks more.
    pub(super) fn wait_answered(&mut self, more: u64) {
        let mut life = usize::MAX;
        let mut target = 0;
        wait_until("clicks are answered", 120, || {
            self.tend();
            // After a restart the wait begins anew.
            if life != self.lives.len() - 1 {
                life = self.lives.len() - 1;
                target = self.load.of(life).0 + more;
            }
            self.load.of(life).0 >= target
        });
    }

    /// Scrapes while clicks come in: sums may lag behind what is under way, and never run ahead of it.
    pub(super) fn scrape_under_load(&mut self) {
        let Some(reply) = self.client().try_send("GET", "/metrics", &[], b"") else { return };
        assert_eq!(reply.status, 200, "{}", reply.text);
        let c = super::account::values(&reply.text);
        let (answered, settled) = (c("touches_answered"), c("touches_journaled") + c("clicks_unrecorded"));
        assert!(answered >= settled, "answered {answered} < journaled + unrecorded {settled}");
        let came_in = c("touches_journaled") + c("touches_replayed") + c("touches_rewritten");
        let became = c("touches_stored") + c("touches_duplicate") + c("touches_quarantined") + c("touches_pending");
        assert_eq!(came_in, became, "{}", reply.text);
    }

    /// Lets every answer arrive, then takes what the process counts as unrecorded. The odds must be 0, or the load stays
    /// paused until the process ends.
    pub(super) fn take_stock(&mut self) {
        self.load.pause();
        self.tend();
        let life = self.lives.len() - 1;
        assert_eq!(self.load.of(life).1, 0, "a living server broke connections off");
        let c = until("the server tells its counters", 60, || {
            self.tend();
            self.client().try_send("GET", "/metrics", &[], b"").map(|r| super::account::values(&r.text))
        });
        assert_equations(&c);
        if life == self.lives.len() - 1 {
            self.lives[life].unrecorded = Some(c("clicks_unrecorded"));
        }
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        let mut child = self.child.take().expect("a process");
        child.kill().expect("kill");
        child.wait().expect("wait");
        self.reaped();
    }

    /// SIGTERM, as a service manager does; the process must end by itself and well.
    pub(super) fn stop(&mut self) {
        let child = self.child.as_mut().expect("a process");
        let pid = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        let status: ExitStatus = until("the process ends", 60, || child.try_wait().expect("wait"));
        assert_eq!(status.code(), Some(0), "{status}: {}", self.log_tail());
        self.reaped();
    }

    pub(super) fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Everything drains: every record settled, every segment deleted, and the process ends well.
    pub(super) fn drain(&mut self) {
        self.faults.set(Odds::default());
        self.may_refuse = false;
        self.load.resume();
        self.start("interval", &[]);
        self.wait_answered(50);
        self.take_stock();
        let client = self.client();
        wait_until("every click is settled", 120, || {
            self.tend();
            counters(&client)("touches_pending") == 0
        });
        assert_equations(&counters(&client));
        self.stop();
        let left = super::segments::segments(&self.journal());
        assert!(left.is_empty(), "segments are left after a clean end: {left:?}");
        let log = fs::read_to_string(&self.log).expect("log");
        assert!(!log.contains("panicked"), "{}", self.log_tail());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _killed = child.kill();
            let _waited = child.wait();
        }
    }
}

/// A port that nobody uses now, below those that the kernel gives out, or a visitor could sit on it while no server does.
fn free_port(draw: &mut Draw) -> u16 {
    until("a port is free", 20, || {
        let port = u16::try_from(10_000 + draw.below(10_000)).expect("a port");
        std::net::TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    })
}

/// A moment that no event marks: up to so many microseconds.
pub(super) fn linger(draw: &mut Draw, micros: u64) {
    std::thread::park_timeout(Duration::from_micros(draw.below(micros)));
}
