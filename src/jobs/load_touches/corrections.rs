//! Corrections of stored touches: a mail scanner is often known only by what it does next.
//!
//! They wait here from the commit of the batch that showed them until their own, and survive a database that is away.
//! They do not survive the process: the memory that found them does not either, so a restart in the middle of a scan
//! leaves touches of it human (`headwater reclassify` and `docs/classification.md` say so).
//!
//! Each transaction of corrections has an epoch of the rollups, and a report looks at every epoch. So there is a pace: a
//! number of them at once, then one a minute, each with all that have gathered. A campaign to a hundred thousand
//! recipients behind mail gateways then costs sixty epochs an hour, not one for every batch of the hour.

use std::collections::BTreeMap;

use super::last_clicks::LastClicks;
use crate::domain::ids::{BatchId, TouchId};
use crate::domain::time::{Clock, UtcMillis};
use crate::store::touches::{self, Correction, Reclassified};
use crate::store::{Db, StoreError};
use crate::tracking::classify::Revised;

/// In the long run one transaction in so many milliseconds.
const PACE_MS: i64 = 60_000;
/// So many may come at once.
const AT_ONCE: i64 = 30;
/// Most corrections of a transaction, which locks the ledger meanwhile.
const PER_WRITE: usize = 10_000;
/// Most that wait: some 20 MB. Beyond, the oldest touches stay what they were called first.
const WAITING_MAX: usize = 100_000;

/// What waits to be recorded.
#[derive(Debug)]
pub(super) struct Corrections {
    waiting: BTreeMap<TouchId, Revised>,
    /// Names this process's corrections in the database.
    run: BatchId,
    /// When the pace would be kept exactly by the next transaction; ahead of the present by what is used up.
    paced_to: i64,
}

impl Corrections {
    pub(super) fn new(now: UtcMillis) -> Self {
        Self { waiting: BTreeMap::new(), run: BatchId::new(now, rand::random()), paced_to: now.0 }
    }

    /// Whether a touch has a class that is not recorded yet; none of them is human.
    pub(super) fn waits_for(&self, touch: TouchId) -> bool {
        self.waiting.contains_key(&touch)
    }

    pub(super) fn add(&mut self, revised: impl IntoIterator<Item = (TouchId, Revised)>) {
        self.waiting.extend(revised);
        while self.waiting.len() > WAITING_MAX {
            if let Some((touch, _)) = self.waiting.pop_first() {
                tracing::warn!(%touch, "too many corrections of classes wait; this touch keeps its class");
            }
        }
    }

    /// Records what waits, if the pace allows it. What cannot be recorded now waits for the next batch.
    pub(super) fn write_if_due(&mut self, db: &Db, clock: &dyn Clock, clicks: &mut LastClicks) {
        let now = clock.now().0;
        if self.paced_to.saturating_sub(now) > AT_ONCE * PACE_MS {
            // The clock was set back; they must not wait until it is where it was.
            self.paced_to = now;
        }
        if self.waiting.is_empty() || self.paced_to.saturating_sub(now) > (AT_ONCE - 1) * PACE_MS {
            return;
        }
        self.paced_to = self.paced_to.max(now) + PACE_MS;
        self.write(db, clock, clicks);
    }

    /// Records what waits.
    pub(super) fn write(&mut self, db: &Db, clock: &dyn Clock, clicks: &mut LastClicks) {
        while !self.waiting.is_empty() {
            match self.write_some(db, clock, clicks) {
                Ok(()) => {}
                Err(error) if error.is_passing() => {
                    tracing::warn!(error = %error, waiting = self.waiting.len(), "corrections of classes wait");
                    return;
                }
                Err(error) => {
                    tracing::error!(error = %error, lost = self.waiting.len(), "corrections of classes cannot be stored");
                    self.waiting.clear();
                }
            }
        }
    }

    fn write_some(&mut self, db: &Db, clock: &dyn Clock, clicks: &mut LastClicks) -> Result<(), StoreError> {
        let list: Vec<Correction> = self.waiting.values().take(PER_WRITE).map(correction).collect();
        let done = db.write_now(|conn| touches::correct(conn, &list, self.run, clock.now()))?;
        clicks.corrected(done.before, done.after);
        for written in &list {
            self.waiting.remove(&written.to.touch);
        }
        Ok(())
    }
}

fn correction(revised: &Revised) -> Correction {
    let to = Reclassified { touch: revised.touch, class: revised.class, rule: revised.rule.clone().into_owned() };
    Correction { to, from: None }
}
