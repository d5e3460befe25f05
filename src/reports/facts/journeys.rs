//! The journeys that the touches of some owners make.

use std::collections::HashMap;

use super::touches::{Eligibility, Span, Touches};
use super::{Facts, Owner};
use crate::domain::attribution::journey::{JourneyTouch, Milestones, sort_touches};
use crate::domain::attribution::purchases::Book;
use crate::domain::ids::{PersonId, StageEventId, TouchId};
use crate::domain::stage::StageEvent;
use crate::reports::labels::Origin;
use crate::store::touches::Touch;
use crate::store::{Conn, StoreError};

/// The touches of some owners as they were read, in journeys' making.
#[derive(Debug)]
pub(in crate::reports) struct Read<'a> {
    facts: &'a Facts,
    /// The events of the owners, and whose touches led to each.
    events: Vec<(&'a StageEvent, Vec<PersonId>)>,
    touches: Touches,
}

impl<'a> Read<'a> {
    /// Reads the touches of these owners.
    pub(in crate::reports) fn of_owners(
        conn: &mut Conn,
        facts: &'a Facts,
        owners: &[Owner<'a>],
        eligibility: &Eligibility,
    ) -> Result<Self, StoreError> {
        let events: Vec<(&StageEvent, Vec<PersonId>)> = owners
            .iter()
            .flat_map(|owner| owner.events.iter().map(|event| (*event, facts.clusters_with(&owner.who, event))))
            .collect();
        let span = |(event, clusters): &'_ (&StageEvent, Vec<PersonId>)| {
            let span = eligibility.span(event);
            clusters.iter().map(|c| (*c, span)).collect::<Vec<_>>()
        };
        let clusters = events.iter().flat_map(span).collect();
        let touches = Touches::of_clusters(conn, facts, clusters, eligibility)?;
        Ok(Self { facts, events, touches })
    }

    /// Makes the journeys.
    pub(in crate::reports) fn into_journeys(self, eligibility: &Eligibility) -> Journeys<'a> {
        let wanted = self.events.iter().map(|(_, clusters)| clusters.clone()).collect();
        let mut chunk = Journeys::new(self.facts, self.touches);
        chunk.make(wanted, eligibility);
        chunk.of_event.reserve(self.events.len());
        for (event, clusters) in &self.events {
            if let Some(place) = chunk.place_of(clusters) {
                chunk.of_event.insert(event.id, (place, chunk.facts.milestones_of(event, clusters)));
            }
        }
        chunk
    }
}

/// Journeys of a chunk of owners.
#[derive(Debug)]
pub(in crate::reports) struct Journeys<'a> {
    facts: &'a Facts,
    touches: Touches,
    /// Sorted journeys and the clusters that share them, in the order of clusters.
    journeys: Vec<(Vec<PersonId>, Vec<JourneyTouch>)>,
    /// The place of each event's journey, and what stage models weigh of it.
    of_event: HashMap<StageEventId, (usize, Milestones)>,
}

impl<'a> Journeys<'a> {
    /// Reads the touches of these clusters, or groups of them, in any order, between two instants.
    pub(in crate::reports) fn of_clusters(
        conn: &mut Conn,
        facts: &'a Facts,
        wanted: Vec<Vec<PersonId>>,
        span: Span,
        eligibility: &Eligibility,
    ) -> Result<Self, StoreError> {
        let clusters = wanted.iter().flatten().map(|c| (*c, span)).collect();
        let mut chunk = Self::new(facts, Touches::of_clusters(conn, facts, clusters, eligibility)?);
        chunk.make(wanted, eligibility);
        Ok(chunk)
    }

    /// Without journeys yet.
    fn new(facts: &'a Facts, touches: Touches) -> Self {
        Self { facts, touches, journeys: Vec::new(), of_event: HashMap::new() }
    }

    /// Makes the journeys of these clusters, or groups of them.
    fn make(&mut self, mut wanted: Vec<Vec<PersonId>>, eligibility: &Eligibility) {
        wanted.sort_unstable();
        wanted.dedup();
        self.journeys.reserve(wanted.len());
        for clusters in wanted {
            let all = self.touches_of_clusters(&clusters).filter(|t| eligibility.excludes(t).is_none());
            let mut list: Vec<JourneyTouch> = all.map(|t| self.journey_touch(t)).collect();
            sort_touches(&mut list);
            self.journeys.push((clusters, list));
        }
    }

    /// The sorted eligible touches of clusters that were asked for.
    pub(in crate::reports) fn of(&self, clusters: &[PersonId]) -> &[JourneyTouch] {
        self.at(self.place_of(clusters))
    }

    /// A touch that some journey holds.
    pub(in crate::reports) fn touch(&self, id: TouchId) -> Option<&Touch> {
        self.touches.get(self.number_of(id)?)
    }

    /// The number of a touch in this chunk, from 0 to below [`Self::len`].
    pub(in crate::reports) fn number_of(&self, id: TouchId) -> Option<usize> {
        self.touches.number_of(id)
    }

    /// How many touches there are in this chunk.
    pub(in crate::reports) fn len(&self) -> usize {
        self.touches.len()
    }

    /// Every touch of an event's people, eligible or not, in no order.
    pub(in crate::reports) fn all_touches_of(&self, event: &StageEvent) -> Vec<&Touch> {
        let clusters = self.facts.clusters_of(event);
        let mut all: Vec<&Touch> = self.touches_of_clusters(&clusters).collect();
        all.sort_by_key(|t| (t.occurred_at, t.id));
        all.dedup_by_key(|t| t.id);
        all
    }

    fn place_of(&self, clusters: &[PersonId]) -> Option<usize> {
        self.journeys.binary_search_by(|(own, _)| own.as_slice().cmp(clusters)).ok()
    }

    fn at(&self, place: Option<usize>) -> &[JourneyTouch] {
        place.and_then(|place| self.journeys.get(place)).map_or(&[], |(_, list)| list.as_slice())
    }

    fn touches_of_clusters(&self, clusters: &[PersonId]) -> impl Iterator<Item = &Touch> {
        let people = &self.facts.people;
        let clicks = clusters.iter().flat_map(|c| people.clicks(*c)).filter_map(|id| self.touch(id));
        let by_browser = clusters.iter().flat_map(|c| people.visitors(*c)).flat_map(|v| self.touches.of_visitor(v));
        clicks.chain(by_browser)
    }

    fn journey_touch(&self, touch: &Touch) -> JourneyTouch {
        let labels = &self.facts.labels;
        let channel = labels.channel_of(Origin::of(touch), touch.occurred_at);
        JourneyTouch {
            id: touch.id,
            at: touch.occurred_at,
            tie: touch.external_id.clone().unwrap_or_default(),
            channel,
            direct: labels.is_direct(channel, touch.occurred_at),
        }
    }
}

impl Book for Journeys<'_> {
    fn touches_of(&self, event: &StageEvent) -> &[JourneyTouch] {
        self.at(self.of_event.get(&event.id).map(|(place, _)| *place))
    }

    fn milestones_of(&self, event: &StageEvent) -> Milestones {
        self.of_event.get(&event.id).map(|(_, milestones)| *milestones).unwrap_or_default()
    }

    fn is_revenue(&self, purchase: &StageEvent) -> bool {
        self.facts.is_revenue(purchase)
    }

    fn sale_of(&self, refund: &StageEvent) -> Option<StageEventId> {
        self.facts.sale_of(refund)
    }
}
