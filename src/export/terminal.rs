//! The report as a table in the terminal.

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::reports::cost_per_lead::{COLUMNS, Figures, Report};

/// Writes the shown columns with a totals row, and what the figures depend on below.
pub fn report(report: &Report) -> String {
    let p = &report.parameters;
    let shown: Vec<_> = COLUMNS.iter().filter(|c| c.is_shown).collect();
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut header = vec![Cell::new(capitalised(p.by.as_str()))];
    header.extend(shown.iter().map(|c| right(c.heading.to_owned())));
    table.set_header(header);
    let row = |name: &str, figures: &Figures| {
        let mut cells = vec![Cell::new(name)];
        cells.extend(shown.iter().map(|c| right(c.display(figures, p.currency))));
        cells
    };
    for r in &report.rows {
        table.add_row(row(r.key.as_str(), &r.figures));
    }
    table.add_row(row("Total", &report.totals));
    let label = p.model.model().label;
    format!(
        "{table}\n{label}, look-back {} days, {} to {} ({}), money in {}, {} cost. As of {} ({}).\n",
        p.lookback_days,
        p.range.from,
        p.range.to,
        p.zone.name(),
        p.currency,
        if p.cost == crate::domain::cost::CostBasis::Media { "media" } else { "loaded" },
        p.as_of.map_or(0, |t| t.0),
        p.as_of.map(|t| t.to_string()).unwrap_or_default()
    )
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
