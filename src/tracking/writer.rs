//! The writer: one thread that loads a journal into the database, in batches. Each kind of record has its own.
//!
//! Constraints: who appends never waits for it, and appending wakes it without a lock (one atomic
//! load, and an `unpark` at most once per batch age). One record that the database refuses never
//! holds up the rest, and a database that is away holds up the writer alone.
//!
//! Operation: sleep until woken, let a batch gather for its age, read up to its size, hand it to
//! the [`RecordSink`], move the checkpoint, and go on without sleeping while batches are full. A
//! refused batch is halved until the one refused record stands alone; that goes to quarantine
//! without what is personal in it. One that is not refused for good but not taken either is tried
//! again after the rest of its batch, a few times, and goes there then. An unavailable database is
//! tried again with doubling pauses.

use std::any::Any;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use super::journal::{Counters, EndView, Position, Reader, Record, add};

/// Longest sleep without a wake: bounds the damage of a missed one, and lets an idle segment age.
const IDLE: Duration = Duration::from_secs(1);

/// How often a record is tried again that is not taken while others are: with doubling pauses from `retry_min` of 100 ms,
/// for three seconds in all.
const SUSPECT_ROUNDS: u32 = 5;

/// What a sink did with a batch; the two sum to its length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// New records.
    pub stored: u64,
    /// Records it had already, by their ids.
    pub duplicate: u64,
}

/// Why a sink did not take a batch. In both cases it must have stored nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The database is away or busy; the same batch may succeed later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The batch was refused and will be again.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The database takes others but not this batch, for a cause that may pass or not.
    #[error("suspect: {0}")]
    Suspect(String),
}

/// Where records go. Idempotent by their ids: after a crash some records come again.
pub trait RecordSink<R>: Send {
    /// Stores a batch in one transaction, and returns after its commit.
    fn store(&mut self, batch: &[R]) -> Result<Stored, SinkError>;
}

/// How the writer goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterOptions {
    /// What the records are called in the log, in the plural; the thread is named after them.
    pub what: &'static str,
    /// Most records of one batch.
    pub batch_size: usize,
    /// A batch ends behind the record with which it has more bytes than this.
    pub batch_bytes: u64,
    /// How long a batch gathers.
    pub batch_age: Duration,
    /// First pause after the database was away; doubles.
    pub retry_min: Duration,
    /// Longest pause.
    pub retry_max: Duration,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            what: "touches",
            batch_size: 1_000,
            batch_bytes: u64::MAX,
            batch_age: Duration::from_millis(50),
            retry_min: Duration::from_millis(100),
            retry_max: Duration::from_secs(5),
        }
    }
}

/// The running writer, as its users see it. Clones are the same writer.
#[derive(Clone)]
pub struct WriterHandle {
    shared: Arc<Shared>,
    thread: Thread,
    join: Arc<Mutex<Option<JoinHandle<()>>>>,
    end: EndView,
}

struct Shared {
    /// Set while the writer will look at the journal again without being woken.
    awake: AtomicBool,
    /// Someone waits: batches do not gather.
    hurried: AtomicBool,
    /// Load what is there, then end.
    stopping: AtomicBool,
    /// End now; what is not loaded stays in the journal.
    abandoned: AtomicBool,
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    committed: Position,
    ended: bool,
    drained: bool,
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done` or for `timeout`; tells whether it is done.
    fn wait(&self, timeout: Duration, done: impl Fn(&Progress) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.progress(), timeout, |p| !done(p) && !p.ended);
        let (progress, _) = waited.unwrap_or_else(PoisonError::into_inner);
        done(&progress)
    }
}

impl WriterHandle {
    /// Tells the writer that something was appended. Cheap enough for every click.
    pub fn wake(&self) {
        // The append published its end before this load, and the writer clears the flag before its
        // last look; both sequentially consistent, so one of the two sees the other.
        if !self.shared.awake.load(Ordering::SeqCst) && !self.shared.awake.swap(true, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    /// Waits until everything appended before this call is settled: stored, duplicate or quarantined.
    /// False when `timeout` passed before that.
    pub fn wait_drained(&self, timeout: Duration) -> bool {
        let target = self.end.end();
        self.shared.hurried.store(true, Ordering::SeqCst);
        self.thread.unpark();
        let drained = self.shared.wait(timeout, |p| p.committed >= target);
        self.shared.hurried.store(false, Ordering::SeqCst);
        drained
    }

    /// Loads what is in the journal and ends the thread, for `deadline` at most; what is left then
    /// stays in the journal for the next start. True when nothing is left.
    ///
    /// Call it when no more records are appended.
    pub fn flush_and_stop(&self, deadline: Duration) -> bool {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.thread.unpark();
        let ended = self.shared.wait(deadline, |p| p.ended);
        if !ended {
            // The thread may hang in the database; it is left behind, not waited for.
            self.shared.abandoned.store(true, Ordering::SeqCst);
            self.thread.unpark();
            return false;
        }
        let join = self.join.lock().unwrap_or_else(PoisonError::into_inner).take();
        let joined = join.is_none_or(|thread| thread.join().is_ok());
        joined && self.shared.progress().drained
    }
}

/// Starts the writer's thread.
pub fn spawn<R: Record + Clone + Send + 'static>(
    reader: Reader,
    sink: Box<dyn RecordSink<R>>,
    options: WriterOptions,
) -> io::Result<WriterHandle> {
    let end = reader.end_view();
    let progress = Progress { committed: reader.committed(), ended: false, drained: false };
    let shared = Arc::new(Shared {
        awake: AtomicBool::new(true),
        hurried: AtomicBool::new(false),
        stopping: AtomicBool::new(false),
        abandoned: AtomicBool::new(false),
        progress: Mutex::new(progress),
        changed: Condvar::new(),
    });
    let counters = Arc::clone(reader.counters());
    let pause = options.retry_min;
    let writer = Writer { reader, sink, options, counters, shared: Arc::clone(&shared), pause };
    let name = format!("write-{}", options.what);
    let join = std::thread::Builder::new().name(name).spawn(move || writer.run())?;
    let thread = join.thread().clone();
    Ok(WriterHandle { shared, thread, join: Arc::new(Mutex::new(Some(join))), end })
}

struct Writer<R> {
    reader: Reader,
    sink: Box<dyn RecordSink<R>>,
    options: WriterOptions,
    counters: Arc<Counters>,
    shared: Arc<Shared>,
    /// The next pause, should the next attempt fail.
    pause: Duration,
}

/// The thread was told to end at once.
struct Abandoned;

impl<R> Drop for Writer<R> {
    /// However the thread ends, nobody waits for it any longer.
    fn drop(&mut self) {
        self.shared.progress().ended = true;
        self.shared.changed.notify_all();
    }
}

impl<R: Record + Clone> Writer<R> {
    fn run(mut self) {
        match self.load_until_told() {
            Ok(()) => self.shared.progress().drained = true,
            Err(Abandoned) => tracing::warn!("the writer ended at its deadline; the rest stays in the journal"),
        }
    }

    fn load_until_told(&mut self) -> Result<(), Abandoned> {
        let mut batch = Vec::with_capacity(self.options.batch_size);
        loop {
            self.load(&mut batch)?;
            if batch.len() >= self.options.batch_size {
                continue;
            }
            if !batch.is_empty() {
                self.gather();
                continue;
            }
            if self.told(&self.shared.stopping) {
                // The active segment may be deleted as well, now that all of it is loaded.
                self.reader.seal_loaded();
                return self.load(&mut batch);
            }
            // From here on appends wake; one that came before is found by one more look.
            self.shared.awake.store(false, Ordering::SeqCst);
            self.load(&mut batch)?;
            if batch.is_empty() {
                std::thread::park_timeout(IDLE);
            }
            self.shared.awake.store(true, Ordering::SeqCst);
            self.gather();
        }
    }

    fn told(&self, flag: &AtomicBool) -> bool {
        flag.load(Ordering::SeqCst)
    }

    /// Lets a batch grow for its age, unless someone waits.
    fn gather(&self) {
        if !self.told(&self.shared.hurried) && !self.told(&self.shared.stopping) {
            std::thread::park_timeout(self.options.batch_age);
        }
    }

    /// Reads one batch, settles it and moves the checkpoint.
    fn load(&mut self, batch: &mut Vec<R>) -> Result<(), Abandoned> {
        batch.clear();
        while let Err(why) = self.reader.read_within(self.options.batch_size, self.options.batch_bytes, batch) {
            tracing::error!(error = %why, "the journal cannot be read");
            self.back_off()?;
        }
        self.settle(batch)?;
        self.pause = self.options.retry_min;
        if let Err(why) = self.reader.commit() {
            tracing::warn!(error = %why, "checkpoint not moved; after a crash some records would be read again");
        }
        let committed = self.reader.committed();
        let mut progress = self.shared.progress();
        if progress.committed != committed {
            progress.committed = committed;
            self.shared.changed.notify_all();
        }
        Ok(())
    }

    /// Brings every record of a batch to one of stored, duplicate and quarantined.
    fn settle(&mut self, batch: &[R]) -> Result<(), Abandoned> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut suspects = Vec::new();
        if !batch.is_empty() {
            parts.push(0..batch.len());
        }
        while let Some(range) = parts.pop() {
            let part = batch.get(range.clone()).unwrap_or_default();
            match self.store(part) {
                Ok(done) => {
                    self.count(done);
                    self.pause = self.options.retry_min;
                }
                Err(SinkError::Unavailable(why)) => {
                    let what = self.options.what;
                    tracing::warn!(error = why, records = part.len(), "database unavailable; {what} stay journaled");
                    parts.push(range);
                    self.back_off()?;
                }
                Err(SinkError::Suspect(_)) if part.len() == 1 => suspects.push(range.start),
                Err(SinkError::Rejected(why) | SinkError::Suspect(why)) => {
                    if let [poison] = part {
                        self.quarantine(poison, &why)?;
                    } else {
                        let middle = range.start + part.len() / 2;
                        parts.push(middle..range.end);
                        parts.push(range.start..middle);
                    }
                }
            }
        }
        self.settle_suspects(batch, suspects)
    }

    /// Tries records again that were not taken while others were. They wait for each other, so that many cost no more
    /// time than one.
    fn settle_suspects(&mut self, batch: &[R], mut suspects: Vec<usize>) -> Result<(), Abandoned> {
        self.pause = self.options.retry_min;
        let mut rounds = 0;
        while !suspects.is_empty() {
            self.back_off()?;
            let (mut left, mut is_away) = (Vec::new(), false);
            for at in suspects {
                let Some(record) = batch.get(at) else { continue };
                match self.store(std::slice::from_ref(record)) {
                    Ok(done) => self.count(done),
                    Err(SinkError::Rejected(why)) => self.quarantine(record, &why)?,
                    Err(SinkError::Suspect(why)) if rounds + 1 == SUSPECT_ROUNDS => self.quarantine(record, &why)?,
                    Err(SinkError::Suspect(_)) => left.push(at),
                    Err(SinkError::Unavailable(_)) => {
                        is_away = true;
                        left.push(at);
                    }
                }
            }
            suspects = left;
            // While the database is away nothing is learnt about a record.
            rounds += u32::from(!is_away);
        }
        Ok(())
    }

    fn count(&self, done: Stored) {
        add(&self.counters.stored, done.stored);
        add(&self.counters.duplicate, done.duplicate);
    }

    /// A sink that panics over a batch refuses it: the thread must outlive one poison record.
    fn store(&mut self, part: &[R]) -> Result<Stored, SinkError> {
        let done = catch_unwind(AssertUnwindSafe(|| self.sink.store(part)))
            .unwrap_or_else(|panic| Err(SinkError::Rejected(format!("the sink panicked: {}", message(&*panic)))))?;
        if done.stored + done.duplicate != part.len() as u64 {
            tracing::error!(?done, records = part.len(), "the sink's account does not add up");
        }
        Ok(done)
    }

    fn quarantine(&mut self, poison: &R, why: &str) -> Result<(), Abandoned> {
        let kept = poison.clone().without_personal_data();
        while let Err(failed) = self.reader.quarantine(why, &kept) {
            tracing::error!(error = %failed, "the quarantine cannot be written");
            self.back_off()?;
        }
        let what = self.options.what;
        tracing::error!(reason = why, "of the {what} the database refused one; it is put aside in quarantine");
        add(&self.counters.quarantined, 1);
        Ok(())
    }

    /// Sleeps before another attempt, for twice as long as before it.
    fn back_off(&mut self) -> Result<(), Abandoned> {
        if self.told(&self.shared.abandoned) {
            return Err(Abandoned);
        }
        std::thread::park_timeout(self.pause);
        self.pause = self.pause.saturating_mul(2).min(self.options.retry_max);
        if self.told(&self.shared.abandoned) { Err(Abandoned) } else { Ok(()) }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests;
