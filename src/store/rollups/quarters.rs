//! Reading the ledger of quarters of an hour: counts by channel, country and device for any zone whose days begin on a
//! quarter.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, SmallInt, Text};

use super::View;
use super::cells::QUARTER_MS;
use crate::domain::client::Country;
use crate::domain::ids::ChannelId;
use crate::domain::time::{Day, DayRange, UtcMillis, Zone};
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::touches::{DeviceId, class_code, class_of, kind_of};
use crate::store::{Conn, StoreError, stored};

/// Touches of one channel, on one day or on all that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelCell {
    /// Which day; the first one asked for where days are not told apart.
    pub day: Day,
    /// What they were.
    pub kind: TouchKind,
    /// Their class.
    pub class: TouchClass,
    /// The channel: of a link as it was labelled when the cell was made.
    pub channel: Option<ChannelId>,
    /// The country; `None` where places are not told apart, and where it is not known.
    pub country: Option<Country>,
    /// The device; `None` where places are not told apart.
    pub device: Option<DeviceId>,
    /// How many.
    pub count: i64,
}

/// What [`by_channel`] tells apart beside channels, kinds and classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Apart {
    /// Days.
    pub days: bool,
    /// Countries and devices.
    pub places: bool,
}

/// Days of one length in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    day: Day,
    /// The quarter with which the first of them begins, and the one with which the day after the last begins.
    first: i32,
    end: i32,
    /// Quarters of one: 96, or a few more or less where a clock is changed.
    length: i32,
}

impl Run {
    /// The day after its last.
    fn next(self) -> Day {
        self.day.plus_days((self.end - self.first) / self.length)
    }
}

/// The touches of some classes of closed epochs on days of a zone by channel; `None` where one of the days does not
/// begin with a quarter of an hour in UTC. The caller sees to it that no link's channel was changed for touches that the
/// cells hold ([`View::is_late`]).
///
/// Quarters are summed by the database, a run of days of one length at a time: about three statements a year.
pub fn by_channel(
    conn: &mut Conn,
    view: &View,
    (zone, days): (&Zone, DayRange),
    classes: &[TouchClass],
    apart: Apart,
) -> Result<Option<Vec<ChannelCell>>, StoreError> {
    let Some(runs) = runs(zone, days, apart.days) else { return Ok(None) };
    let mut cells = Vec::new();
    for run in runs {
        for row in of_run(conn, view, run, classes, apart.places)? {
            cells.push(ChannelCell {
                day: run.day.plus_days(row.nth),
                kind: kind_of(row.kind)?,
                class: class_of(row.class)?,
                channel: Some(ChannelId(row.channel_id.into())).filter(|c| c.0 != 0),
                country: Some(row.country).filter(|c| !c.is_empty()).map(|c| stored(&c)).transpose()?,
                device: Some(DeviceId(row.device_id)).filter(|_| apart.places),
                count: row.total,
            });
        }
    }
    Ok(Some(cells))
}

#[derive(QueryableByName)]
struct CellRow {
    /// Which day of the run.
    #[diesel(sql_type = Integer)]
    nth: i32,
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    #[diesel(sql_type = SmallInt)]
    class: i16,
    #[diesel(sql_type = Integer)]
    channel_id: i32,
    #[diesel(sql_type = Text)]
    country: String,
    #[diesel(sql_type = Integer)]
    device_id: i32,
    #[diesel(sql_type = BigInt)]
    total: i64,
}

fn of_run(
    conn: &mut Conn,
    view: &View,
    run: Run,
    classes: &[TouchClass],
    places: bool,
) -> Result<Vec<CellRow>, StoreError> {
    if classes.is_empty() {
        return Ok(Vec::new());
    }
    let codes: Vec<String> = classes.iter().map(|c| class_code(*c).to_string()).collect();
    let (selected, grouped) =
        if places { ("country, device_id", ", country, device_id") } else { ("'' AS country, 0 AS device_id", "") };
    // diesel groups by columns alone; what is written into the text are numbers.
    let query = format!(
        "SELECT (quarter - {first}) / {length} AS nth, kind, class, channel_id, {selected}, \
         CAST(SUM(count) AS BIGINT) AS total FROM rollup_quarters \
         WHERE quarter >= {first} AND quarter < {end} AND class IN ({codes}) AND epoch <= {epoch} \
         GROUP BY nth, kind, class, channel_id{grouped}",
        first = run.first,
        length = run.length,
        end = run.end,
        codes = codes.join(", "),
        epoch = view.epoch,
    );
    Ok(on!(conn, c => diesel::sql_query(query).load(c))?)
}

/// Cuts days into runs; one run of one length where they are not told apart.
fn runs(zone: &Zone, days: DayRange, by_day: bool) -> Option<Vec<Run>> {
    let quarter = |at: UtcMillis| {
        Some(at.0.div_euclid(QUARTER_MS)).filter(|q| q * QUARTER_MS == at.0).and_then(|q| i32::try_from(q).ok())
    };
    let start = |day: Day| quarter(zone.day_start(day));
    if !by_day {
        let (first, end) = (start(days.from)?, start(days.to.plus_days(1))?);
        return Some(vec![Run { day: days.from, first, end, length: end - first }]);
    }
    let mut runs: Vec<Run> = Vec::new();
    for day in days.days() {
        let (first, end) = (start(day)?, start(day.plus_days(1))?);
        match runs.last_mut() {
            Some(run) if run.length == end - first && run.next() == day => run.end = end,
            // A zone may skip a whole day, as Samoa did.
            _ if end == first => {}
            _ => runs.push(Run { day, first, end, length: end - first }),
        }
    }
    Some(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(zone: &str, from: &str, to: &str) -> Option<Vec<(String, i32, i32)>> {
        let days = DayRange { from: from.parse().expect("day"), to: to.parse().expect("day") };
        let runs = runs(&zone.parse().expect("zone"), days, true)?;
        Some(runs.iter().map(|r| (r.day.to_string(), (r.end - r.first) / r.length, r.length)).collect())
    }

    fn expected(list: &[(&str, i32, i32)]) -> Option<Vec<(String, i32, i32)>> {
        Some(list.iter().map(|(day, count, length)| ((*day).to_owned(), *count, *length)).collect())
    }

    #[test]
    fn days_are_cut_where_a_clock_is_changed() {
        let spring = [("2026-03-01", 28, 96), ("2026-03-29", 1, 92), ("2026-03-30", 2, 96)];
        assert_eq!(lengths("Europe/Berlin", "2026-03-01", "2026-03-31"), expected(&spring));
        assert_eq!(lengths("Asia/Kathmandu", "2026-01-01", "2026-12-31"), expected(&[("2026-01-01", 365, 96)]));
        let skipped = [("2011-12-29", 1, 96), ("2011-12-31", 1, 96)];
        assert_eq!(lengths("Pacific/Apia", "2011-12-29", "2011-12-31"), expected(&skipped));
        assert_eq!(lengths("Europe/Berlin", "1901-01-01", "1901-01-01").map(|r| r.len()), Some(1));
        assert_eq!(lengths("Africa/Monrovia", "1971-01-01", "1971-01-02"), None, "44 minutes and a half behind UTC");
    }
}
