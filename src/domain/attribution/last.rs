//! Last touch.

use super::journey::Journey;
use super::{Method, Model, Settings};

/// All credit to the last eligible touch, direct ones included.
pub(super) static MODEL: Model = Model {
    name: "last",
    label: "Last touch",
    formula: "1 for i = n",
    rule: "all credit to the last touch at or before the stage event, direct visits included",
    settings: &[],
    method: Method::Parts(parts),
};

fn parts(journey: &Journey<'_>, _: &Settings, parts: &mut Vec<u128>) {
    let last = journey.touches.len().saturating_sub(1);
    parts.extend((0..journey.touches.len()).map(|i| u128::from(i == last)));
}
