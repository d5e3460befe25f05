//! A file that a person brings, read as each kind of import.
#![no_main]

use headwater_fuzz::domain::stage::Source;
use headwater_fuzz::imports::decode::Sheet;
use headwater_fuzz::imports::mapping::{ImportKind, ImportMapping};
use headwater_fuzz::imports::{conversions, costs, touches};
use headwater_fuzz::{let_workbook_panics_unwind, take};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: let_workbook_panics_unwind(), |file: &[u8]| {
    let Ok(sheet) = Sheet::read(file) else { return };
    let source = Source::parse("file").expect("a legal name");
    let mapping = |kind| ImportMapping::builtin(kind, source.clone());
    if let Ok(rows) = conversions::rows(&sheet, &mapping(ImportKind::Conversions)) {
        rows.filter_map(Result::ok).for_each(|(_, event)| take(&event));
    }
    if let Ok(rows) = costs::rows(&sheet, &mapping(ImportKind::Costs)) {
        rows.for_each(drop);
    }
    if let Ok(rows) = touches::rows(&sheet, &mapping(ImportKind::Touches)) {
        rows.for_each(drop);
    }
    assert!(sheet.row_count() <= file.len(), "more rows than bytes");
});
