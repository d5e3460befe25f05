//! `POST /hooks/{token}`: verified, journaled, answered. No database is asked on the way.
//!
//! The answers: 2xx when the delivery is on the disk; 401 without a valid proof, also of an archived endpoint, since
//! vendors take 404 and 410 as a wish to be left alone; 413 for a body that is too large; 503 with `Retry-After` where it
//! could be kept nowhere, or where nobody can tell now whether there is such an endpoint.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::metrics::Metrics;
use super::problem::{Problem, ProblemKind};
use super::state::State;
use crate::connectors::Connector;
use crate::connectors::request::{Reply, Request, TARGET};
use crate::domain::delivery::{Delivery, RequestHead, Sealed};
use crate::domain::ids::DeliveryId;
use crate::domain::intake::TEST_HEADER;
use crate::domain::stage::Source;
use crate::jobs::endpoint_table::HeldEndpoint;
use crate::jobs::test_event;
use crate::store::endpoints::Endpoint;
use crate::store::{deliveries, fact_id};
use crate::tracking::journal::{AppendError, Frames};

/// How long a sender may take over its body.
const BODY_DEADLINE: Duration = Duration::from_secs(15);
/// Receives a webhook.
pub(super) async fn receive(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let held = find(&state, &path.into_inner()).await?;
    let connector = connector(&held)?;
    let body = read_body(payload, state.config.intake.body_bytes_max).await?;
    let (headers, url) = (with_target(&request), signed_url(&request, &held.endpoint, &state));
    let (method, received_at) = (request.method().as_str(), state.clock.now());
    let told = Request { method, url: &url, headers: &headers, body: &body, received_at };
    let message_id = verify(&told, &held, connector, &state)?;
    let mark = request.headers().get(TEST_HEADER).map(|m| test_event::message_id(m.to_str().unwrap_or_default()));
    let message_id = mark.or(message_id);
    let delivery = delivery(&told, &held, connector, &state, message_id)?;
    let id = delivery.id;
    keep(&state, delivery).await?;
    Metrics::count(&state.metrics.deliveries_accepted);
    Ok(answer(connector.reply(), Some(id)))
}

/// The endpoint of a token, from memory; one that is not held costs a bounded look at the database.
async fn find(state: &State, token: &str) -> Result<Arc<HeldEndpoint>, Problem> {
    if let Some(held) = state.endpoints.find(token) {
        return Ok(held);
    }
    let now = state.clock.now();
    if !state.endpoint_misses.is_unknown(token, now) {
        let endpoints = Arc::clone(&state.endpoints);
        let has_looked = state.endpoint_misses.look(move || endpoints.refresh().is_ok()).await;
        if let Some(held) = state.endpoints.find(token) {
            return Ok(held);
        }
        if !has_looked {
            Metrics::count(&state.metrics.deliveries_unavailable);
            return Err(Problem::unavailable("nobody can tell now whether there is such an endpoint; send it again"));
        }
        state.endpoint_misses.remember(token, now);
    }
    Err(Problem::new(ProblemKind::NotFound, "no endpoint has this address; compare it with the endpoint's page"))
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

fn verify(
    request: &Request<'_>,
    held: &HeldEndpoint,
    connector: &Connector,
    state: &State,
) -> Result<Option<String>, Problem> {
    let endpoint = &held.endpoint;
    let refuse = |why: String| {
        Metrics::count(&state.metrics.deliveries_refused);
        Problem::new(ProblemKind::Unauthenticated, why)
    };
    if endpoint.archived_at.is_some() {
        return Err(refuse("this endpoint is archived and accepts nothing".into()));
    }
    match connector.verify(request) {
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
    let held = find(&state, request.match_info().query("token")).await?;
    if held.endpoint.archived_at.is_some() {
        return Err(Problem::new(ProblemKind::Forbidden, "this endpoint is archived"));
    }
    let connector = connector(&held)?;
    let (headers, url) = (with_target(&request), signed_url(&request, &held.endpoint, &state));
    let told = Request { method: "GET", url: &url, headers: &headers, body: b"", received_at: state.clock.now() };
    match connector.handshake(&told) {
        Ok(Some(reply)) => Ok(answer(reply, None)),
        Ok(None) => {
            Err(Problem::new(ProblemKind::NotFound, "no endpoint has this address, or it asks for nothing by GET"))
        }
        Err(refusal) => {
            Metrics::count(&state.metrics.deliveries_refused);
            tracing::info!(endpoint.id = %held.endpoint.id, reason = refusal.code(), "a handshake was refused");
            // 403 is what Meta documents for a wrong verify token.
            Err(Problem::new(ProblemKind::Forbidden, format!("{} ({})", refusal, refusal.code())))
        }
    }
}

/// What a preset answers; where it prescribes nothing, our own words about the delivery.
fn answer(reply: Reply, accepted: Option<DeliveryId>) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK));
    match (reply.body, accepted) {
        (None, Some(id)) => response.json(json!({ "delivery": id, "status": "accepted" })),
        (body, _) => response.content_type(reply.content_type).body(body.unwrap_or_default()),
    }
}

fn connector(held: &HeldEndpoint) -> Result<&Connector, Problem> {
    let broken = "the endpoint's preset, mapping or secret cannot be read; make the endpoint anew";
    held.connector.as_ref().ok_or_else(|| Problem::new(ProblemKind::Internal, broken))
}

/// What is kept of a request.
fn delivery(
    request: &Request<'_>,
    held: &HeldEndpoint,
    connector: &Connector,
    state: &State,
    message_id: Option<String>,
) -> Result<Delivery, Problem> {
    let body = connector.kept_body(request.body);
    let kept = connector.kept_headers(request.headers, &held.endpoint.token);
    let target = request.header(TARGET).unwrap_or_default().to_owned();
    let head = RequestHead { target, headers: kept.headers, headers_left_out: kept.left_out };
    Ok(Delivery {
        id: DeliveryId(fact_id(request.received_at)),
        endpoint: Some(held.endpoint.id),
        source: Source::endpoint(held.endpoint.id).as_str().to_owned(),
        received_at: request.received_at,
        message_id,
        method: request.method.to_owned(),
        content_type: request.header("content-type").map(str::to_owned),
        bytes: body.len() as u64,
        sealed_head: state.intake().seal_head(&head)?,
        sealed_body: Sealed(state.secret.seal(&body)?),
    })
}

/// Returns when the delivery is where neither the end of the process nor a power cut takes it: in the journal, or, where
/// that cannot be written, in the database.
async fn keep(state: &State, delivery: Delivery) -> Result<(), Problem> {
    let Err(why) = journal(state, &delivery).await else { return Ok(()) };
    let id = delivery.id;
    match state.db.write(move |conn| deliveries::insert(conn, &[delivery], 1)).await {
        Ok(_) => {
            // The journal has told the cause once; the counter tells how many.
            tracing::debug!(delivery.id = %id, error = why, "a delivery was stored without the journal");
            Metrics::count(&state.metrics.deliveries_stored_directly);
            state.inbox.wake();
            Ok(())
        }
        Err(error) => {
            tracing::warn!(error = %error, journal = why, "a delivery could be kept nowhere");
            Metrics::count(&state.metrics.deliveries_unavailable);
            Err(Problem::unavailable("neither the journal nor the database could keep it; send it again"))
        }
    }
}

/// Counts a delivery whose sender goes away while it is waiting for the disk: it is kept, and nobody was told.
struct Unanswered<'a>(Option<&'a Metrics>);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.0 {
            Metrics::count(&metrics.deliveries_unanswered);
        }
    }
}

/// Appends a delivery and waits for the disk.
async fn journal(state: &State, delivery: &Delivery) -> Result<(), String> {
    let mut frames = Frames::default();
    let appended = match frames.push(delivery) {
        Ok(()) => state.delivery_journal.append_frames(&mut frames),
        Err(why) => {
            state.delivery_journal.count_unrecorded(1);
            Err(why)
        }
    };
    let position = appended.map_err(|why: AppendError| why.to_string())?;
    state.delivery_writer.wake();
    let mut unanswered = Unanswered(Some(&state.metrics));
    std::future::poll_fn(|context| state.delivery_journal.poll_durable(position, context)).await;
    unanswered.0 = None;
    if state.delivery_journal.is_on_disk(position) {
        return Ok(());
    }
    Metrics::count(&state.metrics.deliveries_unsynced);
    Err("the disk refused to sync the journal".into())
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

/// The headers of a request, names in lower case. What is no UTF-8 in a value is marked, so that the header is still there.
pub(super) fn headers_of(request: &HttpRequest) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}

/// The headers of a request, and what follows the token in its URL.
fn with_target(request: &HttpRequest) -> Vec<(String, String)> {
    headers_of(request).into_iter().chain([(TARGET.to_owned(), below(request))]).collect()
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
