//! The purchase sequence of a person: first purchase, repeats, refunds.
//!
//! Design section 6: a repeat purchase's journey is the touches after the
//! previous purchase; if there are none, it *inherits* the previous purchase's
//! credit. The n-th refund's credit is share(refunded so far) less
//! share(refunded before) by the sale's parts, so that a fully refunded sale is
//! zero in every row. A refund that finds no sale stays visible as unmatched.

use super::Model;
use super::credit::allocate;
use super::journey::{Journey, JourneyTouch};
use crate::domain::ids::{StageEventId, TouchId};
use crate::domain::money::Currency;
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
    refunded_minor: i64,
}

impl Purchase<'_> {
    /// The revenue's shares; the whole of it under `None` when nobody shares it.
    pub fn revenue_shares(&self) -> Vec<(Option<TouchId>, i64)> {
        self.shares(self.revenue_minor)
    }

    fn shares(&self, minor: i64) -> Vec<(Option<TouchId>, i64)> {
        if self.parts.is_empty() {
            return vec![(None, minor)];
        }
        let weights: Vec<u128> = self.parts.iter().map(|(_, p)| *p).collect();
        self.parts.iter().map(|(id, _)| Some(*id)).zip(allocate(minor, &weights)).collect()
    }

    fn currency(&self) -> Option<Currency> {
        self.event.value.map(|m| m.currency)
    }
}

/// A refund and the shares it takes back.
#[derive(Debug, Clone)]
pub struct Refund<'a> {
    /// The refund event.
    pub event: &'a StageEvent,
    /// The sale it belongs to; `None` when none could be found.
    pub sale: Option<StageEventId>,
    /// Minor units taken back from each touch, `None` standing for the unattributed part of the sale.
    pub shares: Vec<(Option<TouchId>, i64)>,
}

/// All purchases and refunds of one person, in order, divided by one model.
///
/// `touches_of` answers the sorted touches of an event: its person's, and those of everybody on its deal.
pub fn divide<'a, 't>(
    events: &[&'a StageEvent],
    touches_of: &dyn Fn(&StageEvent) -> &'t [JourneyTouch],
    model: &dyn Model,
    lookback_days: i64,
) -> (Vec<Purchase<'a>>, Vec<Refund<'a>>) {
    let mut ordered: Vec<&StageEvent> = events.to_vec();
    ordered.sort_by_key(|e| (e.occurred_at, e.id));
    let mut purchases: Vec<Purchase<'a>> = Vec::new();
    for event in ordered.iter().filter(|e| e.stage.is_purchase()) {
        let previous = purchases.last();
        let journey =
            Journey::cut(touches_of(event), event.occurred_at, lookback_days, previous.map(|p| p.event.occurred_at));
        let (parts, inherited) = match previous {
            Some(before) if journey.is_empty() => (before.parts.clone(), !before.parts.is_empty()),
            _ => (journey.touches.iter().map(|t| t.id).zip(model.parts(&journey)).collect(), false),
        };
        let revenue_minor = revenue_of(event, &purchases);
        purchases.push(Purchase { event, parts, inherited, revenue_minor, refunded_minor: 0 });
    }
    let refunds = ordered
        .into_iter()
        .filter(|e| e.stage == Stage::Refund)
        .map(|event| take_back(event, &mut purchases))
        .collect();
    (purchases, refunds)
}

/// One revenue fact per (source, order, invoice or deal): the first telling counts.
fn revenue_of(event: &StageEvent, before: &[Purchase<'_>]) -> i64 {
    let told = event.subject.is_some()
        && before
            .iter()
            .any(|p| p.revenue_minor != 0 && p.event.source == event.source && p.event.subject == event.subject);
    match event.value {
        Some(money) if event.counts_revenue && !told => money.minor,
        _ => 0,
    }
}

fn take_back<'a>(event: &'a StageEvent, purchases: &mut [Purchase<'a>]) -> Refund<'a> {
    let amount = event.value.map_or(0, |m| m.minor.abs());
    let currency = event.value.map(|m| m.currency);
    let fits = |p: &Purchase<'_>| {
        p.currency() == currency && p.revenue_minor - p.refunded_minor >= amount && p.revenue_minor > 0
    };
    // Event ids are unique within their source only; our own ids and subjects are unique everywhere.
    let named = |p: &Purchase<'_>, parent: &str| {
        (p.event.source == event.source && p.event.event_id == parent)
            || p.event.id.to_string() == parent
            || p.event.subject.as_ref().is_some_and(|s| s.as_str() == parent)
    };
    let found = match &event.parent {
        Some(parent) => purchases.iter_mut().find(|p| named(p, parent) && fits(p)),
        None => purchases.iter_mut().rev().find(|p| p.event.occurred_at <= event.occurred_at && fits(p)),
    };
    let Some(sale) = found else {
        return Refund { event, sale: None, shares: vec![(None, amount)] };
    };
    let before = sale.shares(sale.refunded_minor);
    sale.refunded_minor += amount;
    let after = sale.shares(sale.refunded_minor);
    let shares = after.into_iter().zip(before).map(|((touch, a), (_, b))| (touch, a - b)).collect();
    Refund { event, sale: Some(sale.event.id), shares }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attribution::journey::JourneyTouch;
    use crate::domain::attribution::model;
    use crate::domain::money::Money;
    use crate::domain::stage::{Source, Subject};
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
        }
    }

    fn touches(days: &[i64]) -> Vec<JourneyTouch> {
        days.iter()
            .enumerate()
            .map(|(i, d)| JourneyTouch {
                id: TouchId(Uuid::from_u128(u128::try_from(i).expect("index") + 1)),
                at: UtcMillis(d * DAY_MS),
                tie: i.to_string(),
                direct: false,
            })
            .collect()
    }

    fn minors(shares: &[(Option<TouchId>, i64)]) -> Vec<i64> {
        shares.iter().map(|(_, m)| *m).collect()
    }

    #[test]
    fn a_repeat_purchase_has_its_own_touches_or_inherits() {
        let linear = model("linear").expect("model");
        let all = [event(1, Stage::Customer, 10, 100), event(2, Stage::Sale, 20, 100), event(3, Stage::Sale, 30, 100)];
        let refs: Vec<&StageEvent> = all.iter().collect();
        let touches = touches(&[1, 5, 15]);
        let (purchases, _) = divide(&refs, &|_| &touches, linear, 90);
        assert_eq!(purchases.iter().map(|p| p.parts.len()).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(purchases.iter().map(|p| p.inherited).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(purchases[2].parts, purchases[1].parts);
    }

    #[test]
    fn refunds_in_parts_undo_their_sale_exactly() {
        let linear = model("linear").expect("model");
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
        let touches = touches(&[1, 5, 9]);
        let (purchases, refunds) = divide(&refs, &|_| &touches, linear, 90);
        let mut left = minors(&purchases[0].revenue_shares());
        for refund in &refunds {
            assert_eq!(refund.sale, Some(all[0].id));
            for (l, r) in left.iter_mut().zip(minors(&refund.shares)) {
                *l -= r;
            }
        }
        assert_eq!(left, [0, 0, 0]);
    }

    #[test]
    fn a_refund_beyond_its_sale_or_without_one_stays_unmatched() {
        let linear = model("linear").expect("model");
        let mut named = event(3, Stage::Refund, 20, 50);
        named.parent = Some("deal:9".into());
        let mut sale = event(1, Stage::Sale, 10, 100);
        sale.subject = Some(Subject::parse("deal:7").expect("subject"));
        let mut usd = event(4, Stage::Refund, 20, 10);
        usd.value = Some(Money { minor: 10, currency: "USD".parse().expect("USD") });
        let mut elsewhere = event(5, Stage::Refund, 20, 10);
        elsewhere.source = Source::parse("shop").expect("source");
        elsewhere.parent = Some("e1".into());
        let all = [sale, event(2, Stage::Refund, 20, 101), named, usd, elsewhere];
        let refs: Vec<&StageEvent> = all.iter().collect();
        let one = touches(&[1]);
        let (_, refunds) = divide(&refs, &|_| &one, linear, 90);
        assert!(refunds.iter().all(|r| r.sale.is_none()), "{refunds:?}");
    }

    #[test]
    fn one_order_told_twice_by_one_source_is_one_revenue() {
        let linear = model("linear").expect("model");
        let mut twice = [event(1, Stage::Sale, 10, 100), event(2, Stage::Sale, 11, 100), event(3, Stage::Sale, 12, 70)];
        for e in &mut twice[..2] {
            e.subject = Some(Subject::parse("order:1").expect("subject"));
        }
        twice[2].counts_revenue = false;
        let refs: Vec<&StageEvent> = twice.iter().collect();
        let (purchases, _) = divide(&refs, &|_| &[], linear, 90);
        assert_eq!(purchases.iter().map(|p| p.revenue_minor).collect::<Vec<_>>(), [100, 0, 0]);
        assert_eq!(purchases[0].revenue_shares(), [(None, 100)]);
    }
}
