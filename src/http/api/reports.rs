//! Reports by API.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde::{Deserialize, Serialize};

use crate::domain::attribution::{MODELS, Method, Model, Setting};
use crate::domain::fault::{Fault, shown};
use crate::domain::time::{DayRange, UtcMillis};
use crate::export;
use crate::http::auth::{Can, ReportsRead};
use crate::http::problem::{Problem, ProblemBody, ProblemKind};
use crate::http::state::State;
use crate::reports::catalogue::{Kind, More, REPORTS};
use crate::reports::parameters::LookBack;
use crate::reports::{Parameters, cost_per_lead, parameters_from};

/// The parameters that all reports share, for the document. A parameter given twice is read as with a comma between.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters that reports::parameters_from reads")]
pub struct ReportQuery {
    /// Rows: one to three of channel, network, medium, campaign, post, link, persona, `content_style`, country, device,
    /// day, week, month, quarter, year, stage, with commas between.
    #[param(example = "channel,month")]
    by: Option<String>,
    /// Attribution models with commas between, settings behind colons; see `GET /api/v1/models`.
    #[param(example = "linear,time_decay:half_life_days=14")]
    model: Option<String>,
    /// First day.
    #[param(example = "2025-01-01")]
    from: Option<String>,
    /// Last day, included.
    #[param(example = "2025-08-31")]
    to: Option<String>,
    /// IANA zone that cuts days.
    zone: Option<String>,
    /// Month in which fiscal years begin, 1 to 12.
    fiscal_start: Option<i8>,
    /// Look-back in days, both ends included; for single stages as in `90,customer=180`.
    lookback_days: Option<String>,
    /// Reporting currency.
    currency: Option<String>,
    /// `loaded` (all costs) or `media` (ad spend).
    cost: Option<String>,
    /// `period` (stage events by when they happened) or `cohort` (credits by when the touch happened).
    clock: Option<String>,
    /// Periods to compare with: previous, year, `two_years`.
    compare: Option<String>,
    /// Classes of touches that count: human, bot, preview, prefetch, scanner, repeat.
    classes: Option<String>,
    /// Whether pixel impressions count as touches.
    views: Option<bool>,
    /// `accept` lets aggregate models answer below their data floor.
    below_floor: Option<String>,
    /// Filter: codes with commas between, `-code` excludes. So for network, medium, campaign, post, link, persona,
    /// `content_style`, country and device.
    channel: Option<String>,
    /// Facts recorded up to here (milliseconds, as a report prints it, or RFC 3339).
    as_of: Option<String>,
    /// `json` or `csv`.
    format: Option<String>,
}

/// Query parameters as they come, one of a name or several.
pub(crate) type Pairs = Vec<(String, String)>;

/// Query parameters by name; one that is given several times is joined by commas.
pub(crate) fn joined(pairs: Pairs) -> HashMap<String, String> {
    let mut given: HashMap<String, String> = HashMap::new();
    for (name, value) in pairs {
        let all = given.entry(name).or_default();
        if !all.is_empty() && !value.trim().is_empty() {
            all.push(',');
        }
        all.push_str(value.trim());
    }
    given
}

/// The defaults of this installation.
pub(crate) fn defaults(state: &State) -> Parameters {
    let reporting = &state.config.reporting;
    Parameters {
        zone: reporting.zone.clone(),
        look_back: LookBack::of_days(reporting.lookback_days),
        fiscal_start: reporting.fiscal_start,
        ..Parameters::new(default_range(&state.config, state.clock.now()), reporting.currency)
    }
}

/// The configured range, else this month and the two before.
pub fn default_range(config: &crate::config::Config, now: UtcMillis) -> DayRange {
    let today = config.reporting.zone.day_of(now);
    let months_back = today.first_of_month().plus_days(-1).first_of_month().plus_days(-1).first_of_month();
    let (from, to) = (config.reporting.from.unwrap_or(months_back), config.reporting.to.unwrap_or(today));
    DayRange { from: from.min(to), to }
}

/// Cost per lead and customers acquired, by up to three dimensions and any number of models.
///
/// `*_micro` are millionths of a lead or customer, `*_minor` minor units of the currency; ratios are decimals as text, null
/// where the denominator is 0. The first model's figures stand in the row; with several models `models` has those of
/// each. Asked again with the `as_of` it printed, it answers the same bytes.
#[utoipa::path(get, path = "/api/v1/reports/cost-per-lead", tag = "reports", params(ReportQuery),
    responses((status = 200, description = "The report", content((Object = "application/json"), (String = "text/csv"))), (status = 422, body = ProblemBody)))]
pub(crate) async fn cost_per_lead(
    Can { input: query, .. }: Can<ReportsRead, Query<Pairs>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let given = joined(query.into_inner());
    let parameters = parameters_from(&given, &[], &defaults(&state)).map_err(Problem::invalid)?;
    let is_csv = wants_csv(&given)?;
    let report = state.db.read(move |conn| Ok(cost_per_lead::run(conn, &parameters))).await??;
    Ok(if is_csv {
        csv_file("cost-per-lead", export::csv::report(&report))
    } else {
        json_body(&export::json::report(&report))
    })
}

/// Any other report: stages, paths, cohorts, evidence, restatement, …
///
/// Each takes the common parameters and some of its own, which `GET /api/v1/reports` lists. JSON holds an array of objects
/// for each of its sheets; CSV holds one sheet, the first or the one that `sheet` names.
#[utoipa::path(get, path = "/api/v1/reports/{report}", tag = "reports",
    params(("report" = String, Path, description = "Its name, as `GET /api/v1/reports` lists it"), ReportQuery),
    responses((status = 200, description = "The report", content((Object = "application/json"), (String = "text/csv"))), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn sheets(
    Can { input: (name, query), .. }: Can<ReportsRead, (Path<String>, Query<Pairs>)>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let kind = Kind::named(&name).map_err(|f| Problem::new(ProblemKind::NotFound, f.detail))?;
    answer(kind, query.into_inner(), &state).await
}

async fn answer(kind: &'static Kind, query: Pairs, state: &State) -> Result<HttpResponse, Problem> {
    let mut given = joined(query);
    let sheet = given.remove("sheet");
    let parameters = parameters_from(&given, &kind.more_names(), &defaults(state)).map_err(Problem::invalid)?;
    let is_csv = wants_csv(&given)?;
    let document = state.db.read(move |conn| Ok((kind.run)(conn, &parameters, &given))).await??;
    Ok(if is_csv {
        csv_file(kind.name, export::sheet::csv(&document, sheet.as_deref())?)
    } else {
        json_body(&export::sheet::json(&document))
    })
}

/// Counts of posts as networks told them: the latest snapshot of each, and yours that it is. The report `post-metrics`.
#[utoipa::path(get, path = "/api/v1/metrics/posts", tag = "reports", params(ReportQuery),
    responses((status = 200, description = "The counts", content((Object = "application/json"), (String = "text/csv"))), (status = 422, body = ProblemBody)))]
pub(crate) async fn post_metrics(
    Can { input: query, .. }: Can<ReportsRead, Query<Pairs>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    answer(Kind::named("post-metrics")?, query.into_inner(), &state).await
}

/// Counts of accounts and of platforms' campaigns by day. The report `account-metrics`.
#[utoipa::path(get, path = "/api/v1/metrics/accounts", tag = "reports", params(ReportQuery),
    responses((status = 200, description = "The counts", content((Object = "application/json"), (String = "text/csv"))), (status = 422, body = ProblemBody)))]
pub(crate) async fn account_metrics(
    Can { input: query, .. }: Can<ReportsRead, Query<Pairs>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    answer(Kind::named("account-metrics")?, query.into_inner(), &state).await
}

fn wants_csv(given: &HashMap<String, String>) -> Result<bool, Fault> {
    match given.get("format").map(String::as_str) {
        None | Some("json" | "") => Ok(false),
        Some("csv") => Ok(true),
        Some(other) => {
            let detail = format!("{} is not known; use json or csv", shown(other));
            Err(Fault::new("format", "format-unknown", detail))
        }
    }
}

fn csv_file(name: &str, text: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{name}.csv\"")))
        .body(text)
}

fn json_body(value: &serde_json::Value) -> HttpResponse {
    HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(value)
}

/// A report that can be asked for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReportView {
    name: &'static str,
    title: &'static str,
    /// What it answers.
    about: &'static str,
    /// What it takes beyond the common parameters.
    parameters: Vec<SettingView>,
}

/// Lists the reports.
#[utoipa::path(get, path = "/api/v1/reports", tag = "reports", responses((status = 200, body = super::Listed<ReportView>)))]
pub(crate) async fn list_reports(_caller: Can<ReportsRead>) -> HttpResponse {
    let first = ReportView {
        name: "cost-per-lead",
        title: "Cost per lead",
        about: "what each lead and each customer cost, and which channel, campaign and link brought them",
        parameters: Vec::new(),
    };
    let more = |kind: &'static Kind| {
        let own = kind.more.iter().map(|More { name, meaning }| SettingView {
            name,
            meaning,
            default: None,
            min: None,
            max: None,
        });
        own.collect()
    };
    let others = REPORTS.iter().map(|kind| ReportView {
        name: kind.name,
        title: kind.title,
        about: kind.about,
        parameters: more(kind),
    });
    HttpResponse::Ok().json(super::Listed::whole(std::iter::once(first).chain(others).collect()))
}

/// Something that may be set.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SettingView {
    name: &'static str,
    meaning: &'static str,
    default: Option<i64>,
    min: Option<i64>,
    max: Option<i64>,
}

/// An attribution model.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ModelView {
    name: &'static str,
    label: &'static str,
    /// The weight of touch i.
    formula: &'static str,
    /// The rule, with its edge cases.
    rule: &'static str,
    /// Whether its credits of one stage event sum to the whole.
    adds_up: bool,
    /// What may be set: `name:setting=value`.
    settings: Vec<SettingView>,
}

/// Lists the attribution models.
#[utoipa::path(get, path = "/api/v1/models", tag = "reports", responses((status = 200, body = super::Listed<ModelView>)))]
pub(crate) async fn list_models(_caller: Can<ReportsRead>) -> HttpResponse {
    let items = MODELS.iter().map(|m| model_view(m)).collect();
    HttpResponse::Ok().json(super::Listed::whole(items))
}

fn model_view(model: &'static Model) -> ModelView {
    let setting = |s: &'static Setting| SettingView {
        name: s.name,
        meaning: s.meaning,
        default: Some(s.default),
        min: Some(s.min),
        max: Some(s.max),
    };
    ModelView {
        name: model.name,
        label: model.label,
        formula: model.formula,
        rule: model.rule,
        adds_up: !matches!(model.method, Method::Participation),
        settings: model.settings.iter().map(setting).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_given_several_times_is_a_list() {
        let pairs = [("by", "channel"), ("by", ""), ("by", " month "), ("model", ""), ("model", "linear"), ("to", "")];
        let given = joined(pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec());
        let get = |name: &str| given.get(name).map(String::as_str);
        assert_eq!((get("by"), get("model"), get("to")), (Some("channel,month"), Some("linear"), Some("")));
    }
}
