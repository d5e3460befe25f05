//! The report in the making: touches, costs and credits find their rows, and the rows are checked against the facts.

use std::collections::BTreeMap;

use super::super::ReportError;
use super::super::costs::{self, DayClicks};
use super::super::facts::{Facts, Who};
use super::super::labels::Origin;
use super::super::touch_counts::{self, Detail, HUMAN, Wanted};
use super::{Dimension, Figures, Parameters, Report, Row, RowKey};
use crate::domain::attribution::credit::allocate;
use crate::domain::attribution::journey::Journey;
use crate::domain::attribution::purchases::{Book, Purchase, Refund, divide};
use crate::domain::attribution::{Choice, ONE_MICRO};
use crate::domain::fault::Fault;
use crate::domain::ids::TouchId;
use crate::domain::money::Currency;
use crate::domain::stage::{Stage, StageEvent};
use crate::domain::time::{Day, UtcMillis, Zone};
use crate::domain::touch::TouchKind;
use crate::store::{Conn, Moments, costs as cost_store};

/// A report in the making.
pub(super) struct Table<'a> {
    parameters: &'a Parameters,
    facts: &'a Facts,
    model: &'a Choice,
    from: UtcMillis,
    to: UtcMillis,
    rows: BTreeMap<RowKey, Figures>,
    clicks: Vec<DayClicks>,
    /// What the rows must add up to.
    expected: Figures,
}

impl<'a> Table<'a> {
    pub(super) fn new(parameters: &'a Parameters, facts: &'a Facts) -> Self {
        let from = parameters.zone.day_start(parameters.range.from);
        let to = parameters.zone.day_start(parameters.range.to.plus_days(1));
        Self {
            parameters,
            facts,
            model: &parameters.model,
            from,
            to,
            rows: BTreeMap::new(),
            clicks: Vec::new(),
            expected: Figures::default(),
        }
    }

    fn row(&mut self, key: RowKey) -> &mut Figures {
        self.rows.entry(key).or_default()
    }

    fn is_in_period(&self, event: &StageEvent) -> bool {
        self.from <= event.occurred_at && event.occurred_at < self.to
    }

    /// Counts touches by day and label.
    pub(super) fn count_touches(&mut self, conn: &mut Conn, as_of: UtcMillis) -> Result<(), ReportError> {
        let wanted = Wanted {
            zone: &self.parameters.zone,
            days: self.parameters.range,
            moments: Moments::all(as_of),
            // Days matter only where a cost is divided by a day's clicks.
            detail: Detail {
                by_day: self.parameters.by != Dimension::Channel,
                by_origin: self.parameters.by != Dimension::Channel,
                by_place: false,
            },
            classes: HUMAN,
        };
        for counted in touch_counts::count(conn, &self.facts.labels, &wanted)? {
            let key = self.parameters.by.key(&self.facts.labels, counted.channel, counted.campaign, counted.link);
            let row = self.row(key);
            if counted.kind == TouchKind::Click {
                row.clicks += counted.count;
                self.expected.clicks += counted.count;
                self.clicks.push(DayClicks {
                    day: counted.day,
                    channel: counted.channel,
                    campaign: counted.campaign,
                    link: counted.link,
                    count: counted.count,
                });
            } else {
                row.other_touches += counted.count;
                self.expected.other_touches += counted.count;
            }
        }
        Ok(())
    }

    pub(super) fn add_costs(&mut self, conn: &mut Conn, as_of: UtcMillis) -> Result<(), ReportError> {
        let (by, range) = (self.parameters.by, self.parameters.range);
        let entries = cost_store::visible(conn, range, &Moments::all(as_of))?;
        for entry in entries.iter().filter(|e| self.parameters.cost.counts(e.cost.kind)) {
            for (day, minor) in entry.cost.by_day().filter(|(d, _)| range.contains(*d)) {
                self.require_currency(entry.cost.amount.currency, day, "cost")?;
                let start = self.parameters.zone.day_start(day);
                for (key, part) in costs::rows_of(&entry.cost, day, start, minor, by, &self.facts.labels, &self.clicks)
                {
                    self.row(key).cost_minor += part;
                }
                self.expected.cost_minor += minor;
            }
        }
        Ok(())
    }

    pub(super) fn credit_events(&mut self) -> Result<(), ReportError> {
        let mut by_who: BTreeMap<Who, Vec<&StageEvent>> = BTreeMap::new();
        for event in &self.facts.events {
            by_who.entry(self.facts.who(event)).or_default().push(event);
        }
        for events in by_who.values() {
            self.credit_lead(events);
            let (purchases, refunds) = divide(events, self.facts, self.model, self.parameters.lookback_days);
            self.credit_customer(&purchases);
            for purchase in &purchases {
                self.credit_revenue(purchase)?;
            }
            for refund in &refunds {
                self.credit_refund(refund)?;
            }
        }
        Ok(())
    }

    /// A person's first lead; of somebody who was a customer already it is no new lead.
    fn credit_lead(&mut self, events: &[&StageEvent]) {
        let Some(lead) = events.iter().find(|e| e.stage == Stage::Lead).filter(|e| self.is_in_period(e)) else {
            return;
        };
        let was_customer = events.iter().any(|e| e.stage.is_purchase() && e.occurred_at < lead.occurred_at);
        let is_rejected = events.iter().any(|e| e.stage == Stage::Rejected);
        let journey = Journey::cut(self.facts.touches_of(lead), lead.occurred_at, self.parameters.lookback_days, None);
        let mut parts = Vec::new();
        self.model.parts(&journey, &mut parts);
        let parts: Vec<(TouchId, u128)> = journey.touches.iter().map(|t| t.id).zip(parts).collect();
        for (key, micro) in self.shares(&parts, ONE_MICRO) {
            let row = self.row(key);
            if was_customer {
                row.existing_customer_leads_micro += micro;
                continue;
            }
            row.leads_micro += micro;
            if is_rejected {
                row.rejected_leads_micro += micro;
            }
        }
        if was_customer {
            self.expected.existing_customer_leads_micro += ONE_MICRO;
        } else {
            self.expected.leads_micro += ONE_MICRO;
            self.expected.rejected_leads_micro += if is_rejected { ONE_MICRO } else { 0 };
        }
    }

    fn credit_customer(&mut self, purchases: &[Purchase<'_>]) {
        let Some(first) = purchases.first().filter(|p| self.is_in_period(p.event)) else { return };
        for (key, micro) in self.shares(&first.parts, ONE_MICRO) {
            self.row(key).customers_micro += micro;
        }
        self.expected.customers_micro += ONE_MICRO;
    }

    fn credit_revenue(&mut self, purchase: &Purchase<'_>) -> Result<(), ReportError> {
        if purchase.revenue_minor == 0 || !self.is_in_period(purchase.event) {
            return Ok(());
        }
        self.require_money(purchase.event)?;
        for (touch, minor) in purchase.revenue_shares() {
            let key = touch.map_or(RowKey::Unattributed, |id| self.key_of(id));
            self.row(key).gross_revenue_minor += minor;
        }
        self.expected.gross_revenue_minor += purchase.revenue_minor;
        Ok(())
    }

    fn credit_refund(&mut self, refund: &Refund<'_>) -> Result<(), ReportError> {
        if refund.event.value.is_none_or(|m| m.minor == 0)
            || !refund.event.counts_revenue
            || !self.is_in_period(refund.event)
        {
            return Ok(());
        }
        self.require_money(refund.event)?;
        for (touch, minor) in &refund.shares {
            let key = match (refund.sale, touch) {
                (None, _) => RowKey::UnmatchedRefund,
                (Some(_), None) => RowKey::Unattributed,
                (Some(_), Some(id)) => self.key_of(*id),
            };
            self.row(key).refunds_minor += minor;
        }
        self.expected.refunds_minor += refund.event.value.map_or(0, |m| m.minor);
        Ok(())
    }

    fn shares(&self, parts: &[(TouchId, u128)], whole: i64) -> Vec<(RowKey, i64)> {
        if parts.is_empty() {
            return vec![(RowKey::Unattributed, whole)];
        }
        let weights: Vec<u128> = parts.iter().map(|(_, p)| *p).collect();
        parts.iter().map(|(id, _)| self.key_of(*id)).zip(allocate(whole, &weights)).collect()
    }

    fn key_of(&self, id: TouchId) -> RowKey {
        let Some(touch) = self.facts.touch(id) else { return RowKey::Unattributed };
        let origin = Origin { link: touch.link, channel: touch.channel, campaign: touch.campaign };
        let labels = &self.facts.labels;
        let channel = labels.channel_of(origin, touch.occurred_at);
        self.parameters.by.key(labels, channel, labels.campaign_of(origin, touch.occurred_at), touch.link)
    }

    fn require_money(&self, event: &StageEvent) -> Result<(), Fault> {
        // Without a rate table every foreign amount lacks its rate; the day is the UTC day of the sale.
        event.value.map_or(Ok(()), |m| {
            self.require_currency(m.currency, Zone::utc().day_of(event.occurred_at), event.stage.as_str())
        })
    }

    fn require_currency(&self, currency: Currency, day: Day, what: &str) -> Result<(), Fault> {
        if currency == self.parameters.currency {
            return Ok(());
        }
        Err(Fault::new(
            "currency",
            "rate-missing",
            format!(
                "a {what} of {day} is in {currency}, and there is no rate from {currency} to {} for that day; \
             report in {currency}, or record the amount in {}",
                self.parameters.currency, self.parameters.currency
            ),
        ))
    }

    pub(super) fn finish(self) -> Result<Report, ReportError> {
        let labels = &self.facts.labels;
        let name_of = |key: &RowKey| {
            match (key, self.parameters.by) {
                (RowKey::Named(code), Dimension::Channel) => labels.channel_name(code),
                (RowKey::Named(code), Dimension::Campaign) => labels.campaign_name(code),
                (RowKey::Named(code), Dimension::Link) => labels.link_title(code),
                _ => None,
            }
            .unwrap_or("")
            .to_owned()
        };
        let mut totals = Figures::default();
        let mut rows = Vec::new();
        for (key, figures) in &self.rows {
            totals.add(figures);
            if *figures != Figures::default() {
                rows.push(Row { name: name_of(key), key: key.clone(), figures: figures.clone() });
            }
        }
        if totals != self.expected {
            return Err(ReportError::DoesNotAddUp(format!(
                "rows sum to {totals:?} but the facts to {:?}",
                self.expected
            )));
        }
        Ok(Report { parameters: self.parameters.clone(), rows, totals })
    }
}
