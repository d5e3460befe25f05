//! Reads parameters by name: the API's query string, the page's form, the command line's flags.

use std::collections::HashMap;
use std::str::FromStr;

use super::{Filter, MODELS_MOST, Parameters, ReportClock};
use crate::domain::attribution::Choice;
use crate::domain::calendar::{Comparison, FiscalStart};
use crate::domain::cost::CostBasis;
use crate::domain::fault::{Fault, shown};
use crate::domain::time::UtcMillis;
use crate::domain::touch::TouchClass;
use crate::reports::dimension::Dimension;

/// Every parameter but the filters, which are called like their dimensions.
pub const NAMES: &[&str] = &[
    "by",
    "model",
    "from",
    "to",
    "zone",
    "fiscal_start",
    "lookback_days",
    "currency",
    "cost",
    "clock",
    "compare",
    "classes",
    "views",
    "below_floor",
    "as_of",
];

/// Reads what is given; anything not given takes its default. `more` are names that the report reads by itself.
///
/// # Errors
/// Every fault at once, each under the name of its parameter.
pub fn parameters_from(
    given: &HashMap<String, String>,
    more: &[&str],
    defaults: &Parameters,
) -> Result<Parameters, Vec<Fault>> {
    let mut faults = unknown_names(given, more);
    let mut result = defaults.clone();
    let mut read = |name: &str, set: &mut dyn FnMut(&str) -> Result<(), Fault>| {
        if let Some(text) = given.get(name).map(|t| t.trim()).filter(|t| !t.is_empty())
            && let Err(fault) = set(text)
        {
            faults.push(fault.named(name));
        }
    };
    read("by", &mut |t| dimensions(t).map(|v| result.by = v));
    read("model", &mut |t| models(t).map(|v| result.models = v));
    read("from", &mut |t| t.parse().map(|v| result.range.from = v));
    read("to", &mut |t| t.parse().map(|v| result.range.to = v));
    read("zone", &mut |t| t.parse().map(|v| result.zone = v));
    read("fiscal_start", &mut |t| fiscal_start(t).map(|v| result.fiscal_start = v));
    read("lookback_days", &mut |t| t.parse().map(|v| result.look_back = v));
    read("currency", &mut |t| t.parse().map(|v| result.currency = v));
    read("cost", &mut |t| cost_basis(t).map(|v| result.cost = v));
    read("clock", &mut |t| t.parse::<ReportClock>().map(|v| result.clock = v));
    read("compare", &mut |t| list::<Comparison>(t).map(|v| result.compare = v));
    read("classes", &mut |t| list::<TouchClass>(t).map(|v| result.classes = v));
    read("views", &mut |t| truth(t).map(|v| result.views = v));
    read("below_floor", &mut |t| below_floor(t).map(|v| result.accepts_below_floor = v));
    read("as_of", &mut |t| as_of(t).map(|v| result.as_of = Some(v)));
    for dimension in filterable() {
        read(dimension.as_str(), &mut |t| {
            Filter::parse(t).map(|f| {
                result.filters.insert(dimension, f);
            })
        });
    }
    // A day that cannot be read says nothing about the order of the two.
    let is_about_days = |f: &Fault| matches!(f.field.as_str(), "from" | "to");
    if let Err(fault) = result.check()
        && !(is_about_days(&fault) && faults.iter().any(is_about_days))
    {
        faults.push(fault);
    }
    if faults.is_empty() { Ok(result) } else { Err(faults) }
}

/// The dimensions that rows can be filtered by: time has the range, and a stage is a column.
fn filterable() -> impl Iterator<Item = Dimension> {
    Dimension::ALL.iter().copied().filter(|d| d.is_of_touch())
}

fn unknown_names(given: &HashMap<String, String>, more: &[&str]) -> Vec<Fault> {
    let is_known = |name: &str| {
        NAMES.contains(&name) || more.contains(&name) || name == "format" || filterable().any(|d| d.as_str() == name)
    };
    let mut unknown: Vec<&String> = given.keys().filter(|n| !is_known(n)).collect();
    unknown.sort();
    let filters: Vec<&str> = filterable().map(Dimension::as_str).collect();
    let fault = |name: &String| {
        let names = NAMES.iter().chain(more).copied().collect::<Vec<_>>().join(", ");
        let detail = format!("{} is no parameter; use {names}, or a filter by {}", shown(name), filters.join(", "));
        Fault::new(name.as_str(), "parameter-unknown", detail)
    };
    unknown.into_iter().map(fault).collect()
}

/// Values with commas between, each once.
fn list<T: FromStr<Err = Fault> + PartialEq>(text: &str) -> Result<Vec<T>, Fault> {
    let mut values = Vec::new();
    for piece in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let value = piece.parse()?;
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Ok(values)
}

fn dimensions(text: &str) -> Result<Vec<Dimension>, Fault> {
    let by: Vec<Dimension> = list(text)?;
    match by.len() {
        1..=Dimension::MOST => Ok(by),
        0 => Err(Fault::new("by", "dimension-missing", "names no dimension; write by=channel")),
        many => {
            let detail = format!("{many} dimensions are more than {}; leave some out", Dimension::MOST);
            Err(Fault::new("by", "dimensions-too-many", detail))
        }
    }
}

fn models(text: &str) -> Result<Vec<Choice>, Fault> {
    let models: Vec<Choice> = list(text)?;
    match models.len() {
        1..=MODELS_MOST => Ok(models),
        0 => Err(Fault::new("model", "model-missing", "names no model; write model=linear")),
        many => {
            let detail = format!("{many} models are more than {MODELS_MOST}; leave some out");
            Err(Fault::new("model", "models-too-many", detail))
        }
    }
}

fn fiscal_start(text: &str) -> Result<FiscalStart, Fault> {
    text.parse().ok().and_then(FiscalStart::new).ok_or_else(|| {
        let detail = format!("{} is no month; use 1 for January to 12 for December", shown(text));
        Fault::new("fiscal_start", "month-out-of-range", detail)
    })
}

fn cost_basis(text: &str) -> Result<CostBasis, Fault> {
    match text {
        "media" => Ok(CostBasis::Media),
        "loaded" => Ok(CostBasis::Loaded),
        other => {
            let detail = format!("{} is not known; use media or loaded", shown(other));
            Err(Fault::new("cost", "cost-basis-unknown", detail))
        }
    }
}

fn truth(text: &str) -> Result<bool, Fault> {
    match text {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        other => Err(Fault::new("views", "truth-malformed", format!("{} is neither true nor false", shown(other)))),
    }
}

fn below_floor(text: &str) -> Result<bool, Fault> {
    match text {
        "accept" => Ok(true),
        "refuse" => Ok(false),
        other => {
            let detail = format!("{} is not known; use accept or refuse", shown(other));
            Err(Fault::new("below_floor", "below-floor-unknown", detail))
        }
    }
}

/// An instant of the ledger: milliseconds, as reports print it, or RFC 3339.
pub(in crate::reports) fn as_of(text: &str) -> Result<UtcMillis, Fault> {
    text.parse::<i64>().map(UtcMillis).or_else(|_not_a_number| UtcMillis::parse(text))
}

impl Parameters {
    /// Every parameter as it is written, filters included, so that the same question can be asked again.
    pub fn written(&self) -> Vec<(&'static str, String)> {
        let cost = if self.cost == CostBasis::Media { "media" } else { "loaded" };
        let mut all = vec![
            ("by", joined(&self.by)),
            ("model", joined(&self.models)),
            ("from", self.range.from.to_string()),
            ("to", self.range.to.to_string()),
            ("zone", self.zone.name().to_owned()),
            ("fiscal_start", self.fiscal_start.month().to_string()),
            ("lookback_days", self.look_back.to_string()),
            ("currency", self.currency.to_string()),
            ("cost", cost.to_owned()),
            ("clock", self.clock.to_string()),
            ("compare", joined(&self.compare)),
            ("classes", joined(&self.classes)),
            ("views", self.views.to_string()),
            ("below_floor", if self.accepts_below_floor { "accept" } else { "refuse" }.to_owned()),
        ];
        all.extend(self.filters.iter().map(|(dimension, filter)| (dimension.as_str(), filter.to_string())));
        if let Some(as_of) = self.as_of {
            all.push(("as_of", as_of.0.to_string()));
        }
        all
    }
}

fn joined<T: ToString>(list: &[T]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
