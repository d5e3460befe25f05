//! `headwater doctor`: beside a server that works, one that hangs and none at all; what it says and that it changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use diesel::connection::SimpleConnection;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use serde_json::Value;

use crate::durability::{Site, click, terminate, wait_settled, wait_until};
use crate::support::binary::{self, Process};
use crate::support::{Backend, TestDb};
use crate::surface::counters;

/// What it said, by check, and its exit code.
struct Said {
    code: i32,
    json: Value,
    text: String,
}

impl Said {
    /// The verdicts of one check, worst last.
    fn of(&self, check: &str) -> Vec<&str> {
        let list = self.json["checks"].as_array().expect("checks");
        list.iter().filter(|c| c["check"] == check).map(|c| c["verdict"].as_str().expect("verdict")).collect()
    }

    fn assert(&self, check: &str, verdict: &str, part: &str) {
        let list = self.json["checks"].as_array().expect("checks");
        let is_it = |c: &&Value| c["check"] == check && c["verdict"] == verdict && c.to_string().contains(part);
        let found =
            list.iter().find(is_it).unwrap_or_else(|| panic!("no {verdict} {check} with `{part}`: {}", self.text));
        assert_eq!(verdict != "ok", found["remedy"].is_string(), "what is not well has a remedy: {found}");
    }
}

fn doctor(site: &Site, settings: &[&str]) -> Said {
    let run = |json: bool| {
        let mut command = binary::command(site.dir.path(), &site.url, &["doctor"]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        if json {
            command.arg("--json");
        }
        command.output().expect("the binary runs")
    };
    let (plain, json) = (run(false), run(true));
    let text = String::from_utf8(plain.stdout).expect("utf-8");
    assert_eq!(plain.status.code(), json.status.code());
    assert!(plain.stderr.is_empty() && json.stderr.is_empty(), "{}", String::from_utf8_lossy(&plain.stderr));
    let json: Value = serde_json::from_slice(&json.stdout).expect("json");
    assert_eq!(text.lines().count(), json["checks"].as_array().expect("checks").len(), "one line each: {text}");
    Said { code: plain.status.code().expect("code"), json, text }
}

fn bind_of(process: &Process) -> String {
    format!("server.bind={}", process.base.trim_start_matches("http://"))
}

/// Everything in the data directory with its bytes, but for what SQLite keeps beside an open file.
fn snapshot(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut list = Vec::new();
    for entry in fs::read_dir(dir).expect("directory") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            list.extend(snapshot(&path));
        } else if !path.to_string_lossy().ends_with("-shm") && !path.to_string_lossy().ends_with("-wal") {
            list.push((path.display().to_string(), fs::read(&path).expect("file")));
        }
    }
    list.sort();
    list
}

fn beside_a_server(backend: Backend) {
    let db = TestDb::new(backend);
    let site = Site::new(db.url());
    // A budget that every disk has room for.
    let budget = "journal.max_bytes=67108864";
    let mut process = site.start(&[budget]);
    let client = process.client("");
    for _ in 0..30 {
        click(&client).expect("an answer");
    }
    wait_settled(&client, 30);
    let said = doctor(&site, &[budget, &bind_of(&process)]);
    assert_eq!((said.code, said.json["verdict"].as_str()), (0, Some("ok")), "{}", said.text);
    said.assert("counters", "ok", "answered 30 = journaled 30 + unrecorded 0");
    said.assert("counters", "ok", "stored 30 + duplicate 0 + quarantined 0 + pending 0");
    said.assert("server", "ok", &format!("process {}", process.child.id()));
    for check in
        ["configuration", "data", "disk", "journal", "waiting", "checkpoint", "quarantine", "database", "key", "clock"]
    {
        assert_eq!(said.of(check), ["ok"], "{check}: {}", said.text);
    }
    assert!(!said.text.contains("Mozilla") && !said.text.contains("clk_"), "{}", said.text);
    assert!(!said.text.contains("headwater:"), "the database's password: {}", said.text);

    // At another address nobody answers, and a process has the journal: it hangs, or this is the wrong address.
    let said = doctor(&site, &["server.bind=127.0.0.1:1"]);
    assert_eq!(said.code, 2);
    said.assert("server", "fail", &format!("process {} has the journal open", process.child.id()));

    assert_eq!(terminate(&mut process), Some(0));
    let before = snapshot(&site.dir.path().join("data"));
    let said = doctor(&site, &[budget]);
    assert_eq!(said.code, 1, "no server runs: {}", said.text);
    said.assert("server", "warn", "none answers");
    assert_eq!(snapshot(&site.dir.path().join("data")), before, "it changes nothing");
}

#[test]
fn beside_a_server_on_sqlite() {
    beside_a_server(Backend::Sqlite);
}

#[test]
fn beside_a_server_on_postgres() {
    beside_a_server(Backend::Postgres);
}

/// Killed with clicks in the journal, one of them damaged, and started again.
fn after_a_death(backend: Backend) {
    let db = TestDb::new(backend);
    let site = Site::new(db.url());
    let process = site.start(&["journal.batch_age_ms=60000"]);
    let client = process.client("");
    for _ in 0..10 {
        click(&client).expect("an answer");
    }
    let waiting = counters(&client)("touches_pending");
    assert!(waiting >= 9, "{waiting} wait, else this shows nothing");
    process.kill();
    let said = doctor(&site, &[]);
    said.assert("waiting", "ok", &format!("{waiting} records wait for the database, the oldest for"));
    let journal = site.dir.path().join("data/journal");
    let segment = fs::read_dir(&journal).expect("journal").map(|e| e.expect("entry").path());
    let segment = segment.into_iter().find(|p| p.extension().is_some_and(|e| e == "seg")).expect("a segment");
    let mut bytes = fs::read(&segment).expect("segment");
    let at = bytes.len() - 20;
    bytes[at] ^= 0x10;
    fs::write(&segment, bytes).expect("segment");
    fs::write(journal.join("checkpoint"), "noise").expect("checkpoint");
    let said = doctor(&site, &[]);
    assert_eq!(said.code, 1, "{}", said.text);
    said.assert("checkpoint", "warn", "does not hold");
    said.assert("checkpoint", "warn", "1 stretches of the journal cannot be read");
    let process = site.start(&[]);
    wait_settled(&process.client(""), 30);
    let said = doctor(&site, &[&bind_of(&process)]);
    assert_eq!(said.code, 1, "{}", said.text);
    said.assert("quarantine", "warn", "1 × ");
    said.assert("quarantine", "warn", " since 20");
    assert!(!said.text.contains("Mozilla") && !said.text.contains("127.0.0.1:1 "), "{}", said.text);
}

#[test]
fn after_a_death_on_sqlite() {
    after_a_death(Backend::Sqlite);
}

#[test]
fn after_a_death_on_postgres() {
    after_a_death(Backend::Postgres);
}

fn set(site: &Site, sql: &str) {
    if site.url.is_empty() {
        let file = site.dir.path().join("data/headwater.db");
        SqliteConnection::establish(file.to_str().expect("utf-8")).expect("sqlite").batch_execute(sql).expect("sql");
    } else {
        PgConnection::establish(&site.url).expect("postgres").batch_execute(sql).expect("sql");
    }
}

/// What an operator finds at night: each fault by its name, with a remedy, and exit code 2.
fn faults(backend: Backend) {
    let db = TestDb::new(backend);
    let site = Site::new(db.url());
    let data = site.dir.path().join("data");
    let fails = |check: &str, part: &str| {
        let said = doctor(&site, &[]);
        assert_eq!(said.code, 2, "{}", said.text);
        said.assert(check, "fail", part);
    };
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");

    mode(&data.join("secret.key"), 0o644);
    fails("data", "chmod 600");
    mode(&data.join("secret.key"), 0o600);
    mode(&data, 0o755);
    fails("data", "chmod 700");
    mode(&data, 0o700);

    let key = fs::read(data.join("secret.key")).expect("key");
    fs::write(data.join("secret.key"), "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=").expect("key");
    fails("key", "another secret key");
    fs::remove_file(data.join("secret.key")).expect("key");
    fails("key", "missing");
    assert!(!data.join("secret.key").exists(), "it makes no key");
    fs::write(data.join("secret.key"), key).expect("key");
    mode(&data.join("secret.key"), 0o600);

    set(&site, "UPDATE ledger_clock SET last_at = last_at + 4102444800000");
    fails("clock", "behind the last fact");
    set(&site, "UPDATE ledger_clock SET last_at = last_at - 4102444800000");
    set(&site, "INSERT INTO __diesel_schema_migrations (version, run_on) VALUES ('99999999999999', CURRENT_TIMESTAMP)");
    fails("database", "99999999999999");
    set(&site, "DELETE FROM __diesel_schema_migrations WHERE version = '99999999999999'");
    let said = doctor(&site, &[]);
    assert_eq!(said.code, 1, "all mended, but no server runs: {}", said.text);
}

#[test]
fn faults_are_named_on_sqlite() {
    faults(Backend::Sqlite);
}

#[test]
fn faults_are_named_on_postgres() {
    faults(Backend::Postgres);
}

#[test]
fn what_cannot_be_used_is_not_made() {
    let dir = tempfile::tempdir().expect("dir");
    let run = |arguments: &[&str]| {
        let output = binary::command(dir.path(), "", arguments).output().expect("the binary runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("utf-8"))
    };
    let (code, text) = run(&["doctor"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("FAIL  data") && text.contains(" → "), "{text}");
    let (code, text) = run(&["doctor", "--set", "journal.max_bytes=1"]);
    assert_eq!(code, Some(2));
    assert!(text.starts_with("FAIL  configuration  journal.segment_bytes"), "{text}");
    assert_eq!(fs::read_dir(dir.path()).expect("directory").count(), 0, "it makes nothing");
    // A directory without a database: none is made either.
    fs::create_dir(dir.path().join("data")).expect("data");
    fs::set_permissions(dir.path().join("data"), fs::Permissions::from_mode(0o700)).expect("mode");
    let (code, text) = run(&["doctor"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("FAIL  database") && text.contains("does not exist"), "{text}");
    assert_eq!(fs::read_dir(dir.path().join("data")).expect("directory").count(), 0, "it makes nothing");
}

/// A server that is stopped in its tracks does not hold the doctor up for ever.
#[test]
fn beside_a_server_that_hangs() {
    let site = Site::new("");
    let process = site.start(&[]);
    let pid = process.child.id().to_string();
    assert!(Command::new("kill").args(["-STOP", &pid]).status().expect("kill").success());
    let said = doctor(&site, &[&bind_of(&process)]);
    assert!(Command::new("kill").args(["-CONT", &pid]).status().expect("kill").success());
    assert_eq!(said.code, 2);
    said.assert("server", "fail", &format!("process {pid} has the journal open"));
    wait_until("it goes on", 30, || process.client("").try_send("GET", "/healthz", &[], b"").is_some());
}
