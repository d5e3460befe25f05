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

impl Filter {
    /// Whether deliveries are found by their endpoint, and not items by something of theirs.
    fn is_by_endpoint(&self) -> bool {
        self.endpoint.is_some() && self.verdict.is_none() && self.code.is_none() && self.search.is_none()
    }
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

/// Most ids that a search comes down to, the newest: databases bound the values of a statement.
const SOUGHT_MAX: i64 = 10_000;

/// What a search comes down to: an item with one of these. Found first, each by its own index, as no database has one for
/// conditions on several tables of which one holds.
#[derive(Debug, Default)]
struct Sought {
    deliveries: Vec<Vec<u8>>,
    stage_events: Vec<Vec<u8>>,
    event_id: Option<String>,
}

impl Sought {
    fn of(conn: &mut Conn, search: &Search) -> Result<Self, StoreError> {
        let mut sought = Self::found(conn, search)?;
        // No id is empty, and a list that is keeps SQLite from using its index, and so all others.
        for list in [&mut sought.deliveries, &mut sought.stage_events] {
            list.extend(list.is_empty().then(Vec::new));
        }
        Ok(sought)
    }

    fn found(conn: &mut Conn, search: &Search) -> Result<Self, StoreError> {
        Ok(match search {
            Search::Delivery(id) => Self { deliveries: vec![bytes(id.0)], ..Self::default() },
            Search::StageEvent(id) => Self { stage_events: vec![bytes(id.0)], ..Self::default() },
            Search::Person(id) => {
                use identity_facts as t;
                let told: Vec<Option<Vec<u8>>> = on!(conn, c => t::table
                    .filter(t::person_id.eq(bytes(id.0))).filter(t::stage_event_id.is_not_null())
                    .order(t::stage_event_id.desc()).limit(SOUGHT_MAX).select(t::stage_event_id).distinct().load(c))?;
                Self { stage_events: told.into_iter().flatten().collect(), ..Self::default() }
            }
            Search::Email { hash, text } => {
                use identity_facts as t;
                let told: Vec<Option<Vec<u8>>> = on!(conn, c => t::table
                    .filter(t::key_value.eq(hash)).filter(t::key_kind.eq("email")).filter(t::stage_event_id.is_not_null())
                    .order(t::stage_event_id.desc()).limit(SOUGHT_MAX).select(t::stage_event_id).distinct().load(c))?;
                Self { stage_events: told.into_iter().flatten().collect(), ..Self::of_sender(conn, text)? }
            }
            Search::SenderId(id) => Self::of_sender(conn, id)?,
        })
    }

    fn of_sender(conn: &mut Conn, id: &str) -> Result<Self, StoreError> {
        use deliveries as t;
        let deliveries: Vec<Vec<u8>> = on!(conn, c => t::table.filter(t::message_id.eq(id))
            .order(t::id.desc()).limit(SOUGHT_MAX).select(t::id).load(c))?;
        Ok(Self { deliveries, event_id: Some(id.to_owned()), ..Self::default() })
    }
}

/// The items that a filter names, as a query of either database.
macro_rules! wanted {
    ($filter:expr, $sought:expr) => {{
        use delivery_items as t;
        let (filter, sought): (&Filter, &Option<Sought>) = ($filter, $sought);
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
        if let Some(Sought { deliveries, stage_events, event_id }) = sought {
            let by_event = t::event_id.eq(event_id.as_deref());
            let by_fact = t::stage_event_id.eq_any(stage_events);
            query = query.filter(by_event.or(by_fact).or(t::delivery_id.eq_any(deliveries)));
        }
        query
    }};
}

/// Items that a filter names, newest delivery first, behind a cursor.
pub fn list(conn: &mut Conn, filter: &Filter, after: Option<Cursor>, limit: i64) -> Result<Vec<InboxRow>, StoreError> {
    use delivery_items as t;
    let sought = filter.search.as_ref().map(|search| Sought::of(conn, search)).transpose()?;
    let rows: Vec<(ItemRow, i64, String, i64)> = on!(conn, c => {
        let mut query = wanted!(filter, &sought);
        if let Some(at) = after {
            let delivery = bytes(at.delivery.0);
            query = query.filter(t::delivery_id.le(delivery.clone()))
                .filter(t::delivery_id.lt(delivery).or(t::item.gt(at.item)));
        }
        // The same order, in the words of the table by whose index it is found: SQLite does not see that they are the same.
        query = if filter.is_by_endpoint() {
            query.order((deliveries::id.desc(), t::item))
        } else {
            query.order((t::delivery_id.desc(), t::item))
        };
        query.limit(limit).select((t::all_columns, deliveries::received_at, deliveries::source, deliveries::bytes)).load(c)
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
    let sought = filter.search.as_ref().map(|search| Sought::of(conn, search)).transpose()?;
    let rows: Vec<Vec<u8>> = on!(conn, c => {
        let mut query = wanted!(filter, &sought);
        if let Some(at) = after {
            query = query.filter(t::delivery_id.gt(bytes(at.0)));
        }
        if filter.is_by_endpoint() {
            query.order(deliveries::id).limit(limit).select(deliveries::id).distinct().load(c)
        } else {
            query.order(t::delivery_id).limit(limit).select(t::delivery_id).distinct().load(c)
        }
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
