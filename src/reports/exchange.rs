//! Exchange: every amount in the currency of the report, at the rate of its own day (design section 6, *Currency*).

use std::collections::{BTreeMap, BTreeSet};

use super::ReportError;
use super::parameters::Parameters;
use crate::domain::fault::Fault;
use crate::domain::fx::{AGE_DAYS_MAX, Missing, Quote, RateTable};
use crate::domain::money::Currency;
use crate::domain::stage::{Stage, StageEvent};
use crate::domain::time::{Day, DayRange, UtcMillis, Zone};
use crate::store::{Conn, Moments, StoreError, rates};

/// The rates that the amounts of a report need.
#[derive(Debug)]
pub(super) struct Exchange {
    to: Currency,
    table: RateTable,
    /// For amounts that the first table has no rate for.
    first: Option<RateTable>,
}

impl Exchange {
    /// Reads the rates for amounts of these currencies and days; none where all are in the report's own.
    pub(super) fn load(
        conn: &mut Conn,
        moments: &Moments,
        to: Currency,
        amounts: impl Iterator<Item = (Currency, Day)>,
    ) -> Result<Self, ReportError> {
        let mut currencies = BTreeSet::new();
        let mut days: Option<DayRange> = None;
        for (currency, day) in amounts.filter(|(currency, _)| *currency != to) {
            currencies.insert(currency);
            days =
                Some(days.map_or(DayRange { from: day, to: day }, |d| DayRange {
                    from: d.from.min(day),
                    to: d.to.max(day),
                }));
        }
        let Some(days) = days else { return Ok(Self { to, table: RateTable::default(), first: None }) };
        currencies.insert(to);
        // Somewhat more than the oldest usable rates, so that a missing one can say which was the last.
        let reach = i32::try_from(AGE_DAYS_MAX * 8).unwrap_or(i32::MAX);
        let days = DayRange { from: days.from.plus_days(-reach), to: days.to };
        let mut table = |at| Ok::<_, ReportError>(RateTable::new(rates::visible(conn, &currencies, days, at)?));
        let first = if moments.first_rates == moments.rates { None } else { Some(table(moments.first_rates)?) };
        Ok(Self { to, table: table(moments.rates)?, first })
    }

    /// The rates for the money of purchases and refunds.
    pub(super) fn of_events(
        conn: &mut Conn,
        moments: &Moments,
        parameters: &Parameters,
        events: &[StageEvent],
    ) -> Result<Self, ReportError> {
        let has_money = |e: &&StageEvent| e.stage.is_purchase() || e.stage == Stage::Refund;
        let amounts = events.iter().filter(has_money).filter_map(|e| Some((e.value?.currency, day_of(e))));
        Self::load(conn, moments, parameters.currency, amounts)
    }

    /// How an amount of a day is converted.
    pub(super) fn quote(&self, from: Currency, day: Day) -> Result<Quote, Missing> {
        let quote = |table: &RateTable| table.quote(from, self.to, day);
        quote(&self.table).or_else(|missing| self.first.as_ref().map_or(Err(missing), quote))
    }

    /// How the money of a stage event is converted: at the rate of its UTC day.
    ///
    /// # Errors
    /// A fault that names the day and the currencies without a rate.
    pub(super) fn of_event(&self, event: &StageEvent) -> Result<Quote, Fault> {
        let currency = event.value.map_or(self.to, |m| m.currency);
        self.quote(currency, day_of(event)).map_err(|missing| missing.fault(event.stage.as_str()))
    }
}

/// Days of costs in one currency that no rate converts: a report of them answers nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateGap {
    /// The currency of the costs.
    pub from: Currency,
    /// The currency of reports.
    pub to: Currency,
    /// The first such day.
    pub first: Day,
    /// The last one.
    pub last: Day,
    /// How many there are.
    pub days: usize,
}

/// Where costs of these currencies and days lack a rate by the rates that stand now, by currency.
pub fn rate_gaps(conn: &mut Conn, to: Currency, costs: &[(Currency, DayRange)]) -> Result<Vec<RateGap>, StoreError> {
    let foreign = || costs.iter().filter(|(currency, _)| *currency != to);
    let from = foreign().map(|(_, range)| range.from).min();
    let Some((from, until)) = from.zip(foreign().map(|(_, range)| range.to).max()) else { return Ok(Vec::new()) };
    let currencies: BTreeSet<Currency> = foreign().map(|(currency, _)| *currency).chain([to]).collect();
    let reach = i32::try_from(AGE_DAYS_MAX).unwrap_or(i32::MAX);
    let days = DayRange { from: from.plus_days(-reach), to: until };
    let table = RateTable::new(rates::visible(conn, &currencies, days, UtcMillis(i64::MAX))?);
    let mut lacking: BTreeMap<Currency, BTreeSet<Day>> = BTreeMap::new();
    for (currency, range) in foreign() {
        let bare = range.days().filter(|day| table.quote(*currency, to, *day).is_err());
        lacking.entry(*currency).or_default().extend(bare);
    }
    let gap = |(from, days): (Currency, BTreeSet<Day>)| {
        let (first, last) = days.first().copied().zip(days.last().copied())?;
        Some(RateGap { from, to, first, last, days: days.len() })
    };
    Ok(lacking.into_iter().filter_map(gap).collect())
}

/// The UTC day of a stage event.
fn day_of(event: &StageEvent) -> Day {
    Zone::utc().day_of(event.occurred_at)
}

/// Days of costs without a rate, gathered so that all currencies are told at once.
#[derive(Debug, Default)]
pub(super) struct Lacking(BTreeMap<Currency, (Missing, BTreeSet<Day>)>);

impl Lacking {
    pub(super) fn note(&mut self, missing: Missing) {
        let (first, days) = self.0.entry(missing.from).or_insert_with(|| (missing, BTreeSet::new()));
        if missing.day < first.day {
            *first = missing;
        }
        days.insert(missing.day);
    }

    /// A fault for each currency: its first day, and how many more there are.
    pub(super) fn finish(self) -> Result<(), Vec<Fault>> {
        let fault = |(first, days): (Missing, BTreeSet<Day>)| {
            let mut fault = first.fault("cost");
            if let Some(last) = days.last().filter(|last| **last != first.day) {
                let more = match days.len() - 1 {
                    1 => format!("the costs of {last}"),
                    n => format!("{n} more days of costs up to {last}"),
                };
                fault.detail = format!("{} (the same goes for {more})", fault.detail);
            }
            fault
        };
        let faults: Vec<Fault> = self.0.into_values().map(fault).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}
