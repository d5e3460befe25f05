//! The facts that attribution reads: labels, people and stage events as a whole, journeys in chunks of owners.
//!
//! The work grows with stage events, not with clicks: touches are fetched by
//! click id and by browser of the people concerned, never scanned; and memory
//! holds the touches of one chunk of people at a time.

mod chunks;
mod journeys;
mod parents;
mod people;
mod sales;
mod touches;

pub(super) use chunks::for_each_chunk;
pub(super) use journeys::{Journeys, Read};
pub use people::people;
pub(super) use touches::{Eligibility, Excluded};

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::thread;

use self::parents::Parents;
use self::sales::Sales;
use super::labels::Labels;
use crate::domain::attribution::journey::Milestones;
use crate::domain::ids::{PersonId, StageEventId};
use crate::domain::person::People;
use crate::domain::stage::{Stage, StageEvent, Subject};
use crate::domain::time::UtcMillis;
use crate::store::{Conn, Moments, StoreError, stage_events};

/// How many parents are followed from one event to whose it is.
const PARENTS_MAX: usize = 4;

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
    /// Whose each event is, with its place among the events; in order.
    owned: Vec<(Who, usize)>,
    sales: Sales,
    parents: Parents,
    milestones: HashMap<PersonId, Milestones>,
    /// What people said led them here, in the order of time.
    answers: HashMap<PersonId, Vec<(UtcMillis, String)>>,
    /// The first opportunity of each deal.
    deals: HashMap<Subject, (UtcMillis, StageEventId)>,
}

impl Facts {
    pub(super) fn load(conn: &mut Conn, moments: &Moments) -> Result<Self, StoreError> {
        let labels = Labels::load(conn, moments)?;
        let told = people::told(conn, moments)?;
        // Who is who is found out while the events are read.
        let (people, events) = thread::scope(|scope| {
            let people = scope.spawn(|| People::resolve(&told));
            let events = stage_events::visible(conn, moments);
            (people.join().unwrap_or_else(|panic| resume_unwind(panic)), events)
        });
        drop(told);
        let mut facts = Self {
            moments: *moments,
            labels,
            people,
            events: events?,
            owned: Vec::new(),
            sales: Sales::default(),
            parents: Parents::default(),
            milestones: HashMap::new(),
            answers: HashMap::new(),
            deals: HashMap::new(),
        };
        facts.parents = Parents::of(&facts.events);
        let mut owners: Vec<Who> = facts.events.iter().map(|e| facts.direct_owner(e)).collect();
        facts.note_milestones(&owners);
        let purchases = || facts.events.iter().zip(&owners).filter(|(e, _)| e.stage.is_purchase());
        let mut sales = Sales::default();
        let needs_names = facts.events.iter().any(|e| e.stage == Stage::Refund && e.parent.is_some());
        sales.read(&purchases().map(|(event, _)| event).collect::<Vec<_>>(), needs_names);
        sales.owner = purchases().map(|(event, who)| (event.id, who.clone())).collect();
        facts.sales = sales;
        for (event, who) in facts.events.iter().zip(&mut owners).filter(|(e, _)| e.stage == Stage::Refund) {
            *who = facts.who(event);
        }
        facts.owned = owners.into_iter().enumerate().map(|(place, who)| (who, place)).collect();
        facts.owned.sort_unstable();
        Ok(facts)
    }

    /// Everybody who has stage events, in a fixed order.
    pub(super) fn owners(&self) -> Vec<Owner<'_>> {
        let owner = |owned: &[(Who, usize)]| {
            let events = owned.iter().filter_map(|(_, place)| self.events.get(*place)).collect();
            owned.first().map(|(who, _)| Owner { who: who.clone(), events })
        };
        self.owned.chunk_by(|(a, _), (b, _)| a == b).filter_map(owner).collect()
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
        self.clusters_with(&self.who(event), event)
    }

    /// [`Self::clusters_of`], where it is known whose the event is.
    fn clusters_with(&self, who: &Who, event: &StageEvent) -> Vec<PersonId> {
        let mut clusters = Vec::with_capacity(1);
        if let Who::Person(person) = who {
            clusters.push(*person);
        }
        let is_deal =
            event.stage.is_purchase() || matches!(event.stage, Stage::Opportunity | Stage::Refund | Stage::Lost);
        if is_deal {
            if let Some(subject) = &event.subject {
                clusters.extend(self.people.of_subject(subject));
            }
            // An invoice that names nobody is its subscription's, and so are the people of that.
            if event.person.is_none()
                && let Some(parent) = subject_of_parent(event)
            {
                clusters.extend(self.people.of_subject(&parent));
            }
            clusters.sort_unstable();
            clusters.dedup();
        }
        clusters
    }

    /// When the clusters of an event first entered each stage; its own deal says when it became an opportunity.
    fn milestones_of(&self, event: &StageEvent, clusters: &[PersonId]) -> Milestones {
        let mut all = Milestones::default();
        for cluster in clusters {
            let Some(own) = self.milestones.get(cluster) else { continue };
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

    fn note_milestones(&mut self, owners: &[Who]) {
        for (event, who) in self.events.iter().zip(owners) {
            let at = Some(event.occurred_at);
            if event.stage == Stage::Opportunity
                && let Some(subject) = &event.subject
            {
                // Events come in their order, so the first is the earliest.
                self.deals.entry(subject.clone()).or_insert((event.occurred_at, event.id));
            }
            let Who::Person(person) = who else { continue };
            if let Some(answer) = &event.self_reported {
                self.answers.entry(*person).or_default().push((event.occurred_at, answer.clone()));
            }
            let own = self.milestones.entry(*person).or_default();
            match event.stage {
                Stage::Lead => own.lead = earlier(own.lead, at),
                Stage::Opportunity => own.opportunity = earlier(own.opportunity, at),
                Stage::Customer | Stage::Sale => own.customer = earlier(own.customer, at),
                _ => {}
            }
        }
    }

    fn direct_owner(&self, event: &StageEvent) -> Who {
        self.owner_by_parents(event, PARENTS_MAX)
    }

    /// Whose event it is: its person's, its subject's, its parent's. Without a person, everything of one parent is one
    /// owner's: the invoices of a subscription are one customer, whoever that is.
    fn owner_by_parents(&self, event: &StageEvent, steps: usize) -> Who {
        if let Some(person) = event.person {
            return Who::Person(self.people.cluster(person));
        }
        let of_subject = |subject: &Subject| self.people.of_subject(subject).next();
        let known = self.people.of_event(event.id).or_else(|| event.subject.as_ref().and_then(of_subject));
        if let Some(person) = known {
            return Who::Person(person);
        }
        if let Some(parent) = self.parents.of_child(event).filter(|_| steps > 0).and_then(|p| self.events.get(p)) {
            return self.owner_by_parents(parent, steps - 1);
        }
        match (subject_of_parent(event), &event.subject) {
            (Some(parent), _) => of_subject(&parent).map_or(Who::Subject(parent), Who::Person),
            (None, Some(subject)) => Who::Subject(subject.clone()),
            (None, None) => Who::Event(event.id),
        }
    }
}

/// The subject that an event's parent names, if it has the form of one.
fn subject_of_parent(event: &StageEvent) -> Option<Subject> {
    event.parent.as_deref().and_then(|parent| Subject::parse(parent).ok())
}

fn earlier(a: Option<UtcMillis>, b: Option<UtcMillis>) -> Option<UtcMillis> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
