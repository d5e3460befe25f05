//! Schedules of monthly costs by the codes people use; the API, the pages and the command line all come through here.

use std::collections::HashMap;

use super::import::Codes;
use crate::domain::allocation::Allocation;
use crate::domain::cost::CostKind;
use crate::domain::fault::Fault;
use crate::domain::ids::{BatchId, ScheduleId};
use crate::domain::money::Money;
use crate::domain::schedule::{Schedule, ScheduleRevision, revision_of};
use crate::domain::time::Day;
use crate::store::labels::{self, Author};
use crate::store::{Conn, StoreError, schedules};

/// A schedule in its sender's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleInput {
    /// What people call it.
    pub name: String,
    /// `tools` if empty.
    pub kind: String,
    /// The first day of the first month.
    pub first_day: String,
    /// The last day of the last month; it goes on if not given.
    pub last_day: Option<String>,
    /// The channel's code; without one the cost is shared.
    pub channel: Option<String>,
    /// The campaign's code.
    pub campaign: Option<String>,
    /// A decimal amount for a month.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
    /// How channels share it.
    pub allocation: Option<String>,
    /// Contract or customer number.
    pub document: Option<String>,
}

/// A change of a schedule; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleChange {
    /// The first day of the first month that it holds for.
    pub from: String,
    /// A decimal amount for a month, in the schedule's currency.
    pub amount: Option<String>,
    /// The last day of the last month; empty takes an end back.
    pub last_day: Option<String>,
    /// How channels share it.
    pub allocation: Option<String>,
}

fn day(text: &str, field: &str, faults: &mut Vec<Fault>) -> Option<Day> {
    text.trim().parse().map_err(|f: Fault| faults.push(f.named(field))).ok()
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|t| !t.is_empty())
}

impl ScheduleInput {
    fn check(&self, codes: &Codes) -> Result<Schedule, Vec<Fault>> {
        let mut faults = Vec::new();
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > 200 {
            faults.push(Fault::new(
                "name",
                "missing",
                "give it a name of up to 200 characters, such as Scheduling tool",
            ));
        }
        let kind = if self.kind.is_empty() { Ok(CostKind::Tools) } else { self.kind.parse() };
        let kind = kind.map_err(|f| faults.push(f)).ok();
        let channel = codes.channel(self.channel.as_deref(), &mut faults);
        let campaign = codes.campaign(self.campaign.as_deref(), &mut faults);
        let allocation = codes.allocation(self.allocation.as_deref(), &mut faults);
        let first_day = day(&self.first_day, "first_day", &mut faults);
        let last_day = given(self.last_day.as_deref()).and_then(|text| day(text, "last_day", &mut faults));
        let amount = self.currency.parse().and_then(|currency| Money::parse(&self.amount, currency));
        let amount = amount.map_err(|f| faults.push(f)).ok();
        let (Some(kind), Some(first_day), Some(amount)) = (kind, first_day, amount) else { return Err(faults) };
        let document = given(self.document.as_deref()).map(str::to_owned);
        let schedule = Schedule {
            name: name.to_owned(),
            kind,
            first_day,
            last_day,
            channel,
            campaign,
            amount,
            allocation,
            document,
        };
        faults.extend(schedule.check().err());
        faults.extend(needless(&schedule));
        if faults.is_empty() { Ok(schedule) } else { Err(faults) }
    }
}

/// A rule for a schedule that names its channel.
fn needless(schedule: &Schedule) -> Option<Fault> {
    let detail = "the schedule names its channel, so there is nothing to share; leave out the rule or the channel";
    (schedule.channel.is_some() && !schedule.allocation.is_keep())
        .then(|| Fault::new("allocation", "allocation-needless", detail))
}

/// Adds a schedule; answers it with the batch to undo it with.
pub fn create(conn: &mut Conn, input: &ScheduleInput, author: &Author) -> Result<(ScheduleId, BatchId), StoreError> {
    let schedule = input.check(&Codes::load(conn)?).map_err(StoreError::Refused)?;
    schedules::create(conn, &schedule, author)
}

/// Changes a schedule from one of its months on; answers the batch to undo it with.
pub fn change(
    conn: &mut Conn,
    id: ScheduleId,
    change: &ScheduleChange,
    author: &Author,
) -> Result<BatchId, StoreError> {
    let codes = Codes::load(conn)?;
    let from: Day = change.from.trim().parse().map_err(|f: Fault| StoreError::refused(f.named("from")))?;
    schedules::revise(conn, id, from, author, |known| changed(known, from, change, &codes).map_err(StoreError::Refused))
}

fn changed(
    known: &[ScheduleRevision],
    from: Day,
    change: &ScheduleChange,
    codes: &Codes,
) -> Result<Schedule, Vec<Fault>> {
    let mut faults = Vec::new();
    let before = revision_of(known, from).or_else(|| known.first()).map(|r| r.schedule.clone());
    let Some(mut schedule) = before else {
        return Err(vec![Fault::new("schedule", "missing", "the schedule was undone")]);
    };
    faults.extend(schedule.require_begin(from, "from").err());
    if let Some(text) = given(change.amount.as_deref()) {
        match Money::parse(text, schedule.amount.currency) {
            Ok(amount) => schedule.amount = amount,
            Err(fault) => faults.push(fault),
        }
    }
    match change.last_day.as_deref().map(str::trim) {
        None => {}
        Some("") => schedule.last_day = None,
        Some(text) => schedule.last_day = day(text, "last_day", &mut faults),
    }
    if change.allocation.is_some() {
        schedule.allocation = codes.allocation(change.allocation.as_deref(), &mut faults);
    }
    faults.extend(schedule.check().err());
    faults.extend(needless(&schedule));
    if faults.is_empty() { Ok(schedule) } else { Err(faults) }
}

/// A standing schedule with the codes of what it is spent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSchedule {
    /// Its id.
    pub id: ScheduleId,
    /// The channel's code.
    pub channel: Option<String>,
    /// The campaign's code.
    pub campaign: Option<String>,
    /// The rule with codes of channels.
    pub allocation: String,
    /// Its revisions, in the order in which they were recorded; the last one recorded is the word of today.
    pub revisions: Vec<ScheduleRevision>,
}

impl NamedSchedule {
    /// What it says from its last change on.
    pub fn latest(&self) -> Option<&Schedule> {
        self.revisions.last().map(|r| &r.schedule)
    }
}

/// The standing schedules, by name.
pub fn list(conn: &mut Conn) -> Result<Vec<NamedSchedule>, StoreError> {
    let channels: HashMap<_, _> = labels::list_channels(conn)?.into_iter().map(|c| (c.id, c.code)).collect();
    let campaigns: HashMap<_, _> = labels::list_campaigns(conn)?.into_iter().map(|c| (c.id, c.code)).collect();
    let named = |(id, revisions): (ScheduleId, Vec<ScheduleRevision>)| {
        let latest = revisions.last().map(|r| &r.schedule);
        NamedSchedule {
            id,
            channel: latest.and_then(|s| s.channel).and_then(|id| channels.get(&id).cloned()),
            campaign: latest.and_then(|s| s.campaign).and_then(|id| campaigns.get(&id).cloned()),
            allocation: latest.map_or_else(String::new, |s| with_codes(&s.allocation, &channels)),
            revisions,
        }
    };
    let mut list: Vec<NamedSchedule> = schedules::standing(conn)?.into_iter().map(named).collect();
    list.sort_by(|a, b| a.latest().map(|s| &s.name).cmp(&b.latest().map(|s| &s.name)).then(a.id.cmp(&b.id)));
    Ok(list)
}

/// A rule with the codes of its channels, as people write it.
pub(super) fn with_codes(rule: &Allocation, codes: &HashMap<crate::domain::ids::ChannelId, String>) -> String {
    let code = |id| codes.get(&id).cloned().ok_or(());
    rule.clone().try_map(code).map_or_else(|()| rule.to_string(), |named: Allocation<String>| named.to_string())
}
