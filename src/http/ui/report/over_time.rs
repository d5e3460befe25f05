//! Leads over time, and which periods chance alone does not explain.

use std::collections::BTreeMap;

use crate::domain::attribution::ONE_MICRO;
use crate::domain::calendar::{Grain, piece_of};
use crate::domain::money::{decimal, divide_half_even};
use crate::domain::statistics::chart::{Chart, LANEY_PERIODS_MIN, Method, chart};
use crate::domain::statistics::credits::counts;
use crate::domain::statistics::{Credits, Observation};
use crate::export::svg::{Point, Said, line};
use crate::reports::Measure;
use crate::reports::cost_per_lead::{Report, grouped};

use super::charts::Drawing;

/// Values are drawn in thousandths of a lead.
const MILLI: i64 = 1_000;

/// A piece of the report's days.
#[derive(Default)]
struct Piece {
    days: u64,
    leads_micro: i64,
    credits: Credits,
}

/// A line of leads by the first model, with control limits where there are enough periods for them.
pub(super) fn leads(report: &Report) -> Option<Drawing> {
    let p = &report.parameters;
    let choice = p.models.first()?;
    let (place, grain) = finest(report)?;
    if !choice.adds_up() && p.by.len() > 1 {
        // Its rows overlap, so a period's leads are no sum of them.
        return None;
    }
    let mut pieces: BTreeMap<String, Piece> = BTreeMap::new();
    for day in p.range.days() {
        pieces.entry(piece_of(day, grain, p.fiscal_start)).or_default().days += 1;
    }
    for row in &report.rows {
        let Some(piece) = row.key.parts().get(place).and_then(|part| pieces.get_mut(part.as_str())) else { continue };
        piece.leads_micro += row.leading().get(Measure::Leads);
        piece.credits = piece.credits.plus(row.leading().leads);
    }
    if pieces.len() < 2 || pieces.values().all(|piece| piece.leads_micro == 0) {
        return None;
    }
    let limits = limits(&pieces);
    let points: Vec<Point> = pieces.iter().enumerate().map(|(n, one)| point(n, one, limits.as_ref())).collect();
    let note = note(choice.model().label, grain, &points, limits.as_ref().map(|l| &l.chart));
    let said =
        Said { title: "Leads over time", description: &format!("{note} The same figures are in the table below.") };
    Some(Drawing {
        caption: format!("Leads by {grain}"),
        label: "Chart of leads over time",
        svg: line(said, &points, |value| grouped(&decimal((value / MILLI).into(), 0))),
        note,
    })
}

/// The finest dimension of time: its place among the dimensions.
fn finest(report: &Report) -> Option<(usize, Grain)> {
    let of_time = report.parameters.by.iter().enumerate().filter_map(|(n, d)| d.grain().map(|g| (n, g)));
    of_time.min_by_key(|(_, grain)| *grain)
}

/// A chart of counts, and how many leads a count stands for.
struct Limits {
    chart: Chart,
    days: Vec<u64>,
    leads_per_count: f64,
}

fn limits(pieces: &BTreeMap<String, Piece>) -> Option<Limits> {
    (pieces.len() >= LANEY_PERIODS_MIN).then_some(())?;
    let is_whole = pieces.values().all(|piece| piece.leads_micro % ONE_MICRO == 0);
    let credits: Vec<Credits> = if is_whole {
        // Leads that are divided among the rows of a period are whole again in their sum.
        pieces.values().map(|piece| Credits::whole(u64::try_from(piece.leads_micro / ONE_MICRO).unwrap_or(0))).collect()
    } else {
        pieces.values().map(|piece| piece.credits).collect()
    };
    let counts = counts(&credits)?;
    let days: Vec<u64> = pieces.values().map(|piece| piece.days).collect();
    let periods = counts.counts.iter().zip(&days).map(|(count, days)| Observation { count: *count, exposure: *days });
    Some(Limits { chart: chart(&periods.collect::<Vec<_>>())?, days, leads_per_count: counts.leads_per_count() })
}

impl Limits {
    /// Limits and center of a period, in thousandths of a lead.
    #[expect(clippy::float_arithmetic, reason = "a rate for each day, drawn for a period")]
    fn of(&self, n: usize) -> Option<((i64, i64, i64), bool)> {
        let point = self.chart.points.get(n).copied().flatten()?;
        let days = *self.days.get(n)? as f64;
        let milli = |rate: f64| (rate * days * self.leads_per_count * 1_000.0).round() as i64;
        Some(((milli(point.limits.low), milli(self.chart.center), milli(point.limits.high)), point.is_signal))
    }
}

fn point(n: usize, (name, piece): (&String, &Piece), limits: Option<&Limits>) -> Point {
    let text = shown(piece.leads_micro / MILLI);
    let found = limits.and_then(|l| l.of(n));
    let against = found.map_or_else(String::new, |((low, center, high), is_signal)| {
        let verdict = if is_signal { "outside" } else { "inside" };
        format!("; expected {}, {verdict} the limits {} to {}", shown(center), shown(low), shown(high))
    });
    Point {
        label: name.clone(),
        value: piece.leads_micro / MILLI,
        hint: format!("{name}: {text} leads in {} days{against}", piece.days),
        text,
        expected: found.map(|(expected, _)| expected),
        is_signal: found.is_some_and(|(_, is_signal)| is_signal),
    }
}

fn shown(milli: i64) -> String {
    let text = decimal(divide_half_even(milli.into(), 100).unwrap_or(0), 1);
    grouped(text.strip_suffix(".0").unwrap_or(&text))
}

fn note(model: &str, grain: Grain, points: &[Point], chart: Option<&Chart>) -> String {
    let Some(chart) = chart else {
        return format!(
            "{model}. Limits of chance need at least {LANEY_PERIODS_MIN} periods; here are {}.",
            points.len()
        );
    };
    let outside = points.iter().filter(|p| p.is_signal).count();
    let found = match outside {
        0 => format!("No {grain} lies outside"),
        1 => format!("1 {grain} of {} lies outside", points.len()),
        many => format!("{many} of {} {grain}s lie outside", points.len()),
    };
    let has = |method| chart.points.iter().flatten().any(|p| p.limits.method == method);
    let method = if has(Method::Laney) {
        "the Laney u′-chart, as the counts vary by more than Poisson counts do"
    } else if has(Method::Poisson) {
        "exact Poisson limits where fewer than 10 leads are expected, else the u-chart"
    } else {
        "the u-chart"
    };
    format!(
        "{model}. {found} the band of what chance does to a steady number of leads a day ({method}). Grey points are \
         inside: their ups and downs need no explanation."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(leads: &[i64]) -> BTreeMap<String, Piece> {
        let piece = |(n, micro): (usize, &i64)| {
            let credits = std::iter::once(*micro).collect();
            (format!("2025-{:02}", n + 1), Piece { days: 30, leads_micro: *micro, credits })
        };
        leads.iter().enumerate().map(piece).collect()
    }

    #[test]
    fn limits_need_eight_periods_and_tell_who_stands_out() {
        let mut leads = vec![11 * ONE_MICRO; 20];
        for (slot, n) in leads.iter_mut().zip([12, 9, 15, 8, 11, 60, 10, 11]) {
            *slot = n * ONE_MICRO;
        }
        let found = limits(&pieces(&leads)).expect("limits");
        let outside: Vec<usize> = (0..20).filter(|n| found.of(*n).is_some_and(|(_, out)| out)).collect();
        assert_eq!(outside, [5]);
        let ((low, center, high), _) = found.of(0).expect("limits");
        assert_eq!(center, 13_400);
        assert!(low < center && center < high);
        assert!(limits(&pieces(&leads[..7])).is_none());
    }

    #[test]
    fn divided_leads_count_by_their_weight() {
        let found = limits(&pieces(&[500_000; 9])).expect("limits");
        let ((_, center, _), is_signal) = found.of(0).expect("limits");
        assert_eq!((center, is_signal), (500, false));
    }
}
