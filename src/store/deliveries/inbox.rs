//! The inbox: items of deliveries by what is known of them, in pages, and the end of their bodies.
//!
//! Bodies are sealed, so nobody can search in them. What is looked for are ids, codes and times, and events
//! by the keyed hash of an address.

use diesel::prelude::*;

use super::{Item, ItemRow, Verdict, item_of};
use crate::domain::ids::{DeliveryId, EndpointId, PersonId, StageEventId};
use crate::domain::time::UtcMillis;
use crate::store::schema::{deliveries, delivery_items, identity_facts, lookups};
use crate::store::{Conn, StoreError, bytes, id_floor, uuid};

/// What a search is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// One delivery.
    Delivery(DeliveryId),
    /// What became, repeats or contradicts a stage event.
    StageEvent(StageEventId),
    /// What told of a person.
    Person(PersonId),
    /// What told of an address, by its keyed hash; or a sender's id that looks like one.
    Email {
        /// The hash.
        hash: String,
        /// As it was asked for.
        text: String,
    },
    /// A sender's id, of an event or of a message.
    SenderId(String),
}

/// Which items are wanted; without anything, all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one endpoint.
    pub endpoint: Option<EndpointId>,
    /// With one verdict.
    pub verdict: Option<Verdict>,
    /// With one code.
    pub code: Option<String>,
    /// Received at this time or later.
    pub from: Option<UtcMillis>,
    /// Received before this time.
    pub before: Option<UtcMillis>,
    /// With one id.
    pub search: Option<Search>,
}

/// The last item of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Its delivery.
    pub delivery: DeliveryId,
    /// Its place in it.
    pub item: i64,
}

/// An item beside the delivery it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// When the delivery came in.
    pub received_at: UtcMillis,
    /// Whose it is.
    pub source: String,
    /// Bytes of its body.
    pub bytes: i64,
    /// What became of the item.
    pub item: Item,
}

/// The items that a filter names, as a query of either database.
macro_rules! wanted {
    ($filter:expr) => {{
        use delivery_items as t;
        let filter: &Filter = $filter;
        let mut query = t::table.inner_join(deliveries::table).into_boxed();
        if let Some(endpoint) = filter.endpoint {
            query = query.filter(deliveries::endpoint_id.eq(endpoint.0));
        }
        if let Some(verdict) = filter.verdict {
            query = query.filter(t::verdict.eq(verdict.as_str()));
        }
        if let Some(code) = &filter.code {
            query = query.filter(t::code.eq(code));
        }
        // Ids begin with the time of receipt.
        if let Some(from) = filter.from {
            query = query.filter(t::delivery_id.ge(id_floor(from).to_vec()));
        }
        if let Some(before) = filter.before {
            query = query.filter(t::delivery_id.lt(id_floor(before).to_vec()));
        }
        match &filter.search {
            None => {}
            Some(Search::Delivery(id)) => query = query.filter(t::delivery_id.eq(bytes(id.0))),
            Some(Search::StageEvent(id)) => query = query.filter(t::stage_event_id.eq(bytes(id.0))),
            Some(Search::Person(id)) => {
                let told = identity_facts::table.filter(identity_facts::person_id.eq(bytes(id.0)));
                query = query.filter(t::stage_event_id.eq_any(told.select(identity_facts::stage_event_id)));
            }
            Some(Search::Email { hash, text }) => {
                let told = identity_facts::table
                    .filter(identity_facts::key_value.eq(hash).and(identity_facts::key_kind.eq("email")));
                let told = t::stage_event_id.eq_any(told.select(identity_facts::stage_event_id));
                query = query.filter(told.or(t::event_id.eq(text)).or(deliveries::message_id.eq(text)));
            }
            Some(Search::SenderId(id)) => {
                query = query.filter(t::event_id.eq(id).or(deliveries::message_id.eq(id)));
            }
        }
        query
    }};
}

/// Items that a filter names, newest delivery first, behind a cursor.
pub fn list(conn: &mut Conn, filter: &Filter, after: Option<Cursor>, limit: i64) -> Result<Vec<InboxRow>, StoreError> {
    use delivery_items as t;
    let rows: Vec<(ItemRow, i64, String, i64)> = on!(conn, c => {
        let mut query = wanted!(filter);
        if let Some(at) = after {
            let delivery = bytes(at.delivery.0);
            query = query.filter(t::delivery_id.le(delivery.clone()))
                .filter(t::delivery_id.lt(delivery).or(t::item.gt(at.item)));
        }
        query.order((t::delivery_id.desc(), t::item)).limit(limit)
            .select((t::all_columns, deliveries::received_at, deliveries::source, deliveries::bytes)).load(c)
    })?;
    rows.into_iter()
        .map(|(row, received_at, source, bytes)| {
            Ok(InboxRow { received_at: UtcMillis(received_at), source, bytes, item: item_of(row)? })
        })
        .collect()
}

/// Deliveries with items that a filter names, oldest first, behind `after`.
pub fn matching(
    conn: &mut Conn,
    filter: &Filter,
    after: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<DeliveryId>, StoreError> {
    use delivery_items as t;
    let rows: Vec<Vec<u8>> = on!(conn, c => {
        let mut query = wanted!(filter);
        if let Some(at) = after {
            query = query.filter(t::delivery_id.gt(bytes(at.0)));
        }
        query.order(t::delivery_id).limit(limit).select(t::delivery_id).distinct().load(c)
    })?;
    rows.iter().map(|id| uuid(id).map(DeliveryId)).collect()
}

/// Removes body and head of deliveries received before `before`, oldest first, `limit` at most; answers how many. One
/// that nobody has read yet keeps them.
pub fn remove_bodies(conn: &mut Conn, before: UtcMillis, now: UtcMillis, limit: i64) -> Result<usize, StoreError> {
    use deliveries as t;
    let unread = || {
        delivery_items::table
            .filter(delivery_items::verdict.eq(Verdict::Pending.as_str()))
            .select(delivery_items::delivery_id)
    };
    let due: Vec<Vec<u8>> = on!(conn, c => t::table
        .filter(t::removed_at.is_null()).filter(t::received_at.lt(before.0)).filter(t::id.ne_all(unread()))
        .order(t::received_at).limit(limit).select(t::id).load(c))?;
    on!(conn, c => diesel::update(t::table.filter(t::id.eq_any(&due)))
        .set((t::body.eq(Vec::new()), t::head.eq(None::<Vec<u8>>), t::removed_at.eq(now.0))).execute(c))?;
    // What a vendor answered about them is as personal as they are.
    on!(conn, c => diesel::delete(lookups::table.filter(lookups::delivery_id.eq_any(&due))).execute(c))?;
    Ok(due.len())
}
