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
mod migrate;
mod schema;

pub mod access;
pub mod batches;
pub mod costs;
pub mod deliveries;
pub mod endpoints;
pub mod identity;
pub mod labels;
pub mod ledger;
pub mod links;
pub mod stage_events;
pub mod touches;

pub use conn::Conn;
pub use db::{Db, DbOptions};
pub use error::StoreError;

use uuid::Uuid;

/// Rows per statement: below SQLite's limit of 32,766 variables for our widest table.
const ROWS_PER_STATEMENT: usize = 500;

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
