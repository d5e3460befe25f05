//! The composition root: the only place that builds things, and where start-up and shutdown order live.
//!
//! Up: configuration → data directory → database → secret → journals → writers and inbox →
//! links and endpoints → listener. Down: not ready → stop accepting and finish requests →
//! drain the writers → stop the inbox → close. What the writers do not manage in their deadline
//! stays in the journals and is loaded at the next start; what the inbox has not read stays pending.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::Data;

use crate::config::{Config, JournalSync, secret_from_environment};
use crate::domain::fault::Fault;
use crate::domain::time::Clock;
use crate::http::metrics::Metrics;
use crate::http::refusals::Refusals;
use crate::http::server::{listen, serve_on};
use crate::http::state::{State, VISITOR_COOKIE_SETTING};
use crate::http::track::Misses;
use crate::jobs::edit_links::StoreLinks;
use crate::jobs::endpoint_table::EndpointTable;
use crate::jobs::enrich::Enrichment;
use crate::jobs::inbox::Inbox;
use crate::jobs::intake::IntakeContext;
use crate::jobs::load_deliveries::DeliverySink;
use crate::jobs::load_touches::StoreSink;
use crate::secret::{SecretKey, random_token, wrong_key};
use crate::store::{Db, DbOptions, StoreError, access, ledger, rollups};
use crate::tracking::classify::{ClassificationSettings, Classifier};
use crate::tracking::journal::{Counters, Journal, Options, SyncMode};
use crate::tracking::link_table::Links;
use crate::tracking::writer::{self, WriterHandle, WriterOptions};

/// How often the link table and settings follow changes made elsewhere (another node, the command line).
const POLL: Duration = Duration::from_millis(500);
/// Deliveries that are loaded in one transaction, and bytes of theirs beyond which there are fewer.
const DELIVERIES_AT_ONCE: usize = 500;
const DELIVERY_BYTES_AT_ONCE: u64 = 16 << 20;

/// Why the server did not start, worded for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is at fault.
    #[error("{0}")]
    Config(#[from] Fault),
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The journal.
    #[error("{0}")]
    Journal(#[from] crate::tracking::journal::OpenError),
    /// The listener.
    #[error("server.bind: cannot listen on {address}: {why}; {}", bind_remedy(why))]
    Bind {
        /// `server.bind`.
        address: String,
        /// What the system said.
        why: io::Error,
    },
    /// Anything else of the system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

fn bind_remedy(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::AddrInUse => "another program listens there: stop it, or set server.bind to another port",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a right of their own: set server.bind to another port"
        }
        _ => "give an address of this machine and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080",
    }
}

/// The database and the key, as every command needs them.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "holds a secret and a pool")]
pub struct Core {
    /// The configuration.
    pub config: Config,
    /// The database, migrated.
    pub db: Db,
    /// The secret key, which made this database.
    pub secret: SecretKey,
}

impl Core {
    /// Opens data directory, database and key.
    pub fn open(config: Config) -> Result<Self, StartError> {
        make_private_dir(&config.data.dir)?;
        let db = Db::open(&DbOptions {
            url: config.database.url.clone(),
            data_dir: config.data.dir.clone(),
            connections: config.database.connections,
            wait: Duration::from_millis(config.database.wait_ms),
        })?;
        let secret = match SecretKey::load(&config.data.dir, secret_from_environment().as_deref())? {
            Some(key) => key,
            // A new key could not read this database; making one would only hide that the right one is missing.
            None if db.read_now(SecretKey::is_claimed)? => return Err(wrong_key().into()),
            None => SecretKey::create(&config.data.dir)?,
        };
        db.write_now(|conn| secret.claim(conn))?;
        Ok(Self { config, db, secret })
    }
}

/// A server that listens; the caller runs it.
#[expect(missing_debug_implementations, reason = "holds secrets and pools")]
pub struct Started {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its handlers use.
    pub state: Data<State>,
    /// Stops it.
    pub handle: ServerHandle,
}

/// Serves until a signal or [`Started::handle`] stops it. `on_start` is told where, once requests are taken.
pub fn serve(core: Core, clock: Arc<dyn Clock>, on_start: impl FnOnce(&Started)) -> Result<(), StartError> {
    let deadline = Duration::from_millis(core.config.server.shutdown_ms);
    let state = build_state(core, clock)?;
    let poller = Poller::start(state.clone())?;
    let enrichment = Enrichment::start(state.db.clone(), Arc::clone(&state.clock), state.intake())?;
    let outcome = actix_web::rt::System::new().block_on(run(state.clone(), deadline, on_start));
    state.is_ready.store(false, Ordering::Relaxed);
    poller.tell();
    enrichment.tell();
    // One after the other: together they would wait for the same database.
    if !state.delivery_writer.flush_and_stop(deadline) || !state.writer.flush_and_stop(deadline) {
        tracing::warn!(
            "a writer did not finish in time; what is left is in its journal and will be loaded at the next start"
        );
    }
    if !state.inbox.stop(deadline) {
        tracing::warn!("the inbox did not finish in time; what it has not read is read at the next start");
    }
    poller.wait(deadline);
    add_refusals(&state);
    state.db.close(deadline);
    outcome
}

async fn run(state: Data<State>, deadline: Duration, on_start: impl FnOnce(&Started)) -> Result<(), StartError> {
    let bind = state.config.server.bind.clone();
    let workers = match state.config.server.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let listeners = listen(&bind).map_err(|why| StartError::Bind { address: bind, why })?;
    let address = listeners.first().ok_or_else(|| io::Error::other("no address was bound"))?.local_addr()?;
    let server = serve_on(listeners, &state, workers, deadline, not_ready_on_signal(state.clone()))?;
    // Set once: a process listens once.
    let _first = state.address.set(address);
    state.is_ready.store(true, Ordering::Relaxed);
    on_start(&Started { address, state, handle: server.handle() });
    server.await?;
    Ok(())
}

fn build_state(core: Core, clock: Arc<dyn Clock>) -> Result<Data<State>, StartError> {
    let Core { config, db, secret } = core;
    let counters = Arc::new(Counters::default());
    let (journal, reader) = Journal::open(journal_options(&config), Arc::clone(&clock), counters)?;
    db.write_now(|conn| rollups::adopt_zone(conn, &config.reporting.zone))?;
    let sink = StoreSink::new(db.clone(), Arc::clone(&clock), classifier(&config)?);
    let options = WriterOptions {
        batch_size: config.journal.batch_rows,
        batch_age: Duration::from_millis(config.journal.batch_age_ms),
        ..WriterOptions::default()
    };
    let writer = writer::spawn(reader, Box::new(sink), options)?;
    let context = IntakeContext { secret: secret.clone(), person_namespace: config.intake.person_namespace.clone() };
    let inbox = Inbox::start(db.clone(), Arc::clone(&clock), context, config.intake.keep_days)?;
    let (delivery_journal, delivery_writer) = open_deliveries(&config, &db, &clock, &inbox)?;
    let endpoints = Arc::new(EndpointTable::new(db.clone(), secret.clone(), Arc::clone(&clock)));
    endpoints.refresh()?;
    let links = Arc::new(Links::new(Box::new(StoreLinks(db.clone())), &config.tracking.click_id_param));
    links.refresh_if_changed().map_err(StoreError::Other)?;
    let (has_user, decision) =
        db.read_now(|conn| Ok((access::any_user(conn)?, ledger::meta_value(conn, VISITOR_COOKIE_SETTING)?)))?;
    let (sign_in_limit, collect_limit) = State::limits(&config);
    let state = State {
        db,
        clock,
        secret,
        links,
        journal,
        writer,
        misses: Misses::default(),
        endpoints,
        endpoint_misses: Misses::default(),
        delivery_journal,
        delivery_writer,
        inbox,
        metrics: Metrics::default(),
        refusals: Arc::new(Refusals::default()),
        address: OnceLock::new(),
        is_ready: AtomicBool::new(false),
        cookies_on: AtomicBool::new(false),
        set_up_token: Mutex::new((!has_user).then(random_token)),
        sign_in_limit,
        collect_limit,
        config,
    };
    state.decide_cookies(decision.as_deref());
    Ok(Data::new(state))
}

/// What classifies touches by a configuration; reads the files that it names.
pub fn classifier(config: &Config) -> Result<Classifier, Fault> {
    let own = config.classification.clone();
    let settings = ClassificationSettings {
        agents: own.agents,
        ranges: own.ranges,
        ranges_file: own.ranges_file,
        country_database: own.country_database,
        burst_links: own.burst_links,
        burst_window_ms: own.burst_window_ms,
        head_then_get_ms: own.head_then_get_ms,
        crowd_agents: own.crowd_agents,
        repeat_window_ms: config.tracking.repeat_window_ms,
    };
    Classifier::new(&settings, Box::new(rand::random))
}

fn journal_options(config: &Config) -> Options {
    let journal = &config.journal;
    Options {
        segment_bytes: journal.segment_bytes,
        max_bytes: journal.max_bytes,
        sync: match journal.sync {
            JournalSync::Os => SyncMode::Os,
            JournalSync::Always => SyncMode::Always,
            JournalSync::Interval => SyncMode::Interval(Duration::from_millis(journal.sync_interval_ms)),
        },
        ..Options::new(config.data.dir.join("journal"))
    }
}

/// The journal of deliveries, whose answers always wait for the disk, and what loads it.
fn open_deliveries(
    config: &Config,
    db: &Db,
    clock: &Arc<dyn Clock>,
    inbox: &Inbox,
) -> Result<(Journal, WriterHandle), StartError> {
    let options = Options {
        segment_bytes: config.journal.segment_bytes,
        max_bytes: config.intake.journal_bytes_max,
        budget_key: "intake.journal_bytes_max",
        sync: SyncMode::Always,
        ..Options::new(config.data.dir.join("deliveries"))
    };
    let (journal, reader) = Journal::open(options, Arc::clone(clock), Arc::new(Counters::default()))?;
    let sink = DeliverySink::new(db.clone(), inbox.clone());
    let options = WriterOptions {
        what: "deliveries",
        batch_size: DELIVERIES_AT_ONCE,
        batch_bytes: DELIVERY_BYTES_AT_ONCE,
        batch_age: Duration::from_millis(config.journal.batch_age_ms),
        ..WriterOptions::default()
    };
    let writer = writer::spawn(reader, Box::new(sink), options)?;
    Ok((journal, writer))
}

/// Waits for Ctrl-C or SIGTERM, and takes readiness back so long before the listener closes that load balancers notice.
async fn not_ready_on_signal(state: Data<State>) {
    use actix_web::rt::signal::unix::{SignalKind, signal};
    let interrupt = actix_web::rt::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
        }
        Err(_unavailable) => drop(interrupt.await),
    }
    state.is_ready.store(false, Ordering::Relaxed);
    actix_web::rt::time::sleep(Duration::from_millis(state.config.server.unready_ms)).await;
}

/// Makes the data directory for its owner alone.
fn make_private_dir(dir: &Path) -> Result<(), Fault> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir).map_err(|why| {
        Fault::new(
            "data.dir",
            "data-dir",
            format!(
                "cannot make the data directory {}: {why}; make it, give this user the right to write, or set data.dir",
                dir.display()
            ),
        )
    })
}

/// Follows what other processes change: links, endpoints, settings.
struct Poller {
    is_stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Poller {
    fn start(state: Data<State>) -> io::Result<Self> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_stopping);
        let thread = std::thread::Builder::new().name("poller".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // One poll that panics must not end the following of changes for good.
                if catch_unwind(AssertUnwindSafe(|| poll(&state))).is_err() {
                    tracing::error!("a poll for changes failed badly; the next one goes on");
                }
                std::thread::park_timeout(POLL);
            }
        })?;
        Ok(Self { is_stopping, thread })
    }

    /// Tells it to end.
    fn tell(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
    }

    /// Waits for its end. One that hangs in the database is left behind.
    fn wait(self, deadline: Duration) {
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while !self.thread.is_finished() && waited < deadline {
            std::thread::park_timeout(step);
            waited += step;
        }
        if self.thread.is_finished() {
            let _ended = self.thread.join();
        }
    }
}

fn poll(state: &State) {
    if let Err(error) = state.links.refresh_if_changed() {
        tracing::debug!(error = %error, "links cannot be refreshed while the database is away");
        return;
    }
    if let Err(error) = state.endpoints.refresh() {
        tracing::debug!(error = %error, "endpoints cannot be refreshed while the database is away");
        return;
    }
    if let Ok(decision) = state.db.read_now(|conn| ledger::meta_value(conn, VISITOR_COOKIE_SETTING)) {
        state.decide_cookies(decision.as_deref());
    }
    add_refusals(state);
    state.sign_in_limit.retain_recent();
    state.collect_limit.retain_recent();
}

fn add_refusals(state: &State) {
    if let Err(error) = state.refusals.flush(&state.db) {
        tracing::debug!(error = %error, "refused attempts stay counted in memory while the database is away");
    }
}
