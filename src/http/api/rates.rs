//! Exchange rates by API.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Payload, Query};
use serde::{Deserialize, Serialize};

use super::Listed;
use crate::domain::fault::Fault;
use crate::domain::fx::Rate;
use crate::domain::ids::BatchId;
use crate::http::auth::{Can, CostsRead, CostsWrite};
use crate::http::hooks::read_body;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::jobs::edit_rates::{self, RateInput};
use crate::store::rates;

/// Largest file of rates that is taken in: the history since 1999 has less than 2 MB, and a third of that as ZIP.
pub(crate) const FILE_BYTES_MAX: usize = 8 << 20;
/// Most rates of one answer.
const LIMIT_MAX: i64 = 10_000;

/// An exchange rate: 1 `base` is `rate` `quote`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RateView {
    /// The day that it was published for.
    #[schema(example = "2026-03-02")]
    day: String,
    base: String,
    quote: String,
    /// An exact decimal.
    #[schema(example = "1.0956")]
    rate: String,
    /// `ecb`, or `manual`, which comes first on its day.
    source: String,
}

impl From<Rate> for RateView {
    fn from(r: Rate) -> Self {
        Self {
            day: r.day.to_string(),
            base: r.base.code().to_owned(),
            quote: r.quote.code().to_owned(),
            rate: r.value.to_string(),
            source: r.source.as_str().to_owned(),
        }
    }
}

/// Which rates.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RatesQuery {
    /// Up to this day; the newest if not given.
    to: Option<String>,
    /// Most rates, 200 if not given.
    limit: Option<i64>,
}

/// Lists standing rates, newest first.
#[utoipa::path(get, path = "/api/v1/rates", tag = "costs", params(RatesQuery),
    responses((status = 200, body = Listed<RateView>), (status = 422, body = ProblemBody)))]
pub(crate) async fn list_rates(
    Can { input: query, .. }: Can<CostsRead, Query<RatesQuery>>,
    state: Data<State>,
) -> Result<Json<Listed<RateView>>, Problem> {
    let to = query.to.as_deref().map(str::parse).transpose().map_err(|f: Fault| f.named("to"))?;
    let limit = query.limit.unwrap_or(200).clamp(1, LIMIT_MAX);
    let list = state.db.read(move |conn| rates::list(conn, to, limit)).await?;
    Ok(Json(Listed::whole(list.into_iter().map(Into::into).collect())))
}

/// A rate by hand.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documents the fields that jobs::edit_rates::RateInput reads")]
pub struct RateBody {
    /// The day from which it holds, until the next one, for seven days at most.
    #[schema(example = "2026-03-02")]
    day: String,
    /// ISO 4217; EUR if not given.
    base: Option<String>,
    /// ISO 4217.
    #[schema(example = "USD")]
    quote: String,
    /// What 1 of the base is worth, an exact decimal.
    #[schema(example = "1.0956")]
    rate: String,
}

/// Rates to be added, all or none.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatesBody {
    /// 1 to 10,000 rates.
    #[schema(value_type = Vec<RateBody>)]
    rates: Vec<RateInput>,
}

/// What was added.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RatesStored {
    /// The batch to undo it with; none where all of them stood already.
    #[schema(value_type = Option<String>)]
    batch: Option<BatchId>,
    /// Rates added, corrected ones among them.
    added: usize,
    /// Standing rates that were corrected.
    corrected: usize,
    /// Rates that stood already.
    standing: usize,
    /// Columns of a file that are no currency of today; nothing of them is kept.
    unknown: Vec<String>,
}

impl RatesStored {
    fn answer(stored: rates::StoredRates, unknown: Vec<String>) -> HttpResponse {
        let rates::StoredRates { batch, added, corrected, standing } = stored;
        HttpResponse::Created().json(Self { batch, added, corrected, standing, unknown })
    }
}

/// Adds rates by hand. One that contradicts an earlier one of the same day and currencies corrects it.
#[utoipa::path(post, path = "/api/v1/rates", tag = "costs", request_body = RatesBody,
    responses((status = 201, body = RatesStored), (status = 422, body = ProblemBody)))]
pub(crate) async fn post_rates(
    Can { author, input: body, .. }: Can<CostsWrite, Json<RatesBody>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let body = body.into_inner();
    let stored = state.db.write(move |conn| edit_rates::add(conn, &body.rates, "api", &author)).await?;
    Ok(RatesStored::answer(stored, Vec::new()))
}

/// Imports a file of the European Central Bank, eurofxref-hist.zip or .csv, as the body. Again, it adds what is new.
#[utoipa::path(post, path = "/api/v1/rates/import", tag = "costs",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file, 8 MB at most"),
    responses((status = 201, body = RatesStored), (status = 413, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn import_rates(
    Can { author, input: payload, .. }: Can<CostsWrite, Payload>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let bytes = read_body(payload, FILE_BYTES_MAX).await?;
    let done = state.db.write(move |conn| edit_rates::import_ecb(conn, &bytes, "api", &author)).await?;
    Ok(RatesStored::answer(done.stored, done.unknown))
}
