//! The sheets of what no model changes: costs by entry and by day, touches by day.

use super::super::cost_per_lead::touches::spot_of;
use super::super::costs::CostRule;
use super::super::dimension::Dimension;
use super::super::facts::Facts;
use super::super::parameters::Parameters;
use super::super::sheet::{Sheet, SheetCell};
use super::super::touch_counts::Counted;
use super::gather::CostLine;
use super::sheets::{columns, optional, sums};
use crate::domain::cost::CostEntry;

fn sum(lines: &[CostLine]) -> i64 {
    lines.iter().map(|l| l.part.minor).sum()
}

fn whole(costs: &[(CostEntry, Vec<CostLine>)]) -> SheetCell {
    SheetCell::Minor(costs.iter().map(|(_, lines)| sum(lines)).sum())
}

/// The cost entries, each with what of it is in the cell.
pub(super) fn costs(costs: &[(CostEntry, Vec<CostLine>)]) -> Sheet {
    let columns = columns(&[
        ("cost_entry", "Cost entry"),
        ("source", "Source account"),
        ("kind", "Kind"),
        ("document", "Document"),
        ("from", "From"),
        ("to", "To"),
        ("amount_minor", "Amount in minor units"),
        ("currency", "Currency"),
        ("days", "Days in this cell"),
        ("in_cell_minor", "In this cell"),
        ("rule", "Allocation"),
    ]);
    let row = |(entry, lines): &(CostEntry, Vec<CostLine>)| {
        let cost = &entry.cost;
        let mut days: Vec<_> = lines.iter().map(|l| l.day).collect();
        days.dedup();
        vec![
            SheetCell::text(entry.id.to_string()),
            SheetCell::text(cost.source.as_str()),
            SheetCell::text(cost.kind.as_str()),
            optional(cost.document.as_ref(), SheetCell::text),
            SheetCell::Day(cost.days.from),
            SheetCell::Day(cost.days.to),
            SheetCell::Count(cost.amount.minor),
            SheetCell::text(cost.amount.currency.code()),
            SheetCell::Count(i64::try_from(days.len()).unwrap_or(i64::MAX)),
            SheetCell::Minor(sum(lines)),
            SheetCell::text(rules(entry, lines)),
        ]
    };
    let rows = costs.iter().map(row).collect();
    let totals = sums(&columns, vec![("in_cell_minor", whole(costs))]);
    Sheet { name: "costs", title: "Cost entries".into(), columns, rows, totals }
}

/// How an entry came to the cell, over all its days.
fn rules(entry: &CostEntry, lines: &[CostLine]) -> String {
    let mut told: Vec<String> = Vec::new();
    if entry.cost.days.len() > 1 {
        told.push(format!("divided over {} days by largest remainder", entry.cost.days.len()));
    }
    let mut names: Vec<&str> = Vec::new();
    for line in lines {
        let (name, _) = in_words(line.part.rule);
        if !names.contains(&name) {
            names.push(name);
            told.push(match line.part.rule {
                CostRule::ByClicks { .. } => "each day split by its clicks".into(),
                rule => in_words(rule).1,
            });
        }
    }
    told.join("; ")
}

fn in_words(rule: CostRule) -> (&'static str, String) {
    match rule {
        CostRule::Named => ("named", "it goes where the cost says".into()),
        CostRule::ByClicks { clicks, of } => ("by_clicks", format!("split by the day's clicks: {clicks} of {of}")),
        CostRule::NoClicks => ("no_clicks", "the day has no clicks to split it by, so it stays unallocated".into()),
        CostRule::Shared => ("shared", "the cost names nothing, so all channels share it".into()),
        CostRule::Unmapped => ("unmapped", "its platform's campaign is mapped to no channel yet".into()),
    }
}

/// The days of the entries, each with its rule and the numbers of it; at most `limit`.
pub(super) fn cost_days(costs: &[(CostEntry, Vec<CostLine>)], limit: usize) -> Sheet {
    let columns = columns(&[
        ("cost_entry", "Cost entry"),
        ("day", "Day"),
        ("in_cell_minor", "In this cell"),
        ("rule", "Rule"),
        ("clicks", "Clicks"),
        ("of_clicks", "Of clicks"),
        ("because", "In words"),
    ]);
    let lines = costs.iter().flat_map(|(entry, lines)| lines.iter().map(move |line| (entry, line)));
    let row = |(entry, line): (&CostEntry, &CostLine)| {
        let (name, words) = in_words(line.part.rule);
        let (clicks, of) = match line.part.rule {
            CostRule::ByClicks { clicks, of } => (SheetCell::Count(clicks), SheetCell::Count(of)),
            _ => (SheetCell::Blank, SheetCell::Blank),
        };
        vec![
            SheetCell::text(entry.id.to_string()),
            SheetCell::Day(line.day),
            SheetCell::Minor(line.part.minor),
            SheetCell::text(name),
            clicks,
            of,
            SheetCell::text(words),
        ]
    };
    let rows = lines.take(limit).map(row).collect();
    let totals = sums(&columns, vec![("in_cell_minor", whole(costs))]);
    Sheet { name: "cost_days", title: "Costs by day".into(), columns, rows, totals }
}

/// Counts of touches by day, class and origin; at most `limit`.
pub(super) fn touch_counts(facts: &Facts, parameters: &Parameters, counts: &[Counted], limit: usize) -> Sheet {
    let columns = columns(&[
        ("day", "Day"),
        ("kind", "Kind"),
        ("class", "Class"),
        ("channel", "Channel"),
        ("campaign", "Campaign"),
        ("link", "Link"),
        ("count", "Touches"),
    ]);
    let row = |counted: &Counted| {
        let spot = spot_of(counted);
        let at = parameters.zone.day_start(counted.day);
        let part = |d: Dimension| SheetCell::text(facts.labels.part_of(&spot, d, at).as_str());
        vec![
            SheetCell::Day(counted.day),
            SheetCell::text(counted.kind.as_str()),
            SheetCell::text(counted.class.as_str()),
            part(Dimension::Channel),
            part(Dimension::Campaign),
            part(Dimension::Link),
            SheetCell::Count(counted.count),
        ]
    };
    let rows = counts.iter().take(limit).map(row).collect();
    let all = SheetCell::Count(counts.iter().map(|c| c.count).sum());
    let totals = sums(&columns, vec![("count", all)]);
    Sheet { name: "touch_counts", title: "Touches by day".into(), columns, rows, totals }
}
