//! One row's sums by one model, and the ratios made from them at the edge.

use crate::domain::attribution::ONE_MICRO;
use crate::domain::money::ratio4;
use crate::domain::statistics::{Confidence, Credits, Interval, counts};
use crate::reports::credits::Measure;

/// Sums of one row by one model. Ratios are computed from them, never stored, never averaged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Clicks of the classes asked for.
    pub clicks: i64,
    /// Landings, views and forms of these classes.
    pub other_touches: i64,
    /// Cost in minor units.
    pub cost_minor: i64,
    credits: [i64; Measure::ALL.len()],
    /// The leads one by one, as intervals need them.
    pub leads: Credits,
    /// What an aggregate model found; its leads and customers are then rounded from it.
    pub aggregate: Option<Aggregate>,
    /// The share of the row's credit that is expected to be in by `as_of`; of cohorts alone.
    pub maturity: Option<Ratio>,
}

/// A row's part in an aggregate model.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Aggregate {
    /// Removal effect, or value of the game, for leads; none of what no path led to, nor of all rows together.
    pub effect: Option<f64>,
    /// Leads, rounded once to 1e-9.
    pub leads: f64,
    /// Customers, likewise.
    pub customers: f64,
}

/// An exact ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// Above the line.
    pub of: i128,
    /// Below the line.
    pub whole: i128,
}

impl Figures {
    /// Nothing at all.
    pub(super) const BLANK: Self = Self {
        clicks: 0,
        other_touches: 0,
        cost_minor: 0,
        credits: [0; Measure::ALL.len()],
        leads: Credits::NONE,
        aggregate: None,
        maturity: None,
    };

    /// Nothing yet, by an aggregate model or by another.
    pub(super) fn blank(is_aggregate: bool) -> Self {
        Self { aggregate: is_aggregate.then(Aggregate::default), ..Self::default() }
    }

    /// The sum of a measure.
    pub fn get(&self, measure: Measure) -> i64 {
        self.credits.get(position(measure)).copied().unwrap_or(0)
    }

    /// The sum of a measure, where the model divides it: an aggregate model does leads and customers alone.
    pub fn divided(&self, measure: Measure) -> Option<i64> {
        let divides = self.aggregate.is_none() || matches!(measure, Measure::Leads | Measure::Customers);
        divides.then(|| self.get(measure))
    }

    pub(in crate::reports) fn add_credit(&mut self, measure: Measure, amount: i64) {
        if let Some(sum) = self.credits.get_mut(position(measure)) {
            *sum += amount;
        }
    }

    /// Leads less those rejected.
    pub fn net_leads_micro(&self) -> i64 {
        self.get(Measure::Leads) - self.get(Measure::RejectedLeads)
    }

    /// Revenue: purchases less refunds.
    pub fn revenue_minor(&self) -> i64 {
        self.get(Measure::GrossRevenue) - self.get(Measure::Refunds)
    }

    /// Cost for each whole unit of a measure in minor units, 4 decimals; blank without any.
    pub fn cost_per(&self, micro: i64) -> Option<String> {
        ratio4(i128::from(self.cost_minor) * i128::from(ONE_MICRO), micro.into())
    }

    /// Return on ad spend: revenue over cost, 4 decimals; blank without cost.
    pub fn roas(&self) -> Option<String> {
        self.divided(Measure::GrossRevenue)?;
        ratio4(self.revenue_minor().into(), self.cost_minor.into())
    }

    /// Return on investment: revenue less cost, over cost; blank without cost.
    pub fn roi(&self) -> Option<String> {
        self.divided(Measure::GrossRevenue)?;
        ratio4(i128::from(self.revenue_minor()) - i128::from(self.cost_minor), self.cost_minor.into())
    }

    /// Revenue for each click in minor units; blank without clicks.
    pub fn earnings_per_click(&self) -> Option<String> {
        self.divided(Measure::GrossRevenue)?;
        ratio4(self.revenue_minor().into(), self.clicks.into())
    }

    /// Leads for each click; blank without clicks.
    pub fn leads_per_click(&self) -> Option<String> {
        ratio4(self.get(Measure::Leads).into(), i128::from(self.clicks) * i128::from(ONE_MICRO))
    }

    /// The share that is in; blank where nothing can be said.
    pub fn maturity(&self) -> Option<String> {
        self.maturity.and_then(|m| ratio4(m.of, m.whole))
    }

    /// Limits of the number of leads at 95 % (Garwood; Fay and Feuer for fractional credit).
    pub fn lead_limits(&self) -> Option<Interval> {
        // Shares of an estimate are no counts of leads.
        if self.aggregate.is_some() {
            return None;
        }
        counts::credit_limits(&self.leads, Confidence::NINETY_FIVE)
    }

    /// Limits of the cost per lead in minor units at 95 %; blank without cost.
    pub fn cpl_limits(&self) -> Option<Interval> {
        if self.aggregate.is_some() {
            return None;
        }
        counts::cost_limits(self.cost_minor, &self.leads, Confidence::NINETY_FIVE)
    }

    /// Adds everything but single leads, which a sum of rows would count once for each row.
    pub(in crate::reports) fn add(&mut self, other: &Self) {
        self.clicks += other.clicks;
        self.other_touches += other.other_touches;
        self.cost_minor += other.cost_minor;
        for (sum, more) in self.credits.iter_mut().zip(other.credits) {
            *sum += more;
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self { maturity: self.maturity, aggregate: self.aggregate, ..Self::default() }
            && self.aggregate.is_none_or(|a| a.leads == 0.0 && a.customers == 0.0)
    }
}

fn position(measure: Measure) -> usize {
    measure as usize
}
