//! Where the rollups stand, and their epochs.

use diesel::prelude::*;

use crate::domain::time::{UtcMillis, Zone};
use crate::store::schema::{rollup_days, rollup_epochs, rollup_quarters, rollup_state};
use crate::store::{Conn, StoreError, ledger, stored};

/// The one row of `rollup_state`.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// The zone that cuts days; `None` until a server has told it.
    pub(super) zone: Option<Zone>,
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
            is_built: false,
            opened_at: UtcMillis(0),
            closed_at: UtcMillis(0),
            open_rows: 0,
            open_from: None,
            open_to: None,
        }
    }
}

type Row = (Option<String>, bool, i64, i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

impl State {
    pub(super) fn read(conn: &mut Conn) -> Result<Self, StoreError> {
        use rollup_state as t;
        let row: Row = on!(conn, c => t::table
            .select((t::zone, t::is_built, t::opened_at, t::closed_at, t::open_rows, t::open_from, t::open_to)).first(c))?;
        let (zone, is_built, opened_at, closed_at, open_rows, open_from, open_to) = row;
        Ok(Self {
            zone: zone.as_deref().map(stored).transpose()?,
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
            t::zone.eq(self.zone.as_ref().map(Zone::name)), t::is_built.eq(self.is_built),
            t::opened_at.eq(self.opened_at.0), t::closed_at.eq(self.closed_at.0), t::open_rows.eq(self.open_rows),
            t::open_from.eq(&self.open_from), t::open_to.eq(&self.open_to),
        )).execute(c))?;
        Ok(())
    }

    /// Takes an id into the open epoch's range.
    pub(super) fn widen(&mut self, id: &[u8; 16]) {
        if self.open_from.as_deref().is_none_or(|from| id.as_slice() < from) {
            self.open_from = Some(id.to_vec());
        }
        if self.open_to.as_deref().is_none_or(|to| id.as_slice() > to) {
            self.open_to = Some(id.to_vec());
        }
    }
}

/// An epoch that is closed.
#[derive(Debug, Clone)]
pub(super) struct Epoch {
    pub(super) closed_at: UtcMillis,
    pub(super) made_at: UtcMillis,
    pub(super) latest_at: UtcMillis,
    pub(super) touches: i64,
    /// The range of its touches' ids, both ends in; `None` for an epoch of one instant.
    pub(super) ids: Option<(Vec<u8>, Vec<u8>)>,
}

impl Epoch {
    /// Records it; answers its number, which is greater than those of the epochs before it.
    pub(super) fn add(&self, conn: &mut Conn) -> Result<i32, StoreError> {
        use rollup_epochs as t;
        let last: Option<i32> = on!(conn, c => t::table.select(diesel::dsl::max(t::id)).first(c))?;
        let id = last.unwrap_or(0) + 1;
        on!(conn, c => diesel::insert_into(t::table).values((
            t::id.eq(id), t::closed_at.eq(self.closed_at.0), t::made_at.eq(self.made_at.0),
            t::latest_at.eq(self.latest_at.0), t::touches.eq(self.touches),
            t::from_id.eq(self.ids.as_ref().map(|i| &i.0)), t::to_id.eq(self.ids.as_ref().map(|i| &i.1)),
        )).execute(c))?;
        Ok(id)
    }
}

/// Tells the zone in which days are cut. Another one than before forgets all cells: they are made again from the
/// touches, and until then reports count those.
pub fn adopt_zone(conn: &mut Conn, zone: &Zone) -> Result<(), StoreError> {
    // The ledger first: nothing is rolled up in between.
    ledger::lock(conn)?;
    let state = State::read(conn)?;
    if state.zone.as_ref() == Some(zone) {
        return Ok(());
    }
    on!(conn, c => diesel::delete(rollup_days::table).execute(c))?;
    on!(conn, c => diesel::delete(rollup_quarters::table).execute(c))?;
    on!(conn, c => diesel::delete(rollup_epochs::table).execute(c))?;
    State { zone: Some(zone.clone()), ..State::default() }.write(conn)
}
