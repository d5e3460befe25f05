//! A platform's export, as text or as a workbook: recognised, read, and looked at by the wizard.
#![no_main]

use headwater_fuzz::imports::platform::{Body, likely_header, look, read};
use headwater_fuzz::imports::preset::{Preset, built_in};
use headwater_fuzz::imports::table::Asked;
use headwater_fuzz::let_workbook_panics_unwind;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: let_workbook_panics_unwind(), |file: &[u8]| {
    let presets: Vec<&Preset> = built_in().iter().collect();
    let asked = Asked { currency: "EUR".parse().ok(), exported_on: "2026-10-05".parse().ok(), ..Asked::default() };
    if let Ok(read) = read(file, &presets, None, &asked) {
        for part in &read.parts {
            if let Body::Spend(spend) = &part.body {
                assert!(spend.rows >= spend.entries.len(), "more entries than rows");
            }
        }
    }
    if let Ok((grids, ..)) = look(file, None) {
        for grid in &grids {
            let _header = likely_header(grid);
        }
    }
});
