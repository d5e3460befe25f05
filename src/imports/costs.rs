//! Costs: exports of ad accounts, lists of invoices.

use super::bind::{Binder, Cell, optional};
use super::decode::{Row, RowError, Sheet};
use super::mapping::{ImportKind, ImportMapping};
use super::values::{Gathered, currency, minor_units, money, parsed, plain_decimal};
use crate::domain::cost::CostKind;
use crate::domain::fault::Fault;
use crate::domain::labour::{self, Hours};
use crate::domain::money::{Currency, Money};
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
    /// How much; 0 of labour that is still to be priced.
    pub amount: Money,
    /// Invoice number.
    pub document: Option<String>,
    /// The hours that it is made of.
    pub labour: Option<ImportedLabour>,
    /// How channels share it, by code.
    pub allocation: Option<String>,
    /// What it was for.
    pub note: Option<String>,
}

/// Hours of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedLabour {
    /// The person or team.
    pub worker: String,
    /// How long they worked.
    pub hours: Hours,
    /// What an hour costs, where the file says so; otherwise the worker's recorded rate does, in this currency if one is given.
    pub hourly: Result<Money, Option<Currency>>,
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
    Hours(Box<HoursCells>),
}

/// Where the hours of a row are, whose they are, and what one costs.
struct HoursCells {
    hours: Cell,
    worker: Cell,
    rate: Option<Cell>,
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
    allocation: Option<Cell>,
    note: Option<Cell>,
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
    let amount = amount_of_file(&mut binder);
    let mut field = |name: &str| binder.field(name);
    let (currency, channel, campaign, post) = (field("currency"), field("channel"), field("campaign"), field("post"));
    let (link, kind, document) = (field("link"), field("kind"), field("document"));
    let (allocation, note) = (field("allocation"), field("note"));
    // Hours without a rate are in the currency of the worker's own.
    let is_priced = !matches!(&amount, Some(Amount::Hours(cells)) if cells.rate.is_none());
    if currency.is_none() && mapping.currency.is_none() && is_priced {
        binder.fault(Fault::new(
            "currency",
            "currency-missing",
            "nothing says in which currency the amounts are; set `currency` in the mapping file, or map a column",
        ));
    }
    binder.finish()?;
    let (Some(days), Some(amount)) = (days, amount) else { return Err(Vec::new()) };
    Ok(Fields { days, amount, currency, channel, campaign, post, link, kind, document, allocation, note })
}

fn amount_of_file(binder: &mut Binder<'_>) -> Option<Amount> {
    match (binder.field("amount"), binder.field("amount_minor"), binder.field("hours")) {
        (Some(cell), None, None) => Some(Amount::Decimal(cell)),
        (None, Some(cell), None) => Some(Amount::Minor(cell)),
        (None, None, Some(hours)) => {
            let worker = match (binder.field("person"), binder.field("team")) {
                (Some(cell), None) | (None, Some(cell)) => cell,
                (Some(_), Some(_)) => {
                    binder.fault(Fault::new(
                        "person",
                        "value-twice",
                        "the file has `person` and `team`; keep one of them",
                    ));
                    return None;
                }
                (None, None) => {
                    binder.none_of(&["person", "team"]);
                    return None;
                }
            };
            Some(Amount::Hours(Box::new(HoursCells { hours, worker, rate: binder.field("rate") })))
        }
        (None, None, None) => {
            binder.none_of(&["amount", "amount_minor", "hours"]);
            None
        }
        _ => {
            binder.fault(Fault::new(
                "amount",
                "value-twice",
                "the file has several of `amount`, `amount_minor` and `hours`; keep one of them",
            ));
            None
        }
    }
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
    let is_labour = matches!(fields.amount, Amount::Hours(_));
    let kind = gathered.keep(kind(fields.kind.as_ref(), row, is_labour));
    let mut text = |cell: &Option<Cell>| gathered.keep(optional(cell.as_ref(), row)).flatten();
    let (channel, campaign, post) = (text(&fields.channel), text(&fields.campaign), text(&fields.post));
    let (link, document) = (text(&fields.link), text(&fields.document));
    let (allocation, note) = (text(&fields.allocation), text(&fields.note));
    match (days, amount, kind) {
        (Some(days), Some((amount, labour)), Some(kind)) if gathered.0.is_empty() => Ok((
            row.line,
            ImportedCost { days, channel, campaign, post, link, kind, amount, document, labour, allocation, note },
        )),
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

fn amount(fields: &Fields, row: &Row, mapping: &ImportMapping) -> Result<(Money, Option<ImportedLabour>), Fault> {
    let known = currency(fields.currency.as_ref(), row, mapping)?;
    if let Amount::Hours(cells) = &fields.amount {
        return labour(cells, row, known, mapping).map(|(money, own)| (money, Some(own)));
    }
    let currency = required(known, fields)?;
    let money = match &fields.amount {
        Amount::Decimal(cell) => money(cell, &cell.required(row)?, currency, mapping.decimal),
        Amount::Minor(cell) => {
            Money::new(minor_units(cell, &cell.required(row)?)?, currency).map_err(|f| f.named(&cell.name))
        }
        Amount::Hours(_) => Ok(Money { minor: 0, currency }),
    };
    Ok((money?, None))
}

fn required(currency: Option<Currency>, fields: &Fields) -> Result<Currency, Fault> {
    currency.ok_or_else(|| {
        let column = fields.currency.as_ref().map_or("currency", |c| c.name.as_str());
        Fault::new(
            column,
            "currency-missing",
            "the row names no currency; fill it in, or set `currency` in the mapping file",
        )
    })
}

/// Hours and what they cost, where the row says what an hour costs.
fn labour(
    HoursCells { hours, worker, rate }: &HoursCells,
    row: &Row,
    currency: Option<Currency>,
    mapping: &ImportMapping,
) -> Result<(Money, ImportedLabour), Fault> {
    let text = hours.required(row)?;
    let worked = match text.contains(':') {
        true => parsed(hours, &text, str::parse::<Hours>)?,
        false => parsed(hours, &plain_decimal(hours, &text, mapping.decimal)?, str::parse::<Hours>)?,
    };
    let name = parsed(worker, &worker.required(row)?, labour::worker)?;
    let told = match rate {
        Some(cell) => cell.text(row)?.map(|text| (cell, text)),
        None => None,
    };
    let Some((cell, text)) = told else {
        let unpriced = Money { minor: 0, currency: currency.unwrap_or_else(Currency::euro) };
        return Ok((unpriced, ImportedLabour { worker: name, hours: worked, hourly: Err(currency) }));
    };
    let currency = currency.ok_or_else(|| {
        Fault::new(
            &*cell.name,
            "currency-missing",
            "a rate needs its currency; map one, or set `currency` in the mapping file",
        )
    })?;
    let hourly = money(cell, &text, currency, mapping.decimal)?;
    let amount =
        worked.cost(hourly).map_err(|f| if f.field == "rate" { f.named(&cell.name) } else { f.named(&hours.name) })?;
    Ok((amount, ImportedLabour { worker: name, hours: worked, hourly: Ok(hourly) }))
}

fn kind(cell: Option<&Cell>, row: &Row, is_labour: bool) -> Result<CostKind, Fault> {
    let usual = if is_labour { CostKind::Labour } else { CostKind::Media };
    let Some(cell) = cell else { return Ok(usual) };
    let kind = cell.text(row)?.map_or(Ok(usual), |text| parsed(cell, &text, str::parse))?;
    if is_labour && kind != CostKind::Labour {
        let detail = format!("hours are labour, and the row says {kind}; leave the kind out");
        return Err(Fault::new(&*cell.name, "labour-kind", detail));
    }
    Ok(kind)
}
