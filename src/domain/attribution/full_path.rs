//! Full path.

use super::journey::Journey;
use super::u_shaped::divide;
use super::{Method, Model, Settings};

/// 22.5 % to the first touch and to those that made the lead, the opportunity and the customer (`HubSpot`, Marketo
/// Measure).
pub(super) static MODEL: Model = Model {
    name: "full_path",
    label: "Full path",
    formula: "0.225 each for the first touch and the last before the lead, the opportunity and the purchase, 0.1 \
              evenly between",
    rule: "22.5 % each to the first touch and the last at or before the lead, the opportunity and the purchase, 10 % \
           evenly between, nothing after; a touch in several places has the sum; a stage not reached or with no touch \
           before it, or no touch between, is dropped and the rest renormalised",
    settings: &[],
    method: Method::Parts(parts),
};

fn parts(journey: &Journey<'_>, _: &Settings, parts: &mut Vec<u128>) {
    let stages = journey.milestones;
    // 22.5 to 10, doubled to be whole.
    divide(journey, &[stages.lead, stages.opportunity, stages.customer], 45, 20, parts);
}
