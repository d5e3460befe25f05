//! Replay: deliveries read again, as after a mapping change.
//!
//! What happens to events that stand is in [`super::intake`]. A replay of many goes through them oldest first, so that
//! the one that made an event comes before those that repeat it; some at a time, each part in a transaction of its own,
//! and a caller that asks for many gets a cursor back.

use serde::Serialize;

use super::intake::{self, IntakeContext, Read, Reading};
use crate::domain::ids::DeliveryId;
use crate::domain::time::UtcMillis;
use crate::store::deliveries::{self, Filter, Item, Verdict};
use crate::store::{Conn, Db, StoreError};

/// Deliveries read again in one transaction.
const PART: i64 = 100;

/// What became of items that were read again. The first three count deliveries, the others items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Deliveries that the filter named.
    pub deliveries: u64,
    /// Of them, those whose body has been removed: they are as they were.
    pub without_body: u64,
    /// Of them, those that the database refused to have read: they are as they were.
    pub refused: u64,
    /// New events.
    pub stored: u64,
    /// Events that were voided and stored anew, as they read differently now.
    pub changed: u64,
    /// Events that read as before.
    pub duplicate: u64,
    /// What cannot be read, or contradicts what stands.
    pub quarantined: u64,
    /// What a rule ignores.
    pub ignored: u64,
    /// What waits for a look-up.
    pub needs_enrichment: u64,
}

impl Replayed {
    /// Counts one delivery.
    pub fn add(&mut self, read: &Read) {
        self.deliveries += 1;
        if read.is_removed {
            self.without_body += 1;
            return;
        }
        for item in &read.items {
            let before = read.before.iter().find(|b| b.item == item.item);
            let count = match item.verdict {
                Verdict::Stored => self.of_stored(item, &read.before, before),
                Verdict::Duplicate => &mut self.duplicate,
                // A part of a replay leaves none pending; one that is would be read soon.
                Verdict::Quarantined | Verdict::Pending => &mut self.quarantined,
                Verdict::Ignored => &mut self.ignored,
                Verdict::NeedsEnrichment => &mut self.needs_enrichment,
            };
            *count += 1;
        }
    }

    /// Adds the counts of a later part.
    pub fn sum(&mut self, part: &Self) {
        self.deliveries += part.deliveries;
        self.without_body += part.without_body;
        self.refused += part.refused;
        self.stored += part.stored;
        self.changed += part.changed;
        self.duplicate += part.duplicate;
        self.quarantined += part.quarantined;
        self.ignored += part.ignored;
        self.needs_enrichment += part.needs_enrichment;
    }

    fn of_stored(&mut self, item: &Item, all: &[Item], before: Option<&Item>) -> &mut u64 {
        if all.iter().any(|b| b.owns_event() && b.stage_event == item.stage_event) {
            // Read as before, or it stands although it could not be read.
            if item.code.is_some() { &mut self.quarantined } else { &mut self.duplicate }
        } else if before.is_some_and(Item::owns_event) {
            &mut self.changed
        } else {
            &mut self.stored
        }
    }
}

/// Reads one delivery again.
pub fn one(conn: &mut Conn, context: &IntakeContext, id: DeliveryId, now: UtcMillis) -> Result<Read, StoreError> {
    intake::read_delivery(conn, context, id, Reading::Again, now)
}

/// Reads up to `limit` deliveries again that have an item which the filter names, from behind `after` on; answers the
/// counts, and where to go on if there may be more. `now` is asked for each transaction.
pub fn many(
    db: &Db,
    context: &IntakeContext,
    filter: &Filter,
    mut after: Option<DeliveryId>,
    limit: i64,
    now: &dyn Fn() -> UtcMillis,
) -> Result<(Replayed, Option<DeliveryId>), StoreError> {
    let mut replayed = Replayed::default();
    let mut left = limit;
    while left > 0 {
        let part = left.min(PART);
        let ids = db.read_now(|conn| deliveries::matching(conn, filter, after, part))?;
        let Some(last) = ids.last().copied() else { return Ok((replayed, None)) };
        read_part(db, context, &ids, now, &mut replayed)?;
        after = Some(last);
        let count = i64::try_from(ids.len()).unwrap_or(part);
        if count < part {
            return Ok((replayed, None));
        }
        left -= count;
    }
    Ok((replayed, after))
}

/// Reads a part in one transaction, or one by one where one of them spoils that.
fn read_part(
    db: &Db,
    context: &IntakeContext,
    ids: &[DeliveryId],
    now: &dyn Fn() -> UtcMillis,
    replayed: &mut Replayed,
) -> Result<(), StoreError> {
    match db.write_now(|conn| intake::read_deliveries(conn, context, ids, Reading::Again, now())) {
        Ok(all) => all.iter().for_each(|read| replayed.add(read)),
        Err(error) if error.is_passing() => return Err(error),
        Err(error) => match ids {
            [id] => {
                tracing::warn!(delivery.id = %id, error = %error, "a delivery cannot be read again");
                replayed.deliveries += 1;
                replayed.refused += 1;
            }
            many => {
                for id in many {
                    read_part(db, context, std::slice::from_ref(id), now, replayed)?;
                }
            }
        },
    }
    Ok(())
}
