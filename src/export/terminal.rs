//! The report as a table in the terminal.

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::reports::cost_per_lead::{COLUMNS, Report, Row};

/// Writes the shown columns with a totals row, and what the figures depend on below.
pub fn report(report: &Report) -> String {
    let p = &report.parameters;
    let shown: Vec<_> = COLUMNS.iter().filter(|c| c.is_shown).collect();
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let several = p.models.len() > 1;
    let mut header: Vec<Cell> = p.by.iter().map(|d| Cell::new(d.heading())).collect();
    if several {
        header.push(Cell::new("Model"));
    }
    header.extend(shown.iter().map(|c| right(c.heading.to_owned())));
    table.set_header(header);
    let mut add = |keys: &[String], row: &Row| {
        for (choice, figures) in p.models.iter().zip(&row.figures) {
            let mut cells: Vec<Cell> = keys.iter().map(Cell::new).collect();
            if several {
                cells.push(Cell::new(choice.to_string()));
            }
            cells.extend(shown.iter().map(|c| right(c.display(figures, p.currency))));
            table.add_row(cells);
        }
    };
    for row in &report.rows {
        add(&row.key.parts().iter().map(|part| part.as_str().to_owned()).collect::<Vec<_>>(), row);
    }
    let mut total = vec![String::new(); p.by.len()];
    if let Some(first) = total.first_mut() {
        "Total".clone_into(first);
    }
    add(&total, &report.totals);
    let labels: Vec<&str> = p.models.iter().map(|c| c.model().label).collect();
    // A forgotten data.dir looks like a company without leads.
    let hint = match p.as_of {
        Some(at) if at.0 > 0 => "",
        _ => "Nothing is recorded in this database yet; is `data.dir` or `database.url` the right one?\n",
    };
    format!(
        "{table}\n{}, look-back {} days, {} to {} ({}), {} clock, money in {}, {} cost. As of {} ({}).\n{hint}",
        labels.join(", "),
        p.look_back,
        p.range.from,
        p.range.to,
        p.zone.name(),
        p.clock,
        p.currency,
        if p.cost == crate::domain::cost::CostBasis::Media { "media" } else { "loaded" },
        p.as_of.map_or(0, |t| t.0),
        p.as_of.map(|t| t.to_string()).unwrap_or_default()
    )
}
