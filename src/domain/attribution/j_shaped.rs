//! J-shaped.

use super::journey::Journey;
use super::position::divide;
use super::{Method, Model, Settings};

/// Most to the last touch (Adobe, Mixpanel). Amplitude gives two touches 30/70, which is not this rule.
pub(super) static MODEL: Model = Model {
    name: "j_shaped",
    label: "J-shaped 20/20/60",
    formula: "0.2 for i = 1, 0.6 for i = n, 0.2/(n-2) between",
    rule: "60 % to the last touch, 20 % to the first, 20 % evenly between; of two touches 25 % and 75 %, a single one \
           all",
    settings: &[],
    method: Method::Parts(parts),
};

fn parts(journey: &Journey<'_>, _: &Settings, parts: &mut Vec<u128>) {
    divide(journey.touches.len(), [20, 20, 60], parts);
}
