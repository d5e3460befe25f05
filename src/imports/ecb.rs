//! Reference rates of the European Central Bank: `eurofxref-hist.csv`, `eurofxref.csv`, or the ZIP of either.
//!
//! Format: <https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/>. The first line is
//! `Date,USD,JPY,…,`, then a line a day, newest first, with what one euro was worth in each currency; `N/A` or nothing
//! where there is no rate. The file of one day writes the day as `20 November 2026`.

use std::borrow::Cow;
use std::io::{Cursor, Read as _};

use super::decode::RowError;
use crate::domain::fault::{Fault, shown};
use crate::domain::fx::{Rate, RateSource, RateValue};
use crate::domain::money::Currency;
use crate::domain::time::Day;

/// Largest file once unpacked: the history since 1999 has less than 2 MB.
pub const BYTES_MAX: u64 = 32 << 20;
/// Most faults that are gathered.
const FAULTS_MAX: usize = 100;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcbFile {
    /// Its rates, in the order of the file.
    pub rates: Vec<Rate>,
    /// Its columns that are no currency of today, such as `CYP`: no amount can be in them.
    pub unknown: Vec<String>,
}

/// Reads a file, or the first CSV file of a ZIP.
///
/// # Errors
/// What is wrong, by line; then nothing of the file may be stored.
pub fn read(bytes: &[u8]) -> Result<EcbFile, Vec<RowError>> {
    let at_line = |line: u64| move |fault: Fault| vec![RowError { line, faults: vec![fault] }];
    let text = unpacked(bytes).map_err(at_line(1))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(&*text);
    let header = reader.headers().map_err(|why| at_line(1)(no_header(&why.to_string())))?.clone();
    let (columns, unknown) = columns(&header).map_err(at_line(1))?;
    let (mut rates, mut errors) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let (line, faults) = match record {
            Ok(record) => (record.position().map_or(0, csv::Position::line), row(&record, &columns, &mut rates)),
            Err(why) => {
                let line = why.position().map_or(0, csv::Position::line);
                (
                    line,
                    vec![Fault::new(
                        "file",
                        "row-malformed",
                        format!("the row cannot be read ({}); download the file again", kind_of(&why)),
                    )],
                )
            }
        };
        if !faults.is_empty() {
            errors.push(RowError { line, faults });
        }
        if errors.len() >= FAULTS_MAX {
            break;
        }
    }
    if errors.is_empty() && rates.is_empty() {
        return Err(at_line(1)(no_header("it holds no rate")));
    }
    if errors.is_empty() { Ok(EcbFile { rates, unknown }) } else { Err(errors) }
}

fn kind_of(why: &csv::Error) -> &'static str {
    if matches!(why.kind(), csv::ErrorKind::Utf8 { .. }) { "it is no text" } else { "it is no CSV" }
}

fn no_header(why: &str) -> Fault {
    let detail = format!(
        "this is no file of reference rates ({why}): its first line must be Date,USD,JPY and so on; download \
         eurofxref-hist.zip from the European Central Bank"
    );
    Fault::new("file", "ecb-header", detail)
}

/// The CSV in a ZIP, or the bytes themselves.
fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
    let fault = |detail: String| Fault::new("file", "zip-malformed", detail);
    let too_large = || {
        Fault::new(
            "file",
            "file-too-large",
            format!("the file has more than {BYTES_MAX} bytes; it is no file of rates"),
        )
    };
    if !bytes.starts_with(b"PK") {
        let is_small = u64::try_from(bytes.len()).is_ok_and(|len| len <= BYTES_MAX);
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        return if is_small { Ok(Cow::Borrowed(text)) } else { Err(too_large()) };
    }
    let broken = |why: zip::result::ZipError| fault(format!("the ZIP cannot be read ({why}); download it again"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let place = (0..archive.len().min(100)).find(|n| is_csv(&archive, *n));
    let place = place.ok_or_else(|| fault("the ZIP holds no CSV file; download eurofxref-hist.zip".into()))?;
    let mut text = Vec::new();
    // What it claims to be large is not asked: what comes out is counted.
    archive
        .by_index(place)
        .map_err(broken)?
        .take(BYTES_MAX + 1)
        .read_to_end(&mut text)
        .map_err(|why| fault(format!("the ZIP cannot be unpacked ({why}); download it again")))?;
    if u64::try_from(text.len()).is_ok_and(|len| len <= BYTES_MAX) { Ok(Cow::Owned(text)) } else { Err(too_large()) }
}

fn is_csv(archive: &zip::ZipArchive<Cursor<&[u8]>>, n: usize) -> bool {
    let name = archive.name_for_index(n).and_then(Result::ok);
    name.is_some_and(|name| name.to_ascii_lowercase().ends_with(".csv"))
}

/// The currency of each column behind the date, and the columns that are none.
fn columns(header: &csv::StringRecord) -> Result<(Vec<Option<Currency>>, Vec<String>), Fault> {
    let mut names = header.iter();
    if !names.next().is_some_and(|name| name.eq_ignore_ascii_case("date")) {
        return Err(no_header("its first column is not Date"));
    }
    let (mut columns, mut unknown): (Vec<Option<Currency>>, Vec<String>) = (Vec::new(), Vec::new());
    for name in names {
        let is_code = name.len() == 3 && name.bytes().all(|b| b.is_ascii_uppercase());
        let currency = name.parse::<Currency>().ok().filter(|c| is_code && *c != Currency::euro());
        if !name.is_empty() && !is_code {
            return Err(no_header(&format!("{} is no currency", shown(name))));
        }
        if currency.is_some_and(|c| columns.contains(&Some(c))) {
            return Err(no_header(&format!("it has two columns {}", shown(name))));
        }
        if currency.is_none() && is_code {
            unknown.push(name.to_owned());
        }
        columns.push(currency);
    }
    if columns.iter().all(Option::is_none) {
        return Err(no_header("it has no column of a currency"));
    }
    Ok((columns, unknown))
}

fn row(record: &csv::StringRecord, columns: &[Option<Currency>], rates: &mut Vec<Rate>) -> Vec<Fault> {
    let mut cells = record.iter();
    let day = match date(cells.next().unwrap_or_default()) {
        Ok(day) => day,
        Err(fault) => return vec![fault],
    };
    let mut faults = Vec::new();
    if record.len() > columns.len() + 1 {
        faults.push(Fault::new(
            "file",
            "row-length",
            "the row has more cells than the first line; download the file again",
        ));
    }
    for (cell, currency) in cells.zip(columns) {
        let Some(currency) = currency else { continue };
        if cell.is_empty() || cell.eq_ignore_ascii_case("N/A") {
            continue;
        }
        let rate = cell.parse::<RateValue>();
        match rate.and_then(|value| Rate::new(day, (Currency::euro(), *currency), value, RateSource::Ecb)) {
            Ok(rate) => rates.push(rate),
            Err(fault) => faults.push(fault.named(currency.code())),
        }
    }
    faults
}

/// `2026-11-20`, or `20 November 2026`.
fn date(text: &str) -> Result<Day, Fault> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [day, month, year] = words.as_slice()
        && let Some(month) = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month))
    {
        return format!("{year}-{:02}-{day:0>2}", month + 1).parse().map_err(|f: Fault| f.named("Date"));
    }
    text.parse().map_err(|f: Fault| f.named("Date"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const HISTORY: &str = "Date,USD,JPY,CYP,\n2025-02-03,1.0274,159.21,N/A,\n2025-01-31,1.0393,N/A,0.58,\n";

    fn told(file: &EcbFile) -> Vec<String> {
        file.rates.iter().map(|r| format!("{} {r}", r.day)).collect()
    }

    fn codes(bytes: &[u8]) -> Vec<(u64, String)> {
        let errors = read(bytes).expect_err("refused");
        errors.into_iter().flat_map(|e| e.faults.into_iter().map(move |f| (e.line, f.code))).collect()
    }

    fn zipped(name: &str, text: &[u8]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file(name, zip::write::SimpleFileOptions::default()).expect("start");
        writer.write_all(text).expect("write");
        writer.finish().expect("finish").into_inner()
    }

    #[test]
    fn the_history_is_read_as_published() {
        let file = read(HISTORY.as_bytes()).expect("file");
        let expected =
            ["2025-02-03 1 EUR = 1.0274 USD", "2025-02-03 1 EUR = 159.21 JPY", "2025-01-31 1 EUR = 1.0393 USD"];
        assert_eq!(told(&file), expected);
        assert_eq!(file.unknown, ["CYP"]);
        assert_eq!(read(&zipped("eurofxref-hist.csv", HISTORY.as_bytes())).expect("zip"), file);
        let daily = read(b"Date, USD, JPY, \n20 November 2026, 1.1519, 180.71, \n").expect("daily");
        assert_eq!(told(&daily), ["2026-11-20 1 EUR = 1.1519 USD", "2026-11-20 1 EUR = 180.71 JPY"]);
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let own = |line: u64, code: &str| vec![(line, code.to_owned())];
        assert_eq!(codes(b""), own(1, "ecb-header"));
        assert_eq!(codes(b"Day,Cost\n2025-01-01,5\n"), own(1, "ecb-header"));
        assert_eq!(codes(b"Date,Cost\n2025-01-01,5\n"), own(1, "ecb-header"));
        assert_eq!(codes(b"Date,USD,USD\n2025-01-01,5,5\n"), own(1, "ecb-header"));
        assert_eq!(codes(b"Date,USD\n"), own(1, "ecb-header"));
        assert_eq!(codes(b"Date,USD\n2025-01-31,1.1\n31.12.2024,1.1\n"), own(3, "day-malformed"));
        assert_eq!(
            codes(b"Date,USD,JPY\n2025-01-31,\"1,1\",-5\n"),
            [(2, "rate-malformed".to_owned()), (2, "rate-malformed".to_owned())]
        );
        assert_eq!(codes(b"Date,USD\n2025-01-31,1.1,2,3\n"), own(2, "row-length"));
        assert_eq!(codes(b"PK\x03\x04 not a zip"), own(1, "zip-malformed"));
        assert_eq!(codes(&zipped("readme.txt", b"hello")), own(1, "zip-malformed"));
        let bomb = vec![b'0'; usize::try_from(BYTES_MAX).expect("small") + 10];
        assert_eq!(codes(&zipped("rates.csv", &bomb)), own(1, "file-too-large"));
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), head in 0_usize..3) {
            let mut file = [&b""[..], b"PK\x03\x04", b"Date,USD,JPY\n"][head].to_vec();
            file.extend(bytes);
            drop(read(&file));
        }
    }
}
