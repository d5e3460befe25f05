//! From journal records to stored deliveries: a batch in one transaction, each with one pending item.
//!
//! Loading does not understand them; the [inbox](super::inbox) is woken to do that. So a body that cannot be read holds up
//! nobody, and what was accepted is in the database as soon as that can be written.

use crate::domain::delivery::Delivery;
use crate::jobs::inbox::Inbox;
use crate::store::{Db, StoreError, deliveries};
use crate::tracking::writer::{RecordSink, SinkError, Stored};

/// The way of the deliveries' journal into the database.
#[expect(missing_debug_implementations, reason = "a database pool prints nothing useful")]
pub struct DeliverySink {
    db: Db,
    inbox: Inbox,
}

impl DeliverySink {
    /// A sink that wakes an inbox after each batch.
    pub fn new(db: Db, inbox: Inbox) -> Self {
        Self { db, inbox }
    }
}

impl RecordSink<Delivery> for DeliverySink {
    fn store(&mut self, batch: &[Delivery]) -> Result<Stored, SinkError> {
        match self.db.write_now(|conn| deliveries::insert(conn, batch, 1)) {
            Ok(stored) => {
                self.inbox.wake();
                let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
                Ok(Stored { stored: count(stored), duplicate: count(batch.len() - stored) })
            }
            // A refused batch is cut down to the delivery that spoils it; what is neither is tried again.
            Err(
                why @ (StoreError::Refused(_)
                | StoreError::Corrupt(_)
                | StoreError::Duplicate(_)
                | StoreError::Forbidden(_)),
            ) => Err(SinkError::Rejected(format!("the database refused the delivery: {why}"))),
            Err(why) => Err(SinkError::Unavailable(why.to_string())),
        }
    }
}
