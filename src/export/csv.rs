//! The report as CSV.

use crate::reports::cost_per_lead::{COLUMNS, Figures, Report};

/// Writes rows and a totals row. Text cells that a spreadsheet would run as a formula are quoted.
pub fn report(report: &Report) -> String {
    let mut out = String::new();
    let by = report.parameters.by.as_str();
    line(&mut out, [by, "name"].into_iter().chain(COLUMNS.iter().map(|c| c.name)).map(str::to_owned));
    for row in &report.rows {
        line(&mut out, cells(row.key.as_str(), &row.name, &row.figures));
    }
    line(&mut out, cells("(total)", "", &report.totals));
    out
}

fn cells<'a>(key: &str, name: &str, figures: &'a Figures) -> impl Iterator<Item = String> + use<'a> {
    let values = COLUMNS.iter().map(move |c| (c.value)(figures).unwrap_or_default());
    [safe(key), safe(name)].into_iter().chain(values)
}

/// A text cell that begins like a formula gets a leading apostrophe (OWASP CSV injection).
fn safe(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    let quoted: Vec<String> = cells
        .map(|c| if c.contains([',', '"', '\n', '\r']) { format!("\"{}\"", c.replace('"', "\"\"")) } else { c })
        .collect();
    out.push_str(&quoted.join(","));
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_and_quotes_doubled() {
        let mut out = String::new();
        line(&mut out, ["=1+1", "a,\"b\"", "@x", "-5"].iter().map(|c| safe(c)));
        assert_eq!(out, "'=1+1,\"a,\"\"b\"\"\",'@x,'-5\r\n");
    }
}
