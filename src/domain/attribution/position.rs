//! Position based, and what the models of its family share.

use super::journey::Journey;
use super::{Method, Model, Settings};

/// 40 % to each end (Adobe, Mixpanel, Amplitude, DP6, Salesforce).
pub(super) static MODEL: Model = Model {
    name: "position",
    label: "Position based 40/20/40",
    formula: "0.4 for i = 1, 0.4 for i = n, 0.2/(n-2) between",
    rule: "40 % each to the first and last touch, 20 % evenly between; of two touches each has half, a single one all",
    settings: &[],
    method: Method::Parts(parts),
};

fn parts(journey: &Journey<'_>, _: &Settings, parts: &mut Vec<u128>) {
    divide(journey.touches.len(), [40, 20, 40], parts);
}

/// Parts of `count` touches by the weights of the first, all between, and the last.
///
/// Adobe's rule: a weight with no touch to go to is dropped and the others renormalised. Weights that are all 0
/// for this count divide evenly, so that a stage event never goes uncredited.
pub(super) fn divide(count: usize, [first, middle, last]: [u128; 3], parts: &mut Vec<u128>) {
    let between = count.saturating_sub(2);
    match (count, u128::try_from(between).unwrap_or(0)) {
        (0, _) => {}
        (1, _) => parts.push(1),
        (2, _) => parts.extend([first, last]),
        (_, k) => {
            parts.push(first * k);
            parts.extend(std::iter::repeat_n(middle, between));
            parts.push(last * k);
        }
    }
    if parts.iter().all(|p| *p == 0) {
        parts.fill(1);
    }
}
