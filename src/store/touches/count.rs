//! Counting touches by interval, one by one.

use std::collections::HashMap;

use diesel::prelude::*;

use super::{DeviceId, Key, class_code, class_of, classes, id_range, kind_of};
use crate::domain::client::Country;
use crate::domain::ids::{CampaignId, ChannelId, LinkId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::schema::touches;
use crate::store::{Conn, Moments, ROWS_PER_STATEMENT, StoreError, stored};

/// How many touches of one sort fell into one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchCount {
    /// What they were.
    pub kind: TouchKind,
    /// The class that holds.
    pub class: TouchClass,
    /// The link.
    pub link: Option<LinkId>,
    /// The channel that the touches themselves say.
    pub channel: Option<ChannelId>,
    /// The campaign that the touches themselves say.
    pub campaign: Option<CampaignId>,
    /// The country; `None` where places are not told apart, and where it is not known.
    pub country: Option<Country>,
    /// The device; `None` where places are not told apart.
    pub device: Option<DeviceId>,
    /// How many.
    pub count: i64,
}

/// Kind, class, link, channel, campaign, country and device.
type Sort = (i16, i16, Option<i64>, Option<i64>, Option<i64>, Option<String>, Option<i32>);

/// Counts the touches of some classes in `[from, to)` that a report sees, one by one: the truth that rollups are held
/// to, and the way to a count where there are none. With `by_place`, country and device are told apart. Its cost grows
/// with the touches of the interval.
pub fn count(
    conn: &mut Conn,
    (from, to): (UtcMillis, UtcMillis),
    classes: &[TouchClass],
    by_place: bool,
    moments: &Moments,
) -> Result<Vec<TouchCount>, StoreError> {
    let (first, end) = id_range(from, to);
    let codes: Vec<i16> = classes.iter().map(|c| class_code(*c)).collect();
    let mut counts = as_stored(conn, (from, to), &codes, by_place, moments)?;
    let later = classes::in_range(conn, (&first, &end), moments.classes)?;
    let ids: Vec<Key> = later.keys().copied().collect();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        for (id, (kind, was, link, channel, campaign, country, device)) in sorts(conn, chunk, (from, to), moments)? {
            let is = later.get(&id).map_or(was, |c| class_code(*c));
            let (country, device) = if by_place { (country, device) } else { (None, None) };
            for (class, sign) in [(was, -1), (is, 1)].into_iter().filter(|(class, _)| codes.contains(class)) {
                *counts.entry((kind, class, link, channel, campaign, country.clone(), device)).or_default() += sign;
            }
        }
    }
    let count = |((kind, class, link, channel, campaign, country, device), count): (Sort, i64)| {
        Ok(TouchCount {
            kind: kind_of(kind)?,
            class: class_of(class)?,
            link: link.map(LinkId),
            channel: channel.map(ChannelId),
            campaign: campaign.map(CampaignId),
            country: country.as_deref().map(stored).transpose()?,
            device: device.map(DeviceId),
            count,
        })
    };
    counts.into_iter().filter(|(_, n)| *n != 0).map(count).collect()
}

/// Counts by the class that touches were stored with.
fn as_stored(
    conn: &mut Conn,
    (from, to): (UtcMillis, UtcMillis),
    codes: &[i16],
    by_place: bool,
    moments: &Moments,
) -> Result<HashMap<Sort, i64>, StoreError> {
    use diesel::dsl::count_star;
    use touches as t;
    type Origins = (i16, i16, Option<i64>, Option<i64>, Option<i64>, i64);
    type Places = (i16, i16, Option<i64>, Option<i64>, Option<i64>, Option<String>, i32, i64);
    let (first, end) = id_range(from, to);
    on!(conn, c => {
        let wanted = t::table
            .filter(t::id.ge(&first[..])).filter(t::id.lt(&end[..]))
            .filter(t::occurred_at.ge(from.0)).filter(t::occurred_at.lt(to.0)).filter(t::class.eq_any(codes))
            .filter(t::recorded_at.le(moments.touches.0))
            .filter(t::voided_at.is_null().or(t::voided_at.gt(moments.voids.0)));
        if by_place {
            let rows: Vec<Places> = wanted
                .group_by((t::kind, t::class, t::link_id, t::channel_id, t::campaign_id, t::country, t::device_id))
                .select((t::kind, t::class, t::link_id, t::channel_id, t::campaign_id, t::country, t::device_id, count_star()))
                .load(c)?;
            Ok(rows.into_iter().map(|(k, s, l, c, g, o, d, n)| ((k, s, l, c, g, o, Some(d)), n)).collect())
        } else {
            let rows: Vec<Origins> = wanted
                .group_by((t::kind, t::class, t::link_id, t::channel_id, t::campaign_id))
                .select((t::kind, t::class, t::link_id, t::channel_id, t::campaign_id, count_star()))
                .load(c)?;
            Ok(rows.into_iter().map(|(k, s, l, c, g, n)| ((k, s, l, c, g, None, None), n)).collect())
        }
    })
}

/// What sort some touches are, with the class that they were stored with.
fn sorts(
    conn: &mut Conn,
    ids: &[Key],
    (from, to): (UtcMillis, UtcMillis),
    moments: &Moments,
) -> Result<Vec<(Key, Sort)>, StoreError> {
    use touches as t;
    type Row = (Key, i16, i16, Option<i64>, Option<i64>, Option<i64>, Option<String>, i32);
    let rows: Vec<Row> = on!(conn, c => t::table.filter(t::id.eq_any(ids.iter().map(|k| &k.0[..])))
        .filter(t::occurred_at.ge(from.0)).filter(t::occurred_at.lt(to.0))
        .filter(t::recorded_at.le(moments.touches.0))
        .filter(t::voided_at.is_null().or(t::voided_at.gt(moments.voids.0)))
        .select((t::id, t::kind, t::class, t::link_id, t::channel_id, t::campaign_id, t::country, t::device_id))
        .load(c))?;
    Ok(rows.into_iter().map(|(id, k, s, l, c, g, o, d)| (id, (k, s, l, c, g, o, Some(d)))).collect())
}
