//! Costs and batches by API.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};

use super::Listed;
use crate::domain::fault::Fault;
use crate::domain::ids::{BatchId, CostEntryId};
use crate::domain::stage::Source;
use crate::http::auth::{BatchesUndo, Can, CostsRead, CostsWrite, Scope};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::jobs::edit_costs::{self, CostInput};
use crate::store::batches::{self, Batch, BatchKind};

/// A cost as the API takes it.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documents the fields that jobs::edit_costs::CostInput reads")]
pub struct CostBody {
    /// First day, or the only one.
    #[schema(example = "2026-03-01")]
    from: String,
    /// Last day; the first if not given.
    #[schema(example = "2026-03-31")]
    to: Option<String>,
    /// The channel's code; without one the cost is shared.
    channel: Option<String>,
    /// The campaign's code.
    campaign: Option<String>,
    /// The post's code.
    post: Option<String>,
    /// The link's slug.
    link: Option<String>,
    /// media, agency, tools, content or labour; media if not given, labour of hours.
    kind: Option<String>,
    /// Decimal amount, net of tax; a credit note is negative.
    #[schema(example = "1250.00")]
    amount: Option<String>,
    /// The amount in minor units, instead.
    amount_minor: Option<i64>,
    /// ISO 4217. Of hours without `rate` it may be left out.
    #[schema(example = "EUR")]
    currency: String,
    /// Invoice number.
    document: Option<String>,
    /// How channels share a cost that names none: shared, spend, clicks, stage:lead, weights:CODE=3,CODE=1; shared if not given.
    allocation: Option<String>,
    /// What it was for.
    note: Option<String>,
    /// Of labour, instead of an amount: the person who worked, or
    person: Option<String>,
    /// the team,
    team: Option<String>,
    /// how long, 1.5 or 1:30,
    #[schema(example = "12.5")]
    hours: Option<String>,
    /// and what an hour costs, a decimal amount; the recorded hourly rate of that day if not given.
    rate: Option<String>,
}

/// Costs to be added, all or none.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CostsBody {
    /// The account they were told by; `api` if not given.
    source: Option<String>,
    /// 1 to 10,000 costs.
    #[schema(value_type = Vec<CostBody>)]
    costs: Vec<CostInput>,
}

/// What was added.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CostsStored {
    /// The batch to undo it with.
    #[schema(value_type = Option<String>)]
    batch: Option<BatchId>,
    added: usize,
}

/// Adds costs. To replace a source's costs of some days, import a file.
#[utoipa::path(post, path = "/api/v1/costs", tag = "costs", request_body = CostsBody,
    responses((status = 201, body = CostsStored), (status = 422, body = ProblemBody)))]
pub(crate) async fn post_costs(
    Can { author, input: body, .. }: Can<CostsWrite, Json<CostsBody>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let body = body.into_inner();
    if body.costs.is_empty() || body.costs.len() > 10_000 {
        return Err(Fault::new("costs", "batch-size", format!("{} costs; send 1 to 10000", body.costs.len())).into());
    }
    let source = Source::parse(body.source.as_deref().unwrap_or("api"))?;
    let stored = state.db.write(move |conn| edit_costs::add(conn, &body.costs, &source, "api", &author)).await?;
    Ok(HttpResponse::Created().json(CostsStored { batch: stored.batch, added: stored.added }))
}

/// A cost entry.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CostView {
    #[schema(value_type = String)]
    id: CostEntryId,
    from: String,
    to: String,
    /// The channel's code.
    channel: Option<String>,
    /// The campaign's code.
    campaign: Option<String>,
    /// The post's code.
    post: Option<String>,
    /// The link's slug.
    link: Option<String>,
    kind: String,
    amount_minor: i64,
    currency: String,
    source: String,
    document: Option<String>,
    allocation: String,
    note: Option<String>,
    /// The person or team, of labour.
    worker: Option<String>,
    /// How long they worked, in seconds.
    work_seconds: Option<i64>,
    hourly_minor: Option<i64>,
}

/// Lists the newest standing cost entries, 500 at most.
#[utoipa::path(get, path = "/api/v1/costs", tag = "costs", responses((status = 200, body = Listed<CostView>)))]
pub(crate) async fn list_costs(_caller: Can<CostsRead>, state: Data<State>) -> Result<Json<Listed<CostView>>, Problem> {
    let list = state.db.read(|conn| edit_costs::list(conn, 500)).await?;
    Ok(Json(Listed::whole(
        list.into_iter()
            .map(|named| {
                let cost = named.entry.cost;
                CostView {
                    id: named.entry.id,
                    from: cost.days.from.to_string(),
                    to: cost.days.to.to_string(),
                    channel: named.channel,
                    campaign: named.campaign,
                    post: named.post,
                    link: named.link,
                    kind: cost.kind.as_str().to_owned(),
                    amount_minor: cost.amount.minor,
                    currency: cost.amount.currency.code().to_owned(),
                    source: cost.source.as_str().to_owned(),
                    document: cost.document,
                    allocation: named.allocation,
                    note: cost.note,
                    work_seconds: cost.labour.as_ref().map(|l| l.hours.seconds()),
                    hourly_minor: cost.labour.as_ref().map(|l| l.hourly_minor),
                    worker: cost.labour.map(|l| l.worker),
                }
            })
            .collect(),
    )))
}

/// One import or call that added facts.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BatchView {
    #[schema(value_type = String)]
    id: BatchId,
    kind: String,
    source: String,
    label: String,
    rows: i64,
    recorded_at: String,
    recorded_by: String,
    /// When it was undone.
    undone_at: Option<String>,
}

impl From<Batch> for BatchView {
    fn from(b: Batch) -> Self {
        Self {
            id: b.id,
            kind: b.kind.as_str().to_owned(),
            source: b.source,
            label: b.label,
            rows: b.rows_stored,
            recorded_at: b.recorded_at.to_string(),
            recorded_by: b.recorded_by,
            undone_at: b.voided_at.map(|t| t.to_string()),
        }
    }
}

/// Lists the newest batches, 200 at most.
#[utoipa::path(get, path = "/api/v1/batches", tag = "costs", responses((status = 200, body = Listed<BatchView>)))]
pub(crate) async fn list_batches(
    _caller: Can<CostsRead>,
    state: Data<State>,
) -> Result<Json<Listed<BatchView>>, Problem> {
    let list = state.db.read(|conn| batches::list(conn, 200)).await?;
    Ok(Json(Listed::whole(list.into_iter().map(Into::into).collect())))
}

/// Undoes a batch: its facts are void from now on, and cost entries that it had replaced stand again.
///
/// A batch of costs, exchange rates or metrics needs the scope costs:write, others conversions:write.
#[utoipa::path(delete, path = "/api/v1/batches/{id}", tag = "costs", params(("id" = String, Path)),
    responses((status = 200, body = BatchView), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn undo_batch(
    caller: Can<BatchesUndo>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<BatchView>, Problem> {
    let id: BatchId = path.parse()?;
    let batch = state.db.read(move |conn| batches::get(conn, id)).await?;
    caller.require(match batch.kind {
        BatchKind::Costs | BatchKind::Rates | BatchKind::Metrics => Scope::CostsWrite,
        BatchKind::Touches | BatchKind::Conversions => Scope::ConversionsWrite,
    })?;
    let batch = state.db.write(move |conn| batches::undo(conn, id, &caller.author)).await?;
    Ok(Json(batch.into()))
}
