//! The pool: who may talk to the database, how many at a time, for how long.
//!
//! SQLite has one writer and several readers; PostgreSQL one pool. A caller takes
//! a permit first and a blocking thread second, so that a slow database makes
//! callers wait or fail with *busy*, and never parks a crowd of threads.

#[cfg(target_os = "linux")]
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::r2d2::{ManageConnection, NopErrorHandler, Pool};
use tokio::sync::Semaphore;

use super::conn::{Access, Conn};
use super::error::StoreError;
use super::migrate;
use super::second::Second;
use crate::domain::fault::Fault;

/// Niceness of threads that read: a tenth of the time of a core that redirects want as well.
#[cfg(target_os = "linux")]
const READERS_NICE: i32 = 10;

/// Where the database is and how it is used.
#[derive(Debug, Clone)]
pub struct DbOptions {
    /// `sqlite:PATH`, `postgres://…`, or empty for `headwater.db` in the data directory.
    pub url: String,
    /// Where the default SQLite file lives.
    pub data_dir: PathBuf,
    /// Connections that read, or all of PostgreSQL's.
    pub connections: u32,
    /// How long a caller waits for a permit and a connection.
    pub wait: Duration,
}

/// A handle to the database; cheap to clone.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "the pool's connections have none")]
pub struct Db {
    read: Pool<Manager>,
    write: Pool<Manager>,
    read_permits: Arc<Semaphore>,
    write_permits: Arc<Semaphore>,
    wait: Duration,
    /// Read while a connection is being made; true once no more are.
    is_closed: Arc<RwLock<bool>>,
}

impl Db {
    /// Opens the database and brings its schema up to date.
    pub fn open(options: &DbOptions) -> Result<Self, StoreError> {
        let target = Target::of(options)?;
        let mut first = target.connect(Access::ReadWrite)?;
        migrate::run(&mut first)?;
        first.transaction(Conn::prove_writable).map_err(|e| target.not_writable(e))?;
        drop(first);
        let readers = options.connections.max(1);
        let is_closed = Arc::new(RwLock::new(false));
        let pool = |access, size| {
            Pool::builder()
                .max_size(size)
                // None ahead of need: a short command must not end while a thread still shakes hands over TLS.
                .min_idle(Some(0))
                .connection_timeout(options.wait)
                // Who asked for a connection is told what failed; r2d2 would log every attempt as well.
                .error_handler(Box::new(NopErrorHandler))
                .test_on_check_out(matches!(target, Target::Postgres(_)))
                .build(Manager { target: target.clone(), access, is_closed: Arc::clone(&is_closed) })
                .map_err(|e| StoreError::Unavailable(e.to_string()))
        };
        let writers = match target {
            Target::Sqlite(_) => 1,
            Target::Postgres(_) => readers,
        };
        Ok(Self {
            read: pool(Access::ReadOnly, readers)?,
            write: pool(Access::ReadWrite, writers)?,
            read_permits: permits(readers),
            write_permits: permits(writers),
            wait: options.wait,
            is_closed,
        })
    }

    /// Makes no more connections, and waits until none is being made, for `deadline` at most.
    ///
    /// The pool connects on threads of its own. One that still shakes hands while the process ends would use OpenSSL
    /// after its exit handlers have run.
    pub fn close(&self, deadline: Duration) {
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while waited < deadline {
            match self.is_closed.try_write() {
                Ok(mut is_closed) => {
                    *is_closed = true;
                    return;
                }
                Err(_busy) => std::thread::park_timeout(step),
            }
            waited += step;
        }
    }

    /// Reads on a blocking thread, all of it on one consistent snapshot.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Send + 'static,
    {
        let db = self.clone();
        let work = move || {
            step_back();
            db.read_now(work)
        };
        run(&self.read_permits, self.wait, work).await
    }

    /// Writes on a blocking thread, in one transaction.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Send + 'static,
    {
        let db = self.clone();
        run(&self.write_permits, self.wait, move || db.write_now(work)).await
    }

    /// [`Self::read`] for threads of one's own: the command line, jobs, the journal's writer.
    pub fn read_now<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut conn = self.read.get().map_err(|e| StoreError::Unavailable(e.to_string()))?;
        conn.snapshot(work)
    }

    /// Copies SQLite's write-ahead log into the file and empties it, so that old versions of rows are in neither. A read
    /// that is in progress for longer than the timeout keeps it from that until a later one. Nothing on PostgreSQL.
    pub fn empty_log(&self) -> Result<(), StoreError> {
        let mut conn = self.write.get().map_err(|e| StoreError::Unavailable(e.to_string()))?;
        if let Conn::Sqlite(c) = &mut *conn {
            c.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?;
        }
        Ok(())
    }

    /// [`Self::write`] for threads of one's own.
    pub fn write_now<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut conn = self.write.get().map_err(|e| StoreError::Unavailable(e.to_string()))?;
        conn.transaction(work)
    }
}

/// Lowers the priority of this thread for good: a report may use a core that nobody else wants, and must not hold up
/// redirects on one that they share. Blocking threads that have read once stay so, also for writes.
#[cfg(target_os = "linux")]
fn step_back() {
    thread_local! {
        static IS_BACK: Cell<bool> = const { Cell::new(false) };
    }
    // Without an id Linux means the thread that asks, not its process. Where it is not allowed, nothing is lost but that.
    if !IS_BACK.replace(true)
        && let Err(why) = rustix::process::setpriority_process(None, READERS_NICE)
    {
        tracing::debug!(error = %why, "a database thread keeps its priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn step_back() {}

fn permits(size: u32) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(1)))
}

async fn run<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    wait: Duration,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let permit = tokio::time::timeout(wait, Arc::clone(permits).acquire_owned())
        .await
        .map_err(|_late| StoreError::Busy("no connection came free in time".into()))?
        .map_err(|_closed| StoreError::Unavailable("the server is stopping".into()))?;
    let answer = tokio::task::spawn_blocking(move || {
        // The permit lives as long as the work, even if the caller has gone away.
        let _permit = permit;
        work()
    });
    answer.await.map_err(|e| StoreError::Other(e.to_string()))?
}

/// A parsed database address.
#[derive(Debug, Clone)]
enum Target {
    Sqlite(String),
    Postgres(String),
}

impl Target {
    fn of(options: &DbOptions) -> Result<Self, StoreError> {
        let url = options.url.trim();
        if url.is_empty() {
            return Ok(Self::Sqlite(options.data_dir.join("headwater.db").display().to_string()));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(with_system_roots(url)));
        }
        let Some(path) = url.strip_prefix("sqlite:") else {
            let why = "it must begin with sqlite: or postgres://, or be empty for SQLite in data.dir";
            return Err(StoreError::refused(Fault::new("database.url", "database-url", why)));
        };
        match path.strip_suffix("?mode=rwc") {
            Some(create) => Ok(Self::Sqlite(create.to_owned())),
            None if Path::new(path).exists() => Ok(Self::Sqlite(path.to_owned())),
            // A typing error must not start an empty database beside the real one.
            None => Err(StoreError::refused(Fault::new(
                "database.url",
                "database-missing",
                format!("the SQLite file {path} does not exist; correct the path, or add ?mode=rwc to create it"),
            ))),
        }
    }

    /// A database that may only be read would let clicks pile up in the journal.
    fn not_writable(&self, error: StoreError) -> StoreError {
        let (what, remedy) = match self {
            Self::Sqlite(path) => (path.as_str(), "give this user the right to write the file and its directory"),
            Self::Postgres(_) => ("PostgreSQL", "connect to the primary, as a user who may write"),
        };
        match error {
            StoreError::Busy(_) => error,
            other => StoreError::Unavailable(format!("cannot write {what}: {}; {remedy}", other.cause())),
        }
    }

    fn connect(&self, access: Access) -> Result<Conn, StoreError> {
        match self {
            Self::Sqlite(path) => Conn::open_sqlite(path, access),
            Self::Postgres(url) => Conn::open_postgres(url),
        }
    }
}

/// One connection to a database that is there already; nothing is made or migrated.
pub(super) fn connect_to_look(options: &DbOptions) -> Result<Conn, StoreError> {
    let target = Target::of(options)?;
    match &target {
        Target::Sqlite(path) if !Path::new(path).exists() => {
            Err(StoreError::Unavailable(format!("the SQLite file {path} does not exist")))
        }
        _ => target.connect(Access::ReadOnly),
    }
}

/// Points `verify-ca` and `verify-full` at the system's root certificates: the bundled OpenSSL does not know where they are.
fn with_system_roots(url: &str) -> String {
    if !url.contains("sslmode=verify-") || url.contains("sslrootcert=") {
        return url.to_owned();
    }
    let bundle = openssl_probe::probe().cert_file.map(|p| p.display().to_string());
    bundle.map_or_else(
        || url.to_owned(),
        |path| {
            let value: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
            format!("{url}&sslrootcert={value}")
        },
    )
}

/// Makes and checks the pool's connections.
#[derive(Debug, Clone)]
pub(super) struct Manager {
    target: Target,
    access: Access,
    is_closed: Arc<RwLock<bool>>,
}

impl Manager {
    /// One more connection, unless no more are made.
    pub(super) fn make(&self) -> Result<Conn, StoreError> {
        let is_closed = self.is_closed.read().unwrap_or_else(PoisonError::into_inner);
        if *is_closed {
            return Err(StoreError::Unavailable("the server is stopping".into()));
        }
        self.target.connect(self.access)
    }
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = StoreError;

    fn connect(&self) -> Result<Conn, StoreError> {
        Ok(match self.make()? {
            Conn::Postgres(c, _) if self.access == Access::ReadOnly => Conn::Postgres(c, Second::of(self.clone())),
            conn => conn,
        })
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), StoreError> {
        conn.ping()
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking() || conn.is_unusable()
    }
}
