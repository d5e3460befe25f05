//! A reader's second connection, on the snapshot of the first.
//!
//! A connection of PostgreSQL is one process that works for one statement at a time, and the read of a report's journeys
//! is not of the kind that it spreads over several by itself. So a long read may have another one. SQLite reads within
//! this process and needs none.

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::conn::Conn;
use super::db::Manager;
use super::error::StoreError;

/// Where a connection finds its second one, which is opened when it is first wanted and kept as long as the first.
#[expect(missing_debug_implementations, reason = "diesel's connections have none")]
pub struct Second {
    manager: Option<Manager>,
    open: Option<Box<PgConnection>>,
}

#[derive(QueryableByName)]
struct Snapshot {
    #[diesel(sql_type = Text)]
    name: String,
}

impl Second {
    /// No second connection: of one that writes, or that stands outside a pool.
    pub(super) fn none() -> Self {
        Self { manager: None, open: None }
    }

    /// One that a pool's manager makes.
    pub(super) fn of(manager: Manager) -> Self {
        Self { manager: Some(manager), open: None }
    }
}

impl Conn {
    /// Runs `work` with a second connection that sees what this one sees, if the database can give one now.
    ///
    /// Call it inside [`Conn::snapshot`]. Without a second one the work is the same, and takes longer.
    pub fn with_second<T>(&mut self, work: impl FnOnce(&mut Self, Option<&mut Self>) -> T) -> T {
        let second = self.second().unwrap_or_else(|error| {
            tracing::debug!(%error, "no second connection; reading on one");
            None
        });
        let Some(second) = second else { return work(self, None) };
        let mut second = Self::Postgres(second, Second::none());
        let result = work(self, Some(&mut second));
        if let (Self::Postgres(_, own), Self::Postgres(mut second, _)) = (self, second)
            // One that cannot even end its transaction is not kept.
            && AnsiTransactionManager::rollback_transaction(&mut second).is_ok()
        {
            own.open = Some(Box::new(second));
        }
        result
    }

    /// The second connection, in a transaction that sees the snapshot of this one's.
    fn second(&mut self) -> Result<Option<PgConnection>, StoreError> {
        let Self::Postgres(first, own) = self else { return Ok(None) };
        let mut second = match (own.open.take(), &own.manager) {
            (Some(open), _) => *open,
            (None, Some(manager)) => match manager.make()? {
                Self::Postgres(made, _) => made,
                Self::Sqlite(_) => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        let snapshot: Snapshot = diesel::sql_query("SELECT pg_export_snapshot() AS name").get_result(first)?;
        AnsiTransactionManager::begin_transaction_sql(
            &mut second,
            "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        )?;
        // The name is the server's own: digits, letters and dashes.
        second.batch_execute(&format!("SET TRANSACTION SNAPSHOT '{}'", snapshot.name))?;
        Ok(Some(second))
    }
}
