//! A webhook's body through every preset and the door of stage events; what is kept of it reads the same.
#![no_main]

use std::sync::LazyLock;

use headwater_fuzz::connectors::overrides::Overrides;
use headwater_fuzz::connectors::reading::{Reading, ReadingOutcome};
use headwater_fuzz::connectors::request::Request;
use headwater_fuzz::connectors::{Connector, presets};
use headwater_fuzz::{NOW, take};
use libfuzzer_sys::fuzz_target;

static CONNECTORS: LazyLock<Vec<Connector>> = LazyLock::new(|| {
    let connector = |preset| Connector::new(preset, &Overrides::default(), &[]).expect("a built-in preset");
    presets::all().iter().map(connector).collect()
});

fn read(connector: &Connector, body: &[u8]) -> Vec<Reading> {
    let headers = [("x-shopify-topic".to_owned(), "orders/create".to_owned())];
    connector.read(&Request { method: "POST", url: "", headers: &headers, body, received_at: NOW }, Some("message"))
}

fuzz_target!(|body: &[u8]| {
    // One preset at a time, so that a body is not read nineteen times; which one, the fuzzer chooses by its length.
    let connector = &CONNECTORS[body.len() % CONNECTORS.len()];
    let readings = read(connector, body);
    assert!(!readings.is_empty(), "a delivery without a reading");
    assert_eq!(read(connector, &connector.kept_body(body)), readings, "what is kept reads differently");
    for reading in readings {
        match reading.outcome {
            ReadingOutcome::Event(event) => take(&event),
            ReadingOutcome::NeedsEnrichment(lookup) => drop(connector.complete(&lookup, body)),
            _ => {}
        }
    }
});
