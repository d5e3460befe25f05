//! The touches of some owners, and the journeys that they make.

use std::collections::{BTreeSet, HashMap};

use super::{Facts, Owner};
use crate::domain::attribution::journey::{JourneyTouch, Milestones, sort_touches};
use crate::domain::attribution::purchases::Book;
use crate::domain::ids::{PersonId, StageEventId, TouchId, VisitorId};
use crate::domain::stage::StageEvent;
use crate::domain::touch::{TouchClass, TouchKind};
use crate::reports::parameters::Parameters;
use crate::store::touches::Touch;
use crate::store::{Conn, StoreError, touches};

/// Which touches may be credited.
#[derive(Debug, Clone)]
pub(in crate::reports) struct Eligibility {
    classes: Vec<TouchClass>,
    views: bool,
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
        Self { classes: parameters.classes.clone(), views: parameters.views }
    }

    /// Human touches but impressions, which nobody is known to have seen.
    pub(in crate::reports) fn usual() -> Self {
        Self { classes: vec![TouchClass::Human], views: false }
    }

    /// Why a touch never counts, whenever it happened.
    pub(in crate::reports) fn excludes(&self, touch: &Touch) -> Option<Excluded> {
        if !self.classes.contains(&touch.class) {
            return Some(Excluded::Class(touch.class));
        }
        (touch.kind == TouchKind::View && !self.views).then_some(Excluded::View)
    }
}

/// Journeys of a chunk of owners.
#[derive(Debug)]
pub(in crate::reports) struct Journeys<'a> {
    facts: &'a Facts,
    touches: HashMap<TouchId, Touch>,
    by_visitor: HashMap<VisitorId, Vec<TouchId>>,
    /// Sorted journeys by the clusters that share them.
    journeys: HashMap<Vec<PersonId>, Vec<JourneyTouch>>,
}

impl<'a> Journeys<'a> {
    /// Reads the touches of these owners.
    pub(in crate::reports) fn load(
        conn: &mut Conn,
        facts: &'a Facts,
        owners: &[Owner<'_>],
        eligibility: &Eligibility,
    ) -> Result<Self, StoreError> {
        let wanted: BTreeSet<Vec<PersonId>> =
            owners.iter().flat_map(|o| &o.events).map(|e| facts.clusters_of(e)).collect();
        Self::of_clusters(conn, facts, wanted, eligibility)
    }

    /// Reads the touches of these clusters, or groups of them.
    pub(in crate::reports) fn of_clusters(
        conn: &mut Conn,
        facts: &'a Facts,
        wanted: BTreeSet<Vec<PersonId>>,
        eligibility: &Eligibility,
    ) -> Result<Self, StoreError> {
        let clusters: BTreeSet<PersonId> = wanted.iter().flatten().copied().collect();
        let mut chunk = Self { facts, touches: HashMap::new(), by_visitor: HashMap::new(), journeys: HashMap::new() };
        let clicks: Vec<TouchId> = clusters.iter().flat_map(|c| facts.people.clicks(*c)).collect();
        chunk.keep(touches::by_ids(conn, &clicks, &facts.moments)?);
        let visitors: Vec<VisitorId> = clusters.iter().flat_map(|c| facts.people.visitors(*c)).collect();
        let of_visitors = touches::by_visitors(conn, &visitors, &facts.moments)?;
        for touch in &of_visitors {
            if let Some(visitor) = touch.visitor {
                chunk.by_visitor.entry(visitor).or_default().push(touch.id);
            }
        }
        chunk.keep(of_visitors);
        for clusters in wanted {
            let all = chunk.touches_of_clusters(&clusters).filter(|t| eligibility.excludes(t).is_none());
            let mut list: Vec<JourneyTouch> = all.map(|t| chunk.journey_touch(t)).collect();
            sort_touches(&mut list);
            chunk.journeys.insert(clusters, list);
        }
        Ok(chunk)
    }

    /// The sorted eligible touches of clusters that were asked for.
    pub(in crate::reports) fn of(&self, clusters: &[PersonId]) -> &[JourneyTouch] {
        self.journeys.get(clusters).map_or(&[], Vec::as_slice)
    }

    /// A touch that some journey holds.
    pub(in crate::reports) fn touch(&self, id: TouchId) -> Option<&Touch> {
        self.touches.get(&id)
    }

    /// Every touch of an event's people, eligible or not, in no order.
    pub(in crate::reports) fn all_touches_of(&self, event: &StageEvent) -> Vec<&Touch> {
        let clusters = self.facts.clusters_of(event);
        let mut all: Vec<&Touch> = self.touches_of_clusters(&clusters).collect();
        all.sort_by_key(|t| (t.occurred_at, t.id));
        all.dedup_by_key(|t| t.id);
        all
    }

    fn touches_of_clusters(&self, clusters: &[PersonId]) -> impl Iterator<Item = &Touch> {
        let people = &self.facts.people;
        let clicks = clusters.iter().flat_map(|c| people.clicks(*c));
        let by_browser = clusters
            .iter()
            .flat_map(|c| people.visitors(*c))
            .filter_map(|v| self.by_visitor.get(&v))
            .flatten()
            .copied();
        clicks.chain(by_browser).filter_map(|id| self.touches.get(&id))
    }

    fn keep(&mut self, list: Vec<Touch>) {
        self.touches.extend(list.into_iter().map(|t| (t.id, t)));
    }

    fn journey_touch(&self, touch: &Touch) -> JourneyTouch {
        let labels = &self.facts.labels;
        let channel = labels.channel_of(super::super::labels::Origin::of(touch), touch.occurred_at);
        JourneyTouch {
            id: touch.id,
            at: touch.occurred_at,
            tie: tie_of(touch),
            channel,
            direct: labels.is_direct(channel, touch.occurred_at),
        }
    }
}

/// What orders touches of the same instant.
pub(in crate::reports) fn tie_of(touch: &Touch) -> String {
    touch.external_id.clone().unwrap_or_else(|| touch.id.to_string())
}

impl Book for Journeys<'_> {
    fn touches_of(&self, event: &StageEvent) -> &[JourneyTouch] {
        self.of(&self.facts.clusters_of(event))
    }

    fn milestones_of(&self, event: &StageEvent) -> Milestones {
        self.facts.milestones_of(event)
    }

    fn is_revenue(&self, purchase: &StageEvent) -> bool {
        self.facts.is_revenue(purchase)
    }

    fn sale_of(&self, refund: &StageEvent) -> Option<StageEventId> {
        self.facts.sale_of(refund)
    }
}
