//! Which row people name when they say what led them here.

use super::dimension::{Dimension, Part};
use super::facts::Facts;
use crate::domain::stage::StageEvent;

/// An answer that names no row, or none that can.
pub(super) const OTHERWISE: Part = Part::Without("(said otherwise)");
/// No answer.
pub(super) const NOT_ASKED: Part = Part::Without("(not asked)");

/// What an event's person said, in a dimension: a channel, network or campaign that they called by its code or name;
/// nobody names a link or a country so that it could be told from other words.
pub(super) fn part_of(facts: &Facts, dimension: Dimension, event: &StageEvent) -> Part {
    match facts.answer_of(event) {
        None => NOT_ASKED,
        Some(answer) => facts.labels.called(dimension, answer, event.occurred_at).map_or(OTHERWISE, Part::Named),
    }
}
