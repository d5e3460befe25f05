//! Where the rollups stand, and their epochs.

use diesel::prelude::*;

use crate::domain::time::{UtcMillis, Zone};
use crate::store::schema::{rollup_days, rollup_epochs, rollup_quarters, rollup_state};
use crate::store::{Conn, StoreError, ledger, stored};

/// So much later than others of its epoch a touch may come in, or so far ahead may its clock be.
const SLACK_MS: i64 = 3_600_000;

/// The one row of `rollup_state`.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// The zone that cuts days; `None` until a server has told it.
    pub(super) zone: Option<Zone>,
    /// The version of the zone data that cuts them, where it is known.
    pub(super) zone_data: Option<String>,
    /// Whether what was stored before is counted.
    pub(super) is_built: bool,
    /// Ledger time of the open epoch's first touches.
    pub(super) opened_at: UtcMillis,
    /// Where the last epoch ended.
    pub(super) closed_at: UtcMillis,
    /// How many touches the open epoch has.
    pub(super) open_rows: i64,
    /// The smallest id of them; `None` without any.
    pub(super) open_from: Option<Vec<u8>>,
    /// The greatest.
    pub(super) open_to: Option<Vec<u8>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            zone: None,
            zone_data: None,
            is_built: false,
            opened_at: UtcMillis(0),
            closed_at: UtcMillis(0),
            open_rows: 0,
            open_from: None,
            open_to: None,
        }
    }
}

type Row = (Option<String>, Option<String>, bool, i64, i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

impl State {
    pub(super) fn read(conn: &mut Conn) -> Result<Self, StoreError> {
        use rollup_state as t;
        let row: Row = on!(conn, c => t::table
            .select((
                t::zone, t::zone_data, t::is_built, t::opened_at, t::closed_at, t::open_rows, t::open_from, t::open_to,
            ))
            .first(c))?;
        let (zone, zone_data, is_built, opened_at, closed_at, open_rows, open_from, open_to) = row;
        Ok(Self {
            zone: zone.as_deref().map(stored).transpose()?,
            zone_data,
            is_built,
            opened_at: UtcMillis(opened_at),
            closed_at: UtcMillis(closed_at),
            open_rows,
            open_from,
            open_to,
        })
    }

    pub(super) fn write(&self, conn: &mut Conn) -> Result<(), StoreError> {
        use rollup_state as t;
        on!(conn, c => diesel::update(t::table).set((
            t::zone.eq(self.zone.as_ref().map(Zone::name)), t::zone_data.eq(&self.zone_data), t::is_built.eq(self.is_built),
            t::opened_at.eq(self.opened_at.0), t::closed_at.eq(self.closed_at.0), t::open_rows.eq(self.open_rows),
            t::open_from.eq(&self.open_from), t::open_to.eq(&self.open_to),
        )).execute(c))?;
        Ok(())
    }

    /// Whether the open epoch stays narrow with some more touches, recorded at `at`: its ids span no more time than has
    /// passed since it was opened, and [`SLACK_MS`]. All that lies between them is read with it.
    pub(super) fn fits(&self, more: &Span, at: UtcMillis) -> bool {
        let opened_at = if self.open_rows == 0 { at } else { self.opened_at };
        let both = self.with(more);
        millisecond(&both.to) - millisecond(&both.from) <= at.0 - opened_at.0 + SLACK_MS
    }

    /// Takes touches, recorded at `at`, into the open epoch.
    pub(super) fn gather(&mut self, more: &Span, stored: usize, at: UtcMillis) {
        if self.open_rows == 0 {
            self.opened_at = at;
        }
        self.open_rows = self.open_rows.saturating_add(i64::try_from(stored).unwrap_or(i64::MAX));
        let both = self.with(more);
        (self.open_from, self.open_to) = (Some(both.from), Some(both.to));
    }

    fn with(&self, more: &Span) -> Span {
        let from = self.open_from.as_ref().map_or(&more.from, |from| from.min(&more.from));
        let to = self.open_to.as_ref().map_or(&more.to, |to| to.max(&more.to));
        Span { from: from.clone(), to: to.clone() }
    }
}

/// The least and the greatest id of some touches.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<u8>,
}

/// The millisecond with which an id begins.
fn millisecond(id: &[u8]) -> i64 {
    id.iter().take(6).fold(0, |ms, byte| (ms << 8) | i64::from(*byte))
}

/// An epoch that is closed.
#[derive(Debug, Clone)]
pub(super) struct Epoch {
    pub(super) closed_at: UtcMillis,
    pub(super) made_at: UtcMillis,
    /// The latest `occurred_at` of its touches.
    pub(super) latest_at: UtcMillis,
    pub(super) touches: i64,
    /// The range of its touches' ids, both ends in; `None` for an epoch of one instant.
    pub(super) ids: Option<(Vec<u8>, Vec<u8>)>,
}

impl Epoch {
    /// Records it; answers its number, which is greater than those of the epochs before it.
    pub(super) fn add(&self, conn: &mut Conn) -> Result<i32, StoreError> {
        use rollup_epochs as t;
        let last: Option<(i32, i64)> =
            on!(conn, c => t::table.order(t::id.desc()).select((t::id, t::latest_at)).first(c).optional())?;
        let (last, latest_before) = last.unwrap_or((0, i64::MIN));
        let (id, latest_at) = (last + 1, latest_before.max(self.latest_at.0));
        on!(conn, c => diesel::insert_into(t::table).values((
            t::id.eq(id), t::closed_at.eq(self.closed_at.0), t::made_at.eq(self.made_at.0),
            t::latest_at.eq(latest_at), t::touches.eq(self.touches),
            t::from_id.eq(self.ids.as_ref().map(|i| &i.0)), t::to_id.eq(self.ids.as_ref().map(|i| &i.1)),
        )).execute(c))?;
        Ok(id)
    }
}

/// Tells the zone in which days are cut. Another one than before, or other data of the zones, forgets all cells: they are
/// made again from the touches, and until then reports count those.
pub fn adopt_zone(conn: &mut Conn, zone: &Zone) -> Result<(), StoreError> {
    // The ledger first: nothing is rolled up in between.
    ledger::lock(conn)?;
    let state = State::read(conn)?;
    let zone_data = Some(Zone::data_version().to_owned());
    if state.zone.as_ref() == Some(zone) && state.zone_data == zone_data {
        return Ok(());
    }
    on!(conn, c => diesel::delete(rollup_days::table).execute(c))?;
    on!(conn, c => diesel::delete(rollup_quarters::table).execute(c))?;
    on!(conn, c => diesel::delete(rollup_epochs::table).execute(c))?;
    State { zone: Some(zone.clone()), zone_data, ..State::default() }.write(conn)
}
