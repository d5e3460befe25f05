//! Attempts that endpoints refused: counted in memory, as a flood of them must not reach the database, and added to the
//! database now and then. A process that is killed forgets a few; they are figures of health, not facts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::ids::EndpointId;
use crate::domain::time::{DAY_MS, UtcMillis};
use crate::store::endpoint_traffic::{Refused, add_refused};
use crate::store::{Db, StoreError};

/// An endpoint, a day of UTC and a reason.
type Key = (EndpointId, i64, &'static str);

/// What is counted and not yet in the database.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<Key, (i64, UtcMillis)>>);

impl Refusals {
    /// Counts one. Endpoints that do not exist are not counted, so that there are never more keys than endpoints have reasons.
    pub fn count(&self, endpoint: EndpointId, code: &'static str, at: UtcMillis) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last_at) = counted.entry((endpoint, at.0.div_euclid(DAY_MS), code)).or_insert((0, at));
        *count += 1;
        *last_at = at.max(*last_at);
    }

    /// Adds what is counted to the database; what it does not take is kept for the next time.
    pub fn flush(&self, db: &Db) -> Result<(), StoreError> {
        let taken = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if taken.is_empty() {
            return Ok(());
        }
        let list: Vec<Refused> = taken
            .iter()
            .map(|((endpoint, _, code), (count, last_at))| Refused {
                endpoint: *endpoint,
                code: (*code).to_owned(),
                count: *count,
                last_at: *last_at,
            })
            .collect();
        let added = db.write_now(|conn| add_refused(conn, &list));
        if added.is_err() {
            let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, (count, last_at)) in taken {
                let (all, last) = counted.entry(key).or_insert((0, last_at));
                *all += count;
                *last = last_at.max(*last);
            }
        }
        added
    }
}
