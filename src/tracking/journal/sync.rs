//! Forcing records to the disk.
//!
//! After a failed `fdatasync` the kernel may have thrown the dirty pages away and call the file clean, so a second one
//! on the same file would succeed and mean nothing. What was not synced is therefore
//! kept in memory until it is; where that fails, the segment ends and the copy is written into a fresh one.
//! The sink finds most of these records stored already and counts them as duplicates.
//!
//! Both modes that sync do it in a thread of the journal. In mode `interval` it looks every so often. In mode `always`
//! each append wakes it, and who answers waits for [`Log::poll_durable`] without a thread of its own: while one sync is
//! under way the next records are written, and all of them together wait for the next one (group commit).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use super::counters::add;
use super::format::Frames;
use super::log::{Cause, Log};
use super::storage::SegmentFile;
use super::{Position, SyncMode};

/// Most bytes of one segment that are kept for writing them again. More than an interval's worth at full speed.
const COPY_MAX: usize = 32 << 20;
/// Rounds of syncing and writing again before a failing disk is left alone until the next sync.
const ROUNDS: usize = 3;

/// How far everything is on the disk, and who waits for more.
#[derive(Default)]
pub(super) struct Durable {
    through: Position,
    /// From behind the first to the second place some records are not known to be on the disk: their syncs failed.
    failed: Option<(Position, Position)>,
    waiting: Vec<Waker>,
}

/// What a segment holds that is not known to be on the disk.
pub(super) struct Unsynced {
    pub(super) number: u64,
    pub(super) file: Arc<dyn SegmentFile>,
    copy: Frames,
    /// Records beyond what is kept.
    uncopied: u64,
    is_changed: bool,
}

impl Unsynced {
    pub(super) fn of(number: u64, file: Arc<dyn SegmentFile>) -> Self {
        Self { number, file, copy: Frames::default(), uncopied: 0, is_changed: true }
    }

    /// Notes frames that were just written.
    pub(super) fn add(&mut self, frames: &Frames, sync: SyncMode) {
        if sync == SyncMode::Os {
            return;
        }
        self.is_changed = true;
        if self.copy.bytes.len() + frames.bytes.len() > COPY_MAX {
            self.uncopied += frames.count;
            return;
        }
        self.copy.bytes.extend_from_slice(&frames.bytes);
        self.copy.count += frames.count;
    }

    /// Takes in what was written to the same segment later.
    fn absorb(&mut self, newer: &Self) {
        self.copy.bytes.extend_from_slice(&newer.copy.bytes);
        self.copy.count += newer.copy.count;
        self.uncopied += newer.uncopied;
    }

    fn take(&mut self) -> Self {
        Self {
            number: self.number,
            file: Arc::clone(&self.file),
            copy: std::mem::take(&mut self.copy),
            uncopied: std::mem::take(&mut self.uncopied),
            is_changed: std::mem::take(&mut self.is_changed),
        }
    }
}

impl Log {
    /// Whether what ends at `position`, for which somebody has waited, is on the disk.
    pub(super) fn is_on_disk(&self, position: Position) -> bool {
        let durable = self.durable();
        durable.through >= position && durable.failed.is_none_or(|(from, to)| position <= from || position > to)
    }

    /// Ready when everything up to `position` is on the disk, or its syncs have failed.
    pub(super) fn poll_durable(&self, position: Position, context: &Context<'_>) -> Poll<()> {
        let mut durable = self.durable();
        if durable.through >= position {
            return Poll::Ready(());
        }
        if !durable.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            durable.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// Forces everything written so far to the disk, and wakes all who wait: those who wait for more wait again.
    pub(super) fn sync_now(&self) {
        let _alone = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, is_synced) = self.sync_rounds();
        let mut durable = self.durable();
        if !is_synced && end > durable.through {
            let from = durable.failed.map_or(durable.through, |(from, _)| from);
            durable.failed = Some((from, end));
        }
        durable.through = durable.through.max(end);
        let waiting = std::mem::take(&mut durable.waiting);
        drop(durable);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn durable(&self) -> MutexGuard<'_, Durable> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs outside the lock of appends; answers how far it reached, and whether all of that is on the disk.
    fn sync_rounds(&self) -> (Position, bool) {
        let mut end = Position::default();
        for _ in 0..ROUNDS {
            let mut tail = self.tail();
            let mut parts = std::mem::take(&mut tail.to_sync);
            if let Some(active) = tail.active.as_mut().filter(|active| active.unsynced.is_changed) {
                if self.options.sync == SyncMode::Always {
                    self.reserve(active);
                }
                parts.push(active.unsynced.take());
            }
            let dir_changed = std::mem::take(&mut tail.dir_changed);
            end = tail.end;
            drop(tail);
            let mut is_in_dir = true;
            if dir_changed && let Err(why) = self.storage.sync_dir(&self.options.dir) {
                is_in_dir = false;
                self.tail().dir_changed = true;
                tracing::warn!(error = %why, "journal directory could not be synced; the next sync tries again");
            }
            let failed: Vec<Unsynced> = parts.into_iter().filter(|part| !self.is_synced(part)).collect();
            if failed.is_empty() {
                return (end, is_in_dir);
            }
            self.write_again(failed);
        }
        (end, false)
    }

    fn is_synced(&self, part: &Unsynced) -> bool {
        let synced = part.file.sync_data();
        if let Err(why) = &synced {
            add(&self.counters.sync_failures, 1);
            tracing::error!(segment = part.number, error = %why, records = part.copy.count,
                "journal segment could not be synced; it is left, and its records are written to a new one");
        }
        synced.is_ok()
    }

    /// Writes what could not be synced into a fresh segment.
    fn write_again(&self, failed: Vec<Unsynced>) {
        let mut tail = self.tail();
        for mut part in failed {
            // What was appended to that segment meanwhile is no safer than the rest.
            if let Some(active) = tail.active.as_mut().filter(|a| a.unsynced.number == part.number) {
                let newer = active.unsynced.take();
                part.absorb(&newer);
                self.seal(&mut tail, false);
            }
            let sealed = std::mem::take(&mut tail.to_sync);
            let (newer, others) = sealed.into_iter().partition::<Vec<_>, _>(|later| later.number == part.number);
            tail.to_sync = others;
            newer.iter().for_each(|newer| part.absorb(newer));
            if part.uncopied > 0 {
                tracing::error!(records = part.uncopied, "these records stay in the segment that could not be synced");
            }
            if part.copy.count == 0 {
                continue;
            }
            if let Err(why) = self.write_twice(&mut tail, &part.copy, Cause::Rewritten) {
                tracing::error!(error = %why, records = part.copy.count, "records could not be written again");
            }
        }
    }
}

/// The thread that syncs: apart from the writer, which may be held up by the database.
pub(super) struct Syncer {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Syncer {
    /// Syncs at least every `every`, if there is anything to sync.
    pub(super) fn start(log: Arc<Log>, every: Duration) -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopping);
        let thread = std::thread::Builder::new().name("journal-sync".into()).spawn(move || {
            while !told.load(Ordering::SeqCst) {
                std::thread::park_timeout(every);
                // After a panic the next round is tried: answers may wait for it.
                if catch_unwind(AssertUnwindSafe(|| log.sync_now())).is_err() {
                    tracing::error!("a sync of the journal panicked");
                }
            }
        })?;
        Ok(Self { stopping, thread })
    }

    /// Has the thread sync now.
    pub(super) fn wake(&self) {
        self.thread.thread().unpark();
    }

    pub(super) fn stop(self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the journal's sync thread had panicked");
        }
    }
}
