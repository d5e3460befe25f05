//! Cost entries: replaced by re-import, undone by batch, never edited.

use std::collections::HashSet;

use diesel::prelude::*;

use super::batches::{Batch, BatchKind};
use super::labels::Author;
use super::platforms::Mappings;
use super::schema::cost_entries;
use super::{Conn, Moments, ROWS_PER_STATEMENT, StoreError, batches, bytes, fact_id, ledger, schedules, stored, uuid};
use crate::domain::allocation::Allocation;
use crate::domain::cost::{CostDraft, CostEntry, CostKind};
use crate::domain::fault::Fault;
use crate::domain::ids::{BatchId, CampaignId, ChannelId, CostEntryId, LinkId, PlatformCampaignId, PostId};
use crate::domain::labour::{Hours, Labour};
use crate::domain::money::{Currency, Money};
use crate::domain::stage::Source;
use crate::domain::time::{Day, DayRange, UtcMillis};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = cost_entries, treat_none_as_default_value = false)]
struct Row {
    id: Vec<u8>,
    recorded_at: i64,
    voided_at: Option<i64>,
    batch_id: Vec<u8>,
    day_from: String,
    day_to: String,
    channel_id: Option<i64>,
    campaign_id: Option<i64>,
    post_id: Option<i64>,
    link_id: Option<i64>,
    kind: String,
    amount_minor: i64,
    currency: String,
    source: String,
    document: Option<String>,
    platform_campaign_id: Option<i64>,
    allocation: Option<String>,
    note: Option<String>,
    worker: Option<String>,
    work_seconds: Option<i64>,
    hourly_minor: Option<i64>,
}

/// A rule as it is stored; none where the cost stays shared.
pub(super) fn stored_allocation(allocation: &Allocation) -> Option<String> {
    Some(allocation).filter(|a| !a.is_keep()).map(ToString::to_string)
}

/// Reads it back.
pub(super) fn read_allocation(text: Option<&str>) -> Result<Allocation, StoreError> {
    let rule: Allocation<String> = stored(text.unwrap_or_default())?;
    rule.try_map(|channel| stored(&channel))
}

impl Row {
    fn into_entry(self) -> Result<CostEntry, StoreError> {
        Ok(CostEntry {
            id: CostEntryId(uuid(&self.id)?),
            cost: CostDraft {
                days: DayRange { from: stored(&self.day_from)?, to: stored(&self.day_to)? },
                channel: self.channel_id.map(ChannelId),
                campaign: self.campaign_id.map(CampaignId),
                post: self.post_id.map(PostId),
                link: self.link_id.map(LinkId),
                kind: stored(&self.kind)?,
                amount: Money { minor: self.amount_minor, currency: stored(&self.currency)? },
                source: Source::stored(self.source),
                document: self.document,
                allocation: read_allocation(self.allocation.as_deref())?,
                note: self.note,
                labour: match (self.worker, self.work_seconds, self.hourly_minor) {
                    (Some(worker), Some(seconds), Some(hourly_minor)) => {
                        Some(Labour { worker, hours: Hours::of_seconds(seconds), hourly_minor })
                    }
                    _ => None,
                },
            },
            platform: self.platform_campaign_id.map(PlatformCampaignId),
        })
    }

    fn of(cost: &CostDraft, id: uuid::Uuid, batch: BatchId, at: UtcMillis) -> Self {
        Self {
            id: bytes(id),
            recorded_at: at.0,
            voided_at: None,
            batch_id: bytes(batch.0),
            day_from: cost.days.from.to_string(),
            day_to: cost.days.to.to_string(),
            channel_id: cost.channel.map(|c| c.0),
            campaign_id: cost.campaign.map(|c| c.0),
            post_id: cost.post.map(|p| p.0),
            link_id: cost.link.map(|l| l.0),
            kind: cost.kind.as_str().into(),
            amount_minor: cost.amount.minor,
            currency: cost.amount.currency.code().into(),
            source: cost.source.as_str().into(),
            document: cost.document.clone(),
            platform_campaign_id: None,
            allocation: stored_allocation(&cost.allocation),
            note: cost.note.clone(),
            worker: cost.labour.as_ref().map(|l| l.worker.clone()),
            work_seconds: cost.labour.as_ref().map(|l| l.hours.seconds()),
            hourly_minor: cost.labour.as_ref().map(|l| l.hourly_minor),
        }
    }
}

/// What storing a set of costs did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The batch; `None` where the same entries stood already and nothing was written.
    pub batch: Option<BatchId>,
    /// Entries added.
    pub added: usize,
    /// Earlier entries of the same source, kind and days that they replaced.
    pub replaced: usize,
}

/// Adds entries without replacing anything: single costs by hand or API.
pub fn add(conn: &mut Conn, costs: &[CostDraft], label: &str, author: &Author) -> Result<Stored, StoreError> {
    let at = ledger::stamp(conn, author.now)?;
    insert(conn, costs, label, at, author).map(|batch| Stored { batch: Some(batch), added: costs.len(), replaced: 0 })
}

/// Imports a file's entries: for each source and kind in it, they replace every entry between the file's first and last day.
///
/// An entry that reaches outside those days is refused by name, and nothing is
/// stored. The same file again changes nothing.
pub fn replace(conn: &mut Conn, costs: &[CostDraft], label: &str, author: &Author) -> Result<Stored, StoreError> {
    let at = ledger::stamp(conn, author.now)?;
    let mut groups: Vec<(&Source, CostKind)> = costs.iter().map(|c| (&c.source, c.kind)).collect();
    groups.sort_by_key(|(s, k)| (s.as_str().to_owned(), *k));
    groups.dedup();
    let mut replaced_ids = Vec::new();
    let mut standing = Vec::new();
    for (source, kind) in groups {
        // The file's range, not the kind's: a kind that the file leaves out on some day was not spent on it.
        let of_source = |c: &&CostDraft| c.source == *source;
        let from = costs.iter().filter(of_source).map(|c| c.days.from).min();
        let to = costs.iter().filter(of_source).map(|c| c.days.to).max();
        let (Some(from), Some(to)) = (from, to) else { continue };
        for row in overlapping(conn, source, kind, DayRange { from, to })? {
            let id = row.id.clone();
            let entry = row.into_entry()?;
            if entry.cost.days.from < from || entry.cost.days.to > to {
                return Err(StoreError::refused(reaches_outside(&entry, DayRange { from, to })));
            }
            replaced_ids.push(id);
            standing.push(entry.cost);
        }
    }
    if same_entries(&standing, costs) {
        return Ok(Stored { batch: None, added: 0, replaced: 0 });
    }
    for chunk in replaced_ids.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::update(cost_entries::table.filter(cost_entries::id.eq_any(chunk)))
            .set(cost_entries::voided_at.eq(at.0)).execute(c))?;
    }
    let batch = insert(conn, costs, label, at, author)?;
    Ok(Stored { batch: Some(batch), added: costs.len(), replaced: replaced_ids.len() })
}

/// The ledger time of a later import on whose back a batch of costs cannot be undone: it has replaced entries of the
/// batch that do not stand again by now, or covers days that the batch had replaced. `None` where nothing stands in the way.
pub(super) fn rests_on(conn: &mut Conn, batch: &Batch) -> Result<Option<UtcMillis>, StoreError> {
    use cost_entries as t;
    let key = bytes(batch.id.0);
    let standing: i64 = on!(conn, c => t::table.filter(t::batch_id.eq(&key)).filter(t::voided_at.is_null())
        .count().get_result(c))?;
    if standing != batch.rows_stored {
        let voided: Option<i64> = on!(conn, c => t::table.filter(t::batch_id.eq(&key))
            .select(diesel::dsl::max(t::voided_at.assume_not_null())).first(c))?;
        return Ok(voided.map(UtcMillis));
    }
    for row in replaced_at(conn, batch.recorded_at)? {
        let later: Vec<(i64, Option<i64>)> = on!(conn, c => t::table
            .filter(t::source.eq(&row.source)).filter(t::kind.eq(&row.kind)).filter(t::voided_at.is_null())
            .filter(t::day_from.le(&row.day_to)).filter(t::day_to.ge(&row.day_from))
            .filter(t::recorded_at.gt(batch.recorded_at.0)).filter(t::batch_id.ne(&key))
            .select((t::recorded_at, t::platform_campaign_id)).load(c))?;
        // Spend of another campaign of the platform does not stand in its place.
        let own = row.platform_campaign_id;
        let meets = |other: &Option<i64>| own.is_none() || other.is_none() || *other == own;
        if let Some((at, _)) = later.iter().find(|(_, campaign)| meets(campaign)) {
            return Ok(Some(UtcMillis(*at)));
        }
    }
    Ok(None)
}

/// Entries that were replaced at a ledger time. Each transaction has a time of its own, so they are exactly those of one import.
fn replaced_at(conn: &mut Conn, at: UtcMillis) -> Result<Vec<Row>, StoreError> {
    Ok(on!(conn, c => cost_entries::table.filter(cost_entries::voided_at.eq(at.0)).select(Row::as_select()).load(c))?)
}

/// Brings back, as new facts, what a batch had replaced.
pub(super) fn restore_replaced(conn: &mut Conn, batch: &Batch, at: UtcMillis) -> Result<(), StoreError> {
    let rows = replaced_at(conn, batch.recorded_at)?;
    let restored: Vec<Row> = rows
        .into_iter()
        .map(|mut row| {
            row.id = bytes(fact_id(at));
            row.recorded_at = at.0;
            row.voided_at = None;
            row
        })
        .collect();
    write(conn, &restored)
}

/// Entries that a report sees and whose days touch a range, the months of schedules among them, in a fixed order.
pub fn visible(conn: &mut Conn, range: DayRange, moments: &Moments) -> Result<Vec<CostEntry>, StoreError> {
    use cost_entries as t;
    let (from, to) = (range.from.to_string(), range.to.to_string());
    let rows: Vec<Row> = on!(conn, c => t::table
        .filter(t::day_from.le(&to)).filter(t::day_to.ge(&from)).filter(t::recorded_at.le(moments.costs.0))
        .filter(t::voided_at.is_null().or(t::voided_at.gt(moments.costs.0)))
        .select(Row::as_select()).load(c))?;
    let mut entries = mapped(conn, rows, moments)?;
    entries.extend(schedules::entries(conn, range, moments)?);
    entries.sort_by_key(|e| (e.cost.days.from, e.id));
    Ok(entries)
}

/// The entries of rows, those of platforms with the channel and the campaign that they are mapped to.
fn mapped(conn: &mut Conn, rows: Vec<Row>, moments: &Moments) -> Result<Vec<CostEntry>, StoreError> {
    let is_platforms = rows.iter().any(|r| r.platform_campaign_id.is_some());
    let mappings = if is_platforms { Mappings::load(conn, moments)? } else { Mappings::default() };
    let entry = |row: Row| {
        let mut entry = row.into_entry()?;
        if let Some(campaign) = entry.platform {
            let mapping = mappings.on(campaign, entry.cost.days.from);
            entry.cost.channel = mapping.channel;
            entry.cost.campaign = mapping.campaign;
        }
        Ok(entry)
    };
    rows.into_iter().map(entry).collect()
}

/// The newest standing entries.
pub fn list(conn: &mut Conn, limit: i64) -> Result<Vec<CostEntry>, StoreError> {
    use cost_entries as t;
    let rows: Vec<Row> = on!(conn, c => t::table.filter(t::voided_at.is_null())
        .order((t::day_from.desc(), t::id.desc())).limit(limit).select(Row::as_select()).load(c))?;
    mapped(conn, rows, &Moments::all(UtcMillis(i64::MAX)))
}

/// Currencies other than this one in which costs stand, with the days that they are of.
pub fn foreign_days(conn: &mut Conn, currency: Currency) -> Result<Vec<(Currency, DayRange)>, StoreError> {
    use cost_entries as t;
    let rows: Vec<(String, String, String)> = on!(conn, c => t::table.filter(t::voided_at.is_null())
        .filter(t::currency.ne(currency.code())).select((t::currency, t::day_from, t::day_to)).distinct().load(c))?;
    let one = |(code, from, to): (String, String, String)| {
        Ok((stored(&code)?, DayRange { from: stored(&from)?, to: stored(&to)? }))
    };
    rows.into_iter().map(one).collect()
}

fn overlapping(conn: &mut Conn, source: &Source, kind: CostKind, days: DayRange) -> Result<Vec<Row>, StoreError> {
    use cost_entries as t;
    let (from, to) = (days.from.to_string(), days.to.to_string());
    Ok(on!(conn, c => t::table.filter(t::source.eq(source.as_str())).filter(t::kind.eq(kind.as_str()))
        .filter(t::day_from.le(&to)).filter(t::day_to.ge(&from)).filter(t::voided_at.is_null())
        .select(Row::as_select()).load(c))?)
}

fn same_entries(a: &[CostDraft], b: &[CostDraft]) -> bool {
    let key = |c: &CostDraft| {
        (
            c.days.from,
            c.days.to,
            c.channel,
            c.campaign,
            c.post,
            c.link,
            c.kind,
            c.amount.minor,
            c.amount.currency.code(),
            c.document.clone(),
            (c.allocation.to_string(), c.note.clone()),
            c.labour.as_ref().map(|l| (l.worker.clone(), l.hours, l.hourly_minor)),
        )
    };
    let sorted = |list: &[CostDraft]| {
        let mut keys: Vec<_> = list.iter().map(key).collect();
        keys.sort();
        keys
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

fn insert(
    conn: &mut Conn,
    costs: &[CostDraft],
    label: &str,
    at: UtcMillis,
    author: &Author,
) -> Result<BatchId, StoreError> {
    let batch = BatchId::new(at, rand::random());
    let source = costs.first().map_or("", |c| c.source.as_str()).to_owned();
    batches::insert(
        conn,
        &Batch {
            id: batch,
            kind: BatchKind::Costs,
            source,
            label: label.to_owned(),
            rows_stored: i64::try_from(costs.len()).unwrap_or(0),
            recorded_at: at,
            voided_at: None,
            recorded_by: author.name.clone(),
        },
    )?;
    let rows: Vec<Row> = costs.iter().map(|c| Row::of(c, fact_id(at), batch, at)).collect();
    write(conn, &rows)?;
    Ok(batch)
}

/// Spend as a platform told it; channel and campaign follow from the platform's mappings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformCost {
    /// The platform's campaign.
    pub campaign: PlatformCampaignId,
    /// Days, amount and source.
    pub cost: CostDraft,
}

/// What a file of an account replaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every entry of the account between the file's first and last day: what the file lacks was not spent.
    #[default]
    Account,
    /// Entries of the campaigns in the file only: it is an extract.
    Campaigns,
}

/// What stands in the place of a file's spend.
#[derive(Debug, Default)]
pub struct Standing {
    /// Entries that the file replaces.
    pub replaced: Vec<CostEntry>,
    /// Those of them for whose campaign and days the file has nothing.
    pub vanishing: Vec<CostEntry>,
}

/// A campaign, if it is known already, and the days it spends on in a file.
pub type Spend = (Option<PlatformCampaignId>, DayRange);

/// What of a source's ad spend a file would replace; an entry that reaches outside its days is refused by name.
pub fn standing(conn: &mut Conn, source: &Source, file: &[Spend], scope: Scope) -> Result<Standing, StoreError> {
    let (from, to) = (file.iter().map(|(_, d)| d.from).min(), file.iter().map(|(_, d)| d.to).max());
    let (Some(from), Some(to)) = (from, to) else { return Ok(Standing::default()) };
    let told: HashSet<(Option<PlatformCampaignId>, Day, Day)> = file.iter().map(|(c, d)| (*c, d.from, d.to)).collect();
    let campaigns: HashSet<Option<PlatformCampaignId>> = file.iter().map(|(c, _)| *c).collect();
    let mut standing = Standing::default();
    for row in overlapping(conn, source, CostKind::Media, DayRange { from, to })? {
        let entry = row.into_entry()?;
        if scope == Scope::Campaigns && !campaigns.contains(&entry.platform) {
            continue;
        }
        if entry.cost.days.from < from || entry.cost.days.to > to {
            return Err(StoreError::refused(reaches_outside(&entry, DayRange { from, to })));
        }
        if !told.contains(&(entry.platform, entry.cost.days.from, entry.cost.days.to)) {
            standing.vanishing.push(entry.clone());
        }
        standing.replaced.push(entry);
    }
    Ok(standing)
}

fn reaches_outside(entry: &CostEntry, file: DayRange) -> Fault {
    let (days, source) = (entry.cost.days, entry.cost.source.as_str());
    Fault::new(
        "days",
        "cost-reaches-outside",
        format!(
            "the import covers {} to {}, but entry {} of source `{source}` covers {} to {} ({}); import whole ranges, \
             or undo that entry's batch first",
            file.from, file.to, entry.id, days.from, days.to, entry.cost.amount
        ),
    )
}

/// What a batch spent, by currency, whether or not it still stands.
pub fn sums_of(conn: &mut Conn, batch: BatchId) -> Result<Vec<Money>, StoreError> {
    use cost_entries as t;
    let rows: Vec<(String, i64)> = on!(conn, c => t::table.filter(t::batch_id.eq(bytes(batch.0)))
        .select((t::currency, t::amount_minor)).load(c))?;
    let mut sums: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
    for (currency, minor) in rows {
        let sum = sums.entry(currency).or_default();
        *sum = sum.saturating_add(minor);
    }
    sums.into_iter().map(|(code, minor)| Ok(Money { minor, currency: stored(&code)? })).collect()
}

/// Voids entries and adds others as one batch, at a ledger time that the caller has taken.
pub fn exchange(
    conn: &mut Conn,
    replaced: &[CostEntry],
    costs: &[PlatformCost],
    batch: BatchId,
    at: UtcMillis,
) -> Result<(), StoreError> {
    let ids: Vec<Vec<u8>> = replaced.iter().map(|e| bytes(e.id.0)).collect();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::update(cost_entries::table.filter(cost_entries::id.eq_any(chunk)))
            .set(cost_entries::voided_at.eq(at.0)).execute(c))?;
    }
    let row =
        |c: &PlatformCost| Row { platform_campaign_id: Some(c.campaign.0), ..Row::of(&c.cost, fact_id(at), batch, at) };
    write(conn, &costs.iter().map(row).collect::<Vec<_>>())
}

fn write(conn: &mut Conn, rows: &[Row]) -> Result<(), StoreError> {
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::insert_into(cost_entries::table).values(chunk).execute(c))?;
    }
    Ok(())
}
