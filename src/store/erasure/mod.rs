//! Erasure: what is held of a person, other values in its place, and that it happened.
//!
//! Facts are only ever added and voided. This is the one exception that the design names: identities are replaced by
//! random ones. A replacement is a renaming over the whole database, the same old value by the same new one in every
//! row, and in the old order where an order decides. So everything that is computed from the facts, for every `as_of`, has
//! the shape that it had, and no figure moves.
//!
//! Ids that come back, with a webhook that is sent again, with a journal that is read again after a crash, or with a file
//! that is imported again, are known by keyed hashes: [`returned`].

mod gather;
mod order;
mod rename;
mod returned;

use diesel::prelude::*;

pub use gather::{Held, HeldEvent, HeldTouch, Meant, TOUCHES_MAX, count, gather, holders_ever};
pub use rename::{Renaming, remove_deliveries, rename};
pub use returned::{Returned, ReturnedKind, any_returned, event_of, remember, remember_waiting, those_returned};

use super::schema::{deliveries, delivery_items, erasures, import_uploads};
use super::{Conn, StoreError, bytes, uuid};
use crate::domain::erasure::Counts;
use crate::domain::ids::{DeliveryId, ErasureId};
use crate::domain::time::UtcMillis;
use crate::store::deliveries::Verdict;

/// That an erasure happened. It holds nothing of whom it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Its id.
    pub id: ErasureId,
    /// Ledger time of it.
    pub recorded_at: UtcMillis,
    /// Who asked for it: a user, a key, the command line, an endpoint.
    pub recorded_by: String,
    /// Why, in the words of whoever asked.
    pub reason: Option<String>,
    /// By what kinds of names: `email`, `contact click`.
    pub asked: String,
    /// The webhook that asked.
    pub delivery: Option<DeliveryId>,
    /// How much it took.
    pub counts: Counts,
}

type Row = (Vec<u8>, i64, String, Option<String>, String, Option<Vec<u8>>, String);

/// Records an erasure, in its own transaction.
pub fn insert(conn: &mut Conn, erasure: &Erasure) -> Result<(), StoreError> {
    use erasures as t;
    let counts = serde_json::to_string(&erasure.counts).map_err(|e| StoreError::Other(e.to_string()))?;
    on!(conn, c => diesel::insert_into(t::table)
        .values((
            t::id.eq(bytes(erasure.id.0)), t::recorded_at.eq(erasure.recorded_at.0),
            t::recorded_by.eq(&erasure.recorded_by), t::reason.eq(&erasure.reason), t::asked.eq(&erasure.asked),
            t::delivery_id.eq(erasure.delivery.map(|d| bytes(d.0))), t::counts.eq(counts),
        ))
        .execute(c))?;
    Ok(())
}

/// The newest erasures.
pub fn list(conn: &mut Conn, limit: i64) -> Result<Vec<Erasure>, StoreError> {
    use erasures as t;
    let rows: Vec<Row> = on!(conn, c => t::table.order((t::recorded_at.desc(), t::id.desc())).limit(limit).load(c))?;
    rows.into_iter().map(erasure_of).collect()
}

fn erasure_of(row: Row) -> Result<Erasure, StoreError> {
    let (id, recorded_at, recorded_by, reason, asked, delivery, counts) = row;
    Ok(Erasure {
        id: ErasureId(uuid(&id)?),
        recorded_at: UtcMillis(recorded_at),
        recorded_by,
        reason,
        asked,
        delivery: delivery.map(|d| uuid(&d).map(DeliveryId)).transpose()?,
        counts: serde_json::from_str(&counts)
            .map_err(|e| StoreError::Corrupt(format!("counts of an erasure: {e}")))?,
    })
}

/// A delivery whose body may name somebody without an event that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unattributed {
    /// Its id.
    pub id: DeliveryId,
    /// Its sealed body.
    pub body: Vec<u8>,
    /// What stood before it, sealed; empty where nothing was kept.
    pub head: Vec<u8>,
}

/// Deliveries with their bodies that have an item which was read and became no event, behind `after`, in order.
pub fn unattributed(
    conn: &mut Conn,
    after: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<Unattributed>, StoreError> {
    use delivery_items as t;
    let after = after.map_or_else(Vec::new, |id| bytes(id.0));
    let read = [Verdict::Quarantined, Verdict::Ignored, Verdict::NeedsEnrichment].map(Verdict::as_str);
    let rows: Vec<(Vec<u8>, Vec<u8>, Option<Vec<u8>>)> = on!(conn, c => deliveries::table
        .filter(deliveries::id.gt(&after)).filter(deliveries::removed_at.is_null())
        .filter(diesel::dsl::exists(t::table
            .filter(t::delivery_id.eq(deliveries::id)).filter(t::verdict.eq_any(read))
            .filter(t::stage_event_id.is_null())))
        .order(deliveries::id).limit(limit)
        .select((deliveries::id, deliveries::body, deliveries::head)).load(c))?;
    let one = |(id, body, head): (Vec<u8>, Vec<u8>, Option<Vec<u8>>)| {
        Ok(Unattributed { id: DeliveryId(uuid(&id)?), body, head: head.unwrap_or_default() })
    };
    rows.into_iter().map(one).collect()
}

/// Forgets all files that wait to be imported. They are sealed, may be of any format, and are kept for an hour.
pub fn remove_uploads(conn: &mut Conn) -> Result<(), StoreError> {
    on!(conn, c => diesel::delete(import_uploads::table).execute(c))?;
    Ok(())
}
