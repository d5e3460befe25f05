//! Maturity: how much of a cohort's credit is in by now, as older cohorts tell.
//!
//! F(`as_of` − day), with F the empirical distribution of the lag from touch to lead, weighted by credit, over
//! touches that are older than one look-back (design section 6). A row's maturity is the mean over its days.

use std::collections::{BTreeMap, HashMap};

use super::super::ReportError;
use super::super::credits::{self, Credit, Measure, Sink};
use super::super::dimension::Part;
use super::super::facts::{Facts, Journeys};
use super::super::parameters::{Parameters, ReportClock};
use super::super::places::Places;
use super::figures::Ratio;
use super::table::Filled;
use crate::domain::calendar::piece_of;
use crate::domain::stage::Stage;
use crate::domain::time::{DAY_MS, Day, DayRange, UtcMillis};
use crate::store::Conn;

/// Fewer credits than this say nothing about a lag.
const CREDITS_MIN: usize = 30;

/// The lags of one model's lead credits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::reports) struct Lags {
    /// Credit by lag in milliseconds.
    by_lag: BTreeMap<i64, i128>,
    credits: usize,
    total: i128,
}

impl Lags {
    /// The credit that has come in after `ms`, of all.
    pub(in crate::reports) fn within(&self, ms: i64) -> Option<Ratio> {
        (self.credits >= CREDITS_MIN)
            .then(|| Ratio { of: self.by_lag.range(..=ms).map(|(_, micro)| micro).sum(), whole: self.total })
    }
}

/// Collects lags of touches that had a whole look-back for their leads.
struct Collector {
    oldest_young: UtcMillis,
    by_model: Vec<Lags>,
}

impl Sink for Collector {
    fn take(&mut self, _: &Journeys<'_>, _: &mut Places<'_>, credit: &Credit<'_>) -> Result<(), ReportError> {
        let Some(lags) = self.by_model.get_mut(credit.model).filter(|_| credit.measure == Measure::Leads) else {
            return Ok(());
        };
        for share in credit.shares.iter().filter(|s| s.touch.is_some() && s.amount > 0) {
            if share.at < self.oldest_young {
                *lags.by_lag.entry(credit.event.occurred_at.0 - share.at.0).or_default() += i128::from(share.amount);
                lags.credits += 1;
                lags.total += i128::from(share.amount);
            }
        }
        Ok(())
    }
}

/// The lags of every model, from all leads that the facts hold.
fn lags(conn: &mut Conn, facts: &Facts, parameters: &Parameters) -> Result<Vec<Lags>, ReportError> {
    let zone = &parameters.zone;
    let first = facts.events.first().map_or(parameters.range.from, |e| zone.day_of(e.occurred_at));
    let last = facts.events.last().map_or(parameters.range.to, |e| zone.day_of(e.occurred_at));
    // Single touches and places do not matter here.
    let all = Parameters {
        range: DayRange { from: first, to: last },
        clock: ReportClock::Period,
        by: Vec::new(),
        filters: super::super::parameters::Filters::new(),
        ..parameters.clone()
    };
    let look_back_ms = parameters.look_back.days(Stage::Lead).saturating_mul(DAY_MS);
    let mut collector = Collector {
        oldest_young: facts.moments.events.plus_ms(-look_back_ms),
        by_model: vec![Lags::default(); parameters.models.len()],
    };
    let mut places = Places::new(&all, &facts.labels)?;
    credits::walk(conn, facts, &mut places, &all, &mut collector)?;
    Ok(collector.by_model)
}

/// Fills in the maturity of every row; answers the lags that it is of.
pub(super) fn add(
    conn: &mut Conn,
    facts: &Facts,
    parameters: &Parameters,
    filled: &mut Filled,
) -> Result<Vec<Lags>, ReportError> {
    let lags = lags(conn, facts, parameters)?;
    let days_of = days_by_piece(parameters);
    let as_of = facts.moments.events;
    for (key, row) in &mut filled.rows {
        let is_of_time = |(d, _): &(&super::super::dimension::Dimension, &Part)| d.grain().is_some();
        let piece: Vec<Part> =
            parameters.by.iter().zip(key.parts()).filter(is_of_time).map(|(_, p)| p.clone()).collect();
        let days = days_of.get(&piece).map_or(&[][..], Vec::as_slice);
        for (figures, lags) in row.iter_mut().zip(&lags) {
            figures.maturity = mean(lags, parameters, days, as_of);
        }
    }
    let all: Vec<Day> = parameters.range.days().collect();
    for (figures, lags) in filled.totals.iter_mut().zip(&lags) {
        figures.maturity = mean(lags, parameters, &all, as_of);
    }
    Ok(lags)
}

fn days_by_piece(parameters: &Parameters) -> HashMap<Vec<Part>, Vec<Day>> {
    let mut days: HashMap<Vec<Part>, Vec<Day>> = HashMap::new();
    for day in parameters.range.days() {
        let grains = parameters.by.iter().filter_map(|d| d.grain());
        let piece = grains.map(|g| Part::named(&piece_of(day, g, parameters.fiscal_start))).collect();
        days.entry(piece).or_default().push(day);
    }
    days
}

fn mean(lags: &Lags, parameters: &Parameters, days: &[Day], as_of: UtcMillis) -> Option<Ratio> {
    let mut sum = 0;
    for day in days {
        sum += lags.within(as_of.0 - parameters.zone.day_start(*day).0)?.of;
    }
    let count = i128::try_from(days.len()).ok().filter(|n| *n > 0)?;
    Some(Ratio { of: sum, whole: count * lags.total })
}
