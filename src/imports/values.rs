//! Cells into values of the domain, with faults that name the column.

use super::bind::Cell;
use super::decode::Row;
use super::mapping::{DecimalMark, ImportMapping};
use super::numbers::ungrouped;
use crate::domain::fault::{Fault, shown};
use crate::domain::money::{Currency, Money};
use crate::domain::person::is_placeholder;
use crate::domain::time::UtcMillis;

/// Longest id or code of another system, in bytes.
pub(super) const ID_MAX: usize = 200;

/// Gathers the faults of a row, so that all are told at once.
#[derive(Debug, Default)]
pub(super) struct Gathered(pub(super) Vec<Fault>);

impl Gathered {
    /// The value, or its fault put aside.
    pub(super) fn keep<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.0.push(fault)).ok()
    }
}

/// A fault about `text` without the text, if it may be an address that a wrong column led to.
pub(super) fn discreet(text: &str, mut fault: Fault) -> Fault {
    if text.contains('@') {
        fault.detail = fault.detail.replace(&shown(text), "the value");
    }
    fault
}

/// Parses a cell's text and gives a fault the column's name.
pub(super) fn parsed<T>(cell: &Cell, text: &str, parse: impl FnOnce(&str) -> Result<T, Fault>) -> Result<T, Fault> {
    parse(text).map_err(|fault| discreet(text, fault.named(&cell.name)))
}

/// A required time, in the mapping's zone where it has no offset.
pub(super) fn time(cell: &Cell, row: &Row, mapping: &ImportMapping) -> Result<UtcMillis, Fault> {
    let text = cell.required(row)?;
    parsed(cell, &text, |t| match &mapping.zone {
        Some(zone) => zone.parse_time(t),
        None => UtcMillis::parse(t).map_err(|mut fault| {
            fault.detail.push_str(", or set `zone` in the mapping file");
            fault
        }),
    })
}

/// An id of another system, bounded.
pub(super) fn id(cell: &Cell, text: &str) -> Result<String, Fault> {
    if text.len() > ID_MAX {
        return Err(Fault::new(
            &*cell.name,
            "id-too-long",
            format!("the id has {} bytes and at most {ID_MAX} are kept; send a shorter one", text.len()),
        ));
    }
    Ok(text.to_owned())
}

/// `namespace:id` of a bare id; `None` where the id stands for nothing, such as `null`.
pub(super) fn namespaced(cell: &Cell, text: &str, namespace: Option<&str>, key: &str) -> Result<Option<String>, Fault> {
    let bare = text.split_once(':').map_or(text, |(_, id)| id);
    if is_placeholder(bare) {
        return Ok(None);
    }
    match namespace {
        _ if text.contains(':') => id(cell, text).map(Some),
        Some(namespace) => id(cell, &format!("{namespace}:{text}")).map(Some),
        // A namespace made up here would join nobody, and nobody would be told.
        None => Err(Fault::new(
            &*cell.name,
            "namespace-missing",
            format!("the id does not say whose it is; write it as crm:51, or set `{key}` in the mapping file"),
        )),
    }
}

/// The currency of a row: its own, or the mapping's.
pub(super) fn currency(cell: Option<&Cell>, row: &Row, mapping: &ImportMapping) -> Result<Option<Currency>, Fault> {
    let Some(cell) = cell else { return Ok(mapping.currency) };
    match cell.text(row)? {
        Some(code) => parsed(cell, &code, str::parse).map(Some),
        None => Ok(mapping.currency),
    }
}

/// A decimal amount in the plain form that [`Money::parse`] reads.
pub(super) fn plain_decimal(cell: &Cell, text: &str, mark: Option<DecimalMark>) -> Result<String, Fault> {
    let Some(mark) = mark else { return Ok(text.to_owned()) };
    let point = if mark == DecimalMark::Point { '.' } else { ',' };
    let (sign, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    ungrouped(digits, mark).map(|plain| format!("{sign}{plain}")).ok_or_else(|| {
        discreet(
            text,
            Fault::new(
                &*cell.name,
                "amount-malformed",
                format!(
                    "{} is not an amount with `{point}` for decimals; write digits only, or mend `decimal` in the mapping file",
                    shown(text)
                ),
            ),
        )
    })
}

/// An amount in minor units.
pub(super) fn minor_units(cell: &Cell, text: &str) -> Result<i64, Fault> {
    text.parse().map_err(|_why| {
        discreet(
            text,
            Fault::new(
                &*cell.name,
                "amount-malformed",
                format!("{} is not a whole number of minor units, such as 48000 for 480.00; send one", shown(text)),
            ),
        )
    })
}

/// A decimal amount of a known currency.
pub(super) fn money(cell: &Cell, text: &str, currency: Currency, mark: Option<DecimalMark>) -> Result<Money, Fault> {
    let plain = plain_decimal(cell, text, mark)?;
    parsed(cell, &plain, |t| Money::parse(t, currency))
}
