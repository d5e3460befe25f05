//! The facts that attribution reads: labels, people and stage events as a whole, journeys in chunks of owners.
//!
//! The work grows with stage events, not with clicks: touches are fetched by
//! click id and by browser of the people concerned, never scanned; and memory
//! holds the touches of one chunk of people at a time.

mod journeys;
mod people;
mod sales;

pub(super) use journeys::{Eligibility, Excluded, Journeys, tie_of};
pub use people::people;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::sales::Sales;
use super::labels::Labels;
use crate::domain::attribution::journey::Milestones;
use crate::domain::ids::{PersonId, StageEventId};
use crate::domain::person::People;
use crate::domain::stage::{Stage, StageEvent, Subject};
use crate::domain::time::UtcMillis;
use crate::store::{Conn, Moments, StoreError, stage_events};

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

/// Somebody with all their stage events, in the order of (time, id).
#[derive(Debug)]
pub(super) struct Owner<'a> {
    pub(super) who: Who,
    pub(super) events: Vec<&'a StageEvent>,
}

/// Everything but touches.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) moments: Moments,
    pub(super) labels: Labels,
    pub(super) people: People,
    /// In the order of (time, id).
    pub(super) events: Vec<StageEvent>,
    sales: Sales,
    milestones: HashMap<PersonId, Milestones>,
    /// What people said led them here, in the order of time.
    answers: HashMap<PersonId, Vec<(UtcMillis, String)>>,
    /// The first opportunity of each deal.
    deals: HashMap<Subject, (UtcMillis, StageEventId)>,
}

impl Facts {
    pub(super) fn load(conn: &mut Conn, moments: &Moments) -> Result<Self, StoreError> {
        let mut facts = Self {
            moments: *moments,
            labels: Labels::load(conn, moments)?,
            people: people(conn, moments)?,
            events: stage_events::visible(conn, UtcMillis(i64::MAX), moments)?,
            sales: Sales::default(),
            milestones: HashMap::new(),
            answers: HashMap::new(),
            deals: HashMap::new(),
        };
        let purchases: Vec<&StageEvent> = facts.events.iter().filter(|e| e.stage.is_purchase()).collect();
        let mut sales = Sales::default();
        sales.read(&purchases);
        sales.owner = purchases.iter().map(|e| (e.id, facts.direct_owner(e))).collect();
        facts.sales = sales;
        facts.note_milestones();
        Ok(facts)
    }

    /// Everybody who has stage events, in a fixed order.
    pub(super) fn owners(&self) -> Vec<Owner<'_>> {
        let mut by_who: BTreeMap<Who, Vec<&StageEvent>> = BTreeMap::new();
        for event in &self.events {
            by_who.entry(self.who(event)).or_default().push(event);
        }
        by_who.into_iter().map(|(who, events)| Owner { who, events }).collect()
    }

    /// Whose event it is; a refund is its sale's, whoever sent it.
    pub(super) fn who(&self, event: &StageEvent) -> Who {
        let sale = self.sale_of(event).filter(|_| event.stage == Stage::Refund);
        if let Some(owner) = sale.and_then(|id| self.sales.owner.get(&id)) {
            return owner.clone();
        }
        self.direct_owner(event)
    }

    /// Whether the event is the one revenue fact of its order, invoice or deal.
    pub(super) fn is_revenue(&self, purchase: &StageEvent) -> bool {
        self.sales.revenue.contains(&purchase.id)
    }

    /// The sale that a refund's parent names.
    pub(super) fn sale_of(&self, refund: &StageEvent) -> Option<StageEventId> {
        self.sales.of_refund(refund)
    }

    /// The clusters whose touches led to an event: its person's, and those of everybody on its deal.
    pub(super) fn clusters_of(&self, event: &StageEvent) -> Vec<PersonId> {
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

    /// When the people of an event first entered each stage; its own deal says when it became an opportunity.
    pub(super) fn milestones_of(&self, event: &StageEvent) -> Milestones {
        let mut all = Milestones::default();
        for cluster in self.clusters_of(event) {
            let Some(own) = self.milestones.get(&cluster) else { continue };
            all.lead = earlier(all.lead, own.lead);
            all.opportunity = earlier(all.opportunity, own.opportunity);
            all.customer = earlier(all.customer, own.customer);
        }
        let of_deal = event.subject.as_ref().and_then(|s| self.deals.get(s)).map(|(at, _)| *at);
        Milestones { opportunity: of_deal.or(all.opportunity), ..all }
    }

    /// What an event's person said led them here: with the event, else the last they said before it.
    pub(super) fn answer_of<'a>(&'a self, event: &'a StageEvent) -> Option<&'a str> {
        if let Some(answer) = &event.self_reported {
            return Some(answer);
        }
        let clusters = self.clusters_of(event);
        let answers = clusters.iter().filter_map(|c| self.answers.get(c)).flatten();
        answers.filter(|(at, _)| *at <= event.occurred_at).max_by_key(|(at, _)| *at).map(|(_, answer)| answer.as_str())
    }

    /// Whether an opportunity is its deal's first.
    pub(super) fn begins_deal(&self, deal: &Subject, event: &StageEvent) -> bool {
        self.deals.get(deal).is_some_and(|(_, first)| *first == event.id)
    }

    fn note_milestones(&mut self) {
        for event in &self.events {
            let at = Some(event.occurred_at);
            if event.stage == Stage::Opportunity
                && let Some(subject) = &event.subject
            {
                // Events come in their order, so the first is the earliest.
                self.deals.entry(subject.clone()).or_insert((event.occurred_at, event.id));
            }
            let Who::Person(person) = self.direct_owner(event) else { continue };
            if let Some(answer) = &event.self_reported {
                self.answers.entry(person).or_default().push((event.occurred_at, answer.clone()));
            }
            let own = self.milestones.entry(person).or_default();
            match event.stage {
                Stage::Lead => own.lead = earlier(own.lead, at),
                Stage::Opportunity => own.opportunity = earlier(own.opportunity, at),
                Stage::Customer | Stage::Sale => own.customer = earlier(own.customer, at),
                _ => {}
            }
        }
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
}

fn earlier(a: Option<UtcMillis>, b: Option<UtcMillis>) -> Option<UtcMillis> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
