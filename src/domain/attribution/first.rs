//! First touch.

use super::journey::Journey;
use super::{Method, Model, Settings};

/// All credit to the first eligible touch (Adobe, Mixpanel, Amplitude, Salesforce: the first *in the look-back*).
pub(super) static MODEL: Model = Model {
    name: "first",
    label: "First touch",
    formula: "1 for i = 1",
    rule: "all credit to the first touch inside the look-back; a shorter look-back may name another touch",
    settings: &[],
    method: Method::Parts(parts),
};

fn parts(journey: &Journey<'_>, _: &Settings, parts: &mut Vec<u128>) {
    parts.extend((0..journey.touches.len()).map(|i| u128::from(i == 0)));
}
