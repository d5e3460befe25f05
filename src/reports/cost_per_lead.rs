//! Cost per lead and customers acquired, by channel, campaign or link.
//!
//! *Period* clock: stage events by when they happened, costs by day. What each
//! number means is design section 6; every sum is checked before it is shown.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::ReportError;
use super::costs::{self, DayClicks};
use super::facts::{Facts, Who};
use super::labels::{Labels, Origin};
use crate::domain::attribution::credit::allocate;
use crate::domain::attribution::journey::{Journey, LOOKBACK_DAYS_DEFAULT, LOOKBACK_DAYS_MAX};
use crate::domain::attribution::purchases::{Purchase, Refund, divide};
use crate::domain::attribution::{Model, ONE_MICRO, model};
use crate::domain::cost::CostBasis;
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::{CampaignId, ChannelId, LinkId, TouchId};
use crate::domain::money::{Currency, decimal, ratio4};
use crate::domain::stage::{Stage, StageEvent};
use crate::domain::time::{Day, DayRange, UtcMillis, Zone};
use crate::domain::touch::{TouchKind, named_enum};
use crate::store::{Conn, costs as cost_store, ledger, touches};

named_enum!(
    /// What the rows are.
    Dimension, "by", "dimension-unknown" {
        /// One row a channel.
        Channel = "channel",
        /// One row a campaign.
        Campaign = "campaign",
        /// One row a link.
        Link = "link",
    }
);

impl Dimension {
    pub(super) fn key(
        self,
        labels: &Labels,
        channel: Option<ChannelId>,
        campaign: Option<CampaignId>,
        link: Option<LinkId>,
    ) -> RowKey {
        let code = match self {
            Self::Channel => channel.and_then(|id| labels.channel_code(id)),
            Self::Campaign => campaign.and_then(|id| labels.campaign_code(id)),
            Self::Link => link.and_then(|id| labels.link_slug(id)),
        };
        match (code, self) {
            (Some(code), _) => RowKey::Named(code.to_owned()),
            (None, Self::Channel) => RowKey::Without("(unmapped)"),
            (None, Self::Campaign) => RowKey::Without("(no campaign)"),
            (None, Self::Link) => RowKey::Without("(no link)"),
        }
    }
}

/// A row's identity. The order is the order of the report: codes first, then what has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// A code.
    Named(String),
    /// Touches that the dimension does not know.
    Without(&'static str),
    /// Stage events without an eligible touch.
    Unattributed,
    /// Costs of days without clicks to divide them by.
    Unallocated,
    /// Costs that name no channel.
    Shared,
    /// Refunds whose sale is not known.
    UnmatchedRefund,
}

impl RowKey {
    /// What the row is called on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Named(code) => code,
            Self::Without(name) => name,
            Self::Unattributed => "(unattributed)",
            Self::Unallocated => "(unallocated)",
            Self::Shared => "(shared)",
            Self::UnmatchedRefund => "(unmatched refund)",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// What the rows are.
    pub by: Dimension,
    /// The attribution model's wire name.
    pub model: String,
    /// Days of the report, in its zone.
    pub range: DayRange,
    /// The zone that cuts days.
    pub zone: Zone,
    /// Look-back in days, both ends inclusive.
    pub lookback_days: i64,
    /// The reporting currency.
    pub currency: Currency,
    /// Which costs count.
    pub cost: CostBasis,
    /// Facts recorded up to here; the horizon if not given, and never beyond it.
    pub as_of: Option<UtcMillis>,
}

impl Parameters {
    /// The usual report of a range: linear, 90 days, loaded cost, UTC.
    pub fn new(by: Dimension, range: DayRange, currency: Currency) -> Self {
        Self {
            by,
            model: "linear".into(),
            range,
            zone: Zone::utc(),
            lookback_days: LOOKBACK_DAYS_DEFAULT,
            currency,
            cost: CostBasis::default(),
            as_of: None,
        }
    }

    fn check(&self) -> Result<&'static dyn Model, Fault> {
        DayRange::new(self.range.from, self.range.to)?;
        if !(0..=LOOKBACK_DAYS_MAX).contains(&self.lookback_days) {
            return Err(Fault::new(
                "lookback_days",
                "lookback-out-of-range",
                format!("{} days; use 0 to {LOOKBACK_DAYS_MAX}", self.lookback_days),
            ));
        }
        model(&self.model)
    }
}

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

    fn add(&mut self, other: &Self) {
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

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which row.
    pub key: RowKey,
    /// The name people read; empty where the key says it all.
    pub name: String,
    /// Its sums.
    pub figures: Figures,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was asked, `as_of` filled in.
    pub parameters: Parameters,
    /// The rows, in the order of [`RowKey`].
    pub rows: Vec<Row>,
    /// The sum of the rows.
    pub totals: Figures,
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

/// Computes the report. Call it inside one snapshot ([`crate::store::Db::read`]).
pub fn run(conn: &mut Conn, parameters: &Parameters) -> Result<Report, ReportError> {
    let model = parameters.check()?;
    let horizon = ledger::horizon(conn)?;
    let as_of = parameters.as_of.map_or(horizon, |a| a.min(horizon));
    let parameters = Parameters { as_of: Some(as_of), ..parameters.clone() };
    let facts = Facts::load(conn, as_of)?;
    let mut table = Table::new(&parameters, &facts, model);
    table.count_touches(conn, as_of)?;
    table.add_costs(conn, as_of)?;
    table.credit_events()?;
    table.finish()
}

/// A report in the making.
struct Table<'a> {
    parameters: &'a Parameters,
    facts: &'a Facts,
    model: &'static dyn Model,
    from: UtcMillis,
    to: UtcMillis,
    rows: BTreeMap<RowKey, Figures>,
    clicks: Vec<DayClicks>,
    /// What the rows must add up to.
    expected: Figures,
}

impl<'a> Table<'a> {
    fn new(parameters: &'a Parameters, facts: &'a Facts, model: &'static dyn Model) -> Self {
        let from = parameters.zone.day_start(parameters.range.from);
        let to = parameters.zone.day_start(parameters.range.to.plus_days(1));
        Self {
            parameters,
            facts,
            model,
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

    /// Counts touches by day and label: the period is cut where days begin and where a link is relabelled,
    /// so that within each piece every touch of a link has one label.
    fn count_touches(&mut self, conn: &mut Conn, as_of: UtcMillis) -> Result<(), ReportError> {
        let zone = &self.parameters.zone;
        let mut cuts: Vec<UtcMillis> = self.facts.labels.changes_within(self.from, self.to);
        // Days matter only where a cost is divided by a day's clicks.
        if self.parameters.by != Dimension::Channel {
            cuts.extend(self.parameters.range.days().map(|d| zone.day_start(d)));
        }
        cuts.extend([self.from, self.to]);
        cuts.sort();
        cuts.dedup();
        for (from, to) in cuts.iter().zip(cuts.iter().skip(1)) {
            for counted in touches::count_human(conn, *from, *to, as_of)? {
                let origin = Origin { link: counted.link, channel: counted.channel, campaign: counted.campaign };
                let channel = self.facts.labels.channel_of(origin, *from);
                let campaign = self.facts.labels.campaign_of(origin, *from);
                let key = self.parameters.by.key(&self.facts.labels, channel, campaign, counted.link);
                let row = self.row(key);
                if counted.kind == TouchKind::Click {
                    row.clicks += counted.count;
                    self.expected.clicks += counted.count;
                    let day = self.parameters.zone.day_of(*from);
                    self.clicks.push(DayClicks { day, channel, campaign, link: counted.link, count: counted.count });
                } else {
                    row.other_touches += counted.count;
                    self.expected.other_touches += counted.count;
                }
            }
        }
        Ok(())
    }

    fn add_costs(&mut self, conn: &mut Conn, as_of: UtcMillis) -> Result<(), ReportError> {
        let (by, range) = (self.parameters.by, self.parameters.range);
        let entries = cost_store::visible(conn, range, as_of)?;
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

    fn credit_events(&mut self) -> Result<(), ReportError> {
        let mut by_who: BTreeMap<Who, Vec<&StageEvent>> = BTreeMap::new();
        for event in &self.facts.events {
            by_who.entry(self.facts.who(event)).or_default().push(event);
        }
        for events in by_who.values() {
            self.credit_lead(events);
            let facts = self.facts;
            let touches_of = |e: &StageEvent| facts.touches_of(e);
            let (purchases, refunds) = divide(events, &touches_of, self.model, self.parameters.lookback_days);
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
        let is_rejected = events.iter().any(|e| e.stage == Stage::Rejected && e.occurred_at >= lead.occurred_at);
        let journey = Journey::cut(self.facts.touches_of(lead), lead.occurred_at, self.parameters.lookback_days, None);
        let parts: Vec<(TouchId, u128)> =
            journey.touches.iter().map(|t| t.id).zip(self.model.parts(&journey)).collect();
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

    fn finish(self) -> Result<Report, ReportError> {
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

/// Reads the parameters that all surfaces share, by name; anything not given takes its default.
///
/// Surfaces: the API's query string, the page's form, the command line's flags.
pub fn parameters_from(given: &HashMap<String, String>, defaults: &Parameters) -> Result<Parameters, Vec<Fault>> {
    const NAMES: &[&str] = &["by", "model", "from", "to", "zone", "lookback_days", "currency", "cost", "as_of"];
    let mut faults = Vec::new();
    for name in given.keys().filter(|n| !NAMES.contains(&n.as_str()) && *n != "format") {
        faults.push(Fault::new(
            name.as_str(),
            "parameter-unknown",
            format!("{} is no parameter; use {}", shown(name), NAMES.join(", ")),
        ));
    }
    let mut result = defaults.clone();
    let mut read = |name: &str, set: &mut dyn FnMut(&str) -> Result<(), Fault>| {
        if let Some(text) = given.get(name).map(|t| t.trim()).filter(|t| !t.is_empty())
            && let Err(fault) = set(text)
        {
            faults.push(fault.named(name));
        }
    };
    read("by", &mut |t| t.parse().map(|v| result.by = v));
    read("model", &mut |t| model(t).map(|m| m.name().clone_into(&mut result.model)));
    read("from", &mut |t| t.parse().map(|v| result.range.from = v));
    read("to", &mut |t| t.parse().map(|v| result.range.to = v));
    read("zone", &mut |t| t.parse().map(|v| result.zone = v));
    read("currency", &mut |t| t.parse().map(|v| result.currency = v));
    read("cost", &mut |t| match t {
        "media" => {
            result.cost = CostBasis::Media;
            Ok(())
        }
        "loaded" => {
            result.cost = CostBasis::Loaded;
            Ok(())
        }
        other => {
            Err(Fault::new("cost", "cost-basis-unknown", format!("{} is not known; use media or loaded", shown(other))))
        }
    });
    read("lookback_days", &mut |t| match t.parse() {
        Ok(days) => {
            result.lookback_days = days;
            Ok(())
        }
        Err(_) => Err(Fault::new("lookback_days", "number-malformed", format!("{} is not a number of days", shown(t)))),
    });
    read("as_of", &mut |t| match t.parse::<i64>() {
        Ok(ms) => {
            result.as_of = Some(UtcMillis(ms));
            Ok(())
        }
        Err(_) => UtcMillis::parse(t).map(|at| result.as_of = Some(at)),
    });
    if let Err(fault) = result.check() {
        faults.push(fault);
    }
    if faults.is_empty() { Ok(result) } else { Err(faults) }
}
