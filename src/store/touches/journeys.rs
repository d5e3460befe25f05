//! Reading the touches of journeys: by id and by browser.

use std::collections::HashMap;
use std::fmt::Write as _;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, SmallInt, Text};
use uuid::Uuid;

use super::{DeviceId, Key, Touch, class_code, class_of, classes, id_range, kind_of};
use crate::domain::ids::{CampaignId, ChannelId, LinkId, TouchId, VisitorId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::TouchClass;
use crate::store::schema::touches;
use crate::store::{Conn, Moments, ROWS_PER_STATEMENT, StoreError, stored};

/// Ids of one statement that looks up a report's clicks.
const IDS_PER_STATEMENT: usize = 5_000;
/// Bytes of the millisecond with which an id begins.
const MILLISECOND_LEN: usize = 6;

/// What attribution reads of a touch, and no more: a report reads the touches of all people with stage events.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = touches)]
pub(super) struct Loaded {
    pub(super) id: Key,
    occurred_at: i64,
    kind: i16,
    class: i16,
    link_id: Option<i64>,
    channel_id: Option<i64>,
    campaign_id: Option<i64>,
    pub(super) visitor_id: Option<Key>,
    country: Option<String>,
    device_id: i32,
    external_id: Option<String>,
}

impl Loaded {
    /// With its later class, if it has one.
    pub(super) fn into_touch(self, later: &HashMap<Key, TouchClass>) -> Result<Touch, StoreError> {
        Ok(Touch {
            id: TouchId(self.id.id()),
            occurred_at: UtcMillis(self.occurred_at),
            kind: kind_of(self.kind)?,
            class: later.get(&self.id).copied().map_or_else(|| class_of(self.class), Ok)?,
            link: self.link_id.map(LinkId),
            channel: self.channel_id.map(ChannelId),
            campaign: self.campaign_id.map(CampaignId),
            visitor: self.visitor_id.map(|v| VisitorId(v.id())),
            country: self.country.as_deref().map(stored).transpose()?,
            device: DeviceId(self.device_id),
            external_id: self.external_id,
        })
    }
}

/// Touches by id that a report sees, with the classes that it sees, sorted by id.
pub fn by_ids(conn: &mut Conn, ids: &[TouchId], moments: &Moments) -> Result<Vec<Touch>, StoreError> {
    use touches as t;
    let mut found: Vec<Loaded> = Vec::with_capacity(ids.len());
    for chunk in in_order(ids.iter().map(|i| i.0)).chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<Loaded> = on!(conn, c => t::table.select(Loaded::as_select())
            .filter(t::id.eq_any(chunk.iter().map(|k| &k.0[..]))).filter(t::recorded_at.le(moments.touches.0))
            .filter(t::voided_at.is_null().or(t::voided_at.gt(moments.voids.0))).load(c))?;
        found.extend(rows);
    }
    found.sort_unstable_by_key(|r| r.id);
    let later = classes::of_touches(conn, found.iter().map(|r| r.id), moments.classes)?;
    found.into_iter().map(|row| row.into_touch(&later)).collect()
}

/// Which touches of a browser are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The browser.
    pub visitor: VisitorId,
    /// The first instant.
    pub from: UtcMillis,
    /// The last instant; it is wanted, too.
    pub to: UtcMillis,
}

/// Touches of browsers that a report sees, with the classes that it sees, browser by browser in the order of `wanted`,
/// which names each once, and by id. Of `classes` alone, where they are given and no touch has a later class; else of all.
///
/// One statement for many browsers: the list is joined as a table, so that the database neither reads a long statement
/// nor sorts the list, and the place in it comes back instead of the browser. Times are told to SQLite by ids: its index
/// of browsers holds them, so that a touch out of time is not looked up.
pub fn by_visitors(
    conn: &mut Conn,
    wanted: &[Wanted],
    classes: Option<&[TouchClass]>,
    moments: &Moments,
) -> Result<Vec<Touch>, StoreError> {
    let codes = match classes {
        Some(classes) if !classes::any(conn)? => Some(classes.iter().map(|c| class_code(*c)).collect::<Vec<_>>()),
        _ => None,
    };
    let mut rows = joined(conn, wanted, codes.as_deref(), moments)?;
    // The databases go through the list in its order, though nothing binds them to.
    rows.sort_by_key(|row| (row.place, row.touch.id));
    let later = classes::of_touches(conn, rows.iter().map(|r| r.touch.id), moments.classes)?;
    let touch = |row: Placed| {
        let visitor = usize::try_from(row.place).ok().and_then(|place| wanted.get(place)).map(|w| w.visitor);
        Ok(Touch { visitor, ..row.touch.into_touch(&later)? })
    };
    rows.into_iter().map(touch).collect()
}

/// The browsers of touches by id, of those that a report sees and that have one.
pub fn browsers_of(
    conn: &mut Conn,
    ids: &[TouchId],
    moments: &Moments,
) -> Result<Vec<(TouchId, VisitorId)>, StoreError> {
    use touches as t;
    let mut found = Vec::with_capacity(ids.len());
    for chunk in in_order(ids.iter().map(|i| i.0)).chunks(IDS_PER_STATEMENT) {
        let rows: Vec<(Key, Option<Key>)> = on!(conn, c => t::table
            .filter(t::id.eq_any(chunk.iter().map(|k| &k.0[..]))).filter(t::visitor_id.is_not_null())
            .filter(t::recorded_at.le(moments.touches.0))
            .filter(t::voided_at.is_null().or(t::voided_at.gt(moments.voids.0)))
            .select((t::id, t::visitor_id)).load(c))?;
        found.extend(rows.into_iter().filter_map(|(id, visitor)| Some((TouchId(id.id()), VisitorId(visitor?.id())))));
    }
    Ok(found)
}

/// Keys begin with their time, so neighbours of a sorted list are neighbours in the index.
fn in_order(ids: impl Iterator<Item = Uuid>) -> Vec<Key> {
    let mut keys: Vec<Key> = ids.map(Key::of).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Types of the columns of [`Loaded`].
type Columns = (
    Binary,
    BigInt,
    SmallInt,
    SmallInt,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<Binary>,
    Nullable<Text>,
    Integer,
    Nullable<Text>,
);

/// A touch with the place of its browser in a list.
#[derive(Debug, Queryable)]
struct Placed {
    place: i64,
    touch: Loaded,
}

/// The columns of [`Loaded`]. Which browser it is, the place says.
const COLUMNS: &str = "id, occurred_at, kind, class, link_id, channel_id, campaign_id, NULL AS visitor_id, country, \
    device_id, external_id";

/// The wanted touches of a list of browsers.
fn joined(
    conn: &mut Conn,
    wanted: &[Wanted],
    classes: Option<&[i16]>,
    moments: &Moments,
) -> Result<Vec<Placed>, StoreError> {
    let codes = |codes: &[i16]| codes.iter().map(i16::to_string).collect::<Vec<_>>().join(", ");
    let of_classes = classes.map(|c| format!(" AND class IN ({})", codes(c))).unwrap_or_default();
    let of_visible = format!("{of_classes} AND recorded_at <= ");
    let is_voided_later = " AND (voided_at IS NULL OR voided_at > ";
    match conn {
        Conn::Sqlite(c) => {
            // A list of SQLite is JSON, as a reader has no right to a temporary table; CROSS JOIN keeps the order.
            let list = format!(
                "SELECT w.place, {COLUMNS} FROM (SELECT key AS place, unhex(substr(value, 1, 32)) AS visitor, \
                 unhex(substr(value, 33, 12)) AS first, unhex(substr(value, 45)) AS after FROM json_each("
            );
            let query = sql::<(BigInt, Columns)>(&list).bind::<Text, _>(as_json(wanted));
            let query = query.sql(&format!(
                ")) w CROSS JOIN touches WHERE visitor_id = w.visitor AND id >= w.first AND id < w.after{of_visible}"
            ));
            let query = query.bind::<BigInt, _>(moments.touches.0).sql(is_voided_later);
            Ok(query.bind::<BigInt, _>(moments.voids.0).sql(")").load(c)?)
        }
        Conn::Postgres(c) => {
            // A lateral query with an offset is planned for each browser, and never becomes a scan of all touches. Times
            // are told as times: by bounds of ids, whose width it cannot know, the planner takes the index of ids, and
            // reads everybody's touches for each browser.
            let visitors: Vec<&[u8]> = wanted.iter().map(|w| &w.visitor.0.as_bytes()[..]).collect();
            let (first, last): (Vec<i64>, Vec<i64>) = wanted.iter().map(|w| (w.from.0, w.to.0)).unzip();
            let query = sql::<(BigInt, Columns)>("SELECT w.place - 1, t.* FROM unnest(");
            let query = query.bind::<Array<Binary>, _>(visitors).sql("::bytea[], ");
            let query = query.bind::<Array<BigInt>, _>(first).sql("::bigint[], ").bind::<Array<BigInt>, _>(last);
            let query = query.sql(&format!(
                "::bigint[]) WITH ORDINALITY w (visitor, first, last, place) \
                 CROSS JOIN LATERAL (SELECT {COLUMNS} FROM touches WHERE visitor_id = w.visitor \
                 AND occurred_at BETWEEN w.first AND w.last{of_visible}"
            ));
            let query = query.bind::<BigInt, _>(moments.touches.0).sql(is_voided_later);
            Ok(query.bind::<BigInt, _>(moments.voids.0).sql(") OFFSET 0) t").load(c)?)
        }
    }
}

impl Wanted {
    /// What ids of wanted touches begin with: from the first one on, and below the second one.
    fn bounds(&self) -> ([u8; MILLISECOND_LEN], [u8; MILLISECOND_LEN]) {
        let (first, after) = id_range(self.from, UtcMillis(self.to.0.saturating_add(1)));
        let millisecond = |id: [u8; 16]| id.first_chunk().copied().unwrap_or_default();
        (millisecond(first), millisecond(after))
    }
}

/// Each browser with its bounds, in hex.
fn as_json(wanted: &[Wanted]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    let mut json = String::with_capacity(wanted.len() * 60 + 2);
    for w in wanted {
        let (first, after) = w.bounds();
        json.push(if json.is_empty() { '[' } else { ',' });
        // Writing to a string does not fail.
        let _written = write!(json, "\"{}{:012x}{:012x}\"", w.visitor.0.simple(), hex(&first), hex(&after));
    }
    json.push_str(if json.is_empty() { "[]" } else { "]" });
    json
}
