//! Schedules of monthly costs: revisions that are added and voided, months that are computed.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::batches::{Batch, BatchKind};
use super::costs::{read_allocation, stored_allocation};
use super::labels::Author;
use super::schema::cost_schedules;
use super::{Conn, Moments, StoreError, batches, bytes, fact_id, ledger, stored, uuid};
use crate::domain::cost::CostEntry;
use crate::domain::fault::Fault;
use crate::domain::ids::{BatchId, CampaignId, ChannelId, CostEntryId, ScheduleId};
use crate::domain::money::Money;
use crate::domain::schedule::{SOURCE, Schedule, ScheduleRevision, entries_in};
use crate::domain::time::{Day, DayRange, UtcMillis};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = cost_schedules, treat_none_as_default_value = false)]
struct Row {
    id: Vec<u8>,
    schedule_id: Vec<u8>,
    recorded_at: i64,
    voided_at: Option<i64>,
    batch_id: Vec<u8>,
    effective_from: String,
    name: String,
    kind: String,
    first_day: String,
    last_day: Option<String>,
    channel_id: Option<i64>,
    campaign_id: Option<i64>,
    amount_minor: i64,
    currency: String,
    allocation: Option<String>,
    document: Option<String>,
}

impl Row {
    fn into_revision(self) -> Result<ScheduleRevision, StoreError> {
        Ok(ScheduleRevision {
            id: CostEntryId(uuid(&self.id)?),
            schedule_id: ScheduleId(uuid(&self.schedule_id)?),
            recorded_at: UtcMillis(self.recorded_at),
            effective_from: stored(&self.effective_from)?,
            schedule: Schedule {
                name: self.name,
                kind: stored(&self.kind)?,
                first_day: stored(&self.first_day)?,
                last_day: self.last_day.as_deref().map(stored).transpose()?,
                channel: self.channel_id.map(ChannelId),
                campaign: self.campaign_id.map(CampaignId),
                amount: Money { minor: self.amount_minor, currency: stored(&self.currency)? },
                allocation: read_allocation(self.allocation.as_deref())?,
                document: self.document,
            },
        })
    }
}

/// Revisions by schedule, each in the order in which they were recorded.
pub type Schedules = BTreeMap<ScheduleId, Vec<ScheduleRevision>>;

/// Adds a schedule; answers it with the batch to undo it with.
pub fn create(conn: &mut Conn, schedule: &Schedule, author: &Author) -> Result<(ScheduleId, BatchId), StoreError> {
    let at = ledger::stamp(conn, author.now)?;
    let id = ScheduleId(fact_id(at));
    let batch = insert(conn, id, schedule.first_day, schedule, at, author)?;
    Ok((id, batch))
}

/// Changes a schedule from the month that begins on `from`. The ledger first, so that of two changes at once the second
/// builds on the first; `change` is told what stands and answers what holds from then on.
pub fn revise(
    conn: &mut Conn,
    id: ScheduleId,
    from: Day,
    author: &Author,
    change: impl FnOnce(&[ScheduleRevision]) -> Result<Schedule, StoreError>,
) -> Result<BatchId, StoreError> {
    let at = ledger::stamp(conn, author.now)?;
    let known = standing(conn)?.remove(&id).ok_or_else(|| StoreError::NotFound(format!("schedule {id}")))?;
    let schedule = change(&known)?;
    insert(conn, id, from, &schedule, at, author)
}

fn insert(
    conn: &mut Conn,
    id: ScheduleId,
    effective_from: Day,
    schedule: &Schedule,
    at: UtcMillis,
    author: &Author,
) -> Result<BatchId, StoreError> {
    schedule.check().map_err(StoreError::refused)?;
    let batch = BatchId::new(at, rand::random());
    batches::insert(
        conn,
        &Batch {
            id: batch,
            kind: BatchKind::Costs,
            source: SOURCE.to_owned(),
            label: format!("{}, from {effective_from}", schedule.name),
            rows_stored: 1,
            recorded_at: at,
            voided_at: None,
            recorded_by: author.name.clone(),
        },
    )?;
    let row = Row {
        id: bytes(fact_id(at)),
        schedule_id: bytes(id.0),
        recorded_at: at.0,
        voided_at: None,
        batch_id: bytes(batch.0),
        effective_from: effective_from.to_string(),
        name: schedule.name.clone(),
        kind: schedule.kind.as_str().into(),
        first_day: schedule.first_day.to_string(),
        last_day: schedule.last_day.map(|d| d.to_string()),
        channel_id: schedule.channel.map(|c| c.0),
        campaign_id: schedule.campaign.map(|c| c.0),
        amount_minor: schedule.amount.minor,
        currency: schedule.amount.currency.code().into(),
        allocation: stored_allocation(&schedule.allocation),
        document: schedule.document.clone(),
    };
    on!(conn, c => diesel::insert_into(cost_schedules::table).values(&row).execute(c))?;
    Ok(batch)
}

/// Schedules as they stand.
pub fn standing(conn: &mut Conn) -> Result<Schedules, StoreError> {
    use cost_schedules as t;
    let rows: Vec<Row> = on!(conn, c => t::table.filter(t::voided_at.is_null()).select(Row::as_select()).load(c))?;
    by_schedule(rows)
}

/// The months of schedules that a report sees and whose days touch a range.
pub(super) fn entries(conn: &mut Conn, range: DayRange, moments: &Moments) -> Result<Vec<CostEntry>, StoreError> {
    use cost_schedules as t;
    let rows: Vec<Row> = on!(conn, c => t::table.filter(t::recorded_at.le(moments.costs.0))
        .filter(t::voided_at.is_null().or(t::voided_at.gt(moments.costs.0)))
        .select(Row::as_select()).load(c))?;
    Ok(by_schedule(rows)?.values().flat_map(|revisions| entries_in(revisions, range)).collect())
}

fn by_schedule(rows: Vec<Row>) -> Result<Schedules, StoreError> {
    let mut revisions = rows.into_iter().map(Row::into_revision).collect::<Result<Vec<_>, _>>()?;
    revisions.sort_by_key(|r| (r.recorded_at, r.id));
    let mut all = Schedules::new();
    for revision in revisions {
        all.entry(revision.schedule_id).or_default().push(revision);
    }
    Ok(all)
}

/// Refuses to undo the beginning of a schedule while changes of it stand, which would lose their months' first day.
pub(super) fn require_last(conn: &mut Conn, batch: BatchId) -> Result<(), StoreError> {
    let key = bytes(batch.0);
    use cost_schedules as t;
    let own: Option<(Vec<u8>, i64)> = on!(conn, c => t::table.filter(t::batch_id.eq(&key)).filter(t::voided_at.is_null())
        .select((t::schedule_id, t::recorded_at)).first(c).optional())?;
    let Some((schedule, recorded_at)) = own else { return Ok(()) };
    let later: Option<String> = on!(conn, c => t::table.filter(t::schedule_id.eq(&schedule)).filter(t::voided_at.is_null())
        .filter(t::recorded_at.gt(recorded_at)).select(t::effective_from).first(c).optional())?;
    match later {
        None => Ok(()),
        Some(from) => {
            let detail = format!("the schedule was changed since, from {from} on; undo that change first");
            Err(StoreError::refused(Fault::new("batch", "replaced-since", detail)))
        }
    }
}
