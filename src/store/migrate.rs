//! Brings the schema up to date, one process at a time.

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::sql_types::Text;
use diesel::{PgConnection, QueryableByName, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::conn::Conn;
use super::error::StoreError;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
/// Any fixed number: who holds this advisory lock migrates, the others wait.
const ADVISORY_LOCK: i64 = 0x4845_4144;

/// Runs what is pending; refuses a database that a newer program has migrated.
pub(super) fn run(conn: &mut Conn) -> Result<(), StoreError> {
    match conn {
        Conn::Sqlite(c) => apply(c, SQLITE),
        Conn::Postgres(c, _) => {
            let before = timeouts(c)?;
            // A large table takes longer to copy than any query may run, and who waits for that waits as long.
            c.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")?;
            c.batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"))?;
            let outcome = apply(c, POSTGRES);
            c.batch_execute(&format!("SELECT pg_advisory_unlock({ADVISORY_LOCK})"))?;
            let Timeouts { statement, waiting } = before;
            c.batch_execute(&format!("SET statement_timeout = '{statement}'; SET lock_timeout = '{waiting}'"))?;
            outcome
        }
    }
}

/// A connection's timeouts, as PostgreSQL writes them.
#[derive(Debug, QueryableByName)]
struct Timeouts {
    #[diesel(sql_type = Text)]
    statement: String,
    #[diesel(sql_type = Text)]
    waiting: String,
}

fn timeouts(c: &mut PgConnection) -> Result<Timeouts, StoreError> {
    let query = "SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS waiting";
    Ok(diesel::sql_query(query).get_result(c)?)
}

/// The versions that this program knows, oldest first.
pub(super) fn known(conn: &Conn) -> Result<Vec<String>, StoreError> {
    match conn {
        Conn::Sqlite(_) => versions::<diesel::sqlite::Sqlite>(&SQLITE),
        Conn::Postgres(..) => versions::<diesel::pg::Pg>(&POSTGRES),
    }
}

fn versions<DB: diesel::backend::Backend>(source: &EmbeddedMigrations) -> Result<Vec<String>, StoreError>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let list = MigrationSource::<DB>::migrations(source).map_err(failed)?;
    Ok(list.iter().map(|m| m.name().version().to_string()).collect())
}

fn failed(why: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Other(format!("migration failed: {why}"))
}

fn apply<DB, C>(conn: &mut C, source: EmbeddedMigrations) -> Result<(), StoreError>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let applied = conn.applied_migrations().map_err(failed)?;
    let known = versions::<DB>(&source)?;
    if let Some(newer) = applied.iter().find(|v| !known.contains(&v.to_string())) {
        return Err(StoreError::Unavailable(format!(
            "the database has migration {newer}, which this program does not know; run the newer program"
        )));
    }
    conn.run_pending_migrations(source).map(drop).map_err(failed)
}
