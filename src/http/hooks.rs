//! `POST /hooks/{token}`: verified, stored raw, read, answered.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::metrics::Metrics;
use super::problem::{Problem, ProblemKind};
use super::state::State;
use crate::connectors::request::{Request, TARGET};
use crate::domain::ids::DeliveryId;
use crate::domain::intake::TEST_HEADER;
use crate::domain::stage::Source;
use crate::jobs::{connectors, intake, test_event};
use crate::store::StoreError;
use crate::store::deliveries::{self, Delivery, Item, Verdict};
use crate::store::endpoints::{self, Endpoint};

/// How long a sender may take over its body.
const BODY_DEADLINE: Duration = Duration::from_secs(15);

/// Receives a webhook.
pub(super) async fn receive(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let token = path.into_inner();
    let endpoint = state.db.read(move |conn| endpoints::by_token(conn, &token)).await?.ok_or_else(|| {
        Problem::new(ProblemKind::NotFound, "no endpoint has this address; compare it with the endpoint's page")
    })?;
    let body = read_body(payload, state.config.intake.body_bytes_max).await?;
    let message_id = verify(&request, &endpoint, &state, &body)?;
    let id = DeliveryId::new(state.clock.now(), rand::random());
    let mark = request.headers().get(TEST_HEADER).map(|mark| test_event::message_id(mark.to_str().unwrap_or_default()));
    let message_id = mark.or(message_id);
    let delivery = Delivery {
        id,
        endpoint: Some(endpoint.id),
        received_at: state.clock.now(),
        message_id,
        sealed_body: state.secret.seal(&body)?,
        source: Source::endpoint(endpoint.id).as_str().to_owned(),
    };
    let items = store_and_read(&state, delivery, 1).await?;
    Ok(HttpResponse::Ok().json(answer(id, items.first())))
}

/// Stores a delivery in one transaction and reads it in a second. Once the first is committed the sender is told yes,
/// whatever happens to the second: what it leaves pending is read later.
pub(super) async fn store_and_read(state: &State, delivery: Delivery, items: i64) -> Result<Vec<Item>, StoreError> {
    let id = delivery.id;
    state.db.write(move |conn| deliveries::insert(conn, &delivery, items)).await?;
    let (context, now) = (state.intake(), state.clock.now());
    match state.db.write(move |conn| intake::read_delivery(conn, &context, id, now)).await {
        Err(error) if error.is_passing() => {
            tracing::warn!(delivery.id = %id, error = %error, "a delivery is stored and will be read later");
            Ok((0..items).map(|item| Item::pending(id, item)).collect())
        }
        Err(error) => {
            tracing::warn!(delivery.id = %id, error = %error, "a delivery is set aside");
            state.db.write(move |conn| intake::set_aside(conn, id)).await
        }
        Ok(read) => Ok(read),
    }
}

/// Reads a body of bounded size in bounded time.
pub(super) async fn read_body(payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_DEADLINE, payload.to_bytes_limited(limit)).await {
        Err(_) => Err(Problem::new(ProblemKind::Malformed, "the body did not arrive within 15 s")),
        Ok(Err(_)) => Err(Problem::new(
            ProblemKind::TooLarge,
            format!("the body has more than {limit} bytes; send less at a time"),
        )),
        Ok(Ok(Err(_))) => Err(Problem::new(ProblemKind::Malformed, "the body broke off")),
        Ok(Ok(Ok(body))) => Ok(body),
    }
}

fn answer(id: DeliveryId, item: Option<&Item>) -> serde_json::Value {
    let verdict = item.map_or(Verdict::Pending, |i| i.verdict);
    json!({
        "delivery": id,
        "status": verdict,
        "duplicate": verdict == Verdict::Duplicate,
        "event": item.and_then(|i| i.stage_event),
        "code": item.and_then(|i| i.code.clone()),
        "detail": item.and_then(|i| i.detail.clone()),
    })
}

fn verify(request: &HttpRequest, endpoint: &Endpoint, state: &State, body: &[u8]) -> Result<Option<String>, Problem> {
    let refuse = |why: String| {
        Metrics::count(&state.metrics.deliveries_refused);
        Problem::new(ProblemKind::Unauthenticated, why)
    };
    if endpoint.archived_at.is_some() {
        return Err(refuse("this endpoint is archived and accepts nothing".into()));
    }
    let connector = connectors::of(endpoint, &state.secret, state.clock.now())?;
    let (headers, url) = (headers_of(request), signed_url(request, endpoint, state));
    let now = state.clock.now();
    let told = Request { method: request.method().as_str(), url: &url, headers: &headers, body, received_at: now };
    match connector.verify(&told) {
        Ok(verified) => Ok(verified.message_id),
        Err(refusal) => {
            tracing::info!(endpoint.id = %endpoint.id, reason = refusal.code(), "a webhook was refused");
            state.refusals.count(endpoint.id, refusal.code(), state.clock.now());
            Err(refuse(format!("{} ({})", refusal, refusal.code())))
        }
    }
}

/// Answers a vendor that asks by GET whether an address is meant.
pub(super) async fn handshake(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    let token = request.match_info().get("token").unwrap_or_default().to_owned();
    let endpoint = state.db.read(move |conn| endpoints::by_token(conn, &token)).await?;
    let not_found =
        || Problem::new(ProblemKind::NotFound, "no endpoint has this address, or it asks for nothing by GET");
    let endpoint = endpoint.filter(|e| e.archived_at.is_none()).ok_or_else(not_found)?;
    let connector = connectors::of(&endpoint, &state.secret, state.clock.now())?;
    let (headers, url) = (headers_of(&request), signed_url(&request, &endpoint, &state));
    let told = Request { method: "GET", url: &url, headers: &headers, body: b"", received_at: state.clock.now() };
    match connector.handshake(&told) {
        Ok(Some(reply)) => {
            let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
            Ok(HttpResponse::build(status).content_type(reply.content_type).body(reply.body.unwrap_or_default()))
        }
        Ok(None) => Err(not_found()),
        Err(refusal) => {
            Metrics::count(&state.metrics.deliveries_refused);
            tracing::info!(endpoint.id = %endpoint.id, reason = refusal.code(), "a handshake was refused");
            // 403 is what Meta documents for a wrong verify token.
            Err(Problem::new(ProblemKind::Forbidden, format!("{} ({})", refusal, refusal.code())))
        }
    }
}

/// Receives a webhook whose sender puts words behind the address, such as `/v1/track`.
pub(super) async fn receive_below(
    request: HttpRequest,
    path: Path<(String, String)>,
    state: Data<State>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (token, _below) = path.into_inner();
    receive(request, Path::from(token), state, payload).await
}

/// The headers of a request in lower case, and what follows the token in its URL.
fn headers_of(request: &HttpRequest) -> Vec<(String, String)> {
    let texts =
        request.headers().iter().filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned())));
    texts.chain(Some((TARGET.to_owned(), below(request)))).collect()
}

/// What follows the token in the URL: `/v1/track?x=y`.
fn below(request: &HttpRequest) -> String {
    let tail = request.match_info().get("below").map(|tail| format!("/{tail}")).unwrap_or_default();
    let query = Some(request.query_string()).filter(|q| !q.is_empty()).map(|q| format!("?{q}"));
    tail + &query.unwrap_or_default()
}

/// The URL that the sender signs: the endpoint's own or the public one, never what the `Host` header says.
fn signed_url(request: &HttpRequest, endpoint: &Endpoint, state: &State) -> String {
    let base = endpoint.signed_url.clone().unwrap_or_else(|| state.url(&format!("/hooks/{}", endpoint.token)));
    base + &below(request)
}
