//! From journal records to stored touches: classified, labelled, in one transaction a batch.
//!
//! What a batch needs from the database is read first, without a lock; words that no touch had yet are added to the
//! dictionary in a transaction of their own; then the batch is stored. Three memories save most of the reading, and
//! each is only ever ahead of nothing: channels and campaigns by the newest revision of labels, words by their numbers
//! once committed, and the last human clicks within the repeat window, which hold as long as nobody else has written to
//! the ledger since this sink did.
//!
//! A record may show that earlier touches were a mail scanner's. Those of its own batch are changed before they are
//! stored; those that are stored are corrected after the commit, in a transaction of its own (`corrections`). What a
//! batch that was rolled back has shown is forgotten with it: it comes again with the batch, from the classifier's
//! memory.

mod corrections;
mod last_clicks;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::channel::classify_arrival;
use crate::domain::ids::{CampaignId, ChannelId, TouchId};
use crate::domain::time::{Clock, UtcMillis};
use crate::domain::touch::{RecordKind, TouchClass, TouchKind, TouchRecord};
use crate::jobs::erase;
use crate::store::touches::{self, Client, NewTouch, Words};
use crate::store::{Conn, Db, StoreError, labels, ledger};
use crate::tracking::classify::{Classifier, Revised};
use crate::tracking::writer::{RecordSink, SinkError, Stored};
use corrections::Corrections;
use last_clicks::{Click, Clicks, LastClicks};

/// The journal writer's way into the database.
#[expect(missing_debug_implementations, reason = "a database pool prints nothing useful")]
pub struct StoreSink {
    db: Db,
    clock: Arc<dyn Clock>,
    classifier: Classifier,
    words: Words,
    labels: Labels,
    clicks: LastClicks,
    corrections: Corrections,
}

/// What a batch in the making has shown so far.
#[derive(Debug, Default)]
struct Shown {
    /// The last human click of each visitor and link.
    latest: Clicks,
    /// Touches, of this batch or before it, that are something else than was said first.
    revised: HashMap<TouchId, Revised>,
}

impl StoreSink {
    /// A sink over a database, with the clock of the ledger and what classifies the records.
    pub fn new(db: Db, clock: Arc<dyn Clock>, classifier: Classifier) -> Self {
        let corrections = Corrections::new(clock.now());
        Self {
            db,
            clock,
            classifier,
            words: Words::default(),
            labels: Labels::default(),
            clicks: LastClicks::default(),
            corrections,
        }
    }

    fn load(&mut self, batch: &[TouchRecord<'_>]) -> Result<usize, StoreError> {
        let window_ms = self.classifier.repeat_window_ms();
        let (labels, clicks, corrections) = (&mut self.labels, &mut self.clicks, &self.corrections);
        let ids: Vec<TouchId> = batch.iter().map(|record| record.id).collect();
        let erased = self.db.read_now(|conn| {
            labels.refresh(conn)?;
            clicks.refresh(conn, batch, window_ms, &|touch| corrections.waits_for(touch))?;
            erase::touches_again(conn, &ids)
        })?;
        let mut shown = Shown::default();
        let mut list = Vec::with_capacity(batch.len());
        // A journal that is read again after a crash must not bring back whom somebody had erased since.
        for record in batch.iter().filter(|record| !erased.contains(&record.id)) {
            list.push(self.touch(record, &mut shown));
        }
        let in_batch = revise(&mut list, &shown.revised);
        let lacking = self.words.lacking(&list);
        if !lacking.is_empty() {
            let numbers = self.db.write_now(|conn| Words::add(conn, &lacking))?;
            self.words.remember(numbers);
        }
        let (clock, words) = (&self.clock, &self.words);
        let mut before = UtcMillis(0);
        let (stored, at) = self.db.write_now(|conn| {
            touches::insert_prepared(conn, &list, words, |conn| {
                ledger::lock(conn)?;
                before = ledger::horizon(conn)?;
                ledger::stamp(conn, clock.now())
            })
        })?;
        let Shown { mut latest, mut revised } = shown;
        latest.retain(|_, click| !revised.contains_key(&click.touch));
        self.clicks.add(latest, before, at, window_ms);
        self.clicks.forget(&revised);
        if stored == batch.len() {
            revised.retain(|touch, _| !in_batch.contains(touch));
        }
        // Else some of the batch were stored before it, by a run that was cut off, and may lack their correction.
        self.corrections.add(revised);
        Ok(stored)
    }

    /// Classifies and labels a record of a batch.
    fn touch<'r>(&mut self, record: &'r TouchRecord<'_>, shown: &mut Shown) -> NewTouch<'r> {
        let (kind, link, arrival) = match &record.kind {
            RecordKind::Click { link } => (TouchKind::Click, Some(*link), None),
            RecordKind::View { link } => (TouchKind::View, *link, None),
            RecordKind::Landing(arrival) => (TouchKind::Landing, None, Some(arrival)),
        };
        let pair = record.visitor.zip(link).filter(|_| kind == TouchKind::Click);
        let previous = pair.and_then(|pair| {
            let known = shown.latest.get(&pair).copied().or_else(|| self.clicks.before(pair, record.occurred_at));
            known.filter(|click| !shown.revised.contains_key(&click.touch))
        });
        let seen = self.classifier.classify(record, previous.map(|click| click.at));
        if let (TouchClass::Human, Some(pair)) = (seen.class, pair) {
            shown.latest.insert(pair, Click { at: record.occurred_at, touch: record.id });
        }
        shown.revised.extend(seen.revised.into_iter().map(|revised| (revised.touch, revised)));
        let referrer = arrival.map_or(record.client.referrer_host.as_deref(), |a| a.referrer_host.as_deref());
        NewTouch {
            id: record.id,
            occurred_at: record.occurred_at,
            kind,
            class: seen.class,
            class_rule: seen.rule,
            link,
            channel: arrival.and_then(|a| self.labels.channel_of(a, record)),
            campaign: arrival.and_then(|a| self.labels.campaigns.get(a.utm_campaign.as_ref()?).copied()),
            visitor: record.visitor,
            private: record.private,
            source: None,
            external_id: None,
            batch: None,
            user_agent: record.client.user_agent.as_deref().map(Cow::Borrowed),
            referrer: referrer.map(Cow::Borrowed),
            page: arrival.map(|a| Cow::Borrowed(a.page.as_str())),
            network_ids: Cow::Borrowed(&record.network_ids),
            client: Client {
                country: seen.country,
                device: Cow::Borrowed(seen.device.as_str()),
                range_labels: seen.range_labels,
                source_hash: seen.source_hash,
                signals: Some(seen.signals),
            },
        }
    }
}

/// Changes the touches of a list that are revised; answers which were.
fn revise(list: &mut [NewTouch<'_>], revised: &HashMap<TouchId, Revised>) -> HashSet<TouchId> {
    let mut in_list = HashSet::new();
    if revised.is_empty() {
        return in_list;
    }
    for touch in list {
        if let Some(change) = revised.get(&touch.id) {
            (touch.class, touch.class_rule) = (change.class, change.rule.clone());
            in_list.insert(touch.id);
        }
    }
    in_list
}

impl<'a> RecordSink<TouchRecord<'a>> for StoreSink {
    fn store(&mut self, batch: &[TouchRecord<'a>]) -> Result<Stored, SinkError> {
        match self.load(batch) {
            Ok(stored) => {
                self.corrections.write_if_due(&self.db, &*self.clock, &mut self.clicks);
                let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
                Ok(Stored { stored: count(stored), duplicate: count(batch.len() - stored) })
            }
            Err(e) if e.is_passing() => Err(SinkError::Unavailable(e.to_string())),
            // A refused batch is cut down to the record that spoils it; what is neither is tried again.
            Err(StoreError::Refused(_) | StoreError::Corrupt(_) | StoreError::Duplicate(_)) => {
                Err(SinkError::Rejected("the database refused the record".into()))
            }
            Err(e) => Err(SinkError::Unavailable(e.to_string())),
        }
    }
}

impl Drop for StoreSink {
    /// The writer has ended: what waits for its turn has no later one.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.corrections.write(&self.db, &*self.clock, &mut self.clicks);
        }
    }
}

/// What arrivals are labelled by, as of the newest revision of labels.
#[derive(Debug, Default)]
struct Labels {
    revision: Option<i64>,
    channels: Vec<(ChannelId, String, String, bool)>,
    campaigns: HashMap<String, CampaignId>,
}

impl Labels {
    fn refresh(&mut self, conn: &mut Conn) -> Result<(), StoreError> {
        let newest = labels::revision(conn)?;
        if self.revision == Some(newest) {
            return Ok(());
        }
        let channels = labels::list_channels(conn)?;
        self.channels = channels
            .into_iter()
            .filter(|c| !c.labels.archived)
            .map(|c| (c.id, c.utm_source, c.utm_medium, c.labels.direct))
            .collect();
        self.campaigns = labels::list_campaigns(conn)?.into_iter().map(|c| (c.code, c.id)).collect();
        self.revision = Some(newest);
        Ok(())
    }

    fn channel_of(&self, arrival: &crate::domain::touch::Arrival, record: &TouchRecord<'_>) -> Option<ChannelId> {
        let tags: Vec<_> =
            self.channels.iter().map(|(id, s, m, direct)| (*id, s.as_str(), m.as_str(), *direct)).collect();
        classify_arrival(arrival, &record.network_ids, &tags)
    }
}
