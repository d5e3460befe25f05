//! One connection type over two databases.
//!
//! `on!(conn, c => …)` holds one body and compiles it for both backends, so that
//! every query is type-checked twice and a query that one database lacks does not
//! compile. True differences are an explicit two-arm `match`.

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::{Connection, PgConnection, SqliteConnection};

use super::error::StoreError;
use super::second::Second;

/// A connection to either database.
#[expect(missing_debug_implementations, reason = "diesel's connections have none")]
pub enum Conn {
    /// Embedded SQLite.
    Sqlite(SqliteConnection),
    /// PostgreSQL, and where a reader finds a second connection.
    Postgres(PgConnection, Second),
}

/// Runs one body on whichever backend a connection is.
macro_rules! on {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::store::Conn::Sqlite($c) => $body,
            $crate::store::Conn::Postgres($c, _) => $body,
        }
    };
}

impl Conn {
    /// Opens a SQLite file in WAL mode. Writers sync at each commit: the journal deletes its segments
    /// once they are committed here, so a power cut must not take the commit back.
    pub(super) fn open_sqlite(path: &str, access: Access) -> Result<Self, StoreError> {
        let mut c = SqliteConnection::establish(path).map_err(|e| {
            StoreError::Unavailable(format!(
                "cannot open {path}: {e}; it must be a file in a directory that exists, and this user must have the right to write both"
            ))
        })?;
        // The timeout first, as the next statement may already meet a lock.
        c.batch_execute("PRAGMA busy_timeout = 5000")?;
        if access == Access::ReadOnly {
            c.batch_execute("PRAGMA query_only = ON")?;
        } else {
            c.batch_execute("PRAGMA journal_mode = WAL").map_err(|e| {
                StoreError::Unavailable(format!(
                    "cannot use {path}: {e}; it must be a SQLite file that this user may write, in a directory that this user may write"
                ))
            })?;
        }
        // Checkpoints of 32 MB instead of 4: under load most pages are written again soon, and are copied once.
        c.batch_execute("PRAGMA wal_autocheckpoint = 8192")?;
        c.batch_execute("PRAGMA synchronous = FULL")?;
        c.batch_execute("PRAGMA foreign_keys = ON")?;
        c.batch_execute("PRAGMA cache_size = -65536")?;
        Ok(Self::Sqlite(c))
    }

    /// Opens a PostgreSQL connection; the URL's password never appears in an error.
    pub(super) fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let mut c = PgConnection::establish(url)
            .map_err(|e| StoreError::Unavailable(format!("cannot reach PostgreSQL: {}", without_password(&e, url))))?;
        c.batch_execute("SET TIME ZONE 'UTC'; SET lock_timeout = '10s'; SET statement_timeout = '120s'")?;
        Ok(Self::Postgres(c, Second::none()))
    }

    /// Whether the database answers.
    pub fn ping(&mut self) -> Result<(), StoreError> {
        on!(self, c => c.batch_execute("SELECT 1")).map_err(Into::into)
    }

    /// Writes what stands there already. A SQLite file that may only be read opens, and even begins a transaction.
    pub(super) fn prove_writable(&mut self) -> Result<(), StoreError> {
        on!(self, c => c.batch_execute("UPDATE ledger_clock SET last_at = last_at")).map_err(Into::into)
    }

    /// Runs `work` in a transaction; SQLite takes its write lock at once, so that two writers queue instead of failing.
    pub fn transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE")?,
            Self::Postgres(c, _) => AnsiTransactionManager::begin_transaction(c)?,
        }
        match work(self) {
            Ok(value) => {
                on!(self, c => AnsiTransactionManager::commit_transaction(c))?;
                Ok(value)
            }
            Err(error) => {
                // The first error is the one that matters; a failing rollback marks the connection broken for the pool.
                let _rolled_back = on!(self, c => AnsiTransactionManager::rollback_transaction(c));
                Err(error)
            }
        }
    }

    /// Runs `work` on one consistent snapshot, so that the parts of a report agree with each other.
    pub fn snapshot<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN DEFERRED")?,
            Self::Postgres(c, _) => {
                AnsiTransactionManager::begin_transaction_sql(
                    c,
                    "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
                )?;
            }
        }
        let result = work(self);
        let _closed = on!(self, c => AnsiTransactionManager::rollback_transaction(c));
        result
    }

    /// Whether a transaction was left open or failed for good: the pool drops such a connection.
    pub(super) fn is_unusable(&mut self) -> bool {
        use diesel::connection::TransactionManagerStatus;
        let idle = |status: &TransactionManagerStatus| matches!(status.transaction_depth(), Ok(None));
        !on!(self, c => idle(AnsiTransactionManager::transaction_manager_status_mut(c)))
    }
}

/// libpq's message on one line. It cites the part of an address that it cannot read, and that may be of the password.
fn without_password(error: &diesel::ConnectionError, url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let password =
        rest.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).map_or("", |(_, password)| password);
    let is_hex = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    let is_escaped = url.split('%').skip(1).all(|part| part.get(..2).is_some_and(is_hex));
    let text = error.to_string();
    if !is_escaped || password.contains(['@', ':', '/', '?', '#', '[', ']', ' ']) || text.contains("query parameter") {
        return "database.url cannot be read; special characters of a password need percent form, such as %40 for @"
            .into();
    }
    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What a SQLite connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Reads only.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}
