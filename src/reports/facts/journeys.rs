//! The touches of some owners, and the journeys that they make.

use std::collections::{BTreeSet, HashMap};

use super::{Facts, Owner};
use crate::domain::attribution::journey::{JourneyTouch, Milestones, sort_touches};
use crate::domain::attribution::purchases::Book;
use crate::domain::ids::{PersonId, StageEventId, TouchId, VisitorId};
use crate::domain::stage::StageEvent;
use crate::domain::touch::{TouchClass, TouchKind};
use crate::reports::labels::Origin;
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
    /// In the order of ids.
    touches: Vec<Touch>,
    /// In order: each browser with the places of its touches.
    by_visitor: Vec<(VisitorId, usize)>,
    /// Sorted journeys and the clusters that share them, in the order of clusters.
    journeys: Vec<(Vec<PersonId>, Vec<JourneyTouch>)>,
    /// The place of each event's journey, and what stage models weigh of it.
    of_event: HashMap<StageEventId, (usize, Milestones)>,
}

impl<'a> Journeys<'a> {
    /// Reads the touches of these owners.
    pub(in crate::reports) fn load(
        conn: &mut Conn,
        facts: &'a Facts,
        owners: &[Owner<'_>],
        eligibility: &Eligibility,
    ) -> Result<Self, StoreError> {
        let events: Vec<(&StageEvent, Vec<PersonId>)> = owners
            .iter()
            .flat_map(|owner| owner.events.iter().map(|event| (*event, facts.clusters_with(&owner.who, event))))
            .collect();
        let wanted = events.iter().map(|(_, clusters)| clusters.clone()).collect();
        let mut chunk = Self::of_clusters(conn, facts, wanted, eligibility)?;
        chunk.of_event.reserve(events.len());
        for (event, clusters) in &events {
            if let Some(place) = chunk.place_of(clusters) {
                chunk.of_event.insert(event.id, (place, facts.milestones_of(event, clusters)));
            }
        }
        Ok(chunk)
    }

    /// Reads the touches of these clusters, or groups of them.
    pub(in crate::reports) fn of_clusters(
        conn: &mut Conn,
        facts: &'a Facts,
        wanted: BTreeSet<Vec<PersonId>>,
        eligibility: &Eligibility,
    ) -> Result<Self, StoreError> {
        let clusters: BTreeSet<PersonId> = wanted.iter().flatten().copied().collect();
        let touches = touches_of(conn, facts, &clusters)?;
        let browser = |(place, touch): (usize, &Touch)| touch.visitor.map(|v| (v, place));
        let mut by_visitor: Vec<(VisitorId, usize)> = touches.iter().enumerate().filter_map(browser).collect();
        by_visitor.sort_unstable();
        let mut chunk =
            Self { facts, touches, by_visitor, journeys: Vec::with_capacity(wanted.len()), of_event: HashMap::new() };
        for clusters in wanted {
            let all = chunk.touches_of_clusters(&clusters).filter(|t| eligibility.excludes(t).is_none());
            let mut list: Vec<JourneyTouch> = all.map(|t| chunk.journey_touch(t)).collect();
            sort_touches(&mut list);
            chunk.journeys.push((clusters, list));
        }
        Ok(chunk)
    }

    /// The sorted eligible touches of clusters that were asked for.
    pub(in crate::reports) fn of(&self, clusters: &[PersonId]) -> &[JourneyTouch] {
        self.at(self.place_of(clusters))
    }

    /// A touch that some journey holds.
    pub(in crate::reports) fn touch(&self, id: TouchId) -> Option<&Touch> {
        self.touches.binary_search_by_key(&id, |t| t.id).ok().and_then(|place| self.touches.get(place))
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
        let by_browser = clusters.iter().flat_map(|c| people.visitors(*c)).flat_map(|v| self.touches_of_visitor(v));
        clicks.chain(by_browser)
    }

    fn touches_of_visitor(&self, visitor: VisitorId) -> impl Iterator<Item = &Touch> {
        let from = self.by_visitor.partition_point(|(v, _)| *v < visitor);
        let rest = self.by_visitor.get(from..).unwrap_or_default().iter();
        rest.take_while(move |(v, _)| *v == visitor).filter_map(|(_, place)| self.touches.get(*place))
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

/// Every touch of some clusters, in the order of ids: those of their browsers, and clicks that are of none of these.
fn touches_of(conn: &mut Conn, facts: &Facts, clusters: &BTreeSet<PersonId>) -> Result<Vec<Touch>, StoreError> {
    let by_id = |touches: &mut Vec<Touch>| touches.sort_unstable_by_key(|t| t.id);
    let visitors: Vec<VisitorId> = clusters.iter().flat_map(|c| facts.people.visitors(*c)).collect();
    let mut touches = touches::by_visitors(conn, &visitors, &facts.moments)?;
    by_id(&mut touches);
    let clicks = clusters.iter().flat_map(|c| facts.people.clicks(*c));
    // A click is nearly always its browser's, and read already.
    let others: Vec<TouchId> = clicks.filter(|id| touches.binary_search_by_key(id, |t| t.id).is_err()).collect();
    touches.extend(touches::by_ids(conn, &others, &facts.moments)?);
    by_id(&mut touches);
    Ok(touches)
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
