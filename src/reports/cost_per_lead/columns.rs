//! The columns: sums, the ratios made from them, and how each is printed.

use crate::domain::attribution::ONE_MICRO;
use crate::domain::money::{Currency, decimal, ratio4};

/// One row's sums. Ratios are computed from them at the edge, never stored, never averaged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Human clicks.
    pub clicks: i64,
    /// Human landings, views and forms.
    pub other_touches: i64,
    /// Leads, gross, in micro-units.
    pub leads_micro: i64,
    /// Those of them that were rejected by `as_of`.
    pub rejected_leads_micro: i64,
    /// Leads of people who were customers already; not in `leads_micro`.
    pub existing_customer_leads_micro: i64,
    /// Cost in minor units.
    pub cost_minor: i64,
    /// Customers acquired, in micro-units.
    pub customers_micro: i64,
    /// Value of purchases, before refunds, in minor units.
    pub gross_revenue_minor: i64,
    /// Money given back, in minor units.
    pub refunds_minor: i64,
}

impl Figures {
    /// Revenue: purchases less refunds.
    pub fn revenue_minor(&self) -> i64 {
        self.gross_revenue_minor - self.refunds_minor
    }

    /// Cost per lead in minor units, 4 decimals; blank without leads.
    pub fn cpl(&self) -> Option<String> {
        ratio4(i128::from(self.cost_minor) * i128::from(ONE_MICRO), self.leads_micro.into())
    }

    /// Cost per customer acquired in minor units, 4 decimals; blank without customers.
    pub fn cac(&self) -> Option<String> {
        ratio4(i128::from(self.cost_minor) * i128::from(ONE_MICRO), self.customers_micro.into())
    }

    /// Return on ad spend: revenue over cost, 4 decimals; blank without cost.
    pub fn roas(&self) -> Option<String> {
        ratio4(self.revenue_minor().into(), self.cost_minor.into())
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.clicks += other.clicks;
        self.other_touches += other.other_touches;
        self.leads_micro += other.leads_micro;
        self.rejected_leads_micro += other.rejected_leads_micro;
        self.existing_customer_leads_micro += other.existing_customer_leads_micro;
        self.cost_minor += other.cost_minor;
        self.customers_micro += other.customers_micro;
        self.gross_revenue_minor += other.gross_revenue_minor;
        self.refunds_minor += other.refunds_minor;
    }
}

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
    /// Its value: an integer or a printed ratio; `None` is blank.
    pub value: fn(&Figures) -> Option<String>,
}

macro_rules! column {
    ($name:ident, $heading:literal, $unit:ident, $shown:literal) => {
        Column {
            name: stringify!($name),
            heading: $heading,
            unit: Unit::$unit,
            is_shown: $shown,
            value: |f| Some(f.$name.to_string()),
        }
    };
}

/// Every column, in order. The formats and pages are made from this list.
pub static COLUMNS: &[Column] = &[
    column!(clicks, "Human clicks", Count, true),
    column!(other_touches, "Other touches", Count, true),
    column!(leads_micro, "Leads", Micro, true),
    Column {
        name: "net_leads_micro",
        heading: "Net leads",
        unit: Unit::Micro,
        is_shown: false,
        value: |f| Some((f.leads_micro - f.rejected_leads_micro).to_string()),
    },
    column!(rejected_leads_micro, "Rejected", Micro, false),
    column!(existing_customer_leads_micro, "Leads of customers", Micro, false),
    column!(cost_minor, "Cost", Minor, true),
    Column { name: "cpl_minor", heading: "Cost per lead", unit: Unit::MinorRatio, is_shown: true, value: Figures::cpl },
    column!(customers_micro, "Customers", Micro, true),
    Column {
        name: "cac_minor",
        heading: "Cost per customer",
        unit: Unit::MinorRatio,
        is_shown: true,
        value: Figures::cac,
    },
    column!(gross_revenue_minor, "Gross revenue", Minor, false),
    Column {
        name: "revenue_minor",
        heading: "Revenue",
        unit: Unit::Minor,
        is_shown: true,
        value: |f| Some(f.revenue_minor().to_string()),
    },
    column!(refunds_minor, "Refunds", Minor, true),
    Column { name: "roas", heading: "ROAS", unit: Unit::Ratio, is_shown: true, value: Figures::roas },
];

impl Column {
    /// The value as people read it: leads to 2 decimals, money in major units, blank as `–`.
    pub fn display(&self, figures: &Figures, currency: Currency) -> String {
        let Some(text) = (self.value)(figures) else { return "–".into() };
        let whole = |t: &str| t.parse::<i128>().unwrap_or(0);
        let rounded = |value: i128, per: i128| crate::domain::money::divide_half_even(value, per).unwrap_or(0);
        match self.unit {
            Unit::Count => grouped(&text),
            Unit::Micro => grouped(&decimal(rounded(whole(&text), 10_000), 2)),
            Unit::Minor => grouped(&decimal(whole(&text), currency.exponent())),
            // 4 decimals of the minor unit are more than a page needs: round to the minor unit.
            Unit::MinorRatio => grouped(&decimal(rounded(whole(&text.replace('.', "")), 10_000), currency.exponent())),
            Unit::Ratio => decimal(rounded(whole(&text.replace('.', "")), 100), 2),
        }
    }
}

/// Groups the thousands of a decimal with commas, as finance reads them.
fn grouped(text: &str) -> String {
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
