//! The report in the making: touches, costs and credits find their rows, and the rows are checked against the facts.

use std::collections::{BTreeMap, HashMap};

use super::super::ReportError;
use super::super::costs;
use super::super::credits::{self, Credit, Measure, Sink};
use super::super::dimension::RowKey;
use super::super::facts::{Facts, Journeys};
use super::super::parameters::{Parameters, ReportClock};
use super::super::places::{PlaceId, Places};
use super::super::touch_counts::Counted;
use super::aggregate::{self, PathModel, Played};
use super::slots::{Slot, Slots};
use super::{Figures, blank, touches};
use crate::domain::attribution::Method;
use crate::domain::time::Day;
use crate::domain::touch::TouchKind;
use crate::store::Conn;

/// Figures by row, and those of all rows together; one for each model.
#[derive(Debug)]
pub(in crate::reports) struct Filled {
    pub(in crate::reports) rows: BTreeMap<RowKey, Vec<Figures>>,
    pub(in crate::reports) totals: Vec<Figures>,
    /// What aggregate models were computed from.
    pub(in crate::reports) path_models: Vec<PathModel>,
    /// Their games.
    pub(in crate::reports) played: Played,
    /// What a reader must know about the figures.
    pub(in crate::reports) notes: Vec<String>,
}

struct Table<'a> {
    parameters: &'a Parameters,
    slots: Slots<'a>,
    rows: HashMap<Slot, Vec<Figures>>,
    totals: Vec<Figures>,
    /// What stage events of the range add up to, by model, where every one of them counts.
    expected: Vec<Figures>,
}

/// Fills the rows of one range.
pub(in crate::reports) fn fill(conn: &mut Conn, facts: &Facts, parameters: &Parameters) -> Result<Filled, ReportError> {
    let mut places = Places::new(parameters, &facts.labels)?;
    let mut table = Table::new(parameters);
    let touched = touches::read(conn, facts, parameters, &mut places)?;
    table.add_touches(&mut places, &touched.counts);
    costs::walk(conn, facts, parameters, &mut places, &touched.clicks, &mut |places, spent| {
        table.add_common(places, spent.part.place, spent.of.day, |figures| figures.cost_minor += spent.part.minor);
    })?;
    credits::walk(conn, facts, &mut places, parameters, &mut table)?;
    let mut filled = table.finish(&places)?;
    aggregate::add(conn, facts, &mut places, parameters, &mut filled)?;
    Ok(filled)
}

impl<'a> Table<'a> {
    fn new(parameters: &'a Parameters) -> Self {
        let blank = blank(parameters);
        Self { parameters, slots: Slots::new(parameters), rows: HashMap::new(), totals: blank.clone(), expected: blank }
    }

    fn add_touches(&mut self, places: &mut Places<'_>, counts: &[(PlaceId, Counted)]) {
        for (place, counted) in counts {
            self.add_common(places, *place, counted.day, |figures| match counted.kind {
                TouchKind::Click => figures.clicks += counted.count,
                _ => figures.other_touches += counted.count,
            });
        }
    }

    /// Adds what no model changes.
    fn add_common(&mut self, places: &mut Places<'_>, place: PlaceId, day: Day, add: impl Fn(&mut Figures)) {
        let Some(slot) = self.slots.of_day(places, place, day) else { return };
        let row = self.rows.entry(slot).or_insert_with(|| blank(self.parameters));
        row.iter_mut().chain(&mut self.totals).for_each(add);
    }

    fn add(&mut self, slot: Slot, model: usize, measure: Measure, amount: i64) {
        let row = self.rows.entry(slot).or_insert_with(|| blank(self.parameters));
        if let Some(figures) = row.get_mut(model) {
            figures.add_credit(measure, amount);
            if measure == Measure::Leads {
                figures.leads.add(amount);
            }
        }
    }

    fn finish(self, places: &Places<'_>) -> Result<Filled, ReportError> {
        let mut rows: BTreeMap<RowKey, Vec<Figures>> = BTreeMap::new();
        let mut slots: Vec<(Slot, Vec<Figures>)> = self.rows.into_iter().collect();
        slots.sort_by_key(|(slot, _)| *slot);
        for (slot, figures) in slots {
            let row = rows.entry(self.slots.key(places, slot)).or_insert_with(|| blank(self.parameters));
            for (sum, more) in row.iter_mut().zip(&figures) {
                sum.add(more);
                sum.leads = sum.leads.plus(more.leads);
            }
        }
        rows.retain(|_, figures| figures.iter().any(|f| !f.is_empty()));
        let filled =
            Filled { rows, totals: self.totals, path_models: Vec::new(), played: Played::default(), notes: Vec::new() };
        check(self.parameters, &filled, &self.expected)?;
        Ok(filled)
    }
}

impl Sink for Table<'_> {
    fn take(
        &mut self,
        _journeys: &Journeys<'_>,
        places: &mut Places<'_>,
        credit: &Credit<'_>,
    ) -> Result<(), ReportError> {
        let measure = credit.measure;
        // A lead's whole credit to a row is one weight, however many touches gave it.
        let mut of_rows: Vec<(Slot, i64)> = Vec::with_capacity(credit.shares.len());
        let mut total = 0;
        for share in credit.shares {
            let Some(slot) = self.slots.of_share(places, credit, share) else { continue };
            total += share.amount;
            match of_rows.iter_mut().find(|(s, _)| *s == slot) {
                Some((_, sum)) => *sum += share.amount,
                None => of_rows.push((slot, share.amount)),
            }
        }
        if of_rows.is_empty() {
            return Ok(());
        }
        for (slot, amount) in of_rows {
            self.add(slot, credit.model, measure, amount);
        }
        let counted = self.slots.in_totals(credit, total);
        if let (Some(totals), Some(expected)) = (self.totals.get_mut(credit.model), self.expected.get_mut(credit.model))
        {
            totals.add_credit(measure, counted);
            expected.add_credit(measure, credit.whole);
            if measure == Measure::Leads {
                totals.leads.add(counted);
            }
        }
        Ok(())
    }
}

/// Better no report than a wrong one: rows must add up to the totals, and without filters to whole stage events.
fn check(parameters: &Parameters, filled: &Filled, expected: &[Figures]) -> Result<(), ReportError> {
    let is_whole = parameters.clock == ReportClock::Period && parameters.filters.is_empty();
    for (model, (choice, totals)) in parameters.models.iter().zip(&filled.totals).enumerate() {
        if !matches!(choice.model().method, Method::Parts(_) | Method::SelfReported) {
            continue;
        }
        let mut sum = Figures::default();
        filled.rows.values().filter_map(|row| row.get(model)).for_each(|figures| sum.add(figures));
        let whole = expected.get(model).filter(|_| is_whole);
        let differs =
            |m: &Measure| sum.get(*m) != totals.get(*m) || whole.is_some_and(|whole| whole.get(*m) != totals.get(*m));
        let wrong = Measure::ALL.iter().find(|m| differs(m));
        if let Some(measure) = wrong {
            return Err(ReportError::DoesNotAddUp(format!(
                "{choice}: rows sum to {} {measure}, the totals say {}",
                sum.get(*measure),
                totals.get(*measure)
            )));
        }
        if (sum.clicks, sum.other_touches, sum.cost_minor) != (totals.clicks, totals.other_touches, totals.cost_minor) {
            return Err(ReportError::DoesNotAddUp(format!("rows sum to {sum:?}, the totals say {totals:?}")));
        }
    }
    Ok(())
}
