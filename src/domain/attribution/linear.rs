//! Linear.

use super::Model;
use super::journey::Journey;

/// The same part to every touch, repeats counting each time (`ChannelAttribution`, Matomo, Adobe).
pub(super) struct Linear;

impl Model for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn label(&self) -> &'static str {
        "Linear"
    }

    fn rule(&self) -> &'static str {
        "the same share to every touch inside the look-back; repeated touches of a channel count each time"
    }

    fn parts(&self, journey: &Journey<'_>) -> Vec<u128> {
        vec![1; journey.touches.len()]
    }
}
