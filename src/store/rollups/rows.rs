//! Touches as the rollups count them, and the labels that their links had.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::domain::channel::{History, Revision};
use crate::domain::time::UtcMillis;
use crate::store::schema::{link_revisions, touches};
use crate::store::touches::{Key, class_code, of_touches};
use crate::store::{Conn, ROWS_PER_STATEMENT, StoreError};

/// Rows of one query: what is in memory at a time.
const PAGE: i64 = 20_000;

/// A touch, as far as a rollup tells touches apart.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = touches)]
pub(super) struct Counted {
    pub(super) id: Key,
    pub(super) occurred_at: i64,
    pub(super) kind: i16,
    /// As stored; [`pages`] puts the class in that holds.
    pub(super) class: i16,
    pub(super) link_id: Option<i64>,
    pub(super) channel_id: Option<i64>,
    pub(super) campaign_id: Option<i64>,
    pub(super) country: Option<String>,
    pub(super) device_id: i32,
}

/// Which touches.
#[derive(Debug, Clone)]
pub(super) enum Which<'a> {
    /// Recorded after the first and up to the second time, with an id between the two, both in.
    Recorded { after: UtcMillis, upto: UtcMillis, ids: (&'a [u8], &'a [u8]) },
    /// Of one link, with an id from the first on and before the second.
    Link { link: i64, ids: (&'a [u8], &'a [u8]) },
    /// All of one import.
    Batch(&'a [u8]),
    /// These.
    Ids(&'a [Vec<u8>]),
    /// Those of these that were recorded at a time: the rest was stored before.
    New { ids: &'a [Vec<u8>], at: UtcMillis },
    /// All.
    All,
}

/// The touches that an `as_of` sees.
macro_rules! visible {
    ($as_of:expr) => {
        touches::table
            .select(Counted::as_select())
            .filter(touches::recorded_at.le($as_of.0))
            .filter(touches::voided_at.is_null().or(touches::voided_at.gt($as_of.0)))
    };
}

/// What takes a page of touches.
pub(super) type Each<'a> = dyn FnMut(&mut Conn, Vec<Counted>) -> Result<(), StoreError> + 'a;

/// Gives the touches that an `as_of` sees to `each`, in pages, with the classes that it sees.
pub(super) fn pages(
    conn: &mut Conn,
    which: &Which<'_>,
    as_of: UtcMillis,
    each: &mut Each<'_>,
) -> Result<(), StoreError> {
    let by_id = match which {
        Which::Ids(ids) => Some((ids, UtcMillis(i64::MIN))),
        Which::New { ids, at } => Some((ids, *at)),
        _ => None,
    };
    if let Some((ids, since)) = by_id {
        for chunk in ids.chunks(ROWS_PER_STATEMENT) {
            let rows = on!(conn, c => visible!(as_of)
                .filter(touches::id.eq_any(chunk)).filter(touches::recorded_at.ge(since.0)).load(c))?;
            each_with_classes(conn, rows, as_of, each)?;
        }
        return Ok(());
    }
    // One lower bound: of two, SQLite may search by the one that begins at the first row of the table.
    let mut lower: Vec<u8> = match which {
        Which::Recorded { ids: (from, _), .. } | Which::Link { ids: (from, _), .. } => from.to_vec(),
        _ => Vec::new(),
    };
    loop {
        let rows: Vec<Counted> = on!(conn, c => {
            let mut query = visible!(as_of).into_boxed().filter(touches::id.ge(&lower)).order(touches::id).limit(PAGE);
            query = match which {
                Which::Recorded { after, upto, ids: (_, to) } => query
                    .filter(touches::id.le(*to))
                    .filter(touches::recorded_at.gt(after.0)).filter(touches::recorded_at.le(upto.0)),
                Which::Link { link, ids: (_, to) } => query
                    .filter(touches::id.lt(*to)).filter(touches::link_id.eq(*link)),
                Which::Batch(batch) => query.filter(touches::batch_id.eq(*batch)),
                Which::All | Which::Ids(_) | Which::New { .. } => query,
            };
            query.load(c)
        })?;
        let Some(end) = rows.last() else { return Ok(()) };
        // The next key there can be.
        lower.clear();
        lower.extend(end.id.0);
        lower.push(0);
        each_with_classes(conn, rows, as_of, each)?;
    }
}

fn each_with_classes(
    conn: &mut Conn,
    mut rows: Vec<Counted>,
    as_of: UtcMillis,
    each: &mut Each<'_>,
) -> Result<(), StoreError> {
    let later = of_touches(conn, rows.iter().map(|r| r.id), as_of)?;
    for row in &mut rows {
        if let Some(class) = later.get(&row.id) {
            row.class = class_code(*class);
        }
    }
    each(conn, rows)
}

/// The stretches of links' label histories, read as links come up.
#[derive(Debug, Default)]
pub(super) struct Stretches {
    links: HashMap<i64, Vec<Stretch>>,
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: UtcMillis,
    channel: i64,
}

impl Stretches {
    /// Reads the histories of the links of some touches that are not read yet, all that is recorded of them.
    pub(super) fn learn(&mut self, conn: &mut Conn, rows: &[Counted]) -> Result<(), StoreError> {
        use link_revisions as t;
        let mut new: Vec<i64> = rows.iter().filter_map(|r| r.link_id).filter(|l| !self.links.contains_key(l)).collect();
        new.sort_unstable();
        new.dedup();
        for chunk in new.chunks(ROWS_PER_STATEMENT) {
            let rows: Vec<(i64, i64, i64, i64)> = on!(conn, c => t::table.filter(t::link_id.eq_any(chunk))
                .order((t::recorded_at, t::id))
                .select((t::link_id, t::recorded_at, t::effective_from, t::channel_id)).load(c))?;
            let mut histories: HashMap<i64, Vec<Revision<i64>>> = HashMap::new();
            for (link, recorded_at, effective_from, labels) in rows {
                let revision =
                    Revision { recorded_at: UtcMillis(recorded_at), effective_from: UtcMillis(effective_from), labels };
                histories.entry(link).or_default().push(revision);
            }
            for link in chunk {
                let history = History::new(histories.remove(link).unwrap_or_default());
                let segments = history.segments();
                self.links
                    .insert(*link, segments.iter().map(|(from, c)| Stretch { from: *from, channel: **c }).collect());
            }
        }
        Ok(())
    }

    /// From when the label held that a touch of a link at an instant falls under, and its channel.
    pub(super) fn at(&self, link: i64, at: UtcMillis) -> (UtcMillis, i64) {
        let stretches = self.links.get(&link).map_or(&[][..], Vec::as_slice);
        let found = stretches.iter().rev().find(|s| s.from <= at);
        found.map_or((UtcMillis(i64::MIN), 0), |s| (s.from, s.channel))
    }
}
