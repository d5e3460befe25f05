//! The touches of some people, and which of them may be credited.

use std::ops::Range;

use super::Facts;
use crate::domain::ids::{PersonId, TouchId, VisitorId};
use crate::domain::stage::StageEvent;
use crate::domain::time::{DAY_MS, UtcMillis};
use crate::domain::touch::{TouchClass, TouchKind};
use crate::reports::parameters::{LookBack, Parameters};
use crate::store::touches::{Touch, Wanted};
use crate::store::{Conn, StoreError, touches};

/// A stretch of time, both ends inclusive.
pub(in crate::reports) type Span = (UtcMillis, UtcMillis);

/// All of time.
const ALWAYS: Span = (UtcMillis(i64::MIN), UtcMillis(i64::MAX));

/// Which touches may be credited.
#[derive(Debug, Clone)]
pub(in crate::reports) struct Eligibility {
    classes: Vec<TouchClass>,
    views: bool,
    /// How far journeys reach back, where nobody looks at touches beside them; `None` where all touches are read.
    reach: Option<LookBack>,
}

/// Why a touch of a person is not credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reports) enum Excluded {
    /// Its class does not count.
    Class(TouchClass),
    /// It is an impression, and those were not asked for.
    View,
    /// It happened before the look-back.
    BeforeLookBack,
    /// It happened after the stage event.
    AfterEvent,
    /// It belongs to the purchase before.
    EarlierPurchase,
}

impl Eligibility {
    /// What parameters ask for.
    pub(in crate::reports) fn of(parameters: &Parameters) -> Self {
        Self { classes: parameters.classes.clone(), views: parameters.views, reach: Some(parameters.look_back.clone()) }
    }

    /// The same, for who looks at touches that are not credited as well.
    pub(in crate::reports) fn with_excluded(self) -> Self {
        Self { reach: None, ..self }
    }

    /// Human touches but impressions, which nobody is known to have seen.
    pub(in crate::reports) fn usual() -> Self {
        Self { classes: vec![TouchClass::Human], views: false, reach: None }
    }

    /// Why a touch never counts, whenever it happened.
    pub(in crate::reports) fn excludes(&self, touch: &Touch) -> Option<Excluded> {
        if !self.classes.contains(&touch.class) {
            return Some(Excluded::Class(touch.class));
        }
        (touch.kind == TouchKind::View && !self.views).then_some(Excluded::View)
    }

    /// Between which instants touches may belong to the journey of an event.
    pub(super) fn span(&self, event: &StageEvent) -> Span {
        let end = event.occurred_at;
        match &self.reach {
            Some(look_back) => (end.plus_ms(-look_back.days(event.stage).saturating_mul(DAY_MS)), end),
            None => ALWAYS,
        }
    }
}

/// The touches of some people.
#[derive(Debug)]
pub(super) struct Touches {
    /// Browser by browser, then clicks that are of none of them.
    list: Vec<Touch>,
    /// The number of each touch in the list, in the order of ids.
    by_id: Vec<(TouchId, usize)>,
    /// The stretch of each browser in the list, in the order of browsers.
    by_visitor: Vec<(VisitorId, Range<usize>)>,
}

impl Touches {
    /// Of clusters, each between the instants that belong to it, in any order.
    pub(super) fn of_clusters(
        conn: &mut Conn,
        facts: &Facts,
        mut clusters: Vec<(PersonId, Span)>,
        eligibility: &Eligibility,
    ) -> Result<Self, StoreError> {
        clusters.sort_unstable();
        clusters.dedup_by(|(next, (from, to)), (one, span)| {
            if next == one {
                *span = (span.0.min(*from), span.1.max(*to));
            }
            next == one
        });
        let people = &facts.people;
        let of_cluster = |(cluster, (from, to)): &(PersonId, Span)| {
            let (from, to) = (*from, *to);
            people.visitors(*cluster).map(move |visitor| Wanted { visitor, from, to })
        };
        // A browser is of one cluster.
        let mut wanted: Vec<Wanted> = clusters.iter().flat_map(of_cluster).collect();
        wanted.sort_unstable_by_key(|w| w.visitor);
        let classes = eligibility.reach.as_ref().map(|_| eligibility.classes.as_slice());
        let mut all = Self { list: Vec::new(), by_id: Vec::new(), by_visitor: Vec::new() };
        all.add(touches::by_visitors(conn, &wanted, classes, &facts.moments)?);
        all.note_browsers();
        let clicks = clusters.iter().flat_map(|(c, _)| people.clicks(*c));
        // A click is nearly always its browser's, and read already.
        let others: Vec<TouchId> = clicks.filter(|id| all.number_of(*id).is_none()).collect();
        all.add(touches::by_ids(conn, &others, &facts.moments)?);
        Ok(all)
    }

    fn add(&mut self, more: Vec<Touch>) {
        if more.is_empty() {
            return;
        }
        self.by_id.extend(more.iter().map(|t| t.id).zip(self.list.len()..));
        self.by_id.sort_unstable();
        self.list.extend(more);
    }

    /// Notes the stretch of each browser, while there are no other touches.
    fn note_browsers(&mut self) {
        let mut end = 0;
        let stretch = |same: &[Touch]| {
            let begin = end;
            end += same.len();
            same.first().and_then(|touch| touch.visitor).map(|visitor| (visitor, begin..end))
        };
        self.by_visitor = self.list.chunk_by(|a, b| a.visitor == b.visitor).filter_map(stretch).collect();
    }

    pub(super) fn get(&self, number: usize) -> Option<&Touch> {
        self.list.get(number)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn number_of(&self, id: TouchId) -> Option<usize> {
        let place = self.by_id.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.by_id.get(place).map(|(_, number)| *number)
    }

    pub(super) fn of_visitor(&self, visitor: VisitorId) -> &[Touch] {
        let found = self.by_visitor.binary_search_by_key(&visitor, |(v, _)| *v).ok();
        let stretch = found.and_then(|place| self.by_visitor.get(place)).map(|(_, stretch)| stretch.clone());
        stretch.and_then(|stretch| self.list.get(stretch)).unwrap_or_default()
    }
}
