//! `POST /hooks/{token}`: verified, journaled, answered. No database is asked on the way.
//!
//! The answers: 2xx when the delivery is on the disk; 401 without a valid proof, also of an archived endpoint, since
//! vendors take 404 and 410 as a wish to be left alone; 413 for a body that is too large; 503 with `Retry-After` where it
//! could be kept nowhere, or where nobody can tell now whether there is such an endpoint.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::metrics::Metrics;
use super::problem::{Problem, ProblemKind};
use super::state::State;
use crate::domain::delivery::{Delivery, RequestHead, Sealed};
use crate::domain::ids::DeliveryId;
use crate::domain::stage::Source;
use crate::jobs::endpoint_table::HeldEndpoint;
use crate::store::{deliveries, fact_id};
use crate::tracking::journal::{AppendError, Frames};

/// How long a sender may take over its body.
const BODY_DEADLINE: Duration = Duration::from_secs(15);
/// Headers that are not kept: proofs and cookies are secrets, and an address belongs to whoever has it (invariant 8).
const HEADERS_NOT_KEPT: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "forwarded",
    "x-forwarded-for",
    "x-real-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
];
/// Bytes of all kept headers together.
const HEADERS_BYTES_MAX: usize = 16_384;

/// Receives a webhook.
pub(super) async fn receive(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let held = find(&state, &path.into_inner()).await?;
    let body = read_body(payload, state.config.intake.body_bytes_max).await?;
    let message_id = verify(&request, &held, &state, &body)?;
    let delivery = delivery(&request, &held, &state, &body, message_id)?;
    let id = delivery.id;
    keep(&state, delivery).await?;
    Metrics::count(&state.metrics.deliveries_accepted);
    Ok(HttpResponse::Ok().json(json!({ "delivery": id, "status": "accepted" })))
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

fn verify(request: &HttpRequest, held: &HeldEndpoint, state: &State, body: &[u8]) -> Result<Option<String>, Problem> {
    let endpoint = &held.endpoint;
    let refuse = |why: String| {
        Metrics::count(&state.metrics.deliveries_refused);
        Problem::new(ProblemKind::Unauthenticated, why)
    };
    if endpoint.archived_at.is_some() {
        return Err(refuse("this endpoint is archived and accepts nothing".into()));
    }
    let Some(verification) = &held.verification else {
        return Err(Problem::new(
            ProblemKind::Internal,
            "the endpoint's secret cannot be read; make the endpoint anew",
        ));
    };
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok());
    match verification.verify(&header, body, state.clock.now()) {
        Ok(verified) => Ok(verified.message_id),
        Err(refusal) => {
            tracing::info!(endpoint.id = %endpoint.id, reason = refusal.code(), "a webhook was refused");
            Err(refuse(format!("{} ({})", refusal, refusal.code())))
        }
    }
}

/// What is kept of a request.
fn delivery(
    request: &HttpRequest,
    held: &HeldEndpoint,
    state: &State,
    body: &[u8],
    message_id: Option<String>,
) -> Result<Delivery, Problem> {
    let received_at = state.clock.now();
    let text = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let query = request.query_string();
    let head = RequestHead {
        target: if query.is_empty() { String::new() } else { format!("?{query}") },
        headers: kept_headers(request),
    };
    Ok(Delivery {
        id: DeliveryId(fact_id(received_at)),
        endpoint: Some(held.endpoint.id),
        source: Source::endpoint(held.endpoint.id).as_str().to_owned(),
        received_at,
        message_id,
        method: request.method().as_str().to_owned(),
        content_type: text("content-type"),
        bytes: body.len() as u64,
        sealed_head: state.intake().seal_head(&head)?,
        sealed_body: Sealed(state.secret.seal(body)?),
    })
}

/// Headers as they may be kept, up to a bound.
fn kept_headers(request: &HttpRequest) -> Vec<(String, String)> {
    let mut left = HEADERS_BYTES_MAX;
    let mut kept = Vec::new();
    for (name, value) in request.headers() {
        let name = name.as_str();
        let Ok(value) = value.to_str() else { continue };
        let bytes = name.len() + value.len();
        if !HEADERS_NOT_KEPT.contains(&name) && bytes <= left {
            left -= bytes;
            kept.push((name.to_owned(), value.to_owned()));
        }
    }
    kept
}

/// Returns when the delivery is where neither the end of the process nor a power cut takes it: in the journal, or, where
/// that cannot be written, in the database.
async fn keep(state: &State, delivery: Delivery) -> Result<(), Problem> {
    let Err(why) = journal(state, &delivery).await else { return Ok(()) };
    let id = delivery.id;
    match state.db.write(move |conn| deliveries::insert(conn, &[delivery], 1)).await {
        Ok(_) => {
            tracing::warn!(delivery.id = %id, error = why, "a delivery was stored without the journal");
            Metrics::count(&state.metrics.deliveries_stored_directly);
            state.inbox.wake();
            Ok(())
        }
        Err(error) => {
            tracing::error!(error = %error, journal = why, "a delivery could be kept nowhere");
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
