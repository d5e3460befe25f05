//! The test bench: starts the real server in this process, or the real binary beside it.

pub(crate) mod binary;
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod demo;
pub(crate) mod dice;
pub(crate) mod dump;
pub(crate) mod faults;
#[macro_use]
pub(crate) mod traffic;

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use headwater::app::{self, Core, Started};
use headwater::config::Config;
use headwater::domain::time::{DrivenClock, UtcMillis};
use headwater::http::auth::{Scope, new_key};
use headwater::http::state::State;
use headwater::secret::sha256;
use headwater::store::access;
use serde_json::{Value, json};

pub(crate) use client::{Client, Reply};
pub(crate) use database::{Backend, TestDb};

/// Where the driven clock of every test begins.
pub(crate) const START: &str = "2026-03-02T12:00:00Z";

/// Declares tests that run once on each database.
macro_rules! on_both {
    ($($(#[$doc:meta])* fn $name:ident($app:ident) $body:block)+) => {
        $(
            $(#[$doc])*
            fn $name(mut $app: $crate::support::TestApp) {
                // Not every test changes the bench itself.
                let _ = &mut $app;
                $body
            }

            mod $name {
                use $crate::support::{Backend, TestApp};

                #[test]
                fn sqlite() {
                    super::$name(TestApp::start(Backend::Sqlite));
                }

                #[test]
                fn postgres() {
                    super::$name(TestApp::start(Backend::Postgres));
                }
            }
        )+
    };
}

/// A running server with its database and clock.
pub(crate) struct TestApp {
    pub(crate) clock: Arc<DrivenClock>,
    pub(crate) client: Client,
    pub(crate) config: Config,
    pub(crate) dir: Arc<tempfile::TempDir>,
    /// Dropped last.
    pub(crate) db: TestDb,
    running: Option<Running>,
}

struct Running {
    handle: actix_web::dev::ServerHandle,
    state: actix_web::web::Data<State>,
    thread: JoinHandle<()>,
}

impl TestApp {
    pub(crate) fn start(backend: Backend) -> Self {
        Self::start_with(backend, &[])
    }

    /// Starts with settings of the test's own.
    pub(crate) fn start_with(backend: Backend, settings: &[(&str, &str)]) -> Self {
        let db = TestDb::new(backend);
        let dir = Arc::new(tempfile::tempdir().expect("temporary directory"));
        let mut overrides: Vec<(String, String)> = [
            ("server.bind", "127.0.0.1:0"),
            ("server.workers", "2"),
            ("data.dir", dir.path().to_str().expect("utf-8 path")),
            ("database.url", db.url()),
            ("database.connections", "4"),
            ("tracking.visitor_cookie", "on"),
            ("journal.batch_age_ms", "5"),
            ("log.level", "warn"),
        ]
        .into_iter()
        .chain(settings.iter().copied())
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
        overrides.retain(|(k, v)| !(k == "database.url" && v.is_empty()));
        let config = Config::with(&overrides).expect("valid test configuration");
        let clock = Arc::new(DrivenClock::new(UtcMillis::parse(START).expect("time")));
        let mut app = Self { clock, client: Client::default(), config, dir, db, running: None };
        app.run();
        app
    }

    /// Starts serving; after [`Self::stop`] this is a restart on the same data.
    pub(crate) fn run(&mut self) {
        let (sender, receiver) = mpsc::channel();
        let core = Core::open(self.config.clone()).expect("core opens");
        let (key, hint) = new_key();
        let scopes: Vec<&str> = Scope::ALL.iter().map(|s| s.as_str()).collect();
        core.db
            .write_now(|conn| {
                access::create_key(conn, "test", &hint, &sha256(key.as_bytes()), &scopes.join(" "), UtcMillis(0))
            })
            .expect("key");
        let clock = Arc::clone(&self.clock);
        let thread = std::thread::spawn(move || {
            let told = |s: &Started| sender.send((s.address, s.handle.clone(), s.state.clone())).expect("test waits");
            app::serve(core, clock, told).expect("server runs");
        });
        let (address, handle, state) = receiver.recv().expect("server starts");
        self.client = Client::new(&format!("http://{address}"), &key);
        self.running = Some(Running { handle, state, thread });
    }

    /// Stops the server and waits for it.
    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.handle.stop(true));
            drop(running.state);
            running.thread.join().expect("server ends cleanly");
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.running.as_ref().expect("server runs").state
    }

    /// Waits until the writer has loaded every touch that was answered.
    pub(crate) fn settle(&self) {
        assert!(self.state().writer.wait_drained(std::time::Duration::from_secs(20)), "the writer did not settle");
    }

    /// Waits until every delivery that was accepted is loaded and read.
    pub(crate) fn read_inbox(&self) {
        let (state, patience) = (self.state(), std::time::Duration::from_secs(20));
        assert!(state.delivery_writer.wait_drained(patience), "deliveries were not loaded");
        assert!(state.inbox.wait_read(patience), "deliveries were not read");
    }

    /// What became of a delivery's items, once they have been read; of one that was accepted.
    pub(crate) fn verdicts(&self, accepted: &Reply) -> Vec<Value> {
        let accepted = accepted.expect(200);
        assert_eq!(accepted["status"], "accepted");
        self.read_inbox();
        let id = accepted["delivery"].as_str().expect("delivery");
        let view = self.client.get(&format!("/api/v1/deliveries/{id}")).expect(200);
        view["items"].as_array().expect("items").clone()
    }

    /// A channel, a campaign and a link in them; answers the link's view.
    pub(crate) fn link(&self, slug: &str) -> Value {
        self.channel("linkedin-organic", "linkedin", "social");
        self.client.post("/api/v1/campaigns", &json!({ "code": "spring-2026", "allow_similar": true }));
        let body = json!({ "slug": slug, "destination": "https://www.example.com/landing?a=1#top",
            "channel": "linkedin-organic", "campaign": "spring-2026" });
        self.client.post("/api/v1/links", &body).expect(201)
    }

    pub(crate) fn channel(&self, code: &str, source: &str, medium: &str) -> Reply {
        let body = json!({ "code": code, "utm_source": source, "utm_medium": medium, "allow_similar": true });
        self.client.post("/api/v1/channels", &body)
    }

    /// A human click on a link; answers the click id. The clock moves a minute, so that no click repeats another.
    pub(crate) fn click(&self, slug: &str) -> String {
        self.clock.advance_ms(60_000);
        let reply = self.client.browse(&format!("/{slug}"));
        assert_eq!(reply.status, 302, "{}", reply.text);
        click_id(&reply.header("location"))
    }

    /// The cost-per-lead report; `query` as in a URL.
    pub(crate) fn report(&self, query: &str) -> Value {
        self.client.get(&format!("/api/v1/reports/cost-per-lead?{query}")).expect(200)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(running) = self.running.take() {
                drop(running.handle.stop(false));
            }
        } else {
            self.stop();
        }
    }
}

/// The click id in a Location.
pub(crate) fn click_id(location: &str) -> String {
    let url = url::Url::parse(location).expect("location");
    url.query_pairs().find(|(n, _)| n == "hw_id").map(|(_, v)| v.into_owned()).expect("hw_id in location")
}

/// A row of a report by its key.
pub(crate) fn row<'a>(report: &'a Value, key: &str) -> &'a Value {
    report["rows"].as_array().expect("rows").iter().find(|r| r["key"] == key).unwrap_or(&Value::Null)
}
