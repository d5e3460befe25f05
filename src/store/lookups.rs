//! Look-ups: the records that thin deliveries name, and what the vendor answered.

use diesel::prelude::*;

use super::schema::{endpoints, lookups};
use super::{Conn, ROWS_PER_STATEMENT, StoreError, bytes, uuid};
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::domain::time::UtcMillis;

/// A record that an item of a delivery needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The item's place in it.
    pub item: i64,
    /// Which of the preset's records.
    pub record: String,
    /// Where it is below the vendor's API address.
    pub path: String,
    /// Whose token reads it.
    pub endpoint: EndpointId,
    /// How often it has been asked for.
    pub attempts: i64,
}

/// What the vendor answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The item's place in the delivery.
    pub item: i64,
    /// Which of the preset's records.
    pub record: String,
    /// Where it is.
    pub path: String,
    /// The encrypted answer; `None`: the vendor has no such record.
    pub sealed: Option<Vec<u8>>,
}

#[derive(Insertable)]
#[diesel(table_name = lookups, treat_none_as_default_value = false)]
struct New<'a> {
    delivery_id: Vec<u8>,
    item: i64,
    record: &'a str,
    path: &'a str,
    endpoint_id: i64,
    attempts: i64,
    due_at: i64,
}

/// Asks for records that are not asked for yet.
pub fn want(conn: &mut Conn, list: &[Wanted], now: UtcMillis) -> Result<(), StoreError> {
    for part in list.chunks(ROWS_PER_STATEMENT) {
        let row = |w: &'_ Wanted| New {
            delivery_id: bytes(w.delivery.0),
            item: w.item,
            record: "",
            path: "",
            endpoint_id: w.endpoint.0,
            attempts: 0,
            due_at: now.0,
        };
        let rows: Vec<New<'_>> = part.iter().map(|w| New { record: &w.record, path: &w.path, ..row(w) }).collect();
        on!(conn, c => diesel::insert_into(lookups::table).values(&rows).on_conflict_do_nothing().execute(c))?;
    }
    Ok(())
}

/// What is answered of a delivery's records.
pub fn answers(conn: &mut Conn, delivery: DeliveryId) -> Result<Vec<Answer>, StoreError> {
    use lookups as t;
    let rows: Vec<(i64, String, String, Option<Vec<u8>>)> = on!(conn, c => t::table
        .filter(t::delivery_id.eq(bytes(delivery.0))).filter(t::answered_at.is_not_null())
        .select((t::item, t::record, t::path, t::answer)).load(c))?;
    Ok(rows.into_iter().map(|(item, record, path, sealed)| Answer { item, record, path, sealed }).collect())
}

/// All that is asked about a delivery, answered or not.
pub fn of_delivery(conn: &mut Conn, delivery: DeliveryId) -> Result<Vec<Answer>, StoreError> {
    use lookups as t;
    let rows: Vec<(i64, String, String, Option<Vec<u8>>)> = on!(conn, c => t::table
        .filter(t::delivery_id.eq(bytes(delivery.0))).select((t::item, t::record, t::path, t::answer)).load(c))?;
    Ok(rows.into_iter().map(|(item, record, path, sealed)| Answer { item, record, path, sealed }).collect())
}

/// Records that are due and have a token to be read with, the longest due first.
pub fn due(conn: &mut Conn, now: UtcMillis, limit: i64) -> Result<Vec<Wanted>, StoreError> {
    use lookups as t;
    type Row = (Vec<u8>, i64, String, String, i64, i64);
    // Of endpoints without a token any number may wait for ever: each one with a token is asked by itself.
    let able: Vec<i64> = on!(conn, c => endpoints::table
        .filter(endpoints::api_token.is_not_null()).filter(endpoints::archived_at.is_null()).select(endpoints::id).load(c))?;
    let mut rows: Vec<(i64, Row)> = Vec::new();
    for endpoint in able {
        let some: Vec<(i64, Row)> = on!(conn, c => t::table
            .filter(t::endpoint_id.eq(endpoint)).filter(t::answered_at.is_null()).filter(t::due_at.le(now.0))
            .order((t::due_at, t::delivery_id, t::item)).limit(limit)
            .select((t::due_at, (t::delivery_id, t::item, t::record, t::path, t::endpoint_id, t::attempts))).load(c))?;
        rows.extend(some);
    }
    rows.sort();
    rows.truncate(usize::try_from(limit).unwrap_or(0));
    rows.into_iter()
        .map(|(_, (delivery, item, record, path, endpoint, attempts))| {
            let (delivery, endpoint) = (DeliveryId(uuid(&delivery)?), EndpointId(endpoint));
            Ok(Wanted { delivery, item, record, path, endpoint, attempts })
        })
        .collect()
}

/// Takes what is due, and keeps others from taking it for `lease_ms`: whoever takes it and dies leaves it due again.
pub fn take(conn: &mut Conn, now: UtcMillis, lease_ms: i64, limit: i64) -> Result<Vec<Wanted>, StoreError> {
    let taken = due(conn, now, limit)?;
    for wanted in &taken {
        postpone(conn, wanted, now.plus_ms(lease_ms), None)?;
    }
    Ok(taken)
}

/// Writes what the vendor answered; `None`: it has no such record.
pub fn answer(conn: &mut Conn, wanted: &Wanted, sealed: Option<&[u8]>, now: UtcMillis) -> Result<(), StoreError> {
    use lookups as t;
    on!(conn, c => diesel::update(t::table
            .filter(t::delivery_id.eq(bytes(wanted.delivery.0))).filter(t::item.eq(wanted.item))
            .filter(t::record.eq(&wanted.record)).filter(t::path.eq(&wanted.path)))
        .set((t::answered_at.eq(now.0), t::answer.eq(sealed), t::fault.eq(None::<String>))).execute(c))?;
    Ok(())
}

/// Asks for a record again at `due_at`; with a fault, it has been asked for in vain.
pub fn postpone(conn: &mut Conn, wanted: &Wanted, due_at: UtcMillis, fault: Option<&str>) -> Result<(), StoreError> {
    use lookups as t;
    let attempts = wanted.attempts + i64::from(fault.is_some());
    on!(conn, c => diesel::update(t::table
            .filter(t::delivery_id.eq(bytes(wanted.delivery.0))).filter(t::item.eq(wanted.item))
            .filter(t::record.eq(&wanted.record)).filter(t::path.eq(&wanted.path)))
        .set((t::due_at.eq(due_at.0), t::attempts.eq(attempts), t::fault.eq(fault))).execute(c))?;
    Ok(())
}

/// Asks for everything of an endpoint that waits at `due_at`: sooner, as its token is new, or later, as it is refused.
pub fn postpone_all(conn: &mut Conn, endpoint: EndpointId, due_at: UtcMillis) -> Result<(), StoreError> {
    use lookups as t;
    on!(conn, c => diesel::update(t::table.filter(t::endpoint_id.eq(endpoint.0)).filter(t::answered_at.is_null()))
        .set(t::due_at.eq(due_at.0)).execute(c))?;
    Ok(())
}
