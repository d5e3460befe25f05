//! A period beside an earlier one: what changed, and whether it is more than noise.

use super::super::ReportError;
use super::super::credits::Measure;
use super::super::facts::Facts;
use super::super::parameters::Parameters;
use super::table::{Filled, fill};
use super::{Figures, Row, blank};
use crate::domain::calendar::{Comparison, compared};
use crate::domain::money::ratio4;
use crate::domain::statistics::Confidence;
use crate::domain::statistics::change::{LeadsFloor, Period, change};
use crate::domain::statistics::multiple::benjamini_hochberg;
use crate::domain::time::DayRange;
use crate::store::Conn;

/// A row beside itself in an earlier period.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Which period.
    pub with: Comparison,
    /// Its days.
    pub range: DayRange,
    /// The row's sums then, one for each model.
    pub figures: Vec<Figures>,
    /// Leads per day, now to then, by model.
    pub leads: Vec<Option<Changed>>,
    /// Cost per lead, now to then, by model.
    pub cpl: Vec<Option<Changed>>,
}

/// A change and what it may be worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// Now divided by then, 4 decimals.
    pub ratio: Option<String>,
    /// Limits of the ratio at 95 %.
    pub low: f64,
    /// Without one there is no upper limit.
    pub high: Option<f64>,
    /// Probability of a split at least as uneven were nothing changed (exact conditional test).
    pub p: f64,
    /// The same, corrected for the number of rows that are compared (Benjamini and Hochberg).
    pub p_adjusted: f64,
    /// Whether it is more than noise.
    pub is_signal: bool,
    /// Whether counts stood for fractional credit.
    pub is_approximate: bool,
    /// The leads that would be a signal.
    pub floor: Option<LeadsFloor>,
}

/// The rows of every period that the report is compared with.
pub(super) fn fill_all(
    conn: &mut Conn,
    facts: &Facts,
    parameters: &Parameters,
) -> Result<Vec<(Comparison, DayRange, Filled)>, ReportError> {
    let mut others = Vec::new();
    for with in &parameters.compare {
        let range = compared(parameters.range, *with);
        let other = Parameters { range, ..parameters.clone() };
        others.push((*with, range, fill(conn, facts, &other)?));
    }
    Ok(others)
}

/// One row's comparisons.
pub(super) fn with<'o>(
    parameters: &Parameters,
    now: &[Figures],
    others: &'o [(Comparison, DayRange, Filled)],
    find: impl Fn(&'o Filled) -> Option<&'o Vec<Figures>>,
) -> Vec<Compared> {
    let one = |(with, range, filled): &'o (Comparison, DayRange, Filled)| {
        let then = find(filled).cloned().unwrap_or_else(|| blank(parameters));
        let days = (days(parameters.range), days(*range));
        let pairs = || now.iter().zip(&then);
        Compared {
            with: *with,
            range: *range,
            leads: pairs().map(|(n, t)| of_leads(n, t, days)).collect(),
            cpl: pairs().map(|(n, t)| of_cpl(n, t)).collect(),
            figures: then,
        }
    };
    others.iter().map(one).collect()
}

fn days(range: DayRange) -> u64 {
    range.len().unsigned_abs()
}

/// Leads for each day.
fn of_leads(now: &Figures, then: &Figures, (days_now, days_then): (u64, u64)) -> Option<Changed> {
    let rate = |f: &Figures, days: u64| i128::from(f.get(Measure::Leads)) * i128::from(days);
    let ratio = ratio4(rate(now, days_then), rate(then, days_now));
    changed((now, days_now), (then, days_then), ratio, |low, high| (low, high))
}

/// Cost for each lead: what is tested is leads for each minor unit, and cost per lead is its inverse.
fn of_cpl(now: &Figures, then: &Figures) -> Option<Changed> {
    let spend = |f: &Figures| u64::try_from(f.cost_minor).ok().filter(|spend| *spend > 0);
    let leads = |f: &Figures| i128::from(f.get(Measure::Leads));
    let ratio = ratio4(i128::from(now.cost_minor) * leads(then), (i128::from(then.cost_minor) * leads(now)).max(0));
    changed((now, spend(now)?), (then, spend(then)?), ratio, |low, high| {
        (high.map_or(0.0, inverse), (low > 0.0).then(|| inverse(low)))
    })
}

#[expect(clippy::float_arithmetic, reason = "limits of an estimate, not money")]
fn inverse(value: f64) -> f64 {
    1.0 / value
}

fn changed(
    (now, exposure_now): (&Figures, u64),
    (then, exposure_then): (&Figures, u64),
    ratio: Option<String>,
    limits: impl Fn(f64, Option<f64>) -> (f64, Option<f64>),
) -> Option<Changed> {
    if now.aggregate.is_some() {
        return None;
    }
    let found = change(
        &Period { credits: now.leads, exposure: exposure_now },
        &Period { credits: then.leads, exposure: exposure_then },
        Confidence::NINETY_FIVE,
    )?;
    let (low, high) = limits(found.ratio.interval.low, found.ratio.interval.high);
    Some(Changed {
        ratio,
        low,
        high,
        p: found.ratio.p,
        p_adjusted: found.ratio.p,
        is_signal: found.is_signal,
        is_approximate: found.is_approximate,
        floor: found.floor,
    })
}

/// One of the changes that a comparison tells, by model.
type ChangesOf = fn(&mut Compared) -> &mut Vec<Option<Changed>>;

/// Every one of them.
const CHANGES: [ChangesOf; 2] = [|c| &mut c.leads, |c| &mut c.cpl];

/// Corrects the p values of all rows for their number, and says so.
pub(super) fn adjust(rows: &mut [Row], parameters: &Parameters) -> Vec<String> {
    let mut signals = 0;
    let mut tested = 0;
    for (period, _) in parameters.compare.iter().enumerate() {
        for model in 0..parameters.models.len() {
            for of in CHANGES {
                let mut found: Vec<&mut Changed> =
                    rows.iter_mut().filter_map(|r| of(r.compared.get_mut(period)?).get_mut(model)?.as_mut()).collect();
                let adjusted = benjamini_hochberg(&found.iter().map(|c| c.p).collect::<Vec<_>>());
                tested += found.len();
                for (one, p) in found.iter_mut().zip(adjusted) {
                    one.p_adjusted = p;
                    signals += usize::from(one.is_signal);
                }
            }
        }
    }
    if tested < 2 {
        return Vec::new();
    }
    // At the level of 5 % each.
    let expected = tested.div_ceil(20);
    vec![format!(
        "{tested} changes were tested and {signals} called a signal; if nothing at all had changed, about {expected} \
         would be by chance. p_adjusted is corrected for that (Benjamini and Hochberg)."
    )]
}
