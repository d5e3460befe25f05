//! Touches with what their classes rest on, in the order of time, to be classified again.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::prelude::*;

use super::words::Texts;
use super::{class_of, id_range, kind_of, signals_of};
use crate::domain::client::Signals;
use crate::domain::ids::{ChannelId, LinkId, TouchId, VisitorId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::schema::{touch_classes, touches};
use crate::store::{Conn, ROWS_PER_STATEMENT, StoreError, bytes, id_floor, uuid};

/// A stored touch and what its class rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// Its id.
    pub id: TouchId,
    /// When it happened.
    pub occurred_at: UtcMillis,
    /// What it was.
    pub kind: TouchKind,
    /// The link.
    pub link: Option<LinkId>,
    /// The channel that the touch itself says.
    pub channel: Option<ChannelId>,
    /// The browser.
    pub visitor: Option<VisitorId>,
    /// It was imported.
    pub is_imported: bool,
    /// `User-Agent`.
    pub user_agent: Option<Arc<str>>,
    /// What the request's headers showed, where that was kept.
    pub signals: Option<Signals>,
    /// Labels of ranges, with a comma between.
    pub range_labels: Option<Arc<str>>,
    /// The class that holds.
    pub class: TouchClass,
    /// The rule that gave it.
    pub rule: Arc<str>,
    /// The rules that held before it, oldest first; mostly none.
    pub earlier_rules: Vec<Arc<str>>,
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = touches)]
struct Row {
    id: Vec<u8>,
    occurred_at: i64,
    kind: i16,
    class: i16,
    class_rule_id: i32,
    link_id: Option<i64>,
    channel_id: Option<i64>,
    visitor_id: Option<Vec<u8>>,
    source: Option<String>,
    user_agent_id: Option<i32>,
    signals: Option<i16>,
    range_labels_id: Option<i32>,
}

/// Classes given later to a touch, oldest first: class and rule.
type Later = HashMap<Vec<u8>, Vec<(i16, i32)>>;

/// Touches of a stretch of time, a page at a time.
#[derive(Debug)]
pub struct Pages {
    next: Vec<u8>,
    end: [u8; 16],
    texts: Texts,
}

impl Pages {
    /// Of `[from, to)`.
    pub fn new(from: UtcMillis, to: UtcMillis) -> Self {
        let (first, end) = id_range(from, to);
        Self { next: first.to_vec(), end, texts: Texts::default() }
    }

    /// The next touches that are not void, about `rows` of them, sorted by id; none at the end. A millisecond is never
    /// cut in two.
    pub fn read(&mut self, conn: &mut Conn, rows: i64) -> Result<Vec<Classified>, StoreError> {
        use touches as t;
        let mut page: Vec<Row> = on!(conn, c => t::table.select(Row::as_select())
            .filter(t::id.ge(&self.next)).filter(t::id.lt(&self.end[..])).filter(t::voided_at.is_null())
            .order(t::id).limit(rows).load(c))?;
        let (Some(first), Some(last)) = (page.first().map(|r| r.id.clone()), page.last().map(|r| r.id.clone())) else {
            return Ok(Vec::new());
        };
        let after = id_floor(UtcMillis(millisecond(&last).saturating_add(1)));
        let rest: Vec<Row> = on!(conn, c => t::table.select(Row::as_select())
            .filter(t::id.gt(&last)).filter(t::id.lt(&after[..])).filter(t::voided_at.is_null())
            .order(t::id).load(c))?;
        page.extend(rest);
        self.next = after.to_vec();
        let later = later_of_range(conn, &first, &after)?;
        with_texts(conn, page, &later, &mut self.texts)
    }
}

/// The millisecond that an id begins with.
fn millisecond(id: &[u8]) -> i64 {
    id.iter().take(6).fold(0, |ms, byte| (ms << 8) | i64::from(*byte))
}

/// Some touches that are not void.
pub(super) fn of_ids(conn: &mut Conn, ids: &[TouchId]) -> Result<Vec<Classified>, StoreError> {
    use touches as t;
    let keys: Vec<Vec<u8>> = ids.iter().map(|id| bytes(id.0)).collect();
    let (mut found, mut texts) = (Vec::with_capacity(ids.len()), Texts::default());
    for chunk in keys.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<Row> = on!(conn, c => t::table.select(Row::as_select())
            .filter(t::id.eq_any(chunk)).filter(t::voided_at.is_null()).load(c))?;
        let later = later_of_ids(conn, chunk)?;
        found.extend(with_texts(conn, rows, &later, &mut texts)?);
    }
    Ok(found)
}

/// The time of the first and of the last touch that there is.
pub fn extent(conn: &mut Conn) -> Result<Option<(UtcMillis, UtcMillis)>, StoreError> {
    use touches as t;
    let first: Option<i64> = on!(conn, c => t::table.select(t::occurred_at).order(t::id).first(c).optional())?;
    let last: Option<i64> = on!(conn, c => t::table.select(t::occurred_at).order(t::id.desc()).first(c).optional())?;
    Ok(first.map(UtcMillis).zip(last.map(UtcMillis)))
}

fn later_of_range(conn: &mut Conn, first: &[u8], after: &[u8]) -> Result<Later, StoreError> {
    use touch_classes as t;
    let rows = on!(conn, c => t::table.filter(t::touch_id.ge(first)).filter(t::touch_id.lt(after))
        .order((t::touch_id, t::recorded_at)).select((t::touch_id, t::class, t::class_rule_id)).load(c))?;
    Ok(group(rows))
}

fn later_of_ids(conn: &mut Conn, ids: &[Vec<u8>]) -> Result<Later, StoreError> {
    use touch_classes as t;
    let rows = on!(conn, c => t::table.filter(t::touch_id.eq_any(ids))
        .order((t::touch_id, t::recorded_at)).select((t::touch_id, t::class, t::class_rule_id)).load(c))?;
    Ok(group(rows))
}

fn group(rows: Vec<(Vec<u8>, i16, i32)>) -> Later {
    let mut later = Later::new();
    for (id, class, rule) in rows {
        later.entry(id).or_default().push((class, rule));
    }
    later
}

fn with_texts(
    conn: &mut Conn,
    rows: Vec<Row>,
    later: &Later,
    texts: &mut Texts,
) -> Result<Vec<Classified>, StoreError> {
    let of_rows = rows.iter().flat_map(|r| [Some(r.class_rule_id), r.user_agent_id, r.range_labels_id]).flatten();
    texts.learn(conn, of_rows.chain(later.values().flatten().map(|(_, rule)| *rule)))?;
    rows.into_iter().map(|row| row.classified(later, texts)).collect()
}

impl Row {
    fn classified(self, later: &Later, texts: &Texts) -> Result<Classified, StoreError> {
        let mut classes = vec![(self.class, self.class_rule_id)];
        classes.extend(later.get(&self.id).into_iter().flatten());
        let mut rules = classes.iter().map(|(_, rule)| texts.text(*rule)).collect::<Result<Vec<_>, _>>()?;
        let rule = rules.pop().unwrap_or_default();
        let text = |number: Option<i32>| number.map(|n| texts.text(n)).transpose();
        Ok(Classified {
            id: TouchId(uuid(&self.id)?),
            occurred_at: UtcMillis(self.occurred_at),
            kind: kind_of(self.kind)?,
            link: self.link_id.map(LinkId),
            channel: self.channel_id.map(ChannelId),
            visitor: self.visitor_id.map(|v| uuid(&v).map(VisitorId)).transpose()?,
            is_imported: self.source.is_some(),
            user_agent: text(self.user_agent_id)?,
            signals: self.signals.map(signals_of),
            range_labels: text(self.range_labels_id)?,
            class: class_of(classes.last().map_or(self.class, |(class, _)| *class))?,
            rule,
            earlier_rules: rules,
        })
    }
}
