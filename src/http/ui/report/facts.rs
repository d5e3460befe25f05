//! What the figures depend on, and what rows without a code mean.

use std::collections::BTreeSet;

use super::super::page::sentence;
use crate::domain::cost::CostBasis;
use crate::domain::time::Zone;
use crate::reports::cost_per_lead::Report;
use crate::reports::parameters::ReportClock;
use crate::reports::{Dimension, Parameters, Part};

use super::table::settings_of;

/// What the figures depend on: everything that was asked, said or not.
pub(super) fn facts(p: &Parameters) -> Vec<(&'static str, String)> {
    let mut facts: Vec<(&'static str, String)> = p.models.iter().map(|m| ("Model", model(m))).collect();
    facts.push(("Days", format!("{} to {}, {}", p.range.from, p.range.to, clock(p))));
    facts.push(("Zone", format!("days are cut in {}; time zone data {}", p.zone.name(), Zone::data_version())));
    if p.fiscal_start.month() != 1 || p.by.iter().any(|d| matches!(d, Dimension::Quarter | Dimension::Year)) {
        facts.push(("Fiscal year", format!("begins with month {}", p.fiscal_start.month())));
    }
    facts.push(("Look-back", format!("{} before each lead or sale, both ends included", look_back(p))));
    facts.push(("Costs", costs(p)));
    let views = if p.views { "; pixel views count as touches" } else { "; pixel views do not count" };
    facts.push(("Touches", format!("classed as {}{views}", joined(&p.classes))));
    if !p.compare.is_empty() {
        facts.push(("Compared with", joined(&p.compare).replace('_', " ")));
    }
    let filter = |(d, f): (&Dimension, &crate::reports::parameters::Filter)| format!("{d} {f}");
    let filters: Vec<String> = p.filters.iter().map(filter).collect();
    facts.push(("Filters", if filters.is_empty() { "none".to_owned() } else { filters.join("; ") }));
    if p.accepts_below_floor {
        facts.push(("Data floor", "answers below it are accepted".to_owned()));
    }
    if let Some(t) = p.as_of {
        let time = t.to_string().replace('T', " ");
        facts.push(("As of", format!("{} UTC (number {})", time.trim_end_matches('Z'), t.0)));
    }
    facts
}

fn model(choice: &crate::domain::attribution::Choice) -> String {
    let (model, settings) = (choice.model(), settings_of(choice));
    let settings = if settings.is_empty() { settings } else { format!(" ({settings})") };
    format!("{}{settings}: {} Weight: {}.", model.label, sentence(model.rule), model.formula)
}

fn clock(p: &Parameters) -> &'static str {
    match p.clock {
        ReportClock::Period => "a lead or sale counts on the day it happened",
        ReportClock::Cohort => "a lead or sale counts on the days of its touches, so that young days still grow",
    }
}

/// `90 days`, `30 days, customer 180`.
fn look_back(p: &Parameters) -> String {
    let text = p.look_back.to_string();
    match text.split_once(',') {
        None => format!("{text} days"),
        Some((days, stages)) => format!("{days} days, {}", stages.replace('=', " ").replace(',', ", ")),
    }
}

fn costs(p: &Parameters) -> String {
    match p.cost {
        CostBasis::Media => format!("ad spend only, in {}", p.currency),
        CostBasis::Loaded => format!("all kinds (media, agency, tools, content, labour), in {}", p.currency),
    }
}

fn joined<T: ToString>(list: &[T]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What the rows without a code mean, of those that there are.
pub(super) fn legend(report: &Report) -> Vec<(&'static str, &'static str)> {
    let parts = report.rows.iter().flat_map(|r| r.key.parts());
    parts.filter_map(special).collect::<BTreeSet<_>>().into_iter().collect()
}

fn special(part: &Part) -> Option<(&'static str, &'static str)> {
    Some(match part {
        Part::Named(_) => return None,
        Part::Without("(unmapped)") => (
            "(unmapped)",
            "Touches whose tags or referrer fit no channel, and spend of ad accounts that have none yet; say which on the page Import, Platforms.",
        ),
        Part::Without("(no campaign)") => {
            ("(no campaign)", "Touches of links that belong to no campaign, and visits without one.")
        }
        Part::Without("(no link)") => ("(no link)", "Visits that did not come through a tracked link."),
        Part::Without("(before any stage)") => {
            ("(before any stage)", "Clicks and costs, which belong to no stage of anybody.")
        }
        Part::Without(name) => (*name, "Touches of which it is not known."),
        Part::Unattributed => ("(unattributed)", "Leads and customers without any touch inside the look-back."),
        Part::Unallocated => ("(unallocated)", "Costs of days on which no click says where they belong."),
        Part::Shared => ("(shared)", "Costs that name no channel; they belong to all."),
        Part::UnmatchedRefund => ("(unmatched refund)", "Refunds whose sale is not known."),
    })
}
