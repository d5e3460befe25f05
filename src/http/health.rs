//! Liveness, readiness, metrics.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::auth::{self, Scope};
use super::metrics::{JournalSpace, Shown};
use super::problem::Problem;
use super::state::State;
use crate::store::deliveries;
use crate::tracking::journal::Journal;

/// How long health and metrics wait for the database: they are asked most when it is away, by probes that wait for
/// few seconds, while `database.wait_ms` is made for people.
const DATABASE_PATIENCE: Duration = Duration::from_secs(2);

/// The process lives.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// The process wants requests and its database answers.
pub(super) async fn readyz(state: Data<State>) -> HttpResponse {
    let asked = tokio::time::timeout(DATABASE_PATIENCE, state.db.read(crate::store::Conn::ping)).await;
    let answers = matches!(asked, Ok(Ok(())));
    match (state.is_ready.load(Ordering::Relaxed), answers) {
        (true, true) => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"),
        (false, _) => HttpResponse::ServiceUnavailable().body("stopping\n"),
        (true, false) => HttpResponse::ServiceUnavailable().body("the database does not answer; redirects go on\n"),
    }
}

/// Counters for Prometheus: to loopback, or to a key with `metrics:read`.
pub(super) async fn metrics(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    let is_loopback = request.peer_addr().is_some_and(|a| a.ip().is_loopback()) && !is_proxied(&request);
    if !is_loopback {
        auth::require(&request, &[Scope::MetricsRead]).await?;
    }
    // Metrics must not fail because the database is away: that is when they are read.
    let items = match tokio::time::timeout(DATABASE_PATIENCE, state.db.read(deliveries::counts)).await {
        Ok(Ok(items)) => Some(items),
        Ok(Err(_)) | Err(_) => None,
    };
    let space = |journal: &Journal| JournalSpace { used: journal.disk_bytes(), budget: journal.budget_bytes() };
    let text = state.metrics.render(Shown {
        touches: &state.journal.counters().values(),
        space: space(&state.journal),
        deliveries: &state.delivery_journal.counters().values(),
        delivery_space: space(&state.delivery_journal),
        deliveries_put_aside: state.deliveries_put_aside().await,
        items: items.as_deref(),
    });
    Ok(HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(text))
}

/// A proxy on this machine makes everybody look like loopback.
fn is_proxied(request: &HttpRequest) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip"].iter().any(|name| request.headers().contains_key(*name))
}
