//! Endpoints by API.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};

use super::Listed;
use super::endpoint_setup::{HealthView, SetupView};
use crate::domain::fault::Fault;
use crate::domain::health::Traffic;
use crate::domain::ids::EndpointId;
use crate::domain::time::UtcMillis;
use crate::http::auth::{Can, EndpointsWrite};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::jobs::connectors::preset_of;
use crate::jobs::edit_endpoints::{self, EndpointDraft};
use crate::store::endpoint_traffic;
use crate::store::endpoints::{self, Endpoint};

/// An endpoint to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointBody {
    /// The name people read.
    name: String,
    /// The connector preset, such as `hubspot` or `standard-webhooks`; docs/webhooks.md lists them.
    #[schema(example = "standard-webhooks")]
    preset: Option<String>,
    /// The former name of `preset`.
    verification: Option<String>,
    /// A preset of your own, as TOML, in place of `preset`.
    own_preset: Option<String>,
    /// The sender's secret; made up if not given.
    secret: Option<String>,
    /// The URL that the sender signs, if not this server's public one.
    signed_url: Option<String>,
    /// Where the vendor's API is, if not where the preset says.
    api_base_url: Option<String>,
    /// The token for the vendor's API, for presets whose deliveries name records only.
    api_token: Option<String>,
    /// What to change of the preset: places by field, words for stages, rules. See docs/webhooks.md.
    #[schema(value_type = Option<Object>)]
    mapping: Option<serde_json::Value>,
    /// Currency of amounts that name none.
    currency: Option<String>,
    /// Whether its money counts as revenue; yes if not given.
    counts_revenue: Option<bool>,
}

/// An endpoint.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct EndpointView {
    #[schema(value_type = String, example = "end_1")]
    id: EndpointId,
    name: String,
    /// Where the sender posts to.
    url: String,
    preset: String,
    /// The URL that the sender signs, if not this server's public one.
    signed_url: Option<String>,
    currency: Option<String>,
    counts_revenue: bool,
    archived: bool,
    health: HealthView,
    /// What to do in the vendor's screens; told when the endpoint is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    setup: Option<SetupView>,
    /// Shown once, when the endpoint is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl EndpointView {
    pub(super) fn of(e: Endpoint, state: &State, secret: Option<String>, traffic: &Traffic, now: UtcMillis) -> Self {
        let preset = preset_of(&e).ok().filter(|_| secret.is_some());
        Self {
            health: HealthView::of(traffic, now),
            setup: preset.as_deref().map(Into::into),
            signed_url: e.signed_url,
            url: state.url(&format!("/hooks/{}", e.token)),
            id: e.id,
            name: e.name,
            preset: e.preset,
            currency: e.currency.map(|c| c.code().to_owned()),
            counts_revenue: e.counts_revenue,
            archived: e.archived_at.is_some(),
            secret,
        }
    }
}

/// Lists endpoints by name.
#[utoipa::path(get, path = "/api/v1/endpoints", tag = "endpoints", responses((status = 200, body = Listed<EndpointView>)))]
pub(crate) async fn list_endpoints(
    _caller: Can<EndpointsWrite>,
    state: Data<State>,
) -> Result<Json<Listed<EndpointView>>, Problem> {
    let now = state.clock.now();
    state.flush_refusals().await;
    let list = state.db.read(move |conn| endpoint_traffic::of_all(conn, now)).await?;
    let view = |(endpoint, traffic): (Endpoint, Traffic)| EndpointView::of(endpoint, &state, None, &traffic, now);
    Ok(Json(Listed::whole(list.into_iter().map(view).collect())))
}

/// Makes an endpoint. The answer holds its secret, which is not shown again.
#[utoipa::path(post, path = "/api/v1/endpoints", tag = "endpoints", request_body = EndpointBody,
    responses((status = 201, body = EndpointView), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn create_endpoint(
    Can { input: body, .. }: Can<EndpointsWrite, Json<EndpointBody>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let body = body.into_inner();
    let draft = EndpointDraft {
        name: body.name,
        preset: body.preset.or(body.verification).unwrap_or_default(),
        own_preset: body.own_preset,
        secret: body.secret,
        signed_url: body.signed_url,
        api_base_url: body.api_base_url,
        api_token: body.api_token,
        mapping: body.mapping.map(|m| m.to_string()),
        currency: body.currency.map(|c| c.parse()).transpose().map_err(|f: Fault| f.named("currency"))?,
        counts_revenue: body.counts_revenue.unwrap_or(true),
    };
    let (context, now) = (state.intake(), state.clock.now());
    let made = state.db.write(move |conn| edit_endpoints::create(conn, &draft, &context, now)).await?;
    state.refresh_endpoints().await;
    Ok(HttpResponse::Created().json(EndpointView::of(
        made.endpoint,
        &state,
        Some(made.secret),
        &Traffic::default(),
        now,
    )))
}

/// Replaces an endpoint's mapping; replay quarantined deliveries afterwards.
#[utoipa::path(put, path = "/api/v1/endpoints/{id}/mapping", tag = "endpoints", params(("id" = String, Path)), request_body = Object,
    responses((status = 204), (status = 422, body = ProblemBody)))]
pub(crate) async fn set_mapping(
    Can { input: body, .. }: Can<EndpointsWrite, Json<serde_json::Value>>,
    state: Data<State>,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let (id, mapping): (EndpointId, String) = (path.parse()?, body.to_string());
    state.db.write(move |conn| edit_endpoints::set_mapping(conn, id, &mapping)).await?;
    state.refresh_endpoints().await;
    Ok(HttpResponse::NoContent().finish())
}

/// Archives an endpoint: its sender is refused from then on.
#[utoipa::path(delete, path = "/api/v1/endpoints/{id}", tag = "endpoints", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(crate) async fn archive_endpoint(
    _caller: Can<EndpointsWrite>,
    state: Data<State>,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let (id, now): (EndpointId, _) = (path.parse()?, state.clock.now());
    state.db.write(move |conn| endpoints::archive(conn, id, now)).await?;
    state.refresh_endpoints().await;
    Ok(HttpResponse::NoContent().finish())
}
