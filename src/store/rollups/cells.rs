//! The cells of one epoch in the making: touches added or taken back, then written to both ledgers.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::rows::{Counted, Stretches};
use crate::domain::time::{Day, UtcMillis, Zone};
use crate::store::schema::{rollup_days, rollup_quarters};
use crate::store::{Conn, StoreError};

/// Cells of one statement that is prepared once.
const CELLS_PREPARED: usize = 32;
/// Milliseconds of a quarter of an hour.
pub(super) const QUARTER_MS: i64 = 900_000;

/// Where a touch counts by day. The order is that of the table's key, so that cells are written in its order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct DayKey {
    day: i32,
    link: i64,
    kind: i16,
    class: i16,
    channel: i32,
    campaign: i32,
    stretch: i64,
}

/// Where it counts by quarter of an hour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct QuarterKey {
    quarter: i32,
    kind: i16,
    class: i16,
    channel: i32,
    country: String,
    device: i32,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = rollup_days, treat_none_as_default_value = false)]
struct DayRow {
    link_id: i64,
    stretch: i64,
    day: i32,
    channel_id: i32,
    campaign_id: i32,
    epoch: i32,
    count: i32,
    kind: i16,
    class: i16,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = rollup_quarters, treat_none_as_default_value = false)]
struct QuarterRow {
    quarter: i32,
    channel_id: i32,
    device_id: i32,
    epoch: i32,
    count: i32,
    kind: i16,
    class: i16,
    country: String,
}

/// A number that is small in a cell: nobody has two thousand million channels, or clicks of one link and day.
fn small(number: i64) -> Result<i32, StoreError> {
    i32::try_from(number).map_err(|_large| StoreError::Corrupt(format!("{number} is too large for a rollup")))
}

/// Inserts rows, many by a statement that is prepared once.
macro_rules! insert {
    ($conn:expr, $table:ident, $rows:expr) => {{
        let (many, rest) = $rows.as_chunks::<CELLS_PREPARED>();
        for chunk in many {
            on!($conn, c => diesel::insert_into($table::table).values(chunk).execute(c))?;
        }
        for row in rest {
            on!($conn, c => diesel::insert_into($table::table).values(row).execute(c))?;
        }
    }};
}

/// Cells in the making.
#[derive(Debug)]
pub(super) struct Cells {
    days: BTreeMap<DayKey, i64>,
    quarters: BTreeMap<QuarterKey, i64>,
    stretches: Stretches,
    calendar: Calendar,
    /// How many touches were added or taken back.
    pub(super) touches: i64,
    /// The latest `occurred_at` of them.
    pub(super) latest: UtcMillis,
}

impl Cells {
    pub(super) fn new(zone: Zone) -> Self {
        Self {
            days: BTreeMap::new(),
            quarters: BTreeMap::new(),
            stretches: Stretches::default(),
            calendar: Calendar::new(zone),
            touches: 0,
            latest: UtcMillis(i64::MIN),
        }
    }

    /// Adds (`sign` 1) or takes back (-1) some touches under the class they carry.
    pub(super) fn add(&mut self, conn: &mut Conn, rows: &[Counted], sign: i64) -> Result<(), StoreError> {
        self.stretches.learn(conn, rows)?;
        for row in rows {
            self.add_one(row, sign)?;
        }
        Ok(())
    }

    fn add_one(&mut self, row: &Counted, sign: i64) -> Result<(), StoreError> {
        let at = UtcMillis(row.occurred_at);
        let (stretch, of_link) = row.link_id.map_or((UtcMillis(i64::MIN), 0), |link| self.stretches.at(link, at));
        let day = DayKey {
            day: self.calendar.day(at),
            link: row.link_id.unwrap_or(0),
            kind: row.kind,
            class: row.class,
            channel: small(row.channel_id.unwrap_or(0))?,
            campaign: small(row.campaign_id.unwrap_or(0))?,
            stretch: stretch.0,
        };
        let quarter = QuarterKey {
            quarter: small(at.0.div_euclid(QUARTER_MS))?,
            kind: row.kind,
            class: row.class,
            channel: small(row.channel_id.unwrap_or(of_link))?,
            country: row.country.clone().unwrap_or_default(),
            device: row.device_id,
        };
        *self.days.entry(day).or_default() += sign;
        *self.quarters.entry(quarter).or_default() += sign;
        self.touches += 1;
        self.latest = self.latest.max(at);
        Ok(())
    }

    /// Writes the cells of a new epoch, in the order of their keys.
    pub(super) fn write(self, conn: &mut Conn, epoch: i32) -> Result<(), StoreError> {
        let mut days = Vec::with_capacity(self.days.len());
        for (k, count) in self.days.into_iter().filter(|(_, n)| *n != 0) {
            days.push(DayRow {
                link_id: k.link,
                stretch: k.stretch,
                day: k.day,
                channel_id: k.channel,
                campaign_id: k.campaign,
                epoch,
                count: small(count)?,
                kind: k.kind,
                class: k.class,
            });
        }
        insert!(conn, rollup_days, days);
        let mut quarters = Vec::with_capacity(self.quarters.len());
        for (k, count) in self.quarters.into_iter().filter(|(_, n)| *n != 0) {
            quarters.push(QuarterRow {
                quarter: k.quarter,
                channel_id: k.channel,
                device_id: k.device,
                epoch,
                count: small(count)?,
                kind: k.kind,
                class: k.class,
                country: k.country,
            });
        }
        insert!(conn, rollup_quarters, quarters);
        Ok(())
    }
}

/// Local days of instants, remembering the last one: touches come in the order of time.
#[derive(Debug)]
struct Calendar {
    zone: Zone,
    from: UtcMillis,
    to: UtcMillis,
    day: i32,
}

impl Calendar {
    fn new(zone: Zone) -> Self {
        Self { zone, from: UtcMillis(0), to: UtcMillis(0), day: 0 }
    }

    fn day(&mut self, at: UtcMillis) -> i32 {
        if !(self.from <= at && at < self.to) {
            let day = self.zone.day_of(at);
            (self.from, self.to) = (self.zone.day_start(day), self.zone.day_start(day.plus_days(1)));
            self.day = day_number(day);
        }
        self.day
    }
}

/// Days since 1970-01-01.
pub(super) fn day_number(day: Day) -> i32 {
    let first = Zone::utc().day_of(UtcMillis(0));
    i32::try_from(first.days_until(day)).unwrap_or(i32::MAX)
}

/// The day of [`day_number`].
pub(super) fn day_of_number(number: i32) -> Day {
    Zone::utc().day_of(UtcMillis(0)).plus_days(number)
}
