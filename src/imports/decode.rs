//! Bytes of a CSV file into rows of text that know their line.

use std::borrow::Cow;
use std::collections::BTreeSet;

use csv::StringRecord;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::workbook;
use crate::domain::fault::{Fault, shown};

/// Longest cell, in bytes; nothing that is imported is longer, and an open quotation mark is.
pub const CELL_MAX: usize = 10_000;

/// A row that was not understood; the other rows are not touched by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}", told(.faults))]
pub struct RowError {
    /// 1-based line of the file on which the row begins.
    pub line: u64,
    /// What is wrong, by column.
    pub faults: Vec<Fault>,
}

fn told(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A row of cells, as many as there are columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// 1-based line of the file on which the row begins.
    pub line: u64,
    /// The cells.
    pub cells: StringRecord,
}

/// A decoded file: its column names, and rows to be read.
#[derive(Debug)]
pub struct Sheet<'b> {
    text: Cow<'b, str>,
    /// Where the header begins in `text`, behind a `sep=` line.
    header_at: usize,
    delimiter: u8,
    columns: Vec<String>,
    encoding: &'static str,
}

impl<'b> Sheet<'b> {
    /// Decodes a file and reads its header; how large it may be is the caller's to bound.
    ///
    /// A byte-order mark decides the encoding, else UTF-8 where the bytes are valid, else windows-1252.
    /// The delimiter is whichever of `,` `;` and TAB the header has most of, or what a `sep=` line says.
    /// Of a workbook the first sheet is read.
    pub fn read(bytes: &'b [u8]) -> Result<Self, Fault> {
        let (text, encoding) = if workbook::is_workbook(bytes) { first_sheet(bytes)? } else { decode(bytes)? };
        let (header_at, stated) = separator_line(&text);
        let delimiter = stated.unwrap_or_else(|| most_frequent_delimiter(&text[header_at..]));
        let mut sheet = Self { text, header_at, delimiter, columns: Vec::new(), encoding };
        let names = sheet.records().next().transpose().map_err(|why| {
            file_fault("header-malformed", format!("the header cannot be read ({why}); export the file again"))
        })?;
        let names = names.map(|record| record.cells).unwrap_or_default();
        let columns: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
        check_columns(&columns)?;
        sheet.columns = columns;
        Ok(sheet)
    }

    /// The column names, trimmed, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The encoding that was found, such as `UTF-8` or `windows-1252`.
    pub fn encoding(&self) -> &'static str {
        self.encoding
    }

    /// The delimiter that was found.
    pub fn delimiter(&self) -> char {
        char::from(self.delimiter)
    }

    /// How many rows follow the header, bad ones included; reads the sheet once to count.
    pub fn row_count(&self) -> usize {
        self.rows().count()
    }

    /// The rows below the header, without those that are blank.
    pub fn rows(&self) -> Rows<'_> {
        let mut records = self.records();
        // The header.
        let _read = records.next();
        Rows { sheet: self, records }
    }

    fn records(&self) -> Records<'_> {
        Records::new(&self.text, self.header_at, self.delimiter)
    }
}

/// A record of a text, of whatever length.
#[derive(Debug)]
pub(super) struct Record<'t> {
    /// 1-based line on which it begins.
    pub(super) line: u64,
    pub(super) cells: StringRecord,
    /// As it stands.
    pub(super) raw: &'t str,
    /// Whether the text ends with it.
    pub(super) is_last: bool,
}

/// The records of a text that know their line.
#[derive(Debug)]
pub(super) struct Records<'t> {
    text: &'t str,
    from: usize,
    reader: csv::Reader<&'t [u8]>,
    /// Up to where in the text lines have been counted.
    counted: usize,
    line: u64,
}

impl<'t> Records<'t> {
    /// The records from an offset on.
    pub(super) fn new(text: &'t str, from: usize, delimiter: u8) -> Self {
        let mut builder = csv::ReaderBuilder::new();
        builder.delimiter(delimiter).flexible(true).has_headers(false);
        let reader = builder.from_reader(text.get(from..).unwrap_or("").as_bytes());
        Self { text, from, reader, counted: 0, line: 1 }
    }

    fn offset(&self) -> usize {
        (self.from + usize::try_from(self.reader.position().byte()).unwrap_or(0)).min(self.text.len())
    }

    /// The line of the first character at or behind `from` that is no line break.
    ///
    /// Counted here, as the reader's own count lags by the blank lines and the second byte of CRLF before a row.
    fn line_at(&mut self, from: usize) -> u64 {
        let bytes = self.text.as_bytes();
        let blank = bytes[from..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let skipped = &bytes[self.counted..from + blank];
        for (at, byte) in skipped.iter().enumerate() {
            let ends_line = *byte == b'\n' || (*byte == b'\r' && bytes.get(self.counted + at + 1) != Some(&b'\n'));
            self.line += u64::from(ends_line);
        }
        self.counted = from + blank;
        self.line
    }
}

impl<'t> Iterator for Records<'t> {
    type Item = Result<Record<'t>, csv::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut cells = StringRecord::new();
        let start = self.offset();
        match self.reader.read_record(&mut cells) {
            Ok(false) => None,
            Err(why) => Some(Err(why)),
            Ok(true) => {
                let (line, end) = (self.line_at(start), self.offset());
                let raw = self.text.get(start..end).unwrap_or("");
                Some(Ok(Record { line, cells, raw, is_last: end == self.text.len() }))
            }
        }
    }
}

/// The reader takes an open quotation mark to the end of the file for one long cell: rows would vanish in it.
pub(super) fn quote_fault(record: &Record<'_>) -> Option<Fault> {
    let is_open =
        record.is_last && record.raw.trim().contains(['\n', '\r']) && record.raw.matches('"').count() % 2 == 1;
    is_open.then(|| {
        Fault::new("row", "quote-unclosed", "a quotation mark opens here and never closes; close it or double it")
    })
}

/// The rows of a [`Sheet`].
#[derive(Debug)]
pub struct Rows<'s> {
    sheet: &'s Sheet<'s>,
    records: Records<'s>,
}

impl Rows<'_> {
    fn checked(&self, record: Record<'_>) -> Result<Row, RowError> {
        let columns = &self.sheet.columns;
        let mut faults = Vec::from_iter(quote_fault(&record));
        let Record { line, mut cells, .. } = record;
        let long = |cell: &&str| cell.len() > CELL_MAX;
        faults.extend(cells.iter().enumerate().filter(|(_, cell)| long(cell)).map(|(at, cell)| {
            let column = columns.get(at).map_or("row", String::as_str);
            Fault::new(
                column,
                "cell-too-long",
                format!(
                    "the cell has {} bytes and at most {CELL_MAX} are read; look for an open quotation mark",
                    cell.len()
                ),
            )
        }));
        if cells.iter().skip(columns.len()).all(str::is_empty) {
            cells.truncate(columns.len());
        }
        if cells.len() != columns.len() {
            faults.push(Fault::new("row", "cell-count", format!(
                "the row has {} cells and the header {}; quote cells that hold a `{}`, and remove lines that are no rows",
                cells.len(), columns.len(), self.sheet.delimiter())));
        }
        if faults.is_empty() { Ok(Row { line, cells }) } else { Err(RowError { line, faults }) }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.records.next()? {
                // Text in memory gives no such error; should it ever, the row is told and not swallowed.
                Err(why) => {
                    return Some(Err(RowError {
                        line: self.records.line,
                        faults: vec![file_fault("row-malformed", format!("{why}; mend the row"))],
                    }));
                }
                Ok(record) if record.cells.iter().any(|cell| !cell.trim().is_empty()) => {
                    return Some(self.checked(record));
                }
                Ok(_) => {}
            }
        }
    }
}

fn file_fault(code: &str, why: impl Into<String>) -> Fault {
    Fault::new("file", code, why)
}

/// The first sheet of a workbook as the CSV that it would be saved as; its rows are the lines.
fn first_sheet(bytes: &[u8]) -> Result<(Cow<'_, str>, &'static str), Fault> {
    let sheet = workbook::sheets(bytes)?.into_iter().next();
    let rows = sheet.map(|s| s.rows).unwrap_or_default();
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let failed = |why: csv::Error| file_fault("workbook-malformed", format!("{why}; save the sheet as CSV UTF-8"));
    for row in &rows {
        let cells = row.iter().map(|cell| cell.replace(['\r', '\n'], " "));
        let blank = std::iter::repeat_n(String::new(), width - row.len());
        writer.write_record(cells.chain(blank)).map_err(failed)?;
    }
    let text = writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    Ok((Cow::Owned(text), "workbook"))
}

/// The text of a file, and the encoding that was found.
pub(super) fn decode(bytes: &[u8]) -> Result<(Cow<'_, str>, &'static str), Fault> {
    let (encoding, mark) = Encoding::for_bom(bytes)
        .unwrap_or_else(|| (if std::str::from_utf8(bytes).is_ok() { UTF_8 } else { WINDOWS_1252 }, 0));
    let (text, malformed) = encoding.decode_without_bom_handling(&bytes[mark..]);
    if malformed {
        return Err(file_fault(
            "file-malformed",
            format!("the file begins as {} but is not valid; export it again as CSV UTF-8", encoding.name()),
        ));
    }
    if text.contains('\0') {
        let what = if encoding == UTF_16LE || encoding == UTF_16BE { "" } else { " or UTF-16 without its mark" };
        return Err(file_fault(
            "file-is-binary",
            format!("the file holds zero bytes: it is binary{what}; save it as CSV UTF-8"),
        ));
    }
    if text.trim().is_empty() {
        return Err(file_fault("file-empty", "the file is empty; the first line names the columns"));
    }
    Ok((text, encoding.name()))
}

/// Where the header begins, and the delimiter that a first line `sep=;` states.
pub(super) fn separator_line(text: &str) -> (usize, Option<u8>) {
    let Some(rest) = text.strip_prefix("sep=").or_else(|| text.strip_prefix("SEP=")) else { return (0, None) };
    let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
    match rest.as_bytes()[..end] {
        [delimiter @ (b',' | b';' | b'\t' | b'|')] => (4 + end, Some(delimiter)),
        _ => (0, None),
    }
}

fn most_frequent_delimiter(text: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
    for byte in text.trim_start_matches(['\r', '\n']).bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if !quoted => break,
            _ if quoted => {}
            other => counts.iter_mut().filter(|(d, _)| *d == other).for_each(|(_, n)| *n += 1),
        }
    }
    // Of equals the first wins: a header of one column has none of them, and a comma does it no harm.
    counts.iter().rev().max_by_key(|(_, n)| *n).map_or(b',', |(delimiter, _)| *delimiter)
}

fn check_columns(columns: &[String]) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    match columns.iter().filter(|c| !c.is_empty()).find(|c| !seen.insert(c.as_str())) {
        Some(twice) => Err(Fault::new(
            twice.clone(),
            "column-twice",
            format!("two columns are named {}; rename one of them", shown(twice)),
        )),
        None if seen.is_empty() => {
            Err(file_fault("header-empty", "the first line names no column; put the column names there"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines and first cells of a file's rows, and the codes of its bad ones.
    fn rows(bytes: &[u8]) -> Vec<(u64, String)> {
        let sheet = Sheet::read(bytes).expect("sheet");
        sheet
            .rows()
            .map(|row| match row {
                Ok(row) => (row.line, row.cells[0].to_owned()),
                Err(error) => (error.line, format!("!{}", error.faults[0].code)),
            })
            .collect()
    }

    fn listed(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|(line, cell)| (*line, (*cell).to_owned())).collect()
    }

    #[test]
    fn encodings_are_found_by_mark_or_by_validity() {
        let text = "name;ort\r\nJürgen;Köln\r\n";
        let utf16 = |le: bool| -> Vec<u8> {
            "\u{feff}"
                .encode_utf16()
                .chain(text.encode_utf16())
                .flat_map(|u| if le { u.to_le_bytes() } else { u.to_be_bytes() })
                .collect()
        };
        let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).expect("latin")).collect();
        for (bytes, encoding) in [
            (text.as_bytes().to_vec(), "UTF-8"),
            (format!("\u{feff}{text}").into_bytes(), "UTF-8"),
            (utf16(true), "UTF-16LE"),
            (utf16(false), "UTF-16BE"),
            (latin, "windows-1252"),
        ] {
            let sheet = Sheet::read(&bytes).expect(encoding);
            assert_eq!((sheet.encoding(), sheet.delimiter()), (encoding, ';'));
            assert_eq!(sheet.columns(), ["name", "ort"]);
            assert_eq!(
                sheet.rows().next().expect("row").expect("row").cells.iter().collect::<Vec<_>>(),
                ["Jürgen", "Köln"]
            );
        }
        assert_eq!(rows(b"a,b\n\x80,1\n"), listed(&[(2, "€")]));
    }

    #[test]
    fn delimiters_are_found_outside_quotes() {
        for (text, delimiter, columns) in [
            ("a,b;c,d\n", ',', 3),
            ("\"a,b,c\";d;e\n", ';', 3),
            ("a\tb\n1,5\t2\n", '\t', 2),
            ("alone\n", ',', 1),
            ("sep=;\r\na,b;c\r\n", ';', 2),
            ("sep=\t\na;b\tc\n", '\t', 2),
            ("sep=|\na|b\n", '|', 2),
        ] {
            let sheet = Sheet::read(text.as_bytes()).expect(text);
            assert_eq!((sheet.delimiter(), sheet.columns().len()), (delimiter, columns), "{text}");
        }
        assert_eq!(Sheet::read(b" a , b,\n").expect("sheet").columns(), ["a", "b", ""]);
    }

    #[test]
    fn rows_know_the_line_they_begin_on() {
        for end in ["\n", "\r\n", "\r"] {
            let text = "a,b\n1,x\n\n\n2,\"quoted\nover\n\nlines\"\n3,x\n,\n4,x".replace('\n', end);
            let expected = [(2, "1"), (5, "2"), (9, "3"), (11, "4")];
            assert_eq!(rows(text.as_bytes()), listed(&expected), "{end:?}");
            let behind_sep = format!("sep=,{end}{text}{end}");
            assert_eq!(rows(behind_sep.as_bytes()), listed(&expected.map(|(line, cell)| (line + 1, cell))), "{end:?}");
            let behind_blank = format!("{end}{end}{text}");
            assert_eq!(
                rows(behind_blank.as_bytes()),
                listed(&expected.map(|(line, cell)| (line + 2, cell))),
                "{end:?}"
            );
        }
    }

    #[test]
    fn bad_rows_are_told_and_the_others_stay() {
        let long = "x".repeat(CELL_MAX + 1);
        let text = format!("a,b\n1,x\n2\n3,x,y\n4,x,,\n5,{long}\n6,5\" pipe\n7,x\n");
        assert_eq!(
            rows(text.as_bytes()),
            listed(&[
                (2, "1"),
                (3, "!cell-count"),
                (4, "!cell-count"),
                (5, "4"),
                (6, "!cell-too-long"),
                (7, "6"),
                (8, "7"),
            ])
        );
        assert_eq!(rows(b"a,b\n1,x\n2,\"open\n3,x\n4,x\n"), listed(&[(2, "1"), (3, "!quote-unclosed")]));
        // A quotation mark inside a cell opens nothing, on the last line neither.
        let inches = b"a,b\r\n\"two\r\nlines\",3\" pipe\r\n\r\n2,5\" pipe\r\n";
        assert_eq!(rows(b"a,b\n1,x\n\n2,5\" pipe"), listed(&[(2, "1"), (4, "2")]));
        assert_eq!(rows(inches), listed(&[(2, "two\r\nlines"), (5, "2")]));
        let fault = Sheet::read(b"a,b\n1\n").expect("sheet").rows().next().expect("row").expect_err("short");
        assert_eq!(
            fault.to_string(),
            "line 2: row: the row has 1 cells and the header 2; quote cells that hold a `,`, and remove lines that are no rows"
        );
    }

    #[test]
    fn what_is_no_csv_is_refused_by_name() {
        for (bytes, code) in [
            (&b"PK\x03\x04rest"[..], "workbook-malformed"),
            (b"a,b\n\0\0\0,1\n", "file-is-binary"),
            (b"a\0,\0b\0\n\0", "file-is-binary"),
            (b"\x89PNG\r\n\x1a\n\0\0\0", "file-is-binary"),
            (b"", "file-empty"),
            (b"\xef\xbb\xbf \r\n", "file-empty"),
            (b"a,b,a\n", "column-twice"),
            (b" a ;b;a\n", "column-twice"),
            (b",,\n1,2,3\n", "header-empty"),
            (b"\xff\xfea\x00\x00\xd8", "file-malformed"),
            (b"\xef\xbb\xbfa,\xff\n", "file-malformed"),
        ] {
            assert_eq!(Sheet::read(bytes).expect_err(code).code, code);
        }
        assert_eq!(rows(b"a,b\n"), []);
    }
}
