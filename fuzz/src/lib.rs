//! The pure rings of the product, compiled once more by themselves.
//!
//! They use no other part of the crate, so that neither the databases nor the server have to be built with coverage
//! to fuzz them.

#![allow(dead_code, reason = "what only the other rings call")]
#![allow(unreachable_pub, reason = "the product's own lints hold there")]

#[path = "../../src/connectors/mod.rs"]
pub mod connectors;
#[path = "../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../src/imports/mod.rs"]
pub mod imports;

use std::panic::{set_hook, take_hook};

use domain::intake::{EventInput, IntakeDefaults};
use domain::time::UtcMillis;

/// The server's clock: 2026-10-05.
pub const NOW: UtcMillis = UtcMillis(1_791_158_400_000);

/// Takes an event through the one door, as every receiver does.
pub fn take(event: &EventInput) {
    let defaults = IntakeDefaults { currency: "EUR".parse().ok(), namespace: "crm".into(), zone: None };
    if let Ok(draft) = event.check(&defaults, NOW, &|email| email.to_owned()) {
        assert!(!draft.event_id.is_empty(), "an event without its duplicate key");
        assert!(draft.value.is_none_or(|money| money.minor >= 0), "a negative amount");
    }
}

/// The crates that read workbooks. They panic at some damaged ones, which costs the file, not the server: what reads a
/// workbook catches it (`imports::workbook`).
const WORKBOOK_CRATES: &[&str] = &["/calamine-", "/cfb-", "/zip-"];

/// Lets a panic of the crates that read workbooks unwind, as it does in the product. Any other ends the process at once,
/// and so does one of these that nothing catches.
pub fn let_workbook_panics_unwind() {
    let abort = take_hook();
    set_hook(Box::new(move |panic| {
        let is_theirs =
            |location: &std::panic::Location<'_>| WORKBOOK_CRATES.iter().any(|c| location.file().contains(c));
        if !panic.location().is_some_and(is_theirs) {
            abort(panic);
        }
    }));
}
