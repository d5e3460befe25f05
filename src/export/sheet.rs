//! Sheets as JSON, CSV and text.

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde_json::{Map, Value};

use super::csv::{Csv, safe};
use super::json::head;
use crate::domain::fault::{Fault, shown};
use crate::domain::money::{Currency, decimal, divide_half_even};
use crate::domain::time::DAY_MS;
use crate::reports::cost_per_lead::grouped;
use crate::reports::sheet::{Document, Sheet, SheetCell};

/// A document as JSON: an array of objects for each sheet.
pub fn json(document: &Document) -> Value {
    let mut object = head(document.report, &document.parameters);
    if let Some(Value::Object(parameters)) = object.get_mut("parameters") {
        parameters.extend(document.more.iter().map(|(n, v)| ((*n).to_owned(), v.clone().into())));
    }
    object.insert("notes".into(), document.notes.clone().into());
    for sheet in &document.sheets {
        let line = |cells: &Vec<SheetCell>| {
            let named = sheet.columns.iter().zip(cells).map(|(column, cell)| (column.name.clone(), value(cell)));
            Value::Object(named.collect::<Map<String, Value>>())
        };
        object.insert(sheet.name.into(), sheet.rows.iter().map(line).collect());
        if !sheet.totals.is_empty() {
            let name = if sheet.name == "rows" { "totals".to_owned() } else { format!("{}_totals", sheet.name) };
            object.insert(name, line(&sheet.totals));
        }
    }
    Value::Object(object)
}

/// One sheet as CSV: the named one, or the first.
///
/// # Errors
/// A fault that lists the sheets there are.
pub fn csv(document: &Document, name: Option<&str>) -> Result<String, Fault> {
    let found = document.sheets.iter().find(|s| name.is_none_or(|n| s.name == n));
    let sheet = found.ok_or_else(|| {
        let names: Vec<&str> = document.sheets.iter().map(|s| s.name).collect();
        let detail = format!("{} is no sheet of this report; use {}", shown(name.unwrap_or("")), names.join(", "));
        Fault::new("sheet", "sheet-unknown", detail)
    })?;
    let mut csv = Csv::default();
    csv.line(sheet.columns.iter().map(|c| c.name.clone()));
    for row in &sheet.rows {
        csv.line(row.iter().map(written));
    }
    if !sheet.totals.is_empty() {
        csv.line(sheet.totals.iter().map(written));
    }
    Ok(csv.finish())
}

/// Every sheet as a table, and what the figures depend on below.
pub fn text(document: &Document) -> String {
    let mut out = String::new();
    let currency = document.parameters.currency;
    for sheet in &document.sheets {
        out.push_str(&format!("{}\n{}\n\n", sheet.title, table(sheet, currency)));
    }
    for note in &document.notes {
        out.push_str(&format!("{note}\n"));
    }
    let written = document.parameters.written();
    let all: Vec<String> = written.iter().chain(&document.more).map(|(n, v)| format!("{n}={v}")).collect();
    out.push_str(&format!("{}\n", all.join(" ")));
    out
}

fn table(sheet: &Sheet, currency: Currency) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let is_shown: Vec<bool> = sheet.columns.iter().map(|c| c.is_shown).collect();
    let headings = sheet.columns.iter().filter(|c| c.is_shown).map(|c| Cell::new(&c.heading));
    table.set_header(headings.collect::<Vec<_>>());
    for row in sheet.rows.iter().chain((!sheet.totals.is_empty()).then_some(&sheet.totals)) {
        let cells = row.iter().zip(&is_shown).filter(|(_, shown)| **shown).map(|(cell, _)| {
            let side = if is_number(cell) { CellAlignment::Right } else { CellAlignment::Left };
            Cell::new(display(cell, currency)).set_alignment(side)
        });
        table.add_row(cells.collect::<Vec<_>>());
    }
    table
}

/// Whether a cell is a figure, which stands at the right.
pub fn is_number(cell: &SheetCell) -> bool {
    !matches!(cell, SheetCell::Text(_) | SheetCell::Time(_) | SheetCell::Day(_))
}

/// A cell as JSON has it: integers as numbers, ratios as text, so that no reader rounds them again.
fn value(cell: &SheetCell) -> Value {
    match cell {
        SheetCell::Blank => Value::Null,
        SheetCell::Text(text) => text.clone().into(),
        SheetCell::Count(n) | SheetCell::Micro(n) | SheetCell::Minor(n) | SheetCell::Span(n) => (*n).into(),
        SheetCell::MinorRatio(ratio) | SheetCell::Ratio(ratio) | SheetCell::Proportion(ratio) => {
            ratio.clone().map_or(Value::Null, Into::into)
        }
        SheetCell::Share(share) => share.map_or(Value::Null, |s| format!("{s:.9}").into()),
        SheetCell::Estimate(estimate) => decimals(*estimate, 9).into(),
        SheetCell::Time(at) => at.to_string().into(),
        SheetCell::Day(day) => day.to_string().into(),
    }
}

/// An estimate as a decimal; one that rounds to nothing has no sign.
fn decimals(estimate: f64, places: usize) -> String {
    let text = format!("{estimate:.places$}");
    let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
    if is_zero { text.replace('-', "") } else { text }
}

/// A cell as CSV has it.
fn written(cell: &SheetCell) -> String {
    match (cell, value(cell)) {
        (SheetCell::Text(text), _) => safe(text),
        (_, Value::Null) => String::new(),
        (_, Value::String(text)) => text,
        (_, other) => other.to_string(),
    }
}

/// A cell as people read it.
pub fn display(cell: &SheetCell, currency: Currency) -> String {
    let rounded = |value: i128, per: i128| divide_half_even(value, per).unwrap_or(0);
    let scaled = |text: &str| text.replace('.', "").parse::<i128>().unwrap_or(0);
    match cell {
        SheetCell::Blank
        | SheetCell::MinorRatio(None)
        | SheetCell::Ratio(None)
        | SheetCell::Proportion(None)
        | SheetCell::Share(None) => "–".into(),
        SheetCell::Text(text) => text.clone(),
        SheetCell::Count(n) => grouped(&n.to_string()),
        SheetCell::Micro(n) => grouped(&decimal(rounded(i128::from(*n), 10_000), 2)),
        SheetCell::Minor(n) => grouped(&decimal(i128::from(*n), currency.exponent())),
        SheetCell::MinorRatio(Some(text)) => grouped(&decimal(rounded(scaled(text), 10_000), currency.exponent())),
        SheetCell::Ratio(Some(text)) => decimal(rounded(scaled(text), 100), 2),
        SheetCell::Proportion(Some(text)) => format!("{} %", decimal(rounded(scaled(text), 10), 1)),
        SheetCell::Share(Some(share)) => {
            format!("{} %", decimal(rounded(scaled(&format!("{share:.9}")), 1_000_000), 1))
        }
        SheetCell::Estimate(estimate) => grouped(&decimals(*estimate, 6)),
        SheetCell::Span(ms) => format!("{} d", decimal(rounded(i128::from(*ms) * 10, DAY_MS.into()), 1)),
        SheetCell::Time(at) => at.to_string().replace('T', " ").trim_end_matches('Z').to_owned() + " UTC",
        SheetCell::Day(day) => day.to_string(),
    }
}
