//! Schedules of monthly costs, and hourly rates, by API.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};

use super::Listed;
use crate::domain::ids::{BatchId, ScheduleId};
use crate::http::auth::{Can, CostsRead, CostsWrite};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::jobs::edit_schedules::{self, NamedSchedule, ScheduleChange, ScheduleInput};
use crate::jobs::workers::{self, HourlyRateInput};
use crate::store::hourly_rates;

/// A cost that comes back every month.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documents the fields that jobs::edit_schedules::ScheduleInput reads")]
pub struct ScheduleBody {
    /// What people call it.
    #[schema(example = "Scheduling tool")]
    name: String,
    /// media, agency, tools, content or labour; tools if not given.
    kind: Option<String>,
    /// The first day of the first month; months begin on the same day, or the last one of a shorter month.
    #[schema(example = "2026-03-01")]
    first_day: String,
    /// The last day of the last month; it goes on if not given.
    last_day: Option<String>,
    /// The channel's code; without one the cost is shared by `allocation`.
    channel: Option<String>,
    /// The campaign's code.
    campaign: Option<String>,
    /// Decimal amount for a month, net of tax.
    #[schema(example = "49.00")]
    amount: String,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// How channels share it: shared, spend, clicks, stage:lead, weights:CODE=3,CODE=1; shared if not given.
    allocation: Option<String>,
    /// Contract or customer number.
    document: Option<String>,
}

/// A change from one of its months on; what is absent stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documents the fields that jobs::edit_schedules::ScheduleChange reads")]
pub struct ScheduleChangeBody {
    /// The first day of the first month that it holds for; the schedule's own first day corrects all of it.
    #[schema(example = "2026-06-01")]
    from: String,
    /// Decimal amount for a month, in the schedule's currency.
    amount: Option<String>,
    /// The last day of the last month; empty takes an end back.
    last_day: Option<String>,
    /// How channels share it.
    allocation: Option<String>,
}

/// What was added or changed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ScheduleStored {
    #[schema(value_type = String)]
    id: ScheduleId,
    /// The batch to undo it with.
    #[schema(value_type = String)]
    batch: BatchId,
}

/// What a schedule says from some month on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ScheduleRevisionView {
    /// The first day of the first month that it holds for.
    effective_from: String,
    recorded_at: String,
    last_day: Option<String>,
    amount_minor: i64,
    currency: String,
}

/// A schedule that stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ScheduleView {
    #[schema(value_type = String)]
    id: ScheduleId,
    name: String,
    kind: String,
    first_day: String,
    last_day: Option<String>,
    /// The channel's code.
    channel: Option<String>,
    /// The campaign's code.
    campaign: Option<String>,
    amount_minor: i64,
    currency: String,
    allocation: String,
    document: Option<String>,
    /// Each change, in the order in which it was recorded.
    revisions: Vec<ScheduleRevisionView>,
}

fn view(named: NamedSchedule) -> Option<ScheduleView> {
    let latest = named.latest()?.clone();
    let revision = |r: &crate::domain::schedule::ScheduleRevision| ScheduleRevisionView {
        effective_from: r.effective_from.to_string(),
        recorded_at: r.recorded_at.to_string(),
        last_day: r.schedule.last_day.map(|d| d.to_string()),
        amount_minor: r.schedule.amount.minor,
        currency: r.schedule.amount.currency.code().to_owned(),
    };
    Some(ScheduleView {
        id: named.id,
        name: latest.name,
        kind: latest.kind.as_str().to_owned(),
        first_day: latest.first_day.to_string(),
        last_day: latest.last_day.map(|d| d.to_string()),
        channel: named.channel,
        campaign: named.campaign,
        amount_minor: latest.amount.minor,
        currency: latest.amount.currency.code().to_owned(),
        allocation: named.allocation,
        document: latest.document,
        revisions: named.revisions.iter().map(revision).collect(),
    })
}

/// Lists the schedules that stand, by name.
#[utoipa::path(get, path = "/api/v1/costs/schedules", tag = "costs",
    responses((status = 200, body = Listed<ScheduleView>)))]
pub(crate) async fn list_schedules(
    _caller: Can<CostsRead>,
    state: Data<State>,
) -> Result<Json<Listed<ScheduleView>>, Problem> {
    let list = state.db.read(edit_schedules::list).await?;
    Ok(Json(Listed::whole(list.into_iter().filter_map(view).collect())))
}

/// Adds a cost that comes back every month, such as a subscription or an agency's fee.
#[utoipa::path(post, path = "/api/v1/costs/schedules", tag = "costs", request_body = ScheduleBody,
    responses((status = 201, body = ScheduleStored), (status = 422, body = ProblemBody)))]
pub(crate) async fn create_schedule(
    Can { author, input: body, .. }: Can<CostsWrite, Json<ScheduleInput>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let (id, batch) = state.db.write(move |conn| edit_schedules::create(conn, &body, &author)).await?;
    Ok(HttpResponse::Created().json(ScheduleStored { id, batch }))
}

/// Changes a schedule from one of its months on: another amount, an end, another rule.
#[utoipa::path(patch, path = "/api/v1/costs/schedules/{id}", tag = "costs", request_body = ScheduleChangeBody,
    params(("id" = String, Path)),
    responses((status = 200, body = ScheduleStored), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn change_schedule(
    Can { author, input: body, .. }: Can<CostsWrite, Json<ScheduleChange>>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<ScheduleStored>, Problem> {
    let id: ScheduleId = path.parse()?;
    let batch = state.db.write(move |conn| edit_schedules::change(conn, id, &body, &author)).await?;
    Ok(Json(ScheduleStored { id, batch }))
}

/// What an hour of a person or a team costs, from a day on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documents the fields that jobs::workers::HourlyRateInput reads")]
pub struct HourlyRateBody {
    /// The person; or
    person: Option<String>,
    /// the team.
    team: Option<String>,
    /// The first day that it holds for.
    #[schema(example = "2026-03-01")]
    effective_from: String,
    /// Decimal amount for an hour.
    #[schema(example = "85.00")]
    rate: String,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
}

/// An hourly rate that stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HourlyRateView {
    /// The person or team.
    worker: String,
    effective_from: String,
    hourly_minor: i64,
    currency: String,
}

/// What was recorded.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HourlyRateStored {
    /// The batch to undo it with.
    #[schema(value_type = String)]
    batch: BatchId,
}

/// Lists hourly rates, in the order in which they were recorded.
#[utoipa::path(get, path = "/api/v1/costs/hourly-rates", tag = "costs",
    responses((status = 200, body = Listed<HourlyRateView>)))]
pub(crate) async fn list_hourly_rates(
    _caller: Can<CostsRead>,
    state: Data<State>,
) -> Result<Json<Listed<HourlyRateView>>, Problem> {
    let list = state.db.read(hourly_rates::standing).await?;
    let view = |r: crate::domain::labour::HourlyRate| HourlyRateView {
        worker: r.worker,
        effective_from: r.effective_from.to_string(),
        hourly_minor: r.hourly.minor,
        currency: r.hourly.currency.code().to_owned(),
    };
    Ok(Json(Listed::whole(list.into_iter().map(view).collect())))
}

/// Records what an hour of a person or a team costs from a day on. Costs that were entered before keep their amounts.
#[utoipa::path(post, path = "/api/v1/costs/hourly-rates", tag = "costs", request_body = HourlyRateBody,
    responses((status = 201, body = HourlyRateStored), (status = 422, body = ProblemBody)))]
pub(crate) async fn post_hourly_rate(
    Can { author, input: body, .. }: Can<CostsWrite, Json<HourlyRateInput>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let batch = state.db.write(move |conn| workers::add_rate(conn, &body, &author)).await?;
    Ok(HttpResponse::Created().json(HourlyRateStored { batch }))
}
