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
    /// Webhooks answered with success.
    pub deliveries_accepted: AtomicU64,
    /// Of them, those that the journal could not keep, so that they were stored in the database first.
    pub deliveries_stored_directly: AtomicU64,
    /// Webhooks in the journal whose sync failed, so that they were not answered for its sake.
    pub deliveries_unsynced: AtomicU64,
    /// Webhooks in the journal whose senders did not wait for the answer.
    pub deliveries_unanswered: AtomicU64,
    /// Webhooks answered 503: their senders try again.
    pub deliveries_unavailable: AtomicU64,
}

/// The journal's segments on disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalSpace {
    /// What they hold, loaded or not.
    pub used: u64,
    /// What they may hold: `journal.max_bytes`.
    pub budget: u64,
}

/// What a scrape shows of what others count.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The journal of touches.
    pub touches: &'a CounterValues,
    /// Its files.
    pub space: JournalSpace,
    /// The journal of deliveries.
    pub deliveries: &'a CounterValues,
    /// Its files.
    pub delivery_space: JournalSpace,
    /// Cases in the quarantine of deliveries; nothing where it cannot be read.
    pub deliveries_put_aside: Option<u64>,
    /// Verdicts on items of deliveries; nothing while the database is away.
    pub items: Option<&'a [(Verdict, i64)]>,
}

impl Metrics {
    /// Adds one to a counter.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The exposition text. The journals were read before this call (see the order of reading).
    pub fn render(&self, shown: Shown<'_>) -> String {
        let mut registry = Registry::with_prefix("headwater");
        self.touches(&mut registry, shown.touches, shown.space);
        self.deliveries(&mut registry, shown.deliveries, shown.delivery_space);
        if let Some(cases) = shown.deliveries_put_aside {
            let help =
                "Cases in deliveries/quarantine, of this process and before: `headwater inbox reload` loads them";
            gauge(&mut registry, "deliveries_in_quarantine", help, i64::try_from(cases).unwrap_or(i64::MAX));
        }
        for verdict in shown.items.map_or(&[][..], |_| Verdict::ALL) {
            let count = shown.items.unwrap_or_default().iter().find(|(v, _)| v == verdict).map_or(0, |(_, n)| *n);
            let name = format!("delivery_items_{}", verdict.as_str().replace('-', "_"));
            gauge(&mut registry, &name, "Items of deliveries with this verdict", count);
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _written = encode(&mut text, &registry);
        text
    }

    fn touches(&self, registry: &mut Registry, journal: &CounterValues, space: JournalSpace) {
        let mut counter = |name: &str, help: &str, value: u64| counter(registry, name, help, value);
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
        counter("journal_torn", "Segments of an earlier process that end inside a record", journal.torn);
        let mut gauge = |name: &str, help: &str, value: u64| {
            self::gauge(registry, name, help, i64::try_from(value).unwrap_or(i64::MAX));
        };
        gauge("touches_pending", "Touches in the journal that are not settled yet", journal.pending);
        gauge("journal_bytes", "Bytes of the journal's segments, against journal.max_bytes", space.used);
        gauge(
            "journal_budget_bytes",
            "What the journal's segments may hold: journal.max_bytes; beyond it clicks are answered and unrecorded",
            space.budget,
        );
    }

    fn deliveries(&self, registry: &mut Registry, journal: &CounterValues, space: JournalSpace) {
        let mut counter = |name: &str, help: &str, value: u64| counter(registry, name, help, value);
        let own = |c: &AtomicU64| c.load(Ordering::Relaxed);
        counter("deliveries_refused", "Webhooks with a wrong or missing proof", own(&self.deliveries_refused));
        counter(
            "deliveries_accepted",
            "Webhooks answered with success: accepted + unsynced + unanswered = journaled + stored directly",
            own(&self.deliveries_accepted),
        );
        counter(
            "deliveries_stored_directly",
            "Accepted webhooks that the journal could not keep, stored in the database before the answer",
            own(&self.deliveries_stored_directly),
        );
        counter(
            "deliveries_unsynced",
            "Webhooks in the journal whose sync failed: stored directly as well, or answered 503",
            own(&self.deliveries_unsynced),
        );
        counter(
            "deliveries_unanswered",
            "Webhooks in the journal whose senders did not wait for the answer",
            own(&self.deliveries_unanswered),
        );
        counter("deliveries_unavailable", "Webhooks answered 503", own(&self.deliveries_unavailable));
        counter(
            "deliveries_journaled",
            "Webhooks in the journal: journaled + replayed + rewritten = stored + duplicate + quarantined + pending",
            journal.journaled,
        );
        counter("deliveries_replayed", "Webhooks that an earlier process left in the journal", journal.replayed);
        counter(
            "deliveries_rewritten",
            "Webhooks written once more as their segment could not be synced",
            journal.rewritten,
        );
        counter("deliveries_stored", "Webhooks loaded from the journal into the database", journal.stored);
        counter("deliveries_duplicate", "Webhooks that were loaded already", journal.duplicate);
        counter("deliveries_quarantined", "Webhooks set aside in files, as they cannot be loaded", journal.quarantined);
        counter("delivery_journal_sync_failures", "Failed syncs of the deliveries' journal", journal.sync_failures);
        let mut gauge = |name: &str, help: &str, value: u64| {
            self::gauge(registry, name, help, i64::try_from(value).unwrap_or(i64::MAX));
        };
        gauge("deliveries_pending", "Webhooks in the journal that are not loaded yet", journal.pending);
        gauge(
            "delivery_journal_bytes",
            "Bytes of the deliveries' journal, against intake.journal_bytes_max",
            space.used,
        );
        gauge(
            "delivery_journal_budget_bytes",
            "What the deliveries' journal may hold: intake.journal_bytes_max; beyond it they are stored before the answer",
            space.budget,
        );
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let metric: Counter = Counter::default();
    metric.inc_by(value);
    registry.register(name, help, metric);
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let metric: Gauge = Gauge::default();
    metric.set(value);
    registry.register(name, help, metric);
}
