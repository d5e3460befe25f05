//! What can be asked of a report, and how every surface reads it.

mod filter;
mod look_back;
mod read;

pub use filter::{Filter, Filters};
pub use look_back::LookBack;
pub(super) use read::as_of;
pub use read::{NAMES, parameters_from};

use super::dimension::Dimension;
use crate::domain::attribution::{Choice, Method};
use crate::domain::calendar::{Comparison, FiscalStart};
use crate::domain::cost::CostBasis;
use crate::domain::fault::Fault;
use crate::domain::money::Currency;
use crate::domain::named_enum::named_enum;
use crate::domain::time::{DayRange, UtcMillis, Zone};
use crate::domain::touch::TouchClass;

/// Most models of one report.
pub const MODELS_MOST: usize = 20;

named_enum!(
    /// When a credit counts.
    ReportClock, "clock", "clock-unknown" {
        /// When the stage event happened.
        Period = "period",
        /// When the touch happened; costs are of the same days.
        Cohort = "cohort",
    }
);

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// What the rows are, one to three.
    pub by: Vec<Dimension>,
    /// The models, at least one; the first one's figures lead.
    pub models: Vec<Choice>,
    /// Days of the report, in its zone.
    pub range: DayRange,
    /// The zone that cuts days.
    pub zone: Zone,
    /// When fiscal years begin.
    pub fiscal_start: FiscalStart,
    /// How far journeys reach back, both ends inclusive.
    pub look_back: LookBack,
    /// The reporting currency.
    pub currency: Currency,
    /// Which costs count.
    pub cost: CostBasis,
    /// When credits count.
    pub clock: ReportClock,
    /// What the period is compared with.
    pub compare: Vec<Comparison>,
    /// Classes of touches that count.
    pub classes: Vec<TouchClass>,
    /// Whether pixel impressions count as touches.
    pub views: bool,
    /// What rows must be.
    pub filters: Filters,
    /// Whether aggregate models answer below their data floor.
    pub accepts_below_floor: bool,
    /// Facts recorded up to here; the horizon if not given, and never beyond it.
    pub as_of: Option<UtcMillis>,
}

impl Parameters {
    /// The usual report of a range: by channel, linear, 90 days, loaded cost, human touches, UTC.
    pub fn new(range: DayRange, currency: Currency) -> Self {
        Self {
            by: vec![Dimension::Channel],
            models: vec![Choice::default()],
            range,
            zone: Zone::utc(),
            fiscal_start: FiscalStart::default(),
            look_back: LookBack::default(),
            currency,
            cost: CostBasis::default(),
            clock: ReportClock::Period,
            compare: Vec::new(),
            classes: vec![TouchClass::Human],
            views: false,
            filters: Filters::new(),
            accepts_below_floor: false,
            as_of: None,
        }
    }

    /// The instant at which the range begins.
    pub fn begin(&self) -> UtcMillis {
        self.zone.day_start(self.range.from)
    }

    /// The instant at which the range is over.
    pub fn end(&self) -> UtcMillis {
        self.zone.day_start(self.range.to.plus_days(1))
    }

    /// Checks what single fields cannot.
    fn check(&self) -> Result<(), Fault> {
        DayRange::new(self.range.from, self.range.to)?;
        let has_time = self.by.iter().any(|d| d.grain().is_some());
        if has_time && !self.compare.is_empty() {
            return Err(Fault::new(
                "compare",
                "compare-with-time",
                "rows of time are a comparison already; leave out compare, or the dimension of time in by",
            ));
        }
        let aggregate = self.models.iter().find(|c| matches!(c.model().method, Method::Paths(_)));
        let Some(choice) = aggregate else { return Ok(()) };
        let one_dimension = matches!(self.by.as_slice(), [only] if only.is_of_touch());
        if one_dimension && self.clock == ReportClock::Period && self.filters.is_empty() {
            return Ok(());
        }
        Err(Fault::new(
            "model",
            "model-needs-whole-paths",
            format!(
                "{choice} gives one share for each row of one dimension from all paths; ask for a single dimension of \
                 touches in by, the period clock and no filters"
            ),
        ))
    }
}
