//! Records a file: spend in the place of what stood, counts beside it, all as one batch.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::Read;
use super::plan::{AccountSpend, Known, by_account, draft, stands, zone_of};
use super::preview::{Preview, preview};
use crate::domain::channel::Effect;
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::{BatchId, PlatformAccountId, PlatformCampaignId};
use crate::domain::platform::{CampaignKey, Mapping, PlatformAccount, PlatformCampaign};
use crate::domain::stage::Source;
use crate::domain::time::{Day, Zone};
use crate::imports::counts::PostCounts;
use crate::imports::platform::{Body, Part};
use crate::store::batches::{self, Batch, BatchKind};
use crate::store::costs::{self, PlatformCost, Standing};
use crate::store::labels::{self, Author};
use crate::store::metrics::{self, AccountCount, Changes, PostKey, Snapshot};
use crate::store::platforms::{self, Subject};
use crate::store::touches::forms;
use crate::store::{Conn, StoreError, ledger};

/// What an import did.
#[derive(Debug, Clone, Serialize)]
pub struct Imported {
    /// The unit of undo; none where everything stood already.
    pub batch: Option<BatchId>,
    /// Entries of spend added.
    pub stored: usize,
    /// Entries of spend that they replaced.
    pub replaced: usize,
    /// Counts added.
    pub counts: usize,
    /// Counts that they replaced.
    pub counts_replaced: usize,
    /// What the file was.
    pub preview: Preview,
}

/// What campaigns of the file are in our words, as the user says with the import: by account and key.
pub type Words = HashMap<(String, CampaignKey), Mapping>;

/// Imports a file inside the caller's transaction, exactly as its preview says; refused where the preview has faults.
pub fn import(
    conn: &mut Conn,
    read: &Read,
    words: &Words,
    default_zone: &Zone,
    author: &Author,
) -> Result<Imported, StoreError> {
    // The ledger first: what the preview saw must hold until the end.
    ledger::lock(conn)?;
    let before = preview(conn, read, default_zone)?;
    if !before.faults.is_empty() {
        return Err(StoreError::Refused(before.faults));
    }
    let known = Known::load(conn)?;
    let mut told = told_spend(conn, read, words, &known, default_zone, author)?;
    for part in &read.file.parts {
        let into = (&mut told.counts, &mut told.snapshots);
        let first = tell(conn, part, read, &known, default_zone, author, into)?;
        told.source = told.source.or(first.map(|a| a.source));
    }
    let mut changes = Changes::default();
    metrics::compare_accounts(conn, &told.counts, &mut changes)?;
    metrics::compare_snapshots(conn, &told.snapshots, &mut changes)?;
    let mut done = Imported { batch: None, stored: 0, replaced: 0, counts: 0, counts_replaced: 0, preview: before };
    let told_spend = told.costs.iter().map(|c| (Some(c.campaign), c.cost.days, c.cost.amount));
    let spent_same = stands(&told.standing, told_spend);
    if spent_same && changes.added() == 0 {
        return Ok(done);
    }
    let at = ledger::stamp(conn, author.now)?;
    let batch = BatchId::new(at, rand::random());
    if !spent_same {
        costs::exchange(conn, &told.standing.replaced, &told.costs, batch, at)?;
        (done.stored, done.replaced) = (told.costs.len(), told.standing.replaced.len());
    }
    metrics::record(conn, &changes, batch, at)?;
    (done.counts, done.counts_replaced, done.batch) = (changes.added(), changes.replaced(), Some(batch));
    let rows = if spent_same { changes.added() } else { told.costs.len() };
    batches::insert(
        conn,
        &Batch {
            id: batch,
            kind: if spent_same { BatchKind::Metrics } else { BatchKind::Costs },
            source: told.source.map(|s| s.as_str().to_owned()).unwrap_or_default(),
            label: read.name.clone(),
            rows_stored: i64::try_from(rows).unwrap_or(i64::MAX),
            recorded_at: at,
            voided_at: None,
            recorded_by: author.name.clone(),
        },
    )?;
    Ok(done)
}

/// What a file tells, with the accounts, campaigns and posts that it is about.
#[derive(Default)]
struct Told {
    costs: Vec<PlatformCost>,
    /// What stands in the place of the costs.
    standing: Standing,
    counts: Vec<AccountCount>,
    snapshots: Vec<Snapshot>,
    /// The source of the first account.
    source: Option<Source>,
}

/// The spend of a file; its accounts and campaigns are made and mapped.
fn told_spend(
    conn: &mut Conn,
    read: &Read,
    words: &Words,
    known: &Known,
    default_zone: &Zone,
    author: &Author,
) -> Result<Told, StoreError> {
    let mut told = Told::default();
    for spend in &by_account(read, known)? {
        let found = spend.standing(conn, known, read.options.scope.unwrap_or_default())?;
        told.standing.replaced.extend(found.replaced);
        let account = account_of(conn, spend.part, (&spend.platform, &spend.name), read, known, default_zone, author)?;
        if let Some(currency) = spend.entries.first().map(|e| e.amount.currency) {
            platforms::set_currency(conn, account.id, currency)?;
        }
        let ids = campaigns_of(conn, spend, &account, known, author)?;
        map(conn, spend, &account, &ids, (read, words), author)?;
        for entry in &spend.entries {
            let Some(campaign) = ids.get(&entry.campaign).copied() else { continue };
            told.costs.push(PlatformCost { campaign, cost: draft(entry, &account.source) });
            told.counts.extend(entry.counts.iter().map(|(metric, value)| AccountCount {
                account: account.id,
                campaign: Some(campaign),
                day: entry.days.from,
                metric: metric.clone(),
                value: *value,
            }));
        }
        told.source = told.source.or(Some(account.source));
    }
    Ok(told)
}

fn account_of(
    conn: &mut Conn,
    part: &Part,
    (platform, name): (&str, &str),
    read: &Read,
    known: &Known,
    default_zone: &Zone,
    author: &Author,
) -> Result<PlatformAccount, StoreError> {
    if let Some(account) = known.account(platform, name) {
        return Ok(account.clone());
    }
    if let Some(made) = platforms::account(conn, platform, name)? {
        return Ok(made);
    }
    let zone = zone_of(part, None, read, default_zone);
    platforms::create_account(conn, platform, name, None, &zone, author.now)
}

/// The campaigns of an account's spend; new ones are made, and their ads remembered.
fn campaigns_of(
    conn: &mut Conn,
    spend: &AccountSpend<'_>,
    account: &PlatformAccount,
    known: &Known,
    author: &Author,
) -> Result<BTreeMap<CampaignKey, PlatformCampaignId>, StoreError> {
    let leads = known.leads(&spend.platform);
    let is_ours = |c: &&PlatformCampaign| c.account == account.id || Some(c.account) == leads;
    let mut own: Vec<PlatformCampaign> = known.campaigns.iter().filter(is_ours).cloned().collect();
    let mut ids: BTreeMap<CampaignKey, PlatformCampaignId> = BTreeMap::new();
    let mut ads = BTreeSet::new();
    for entry in &spend.entries {
        let key = &entry.campaign;
        let id = match ids.get(key) {
            Some(id) => *id,
            None => {
                let id = platforms::campaign(conn, (account.id, leads), key, &mut own, author.now)?;
                ids.insert(key.clone(), id);
                id
            }
        };
        ads.extend(entry.ads.iter().map(|ad| (id, ad.clone())));
    }
    platforms::note_ads(conn, account.id, ads, author.now)?;
    forms::find_campaigns(conn, &spend.platform, author.now)?;
    Ok(ids)
}

/// Records what the user says with the import: the channel of an account that has none, and campaigns that have nothing.
fn map(
    conn: &mut Conn,
    spend: &AccountSpend<'_>,
    account: &PlatformAccount,
    ids: &BTreeMap<CampaignKey, PlatformCampaignId>,
    (read, words): (&Read, &Words),
    author: &Author,
) -> Result<(), StoreError> {
    let mappings = platforms::Mappings::latest(conn)?;
    let code = read.options.channel.as_ref();
    if let Some(code) = code.filter(|_| mappings.said(Subject::Account(account.id)).channel.is_none()) {
        let channels = labels::list_channels(conn)?;
        let channel = channels.iter().find(|c| c.code == *code).ok_or_else(|| {
            let why = format!("there is no channel {}; create it first", shown(code));
            StoreError::refused(Fault::new("channel", "channel-unknown", why))
        })?;
        let mapping = Mapping { channel: Some(channel.id), campaign: None };
        platforms::map(conn, Subject::Account(account.id), mapping, Effect::FromNowOn, author)?;
    }
    for (key, id) in ids {
        let word = words.get(&(spend.name.clone(), key.clone())).filter(|word| !word.is_empty());
        if let Some(word) = word.filter(|_| mappings.said(Subject::Campaign(*id)).is_empty()) {
            platforms::map(conn, Subject::Campaign(*id), *word, Effect::FromNowOn, author)?;
        }
    }
    Ok(())
}

/// Gathers the counts of a table; answers its first account.
fn tell(
    conn: &mut Conn,
    part: &Part,
    read: &Read,
    known: &Known,
    default_zone: &Zone,
    author: &Author,
    (counts, snapshots): (&mut Vec<AccountCount>, &mut Vec<Snapshot>),
) -> Result<Option<PlatformAccount>, StoreError> {
    let mut accounts: BTreeMap<(String, String), PlatformAccount> = BTreeMap::new();
    let mut account = |conn: &mut Conn, network: Option<&String>, told: Option<&String>| {
        let platform = network.unwrap_or(&part.bound.preset.platform).clone();
        let name = known.name(&platform, told.map(String::as_str), read)?;
        let key = (platform.clone(), name.clone());
        if let Some(found) = accounts.get(&key) {
            return Ok::<PlatformAccount, StoreError>(found.clone());
        }
        let made = account_of(conn, part, (&platform, &name), read, known, default_zone, author)?;
        accounts.insert(key, made.clone());
        Ok(made)
    };
    match &part.body {
        Body::Spend(_) => {}
        Body::Days(file) => {
            for item in &file.items {
                let account = account(conn, item.network.as_ref(), item.account.as_ref())?;
                let (day, metric, value) = (item.day, item.metric.clone(), item.value);
                counts.push(AccountCount { account: account.id, campaign: None, day, metric, value });
            }
        }
        Body::Posts(file) => {
            let on = read.options.exported_on.unwrap_or_else(|| default_zone.day_of(author.now));
            let mut ids: HashMap<PlatformAccountId, HashMap<String, i64>> = HashMap::new();
            for item in &file.items {
                let account = account(conn, item.network.as_ref(), item.account.as_ref())?;
                let own = match ids.entry(account.id) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(metrics::post_ids(conn, account.id)?),
                };
                snapshots.push(snapshot(conn, item, account.id, own, on, author)?);
            }
        }
    }
    Ok(accounts.into_values().next())
}

fn snapshot(
    conn: &mut Conn,
    item: &PostCounts,
    account: PlatformAccountId,
    ids: &mut HashMap<String, i64>,
    on: Day,
    author: &Author,
) -> Result<Snapshot, StoreError> {
    let key = PostKey {
        external_id: item.external_id.clone(),
        permalink: item.permalink.clone(),
        published_on: item.published_on,
        title: item.title.clone(),
        format: item.format.clone(),
    };
    let post = match ids.get(&key.key()) {
        Some(id) => *id,
        None => {
            let id = metrics::add_post(conn, account, &key, author.now)?;
            ids.insert(key.key(), id);
            id
        }
    };
    Ok(Snapshot { post, on, counts: item.counts.clone() })
}
