//! Reading touches for imports, for the repeat rule and for the list of links.

use std::collections::HashMap;

use diesel::prelude::*;

use super::journeys::Loaded;
use super::{Key, Touch, class_of, classes, id_range, kind_code};
use crate::domain::ids::{LinkId, TouchId, VisitorId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::schema::touches;
use crate::store::{Conn, Moments, ROWS_PER_STATEMENT, StoreError, bytes, rollups};

const HUMAN: TouchClass = TouchClass::Human;

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
            let touch = row.into_touch(&HashMap::new())?;
            found.insert(touch.external_id.clone().unwrap_or_default(), touch);
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
type ClickRow = (Key, Option<Key>, Option<i64>, i64, i16);

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
                touch: TouchId(id.id()),
                visitor: VisitorId(visitor.id()),
                link: LinkId(link),
                occurred_at: UtcMillis(at),
            });
        }
    }
    Ok(clicks)
}

/// Human clicks, landings and forms in `[from, to)` that a report sees; none where there are more than `limit`, views and
/// others included.
pub fn human_between(
    conn: &mut Conn,
    (from, to): (UtcMillis, UtcMillis),
    limit: usize,
    moments: &Moments,
) -> Result<Option<Vec<Touch>>, StoreError> {
    use touches as t;
    let (first, end) = id_range(from, to);
    let at_most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let rows: Vec<Loaded> = on!(conn, c => t::table
        .filter(t::id.ge(&first[..])).filter(t::id.lt(&end[..]))
        .filter(t::recorded_at.le(moments.touches.0)).filter(t::voided_at.is_null().or(t::voided_at.gt(moments.voids.0)))
        .limit(at_most).select(Loaded::as_select()).load(c))?;
    if rows.len() > limit {
        return Ok(None);
    }
    let later = classes::of_touches(conn, rows.iter().map(|r| r.id), moments.classes)?;
    let touches = rows.into_iter().map(|row| row.into_touch(&later)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(touches.into_iter().filter(|t| t.class == HUMAN && t.kind != TouchKind::View).collect()))
}

/// Human and other clicks per link as things stand, for the list of links.
pub fn counts_by_link(conn: &mut Conn, links: &[LinkId]) -> Result<HashMap<LinkId, (i64, i64)>, StoreError> {
    use touches as t;
    if let Some(counts) = rollups::clicks_by_link(conn, links)? {
        return Ok(counts);
    }
    let keys: Vec<i64> = links.iter().map(|l| l.0).collect();
    let rows: Vec<(Key, Option<i64>, i16)> = on!(conn, c => t::table
        .filter(t::link_id.eq_any(&keys)).filter(t::kind.eq(kind_code(TouchKind::Click))).filter(t::voided_at.is_null())
        .select((t::id, t::link_id, t::class)).load(c))?;
    let later = classes::of_touches(conn, rows.iter().map(|r| r.0), UtcMillis(i64::MAX))?;
    let mut counts: HashMap<LinkId, (i64, i64)> = HashMap::new();
    for (id, link, class) in rows {
        let Some(link) = link else { continue };
        let entry = counts.entry(LinkId(link)).or_default();
        let class = later.get(&id).copied().map_or_else(|| class_of(class), Ok)?;
        *(if class == HUMAN { &mut entry.0 } else { &mut entry.1 }) += 1;
    }
    Ok(counts)
}
