//! Every endpoint in memory, so that accepting a delivery asks no database.
//!
//! Operation: `app` refreshes the table with every poll, and whoever changes an endpoint does so at once. Endpoints are few
//! and their rows small, so a refresh reads all of them and swaps in a new table if one differs; what is unchanged keeps its
//! secrets opened. A database that is away leaves the table as it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::connectors::Connector;
use crate::domain::time::{Clock, UtcMillis};
use crate::jobs::connectors::{self, LiveSecret};
use crate::secret::{SecretKey, sha256};
use crate::store::endpoints::{self, Endpoint};
use crate::store::{Db, StoreError};

/// An endpoint, ready to verify what comes in.
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub struct HeldEndpoint {
    /// As it is stored.
    pub endpoint: Endpoint,
    /// Its connector; `None` where preset, mapping or secrets cannot be read.
    pub connector: Option<Connector>,
    /// When a secret ends, and the connector with it.
    until: Option<UtcMillis>,
}

/// Looked up by the hash of the token, so that the time of a look-up tells nothing of its characters.
type Table = HashMap<[u8; 32], Arc<HeldEndpoint>>;

/// The endpoints of the database as they were a moment ago.
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub struct EndpointTable {
    table: ArcSwap<Table>,
    db: Db,
    secret: SecretKey,
    clock: Arc<dyn Clock>,
    refreshing: Mutex<()>,
}

impl EndpointTable {
    /// An empty table; [`Self::refresh`] fills it.
    pub fn new(db: Db, secret: SecretKey, clock: Arc<dyn Clock>) -> Self {
        Self { table: ArcSwap::default(), db, secret, clock, refreshing: Mutex::new(()) }
    }

    /// The endpoint behind a URL token.
    pub fn find(&self, token: &str) -> Option<Arc<HeldEndpoint>> {
        let held = self.table.load().get(&sha256(token.as_bytes())).cloned()?;
        // A secret ends at its time, also while the database is away.
        Some(if self.is_over(&held) { Arc::new(self.hold(held.endpoint.clone())) } else { held })
    }

    fn is_over(&self, held: &HeldEndpoint) -> bool {
        held.until.is_some_and(|until| self.clock.now() >= until)
    }

    /// Takes over what has changed in the database.
    pub fn refresh(&self) -> Result<(), StoreError> {
        // One at a time: a slower one must not put an older table in place of a newer one.
        let _alone = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.table.load_full();
        let list = self.db.read_now(endpoints::list)?;
        let mut is_changed = list.len() != known.len();
        let mut table = Table::with_capacity(list.len());
        for endpoint in list {
            let key = sha256(endpoint.token.as_bytes());
            let held = match known.get(&key) {
                Some(held) if held.endpoint == endpoint && !self.is_over(held) => Arc::clone(held),
                _ => {
                    is_changed = true;
                    Arc::new(self.hold(endpoint))
                }
            };
            table.insert(key, held);
        }
        if is_changed {
            self.table.store(Arc::new(table));
        }
        Ok(())
    }

    fn hold(&self, endpoint: Endpoint) -> HeldEndpoint {
        let now = self.clock.now();
        let connector = connectors::of(&endpoint, &self.secret, now)
            .inspect_err(|why| tracing::error!(endpoint.id = %endpoint.id, error = %why, "an endpoint accepts nothing"))
            .ok();
        let secrets = connectors::secrets(&endpoint, &self.secret).unwrap_or_default();
        HeldEndpoint { until: next_end(&secrets, now), connector, endpoint }
    }
}

/// When the first of the secrets that live at `now` ends.
fn next_end(secrets: &[LiveSecret], now: UtcMillis) -> Option<UtcMillis> {
    secrets.iter().filter_map(|s| s.until).filter(|until| *until > now).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_end_is_that_of_a_secret_that_lives() {
        let secret = |until: Option<i64>| LiveSecret { text: "x".into(), until: until.map(UtcMillis) };
        let secrets = [secret(None), secret(Some(5)), secret(Some(9)), secret(Some(7))];
        assert_eq!(next_end(&secrets, UtcMillis(5)), Some(UtcMillis(7)));
        assert_eq!(next_end(&secrets, UtcMillis(9)), None);
    }
}
