//! Deliveries: inbound requests, stored encrypted before they are understood, and what became of each item.

mod inbox;

use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel::upsert::excluded;

use super::schema::{deliveries, delivery_items};
use super::{Conn, ROWS_PER_STATEMENT, StoreError, bytes, stored, uuid};
use crate::domain::delivery::{Delivery, Sealed};
use crate::domain::ids::{DeliveryId, EndpointId, StageEventId};
use crate::domain::named_enum::named_enum;
use crate::domain::time::UtcMillis;

pub use inbox::{Cursor, Filter, InboxRow, Search, list, matching, remove_bodies};

named_enum!(
    /// What became of one item of a delivery (invariant 3). `pending` is passing, and so is `needs-enrichment`.
    Verdict, "verdict", "verdict-unknown" {
        /// Stored raw, not yet read.
        Pending = "pending",
        /// It became a stage event.
        Stored = "stored",
        /// It was told before, with the same content.
        Duplicate = "duplicate",
        /// It could not be read, or contradicts what was told before; it can be replayed.
        Quarantined = "quarantined",
        /// A rule says that it means nothing to us.
        Ignored = "ignored",
        /// It names a record that has to be read from the sender first.
        NeedsEnrichment = "needs-enrichment",
    }
);

/// A stored delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// As it came in; body and head are empty once they were removed.
    pub delivery: Delivery,
    /// When body and head were removed.
    pub removed_at: Option<UtcMillis>,
}

/// The verdict on one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The delivery it came in.
    pub delivery: DeliveryId,
    /// Its place in it.
    pub item: i64,
    /// What became of it.
    pub verdict: Verdict,
    /// The sender's event id, where it could be read.
    pub event_id: Option<String>,
    /// The fact it became, or the fact that it repeats or contradicts.
    pub stage_event: Option<StageEventId>,
    /// Why it was quarantined, or the rule by which it was ignored.
    pub code: Option<String>,
    /// The same in words; without personal data.
    pub detail: Option<String>,
}

impl Item {
    /// An item that nobody has looked at yet.
    pub fn pending(delivery: DeliveryId, item: i64) -> Self {
        Self { delivery, item, verdict: Verdict::Pending, event_id: None, stage_event: None, code: None, detail: None }
    }

    /// Whether this item made the event that it names: others only repeat or contradict it.
    pub fn owns_event(&self) -> bool {
        self.stage_event.is_some() && matches!(self.verdict, Verdict::Stored | Verdict::NeedsEnrichment)
    }
}

#[derive(Insertable)]
#[diesel(table_name = deliveries, treat_none_as_default_value = false)]
struct Row<'a> {
    id: Vec<u8>,
    endpoint_id: Option<i64>,
    received_at: i64,
    message_id: Option<&'a str>,
    body: &'a [u8],
    source: &'a str,
    method: &'a str,
    content_type: Option<&'a str>,
    bytes: i64,
    head: Option<&'a [u8]>,
}

impl<'a> Row<'a> {
    fn of(d: &'a Delivery) -> Self {
        Self {
            id: bytes(d.id.0),
            endpoint_id: d.endpoint.map(|e| e.0),
            received_at: d.received_at.0,
            message_id: d.message_id.as_deref(),
            body: &d.sealed_body.0,
            source: &d.source,
            method: &d.method,
            content_type: d.content_type.as_deref(),
            bytes: i64::try_from(d.bytes).unwrap_or(i64::MAX),
            head: Some(d.sealed_head.0.as_slice()).filter(|head| !head.is_empty()),
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = delivery_items, treat_none_as_default_value = false)]
struct NewItem {
    delivery_id: Vec<u8>,
    item: i64,
    verdict: &'static str,
    event_id: Option<String>,
    stage_event_id: Option<Vec<u8>>,
    code: Option<String>,
    detail: Option<String>,
}

impl NewItem {
    fn of(item: &Item) -> Self {
        Self {
            delivery_id: bytes(item.delivery.0),
            item: item.item,
            verdict: item.verdict.as_str(),
            event_id: item.event_id.clone(),
            stage_event_id: item.stage_event.map(|e| bytes(e.0)),
            code: item.code.clone(),
            detail: item.detail.clone(),
        }
    }
}

/// Stores requests that are not stored yet, each with so many items pending; answers how many were new.
pub fn insert(conn: &mut Conn, list: &[Delivery], items: i64) -> Result<usize, StoreError> {
    let mut new = Vec::with_capacity(list.len());
    for part in list.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<Row<'_>> = part.iter().map(Row::of).collect();
        let ids: Vec<Vec<u8>> = on!(conn, c => diesel::insert_into(deliveries::table).values(&rows)
            .on_conflict_do_nothing().returning(deliveries::id).get_results(c))?;
        for id in &ids {
            let id = DeliveryId(uuid(id)?);
            new.extend((0..items).map(|item| Item::pending(id, item)));
        }
    }
    let stored = if items > 0 { new.len() / usize::try_from(items).unwrap_or(1).max(1) } else { 0 };
    set_items(conn, &new)?;
    Ok(stored)
}

/// Writes the verdicts on items, new ones and known ones.
pub fn set_items(conn: &mut Conn, items: &[Item]) -> Result<(), StoreError> {
    use delivery_items as t;
    for part in items.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<NewItem> = part.iter().map(NewItem::of).collect();
        on!(conn, c => diesel::insert_into(t::table).values(&rows)
            .on_conflict((t::delivery_id, t::item)).do_update().set((
                t::verdict.eq(excluded(t::verdict)), t::event_id.eq(excluded(t::event_id)),
                t::stage_event_id.eq(excluded(t::stage_event_id)), t::code.eq(excluded(t::code)),
                t::detail.eq(excluded(t::detail)),
            ))
            .execute(c))?;
    }
    Ok(())
}

#[derive(Queryable)]
struct Loaded {
    id: Vec<u8>,
    endpoint_id: Option<i64>,
    received_at: i64,
    message_id: Option<String>,
    body: Vec<u8>,
    source: String,
    method: String,
    content_type: Option<String>,
    bytes: i64,
    head: Option<Vec<u8>>,
    removed_at: Option<i64>,
}

impl Loaded {
    fn into_kept(self) -> Result<Kept, StoreError> {
        let delivery = Delivery {
            id: DeliveryId(uuid(&self.id)?),
            endpoint: self.endpoint_id.map(EndpointId),
            source: self.source,
            received_at: UtcMillis(self.received_at),
            message_id: self.message_id,
            method: self.method,
            content_type: self.content_type,
            bytes: self.bytes.max(0).unsigned_abs(),
            sealed_head: Sealed(self.head.unwrap_or_default()),
            sealed_body: Sealed(self.body),
        };
        Ok(Kept { delivery, removed_at: self.removed_at.map(UtcMillis) })
    }
}

/// One delivery.
pub fn get(conn: &mut Conn, id: DeliveryId) -> Result<Kept, StoreError> {
    let found = get_all(conn, &[id])?.pop();
    found.ok_or_else(|| StoreError::NotFound(format!("delivery {id}")))
}

/// Those of the deliveries that there are, in the order of receipt.
pub fn get_all(conn: &mut Conn, ids: &[DeliveryId]) -> Result<Vec<Kept>, StoreError> {
    use deliveries as t;
    let keys: Vec<Vec<u8>> = ids.iter().map(|id| bytes(id.0)).collect();
    let rows: Vec<Loaded> = on!(conn, c => t::table.filter(t::id.eq_any(&keys)).order(t::id).load(c))?;
    rows.into_iter().map(Loaded::into_kept).collect()
}

/// The newest delivery that an endpoint took under a message id.
pub fn by_message(conn: &mut Conn, endpoint: EndpointId, message_id: &str) -> Result<Option<DeliveryId>, StoreError> {
    let row: Option<Vec<u8>> = on!(conn, c => deliveries::table
        .filter(deliveries::message_id.eq(message_id)).filter(deliveries::endpoint_id.eq(endpoint.0))
        .order(deliveries::id.desc()).select(deliveries::id).first(c).optional())?;
    row.map(|id| uuid(&id).map(DeliveryId)).transpose()
}

/// The verdicts on the items of deliveries, in order.
pub fn items(conn: &mut Conn, ids: &[DeliveryId]) -> Result<Vec<Item>, StoreError> {
    use delivery_items as t;
    let keys: Vec<Vec<u8>> = ids.iter().map(|id| bytes(id.0)).collect();
    let rows: Vec<ItemRow> = on!(conn, c => t::table.filter(t::delivery_id.eq_any(&keys))
        .order((t::delivery_id, t::item)).load(c))?;
    rows.into_iter().map(item_of).collect()
}

/// How many items have each verdict: the public proof that nothing vanished.
pub fn counts(conn: &mut Conn) -> Result<Vec<(Verdict, i64)>, StoreError> {
    use delivery_items as t;
    let rows: Vec<(String, i64)> = on!(conn, c => t::table.group_by(t::verdict)
        .select((t::verdict, diesel::dsl::count_star())).load(c))?;
    rows.into_iter().map(|(verdict, n)| Ok((stored(&verdict)?, n))).collect()
}

/// Deliveries with items nobody has looked at, oldest first: at most `limit`, and no more than make `bytes_max` bytes,
/// but one at least.
pub fn pending(conn: &mut Conn, limit: i64, bytes_max: i64) -> Result<Vec<DeliveryId>, StoreError> {
    use delivery_items as t;
    // The items of one delivery stand together, so doubles are neighbours.
    let rows: Vec<(Vec<u8>, i64)> = on!(conn, c => t::table.inner_join(deliveries::table)
        .filter(t::verdict.eq(Verdict::Pending.as_str())).order((t::delivery_id, t::item)).limit(limit)
        .select((t::delivery_id, deliveries::bytes)).load(c))?;
    let mut ids: Vec<DeliveryId> = Vec::new();
    let mut sum: i64 = 0;
    for (id, bytes) in rows {
        let id = DeliveryId(uuid(&id)?);
        if ids.last() == Some(&id) {
            continue;
        }
        sum = sum.saturating_add(bytes);
        if sum > bytes_max && !ids.is_empty() {
            break;
        }
        ids.push(id);
    }
    Ok(ids)
}

#[derive(QueryableByName)]
struct Leased {
    #[diesel(sql_type = Bool)]
    is_ours: bool,
}

/// Takes the right to read pending deliveries, until the transaction ends; false while another node has it. On SQLite
/// the transaction itself is that right.
pub fn lease_reading(conn: &mut Conn) -> Result<bool, StoreError> {
    match conn {
        Conn::Sqlite(_) => Ok(true),
        Conn::Postgres(c, _) => {
            // The number has no meaning but to be nobody else's: "dlv" in ASCII.
            let leased: Leased =
                diesel::sql_query("SELECT pg_try_advisory_xact_lock(6581366) AS is_ours").get_result(c)?;
            Ok(leased.is_ours)
        }
    }
}

type ItemRow = (Vec<u8>, i64, String, Option<String>, Option<Vec<u8>>, Option<String>, Option<String>);

fn item_of(row: ItemRow) -> Result<Item, StoreError> {
    let (delivery, item, verdict, event_id, stage_event, code, detail) = row;
    Ok(Item {
        delivery: DeliveryId(uuid(&delivery)?),
        item,
        verdict: stored(&verdict)?,
        event_id,
        stage_event: stage_event.map(|e| uuid(&e).map(StageEventId)).transpose()?,
        code,
        detail,
    })
}

diesel::joinable!(delivery_items -> deliveries (delivery_id));
