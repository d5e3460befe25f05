//! The sheets of stage events: who they were, their touches, what was left out, refunds with their sales.

use std::collections::HashMap;

use super::super::credits::{Measure, spot_of};
use super::super::dimension::{Dimension, Part};
use super::super::facts::{Excluded, Facts};
use super::super::parameters::Parameters;
use super::super::sheet::{Sheet, SheetCell, SheetColumn};
use super::gather::{Item, ItemShare, begin};
use crate::domain::attribution::Choice;
use crate::domain::fx::Quote;
use crate::domain::ids::StageEventId;
use crate::domain::money::Money;
use crate::domain::stage::StageEvent;
use crate::domain::time::UtcMillis;
use crate::store::touches::Touch;

/// An amount of a measure in its unit.
pub(super) fn amount(measure: Measure, amount: i64) -> SheetCell {
    match measure {
        Measure::GrossRevenue | Measure::Refunds => SheetCell::Minor(amount),
        _ => SheetCell::Micro(amount),
    }
}

pub(super) fn optional<T>(value: Option<T>, cell: impl FnOnce(T) -> SheetCell) -> SheetCell {
    value.map_or(SheetCell::Blank, cell)
}

pub(super) fn yes_no(is_so: bool) -> SheetCell {
    SheetCell::text(if is_so { "yes" } else { "no" })
}

pub(super) fn columns(list: &[(&str, &str)]) -> Vec<SheetColumn> {
    list.iter().map(|(name, heading)| SheetColumn::new(*name, *heading)).collect()
}

/// The same with some columns kept for JSON and CSV, so that a page can be read at a glance.
pub(super) fn columns_but(list: &[(&str, &str)], hidden: &[&str]) -> Vec<SheetColumn> {
    let column = |(name, heading): &(&str, &str)| SheetColumn {
        is_shown: !hidden.contains(name),
        ..SheetColumn::new(*name, *heading)
    };
    list.iter().map(column).collect()
}

/// Blank sums but for some columns.
pub(super) fn sums(columns: &[SheetColumn], sums: Vec<(&str, SheetCell)>) -> Vec<SheetCell> {
    let mut totals = vec![SheetCell::Blank; columns.len()];
    if let Some(first) = totals.first_mut() {
        *first = SheetCell::text("(total)");
    }
    for (name, sum) in sums {
        let place = columns.iter().position(|c| c.name == name);
        if let Some(cell) = place.and_then(|n| totals.get_mut(n)) {
            *cell = sum;
        }
    }
    totals
}

/// Sums of a page in the unit of its one measure; nothing where several measures are mixed.
fn sums_of_one(items: &[Item], columns: &[SheetColumn], of: &[(&'static str, i64)]) -> Vec<SheetCell> {
    let measure = items.first().map(|i| i.measure).filter(|m| items.iter().all(|i| i.measure == *m));
    measure.map_or(Vec::new(), |m| sums(columns, of.iter().map(|(name, sum)| (*name, amount(m, *sum))).collect()))
}

/// The rates by which an amount was converted; blank where it was not.
pub(super) fn rate(quote: Option<Quote>) -> SheetCell {
    optional(quote.filter(|q| q.day().is_some()), |q| SheetCell::text(q.to_string()))
}

/// The stage events.
pub(super) fn stage_events(facts: &Facts, choice: &Choice, items: &[Item]) -> Sheet {
    let hidden = &[
        "figure",
        "person",
        "subject",
        "value_minor",
        "currency",
        "rate_day",
        "model",
        "journey_from",
        "previous_purchase_at",
        "counterpart",
    ];
    let list = [
        ("stage_event", "Stage event"),
        ("figure", "Counts as"),
        ("source", "Source"),
        ("event_id", "Its id there"),
        ("stage", "Stage"),
        ("occurred_at", "When"),
        ("person", "Person"),
        ("subject", "Subject"),
        ("value_minor", "Value in minor units"),
        ("currency", "Currency"),
        ("rate", "Rate"),
        ("rate_day", "Rate of"),
        ("whole", "Whole"),
        ("credit", "Credit to this cell"),
        ("model", "Model"),
        ("lookback_days", "Look-back in days"),
        ("journey_from", "Journey from"),
        ("previous_purchase_at", "After the purchase of"),
        ("inherited", "Inherited"),
        ("counterpart", "Because of"),
    ];
    let columns = columns_but(&list, hidden);
    let row = |item: &Item| {
        let event = &item.event;
        let is_refund = item.measure == Measure::Refunds;
        vec![
            SheetCell::text(event.id.to_string()),
            SheetCell::text(item.measure.as_str()),
            SheetCell::text(event.source.as_str()),
            SheetCell::text(&event.event_id),
            SheetCell::text(event.stage.as_str()),
            SheetCell::Time(event.occurred_at),
            optional(event.person, |p| SheetCell::text(facts.people.cluster(p).to_string())),
            optional(event.subject.as_ref(), |s| SheetCell::text(s.as_str())),
            optional(event.value, |m| SheetCell::Count(m.minor)),
            optional(event.value, |m| SheetCell::text(m.currency.code())),
            rate(item.quote),
            optional(item.quote.and_then(|q| q.day()), SheetCell::Day),
            amount(item.measure, item.whole),
            amount(item.measure, item.in_cell),
            SheetCell::text(choice.to_string()),
            // A refund follows its sale, which has a look-back.
            optional(Some(item.window.look_back_days).filter(|_| !is_refund), SheetCell::Count),
            optional(Some(begin(&item.window, event.occurred_at)).filter(|_| !is_refund), SheetCell::Time),
            optional(item.window.after, SheetCell::Time),
            yes_no(item.window.is_inherited && !is_refund),
            optional(item.counterpart, |id| SheetCell::text(id.to_string())),
        ]
    };
    let rows = items.iter().map(row).collect();
    let (whole, credit) = (items.iter().map(|i| i.whole).sum(), items.iter().map(|i| i.in_cell).sum());
    let totals = sums_of_one(items, &columns, &[("whole", whole), ("credit", credit)]);
    Sheet { name: "stage_events", title: "Stage events".into(), columns, rows, totals }
}

/// What a touch is and where it came from: id, time, kind, class, channel, link, campaign, the form of a network.
fn described(facts: &Facts, touch: Option<&Touch>, at: UtcMillis) -> Vec<SheetCell> {
    let part = |dimension: Dimension| {
        optional(touch, |t| SheetCell::text(facts.labels.part_of(&spot_of(t), dimension, t.occurred_at).as_str()))
    };
    vec![
        optional(touch, |t| SheetCell::text(t.id.to_string())),
        SheetCell::Time(at),
        optional(touch, |t| SheetCell::text(t.kind.as_str())),
        optional(touch, |t| SheetCell::text(t.class.as_str())),
        part(Dimension::Channel),
        part(Dimension::Link),
        part(Dimension::Campaign),
        optional(touch.and_then(|t| t.form.as_ref()), |form| SheetCell::text(form.to_string())),
    ]
}

const TOUCH_COLUMNS: [(&str, &str); 8] = [
    ("touch", "Touch"),
    ("occurred_at", "When"),
    ("kind", "Kind"),
    ("class", "Class"),
    ("channel", "Channel"),
    ("link", "Link"),
    ("campaign", "Campaign"),
    ("form", "Form"),
];

/// The column of networks' forms, where no touch was made in one: a page and a terminal leave it out.
fn form_if_idle<'t>(mut touches: impl Iterator<Item = &'t Touch>) -> Option<&'static str> {
    touches.all(|t| t.form.is_none()).then_some("form")
}

/// Which stage event a line is about.
const EVENT_COLUMNS: [(&str, &str); 3] =
    [("event_id", "Stage event, its id there"), ("stage_event", "Stage event"), ("figure", "Counts as")];

fn event_cells(item: &Item) -> Vec<SheetCell> {
    let event = &item.event;
    [event.event_id.clone(), event.id.to_string(), item.measure.as_str().to_owned()].map(SheetCell::text).to_vec()
}

/// The touches that share the stage events, those of other rows included.
pub(super) fn touches(facts: &Facts, items: &[Item]) -> Sheet {
    let mut list = EVENT_COLUMNS.to_vec();
    list.extend(TOUCH_COLUMNS);
    list.extend([
        ("part", "Part"),
        ("parts", "Of parts"),
        ("share", "Share"),
        ("row", "Row"),
        ("in_cell", "In this cell"),
        ("credit", "Credit to this cell"),
    ]);
    let touches = items.iter().flat_map(|i| &i.shares).filter_map(|s| s.touch.as_ref());
    let mut hidden = vec!["stage_event", "figure", "kind", "class", "campaign", "row", "in_cell"];
    hidden.extend(form_if_idle(touches));
    let columns = columns_but(&list, &hidden);
    let mut rows = Vec::new();
    for item in items {
        let parts: u128 = item.shares.iter().map(|s| s.part).sum();
        for share in &item.shares {
            let mut row = event_cells(item);
            row.extend(described(facts, share.touch.as_ref(), share.at));
            row.extend([
                SheetCell::text(share.part.to_string()),
                SheetCell::text(parts.to_string()),
                amount(item.measure, share.amount),
                SheetCell::text(row_of(share)),
                yes_no(share.is_in_cell),
                amount(item.measure, if share.is_in_cell { share.amount } else { 0 }),
            ]);
            rows.push(row);
        }
    }
    let shares = || items.iter().flat_map(|i| &i.shares);
    let credit = shares().filter(|s| s.is_in_cell).map(|s| s.amount).sum();
    let share = shares().map(|s| s.amount).sum();
    let totals = sums_of_one(items, &columns, &[("share", share), ("credit", credit)]);
    Sheet { name: "touches", title: "Touches and their shares".into(), columns, rows, totals }
}

fn row_of(share: &ItemShare) -> String {
    match &share.row {
        None => "(outside the period or the filters)".into(),
        Some(key) if key.parts().is_empty() => "(totals)".into(),
        Some(key) => key.to_string(),
    }
}

/// The touches that got no share, with the reason.
pub(super) fn excluded(facts: &Facts, parameters: &Parameters, items: &[Item]) -> Sheet {
    let mut list = EVENT_COLUMNS.to_vec();
    list.extend(TOUCH_COLUMNS);
    list.extend([("reason", "Reason"), ("because", "In words")]);
    let mut rows = Vec::new();
    for item in items {
        for (touch, reason) in &item.excluded {
            let mut row = event_cells(item);
            row.extend(described(facts, Some(touch), touch.occurred_at));
            let (name, words) = in_words(*reason, parameters, item);
            row.extend([SheetCell::text(name), SheetCell::text(words)]);
            rows.push(row);
        }
    }
    let mut hidden = vec!["stage_event", "figure", "link", "campaign", "reason"];
    hidden.extend(form_if_idle(items.iter().flat_map(|i| &i.excluded).map(|(touch, _)| touch)));
    let columns = columns_but(&list, &hidden);
    Sheet { name: "excluded", title: "Touches that got no share".into(), totals: Vec::new(), columns, rows }
}

fn in_words(reason: Excluded, parameters: &Parameters, item: &Item) -> (&'static str, String) {
    match reason {
        Excluded::Class(class) => {
            let counted: Vec<&str> = parameters.classes.iter().map(|c| c.as_str()).collect();
            ("class", format!("its class is {class}; the report counts {}", counted.join(", ")))
        }
        Excluded::View => ("view", "it is an impression, and the report counts none".into()),
        Excluded::BeforeLookBack => {
            ("before_look_back", format!("it was before the look-back of {} days", item.window.look_back_days))
        }
        Excluded::AfterEvent => ("after_event", "it was after the stage event".into()),
        Excluded::EarlierPurchase => ("earlier_purchase", "it belongs to the purchase before".into()),
    }
}

/// The refunds among the stage events, each with its sale.
pub(super) fn refunds(facts: &Facts, items: &[Item]) -> Sheet {
    let columns = columns(&[
        ("refund", "Refund"),
        ("refunded_at", "Refunded"),
        ("refund_minor", "Refund in minor units"),
        ("currency", "Currency"),
        ("sale", "Sale"),
        ("sold_at", "Sold"),
        ("sale_minor", "Sale in minor units"),
        ("found", "How the sale was found"),
        ("rate", "Rate"),
        ("rate_day", "Rate of"),
        ("credit", "Taken back from this cell"),
    ]);
    let refunds: Vec<&Item> = items.iter().filter(|i| i.measure == Measure::Refunds).collect();
    let wanted: Vec<StageEventId> = refunds.iter().filter_map(|i| i.counterpart).collect();
    let sales: HashMap<StageEventId, &StageEvent> =
        facts.events.iter().filter(|e| wanted.contains(&e.id)).map(|e| (e.id, e)).collect();
    let money = |value: Option<Money>| optional(value, |m| SheetCell::Count(m.minor.abs()));
    let row = |item: &&Item| {
        let sale = item.counterpart.and_then(|id| sales.get(&id));
        let found = match (sale, &item.event.parent) {
            (Some(_), Some(_)) => "the refund names it",
            (Some(_), None) => "the latest sale with enough left",
            (None, _) => Part::UnmatchedRefund.as_str(),
        };
        vec![
            SheetCell::text(item.event.id.to_string()),
            SheetCell::Time(item.event.occurred_at),
            money(item.event.value),
            optional(item.event.value, |m| SheetCell::text(m.currency.code())),
            optional(sale, |s| SheetCell::text(s.id.to_string())),
            optional(sale, |s| SheetCell::Time(s.occurred_at)),
            optional(sale, |s| money(s.value)),
            SheetCell::text(found),
            rate(item.quote),
            optional(item.quote.and_then(|q| q.day()), SheetCell::Day),
            SheetCell::Minor(item.in_cell),
        ]
    };
    let rows = refunds.iter().map(row).collect();
    let credit = SheetCell::Minor(refunds.iter().map(|i| i.in_cell).sum());
    let totals = sums(&columns, vec![("credit", credit)]);
    Sheet { name: "refunds", title: "Refunds and their sales".into(), columns, rows, totals }
}
