//! Whether something counts, and in which row: the one rule of a report and of the evidence of its cells.

use super::super::credits::{Credit, Share};
use super::super::dimension::{Dimension, Part, RowKey};
use super::super::parameters::{Parameters, ReportClock};
use super::super::places::{PieceId, PlaceId, Places};
use crate::domain::attribution::Choice;
use crate::domain::stage::Stage;
use crate::domain::time::{Day, UtcMillis};

/// A row in the making; several may become one row, as filters tell places finer apart.
pub(in crate::reports) type Slot = (PlaceId, PieceId, Option<Stage>);

/// Finds slots.
#[derive(Debug)]
pub(in crate::reports) struct Slots<'a> {
    parameters: &'a Parameters,
    begin: UtcMillis,
    end: UtcMillis,
    has_time: bool,
    has_stage: bool,
}

impl<'a> Slots<'a> {
    pub(in crate::reports) fn new(parameters: &'a Parameters) -> Self {
        Self {
            parameters,
            begin: parameters.begin(),
            end: parameters.end(),
            has_time: parameters.by.iter().any(|d| d.grain().is_some()),
            has_stage: parameters.by.contains(&Dimension::Stage),
        }
    }

    /// Of a share; `None` where its time is out of the range or a filter leaves it out.
    pub(in crate::reports) fn of_share(
        &self,
        places: &mut Places<'_>,
        credit: &Credit<'_>,
        share: &Share,
    ) -> Option<Slot> {
        let at = match self.parameters.clock {
            ReportClock::Period => credit.event.occurred_at,
            ReportClock::Cohort => share.at,
        };
        if at < self.begin || self.end <= at || !places.passes(share.place) {
            return None;
        }
        // Which day it is costs more than all the rest, and matters to rows of time alone.
        let day = if self.has_time { self.parameters.zone.day_of(at) } else { self.parameters.range.from };
        Some((share.place, places.piece(day), self.has_stage.then_some(credit.event.stage)))
    }

    /// Of what no model changes; `None` where a filter leaves it out.
    pub(in crate::reports) fn of_day(&self, places: &mut Places<'_>, place: PlaceId, day: Day) -> Option<Slot> {
        places.passes(place).then(|| (place, places.piece(day), None))
    }

    /// The row that a slot becomes.
    pub(in crate::reports) fn key(&self, places: &Places<'_>, (place, piece, stage): Slot) -> RowKey {
        let stage = stage.map_or(Part::Without(Dimension::Stage.without()), |s| Part::named(s.as_str()));
        places.key(place, piece, &stage)
    }

    /// What the totals count of a credit of which `in_rows` fell into rows: of a model that does not add up, the
    /// whole once.
    pub(in crate::reports) fn in_totals(&self, credit: &Credit<'_>, in_rows: i64) -> i64 {
        let adds_up = self.parameters.models.get(credit.model).is_some_and(Choice::adds_up);
        if adds_up { in_rows } else { credit.whole }
    }
}
