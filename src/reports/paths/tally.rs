//! Counting paths: by their name, by the rows that they go through, by their length.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::ReportError;
use super::super::exchange::Exchange;
use super::super::facts::{Facts, Who};
use super::super::places::{PlaceId, Places};
use super::{Goal, PathSink, Stop};
use crate::domain::attribution::purchases::settle;
use crate::domain::stage::{Stage, StageEvent};

/// Most null paths that are told apart; further ones are counted together.
pub(super) const NULLS_MAX: usize = 200_000;

/// What became of somebody by `as_of`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Became {
    pub(super) is_lead: bool,
    pub(super) is_customer: bool,
    pub(super) revenue_minor: i64,
}

/// Conversions of one path, or of several.
#[derive(Debug, Clone, Default)]
pub(super) struct Conversions {
    pub(super) count: i64,
    pub(super) leads: i64,
    pub(super) customers: i64,
    pub(super) revenue_minor: i64,
    pub(super) touches: i64,
    /// From the first touch to the stage event, in milliseconds.
    pub(super) lags: Vec<i64>,
}

impl Conversions {
    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.leads += other.leads;
        self.customers += other.customers;
        self.revenue_minor += other.revenue_minor;
        self.touches += other.touches;
        self.lags.extend_from_slice(&other.lags);
    }
}

/// Null paths of one name, or of several.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Nulls {
    pub(super) count: i64,
    pub(super) touches: i64,
}

impl Nulls {
    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.touches += other.touches;
    }
}

/// Conversions by what a row was on their paths.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Roles {
    /// The first of several touches.
    pub(super) first: i64,
    /// Neither first nor last.
    pub(super) middle: i64,
    /// The last of several touches.
    pub(super) last: i64,
    /// The only touch.
    pub(super) only: i64,
    /// Some touch but the last.
    pub(super) assisted: i64,
}

/// How many paths have a length.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OfLength {
    pub(super) conversions: i64,
    pub(super) nulls: i64,
}

/// Everything that the sheets print.
pub(super) struct Tally<'a> {
    exchange: &'a Exchange,
    facts: &'a Facts,
    goal: Goal,
    people: HashMap<Who, Vec<&'a StageEvent>>,
    /// By the places of the path, equal neighbours merged; without touches it is empty.
    pub(super) conversions: HashMap<Vec<PlaceId>, Conversions>,
    pub(super) nulls: HashMap<Vec<PlaceId>, Nulls>,
    /// Null paths beyond [`NULLS_MAX`] different ones.
    pub(super) more_nulls: Nulls,
    pub(super) roles: HashMap<PlaceId, Roles>,
    /// By the number of touches.
    pub(super) lengths: BTreeMap<usize, OfLength>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(exchange: &'a Exchange, facts: &'a Facts, goal: Goal) -> Self {
        Self {
            exchange,
            facts,
            goal,
            people: facts.owners().into_iter().map(|owner| (owner.who, owner.events)).collect(),
            conversions: HashMap::new(),
            nulls: HashMap::new(),
            more_nulls: Nulls::default(),
            roles: HashMap::new(),
            lengths: BTreeMap::new(),
        }
    }

    fn converted(&mut self, event: &StageEvent, stops: &[Stop]) -> Result<(), ReportError> {
        let became = self.became(event)?;
        let found = self.conversions.entry(merged(stops)).or_default();
        found.add(&Conversions {
            count: 1,
            leads: became.is_lead.into(),
            customers: became.is_customer.into(),
            revenue_minor: became.revenue_minor,
            touches: i64::try_from(stops.len()).unwrap_or(i64::MAX),
            lags: stops.first().map(|(at, _)| event.occurred_at.0 - at.0).into_iter().collect(),
        });
        self.lengths.entry(stops.len()).or_default().conversions += 1;
        self.note_roles(stops);
        Ok(())
    }

    /// What became of an event's person.
    fn became(&self, event: &StageEvent) -> Result<Became, ReportError> {
        let mut became = Became::default();
        let Some(events) = self.people.get(&self.facts.who(event)) else { return Ok(became) };
        for event in events {
            became.is_lead |= event.stage == Stage::Lead;
            became.is_customer |= event.stage.is_purchase();
        }
        let (sales, refunds) = settle(events, &|e| self.facts.is_revenue(e), &|e| self.facts.sale_of(e));
        for sale in sales.iter().filter(|s| s.revenue_minor != 0) {
            became.revenue_minor += self.exchange.of_event(sale.event)?.convert(sale.revenue_minor)?;
        }
        for refund in refunds {
            let sale = sales.iter().map(|s| s.event).find(|e| Some(e.id) == refund.sale);
            let quote = self.exchange.of_event(sale.unwrap_or(refund.event))?;
            let after = quote.convert(refund.before_minor + refund.amount_minor)?;
            became.revenue_minor -= after - quote.convert(refund.before_minor)?;
        }
        Ok(became)
    }

    fn note_roles(&mut self, stops: &[Stop]) {
        let mut role = |place: PlaceId, note: fn(&mut Roles)| note(self.roles.entry(place).or_default());
        match stops {
            [] => {}
            [(_, only)] => role(*only, |r| r.only += 1),
            [(_, first), middle @ .., (_, last)] => {
                role(*first, |r| r.first += 1);
                role(*last, |r| r.last += 1);
                let between: BTreeSet<PlaceId> = middle.iter().map(|(_, place)| *place).collect();
                between.iter().for_each(|place| role(*place, |r| r.middle += 1));
                let mut before_last = between;
                before_last.insert(*first);
                before_last.iter().for_each(|place| role(*place, |r| r.assisted += 1));
            }
        }
    }

    fn missed(&mut self, stops: &[Stop]) {
        self.lengths.entry(stops.len()).or_default().nulls += 1;
        let one = Nulls { count: 1, touches: i64::try_from(stops.len()).unwrap_or(i64::MAX) };
        let path = merged(stops);
        if self.nulls.len() >= NULLS_MAX && !self.nulls.contains_key(&path) {
            self.more_nulls.add(one);
        } else {
            self.nulls.entry(path).or_default().add(one);
        }
    }
}

impl PathSink for Tally<'_> {
    fn take(
        &mut self,
        _: &Places<'_>,
        goal: Goal,
        event: Option<&StageEvent>,
        stops: &[Stop],
    ) -> Result<(), ReportError> {
        if goal != self.goal {
            return Ok(());
        }
        match event {
            Some(event) => self.converted(event, stops)?,
            None => self.missed(stops),
        }
        Ok(())
    }
}

/// The places of a path, equal neighbours merged.
fn merged(stops: &[Stop]) -> Vec<PlaceId> {
    let mut path: Vec<PlaceId> = stops.iter().map(|(_, place)| *place).collect();
    path.dedup();
    path
}
