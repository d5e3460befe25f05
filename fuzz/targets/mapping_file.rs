//! A mapping that a person wrote, of a webhook and of a file.
#![no_main]

use headwater_fuzz::connectors::mapping::Mapping;
use headwater_fuzz::imports::decode::Sheet;
use headwater_fuzz::imports::mapping::ImportMapping;
use headwater_fuzz::imports::{conversions, costs, touches};
use headwater_fuzz::take;
use libfuzzer_sys::fuzz_target;

/// Rows that most mappings find something in.
const FILE: &[u8] = b"id;when;who;what;how much\n1;2026-01-31T10:00:00Z;a@example.com;lead;1.234,50\n2;31.01.2026;;;\n";

fuzz_target!(|text: &str| {
    if let Ok(mapping) = Mapping::from_json(text) {
        if let Ok(event) = mapping.map(br#"{"a":{"b":[1,"2026-01-31T10:00:00Z"]},"id":"e","stage":"lead"}"#, None) {
            take(&event);
        }
    }
    let Ok(mapping) = ImportMapping::parse(text) else { return };
    let sheet = Sheet::read(FILE).expect("a legal file");
    let _told = mapping.unread_columns(&sheet);
    if let Ok(rows) = conversions::rows(&sheet, &mapping) {
        rows.filter_map(Result::ok).for_each(|(_, event)| take(&event));
    }
    if let Ok(rows) = costs::rows(&sheet, &mapping) {
        rows.for_each(drop);
    }
    if let Ok(rows) = touches::rows(&sheet, &mapping) {
        rows.for_each(drop);
    }
});
