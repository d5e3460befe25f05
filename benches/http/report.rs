//! The figures as tables: on the terminal, and between the marks of a page.

use std::fs;
use std::path::Path;

use super::Outcome;
use super::targets::{Target, Unit};

const BEGIN: &str = "<!-- figures: begin -->";
const END: &str = "<!-- figures: end -->";

/// Median and range of a figure over the rounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    pub(super) median: u64,
    min: u64,
    max: u64,
}

impl Spread {
    /// Of some values; zero of none.
    pub(super) fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let at = |i: usize| values.get(i).copied().unwrap_or(0);
        let (lower, upper) = (at(values.len().saturating_sub(1) / 2), at(values.len() / 2));
        Self { median: lower.midpoint(upper), min: at(0), max: at(values.len().saturating_sub(1)) }
    }

    /// `median (min..max)`, or the value alone where there is only one.
    pub(super) fn print(&self, unit: Unit) -> String {
        let [median, min, max] = [self.median, self.min, self.max].map(|v| unit.print(v));
        if self.min == self.max { median } else { format!("{median} ({min}..{max})") }
    }
}

#[derive(Debug)]
struct Table {
    title: String,
    note: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// What a run has found so far.
#[derive(Debug)]
pub(super) struct Report {
    machine: Vec<(String, String)>,
    tables: Vec<Table>,
    targets: Vec<Vec<String>>,
    remarks: Vec<String>,
}

impl Report {
    /// Of a machine.
    pub(super) fn new(machine: Vec<(String, String)>) -> Self {
        Self { machine, tables: Vec::new(), targets: Vec::new(), remarks: Vec::new() }
    }

    /// Adds a table and shows it.
    pub(super) fn table(&mut self, title: &str, note: &str, header: &[&str], rows: Vec<Vec<String>>) {
        let header = header.iter().map(|&h| h.to_owned()).collect();
        let table = Table { title: title.to_owned(), note: note.to_owned(), header, rows };
        show(&table.text());
        self.tables.push(table);
    }

    /// Adds text as another program printed it, and shows it.
    pub(super) fn block(&mut self, title: &str, note: &str, text: &str) {
        let note = format!("{note}\n\n```\n{}\n```", text.trim_end());
        self.table(title, &note, &[], Vec::new());
    }

    /// Holds a figure against its target.
    pub(super) fn check(&mut self, target: &Target, measured: Spread) {
        self.targets.push(target.row(measured));
    }

    /// Something a reader of the figures must know.
    pub(super) fn remark(&mut self, text: String) {
        show(&format!("note: {text}\n"));
        self.remarks.push(text);
    }

    /// Shows the targets, and replaces the figures of `page`.
    pub(super) fn finish(mut self, page: Option<&Path>) -> Outcome<()> {
        let rows = std::mem::take(&mut self.targets);
        let header = ["what", "measured", "must", "aim", ""];
        self.table("Targets", "", &header, rows);
        let Some(page) = page else { return Ok(()) };
        let text = fs::read_to_string(page).map_err(|e| format!("cannot read {}: {e}", page.display()))?;
        let marks = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) = marks.ok_or_else(|| format!("{} lacks the lines {BEGIN} and {END}", page.display()))?;
        fs::write(page, format!("{before}{BEGIN}\n\n{}{END}{after}", self.text()))?;
        show(&format!("the figures are in {}\n", page.display()));
        Ok(())
    }

    fn text(&self) -> String {
        let machine = self.machine.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
        let header = vec!["machine".to_owned(), String::new()];
        let mut text = grid(&header, machine);
        text.push('\n');
        // The verdicts first: they are what most readers came for.
        for table in
            self.tables.iter().rev().take(1).chain(self.tables.iter().take(self.tables.len().saturating_sub(1)))
        {
            text.push_str(&table.text());
        }
        for remark in &self.remarks {
            text.push_str(&format!("- {remark}\n"));
        }
        if !self.remarks.is_empty() {
            text.push('\n');
        }
        text
    }
}

impl Table {
    fn text(&self) -> String {
        let note = if self.note.is_empty() { String::new() } else { format!("{}\n\n", self.note) };
        if self.header.is_empty() {
            return format!("### {}\n\n{note}", self.title);
        }
        format!("### {}\n\n{note}{}\n", self.title, grid(&self.header, self.rows.clone()))
    }
}

/// A Markdown table with aligned columns.
fn grid(header: &[String], rows: Vec<Vec<String>>) -> String {
    let mut lines = vec![header.to_vec(), vec![String::new(); header.len()]];
    lines.extend(rows);
    let width =
        |column: usize| lines.iter().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| match number {
            1 => format!(" {} ", "-".repeat(width)),
            _ => format!(" {cell:width$} "),
        });
        text.push_str(&format!("|{}|\n", cells.collect::<Vec<_>>().join("|")));
    }
    text
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn show(text: &str) {
    println!("{text}");
}
