//! What the readers of all kinds of exports share: nulls, totals, texts, and the style of numbers and dates.

use super::dates::{self, DateOrder, Written};
use super::decode::RowError;
use super::grid::{Grid, GridRow};
use super::mapping::DecimalMark;
use super::numbers::Style;
use super::recognise::Bound;
use crate::domain::fault::{Fault, shown};
use crate::domain::money::Currency;
use crate::domain::time::Day;

/// What the user says about a file where it does not say it itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// The account, where no column names it.
    pub account: Option<String>,
    /// The currency of amounts that name none.
    pub currency: Option<Currency>,
    /// The order of dates.
    pub dates: Option<DateOrder>,
    /// The decimal mark.
    pub decimal: Option<DecimalMark>,
    /// Whether amounts of several days are spread over them evenly.
    pub spread: bool,
    /// The day of the export, by which dates without a year and snapshots are dated.
    pub exported_on: Option<Day>,
    /// Accounts that are known, with the currency that they are billed in.
    pub accounts: Vec<Billed>,
}

/// An account of a platform, as earlier files told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Billed {
    /// The platform.
    pub platform: String,
    /// The account's name.
    pub name: String,
    /// What it is billed in, if a file of spend or its user has said so.
    pub currency: Option<Currency>,
}

impl Asked {
    /// The currency of the account that a file of a platform is of: the named one, else the only one.
    pub fn billed_in(&self, platform: &str) -> Option<Currency> {
        let is_named = |a: &&Billed| self.account.as_ref().is_none_or(|name| *name == a.name);
        let mut own = self.accounts.iter().filter(|a| a.platform == platform).filter(is_named);
        let only = own.next()?;
        own.next().is_none().then_some(only.currency).flatten()
    }
}

/// A row of totals that the file itself has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TotalsRow {
    /// Where it stands.
    pub line: u64,
    /// What it is called.
    pub label: String,
    /// What it says, and what the rows sum to.
    pub says: String,
    /// The sum of the rows.
    pub rows: String,
    /// Whether the two are the same.
    pub agrees: bool,
}

/// Words that a row of totals begins with.
const TOTAL_WORDS: &[&str] = &[
    "total",
    "totals",
    "totales",
    "totale",
    "totali",
    "totaux",
    "totaal",
    "totais",
    "gesamt",
    "gesamtsumme",
    "gesamtergebnis",
    "summe",
    "résultats",
    "suma",
    "grand total",
    "итого",
    "合計",
    "总计",
];

/// Cells that say nothing.
pub(super) fn is_null(cell: &str) -> bool {
    matches!(
        cell.trim().to_lowercase().as_str(),
        "" | "-" | "--" | "—" | "–" | "undefined" | "n/a" | "na" | "null" | "none" | "nan"
    )
}

fn is_total_word(cell: &str) -> bool {
    let cell = cell.trim().to_lowercase();
    TOTAL_WORDS.iter().any(|word| {
        cell.strip_prefix(word).is_some_and(|rest| rest.chars().next().is_none_or(|c| !c.is_alphanumeric()))
    })
}

/// What a row below the header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowKind {
    /// A row to read.
    Data,
    /// A row of sums.
    Total,
    /// A line that belongs to no table.
    Footer,
}

/// What of a row tells its kind.
pub(super) struct Looks<'r> {
    pub(super) row: &'r GridRow,
    pub(super) header: &'r GridRow,
    /// Whether its date can be read.
    pub(super) has_date: bool,
    /// Whether it names what it is of: a campaign, a post. `None` where no column could.
    pub(super) has_name: Option<bool>,
    /// Whether it has a number where one belongs.
    pub(super) has_number: bool,
}

impl Looks<'_> {
    /// A row of totals has no date and says so, or names nothing; what cannot be told stays a row, and will be at fault.
    pub(super) fn kind(&self) -> RowKind {
        let says_total = self.row.cells.iter().take(3).any(|c| is_total_word(c));
        let is_note = self.row.filled().count() <= 2 && !self.has_number;
        let first = self.row.filled().next().unwrap_or("");
        match (self.has_date, self.has_name) {
            _ if self.row.cells == self.header.cells => RowKind::Footer,
            (true, Some(false)) if self.has_number => RowKind::Total,
            (true, _) => RowKind::Data,
            (false, _) if first.starts_with(['@', '©']) => RowKind::Footer,
            (false, _) if says_total => RowKind::Total,
            (false, _) if is_note => RowKind::Footer,
            (false, Some(false)) if self.has_number => RowKind::Total,
            _ => RowKind::Data,
        }
    }
}

/// The rows below the header with their kinds; those that cannot be cut into the header's columns are errors.
pub(super) fn sorted<'g>(
    grid: &'g Grid,
    bound: &Bound,
    kind: impl Fn(&'g GridRow, &'g GridRow) -> RowKind,
) -> (Vec<(&'g GridRow, RowKind)>, Vec<RowError>) {
    let Some(header) = grid.rows.get(bound.header) else { return (Vec::new(), Vec::new()) };
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for row in grid.rows.iter().skip(bound.header + 1) {
        let kind = kind(row, header);
        let more = row.cells.iter().skip(header.cells.len()).any(|c| !c.is_empty());
        let fewer = !grid.is_ragged && row.cells.len() < header.cells.len();
        if kind == RowKind::Data && (more || fewer) {
            let why = format!(
                "the row has {} cells and the header {}; quote cells that hold the delimiter, or export the file again",
                row.cells.len(),
                header.cells.len()
            );
            errors.push(RowError { line: row.line, faults: vec![Fault::new("row", "cell-count", why)] });
        } else {
            rows.push((row, kind));
        }
    }
    (rows, errors)
}

/// The mark of a file's decimals: what was asked, what its cells show, what is usual.
pub(super) fn mark_of(
    style: Style,
    asked: Option<DecimalMark>,
    usual: Option<DecimalMark>,
) -> Result<DecimalMark, Fault> {
    if let Some(mark) = asked {
        return Ok(mark);
    }
    match (style.mark()?, style.is_open()) {
        (Some(mark), _) => Ok(mark),
        (None, false) => Ok(usual.unwrap_or(DecimalMark::Point)),
        (None, true) => usual.ok_or_else(|| {
            Fault::new(
                "decimal",
                "decimal-ambiguous",
                "every amount can be read two ways, such as 1.234 as one thousand or as one; say which mark separates \
                 decimals: . or ,",
            )
        }),
    }
}

/// The order of a column's dates.
pub(super) fn order_of<'r>(
    cells: impl Iterator<Item = &'r str>,
    asked: Option<DateOrder>,
    usual: Option<DateOrder>,
) -> Result<DateOrder, Fault> {
    let column: Vec<Written> = cells.filter_map(dates::written).collect();
    dates::order_of(&column, asked, usual)
}

/// Reads the day of a row.
pub(super) fn day_of(cell: &str, name: &str, order: DateOrder, upto: Option<Day>) -> Result<Day, Fault> {
    let malformed = || {
        let why = format!("{} is no date; export the file again", shown(cell));
        Fault::new(name, "day-malformed", why)
    };
    let date = dates::written(cell).ok_or_else(malformed)?;
    if matches!(date, Written::Yearless(..)) && upto.is_none() {
        let why = format!("{} has no year; say on which day the file was exported", shown(cell));
        return Err(Fault::new("exported_on", "year-missing", why));
    }
    dates::resolve(date, order, upto).ok_or_else(malformed)
}

/// A text on one line, cut to `length` characters.
pub(super) fn line_of(cell: &str, length: usize) -> String {
    let words = cell.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(length).collect()
}

/// An id as text: without the quotes by which spreadsheets keep it.
pub(super) fn id_of(cell: &str) -> &str {
    let inner = cell.strip_prefix("=\"").and_then(|c| c.strip_suffix('"'));
    inner.unwrap_or_else(|| cell.strip_prefix('\'').unwrap_or(cell)).trim()
}
