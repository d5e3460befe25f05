//! Last touch that is not direct.

use super::journey::Journey;
use super::{Method, Model, Settings};

/// All credit to the last touch of a channel that is not direct traffic (Matomo; the fallback as DP6's
/// `attribution_last_click_non`).
pub(super) static MODEL: Model = Model {
    name: "last_non_direct",
    label: "Last non-direct touch",
    formula: "1 for the greatest i whose channel is not direct",
    rule: "all credit to the last touch that is no direct visit; if all are direct, to the last of them",
    settings: &[],
    method: Method::Parts(parts),
};

fn parts(journey: &Journey<'_>, _: &Settings, parts: &mut Vec<u128>) {
    let touches = journey.touches;
    let chosen = touches.iter().rposition(|t| !t.direct).unwrap_or(touches.len().saturating_sub(1));
    parts.extend((0..touches.len()).map(|i| u128::from(i == chosen)));
}
