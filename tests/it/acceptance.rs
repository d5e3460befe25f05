//! What a sender was told is kept: killed, without its database, with a full journal or a disk that refuses to sync.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use diesel::SqliteConnection;
use diesel::connection::{Connection as _, SimpleConnection as _};
use headwater::domain::ids::EndpointId;
use serde_json::{Value, json};

use crate::durability::{OwnPostgres, Site, launch, terminate, wait_until};
use crate::hooks::endpoint;
use crate::support::binary::{self, Process};
use crate::support::faults::{Faults, Odds};
use crate::support::{Backend, Client, Reply, TestApp, TestDb};
use crate::surface::{assert_deliveries_add_up, counters};

const SECRET: &str = "a-bearer-secret-of-length";

/// Makes an endpoint with the command line; answers the path that its sender posts to.
fn hook(site: &Site, name: &str) -> String {
    let made = binary::run_ok(
        site.dir.path(),
        &site.url,
        &["endpoint", "create", name, "--verification", "bearer", "--secret", SECRET, "--json"],
    );
    let made: Value = serde_json::from_str(&made).expect("json");
    let (_, token) = made["url"].as_str().expect("url").rsplit_once('/').expect("token");
    format!("/hooks/{token}")
}

fn event(id: &str) -> String {
    json!({ "event_id": id, "stage": "lead", "occurred_at": "2026-01-01T00:00:00Z", "person": format!("crm:{id}") })
        .to_string()
}

fn deliver(client: &Client, path: &str, id: &str) -> Option<Reply> {
    let proof = format!("Bearer {SECRET}");
    client.try_send("POST", path, &[("authorization", &proof)], event(id).as_bytes())
}

fn accepted(client: &Client, path: &str, id: &str) -> String {
    let reply = deliver(client, path, id).expect("an answer").expect(200);
    assert_eq!(reply["status"], "accepted");
    reply["delivery"].as_str().expect("delivery").to_owned()
}

/// Waits until nothing is on its way.
fn wait_read(client: &Client) {
    wait_until("every delivery is read", 60, || {
        let c = counters(client);
        c("deliveries_pending") == 0 && c("delivery_items_stored") > 0 && pending(client) == 0
    });
}

/// Items that nobody has read, where the database tells of some.
fn pending(client: &Client) -> u64 {
    let text = client.send("GET", "/metrics", &[], b"").text;
    let line = text.lines().find_map(|l| l.strip_prefix("headwater_delivery_items_pending "));
    line.map_or(0, |n| n.parse().expect("number"))
}

/// The event ids of what was stored, each as often as it was.
fn stored(process: &Process, site: &Site) -> Vec<String> {
    let listed = binary::run_ok(
        site.dir.path(),
        &site.url,
        &["inbox", "list", "--status", "stored", "--limit", "10000", "--json"],
    );
    let _runs_on = process;
    let listed: Value = serde_json::from_str(&listed).expect("json");
    listed.as_array().expect("list").iter().map(|i| i["event_id"].as_str().expect("id").to_owned()).collect()
}

fn assert_stored_once(process: &Process, site: &Site, wanted: &BTreeSet<String>) {
    let all = stored(process, site);
    let distinct: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(all.len(), distinct.len(), "a delivery is stored twice");
    assert!(distinct.is_superset(wanted), "lost: {:?}", wanted.difference(&distinct).collect::<Vec<_>>());
}

/// Killed after the answers, with everything still in the journal; then again while it loads.
fn killed_after_the_answer(backend: Backend) {
    let db = TestDb::new(backend);
    let site = Site::new(db.url());
    let path = hook(&site, "CRM");
    let mut process = site.start(&["journal.batch_age_ms=60000"]);
    let mut wanted = BTreeSet::new();
    for round in 0..3 {
        let client = process.client("");
        for n in 0..150 {
            let id = format!("r{round}-{n}");
            accepted(&client, &path, &id);
            wanted.insert(id);
        }
        process.kill();
        process = site.start(&[if round == 0 { "journal.batch_age_ms=60000" } else { "journal.batch_age_ms=0" }]);
        let replayed = counters(&process.client(""))("deliveries_replayed");
        assert!(round > 0 || replayed >= 140, "{replayed} deliveries were left in the journal");
    }
    wait_read(&process.client(""));
    assert_deliveries_add_up(&counters(&process.client("")));
    assert_stored_once(&process, &site, &wanted);
}

#[test]
fn killed_after_the_answer_on_sqlite() {
    killed_after_the_answer(Backend::Sqlite);
}

#[test]
fn killed_after_the_answer_on_postgres() {
    killed_after_the_answer(Backend::Postgres);
}

/// A stop asked for by SIGTERM loads what was accepted, and the next start reads what is left.
#[test]
fn a_polite_stop_leaves_nothing_in_the_journal() {
    let site = Site::new("");
    let path = hook(&site, "CRM");
    let mut process = site.start(&["journal.batch_age_ms=60000"]);
    let wanted: BTreeSet<String> = (0..40).map(|n| format!("e{n}")).collect();
    wanted.iter().for_each(|id| drop(accepted(&process.client(""), &path, id)));
    assert_eq!(terminate(&mut process), Some(0));
    let process = site.start(&[]);
    assert_eq!(counters(&process.client(""))("deliveries_replayed"), 0);
    wait_read(&process.client(""));
    assert_stored_once(&process, &site, &wanted);
}

/// Deliveries while the database cannot be used: all accepted, none held up by it.
fn accept_without_database(client: &Client, path: &str, ids: std::ops::Range<usize>, wanted: &mut BTreeSet<String>) {
    for n in ids {
        let asked = Instant::now();
        accepted(client, path, &format!("e{n}"));
        wanted.insert(format!("e{n}"));
        assert!(asked.elapsed() < Duration::from_secs(2), "a delivery took {:?}", asked.elapsed());
    }
}

fn assert_asks_to_try_again(reply: &Reply) {
    assert_eq!(reply.status, 503, "{}", reply.text);
    assert!(reply.header("retry-after").parse::<u64>().is_ok_and(|s| s > 0), "Retry-After is missing");
}

#[test]
fn deliveries_are_accepted_while_postgres_is_away() {
    let postgres = OwnPostgres::start();
    let site = Site::new(&postgres.url);
    let path = hook(&site, "CRM");
    let process = site.start(&["database.wait_ms=2500"]);
    let client = process.client("");
    let mut wanted = BTreeSet::new();
    accept_without_database(&client, &path, 0..5, &mut wanted);
    postgres.ctl("stop");
    accept_without_database(&client, &path, 5..100, &mut wanted);
    let refused = client.send("POST", &path, &[("authorization", "Bearer wrong-secret-of-length")], b"{}");
    assert_eq!(refused.status, 401, "proofs are checked all the same");
    assert_asks_to_try_again(&client.send("POST", "/hooks/nobody-knows-now", &[], b"{}"));
    let c = counters(&client);
    assert_deliveries_add_up(&c);
    assert!(c("deliveries_pending") >= 95 && c("deliveries_stored_directly") == 0);
    postgres.ctl("start");
    wait_until("the server is ready again", 30, || client.get("/readyz").status == 200);
    wait_read(&client);
    assert_eq!(client.send("POST", "/hooks/nobody-knows-now", &[], b"{}").status, 404);
    assert_stored_once(&process, &site, &wanted);
    assert_deliveries_add_up(&counters(&client));
}

#[test]
fn deliveries_are_accepted_while_sqlite_is_locked() {
    let site = Site::new("");
    let path = hook(&site, "CRM");
    let process = site.start(&["database.wait_ms=2500"]);
    let client = process.client("");
    let mut wanted = BTreeSet::new();
    accept_without_database(&client, &path, 0..5, &mut wanted);
    let file = site.dir.path().join("data/headwater.db");
    let mut other = SqliteConnection::establish(file.to_str().expect("utf-8")).expect("sqlite");
    other.batch_execute("PRAGMA busy_timeout = 10000; BEGIN EXCLUSIVE").expect("lock");
    accept_without_database(&client, &path, 5..100, &mut wanted);
    assert!(counters(&client)("deliveries_pending") >= 95);
    other.batch_execute("ROLLBACK").expect("unlock");
    wait_read(&client);
    assert_stored_once(&process, &site, &wanted);
    assert_deliveries_add_up(&counters(&client));
}

/// An endpoint made elsewhere is there for its first delivery.
#[test]
fn an_endpoint_that_was_just_made_elsewhere_accepts() {
    let site = Site::new("");
    let process = site.start(&[]);
    let path = hook(&site, "CRM");
    accepted(&process.client(""), &path, "e1");
}

/// A disk that refuses to sync: the database keeps what is accepted, before the answer.
#[test]
fn what_cannot_be_synced_is_stored_before_the_answer() {
    let site = Site::new("");
    let path = hook(&site, "CRM");
    let faults = Faults::new(site.dir.path(), &site.dir.path().join("data/deliveries"), 7);
    let mut command = binary::command(site.dir.path(), &site.url, &["serve", "--set", "log.level=error"]);
    faults.apply(&mut command, 1);
    let process = launch(command);
    let client = process.client("");
    let mut wanted = BTreeSet::new();
    accept_without_database(&client, &path, 0..5, &mut wanted);
    assert_eq!(counters(&client)("deliveries_stored_directly"), 0);
    faults.set(Odds { sync_error: 1_000_000, ..Odds::default() });
    accept_without_database(&client, &path, 5..15, &mut wanted);
    assert_eq!(counters(&client)("deliveries_stored_directly"), 10);
    assert_eq!(counters(&client)("deliveries_unsynced"), 10);
    faults.set(Odds::default());
    accept_without_database(&client, &path, 15..20, &mut wanted);
    assert_eq!(counters(&client)("deliveries_stored_directly"), 10);
    faults.set(Odds { write_error: 1_000_000, ..Odds::default() });
    accept_without_database(&client, &path, 20..25, &mut wanted);
    assert_eq!(counters(&client)("deliveries_stored_directly"), 15);
    faults.set(Odds::default());
    wait_read(&client);
    assert_stored_once(&process, &site, &wanted);
    assert_deliveries_add_up(&counters(&client));
}

on_both! {
    /// A journal that is full costs the sender nothing while the database answers.
    fn a_full_journal_stores_in_the_database_before_the_answer(app) {
        let hook = endpoint(&app, &json!({ "verification": "bearer" }));
        app.stop();
        app.config.intake.journal_bytes_max = 0;
        app.run();
        for n in 0..3 {
            let proof = format!("Bearer {}", hook.secret);
            let reply = app.client.send("POST", &hook.path, &[("authorization", &proof)], event(&format!("e{n}")).as_bytes());
            assert_eq!(app.verdicts(&reply)[0]["status"], "stored");
        }
        let c = counters(&app.client);
        assert_deliveries_add_up(&c);
        assert_eq!((c("deliveries_accepted"), c("deliveries_stored_directly"), c("deliveries_journaled")), (3, 3, 0));
    }

    /// A delivery of an endpoint that the database does not have, as after a restored backup, is put aside alone.
    fn a_delivery_of_a_lost_endpoint_blocks_nobody(app) {
        let lost = endpoint(&app, &json!({ "verification": "bearer" }));
        let kept = endpoint(&app, &json!({ "name": "Kept", "verification": "bearer" }));
        let id: EndpointId = lost.id.parse().expect("id");
        let send = |app: &TestApp, hook: &crate::hooks::Hook, event_id: &str| {
            let proof = format!("Bearer {}", hook.secret);
            app.client.send("POST", &hook.path, &[("authorization", &proof)], event(event_id).as_bytes()).expect(200);
        };
        // Its row goes between two polls: the table of endpoints still has it.
        app.state().db.write_now(|conn| {
            let delete = format!("DELETE FROM endpoints WHERE id = {}", id.0);
            match conn {
                headwater::store::Conn::Sqlite(c) => Ok(c.batch_execute(&delete)?),
                headwater::store::Conn::Postgres(c, _) => Ok(c.batch_execute(&delete)?),
            }
        }).expect("delete");
        let proof = format!("Bearer {}", lost.secret);
        let first = app.client.send("POST", &lost.path, &[("authorization", &proof)], event("lost").as_bytes());
        for n in 0..5 {
            send(&app, &kept, &format!("e{n}"));
        }
        app.read_inbox();
        let c = counters(&app.client);
        assert_deliveries_add_up(&c);
        assert_eq!(c("delivery_items_stored"), 5);
        assert_eq!(c("deliveries_quarantined"), u64::from(first.status == 200), "{}", first.text);
    }
}
