//! Tracked links and their revisions.

use std::collections::HashMap;

use diesel::prelude::*;

use super::labels::Author;
use super::schema::{link_revisions, links};
use super::{Conn, Moments, StoreError, ledger};
use crate::domain::channel::{Effect, History, Revision};
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::{CampaignId, ChannelId, LinkId, PostId};
use crate::domain::link::LinkLabels;
use crate::domain::slug::Slug;
use crate::domain::time::UtcMillis;

/// `lower` of SQL, for a search that does not mind case.
#[diesel::declare_sql_function]
extern "SQL" {
    /// Lower case.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// A link as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// Its path.
    pub slug: String,
    /// When it was made.
    pub created_at: UtcMillis,
    /// Everything that may change.
    pub labels: LinkLabels,
}

/// Which links to list.
#[derive(Debug, Clone, Default)]
pub struct LinkFilter {
    /// Only links with an id below this one: the cursor, as the newest come first.
    pub below: Option<LinkId>,
    /// How many at most.
    pub limit: i64,
    /// Letters of the slug, or of a title or tag that the link has or had.
    pub search: Option<String>,
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = link_revisions)]
struct RevisionRow {
    link_id: i64,
    recorded_at: i64,
    effective_from: i64,
    destination: String,
    title: String,
    channel_id: i64,
    campaign_id: Option<i64>,
    post_id: Option<i64>,
    tags: String,
    passes_query: bool,
    archived: bool,
    expires_at: Option<i64>,
}

impl RevisionRow {
    fn into_revision(self) -> Revision<LinkLabels> {
        Revision {
            recorded_at: UtcMillis(self.recorded_at),
            effective_from: UtcMillis(self.effective_from),
            labels: LinkLabels {
                destination: self.destination,
                title: self.title,
                channel: ChannelId(self.channel_id),
                campaign: self.campaign_id.map(CampaignId),
                post: self.post_id.map(PostId),
                tags: self.tags.split_whitespace().map(str::to_owned).collect(),
                passes_query: self.passes_query,
                archived: self.archived,
                expires_at: self.expires_at.map(UtcMillis),
            },
        }
    }
}

/// Adds a link.
pub fn create(conn: &mut Conn, slug: &Slug, labels: &LinkLabels, author: &Author) -> Result<LinkId, StoreError> {
    if find_by_slug(conn, slug.as_str())?.is_some() {
        return Err(StoreError::refused(Fault::new(
            "slug",
            "slug-taken",
            format!("{} is taken by another link; choose another, such as `{slug}-2`", shown(slug.as_str())),
        )));
    }
    let id: i64 = on!(conn, c => diesel::insert_into(links::table)
        .values((links::slug.eq(slug.as_str()), links::created_at.eq(author.now.0)))
        .returning(links::id).get_result(c))?;
    let recorded_at = ledger::stamp(conn, author.now)?;
    insert_revision(conn, LinkId(id), (recorded_at, author.now), labels, author)?;
    Ok(LinkId(id))
}

/// Changes a link.
pub fn revise(
    conn: &mut Conn,
    id: LinkId,
    effect: Effect,
    author: &Author,
    change: impl Fn(&LinkLabels) -> LinkLabels,
) -> Result<(), StoreError> {
    use link_revisions as t;
    // The ledger first, so that of two changes at once the second builds on the first.
    let recorded_at = ledger::stamp(conn, author.now)?;
    let rows: Vec<RevisionRow> = on!(conn, c => t::table.filter(t::link_id.eq(id.0))
        .order((t::recorded_at, t::id)).select(RevisionRow::as_select()).load(c))?;
    let history = group(rows).remove(&id).ok_or_else(|| StoreError::NotFound(format!("link {id}")))?;
    for (effective_from, labels) in history.changed(effect, author.now, change) {
        insert_revision(conn, id, (recorded_at, effective_from), &labels, author)?;
    }
    Ok(())
}

fn insert_revision(
    conn: &mut Conn,
    id: LinkId,
    (recorded_at, effective_from): (UtcMillis, UtcMillis),
    labels: &LinkLabels,
    author: &Author,
) -> Result<(), StoreError> {
    use link_revisions as t;
    on!(conn, c => diesel::insert_into(t::table)
        .values((
            t::link_id.eq(id.0), t::recorded_at.eq(recorded_at.0), t::effective_from.eq(effective_from.0),
            t::destination.eq(&labels.destination), t::title.eq(&labels.title), t::channel_id.eq(labels.channel.0),
            t::campaign_id.eq(labels.campaign.map(|c| c.0)), t::post_id.eq(labels.post.map(|p| p.0)),
            t::tags.eq(labels.tags.join(" ")), t::passes_query.eq(labels.passes_query),
            t::archived.eq(labels.archived), t::expires_at.eq(labels.expires_at.map(|e| e.0)),
            t::recorded_by.eq(&author.name),
        ))
        .execute(c))?;
    Ok(())
}

/// The id behind a slug.
pub fn find_by_slug(conn: &mut Conn, slug: &str) -> Result<Option<LinkId>, StoreError> {
    let id: Option<i64> =
        on!(conn, c => links::table.filter(links::slug.eq(slug)).select(links::id).first(c).optional())?;
    Ok(id.map(LinkId))
}

/// One link.
pub fn get(conn: &mut Conn, id: LinkId) -> Result<Link, StoreError> {
    let row: Option<(i64, String, i64)> = on!(conn, c => links::table.filter(links::id.eq(id.0))
        .select((links::id, links::slug, links::created_at)).first(c).optional())?;
    let row = row.ok_or_else(|| StoreError::NotFound(format!("link {id}")))?;
    with_labels(conn, vec![row])?
        .into_iter()
        .next()
        .ok_or_else(|| StoreError::Corrupt(format!("link {id} has no revision")))
}

/// A page of links, newest first.
pub fn list(conn: &mut Conn, filter: &LinkFilter) -> Result<Vec<Link>, StoreError> {
    let below = filter.below.map_or(i64::MAX, |id| id.0);
    // A literal search: LIKE's own wildcards are escaped.
    let escaped = filter
        .search
        .as_deref()
        .unwrap_or("")
        .to_lowercase()
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    let pattern = format!("%{escaped}%");
    let rows: Vec<(i64, String, i64)> = on!(conn, c => {
        use link_revisions as r;
        let named = r::table.filter(lower(r::title).like(&pattern).escape('\\').or(lower(r::tags).like(&pattern).escape('\\')));
        links::table
            .filter(links::id.lt(below))
            .filter(links::slug.like(&pattern).escape('\\').or(links::id.eq_any(named.select(r::link_id))))
            .order(links::id.desc()).limit(filter.limit)
            .select((links::id, links::slug, links::created_at)).load(c)
    })?;
    with_labels(conn, rows)
}

/// Every link with its latest label.
pub fn all(conn: &mut Conn) -> Result<Vec<Link>, StoreError> {
    let rows: Vec<(i64, String, i64)> = on!(conn, c => links::table.order(links::id)
        .select((links::id, links::slug, links::created_at)).load(c))?;
    let mut histories = histories(conn, &Moments::all(UtcMillis(i64::MAX)))?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, slug, created_at)| {
            let labels = histories.remove(&LinkId(id))?.latest()?.clone();
            Some(Link { id: LinkId(id), slug, created_at: UtcMillis(created_at), labels })
        })
        .collect())
}

/// The slug of every link, for reports, which read labels as they stood.
pub fn slugs(conn: &mut Conn) -> Result<Vec<(LinkId, String)>, StoreError> {
    let rows: Vec<(i64, String)> = on!(conn, c => links::table.select((links::id, links::slug)).load(c))?;
    Ok(rows.into_iter().map(|(id, slug)| (LinkId(id), slug)).collect())
}

/// Labels of all links as a report sees them.
pub fn histories(conn: &mut Conn, moments: &Moments) -> Result<HashMap<LinkId, History<LinkLabels>>, StoreError> {
    use link_revisions as t;
    let rows: Vec<RevisionRow> = on!(conn, c => t::table.filter(t::recorded_at.le(moments.labels.0))
        .order((t::recorded_at, t::id)).select(RevisionRow::as_select()).load(c))?;
    Ok(group(rows))
}

fn with_labels(conn: &mut Conn, rows: Vec<(i64, String, i64)>) -> Result<Vec<Link>, StoreError> {
    use link_revisions as t;
    let ids: Vec<i64> = rows.iter().map(|r| r.0).collect();
    let revisions: Vec<RevisionRow> = on!(conn, c => t::table.filter(t::link_id.eq_any(&ids))
        .order((t::recorded_at, t::id)).select(RevisionRow::as_select()).load(c))?;
    let mut histories = group(revisions);
    Ok(rows
        .into_iter()
        .filter_map(|(id, slug, created_at)| {
            let labels = histories.remove(&LinkId(id))?.latest()?.clone();
            Some(Link { id: LinkId(id), slug, created_at: UtcMillis(created_at), labels })
        })
        .collect())
}

fn group(rows: Vec<RevisionRow>) -> HashMap<LinkId, History<LinkLabels>> {
    let mut by_link: HashMap<LinkId, Vec<Revision<LinkLabels>>> = HashMap::new();
    for row in rows {
        by_link.entry(LinkId(row.link_id)).or_default().push(row.into_revision());
    }
    by_link.into_iter().map(|(id, revisions)| (id, History::new(revisions))).collect()
}
