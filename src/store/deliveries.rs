//! Deliveries: inbound requests, stored encrypted before they are understood, and what became of each item.

use diesel::prelude::*;

use super::schema::{deliveries, delivery_items};
use super::{Conn, StoreError, bytes, stored, uuid};
use crate::domain::ids::{DeliveryId, EndpointId, StageEventId};
use crate::domain::named_enum::named_enum;
use crate::domain::time::UtcMillis;

named_enum!(
    /// What became of one item of a delivery (invariant 3). `pending` is passing.
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
    }
);

/// A request as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Who received it; `None` for the API.
    pub endpoint: Option<EndpointId>,
    /// When.
    pub received_at: UtcMillis,
    /// The sender's id of the message, as verified.
    pub message_id: Option<String>,
    /// The encrypted body.
    pub sealed_body: Vec<u8>,
    /// Whose events they are.
    pub source: String,
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
    /// Why it was quarantined.
    pub code: Option<String>,
    /// The same in words; without personal data.
    pub detail: Option<String>,
}

impl Item {
    /// An item that nobody has looked at yet.
    pub fn pending(delivery: DeliveryId, item: i64) -> Self {
        Self { delivery, item, verdict: Verdict::Pending, event_id: None, stage_event: None, code: None, detail: None }
    }
}

/// An item beside the delivery it came in, for the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// When the delivery came in.
    pub received_at: UtcMillis,
    /// Whose it is.
    pub source: String,
    /// What became of the item.
    pub item: Item,
}

/// Stores a request with its items pending.
pub fn insert(conn: &mut Conn, delivery: &Delivery, items: i64) -> Result<(), StoreError> {
    on!(conn, c => diesel::insert_into(deliveries::table)
        .values((
            deliveries::id.eq(bytes(delivery.id.0)), deliveries::endpoint_id.eq(delivery.endpoint.map(|e| e.0)),
            deliveries::received_at.eq(delivery.received_at.0), deliveries::message_id.eq(&delivery.message_id),
            deliveries::body.eq(&delivery.sealed_body), deliveries::source.eq(&delivery.source),
        ))
        .execute(c))?;
    for item in 0..items {
        on!(conn, c => diesel::insert_into(delivery_items::table)
            .values((
                delivery_items::delivery_id.eq(bytes(delivery.id.0)), delivery_items::item.eq(item),
                delivery_items::verdict.eq(Verdict::Pending.as_str()),
            ))
            .execute(c))?;
    }
    Ok(())
}

/// Adds the items beyond those that a delivery was stored with, up to `count`: how many it holds is known when it is read.
pub fn add_items(conn: &mut Conn, id: DeliveryId, count: i64) -> Result<(), StoreError> {
    use delivery_items as t;
    let stored: i64 = on!(conn, c => t::table.filter(t::delivery_id.eq(bytes(id.0))).count().get_result(c))?;
    let new: Vec<_> = (stored..count)
        .map(|item| (t::delivery_id.eq(bytes(id.0)), t::item.eq(item), t::verdict.eq(Verdict::Pending.as_str())))
        .collect();
    for rows in new.chunks(super::ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::insert_into(t::table).values(rows).execute(c))?;
    }
    Ok(())
}

/// Writes an item's verdict.
pub fn set_verdict(conn: &mut Conn, item: &Item) -> Result<(), StoreError> {
    use delivery_items as t;
    on!(conn, c => diesel::update(t::table
            .filter(t::delivery_id.eq(bytes(item.delivery.0))).filter(t::item.eq(item.item)))
        .set((
            t::verdict.eq(item.verdict.as_str()), t::event_id.eq(&item.event_id),
            t::stage_event_id.eq(item.stage_event.map(|e| bytes(e.0))), t::code.eq(&item.code), t::detail.eq(&item.detail),
        ))
        .execute(c))?;
    Ok(())
}

/// One delivery.
pub fn get(conn: &mut Conn, id: DeliveryId) -> Result<Delivery, StoreError> {
    type Row = (Vec<u8>, Option<i64>, i64, Option<String>, Vec<u8>, String);
    let row: Option<Row> =
        on!(conn, c => deliveries::table.filter(deliveries::id.eq(bytes(id.0))).first(c).optional())?;
    let (id_bytes, endpoint, received_at, message_id, sealed_body, source) =
        row.ok_or_else(|| StoreError::NotFound(format!("delivery {id}")))?;
    Ok(Delivery {
        id: DeliveryId(uuid(&id_bytes)?),
        endpoint: endpoint.map(EndpointId),
        received_at: UtcMillis(received_at),
        message_id,
        sealed_body,
        source,
    })
}

/// The newest delivery that an endpoint took under a message id.
pub fn by_message(conn: &mut Conn, endpoint: EndpointId, message_id: &str) -> Result<Option<DeliveryId>, StoreError> {
    let row: Option<Vec<u8>> = on!(conn, c => deliveries::table
        .filter(deliveries::message_id.eq(message_id)).filter(deliveries::endpoint_id.eq(endpoint.0))
        .order(deliveries::id.desc()).select(deliveries::id).first(c).optional())?;
    row.map(|id| uuid(&id).map(DeliveryId)).transpose()
}

/// The verdicts on a delivery's items, in order.
pub fn items(conn: &mut Conn, id: DeliveryId) -> Result<Vec<Item>, StoreError> {
    use delivery_items as t;
    let rows: Vec<ItemRow> = on!(conn, c => t::table.filter(t::delivery_id.eq(bytes(id.0))).order(t::item).load(c))?;
    rows.into_iter().map(item_of).collect()
}

/// The inbox, newest first, of one verdict or all.
pub fn inbox(conn: &mut Conn, verdict: Option<Verdict>, limit: i64) -> Result<Vec<InboxRow>, StoreError> {
    use delivery_items as t;
    let wanted: Vec<&str> = match verdict {
        Some(v) => vec![v.as_str()],
        None => Verdict::ALL.iter().map(|v| v.as_str()).collect(),
    };
    let rows: Vec<(ItemRow, i64, String)> = on!(conn, c => t::table.inner_join(deliveries::table)
        .filter(t::verdict.eq_any(wanted)).order((deliveries::received_at.desc(), t::delivery_id.desc(), t::item)).limit(limit)
        .select((t::all_columns, deliveries::received_at, deliveries::source)).load(c))?;
    rows.into_iter()
        .map(|(row, received_at, source)| {
            Ok(InboxRow { received_at: UtcMillis(received_at), source, item: item_of(row)? })
        })
        .collect()
}

/// How many items have each verdict: the public proof that nothing vanished.
pub fn counts(conn: &mut Conn) -> Result<Vec<(Verdict, i64)>, StoreError> {
    use delivery_items as t;
    let rows: Vec<(String, i64)> = on!(conn, c => t::table.group_by(t::verdict)
        .select((t::verdict, diesel::dsl::count_star())).load(c))?;
    rows.into_iter().map(|(verdict, n)| Ok((stored(&verdict)?, n))).collect()
}

/// Deliveries with items nobody has looked at: what a crash left between storing and reading.
pub fn pending(conn: &mut Conn, limit: i64) -> Result<Vec<DeliveryId>, StoreError> {
    use delivery_items as t;
    let rows: Vec<Vec<u8>> = on!(conn, c => t::table.filter(t::verdict.eq(Verdict::Pending.as_str()))
        .select(t::delivery_id).distinct().limit(limit).load(c))?;
    rows.iter().map(|id| uuid(id).map(DeliveryId)).collect()
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
