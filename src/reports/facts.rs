//! The facts that attribution reads at one `as_of`: events, people, and the touches of people with events.
//!
//! The work grows with stage events, not with clicks: touches are fetched by
//! click id and by browser of the people concerned, never scanned.

use std::collections::{BTreeSet, HashMap};

use super::labels::{Labels, Origin};
use crate::domain::attribution::journey::{JourneyTouch, sort_touches};
use crate::domain::ids::{PersonId, StageEventId, TouchId, VisitorId};
use crate::domain::person::People;
use crate::domain::stage::{Source, Stage, StageEvent, Subject};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::touches::Touch;
use crate::store::{Conn, StoreError, identity, stage_events, touches};

/// Whose event it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Who {
    /// A person's, by cluster.
    Person(PersonId),
    /// A deal's whose people are not known yet.
    Subject(Subject),
    /// Nobody's that could be told.
    Event(StageEventId),
}

/// What a refund's parent may be: a subject or our own id, unique everywhere, or an event id, unique within its source.
#[derive(Debug, PartialEq, Eq, Hash)]
enum PurchaseName {
    Everywhere(String),
    Within(Source, String),
}

/// Everything about one `as_of`.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) labels: Labels,
    pub(super) people: People,
    /// In the order of (time, id).
    pub(super) events: Vec<StageEvent>,
    touches: HashMap<TouchId, Touch>,
    by_visitor: HashMap<VisitorId, Vec<TouchId>>,
    /// Sorted journeys by the clusters that share them.
    journeys: HashMap<Vec<PersonId>, Vec<JourneyTouch>>,
    /// Whose a purchase is, by everything that a refund's parent may name it by.
    purchase_owner: HashMap<PurchaseName, Who>,
}

impl Facts {
    pub(super) fn load(conn: &mut Conn, as_of: UtcMillis) -> Result<Self, StoreError> {
        let labels = Labels::load(conn, as_of)?;
        let mut people = People::resolve(&identity::facts(conn, as_of)?);
        let events = stage_events::visible(conn, UtcMillis(i64::MAX), as_of)?;
        let mut facts = Self {
            labels,
            people: People::default(),
            events,
            touches: HashMap::new(),
            by_visitor: HashMap::new(),
            journeys: HashMap::new(),
            purchase_owner: HashMap::new(),
        };
        let clusters = clusters_with_events(&people, &facts.events);
        let clicks: Vec<TouchId> = clusters.iter().flat_map(|c| people.clicks(*c)).collect();
        facts.keep(touches::by_ids(conn, &clicks, as_of)?);
        people.adopt_visitors(&facts.touches.values().filter_map(|t| Some((t.id, t.visitor?))).collect());
        let visitors: Vec<VisitorId> = clusters.iter().flat_map(|c| people.visitors(*c)).collect();
        let of_visitors = touches::by_visitors(conn, &visitors, as_of)?;
        for touch in &of_visitors {
            if let Some(visitor) = touch.visitor {
                facts.by_visitor.entry(visitor).or_default().push(touch.id);
            }
        }
        facts.keep(of_visitors);
        facts.people = people;
        facts.prepare_journeys();
        Ok(facts)
    }

    /// Whose event it is; a refund is its sale's, whoever sent it.
    pub(super) fn who(&self, event: &StageEvent) -> Who {
        let sold_to = event.parent.as_ref().filter(|_| event.stage == Stage::Refund).and_then(|parent| {
            let within = PurchaseName::Within(event.source.clone(), parent.clone());
            self.purchase_owner
                .get(&PurchaseName::Everywhere(parent.clone()))
                .or_else(|| self.purchase_owner.get(&within))
        });
        if let Some(owner) = sold_to {
            return owner.clone();
        }
        self.direct_owner(event)
    }

    /// The sorted touches of an event: its person's, and for a deal those of all its people.
    pub(super) fn touches_of(&self, event: &StageEvent) -> &[JourneyTouch] {
        self.journeys.get(&self.clusters_of(event)).map_or(&[], Vec::as_slice)
    }

    /// A touch that some journey holds.
    pub(super) fn touch(&self, id: TouchId) -> Option<&Touch> {
        self.touches.get(&id)
    }

    fn direct_owner(&self, event: &StageEvent) -> Who {
        if let Some(person) = event.person {
            return Who::Person(self.people.cluster(person));
        }
        match &event.subject {
            Some(subject) => match self.people.of_subject(subject).next() {
                Some(person) => Who::Person(person),
                None => Who::Subject(subject.clone()),
            },
            None => Who::Event(event.id),
        }
    }

    fn clusters_of(&self, event: &StageEvent) -> Vec<PersonId> {
        let mut clusters = BTreeSet::new();
        if let Who::Person(person) = self.who(event) {
            clusters.insert(person);
        }
        let is_deal =
            event.stage.is_purchase() || matches!(event.stage, Stage::Opportunity | Stage::Refund | Stage::Lost);
        if let Some(subject) = event.subject.as_ref().filter(|_| is_deal) {
            clusters.extend(self.people.of_subject(subject));
        }
        clusters.into_iter().collect()
    }

    fn keep(&mut self, list: Vec<Touch>) {
        self.touches.extend(list.into_iter().map(|t| (t.id, t)));
    }

    fn prepare_journeys(&mut self) {
        for event in self.events.iter().filter(|e| e.stage.is_purchase()) {
            let owner = self.direct_owner(event);
            let names = [
                Some(PurchaseName::Within(event.source.clone(), event.event_id.clone())),
                Some(PurchaseName::Everywhere(event.id.to_string())),
                event.subject.as_ref().map(|s| PurchaseName::Everywhere(s.as_str().to_owned())),
            ];
            for name in names.into_iter().flatten() {
                self.purchase_owner.entry(name).or_insert_with(|| owner.clone());
            }
        }
        let wanted: BTreeSet<Vec<PersonId>> = self.events.iter().map(|e| self.clusters_of(e)).collect();
        for clusters in wanted {
            let mut list: Vec<JourneyTouch> = clusters.iter().flat_map(|c| self.cluster_touches(*c)).collect();
            sort_touches(&mut list);
            self.journeys.insert(clusters, list);
        }
    }

    fn cluster_touches(&self, cluster: PersonId) -> impl Iterator<Item = JourneyTouch> + '_ {
        let by_browser = self.people.visitors(cluster).filter_map(|v| self.by_visitor.get(&v)).flatten().copied();
        self.people
            .clicks(cluster)
            .chain(by_browser)
            .filter_map(|id| self.touches.get(&id))
            .filter(|t| is_eligible(t))
            .map(|t| {
                let origin = Origin { link: t.link, channel: t.channel, campaign: t.campaign };
                JourneyTouch {
                    id: t.id,
                    at: t.occurred_at,
                    tie: t.external_id.clone().unwrap_or_else(|| t.id.to_string()),
                    direct: self.labels.is_direct(self.labels.channel_of(origin, t.occurred_at), t.occurred_at),
                }
            })
    }
}

/// Human touches but impressions, which nobody is known to have seen.
fn is_eligible(touch: &Touch) -> bool {
    touch.class == TouchClass::Human && touch.kind != TouchKind::View
}

fn clusters_with_events(people: &People, events: &[StageEvent]) -> BTreeSet<PersonId> {
    let own = events.iter().filter_map(|e| e.person).map(|p| people.cluster(p));
    let of_subjects = events.iter().filter_map(|e| e.subject.as_ref()).flat_map(|s| people.of_subject(s));
    own.chain(of_subjects).collect()
}
