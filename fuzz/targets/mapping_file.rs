//! What a person wrote: a mapping of a webhook, a connector preset, a mapping of a file, a preset of an export.
#![no_main]

use headwater_fuzz::connectors::overrides::Overrides;
use headwater_fuzz::connectors::preset::Preset;
use headwater_fuzz::connectors::reading::ReadingOutcome;
use headwater_fuzz::connectors::request::Request;
use headwater_fuzz::connectors::{Connector, presets};
use headwater_fuzz::imports::decode::Sheet;
use headwater_fuzz::imports::mapping::ImportMapping;
use headwater_fuzz::imports::{conversions, costs, preset as exports, touches};
use headwater_fuzz::{NOW, take};
use libfuzzer_sys::fuzz_target;

/// Rows that most mappings find something in.
const FILE: &[u8] = b"id;when;who;what;how much\n1;2026-01-31T10:00:00Z;a@example.com;lead;1.234,50\n2;31.01.2026;;;\n";

fuzz_target!(|text: &str| {
    let overrides = Overrides::from_json(text).unwrap_or_default();
    assert_eq!(Overrides::from_json(&overrides.to_json()), Ok(overrides.clone()), "a mapping is stored as it is");
    let preset =
        Preset::from_toml(text).unwrap_or_else(|_faults| presets::by_name("bearer").expect("built in").clone());
    if let Ok(connector) = Connector::new(&preset, &overrides, &[]) {
        let body = br#"{"a":{"b":[1,"2026-01-31T10:00:00Z"]},"id":"e","stage":"lead"}"#;
        let request = Request { method: "POST", url: "", headers: &[], body, received_at: NOW };
        for reading in connector.read(&request, None) {
            if let ReadingOutcome::Event(event) = reading.outcome {
                take(&event);
            }
        }
    }
    if let Ok(preset) = exports::Preset::parse(text) {
        let written = preset.to_toml().expect("a preset is stored as it is");
        assert_eq!(exports::Preset::parse(&written), Ok(preset));
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
