//! Journeys: a person's eligible touches before one stage event.

use std::cmp::Ordering;

use crate::domain::ids::{ChannelId, TouchId};
use crate::domain::time::{DAY_MS, UtcMillis};

/// Default look-back in days.
pub const LOOKBACK_DAYS_DEFAULT: i64 = 90;
/// Longest look-back in days: ten years.
pub const LOOKBACK_DAYS_MAX: i64 = 3_650;

/// A touch as attribution sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JourneyTouch {
    /// Its id.
    pub id: TouchId,
    /// When it happened.
    pub at: UtcMillis,
    /// What orders touches of the same instant: the external id if imported; empty for the touch's own id.
    pub tie: String,
    /// Its channel, if it has one.
    pub channel: Option<ChannelId>,
    /// Whether its channel is direct traffic.
    pub direct: bool,
}

impl JourneyTouch {
    /// The order of journeys: by time, then by [`by_tie`].
    pub fn in_order(&self, other: &Self) -> Ordering {
        let tied = || by_tie((&self.tie, self.id), (&other.tie, other.id));
        self.at.cmp(&other.at).then_with(tied)
    }
}

/// The order of touches of one instant: by the text of the external id if imported, else of the touch's own id. An
/// empty external id is none.
pub fn by_tie((tie, id): (&str, TouchId), (other_tie, other_id): (&str, TouchId)) -> Ordering {
    let texts = match (tie.is_empty(), other_tie.is_empty()) {
        // Ids sort as their texts do.
        (true, true) => Ordering::Equal,
        (true, false) => id.to_string().as_str().cmp(other_tie),
        (false, true) => tie.cmp(other_id.to_string().as_str()),
        (false, false) => tie.cmp(other_tie),
    };
    texts.then_with(|| id.cmp(&other_id))
}

/// When the person, or the deal, first entered the stages that stage models weigh; none after the journey's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Milestones {
    /// Became a lead.
    pub lead: Option<UtcMillis>,
    /// Became an opportunity.
    pub opportunity: Option<UtcMillis>,
    /// Became a customer.
    pub customer: Option<UtcMillis>,
}

/// Sorts touches as every model expects them, and drops the second copy of a touch that two keys led to.
pub fn sort_touches(touches: &mut Vec<JourneyTouch>) {
    touches.sort_unstable_by(JourneyTouch::in_order);
    touches.dedup_by_key(|t| t.id);
}

/// The eligible touches of one stage event, sorted.
#[derive(Debug, Clone, Copy)]
pub struct Journey<'a> {
    /// The touches, oldest first.
    pub touches: &'a [JourneyTouch],
    /// When the stage event happened.
    pub end: UtcMillis,
    /// The stages entered by then.
    pub milestones: Milestones,
}

impl<'a> Journey<'a> {
    /// Cuts the journey to `end - look-back <= t <= end`, both ends inclusive,
    /// and to touches strictly after `after` where a purchase lies before.
    ///
    /// `touches` must be sorted by [`sort_touches`].
    pub fn cut(touches: &'a [JourneyTouch], end: UtcMillis, lookback_days: i64, after: Option<UtcMillis>) -> Self {
        let begin = end.plus_ms(-lookback_days.saturating_mul(DAY_MS));
        let too_old = touches.partition_point(|t| t.at < begin || after.is_some_and(|a| t.at <= a));
        let in_time = touches.partition_point(|t| t.at <= end);
        Self { touches: touches.get(too_old..in_time).unwrap_or(&[]), end, milestones: Milestones::default() }
    }

    /// The same journey with what stage models weigh; a stage entered after its end does not count.
    #[must_use]
    pub fn with(self, milestones: Milestones) -> Self {
        let by_end = |at: Option<UtcMillis>| at.filter(|at| *at <= self.end);
        let milestones = Milestones {
            lead: by_end(milestones.lead),
            opportunity: by_end(milestones.opportunity),
            customer: by_end(milestones.customer),
        };
        Self { milestones, ..self }
    }

    /// Whether no touch is eligible.
    pub fn is_empty(&self) -> bool {
        self.touches.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn touch(id: u128, at: i64, tie: &str) -> JourneyTouch {
        JourneyTouch {
            id: TouchId(Uuid::from_u128(id)),
            at: UtcMillis(at),
            tie: tie.into(),
            channel: None,
            direct: false,
        }
    }

    #[test]
    fn both_ends_of_the_look_back_are_inclusive() {
        let mut touches = vec![touch(3, 2 * DAY_MS, "c"), touch(1, 0, "a"), touch(2, DAY_MS, "b"), touch(4, -1, "z")];
        sort_touches(&mut touches);
        let cut = |end: i64, days: i64, after: Option<i64>| {
            Journey::cut(&touches, UtcMillis(end), days, after.map(UtcMillis)).touches.len()
        };
        assert_eq!(cut(2 * DAY_MS, 2, None), 3);
        assert_eq!(cut(2 * DAY_MS, 1, None), 2);
        assert_eq!(cut(2 * DAY_MS - 1, 2, None), 3);
        assert_eq!(cut(2 * DAY_MS, 90, Some(DAY_MS)), 1, "after a purchase is exclusive");
        assert_eq!(cut(-2, 90, None), 0);
    }

    #[test]
    fn ties_go_by_external_id_and_copies_count_once() {
        let mut touches = vec![touch(1, 5, "T2"), touch(9, 5, "T1"), touch(1, 5, "T2")];
        sort_touches(&mut touches);
        assert_eq!(touches.iter().map(|t| t.tie.as_str()).collect::<Vec<_>>(), ["T1", "T2"]);
    }

    #[test]
    fn a_touch_without_an_external_id_is_tied_by_the_text_of_its_own() {
        let own = [touch(7, 5, ""), touch(u128::MAX - 1, 5, ""), touch(31 << 64, 5, "")];
        let with_text = |t: &JourneyTouch| JourneyTouch { tie: t.id.to_string(), ..t.clone() };
        let imported = [touch(1, 5, "A"), touch(2, 5, "clk_0000000000000000000000000Z"), touch(3, 5, "d")];
        let mut short: Vec<JourneyTouch> = own.iter().chain(&imported).cloned().collect();
        let mut long: Vec<JourneyTouch> = own.iter().map(with_text).chain(imported.iter().cloned()).collect();
        sort_touches(&mut short);
        sort_touches(&mut long);
        let ids = |list: &[JourneyTouch]| list.iter().map(|t| t.id.0.as_u128()).collect::<Vec<_>>();
        assert_eq!(ids(&short), ids(&long));
        for (i, one) in short.iter().enumerate() {
            for (j, other) in short.iter().enumerate() {
                assert_eq!(one.in_order(other), i.cmp(&j), "{one:?} and {other:?}");
            }
        }
        assert_eq!(ids(&short), [1, 7, 2, 31 << 64, u128::MAX - 1, 3]);
    }
}
