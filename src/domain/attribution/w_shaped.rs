//! W-shaped.

use super::journey::Journey;
use super::u_shaped::divide;
use super::{Method, Model, Settings};

/// 30 % to the first touch and to those that made the lead and the opportunity (`HubSpot`, Marketo Measure).
pub(super) static MODEL: Model = Model {
    name: "w_shaped",
    label: "W-shaped",
    formula: "0.3 each for the first touch and the last before the lead and the opportunity, 0.1 evenly between",
    rule: "30 % each to the first touch and the last at or before the lead and the opportunity, 10 % evenly between, \
           nothing after; a touch in several places has the sum; a stage not reached or with no touch before it, or no \
           touch between, is dropped and the rest renormalised",
    settings: &[],
    method: Method::Parts(parts),
};

fn parts(journey: &Journey<'_>, _: &Settings, parts: &mut Vec<u128>) {
    let stages = journey.milestones;
    divide(journey, &[stages.lead, stages.opportunity], 30, 10, parts);
}
