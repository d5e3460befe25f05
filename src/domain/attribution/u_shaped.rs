//! U-shaped, and what the models of stages share.

use super::journey::Journey;
use super::{Method, Model, Settings};
use crate::domain::time::UtcMillis;

/// 40 % to the first touch and to the one that made the lead (`HubSpot`; Marketo Measure's tutorial).
pub(super) static MODEL: Model = Model {
    name: "u_shaped",
    label: "U-shaped",
    formula: "0.4 for the first touch, 0.4 for the last before the lead, 0.2 evenly between",
    rule: "40 % each to the first touch and the last at or before the lead, 20 % evenly between, nothing after; a touch \
           in both places has both shares; a lead with no touch before it, or no touch between, is dropped and the \
           rest renormalised",
    settings: &[],
    method: Method::Parts(parts),
};

fn parts(journey: &Journey<'_>, _: &Settings, parts: &mut Vec<u128>) {
    divide(journey, &[journey.milestones.lead], 40, 20, parts);
}

/// Parts by milestones: `weight` to the first touch and to the last at or before each of `stages`, `middle` shared
/// by the other touches up to the last of these, 0 to later ones.
///
/// A milestone that never happened, or lies before every eligible touch, is dropped; a touch that holds several gets
/// the sum; without touches between, the milestones share everything (Marketo Measure: "evenly ... among other
/// positions"). The first touch is always a milestone, so not all parts are 0.
pub(super) fn divide(
    journey: &Journey<'_>,
    stages: &[Option<UtcMillis>],
    weight: u128,
    middle: u128,
    parts: &mut Vec<u128>,
) {
    let touches = journey.touches;
    let before = |at: UtcMillis| touches.partition_point(|t| t.at <= at).checked_sub(1);
    let mut last = 0;
    // How many milestones each touch holds.
    parts.resize(touches.len(), 0);
    for place in std::iter::once(Some(0)).chain(stages.iter().map(|at| at.and_then(before))).flatten() {
        if let Some(held) = parts.get_mut(place) {
            *held += 1;
            last = last.max(place);
        }
    }
    let spanned = parts.get_mut(..=last).unwrap_or_default();
    let between = u128::try_from(spanned.iter().filter(|held| **held == 0).count()).unwrap_or(0);
    for part in spanned {
        *part = match (*part, between) {
            (0, _) => middle,
            (held, 0) => held,
            (held, _) => held * weight * between,
        };
    }
}
