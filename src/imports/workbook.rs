//! Workbooks (`.xlsx`, and `.xls` in a room of its own) into rows of text, within bounds.
//!
//! A workbook is an archive: a small file can unpack to any size, name cells a million columns apart, or state counts
//! that a reader reserves memory for. All three are looked at before the workbook is opened.

mod xls;

use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{Data, ExcelDateTime, Reader, Xlsx};

use crate::domain::fault::Fault;

/// Most bytes that an archive may unpack to.
const UNPACKED_MAX: u64 = 100 << 20;
/// Most cells of a workbook, blank ones between others included.
const CELLS_MAX: usize = 4_000_000;
/// Most columns of a sheet.
const COLUMNS_MAX: u32 = 1_000;
/// Most rows of a sheet: those of the format.
const ROWS_MAX: u32 = 1_048_576;
/// Most sheets that are read.
const SHEETS_MAX: usize = 50;

/// A sheet: its name, and its rows without blank cells at their ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkbookSheet {
    /// The name on its tab.
    pub name: String,
    /// Rows of cells, the first one at the top of the sheet.
    pub rows: Vec<Vec<String>>,
}

/// Whether the bytes begin as a workbook does.
pub fn is_workbook(bytes: &[u8]) -> bool {
    is_archive(bytes) || bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
}

fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// The sheets of a workbook that hold anything.
pub fn sheets(bytes: &[u8]) -> Result<Vec<WorkbookSheet>, Fault> {
    // The crates below read untrusted structures; a defect in them must cost the file, not the server.
    let read = catch_unwind(AssertUnwindSafe(|| if is_archive(bytes) { xlsx(bytes) } else { xls::sheets(bytes) }));
    let sheets = read.unwrap_or_else(|_panic| Err(malformed("its structure is damaged")))?;
    let sheets: Vec<WorkbookSheet> = sheets.into_iter().filter(|s| !s.rows.is_empty()).collect();
    if sheets.is_empty() {
        return Err(Fault::new("file", "file-empty", "the workbook holds no cells; save the sheet that has the rows"));
    }
    Ok(sheets)
}

fn malformed(why: impl std::fmt::Display) -> Fault {
    Fault::new(
        "file",
        "workbook-malformed",
        format!("the workbook cannot be read ({why}); save it again, or save the sheet as CSV UTF-8"),
    )
}

fn too_large(what: &str) -> Fault {
    Fault::new("file", "workbook-too-large", format!("the workbook {what}; split it, or save the sheet as CSV UTF-8"))
}

fn xlsx(bytes: &[u8]) -> Result<Vec<WorkbookSheet>, Fault> {
    check_archive(bytes)?;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(malformed)?;
    let names = workbook.sheet_names();
    let (mut sheets, mut taken) = (Vec::new(), 0);
    for name in names.into_iter().take(SHEETS_MAX) {
        let mut builder = Builder { rows: Vec::new(), cells: taken };
        // A sheet of charts has no cells to read.
        let Ok(mut cells) = workbook.worksheet_cells_reader(&name) else { continue };
        while let Some(cell) = cells.next_cell().map_err(malformed)? {
            let (row, column) = cell.get_position();
            builder.set(row, column, text_of(&Data::from(cell.get_value().clone())))?;
        }
        taken = builder.cells;
        sheets.push(WorkbookSheet { name, rows: builder.rows });
    }
    Ok(sheets)
}

/// Unpacks every part within the bound, and refuses counts that a reader would reserve memory for.
fn check_archive(bytes: &[u8]) -> Result<(), Fault> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(malformed)?;
    let mut left = UNPACKED_MAX;
    let mut part = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(malformed)?;
        part.clear();
        let size = file.take(left + 1).read_to_end(&mut part).map_err(malformed)?;
        left = left
            .checked_sub(u64::try_from(size).unwrap_or(u64::MAX))
            .ok_or_else(|| too_large(&format!("unpacks to more than {} MiB", UNPACKED_MAX >> 20)))?;
        // Another encoding would hide what is looked for below, and no program writes it.
        if part.starts_with(b"\xff\xfe") || part.starts_with(b"\xfe\xff") {
            return Err(malformed("a part of it is UTF-16"));
        }
        if states_more_than_it_holds(&part) {
            return Err(malformed("it states more texts than it holds"));
        }
    }
    Ok(())
}

/// Whether `uniqueCount="…"` of a part is larger than the part: each text takes some bytes.
fn states_more_than_it_holds(part: &[u8]) -> bool {
    const NAME: &[u8] = b"uniqueCount";
    part.windows(NAME.len()).enumerate().filter(|(_, w)| *w == NAME).any(|(at, _)| {
        let rest = part.get(at + NAME.len()..).unwrap_or(&[]);
        let digits = rest.iter().skip_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b'=' | b'"' | b'\''));
        let mut count = 0_usize;
        for digit in digits.map_while(|b| char::from(*b).to_digit(10)) {
            count = count.saturating_mul(10).saturating_add(usize::try_from(digit).unwrap_or(0));
        }
        count > part.len()
    })
}

/// The rows of a sheet in the making.
#[derive(Debug)]
struct Builder {
    rows: Vec<Vec<String>>,
    cells: usize,
}

impl Builder {
    fn set(&mut self, row: u32, column: u32, text: String) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        if row >= ROWS_MAX || column >= COLUMNS_MAX {
            return Err(too_large(&format!("has a cell beyond column {COLUMNS_MAX} or row {ROWS_MAX}")));
        }
        let (row, column) = (usize::try_from(row).unwrap_or(0), usize::try_from(column).unwrap_or(0));
        if self.rows.len() <= row {
            self.cells += row + 1 - self.rows.len();
            self.check()?;
            self.rows.resize(row + 1, Vec::new());
        }
        let Some(cells) = self.rows.get_mut(row) else { return Ok(()) };
        if cells.len() <= column {
            self.cells += column + 1 - cells.len();
            cells.resize(column + 1, String::new());
        }
        if let Some(cell) = cells.get_mut(column) {
            *cell = text;
        }
        self.check()
    }

    fn check(&self) -> Result<(), Fault> {
        if self.cells > CELLS_MAX { Err(too_large(&format!("has more than {CELLS_MAX} cells"))) } else { Ok(()) }
    }
}

/// A cell as an export in CSV would write it.
fn text_of(value: &Data) -> String {
    match value {
        Data::Empty | Data::Error(_) => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.trim().to_owned(),
        Data::Bool(yes) => yes.to_string(),
        Data::Int(n) => n.to_string(),
        Data::Float(n) => number(*n),
        Data::DateTime(at) if at.is_duration() => number(at.as_f64()),
        Data::DateTime(at) => day_time(at),
    }
}

/// Spreadsheets keep 15 digits: a longer number is written as they show it, so that a damaged id is seen to be one.
fn number(n: f64) -> String {
    if !n.is_finite() {
        return String::new();
    }
    if n.abs() >= 1e15 { format!("{n:E}").replace('E', "E+") } else { n.to_string() }
}

fn day_time(at: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    if (hour, minute, second) == (0, 0, 0) { date } else { format!("{date} {hour:02}:{minute:02}:{second:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_typed_them_and_long_ones_as_damaged() {
        for (n, text) in [(62.1, "62.1"), (1060.0, "1060"), (0.0, "0"), (-3.25, "-3.25"), (1.2021e17, "1.2021E+17")] {
            assert_eq!(number(n), text);
        }
        assert_eq!(number(f64::NAN), "");
    }

    #[test]
    fn counts_that_no_part_can_hold_are_seen() {
        assert!(states_more_than_it_holds(b"<sst uniqueCount=\"99999999999999999999999\">"));
        assert!(states_more_than_it_holds(b"<sst uniqueCount = '4000'>"));
        assert!(!states_more_than_it_holds(b"<sst count=\"4000\" uniqueCount=\"12\"><si/></sst>"));
    }
}
