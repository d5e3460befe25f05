//! Reading the ledger of quarters of an hour: counts by channel for any zone whose days begin on one.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::View;
use super::cells::QUARTER_MS;
use crate::domain::ids::ChannelId;
use crate::domain::time::UtcMillis;
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::schema::rollup_quarters;
use crate::store::touches::{class_code, kind_of};
use crate::store::{Conn, StoreError};

/// Human touches of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelCell {
    /// What they were.
    pub kind: TouchKind,
    /// The channel: of a link as it was labelled when the cell was made.
    pub channel: Option<ChannelId>,
    /// How many.
    pub count: i64,
}

/// The human touches of closed epochs in `[from, to)` by channel; `None` where one of the two is not the beginning of a
/// quarter of an hour in UTC. The caller sees to it that no link's channel was changed for touches that the cells hold
/// ([`View::is_late`]).
pub fn by_channel(
    conn: &mut Conn,
    view: &View,
    from: UtcMillis,
    to: UtcMillis,
) -> Result<Option<Vec<ChannelCell>>, StoreError> {
    use rollup_quarters as t;
    let quarter = |at: UtcMillis| {
        Some(at.0.div_euclid(QUARTER_MS)).filter(|q| q * QUARTER_MS == at.0).and_then(|q| i32::try_from(q).ok())
    };
    let (Some(first), Some(end)) = (quarter(from), quarter(to)) else { return Ok(None) };
    let rows: Vec<(i16, i32, i64)> = on!(conn, c => t::table
        .filter(t::quarter.ge(first)).filter(t::quarter.lt(end)).filter(t::class.eq(class_code(TouchClass::Human)))
        .filter(t::epoch.le(view.epoch)).group_by((t::kind, t::channel_id))
        .select((t::kind, t::channel_id, sql::<BigInt>("CAST(SUM(count) AS BIGINT)"))).load(c))?;
    let cell = |(kind, channel, count): (i16, i32, i64)| {
        let channel = Some(ChannelId(channel.into())).filter(|c| c.0 != 0);
        Ok(ChannelCell { kind: kind_of(kind)?, channel, count })
    };
    rows.into_iter().map(cell).collect::<Result<_, _>>().map(Some)
}
