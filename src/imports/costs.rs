//! Costs: exports of ad accounts, lists of invoices.

use super::bind::{Binder, Cell, optional};
use super::decode::{Row, RowError, Sheet};
use super::mapping::{ImportKind, ImportMapping};
use super::values::{Gathered, currency, minor_units, money, parsed};
use crate::domain::cost::CostKind;
use crate::domain::fault::Fault;
use crate::domain::money::Money;
use crate::domain::time::{Day, DayRange};

/// Money spent as a file told it; its codes are not looked up yet.
///
/// Amounts of 0 and credit notes below 0 are entries too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedCost {
    /// Calendar days of the mapping's zone, both ends included.
    pub days: DayRange,
    /// Code of the channel; without one the cost is shared.
    pub channel: Option<String>,
    /// Code of the campaign.
    pub campaign: Option<String>,
    /// The post.
    pub post: Option<String>,
    /// Slug of the link.
    pub link: Option<String>,
    /// What it bought; media where the file does not say.
    pub kind: CostKind,
    /// How much.
    pub amount: Money,
    /// Invoice number.
    pub document: Option<String>,
}

/// How a file names its days.
enum Days {
    Day(Cell),
    Month(Cell),
    Span(Cell, Cell),
}

/// How a file writes its amounts.
enum Amount {
    Decimal(Cell),
    Minor(Cell),
}

struct Fields {
    days: Days,
    amount: Amount,
    currency: Option<Cell>,
    channel: Option<Cell>,
    campaign: Option<Cell>,
    post: Option<Cell>,
    link: Option<Cell>,
    kind: Option<Cell>,
    document: Option<Cell>,
}

/// The costs of a file with their lines, or why the mapping does not fit the file.
pub fn rows<'a>(
    sheet: &'a Sheet<'a>,
    mapping: &'a ImportMapping,
) -> Result<impl Iterator<Item = Result<(u64, ImportedCost), RowError>> + 'a, Vec<Fault>> {
    let fields = bind(sheet, mapping)?;
    Ok(sheet.rows().map(move |row| row.and_then(|row| cost(&fields, &row, mapping))))
}

fn bind(sheet: &Sheet<'_>, mapping: &ImportMapping) -> Result<Fields, Vec<Fault>> {
    let mut binder = Binder::new(sheet, mapping, ImportKind::Costs);
    let days = days_of_file(&mut binder);
    let amount = match (binder.field("amount"), binder.field("amount_minor")) {
        (Some(cell), None) => Some(Amount::Decimal(cell)),
        (None, Some(cell)) => Some(Amount::Minor(cell)),
        (Some(_), Some(_)) => {
            binder.fault(Fault::new(
                "amount",
                "value-twice",
                "the file has `amount` and `amount_minor`; keep one of them",
            ));
            None
        }
        (None, None) => {
            binder.none_of(&["amount", "amount_minor"]);
            None
        }
    };
    let mut field = |name: &str| binder.field(name);
    let (currency, channel, campaign, post) = (field("currency"), field("channel"), field("campaign"), field("post"));
    let (link, kind, document) = (field("link"), field("kind"), field("document"));
    if currency.is_none() && mapping.currency.is_none() {
        binder.fault(Fault::new(
            "currency",
            "currency-missing",
            "nothing says in which currency the amounts are; set `currency` in the mapping file, or map a column",
        ));
    }
    binder.finish()?;
    let (Some(days), Some(amount)) = (days, amount) else { return Err(Vec::new()) };
    Ok(Fields { days, amount, currency, channel, campaign, post, link, kind, document })
}

fn days_of_file(binder: &mut Binder<'_>) -> Option<Days> {
    match (binder.field("day"), binder.field("month"), binder.field("from"), binder.field("to")) {
        (Some(day), None, None, None) => Some(Days::Day(day)),
        (None, Some(month), None, None) => Some(Days::Month(month)),
        (None, None, Some(from), Some(to)) => Some(Days::Span(from, to)),
        (None, None, Some(_), None) => {
            binder.none_of(&["to"]);
            None
        }
        (None, None, None, Some(_)) => {
            binder.none_of(&["from"]);
            None
        }
        (None, None, None, None) => {
            binder.none_of(&["day", "month", "from", "to"]);
            None
        }
        _ => {
            binder.fault(Fault::new(
                "day",
                "days-twice",
                "the file has several of day, month and from with to; keep one of them",
            ));
            None
        }
    }
}

fn cost(fields: &Fields, row: &Row, mapping: &ImportMapping) -> Result<(u64, ImportedCost), RowError> {
    let mut gathered = Gathered::default();
    let days = gathered.keep(days(&fields.days, row));
    let amount = gathered.keep(amount(fields, row, mapping));
    let kind = gathered.keep(kind(fields.kind.as_ref(), row));
    let mut text = |cell: &Option<Cell>| gathered.keep(optional(cell.as_ref(), row)).flatten();
    let (channel, campaign, post) = (text(&fields.channel), text(&fields.campaign), text(&fields.post));
    let (link, document) = (text(&fields.link), text(&fields.document));
    match (days, amount, kind) {
        (Some(days), Some(amount), Some(kind)) if gathered.0.is_empty() => {
            Ok((row.line, ImportedCost { days, channel, campaign, post, link, kind, amount, document }))
        }
        _ => Err(RowError { line: row.line, faults: gathered.0 }),
    }
}

fn days(from: &Days, row: &Row) -> Result<DayRange, Fault> {
    let day = |cell: &Cell| cell.required(row).and_then(|text| parsed(cell, &text, str::parse::<Day>));
    match from {
        Days::Day(cell) => day(cell).map(|d| DayRange { from: d, to: d }),
        Days::Month(cell) => cell.required(row).and_then(|text| parsed(cell, &text, Day::month)),
        Days::Span(first, last) => DayRange::new(day(first)?, day(last)?).map_err(|fault| {
            let column = if fault.field == "to" { &last.name } else { &first.name };
            fault.named(column)
        }),
    }
}

fn amount(fields: &Fields, row: &Row, mapping: &ImportMapping) -> Result<Money, Fault> {
    let currency = currency(fields.currency.as_ref(), row, mapping)?.ok_or_else(|| {
        let column = fields.currency.as_ref().map_or("currency", |c| c.name.as_str());
        Fault::new(
            column,
            "currency-missing",
            "the row names no currency; fill it in, or set `currency` in the mapping file",
        )
    })?;
    match &fields.amount {
        Amount::Decimal(cell) => money(cell, &cell.required(row)?, currency, mapping.decimal),
        Amount::Minor(cell) => {
            Money::new(minor_units(cell, &cell.required(row)?)?, currency).map_err(|f| f.named(&cell.name))
        }
    }
}

fn kind(cell: Option<&Cell>, row: &Row) -> Result<CostKind, Fault> {
    let Some(cell) = cell else { return Ok(CostKind::Media) };
    cell.text(row)?.map_or(Ok(CostKind::Media), |text| parsed(cell, &text, str::parse))
}
