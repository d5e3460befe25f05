//! What was answered is kept: killed, stopped, without its database, or locked out of it (invariants 1, 2 and 3).

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use headwater::domain::ids::TouchId;
use headwater::store::{Conn, Db, DbOptions};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::binary::{self, Process};
use crate::support::{Backend, Client, TestDb, click_id};
use crate::surface::{assert_equations, counters};

const CLICKS: usize = 1_000;
const CONVERSIONS: usize = 100;
const CLICKERS: usize = 4;

/// Asks again and again until there is an answer; the only place of these tests that waits.
pub(crate) fn until<T>(what: &str, seconds: u64, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "after {seconds} s: {what}: not so");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, seconds: u64, mut is_so: impl FnMut() -> bool) {
    until(what, seconds, || is_so().then_some(()));
}

/// A data directory with a link `/known` and a key for conversions.
pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) url: String,
    pub(crate) key: String,
}

impl Site {
    pub(crate) fn new(url: &str) -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let run = |arguments: &[&str]| binary::run_ok(dir.path(), url, arguments);
        run(&["channel", "create", "newsletter", "--source", "newsletter", "--medium", "email"]);
        run(&["link", "create", "https://www.example.com/", "--channel", "newsletter", "--slug", "known"]);
        let scopes = "conversions:write,links:write,reports:read";
        let made: Value =
            serde_json::from_str(&run(&["key", "create", "t", "--scopes", scopes, "--json"])).expect("json");
        let key = made["key"].as_str().expect("key").to_owned();
        Self { url: url.to_owned(), key, dir }
    }

    pub(crate) fn start(&self, settings: &[&str]) -> Process {
        let mut command = binary::command(self.dir.path(), &self.url, &["serve", "--set", "log.level=error"]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        launch(command)
    }

    /// The database, opened beside the server or after it.
    pub(crate) fn db(&self) -> Db {
        let options = DbOptions {
            url: self.url.clone(),
            data_dir: self.dir.path().join("data"),
            connections: 2,
            wait: Duration::from_secs(10),
        };
        Db::open(&options).expect("database")
    }
}

/// Starts a serving command of the binary on a free port and reads its greeting.
pub(crate) fn launch(mut command: Command) -> Process {
    command.args(["--set", "server.bind=127.0.0.1:0", "--set", "server.workers=2"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
    let mut greeting = String::new();
    for line in BufReader::new(child.stdout.take().expect("stdout")).lines() {
        greeting += &(line.expect("utf-8") + "\n");
        if greeting.contains("\nData:") {
            break;
        }
    }
    let base = greeting.split_whitespace().find(|w| w.starts_with("http://")).expect("an address").to_owned();
    Process { child, base, greeting }
}

/// Asks a process to end, as a service manager does, and answers its exit code.
pub(crate) fn terminate(process: &mut Process) -> Option<i32> {
    let pid = process.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    until("the process ends", 30, || process.child.try_wait().expect("wait")).code()
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
}

#[derive(QueryableByName)]
struct Event {
    #[diesel(sql_type = Text)]
    event_id: String,
}

/// Loads rows by plain SQL, as the code under test is not asked about itself.
macro_rules! rows {
    ($db:expr, $query:expr) => {
        $db.read_now(|conn| match conn {
            Conn::Sqlite(c) => Ok(diesel::sql_query($query).load(c)?),
            Conn::Postgres(c, _) => Ok(diesel::sql_query($query).load(c)?),
        })
        .expect("rows")
    };
}

pub(crate) fn stored_clicks(db: &Db) -> Vec<Uuid> {
    let rows: Vec<Id> = rows!(db, "SELECT id FROM touches");
    rows.iter().map(|r| Uuid::from_slice(&r.id).expect("uuid")).collect()
}

fn stored_events(db: &Db) -> Vec<String> {
    let rows: Vec<Event> = rows!(db, "SELECT event_id FROM stage_events WHERE voided_at IS NULL");
    rows.into_iter().map(|r| r.event_id).collect()
}

fn touch_of(click: &str) -> Uuid {
    click.parse::<TouchId>().expect("click id").0
}

/// Every answered click is stored once; answers where `in_flight` more may be that nobody got the answer of.
pub(crate) fn assert_all_stored(db: &Db, answered: &[String], in_flight: usize) {
    let stored = stored_clicks(db);
    let distinct: BTreeSet<Uuid> = stored.iter().copied().collect();
    assert_eq!(distinct.len(), stored.len(), "a click is stored twice");
    let wanted: BTreeSet<Uuid> = answered.iter().map(|c| touch_of(c)).collect();
    assert_eq!(wanted.len(), answered.len(), "two answers carry one click id");
    let lost: Vec<&Uuid> = wanted.difference(&distinct).collect();
    assert!(lost.is_empty(), "{} of {} answered clicks are lost", lost.len(), wanted.len());
    let extra = distinct.len() - wanted.len();
    assert!(extra <= in_flight, "{extra} stored clicks were never answered");
}

/// Visitors and a CRM that go on while the server comes and goes.
///
/// However slow this machine is, a kill comes in the middle: no more than `allowed` percent of all clicks and events are
/// answered before the next one.
struct Traffic {
    allowed: Arc<AtomicUsize>,
    base: Arc<RwLock<String>>,
    clicks: Arc<Mutex<Vec<String>>>,
    events: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Traffic {
    fn start(base: &str, key: &str) -> Self {
        let base = Arc::new(RwLock::new(base.to_owned()));
        let allowed = Arc::new(AtomicUsize::new(0));
        let is_allowed = |allowed: &AtomicUsize, n: usize, all: usize| n * 100 < all * allowed.load(Ordering::SeqCst);
        let clicks = Arc::new(Mutex::new(Vec::new()));
        let events = Arc::new(AtomicUsize::new(0));
        let mut threads = Vec::new();
        for _ in 0..CLICKERS {
            let (base, clicks, allowed) = (Arc::clone(&base), Arc::clone(&clicks), Arc::clone(&allowed));
            threads.push(std::thread::spawn(move || {
                for _ in 0..CLICKS / CLICKERS {
                    wait_until("clicks are allowed", 120, || {
                        is_allowed(&allowed, clicks.lock().expect("clicks").len(), CLICKS)
                    });
                    // A visitor whose click got no answer clicks again: another click.
                    let id = until("a click is answered", 60, || click(&Client::new(&base.read().expect("base"), "")));
                    clicks.lock().expect("clicks").push(id);
                }
            }));
        }
        let (at, count, key, may) = (Arc::clone(&base), Arc::clone(&events), key.to_owned(), Arc::clone(&allowed));
        threads.push(std::thread::spawn(move || {
            for n in 0..CONVERSIONS {
                wait_until("events are allowed", 120, || is_allowed(&may, n, CONVERSIONS));
                // A CRM without an answer posts the same event again.
                until("an event is answered", 60, || post_event(&Client::new(&at.read().expect("base"), &key), n));
                count.fetch_add(1, Ordering::SeqCst);
            }
        }));
        Self { allowed, base, clicks, events, threads }
    }

    fn answered(&self) -> (usize, usize) {
        (self.clicks.lock().expect("clicks").len(), self.events.load(Ordering::SeqCst))
    }

    fn allow(&self, percent: usize) {
        self.allowed.store(percent, Ordering::SeqCst);
    }

    fn goes_to(&self, base: &str) {
        base.clone_into(&mut self.base.write().expect("base"));
    }

    /// Waits for the end of all traffic; answers the clicks.
    fn finish(self) -> Vec<String> {
        for thread in self.threads {
            thread.join().expect("traffic");
        }
        std::mem::take(&mut self.clicks.lock().expect("clicks"))
    }
}

/// One click of a browser; nothing if nobody answers.
pub(crate) fn click(client: &Client) -> Option<String> {
    let reply = client.try_send("GET", "/known", &crate::support::client::browser_headers(), b"")?;
    assert_eq!(reply.status, 302, "{}", reply.text);
    Some(click_id(&reply.header("location")))
}

fn lead(n: usize) -> Value {
    json!({ "event_id": format!("lead-{n}"), "stage": "lead", "occurred_at": "2026-01-01T00:00:00Z",
        "person": format!("crm:{}", 1_000 + n) })
}

/// One event; nothing if nobody answers or the server asks to try again.
fn post_event(client: &Client, n: usize) -> Option<()> {
    let body = lead(n);
    let bearer = format!("Bearer {}", client.key);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let reply = client.try_send("POST", "/api/v1/conversions", &headers, body.to_string().as_bytes())?;
    assert!([200, 201, 503].contains(&reply.status), "{}", reply.text);
    (reply.status != 503).then_some(())
}

pub(crate) fn wait_settled(client: &Client, seconds: u64) {
    wait_until("every click is settled", seconds, || counters(client)("touches_pending") == 0);
}

/// Killed three times in the middle of traffic: once with everything still in the journal, then while it loads.
fn killed_in_the_middle(backend: Backend) {
    let db = TestDb::new(backend);
    let site = Site::new(db.url());
    // The first process gathers for so long that it stores no click before it dies.
    let mut process = site.start(&["journal.batch_age_ms=60000"]);
    let traffic = Traffic::start(&process.base, &site.key);
    for (round, batch_age) in
        ["journal.batch_age_ms=1", "journal.batch_age_ms=0", "journal.batch_age_ms=50"].iter().enumerate()
    {
        let (clicks, events) = ((round + 1) * CLICKS / 5, (round + 1) * CONVERSIONS / 5);
        traffic.allow((round + 1) * 20 + 18);
        wait_until("the traffic flows", 60, || {
            let now = traffic.answered();
            now.0 >= clicks && now.1 >= events
        });
        process.kill();
        process = site.start(&[*batch_age]);
        let replayed = counters(&process.client(""))("touches_replayed");
        assert!(round > 0 || replayed >= clicks as u64, "{replayed} clicks were left in the journal");
        traffic.goes_to(&process.base);
    }
    traffic.allow(100);
    let answered = traffic.finish();
    assert_eq!(answered.len(), CLICKS);
    wait_settled(&process.client(""), 30);
    assert_equations(&counters(&process.client("")));
    let store = site.db();
    assert_all_stored(&store, &answered, 3 * CLICKERS);
    let mut wanted: Vec<String> = (0..CONVERSIONS).map(|n| format!("lead-{n}")).collect();
    wanted.sort();
    wait_until("every event is read", 30, || stored_events(&store).len() >= CONVERSIONS);
    let mut events = stored_events(&store);
    events.sort();
    assert_eq!(events, wanted);
    let quarantined: Vec<Counted> =
        rows!(store, "SELECT COUNT(*) AS n FROM delivery_items WHERE verdict = 'quarantined'");
    assert_eq!(quarantined[0].n, 0);
}

/// A stop asked for by SIGTERM loads everything before it ends.
fn stopped_politely(backend: Backend) {
    let db = TestDb::new(backend);
    let site = Site::new(db.url());
    let mut process = site.start(&["journal.batch_age_ms=60000"]);
    let client = process.client(&site.key);
    let answered: Vec<String> = (0..120).map(|_| click(&client).expect("an answer")).collect();
    assert_eq!(stored_clicks(&site.db()).len(), 0, "nothing is loaded yet, else this shows nothing");
    assert_eq!(terminate(&mut process), Some(0));
    assert_all_stored(&site.db(), &answered, 0);
}

/// A PostgreSQL server of this test's own, that it may take away.
pub(crate) struct OwnPostgres {
    child: Child,
    /// The server lives as long as this is open.
    stdin: Option<ChildStdin>,
    pub(crate) url: String,
    ctl: PathBuf,
}

impl OwnPostgres {
    pub(crate) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/with-postgres.sh");
        let tell = "echo \"$HEADWATER_TEST_PG_URL\"; echo \"$HEADWATER_TEST_PG_CTL\"; read -r _";
        let mut child = Command::new(script)
            .args(["sh", "-c", tell])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("with-postgres.sh starts");
        let stdin = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut line = || lines.next().expect("a line").expect("utf-8");
        let (url, ctl) = (line(), line().into());
        Self { child, stdin, url, ctl }
    }

    pub(crate) fn ctl(&self, verb: &str) {
        assert!(Command::new(&self.ctl).arg(verb).status().expect("ctl").success(), "{verb}");
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.stdin.take() {
            let _told = stdin.write_all(b"\n");
        }
        let _ended = self.child.wait();
    }
}

fn assert_asks_to_try_again(reply: &crate::support::Reply) {
    assert_eq!(reply.status, 503, "{}", reply.text);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert!(reply.header("retry-after").parse::<u64>().is_ok_and(|s| s > 0), "Retry-After is missing");
    assert_eq!(reply.json()["type"], "urn:headwater:problem:unavailable");
}

/// Clicks while the database cannot be used: all answered, none of them held up by it.
fn clicks_without_database(client: &Client, answered: &mut Vec<String>) {
    for _ in 0..100 {
        let asked = Instant::now();
        answered.push(click(client).expect("an answer"));
        // Far below the seconds for which anything that asks the database waits here.
        assert!(asked.elapsed() < Duration::from_secs(2), "a redirect took {:?}", asked.elapsed());
    }
}

#[test]
fn redirects_go_on_while_postgres_is_away() {
    let postgres = OwnPostgres::start();
    let site = Site::new(&postgres.url);
    let process = site.start(&["database.wait_ms=2500"]);
    let client = process.client(&site.key);
    let mut answered = vec![click(&client).expect("an answer")];
    postgres.ctl("stop");
    clicks_without_database(&client, &mut answered);
    assert_asks_to_try_again(&client.get("/api/v1/links"));
    assert_asks_to_try_again(&client.post("/api/v1/conversions", &lead(0)));
    assert_eq!(client.get("/readyz").status, 503);
    assert_eq!(client.get("/healthz").status, 200);
    clicks_without_database(&client, &mut answered);
    let c = counters(&client);
    assert_equations(&c);
    assert!(c("touches_pending") >= 200 && c("clicks_unrecorded") == 0);
    postgres.ctl("start");
    wait_settled(&client, 30);
    wait_until("the server is ready again", 30, || client.get("/readyz").status == 200);
    assert_eq!(post_event(&client, 0), Some(()));
    assert_all_stored(&site.db(), &answered, 0);
    assert_eq!(stored_events(&site.db()), ["lead-0"]);
}

#[test]
fn a_locked_sqlite_file_holds_up_writes_and_no_redirect() {
    let site = Site::new("");
    let process = site.start(&["database.wait_ms=2500"]);
    let client = process.client(&site.key);
    let mut answered = vec![click(&client).expect("an answer")];
    wait_settled(&client, 20);
    let file = site.dir.path().join("data/headwater.db");
    let mut other = SqliteConnection::establish(file.to_str().expect("utf-8")).expect("sqlite");
    other.batch_execute("BEGIN EXCLUSIVE").expect("lock");
    clicks_without_database(&client, &mut answered);
    let asked = Instant::now();
    assert_asks_to_try_again(&client.post("/api/v1/conversions", &lead(0)));
    assert_asks_to_try_again(&client.post("/api/v1/campaigns", &json!({ "code": "spring" })));
    assert!(asked.elapsed() < Duration::from_secs(25), "two writes took {:?}", asked.elapsed());
    clicks_without_database(&client, &mut answered);
    // Who only reads is not held up.
    assert_eq!(client.get("/api/v1/links").status, 200);
    assert!(counters(&client)("touches_pending") >= 200);
    other.batch_execute("ROLLBACK").expect("unlock");
    wait_settled(&client, 30);
    assert_eq!(post_event(&client, 0), Some(()));
    assert_equations(&counters(&client));
    assert_all_stored(&site.db(), &answered, 0);
    assert_eq!(stored_events(&site.db()), ["lead-0"]);
}

#[test]
fn killed_in_the_middle_on_sqlite() {
    killed_in_the_middle(Backend::Sqlite);
}

#[test]
fn killed_in_the_middle_on_postgres() {
    killed_in_the_middle(Backend::Postgres);
}

#[test]
fn stopped_politely_on_sqlite() {
    stopped_politely(Backend::Sqlite);
}

#[test]
fn stopped_politely_on_postgres() {
    stopped_politely(Backend::Postgres);
}
