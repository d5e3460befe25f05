//! The database, and a way to take it away: PostgreSQL is stopped, SQLite is locked by another connection.

use std::path::Path;
use std::process::Command;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, SqliteConnection};

use super::Outcome;

/// One database of this run's own.
pub(super) enum Database {
    Sqlite { file: String, lock: Option<SqliteConnection> },
    Postgres { url: String, ctl: String },
}

#[expect(clippy::disallowed_methods, reason = "with-postgres.sh says where its server is")]
fn environment(name: &str) -> Outcome<String> {
    std::env::var(name).map_err(|_unset| format!("{name} is not set: run this by ci/with-postgres.sh").into())
}

impl Database {
    pub(super) fn new(postgres: bool, dir: &Path) -> Outcome<Self> {
        if !postgres {
            return Ok(Self::Sqlite { file: dir.join("headwater.db").display().to_string(), lock: None });
        }
        let server = environment("HEADWATER_TEST_PG_URL")?;
        let name = format!("headwater_{:016x}", rand::random::<u64>());
        let mut admin = PgConnection::establish(&server)?;
        admin.batch_execute(&format!("CREATE DATABASE {name}"))?;
        let mut url = url::Url::parse(&server)?;
        url.set_path(&name);
        Ok(Self::Postgres { url: url.into(), ctl: environment("HEADWATER_TEST_PG_CTL")? })
    }

    /// `database.url`.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Sqlite { file, .. } => format!("sqlite:{file}?mode=rwc"),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    pub(super) fn take_away(&mut self) -> Outcome<()> {
        match self {
            Self::Sqlite { file, lock } => {
                let mut other = SqliteConnection::establish(file)?;
                other.batch_execute("PRAGMA busy_timeout = 60000; BEGIN EXCLUSIVE")?;
                *lock = Some(other);
                Ok(())
            }
            Self::Postgres { ctl, .. } => run(ctl, "stop"),
        }
    }

    pub(super) fn give_back(&mut self) -> Outcome<()> {
        match self {
            Self::Sqlite { lock, .. } => {
                if let Some(mut other) = lock.take() {
                    other.batch_execute("ROLLBACK")?;
                }
                Ok(())
            }
            Self::Postgres { ctl, .. } => run(ctl, "start"),
        }
    }
}

fn run(ctl: &str, verb: &str) -> Outcome<()> {
    if Command::new(ctl).arg(verb).status()?.success() { Ok(()) } else { Err(format!("{ctl} {verb} failed").into()) }
}
