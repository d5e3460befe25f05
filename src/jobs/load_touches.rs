//! From journal records to stored touches: classified, labelled, in one transaction a batch.
//!
//! What a batch needs from the database is read first, without a lock; words that no touch had yet are added to the
//! dictionary in a transaction of their own; then the batch is stored. Three memories save most of the reading, and
//! each is only ever ahead of nothing: channels and campaigns by the newest revision of labels, words by their numbers
//! once committed, and the last human clicks within the repeat window, which hold as long as nobody else has written to
//! the ledger since this sink did.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::channel::classify_arrival;
use crate::domain::ids::{CampaignId, ChannelId, LinkId, VisitorId};
use crate::domain::time::{Clock, UtcMillis};
use crate::domain::touch::{RecordKind, TouchClass, TouchKind, TouchRecord};
use crate::store::touches::{self, Client, NewTouch, Signals, Words};
use crate::store::{Conn, Db, StoreError, labels, ledger};
use crate::tracking::classify::{self, Repeat};
use crate::tracking::writer::{SinkError, Stored, TouchSink};

/// Most clicks that the repeat rule reads of everyone; beyond, it asks for the batch's visitors alone.
const CLICKS_READ_MAX: usize = 50_000;

/// The journal writer's way into the database.
#[expect(missing_debug_implementations, reason = "a database pool prints nothing useful")]
pub struct StoreSink {
    db: Db,
    clock: Arc<dyn Clock>,
    repeat_window_ms: i64,
    words: Words,
    labels: Labels,
    clicks: LastClicks,
}

impl StoreSink {
    /// A sink over a database, with the clock of the ledger and the repeat window in milliseconds.
    pub fn new(db: Db, clock: Arc<dyn Clock>, repeat_window_ms: i64) -> Self {
        Self {
            db,
            clock,
            repeat_window_ms,
            words: Words::default(),
            labels: Labels::default(),
            clicks: LastClicks::default(),
        }
    }

    fn load(&mut self, batch: &[TouchRecord<'_>]) -> Result<usize, StoreError> {
        let (labels, clicks, window_ms) = (&mut self.labels, &mut self.clicks, self.repeat_window_ms);
        self.db.read_now(|conn| {
            labels.refresh(conn)?;
            clicks.refresh(conn, batch, window_ms)
        })?;
        let mut latest = HashMap::new();
        let mut list = Vec::with_capacity(batch.len());
        for record in batch {
            list.push(self.touch(record, &mut latest));
        }
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
        self.clicks.add(latest, before, at, self.repeat_window_ms);
        Ok(stored)
    }

    /// Classifies a record; `latest` are the human clicks of its batch before it.
    fn touch<'r>(&mut self, record: &'r TouchRecord<'_>, latest: &mut Clicks) -> NewTouch<'r> {
        let (kind, link, arrival) = match &record.kind {
            RecordKind::Click { link } => (TouchKind::Click, Some(*link), None),
            RecordKind::View { link } => (TouchKind::View, *link, None),
            RecordKind::Landing(arrival) => (TouchKind::Landing, None, Some(arrival)),
        };
        let pair = record.visitor.zip(link).filter(|_| kind == TouchKind::Click);
        let previous =
            pair.and_then(|pair| latest.get(&pair).copied().or_else(|| self.clicks.before(pair, record.occurred_at)));
        let repeat = Repeat { previous, at: record.occurred_at, window_ms: self.repeat_window_ms };
        let verdict = classify::classify(&record.client, &record.kind, repeat);
        if let (TouchClass::Human, Some(pair)) = (verdict.class, pair) {
            latest.insert(pair, record.occurred_at);
        }
        let referrer = arrival.map_or(record.client.referrer_host.as_deref(), |a| a.referrer_host.as_deref());
        NewTouch {
            id: record.id,
            occurred_at: record.occurred_at,
            kind,
            class: verdict.class,
            class_rule: verdict.rule,
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
            client: Client { signals: Some(Signals::of(&record.client)), ..Client::unknown() },
        }
    }
}

impl TouchSink for StoreSink {
    fn store(&mut self, batch: &[TouchRecord<'_>]) -> Result<Stored, SinkError> {
        match self.load(batch) {
            Ok(stored) => {
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

/// The last human click of a visitor on a link.
type Clicks = HashMap<(VisitorId, LinkId), UtcMillis>;

/// Human clicks of the last repeat window, and what they cover: everything from `since` on that was in the database
/// when the ledger stood at `known_at`.
#[derive(Debug)]
struct LastClicks {
    clicks: Clicks,
    known_at: Option<UtcMillis>,
    since: UtcMillis,
    newest: UtcMillis,
    /// How many there were when the old ones were last forgotten.
    kept: usize,
}

impl Default for LastClicks {
    fn default() -> Self {
        Self { clicks: Clicks::new(), known_at: None, since: UtcMillis(i64::MAX), newest: UtcMillis(i64::MIN), kept: 0 }
    }
}

impl LastClicks {
    /// Reads again what the memory may lack for a batch.
    fn refresh(&mut self, conn: &mut Conn, batch: &[TouchRecord<'_>], window_ms: i64) -> Result<(), StoreError> {
        let clicks = batch.iter().filter(|r| matches!(r.kind, RecordKind::Click { .. }));
        let mut visitors = Vec::with_capacity(batch.len());
        let (mut from, mut to) = (UtcMillis(i64::MAX), UtcMillis(i64::MIN));
        for record in clicks {
            if let Some(visitor) = record.visitor {
                visitors.push(visitor);
                (from, to) = (from.min(record.occurred_at), to.max(record.occurred_at));
            }
        }
        from = from.plus_ms(-window_ms.max(0));
        let horizon = ledger::horizon(conn)?;
        if visitors.is_empty() || (self.known_at == Some(horizon) && self.since <= from) {
            return Ok(());
        }
        *self = Self { known_at: Some(horizon), since: from, ..Self::default() };
        for (visitor, link, at) in touches::human_clicks_since(conn, &visitors, (from, to), CLICKS_READ_MAX)? {
            let last = self.clicks.entry((visitor, link)).or_insert(at);
            *last = at.max(*last);
        }
        Ok(())
    }

    fn before(&self, pair: (VisitorId, LinkId), at: UtcMillis) -> Option<UtcMillis> {
        self.clicks.get(&pair).copied().filter(|earlier| *earlier < at)
    }

    /// Takes in the human clicks of a batch that was committed at a ledger time, when the horizon was `before`; forgets
    /// those that can repeat nothing any more.
    fn add(&mut self, latest: Clicks, before: UtcMillis, at: UtcMillis, window_ms: i64) {
        // Where somebody wrote between the look and the batch, what they wrote is not here.
        self.known_at = self.known_at.filter(|known| *known == before).map(|_| at);
        self.newest = latest.values().copied().fold(self.newest, UtcMillis::max);
        self.clicks.extend(latest);
        if self.clicks.len() > 2 * self.kept.max(CLICKS_READ_MAX) {
            let oldest = self.newest.plus_ms(-window_ms.max(0));
            self.clicks.retain(|_, clicked| *clicked >= oldest);
            self.since = self.since.max(oldest);
            self.kept = self.clicks.len();
        }
    }
}
