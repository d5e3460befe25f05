//! Counters, and their Prometheus form.
//!
//! # The order of reading
//!
//! A scrape reads while clicks come in. Each is counted as answered first, then as journaled or unrecorded, then as
//! stored, duplicate or quarantined; a scrape reads in the opposite order. So at any moment *answered* is at least
//! *journaled + unrecorded*, by what is under way and what came in between the two looks, and *pending* is never
//! understated. Where nothing is under way, both equations hold exactly.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::store::deliveries::Verdict;
use crate::tracking::journal::CounterValues;

/// What HTTP counts itself; the journal counts the rest.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Tracking requests that became a touch record: redirects, pixels, landings.
    pub touches_answered: AtomicU64,
    /// Requests for slugs that lead nowhere.
    pub slugs_unknown: AtomicU64,
    /// Reports of hw.js that were refused.
    pub collect_refused: AtomicU64,
    /// Forms that hw.js saw submitted.
    pub forms_submitted: AtomicU64,
    /// Webhooks with a wrong or missing proof.
    pub deliveries_refused: AtomicU64,
}

/// The journal's segments on disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalSpace {
    /// What they hold, loaded or not.
    pub used: u64,
    /// What they may hold: `journal.max_bytes`.
    pub budget: u64,
}

impl Metrics {
    /// Adds one to a counter.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The exposition text. `journal` was read before this call (see the order of reading). `items` are the verdicts on
    /// deliveries, absent while the database is away.
    pub fn render(&self, journal: &CounterValues, space: JournalSpace, items: &[(Verdict, i64)]) -> String {
        let mut registry = Registry::with_prefix("headwater");
        let mut counter = |name: &str, help: &str, value: u64| {
            let metric: Counter = Counter::default();
            metric.inc_by(value);
            registry.register(name, help, metric);
        };
        let own = |c: &AtomicU64| c.load(Ordering::Relaxed);
        counter(
            "touches_answered",
            "Tracking requests answered: answered = journaled + unrecorded",
            own(&self.touches_answered),
        );
        counter("clicks_unrecorded", "Answered touches that could not be written to the journal", journal.unrecorded);
        counter(
            "touches_journaled",
            "Touches in the journal: journaled + replayed + rewritten = stored + duplicate + quarantined + pending",
            journal.journaled,
        );
        counter("touches_replayed", "Touches that an earlier process left in the journal", journal.replayed);
        counter(
            "touches_rewritten",
            "Touches written once more as their segment could not be synced",
            journal.rewritten,
        );
        counter("touches_stored", "Touches stored in the database", journal.stored);
        counter("touches_duplicate", "Touches that were stored already", journal.duplicate);
        counter("touches_quarantined", "Touches set aside with a reason", journal.quarantined);
        counter("journal_sync_failures", "Failed syncs of the journal", journal.sync_failures);
        counter("slugs_unknown", "Requests for slugs that lead nowhere", own(&self.slugs_unknown));
        counter("collect_refused", "Reports of hw.js refused by origin, size or rate", own(&self.collect_refused));
        counter(
            "forms_submitted",
            "Forms that hw.js saw submitted, to compare with the leads that came in",
            own(&self.forms_submitted),
        );
        counter("deliveries_refused", "Webhooks with a wrong or missing proof", own(&self.deliveries_refused));
        counter("journal_torn", "Segments of an earlier process that end inside a record", journal.torn);
        let mut gauge = |name: &str, help: &str, value: i64| {
            let metric: Gauge = Gauge::default();
            metric.set(value);
            registry.register(name, help, metric);
        };
        gauge(
            "touches_pending",
            "Touches in the journal that are not settled yet",
            i64::try_from(journal.pending).unwrap_or(i64::MAX),
        );
        gauge(
            "journal_bytes",
            "Bytes of the journal's segments, against journal.max_bytes",
            i64::try_from(space.used).unwrap_or(i64::MAX),
        );
        gauge(
            "journal_budget_bytes",
            "What the journal's segments may hold: journal.max_bytes; beyond it clicks are answered and unrecorded",
            i64::try_from(space.budget).unwrap_or(i64::MAX),
        );
        for (verdict, count) in items {
            gauge(&format!("delivery_items_{verdict}"), "Items of deliveries with this verdict", *count);
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _written = encode(&mut text, &registry);
        text
    }
}
