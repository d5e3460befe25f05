//! A history of exchange rates, as the European Central Bank publishes it: text or an archive.
#![no_main]

use headwater_fuzz::imports::ecb;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let _read = ecb::read(file);
});
