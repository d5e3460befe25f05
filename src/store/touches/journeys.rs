//! Reading the touches of journeys: by id and by browser.

use std::collections::HashMap;

use diesel::prelude::*;
use uuid::Uuid;

use super::{DeviceId, Key, Touch, class_of, classes, kind_of};
use crate::domain::ids::{CampaignId, ChannelId, LinkId, TouchId, VisitorId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::TouchClass;
use crate::store::schema::touches;
use crate::store::{Conn, Moments, ROWS_PER_STATEMENT, StoreError, stored};

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
    load(conn, &in_order(ids.iter().map(|i| i.0)), false, moments)
}

/// Touches of browsers that a report sees, with the classes that it sees, in no order.
pub fn by_visitors(conn: &mut Conn, visitors: &[VisitorId], moments: &Moments) -> Result<Vec<Touch>, StoreError> {
    load(conn, &in_order(visitors.iter().map(|v| v.0)), true, moments)
}

/// The browsers of touches by id, of those that a report sees and that have one.
pub fn browsers_of(
    conn: &mut Conn,
    ids: &[TouchId],
    moments: &Moments,
) -> Result<Vec<(TouchId, VisitorId)>, StoreError> {
    use touches as t;
    let mut found = Vec::with_capacity(ids.len());
    for chunk in in_order(ids.iter().map(|i| i.0)).chunks(ROWS_PER_STATEMENT) {
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

fn load(conn: &mut Conn, keys: &[Key], by_visitor: bool, moments: &Moments) -> Result<Vec<Touch>, StoreError> {
    use touches as t;
    let mut found: Vec<Loaded> = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(ROWS_PER_STATEMENT) {
        let keys = chunk.iter().map(|k| &k.0[..]);
        let rows: Vec<Loaded> = on!(conn, c => {
            let mut query = t::table.into_boxed().select(Loaded::as_select());
            query = if by_visitor { query.filter(t::visitor_id.eq_any(keys)) } else { query.filter(t::id.eq_any(keys)) };
            query.filter(t::recorded_at.le(moments.touches.0))
                .filter(t::voided_at.is_null().or(t::voided_at.gt(moments.voids.0))).load(c)
        })?;
        found.extend(rows);
    }
    if !by_visitor {
        found.sort_unstable_by_key(|r| r.id);
    }
    let later = classes::of_touches(conn, found.iter().map(|r| r.id), moments.classes)?;
    found.into_iter().map(|row| row.into_touch(&later)).collect()
}
