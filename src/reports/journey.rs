//! One person's journey: touches and stage events in order, for a page or an API call.

use super::ReportError;
use super::facts::{Eligibility, Facts, Journeys, Owner, Read, Who};
use super::labels::Origin;
use crate::domain::attribution::purchases::Book;
use crate::domain::ids::{PersonId, StageEventId, TouchId};
use crate::domain::money::Money;
use crate::domain::stage::Stage;
use crate::domain::time::UtcMillis;
use crate::domain::touch::TouchKind;
use crate::store::{Conn, Moments, StoreError, ledger};

/// A step of a journey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A contact with a channel.
    Touch {
        /// The touch.
        id: TouchId,
        /// What it was.
        kind: TouchKind,
        /// The channel's code, if it has one.
        channel: Option<String>,
        /// The link's slug, if it has one.
        link: Option<String>,
        /// The network's form and ad, of a lead given inside it.
        form: Option<String>,
        /// Whether another person brought the same click id first.
        shared: bool,
    },
    /// A stage entered.
    Stage {
        /// The event.
        id: StageEventId,
        /// Which stage.
        stage: Stage,
        /// Who told it.
        source: String,
        /// The teller's id of it.
        event_id: String,
        /// What it was worth.
        value: Option<Money>,
    },
}

/// A person with everything that led to their stage events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonJourney {
    /// The cluster's name: its oldest person.
    pub person: PersonId,
    /// The persons of the cluster, oldest first: those an unmerge names.
    pub members: Vec<PersonId>,
    /// Steps, oldest first; a touch at the instant of an event comes before it.
    pub steps: Vec<(UtcMillis, Step)>,
}

/// The journey of one person, by any person id of the cluster.
pub fn of_person(conn: &mut Conn, person: PersonId) -> Result<PersonJourney, ReportError> {
    let moments = Moments::all(ledger::horizon(conn)?);
    let facts = Facts::load(conn, &moments)?;
    let who = Who::Person(facts.people.cluster(person));
    let owners: Vec<Owner<'_>> = facts.owners().into_iter().filter(|o| o.who == who).collect();
    journeys(conn, &facts, &owners)?
        .pop()
        .ok_or_else(|| StoreError::NotFound(format!("a person {person} with stage events")).into())
}

/// The people with the newest stage events, newest first.
pub fn latest(conn: &mut Conn, limit: usize) -> Result<Vec<PersonJourney>, ReportError> {
    let moments = Moments::all(ledger::horizon(conn)?);
    let facts = Facts::load(conn, &moments)?;
    let mut owners = facts.owners();
    owners.retain(|o| matches!(o.who, Who::Person(_)));
    owners.sort_by_key(|o| std::cmp::Reverse(o.events.last().map(|e| (e.occurred_at, e.id))));
    owners.truncate(limit);
    Ok(journeys(conn, &facts, &owners)?)
}

/// The journeys of persons.
fn journeys<'a>(conn: &mut Conn, facts: &'a Facts, owners: &[Owner<'a>]) -> Result<Vec<PersonJourney>, StoreError> {
    let eligibility = Eligibility::usual();
    let touches = Read::of_owners(conn, facts, owners, &eligibility)?.into_journeys(&eligibility);
    Ok(owners.iter().filter_map(|owner| journey(facts, &touches, owner)).collect())
}

fn journey(facts: &Facts, journeys: &Journeys<'_>, owner: &Owner<'_>) -> Option<PersonJourney> {
    let Who::Person(person) = owner.who else { return None };
    let mut steps = Vec::new();
    let mut touches: Vec<_> = owner.events.iter().flat_map(|e| journeys.touches_of(e)).collect();
    touches.sort_by(|a, b| a.in_order(b));
    touches.dedup_by_key(|t| t.id);
    for touch in touches.iter().filter_map(|t| journeys.touch(t.id)) {
        let channel = facts.labels.channel_of(Origin::of(touch), touch.occurred_at);
        steps.push((
            touch.occurred_at,
            Step::Touch {
                id: touch.id,
                kind: touch.kind,
                channel: channel.and_then(|id| facts.labels.channel_code(id)).map(str::to_owned),
                link: touch.link.and_then(|id| facts.labels.link_slug(id)).map(str::to_owned),
                form: touch.form.as_ref().map(ToString::to_string),
                shared: facts.people.click_owner(touch.id).is_some_and(|owner| owner != person),
            },
        ));
    }
    for event in &owner.events {
        steps.push((
            event.occurred_at,
            Step::Stage {
                id: event.id,
                stage: event.stage,
                source: event.source.as_str().to_owned(),
                event_id: event.event_id.clone(),
                value: event.value,
            },
        ));
    }
    // A stable sort keeps touches before the events of their instant.
    steps.sort_by_key(|(at, _)| *at);
    Some(PersonJourney { person, members: facts.people.members(person).to_vec(), steps })
}
