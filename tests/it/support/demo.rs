//! The demo, running: realistic data whose figures are known.

use headwater::app::Core;
use headwater::config::Config;
use serde_json::Value;

use super::binary::{self, Process};
use super::{Backend, Client, TestDb};

/// A demo server with a key to read reports.
pub(crate) struct Demo {
    pub(crate) client: Client,
    _process: Process,
    db: TestDb,
    dir: tempfile::TempDir,
}

impl Demo {
    pub(crate) fn start(backend: Backend) -> Self {
        let db = TestDb::new(backend);
        let dir = tempfile::tempdir().expect("dir");
        let process = Process::start(dir.path(), db.url(), &["demo"]);
        let made = binary::run_ok(dir.path(), db.url(), &["key", "create", "t", "--scopes", "reports:read", "--json"]);
        let key: Value = serde_json::from_str(&made).expect("json");
        let client = process.client(key["key"].as_str().expect("key"));
        Self { client, _process: process, db, dir }
    }

    /// The same data, opened beside the server.
    pub(crate) fn core(&self) -> Core {
        let data = self.dir.path().join("data").display().to_string();
        let mut settings = vec![("data.dir".to_owned(), data)];
        settings.extend(Some(("database.url".to_owned(), self.db.url().to_owned())).filter(|(_, url)| !url.is_empty()));
        Core::open(Config::with(&settings).expect("settings")).expect("second opening")
    }

    /// A report of any name.
    pub(crate) fn report(&self, name: &str, query: &str) -> Value {
        self.client.get(&format!("/api/v1/reports/{name}?{query}")).expect(200)
    }

    /// Codes of the faults that a report is refused with.
    pub(crate) fn faults(&self, name: &str, query: &str) -> Vec<String> {
        self.client.get(&format!("/api/v1/reports/{name}?{query}")).fault_codes()
    }
}
