//! A database of its own for each test.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// The address of an empty database; SQLite's is the default file in the data directory.
pub(crate) struct TestDb {
    url: String,
    name: String,
}

impl TestDb {
    pub(crate) fn new(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self { url: String::new(), name: String::new() },
            Backend::Postgres => {
                let name = format!("headwater_{:016x}", rand::random::<u64>());
                let server = postgres_server();
                let mut admin = PgConnection::establish(&server).expect("the test PostgreSQL answers");
                admin.batch_execute(&format!("CREATE DATABASE {name}")).expect("database");
                let mut url = url::Url::parse(&server).expect("url");
                url.set_path(&name);
                Self { url: url.into(), name }
            }
        }
    }

    /// `database.url`; empty for the default.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Which database it is.
    pub(crate) fn backend(&self) -> Backend {
        if self.url.is_empty() { Backend::Sqlite } else { Backend::Postgres }
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        // A leftover is only disk space on a throw-away server.
        if let Ok(mut admin) = PgConnection::establish(&postgres_server()) {
            let _dropped = admin.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}

/// The throw-away server that `make test` starts.
pub(crate) fn postgres_server() -> String {
    environment("HEADWATER_TEST_PG_URL")
}

#[expect(clippy::disallowed_methods, reason = "the test bench is told where the throw-away server is")]
pub(crate) fn environment(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set; run the tests with `make test`, or in the shell of `make pg`"))
}
