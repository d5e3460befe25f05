//! A webhook's body through the built-in mapping and the door of stage events.
#![no_main]

use headwater_fuzz::connectors::mapping::Mapping;
use headwater_fuzz::take;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(event) = Mapping::default().map(body, Some("message")) {
        take(&event);
    }
});
