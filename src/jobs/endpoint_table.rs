//! Every endpoint in memory, so that accepting a delivery asks no database.
//!
//! Operation: `app` refreshes the table with every poll, and whoever changes an endpoint does so at once. Endpoints are few
//! and their rows small, so a refresh reads all of them and swaps in a new table if one differs; what is unchanged keeps its
//! secrets opened. A database that is away leaves the table as it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::connectors::verify::{BearerToken, SigningSecret, Verification};
use crate::domain::fault::Fault;
use crate::secret::{SecretKey, sha256};
use crate::store::endpoints::{self, Endpoint, VerificationKind};
use crate::store::{Db, StoreError};

/// An endpoint, ready to verify what comes in.
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub struct HeldEndpoint {
    /// As it is stored.
    pub endpoint: Endpoint,
    /// How its senders prove themselves; `None` where its secret cannot be read.
    pub verification: Option<Verification>,
}

/// Looked up by the hash of the token, so that the time of a look-up tells nothing of its characters.
type Table = HashMap<[u8; 32], Arc<HeldEndpoint>>;

/// The endpoints of the database as they were a moment ago.
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub struct EndpointTable {
    table: ArcSwap<Table>,
    db: Db,
    secret: SecretKey,
    refreshing: Mutex<()>,
}

impl EndpointTable {
    /// An empty table; [`Self::refresh`] fills it.
    pub fn new(db: Db, secret: SecretKey) -> Self {
        Self { table: ArcSwap::default(), db, secret, refreshing: Mutex::new(()) }
    }

    /// The endpoint behind a URL token.
    pub fn find(&self, token: &str) -> Option<Arc<HeldEndpoint>> {
        self.table.load().get(&sha256(token.as_bytes())).cloned()
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
                Some(held) if held.endpoint == endpoint => Arc::clone(held),
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
        let verification = verification(&endpoint, &self.secret)
            .inspect_err(|why| tracing::error!(endpoint.id = %endpoint.id, error = %why, "an endpoint accepts nothing"))
            .ok();
        HeldEndpoint { endpoint, verification }
    }
}

fn verification(endpoint: &Endpoint, secret: &SecretKey) -> Result<Verification, StoreError> {
    let broken = |fault: Fault| StoreError::Corrupt(format!("its secret: {fault}"));
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
