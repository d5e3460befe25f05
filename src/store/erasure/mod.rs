//! Erasure: what is held of a person, other values in its place, and that it happened.
//!
//! Facts are only ever added and voided. This is the one exception that the design names: identities are replaced by
//! random ones. A replacement is a renaming over the whole database, the same old value by the same new one in every
//! row, and in the old order where an order decides. So everything that is computed from the facts, for every `as_of`, has
//! the shape that it had, and no figure moves.
//!
//! Ids that come back, with a webhook that is sent again, with a journal that is read again after a crash, or with a file
//! that is imported again, are known by keyed hashes: `returned`.

mod bodies;
mod gather;
mod order;
mod parents;
mod rename;
mod returned;

use diesel::prelude::*;

pub use bodies::{Unattributed, remove_deliveries, remove_uploads, unattributed};
pub use gather::{Held, HeldEvent, HeldTouch, Meant, TOUCHES_MAX, count, gather, holders_ever};
pub use rename::{Renaming, rename};
pub use returned::{Returned, ReturnedKind, any_returned, event_of, remember, remember_messages, those_returned};

use super::schema::erasures;
use super::{Conn, StoreError, bytes, uuid};
use crate::domain::erasure::Counts;
use crate::domain::ids::{DeliveryId, ErasureId};
use crate::domain::time::UtcMillis;

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
        counts: serde_json::from_str(&counts).map_err(|e| StoreError::Corrupt(format!("counts of an erasure: {e}")))?,
    })
}
