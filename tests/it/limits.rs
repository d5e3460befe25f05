//! What happens at each limit (docs/operating.md has the table): redirects go on for everybody else.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection as _, SqliteConnection};

use crate::durability::{OwnPostgres, Site, assert_all_stored, click, launch, wait_settled, wait_until};
use crate::support::binary::{self, Process};
use crate::support::faults::{Faults, Odds};
use crate::support::{Backend, Client, TestApp};
use crate::surface::{assert_equations, counters};

/// More than any part of one of these tests takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection without the manners of an HTTP client.
struct Raw(TcpStream);

impl Raw {
    fn to(base: &str) -> Self {
        let stream = TcpStream::connect(base.trim_start_matches("http://")).expect("connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
        Self(stream)
    }

    /// Sends what the server may refuse to take in the middle.
    fn send(&mut self, bytes: &[u8]) {
        let _refused = self.0.write_all(bytes);
    }

    /// Everything that comes until the server closes.
    fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match self.0.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => all.extend_from_slice(&chunk[..n]),
                Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("the server neither answered nor closed; it said {:?}", String::from_utf8_lossy(&all))
                }
                // A reset after the answer is as good as an end.
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    fn is_open(&mut self) -> bool {
        self.0.set_nonblocking(true).expect("nonblocking");
        let open = matches!(self.0.read(&mut [0; 64]), Err(why) if why.kind() == ErrorKind::WouldBlock);
        self.0.set_nonblocking(false).expect("blocking");
        open
    }
}

fn request(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: Mozilla/5.0\r\n{headers}\r\n")
}

fn statuses(answers: &str) -> Vec<&str> {
    // A body may end without a line's end, so that the next answer begins in its line.
    answers.match_indices("HTTP/1.1 ").filter_map(|(at, name)| answers.get(at + name.len()..)?.get(..3)).collect()
}

/// Twenty clicks of somebody who comes now.
fn others_go_on(process: &Process, answered: &mut Vec<String>) {
    let client = process.client("");
    for _ in 0..20 {
        answered.push(click(&client).expect("others are answered"));
    }
}

/// The server answers, its sums hold and its log tells of no panic.
fn assert_well(client: &Client) {
    assert_eq!(client.get("/healthz").status, 200);
    assert_equations(&counters(client));
}

fn budget(backend: Backend) {
    let postgres = (backend == Backend::Postgres).then(OwnPostgres::start);
    let site = Site::new(postgres.as_ref().map_or("", |p| p.url.as_str()));
    let process = site.start(&[
        "journal.max_bytes=262144",
        "journal.segment_bytes=65536",
        "database.wait_ms=500",
        "log.level=off",
    ]);
    let client = process.client("");
    let mut lock = None;
    if let Some(postgres) = &postgres {
        postgres.ctl("stop");
    } else {
        let file = site.dir.path().join("data/headwater.db");
        let mut other = SqliteConnection::establish(file.to_str().expect("utf-8")).expect("sqlite");
        other.batch_execute("PRAGMA busy_timeout = 20000; BEGIN EXCLUSIVE").expect("lock");
        lock = Some(other);
    }
    let mut answered = Vec::new();
    wait_until("the journal is full", 120, || {
        // Many at a time: with the database away each look at the counters waits for it.
        for _ in 0..20 {
            others_go_on(&process, &mut answered);
        }
        counters(&client)("clicks_unrecorded") > 0
    });
    others_go_on(&process, &mut answered);
    let c = counters(&client);
    assert_equations(&c);
    assert_eq!(c("journal_budget_bytes"), 262_144);
    assert!(c("journal_bytes") <= 262_144, "{} bytes are over the budget", c("journal_bytes"));
    assert!(c("journal_bytes") > 262_144 / 2, "{} bytes are far from it", c("journal_bytes"));
    let lost = c("clicks_unrecorded");
    assert!(lost >= 20, "nothing is journaled in a full journal: {lost}");
    match &postgres {
        Some(postgres) => postgres.ctl("start"),
        None => drop(lock.take()),
    }
    wait_settled(&client, 60);
    // Segments are deleted after their touches are counted as stored.
    wait_until("the journal has room again", 60, || counters(&client)("journal_bytes") < 262_144 / 2);
    let mut after = Vec::new();
    others_go_on(&process, &mut after);
    wait_settled(&client, 60);
    let c = counters(&client);
    assert_equations(&c);
    assert_eq!(c("clicks_unrecorded"), lost, "recording goes on by itself");
    assert_eq!(c("touches_stored"), (answered.len() + after.len()) as u64 - lost);
    assert_all_stored(&site.db(), &after, answered.len());
}

#[test]
fn the_budget_of_the_journal_on_sqlite() {
    budget(Backend::Sqlite);
}

#[test]
fn the_budget_of_the_journal_on_postgres() {
    budget(Backend::Postgres);
}

#[test]
fn a_full_disk() {
    let site = Site::new("");
    let faults = Faults::new(site.dir.path(), &site.dir.path().join("data/journal"), 1);
    let mut command = binary::command(site.dir.path(), "", &["serve", "--set", "log.level=error"]);
    faults.apply(&mut command, 0);
    let log = site.dir.path().join("log");
    command.stderr(fs::File::create(&log).expect("log"));
    let process = launch(command);
    let client = process.client("");
    let mut kept = Vec::new();
    others_go_on(&process, &mut kept);
    faults.set(Odds { no_space: 1_000_000, ..Odds::default() });
    let mut lost = Vec::new();
    others_go_on(&process, &mut lost);
    assert!(faults.injected().writes_refused > 0, "the disk was not full");
    assert_eq!(counters(&client)("clicks_unrecorded"), 20);
    assert_well(&client);
    faults.set(Odds::default());
    others_go_on(&process, &mut kept);
    wait_settled(&client, 30);
    assert_eq!(counters(&client)("clicks_unrecorded"), 20);
    assert_well(&client);
    assert_all_stored(&site.db(), &kept, 0);
    let said = fs::read_to_string(&log).expect("log");
    assert!(said.contains("journal") && !said.contains("panicked"), "{said}");
}

on_both! {
    /// Facts keep their order, and the figures of earlier days do not move.
    fn a_clock_that_steps_back(app) {
        app.link("known");
        app.click("known");
        app.settle();
        let horizon = |app: &TestApp| app.report("from=2026-03-01&to=2026-03-31")["as_of"].as_i64().expect("as_of");
        let before = horizon(&app);
        let frozen = format!("from=2026-03-01&to=2026-03-31&as_of={before}");
        let report = app.report(&frozen);
        app.clock.advance_ms(-3_600_000);
        let ids: std::collections::BTreeSet<String> = (0..10).map(|_| app.click("known")).collect();
        assert_eq!(ids.len(), 10, "each click has an id of its own");
        app.settle();
        let c = counters(&app.client);
        assert_equations(&c);
        assert_eq!((c("touches_stored"), c("clicks_unrecorded")), (11, 0));
        assert_eq!(app.report(&frozen), report, "a report as of before the step");
        assert!(horizon(&app) > before, "the ledger has gone on");
        app.stop();
        app.run();
        app.click("known");
        app.settle();
        assert_equations(&counters(&app.client));
    }
}

/// Half a request each, for as long as they like: they are sent away after five seconds, and nobody waits for them.
#[test]
fn slow_clients() {
    let site = Site::new("");
    let process = site.start(&[]);
    let client = process.client("");
    let halves = ["GET /kno", "GET /known HTTP/1.1\r\nhost: a\r\nx: ", "G"];
    let mut slow: Vec<Raw> = (0..150)
        .map(|n| {
            let mut raw = Raw::to(&process.base);
            raw.send(halves[n % halves.len()].as_bytes());
            raw
        })
        .collect();
    let mut answered = Vec::new();
    others_go_on(&process, &mut answered);
    for raw in &mut slow {
        let said = raw.rest();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
    others_go_on(&process, &mut answered);
    wait_settled(&client, 30);
    assert_well(&client);
    assert_eq!(counters(&client)("touches_answered"), answered.len() as u64);
}

/// A client that sends and never reads is answered until its buffers are full, then left alone: what waits for it is
/// bounded.
#[test]
fn a_client_that_never_reads() {
    let site = Site::new("");
    let process = site.start(&[]);
    let client = process.client("");
    let before = resident_kib(&process);
    let mut deaf = Raw::to(&process.base);
    deaf.0.set_write_timeout(Some(Duration::from_secs(2))).expect("timeout");
    let burst = request("/known", "").repeat(500);
    let mut sent = 0_u64;
    while deaf.0.write_all(burst.as_bytes()).is_ok() {
        sent += 500;
        assert!(sent < 2_000_000, "the server takes {sent} requests of a client that reads no answer");
    }
    let mut answered = Vec::new();
    others_go_on(&process, &mut answered);
    let grown = resident_kib(&process).saturating_sub(before);
    // The database's cache for what it did send is part of it.
    assert!(grown < 192 * 1024, "{grown} KiB more for one client that does not read");
    drop(deaf);
    wait_until("the rest is settled", 60, || counters(&client)("touches_pending") == 0);
    assert_well(&client);
}

fn resident_kib(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.child.id())).expect("status");
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("VmRSS");
    line.split_ascii_whitespace().nth(1).expect("a number").parse().expect("a number")
}

/// Refused with a status, the connection closed, nothing recorded, nobody else held up.
#[test]
fn requests_that_are_too_large() {
    let site = Site::new("");
    let process = site.start(&["log.level=off"]);
    let client = process.client("");
    let many = "x-flood: 1\r\n".repeat(5_000);
    let large = format!("x-flood: {}\r\n", "a".repeat(4 << 20));
    let long = format!("/{}", "a".repeat(1 << 20));
    for (what, flood) in [
        ("many headers", request("/known", &many)),
        ("a large header", request("/known", &large)),
        ("a long address", request(&long, "")),
        ("an address without end", "GET /".to_owned() + &"a".repeat(2 << 20)),
        ("no HTTP at all", "\u{0}\u{1}\u{2}SSH-2.0-OpenSSH\r\n\r\n".to_owned()),
    ] {
        let mut raw = Raw::to(&process.base);
        raw.send(flood.as_bytes());
        let said = raw.rest();
        let status = statuses(&said);
        assert!(status.is_empty() || ["400", "414", "431"].contains(&status[0]), "{what}: {said}");
        assert_eq!(counters(&client)("touches_answered"), 0, "{what} was taken for a click");
    }
    // What browsers really send is far below: a long address and a fat cookie are a click like any other.
    let mut raw = Raw::to(&process.base);
    let query = format!("/known?text={}", "a".repeat(8_000));
    raw.send(request(&query, &format!("cookie: x={}\r\nconnection: close\r\n", "b".repeat(8_000))).as_bytes());
    assert_eq!(statuses(&raw.rest()), ["302"]);
    let mut answered = Vec::new();
    others_go_on(&process, &mut answered);
    wait_settled(&client, 30);
    assert_well(&client);
    assert_eq!(counters(&client)("touches_stored"), 21);
}

/// Requests sent ahead are answered in their order, each recorded once.
#[test]
fn requests_sent_ahead() {
    let site = Site::new("");
    let process = site.start(&["log.level=off"]);
    let client = process.client("");
    let mut raw = Raw::to(&process.base);
    let (known, unknown) = (request("/known", ""), request("/unknown", ""));
    let last = request("/known", "connection: close\r\n");
    raw.send(format!("{}{unknown}{last}", known.repeat(300)).as_bytes());
    let said = raw.rest();
    let mut expected = vec!["302"; 300];
    expected.extend(["404", "302"]);
    assert_eq!(statuses(&said), expected);
    let mut garbled = Raw::to(&process.base);
    garbled.send(b"BREW /pot\r\n\r\n");
    assert_eq!(statuses(&garbled.rest()), ["400"]);
    wait_settled(&client, 30);
    assert_well(&client);
    assert_eq!(counters(&client)("touches_stored"), 301);
}

/// With more connections than the process may have files, newcomers wait, those that are in are answered, and what could
/// not be recorded, as a new segment needs a file, is counted.
#[test]
fn too_many_connections() {
    let site = Site::new("");
    let mut command = Command::new("sh");
    let plain = binary::command(
        site.dir.path(),
        "",
        &["serve", "--set", "log.level=error", "--set", "journal.segment_bytes=65536"],
    );
    command.env_clear().current_dir(site.dir.path()).args(["-c", "ulimit -n 160; exec \"$0\" \"$@\""]);
    command.arg(plain.get_program()).args(plain.get_args()).stderr(Stdio::null());
    let process = launch(command);
    let client = process.client("");
    let mut answered = Vec::new();
    others_go_on(&process, &mut answered);
    let mut inside = Raw::to(&process.base);
    inside.send(request("/known", "").as_bytes());
    // Half of them beyond the limit wait in the listener's queue.
    let mut idle: Vec<Raw> = (0..400).map(|_| Raw::to(&process.base)).collect();
    // More than one segment, so that a new file is needed while there is none to be had.
    let asked = 2_000;
    inside.send(request("/known", "").repeat(asked).as_bytes());
    inside.send(request("/known", "connection: close\r\n").as_bytes());
    assert_eq!(statuses(&inside.rest()).len(), asked + 2, "who is in is answered");
    assert!(idle.iter_mut().any(Raw::is_open), "newcomers are let in or wait");
    drop(idle);
    others_go_on(&process, &mut answered);
    wait_settled(&client, 60);
    assert_well(&client);
    let c = counters(&client);
    assert_eq!(c("touches_answered"), (answered.len() + asked + 2) as u64);
}
