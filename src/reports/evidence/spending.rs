//! The sheets of what no model changes: costs by entry and by day, touches by day.

use super::super::cost_per_lead::touches::spot_of;
use super::super::costs::CostRule;
use super::super::dimension::Dimension;
use super::super::facts::Facts;
use super::super::parameters::Parameters;
use super::super::sharing::Shared;
use super::super::sheet::{Sheet, SheetCell};
use super::super::touch_counts::Counted;
use super::gather::CostLine;
use super::sheets::{columns, columns_but, optional, rate, sums};
use crate::domain::allocation::Allocation;
use crate::domain::cost::CostEntry;
use crate::domain::fx::Quote;
use crate::domain::ids::ChannelId;

fn sum(lines: &[CostLine]) -> i64 {
    lines.iter().map(|l| l.part.minor).sum()
}

fn whole(costs: &[(CostEntry, Vec<CostLine>)]) -> SheetCell {
    SheetCell::Minor(costs.iter().map(|(_, lines)| sum(lines)).sum())
}

/// The cost entries, each with what of it is in the cell.
pub(super) fn costs(facts: &Facts, costs: &[(CostEntry, Vec<CostLine>)]) -> Sheet {
    let list = [
        ("cost_entry", "Cost entry"),
        ("source", "Source account"),
        ("kind", "Kind"),
        ("document", "Document"),
        ("note", "For"),
        ("worker", "Person or team"),
        ("hours", "Hours"),
        ("hourly_minor", "An hour in minor units"),
        ("from", "From"),
        ("to", "To"),
        ("amount_minor", "Amount in minor units"),
        ("currency", "Currency"),
        ("rate", "Rate"),
        ("days", "Days in this cell"),
        ("in_cell_minor", "In this cell"),
        ("rule", "Allocation"),
    ];
    let columns = columns_but(&list, &["worker", "hours", "hourly_minor"]);
    let row = |(entry, lines): &(CostEntry, Vec<CostLine>)| {
        let cost = &entry.cost;
        let labour = cost.labour.as_ref();
        let mut days: Vec<_> = lines.iter().map(|l| l.of.day).collect();
        days.dedup();
        vec![
            SheetCell::text(entry.id.to_string()),
            SheetCell::text(cost.source.as_str()),
            SheetCell::text(cost.kind.as_str()),
            optional(cost.document.as_ref(), SheetCell::text),
            purpose(entry),
            optional(labour, |l| SheetCell::text(&l.worker)),
            optional(labour, |l| SheetCell::text(l.hours.to_string())),
            optional(labour, |l| SheetCell::Count(l.hourly_minor)),
            SheetCell::Day(cost.days.from),
            SheetCell::Day(cost.days.to),
            SheetCell::Count(cost.amount.minor),
            SheetCell::text(cost.amount.currency.code()),
            rates(lines),
            SheetCell::Count(i64::try_from(days.len()).unwrap_or(i64::MAX)),
            SheetCell::Minor(sum(lines)),
            SheetCell::text(rules(facts, entry, lines)),
        ]
    };
    let rows = costs.iter().map(row).collect();
    let totals = sums(&columns, vec![("in_cell_minor", whole(costs))]);
    Sheet { name: "costs", title: "Cost entries".into(), columns, rows, totals }
}

/// What a cost was for: its note, and whose hours it is.
fn purpose(entry: &CostEntry) -> SheetCell {
    let hours = entry.cost.labour.as_ref().map(|l| format!("{} h of {}", l.hours, l.worker));
    let told: Vec<String> = entry.cost.note.clone().into_iter().chain(hours).collect();
    if told.is_empty() { SheetCell::Blank } else { SheetCell::text(told.join(", ")) }
}

/// The rate of an entry's days, or how many there are.
fn rates(lines: &[CostLine]) -> SheetCell {
    let mut used: Vec<Quote> = Vec::new();
    for line in lines.iter().filter(|l| l.of.quote.day().is_some()) {
        if !used.contains(&line.of.quote) {
            used.push(line.of.quote);
        }
    }
    match used.as_slice() {
        [] => SheetCell::Blank,
        [only] => SheetCell::text(only.to_string()),
        several => SheetCell::text(format!("{} rates, by day", several.len())),
    }
}

/// How an entry came to the cell, over all its days.
fn rules(facts: &Facts, entry: &CostEntry, lines: &[CostLine]) -> String {
    let mut told: Vec<String> = Vec::new();
    if entry.cost.days.len() > 1 {
        told.push(format!("divided over {} days by largest remainder", entry.cost.days.len()));
    }
    if lines.iter().any(|l| l.of.quote.day().is_some()) {
        told.push("each day converted at its own rate".into());
    }
    if lines.iter().any(|l| l.part.shared != Shared::Not) {
        told.push(format!("shared by channels: {}", rule_in_words(facts, &entry.cost.allocation)));
    }
    if lines.iter().any(|l| l.part.shared == Shared::Nothing) {
        told.push("days with nothing to share by stay shared".into());
    }
    let mut names: Vec<&str> = Vec::new();
    for line in lines {
        let (name, words) = in_words(line.part.rule);
        if names.contains(&name) || (line.part.shared != Shared::Not && name != "by_clicks" && name != "no_clicks") {
            continue;
        }
        names.push(name);
        told.push(match line.part.rule {
            CostRule::ByClicks { .. } => "each day split by its clicks".into(),
            _ => words,
        });
    }
    told.join("; ")
}

/// A rule with the codes of its channels.
fn rule_in_words(facts: &Facts, rule: &Allocation) -> String {
    let code = |id: ChannelId| Ok(facts.labels.channel_code(id).unwrap_or("(unknown)").to_owned());
    let named: Result<Allocation<String>, std::convert::Infallible> = rule.clone().try_map(code);
    match named {
        Ok(Allocation::Keep) => "kept shared".into(),
        Ok(Allocation::Spend) => "by their media spend of the day".into(),
        Ok(Allocation::Clicks) => "by their human clicks of the day".into(),
        Ok(Allocation::Stage(stage)) => {
            format!("by the day's entries into {stage}, each shared equally by the channels that touched it")
        }
        Ok(Allocation::Weights(weights)) => {
            let each: Vec<String> = weights.iter().map(|(code, weight)| format!("{code} {weight}")).collect();
            format!("by fixed weights ({})", each.join(", "))
        }
    }
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

/// A day's part in words, its channel first.
fn because(facts: &Facts, entry: &CostEntry, line: &CostLine) -> String {
    let rule = || rule_in_words(facts, &entry.cost.allocation);
    let (name, words) = in_words(line.part.rule);
    let is_finer = name == "by_clicks" || name == "no_clicks";
    let finer = if is_finer { format!("; then {words}") } else { String::new() };
    match line.part.shared {
        Shared::Not => words,
        Shared::By { weight, of } => format!("the channel's part {}: {weight} of {of}{finer}", rule()),
        Shared::Nothing => format!("to be shared {}, but the day has none, so it stays shared{finer}", rule()),
    }
}

/// The days of the entries, each with its amount, rate, rule and the numbers of it; at most `limit`.
pub(super) fn cost_days(facts: &Facts, costs: &[(CostEntry, Vec<CostLine>)], limit: usize) -> Sheet {
    let list = [
        ("cost_entry", "Cost entry"),
        ("day", "Day"),
        ("day_amount_minor", "Day's amount in minor units"),
        ("currency", "Currency"),
        ("rate", "Rate"),
        ("rate_day", "Rate of"),
        ("day_minor", "Day's amount"),
        ("allocation", "Shared by"),
        ("weight", "Weight"),
        ("of_weight", "Of weight"),
        ("in_cell_minor", "In this cell"),
        ("rule", "Rule"),
        ("clicks", "Clicks"),
        ("of_clicks", "Of clicks"),
        ("because", "In words"),
    ];
    let hidden = ["allocation", "weight", "of_weight", "rule", "clicks", "of_clicks"];
    let columns = columns_but(&list, &hidden);
    let lines = costs.iter().flat_map(|(entry, lines)| lines.iter().map(move |line| (entry, line)));
    let pair = |pair: Option<(i64, i64)>| {
        let cell = |n: Option<i64>| optional(n, SheetCell::Count);
        [cell(pair.map(|(own, _)| own)), cell(pair.map(|(_, of)| of))]
    };
    let row = |(entry, line): (&CostEntry, &CostLine)| {
        let (name, _) = in_words(line.part.rule);
        let clicks = if let CostRule::ByClicks { clicks, of } = line.part.rule { Some((clicks, of)) } else { None };
        let weight = if let Shared::By { weight, of } = line.part.shared { Some((weight, of)) } else { None };
        let rule = Some(&entry.cost.allocation).filter(|_| line.part.shared != Shared::Not);
        let mut cells = vec![
            SheetCell::text(entry.id.to_string()),
            SheetCell::Day(line.of.day),
            SheetCell::Count(line.of.own_minor),
            SheetCell::text(line.of.quote.from.code()),
            rate(Some(line.of.quote)),
            optional(line.of.quote.day(), SheetCell::Day),
            SheetCell::Minor(line.of.minor),
            optional(rule, |rule| SheetCell::text(rule_in_words(facts, rule))),
        ];
        cells.extend(pair(weight));
        cells.extend([SheetCell::Minor(line.part.minor), SheetCell::text(name)]);
        cells.extend(pair(clicks));
        cells.push(SheetCell::text(because(facts, entry, line)));
        cells
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
