//! Making and changing links by the codes people use; the API, the pages and the command line all come through here.

use super::import::Codes;
use crate::domain::channel::Effect;
use crate::domain::destination::{Destination, encode_tags};
use crate::domain::fault::Fault;
use crate::domain::ids::{CampaignId, ChannelId, LinkId, PostId};
use crate::domain::link::LinkLabels;
use crate::domain::slug::Slug;
use crate::domain::time::UtcMillis;
use crate::store::labels::{self, Author};
use crate::store::links::{self, Link, LinkFilter};
use crate::store::{Conn, Db, StoreError, link_targets};
use crate::tracking::link_table::{LinkLoader, LinkRow, LinkVisitor, TagKind};

/// A link to be made.
#[derive(Debug, Clone)]
pub struct LinkDraft {
    /// Its path; made up if not given.
    pub slug: Option<String>,
    /// Where it leads.
    pub destination: String,
    /// The channel's code.
    pub channel: String,
    /// The campaign's code.
    pub campaign: Option<String>,
    /// The post's code.
    pub post: Option<String>,
    /// The name people read.
    pub title: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whether the visitor's own query is passed on.
    pub passes_query: bool,
    /// When it stops redirecting.
    pub expires_at: Option<UtcMillis>,
}

/// A change of a link: absent fields stay, an inner `None` clears.
#[derive(Debug, Clone, Default)]
pub struct LinkChange {
    /// Where it leads.
    pub destination: Option<String>,
    /// The channel's code.
    pub channel: Option<String>,
    /// The campaign's code.
    pub campaign: Option<Option<String>>,
    /// The post's code.
    pub post: Option<Option<String>>,
    /// The name people read.
    pub title: Option<String>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
    /// Whether the visitor's own query is passed on.
    pub passes_query: Option<bool>,
    /// Whether it is out of use.
    pub archived: Option<bool>,
    /// When it stops redirecting.
    pub expires_at: Option<Option<UtcMillis>>,
}

/// A link with the codes of what it is tagged with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLink {
    /// The link.
    pub link: Link,
    /// The channel's code.
    pub channel: String,
    /// The campaign's code.
    pub campaign: Option<String>,
    /// The post's code.
    pub post: Option<String>,
}

/// Makes a link; answers it with notices of what was changed in the draft.
pub fn create(
    conn: &mut Conn,
    draft: &LinkDraft,
    click_id_param: &str,
    author: &Author,
) -> Result<(NamedLink, Vec<String>), StoreError> {
    let codes = Codes::load(conn)?;
    let mut faults = Vec::new();
    let destination = Destination::parse(&draft.destination, click_id_param).map_err(|f| faults.push(f)).ok();
    let slug = draft
        .slug
        .as_deref()
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .map(str::parse::<Slug>)
        .transpose()
        .map_err(|f| faults.push(f))
        .unwrap_or(None);
    let channel = codes.channel(Some(&draft.channel), &mut faults);
    let campaign = codes.campaign(draft.campaign.as_deref(), &mut faults);
    let post = codes.post(draft.post.as_deref(), &mut faults);
    if channel.is_none() && draft.channel.trim().is_empty() {
        faults.push(Fault::new("channel", "missing", "a link belongs to a channel; give the channel's code"));
    }
    let (Some(destination), Some(channel), true) = (destination, channel, faults.is_empty()) else {
        return Err(StoreError::Refused(faults));
    };
    let labels = LinkLabels {
        destination: destination.url,
        title: draft.title.trim().to_owned(),
        channel,
        campaign,
        post,
        tags: words(&draft.tags),
        passes_query: draft.passes_query,
        archived: false,
        expires_at: draft.expires_at,
    };
    let slug = match slug {
        Some(slug) => slug,
        None => free_slug(conn)?,
    };
    let id = links::create(conn, &slug, &labels, author)?;
    Ok((get(conn, id)?, notices(&destination.stripped)))
}

/// Changes a link; answers it with notices.
pub fn change(
    conn: &mut Conn,
    id: LinkId,
    change: &LinkChange,
    effect: Effect,
    click_id_param: &str,
    author: &Author,
) -> Result<(NamedLink, Vec<String>), StoreError> {
    let codes = Codes::load(conn)?;
    let mut faults = Vec::new();
    let destination = change.destination.as_deref().map(|text| Destination::parse(text, click_id_param));
    let destination = destination.transpose().map_err(|fault| faults.push(fault)).unwrap_or(None);
    let channel = change.channel.as_deref().and_then(|code| codes.channel(Some(code), &mut faults));
    let campaign = change.campaign.as_ref().map(|code| codes.campaign(code.as_deref(), &mut faults));
    let post = change.post.as_ref().map(|code| codes.post(code.as_deref(), &mut faults));
    if !faults.is_empty() {
        return Err(StoreError::Refused(faults));
    }
    links::revise(conn, id, effect, author, |was| LinkLabels {
        destination: destination.as_ref().map_or_else(|| was.destination.clone(), |d| d.url.clone()),
        title: change.title.clone().unwrap_or_else(|| was.title.clone()),
        channel: channel.unwrap_or(was.channel),
        campaign: campaign.unwrap_or(was.campaign),
        post: post.unwrap_or(was.post),
        tags: change.tags.as_deref().map_or_else(|| was.tags.clone(), words),
        passes_query: change.passes_query.unwrap_or(was.passes_query),
        archived: change.archived.unwrap_or(was.archived),
        expires_at: change.expires_at.unwrap_or(was.expires_at),
    })?;
    let stripped = destination.map(|d| d.stripped).unwrap_or_default();
    Ok((get(conn, id)?, notices(&stripped)))
}

/// One link with its codes.
pub fn get(conn: &mut Conn, id: LinkId) -> Result<NamedLink, StoreError> {
    let link = links::get(conn, id)?;
    named(conn, vec![link])?.pop().ok_or_else(|| StoreError::NotFound(format!("link {id}")))
}

/// A page of links with their codes.
pub fn list(conn: &mut Conn, filter: &LinkFilter) -> Result<Vec<NamedLink>, StoreError> {
    let page = links::list(conn, filter)?;
    named(conn, page)
}

fn named(conn: &mut Conn, list: Vec<Link>) -> Result<Vec<NamedLink>, StoreError> {
    let channels = labels::list_channels(conn)?;
    let campaigns = labels::list_campaigns(conn)?;
    let posts = labels::list_posts(conn)?;
    Ok(list
        .into_iter()
        .map(|link| {
            let l = &link.labels;
            NamedLink {
                channel: channels.iter().find(|c| c.id == l.channel).map(|c| c.code.clone()).unwrap_or_default(),
                campaign: l.campaign.and_then(|id| campaigns.iter().find(|c| c.id == id)).map(|c| c.code.clone()),
                post: l.post.and_then(|id| posts.iter().find(|p| p.id == id)).map(|p| p.code.clone()),
                link,
            }
        })
        .collect())
}

fn words(tags: &[String]) -> Vec<String> {
    tags.iter().flat_map(|t| t.split_whitespace()).map(str::to_owned).collect()
}

fn notices(stripped: &[String]) -> Vec<String> {
    if stripped.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{} was taken out of the destination: the link's own channel, campaign and post set these",
        stripped.join(", ")
    )]
}

fn free_slug(conn: &mut Conn) -> Result<Slug, StoreError> {
    for _ in 0..16 {
        let slug = Slug::generate(rand::random());
        if links::find_by_slug(conn, slug.as_str())?.is_none() {
            return Ok(slug);
        }
    }
    Err(StoreError::Other("no free slug was found; give one".into()))
}

/// Feeds the link table from the store.
#[expect(missing_debug_implementations, reason = "a database pool prints nothing useful")]
pub struct StoreLinks(
    /// The database.
    pub Db,
);

impl LinkLoader for StoreLinks {
    fn revision(&self) -> Result<i64, String> {
        self.0.read_now(link_targets::revision).map_err(|e| e.to_string())
    }

    fn changed_since(&self, since: i64, visitor: &mut dyn LinkVisitor) -> Result<i64, String> {
        self.0.read_now(|conn| show_changes(conn, since, visitor)).map_err(|e| e.to_string())
    }
}

fn show_changes(conn: &mut Conn, since: i64, visitor: &mut dyn LinkVisitor) -> Result<i64, StoreError> {
    let codes = link_targets::tag_codes(conn, since)?;
    for (id, source, medium) in &codes.channels {
        visitor.tag(TagKind::Channel, *id, &encode_tags(&[("utm_source", source), ("utm_medium", medium)]));
    }
    for (id, code, utm_id) in &codes.campaigns {
        let mut tags = vec![("utm_campaign", code.as_str())];
        tags.extend(utm_id.as_deref().map(|utm_id| ("utm_id", utm_id)));
        visitor.tag(TagKind::Campaign, *id, &encode_tags(&tags));
    }
    for (id, code) in &codes.posts {
        visitor.tag(TagKind::Post, *id, &encode_tags(&[("utm_content", code)]));
    }
    let mut revision = since;
    link_targets::changed_since(conn, since, |row| {
        revision = row.revision;
        visitor.link(&LinkRow {
            slug: &row.slug,
            link: LinkId(row.link),
            destination: &row.destination,
            channel: ChannelId(row.channel),
            campaign: row.campaign.map(CampaignId),
            post: row.post.map(PostId),
            passes_query: row.passes_query,
            archived: row.archived,
            expires_at: row.expires_at.map(UtcMillis),
        });
    })?;
    Ok(revision)
}
