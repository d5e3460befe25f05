//! What a disk can do to files, and what is left of them.

use std::sync::atomic::AtomicBool;

use super::*;

#[test]
fn a_torn_tail_ends_its_segment_and_is_counted() {
    for cut in 1..=frame(2).len() {
        let bench = Bench::new();
        let run = bench.open();
        run.append(0..3);
        drop(run);
        bench.damage(1, |bytes| bytes.truncate(bytes.len() - cut));
        let mut run = bench.open();
        run.append([9]);
        let values = run.counters.values();
        let whole_cut = cut == frame(2).len();
        assert_eq!((values.torn, values.replayed, values.quarantined), (u64::from(!whole_cut), 2, 0), "cut {cut}");
        assert_eq!(run.load(), [0, 1, 9], "cut {cut}");
    }
}

#[test]
fn space_that_was_never_written_is_a_clean_end() {
    for zeros in [1, 8, 9, 4_096, 1 << 20] {
        let bench = Bench::new();
        let run = bench.open();
        run.append(0..2);
        drop(run);
        bench.damage(1, |bytes| bytes.resize(bytes.len() + zeros, 0));
        // A segment of which only the size reached the disk.
        fs::write(bench.segment(2), vec![0; zeros.max(40)]).expect("blank");
        let mut run = bench.open();
        let values = run.counters.values();
        assert_eq!((values.replayed, values.torn, values.quarantined), (2, 0, 0), "{zeros} zeros");
        assert!(bench.cases().is_empty() && !bench.segment(2).exists());
        assert_eq!(run.append([2])[0].segment, 3);
        assert_eq!(run.load(), [0, 1, 2]);
    }
}

#[test]
fn a_record_that_ends_in_reserved_space_is_torn() {
    for kept in 1..frame(2).len() {
        let bench = Bench::new();
        let run = bench.open();
        run.append(0..3);
        drop(run);
        bench.damage(1, |bytes| {
            let whole = bytes.len();
            bytes.truncate(whole - frame(2).len() + kept);
            bytes.resize(whole + 4_096, 0);
        });
        assert_eq!(inspected(&bench), (2, 0), "{kept} bytes of the last record");
        let mut run = bench.open();
        let values = run.counters.values();
        assert_eq!((values.torn, values.replayed, values.quarantined), (1, 2, 0), "{kept} bytes of the last record");
        assert_eq!(bench.cases()[0]["bytes"], claimed(kept));
        assert_eq!(run.load(), [0, 1]);
    }
}

/// Bytes that the last record claims, when only `kept` of it are there.
fn claimed(kept: usize) -> u64 {
    let mut bytes = frame(2);
    bytes[kept..].fill(0);
    u64::from(u32::from_le_bytes(bytes[..4].try_into().expect("length"))) + 8
}

/// Records that wait, and stretches that are damaged.
fn inspected(bench: &Bench) -> (u64, u64) {
    let found: Inspection<Note> = inspect(&bench.options().dir).expect("inspected");
    (found.waiting, found.damaged)
}

#[test]
fn damage_in_front_of_reserved_space_is_no_torn_tail() {
    let bench = Bench::new();
    let run = bench.open();
    let positions = run.append(0..3);
    drop(run);
    let at = usize::try_from(positions[2].offset).expect("offset") - 1;
    bench.damage(1, |bytes| {
        bytes[at] ^= 1;
        bytes.resize(bytes.len() + 4_096, 0);
    });
    assert_eq!(inspected(&bench), (2, 1));
    let mut run = bench.open();
    assert_eq!(run.load(), [0, 1]);
    let values = run.counters.values();
    assert_eq!((values.torn, values.replayed, values.quarantined), (0, 3, 1));
    assert_eq!(bench.cases()[0]["bytes"], frame(2).len());
}

#[test]
fn a_flipped_bit_costs_one_record_which_is_kept() {
    let bench = Bench::new();
    let run = bench.open();
    let positions = run.append(0..5);
    drop(run);
    let at = usize::try_from(positions[2].offset).expect("offset") - 1;
    bench.damage(1, |bytes| bytes[at] ^= 1);
    let mut run = bench.open();
    assert_eq!(run.load(), [0, 1, 3, 4]);
    let values = run.counters.values();
    assert_eq!((values.replayed, values.quarantined, values.pending), (5, 1, 0));
    let case = &bench.cases()[0];
    assert_eq!(
        (&case["reason"], &case["record"]["id"]),
        (&"checksum fails".into(), &2.into()),
        "named, as it can be read"
    );
}

#[test]
fn two_damaged_neighbours_cost_two_records() {
    let bench = Bench::new();
    let run = bench.open();
    let positions = run.append(0..5);
    drop(run);
    for damaged in [1, 2] {
        // In the length of the text, so that the record cannot be read.
        let at = usize::try_from(positions[damaged].offset).expect("offset") - "note 0".len() - 1;
        bench.damage(1, |bytes| bytes[at] = 0x7f);
    }
    let mut run = bench.open();
    assert_eq!(run.load(), [0, 3, 4]);
    let values = run.counters.values();
    assert_eq!((values.replayed, values.quarantined, values.pending), (5, 2, 0));
    let case = &bench.cases()[0];
    assert_eq!((&case["reason"], &case["offset"]), (&"checksum fails".into(), &positions[0].offset.into()));
    let kept = fs::read(bench.path("quarantine").join(case["file"].as_str().expect("file"))).expect("kept");
    assert_eq!(kept.len(), frame(1).len());
}

#[test]
fn a_damaged_length_costs_its_record_and_nothing_behind_it() {
    for damaged in [0x7f, 0x00, 0x01] {
        let bench = Bench::new();
        let run = bench.open();
        let positions = run.append(0..20);
        drop(run);
        let len_at = usize::try_from(positions[1].offset).expect("offset");
        bench.damage(1, |bytes| bytes[len_at + 1] = damaged);
        bench.damage(1, |bytes| bytes[len_at + 3] = damaged);
        let mut run = bench.open();
        let expected: Vec<u64> = (0..20).filter(|id| damaged == 0 || *id != 2).collect();
        assert_eq!(run.load(), expected);
        let values = run.counters.values();
        assert_eq!((values.quarantined, values.torn, values.pending), (u64::from(damaged > 0), 0, 0));
    }
}

#[test]
fn a_stretch_without_records_is_passed_over() {
    let bench = Bench::new();
    let mut run = bench.open();
    let positions = run.append(0..9);
    let offset = |i: usize| usize::try_from(positions[i].offset).expect("offset");
    bench.damage(1, |bytes| bytes[offset(1)..offset(5)].fill(0xff));
    assert_eq!(run.load(), [0, 1, 6, 7, 8]);
    run.journal.log.seal_number(1);
    run.load();
    let values = run.counters.values();
    assert_eq!((values.journaled, values.stored, values.quarantined, values.pending), (9, 5, 4, 0));
    assert_eq!((bench.cases()[0]["reason"].as_str(), bench.segments()), (Some("damaged length"), 0));
}

#[test]
fn damage_at_the_end_of_a_running_process_s_segment_leaves_it() {
    let bench = Bench::new();
    let mut run = bench.open();
    let positions = run.append(0..6);
    let offset = usize::try_from(positions[1].offset).expect("offset");
    bench.damage(1, |bytes| bytes[offset..].fill(0xff));
    assert_eq!(run.load(), [0, 1]);
    assert_eq!(run.append([6])[0].segment, 2, "the damaged segment is left");
    assert_eq!(run.load(), [6]);
    let values = run.counters.values();
    assert_eq!((values.journaled, values.stored, values.quarantined, values.pending), (7, 3, 4, 0));
    assert_eq!(bench.segments(), 1);
}

#[test]
fn headers_may_be_missing_short_or_damaged() {
    let bench = Bench::new();
    let run = bench.open();
    run.append(0..2);
    drop(run);
    fs::write(bench.segment(2), b"").expect("empty");
    fs::write(bench.segment(3), b"HWJOUR").expect("short");
    fs::write(bench.segment(4), [7; 100]).expect("foreign");
    bench.damage(1, |bytes| bytes[9] ^= 1);
    let mut run = bench.open();
    assert_eq!(run.append([2])[0].segment, 5);
    assert_eq!(run.load(), [0, 1, 2], "a damaged header does not cost its records");
    let values = run.counters.values();
    assert_eq!((values.torn, values.replayed, values.quarantined, values.pending), (1, 3, 1, 0));
    assert_eq!(fs::read(bench.path("quarantine/segment-4.seg")).expect("kept"), [7; 100]);
    assert_eq!(bench.segments(), 1);
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let bench = Bench::new();
    let run = bench.open();
    run.append([0]);
    drop(run);
    bench.damage(1, |bytes| {
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    });
    let refused = bench.try_open(bench.options(), Box::new(Disk)).err().expect("refused");
    assert!(matches!(refused, OpenError::NewerFormat { format: 2, .. }), "{refused}");
    assert!(bench.segment(1).exists());
}

#[test]
fn a_record_of_another_kind_is_put_aside() {
    #[derive(Serialize, Deserialize)]
    struct Other(u64);
    impl Record for Other {
        const KIND: u8 = 201;

        fn without_personal_data(self) -> Self {
            self
        }
    }
    let bench = Bench::new();
    let mut run = bench.open();
    run.append([0]);
    run.journal.append(&Other(1)).expect("append");
    run.append([2]);
    assert_eq!(run.load(), [0, 2]);
    assert_eq!(run.counters.values().pending, 0);
    assert_eq!(bench.cases()[0]["reason"], "record kind 201 instead of 200");
}

#[test]
fn a_segment_that_cannot_be_opened_for_a_moment_is_not_passed_over() {
    let bench = Bench::new();
    let mut run = bench.open();
    run.append(0..3);
    let aside = bench.path("aside");
    fs::rename(bench.segment(1), &aside).expect("away");
    let mut out: Vec<Note> = Vec::new();
    assert!(run.reader.read(9, &mut out).is_err() && run.reader.read(9, &mut out).is_err());
    fs::rename(&aside, bench.segment(1)).expect("back");
    assert_eq!(run.load(), [0, 1, 2]);
    let values = run.counters.values();
    assert_eq!((values.quarantined, values.pending), (0, 0));
    assert!(bench.cases().is_empty());
}

#[test]
fn numbers_do_not_return_to_what_quarantine_holds() {
    let bench = Bench::new();
    drop(bench.open());
    for kept in ["segment-7-32.bin", "segment-5.seg", "segment-x.bin", "quarantine.jsonl"] {
        fs::write(bench.path("quarantine").join(kept), "").expect("kept");
    }
    assert_eq!(bench.open().append([0])[0].segment, 8);
}

#[test]
fn a_segment_that_cannot_be_read_is_taken_out_at_the_third_attempt() {
    let bench = Bench::new();
    let mut run = bench.open();
    run.append(0..4);
    assert_eq!(run.read(1), [0]);
    // Shorter than its published end: what a reader of a failing disk sees.
    bench.damage(1, |bytes| bytes.truncate(usize::try_from(HEADER_LEN).expect("fits") + frame(0).len()));
    run.reader = Reader::new(Arc::clone(&run.journal.log), Position::default());
    let state = segment::SegmentState {
        number: 1,
        created_at: UtcMillis(0),
        start: HEADER_LEN,
        end: AtomicU64::new(HEADER_LEN + 4 * frame(0).len() as u64),
        records: AtomicU64::new(4),
        bytes: AtomicU64::new(HEADER_LEN + 4 * frame(0).len() as u64),
        sealed: AtomicBool::new(true),
    };
    run.journal.log.seal_number(1);
    run.journal.log.requeue(state);
    let mut out: Vec<Note> = Vec::new();
    assert!(run.reader.read(9, &mut out).is_err() && run.reader.read(9, &mut out).is_err());
    run.reader.read(9, &mut out).expect("given up");
    assert_eq!(out, [note(0)]);
    assert_eq!(run.counters.values().quarantined, 3);
    assert!(bench.path("quarantine/segment-1.seg").exists());
    assert!(run.journal.disk_bytes() < 4 * frame(0).len() as u64, "given back to the budget");
    run.append([4]);
    assert_eq!(run.load(), [4]);
}
