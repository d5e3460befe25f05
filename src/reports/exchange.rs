//! Exchange: every amount in the currency of the report, at the rate of its own day (design section 6, *Currency*).

use std::collections::{BTreeMap, BTreeSet};

use super::ReportError;
use super::parameters::Parameters;
use crate::domain::fault::Fault;
use crate::domain::fx::{AGE_DAYS_MAX, Missing, Quote, RateTable};
use crate::domain::money::Currency;
use crate::domain::stage::{Stage, StageEvent};
use crate::domain::time::{Day, DayRange, Zone};
use crate::store::{Conn, Moments, rates};

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
                fault.detail =
                    format!("{} (the same goes for {} more days of costs up to {last})", fault.detail, days.len() - 1);
            }
            fault
        };
        let faults: Vec<Fault> = self.0.into_values().map(fault).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}
