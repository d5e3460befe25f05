//! `POST /hooks/{token}`: verified, stored raw, read, answered.

use std::time::Duration;

use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::metrics::Metrics;
use super::problem::{Problem, ProblemKind};
use super::state::State;
use crate::connectors::verify::{BearerToken, SigningSecret, Verification};
use crate::domain::fault::Fault;
use crate::domain::ids::DeliveryId;
use crate::domain::stage::Source;
use crate::jobs::intake;
use crate::secret::SecretKey;
use crate::store::StoreError;
use crate::store::deliveries::{self, Delivery, Item, Verdict};
use crate::store::endpoints::{self, Endpoint, VerificationKind};

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
    let verification = verification(endpoint, &state.secret)?;
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok());
    match verification.verify(&header, body, state.clock.now()) {
        Ok(verified) => Ok(verified.message_id),
        Err(refusal) => {
            tracing::info!(endpoint.id = %endpoint.id, reason = refusal.code(), "a webhook was refused");
            state.refusals.count(endpoint.id, refusal.code(), state.clock.now());
            Err(refuse(format!("{} ({})", refusal, refusal.code())))
        }
    }
}

fn verification(endpoint: &Endpoint, secret: &SecretKey) -> Result<Verification, Problem> {
    let broken = |_fault: Fault| {
        Problem::new(ProblemKind::Internal, "the endpoint's secret cannot be read; make the endpoint anew")
    };
    let opened = secret.open(&endpoint.sealed_secret)?;
    let text = String::from_utf8_lossy(&opened);
    // Several live secrets stand on lines of their own, for rotation.
    let lines = || text.lines().filter(|l| !l.trim().is_empty());
    Ok(match endpoint.verification {
        VerificationKind::StandardWebhooks => Verification::StandardWebhooks {
            secrets: lines().map(SigningSecret::parse).collect::<Result<_, _>>().map_err(broken)?,
        },
        VerificationKind::Bearer => {
            Verification::Bearer { tokens: lines().map(BearerToken::parse).collect::<Result<_, _>>().map_err(broken)? }
        }
    })
}
