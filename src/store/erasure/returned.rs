//! What comes back after an erasure, known by a keyed hash of its old id.
//!
//! Without them a webhook that is sent again would make the event, and with it the person, a second time; so would a
//! journal that is read again after a crash, and a file that is imported again. The hash names nobody without the key, and
//! with it only whoever has the very id already.

use std::collections::{BTreeSet, HashSet};

use diesel::prelude::*;

use super::bodies::of_one_item;
use crate::domain::ids::{DeliveryId, StageEventId};
use crate::domain::named_enum::named_enum;
use crate::domain::time::UtcMillis;
use crate::store::deliveries::Verdict;
use crate::store::schema::{deliveries, delivery_items, erased_keys as t};
use crate::store::{Conn, ROWS_PER_STATEMENT, StoreError, bytes, uuid};

named_enum!(
    /// What an erased id was of.
    ReturnedKind, "kind", "kind-unknown" {
        /// A stage event: its source and its sender's id.
        Event = "event",
        /// A touch: its click id.
        Touch = "touch",
        /// An imported touch: its source and its id there.
        Import = "import",
    }
);

/// An erased id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// What of.
    pub kind: ReturnedKind,
    /// Its keyed hash.
    pub hash: Vec<u8>,
    /// The event that was told with it.
    pub event: Option<StageEventId>,
}

#[derive(Insertable)]
#[diesel(table_name = t, treat_none_as_default_value = false)]
struct Row<'a> {
    key_hash: &'a [u8],
    kind: &'static str,
    erased_at: i64,
    fact_id: Option<Vec<u8>>,
}

/// Remembers erased ids.
pub fn remember(conn: &mut Conn, list: &[Returned], at: UtcMillis) -> Result<(), StoreError> {
    for part in list.chunks(ROWS_PER_STATEMENT) {
        let row = |r: &'_ Returned| Row {
            key_hash: &[],
            kind: r.kind.as_str(),
            erased_at: at.0,
            fact_id: r.event.map(|e| bytes(e.0)),
        };
        let rows: Vec<Row<'_>> = part.iter().map(|r| Row { key_hash: &r.hash, ..row(r) }).collect();
        on!(conn, c => diesel::insert_into(t::table).values(&rows).on_conflict_do_nothing().execute(c))?;
    }
    Ok(())
}

/// Remembers the messages of which deliveries held items that became no event: their senders may send them again, and some
/// tell who is who all the same. Of several items those are left that were still to become something, as they may be
/// somebody else's.
pub fn remember_messages(
    conn: &mut Conn,
    list: &BTreeSet<DeliveryId>,
    at: UtcMillis,
    hash: &dyn Fn(ReturnedKind, &str) -> Vec<u8>,
) -> Result<(), StoreError> {
    let ids: Vec<Vec<u8>> = list.iter().map(|d| bytes(d.0)).collect();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        let single = of_one_item(conn, chunk)?;
        let rows: Vec<(String, Option<String>)> = on!(conn, c => delivery_items::table.inner_join(deliveries::table)
            .filter(delivery_items::delivery_id.eq_any(chunk)).filter(delivery_items::stage_event_id.is_null())
            .filter(delivery_items::verdict.eq(Verdict::Ignored.as_str())
                .or(delivery_items::delivery_id.eq_any(&single)))
            .filter(deliveries::removed_at.is_null())
            .select((deliveries::source, delivery_items::event_id)).load(c))?;
        let message = |(source, event_id): (String, Option<String>)| {
            let hash = hash(ReturnedKind::Event, &format!("{source}\n{}", event_id?));
            Some(Returned { kind: ReturnedKind::Event, hash, event: None })
        };
        let list: Vec<Returned> = rows.into_iter().filter_map(message).collect();
        remember(conn, &list, at)?;
    }
    Ok(())
}

/// Whether an event was erased, or never became one before its person was, by the hash of its id; and the event.
pub fn event_of(conn: &mut Conn, hash: &[u8]) -> Result<Option<Option<StageEventId>>, StoreError> {
    let row: Option<Option<Vec<u8>>> =
        on!(conn, c => t::table.filter(t::key_hash.eq(hash)).select(t::fact_id).first(c).optional())?;
    row.map(|id| id.map(|id| uuid(&id).map(StageEventId)).transpose()).transpose()
}

/// Whether any id of a kind was erased: nearly always none was, and then there is nothing to hash.
pub fn any_returned(conn: &mut Conn, kind: ReturnedKind) -> Result<bool, StoreError> {
    Ok(on!(conn, c => diesel::select(diesel::dsl::exists(t::table.filter(t::kind.eq(kind.as_str())))).get_result(c))?)
}

/// Those of some hashes that are of erased ids.
pub fn those_returned(conn: &mut Conn, hashes: &[Vec<u8>]) -> Result<HashSet<Vec<u8>>, StoreError> {
    let mut found = HashSet::new();
    for chunk in hashes.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<Vec<u8>> =
            on!(conn, c => t::table.filter(t::key_hash.eq_any(chunk)).select(t::key_hash).load(c))?;
        found.extend(rows);
    }
    Ok(found)
}
