//! Linear.

use super::journey::Journey;
use super::{Method, Model, Settings};

/// The same part to every touch, repeats counting each time (`ChannelAttribution`, Matomo, Adobe).
pub(super) static MODEL: Model = Model {
    name: "linear",
    label: "Linear",
    formula: "1/n",
    rule: "the same share to every touch inside the look-back; repeated touches of a channel count each time",
    settings: &[],
    method: Method::Parts(parts),
};

fn parts(journey: &Journey<'_>, _: &Settings, parts: &mut Vec<u128>) {
    parts.resize(journey.touches.len(), 1);
}
