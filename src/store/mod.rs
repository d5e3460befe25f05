//! Ring 3: all SQL, and nothing but SQL.
//!
//! One source text serves SQLite and PostgreSQL (`conn`); every function takes a
//! connection and plain domain values, so that a caller decides what belongs to
//! one transaction. Facts are only ever added and voided, under the lock of the
//! ledger clock (`ledger`).

#[macro_use]
mod conn;
mod db;
mod error;
mod inspect;
mod migrate;
mod moments;
mod schema;
mod second;

pub mod access;
pub mod batches;
pub mod costs;
pub mod deliveries;
pub mod endpoint_traffic;
pub mod endpoints;
pub mod erasure;
pub mod hourly_rates;
pub mod identity;
pub mod labels;
pub mod ledger;
pub mod link_targets;
pub mod links;
pub mod lookups;
pub mod matches;
pub mod metrics;
pub mod platforms;
pub mod rates;
pub mod rollups;
pub mod schedules;
pub mod stage_events;
pub mod touches;
pub mod uploads;

pub use conn::Conn;
pub use db::{Db, DbOptions};
pub use error::StoreError;
pub use inspect::{AsItIs, Migrations};
pub use moments::Moments;

use std::sync::atomic::{AtomicU32, Ordering};

use uuid::Uuid;

use crate::domain::ids::uuid_v7;
use crate::domain::time::UtcMillis;

/// Rows per statement: below SQLite's limit of 32,766 variables for our widest table.
const ROWS_PER_STATEMENT: usize = 500;

/// The id of a new fact or delivery: UUIDv7 of its ledger time, counting up within it, so that facts of one transaction keep the
/// order in which they were told.
pub fn fact_id(at: UtcMillis) -> Uuid {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let [a, b, c, d] = COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut bytes: [u8; 10] = rand::random();
    // 4 + 8 bits in front of the variant, 6 + 8 + 6 behind it: the 32 bits of the counter in the order of sorting.
    bytes[0] = a >> 4;
    bytes[1] = (a << 4) | (b >> 4);
    bytes[2] = ((b << 2) | (c >> 6)) & 0x3f;
    bytes[3] = (c << 2) | (d >> 6);
    bytes[4] = (d << 2) | (bytes[4] & 0x03);
    uuid_v7(at, bytes)
}

/// The smallest id of an instant, as it is stored: ids of facts begin with their millisecond, so ranges of time are
/// ranges of ids.
fn id_floor(at: UtcMillis) -> [u8; 16] {
    let mut floor = [0; 16];
    // 48 bits of milliseconds reach the year 10889.
    let ms = at.0.clamp(0, (1 << 48) - 1).to_be_bytes();
    floor[..6].copy_from_slice(&ms[2..]);
    floor
}

/// The stored form of a 16-byte id.
fn bytes(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// Reads a 16-byte id back.
fn uuid(column: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(column).map_err(|_length| StoreError::Corrupt("an id column does not hold 16 bytes".into()))
}

/// Parses a stored text through its domain type.
fn stored<T: std::str::FromStr<Err = crate::domain::fault::Fault>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|f| StoreError::Corrupt(format!("a stored value does not parse: {f}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_an_instant_lie_between_its_floor_and_the_next() {
        let at = UtcMillis(1_700_000_000_123);
        for random in [[0; 10], [255; 10]] {
            let id = *uuid_v7(at, random).as_bytes();
            assert!(id_floor(at) <= id && id < id_floor(at.plus_ms(1)));
        }
    }

    #[test]
    fn facts_of_one_transaction_sort_as_they_were_told() {
        let ids: Vec<Uuid> = (0..100_000).map(|_| fact_id(UtcMillis(1_700_000_000_000))).collect();
        assert!(ids.is_sorted());
    }
}
