//! Credits: every measure of every stage event, divided by every model, one after another.
//!
//! Reports add them up, evidence lists them: both see the same stream, so a cell and its evidence cannot differ.

use std::collections::HashMap;

use super::ReportError;
use super::exchange::Exchange;
use super::facts::{Eligibility, Facts, Journeys, Owner, for_each_chunk};
use super::labels::{Origin, Spot};
use super::parameters::{Parameters, ReportClock};
use super::places::{PlaceId, Places};
use super::said;
use crate::domain::attribution::credit::allocate_into;
use crate::domain::attribution::journey::Journey;
use crate::domain::attribution::purchases::{Book, Purchase, Refund, divide};
use crate::domain::attribution::{Choice, Method, ONE_MICRO};
use crate::domain::fx::Quote;
use crate::domain::ids::{StageEventId, TouchId};
use crate::domain::named_enum::named_enum;
use crate::domain::stage::{Stage, StageEvent};
use crate::domain::time::UtcMillis;
use crate::store::Conn;
use crate::store::touches::Touch;

named_enum!(
    /// What a stage event counts as.
    Measure, "figure", "figure-unknown" {
        /// First leads, gross, in micro-units.
        Leads = "leads_micro",
        /// Those of them that were rejected.
        RejectedLeads = "rejected_leads_micro",
        /// Leads of people who were customers already; not in leads.
        ExistingCustomerLeads = "existing_customer_leads_micro",
        /// First marketing-qualified leads.
        Mqls = "mqls_micro",
        /// First sales-qualified leads.
        Sqls = "sqls_micro",
        /// Deals, or people with an opportunity that names no deal.
        Opportunities = "opportunities_micro",
        /// Customers acquired.
        Customers = "customers_micro",
        /// Those of them whose first purchase was refunded, in full or in part.
        RefundedCustomers = "refunded_customers_micro",
        /// Value of purchases, before refunds, in minor units.
        GrossRevenue = "gross_revenue_minor",
        /// Money given back, in minor units.
        Refunds = "refunds_minor",
    }
);

/// A measure of one stage event, divided by one model.
#[derive(Debug)]
pub(super) struct Credit<'a> {
    /// Which of the models asked for.
    pub(super) model: usize,
    pub(super) measure: Measure,
    pub(super) event: &'a StageEvent,
    /// What is divided.
    pub(super) whole: i64,
    /// Who gets it.
    pub(super) shares: &'a [Share],
    /// The journey's bounds.
    pub(super) window: Window,
    /// The event that makes it so: the sale of a refund, the refund of a refunded customer, the rejection of a lead.
    pub(super) counterpart: Option<StageEventId>,
    /// How its money was converted; of a refund as its sale's.
    pub(super) quote: Option<Quote>,
}

/// One touch's share, or that of nobody.
#[derive(Debug, Clone)]
pub(super) struct Share {
    pub(super) touch: Option<TouchId>,
    /// When the touch happened; when the event did, where there is no touch.
    pub(super) at: UtcMillis,
    pub(super) place: PlaceId,
    /// The model's part of the touch.
    pub(super) part: u128,
    pub(super) amount: i64,
}

/// What bounds a journey.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) look_back_days: i64,
    /// The purchase before, exclusive.
    pub(super) after: Option<UtcMillis>,
    /// Whether the parts are those of the purchase before.
    pub(super) is_inherited: bool,
}

/// What takes credits in.
pub(super) trait Sink {
    /// Takes one; shares of touches stand in `journeys`.
    fn take(
        &mut self,
        journeys: &Journeys<'_>,
        places: &mut Places<'_>,
        credit: &Credit<'_>,
    ) -> Result<(), ReportError>;

    /// Whether it looks at touches that are not credited, too: those are read for it alone.
    fn needs_excluded(&self) -> bool {
        false
    }
}

/// Walks through everybody whose events may count, chunk by chunk.
pub(super) fn walk(
    conn: &mut Conn,
    facts: &Facts,
    places: &mut Places<'_>,
    parameters: &Parameters,
    sink: &mut dyn Sink,
) -> Result<(), ReportError> {
    let mut owners = facts.owners();
    owners.retain(|owner| owner.events.iter().any(|e| may_count(parameters, e)));
    let usual = Eligibility::of(parameters);
    let eligibility = if sink.needs_excluded() { usual.with_excluded() } else { usual };
    let exchange = Exchange::of_events(conn, &facts.moments, parameters, &facts.events)?;
    for_each_chunk(conn, facts, &owners, &eligibility, |chunk, journeys| {
        let place_of = vec![None; journeys.len()];
        let (parts, amounts) = (Vec::new(), Vec::new());
        Walk { facts, journeys, places, parameters, exchange: &exchange, sink, place_of, parts, amounts }.owners(chunk)
    })
}

/// Whether an event's credit may fall into the range; where only its touch says so, whether it may have one there.
fn may_count(parameters: &Parameters, event: &StageEvent) -> bool {
    match parameters.clock {
        ReportClock::Period => is_in(parameters, event.occurred_at),
        ReportClock::Cohort => event.occurred_at >= parameters.begin(),
    }
}

fn is_in(parameters: &Parameters, at: UtcMillis) -> bool {
    parameters.begin() <= at && at < parameters.end()
}

struct Walk<'w, 'p> {
    facts: &'w Facts,
    journeys: &'w Journeys<'w>,
    places: &'w mut Places<'p>,
    parameters: &'w Parameters,
    exchange: &'w Exchange,
    sink: &'w mut dyn Sink,
    /// By the number of the touch, once it is asked for.
    place_of: Vec<Option<(PlaceId, UtcMillis)>>,
    parts: Vec<u128>,
    amounts: Vec<i64>,
}

impl Walk<'_, '_> {
    fn owners(&mut self, owners: &[Owner<'_>]) -> Result<(), ReportError> {
        for owner in owners {
            for (number, choice) in self.parameters.models.iter().enumerate() {
                if matches!(choice.model().method, Method::Parts(_) | Method::Participation | Method::SelfReported) {
                    self.owner(owner, number, choice)?;
                }
            }
        }
        Ok(())
    }

    fn owner(&mut self, owner: &Owner<'_>, model: usize, choice: &Choice) -> Result<(), ReportError> {
        self.leads(owner, model, choice)?;
        for (stage, measure) in [(Stage::Mql, Measure::Mqls), (Stage::Sql, Measure::Sqls)] {
            if let Some(event) = owner.events.iter().find(|e| e.stage == stage) {
                self.stage(event, measure, model, choice)?;
            }
        }
        let mut has_own = false;
        for event in owner.events.iter().filter(|e| e.stage == Stage::Opportunity) {
            let counts = match &event.subject {
                Some(deal) => self.facts.begins_deal(deal, event),
                None => !std::mem::replace(&mut has_own, true),
            };
            if counts {
                self.stage(event, Measure::Opportunities, model, choice)?;
            }
        }
        self.purchases(owner, model, choice)
    }

    /// A person's first lead; of somebody who was a customer already it is no new lead.
    fn leads(&mut self, owner: &Owner<'_>, model: usize, choice: &Choice) -> Result<(), ReportError> {
        let Some(lead) = owner.events.iter().find(|e| e.stage == Stage::Lead) else { return Ok(()) };
        let was_customer = owner.events.iter().any(|e| e.stage.is_purchase() && e.occurred_at < lead.occurred_at);
        if was_customer {
            return self.stage(lead, Measure::ExistingCustomerLeads, model, choice);
        }
        self.stage(lead, Measure::Leads, model, choice)?;
        if let Some(rejected) = owner.events.iter().find(|e| e.stage == Stage::Rejected) {
            self.stage_with(lead, Measure::RejectedLeads, Some(rejected.id), (model, choice))?;
        }
        Ok(())
    }

    /// One whole entry into a stage.
    fn stage(
        &mut self,
        event: &StageEvent,
        measure: Measure,
        model: usize,
        choice: &Choice,
    ) -> Result<(), ReportError> {
        self.stage_with(event, measure, None, (model, choice))
    }

    fn stage_with(
        &mut self,
        event: &StageEvent,
        measure: Measure,
        counterpart: Option<StageEventId>,
        (model, choice): (usize, &Choice),
    ) -> Result<(), ReportError> {
        if !may_count(self.parameters, event) {
            return Ok(());
        }
        let look_back_days = self.parameters.look_back.days(event.stage);
        let journey = Journey::cut(self.journeys.touches_of(event), event.occurred_at, look_back_days, None)
            .with(self.journeys.milestones_of(event));
        let mut parts = std::mem::take(&mut self.parts);
        parts.clear();
        if !journey.is_empty() {
            choice.parts(&journey, &mut parts);
        }
        let of_touches: Vec<(TouchId, u128)> =
            journey.touches.iter().map(|t| t.id).zip(parts.iter().copied()).collect();
        self.parts = parts;
        let window = Window { look_back_days, after: None, is_inherited: false };
        let shares = self.divided(&of_touches, ONE_MICRO, choice, event);
        let (whole, quote) = (ONE_MICRO, None);
        self.give(&Credit { model, measure, event, whole, shares: &shares, window, counterpart, quote }, choice)
    }

    fn purchases(&mut self, owner: &Owner<'_>, model: usize, choice: &Choice) -> Result<(), ReportError> {
        if !owner.events.iter().any(|e| e.stage.is_purchase() || e.stage == Stage::Refund) {
            return Ok(());
        }
        let look_back = |stage: Stage| self.parameters.look_back.days(stage);
        let (purchases, refunds) = divide(&owner.events, self.journeys, choice, look_back);
        let mut after = None;
        for (n, purchase) in purchases.iter().enumerate() {
            let event = purchase.event;
            let window = Window { look_back_days: look_back(event.stage), after, is_inherited: purchase.inherited };
            after = Some(event.occurred_at);
            if !may_count(self.parameters, event) {
                continue;
            }
            if n == 0 {
                let shares = self.divided(&purchase.parts, ONE_MICRO, choice, event);
                let (measure, whole, counterpart, quote) = (Measure::Customers, ONE_MICRO, None, None);
                let customer = Credit { model, measure, event, whole, shares: &shares, window, counterpart, quote };
                self.give(&customer, choice)?;
                if let Some(refund) = refunds.iter().find(|r| r.sale == Some(event.id)) {
                    let (measure, counterpart) = (Measure::RefundedCustomers, Some(refund.event.id));
                    self.give(&Credit { measure, counterpart, ..customer }, choice)?;
                }
            }
            self.revenue(purchase, model, choice, window)?;
        }
        for refund in refunds.iter().filter(|r| may_count(self.parameters, r.event)) {
            self.refund(refund, &purchases, model, choice)?;
        }
        Ok(())
    }

    fn revenue(
        &mut self,
        purchase: &Purchase<'_>,
        model: usize,
        choice: &Choice,
        window: Window,
    ) -> Result<(), ReportError> {
        if purchase.revenue_minor == 0 {
            return Ok(());
        }
        let quote = self.exchange.of_event(purchase.event)?;
        let whole = quote.convert(purchase.revenue_minor)?;
        let shares = self.divided(&purchase.parts, whole, choice, purchase.event);
        let (measure, event, counterpart, quote) = (Measure::GrossRevenue, purchase.event, None, Some(quote));
        self.give(&Credit { model, measure, event, whole, shares: &shares, window, counterpart, quote }, choice)
    }

    fn refund(
        &mut self,
        refund: &Refund<'_>,
        purchases: &[Purchase<'_>],
        model: usize,
        choice: &Choice,
    ) -> Result<(), ReportError> {
        let event = refund.event;
        if refund.amount_minor == 0 || !event.counts_revenue {
            return Ok(());
        }
        let sale = purchases.iter().find(|p| Some(p.event.id) == refund.sale);
        // At the sale's rate, and as the difference of two sums, so that a sale that is given back whole comes to 0.
        let quote = self.exchange.of_event(sale.map_or(event, |s| s.event))?;
        let before = quote.convert(refund.before_minor)?;
        let after = quote.convert(refund.before_minor + refund.amount_minor)?;
        let whole = after - before;
        let mut shares = match sale {
            None => vec![self.nobodys(&super::dimension::Part::UnmatchedRefund, event, whole)],
            // To the row that the sale went to.
            Some(sale) if is_told(choice) => vec![self.told(sale.event, event, whole)],
            // The whole of it to each row that the whole sale went to.
            Some(sale) if !choice.adds_up() => self.divided(&sale.parts, whole, choice, event),
            Some(sale) => self.taken_back(sale, (before, after), event),
        };
        shares.retain(|s| s.amount != 0);
        let window = Window { look_back_days: 0, after: None, is_inherited: sale.is_some() };
        let (measure, counterpart, quote) = (Measure::Refunds, sale.map(|s| s.event.id), Some(quote));
        self.give(&Credit { model, measure, event, whole, shares: &shares, window, counterpart, quote }, choice)
    }

    fn taken_back(&mut self, sale: &Purchase<'_>, (before, after): (i64, i64), event: &StageEvent) -> Vec<Share> {
        let part_of: HashMap<TouchId, u128> = sale.parts.iter().copied().collect();
        let taken = sale.taken_back(before, after);
        let mut shares = Vec::with_capacity(taken.len());
        for (touch, amount) in taken {
            shares.push(match touch {
                None => self.nobodys(&super::dimension::Part::Unattributed, event, amount),
                Some(id) => {
                    let (place, at) = self.place(id, event);
                    let part = part_of.get(&id).copied().unwrap_or(0);
                    Share { touch: Some(id), at, place, part, amount }
                }
            });
        }
        shares
    }

    /// A whole divided by parts; nobody's where there are none.
    fn divided(&mut self, parts: &[(TouchId, u128)], whole: i64, choice: &Choice, event: &StageEvent) -> Vec<Share> {
        if is_told(choice) {
            return vec![self.told(event, event, whole)];
        }
        if parts.is_empty() {
            return vec![self.nobodys(&super::dimension::Part::Unattributed, event, whole)];
        }
        let mut shares: Vec<Share> = Vec::with_capacity(parts.len());
        if !choice.adds_up() {
            for (id, part) in parts {
                let (place, at) = self.place(*id, event);
                let passes = self.places.passes(place);
                let is_first = !shares
                    .iter()
                    .any(|s| self.places.passes(s.place) == passes && self.places.are_one_row(s.place, place));
                shares.push(Share {
                    touch: Some(*id),
                    at,
                    place,
                    part: *part,
                    amount: if is_first { whole } else { 0 },
                });
            }
            return shares;
        }
        let (mut weights, mut amounts) = (std::mem::take(&mut self.parts), std::mem::take(&mut self.amounts));
        weights.clear();
        weights.extend(parts.iter().map(|(_, part)| *part));
        allocate_into(whole, &weights, &mut amounts);
        for ((id, part), amount) in parts.iter().zip(&amounts) {
            let (place, at) = self.place(*id, event);
            shares.push(Share { touch: Some(*id), at, place, part: *part, amount: *amount });
        }
        (self.parts, self.amounts) = (weights, amounts);
        shares
    }

    /// The whole to what the person of `teller` said; dated as `event`.
    fn told(&mut self, teller: &StageEvent, event: &StageEvent, amount: i64) -> Share {
        let dimensions = self.places.dimensions();
        let parts = dimensions.iter().map(|d| said::part_of(self.facts, *d, teller)).collect();
        Share { touch: None, at: event.occurred_at, place: self.places.numbered(parts), part: 1, amount }
    }

    fn nobodys(&mut self, part: &super::dimension::Part, event: &StageEvent, amount: i64) -> Share {
        Share { touch: None, at: event.occurred_at, place: self.places.nowhere(part), part: 1, amount }
    }

    fn place(&mut self, id: TouchId, event: &StageEvent) -> (PlaceId, UtcMillis) {
        let number = self.journeys.number_of(id);
        let known = number.and_then(|n| self.place_of.get_mut(n));
        if let Some(Some(known)) = &known {
            return *known;
        }
        let found = match self.journeys.touch(id) {
            Some(touch) => (self.places.of(&spot_of(touch), touch.occurred_at), touch.occurred_at),
            None => (self.places.nowhere(&super::dimension::Part::Unattributed), event.occurred_at),
        };
        if let Some(known) = known {
            *known = Some(found);
        }
        found
    }

    /// Hands a credit on, once it is certain that it adds up.
    fn give(&mut self, credit: &Credit<'_>, choice: &Choice) -> Result<(), ReportError> {
        let sum: i64 = credit.shares.iter().map(|s| s.amount).sum();
        if choice.adds_up() && sum != credit.whole {
            return Err(ReportError::DoesNotAddUp(format!(
                "{choice} divides {} of {} into {sum}",
                credit.whole, credit.event.id
            )));
        }
        self.sink.take(self.journeys, self.places, credit)
    }
}

/// Whether the person's own word decides.
fn is_told(choice: &Choice) -> bool {
    matches!(choice.model().method, Method::SelfReported)
}

/// Where a touch stands.
pub(super) fn spot_of(touch: &Touch) -> Spot {
    Spot { origin: Origin::of(touch), post: None, country: touch.country, device: Some(touch.device) }
}
