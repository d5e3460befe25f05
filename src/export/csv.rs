//! Reports as CSV.

use crate::reports::cost_per_lead::{COLUMNS, Changed, Figures, Report, Row};

/// Lines of cells, quoted where they must be, each ended by carriage return and line feed (RFC 4180).
#[derive(Debug)]
pub struct Csv(csv::Writer<Vec<u8>>);

impl Default for Csv {
    fn default() -> Self {
        let mut builder = csv::WriterBuilder::new();
        Self(builder.terminator(csv::Terminator::CRLF).flexible(true).from_writer(Vec::new()))
    }
}

impl Csv {
    /// Adds a line.
    pub fn line<I: IntoIterator<Item = String>>(&mut self, cells: I) {
        // Writing into memory does not fail.
        let _always_written = self.0.write_record(cells.into_iter().map(String::into_bytes));
    }

    /// The text.
    pub fn finish(self) -> String {
        let bytes = self.0.into_inner().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A text cell that begins like a formula gets a leading apostrophe (OWASP CSV injection).
pub fn safe(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// Writes a cost-per-lead report: a line for each row and model, then the totals.
pub fn report(report: &Report) -> String {
    let mut csv = Csv::default();
    let p = &report.parameters;
    let mut header: Vec<String> = p.by.iter().map(|d| d.as_str().to_owned()).collect();
    header.extend(["name".to_owned(), "model".to_owned()]);
    header.extend(COLUMNS.iter().map(|c| c.name.to_owned()));
    for with in &p.compare {
        header.extend(["from", "to"].map(|end| format!("{with}_{end}")));
        header.extend(COLUMNS.iter().map(|c| format!("{with}_{}", c.name)));
        for of in ["leads", "cpl"] {
            header.extend(["ratio", "lo95", "hi95", "p", "p_adjusted", "verdict"].map(|c| format!("{with}_{of}_{c}")));
        }
    }
    csv.line(header);
    for row in &report.rows {
        let keys: Vec<String> = row.key.parts().iter().map(|part| safe(part.as_str())).collect();
        lines(&mut csv, report, row, &keys);
    }
    let mut total = vec![String::new(); p.by.len()];
    if let Some(first) = total.first_mut() {
        "(total)".clone_into(first);
    }
    lines(&mut csv, report, &report.totals, &total);
    csv.finish()
}

fn lines(csv: &mut Csv, report: &Report, row: &Row, keys: &[String]) {
    for (n, (choice, figures)) in report.parameters.models.iter().zip(&row.figures).enumerate() {
        let mut cells = keys.to_vec();
        cells.extend([safe(&row.name), choice.to_string()]);
        cells.extend(values(figures));
        for compared in &row.compared {
            cells.extend([compared.range.from.to_string(), compared.range.to.to_string()]);
            cells.extend(compared.figures.get(n).into_iter().flat_map(values));
            for list in [&compared.leads, &compared.cpl] {
                cells.extend(change(list.get(n).and_then(Option::as_ref)));
            }
        }
        csv.line(cells);
    }
}

fn values(figures: &Figures) -> impl Iterator<Item = String> + '_ {
    COLUMNS.iter().map(|c| (c.value)(figures).unwrap_or_default())
}

fn change(changed: Option<&Changed>) -> [String; 6] {
    let nine = |value: f64| format!("{value:.9}");
    changed.map_or_else(Default::default, |c| {
        let verdict = if c.is_signal { "signal" } else { "noise" };
        [
            c.ratio.clone().unwrap_or_default(),
            nine(c.low),
            c.high.map(nine).unwrap_or_default(),
            nine(c.p),
            nine(c.p_adjusted),
            verdict.to_owned(),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_and_quotes_doubled() {
        let mut csv = Csv::default();
        csv.line(["=1+1", "a,\"b\"", "@x", "-5"].iter().map(|c| safe(c)));
        assert_eq!(csv.finish(), "'=1+1,\"a,\"\"b\"\"\",'@x,'-5\r\n");
    }
}
