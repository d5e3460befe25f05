//! Any order of appends, reads, commits, failures and crashes, against a list.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Append(u8),
    FailWrite(usize),
    Read(usize),
    Commit,
    /// Ends the process; so many bytes of a last record that nobody was told of arrive.
    Crash(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1_u8..6).prop_map(Op::Append),
        1 => (0_usize..20).prop_map(Op::FailWrite),
        3 => (1_usize..8).prop_map(Op::Read),
        2 => Just(Op::Commit),
        1 => (0_usize..15).prop_map(Op::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Against a model: a list of what was appended, and how much of it is committed.
    #[test]
    fn invariant_2_every_append_is_delivered_in_order_across_crashes(ops in prop::collection::vec(op(), 1..40)) {
        let bench = Bench::new();
        let script = Arc::new(Script::default());
        let open = || bench.try_open(
            Options { segment_bytes: 120, ..bench.options() }, Box::new(Faulty(Arc::clone(&script)))).expect("open");
        let mut run = open();
        let (mut appended, mut read, mut committed) = (0_u64, 0_u64, 0_u64);
        for op in ops {
            match op {
                Op::Append(n) => {
                    run.append(appended..appended + u64::from(n));
                    appended += u64::from(n);
                }
                Op::FailWrite(arriving) => {
                    script.writes.lock().expect("script").push(Some(arriving));
                    run.append([appended]);
                    appended += 1;
                }
                Op::Read(max) => {
                    let ids = run.read(max);
                    let expected: Vec<u64> = (read..appended.min(read + max as u64)).collect();
                    prop_assert_eq!(&ids, &expected);
                    read += ids.len() as u64;
                }
                Op::Commit => {
                    run.reader.commit().expect("commit");
                    committed = read;
                }
                Op::Crash(arriving) => {
                    let end = run.journal.log.end();
                    // Only a segment of the process that ends can be torn.
                    let may_tear = run.counters.values().journaled > 0;
                    drop(run);
                    let path = bench.segment(end.segment);
                    if may_tear && path.exists() {
                        let frame = frame(999);
                        let mut bytes = fs::read(&path).expect("segment");
                        bytes.extend(&frame[..arriving.min(frame.len() - 1)]);
                        fs::write(path, bytes).expect("torn");
                    }
                    run = open();
                    prop_assert_eq!(run.counters.values().pending, appended - committed);
                    read = committed;
                }
            }
        }
        let rest = run.load();
        prop_assert_eq!(rest, (read..appended).collect::<Vec<_>>());
        prop_assert!(bench.segments() <= 1);
        prop_assert_eq!(run.counters.values().quarantined, 0);
    }
}
