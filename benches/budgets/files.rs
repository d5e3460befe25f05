//! Text files: exports of platforms, files with a mapping, rates, and mappings.

use std::fmt::Write as _;
use std::io::Write as _;

use headwater::domain::stage::Source;
use headwater::imports::decode::Sheet;
use headwater::imports::mapping::{ImportKind, ImportMapping};
use headwater::imports::platform::{self, Body};
use headwater::imports::preset::{Preset, built_in};
use headwater::imports::table::Asked;
use headwater::imports::{costs, ecb};

use super::{Case, case};

/// `imports.file_bytes_max`.
pub(super) const FILE_MAX: usize = 20 << 20;

const HEADER: &str = "Day,Campaign,Campaign ID,Currency code,Clicks,Impr.,Cost\n";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = exports();
    cases.extend(others());
    cases
}

/// Exports of platforms, as text.
fn exports() -> Vec<Case> {
    vec![
        case(
            "csv-rows",
            "an export of 400,000 good rows",
            || rows("2026-10-01,Spring,21456789012,EUR,4,12,1.40\n", 400_000),
            export,
        ),
        case(
            "csv-bad-rows",
            "400,000 rows without a day",
            || rows("never,Spring,21456789012,EUR,x,12,nothing\n", 400_000),
            export,
        ),
        case("csv-short-rows", "rows of two bytes", || rows("1\n", FILE_MAX), export),
        case("csv-commas", "one row of nothing but commas", || vec![b','; FILE_MAX], export),
        case("csv-blank-columns", "4,000 rows of 1,000 columns, all but one blank", blank_columns, export),
        case(
            "csv-too-many-cells",
            "rows of 1,000 blank columns up to the limit of a file",
            || grown("a\n".into(), &format!("1{}\n", ",".repeat(1_000))),
            export,
        ),
        case("csv-wide-names", "40 rows of 1,000 different names, in which a header is looked for", wide_names, export),
        case("csv-long-cell", "one cell of 10 MB", || one_cell(10_000_000), export),
        case(
            "csv-open-quote",
            "a quotation mark that never closes",
            || {
                rows("\"2026-10-01,Spring,1,EUR,4,12,1.40\n", 1)
                    .into_iter()
                    .chain(rows("2026-10-01,Spring,1,EUR,4,12,1.40\n", FILE_MAX))
                    .take(FILE_MAX)
                    .collect()
            },
            export,
        ),
        case(
            "csv-windows-1252",
            "no UTF-8: every byte becomes two or three",
            || grown(String::new(), "x;y\n").into_iter().map(|b| if b == b'x' { 0x80 } else { b }).collect(),
            export,
        ),
        case("csv-look", "the same as the wizard first shows it", wide_names, |bytes| {
            platform::look(bytes, None).map_or_else(|f| f.code, |(grids, ..)| format!("{}_rows", grids[0].rows.len()))
        }),
    ]
}

/// Files that are read by a mapping, the bank's file, and mappings themselves.
fn others() -> Vec<Case> {
    vec![
        case(
            "mapped-rows",
            "costs with a mapping, as many rows as fit",
            || mapped("2026-10-01,linkedin-organic,media,12.40,EUR\n"),
            mapped_costs,
        ),
        case(
            "mapped-bad-rows",
            "the same without amounts",
            || mapped("2026-10-01,linkedin-organic,media,none,EUR\n"),
            mapped_costs,
        ),
        case("mapped-columns", "a header of millions of columns", columns, mapped_costs),
        case("mapped-commas", "a header of nothing but commas", || vec![b','; FILE_MAX], mapped_costs),
        case(
            "ecb-wide",
            "rates at the limit of 32 MiB, zipped",
            || zipped("r.csv", &rates()),
            |bytes| {
                ecb::read(bytes).map_or_else(|e| format!("{}_faults", e.len()), |f| format!("{}_rates", f.rates.len()))
            },
        )
        .unpacked(ecb::BYTES_MAX as usize),
        case(
            "ecb-bomb",
            "an archive that unpacks to 2 GiB",
            || zipped_bomb(2 << 30),
            |bytes| ecb::read(bytes).map_or_else(|e| e[0].faults[0].code.clone(), |_| "read".into()),
        )
        .unpacked(ecb::BYTES_MAX as usize),
        case("mapping-file", "a mapping of 1 MiB", mapping_text, |bytes| {
            ImportMapping::parse(std::str::from_utf8(bytes).expect("text"))
                .map_or_else(|f| format!("{}_faults", f.len()), |_| "read".into())
        }),
        case("preset-file", "a preset of 64 KiB, as long as one may be", preset_text, |bytes| {
            Preset::parse(std::str::from_utf8(bytes).expect("text"))
                .map_or_else(|_| "refused".into(), |_| "read".into())
        }),
    ]
}

impl Case {
    pub(super) fn unpacked(self, bytes: usize) -> Self {
        Self { unpacked: Some(bytes), ..self }
    }
}

/// `line` again and again behind a header, `most` times or up to the limit of a file.
fn rows(line: &str, most: usize) -> Vec<u8> {
    let mut text = HEADER.to_owned();
    let fits = (FILE_MAX - text.len()) / line.len();
    text.push_str(&line.repeat(most.min(fits)));
    text.into_bytes()
}

fn grown(mut text: String, line: &str) -> Vec<u8> {
    text.push_str(&line.repeat((FILE_MAX - text.len()) / line.len()));
    text.into_bytes()
}

fn blank_columns() -> Vec<u8> {
    let mut text = HEADER.trim_end().to_owned() + &",".repeat(990) + "\n";
    for _ in 0..3_990 {
        text.push_str("2026-10-01,Spring,1,EUR,4,12,1.40");
        text.push_str(&",".repeat(990));
        text.push('\n');
    }
    text.into_bytes()
}

fn wide_names() -> Vec<u8> {
    let mut text = String::new();
    for row in 0..40 {
        for column in 0..1_000 {
            let _written = write!(text, "Name {row} of {column} in a report,");
        }
        text.push_str("end\n");
    }
    text.into_bytes()
}

fn one_cell(bytes: usize) -> Vec<u8> {
    format!("{HEADER}2026-10-01,{},1,EUR,4,12,1.40\n", "x".repeat(bytes)).into_bytes()
}

fn export(bytes: &[u8]) -> String {
    let presets: Vec<&Preset> = built_in().iter().collect();
    let asked = Asked { currency: "EUR".parse().ok(), exported_on: "2026-10-05".parse().ok(), ..Asked::default() };
    match platform::read(bytes, &presets, None, &asked) {
        Err(faults) => faults[0].code.clone(),
        Ok(file) => {
            let entries: usize =
                file.parts.iter().map(|p| if let Body::Spend(s) = &p.body { s.entries.len() } else { 0 }).sum();
            format!("{entries}_entries_{}_bad", file.all_errors().len())
        }
    }
}

fn mapped(line: &str) -> Vec<u8> {
    grown("day,channel,kind,amount,currency\n".into(), line)
}

fn columns() -> Vec<u8> {
    let mut text = String::with_capacity(FILE_MAX);
    let mut n = 0_u32;
    while text.len() < FILE_MAX - 10 {
        let _written = write!(text, "{n:x},");
        n += 1;
    }
    text.into_bytes()
}

fn mapped_costs(bytes: &[u8]) -> String {
    let sheet = match Sheet::read(bytes) {
        Ok(sheet) => sheet,
        Err(fault) => return fault.code,
    };
    let mapping = ImportMapping::builtin(ImportKind::Costs, Source::parse("import").expect("source"));
    let rows = match costs::rows(&sheet, &mapping) {
        Ok(rows) => rows,
        Err(faults) => return faults[0].code.clone(),
    };
    let (good, bad): (Vec<_>, Vec<_>) = rows.partition(Result::is_ok);
    format!("{}_good_{}_bad", good.len(), bad.len())
}

fn rates() -> Vec<u8> {
    let mut text = "Date,USD,JPY,GBP,CHF,SEK,NOK,DKK,PLN,CZK,HUF,\n".to_owned();
    let line = "2026-11-20,1.0821,163.45,0.8321,0.9312,11.53,11.71,7.4591,4.3120,25.33,411.20,\n";
    text.push_str(&line.repeat((ecb::BYTES_MAX as usize - text.len()) / line.len()));
    text.into_bytes()
}

/// An archive with one part.
pub(super) fn zipped(name: &str, part: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file(name, options()).expect("part");
    archive.write_all(part).expect("part");
    archive.finish().expect("archive").into_inner()
}

pub(super) fn options() -> zip::write::SimpleFileOptions {
    zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated)
}

fn zipped_bomb(bytes: usize) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("r.csv", options()).expect("part");
    let block = vec![b'1'; 1 << 20];
    for _ in 0..bytes >> 20 {
        archive.write_all(&block).expect("part");
    }
    archive.finish().expect("archive").into_inner()
}

fn mapping_text() -> Vec<u8> {
    let mut text = "kind = \"costs\"\nsource = \"s\"\n[columns]\n".to_owned();
    let mut n = 0;
    while text.len() < 1 << 20 {
        let _written = writeln!(text, "column{n} = \"Column {n}\"");
        n += 1;
    }
    text.into_bytes()
}

fn preset_text() -> Vec<u8> {
    let names: Vec<String> = (0..4_500).map(|n| format!("\"Name {n}\"")).collect();
    format!("name = \"own\"\ntitle = \"Own\"\nplatform = \"own\"\nkind = \"spend\"\n[columns]\nday = [\"Day\"]\nspend = [{}]\n", names.join(",")).into_bytes()
}
