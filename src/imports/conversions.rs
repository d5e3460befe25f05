//! Stage events out of other systems: an export of a CRM, a list of orders.
//!
//! The *long* form has an event per row and a stage column. The *wide* form has
//! a person per row and a column of dates per stage, each filled date an event.

use super::bind::{Binder, Cell, optional};
use super::decode::{Row, RowError, Sheet};
use super::mapping::{Column, ImportKind, ImportMapping};
use super::values::{Gathered, currency, minor_units, money, namespaced, parsed, plain_decimal, time};
use crate::domain::fault::Fault;
use crate::domain::intake::EventInput;
use crate::domain::stage::Stage;

/// Where the stage of an event is.
enum StageFrom {
    Fixed(Stage),
    Cell(Cell),
}

/// The fields of the events of one stage, or of all in the long form.
struct Rule {
    stage: StageFrom,
    occurred_at: Cell,
    event_id: Cell,
    subject: Option<Cell>,
    parent: Option<Cell>,
    value: Option<Cell>,
    value_minor: Option<Cell>,
    currency: Option<Cell>,
    self_reported: Option<Cell>,
}

/// The fields that say who it was.
struct Who {
    email: Option<Cell>,
    person: Option<Cell>,
    click_id: Option<Cell>,
    visitor_id: Option<Cell>,
}

/// The events of a file with their lines, or why the mapping does not fit the file.
///
/// Stage, time and amounts are checked here, so that faults name line and column; times are
/// UTC afterwards. The rest of [`EventInput::check`] is still the caller's to run.
pub fn rows<'a>(
    sheet: &'a Sheet<'a>,
    mapping: &'a ImportMapping,
) -> Result<impl Iterator<Item = Result<(u64, EventInput), RowError>> + 'a, Vec<Fault>> {
    let (who, rules) = bind(sheet, mapping)?;
    Ok(sheet.rows().flat_map(move |row| match row {
        Ok(row) => rules.iter().filter_map(|rule| event(rule, &who, &row, mapping).transpose()).collect::<Vec<_>>(),
        Err(error) => vec![Err(error)],
    }))
}

fn bind(sheet: &Sheet<'_>, mapping: &ImportMapping) -> Result<(Who, Vec<Rule>), Vec<Fault>> {
    let mut binder = Binder::new(sheet, mapping, ImportKind::Conversions);
    let mut field = |name: &str| binder.field(name);
    let who = Who {
        email: field("email"),
        person: field("person"),
        click_id: field("click_id"),
        visitor_id: field("visitor_id"),
    };
    let rules: Vec<Option<Rule>> = if mapping.events.is_empty() {
        vec![long_rule(&mut binder)]
    } else {
        (0..mapping.events.len()).map(|at| wide_rule(&mut binder, mapping, at)).collect()
    };
    binder.finish()?;
    Ok((who, rules.into_iter().flatten().collect()))
}

fn long_rule(binder: &mut Binder<'_>) -> Option<Rule> {
    let (stage, occurred_at, event_id) =
        (binder.required("stage"), binder.required("occurred_at"), binder.required("event_id"));
    let mut field = |name: &str| binder.field(name);
    let (subject, parent, value) = (field("subject"), field("parent"), field("value"));
    let (value_minor, currency, self_reported) = (field("value_minor"), field("currency"), field("self_reported"));
    Some(Rule {
        stage: StageFrom::Cell(stage?),
        occurred_at: occurred_at?,
        event_id: event_id?,
        subject,
        parent,
        value,
        value_minor,
        currency,
        self_reported,
    })
}

fn wide_rule(binder: &mut Binder<'_>, mapping: &ImportMapping, at: usize) -> Option<Rule> {
    let rule = mapping.events.get(at)?;
    let occurred_at = binder.column("occurred_at", &rule.occurred_at);
    let event_id = binder.template("event_id", &rule.event_id);
    let mut own = |field: &str, column: &Option<Column>| match column {
        Some(column) => binder.column(field, column),
        None => binder.field(field),
    };
    let (subject, parent) = (own("subject", &rule.subject), own("parent", &rule.parent));
    let currency = own("currency", &rule.currency);
    let self_reported = own("self_reported", &rule.self_reported);
    // An amount of its own, in either unit, replaces the shared one: both together would be the amount twice.
    let has_own = rule.value.is_some() || rule.value_minor.is_some();
    let mut amount =
        |field: &str, column: &Option<Column>| if has_own && column.is_none() { None } else { own(field, column) };
    let (value, value_minor) = (amount("value", &rule.value), amount("value_minor", &rule.value_minor));
    Some(Rule {
        stage: StageFrom::Fixed(rule.stage),
        occurred_at: occurred_at?,
        event_id: event_id?,
        subject,
        parent,
        value,
        value_minor,
        currency,
        self_reported,
    })
}

/// The event of a rule in a row; `None` where the wide form has no date for its stage.
fn event(rule: &Rule, who: &Who, row: &Row, mapping: &ImportMapping) -> Result<Option<(u64, EventInput)>, RowError> {
    if matches!(rule.stage, StageFrom::Fixed(_)) && matches!(rule.occurred_at.text(row), Ok(None)) {
        return Ok(None);
    }
    let mut gathered = Gathered::default();
    let stage = gathered.keep(stage(&rule.stage, row));
    let occurred_at = gathered.keep(time(&rule.occurred_at, row, mapping));
    let event_id = gathered.keep(rule.event_id.required(row));
    let (value, value_minor, currency) = gathered.keep(amount(rule, row, mapping)).unwrap_or_default();
    let person =
        gathered.keep(key(who.person.as_ref(), row, mapping.person_namespace.as_deref(), "person_namespace")).flatten();
    let subject = gathered
        .keep(key(rule.subject.as_ref(), row, mapping.subject_namespace.as_deref(), "subject_namespace"))
        .flatten();
    let mut text = |cell: &Option<Cell>| gathered.keep(optional(cell.as_ref(), row)).flatten();
    let (email, click_id, visitor_id) = (text(&who.email), text(&who.click_id), text(&who.visitor_id));
    let (parent, self_reported) = (text(&rule.parent), text(&rule.self_reported));
    match (stage, occurred_at, event_id) {
        (Some(stage), Some(occurred_at), Some(event_id)) if gathered.0.is_empty() => {
            let (event_id, stage, occurred_at) = (event_id.into_owned(), stage.to_string(), occurred_at.to_string());
            Ok(Some((
                row.line,
                EventInput {
                    event_id,
                    stage,
                    occurred_at,
                    click_id,
                    visitor_id,
                    email,
                    person,
                    subject,
                    parent,
                    value,
                    value_minor,
                    currency,
                    self_reported,
                    ..EventInput::default()
                },
            )))
        }
        _ => Err(RowError { line: row.line, faults: gathered.0 }),
    }
}

fn stage(from: &StageFrom, row: &Row) -> Result<Stage, Fault> {
    match from {
        StageFrom::Fixed(stage) => Ok(*stage),
        StageFrom::Cell(cell) => parsed(cell, &cell.required(row)?, |text| text.to_lowercase().parse()),
    }
}

fn key(cell: Option<&Cell>, row: &Row, namespace: Option<&str>, setting: &str) -> Result<Option<String>, Fault> {
    let Some(cell) = cell else { return Ok(None) };
    cell.text(row)?.map_or(Ok(None), |text| namespaced(cell, &text, namespace, setting))
}

/// Decimals, minor units and currency, of which at most one amount is given.
type Amount = (Option<String>, Option<i64>, Option<String>);

fn amount(rule: &Rule, row: &Row, mapping: &ImportMapping) -> Result<Amount, Fault> {
    let currency = currency(rule.currency.as_ref(), row, mapping)?;
    let value = match &rule.value {
        None => None,
        Some(cell) => cell
            .text(row)?
            .map(|text| match currency {
                // Checked against the currency now; kept as text, as the event's one door reads it again.
                Some(currency) => money(cell, &text, currency, mapping.decimal)
                    .and_then(|_money| plain_decimal(cell, &text, mapping.decimal)),
                None => plain_decimal(cell, &text, mapping.decimal),
            })
            .transpose()?,
    };
    let minor = match &rule.value_minor {
        None => None,
        Some(cell) => cell.text(row)?.map(|text| minor_units(cell, &text)).transpose()?,
    };
    if value.is_none() && minor.is_none() {
        return Ok((None, None, None));
    }
    Ok((value, minor, currency.map(|c| c.code().to_owned())))
}
