//! Reading touches: by id, by browser, by import, by interval.

use std::collections::HashMap;

use diesel::prelude::*;

use super::{Touch, TouchCount, class_code, class_of, classes, id_range, kind_code, kind_of};
use crate::domain::ids::{CampaignId, ChannelId, LinkId, TouchId, VisitorId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::schema::touches;
use crate::store::{Conn, Moments, ROWS_PER_STATEMENT, StoreError, bytes, rollups, uuid};

const HUMAN: TouchClass = TouchClass::Human;

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = touches)]
struct Loaded {
    id: Vec<u8>,
    occurred_at: i64,
    kind: i16,
    class: i16,
    link_id: Option<i64>,
    channel_id: Option<i64>,
    campaign_id: Option<i64>,
    visitor_id: Option<Vec<u8>>,
    external_id: Option<String>,
}

impl Loaded {
    fn into_touch(self) -> Result<Touch, StoreError> {
        Ok(Touch {
            id: TouchId(uuid(&self.id)?),
            occurred_at: UtcMillis(self.occurred_at),
            kind: kind_of(self.kind)?,
            class: class_of(self.class)?,
            link: self.link_id.map(LinkId),
            channel: self.channel_id.map(ChannelId),
            campaign: self.campaign_id.map(CampaignId),
            visitor: self.visitor_id.map(|v| uuid(&v).map(VisitorId)).transpose()?,
            external_id: self.external_id,
        })
    }
}

/// Those of a source's own ids that are stored and not voided, with what must agree on a second import.
pub fn known_external(
    conn: &mut Conn,
    source: &str,
    external_ids: &[String],
) -> Result<HashMap<String, Touch>, StoreError> {
    use touches as t;
    let mut found = HashMap::new();
    for chunk in external_ids.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<Loaded> = on!(conn, c => t::table
            .filter(t::source.eq(source)).filter(t::external_id.eq_any(chunk)).filter(t::voided_at.is_null())
            .select(Loaded::as_select()).load(c))?;
        for row in rows {
            let touch = row.into_touch()?;
            found.insert(touch.external_id.clone().unwrap_or_default(), touch);
        }
    }
    Ok(found)
}

/// Touches by id that a report sees, with the classes that it sees.
pub fn by_ids(conn: &mut Conn, ids: &[TouchId], moments: &Moments) -> Result<Vec<Touch>, StoreError> {
    let keys: Vec<Vec<u8>> = ids.iter().map(|i| bytes(i.0)).collect();
    load(conn, &keys, false, moments)
}

/// Touches of browsers that a report sees, with the classes that it sees.
pub fn by_visitors(conn: &mut Conn, visitors: &[VisitorId], moments: &Moments) -> Result<Vec<Touch>, StoreError> {
    let keys: Vec<Vec<u8>> = visitors.iter().map(|v| bytes(v.0)).collect();
    load(conn, &keys, true, moments)
}

fn load(conn: &mut Conn, keys: &[Vec<u8>], by_visitor: bool, moments: &Moments) -> Result<Vec<Touch>, StoreError> {
    use touches as t;
    let mut found = Vec::new();
    for chunk in keys.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<Loaded> = on!(conn, c => {
            let mut query = t::table.into_boxed().select(Loaded::as_select());
            query = if by_visitor { query.filter(t::visitor_id.eq_any(chunk)) } else { query.filter(t::id.eq_any(chunk)) };
            query.filter(t::recorded_at.le(moments.touches.0)).filter(t::voided_at.is_null().or(t::voided_at.gt(moments.voids.0))).load(c)
        })?;
        let ids: Vec<Vec<u8>> = rows.iter().map(|r| r.id.clone()).collect();
        let later = classes::of_touches(conn, &ids, moments.classes)?;
        for (row, id) in rows.into_iter().zip(&ids) {
            let touch = row.into_touch()?;
            found.push(Touch { class: later.get(id).copied().unwrap_or(touch.class), ..touch });
        }
    }
    Ok(found)
}

/// A human click, as the repeat rule asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HumanClick {
    /// Its id.
    pub touch: TouchId,
    /// Whose it was.
    pub visitor: VisitorId,
    /// On which link.
    pub link: LinkId,
    /// When it was.
    pub occurred_at: UtcMillis,
}

/// Which clicks [`human_clicks_since`] reads.
type ClickRow = (Vec<u8>, Option<Vec<u8>>, Option<i64>, i64, i16);

/// Clicks in `[from, to)` that are human as things stand, with a visitor and a link, for the repeat rule; of everyone,
/// or, where those would be more than `limit`, of `visitors` alone.
pub fn human_clicks_since(
    conn: &mut Conn,
    visitors: &[VisitorId],
    (from, to): (UtcMillis, UtcMillis),
    limit: usize,
) -> Result<Vec<HumanClick>, StoreError> {
    use touches as t;
    let (first, end) = id_range(from, to);
    let at_most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let columns = (t::id, t::visitor_id, t::link_id, t::occurred_at, t::class);
    let mut rows: Vec<ClickRow> = on!(conn, c => t::table
        .filter(t::id.ge(&first[..])).filter(t::id.lt(&end[..])).filter(t::kind.eq(kind_code(TouchKind::Click)))
        .filter(t::visitor_id.is_not_null()).select(columns).limit(at_most).load(c))?;
    if rows.len() > limit {
        rows.clear();
        let keys: Vec<Vec<u8>> = visitors.iter().map(|v| bytes(v.0)).collect();
        for chunk in keys.chunks(ROWS_PER_STATEMENT) {
            let more: Vec<ClickRow> = on!(conn, c => t::table
                .filter(t::visitor_id.eq_any(chunk)).filter(t::id.ge(&first[..])).filter(t::id.lt(&end[..]))
                .filter(t::kind.eq(kind_code(TouchKind::Click))).select(columns).load(c))?;
            rows.extend(more);
        }
    }
    let later = classes::in_range(conn, (&first, &end), UtcMillis(i64::MAX))?;
    let mut clicks = Vec::with_capacity(rows.len());
    for (id, visitor, link, at, class) in rows {
        let class = later.get(&id).copied().map_or_else(|| class_of(class), Ok)?;
        if let (Some(visitor), Some(link), HUMAN) = (visitor, link, class) {
            clicks.push(HumanClick {
                touch: TouchId(uuid(&id)?),
                visitor: VisitorId(uuid(&visitor)?),
                link: LinkId(link),
                occurred_at: UtcMillis(at),
            });
        }
    }
    Ok(clicks)
}

/// Counts the human touches in `[from, to)` that a report sees, one by one: the truth that rollups are held to, and
/// the way to a count where there are none. Its cost grows with the touches of the interval.
pub fn count_human(
    conn: &mut Conn,
    from: UtcMillis,
    to: UtcMillis,
    moments: &Moments,
) -> Result<Vec<TouchCount>, StoreError> {
    use touches as t;
    type Key = (i16, Option<i64>, Option<i64>, Option<i64>);
    type Row = (i16, Option<i64>, Option<i64>, Option<i64>, i64);
    let (first, end) = id_range(from, to);
    let rows: Vec<Row> = on!(conn, c => t::table
        .filter(t::id.ge(&first[..])).filter(t::id.lt(&end[..]))
        .filter(t::occurred_at.ge(from.0)).filter(t::occurred_at.lt(to.0)).filter(t::class.eq(class_code(HUMAN)))
        .filter(t::recorded_at.le(moments.touches.0)).filter(t::voided_at.is_null().or(t::voided_at.gt(moments.voids.0)))
        .group_by((t::kind, t::link_id, t::channel_id, t::campaign_id))
        .select((t::kind, t::link_id, t::channel_id, t::campaign_id, diesel::dsl::count_star())).load(c))?;
    let mut counts: HashMap<Key, i64> = rows.into_iter().map(|(k, l, c, g, n)| ((k, l, c, g), n)).collect();
    let later = classes::in_range(conn, (&first, &end), moments.classes)?;
    let ids: Vec<Vec<u8>> = later.keys().cloned().collect();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        let changed: Vec<Loaded> = on!(conn, c => t::table.filter(t::id.eq_any(chunk))
            .filter(t::occurred_at.ge(from.0)).filter(t::occurred_at.lt(to.0))
            .filter(t::recorded_at.le(moments.touches.0)).filter(t::voided_at.is_null().or(t::voided_at.gt(moments.voids.0)))
            .select(Loaded::as_select()).load(c))?;
        for row in changed {
            let is_human = later.get(&row.id) == Some(&HUMAN);
            let was_human = class_of(row.class)? == HUMAN;
            *counts.entry((row.kind, row.link_id, row.channel_id, row.campaign_id)).or_default() +=
                i64::from(is_human) - i64::from(was_human);
        }
    }
    let count = |((kind, link, channel, campaign), count): (Key, i64)| {
        Ok(TouchCount {
            kind: kind_of(kind)?,
            link: link.map(LinkId),
            channel: channel.map(ChannelId),
            campaign: campaign.map(CampaignId),
            count,
        })
    };
    counts.into_iter().filter(|(_, n)| *n != 0).map(count).collect()
}

/// Human and other clicks per link as things stand, for the list of links.
pub fn counts_by_link(conn: &mut Conn, links: &[LinkId]) -> Result<HashMap<LinkId, (i64, i64)>, StoreError> {
    use touches as t;
    if let Some(counts) = rollups::clicks_by_link(conn, links)? {
        return Ok(counts);
    }
    let keys: Vec<i64> = links.iter().map(|l| l.0).collect();
    let rows: Vec<(Vec<u8>, Option<i64>, i16)> = on!(conn, c => t::table
        .filter(t::link_id.eq_any(&keys)).filter(t::kind.eq(kind_code(TouchKind::Click))).filter(t::voided_at.is_null())
        .select((t::id, t::link_id, t::class)).load(c))?;
    let ids: Vec<Vec<u8>> = rows.iter().map(|r| r.0.clone()).collect();
    let later = classes::of_touches(conn, &ids, UtcMillis(i64::MAX))?;
    let mut counts: HashMap<LinkId, (i64, i64)> = HashMap::new();
    for (id, link, class) in rows {
        let Some(link) = link else { continue };
        let entry = counts.entry(LinkId(link)).or_default();
        let class = later.get(&id).copied().map_or_else(|| class_of(class), Ok)?;
        *(if class == HUMAN { &mut entry.0 } else { &mut entry.1 }) += 1;
    }
    Ok(counts)
}
