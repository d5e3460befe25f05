//! What networks tell of posts and accounts: their own counts, beside ours and never mixed with them.
//!
//! A post's counts are lifetime totals as they stood on a day; the latest snapshot that the `as_of` sees counts. Reach,
//! viewers and followers are told and never summed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ReportError;
use super::catalogue::Kind;
use super::parameters::Parameters;
use super::sheet::{Document, Sheet, SheetCell as Cell, SheetColumn as Column};
use crate::domain::ids::PostId;
use crate::domain::platform::{PlatformAccount, is_additive, permalink_key};
use crate::store::metrics::{self, AccountCount, SocialPost};
use crate::store::{Conn, Moments, labels, ledger, platforms};

/// The report of posts.
pub(super) static POSTS: Kind = Kind {
    name: "post-metrics",
    title: "Post metrics",
    about: "lifetime counts of each post as its network told them last, for posts published in the period",
    more: &[],
    run: |conn, parameters, _given| posts(conn, parameters),
};

/// The report of accounts.
pub(super) static ACCOUNTS: Kind = Kind {
    name: "account-metrics",
    title: "Account metrics",
    about: "what networks and ad platforms counted for an account and for each of its campaigns, by day",
    more: &[],
    run: |conn, parameters, _given| accounts(conn, parameters),
};

/// The order of well-known metrics; others follow by name.
const ORDER: &[&str] = &[
    "impressions",
    "views",
    "video_views",
    "reach",
    "engagements",
    "interactions",
    "reactions",
    "likes",
    "comments",
    "replies",
    "shares",
    "reposts",
    "saves",
    "bookmarks",
    "clicks",
    "link_clicks",
    "profile_visits",
    "follows",
    "new_followers",
    "followers",
];

const NEVER_SUMMED: &str = "Reach, viewers and followers cannot be added over posts or days: the same people are in several. They are \
                            shown and have no total.";
const THEIRS: &str = "These are the networks' own counts, kept beside the clicks and leads that were tracked here and never mixed with \
                      them. Impressions and views are two metrics: a network that renamed one did not recount it.";

fn posts(conn: &mut Conn, asked: &Parameters) -> Result<Document, ReportError> {
    let as_of = ledger::as_of(conn, asked.as_of)?;
    let parameters = Parameters { as_of: Some(as_of), ..asked.clone() };
    let moments = Moments::all(as_of);
    let latest = metrics::latest_posts(conn, &moments)?;
    let accounts = accounts_by_id(conn)?;
    let ours = Ours::load(conn, &moments)?;
    let mut list: Vec<SocialPost> = metrics::posts(conn)?;
    list.retain(|p| latest.contains_key(&p.id) && p.published_on.is_none_or(|d| parameters.range.contains(d)));
    list.sort_by(|a, b| (b.published_on, &a.external_id, a.id).cmp(&(a.published_on, &b.external_id, b.id)));
    let names = metric_names(list.iter().filter_map(|p| latest.get(&p.id)).flat_map(|s| s.counts.keys()));
    let mut columns = vec![
        Column::new("network", "Network"),
        Column::new("account", "Account"),
        Column::new("published", "Published"),
        Column::new("title", "Post"),
        Column::new("format", "Kind"),
        Column::new("post", "Yours"),
        Column::hidden("external_id", "The network's id"),
        Column::hidden("permalink", "Address"),
        Column::new("snapshot", "Counted on"),
    ];
    columns.extend(names.iter().map(|m| Column::new(m.clone(), heading(m))));
    let rows = list.iter().filter_map(|post| {
        let snapshot = latest.get(&post.id)?;
        let account = accounts.get(&post.account.0);
        let text = |text: Option<&String>| text.map_or(Cell::Blank, Cell::text);
        let mut cells = vec![
            text(account.map(|a| &a.platform)),
            text(account.map(|a| &a.name)),
            post.published_on.map_or(Cell::Blank, Cell::Day),
            Cell::text(&post.title),
            Cell::text(&post.format),
            text(ours.code_of(post)),
            text(post.external_id.as_ref()),
            text(post.permalink.as_ref()),
            Cell::Day(snapshot.on),
        ];
        cells.extend(names.iter().map(|m| snapshot.counts.get(m).map_or(Cell::Blank, |n| cell(m, *n))));
        Some(cells)
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let sums = sums(&names, list.iter().filter_map(|p| latest.get(&p.id)).flat_map(|s| &s.counts));
    let sheet = Sheet { name: "rows", title: "Posts".into(), totals: totals(9, &rows, sums), columns, rows };
    let snapshot =
        "A post's counts are its latest snapshot that was imported by the as-of; older ones are kept.".to_owned();
    Ok(document(&POSTS, parameters, vec![sheet], vec![snapshot, NEVER_SUMMED.into(), THEIRS.into()]))
}

fn accounts(conn: &mut Conn, asked: &Parameters) -> Result<Document, ReportError> {
    let as_of = ledger::as_of(conn, asked.as_of)?;
    let parameters = Parameters { as_of: Some(as_of), ..asked.clone() };
    let counts = metrics::account_counts(conn, parameters.range, &Moments::all(as_of))?;
    let known = accounts_by_id(conn)?;
    let (of_campaigns, of_accounts): (Vec<AccountCount>, Vec<AccountCount>) =
        counts.into_iter().partition(|c| c.campaign.is_some());
    let sheets = vec![by_day(&known, &of_accounts), by_campaign(conn, &known, &of_campaigns)?];
    let days = "Days are those of each account's own zone, as its files label them.".to_owned();
    Ok(document(&ACCOUNTS, parameters, sheets, vec![days, NEVER_SUMMED.into(), THEIRS.into()]))
}

fn by_day(known: &HashMap<i64, PlatformAccount>, counts: &[AccountCount]) -> Sheet {
    let names = metric_names(counts.iter().map(|c| &c.metric));
    let mut table: BTreeMap<_, BTreeMap<&str, i64>> = BTreeMap::new();
    for count in counts {
        let account = known.get(&count.account.0);
        let key = (account.map(|a| &a.platform), account.map(|a| &a.name), count.day);
        table.entry(key).or_default().insert(&count.metric, count.value);
    }
    let mut columns =
        vec![Column::new("network", "Network"), Column::new("account", "Account"), Column::new("day", "Day")];
    columns.extend(names.iter().map(|m| Column::new(m.clone(), heading(m))));
    let rows = table.iter().map(|((network, account, day), counts)| {
        let text = |text: &Option<&String>| text.map_or(Cell::Blank, Cell::text);
        let mut cells = vec![text(network), text(account), Cell::Day(*day)];
        cells.extend(names.iter().map(|m| counts.get(m.as_str()).map_or(Cell::Blank, |n| cell(m, *n))));
        cells
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let sums = sums(&names, counts.iter().map(|c| (&c.metric, &c.value)));
    Sheet { name: "rows", title: "Accounts by day".into(), totals: totals(3, &rows, sums), columns, rows }
}

fn by_campaign(
    conn: &mut Conn,
    known: &HashMap<i64, PlatformAccount>,
    counts: &[AccountCount],
) -> Result<Sheet, ReportError> {
    // A platform may rename a campaign; its id stays, so that is what a report of one as_of can print for ever.
    let campaigns: HashMap<i64, String> =
        platforms::campaigns(conn)?.into_iter().map(|c| (c.id.0, c.external_id.unwrap_or(c.name))).collect();
    let names = metric_names(counts.iter().map(|c| &c.metric));
    let mut table: BTreeMap<_, BTreeMap<&str, i64>> = BTreeMap::new();
    for count in counts.iter().filter(|c| is_additive(&c.metric)) {
        let account = known.get(&count.account.0);
        let campaign = count.campaign.and_then(|id| campaigns.get(&id.0));
        let sum = table.entry((account.map(|a| &a.platform), account.map(|a| &a.name), campaign)).or_default();
        let sum = sum.entry(count.metric.as_str()).or_default();
        *sum = sum.saturating_add(count.value);
    }
    let mut columns = vec![
        Column::new("network", "Platform"),
        Column::new("account", "Account"),
        Column::new("campaign", "Its campaign"),
    ];
    columns.extend(names.iter().map(|m| Column::new(m.clone(), heading(m))));
    let rows = table.iter().map(|((network, account, campaign), counts)| {
        let text = |text: &Option<&String>| text.map_or(Cell::Blank, Cell::text);
        let mut cells = vec![text(network), text(account), text(campaign)];
        cells.extend(names.iter().map(|m| counts.get(m.as_str()).map_or(Cell::Blank, |n| cell(m, *n))));
        cells
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let sums = sums(&names, counts.iter().map(|c| (&c.metric, &c.value)));
    let totals = totals(3, &rows, sums);
    Ok(Sheet { name: "campaigns", title: "Campaigns of ad platforms in the period".into(), columns, rows, totals })
}

fn document(kind: &'static Kind, parameters: Parameters, sheets: Vec<Sheet>, notes: Vec<String>) -> Document {
    Document { report: kind.name, title: kind.title.into(), parameters, more: Vec::new(), sheets, notes }
}

fn accounts_by_id(conn: &mut Conn) -> Result<HashMap<i64, PlatformAccount>, ReportError> {
    Ok(platforms::accounts(conn)?.into_iter().map(|a| (a.id.0, a)).collect())
}

/// Our posts by what networks know them by.
struct Ours {
    by_id: HashMap<String, String>,
    by_address: HashMap<String, String>,
}

impl Ours {
    fn load(conn: &mut Conn, moments: &Moments) -> Result<Self, ReportError> {
        let codes: HashMap<PostId, String> = labels::list_posts(conn)?.into_iter().map(|p| (p.id, p.code)).collect();
        let (mut by_id, mut by_address) = (HashMap::new(), HashMap::new());
        let mut histories: Vec<_> = labels::post_histories(conn, moments)?.into_iter().collect();
        histories.sort_by_key(|(id, _)| *id);
        for (id, history) in histories {
            let (Some(code), Some(label)) = (codes.get(&id), history.latest()) else { continue };
            if !label.external_id.is_empty() {
                by_id.entry(label.external_id.clone()).or_insert_with(|| code.clone());
            }
            if !label.permalink.is_empty() {
                by_address.entry(permalink_key(&label.permalink)).or_insert_with(|| code.clone());
            }
        }
        Ok(Self { by_id, by_address })
    }

    fn code_of(&self, post: &SocialPost) -> Option<&String> {
        let by_address = || self.by_address.get(&permalink_key(post.permalink.as_deref()?));
        post.external_id.as_ref().and_then(|id| self.by_id.get(id)).or_else(by_address)
    }
}

fn metric_names<'m>(metrics: impl Iterator<Item = &'m String>) -> Vec<String> {
    let all: BTreeSet<&String> = metrics.collect();
    let mut names: Vec<String> = all.into_iter().cloned().collect();
    let place = |m: &String| ORDER.iter().position(|o| o == m).unwrap_or(ORDER.len());
    names.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
    names
}

fn heading(metric: &str) -> String {
    let words = metric.trim_end_matches("_micro").replace('_', " ");
    let mut chars = words.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn cell(metric: &str, value: i64) -> Cell {
    if metric.ends_with("_micro") { Cell::Micro(value) } else { Cell::Count(value) }
}

fn sums<'c>(names: &[String], counts: impl Iterator<Item = (&'c String, &'c i64)>) -> Vec<Cell> {
    let mut sums: BTreeMap<&String, i64> = BTreeMap::new();
    for (metric, value) in counts.filter(|(metric, _)| is_additive(metric)) {
        let sum = sums.entry(metric).or_default();
        *sum = sum.saturating_add(*value);
    }
    names.iter().map(|m| sums.get(m).map_or(Cell::Blank, |n| cell(m, *n))).collect()
}

fn totals(words: usize, rows: &[Vec<Cell>], sums: Vec<Cell>) -> Vec<Cell> {
    if rows.is_empty() {
        return Vec::new();
    }
    let blank = std::iter::repeat_n(Cell::Blank, words - 1);
    std::iter::once(Cell::text("(total)")).chain(blank).chain(sums).collect()
}
