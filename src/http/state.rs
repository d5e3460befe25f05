//! What every handler may use. Built once, in `app`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::metrics::Metrics;
use super::refusals::Refusals;
use super::track::Misses;
use crate::config::{Config, VisitorCookie};
use crate::domain::time::Clock;
use crate::jobs::endpoint_table::EndpointTable;
use crate::jobs::inbox::Inbox;
use crate::jobs::intake::IntakeContext;
use crate::secret::SecretKey;
use crate::store::Db;
use crate::tracking::facts::{CookiePolicy, PrivacyPolicy};
use crate::tracking::journal::{self, Journal};
use crate::tracking::link_table::Links;
use crate::tracking::writer::WriterHandle;

/// Name of the database's value that holds the administrator's decision on visitor cookies.
pub const VISITOR_COOKIE_SETTING: &str = "visitor_cookie";
/// Failed and successful attempts to sign in that one client may make per minute.
const SIGN_INS_PER_MINUTE: u32 = 10;

/// Shared by all workers.
#[expect(missing_debug_implementations, reason = "holds secrets and pools")]
pub struct State {
    /// The configuration.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// The secret key.
    pub secret: SecretKey,
    /// The link table.
    pub links: Arc<Links>,
    /// Where touches go before the answer.
    pub journal: Journal,
    /// What loads them.
    pub writer: WriterHandle,
    /// What bounds looks at the database for slugs that the link table lacks.
    pub misses: Misses,
    /// The endpoints.
    pub endpoints: Arc<EndpointTable>,
    /// What bounds looks at the database for tokens that the table of endpoints lacks.
    pub endpoint_misses: Misses,
    /// Where deliveries go before the answer.
    pub delivery_journal: Journal,
    /// What loads them.
    pub delivery_writer: WriterHandle,
    /// What reads them.
    pub inbox: Inbox,
    /// Counters.
    pub metrics: Metrics,
    /// Attempts that endpoints refused.
    pub refusals: Arc<Refusals>,
    /// Where this process listens, once it does: test events go there.
    pub address: OnceLock<SocketAddr>,
    /// Whether the server wants requests.
    pub is_ready: AtomicBool,
    /// Whether visitors get a cookie.
    pub cookies_on: AtomicBool,
    /// The token of the link that creates the first administrator; gone once used.
    pub set_up_token: Mutex<Option<String>>,
    /// Limits attempts to sign in, by client address.
    pub sign_in_limit: DefaultKeyedRateLimiter<String>,
    /// Limits reports of hw.js, by client address.
    pub collect_limit: DefaultKeyedRateLimiter<String>,
}

impl State {
    /// Limiters for a configuration: sign-in and hw.js.
    pub fn limits(config: &Config) -> (DefaultKeyedRateLimiter<String>, DefaultKeyedRateLimiter<String>) {
        let per_minute = |n: u32| RateLimiter::keyed(Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)));
        (per_minute(SIGN_INS_PER_MINUTE), per_minute(config.tracking.collect_per_minute))
    }

    /// Whether a visitor cookie is set and read, at this moment.
    pub fn cookie_policy(&self) -> CookiePolicy {
        if self.cookies_on.load(Ordering::Relaxed) { CookiePolicy::On } else { CookiePolicy::Off }
    }

    /// Applies the configuration and the administrator's stored decision.
    pub fn decide_cookies(&self, decision: Option<&str>) {
        let on = match self.config.tracking.visitor_cookie {
            VisitorCookie::On => true,
            VisitorCookie::Off => false,
            VisitorCookie::Ask => decision == Some("on"),
        };
        self.cookies_on.store(on, Ordering::Relaxed);
    }

    /// Which privacy signals count.
    pub fn privacy(&self) -> PrivacyPolicy {
        PrivacyPolicy { honours_gpc: self.config.tracking.honour_gpc, honours_dnt: self.config.tracking.honour_dnt }
    }

    /// Whether pages and cookies travel over TLS.
    pub fn is_https(&self) -> bool {
        self.config.server.public_url.starts_with("https://")
    }

    /// The address of a path on this server.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.server.public_url)
    }

    /// What intake needs.
    pub fn intake(&self) -> IntakeContext {
        IntakeContext { secret: self.secret.clone(), person_namespace: self.config.intake.person_namespace.clone() }
    }

    /// Loads changed links at once, off the event loop, so that an edit here is live with its answer.
    pub async fn refresh_links(&self) {
        let links = Arc::clone(&self.links);
        let refreshed = tokio::task::spawn_blocking(move || links.refresh_if_changed()).await;
        if let Ok(Err(why)) = refreshed {
            tracing::warn!(error = %why, "the link table could not be refreshed; the next poll will");
        }
    }

    /// Adds refused attempts to the database, so that what is read next has them.
    pub async fn flush_refusals(&self) {
        let (refusals, db) = (Arc::clone(&self.refusals), self.db.clone());
        let flushed = tokio::task::spawn_blocking(move || refusals.flush(&db)).await;
        if let Ok(Err(why)) = flushed {
            tracing::debug!(error = %why, "refused attempts stay counted in memory");
        }
    }

    /// Takes over changed endpoints at once, off the event loop, so that an edit here is live with its answer.
    pub async fn refresh_endpoints(&self) {
        let endpoints = Arc::clone(&self.endpoints);
        let refreshed = tokio::task::spawn_blocking(move || endpoints.refresh()).await;
        if let Ok(Err(why)) = refreshed {
            tracing::warn!(error = %why, "the endpoints could not be refreshed; the next poll will");
        }
    }

    /// Deliveries that were accepted and are in files, as the database did not take them; nothing where nobody can tell.
    pub async fn deliveries_put_aside(&self) -> Option<u64> {
        let dir = self.config.data.dir.join("deliveries");
        tokio::task::spawn_blocking(move || journal::quarantined(&dir)).await.ok()?.ok()
    }

    /// The set-up token, if set-up is still open.
    pub fn open_set_up(&self) -> Option<String> {
        self.set_up_token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes set-up.
    pub fn close_set_up(&self) {
        *self.set_up_token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
