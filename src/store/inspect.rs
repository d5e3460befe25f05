//! A database as it is: looked at, not migrated, not made, not changed.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::conn::Conn;
use super::db::{self, DbOptions};
use super::error::StoreError;
use super::{ledger, migrate};
use crate::domain::time::UtcMillis;

/// Which migrations a database has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrations {
    /// How many.
    pub applied: usize,
    /// Those that this program would add.
    pub pending: Vec<String>,
    /// Those that this program does not know: a newer one made them.
    pub unknown: Vec<String>,
}

/// One connection that changes nothing.
#[expect(missing_debug_implementations, reason = "diesel's connections have none")]
pub struct AsItIs(Conn);

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    found: bool,
}

/// Carries a transaction's outcome out of its rollback.
const ROLLED_BACK: &str = "rolled back, as meant";

impl AsItIs {
    /// Connects. A SQLite file that is not there is an error, and is not made.
    pub fn open(options: &DbOptions) -> Result<Self, StoreError> {
        db::connect_to_look(options).map(Self)
    }

    /// Compares the database's migrations with this program's.
    pub fn migrations(&mut self) -> Result<Migrations, StoreError> {
        let exists = "SELECT COUNT(*) > 0 AS found FROM sqlite_master WHERE name = '__diesel_schema_migrations'";
        let found: Vec<Exists> = match &mut self.0 {
            Conn::Sqlite(c) => diesel::sql_query(exists).load(c)?,
            Conn::Postgres(c, _) => {
                diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS found").load(c)?
            }
        };
        let known = migrate::known(&self.0)?;
        if !found.first().is_some_and(|row| row.found) {
            return Ok(Migrations { applied: 0, pending: known, unknown: Vec::new() });
        }
        let select = "SELECT version FROM __diesel_schema_migrations ORDER BY version";
        let applied: Vec<Version> = on!(&mut self.0, c => diesel::sql_query(select).load(c))?;
        let applied: Vec<String> = applied.into_iter().map(|row| row.version).collect();
        let without = |list: &[String], other: &[String]| -> Vec<String> {
            list.iter().filter(|v| !other.contains(v)).cloned().collect()
        };
        Ok(Migrations {
            applied: applied.len(),
            pending: without(&known, &applied),
            unknown: without(&applied, &known),
        })
    }

    /// Writes what stands there already, and takes it back.
    pub fn prove_writable(&mut self) -> Result<(), StoreError> {
        self.guard(false)?;
        let outcome = self.0.transaction(|conn| {
            conn.prove_writable()?;
            Err::<(), _>(StoreError::Other(ROLLED_BACK.into()))
        });
        self.guard(true)?;
        match outcome {
            Err(StoreError::Other(why)) if why == ROLLED_BACK => Ok(()),
            other => other,
        }
    }

    /// Whether SQLite refuses to write on this connection.
    fn guard(&mut self, on: bool) -> Result<(), StoreError> {
        let Conn::Sqlite(c) = &mut self.0 else { return Ok(()) };
        Ok(c.batch_execute(if on { "PRAGMA query_only = ON" } else { "PRAGMA query_only = OFF" })?)
    }

    /// The time of the last committed facts.
    pub fn horizon(&mut self) -> Result<UtcMillis, StoreError> {
        self.read(ledger::horizon)
    }

    /// Reads on one snapshot.
    pub fn read<T>(&mut self, work: impl FnOnce(&mut Conn) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.0.snapshot(work)
    }
}
