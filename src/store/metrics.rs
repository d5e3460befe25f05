//! Counts that networks tell: of posts as they stood on a day, and of accounts by day. Facts: added and voided.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

use super::schema::{account_metrics, post_metrics, social_posts};
use super::{Conn, Moments, ROWS_PER_STATEMENT, StoreError, bytes, fact_id, stored};
use crate::domain::ids::{BatchId, PlatformAccountId, PlatformCampaignId};
use crate::domain::platform::permalink_key;
use crate::domain::time::{Day, DayRange, UtcMillis};

/// A post as its network lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocialPost {
    /// Its key here.
    pub id: i64,
    /// The account it was published by.
    pub account: PlatformAccountId,
    /// The network's id, where its files tell one.
    pub external_id: Option<String>,
    /// Where it can be read.
    pub permalink: Option<String>,
    /// The account's day of publication.
    pub published_on: Option<Day>,
    /// Its title or first words.
    pub title: String,
    /// Photo, reel, text, as the network calls it.
    pub format: String,
}

/// A post as a file tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostKey {
    /// The network's id.
    pub external_id: Option<String>,
    /// Where it can be read.
    pub permalink: Option<String>,
    /// The account's day of publication.
    pub published_on: Option<Day>,
    /// Its title or first words.
    pub title: String,
    /// What kind of post.
    pub format: String,
}

impl PostKey {
    /// By what it is known again: the id, else the address, else day and title.
    pub fn key(&self) -> String {
        let day = || format!("{} {}", self.published_on.map(|d| d.to_string()).unwrap_or_default(), self.title);
        let address = || self.permalink.as_deref().map(permalink_key);
        self.external_id.clone().or_else(address).unwrap_or_else(day)
    }
}

type PostRow = (i64, i64, String, Option<String>, Option<String>, Option<String>, String, String, i64);

fn post_of(row: PostRow) -> Result<SocialPost, StoreError> {
    let (id, account, _key, external_id, permalink, published_on, title, format, _created) = row;
    Ok(SocialPost {
        id,
        account: PlatformAccountId(account),
        external_id,
        permalink,
        published_on: published_on.as_deref().map(stored).transpose()?,
        title,
        format,
    })
}

/// Every post that a file told.
pub fn posts(conn: &mut Conn) -> Result<Vec<SocialPost>, StoreError> {
    let rows: Vec<PostRow> = on!(conn, c => social_posts::table.order(social_posts::id).load(c))?;
    rows.into_iter().map(post_of).collect()
}

/// The keys of an account's posts.
pub fn post_ids(conn: &mut Conn, account: PlatformAccountId) -> Result<HashMap<String, i64>, StoreError> {
    use social_posts as t;
    let rows: Vec<(String, i64)> =
        on!(conn, c => t::table.filter(t::account_id.eq(account.0)).select((t::post_key, t::id)).load(c))?;
    Ok(rows.into_iter().collect())
}

/// Adds a post.
pub fn add_post(
    conn: &mut Conn,
    account: PlatformAccountId,
    post: &PostKey,
    now: UtcMillis,
) -> Result<i64, StoreError> {
    use social_posts as t;
    Ok(on!(conn, c => diesel::insert_into(t::table)
        .values((
            t::account_id.eq(account.0), t::post_key.eq(post.key()), t::external_id.eq(&post.external_id),
            t::permalink.eq(&post.permalink), t::published_on.eq(post.published_on.map(|d| d.to_string())),
            t::title.eq(&post.title), t::format.eq(&post.format), t::created_at.eq(now.0),
        ))
        .returning(t::id).get_result(c))?)
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = post_metrics, treat_none_as_default_value = false)]
struct PostFact {
    id: Vec<u8>,
    recorded_at: i64,
    voided_at: Option<i64>,
    batch_id: Vec<u8>,
    social_post_id: i64,
    snapshot_on: String,
    metric: String,
    value: i64,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = account_metrics, treat_none_as_default_value = false)]
struct AccountFact {
    id: Vec<u8>,
    recorded_at: i64,
    voided_at: Option<i64>,
    batch_id: Vec<u8>,
    account_id: i64,
    platform_campaign_id: Option<i64>,
    day: String,
    metric: String,
    value: i64,
}

/// A post's counts as they stood on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The post.
    pub post: i64,
    /// The day the counts were taken.
    pub on: Day,
    /// Counts by metric.
    pub counts: BTreeMap<String, i64>,
}

/// The latest counts of posts that a report sees, by post.
///
/// A snapshot of a later day wins over an earlier one whole: its counts were taken together.
pub fn latest_posts(conn: &mut Conn, moments: &Moments) -> Result<BTreeMap<i64, Snapshot>, StoreError> {
    let rows = visible_posts(conn, moments)?;
    let mut latest: BTreeMap<i64, Snapshot> = BTreeMap::new();
    for row in rows {
        let on: Day = stored(&row.snapshot_on)?;
        let post = row.social_post_id;
        let snapshot = latest.entry(post).or_insert_with(|| Snapshot { post, on, counts: BTreeMap::new() });
        if on > snapshot.on {
            *snapshot = Snapshot { post, on, counts: BTreeMap::new() };
        }
        if on == snapshot.on {
            snapshot.counts.insert(row.metric, row.value);
        }
    }
    Ok(latest)
}

fn visible_posts(conn: &mut Conn, moments: &Moments) -> Result<Vec<PostFact>, StoreError> {
    use post_metrics as t;
    let upto = moments.costs.0;
    Ok(on!(conn, c => t::table.filter(t::recorded_at.le(upto))
        .filter(t::voided_at.is_null().or(t::voided_at.gt(upto)))
        .order((t::recorded_at, t::id)).select(PostFact::as_select()).load(c))?)
}

/// A count of an account on a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountCount {
    /// The account.
    pub account: PlatformAccountId,
    /// The campaign it is of; none for the whole account.
    pub campaign: Option<PlatformCampaignId>,
    /// The account's day.
    pub day: Day,
    /// What was counted.
    pub metric: String,
    /// How many; `*_micro` are millionths.
    pub value: i64,
}

/// Counts of accounts that a report sees in a range of days.
pub fn account_counts(conn: &mut Conn, range: DayRange, moments: &Moments) -> Result<Vec<AccountCount>, StoreError> {
    use account_metrics as t;
    let (from, to, upto) = (range.from.to_string(), range.to.to_string(), moments.costs.0);
    let rows: Vec<AccountFact> = on!(conn, c => t::table
        .filter(t::day.ge(&from)).filter(t::day.le(&to)).filter(t::recorded_at.le(upto))
        .filter(t::voided_at.is_null().or(t::voided_at.gt(upto)))
        .select(AccountFact::as_select()).load(c))?;
    let count = |row: AccountFact| {
        Ok(AccountCount {
            account: PlatformAccountId(row.account_id),
            campaign: row.platform_campaign_id.map(PlatformCampaignId),
            day: stored(&row.day)?,
            metric: row.metric,
            value: row.value,
        })
    };
    let mut counts = rows.into_iter().map(count).collect::<Result<Vec<_>, StoreError>>()?;
    counts.sort();
    Ok(counts)
}

/// What of an import's counts is new.
#[derive(Debug, Default)]
pub struct Changes {
    posts: Vec<(i64, Day, String, i64)>,
    accounts: Vec<AccountCount>,
    void_posts: Vec<Vec<u8>>,
    void_accounts: Vec<Vec<u8>>,
    /// Counts that stand already.
    pub same: usize,
}

impl Changes {
    /// Counts that would be added.
    pub fn added(&self) -> usize {
        self.posts.len() + self.accounts.len()
    }

    /// Counts of the same post or day that would be replaced.
    pub fn replaced(&self) -> usize {
        self.void_posts.len() + self.void_accounts.len()
    }
}

/// What snapshots of posts would change: nothing where the latest of a post says the same; one of the same day replaces
/// what it changes.
pub fn compare_snapshots(conn: &mut Conn, snapshots: &[Snapshot], changes: &mut Changes) -> Result<(), StoreError> {
    use post_metrics as t;
    let latest = latest_posts(conn, &Moments::all(UtcMillis(i64::MAX)))?;
    for snapshot in snapshots {
        if latest.get(&snapshot.post).is_some_and(|l| l.counts == snapshot.counts) {
            changes.same += snapshot.counts.len();
            continue;
        }
        let day = snapshot.on.to_string();
        let standing: Vec<PostFact> = on!(conn, c => t::table
            .filter(t::social_post_id.eq(snapshot.post)).filter(t::snapshot_on.eq(&day)).filter(t::voided_at.is_null())
            .select(PostFact::as_select()).load(c))?;
        changes.void_posts.extend(standing.into_iter().map(|f| f.id));
        let fresh = snapshot.counts.iter().map(|(metric, value)| (snapshot.post, snapshot.on, metric.clone(), *value));
        changes.posts.extend(fresh);
    }
    Ok(())
}

/// Account, campaign, day and metric.
type AccountKey = (i64, Option<i64>, String, String);

/// What counts of accounts would change: each replaces one of the same account, campaign, day and metric.
pub fn compare_accounts(conn: &mut Conn, counts: &[AccountCount], changes: &mut Changes) -> Result<(), StoreError> {
    use account_metrics as t;
    let mut standing: HashMap<AccountKey, (Vec<u8>, i64)> = HashMap::new();
    let mut accounts: Vec<i64> = counts.iter().map(|c| c.account.0).collect();
    accounts.sort_unstable();
    accounts.dedup();
    for account in accounts {
        let days = || counts.iter().filter(|c| c.account.0 == account).map(|c| c.day);
        let (Some(from), Some(to)) = (days().min(), days().max()) else { continue };
        let (from, to) = (from.to_string(), to.to_string());
        let rows: Vec<AccountFact> = on!(conn, c => t::table.filter(t::account_id.eq(account))
            .filter(t::day.ge(&from)).filter(t::day.le(&to)).filter(t::voided_at.is_null())
            .select(AccountFact::as_select()).load(c))?;
        let entry = |r: AccountFact| ((r.account_id, r.platform_campaign_id, r.day, r.metric), (r.id, r.value));
        standing.extend(rows.into_iter().map(entry));
    }
    for count in counts {
        let key = (count.account.0, count.campaign.map(|c| c.0), count.day.to_string(), count.metric.clone());
        match standing.remove(&key) {
            Some((_, value)) if value == count.value => {
                changes.same += 1;
                continue;
            }
            Some((id, _)) => changes.void_accounts.push(id),
            None => {}
        }
        changes.accounts.push(count.clone());
    }
    Ok(())
}

/// Records changes at a ledger time that the caller has taken.
pub fn record(conn: &mut Conn, changes: &Changes, batch: BatchId, at: UtcMillis) -> Result<(), StoreError> {
    use {account_metrics as a, post_metrics as p};
    for chunk in changes.void_posts.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::update(p::table.filter(p::id.eq_any(chunk))).set(p::voided_at.eq(at.0)).execute(c))?;
    }
    for chunk in changes.void_accounts.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::update(a::table.filter(a::id.eq_any(chunk))).set(a::voided_at.eq(at.0)).execute(c))?;
    }
    let posts: Vec<PostFact> = changes
        .posts
        .iter()
        .map(|(post, on, metric, value)| PostFact {
            id: bytes(fact_id(at)),
            recorded_at: at.0,
            voided_at: None,
            batch_id: bytes(batch.0),
            social_post_id: *post,
            snapshot_on: on.to_string(),
            metric: metric.clone(),
            value: *value,
        })
        .collect();
    for chunk in posts.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::insert_into(p::table).values(chunk).execute(c))?;
    }
    let accounts: Vec<AccountFact> = changes
        .accounts
        .iter()
        .map(|count| AccountFact {
            id: bytes(fact_id(at)),
            recorded_at: at.0,
            voided_at: None,
            batch_id: bytes(batch.0),
            account_id: count.account.0,
            platform_campaign_id: count.campaign.map(|c| c.0),
            day: count.day.to_string(),
            metric: count.metric.clone(),
            value: count.value,
        })
        .collect();
    for chunk in accounts.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::insert_into(a::table).values(chunk).execute(c))?;
    }
    Ok(())
}

/// The ledger time of a later import that has replaced counts of a batch which do not stand again by now.
pub(super) fn rests_on(conn: &mut Conn, batch: BatchId, at: UtcMillis) -> Result<Option<UtcMillis>, StoreError> {
    use {account_metrics as a, post_metrics as p};
    let key = bytes(batch.0);
    macro_rules! replaced {
        ($t:ident) => {{
            let told: i64 = on!(conn, c => $t::table.filter($t::batch_id.eq(&key)).filter($t::recorded_at.eq(at.0))
                .count().get_result(c))?;
            let stands: i64 = on!(conn, c => $t::table.filter($t::batch_id.eq(&key)).filter($t::voided_at.is_null())
                .count().get_result(c))?;
            let voided: Option<i64> = on!(conn, c => $t::table.filter($t::batch_id.eq(&key))
                .select(diesel::dsl::max($t::voided_at.assume_not_null())).first(c))?;
            voided.filter(|_| stands < told)
        }};
    }
    Ok(replaced!(p).max(replaced!(a)).map(UtcMillis))
}

/// Voids the counts of a batch and brings back, as new facts, those that it had replaced.
pub(super) fn undo(conn: &mut Conn, batch: BatchId, recorded: UtcMillis, at: UtcMillis) -> Result<(), StoreError> {
    use {account_metrics as a, post_metrics as p};
    let key = bytes(batch.0);
    let (at_ms, then) = (at.0, recorded.0);
    on!(conn, c => diesel::update(p::table.filter(p::batch_id.eq(&key)).filter(p::voided_at.is_null()))
        .set(p::voided_at.eq(at_ms)).execute(c))?;
    on!(conn, c => diesel::update(a::table.filter(a::batch_id.eq(&key)).filter(a::voided_at.is_null()))
        .set(a::voided_at.eq(at_ms)).execute(c))?;
    let mut posts: Vec<PostFact> =
        on!(conn, c => p::table.filter(p::voided_at.eq(then)).select(PostFact::as_select()).load(c))?;
    for fact in &mut posts {
        (fact.id, fact.recorded_at, fact.voided_at) = (bytes(fact_id(at)), at_ms, None);
    }
    let mut accounts: Vec<AccountFact> =
        on!(conn, c => a::table.filter(a::voided_at.eq(then)).select(AccountFact::as_select()).load(c))?;
    for fact in &mut accounts {
        (fact.id, fact.recorded_at, fact.voided_at) = (bytes(fact_id(at)), at_ms, None);
    }
    for chunk in posts.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::insert_into(p::table).values(chunk).execute(c))?;
    }
    for chunk in accounts.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::insert_into(a::table).values(chunk).execute(c))?;
    }
    Ok(())
}
