//! The inbox: one thread that reads stored deliveries into stage events, and removes bodies that have been kept long enough.
//!
//! Constraints: deliveries are read in the order of receipt, several in one transaction; one that cannot be read never
//! holds up the rest; where several nodes share a database one of them reads at a time.
//!
//! Operation: woken by whoever stored something, and every second besides, as another process may have left
//! something behind, it reads batches until nothing is pending. A batch that fails for good is read one by one, and what
//! then fails alone is set aside. Once a day, and at the start, it removes bodies older than `intake.keep_days`.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use super::intake::{self, IntakeContext, Reading};
use crate::domain::ids::DeliveryId;
use crate::domain::time::{Clock, UtcMillis};
use crate::store::{Db, StoreError, deliveries};

/// Longest sleep.
const TICK: Duration = Duration::from_secs(1);
/// Deliveries of one transaction.
const BATCH: i64 = 200;
/// Bytes of their bodies; one larger delivery is a batch of its own.
const BATCH_BYTES: i64 = 16 << 20;
/// Bodies removed in one transaction.
const REMOVED_AT_ONCE: i64 = 500;
/// Between two removals.
const DAY_MS: i64 = 86_400_000;

/// The running inbox, as its users see it. Clones are the same inbox.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a thread's handle tells nothing")]
pub struct Inbox {
    shared: Arc<Shared>,
}

struct Shared {
    is_stopping: AtomicBool,
    thread: OnceLock<Thread>,
    progress: Mutex<Progress>,
    changed: Condvar,
    join: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Progress {
    /// Passes that somebody waits for, by number.
    asked: u64,
    /// A pass that began at this number has left nothing pending.
    done: u64,
    ended: bool,
}

/// What the thread works with.
struct Reader {
    db: Db,
    clock: Arc<dyn Clock>,
    context: IntakeContext,
    keep_ms: i64,
    removed_at: Option<UtcMillis>,
    shared: Arc<Shared>,
}

impl Inbox {
    /// Starts the thread. Bodies are kept for `keep_days`.
    pub fn start(db: Db, clock: Arc<dyn Clock>, context: IntakeContext, keep_days: i64) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            is_stopping: AtomicBool::new(false),
            thread: OnceLock::new(),
            progress: Mutex::default(),
            changed: Condvar::new(),
            join: Mutex::new(None),
        });
        let keep_ms = keep_days.saturating_mul(DAY_MS);
        let mut reader = Reader { db, clock, context, keep_ms, removed_at: None, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("inbox".into()).spawn(move || reader.run())?;
        let _first = shared.thread.set(thread.thread().clone());
        *shared.join.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(Self { shared })
    }

    /// Tells it that something was stored.
    pub fn wake(&self) {
        if let Some(thread) = self.shared.thread.get() {
            thread.unpark();
        }
    }

    /// Waits until everything that is stored by now has been read; false when `timeout` passed before that.
    pub fn wait_read(&self, timeout: Duration) -> bool {
        let mut progress = self.shared.progress();
        progress.asked += 1;
        let ticket = progress.asked;
        self.wake();
        let waited = self.shared.changed.wait_timeout_while(progress, timeout, |p| p.done < ticket && !p.ended);
        let (progress, _) = waited.unwrap_or_else(PoisonError::into_inner);
        progress.done >= ticket
    }

    /// Ends the thread after its batch, and waits `deadline` for that. What is pending then is read at the next start.
    pub fn stop(&self, deadline: Duration) -> bool {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        self.wake();
        let waited = self.shared.changed.wait_timeout_while(self.shared.progress(), deadline, |p| !p.ended);
        let (progress, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let ended = progress.ended;
        drop(progress);
        let join = self.shared.join.lock().unwrap_or_else(PoisonError::into_inner).take();
        // One that hangs in the database is left behind, not waited for.
        ended && join.is_none_or(|thread| thread.join().is_ok())
    }
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.progress().ended = true;
        self.shared.changed.notify_all();
    }
}

impl Reader {
    fn run(&mut self) {
        while !self.shared.is_stopping() {
            let asked = self.shared.progress().asked;
            // One pass that panics must not end the reading for good.
            match catch_unwind(AssertUnwindSafe(|| self.pass())) {
                Ok(Ok(true)) => {
                    self.shared.progress().done = asked;
                    self.shared.changed.notify_all();
                }
                // Another node reads, or the server stops.
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(error = %error, "deliveries cannot be read now; they stay pending"),
                Err(_panic) => tracing::error!("a pass over the inbox failed badly; the next one goes on"),
            }
            std::thread::park_timeout(TICK);
        }
    }

    /// Reads until nothing is pending, then removes what is due; true when that was reached.
    fn pass(&mut self) -> Result<bool, StoreError> {
        loop {
            if self.shared.is_stopping() {
                return Ok(false);
            }
            let ids = self.db.read_now(|conn| deliveries::pending(conn, BATCH, BATCH_BYTES))?;
            if ids.is_empty() {
                self.remove_due()?;
                return Ok(true);
            }
            if !self.read(&ids)? {
                return Ok(false);
            }
        }
    }

    /// Reads a batch; false when another node does.
    fn read(&self, ids: &[DeliveryId]) -> Result<bool, StoreError> {
        match self.try_read(ids) {
            Err(error) if !error.is_passing() => {
                tracing::warn!(error = %error, deliveries = ids.len(), "a batch cannot be read as one");
                let mut stuck = None;
                for id in ids {
                    match self.read_alone(*id) {
                        Err(error) if error.is_passing() => return Err(error),
                        Err(error) => stuck = Some(error),
                        Ok(()) => {}
                    }
                }
                // One that stays pending waits for the next tick, after the rest of its batch.
                stuck.map_or(Ok(true), Err)
            }
            read => read,
        }
    }

    fn try_read(&self, ids: &[DeliveryId]) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let read = AssertUnwindSafe(|| {
            self.db.write_now(|conn| {
                let is_ours = deliveries::lease_reading(conn)?;
                if is_ours {
                    intake::read_deliveries(conn, &self.context, ids, Reading::First, now)?;
                }
                Ok(is_ours)
            })
        });
        catch_unwind(read).unwrap_or_else(|_panic| Err(StoreError::Other("reading it failed badly".into())))
    }

    /// Reads one delivery, or sets it aside; it stays pending where even that fails.
    fn read_alone(&self, id: DeliveryId) -> Result<(), StoreError> {
        match self.try_read(&[id]) {
            Ok(_) => Ok(()),
            Err(error) if error.is_passing() => Err(error),
            Err(error) => {
                tracing::warn!(delivery.id = %id, error = %error, "a delivery is set aside");
                self.db.write_now(|conn| intake::set_aside(conn, &[id])).map(drop)
            }
        }
    }

    /// Removes bodies that have been kept long enough, if a day has passed since that was done.
    fn remove_due(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        if self.removed_at.is_some_and(|at| now.0.saturating_sub(at.0) < DAY_MS) {
            return Ok(());
        }
        let before = UtcMillis(now.0.saturating_sub(self.keep_ms));
        let mut removed = 0;
        loop {
            let some = self.db.write_now(|conn| deliveries::remove_bodies(conn, before, now, REMOVED_AT_ONCE))?;
            removed += some;
            if i64::try_from(some).unwrap_or(i64::MAX) < REMOVED_AT_ONCE || self.shared.is_stopping() {
                break;
            }
        }
        if removed > 0 {
            tracing::info!(deliveries = removed, "bodies of old deliveries were removed");
        }
        self.removed_at = Some(now);
        Ok(())
    }
}
