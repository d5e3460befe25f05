//! The credits, costs and touches that make one cell.

use std::collections::{BTreeMap, HashMap};

use super::super::ReportError;
use super::super::cost_per_lead::slots::{Slot, Slots};
use super::super::cost_per_lead::touches;
use super::super::costs::{self, CostDay, CostPart};
use super::super::credits::{self, Credit, Measure, Share, Sink, Window};
use super::super::dimension::RowKey;
use super::super::facts::{Eligibility, Excluded, Facts, Journeys};
use super::super::parameters::Parameters;
use super::super::places::{PlaceId, Places};
use super::super::sheet::Sheet;
use super::super::touch_counts::{Counted, Detail};
use super::asked::Base;
use crate::domain::cost::CostEntry;
use crate::domain::fx::Quote;
use crate::domain::ids::StageEventId;
use crate::domain::stage::StageEvent;
use crate::domain::time::{DAY_MS, Day, UtcMillis};
use crate::domain::touch::TouchKind;
use crate::store::Conn;
use crate::store::touches::Touch;

/// A stage event's place in the list.
pub(super) type Position = (UtcMillis, StageEventId);

/// A cell: a row, or the totals.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    pub(super) facts: &'a Facts,
    pub(super) parameters: &'a Parameters,
    pub(super) row: Option<&'a RowKey>,
    slots: Slots<'a>,
    keys: HashMap<Slot, RowKey>,
}

/// A stage event that makes the cell.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) measure: Measure,
    pub(super) event: StageEvent,
    pub(super) whole: i64,
    pub(super) in_cell: i64,
    pub(super) window: Window,
    pub(super) counterpart: Option<StageEventId>,
    pub(super) quote: Option<Quote>,
    pub(super) shares: Vec<ItemShare>,
    pub(super) excluded: Vec<(Touch, Excluded)>,
}

/// A share of it, of this cell or another one.
#[derive(Debug)]
pub(super) struct ItemShare {
    pub(super) touch: Option<Touch>,
    pub(super) at: UtcMillis,
    pub(super) part: u128,
    pub(super) amount: i64,
    /// `None` where no row of the report holds it.
    pub(super) row: Option<RowKey>,
    pub(super) is_in_cell: bool,
}

/// A part of a day's cost in the cell.
#[derive(Debug)]
pub(super) struct CostLine {
    pub(super) of: CostDay,
    pub(super) part: CostPart,
}

impl<'a> Cell<'a> {
    pub(super) fn new(facts: &'a Facts, parameters: &'a Parameters, row: Option<&'a RowKey>) -> Self {
        Self { facts, parameters, row, slots: Slots::new(parameters), keys: HashMap::new() }
    }

    fn key(&mut self, places: &Places<'_>, slot: Slot) -> &RowKey {
        let slots = &self.slots;
        self.keys.entry(slot).or_insert_with(|| slots.key(places, slot))
    }

    fn holds(&mut self, places: &Places<'_>, slot: Slot) -> bool {
        self.row.is_none_or(|row| row == self.key(places, slot))
    }

    fn holds_day(&mut self, places: &mut Places<'_>, place: PlaceId, day: Day) -> bool {
        self.slots.of_day(places, place, day).is_some_and(|slot| self.holds(places, slot))
    }

    /// The entries of the cell's costs with their parts of days.
    pub(super) fn costs(
        &mut self,
        conn: &mut Conn,
        places: &mut Places<'_>,
    ) -> Result<Vec<(CostEntry, Vec<CostLine>)>, ReportError> {
        let clicks = touches::read(conn, self.facts, self.parameters, places)?.clicks;
        let mut found: Vec<(CostEntry, Vec<CostLine>)> = Vec::new();
        costs::walk(conn, self.facts, self.parameters, places, &clicks, &mut |places, spent| {
            if !self.holds_day(places, spent.part.place, spent.of.day) {
                return;
            }
            let line = CostLine { of: spent.of, part: spent.part };
            match found.last_mut() {
                Some((entry, lines)) if entry.id == spent.entry.id => lines.push(line),
                _ => found.push((spent.entry.clone(), vec![line])),
            }
        })?;
        Ok(found)
    }

    /// The touches of the cell by day, class and origin: clicks, or all others.
    pub(super) fn counts(
        &mut self,
        conn: &mut Conn,
        places: &mut Places<'_>,
        are_clicks: bool,
    ) -> Result<Vec<Counted>, ReportError> {
        let detail = Detail { by_day: true, by_origin: true, ..touches::detail(self.parameters, places) };
        let mut found = Vec::new();
        for (place, counted) in touches::count(conn, self.facts, self.parameters, places, detail)? {
            let is_wanted = (counted.kind == TouchKind::Click) == are_clicks;
            if is_wanted && self.holds_day(places, place, counted.day) {
                found.push(counted);
            }
        }
        Ok(found)
    }

    fn share(
        &mut self,
        journeys: &Journeys<'_>,
        places: &mut Places<'_>,
        credit: &Credit<'_>,
        own: &Share,
    ) -> ItemShare {
        let slot = self.slots.of_share(places, credit, own);
        ItemShare {
            touch: own.touch.and_then(|id| journeys.touch(id)).cloned(),
            at: own.at,
            part: own.part,
            amount: own.amount,
            row: slot.map(|slot| self.key(places, slot).clone()),
            is_in_cell: slot.is_some_and(|slot| self.holds(places, slot)),
        }
    }
}

/// The stage events of a cell: sums of all of them, and one page in full.
#[derive(Debug)]
pub(super) struct Gatherer<'g, 'a> {
    pub(super) cell: &'g mut Cell<'a>,
    pub(super) measures: Vec<Measure>,
    pub(super) after: Option<Position>,
    pub(super) limit: usize,
    pub(super) sums: BTreeMap<Measure, (i64, usize)>,
    pub(super) page: BTreeMap<Position, Vec<Item>>,
    /// Whether stage events follow the page.
    pub(super) has_more: bool,
}

impl Gatherer<'_, '_> {
    /// Whether a stage event stands on the page, as far as is known by now.
    fn is_on_page(&mut self, position: Position) -> bool {
        if self.after.is_some_and(|after| position <= after) {
            return false;
        }
        let is_full = self.page.len() >= self.limit && !self.page.contains_key(&position);
        if is_full {
            self.has_more = true;
            return self.page.last_key_value().is_some_and(|(last, _)| position < *last);
        }
        true
    }

    fn keep(&mut self, position: Position, item: Item) {
        self.page.entry(position).or_default().push(item);
        if self.page.len() > self.limit {
            self.page.pop_last();
        }
    }
}

impl Sink for Gatherer<'_, '_> {
    fn needs_excluded(&self) -> bool {
        true
    }

    fn take(
        &mut self,
        journeys: &Journeys<'_>,
        places: &mut Places<'_>,
        credit: &Credit<'_>,
    ) -> Result<(), ReportError> {
        if !self.measures.contains(&credit.measure) {
            return Ok(());
        }
        let shares: Vec<ItemShare> =
            credit.shares.iter().map(|own| self.cell.share(journeys, places, credit, own)).collect();
        let own = || shares.iter().filter(|s| s.is_in_cell);
        if own().all(|s| s.amount == 0) {
            return Ok(());
        }
        let sum = own().map(|s| s.amount).sum();
        let in_cell = if self.cell.row.is_some() { sum } else { self.cell.slots.in_totals(credit, sum) };
        let (total, items) = self.sums.entry(credit.measure).or_default();
        *total += in_cell;
        *items += 1;
        let position = (credit.event.occurred_at, credit.event.id);
        if !self.is_on_page(position) {
            return Ok(());
        }
        let item = Item {
            measure: credit.measure,
            event: credit.event.clone(),
            whole: credit.whole,
            in_cell,
            window: credit.window,
            counterpart: credit.counterpart,
            quote: credit.quote,
            excluded: excluded(journeys, self.cell.parameters, credit)?,
            shares,
        };
        self.keep(position, item);
        Ok(())
    }
}

/// The touches of an event's people that are not credited, and why.
fn excluded(
    journeys: &Journeys<'_>,
    parameters: &Parameters,
    credit: &Credit<'_>,
) -> Result<Vec<(Touch, Excluded)>, ReportError> {
    // A refund's touches are those of its sale, whose own evidence says what was left out.
    if credit.measure == Measure::Refunds {
        return Ok(Vec::new());
    }
    let eligibility = Eligibility::of(parameters);
    let mut found = Vec::new();
    for touch in journeys.all_touches_of(credit.event) {
        if credit.shares.iter().any(|s| s.touch == Some(touch.id)) {
            continue;
        }
        let reason = eligibility.excludes(touch).or_else(|| out_of_time(touch.occurred_at, credit));
        let Some(reason) = reason else {
            let (touch, event) = (touch.id, credit.event.id);
            return Err(ReportError::DoesNotAddUp(format!("{touch} of {event} is neither credited nor excluded")));
        };
        found.push((touch.clone(), reason));
    }
    Ok(found)
}

fn out_of_time(at: UtcMillis, credit: &Credit<'_>) -> Option<Excluded> {
    let end = credit.event.occurred_at;
    if at > end {
        return Some(Excluded::AfterEvent);
    }
    if at < begin(&credit.window, end) {
        return Some(Excluded::BeforeLookBack);
    }
    credit.window.after.is_some_and(|after| at <= after).then_some(Excluded::EarlierPurchase)
}

/// When the look-back of an event begins.
pub(super) fn begin(window: &Window, end: UtcMillis) -> UtcMillis {
    end.plus_ms(-window.look_back_days.saturating_mul(DAY_MS))
}

/// The stage events of some measures in a cell.
pub(super) fn credits<'g, 'a>(
    conn: &mut Conn,
    cell: &'g mut Cell<'a>,
    places: &mut Places<'_>,
    measures: Vec<Measure>,
    (after, limit): (Option<Position>, usize),
) -> Result<Gatherer<'g, 'a>, ReportError> {
    let (facts, parameters) = (cell.facts, cell.parameters);
    let sums = measures.iter().map(|m| (*m, (0, 0))).collect();
    let mut gatherer = Gatherer { cell, measures, after, limit, sums, page: BTreeMap::new(), has_more: false };
    if !gatherer.measures.is_empty() {
        credits::walk(conn, facts, places, parameters, &mut gatherer)?;
    }
    Ok(gatherer)
}

/// What makes a cell.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sums: BTreeMap<Base, (i64, usize)>,
    pub(super) page: Vec<Item>,
    /// The last stage event of the page, where others follow.
    pub(super) next: Option<StageEventId>,
    pub(super) costs: Vec<(CostEntry, Vec<CostLine>)>,
    pub(super) counts: Vec<Counted>,
    /// How an aggregate model comes to the cell.
    pub(super) computed: Vec<Sheet>,
    pub(super) notes: Vec<String>,
}
