//! Attribution: who gets how much of a stage event.
//!
//! Pure and exact. A model turns a journey into integer parts; [`credit::allocate`]
//! turns parts into micro-units and money that sum to the whole. To add a model,
//! write one file beside `linear.rs` and one line in [`MODELS`]: the API, the CLI,
//! the pages and their help take it from there.

pub mod credit;
mod first;
pub mod journey;
mod last;
mod linear;
pub mod purchases;

use self::journey::Journey;
use super::fault::{Fault, shown};

/// One whole lead or customer, in micro-units.
pub const ONE_MICRO: i64 = 1_000_000;

/// A rule that divides one stage event among the touches of its journey.
pub trait Model: Send + Sync {
    /// The name on the wire: `first`.
    fn name(&self) -> &'static str;

    /// The name people read.
    fn label(&self) -> &'static str;

    /// The rule in one sentence, with its edge cases.
    fn rule(&self) -> &'static str;

    /// One integer part for each touch of a journey that has at least one, in the journey's order.
    /// Not all may be 0.
    fn parts(&self, journey: &Journey<'_>) -> Vec<u128>;
}

/// Every model, in the order of the pages.
pub static MODELS: &[&dyn Model] = &[&first::First, &last::Last, &linear::Linear];

/// The model of a wire name.
pub fn model(name: &str) -> Result<&'static dyn Model, Fault> {
    MODELS.iter().find(|m| m.name() == name).copied().ok_or_else(|| {
        let names: Vec<&str> = MODELS.iter().map(|m| m.name()).collect();
        Fault::new("model", "model-unknown", format!("{} is no model; use one of {}", shown(name), names.join(", ")))
    })
}
