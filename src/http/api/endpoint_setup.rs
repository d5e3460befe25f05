//! Setting an endpoint up by API: presets with what to do in the vendor's screens, secrets, test events, health.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};

use super::conversions::VerdictView;
use super::endpoints::EndpointView;
use super::{Listed, absent_or_null};
use crate::connectors::preset::{Preset, SecretOrigin};
use crate::connectors::presets;
use crate::domain::fault::Fault;
use crate::domain::health::{self, Light, Traffic};
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::domain::time::UtcMillis;
use crate::http::auth::{Can, EndpointsWrite};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::http::test_delivery::{self, TestAnswer};
use crate::jobs::connectors::{self, preset_of};
use crate::jobs::edit_endpoints::{self, About, OVERLAP_MS};
use crate::jobs::test_event;
use crate::store::endpoint_traffic::{self, Refused};
use crate::store::{StoreError, deliveries, endpoints};

/// What to do in the vendor's screens.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SetupView {
    /// Where to paste the URL, step by step.
    steps: Vec<String>,
    /// Which property to make for the click id, and how it is filled.
    click_id_property: String,
    /// `vendor-gives`, `we-make` or `path-is-secret`.
    secret: &'static str,
    /// The same in words.
    secret_help: String,
    /// What to know before relying on it.
    notes: Vec<String>,
}

impl From<&Preset> for SetupView {
    fn from(preset: &Preset) -> Self {
        Self {
            steps: preset.setup.steps.clone(),
            click_id_property: preset.setup.click_id_property.clone(),
            secret: match preset.setup.secret {
                SecretOrigin::VendorGives => "vendor-gives",
                SecretOrigin::WeMake => "we-make",
                SecretOrigin::PathIsSecret => "path-is-secret",
            },
            secret_help: preset.setup.secret_help.clone(),
            notes: preset.setup.notes.clone(),
        }
    }
}

/// A connector preset.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PresetView {
    /// What `preset` of an endpoint names.
    name: String,
    title: String,
    vendor: String,
    setup: SetupView,
    /// The body of its test event.
    test_event: String,
    /// Whether records have to be read from the vendor, with a token for its API.
    needs_api_token: bool,
}

/// Lists the connector presets with what to do in each vendor's screens.
#[utoipa::path(get, path = "/api/v1/presets", tag = "endpoints", responses((status = 200, body = Listed<PresetView>)))]
pub(crate) async fn list_presets(_caller: Can<EndpointsWrite>) -> Json<Listed<PresetView>> {
    let view = |preset: &Preset| PresetView {
        name: preset.name.clone(),
        title: preset.title.clone(),
        vendor: preset.vendor.clone(),
        setup: preset.into(),
        test_event: preset.setup.test_event.clone(),
        needs_api_token: preset.api.is_some(),
    };
    Json(Listed::whole(presets::all().iter().map(view).collect()))
}

/// How an endpoint does.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HealthView {
    /// waiting, green, amber or red.
    #[schema(value_type = String, example = "green")]
    light: Light,
    /// Why it is not green.
    reasons: Vec<String>,
    last_delivery_at: Option<String>,
    /// Of the last 7 days: items read, items quarantined, attempts refused.
    items: i64,
    quarantined: i64,
    refused: i64,
    /// The gap that 95 % of its gaps do not exceed, in seconds; null where there are too few.
    usual_gap_s: Option<i64>,
    /// Silence beyond this is longer than usual, in seconds.
    silent_after_s: Option<i64>,
}

impl HealthView {
    /// Of what an endpoint has seen.
    pub(super) fn of(traffic: &Traffic, now: UtcMillis) -> Self {
        let judged = health::judge(traffic, now);
        Self {
            light: judged.light,
            reasons: judged.reasons,
            last_delivery_at: traffic.last_at.map(|at| at.to_string()),
            items: traffic.items,
            quarantined: traffic.quarantined,
            refused: traffic.refused,
            usual_gap_s: judged.usual_gap_ms.map(|ms| ms / 1_000),
            silent_after_s: judged.silence_limit_ms.map(|ms| ms / 1_000),
        }
    }
}

/// A secret, as far as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SecretView {
    /// Its first characters.
    hint: String,
    /// When it ends, as a newer one took its place.
    ends_at: Option<String>,
}

/// Attempts that were refused for one reason.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RefusalView {
    /// `signature-mismatch`, `header-missing`, …
    code: String,
    count: i64,
    last_at: String,
}

impl From<Refused> for RefusalView {
    fn from(r: Refused) -> Self {
        Self { code: r.code, count: r.count, last_at: r.last_at.to_string() }
    }
}

/// An endpoint with all that is needed to set it up and to see how it does.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct EndpointDetail {
    #[serde(flatten)]
    endpoint: EndpointView,
    setup: SetupView,
    /// The word that the vendor asks for when the URL is entered, if it does.
    verify_token: Option<String>,
    /// Newest first.
    secrets: Vec<SecretView>,
    /// What is changed of the preset.
    #[schema(value_type = Object)]
    mapping: serde_json::Value,
    /// Attempts refused in the last 7 days, by reason.
    refusals: Vec<RefusalView>,
}

/// One endpoint, with what to do in the vendor's screens.
#[utoipa::path(get, path = "/api/v1/endpoints/{id}", tag = "endpoints", params(("id" = String, Path)),
    responses((status = 200, body = EndpointDetail), (status = 404, body = ProblemBody)))]
pub(crate) async fn get_endpoint(
    _caller: Can<EndpointsWrite>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<EndpointDetail>, Problem> {
    let (id, now): (EndpointId, _) = (path.parse()?, state.clock.now());
    state.flush_refusals().await;
    let (endpoint, traffic, refusals) = state
        .db
        .read(move |conn| {
            let traffic = endpoint_traffic::read(conn, id, now)?;
            Ok((endpoints::get(conn, id)?, traffic, endpoint_traffic::refusals(conn, id, now)?))
        })
        .await?;
    let preset = preset_of(&endpoint).map_err(StoreError::Refused)?;
    let secrets = connectors::secrets(&endpoint, &state.secret)?;
    let verify_token = connectors::of(&endpoint, &state.secret, now)?.verify_token();
    Ok(Json(EndpointDetail {
        setup: preset.as_ref().into(),
        verify_token,
        secrets: secrets
            .iter()
            .map(|s| SecretView { hint: s.hint(), ends_at: s.until.map(|t| t.to_string()) })
            .collect(),
        mapping: serde_json::from_str(&endpoint.mapping).unwrap_or_default(),
        refusals: refusals.into_iter().map(Into::into).collect(),
        endpoint: EndpointView::of(endpoint, &state, None, &traffic, now),
    }))
}

/// What may be changed of an endpoint; what is absent stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AboutBody {
    name: Option<String>,
    /// Currency of amounts that name none; null for none.
    #[serde(default, deserialize_with = "absent_or_null")]
    #[schema(value_type = Option<String>)]
    currency: Option<Option<String>>,
    /// Whether the money of events that come from now on counts as revenue.
    counts_revenue: Option<bool>,
    /// The URL that the sender signs; null for this server's public one.
    #[serde(default, deserialize_with = "absent_or_null")]
    #[schema(value_type = Option<String>)]
    signed_url: Option<Option<String>>,
}

/// Changes name, currency, revenue or signed URL of an endpoint.
#[utoipa::path(patch, path = "/api/v1/endpoints/{id}", tag = "endpoints", params(("id" = String, Path)), request_body = AboutBody,
    responses((status = 204), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn change_endpoint(
    Can { input: body, .. }: Can<EndpointsWrite, Json<AboutBody>>,
    state: Data<State>,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let (id, body): (EndpointId, AboutBody) = (path.parse()?, body.into_inner());
    let currency = match body.currency {
        Some(text) => Some(text.map(|c| c.parse()).transpose().map_err(|f: Fault| f.named("currency"))?),
        None => None,
    };
    state
        .db
        .write(move |conn| {
            let known = endpoints::get(conn, id)?;
            let about = About {
                name: body.name.unwrap_or(known.name),
                currency: currency.unwrap_or(known.currency),
                counts_revenue: body.counts_revenue.unwrap_or(known.counts_revenue),
                signed_url: body.signed_url.unwrap_or(known.signed_url),
            };
            edit_endpoints::set_about(conn, id, &about)
        })
        .await?;
    state.refresh_endpoints().await;
    Ok(HttpResponse::NoContent().finish())
}

/// A new secret.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretBody {
    /// The vendor's; made up if not given, where the vendor takes ours.
    secret: Option<String>,
    /// For how many hours those before it are still taken: 0 to 8760, 24 if not given.
    overlap_hours: Option<i64>,
}

/// A secret that is shown once.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NewSecret {
    secret: String,
}

/// Gives an endpoint a new secret. Those before it are taken a while longer, so that no delivery is lost.
#[utoipa::path(post, path = "/api/v1/endpoints/{id}/secrets", tag = "endpoints", params(("id" = String, Path)), request_body = SecretBody,
    responses((status = 201, body = NewSecret), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn add_secret(
    Can { input: body, .. }: Can<EndpointsWrite, Json<SecretBody>>,
    state: Data<State>,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let (id, body): (EndpointId, SecretBody) = (path.parse()?, body.into_inner());
    let overlap_ms = overlap(body.overlap_hours)?;
    let (context, now) = (state.intake(), state.clock.now());
    let secret = state
        .db
        .write(move |conn| edit_endpoints::rotate_secret(conn, id, body.secret.as_deref(), overlap_ms, &context, now))
        .await?;
    state.refresh_endpoints().await;
    Ok(HttpResponse::Created().json(NewSecret { secret }))
}

/// How long a replaced secret is still taken, in milliseconds, from hours.
pub(crate) fn overlap(hours: Option<i64>) -> Result<i64, Fault> {
    match hours {
        None => Ok(OVERLAP_MS),
        Some(hours) if (0..=8_760).contains(&hours) => Ok(hours * 3_600_000),
        Some(hours) => {
            Err(Fault::new("overlap_hours", "overlap-out-of-range", format!("{hours} hours; give 0 to 8760, a year")))
        }
    }
}

/// Ends every secret of an endpoint but the newest at once, as after a leak.
#[utoipa::path(delete, path = "/api/v1/endpoints/{id}/secrets", tag = "endpoints", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(crate) async fn end_secrets(
    _caller: Can<EndpointsWrite>,
    state: Data<State>,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let (id, context): (EndpointId, _) = (path.parse()?, state.intake());
    state.db.write(move |conn| edit_endpoints::end_old_secrets(conn, id, &context)).await?;
    state.refresh_endpoints().await;
    Ok(HttpResponse::NoContent().finish())
}

/// What became of a test event.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TestView {
    #[serde(flatten)]
    answer: TestAnswer,
    /// The delivery under which it is kept; null while it is on its way.
    #[schema(value_type = Option<String>)]
    delivery: Option<DeliveryId>,
    /// What each of its items would have become.
    items: Vec<VerdictView>,
}

/// Sends the preset's test event to the endpoint, signed as the vendor signs, over HTTP.
///
/// It is verified, kept, read and checked like any delivery and becomes no stage event: its item is `ignored` with the
/// code `test-event`, and says what it would have become.
#[utoipa::path(post, path = "/api/v1/endpoints/{id}/test", tag = "endpoints", params(("id" = String, Path)),
    responses((status = 200, body = TestView), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn test_endpoint(
    _caller: Can<EndpointsWrite>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<TestView>, Problem> {
    let id: EndpointId = path.parse()?;
    let answer = test_delivery::send(&state, id).await?;
    let message = test_event::message_id(&answer.test);
    let found = state
        .db
        .read(move |conn| {
            let delivery = deliveries::by_message(conn, id, &message)?;
            let items = delivery.map(|d| deliveries::items(conn, &[d])).transpose()?;
            Ok((delivery, items.unwrap_or_default()))
        })
        .await?;
    let (delivery, items) = found;
    Ok(Json(TestView { answer, delivery, items: items.into_iter().map(Into::into).collect() }))
}
