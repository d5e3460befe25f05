//! What became of every record, so that two sums prove nothing was lost (invariants 2 and 3).

use std::sync::atomic::{AtomicU64, Ordering};

/// Totals since the process began.
///
/// *answered = journaled + unrecorded*, where the HTTP layer counts answered, and
/// *journaled + replayed + rewritten = stored + duplicate + quarantined + pending*.
/// Torn tails are outside both sums: their records were never answered.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records appended by this process.
    pub journaled: AtomicU64,
    /// Records that an earlier process left unloaded, counted when the journal is opened.
    /// A stretch that cannot be divided into records counts as one.
    pub replayed: AtomicU64,
    /// Records written once more, as their segment could not be synced; the first copies count as well.
    pub rewritten: AtomicU64,
    /// Records whose append failed; they were answered all the same.
    pub unrecorded: AtomicU64,
    /// Records that the sink stored.
    pub stored: AtomicU64,
    /// Records that the sink had already.
    pub duplicate: AtomicU64,
    /// Records put aside: refused by the sink, or unreadable on disk.
    pub quarantined: AtomicU64,
    /// Segments of an earlier process that end inside a record.
    pub torn: AtomicU64,
    /// Failed `fdatasync` calls.
    pub sync_failures: AtomicU64,
}

/// [`Counters`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CounterValues {
    /// See [`Counters::journaled`].
    pub journaled: u64,
    /// See [`Counters::replayed`].
    pub replayed: u64,
    /// See [`Counters::rewritten`].
    pub rewritten: u64,
    /// See [`Counters::unrecorded`].
    pub unrecorded: u64,
    /// See [`Counters::stored`].
    pub stored: u64,
    /// See [`Counters::duplicate`].
    pub duplicate: u64,
    /// See [`Counters::quarantined`].
    pub quarantined: u64,
    /// See [`Counters::torn`].
    pub torn: u64,
    /// See [`Counters::sync_failures`].
    pub sync_failures: u64,
    /// Records in the journal that the sink has not settled yet.
    pub pending: u64,
}

impl Counters {
    /// Reads every counter. What settles is read before what comes in, so that pending is never
    /// understated while records flow.
    pub fn values(&self) -> CounterValues {
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let (stored, duplicate, quarantined) = (read(&self.stored), read(&self.duplicate), read(&self.quarantined));
        let (replayed, rewritten, journaled) = (read(&self.replayed), read(&self.rewritten), read(&self.journaled));
        CounterValues {
            journaled,
            replayed,
            rewritten,
            unrecorded: read(&self.unrecorded),
            stored,
            duplicate,
            quarantined,
            torn: read(&self.torn),
            sync_failures: read(&self.sync_failures),
            pending: (journaled + replayed + rewritten).saturating_sub(stored + duplicate + quarantined),
        }
    }
}

/// Adds to a counter so that a reader who sees it also sees what was counted before.
pub(in crate::tracking) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_is_what_came_in_and_is_not_settled() {
        let counters = Counters::default();
        add(&counters.journaled, 7);
        add(&counters.replayed, 3);
        add(&counters.stored, 4);
        add(&counters.duplicate, 2);
        add(&counters.quarantined, 1);
        add(&counters.unrecorded, 9);
        assert_eq!(counters.values().pending, 3);
    }
}
