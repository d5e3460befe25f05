//! What redirects need of links, read in the order of changes and never all at once.

use diesel::prelude::*;

use super::schema::{campaigns, channels, link_revisions, links, posts};
use super::{Conn, StoreError};

/// One revision of a link, as far as a redirect sees it. A link's later revision replaces its earlier one.
#[derive(Debug, Queryable)]
pub struct TargetRow {
    /// The revision; grows with every change.
    pub revision: i64,
    /// Which link.
    pub link: i64,
    /// Its path.
    pub slug: String,
    /// The checked destination.
    pub destination: String,
    /// Whose `utm_source` and `utm_medium` it carries.
    pub channel: i64,
    /// Whose `utm_campaign` and `utm_id` it carries.
    pub campaign: Option<i64>,
    /// Whose code is its `utm_content`.
    pub post: Option<i64>,
    /// Whether the visitor's own query is passed on.
    pub passes_query: bool,
    /// Whether it is out of use.
    pub archived: bool,
    /// When it stops redirecting, in UTC milliseconds.
    pub expires_at: Option<i64>,
}

/// The codes that links carry as tags; none of them ever changes.
#[derive(Debug, Default)]
pub struct TagCodes {
    /// Channel, `utm_source`, `utm_medium`.
    pub channels: Vec<(i64, String, String)>,
    /// Campaign, `utm_campaign`, `utm_id`.
    pub campaigns: Vec<(i64, String, Option<String>)>,
    /// Post, `utm_content`.
    pub posts: Vec<(i64, String)>,
}

/// A number that grows whenever anything that a redirect depends on has changed.
///
/// Revisions get their ids while the ledger is locked, so none appears below one that was seen.
pub fn revision(conn: &mut Conn) -> Result<i64, StoreError> {
    let newest: Option<i64> =
        on!(conn, c => link_revisions::table.select(diesel::dsl::max(link_revisions::id)).first(c))?;
    Ok(newest.unwrap_or(0))
}

/// The codes that revisions after `since` may carry.
pub fn tag_codes(conn: &mut Conn, since: i64) -> Result<TagCodes, StoreError> {
    let codes = on!(conn, c => {
        let mut query = posts::table.select((posts::id, posts::code)).into_boxed();
        // Of a few changes only their posts: there may be as many posts as links.
        if since > 0 {
            let carried = link_revisions::table.filter(link_revisions::id.gt(since)).select(link_revisions::post_id);
            query = query.filter(posts::id.nullable().eq_any(carried));
        }
        TagCodes {
            channels: channels::table.select((channels::id, channels::utm_source, channels::utm_medium)).load(c)?,
            campaigns: campaigns::table.select((campaigns::id, campaigns::code, campaigns::utm_id)).load(c)?,
            posts: query.load(c)?,
        }
    });
    Ok(codes)
}

/// Shows the revisions after `since` one by one, oldest first.
pub fn changed_since(conn: &mut Conn, since: i64, mut each: impl FnMut(TargetRow)) -> Result<(), StoreError> {
    use link_revisions as r;
    macro_rules! query {
        () => {
            r::table.inner_join(links::table.on(links::id.eq(r::link_id))).filter(r::id.gt(since)).order(r::id).select(
                (
                    r::id,
                    r::link_id,
                    links::slug,
                    r::destination,
                    r::channel_id,
                    r::campaign_id,
                    r::post_id,
                    r::passes_query,
                    r::archived,
                    r::expires_at,
                ),
            )
        };
    }
    // A million rows at once would cost as much memory again as the table that is made of them.
    match conn {
        Conn::Sqlite(c) => {
            for row in query!().load_iter::<TargetRow, diesel::connection::DefaultLoadingMode>(c)? {
                each(row?);
            }
        }
        Conn::Postgres(c, _) => {
            for row in query!().load_iter::<TargetRow, diesel::pg::PgRowByRowLoadingMode>(c)? {
                each(row?);
            }
        }
    }
    Ok(())
}
