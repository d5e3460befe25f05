//! First touch.

use super::Model;
use super::journey::Journey;

/// All credit to the first eligible touch (Adobe, Mixpanel, Amplitude, Salesforce: the first *in the look-back*).
pub(super) struct First;

impl Model for First {
    fn name(&self) -> &'static str {
        "first"
    }

    fn label(&self) -> &'static str {
        "First touch"
    }

    fn rule(&self) -> &'static str {
        "all credit to the first touch inside the look-back; a shorter look-back may name another touch"
    }

    fn parts(&self, journey: &Journey<'_>) -> Vec<u128> {
        (0..journey.touches.len()).map(|i| u128::from(i == 0)).collect()
    }
}
