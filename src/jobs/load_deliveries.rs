//! From journal records to stored deliveries: a batch in one transaction, each with one pending item.
//!
//! Loading does not understand them; the [inbox](super::inbox) is woken to do that. So a body that cannot be read holds up
//! nobody, and what was accepted is in the database as soon as that can be written.
//!
//! An error that is neither passing nor a broken rule may come of one delivery or of the database. So a delivery that
//! holds nothing is tried in a transaction that is undone: if that is taken, the batch is the cause and is cut down to
//! the delivery that spoils it; if not, the database is, and everything waits for it.

use crate::domain::delivery::{Delivery, Sealed};
use crate::domain::ids::DeliveryId;
use crate::domain::time::UtcMillis;
use crate::jobs::inbox::Inbox;
use crate::store::{Db, StoreError, deliveries, fact_id};
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

    /// Whether the database takes a delivery that holds nothing.
    fn takes_others(&self, received_at: UtcMillis) -> bool {
        let blank = Delivery {
            id: DeliveryId(fact_id(received_at)),
            endpoint: None,
            source: "api".to_owned(),
            received_at,
            message_id: None,
            method: "POST".to_owned(),
            content_type: None,
            bytes: 0,
            sealed_head: Sealed::default(),
            sealed_body: Sealed::default(),
        };
        let mut is_taken = false;
        let undone: Result<(), StoreError> = self.db.write_now(|conn| {
            deliveries::insert(conn, &[blank], 1)?;
            is_taken = true;
            Err(StoreError::NotFound("a delivery to keep".into()))
        });
        undone.is_err() && is_taken
    }
}

impl RecordSink<Delivery> for DeliverySink {
    fn store(&mut self, batch: &[Delivery]) -> Result<Stored, SinkError> {
        match load(&self.db, batch) {
            Ok(stored) => {
                self.inbox.wake();
                let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
                Ok(Stored { stored: count(stored), duplicate: count(batch.len() - stored) })
            }
            Err(why) if why.is_passing() => Err(SinkError::Unavailable(why.to_string())),
            // A refused batch is cut down to the delivery that spoils it.
            Err(
                why @ (StoreError::Refused(_)
                | StoreError::Corrupt(_)
                | StoreError::Duplicate(_)
                | StoreError::Forbidden(_)),
            ) => Err(SinkError::Rejected(format!("the database refused the delivery: {why}"))),
            Err(why) if batch.first().is_some_and(|d| self.takes_others(d.received_at)) => {
                Err(SinkError::Suspect(format!("the database took others but not this delivery: {why}")))
            }
            Err(why) => Err(SinkError::Unavailable(why.to_string())),
        }
    }
}

/// Stores deliveries in one transaction, each with one item that is to be read; answers how many were new.
pub fn load(db: &Db, batch: &[Delivery]) -> Result<usize, StoreError> {
    db.write_now(|conn| deliveries::insert(conn, batch, 1))
}
