//! Inverse J.

use super::journey::Journey;
use super::position::divide;
use super::{Method, Model, Settings};

/// Most to the first touch (Adobe, Mixpanel). Amplitude gives two touches 70/30, which is not this rule.
pub(super) static MODEL: Model = Model {
    name: "inverse_j",
    label: "Inverse J 60/20/20",
    formula: "0.6 for i = 1, 0.2 for i = n, 0.2/(n-2) between",
    rule: "60 % to the first touch, 20 % to the last, 20 % evenly between; of two touches 75 % and 25 %, a single one \
           all",
    settings: &[],
    method: Method::Parts(parts),
};

fn parts(journey: &Journey<'_>, _: &Settings, parts: &mut Vec<u128>) {
    divide(journey.touches.len(), [60, 20, 20], parts);
}
