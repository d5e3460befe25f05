//! Schedules: costs that come back every month, such as a subscription or an agency's fee.
//!
//! A schedule is computed, not copied: its months are cost entries only where a report reads them, so that they are
//! there once, follow `as_of` and never have to be written (`docs/decisions/0011-schedules-are-computed.md`).

use super::allocation::Allocation;
use super::cost::{CostDraft, CostEntry, CostKind};
use super::fault::Fault;
use super::ids::{CampaignId, ChannelId, CostEntryId, ScheduleId};
use super::money::Money;
use super::stage::Source;
use super::time::{Day, DayRange, UtcMillis};

/// The source of a schedule's costs. No import can name it, so that none replaces them.
pub const SOURCE: &str = "(schedule)";

/// A monthly cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What people call it.
    pub name: String,
    /// What it buys.
    pub kind: CostKind,
    /// The first day of the first month; months begin on the same day, or the last one of a shorter month.
    pub first_day: Day,
    /// The last day of the last month; `None` while it goes on.
    pub last_day: Option<Day>,
    /// The channel it is spent on; without one it is shared by `allocation`.
    pub channel: Option<ChannelId>,
    /// The campaign, where known.
    pub campaign: Option<CampaignId>,
    /// Money for a month.
    pub amount: Money,
    /// How channels share it.
    pub allocation: Allocation,
    /// Contract or customer number.
    pub document: Option<String>,
}

impl Schedule {
    /// The n-th month, counted from 0.
    fn month(&self, n: i32) -> DayRange {
        DayRange { from: self.first_day.plus_months(n), to: self.first_day.plus_months(n + 1).plus_days(-1) }
    }

    /// The months from the first one up to a day.
    fn months_to(&self, day: Day) -> impl Iterator<Item = (i32, DayRange)> + use<'_> {
        (0..).map(|n| (n, self.month(n))).take_while(move |(_, month)| month.from <= day)
    }

    /// Checks that a month begins on `day`.
    ///
    /// # Errors
    /// A fault that names the months around it.
    pub fn require_begin(&self, day: Day, field: &str) -> Result<(), Fault> {
        if self.months_to(day).any(|(_, month)| month.from == day) {
            return Ok(());
        }
        let around = match self.months_to(day).last() {
            Some((n, before)) => format!("{} or {}", before.from, self.month(n + 1).from),
            None => self.first_day.to_string(),
        };
        let detail = format!("no month of it begins on {day}; use {around}");
        Err(Fault::new(field, "schedule-month", detail))
    }

    /// Checks that a month ends on the last day.
    ///
    /// # Errors
    /// A fault that names the ends around it.
    pub fn check(&self) -> Result<(), Fault> {
        let Some(last) = self.last_day else { return Ok(()) };
        if self.months_to(last).any(|(_, month)| month.to == last) {
            return Ok(());
        }
        let around = match self.months_to(last).last() {
            Some((0, first)) => first.to.to_string(),
            Some((n, month)) => format!("{} or {}", self.month(n - 1).to, month.to),
            None => self.month(0).to.to_string(),
        };
        let detail = format!(
            "no month of it ends on {last}; use {around}, and record what is given back for a part of a month as a credit note"
        );
        Err(Fault::new("last_day", "schedule-month", detail))
    }
}

/// What a schedule is from some month on, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRevision {
    /// Its id.
    pub id: CostEntryId,
    /// Which schedule.
    pub schedule_id: ScheduleId,
    /// Ledger time.
    pub recorded_at: UtcMillis,
    /// The first day of the first month that it holds for.
    pub effective_from: Day,
    /// What it says.
    pub schedule: Schedule,
}

/// The revision that a month goes by: the last one recorded of those that hold from its first day or before.
/// `revisions` are those of one schedule, in the order in which they were recorded.
pub fn revision_of(revisions: &[ScheduleRevision], first_day: Day) -> Option<&ScheduleRevision> {
    revisions.iter().rev().find(|r| r.effective_from <= first_day)
}

/// The costs of one schedule whose days touch a range, one entry a month.
pub fn entries_in(revisions: &[ScheduleRevision], range: DayRange) -> Vec<CostEntry> {
    let Some(anchor) = revisions.first().map(|r| &r.schedule) else { return Vec::new() };
    let mut entries = Vec::new();
    for (n, days) in anchor.months_to(range.to).filter(|(_, month)| month.to >= range.from) {
        let Some(revision) = revision_of(revisions, days.from) else { continue };
        let own = &revision.schedule;
        if own.last_day.is_some_and(|last| days.to > last) || own.amount.minor == 0 {
            continue;
        }
        entries.push(CostEntry {
            id: month_id(revision.id, n),
            cost: CostDraft {
                days,
                channel: own.channel,
                campaign: own.campaign,
                post: None,
                link: None,
                kind: own.kind,
                amount: own.amount,
                source: Source::stored(SOURCE.to_owned()),
                document: own.document.clone(),
                allocation: own.allocation.clone(),
                note: Some(own.name.clone()),
                labour: None,
            },
            platform: None,
        });
    }
    entries
}

/// The id of a revision's n-th month: the revision's own with the number folded into its random end.
fn month_id(revision: CostEntryId, n: i32) -> CostEntryId {
    CostEntryId(uuid::Uuid::from_u128(revision.0.as_u128() ^ u128::from(n.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().expect(text)
    }

    fn revision(recorded: i64, from: &str, minor: i64, last_day: Option<&str>) -> ScheduleRevision {
        let schedule = Schedule {
            name: "Tool".into(),
            kind: CostKind::Tools,
            first_day: day("2025-01-31"),
            last_day: last_day.map(day),
            channel: None,
            campaign: None,
            amount: Money { minor, currency: "EUR".parse().expect("EUR") },
            allocation: Allocation::Keep,
            document: None,
        };
        let id = CostEntryId(uuid::Uuid::from_u128(u128::from(recorded.unsigned_abs()) << 32));
        ScheduleRevision {
            id,
            schedule_id: ScheduleId(uuid::Uuid::nil()),
            recorded_at: UtcMillis(recorded),
            effective_from: day(from),
            schedule,
        }
    }

    fn months(revisions: &[ScheduleRevision], from: &str, to: &str) -> Vec<(String, String, i64)> {
        let entries = entries_in(revisions, DayRange { from: day(from), to: day(to) });
        entries
            .iter()
            .map(|e| (e.cost.days.from.to_string(), e.cost.days.to.to_string(), e.cost.amount.minor))
            .collect()
    }

    fn month(from: &str, to: &str, minor: i64) -> (String, String, i64) {
        (from.into(), to.into(), minor)
    }

    #[test]
    fn months_follow_the_first_day_through_short_months() {
        let one = [revision(1, "2025-01-31", 5_000, None)];
        let expected = [
            month("2025-01-31", "2025-02-27", 5_000),
            month("2025-02-28", "2025-03-30", 5_000),
            month("2025-03-31", "2025-04-29", 5_000),
        ];
        assert_eq!(months(&one, "2025-01-01", "2025-04-29"), expected);
        assert_eq!(months(&one, "2025-03-01", "2025-03-30"), expected[1..2]);
        assert!(months(&one, "2024-01-01", "2025-01-30").is_empty());
        let ids: Vec<_> = entries_in(&one, DayRange { from: day("2025-01-01"), to: day("2025-12-31") })
            .iter()
            .map(|e| e.id)
            .collect();
        assert!(ids.iter().enumerate().all(|(n, id)| !ids[..n].contains(id)), "each month has an id of its own");
    }

    #[test]
    fn a_price_holds_from_its_month_on_until_the_end() {
        let mut all = vec![revision(1, "2025-01-31", 5_000, None), revision(2, "2025-03-31", 6_000, None)];
        let amounts = |all: &[ScheduleRevision]| {
            months(all, "2025-01-01", "2025-06-30").into_iter().map(|(_, _, m)| m).collect::<Vec<_>>()
        };
        assert_eq!(amounts(&all), [5_000, 5_000, 6_000, 6_000, 6_000, 6_000]);
        all.push(revision(3, "2025-04-30", 6_000, Some("2025-05-30")));
        assert_eq!(amounts(&all), [5_000, 5_000, 6_000, 6_000]);
        all.push(revision(4, "2025-01-31", 5_500, None));
        assert_eq!(amounts(&all), [5_500; 6], "a correction from the beginning is the last word");
    }

    #[test]
    fn months_begin_and_end_where_they_do() {
        let schedule = revision(1, "2025-01-31", 5_000, None).schedule;
        assert!(schedule.require_begin(day("2025-02-28"), "from").is_ok());
        let fault = schedule.require_begin(day("2025-03-01"), "from").expect_err("no begin");
        assert!(fault.detail.contains("use 2025-02-28 or 2025-03-31"), "{fault}");
        let ends = |last: &str| Schedule { last_day: Some(day(last)), ..schedule.clone() }.check();
        assert!(ends("2025-03-30").is_ok());
        assert!(ends("2025-04-01").expect_err("no end").detail.contains("use 2025-03-30 or 2025-04-29"));
        assert!(ends("2025-02-01").expect_err("no end").detail.contains("use 2025-02-27"));
        assert!(ends("2024-02-01").expect_err("before").detail.contains("use 2025-02-27"));
    }
}
