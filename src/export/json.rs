//! Reports as JSON: the same bytes for the same parameters and `as_of`, for ever (per engine version).

use serde_json::{Map, Value, json};

use crate::domain::attribution::Choice;
use crate::domain::time::Zone;
use crate::reports::Parameters;
use crate::reports::cost_per_lead::{
    COLUMNS, Changed, Column, Compared, Figures, PathCounts, PathModel, Report, Row, Unit,
};

/// Version of the meaning of figures; it grows when the same facts would print other bytes.
pub const ENGINE_VERSION: u32 = 4;

/// Writes a cost-per-lead report with everything it depends on.
pub fn report(report: &Report) -> Value {
    let mut document = head("cost-per-lead", &report.parameters);
    let several = report.parameters.models.len() > 1;
    let rows: Vec<Value> = report
        .rows
        .iter()
        .map(|r| {
            let mut object = Map::new();
            object.insert("key".into(), r.key.to_string().into());
            let parts = report.parameters.by.iter().zip(r.key.parts());
            let keys: Map<String, Value> = parts.map(|(d, p)| (d.as_str().to_owned(), p.as_str().into())).collect();
            object.insert("keys".into(), keys.into());
            object.insert("name".into(), r.name.clone().into());
            row(report, r, several, &mut object);
            Value::Object(object)
        })
        .collect();
    let mut totals = Map::new();
    row(report, &report.totals, several, &mut totals);
    if !report.path_models.is_empty() {
        document.insert("path_models".into(), report.path_models.iter().map(path_model).collect());
    }
    document.insert("notes".into(), report.notes.clone().into());
    document.insert("rows".into(), rows.into());
    document.insert("totals".into(), totals.into());
    Value::Object(document)
}

fn path_model(found: &PathModel) -> Value {
    let counts = |counts: &PathCounts| {
        json!({
            "conversions": counts.conversions, "null_paths": counts.nulls,
            "conversion_rate": format!("{:.9}", counts.conversion_rate),
        })
    };
    json!({ "model": found.model.to_string(), "leads": counts(&found.leads), "customers": counts(&found.customers) })
}

/// What every report says of itself: name, versions, as-of, parameters, models.
pub fn head(name: &str, parameters: &Parameters) -> Map<String, Value> {
    let written: Map<String, Value> =
        parameters.written().into_iter().filter(|(n, _)| *n != "as_of").map(|(n, v)| (n.into(), v.into())).collect();
    let mut document = Map::new();
    document.insert("report".into(), name.into());
    document.insert("engine_version".into(), ENGINE_VERSION.into());
    document.insert("zone_data".into(), Zone::data_version().into());
    document.insert("as_of".into(), parameters.as_of.map(|t| t.0).into());
    document.insert("parameters".into(), written.into());
    document.insert("models".into(), parameters.models.iter().map(model).collect());
    document
}

/// A model as a report prints it.
pub fn model(choice: &Choice) -> Value {
    let model = choice.model();
    json!({
        "model": choice.to_string(), "label": model.label, "formula": model.formula, "rule": model.rule,
        "adds_up": choice.adds_up(),
    })
}

/// The first model's figures stand in the row itself; with several models, `models` has those of each.
fn row(report: &Report, row: &Row, several: bool, object: &mut Map<String, Value>) {
    figures(row.leading(), object, |_| true);
    if several {
        let of_model = |(choice, own): (&Choice, &Figures)| {
            let mut model = Map::new();
            model.insert("model".into(), choice.to_string().into());
            figures(own, &mut model, |c| !c.is_common);
            Value::Object(model)
        };
        let models: Vec<Value> = report.parameters.models.iter().zip(&row.figures).map(of_model).collect();
        object.insert("models".into(), models.into());
        let spread = row.cpl_spread().map(|(low, high)| json!({ "low": low, "high": high }));
        object.insert("cpl_spread_minor".into(), spread.unwrap_or(Value::Null));
    }
    if !row.compared.is_empty() {
        object.insert("compared".into(), row.compared.iter().map(|c| compared(report, c)).collect());
    }
}

fn compared(report: &Report, compared: &Compared) -> Value {
    let of_model = |(n, choice): (usize, &Choice)| {
        let mut model = Map::new();
        model.insert("model".into(), choice.to_string().into());
        if let Some(then) = compared.figures.get(n) {
            figures(then, &mut model, |_| true);
        }
        let change = |list: &[Option<Changed>]| list.get(n).and_then(Option::as_ref).map_or(Value::Null, changed);
        model.insert("leads_change".into(), change(&compared.leads));
        model.insert("cpl_change".into(), change(&compared.cpl));
        Value::Object(model)
    };
    let models: Vec<Value> = report.parameters.models.iter().enumerate().map(of_model).collect();
    json!({
        "with": compared.with, "from": compared.range.from, "to": compared.range.to, "models": models,
    })
}

fn changed(changed: &Changed) -> Value {
    let nine = |value: f64| format!("{value:.9}");
    json!({
        "ratio": changed.ratio,
        "lo95": nine(changed.low),
        "hi95": changed.high.map(nine),
        "p": nine(changed.p),
        "p_adjusted": nine(changed.p_adjusted),
        "verdict": if changed.is_signal { "signal" } else { "noise" },
        "approximate": changed.is_approximate,
        "noise_floor": changed.floor.as_ref().map(|f| json!({ "down_micro": f.down_micro, "up_micro": f.up_micro })),
    })
}

fn figures(figures: &Figures, object: &mut Map<String, Value>, wants: impl Fn(&Column) -> bool) {
    for column in COLUMNS.iter().filter(|c| wants(c)) {
        let value = match ((column.value)(figures), column.unit) {
            (None, _) => Value::Null,
            (Some(text), Unit::Count | Unit::Micro | Unit::Minor) => {
                text.parse::<i64>().map_or(Value::Null, Into::into)
            }
            // Ratios are decimals as text, so that no reader rounds them again.
            (Some(text), _) => text.into(),
        };
        object.insert(column.name.into(), value);
    }
    if let Some(aggregate) = figures.aggregate {
        object.insert("effect".into(), aggregate.effect.map(|e| format!("{e:.9}")).into());
        object.insert("leads".into(), format!("{:.9}", aggregate.leads).into());
        object.insert("customers".into(), format!("{:.9}", aggregate.customers).into());
    }
}
