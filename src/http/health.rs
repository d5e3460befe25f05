//! Liveness, readiness, metrics.

use std::sync::atomic::Ordering;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::auth::{self, Scope};
use super::problem::Problem;
use super::state::State;
use crate::store::deliveries;

/// The process lives.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// The process wants requests and its database answers.
pub(super) async fn readyz(state: Data<State>) -> HttpResponse {
    let answers = state.db.read(crate::store::Conn::ping).await.is_ok();
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
    let items = state.db.read(deliveries::counts).await.unwrap_or_default();
    let text = state.metrics.render(&state.journal.counters().values(), state.journal.disk_bytes(), &items);
    Ok(HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(text))
}

/// A proxy on this machine makes everybody look like loopback.
fn is_proxied(request: &HttpRequest) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip"].iter().any(|name| request.headers().contains_key(*name))
}
