//! The facts that attribution reads at one `as_of`: events, people, and the touches of people with events.
//!
//! The work grows with stage events, not with clicks: touches are fetched by
//! click id and by browser of the people concerned, never scanned.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::labels::{Labels, Origin};
use crate::domain::attribution::journey::{JourneyTouch, sort_touches};
use crate::domain::attribution::purchases::Book;
use crate::domain::ids::{PersonId, StageEventId, TouchId, VisitorId};
use crate::domain::person::{IdentityFact, JoinKey, People};
use crate::domain::stage::{Source, Stage, StageEvent, Subject};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::touches::Touch;
use crate::store::{Conn, Moments, StoreError, identity, stage_events, touches};

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
enum SaleName {
    Everywhere(String),
    Within(Source, String),
}

/// Which purchases are revenue facts, and by which names refunds find them.
#[derive(Debug, Default)]
struct Sales {
    revenue: HashSet<StageEventId>,
    by_name: HashMap<SaleName, StageEventId>,
    owner: HashMap<StageEventId, Who>,
}

impl Sales {
    /// Reads the purchases in their order: one revenue fact per (source, order, invoice or deal), the first that was told.
    fn read(&mut self, purchases: &[&StageEvent]) {
        let mut told: HashMap<(&Source, &Subject), StageEventId> = HashMap::new();
        for event in purchases.iter().filter(|e| e.counts_revenue && e.value.is_some_and(|m| m.minor != 0)) {
            let fact = match &event.subject {
                Some(subject) => *told.entry((&event.source, subject)).or_insert(event.id),
                None => event.id,
            };
            if fact == event.id {
                self.revenue.insert(fact);
            }
            self.name(event, fact);
        }
        // What tells no money names its sale only where nothing better does.
        for event in purchases {
            let key = event.subject.as_ref().map(|subject| (&event.source, subject));
            self.name(event, key.and_then(|k| told.get(&k).copied()).unwrap_or(event.id));
        }
    }

    fn name(&mut self, event: &StageEvent, fact: StageEventId) {
        let names = [
            Some(SaleName::Within(event.source.clone(), event.event_id.clone())),
            Some(SaleName::Everywhere(event.id.to_string())),
            event.subject.as_ref().map(|s| SaleName::Everywhere(s.as_str().to_owned())),
        ];
        for name in names.into_iter().flatten() {
            self.by_name.entry(name).or_insert(fact);
        }
    }

    fn of_refund(&self, refund: &StageEvent) -> Option<StageEventId> {
        let parent = refund.parent.as_ref()?;
        // A subject may be written in another case than it is stored in.
        let subject = Subject::parse(parent).ok().map(|s| SaleName::Everywhere(s.as_str().to_owned()));
        let names = [
            Some(SaleName::Everywhere(parent.clone())),
            subject,
            Some(SaleName::Within(refund.source.clone(), parent.clone())),
        ];
        names.into_iter().flatten().find_map(|name| self.by_name.get(&name).copied())
    }
}

/// The clusters at one `as_of`. A click is its browser's, too: where its touch is known, the browser's join stands
/// behind the click's, so that it does not matter whether the touch or its conversion was loaded first.
pub fn people(conn: &mut Conn, as_of: UtcMillis) -> Result<People, StoreError> {
    let moments = Moments::all(as_of);
    let facts = identity::facts(conn, &moments)?;
    let click = |fact: &IdentityFact| match fact {
        IdentityFact::Join { key: JoinKey::Click(id), .. } => Some(*id),
        _ => None,
    };
    let clicks: Vec<TouchId> = facts.iter().filter_map(|(_, fact)| click(fact)).collect();
    let known = touches::by_ids(conn, &clicks, &moments)?;
    let browser_of: HashMap<TouchId, VisitorId> = known.into_iter().filter_map(|t| Some((t.id, t.visitor?))).collect();
    let mut told = Vec::with_capacity(facts.len());
    for (at, fact) in facts {
        let browser = match &fact {
            IdentityFact::Join { person, key: JoinKey::Click(id) } => browser_of
                .get(id)
                .map(|visitor| IdentityFact::Join { person: *person, key: JoinKey::Visitor(*visitor) }),
            _ => None,
        };
        told.push((at, fact));
        told.extend(browser.map(|fact| (at, fact)));
    }
    Ok(People::resolve(&told))
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
    sales: Sales,
}

impl Facts {
    pub(super) fn load(conn: &mut Conn, as_of: UtcMillis) -> Result<Self, StoreError> {
        let moments = Moments::all(as_of);
        let labels = Labels::load(conn, &moments)?;
        let people = people(conn, as_of)?;
        let events = stage_events::visible(conn, UtcMillis(i64::MAX), &moments)?;
        let mut facts = Self {
            labels,
            people: People::default(),
            events,
            touches: HashMap::new(),
            by_visitor: HashMap::new(),
            journeys: HashMap::new(),
            sales: Sales::default(),
        };
        let clusters = clusters_with_events(&people, &facts.events);
        let clicks: Vec<TouchId> = clusters.iter().flat_map(|c| people.clicks(*c)).collect();
        facts.keep(touches::by_ids(conn, &clicks, &moments)?);
        let visitors: Vec<VisitorId> = clusters.iter().flat_map(|c| people.visitors(*c)).collect();
        let of_visitors = touches::by_visitors(conn, &visitors, &moments)?;
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
        let sale = self.sales.of_refund(event).filter(|_| event.stage == Stage::Refund);
        if let Some(owner) = sale.and_then(|id| self.sales.owner.get(&id)) {
            return owner.clone();
        }
        self.direct_owner(event)
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
        let purchases: Vec<&StageEvent> = self.events.iter().filter(|e| e.stage.is_purchase()).collect();
        let mut sales = Sales::default();
        sales.read(&purchases);
        sales.owner = purchases.iter().map(|e| (e.id, self.direct_owner(e))).collect();
        self.sales = sales;
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
                let channel = self.labels.channel_of(origin, t.occurred_at);
                JourneyTouch {
                    id: t.id,
                    at: t.occurred_at,
                    tie: t.external_id.clone().unwrap_or_else(|| t.id.to_string()),
                    channel,
                    direct: self.labels.is_direct(channel, t.occurred_at),
                }
            })
    }
}

impl Book for Facts {
    fn touches_of(&self, event: &StageEvent) -> &[JourneyTouch] {
        self.journeys.get(&self.clusters_of(event)).map_or(&[], Vec::as_slice)
    }

    fn is_revenue(&self, purchase: &StageEvent) -> bool {
        self.sales.revenue.contains(&purchase.id)
    }

    fn sale_of(&self, refund: &StageEvent) -> Option<StageEventId> {
        self.sales.of_refund(refund)
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
