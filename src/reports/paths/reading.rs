//! Reading paths: those that led to a lead or a first purchase, and those that led to none.
//!
//! *Converting paths* are the journeys that cost per lead divides, told by the same stream of credits. *Null paths*
//! are of persons and of browsers that nobody is known by: their eligible touches in `[from - look-back, to]`, where
//! no such stage event is seen. A touch without a browser that no person brought belongs to no path. The work grows
//! with touches; memory holds the touches of one chunk of persons, or of one browser, at a time.

use std::collections::HashSet;

use super::super::ReportError;
use super::super::credits::{self, Credit, Measure, Sink, spot_of};
use super::super::facts::{Eligibility, Facts, Journeys};
use super::super::parameters::{LookBack, Parameters};
use super::super::places::{PlaceId, Places};
use crate::domain::attribution::Choice;
use crate::domain::attribution::journey::by_tie;
use crate::domain::ids::{PersonId, TouchId, VisitorId};
use crate::domain::named_enum::named_enum;
use crate::domain::stage::{Stage, StageEvent};
use crate::domain::time::{DAY_MS, UtcMillis};
use crate::domain::touch::TouchKind;
use crate::store::Conn;
use crate::store::touches::{self, Touch};

/// Persons whose touches are in memory at a time.
const PERSONS_AT_A_TIME: usize = 5_000;
/// Touches of browsers that are read at a time.
const ROWS_AT_A_TIME: i64 = 20_000;

named_enum!(
    /// What a path leads to.
    Goal, "stage", "stage-unknown" {
        /// A person's first lead.
        Lead = "lead",
        /// A person's first purchase.
        Customer = "customer",
    }
);

impl Goal {
    pub(in crate::reports) fn measure(self) -> Measure {
        match self {
            Self::Lead => Measure::Leads,
            Self::Customer => Measure::Customers,
        }
    }

    /// How far back null paths reach; a purchase may be of two stages, and the longer one holds.
    fn look_back_days(self, look_back: &LookBack) -> i64 {
        match self {
            Self::Lead => look_back.days(Stage::Lead),
            Self::Customer => look_back.days(Stage::Customer).max(look_back.days(Stage::Sale)),
        }
    }

    fn is_reached_by(self, stage: Stage) -> bool {
        match self {
            Self::Lead => stage == Stage::Lead,
            Self::Customer => stage.is_purchase(),
        }
    }
}

/// A touch of a path: when and where.
pub(in crate::reports) type Stop = (UtcMillis, PlaceId);

/// What takes paths in.
pub(in crate::reports) trait PathSink {
    /// Takes one; no stage event stands behind a null path.
    fn take(
        &mut self,
        places: &Places<'_>,
        goal: Goal,
        event: Option<&StageEvent>,
        stops: &[Stop],
    ) -> Result<(), ReportError>;
}

/// Reads the converting paths of the period, in a fixed order; one without touches is empty.
pub(in crate::reports) fn converting(
    conn: &mut Conn,
    facts: &Facts,
    places: &mut Places<'_>,
    parameters: &Parameters,
    sink: &mut dyn PathSink,
) -> Result<(), ReportError> {
    // Any model that adds up has every touch of a journey among its shares.
    let parameters = Parameters { models: vec![Choice::default()], ..parameters.clone() };
    credits::walk(conn, facts, places, &parameters, &mut Converting { sink, stops: Vec::new() })
}

struct Converting<'s> {
    sink: &'s mut dyn PathSink,
    stops: Vec<Stop>,
}

impl Sink for Converting<'_> {
    fn take(&mut self, _: &Journeys<'_>, places: &mut Places<'_>, credit: &Credit<'_>) -> Result<(), ReportError> {
        let Some(goal) = Goal::ALL.iter().find(|g| g.measure() == credit.measure) else { return Ok(()) };
        self.stops.clear();
        self.stops.extend(credit.shares.iter().filter(|s| s.touch.is_some()).map(|s| (s.at, s.place)));
        self.sink.take(places, *goal, Some(credit.event), &self.stops)
    }
}

/// Reads the null paths of some goals, in a fixed order.
pub(in crate::reports) fn nulls(
    conn: &mut Conn,
    facts: &Facts,
    places: &mut Places<'_>,
    parameters: &Parameters,
    goals: &[Goal],
    sink: &mut dyn PathSink,
) -> Result<(), ReportError> {
    let mut nulls = Nulls::new(facts, parameters, goals, sink);
    nulls.of_persons(conn, places)?;
    nulls.of_browsers(conn, places)
}

/// A goal with the persons who reached it and the instant from which touches count.
struct Missed {
    goal: Goal,
    reached: HashSet<PersonId>,
    begin: UtcMillis,
}

struct Nulls<'n> {
    facts: &'n Facts,
    parameters: &'n Parameters,
    goals: Vec<Missed>,
    sink: &'n mut dyn PathSink,
    stops: Vec<Stop>,
}

fn tie_of(touch: &Touch) -> (&str, TouchId) {
    (touch.external_id.as_deref().unwrap_or_default(), touch.id)
}

impl<'n> Nulls<'n> {
    fn new(facts: &'n Facts, parameters: &'n Parameters, goals: &[Goal], sink: &'n mut dyn PathSink) -> Self {
        let missed = |goal: &Goal| {
            let events = facts.events.iter().filter(|e| goal.is_reached_by(e.stage));
            let days = goal.look_back_days(&parameters.look_back);
            Missed {
                goal: *goal,
                reached: events.flat_map(|e| facts.clusters_of(e)).collect(),
                begin: parameters.begin().plus_ms(-days.saturating_mul(DAY_MS)),
            }
        };
        Self { facts, parameters, goals: goals.iter().map(missed).collect(), sink, stops: Vec::new() }
    }

    /// Persons have the touches of all their browsers and clicks.
    fn of_persons(&mut self, conn: &mut Conn, places: &mut Places<'_>) -> Result<(), ReportError> {
        let eligibility = Eligibility::of(self.parameters);
        let Some(begin) = self.goals.iter().map(|g| g.begin).min() else { return Ok(()) };
        let span = (begin, self.parameters.end());
        let people = &self.facts.people;
        let persons: Vec<PersonId> =
            people.clusters().filter(|p| self.goals.iter().any(|g| !g.reached.contains(p))).collect();
        for chunk in persons.chunks(PERSONS_AT_A_TIME) {
            let alone: Vec<Vec<PersonId>> = chunk.iter().map(|p| vec![*p]).collect();
            let journeys = Journeys::of_clusters(conn, self.facts, alone, span, &eligibility)?;
            for person in chunk {
                let touches = journeys.of(&[*person]).iter().filter_map(|t| journeys.touch(t.id));
                self.path(places, touches, Some(*person))?;
            }
        }
        Ok(())
    }

    /// Browsers that nobody is known by are paths of their own.
    fn of_browsers(&mut self, conn: &mut Conn, places: &mut Places<'_>) -> Result<(), ReportError> {
        let people = &self.facts.people;
        let known: HashSet<VisitorId> = people.known_visitors().collect();
        let kinds: Vec<TouchKind> =
            TouchKind::ALL.iter().copied().filter(|k| *k != TouchKind::View || self.parameters.views).collect();
        let Some(begin) = self.goals.iter().map(|g| g.begin).min() else { return Ok(()) };
        let parameters = self.parameters;
        let mut pages =
            touches::Paths::new((begin, parameters.end()), &kinds, &parameters.classes, &self.facts.moments);
        let mut path: Vec<Touch> = Vec::new();
        loop {
            let page = pages.read(conn, ROWS_AT_A_TIME)?;
            let is_end = page.is_empty();
            for touch in page {
                // A click that a person brought is theirs, even where its browser is too many people's.
                let is_known = touch.visitor.is_none_or(|v| known.contains(&v));
                if is_known || people.click_owner(touch.id).is_some() {
                    continue;
                }
                if path.last().is_some_and(|last| last.visitor != touch.visitor) {
                    self.browser(places, &mut path)?;
                }
                path.push(touch);
            }
            if is_end {
                return self.browser(places, &mut path);
            }
        }
    }

    fn browser(&mut self, places: &mut Places<'_>, path: &mut Vec<Touch>) -> Result<(), ReportError> {
        path.sort_by(|a, b| a.occurred_at.cmp(&b.occurred_at).then_with(|| by_tie(tie_of(a), tie_of(b))));
        self.path(places, path.iter(), None)?;
        path.clear();
        Ok(())
    }

    /// Hands on one path, for each goal that was not reached.
    fn path<'a>(
        &mut self,
        places: &mut Places<'_>,
        touches: impl Iterator<Item = &'a Touch>,
        person: Option<PersonId>,
    ) -> Result<(), ReportError> {
        let end = self.parameters.end();
        self.stops.clear();
        let in_time = touches.filter(|t| t.occurred_at < end);
        self.stops.extend(in_time.map(|t| (t.occurred_at, places.of(&spot_of(t), t.occurred_at))));
        for missed in &self.goals {
            let from = self.stops.partition_point(|(at, _)| *at < missed.begin);
            let stops = self.stops.get(from..).filter(|stops| !stops.is_empty());
            if let Some(stops) = stops
                && person.is_none_or(|p| !missed.reached.contains(&p))
            {
                self.sink.take(places, missed.goal, None, stops)?;
            }
        }
        Ok(())
    }
}
