//! What can be asked of the report, and how every surface reads it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Dimension;
use crate::domain::attribution::Choice;
use crate::domain::attribution::journey::{LOOKBACK_DAYS_DEFAULT, LOOKBACK_DAYS_MAX};
use crate::domain::cost::CostBasis;
use crate::domain::fault::{Fault, shown};
use crate::domain::money::Currency;
use crate::domain::time::{DayRange, UtcMillis, Zone};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// What the rows are.
    pub by: Dimension,
    /// The attribution model.
    pub model: Choice,
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
            model: Choice::default(),
            range,
            zone: Zone::utc(),
            lookback_days: LOOKBACK_DAYS_DEFAULT,
            currency,
            cost: CostBasis::default(),
            as_of: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        DayRange::new(self.range.from, self.range.to)?;
        if !(0..=LOOKBACK_DAYS_MAX).contains(&self.lookback_days) {
            return Err(Fault::new(
                "lookback_days",
                "lookback-out-of-range",
                format!("{} days; use 0 to {LOOKBACK_DAYS_MAX}", self.lookback_days),
            ));
        }
        Ok(())
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
    read("model", &mut |t| t.parse().map(|v| result.model = v));
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
