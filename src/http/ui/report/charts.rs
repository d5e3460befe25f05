//! The charts: cost per lead with its limits, and leads over time with what chance alone would do.

use crate::domain::attribution::ONE_MICRO;
use crate::domain::money::{Currency, decimal, divide_half_even};
use crate::export::svg::{Bar, Said, bars};
use crate::reports::Measure;
use crate::reports::cost_per_lead::{COLUMNS, Figures, Report, Row, grouped};

use super::table::interval;

/// Most bars that a chart draws.
const BARS_MAX: usize = 20;
/// Longest label beside a bar.
const LABEL_MAX: usize = 26;
/// An estimate whose upper limit is so many times the lower one is too wide to lean on: below about 15 leads.
const WIDE: i64 = 3;

/// A chart as the page prints it.
pub(super) struct Drawing {
    pub(super) caption: String,
    pub(super) note: String,
    pub(super) label: &'static str,
    pub(super) svg: String,
}

/// Bars of cost per lead by the first model, cheapest first, or in time where rows are time alone.
pub(super) fn cost_per_lead(report: &Report) -> Option<Drawing> {
    let p = &report.parameters;
    let is_time = |d: &crate::reports::Dimension| d.grain().is_some();
    let is_time_alone = p.by.iter().all(is_time);
    if p.by.iter().any(is_time) && (!is_time_alone || report.rows.len() > BARS_MAX) {
        return None;
    }
    let mut drawn: Vec<Bar> = report.rows.iter().filter_map(|row| bar(row, p.currency)).collect();
    if !is_time_alone {
        // Without a lead there is no cost per lead, only a least one.
        drawn.sort_by_key(|b| (b.value.is_none(), b.value, b.limits));
    }
    let (total, left_out) = (drawn.len(), report.rows.len() - drawn.len());
    drawn.truncate(BARS_MAX);
    if drawn.is_empty() {
        return None;
    }
    let said = Said {
        title: "Cost per lead",
        description: "Bars with their 95 % intervals. The same figures are in the table below.",
    };
    let places = p.currency.exponent();
    let tick = |value: i64| {
        let text = grouped(&decimal(value.into(), places));
        text.strip_suffix(".00").map_or(text.clone(), str::to_owned)
    };
    let leading = p.models.first().map_or("", |m| m.model().label);
    Some(Drawing {
        caption: format!("Cost per lead by {}", headings(report)),
        note: notes(report, leading, &drawn, (total, left_out), is_time_alone),
        label: "Chart of cost per lead",
        svg: bars(said, &drawn, tick),
    })
}

/// The dimensions in words.
pub(super) fn headings(report: &Report) -> String {
    report.parameters.by.iter().map(|d| d.heading().to_lowercase()).collect::<Vec<_>>().join(", ")
}

fn notes(report: &Report, leading: &str, drawn: &[Bar], (total, left_out): (usize, usize), in_time: bool) -> String {
    let p = &report.parameters;
    let order = if in_time { "" } else { ", cheapest first" };
    let mut notes = vec![format!(
        "{leading}, in {}{order}. {}",
        p.currency,
        if drawn.iter().any(|b| b.limits.is_some()) {
            "The whisker is the 95 % interval: what the count of leads alone leaves open."
        } else {
            "This model estimates from all paths at once and has no interval."
        }
    )];
    if total > drawn.len() {
        notes.push(format!("The {} cheapest of {total} rows.", drawn.len()));
    }
    if drawn.iter().any(|b| b.is_uncertain) {
        notes.push("Pale dashed bars rest on few leads; do not rank by them.".to_owned());
    }
    if p.models.len() > 1 {
        notes.push("Diamonds are the other models.".to_owned());
    }
    if left_out > 0 {
        notes.push(format!("{left_out} rows without cost have no bar."));
    }
    notes.join(" ")
}

fn bar(row: &Row, currency: Currency) -> Option<Bar> {
    let leading = row.leading();
    if leading.cost_minor <= 0 {
        return None;
    }
    let value = minor_per_lead(leading);
    let limits = leading.cpl_limits().map(|l| (whole(l.low), l.high.map(whole)));
    let is_wide = |(low, high): (i64, Option<i64>)| high.is_none_or(|h| h > low.saturating_mul(WIDE));
    let column = COLUMNS.iter().find(|c| c.name == "cpl_minor");
    let text = column.map_or_else(String::new, |c| c.display(leading, currency));
    let name = if row.name.is_empty() { row.key.to_string() } else { row.name.clone() };
    let leads = decimal(divide_half_even(leading.get(Measure::Leads).into(), 10_000).unwrap_or(0), 2);
    let limits_text = limits.map_or_else(String::new, |_| interval(leading, currency));
    Some(Bar {
        hint: format!("{name}: {text} {currency} for each of {leads} leads. 95 % interval: {}", or_none(&limits_text)),
        label: shortened(&name),
        value,
        text: if value.is_some() { text } else { "no lead".to_owned() },
        is_uncertain: limits.is_some_and(is_wide),
        limits,
        limits_text,
        others: row.figures.iter().skip(1).filter_map(minor_per_lead).collect(),
    })
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn minor_per_lead(figures: &Figures) -> Option<i64> {
    let micro = figures.get(Measure::Leads);
    let cost = i128::from(figures.cost_minor) * i128::from(ONE_MICRO);
    divide_half_even(cost, micro.into()).filter(|_| micro > 0).and_then(|v| i64::try_from(v).ok())
}

/// Rounded to the minor unit, for drawing.
fn whole(limit: f64) -> i64 {
    limit.round() as i64
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LABEL_MAX {
        return label.to_owned();
    }
    format!("{}…", label.chars().take(LABEL_MAX - 1).collect::<String>())
}
