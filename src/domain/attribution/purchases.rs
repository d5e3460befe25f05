//! The purchase sequence of a person: first purchase, repeats, refunds.
//!
//! Design section 6: a repeat purchase's journey is the touches after the
//! previous purchase; if there are none, it *inherits* the previous purchase's
//! credit. The n-th refund's credit is share(refunded so far) less
//! share(refunded before) by the sale's parts, so that a fully refunded sale is
//! zero in every row. A refund that finds no sale stays visible as unmatched.

use super::Choice;
use super::credit::allocate;
use super::journey::{Journey, JourneyTouch, Milestones};
use crate::domain::ids::{StageEventId, TouchId};
use crate::domain::stage::{Stage, StageEvent};

/// A purchase and how its credit is divided.
#[derive(Debug, Clone)]
pub struct Purchase<'a> {
    /// The `customer` or `sale` event.
    pub event: &'a StageEvent,
    /// Who shares it, by how much; empty where nothing was eligible and nothing could be inherited.
    pub parts: Vec<(TouchId, u128)>,
    /// Whether the parts are those of the purchase before.
    pub inherited: bool,
    /// Minor units that count as revenue: 0 for a source that does not count, or a second telling of one order.
    pub revenue_minor: i64,
}

impl Purchase<'_> {
    /// What a refund takes back of each share: that of all refunded so far less that of what was refunded before.
    /// Both are minor units of one currency, at the sale's rate where it is not the sale's own.
    pub fn taken_back(&self, before: i64, after: i64) -> Vec<(Option<TouchId>, i64)> {
        let before = self.shares(before);
        self.shares(after).into_iter().zip(before).map(|((touch, a), (_, b))| (touch, a - b)).collect()
    }

    fn shares(&self, minor: i64) -> Vec<(Option<TouchId>, i64)> {
        if self.parts.is_empty() {
            return vec![(None, minor)];
        }
        let weights: Vec<u128> = self.parts.iter().map(|(_, p)| *p).collect();
        self.parts.iter().map(|(id, _)| Some(*id)).zip(allocate(minor, &weights)).collect()
    }
}

/// A purchase's money, before it is divided.
#[derive(Debug, Clone, Copy)]
pub struct Sale<'a> {
    /// The `customer` or `sale` event.
    pub event: &'a StageEvent,
    /// Minor units that count as revenue.
    pub revenue_minor: i64,
    refunded_minor: i64,
}

/// A refund and the sale that it takes back from.
#[derive(Debug, Clone, Copy)]
pub struct Refund<'a> {
    /// The refund event.
    pub event: &'a StageEvent,
    /// The sale it belongs to; `None` when none could be found.
    pub sale: Option<StageEventId>,
    /// Minor units given back, above 0, in the sale's currency.
    pub amount_minor: i64,
    /// What was given back of the sale before.
    pub before_minor: i64,
}

/// What dividing one person's purchases needs to know beyond them.
pub trait Book {
    /// The sorted touches of an event: its person's, and those of everybody on its deal.
    fn touches_of(&self, event: &StageEvent) -> &[JourneyTouch];

    /// When the event's people first entered each stage.
    fn milestones_of(&self, event: &StageEvent) -> Milestones;

    /// Whether the event is the one revenue fact of its order, invoice or deal: the first that its source told.
    fn is_revenue(&self, purchase: &StageEvent) -> bool;

    /// The sale that a refund's parent names.
    fn sale_of(&self, refund: &StageEvent) -> Option<StageEventId>;
}

/// All purchases and refunds of one person, in order, divided by one model.
pub fn divide<'a>(
    events: &[&'a StageEvent],
    book: &dyn Book,
    model: &Choice,
    lookback_days: impl Fn(Stage) -> i64,
) -> (Vec<Purchase<'a>>, Vec<Refund<'a>>) {
    let (sales, refunds) = settle(events, &|e| book.is_revenue(e), &|e| book.sale_of(e));
    let mut purchases: Vec<Purchase<'a>> = Vec::new();
    let mut parts = Vec::new();
    for Sale { event, revenue_minor, .. } in sales {
        let previous = purchases.last();
        let after = previous.map(|p| p.event.occurred_at);
        let journey = Journey::cut(book.touches_of(event), event.occurred_at, lookback_days(event.stage), after)
            .with(book.milestones_of(event));
        let (parts, inherited) = match previous {
            Some(before) if journey.is_empty() => (before.parts.clone(), !before.parts.is_empty()),
            _ => {
                model.parts(&journey, &mut parts);
                (journey.touches.iter().map(|t| t.id).zip(parts.iter().copied()).collect(), false)
            }
        };
        purchases.push(Purchase { event, parts, inherited, revenue_minor });
    }
    (purchases, refunds)
}

/// The purchases of one person in order, and each refund with its sale: money in its own currency, which no model changes.
pub fn settle<'a>(
    events: &[&'a StageEvent],
    is_revenue: &dyn Fn(&StageEvent) -> bool,
    sale_of: &dyn Fn(&StageEvent) -> Option<StageEventId>,
) -> (Vec<Sale<'a>>, Vec<Refund<'a>>) {
    let mut ordered: Vec<&StageEvent> = events.to_vec();
    ordered.sort_by_key(|e| (e.occurred_at, e.id));
    let purchases = ordered.iter().filter(|e| e.stage.is_purchase());
    let sale = |event: &&'a StageEvent| {
        let revenue_minor = event.value.filter(|_| is_revenue(event)).map_or(0, |m| m.minor);
        Sale { event, revenue_minor, refunded_minor: 0 }
    };
    let mut sales: Vec<Sale<'a>> = purchases.map(sale).collect();
    // Money that another source tells must not use up this source's sale.
    let refunds = ordered.into_iter().filter(|e| e.stage == Stage::Refund && e.counts_revenue);
    let refunds = refunds.map(|event| take_back(event, sale_of, &mut sales)).collect();
    (sales, refunds)
}

fn take_back<'a>(
    event: &'a StageEvent,
    sale_of: &dyn Fn(&StageEvent) -> Option<StageEventId>,
    sales: &mut [Sale<'a>],
) -> Refund<'a> {
    let amount_minor = event.value.map_or(0, |m| m.minor.abs());
    let currency = |e: &StageEvent| e.value.map(|m| m.currency);
    let fits = |s: &Sale<'_>| {
        currency(s.event) == currency(event)
            && s.revenue_minor - s.refunded_minor >= amount_minor
            && s.revenue_minor > 0
    };
    let found = if event.parent.is_some() {
        let named = sale_of(event);
        sales.iter_mut().find(|s| Some(s.event.id) == named && fits(s))
    } else {
        sales.iter_mut().rev().find(|s| s.event.occurred_at <= event.occurred_at && fits(s))
    };
    let Some(sale) = found else {
        return Refund { event, sale: None, amount_minor, before_minor: 0 };
    };
    let before_minor = sale.refunded_minor;
    sale.refunded_minor += amount_minor;
    Refund { event, sale: Some(sale.event.id), amount_minor, before_minor }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Money;
    use crate::domain::stage::Source;
    use crate::domain::time::{DAY_MS, UtcMillis};
    use uuid::Uuid;

    fn event(n: u128, stage: Stage, day: i64, minor: i64) -> StageEvent {
        StageEvent {
            id: StageEventId(Uuid::from_u128(n)),
            source: Source::parse("crm").expect("source"),
            event_id: format!("e{n}"),
            stage,
            occurred_at: UtcMillis(day * DAY_MS),
            person: None,
            subject: None,
            parent: None,
            value: Some(Money { minor, currency: "EUR".parse().expect("EUR") }),
            counts_revenue: true,
            self_reported: None,
        }
    }

    fn touches(days: &[i64]) -> Vec<JourneyTouch> {
        days.iter()
            .enumerate()
            .map(|(i, d)| JourneyTouch {
                id: TouchId(Uuid::from_u128(u128::try_from(i).expect("index") + 1)),
                at: UtcMillis(d * DAY_MS),
                tie: i.to_string(),
                channel: None,
                direct: false,
            })
            .collect()
    }

    /// A book of touches that everybody shares; a parent names the sale with that event id.
    struct Shared<'a>(Vec<JourneyTouch>, &'a [StageEvent]);

    impl Book for Shared<'_> {
        fn touches_of(&self, _event: &StageEvent) -> &[JourneyTouch] {
            &self.0
        }

        fn milestones_of(&self, _event: &StageEvent) -> Milestones {
            Milestones::default()
        }

        fn is_revenue(&self, purchase: &StageEvent) -> bool {
            purchase.counts_revenue
        }

        fn sale_of(&self, refund: &StageEvent) -> Option<StageEventId> {
            self.1.iter().find(|e| Some(&e.event_id) == refund.parent.as_ref()).map(|e| e.id)
        }
    }

    fn minors(shares: &[(Option<TouchId>, i64)]) -> Vec<i64> {
        shares.iter().map(|(_, m)| *m).collect()
    }

    #[test]
    fn a_repeat_purchase_has_its_own_touches_or_inherits() {
        let linear = &"linear".parse().expect("model");
        let all = [event(1, Stage::Customer, 10, 100), event(2, Stage::Sale, 20, 100), event(3, Stage::Sale, 30, 100)];
        let refs: Vec<&StageEvent> = all.iter().collect();
        let (purchases, _) = divide(&refs, &Shared(touches(&[1, 5, 15]), &all), linear, |_| 90);
        assert_eq!(purchases.iter().map(|p| p.parts.len()).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(purchases.iter().map(|p| p.inherited).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(purchases[2].parts, purchases[1].parts);
    }

    #[test]
    fn refunds_in_parts_undo_their_sale_exactly() {
        let linear = &"linear".parse().expect("model");
        let mut all = vec![event(1, Stage::Customer, 10, 100)];
        all.extend((2..=4).map(|n| {
            event(
                n,
                Stage::Refund,
                10 + i64::try_from(n).expect("day"),
                [0, 0, 3, 4, 93][usize::try_from(n).expect("n")],
            )
        }));
        let refs: Vec<&StageEvent> = all.iter().collect();
        let (purchases, refunds) = divide(&refs, &Shared(touches(&[1, 5, 9]), &all), linear, |_| 90);
        let mut left = minors(&purchases[0].taken_back(0, 100));
        for refund in &refunds {
            assert_eq!(refund.sale, Some(all[0].id));
            let taken = purchases[0].taken_back(refund.before_minor, refund.before_minor + refund.amount_minor);
            for (l, r) in left.iter_mut().zip(minors(&taken)) {
                *l -= r;
            }
        }
        assert_eq!(left, [0, 0, 0]);
    }

    #[test]
    fn a_refund_beyond_its_sale_or_without_one_stays_unmatched() {
        let linear = &"linear".parse().expect("model");
        let mut named = event(3, Stage::Refund, 20, 50);
        named.parent = Some("e9".into());
        let mut usd = event(4, Stage::Refund, 20, 10);
        usd.value = Some(Money { minor: 10, currency: "USD".parse().expect("USD") });
        let all = [event(1, Stage::Sale, 10, 100), event(2, Stage::Refund, 20, 101), named, usd];
        let refs: Vec<&StageEvent> = all.iter().collect();
        let (_, refunds) = divide(&refs, &Shared(touches(&[1]), &all), linear, |_| 90);
        assert!(refunds.iter().all(|r| r.sale.is_none()), "{refunds:?}");
    }

    #[test]
    fn money_that_another_source_tells_uses_up_no_sale() {
        let linear = &"linear".parse().expect("model");
        let mut echo = event(2, Stage::Refund, 19, 100);
        echo.counts_revenue = false;
        let mut real = event(3, Stage::Refund, 20, 100);
        real.parent = Some("e1".into());
        let all = [event(1, Stage::Sale, 10, 100), echo, real];
        let refs: Vec<&StageEvent> = all.iter().collect();
        let (_, refunds) = divide(&refs, &Shared(touches(&[1]), &all), linear, |_| 90);
        assert_eq!(refunds.iter().map(|r| r.sale).collect::<Vec<_>>(), [Some(all[0].id)]);
    }
}
