//! Bodies: deliveries that name somebody, and the end of what they hold.

use std::collections::BTreeSet;

use diesel::prelude::*;

use crate::domain::erasure::{BODY_ERASED, ERASURE};
use crate::domain::ids::DeliveryId;
use crate::domain::time::UtcMillis;
use crate::store::deliveries::Verdict;
use crate::store::schema::{deliveries, delivery_items, import_uploads, lookups};
use crate::store::{Conn, ROWS_PER_STATEMENT, StoreError, bytes, uuid};

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
pub fn unattributed(conn: &mut Conn, after: Option<DeliveryId>, limit: i64) -> Result<Vec<Unattributed>, StoreError> {
    use delivery_items as t;
    type Row = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);
    let after = after.map_or_else(Vec::new, |id| bytes(id.0));
    let read = [Verdict::Quarantined, Verdict::Ignored, Verdict::NeedsEnrichment].map(Verdict::as_str);
    let rows: Vec<Row> = on!(conn, c => deliveries::table
        .filter(deliveries::id.gt(&after)).filter(deliveries::removed_at.is_null())
        .filter(diesel::dsl::exists(t::table
            .filter(t::delivery_id.eq(deliveries::id)).filter(t::verdict.eq_any(read))
            .filter(t::stage_event_id.is_null())))
        .order(deliveries::id).limit(limit)
        .select((deliveries::id, deliveries::body, deliveries::head)).load(c))?;
    let one =
        |(id, body, head): Row| Ok(Unattributed { id: DeliveryId(uuid(&id)?), body, head: head.unwrap_or_default() });
    rows.into_iter().map(one).collect()
}

/// Forgets all files that wait to be imported. They are sealed, may be of any format, and are kept for an hour.
pub fn remove_uploads(conn: &mut Conn) -> Result<(), StoreError> {
    on!(conn, c => diesel::delete(import_uploads::table).execute(c))?;
    Ok(())
}

/// Removes body, head and message id of deliveries, with what vendors answered about them, and what their items quote.
///
/// An item that became nothing yet can never be read again. Where it is the delivery's only one it is the erased person's,
/// and ignored; else nobody can tell whose it is, so it stays in quarantine and says what to do.
pub fn remove_deliveries(conn: &mut Conn, list: &BTreeSet<DeliveryId>, now: UtcMillis) -> Result<(), StoreError> {
    use deliveries as t;
    let ids: Vec<Vec<u8>> = list.iter().map(|d| bytes(d.0)).collect();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::update(t::table.filter(t::id.eq_any(chunk)).filter(t::removed_at.is_null()))
            .set((t::body.eq(Vec::new()), t::head.eq(None::<Vec<u8>>), t::removed_at.eq(now.0))).execute(c))?;
        on!(conn, c => diesel::update(t::table.filter(t::id.eq_any(chunk)))
            .set(t::message_id.eq(None::<String>)).execute(c))?;
        on!(conn, c => diesel::delete(lookups::table.filter(lookups::delivery_id.eq_any(chunk))).execute(c))?;
        forget_items(conn, chunk)?;
    }
    Ok(())
}

fn forget_items(conn: &mut Conn, ids: &[Vec<u8>]) -> Result<(), StoreError> {
    use delivery_items as t;
    let why = "the body of the delivery held the data of somebody who was erased, and is gone; have its sender send this \
               item once more";
    let undecided = [Verdict::Quarantined.as_str(), Verdict::NeedsEnrichment.as_str()];
    let single = of_one_item(conn, ids)?;
    let nobodys = || t::table.filter(t::delivery_id.eq_any(ids)).filter(t::stage_event_id.is_null());
    on!(conn, c => diesel::update(nobodys().filter(t::verdict.ne(Verdict::Pending.as_str())))
        .set((t::event_id.eq(None::<String>), t::detail.eq(None::<String>))).execute(c))?;
    on!(conn, c => diesel::update(nobodys().filter(t::delivery_id.eq_any(&single)).filter(t::verdict.eq_any(undecided)))
        .set((t::verdict.eq(Verdict::Ignored.as_str()), t::code.eq(ERASURE))).execute(c))?;
    on!(conn, c => diesel::update(nobodys().filter(t::delivery_id.ne_all(&single)).filter(t::verdict.eq_any(undecided)))
        .set((t::verdict.eq(Verdict::Quarantined.as_str()), t::code.eq(BODY_ERASED), t::detail.eq(why))).execute(c))?;
    // The event of somebody else stands; its record can no longer be waited for.
    let waiting = t::table.filter(t::delivery_id.eq_any(ids)).filter(t::verdict.eq(Verdict::NeedsEnrichment.as_str()));
    on!(conn, c => diesel::update(waiting).set((t::verdict.eq(Verdict::Stored.as_str()), t::code.eq(BODY_ERASED)))
        .execute(c))?;
    Ok(())
}

/// Those of some deliveries that have one item alone: what names somebody in them is that item.
pub(super) fn of_one_item(conn: &mut Conn, ids: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, StoreError> {
    use delivery_items as t;
    let rows: Vec<(Vec<u8>, i64)> = on!(conn, c => t::table.filter(t::delivery_id.eq_any(ids))
        .group_by(t::delivery_id).select((t::delivery_id, diesel::dsl::count_star())).load(c))?;
    Ok(rows.into_iter().filter(|(_, items)| *items == 1).map(|(id, _)| id).collect())
}
