//! Rollups: counts of touches that reports read instead of the touches.
//!
//! Constraints: a report is exact for every `as_of` (invariant 4), whatever was recorded later; its cost does not grow
//! with clicks; loading clicks costs next to nothing more.
//!
//! Two ledgers of deltas. `rollup_days` counts by local day of one zone, kind, class, link and what the touch itself
//! says of channel and campaign; `rollup_quarters` by quarter of an hour in UTC, kind, class, channel, country and
//! device. Cells are only ever added, under the number of an *epoch*: a stretch of the ledger, from the end of the
//! epoch before it up to `closed_at`.
//!
//! # Operation
//!
//! Loaded touches gather in the open epoch, of which `rollup_state` holds the number and the range of ids. When it has
//! [`EPOCH_TOUCHES`] or is a day old, the transaction that fills it closes it: its touches are read once, by their
//! range of ids, and written as cells. Everything else that changes counts closes the open epoch just before itself and
//! has an epoch of one instant: an import (its touches), an undo (-1 for each touch), a reclassification (-1 under the
//! old class, +1 under the new one).
//!
//! The open epoch is read by its range of ids, with all that was recorded at other times and lies between. So the range
//! is kept narrow: touches that would make it span over an hour more than the epoch is old, of a node that comes back
//! after a month or a clock that stands in 1970, close it and open one of their own; a batch that spans more by itself
//! is counted at once, as an epoch of one instant.
//!
//! A report sums the cells of the epochs closed by `as_of`. What lies behind the last of them and up to `as_of` are
//! touches of one epoch: they are read by its range of ids, about a hundred thousand at most. It sees none of that
//! epoch's voids or reclassifications, as each of those has an epoch of its own.
//!
//! Why not cells written with every batch, and epochs of an hour: a link gets few clicks an hour, so that there would be
//! nearly as many cells as clicks (10,000 links at 110,000 clicks a day: 0.8 cells a click), and every batch would write
//! them. Gathered, there is one cell for five to ten clicks, written once.
//!
//! # Relabelled links
//!
//! A cell of a link names the *stretch* of the link's label history that its touches fall under: the latest
//! `effective_from` at or before them. Between two neighbouring instants of `effective_from` the label of a link is the
//! same for all touches, whichever `as_of` looks, so a cell takes the label that holds at the beginning of its stretch,
//! and a correction, which names only such instants, moves whole cells. What remains is a revision that begins a new
//! stretch at E and is recorded after touches of E and later were rolled up: a clock that went back, a touch dated in
//! the future. Nothing is rewritten for it. Epochs keep the time at which their cells were made and the latest
//! `occurred_at` in them and before, so the reader knows such revisions ([`View::is_late`]), and counts the link's touches of the
//! days from E to that latest one by one. Stretches that an `as_of` does not know do no harm: both sides have one label.
//!
//! `rollup_quarters` has no stretches: its channel is the link's as it was known when the cell was made. It is read only
//! while no later revision has changed the channel of touches that are in cells.
//!
//! # Recovery
//!
//! Cells can always be made again from the touches. A database from before the rollups, and one whose
//! `reporting.zone` or zone data were changed ([`adopt_zone`]), has none until the next time that touches are written; then all are
//! counted into one epoch. Until then, and for an `as_of` before that epoch, reports count the touches.

mod cells;
mod quarters;
mod read;
mod rows;
mod state;

use std::collections::HashMap;

pub use quarters::{Apart, ChannelCell, by_channel};
pub use read::{Cell, Clicks, Single, View, cells, clicks_by_link, of_link, tail, view};
pub use state::adopt_zone;

use cells::Cells;
use rows::{Counted, Which, pages};
use state::{Epoch, Span, State};

use super::touches::{NewTouch, Reclassified, class_code};
use super::{Conn, StoreError, bytes};
use crate::domain::ids::{BatchId, TouchId};
use crate::domain::time::{DAY_MS, UtcMillis, Zone};

/// An open epoch of so many touches is closed. More would make fewer cells, fewer make less to read behind the last
/// closed epoch: 100,000 take a tenth of a second.
pub const EPOCH_TOUCHES: i64 = 100_000;
/// So long after its first touch an epoch is closed by the next.
const EPOCH_MS: i64 = DAY_MS;

/// Touches on their way in, between [`begin`] and [`Loading::finish`].
#[derive(Debug)]
pub(super) struct Loading {
    state: State,
    at: UtcMillis,
    /// The import that they belong to.
    batch: Option<BatchId>,
}

/// Before touches are written at a ledger time. What was gathered before an import is closed.
pub(super) fn begin(conn: &mut Conn, list: &[NewTouch<'_>], at: UtcMillis) -> Result<Loading, StoreError> {
    let mut state = State::read(conn)?;
    let batch = list.first().and_then(|t| t.batch);
    if let Some(zone) = state.zone.clone().filter(|_| state.is_built && batch.is_some()) {
        close(conn, &mut state, &zone, at.plus_ms(-1), at)?;
    }
    Ok(Loading { state, at, batch })
}

impl Loading {
    /// After they are written; `stored` of them were new.
    pub(super) fn finish(mut self, conn: &mut Conn, list: &[NewTouch<'_>], stored: usize) -> Result<(), StoreError> {
        let Some(zone) = self.state.zone.clone().filter(|_| stored > 0) else { return Ok(()) };
        if !self.state.is_built {
            return build(conn, self.state, zone, self.at);
        }
        if let Some(batch) = self.batch {
            return self.count_import(conn, zone, batch);
        }
        let Some(span) = span_of(list) else { return Ok(()) };
        if !self.state.fits(&span, self.at) {
            close(conn, &mut self.state, &zone, self.at.plus_ms(-1), self.at)?;
        }
        if !self.state.fits(&span, self.at) {
            return self.count_scattered(conn, zone, list);
        }
        self.state.gather(&span, stored, self.at);
        if self.state.open_rows >= EPOCH_TOUCHES || self.at.0 - self.state.opened_at.0 >= EPOCH_MS {
            return close(conn, &mut self.state, &zone, self.at, self.at);
        }
        self.state.write(conn)
    }

    /// Counts touches that lie too far apart to gather into an epoch of one instant, by their ids.
    fn count_scattered(mut self, conn: &mut Conn, zone: Zone, list: &[NewTouch<'_>]) -> Result<(), StoreError> {
        let mut cells = Cells::new(zone);
        let mut ids: Vec<Vec<u8>> = list.iter().map(|t| bytes(t.id.0)).collect();
        ids.sort_unstable();
        let which = Which::New { ids: &ids, at: self.at };
        pages(conn, &which, self.at, &mut |conn, rows| cells.add(conn, &rows, 1))?;
        add_epoch(conn, &mut self.state, cells, self.at)
    }

    fn count_import(mut self, conn: &mut Conn, zone: Zone, batch: BatchId) -> Result<(), StoreError> {
        let mut cells = Cells::new(zone);
        let batch = bytes(batch.0);
        pages(conn, &Which::Batch(&batch), self.at, &mut |conn, rows| cells.add(conn, &rows, 1))?;
        add_epoch(conn, &mut self.state, cells, self.at)
    }
}

fn span_of(list: &[NewTouch<'_>]) -> Option<Span> {
    let ids = || list.iter().map(|t| t.id.0);
    Some(Span { from: bytes(ids().min()?), to: bytes(ids().max()?) })
}

/// Makes cells of the open epoch, if it has touches, and ends it at `closed_at`.
fn close(
    conn: &mut Conn,
    state: &mut State,
    zone: &Zone,
    closed_at: UtcMillis,
    made_at: UtcMillis,
) -> Result<(), StoreError> {
    let (Some(from), Some(to)) = (state.open_from.take(), state.open_to.take()) else { return Ok(()) };
    let mut cells = Cells::new(zone.clone());
    let which = Which::Recorded { after: state.closed_at, upto: closed_at, ids: (&from, &to) };
    pages(conn, &which, closed_at, &mut |conn, rows| cells.add(conn, &rows, 1))?;
    let epoch = Epoch { closed_at, made_at, latest_at: cells.latest, touches: cells.touches, ids: Some((from, to)) };
    let id = epoch.add(conn)?;
    cells.write(conn, id)?;
    state.open_rows = 0;
    state.closed_at = closed_at;
    state.write(conn)
}

/// Adds an epoch of one instant.
fn add_epoch(conn: &mut Conn, state: &mut State, cells: Cells, at: UtcMillis) -> Result<(), StoreError> {
    let epoch = Epoch { closed_at: at, made_at: at, latest_at: cells.latest, touches: cells.touches, ids: None };
    let id = epoch.add(conn)?;
    cells.write(conn, id)?;
    state.closed_at = at;
    state.write(conn)
}

/// Counts everything that is stored into one epoch, as it stands.
fn build(conn: &mut Conn, state: State, zone: Zone, at: UtcMillis) -> Result<(), StoreError> {
    let mut cells = Cells::new(zone.clone());
    pages(conn, &Which::All, at, &mut |conn, rows| cells.add(conn, &rows, 1))?;
    tracing::info!(touches = cells.touches, zone = zone.name(), "rollups built from the touches");
    let (least, most) = (vec![0; 16], vec![255; 16]);
    let epoch =
        Epoch { closed_at: at, made_at: at, latest_at: cells.latest, touches: cells.touches, ids: Some((least, most)) };
    let id = epoch.add(conn)?;
    cells.write(conn, id)?;
    State { zone: Some(zone), zone_data: state.zone_data, is_built: true, closed_at: at, ..State::default() }
        .write(conn)
}

/// Takes the touches of an import back that are not void yet. Call it before they are voided at `at`.
pub(super) fn voided(conn: &mut Conn, batch: BatchId, at: UtcMillis) -> Result<(), StoreError> {
    let mut state = State::read(conn)?;
    let Some(zone) = state.zone.clone().filter(|_| state.is_built) else { return Ok(()) };
    close(conn, &mut state, &zone, at.plus_ms(-1), at)?;
    let mut cells = Cells::new(zone);
    let batch = bytes(batch.0);
    pages(conn, &Which::Batch(&batch), at, &mut |conn, rows| cells.add(conn, &rows, -1))?;
    add_epoch(conn, &mut state, cells, at)
}

/// Moves touches to their new classes, before those are recorded at `at`. Answers the touches that stand.
pub(super) fn reclassified(
    conn: &mut Conn,
    wanted: &HashMap<TouchId, &Reclassified>,
    at: UtcMillis,
) -> Result<Vec<TouchId>, StoreError> {
    let mut state = State::read(conn)?;
    let built = state.zone.clone().filter(|_| state.is_built);
    if let Some(zone) = &built {
        close(conn, &mut state, zone, at.plus_ms(-1), at)?;
    }
    let mut cells = Cells::new(built.clone().unwrap_or_else(Zone::utc));
    let mut standing = Vec::with_capacity(wanted.len());
    let mut ids: Vec<Vec<u8>> = wanted.keys().map(|id| bytes(id.0)).collect();
    ids.sort_unstable();
    pages(conn, &Which::Ids(&ids), at, &mut |conn, rows| {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for row in rows {
            let id = TouchId(row.id.id());
            let Some(change) = wanted.get(&id) else { continue };
            standing.push(id);
            if class_code(change.class) != row.class {
                after.push(Counted { class: class_code(change.class), ..row.clone() });
                before.push(row);
            }
        }
        cells.add(conn, &before, -1)?;
        cells.add(conn, &after, 1)
    })?;
    if built.is_some() && cells.touches > 0 {
        add_epoch(conn, &mut state, cells, at)?;
    }
    Ok(standing)
}
