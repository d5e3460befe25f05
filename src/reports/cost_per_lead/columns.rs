//! The columns: what each is called, its unit, how it is printed.

use super::figures::Figures;
use crate::domain::money::{Currency, decimal, divide_half_even};
use crate::domain::statistics::Interval;
use crate::reports::credits::Measure;

/// How a column is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A whole number.
    Count,
    /// Micro-units of a lead or customer.
    Micro,
    /// Minor units of the reporting currency.
    Minor,
    /// Minor units with 4 decimals, or blank.
    MinorRatio,
    /// A plain ratio with 4 decimals, or blank.
    Ratio,
    /// A limit of an estimate with 9 decimals, or blank.
    Estimate,
    /// A limit of an estimate in minor units with 6 decimals, or blank.
    MinorEstimate,
}

/// A column: name on the wire, heading for people, unit, whether the page and terminal show it, and its value.
#[expect(missing_debug_implementations, reason = "a function pointer prints as an address")]
pub struct Column {
    /// Name in JSON and CSV.
    pub name: &'static str,
    /// Heading for people.
    pub heading: &'static str,
    /// How it is printed.
    pub unit: Unit,
    /// Whether the page and the terminal show it, too.
    pub is_shown: bool,
    /// Whether every model has the same.
    pub is_common: bool,
    /// Its value: an integer or a printed ratio; `None` is blank.
    pub value: fn(&Figures) -> Option<String>,
}

macro_rules! measure {
    ($measure:ident, $heading:literal, $unit:ident, $shown:literal) => {
        own(Measure::$measure.as_str(), $heading, Unit::$unit, $shown, |f| {
            f.divided(Measure::$measure).map(|sum| sum.to_string())
        })
    };
}

const fn own(
    name: &'static str,
    heading: &'static str,
    unit: Unit,
    is_shown: bool,
    value: fn(&Figures) -> Option<String>,
) -> Column {
    Column { name, heading, unit, is_shown, is_common: false, value }
}

const fn common(
    name: &'static str,
    heading: &'static str,
    unit: Unit,
    value: fn(&Figures) -> Option<String>,
) -> Column {
    Column { name, heading, unit, is_shown: true, is_common: true, value }
}

/// Every column, in order. The formats and pages are made from this list.
pub static COLUMNS: &[Column] = &[
    common("clicks", "Human clicks", Unit::Count, |f| Some(f.clicks.to_string())),
    common("other_touches", "Other touches", Unit::Count, |f| Some(f.other_touches.to_string())),
    measure!(Leads, "Leads", Micro, true),
    own("net_leads_micro", "Net leads", Unit::Micro, false, |f| {
        f.divided(Measure::RejectedLeads).map(|_| f.net_leads_micro().to_string())
    }),
    measure!(RejectedLeads, "Rejected", Micro, false),
    measure!(ExistingCustomerLeads, "Leads of customers", Micro, false),
    common("cost_minor", "Cost", Unit::Minor, |f| Some(f.cost_minor.to_string())),
    own("cpl_minor", "Cost per lead", Unit::MinorRatio, true, |f| f.cost_per(f.get(Measure::Leads))),
    own("net_cpl_minor", "Net cost per lead", Unit::MinorRatio, false, |f| {
        f.divided(Measure::RejectedLeads).and_then(|_| f.cost_per(f.net_leads_micro()))
    }),
    own("leads_lo95", "Leads at least", Unit::Estimate, false, |f| f.lead_limits().map(|l| nine(l.low))),
    own("leads_hi95", "Leads at most", Unit::Estimate, false, |f| f.lead_limits().and_then(|l| l.high).map(nine)),
    own("cpl_lo95_minor", "Cost per lead at least", Unit::MinorEstimate, false, |f| f.cpl_limits().map(|l| six(l.low))),
    own("cpl_hi95_minor", "Cost per lead at most", Unit::MinorEstimate, false, |f| {
        f.cpl_limits().and_then(|l: Interval| l.high).map(six)
    }),
    measure!(Mqls, "MQLs", Micro, false),
    measure!(Sqls, "SQLs", Micro, false),
    measure!(Opportunities, "Opportunities", Micro, false),
    measure!(Customers, "Customers", Micro, true),
    own("cac_minor", "Cost per customer", Unit::MinorRatio, true, |f| f.cost_per(f.get(Measure::Customers))),
    measure!(RefundedCustomers, "Refunded customers", Micro, false),
    measure!(GrossRevenue, "Gross revenue", Minor, false),
    own("revenue_minor", "Revenue", Unit::Minor, true, |f| {
        f.divided(Measure::GrossRevenue).map(|_| f.revenue_minor().to_string())
    }),
    measure!(Refunds, "Refunds", Minor, true),
    own("roas", "ROAS", Unit::Ratio, true, Figures::roas),
    own("roi", "ROI", Unit::Ratio, false, Figures::roi),
    own("leads_per_click", "Leads per click", Unit::Ratio, false, Figures::leads_per_click),
    own("epc_minor", "Revenue per click", Unit::MinorRatio, false, Figures::earnings_per_click),
    own("maturity", "Maturity", Unit::Ratio, false, Figures::maturity),
];

fn nine(limit: f64) -> String {
    format!("{limit:.9}")
}

fn six(limit: f64) -> String {
    format!("{limit:.6}")
}

impl Column {
    /// The value as people read it: leads to 2 decimals, money in major units, blank as `–`.
    pub fn display(&self, figures: &Figures, currency: Currency) -> String {
        let Some(text) = (self.value)(figures) else { return "–".into() };
        let whole = |t: &str| t.parse::<i128>().unwrap_or(0);
        let rounded = |value: i128, per: i128| divide_half_even(value, per).unwrap_or(0);
        match self.unit {
            Unit::Count => grouped(&text),
            Unit::Micro => grouped(&decimal(rounded(whole(&text), 10_000), 2)),
            Unit::Minor => grouped(&decimal(whole(&text), currency.exponent())),
            // 4 decimals of the minor unit are more than a page needs: round to the minor unit.
            Unit::MinorRatio => grouped(&decimal(rounded(whole(&text.replace('.', "")), 10_000), currency.exponent())),
            Unit::Ratio => decimal(rounded(whole(&text.replace('.', "")), 100), 2),
            Unit::Estimate => grouped(&decimal(rounded(whole(&text.replace('.', "")), 10_000_000), 2)),
            Unit::MinorEstimate => {
                grouped(&decimal(rounded(whole(&text.replace('.', "")), 1_000_000), currency.exponent()))
            }
        }
    }
}

/// Groups the thousands of a decimal with commas, as finance reads them.
pub fn grouped(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |r| ("-", r));
    let (whole, decimals) = rest.split_once('.').map_or((rest, String::new()), |(w, d)| (w, format!(".{d}")));
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    format!("{sign}{out}{decimals}")
}
