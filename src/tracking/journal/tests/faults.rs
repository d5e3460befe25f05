//! Writes and syncs that fail.

use super::*;

#[test]
fn a_failed_write_is_repeated_in_a_fresh_segment() {
    for arriving in [0, 1, 9, 15] {
        let bench = Bench::new();
        let script = Arc::new(Script::default());
        let mut run = bench.try_open(bench.options(), Box::new(Faulty(Arc::clone(&script)))).expect("open");
        run.append(0..2);
        script.writes.lock().expect("script").push(Some(arriving));
        assert_eq!(run.append([2])[0].segment, 2);
        run.append([3]);
        assert_eq!(run.load(), [0, 1, 2, 3], "{arriving} bytes of the failed write are never seen");
        drop(run);
        let run = bench.open();
        assert_eq!(run.counters.values().replayed, 0);
    }
}

#[test]
fn a_crash_after_a_failed_write_finds_half_a_record_and_the_whole_one() {
    let bench = Bench::new();
    let script = Arc::new(Script::default());
    let run = bench.try_open(bench.options(), Box::new(Faulty(Arc::clone(&script)))).expect("open");
    run.append(0..2);
    script.writes.lock().expect("script").push(Some(12));
    run.append([2]);
    drop(run);
    let mut run = bench.open();
    assert_eq!((run.load(), run.counters.values().torn), (vec![0, 1, 2], 1));
}

#[test]
fn a_disk_that_stays_full_costs_records_and_leaves_no_litter() {
    let bench = Bench::new();
    let script = Arc::new(Script::default());
    let mut run = bench.try_open(bench.options(), Box::new(Faulty(Arc::clone(&script)))).expect("open");
    run.append([0]);
    *script.writes.lock().expect("script") = vec![Some(0); 6];
    for id in 1..4 {
        let refused = run.journal.append(&note(id)).expect_err("full");
        assert!(matches!(refused, AppendError::Io(_)), "{refused}");
    }
    script.writes.lock().expect("script").clear();
    run.append([4]);
    assert_eq!(run.load(), [0, 4]);
    let values = run.counters.values();
    assert_eq!((values.journaled, values.unrecorded, values.pending), (2, 3, 0));
    assert_eq!(bench.segments(), 1);
}

#[test]
fn the_budget_is_kept_and_loading_frees_it() {
    for sync in [SyncMode::Os, SyncMode::Always] {
        let bench = Bench::new();
        let options = Options { segment_bytes: 1 << 20, max_bytes: 1_000, sync, ..bench.options() };
        let mut run = bench.try_open(options, Box::new(Disk)).expect("open");
        let mut appends = (0..1_000).map(|id| run.journal.append(&note(id)));
        let accepted = appends.by_ref().take_while(Result::is_ok).count();
        assert!(matches!(appends.next(), Some(Err(AppendError::Full { max_bytes: 1_000 }))));
        assert!((900..=1_000).contains(&run.journal.disk_bytes()), "{}", run.journal.disk_bytes());
        assert_eq!(run.load().len(), accepted);
        run.append([1]);
        assert_eq!(run.counters.values().unrecorded, 2);
    }
}

#[test]
fn reserved_space_counts_and_takes_in_records() {
    let bench = Bench::new();
    let options = Options { sync: SyncMode::Always, segment_bytes: 4_096, ..bench.options() };
    let run = bench.try_open(options.clone(), Box::new(Disk)).expect("open");
    let len = || fs::metadata(bench.segment(1)).expect("segment").len();
    run.append([0]);
    assert_eq!((len(), run.journal.disk_bytes()), (4_104, 4_104), "as far as the segment may go, and a head more");
    run.append(1..50);
    assert_eq!((len(), run.journal.disk_bytes()), (4_104, 4_104));
    drop(run);
    let mut run = bench.try_open(options, Box::new(Disk)).expect("open");
    assert_eq!((run.counters.values().torn, run.journal.disk_bytes()), (0, 4_104));
    assert_eq!(run.load(), (0..50).collect::<Vec<_>>());
    assert_eq!(run.journal.disk_bytes(), 0);
}

#[test]
fn a_record_beyond_the_longest_is_refused() {
    let bench = Bench::new();
    let run = bench.open();
    let long = Note { id: 1, text: "x".repeat(RECORD_LEN_MAX) };
    assert!(matches!(run.journal.append(&long), Err(AppendError::TooLong { .. })));
    assert_eq!(run.counters.values().unrecorded, 1);
}

#[test]
fn what_a_failed_sync_left_in_doubt_is_written_to_a_fresh_segment() {
    let bench = Bench::new();
    let script = Arc::new(Script::default());
    // So long an interval that only the calls below sync.
    let options = Options { sync: SyncMode::Interval(Duration::from_secs(600)), ..bench.options() };
    let mut run = bench.try_open(options, Box::new(Faulty(Arc::clone(&script)))).expect("open");
    let syncs = || script.syncs.load(Ordering::SeqCst);
    run.append([0]);
    run.journal.log.sync_now();
    run.journal.log.sync_now();
    assert_eq!(syncs(), 1, "nothing new, nothing to sync");
    run.append([1, 2]);
    script.failing_syncs.store(1, Ordering::SeqCst);
    run.journal.log.sync_now();
    let values = run.counters.values();
    assert_eq!((syncs(), values.sync_failures), (3, 1), "the fresh segment is synced, not the failed one again");
    assert_eq!((values.journaled, values.rewritten, values.pending), (3, 2, 5));
    assert_eq!(run.append([3])[0].segment, 2);
    assert_eq!(run.load(), [0, 1, 2, 1, 2, 3], "the sink knows records that it has by their ids");
}

#[test]
fn what_was_appended_while_a_sync_failed_is_written_again_as_well() {
    let bench = Bench::new();
    let script = Arc::new(Script::default());
    let options = Options { sync: SyncMode::Interval(Duration::from_secs(600)), ..bench.options() };
    let mut run = bench.try_open(options, Box::new(Faulty(Arc::clone(&script)))).expect("open");
    run.append([0]);
    script.failing_syncs.store(1, Ordering::SeqCst);
    let log = Arc::clone(&run.journal.log);
    *script.meanwhile.lock().expect("script") = Some(Box::new(move || {
        let mut frames = Frames::default();
        frames.push(&note(1)).expect("encode");
        let at = log.append(&frames).expect("append");
        // The segment ends before the failure is known.
        log.seal_number(at.segment);
    }));
    run.journal.log.sync_now();
    let values = run.counters.values();
    assert_eq!((values.sync_failures, values.journaled, values.rewritten), (1, 2, 2));
    assert_eq!(script.syncs.load(Ordering::SeqCst), 2, "the failed segment is not synced again");
    let ids = run.load();
    assert!(ids.ends_with(&[0, 1]), "both are in the fresh segment: {ids:?}");
}

#[test]
fn a_disk_that_syncs_nothing_is_left_alone_until_the_next_sync() {
    let bench = Bench::new();
    let script = Arc::new(Script::default());
    let options = Options { sync: SyncMode::Always, ..bench.options() };
    let mut run = bench.try_open(options, Box::new(Faulty(Arc::clone(&script)))).expect("open");
    script.failing_syncs.store(4, Ordering::SeqCst);
    run.append([0]);
    assert_eq!(script.syncs.load(Ordering::SeqCst), 3, "an answer does not wait for ever");
    run.append([1]);
    let values = run.counters.values();
    assert_eq!((values.sync_failures, values.unrecorded, values.journaled), (4, 0, 2));
    assert_eq!(script.failing_syncs.load(Ordering::SeqCst), 0);
    let mut ids = run.load();
    assert_eq!(ids.len() as u64, values.journaled + values.rewritten);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, [0, 1]);
}

#[test]
fn always_syncs_before_an_append_returns() {
    let bench = Bench::new();
    let script = Arc::new(Script::default());
    let options = Options { sync: SyncMode::Always, ..bench.options() };
    let run = bench.try_open(options, Box::new(Faulty(Arc::clone(&script)))).expect("open");
    for n in 1..=3 {
        run.append([n]);
        assert_eq!(script.syncs.load(Ordering::SeqCst), n);
    }
}

#[test]
fn the_interval_syncs_by_itself() {
    let bench = Bench::new();
    let script = Arc::new(Script::default());
    let options = Options { sync: SyncMode::Interval(Duration::from_millis(1)), ..bench.options() };
    let run = bench.try_open(options, Box::new(Faulty(Arc::clone(&script)))).expect("open");
    run.append([0]);
    let synced = (0..5_000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        script.syncs.load(Ordering::SeqCst) > 0
    });
    assert!(synced);
}
