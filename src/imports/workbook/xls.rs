//! Workbooks of Excel 97 to 2003 (`.xls`: MS-XLS records in an MS-CFB container).
//!
//! The crate that reads them reserves memory for what a file states, and an allocation that fails ends the process. So
//! the records are looked at first, from every place where that crate begins to read, and it is given a container made
//! here, in which it finds the same stream that was looked at.

use std::io::{Cursor, Read, Write};

use calamine::{Reader, Xls};

use super::{Builder, CELLS_MAX, SHEETS_MAX, WorkbookSheet, malformed, text_of, too_large};
use crate::domain::fault::Fault;

/// Names of the stream of records, in the order in which they are looked for.
const STREAMS: &[&str] = &["/Workbook", "/Book"];
/// Records of cells: row and column in front, as 16-bit numbers.
const CELLS: &[u16] = &[0x0006, 0x00BD, 0x00BE, 0x00D6, 0x00FD, 0x0201, 0x0203, 0x0204, 0x0205, 0x027E];
/// The first record of a sheet.
const BEGINNING: &[u16] = &[0x0009, 0x0209, 0x0409, 0x0809];
/// How large a sheet is said to be (MS-XLS 2.4.90).
const DIMENSIONS: u16 = 0x0200;
/// Where in the stream a sheet begins (MS-XLS 2.4.28).
const SHEET: u16 = 0x0085;

/// The sheets, in the order of their tabs.
pub(super) fn sheets(bytes: &[u8]) -> Result<Vec<WorkbookSheet>, Fault> {
    let (name, stream) = records(bytes)?;
    check(&stream)?;
    let mut workbook: Xls<_> = Xls::new(contained(name, &stream).map_err(malformed)?).map_err(malformed)?;
    let (mut sheets, mut taken) = (Vec::new(), 0);
    for (name, range) in workbook.worksheets() {
        let mut builder = Builder { rows: Vec::new(), cells: taken };
        let (top, left) = range.start().unwrap_or((0, 0));
        for (row, column, value) in range.used_cells() {
            let (row, column) = (u32::try_from(row).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX));
            builder.set(row.saturating_add(top), column.saturating_add(left), text_of(value))?;
        }
        taken = builder.cells;
        sheets.push(WorkbookSheet { name, rows: builder.rows });
    }
    // They come out of a map: the order of the tabs is that of the workbook.
    let order = workbook.sheet_names();
    sheets.sort_by_key(|s| order.iter().position(|name| *name == s.name));
    Ok(sheets)
}

/// The stream of records of a container, and its name.
fn records(bytes: &[u8]) -> Result<(&'static str, Vec<u8>), Fault> {
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(malformed)?;
    let name = STREAMS.iter().find(|name| file.is_stream(name)).ok_or_else(|| malformed("it has no sheets"))?;
    let mut stream = Vec::new();
    let limit = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    file.open_stream(name).and_then(|s| s.take(limit).read_to_end(&mut stream)).map_err(malformed)?;
    Ok((name, stream))
}

/// A container with one stream.
fn contained(name: &str, stream: &[u8]) -> std::io::Result<Cursor<Vec<u8>>> {
    let mut file = cfb::CompoundFile::create_with_version(
        cfb::Version::V3,
        Cursor::new(Vec::with_capacity(stream.len() + (8 << 10))),
    )?;
    file.create_stream(name)?.write_all(stream)?;
    file.flush()?;
    Ok(file.into_inner())
}

/// Refuses a workbook whose cells lie so far apart, or that says of a sheet that it is so large, that a table of it would
/// not fit into memory.
fn check(stream: &[u8]) -> Result<(), Fault> {
    let mut beginnings = vec![0];
    check_from(stream, |kind, record| {
        if let (SHEET, Some(place)) = (kind, record.first_chunk::<4>()) {
            beginnings.push(usize::try_from(u32::from_le_bytes(*place)).unwrap_or(usize::MAX));
        }
    })?;
    if beginnings.len() > SHEETS_MAX + 1 {
        return Err(too_large(&format!("has more than {SHEETS_MAX} sheets")));
    }
    // A damaged place is in the midst of a record, and what follows reads otherwise than from the start.
    for place in beginnings.into_iter().skip(1) {
        check_from(stream.get(place..).ok_or_else(|| malformed("a sheet of it lies outside the file"))?, |_, _| {})?;
    }
    Ok(())
}

/// Looks at the records from the start of these bytes on: `(type, length)` in front of each.
fn check_from(mut rest: &[u8], mut each: impl FnMut(u16, &[u8])) -> Result<(), Fault> {
    let (mut rows, mut columns) = (0_usize, 0_usize);
    while let Some((head, body)) = rest.split_first_chunk::<4>() {
        let (kind, length) = (u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]]));
        let Some((record, behind)) = body.split_at_checked(length.into()) else { break };
        if BEGINNING.contains(&kind) {
            (rows, columns) = (0, 0);
        }
        if let (true, Some(place)) = (CELLS.contains(&kind), record.first_chunk::<4>()) {
            rows = rows.max(usize::from(u16::from_le_bytes([place[0], place[1]])) + 1);
            columns = columns.max(usize::from(u16::from_le_bytes([place[2], place[3]])) + record.len() / 6 + 1);
        }
        if rows.saturating_mul(columns) > CELLS_MAX {
            return Err(too_large("has cells too far apart"));
        }
        if kind == DIMENSIONS && stated_cells(record) > CELLS_MAX {
            return Err(too_large("has a sheet that is said to be larger than any"));
        }
        each(kind, record);
        rest = behind;
    }
    Ok(())
}

/// How many cells a record of dimensions speaks of: rows in two or in four bytes each, columns always in two.
fn stated_cells(record: &[u8]) -> usize {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_usize, |n, byte| n << 8 | usize::from(*byte));
    let width = if record.len() < 14 { 2 } else { 4 };
    let (rows, columns) = record.split_at_checked(2 * width).unwrap_or((record, &[]));
    let (first_row, last_row) = rows.split_at_checked(width).unwrap_or((rows, &[]));
    if number(first_row) > number(last_row) {
        // A reader that subtracts them without a look comes to four thousand million.
        return usize::MAX;
    }
    // The last column alone: a reader takes a first one that cannot be for the sheet's first.
    (number(last_row) + 1).saturating_mul(number(columns.get(2..4).unwrap_or(&[])) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> Vec<u8> {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/exports/social/linkedin_page/acme_content_1791191700000.xls"
        );
        std::fs::read(path).expect("fixture")
    }

    #[test]
    fn a_sheet_that_states_more_cells_than_memory_holds_is_refused() {
        let bytes = fixture();
        let record = b"\x00\x02\x0e\x00";
        let at = bytes.windows(4).position(|w| w == record).expect("a record of dimensions") + 4;
        assert_eq!(sheets(&bytes).expect("whole").len(), 2);
        for (byte, value) in [(7, 0xff), (6, 0xff), (7, 0x19)] {
            let mut damaged = bytes.clone();
            damaged[at + byte] = value;
            damaged[at + 10] = 0xff;
            assert_eq!(sheets(&damaged).expect_err("too large").code, "workbook-too-large", "{byte}");
        }
    }
    #[test]
    fn a_sheet_that_ends_before_it_begins_is_refused() {
        let mut bytes = fixture();
        let at = bytes.windows(4).position(|w| w == b"\x00\x02\x0e\x00").expect("a record of dimensions") + 4;
        bytes[at + 1] = 0xff;
        assert_eq!(sheets(&bytes).expect_err("too large").code, "workbook-too-large");
    }
}
