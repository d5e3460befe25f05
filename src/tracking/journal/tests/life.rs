//! Opening, loading, ending.

use super::*;

#[test]
fn records_come_out_in_order_and_loaded_segments_go() {
    let bench = Bench::new();
    let mut run = bench.try_open(Options { segment_bytes: 64, ..bench.options() }, Box::new(Disk)).expect("open");
    let positions = run.append(0..20);
    assert!(positions.is_sorted() && positions.last().is_some_and(|p| p.segment > 5), "{positions:?}");
    assert_eq!(run.read(7), (0..7).collect::<Vec<_>>());
    assert_eq!(run.load(), (7..20).collect::<Vec<_>>());
    assert_eq!(bench.segments(), 1, "the active one");
    assert_eq!(run.load(), Vec::<u64>::new());
    assert_eq!(run.journal.disk_bytes(), fs::metadata(bench.segment(positions[19].segment)).expect("last").len());
}

#[test]
fn invariant_2_a_crash_anywhere_delivers_everything_and_repeats_only_what_was_not_committed() {
    let bench = Bench::new();
    let mut run = bench.open();
    run.append(0..10);
    assert_eq!(run.read(4).len(), 4);
    run.reader.commit().expect("commit");
    assert_eq!(run.read(3), [4, 5, 6], "read, perhaps stored, but not committed here");
    drop(run);
    let mut run = bench.open();
    run.append([10]);
    assert_eq!(run.counters.values().replayed, 6);
    assert_eq!(run.load(), [4, 5, 6, 7, 8, 9, 10]);
    let values = run.counters.values();
    assert_eq!((values.journaled, values.stored, values.pending), (1, 7, 0));
    drop(run);
    let mut run = bench.open();
    assert_eq!(run.load(), Vec::<u64>::new());
    assert_eq!(run.counters.values().replayed, 0);
    assert_eq!(run.append([11])[0].segment, 3, "an old segment is never appended to");
}

#[test]
fn checkpoints_may_be_missing_garbage_or_beyond_the_end() {
    for (text, expected) in [(None, 0..3), (Some("garbage"), 0..3), (Some(""), 0..3)] {
        let bench = Bench::new();
        let mut run = bench.open();
        run.append(0..3);
        assert_eq!(run.read(2).len(), 2);
        run.reader.commit().expect("commit");
        drop(run);
        match text {
            None => fs::remove_file(bench.path("checkpoint")).expect("remove"),
            Some(text) => fs::write(bench.path("checkpoint"), text).expect("write"),
        }
        assert_eq!(bench.open().load(), expected.collect::<Vec<_>>(), "{text:?}");
    }
    // The tail of a file can be lost with the power after what it held was loaded.
    for beyond in [Position { segment: 1, offset: 10_000 }, Position { segment: 7, offset: 32 }] {
        let bench = Bench::new();
        let run = bench.open();
        run.append(0..3);
        drop(run);
        checkpoint::write(&bench.options().dir, beyond).expect("write");
        let mut run = bench.open();
        assert!(!bench.segment(1).exists());
        assert_eq!(run.load(), Vec::<u64>::new());
        assert_eq!(run.append([5])[0].segment, beyond.segment + 1, "numbers never return");
        assert_eq!(run.load(), [5]);
    }
}

#[test]
fn a_loaded_segment_does_not_outlive_its_age() {
    let bench = Bench::new();
    let mut run = bench.open();
    run.append([0]);
    assert_eq!(run.load(), [0]);
    bench.clock.advance_ms(run.journal.log.options.segment_age_ms - 1);
    assert!(run.load().is_empty() && bench.segments() == 1);
    bench.clock.advance_ms(1);
    // The first call ends it, the second finds it at its end and deletes it.
    assert!(run.load().is_empty() && run.load().is_empty());
    assert_eq!(bench.segments(), 0);
    run.append([1]);
    assert_eq!(run.load(), [1]);
}

#[test]
fn one_process_at_a_time() {
    let bench = Bench::new();
    let run = bench.open();
    let refused = bench.try_open(bench.options(), Box::new(Disk)).err().expect("locked");
    assert!(matches!(refused, OpenError::Locked { .. }) && refused.to_string().contains("another process"));
    drop(run);
    bench.open();
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let mut run = bench.open();
    run.append([0]);
    run.load();
    run.reader.quarantine("test", &1).expect("quarantine");
    let mode = |path: PathBuf| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    for dir in ["", "quarantine"] {
        assert_eq!(mode(bench.path(dir)), 0o700, "{dir}");
    }
    for file in ["lock", "checkpoint", "quarantine/quarantine.jsonl"] {
        assert_eq!(mode(bench.path(file)), 0o600, "{file}");
    }
    assert_eq!(mode(bench.segment(1)), 0o600);
}
