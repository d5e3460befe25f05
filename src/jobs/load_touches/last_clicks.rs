//! Human clicks of the last repeat window, remembered so that the repeat rule need not read.

use std::collections::HashMap;

use crate::domain::ids::{LinkId, TouchId, VisitorId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{RecordKind, TouchRecord};
use crate::store::{Conn, StoreError, ledger, touches};
use crate::tracking::classify::Revised;

/// Most clicks that the repeat rule reads of everyone; beyond, it asks for the batch's visitors alone.
const CLICKS_READ_MAX: usize = 50_000;

/// A human click.
#[derive(Debug, Clone, Copy)]
pub(super) struct Click {
    pub(super) at: UtcMillis,
    pub(super) touch: TouchId,
}

/// The last human click of a visitor on a link. There is never need for the one before it: that one is more than the
/// window away from whatever follows this one.
pub(super) type Clicks = HashMap<(VisitorId, LinkId), Click>;

/// Human clicks of the last repeat window, and what they cover: everything from `since` on that was in the database
/// when the ledger stood at `known_at`.
#[derive(Debug)]
pub(super) struct LastClicks {
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
    /// Reads again what the memory may lack for a batch, but for touches that are human only until it is recorded that
    /// they are not.
    pub(super) fn refresh(
        &mut self,
        conn: &mut Conn,
        batch: &[TouchRecord<'_>],
        window_ms: i64,
        is_corrected: &dyn Fn(TouchId) -> bool,
    ) -> Result<(), StoreError> {
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
        for found in touches::human_clicks_since(conn, &visitors, (from, to), CLICKS_READ_MAX)? {
            if is_corrected(found.touch) {
                continue;
            }
            let click = Click { at: found.occurred_at, touch: found.touch };
            let last = self.clicks.entry((found.visitor, found.link)).or_insert(click);
            if last.at < click.at {
                *last = click;
            }
        }
        Ok(())
    }

    pub(super) fn before(&self, pair: (VisitorId, LinkId), at: UtcMillis) -> Option<Click> {
        self.clicks.get(&pair).copied().filter(|earlier| earlier.at < at)
    }

    /// Forgets clicks that turn out not to be human.
    pub(super) fn forget(&mut self, revised: &HashMap<TouchId, Revised>) {
        if !revised.is_empty() {
            self.clicks.retain(|_, click| !revised.contains_key(&click.touch));
        }
    }

    /// New classes were recorded, by which the ledger went on from `before` to `after`; the memory knew of them.
    pub(super) fn corrected(&mut self, before: UtcMillis, after: UtcMillis) {
        self.known_at = self.known_at.filter(|known| *known == before).map(|_| after);
    }

    /// Takes in the human clicks of a batch that was committed at a ledger time, when the horizon was `before`; forgets
    /// those that can repeat nothing any more.
    pub(super) fn add(&mut self, latest: Clicks, before: UtcMillis, at: UtcMillis, window_ms: i64) {
        // Where somebody wrote between the look and the batch, what they wrote is not here.
        self.known_at = self.known_at.filter(|known| *known == before).map(|_| at);
        self.newest = latest.values().map(|click| click.at).fold(self.newest, UtcMillis::max);
        self.clicks.extend(latest);
        if self.clicks.len() > 2 * self.kept.max(CLICKS_READ_MAX) {
            let oldest = self.newest.plus_ms(-window_ms.max(0));
            self.clicks.retain(|_, click| click.at >= oldest);
            self.since = self.since.max(oldest);
            self.kept = self.clicks.len();
        }
    }
}
