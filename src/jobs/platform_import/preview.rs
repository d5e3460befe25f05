//! What a file is, before anything is recorded.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Read;
use super::plan::{AccountSpend, Known, by_account, stands, zone_of};
use crate::domain::fault::Fault;
use crate::domain::platform::{CampaignKey, is_additive};
use crate::domain::time::{Day, Zone};
use crate::domain::utm::near_duplicate;
use crate::imports::platform::{Body, Part};
use crate::imports::table::TotalsRow;
use crate::store::labels::{self, Campaign, Channel};
use crate::store::platforms::Subject;
use crate::store::{Conn, StoreError};

/// Everything that an import would do, and what keeps it from doing so.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// The file's name.
    pub file: String,
    /// The encoding that was found.
    pub encoding: &'static str,
    /// The delimiter that was found; none of a workbook.
    pub delimiter: Option<char>,
    /// The day by which snapshots and dates without a year are dated.
    pub exported_on: Option<Day>,
    /// The tables of the file.
    pub sheets: Vec<SheetView>,
    /// Sheets that no preset knows.
    pub passed_over: Vec<String>,
    /// The accounts that spend.
    pub accounts: Vec<AccountView>,
    /// Rows that cannot be read, with their lines.
    pub errors: Vec<String>,
    /// What keeps the file from being imported as it was asked.
    pub faults: Vec<Fault>,
}

/// A table.
#[derive(Debug, Clone, Serialize)]
pub struct SheetView {
    /// The tab of a workbook; empty for a text file.
    pub sheet: String,
    /// The preset that its columns fit.
    pub preset: String,
    /// What people call it.
    pub title: String,
    /// The platform.
    pub platform: String,
    /// `spend`, `posts` or `days`.
    pub kind: &'static str,
    /// The line of the header.
    pub header_line: u64,
    /// Rows that were read.
    pub rows: usize,
    /// Rows of totals, which were not.
    pub totals: Vec<TotalsRow>,
    /// Lines that belong to no table.
    pub footers: usize,
    /// Columns that are not kept.
    pub unread: Vec<String>,
    /// Sums of counts that may be summed.
    pub counts: BTreeMap<String, i64>,
    /// First and last day.
    pub days: Option<(Day, Day)>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// An account that spends in the file.
#[derive(Debug, Clone, Serialize)]
pub struct AccountView {
    /// The platform.
    pub platform: String,
    /// Its name.
    pub account: String,
    /// Whether this file makes it.
    pub is_new: bool,
    /// The currency.
    pub currency: String,
    /// Whose days they are.
    pub zone: String,
    /// First and last day.
    pub days: (Day, Day),
    /// Entries: one for each campaign and day.
    pub entries: usize,
    /// Their sum in minor units.
    pub amount_minor: i64,
    /// The channel of the whole account, if it has been said.
    pub channel: Option<String>,
    /// The channel that it probably is.
    pub channel_suggestion: Option<String>,
    /// Its campaigns.
    pub campaigns: Vec<CampaignView>,
    /// The part that no channel has been named for.
    pub unmapped_minor: i64,
    /// Whether all of its spend stands already, so that importing it changes none.
    pub stands: bool,
    /// Standing entries that the file replaces.
    pub replaces: usize,
    /// Their sum.
    pub replaces_minor: i64,
    /// Those of them for which the file has nothing.
    pub vanishing: Vec<Vanishing>,
}

/// A campaign of the platform.
#[derive(Debug, Clone, Serialize)]
pub struct CampaignView {
    /// What the file calls it.
    #[serde(flatten)]
    pub key: CampaignKey,
    /// What it spent, in minor units.
    pub amount_minor: i64,
    /// Our channel, its own or its account's.
    pub channel: Option<String>,
    /// Our campaign.
    pub campaign: Option<String>,
    /// Whether something has been said of it itself.
    pub is_mapped: bool,
    /// The campaign that it probably is, by its name.
    pub campaign_suggestion: Option<String>,
}

/// A standing entry whose campaign and days the file lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Vanishing {
    /// The platform's campaign.
    pub campaign: String,
    /// First and last day.
    pub days: (Day, Day),
    /// What it says now, in minor units.
    pub amount_minor: i64,
}

/// Codes and names of ours, to show mappings and to suggest some.
struct Ours {
    channels: Vec<Channel>,
    campaigns: Vec<Campaign>,
}

/// Says what an import of a file would do. `default_zone` is that of reports.
pub fn preview(conn: &mut Conn, read: &Read, default_zone: &Zone) -> Result<Preview, StoreError> {
    let known = Known::load(conn)?;
    let ours = Ours { channels: labels::list_channels(conn)?, campaigns: labels::list_campaigns(conn)? };
    let mut preview = Preview {
        file: read.name.clone(),
        encoding: read.file.encoding,
        delimiter: read.file.delimiter,
        exported_on: read.options.exported_on,
        sheets: read.file.parts.iter().map(sheet).collect(),
        passed_over: read.file.passed_over.clone(),
        accounts: Vec::new(),
        errors: read.file.all_errors().iter().map(ToString::to_string).collect(),
        faults: Vec::new(),
    };
    match by_account(read, &known) {
        Err(fault) => preview.faults.push(fault),
        Ok(accounts) => {
            for spend in accounts {
                match account(conn, &spend, read, &known, &ours, default_zone) {
                    Ok(view) => preview.accounts.push(view),
                    Err(StoreError::Refused(faults)) => preview.faults.extend(faults),
                    Err(other) => return Err(other),
                }
            }
        }
    }
    if let Err(fault) = accounts_of_counts(read, &known) {
        preview.faults.push(fault);
    }
    let found = faults(read, &preview, &ours);
    preview.faults.extend(found);
    Ok(preview)
}

/// Refuses counts of an account that nobody names, as recording them would.
fn accounts_of_counts(read: &Read, known: &Known) -> Result<(), Fault> {
    for part in &read.file.parts {
        let own = &part.bound.preset.platform;
        let check = |network: Option<&String>, told: Option<&String>| {
            known.name(network.unwrap_or(own), told.map(String::as_str), read).map(drop)
        };
        match &part.body {
            Body::Spend(_) => {}
            Body::Days(file) => {
                file.items.iter().try_for_each(|i| check(i.network.as_ref(), i.account.as_ref()))?;
            }
            Body::Posts(file) => {
                file.items.iter().try_for_each(|i| check(i.network.as_ref(), i.account.as_ref()))?;
            }
        }
    }
    Ok(())
}

fn sheet(part: &Part) -> SheetView {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    let mut add = |metric: &str, value: i64| {
        if is_additive(metric) {
            let sum = counts.entry(metric.to_owned()).or_default();
            *sum = sum.saturating_add(value);
        }
    };
    let mut days: Vec<Day> = Vec::new();
    match &part.body {
        Body::Spend(file) => {
            file.entries.iter().flat_map(|e| &e.counts).for_each(|(m, v)| add(m, *v));
            days.extend(file.entries.iter().flat_map(|e| [e.days.from, e.days.to]));
        }
        Body::Posts(file) => {
            file.items.iter().flat_map(|p| &p.counts).for_each(|(m, v)| add(m, *v));
            days.extend(file.items.iter().filter_map(|p| p.published_on));
        }
        Body::Days(file) => {
            file.items.iter().for_each(|c| add(&c.metric, c.value));
            days.extend(file.items.iter().map(|c| c.day));
        }
    }
    let preset = &part.bound.preset;
    SheetView {
        sheet: part.sheet.clone(),
        preset: preset.name.clone(),
        title: preset.title.clone(),
        platform: preset.platform.clone(),
        kind: preset.kind.as_str(),
        header_line: part.header_line,
        rows: part.body.rows(),
        totals: part.body.totals().to_vec(),
        footers: part.body.footers(),
        unread: part.bound.unread.clone(),
        counts,
        days: days.iter().min().copied().zip(days.iter().max().copied()),
        notes: part.body.notes().to_vec(),
    }
}

fn account(
    conn: &mut Conn,
    spend: &AccountSpend<'_>,
    read: &Read,
    known: &Known,
    ours: &Ours,
    default_zone: &Zone,
) -> Result<AccountView, StoreError> {
    spend.check_currency(known, read)?;
    let account = known.account(&spend.platform, &spend.name);
    let standing = spend.standing(conn, known, read.options.scope.unwrap_or_default())?;
    let campaign_of = |key| account.and_then(|a| known.campaign(&spend.platform, Some(a), key));
    let told = spend.entries.iter().map(|e| (campaign_of(&e.campaign), e.days, e.amount));
    let stands = account.is_some() && stands(&standing, told);
    let said = account.map(|a| known.mappings.said(Subject::Account(a.id))).unwrap_or_default();
    let channel = said.channel.and_then(|id| ours.channels.iter().find(|c| c.id == id)).map(|c| c.code.clone());
    let channel = channel.or_else(|| read.options.channel.clone());
    let campaigns = campaigns(spend, known, ours, channel.as_ref());
    let names: BTreeMap<_, _> = known.campaigns.iter().map(|c| (c.id, c)).collect();
    let named = |id| {
        names
            .get(&id)
            .map(|c| if c.name.is_empty() { c.external_id.clone().unwrap_or_default() } else { c.name.clone() })
    };
    let vanishing = standing.vanishing.iter().map(|e| Vanishing {
        campaign: e.platform.and_then(named).unwrap_or_else(|| "(entered otherwise)".to_owned()),
        days: (e.cost.days.from, e.cost.days.to),
        amount_minor: e.cost.amount.minor,
    });
    let mut vanishing: Vec<Vanishing> = vanishing.collect();
    vanishing.sort();
    let sum = |amounts: &mut dyn Iterator<Item = i64>| amounts.fold(0_i64, i64::saturating_add);
    let days = spend.entries.iter().map(|e| e.days);
    let (from, to) = (days.clone().map(|d| d.from).min(), days.map(|d| d.to).max());
    Ok(AccountView {
        platform: spend.platform.clone(),
        account: spend.name.clone(),
        is_new: account.is_none(),
        currency: spend.entries.first().map(|e| e.amount.currency.code().to_owned()).unwrap_or_default(),
        zone: zone_of(spend.part, account, read, default_zone).name().to_owned(),
        days: from.zip(to).ok_or_else(|| StoreError::Other("an account without entries".into()))?,
        entries: spend.entries.len(),
        amount_minor: sum(&mut spend.entries.iter().map(|e| e.amount.minor)),
        channel_suggestion: channel.is_none().then(|| ours.channel_of(&spend.platform)).flatten(),
        channel,
        unmapped_minor: sum(&mut campaigns.iter().filter(|c| c.channel.is_none()).map(|c| c.amount_minor)),
        campaigns,
        stands,
        replaces: standing.replaced.len(),
        replaces_minor: sum(&mut standing.replaced.iter().map(|e| e.cost.amount.minor)),
        vanishing,
    })
}

fn campaigns(spend: &AccountSpend<'_>, known: &Known, ours: &Ours, of_account: Option<&String>) -> Vec<CampaignView> {
    let mut sums: BTreeMap<&CampaignKey, i64> = BTreeMap::new();
    for entry in &spend.entries {
        let sum = sums.entry(&entry.campaign).or_default();
        *sum = sum.saturating_add(entry.amount.minor);
    }
    // An id with two names is one campaign; they follow each other.
    let mut views: Vec<CampaignView> = Vec::new();
    let account = known.account(&spend.platform, &spend.name);
    for (key, amount_minor) in sums {
        let twin = views.last_mut().filter(|v| key.external_id.is_some() && v.key.external_id == key.external_id);
        if let Some(twin) = twin {
            twin.amount_minor = twin.amount_minor.saturating_add(amount_minor);
            continue;
        }
        let id = known.campaign(&spend.platform, account, key);
        let said = id.map(|id| known.mappings.said(Subject::Campaign(id))).unwrap_or_default();
        let channel = said.channel.and_then(|id| ours.channels.iter().find(|c| c.id == id)).map(|c| c.code.clone());
        let campaign = said.campaign.and_then(|id| ours.campaigns.iter().find(|c| c.id == id)).map(|c| c.code.clone());
        views.push(CampaignView {
            key: key.clone(),
            amount_minor,
            channel: channel.or_else(|| of_account.cloned()),
            campaign_suggestion: if campaign.is_none() { ours.campaign_of(&key.name) } else { None },
            campaign,
            is_mapped: !said.is_empty(),
        });
    }
    views.sort_by(|a, b| b.amount_minor.cmp(&a.amount_minor).then_with(|| a.key.cmp(&b.key)));
    views
}

impl Ours {
    /// The one paid channel of a platform.
    fn channel_of(&self, platform: &str) -> Option<String> {
        let sources: &[&str] = match platform {
            "meta" => &["facebook", "instagram", "meta"],
            "microsoft" => &["bing", "microsoft"],
            "x" => &["x", "twitter"],
            other => &[other],
        };
        let is_paid = |medium: &str| medium.contains("cp") || medium.starts_with("paid") || medium.starts_with("ppc");
        let mut fitting = self
            .channels
            .iter()
            .filter(|c| sources.contains(&c.utm_source.as_str()) && is_paid(&c.utm_medium) && !c.labels.archived);
        let first = fitting.next()?;
        fitting.next().is_none().then(|| first.code.clone())
    }

    /// The campaign that a platform's name resembles, by code (`utm_campaign`) or by name.
    fn campaign_of(&self, name: &str) -> Option<String> {
        let words = |text: &str| -> Vec<String> {
            let lower = text.to_lowercase();
            lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
        };
        let wanted = words(name);
        if wanted.is_empty() {
            return None;
        }
        let live = || self.campaigns.iter().filter(|c| !c.labels.archived);
        let same = live().find(|c| words(&c.code) == wanted || words(&c.labels.name) == wanted);
        let joined = wanted.join("-");
        let near = || near_duplicate(&joined, live().map(|c| c.code.as_str())).filter(|n| live().any(|c| c.code == *n));
        let inside = || {
            let fits = |c: &&Campaign| {
                let own = words(&c.code);
                own.len() > 1 && own.iter().all(|w| wanted.contains(w))
            };
            live().find(fits).map(|c| c.code.clone())
        };
        same.map(|c| c.code.clone()).or_else(near).or_else(inside)
    }
}

/// What keeps an import from being made.
fn faults(read: &Read, preview: &Preview, ours: &Ours) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !preview.errors.is_empty() {
        let why =
            format!("{} rows cannot be read, so nothing is imported; export the file again", preview.errors.len());
        faults.push(Fault::new("file", "rows-bad", why));
    }
    let differs = read.file.parts.iter().any(|part| {
        let totals = part.body.totals();
        let agrees = totals.iter().filter(|t| t.agrees).count();
        // A file of spend has sums of parts, too, such as those of each campaign type.
        let enough = if matches!(part.body, Body::Spend(_)) { 1 } else { totals.len() };
        !totals.is_empty() && agrees < enough
    });
    if differs && !read.options.accepts_difference {
        let why = "the rows do not sum to the file's own totals; export it again, or accept the difference";
        faults.push(Fault::new("accept_difference", "totals-differ", why));
    }
    let vanishing: usize = preview.accounts.iter().map(|a| a.vanishing.len()).sum();
    if vanishing > 0 && read.options.scope.is_none() {
        let why = format!(
            "{vanishing} standing entries between the file's first and last day have nothing in it; say with `scope` \
             whether they vanish (account: the file is whole) or stay (campaigns: it is an extract)"
        );
        faults.push(Fault::new("scope", "spend-would-vanish", why));
    }
    if let Some(code) = read.options.channel.as_ref().filter(|code| !ours.channels.iter().any(|c| c.code == **code)) {
        let why = format!("there is no channel {}; create it first", crate::domain::fault::shown(code));
        faults.push(Fault::new("channel", "channel-unknown", why));
    }
    let is_empty = read.file.parts.iter().all(|p| p.body.rows() == 0) && preview.errors.is_empty();
    if is_empty {
        faults.push(Fault::new("file", "file-empty", "the file has a header and no rows; export days that have some"));
    }
    faults
}
