//! Slugs that the link table does not know: made a moment ago on another node, or by nobody. Tokens of endpoints are
//! missed in the same bounds.
//!
//! A miss may cost one look at the database, within bounds: [`LOOKS_PER_SECOND`] looks, two at a time,
//! [`LOOK_MS`] of waiting each, and none for a slug that was unknown a second ago. Beyond them the
//! table's word holds, which follows the database by half a second.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Semaphore;

use super::answer;
use super::request::{self, ThisTurn, random};
use super::turn::Turn;
use crate::domain::time::UtcMillis;
use crate::http::metrics::Metrics;
use crate::http::state::State;
use crate::tracking::redirect::{self, RedirectAnswer, RedirectRequest};

/// Looks at the database for missing slugs, of all workers together.
const LOOKS_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
/// Longest wait for one, in milliseconds.
const LOOK_MS: u64 = 250;
/// How long an unknown slug stays unknown without another look, in milliseconds.
const UNKNOWN_MS: i64 = 1_000;
/// So many unknown slugs are remembered.
const UNKNOWN_MAX: usize = 10_000;

/// What bounds the looks.
#[expect(missing_debug_implementations, reason = "holds a rate limiter")]
pub struct Misses {
    limit: DefaultDirectRateLimiter,
    at_once: Arc<Semaphore>,
    unknown: Mutex<HashMap<Box<str>, UtcMillis>>,
}

impl Default for Misses {
    fn default() -> Self {
        Self {
            limit: RateLimiter::direct(Quota::per_second(LOOKS_PER_SECOND)),
            at_once: Arc::new(Semaphore::new(2)),
            unknown: Mutex::default(),
        }
    }
}

impl Misses {
    /// Whether a slug was looked for in vain a moment ago.
    pub(in crate::http) fn is_unknown(&self, slug: &str, now: UtcMillis) -> bool {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        // Also when the clock steps back.
        unknown.get(slug).is_some_and(|at| (0..UNKNOWN_MS).contains(&now.0.saturating_sub(at.0)))
    }

    /// Notes that a slug was looked for in vain.
    pub(in crate::http) fn remember(&self, slug: &str, now: UtcMillis) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() >= UNKNOWN_MAX {
            unknown.clear();
        }
        unknown.insert(slug.into(), now);
    }

    /// Looks once at the database for what a table lacks, unless the bounds forbid it; true if the table is as
    /// new as the database was when this was asked. Whether this look loaded it or another one does not matter.
    /// `refresh` loads the table, and tells whether it could.
    pub(in crate::http) async fn look(&self, refresh: impl FnOnce() -> bool + Send + 'static) -> bool {
        if self.limit.check().is_err() {
            return false;
        }
        let at_once = Arc::clone(&self.at_once);
        let look = async move {
            let permit = at_once.acquire_owned().await.ok()?;
            let looked = tokio::task::spawn_blocking(move || {
                let _held_to_the_end = permit;
                refresh()
            });
            looked.await.ok()
        };
        matches!(tokio::time::timeout(Duration::from_millis(LOOK_MS), look).await, Ok(Some(true)))
    }
}

/// `GET` and `HEAD /{slug}`, where [`super::front`] did not answer.
pub(in crate::http) async fn redirect(request: HttpRequest, state: Data<State>, turn: ThisTurn) -> HttpResponse {
    let slug = request.match_info().query("slug");
    if let Some(response) = answer_known(&request, slug, &state, &turn) {
        return response;
    }
    let now = state.clock.now();
    if !state.misses.is_unknown(slug, now) {
        let links = Arc::clone(&state.links);
        let has_looked = state.misses.look(move || links.refresh_if_changed().is_ok()).await;
        if let Some(response) = answer_known(&request, slug, &state, &turn) {
            return response;
        }
        if has_looked {
            state.misses.remember(slug, now);
        }
    }
    Metrics::count(&state.metrics.slugs_unknown);
    nowhere(&state, StatusCode::NOT_FOUND, "There is no such link", "Check the address for a typing error.")
}

/// The answer of a link that the table knows.
fn answer_known(request: &HttpRequest, slug: &str, state: &State, turn: &Turn) -> Option<HttpResponse> {
    let gone = |title: &str, hint: &str| Some(nowhere(state, StatusCode::GONE, title, hint));
    let table = state.links.table();
    let link = table.find(slug)?;
    let asked = RedirectRequest { query: request.query_string(), client: request::client(request.head(), state) };
    match redirect::decide(&asked, &link, state.privacy(), state.clock.now(), random()) {
        RedirectAnswer::Found(found) => {
            turn.record(&found.record, request.conn_data()?);
            Some(answer::redirect(&found, asked.query, state.is_https()).into())
        }
        RedirectAnswer::Archived => gone("This link has been taken down", "Its owner has archived it."),
        RedirectAnswer::Expired => gone("This link has expired", "Its owner set an end that has passed."),
    }
}

fn nowhere(state: &State, status: StatusCode, title: &str, hint: &str) -> HttpResponse {
    let fallback = &state.config.tracking.fallback_url;
    if !fallback.is_empty() {
        return HttpResponse::Found()
            .insert_header((LOCATION, fallback.as_str()))
            .insert_header((CACHE_CONTROL, "no-store"))
            .finish();
    }
    HttpResponse::build(status).content_type("text/html; charset=utf-8").insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REFERRER_POLICY, "no-referrer")).insert_header(("Content-Security-Policy", "default-src 'none'"))
        .body(format!("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
            <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><h1>{title}</h1><p>{hint}</p></html>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_slug_is_remembered_for_a_second_and_not_without_bound() {
        let misses = Misses::default();
        misses.remember("a", UtcMillis(5_000));
        assert!(misses.is_unknown("a", UtcMillis(5_999)));
        assert!(!misses.is_unknown("a", UtcMillis(6_000)));
        assert!(!misses.is_unknown("a", UtcMillis(4_999)), "the clock stepped back");
        assert!(!misses.is_unknown("b", UtcMillis(5_000)));
        for i in 0..3 * UNKNOWN_MAX {
            misses.remember(&i.to_string(), UtcMillis(5_000));
        }
        assert!(misses.unknown.lock().expect("lock").len() <= UNKNOWN_MAX);
    }
}
