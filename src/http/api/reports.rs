//! Reports by API.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use serde::{Deserialize, Serialize};

use crate::domain::attribution::MODELS;
use crate::domain::fault::{Fault, shown};
use crate::domain::time::{DayRange, UtcMillis};
use crate::export;
use crate::http::auth::{Can, ReportsRead};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::reports::cost_per_lead::{self, Dimension, Parameters};

/// The parameters of the report, for the document.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters that reports::cost_per_lead::parameters_from reads")]
pub struct CostPerLeadQuery {
    /// channel, campaign or link.
    by: Option<String>,
    /// The attribution model; see `GET /api/v1/models`.
    model: Option<String>,
    /// First day.
    #[param(example = "2025-01-01")]
    from: Option<String>,
    /// Last day, included.
    #[param(example = "2025-08-31")]
    to: Option<String>,
    /// IANA zone that cuts days.
    zone: Option<String>,
    /// Look-back in days.
    lookback_days: Option<i64>,
    /// Reporting currency.
    currency: Option<String>,
    /// `loaded` (all costs) or `media` (ad spend).
    cost: Option<String>,
    /// Facts recorded up to here (milliseconds, as a report prints it, or RFC 3339).
    as_of: Option<String>,
    /// `json` or `csv`.
    format: Option<String>,
}

/// The defaults of this installation.
pub(crate) fn defaults(state: &State) -> Parameters {
    let reporting = &state.config.reporting;
    Parameters {
        zone: reporting.zone.clone(),
        lookback_days: reporting.lookback_days,
        ..Parameters::new(Dimension::Channel, default_range(&state.config, state.clock.now()), reporting.currency)
    }
}

/// The configured range, else this month and the two before.
pub fn default_range(config: &crate::config::Config, now: UtcMillis) -> DayRange {
    let today = config.reporting.zone.day_of(now);
    let months_back = today.first_of_month().plus_days(-1).first_of_month().plus_days(-1).first_of_month();
    let (from, to) = (config.reporting.from.unwrap_or(months_back), config.reporting.to.unwrap_or(today));
    DayRange { from: from.min(to), to }
}

/// Cost per lead and customers acquired, by channel, campaign or link.
///
/// `*_micro` are millionths of a lead or customer, `*_minor` minor units of the currency; ratios are decimals as text, null
/// where the denominator is 0. Asked again with the `as_of` it printed, it answers the same bytes.
#[utoipa::path(get, path = "/api/v1/reports/cost-per-lead", tag = "reports", params(CostPerLeadQuery),
    responses((status = 200, description = "The report", content((Object = "application/json"), (String = "text/csv"))), (status = 422, body = ProblemBody)))]
pub(crate) async fn cost_per_lead(
    Can { input: query, .. }: Can<ReportsRead, Query<HashMap<String, String>>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let parameters = cost_per_lead::parameters_from(&query, &defaults(&state)).map_err(Problem::invalid)?;
    let is_csv = match query.get("format").map(String::as_str) {
        None | Some("json" | "") => false,
        Some("csv") => true,
        Some(other) => {
            return Err(Fault::new(
                "format",
                "format-unknown",
                format!("{} is not known; use json or csv", shown(other)),
            )
            .into());
        }
    };
    let report = state.db.read(move |conn| Ok(cost_per_lead::run(conn, &parameters))).await??;
    let mut response = HttpResponse::Ok();
    response.insert_header(("Cache-Control", "no-store"));
    Ok(if is_csv {
        response
            .content_type("text/csv; charset=utf-8")
            .insert_header(("Content-Disposition", "attachment; filename=\"cost-per-lead.csv\""))
            .body(export::csv::report(&report))
    } else {
        response.json(export::json::report(&report))
    })
}

/// An attribution model.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ModelView {
    name: &'static str,
    label: &'static str,
    /// The rule, with its edge cases.
    rule: &'static str,
}

/// Lists the attribution models.
#[utoipa::path(get, path = "/api/v1/models", tag = "reports", responses((status = 200, body = super::Listed<ModelView>)))]
pub(crate) async fn list_models(_caller: Can<ReportsRead>) -> HttpResponse {
    let items = MODELS.iter().map(|m| ModelView { name: m.name, label: m.label, rule: m.rule }).collect();
    HttpResponse::Ok().json(super::Listed::whole(items))
}
