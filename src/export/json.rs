//! The report as JSON: the same bytes for the same parameters and `as_of`, for ever (per engine version).

use serde_json::{Map, Value, json};

use crate::domain::time::Zone;
use crate::reports::cost_per_lead::{COLUMNS, Figures, Report, Unit};

/// Version of the meaning of figures; it grows when the same facts would print other bytes.
pub const ENGINE_VERSION: u32 = 1;

/// Writes a report with everything it depends on.
pub fn report(report: &Report) -> Value {
    let p = &report.parameters;
    let rows: Vec<Value> = report
        .rows
        .iter()
        .map(|row| {
            let mut object = Map::new();
            object.insert("key".into(), row.key.as_str().into());
            object.insert("name".into(), row.name.clone().into());
            figures(&row.figures, &mut object);
            Value::Object(object)
        })
        .collect();
    let mut totals = Map::new();
    figures(&report.totals, &mut totals);
    json!({
        "report": "cost-per-lead",
        "engine_version": ENGINE_VERSION,
        "zone_data": Zone::data_version(),
        "as_of": p.as_of.map(|t| t.0),
        "parameters": {
            "by": p.by, "model": p.model, "from": p.range.from, "to": p.range.to, "zone": p.zone, "lookback_days": p.lookback_days,
            "currency": p.currency, "cost": p.cost, "clock": "period",
        },
        "rows": rows,
        "totals": totals,
    })
}

fn figures(figures: &Figures, object: &mut Map<String, Value>) {
    for column in COLUMNS {
        let value = match ((column.value)(figures), column.unit) {
            (None, _) => Value::Null,
            // Ratios are decimals as text, so that no reader rounds them again.
            (Some(text), Unit::MinorRatio | Unit::Ratio) => text.into(),
            (Some(text), _) => text.parse::<i64>().map_or(Value::Null, Into::into),
        };
        object.insert(column.name.into(), value);
    }
}
