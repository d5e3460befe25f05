//! Touches: loaded from the journal or imported, read by journey and counted by interval.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::schema::{dictionary, touches};
use super::{Conn, ROWS_PER_STATEMENT, StoreError, bytes, stored, uuid};
use crate::domain::ids::{BatchId, CampaignId, ChannelId, LinkId, TouchId, VisitorId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{NetworkClickId, TouchClass, TouchKind};

/// A classified touch, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTouch {
    /// Its id.
    pub id: TouchId,
    /// When it happened.
    pub occurred_at: UtcMillis,
    /// What it was.
    pub kind: TouchKind,
    /// Who made it.
    pub class: TouchClass,
    /// By which rule that was decided.
    pub class_rule: String,
    /// The link, for a click or a view of one.
    pub link: Option<LinkId>,
    /// The channel, where the touch itself says it: landings and imports. A click has its link's.
    pub channel: Option<ChannelId>,
    /// The campaign, likewise.
    pub campaign: Option<CampaignId>,
    /// The browser.
    pub visitor: Option<VisitorId>,
    /// The visitor asked for privacy: never shared with a network.
    pub private: bool,
    /// Whose import it came in; `None` for our own.
    pub source: Option<String>,
    /// The id it had where it was imported from.
    pub external_id: Option<String>,
    /// The import it came with.
    pub batch: Option<BatchId>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// Host of the referrer.
    pub referrer: Option<String>,
    /// The page landed on.
    pub page: Option<String>,
    /// Click ids of networks.
    pub network_ids: Vec<NetworkClickId>,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = touches, treat_none_as_default_value = false)]
struct Row {
    id: Vec<u8>,
    recorded_at: i64,
    occurred_at: i64,
    kind: String,
    class: String,
    class_rule: String,
    link_id: Option<i64>,
    channel_id: Option<i64>,
    campaign_id: Option<i64>,
    visitor_id: Option<Vec<u8>>,
    private: bool,
    source: Option<String>,
    external_id: Option<String>,
    batch_id: Option<Vec<u8>>,
    user_agent_id: Option<i64>,
    referrer_id: Option<i64>,
    page_id: Option<i64>,
    network_ids: Option<String>,
}

/// A stored touch, as journeys and labels need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Its id.
    pub id: TouchId,
    /// When it happened.
    pub occurred_at: UtcMillis,
    /// What it was.
    pub kind: TouchKind,
    /// Who made it.
    pub class: TouchClass,
    /// The link.
    pub link: Option<LinkId>,
    /// The channel that the touch itself says.
    pub channel: Option<ChannelId>,
    /// The campaign that the touch itself says.
    pub campaign: Option<CampaignId>,
    /// The browser.
    pub visitor: Option<VisitorId>,
    /// The id it was imported with.
    pub external_id: Option<String>,
}

/// How many touches of one sort fell into one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchCount {
    /// What they were.
    pub kind: TouchKind,
    /// The link.
    pub link: Option<LinkId>,
    /// The channel that the touches themselves say.
    pub channel: Option<ChannelId>,
    /// The campaign that the touches themselves say.
    pub campaign: Option<CampaignId>,
    /// How many.
    pub count: i64,
}

/// Stores touches that are not stored yet; answers how many were new. The caller holds the ledger.
pub fn insert(conn: &mut Conn, list: &[NewTouch], recorded_at: UtcMillis) -> Result<usize, StoreError> {
    let words = dictionary_ids(conn, list)?;
    let word = |text: &Option<String>| text.as_ref().and_then(|t| words.get(t).copied());
    let mut inserted = 0;
    for chunk in list.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<Row> = chunk
            .iter()
            .map(|t| Row {
                id: bytes(t.id.0),
                recorded_at: recorded_at.0,
                occurred_at: t.occurred_at.0,
                kind: t.kind.as_str().into(),
                class: t.class.as_str().into(),
                class_rule: t.class_rule.clone(),
                link_id: t.link.map(|l| l.0),
                channel_id: t.channel.map(|c| c.0),
                campaign_id: t.campaign.map(|c| c.0),
                visitor_id: t.visitor.map(|v| bytes(v.0)),
                private: t.private,
                source: t.source.clone(),
                external_id: t.external_id.clone(),
                batch_id: t.batch.map(|b| bytes(b.0)),
                user_agent_id: word(&t.user_agent),
                referrer_id: word(&t.referrer),
                page_id: word(&t.page),
                network_ids: network_json(&t.network_ids),
            })
            .collect();
        inserted +=
            on!(conn, c => diesel::insert_into(touches::table).values(&rows).on_conflict_do_nothing().execute(c))?;
    }
    Ok(inserted)
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
            .select((t::id, t::occurred_at, t::kind, t::class, t::link_id, t::channel_id, t::campaign_id, t::visitor_id, t::external_id))
            .load(c))?;
        for row in rows {
            let touch = touch_of(row)?;
            found.insert(touch.external_id.clone().unwrap_or_default(), touch);
        }
    }
    Ok(found)
}

/// Touches by id that an `as_of` sees.
pub fn by_ids(conn: &mut Conn, ids: &[TouchId], as_of: UtcMillis) -> Result<Vec<Touch>, StoreError> {
    load(conn, Select::Ids(ids), as_of)
}

/// Touches of browsers that an `as_of` sees.
pub fn by_visitors(conn: &mut Conn, visitors: &[VisitorId], as_of: UtcMillis) -> Result<Vec<Touch>, StoreError> {
    load(conn, Select::Visitors(visitors), as_of)
}

/// The latest earlier human click of a browser on a link since an instant, for the repeat rule.
pub fn previous_human_click(
    conn: &mut Conn,
    visitor: VisitorId,
    link: LinkId,
    since: UtcMillis,
    before: UtcMillis,
) -> Result<Option<UtcMillis>, StoreError> {
    let at: Option<i64> = on!(conn, c => touches::table.filter(touches::visitor_id.eq(bytes(visitor.0)))
        .filter(touches::occurred_at.ge(since.0)).filter(touches::occurred_at.lt(before.0)).filter(touches::link_id.eq(link.0))
        .filter(touches::class.eq(TouchClass::Human.as_str()))
        .filter(touches::kind.eq(TouchKind::Click.as_str()))
        .order(touches::occurred_at.desc()).select(touches::occurred_at).first(c).optional())?;
    Ok(at.map(UtcMillis))
}

/// Counts the human touches in `[from, to)` that an `as_of` sees.
pub fn count_human(
    conn: &mut Conn,
    from: UtcMillis,
    to: UtcMillis,
    as_of: UtcMillis,
) -> Result<Vec<TouchCount>, StoreError> {
    use touches as t;
    type Counted = (String, Option<i64>, Option<i64>, Option<i64>, i64);
    let rows: Vec<Counted> = on!(conn, c => t::table
        .filter(t::occurred_at.ge(from.0)).filter(t::occurred_at.lt(to.0)).filter(t::class.eq(TouchClass::Human.as_str()))
        .filter(t::recorded_at.le(as_of.0)).filter(t::voided_at.is_null().or(t::voided_at.gt(as_of.0)))
        .group_by((t::kind, t::link_id, t::channel_id, t::campaign_id))
        .select((t::kind, t::link_id, t::channel_id, t::campaign_id, diesel::dsl::count_star())).load(c))?;
    rows.into_iter()
        .map(|(kind, link, channel, campaign, count)| {
            Ok(TouchCount {
                kind: stored(&kind)?,
                link: link.map(LinkId),
                channel: channel.map(ChannelId),
                campaign: campaign.map(CampaignId),
                count,
            })
        })
        .collect()
}

/// Touches per link and class, for the list of links.
pub fn counts_by_link(conn: &mut Conn, links: &[LinkId]) -> Result<HashMap<LinkId, (i64, i64)>, StoreError> {
    use touches as t;
    let keys: Vec<i64> = links.iter().map(|l| l.0).collect();
    let rows: Vec<(Option<i64>, String, i64)> = on!(conn, c => t::table
        .filter(t::link_id.eq_any(&keys)).filter(t::kind.eq(TouchKind::Click.as_str())).filter(t::voided_at.is_null())
        .group_by((t::link_id, t::class)).select((t::link_id, t::class, diesel::dsl::count_star())).load(c))?;
    let mut counts: HashMap<LinkId, (i64, i64)> = HashMap::new();
    for (link, class, n) in rows {
        let Some(link) = link else { continue };
        let entry = counts.entry(LinkId(link)).or_default();
        if class == TouchClass::Human.as_str() {
            entry.0 += n;
        } else {
            entry.1 += n;
        }
    }
    Ok(counts)
}

enum Select<'a> {
    Ids(&'a [TouchId]),
    Visitors(&'a [VisitorId]),
}

type Loaded = (Vec<u8>, i64, String, String, Option<i64>, Option<i64>, Option<i64>, Option<Vec<u8>>, Option<String>);

fn load(conn: &mut Conn, select: Select<'_>, as_of: UtcMillis) -> Result<Vec<Touch>, StoreError> {
    use touches as t;
    let keys: Vec<Vec<u8>> = match select {
        Select::Ids(ids) => ids.iter().map(|i| bytes(i.0)).collect(),
        Select::Visitors(visitors) => visitors.iter().map(|v| bytes(v.0)).collect(),
    };
    let by_visitor = matches!(select, Select::Visitors(_));
    let mut found = Vec::new();
    for chunk in keys.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<Loaded> = on!(conn, c => {
            let mut query = t::table.into_boxed()
                .select((t::id, t::occurred_at, t::kind, t::class, t::link_id, t::channel_id, t::campaign_id, t::visitor_id, t::external_id));
            query = if by_visitor { query.filter(t::visitor_id.eq_any(chunk)) } else { query.filter(t::id.eq_any(chunk)) };
            query.filter(t::recorded_at.le(as_of.0)).filter(t::voided_at.is_null().or(t::voided_at.gt(as_of.0))).load(c)
        })?;
        for row in rows {
            found.push(touch_of(row)?);
        }
    }
    Ok(found)
}

fn touch_of(row: Loaded) -> Result<Touch, StoreError> {
    let (id, occurred_at, kind, class, link, channel, campaign, visitor, external_id) = row;
    Ok(Touch {
        id: TouchId(uuid(&id)?),
        occurred_at: UtcMillis(occurred_at),
        kind: stored(&kind)?,
        class: stored(&class)?,
        link: link.map(LinkId),
        channel: channel.map(ChannelId),
        campaign: campaign.map(CampaignId),
        visitor: visitor.map(|v| uuid(&v).map(VisitorId)).transpose()?,
        external_id,
    })
}

fn network_json(ids: &[NetworkClickId]) -> Option<String> {
    if ids.is_empty() { None } else { serde_json::to_string(ids).ok() }
}

/// Ids of the texts that touches repeat, new ones added.
fn dictionary_ids(conn: &mut Conn, list: &[NewTouch]) -> Result<HashMap<String, i64>, StoreError> {
    let texts: HashSet<&String> = list.iter().flat_map(|t| [&t.user_agent, &t.referrer, &t.page]).flatten().collect();
    let mut missing: Vec<&String> = texts.into_iter().collect();
    missing.sort();
    let mut ids = HashMap::with_capacity(missing.len());
    for _attempt in 0..2 {
        for chunk in missing.chunks(ROWS_PER_STATEMENT) {
            let rows: Vec<(String, i64)> = on!(conn, c => dictionary::table.filter(dictionary::entry.eq_any(chunk))
                .select((dictionary::entry, dictionary::id)).load(c))?;
            ids.extend(rows);
        }
        missing.retain(|t| !ids.contains_key(*t));
        for text in &missing {
            on!(conn, c => diesel::insert_into(dictionary::table).values(dictionary::entry.eq(*text))
                .on_conflict_do_nothing().execute(c))?;
        }
    }
    Ok(ids)
}
