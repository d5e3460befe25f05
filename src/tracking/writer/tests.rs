//! The writer over a real journal, with a sink that misbehaves to order.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::super::journal::{CounterValues, Journal, Options, SyncMode};
use super::*;
use crate::domain::ids::{LinkId, TouchId};
use crate::domain::time::{DrivenClock, UtcMillis};
use crate::domain::touch::{ClientFacts, NetworkClickId, RecordKind, TouchRecord};

const PATIENCE: Duration = Duration::from_secs(20);

fn touch(n: u8) -> TouchRecord<'static> {
    TouchRecord {
        id: TouchId::new(UtcMillis(i64::from(n)), [n; 10]),
        occurred_at: UtcMillis(i64::from(n)),
        kind: RecordKind::Click { link: LinkId(1) },
        visitor: None,
        private: false,
        client: ClientFacts::default(),
        network_ids: vec![NetworkClickId { param: "fbclid".into(), value: "personal".into() }],
    }
}

/// What the database holds and how it behaves.
#[derive(Default)]
struct Database {
    ids: BTreeSet<TouchId>,
    batches: Vec<usize>,
    /// So many calls find it away.
    away: u32,
    refused: Vec<TouchId>,
    panics_over: Option<TouchId>,
    /// Not taken so many times while others are.
    doubtful: std::collections::BTreeMap<TouchId, u32>,
}

struct Sink(Arc<Mutex<Database>>);

impl RecordSink<TouchRecord<'static>> for Sink {
    fn store(&mut self, batch: &[TouchRecord<'static>]) -> Result<Stored, SinkError> {
        let mut db = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if db.away > 0 {
            db.away -= 1;
            return Err(SinkError::Unavailable("connection refused".into()));
        }
        if batch.iter().any(|r| db.panics_over == Some(r.id)) {
            panic!("index out of bounds");
        }
        if batch.iter().any(|r| db.refused.contains(&r.id)) {
            return Err(SinkError::Rejected("value too long".into()));
        }
        if let Some(left) =
            batch.iter().find_map(|r| db.doubtful.get(&r.id).copied().filter(|n| *n > 0).map(|n| (r.id, n)))
        {
            if batch.len() == 1 {
                db.doubtful.insert(left.0, left.1 - 1);
            }
            return Err(SinkError::Suspect("a trigger raised".into()));
        }
        db.batches.push(batch.len());
        let stored = batch.iter().filter(|r| db.ids.insert(r.id)).count() as u64;
        Ok(Stored { stored, duplicate: batch.len() as u64 - stored })
    }
}

fn open(dir: &Path) -> (Journal, Reader) {
    let options = Options { sync: SyncMode::Os, ..Options::new(dir) };
    let clock = Arc::new(DrivenClock::new(UtcMillis(0)));
    Journal::open(options, clock, Arc::new(Counters::default())).expect("open")
}

fn options() -> WriterOptions {
    let (batch_age, retry_min) = (Duration::from_millis(1), Duration::from_millis(1));
    WriterOptions {
        batch_size: 16,
        batch_age,
        retry_min,
        retry_max: Duration::from_millis(4),
        ..WriterOptions::default()
    }
}

/// Runs `touches` through a journal and a writer whose database is `db`.
fn load(db: Database, touches: impl IntoIterator<Item = u8>) -> (Database, CounterValues, Vec<serde_json::Value>) {
    let dir = tempfile::tempdir().expect("dir");
    let (journal, reader) = open(dir.path());
    let db = Arc::new(Mutex::new(db));
    let writer = spawn(reader, Box::new(Sink(Arc::clone(&db))), options()).expect("spawn");
    for n in touches {
        journal.append(&touch(n)).expect("append");
        writer.wake();
    }
    assert!(writer.wait_drained(PATIENCE));
    assert!(writer.flush_and_stop(PATIENCE));
    let lines = fs::read_to_string(dir.path().join("quarantine/quarantine.jsonl")).unwrap_or_default();
    let lines = lines.lines().map(|line| serde_json::from_str(line).expect("line")).collect();
    let names = fs::read_dir(dir.path()).expect("dir");
    let left = names.filter(|e| e.as_ref().is_ok_and(|e| e.path().extension().is_some_and(|x| x == "seg")));
    assert_eq!(left.count(), 0, "a clean end leaves no personal data");
    let db = std::mem::take(&mut *db.lock().unwrap_or_else(PoisonError::into_inner));
    (db, journal.counters().values(), lines)
}

#[test]
fn everything_is_stored_in_batches_that_are_not_too_big() {
    let (db, values, lines) = load(Database::default(), 0..100);
    assert_eq!(db.ids.len(), 100);
    assert!(db.batches.iter().all(|n| (1..=16).contains(n)), "{:?}", db.batches);
    assert_eq!((values.journaled, values.stored, values.duplicate, values.pending), (100, 100, 0, 0));
    assert!(lines.is_empty());
}

#[test]
fn the_same_touch_twice_is_a_duplicate() {
    let (db, values, _) = load(Database::default(), [1, 2, 1]);
    assert_eq!((db.ids.len(), values.stored, values.duplicate, values.pending), (2, 2, 1, 0));
}

#[test]
fn an_absent_database_holds_up_the_writer_alone() {
    let (db, values, lines) = load(Database { away: 7, ..Database::default() }, 0..40);
    assert_eq!((db.ids.len(), db.away, values.stored, values.pending), (40, 0, 40, 0));
    assert!(lines.is_empty());
}

#[test]
fn invariant_3_one_poison_record_is_put_aside_and_the_rest_goes_on() {
    let refused = vec![touch(3).id, touch(20).id];
    let (db, values, lines) = load(Database { refused, ..Database::default() }, 0..40);
    assert_eq!(db.ids.len(), 38);
    assert_eq!((values.stored, values.quarantined, values.pending), (38, 2, 0));
    let ids: BTreeSet<_> = lines.iter().map(|l| l["record"]["id"].as_str().expect("id").to_owned()).collect();
    assert_eq!(ids, BTreeSet::from([touch(3).id.to_string(), touch(20).id.to_string()]));
    assert_eq!(lines[0]["reason"], "value too long");
    assert!(lines.iter().all(|l| l["record"]["network_ids"] == serde_json::json!([])), "{lines:?}");
}

#[test]
fn a_record_that_is_not_taken_is_tried_again_after_the_rest_and_then_put_aside() {
    let doubtful = [(touch(3).id, 4), (touch(20).id, u32::MAX), (touch(21).id, u32::MAX)].into();
    let (db, values, lines) = load(Database { doubtful, ..Database::default() }, 0..40);
    assert_eq!((values.stored, values.quarantined, values.pending), (38, 2, 0), "one was taken at last");
    assert!(db.ids.contains(&touch(3).id));
    assert_eq!(lines[0]["reason"], "a trigger raised");
    let tries = |n: u8| u32::MAX - db.doubtful[&touch(n).id];
    assert_eq!((tries(20), tries(21)), (1 + SUSPECT_ROUNDS, 1 + SUSPECT_ROUNDS), "and no more");
}

#[test]
fn a_sink_that_panics_over_a_record_refuses_it() {
    let (db, values, lines) = load(Database { panics_over: Some(touch(5).id), ..Database::default() }, 0..10);
    assert_eq!((db.ids.len(), values.quarantined, values.pending), (9, 1, 0));
    assert_eq!(lines[0]["reason"], "the sink panicked: index out of bounds");
}

#[test]
fn a_deadline_leaves_the_rest_in_the_journal_for_the_next_start() {
    let dir = tempfile::tempdir().expect("dir");
    let (journal, reader) = open(dir.path());
    let db = Arc::new(Mutex::new(Database { away: u32::MAX, ..Database::default() }));
    let writer = spawn(reader, Box::new(Sink(Arc::clone(&db))), options()).expect("spawn");
    for n in 0..5 {
        journal.append(&touch(n)).expect("append");
        writer.wake();
    }
    assert!(!writer.wait_drained(Duration::from_millis(5)));
    assert_eq!(journal.counters().values().pending, 5);
    assert!(!writer.flush_and_stop(Duration::from_millis(5)));
    let thread = writer.join.lock().unwrap_or_else(PoisonError::into_inner).take().expect("not joined");
    thread.join().expect("the thread ends soon after");
    drop((journal, writer));

    db.lock().unwrap_or_else(PoisonError::into_inner).away = 0;
    let (journal, reader) = open(dir.path());
    assert_eq!(journal.counters().values().pending, 5, "known before anything is read");
    let writer = spawn(reader, Box::new(Sink(Arc::clone(&db))), options()).expect("spawn");
    assert!(writer.wait_drained(PATIENCE));
    let values = journal.counters().values();
    assert_eq!((values.replayed, values.stored, values.pending), (5, 5, 0));
    assert!(writer.flush_and_stop(PATIENCE));
}

#[test]
fn an_idle_writer_is_woken_by_a_click() {
    let dir = tempfile::tempdir().expect("dir");
    let (journal, reader) = open(dir.path());
    let db = Arc::new(Mutex::new(Database::default()));
    let writer = spawn(reader, Box::new(Sink(Arc::clone(&db))), options()).expect("spawn");
    let idle = || !writer.shared.awake.load(Ordering::SeqCst);
    let until = |done: &dyn Fn() -> bool| {
        (0..800).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            done()
        })
    };
    assert!(until(&idle), "it goes to sleep");
    journal.append(&touch(1)).expect("append");
    writer.wake();
    assert!(until(&|| journal.counters().values().stored == 1), "sooner than its idle look");
    assert!(writer.flush_and_stop(PATIENCE));
}

#[test]
fn many_threads_append_while_the_writer_loads() {
    let dir = tempfile::tempdir().expect("dir");
    let options_small = Options { sync: SyncMode::Os, segment_bytes: 4_096, ..Options::new(dir.path()) };
    let clock = Arc::new(DrivenClock::new(UtcMillis(0)));
    let (journal, reader) = Journal::open(options_small, clock, Arc::new(Counters::default())).expect("open");
    let db = Arc::new(Mutex::new(Database::default()));
    let writer = spawn(reader, Box::new(Sink(Arc::clone(&db))), options()).expect("spawn");
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let (journal, writer) = (&journal, &writer);
            scope.spawn(move || {
                for n in 0..500_u16 {
                    let [high, low] = n.to_be_bytes();
                    let id = TouchId::new(UtcMillis(1), [thread, high, low, 0, 0, 0, thread, high, low, 0]);
                    journal.append(&TouchRecord { id, ..touch(1) }).expect("append");
                    writer.wake();
                }
            });
        }
    });
    assert!(writer.flush_and_stop(PATIENCE));
    let values = journal.counters().values();
    assert_eq!((values.journaled, values.stored, values.quarantined, values.pending), (2_000, 2_000, 0, 0));
    assert_eq!(journal.disk_bytes(), 0);
}
