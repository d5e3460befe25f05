//! Last touch.

use super::Model;
use super::journey::Journey;

/// All credit to the last eligible touch, direct ones included.
pub(super) struct Last;

impl Model for Last {
    fn name(&self) -> &'static str {
        "last"
    }

    fn label(&self) -> &'static str {
        "Last touch"
    }

    fn rule(&self) -> &'static str {
        "all credit to the last touch at or before the stage event, direct visits included"
    }

    fn parts(&self, journey: &Journey<'_>) -> Vec<u128> {
        let last = journey.touches.len().saturating_sub(1);
        (0..journey.touches.len()).map(|i| u128::from(i == last)).collect()
    }
}
