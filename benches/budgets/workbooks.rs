//! Workbooks at their limits: cells, texts, gaps, and archives that unpack to much.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use headwater::imports::workbook;

use super::files::options;
use super::{Case, case};

/// What an archive may unpack to.
const UNPACKED: usize = 100 << 20;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "xlsx-cells",
            "as many cells as 100 MiB of XML hold",
            || {
                book(
                    &full(|row, column, cells| {
                        write!(cells, "<c r=\"{}{row}\"><v>1</v></c>", name(column)).expect("text")
                    }),
                    "",
                )
            },
            sheets,
        )
        .unpacked(UNPACKED),
        case(
            "xlsx-texts",
            "as many shared texts as 100 MiB hold",
            || {
                book(
                    "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c></row>",
                    &"<si><t>a</t></si>".repeat(UNPACKED / 17 - 1_000),
                )
            },
            sheets,
        )
        .unpacked(UNPACKED),
        case(
            "xlsx-repeated",
            "a million cells of one text of 9 kB",
            || book(&repeated(1_000_000), &format!("<si><t>{}</t></si>", "x".repeat(9_000))),
            sheets,
        )
        .unpacked(UNPACKED),
        case(
            "xlsx-gaps",
            "a cell in the last of 1,000 columns of each row",
            || {
                book(
                    &(1..=4_000)
                        .map(|row| format!("<row r=\"{row}\"><c r=\"ALL{row}\"><v>1</v></c></row>"))
                        .collect::<String>(),
                    "",
                )
            },
            sheets,
        ),
        case(
            "xlsx-last-row",
            "one cell in the last row",
            || book("<row r=\"1048576\"><c r=\"A1048576\"><v>1</v></c></row>", ""),
            sheets,
        ),
        case("xlsx-bomb", "an archive that unpacks to 2 GiB", || book(&" ".repeat(2_000 << 20), ""), sheets)
            .unpacked(UNPACKED),
        case("xlsx-many-parts", "an archive of 150,000 empty parts", many_parts, sheets),
        case("xls-cells", "a million numbers in the old format", || old(1_000_000, 100, 0), sheets),
        case("xls-gaps", "two numbers, 65,535 rows and 60 columns apart", || old(2, 2, 59), sheets),
    ]
}

fn sheets(bytes: &[u8]) -> String {
    match workbook::sheets(bytes) {
        Err(fault) => fault.code,
        Ok(sheets) => {
            let cells: usize = sheets.iter().flat_map(|s| &s.rows).map(Vec::len).sum();
            format!("{cells}_cells")
        }
    }
}

/// The letters of a column.
fn name(mut column: usize) -> String {
    let mut letters = Vec::new();
    column += 1;
    while column > 0 {
        letters.push(char::from(b'A' + u8::try_from((column - 1) % 26).expect("a letter")));
        column = (column - 1) / 26;
    }
    letters.iter().rev().collect()
}

fn full(cell: impl Fn(usize, usize, &mut String)) -> String {
    let mut rows = String::with_capacity(UNPACKED);
    for row in 1.. {
        let _written = write!(rows, "<row r=\"{row}\">");
        (0..100).for_each(|column| cell(row, column, &mut rows));
        rows.push_str("</row>");
        if rows.len() > UNPACKED - (1 << 20) || row == 39_999 {
            return rows;
        }
    }
    rows
}

fn repeated(cells: usize) -> String {
    let mut rows = String::new();
    for row in 1..=cells / 100 {
        let _written = write!(rows, "<row r=\"{row}\">");
        for column in 0..100 {
            let _written = write!(rows, "<c r=\"{}{row}\" t=\"s\"><v>0</v></c>", name(column));
        }
        rows.push_str("</row>");
    }
    rows
}

const NAMESPACE: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// A workbook of one sheet with these rows and shared texts (ECMA-376).
fn book(rows: &str, texts: &str) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut part = |name: &str, parts: &[&str]| {
        archive.start_file(name, options()).expect("part");
        parts.iter().for_each(|text| archive.write_all(text.as_bytes()).expect("part"));
    };
    part("[Content_Types].xml", &["<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>"]);
    part(
        "_rels/.rels",
        &[&format!(
            "<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"r1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
        )],
    );
    part(
        "xl/workbook.xml",
        &[&format!(
            "<workbook xmlns=\"{NAMESPACE}\" xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
        )],
    );
    part(
        "xl/_rels/workbook.xml.rels",
        &[&format!(
            "<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"r1\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"r2\" Type=\"{OFFICE}/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>"
        )],
    );
    part("xl/sharedStrings.xml", &[&format!("<sst xmlns=\"{NAMESPACE}\">"), texts, "</sst>"]);
    part(
        "xl/worksheets/sheet1.xml",
        &[&format!("<worksheet xmlns=\"{NAMESPACE}\"><sheetData>"), rows, "</sheetData></worksheet>"],
    );
    archive.finish().expect("archive").into_inner()
}

fn many_parts() -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for n in 0..150_000 {
        archive.start_file(format!("p{n}"), options()).expect("part");
    }
    archive.finish().expect("archive").into_inner()
}

/// A workbook of the old format with numbers (MS-XLS 2.4): in `wide` columns, or the last one far off.
fn old(cells: usize, wide: usize, last_column: u16) -> Vec<u8> {
    let record = |kind: u16, body: &[u8]| {
        let length = u16::try_from(body.len()).expect("short");
        [&kind.to_le_bytes()[..], &length.to_le_bytes(), body].concat()
    };
    let begins = |kind: u16| record(0x0809, &[&0x0600_u16.to_le_bytes()[..], &kind.to_le_bytes(), &[0; 12]].concat());
    let mut globals = begins(0x0005);
    let sheet_at = globals.len() + 4 + 9 + 4;
    let at = u32::try_from(sheet_at).expect("small");
    globals.extend(record(0x0085, &[&at.to_le_bytes()[..], &[0, 0, 1, 0, b'S']].concat()));
    globals.extend(record(0x000A, &[]));
    globals.extend(begins(0x0010));
    for cell in 0..cells {
        let (row, column) = match (last_column, cell) {
            (0, _) => (u16::try_from(cell / wide).expect("a row"), u16::try_from(cell % wide).expect("a column")),
            (_, 0) => (0, 0),
            (last, _) => (u16::MAX, last),
        };
        let body = [&row.to_le_bytes()[..], &column.to_le_bytes(), &[0, 0], &1.5_f64.to_le_bytes()].concat();
        globals.extend(record(0x0203, &body));
    }
    globals.extend(record(0x000A, &[]));
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("file");
    file.create_stream("/Workbook").and_then(|mut stream| stream.write_all(&globals)).expect("stream");
    file.into_inner().into_inner()
}
