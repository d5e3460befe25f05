//! An export as it stands: rows of cells with their lines, the frame around the table included.
//!
//! Exports of platforms have titles above the header and totals below the rows, so nothing is a column yet:
//! [`super::recognise`] finds the header.

use std::borrow::Cow;

use super::decode::{CELL_MAX, Records, RowError, decode, quote_fault, separator_line};
use super::workbook;
use crate::domain::fault::Fault;

/// Delimiters that exports use.
pub const DELIMITERS: &[u8] = b",;\t|";
/// Records that are looked at to guess the delimiter.
const SAMPLE_RECORDS: usize = 60;
/// Bytes that are looked at to guess the delimiter.
const SAMPLE_BYTES: usize = 256 << 10;
/// Most cells that are looked at to know what a file is.
const SAMPLE_CELLS: usize = 100_000;
/// Most cells of a file.
const CELLS_MAX: usize = 4_000_000;

/// A row of cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridRow {
    /// 1-based line of the file, or row of the sheet.
    pub line: u64,
    /// The cells, trimmed.
    pub cells: Vec<String>,
}

impl GridRow {
    /// A cell; blank where the row is shorter.
    pub fn cell(&self, at: usize) -> &str {
        self.cells.get(at).map_or("", String::as_str)
    }

    /// The cells that hold anything.
    pub fn filled(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(String::as_str).filter(|c| !c.is_empty())
    }
}

/// A table with its frame.
#[derive(Debug, Clone)]
pub struct Grid {
    /// The tab of a workbook; empty for a text file.
    pub name: String,
    /// Rows that hold anything.
    pub rows: Vec<GridRow>,
    /// Whether rows may end early: workbooks do not keep blank cells at their ends.
    pub is_ragged: bool,
}

/// A file before it is known what it is.
#[derive(Debug)]
pub enum Export<'b> {
    /// Text, with the delimiters to try, the likeliest first.
    Text {
        /// The decoded text.
        text: Cow<'b, str>,
        /// Where it begins, behind a `sep=` line.
        from: usize,
        /// The encoding that was found.
        encoding: &'static str,
        /// Delimiters to try.
        delimiters: Vec<u8>,
    },
    /// The sheets of a workbook.
    Workbook(Vec<Grid>),
}

impl<'b> Export<'b> {
    /// Decodes a file; how large it may be is the caller's to bound.
    pub fn open(bytes: &'b [u8]) -> Result<Self, Fault> {
        if workbook::is_workbook(bytes) {
            let sheets = workbook::sheets(bytes)?;
            return Ok(Self::Workbook(sheets.into_iter().map(grid_of).collect()));
        }
        let (text, encoding) = decode(bytes)?;
        let (from, stated) = separator_line(&text);
        let delimiters = stated.map_or_else(|| by_likelihood(&text), |d| vec![d]);
        Ok(Self::Text { text, from, encoding, delimiters })
    }

    /// The encoding that was found, or `workbook`.
    pub fn encoding(&self) -> &'static str {
        match self {
            Self::Text { encoding, .. } => encoding,
            Self::Workbook(_) => "workbook",
        }
    }

    /// The beginning of a text, cut at a delimiter: enough to know what it is. Of a workbook, all of it.
    pub fn sample(&self, delimiter: u8) -> Cow<'_, [Grid]> {
        match self {
            Self::Text { text, from, .. } => {
                let (rows, ..) = rows(text, *from, delimiter, (SAMPLE_RECORDS, SAMPLE_CELLS));
                Cow::Owned(vec![Grid { name: String::new(), rows, is_ragged: false }])
            }
            Self::Workbook(grids) => Cow::Borrowed(grids),
        }
    }

    /// [`Self::sample`], where the file is not needed any more.
    pub fn into_sample(self, delimiter: u8) -> Vec<Grid> {
        match self {
            Self::Workbook(grids) => grids,
            text @ Self::Text { .. } => text.sample(delimiter).into_owned(),
        }
    }

    /// The whole, cut at a delimiter, with rows that cannot be read.
    pub fn whole(self, delimiter: u8) -> Result<(Vec<Grid>, Vec<RowError>), Fault> {
        match self {
            Self::Text { text, from, .. } => {
                let (rows, errors, is_whole) = rows(&text, from, delimiter, (usize::MAX, CELLS_MAX));
                if !is_whole {
                    let why = format!("the file has more than {CELLS_MAX} cells; split it by days");
                    return Err(Fault::new("file", "file-too-large", why));
                }
                Ok((vec![Grid { name: String::new(), rows, is_ragged: false }], errors))
            }
            Self::Workbook(grids) => Ok((grids, Vec::new())),
        }
    }

    /// Delimiters to try, the likeliest first; a workbook has none.
    pub fn delimiters(&self) -> &[u8] {
        match self {
            Self::Text { delimiters, .. } => delimiters,
            Self::Workbook(_) => b",",
        }
    }
}

fn grid_of(sheet: workbook::WorkbookSheet) -> Grid {
    let rows = (1_u64..).zip(sheet.rows).map(|(line, cells)| GridRow { line, cells });
    Grid { name: sheet.name, rows: rows.filter(|r| r.filled().next().is_some()).collect(), is_ragged: true }
}

/// The first rows of a text, those that cannot be read, and whether there were no more cells than allowed.
fn rows(
    text: &str,
    from: usize,
    delimiter: u8,
    (records, mut cells_left): (usize, usize),
) -> (Vec<GridRow>, Vec<RowError>, bool) {
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for record in Records::new(text, from, delimiter).take(records) {
        let Ok(record) = record else { continue };
        let Some(left) = cells_left.checked_sub(record.cells.len()) else { return (rows, errors, false) };
        cells_left = left;
        let line = record.line;
        let long = record.cells.iter().any(|cell| cell.len() > CELL_MAX);
        let long = long.then(|| {
            let why = format!("a cell has more than {CELL_MAX} bytes; look for an open quotation mark");
            Fault::new("row", "cell-too-long", why)
        });
        let faults: Vec<Fault> = quote_fault(&record).into_iter().chain(long).collect();
        if !faults.is_empty() {
            errors.push(RowError { line, faults });
            continue;
        }
        let cells: Vec<String> = record.cells.iter().map(|c| c.trim().to_owned()).collect();
        if cells.iter().any(|c| !c.is_empty()) {
            rows.push(GridRow { line, cells });
        }
    }
    (rows, errors, true)
}

/// Delimiters by how many columns they cut the same number of from most of the first records.
fn by_likelihood(text: &str) -> Vec<u8> {
    let end = (0..=SAMPLE_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let sample = text.get(..end).unwrap_or("");
    let score = |delimiter: u8| {
        let widths: Vec<usize> = Records::new(sample, 0, delimiter)
            .take(SAMPLE_RECORDS)
            .filter_map(Result::ok)
            .map(|r| r.cells.len())
            .collect();
        let rows_of = |width: usize| widths.iter().filter(|w| **w == width).count();
        widths.iter().map(|w| (w - 1) * rows_of(*w)).max().unwrap_or(0)
    };
    let mut scored: Vec<(usize, u8)> = DELIMITERS.iter().map(|d| (score(*d), *d)).collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, delimiter)| delimiter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_cuts_evenly() {
        for (text, delimiter) in [
            ("Campaign report\n\"October 1, 2026 - October 3, 2026\"\nDay,Cost\n2026-10-01,1\n", b','),
            ("Jour;Coût\n01/10/2026;1,50\n02/10/2026;2,50\n", b';'),
            ("Title, with, commas\nA\tB\tC\n1\t2\t3\n", b'\t'),
            ("alone\n", b','),
        ] {
            assert_eq!(by_likelihood(text)[0], delimiter, "{text}");
        }
    }

    #[test]
    fn rows_keep_their_lines_and_their_lengths() {
        let export = Export::open(b"sep=;\nTitle\n\nA;B\n1;\"x\ny\"\n2;z;\n").expect("text");
        let delimiter = export.delimiters()[0];
        let (grids, errors) = export.whole(delimiter).expect("grid");
        let told: Vec<(u64, usize)> = grids[0].rows.iter().map(|r| (r.line, r.cells.len())).collect();
        assert_eq!((told, errors), (vec![(2, 1), (4, 2), (5, 2), (7, 3)], vec![]));
    }
}
