//! Channels, campaigns and posts: codes that never change, labels that are revisions.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::schema::{campaigns, channels, label_revisions, posts};
use super::{Conn, Moments, StoreError, ledger};
use crate::domain::channel::{
    CampaignCodes, CampaignLabels, ChannelCodes, ChannelLabels, Effect, History, PostLabels, Revision,
};
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::{CampaignId, ChannelId, PostId};
use crate::domain::time::UtcMillis;
use crate::domain::utm::{UtmValue, near_duplicate};

/// Who changes a label, when.
#[derive(Debug, Clone)]
pub struct Author {
    /// A user's address, `key:NAME` or `cli`.
    pub name: String,
    /// The present.
    pub now: UtcMillis,
}

/// What to do about a name that resembles one in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similar {
    /// Refuse it, with the name that was probably meant.
    Refuse,
    /// The user knows better.
    Accept,
}

/// A channel as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Its name in reports and imports.
    pub code: String,
    /// `utm_source` of its links.
    pub utm_source: String,
    /// `utm_medium` of its links.
    pub utm_medium: String,
    /// Its label.
    pub labels: ChannelLabels,
}

/// A campaign as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// `utm_campaign` of its links.
    pub code: String,
    /// `utm_id` of its links.
    pub utm_id: Option<String>,
    /// Its label.
    pub labels: CampaignLabels,
}

/// A post as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Its id.
    pub id: PostId,
    /// `utm_content` of its links.
    pub code: String,
    /// Its label.
    pub labels: PostLabels,
}

/// Which kind of thing a label belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SubjectKind {
    Channel,
    Campaign,
    Post,
}

impl SubjectKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Campaign => "campaign",
            Self::Post => "post",
        }
    }
}

/// Adds a channel.
pub fn create_channel(
    conn: &mut Conn,
    codes: &ChannelCodes,
    labels: &ChannelLabels,
    similar: Similar,
    author: &Author,
) -> Result<ChannelId, StoreError> {
    let existing = list_channels(conn)?;
    refuse_taken("code", codes.code.as_str(), existing.iter().map(|c| c.code.as_str()))?;
    if let Some(same) =
        existing.iter().find(|c| c.utm_source == codes.utm_source.as_str() && c.utm_medium == codes.utm_medium.as_str())
    {
        return Err(StoreError::refused(Fault::new(
            "utm_source",
            "channel-exists",
            format!(
                "channel `{}` already has utm_source `{}` and utm_medium `{}`; use it",
                same.code, same.utm_source, same.utm_medium
            ),
        )));
    }
    if similar == Similar::Refuse {
        refuse_similar("utm_source", &codes.utm_source, existing.iter().map(|c| c.utm_source.as_str()))?;
        refuse_similar("utm_medium", &codes.utm_medium, existing.iter().map(|c| c.utm_medium.as_str()))?;
        refuse_similar("code", &codes.code, existing.iter().map(|c| c.code.as_str()))?;
    }
    let id: i64 = on!(conn, c => diesel::insert_into(channels::table)
        .values((
            channels::code.eq(codes.code.as_str()), channels::utm_source.eq(codes.utm_source.as_str()),
            channels::utm_medium.eq(codes.utm_medium.as_str()), channels::created_at.eq(author.now.0),
        ))
        .returning(channels::id).get_result(c))?;
    begin(conn, SubjectKind::Channel, id, labels, author)?;
    Ok(ChannelId(id))
}

/// Adds a campaign.
pub fn create_campaign(
    conn: &mut Conn,
    codes: &CampaignCodes,
    labels: &CampaignLabels,
    similar: Similar,
    author: &Author,
) -> Result<CampaignId, StoreError> {
    let existing = list_campaigns(conn)?;
    refuse_taken("code", codes.code.as_str(), existing.iter().map(|c| c.code.as_str()))?;
    if similar == Similar::Refuse {
        refuse_similar("code", &codes.code, existing.iter().map(|c| c.code.as_str()))?;
    }
    let id: i64 = on!(conn, c => diesel::insert_into(campaigns::table)
        .values((
            campaigns::code.eq(codes.code.as_str()), campaigns::utm_id.eq(codes.utm_id.as_ref().map(UtmValue::as_str)),
            campaigns::created_at.eq(author.now.0),
        ))
        .returning(campaigns::id).get_result(c))?;
    begin(conn, SubjectKind::Campaign, id, labels, author)?;
    Ok(CampaignId(id))
}

/// Adds a post.
pub fn create_post(
    conn: &mut Conn,
    code: &UtmValue,
    labels: &PostLabels,
    author: &Author,
) -> Result<PostId, StoreError> {
    refuse_taken("code", code.as_str(), list_posts(conn)?.iter().map(|p| p.code.as_str()))?;
    let id: i64 = on!(conn, c => diesel::insert_into(posts::table)
        .values((posts::code.eq(code.as_str()), posts::created_at.eq(author.now.0)))
        .returning(posts::id).get_result(c))?;
    begin(conn, SubjectKind::Post, id, labels, author)?;
    Ok(PostId(id))
}

/// Relabels a channel.
pub fn revise_channel(
    conn: &mut Conn,
    id: ChannelId,
    effect: Effect,
    author: &Author,
    change: impl Fn(&ChannelLabels) -> ChannelLabels,
) -> Result<(), StoreError> {
    revise(conn, SubjectKind::Channel, id.0, effect, author, change)
}

/// Relabels a campaign.
pub fn revise_campaign(
    conn: &mut Conn,
    id: CampaignId,
    effect: Effect,
    author: &Author,
    change: impl Fn(&CampaignLabels) -> CampaignLabels,
) -> Result<(), StoreError> {
    revise(conn, SubjectKind::Campaign, id.0, effect, author, change)
}

/// Relabels a post.
pub fn revise_post(
    conn: &mut Conn,
    id: PostId,
    effect: Effect,
    author: &Author,
    change: impl Fn(&PostLabels) -> PostLabels,
) -> Result<(), StoreError> {
    revise(conn, SubjectKind::Post, id.0, effect, author, change)
}

/// A number that grows whenever a channel, campaign or post is made or relabelled.
pub fn revision(conn: &mut Conn) -> Result<i64, StoreError> {
    let newest: Option<i64> =
        on!(conn, c => label_revisions::table.select(diesel::dsl::max(label_revisions::id)).first(c))?;
    Ok(newest.unwrap_or(0))
}

/// Every channel with its latest label, by code.
pub fn list_channels(conn: &mut Conn) -> Result<Vec<Channel>, StoreError> {
    let rows: Vec<(i64, String, String, String)> = on!(conn, c => channels::table
        .select((channels::id, channels::code, channels::utm_source, channels::utm_medium)).load(c))?;
    let labels = latest(conn, SubjectKind::Channel)?;
    let mut list: Vec<Channel> = rows
        .into_iter()
        .map(|(id, code, utm_source, utm_medium)| Channel {
            id: ChannelId(id),
            code,
            utm_source,
            utm_medium,
            labels: labels.get(&id).cloned().unwrap_or_default(),
        })
        .collect();
    list.sort_by(|a, b| a.code.cmp(&b.code));
    Ok(list)
}

/// Every campaign with its latest label, by code.
pub fn list_campaigns(conn: &mut Conn) -> Result<Vec<Campaign>, StoreError> {
    let rows: Vec<(i64, String, Option<String>)> = on!(conn, c => campaigns::table
        .select((campaigns::id, campaigns::code, campaigns::utm_id)).load(c))?;
    let labels = latest(conn, SubjectKind::Campaign)?;
    let mut list: Vec<Campaign> = rows
        .into_iter()
        .map(|(id, code, utm_id)| Campaign {
            id: CampaignId(id),
            code,
            utm_id,
            labels: labels.get(&id).cloned().unwrap_or_default(),
        })
        .collect();
    list.sort_by(|a, b| a.code.cmp(&b.code));
    Ok(list)
}

/// Every post with its latest label, by code.
pub fn list_posts(conn: &mut Conn) -> Result<Vec<Post>, StoreError> {
    let rows: Vec<(i64, String)> = on!(conn, c => posts::table.select((posts::id, posts::code)).load(c))?;
    let labels = latest(conn, SubjectKind::Post)?;
    let mut list: Vec<Post> = rows
        .into_iter()
        .map(|(id, code)| Post { id: PostId(id), code, labels: labels.get(&id).cloned().unwrap_or_default() })
        .collect();
    list.sort_by(|a, b| a.code.cmp(&b.code));
    Ok(list)
}

/// One channel.
pub fn channel(conn: &mut Conn, id: ChannelId) -> Result<Channel, StoreError> {
    list_channels(conn)?.into_iter().find(|c| c.id == id).ok_or_else(|| StoreError::NotFound(format!("channel {id}")))
}

/// One campaign.
pub fn campaign(conn: &mut Conn, id: CampaignId) -> Result<Campaign, StoreError> {
    list_campaigns(conn)?.into_iter().find(|c| c.id == id).ok_or_else(|| StoreError::NotFound(format!("campaign {id}")))
}

/// One post.
pub fn post(conn: &mut Conn, id: PostId) -> Result<Post, StoreError> {
    list_posts(conn)?.into_iter().find(|p| p.id == id).ok_or_else(|| StoreError::NotFound(format!("post {id}")))
}

/// Labels of all channels as a report sees them.
pub fn channel_histories(
    conn: &mut Conn,
    moments: &Moments,
) -> Result<HashMap<ChannelId, History<ChannelLabels>>, StoreError> {
    Ok(histories(conn, SubjectKind::Channel, moments.labels)?.into_iter().map(|(id, h)| (ChannelId(id), h)).collect())
}

/// Labels of all campaigns as a report sees them.
pub fn campaign_histories(
    conn: &mut Conn,
    moments: &Moments,
) -> Result<HashMap<CampaignId, History<CampaignLabels>>, StoreError> {
    Ok(histories(conn, SubjectKind::Campaign, moments.labels)?.into_iter().map(|(id, h)| (CampaignId(id), h)).collect())
}

/// Labels of all posts as a report sees them.
pub fn post_histories(conn: &mut Conn, moments: &Moments) -> Result<HashMap<PostId, History<PostLabels>>, StoreError> {
    Ok(histories(conn, SubjectKind::Post, moments.labels)?.into_iter().map(|(id, h)| (PostId(id), h)).collect())
}

fn refuse_taken<'a>(field: &str, code: &str, mut in_use: impl Iterator<Item = &'a str>) -> Result<(), StoreError> {
    if in_use.any(|c| c == code) {
        return Err(StoreError::refused(Fault::new(
            field,
            "code-taken",
            format!("{} exists already; choose another or use it as it is", shown(code)),
        )));
    }
    Ok(())
}

fn refuse_similar<'a>(field: &str, value: &UtmValue, in_use: impl Iterator<Item = &'a str>) -> Result<(), StoreError> {
    match near_duplicate(value.as_str(), in_use) {
        Some(meant) => Err(StoreError::refused(Fault::new(
            field,
            "near-duplicate",
            format!(
                "{} looks like a variant of `{meant}`; use `{meant}`, or, if it really is another thing, allow it (allow_similar, --allow-similar)",
                shown(value.as_str())
            ),
        ))),
        None => Ok(()),
    }
}

/// The first label of a new subject.
fn begin<L: Serialize>(
    conn: &mut Conn,
    kind: SubjectKind,
    id: i64,
    labels: &L,
    author: &Author,
) -> Result<(), StoreError> {
    let recorded_at = ledger::stamp(conn, author.now)?;
    insert(conn, kind, id, (recorded_at, author.now), labels, author)
}

/// Records a change: the ledger first, so that of two changes at once the second builds on the first.
fn revise<L: Serialize + DeserializeOwned>(
    conn: &mut Conn,
    kind: SubjectKind,
    id: i64,
    effect: Effect,
    author: &Author,
    change: impl Fn(&L) -> L,
) -> Result<(), StoreError> {
    let recorded_at = ledger::stamp(conn, author.now)?;
    let history = histories::<L>(conn, kind, recorded_at)?.remove(&id);
    let history = history.ok_or_else(|| StoreError::NotFound(format!("the {}", kind.as_str())))?;
    for (effective_from, labels) in history.changed(effect, author.now, change) {
        insert(conn, kind, id, (recorded_at, effective_from), &labels, author)?;
    }
    Ok(())
}

fn insert<L: Serialize>(
    conn: &mut Conn,
    kind: SubjectKind,
    id: i64,
    (recorded_at, effective_from): (UtcMillis, UtcMillis),
    labels: &L,
    author: &Author,
) -> Result<(), StoreError> {
    let json = serde_json::to_string(labels).map_err(|e| StoreError::Other(e.to_string()))?;
    on!(conn, c => diesel::insert_into(label_revisions::table)
        .values((
            label_revisions::subject_kind.eq(kind.as_str()), label_revisions::subject_id.eq(id),
            label_revisions::recorded_at.eq(recorded_at.0), label_revisions::effective_from.eq(effective_from.0),
            label_revisions::labels.eq(&json), label_revisions::recorded_by.eq(&author.name),
        ))
        .execute(c))?;
    Ok(())
}

fn histories<L: DeserializeOwned>(
    conn: &mut Conn,
    kind: SubjectKind,
    as_of: UtcMillis,
) -> Result<BTreeMap<i64, History<L>>, StoreError> {
    use label_revisions as t;
    let rows: Vec<(i64, i64, i64, String)> = on!(conn, c => t::table
        .filter(t::subject_kind.eq(kind.as_str())).filter(t::recorded_at.le(as_of.0))
        .order((t::recorded_at, t::id))
        .select((t::subject_id, t::recorded_at, t::effective_from, t::labels)).load(c))?;
    let mut by_subject: BTreeMap<i64, Vec<Revision<L>>> = BTreeMap::new();
    for (id, recorded_at, effective_from, json) in rows {
        let labels = serde_json::from_str(&json)
            .map_err(|e| StoreError::Corrupt(format!("label of {} {id}: {e}", kind.as_str())))?;
        by_subject.entry(id).or_default().push(Revision {
            recorded_at: UtcMillis(recorded_at),
            effective_from: UtcMillis(effective_from),
            labels,
        });
    }
    Ok(by_subject.into_iter().map(|(id, revisions)| (id, History::new(revisions))).collect())
}

fn latest<L: DeserializeOwned + Clone>(conn: &mut Conn, kind: SubjectKind) -> Result<HashMap<i64, L>, StoreError> {
    let all = histories::<L>(conn, kind, UtcMillis(i64::MAX))?;
    Ok(all.into_iter().filter_map(|(id, h)| h.latest().cloned().map(|l| (id, l))).collect())
}
