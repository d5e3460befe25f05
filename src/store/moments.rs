//! Up to when a report sees each kind of change.

use crate::domain::time::UtcMillis;

/// A moment for each kind of fact: a report sees a fact if it was recorded at or before the moment of its kind and was
/// not voided at or before [`Self::voids`].
///
/// A report of one `as_of` has one moment for all ([`Self::all`]). A restatement moves them one by one from the earlier
/// `as_of` to the later one, in the order in which it prints the causes (design section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moments {
    /// Voids of touches, stage events and the joins of identities.
    pub voids: UtcMillis,
    /// Cost entries, and the voids of cost entries: an import replaces what it voids.
    pub costs: UtcMillis,
    /// Exchange rates.
    pub rates: UtcMillis,
    /// Exchange rates for amounts that have none up to [`Self::rates`]: in a restatement those that a cost or sale of
    /// later came with, as otherwise its step would have no answer.
    pub first_rates: UtcMillis,
    /// Labels of channels, campaigns, posts and links.
    pub labels: UtcMillis,
    /// Later classes of touches.
    pub classes: UtcMillis,
    /// Merges and unmerges, and joins that no stage event told. A join that a stage event told is seen with its event.
    pub identity: UtcMillis,
    /// Stage events `rejected`.
    pub rejections: UtcMillis,
    /// Stage events `refund`.
    pub refunds: UtcMillis,
    /// Touches.
    pub touches: UtcMillis,
    /// All other stage events.
    pub events: UtcMillis,
}

impl Moments {
    /// Everything up to one instant.
    pub fn all(as_of: UtcMillis) -> Self {
        Self {
            voids: as_of,
            costs: as_of,
            rates: as_of,
            first_rates: as_of,
            labels: as_of,
            classes: as_of,
            identity: as_of,
            rejections: as_of,
            refunds: as_of,
            touches: as_of,
            events: as_of,
        }
    }

    /// The one instant of all kinds, if it is one: only then do the rollups answer.
    pub fn uniform(&self) -> Option<UtcMillis> {
        Some(self.voids).filter(|as_of| *self == Self::all(*as_of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_uniform_until_one_differs() {
        let (one, other) = (UtcMillis(1), UtcMillis(2));
        assert_eq!(Moments::all(one).uniform(), Some(one));
        let all = Moments::all(one);
        let different = [
            Moments { voids: other, ..all },
            Moments { costs: other, ..all },
            Moments { rates: other, ..all },
            Moments { first_rates: other, ..all },
            Moments { labels: other, ..all },
            Moments { classes: other, ..all },
            Moments { identity: other, ..all },
            Moments { rejections: other, ..all },
            Moments { refunds: other, ..all },
            Moments { touches: other, ..all },
            Moments { events: other, ..all },
        ];
        for moments in different {
            assert_eq!(moments.uniform(), None, "{moments:?}");
        }
    }
}
