//! The append side: the active segment, its rotation, and what it publishes.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::counters::{Counters, add};
use super::format::{HEADER_LEN, SegmentHeader};
use super::quarantine::Quarantine;
use super::segment::{SegmentState, path_of};
use super::storage::{SegmentFile, Storage, sync_dir};
use super::{AppendError, Options, Position, SyncMode};
use crate::domain::time::Clock;

/// State that both sides of a journal share.
pub(super) struct Log {
    pub(super) options: Options,
    pub(super) counters: Arc<Counters>,
    pub(super) quarantine: Quarantine,
    clock: Arc<dyn Clock>,
    storage: Box<dyn Storage>,
    tail: Mutex<Tail>,
    /// Segments that the reader has not begun, oldest first. Touched at rotation, never per record.
    unread: Mutex<VecDeque<Arc<SegmentState>>>,
    /// Bytes of all segments on disk.
    used: AtomicU64,
    /// Held open for its lock.
    _lock: File,
}

/// What an append changes.
struct Tail {
    active: Option<Active>,
    next_number: u64,
    end: Position,
    /// Sealed segments with bytes that were not synced yet.
    to_sync: Vec<Arc<dyn SegmentFile>>,
    dir_changed: bool,
    /// The last append failed: its cause was logged, and is not logged again per click.
    failing: bool,
}

struct Active {
    file: Arc<dyn SegmentFile>,
    state: Arc<SegmentState>,
    unsynced: bool,
}

/// What recovery found, from which a log begins.
pub(super) struct Recovered {
    pub(super) segments: Vec<SegmentState>,
    pub(super) last_number: u64,
    pub(super) end: Position,
    pub(super) used: u64,
}

impl Log {
    pub(super) fn new(
        options: Options,
        counters: Arc<Counters>,
        clock: Arc<dyn Clock>,
        storage: Box<dyn Storage>,
        quarantine: Quarantine,
        lock: File,
        recovered: Recovered,
    ) -> Self {
        let tail = Tail {
            active: None,
            next_number: recovered.last_number + 1,
            end: recovered.end,
            to_sync: Vec::new(),
            dir_changed: false,
            failing: false,
        };
        Self {
            options,
            counters,
            quarantine,
            clock,
            storage,
            tail: Mutex::new(tail),
            unread: Mutex::new(recovered.segments.into_iter().map(Arc::new).collect()),
            used: AtomicU64::new(recovered.used),
            _lock: lock,
        }
    }

    /// Writes one frame, at the second attempt into a fresh segment.
    pub(super) fn append(&self, frame: &[u8]) -> Result<Position, AppendError> {
        let mut tail = self.tail();
        // As if it needed a segment of its own, so that no header comes on top of the budget.
        let needed = HEADER_LEN + frame.len() as u64;
        if self.used().saturating_add(needed) > self.options.max_bytes {
            return Err(AppendError::Full { max_bytes: self.options.max_bytes });
        }
        let written = self.write(&mut tail, frame).or_else(|first| {
            if !tail.failing {
                tracing::error!(error = %first, "journal write failed; trying a fresh segment");
            }
            self.seal(&mut tail, true);
            self.write(&mut tail, frame)
        });
        match written {
            Ok(position) => {
                if std::mem::take(&mut tail.failing) {
                    tracing::info!("journal writes succeed again");
                }
                Ok(position)
            }
            Err(second) => {
                self.seal(&mut tail, true);
                tail.failing = true;
                Err(AppendError::Io(second))
            }
        }
    }

    /// One `write` into the active segment. An error leaves half a record behind its published end,
    /// so the caller must seal it.
    fn write(&self, tail: &mut Tail, frame: &[u8]) -> io::Result<Position> {
        let len = frame.len() as u64;
        let full =
            |a: &Active| a.state.end() > HEADER_LEN && a.state.end().saturating_add(len) > self.options.segment_bytes;
        if tail.active.as_ref().is_some_and(full) {
            self.seal(tail, true);
        }
        if tail.active.is_none() {
            self.begin_segment(tail)?;
        }
        let Some(active) = tail.active.as_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        let written = active.file.write(frame)?;
        active.unsynced = true;
        self.used.fetch_add(written as u64, Ordering::Relaxed);
        if written != frame.len() {
            return Err(io::Error::new(io::ErrorKind::WriteZero, format!("{written} of {len} bytes written")));
        }
        // Counted before it is published, so that the reader cannot settle it earlier.
        add(&self.counters.journaled, 1);
        active.state.records.fetch_add(1, Ordering::SeqCst);
        let end = active.state.end.fetch_add(len, Ordering::SeqCst) + len;
        tail.end = Position { segment: active.state.number, offset: end };
        Ok(tail.end)
    }

    fn begin_segment(&self, tail: &mut Tail) -> io::Result<()> {
        let (number, created_at) = (tail.next_number, self.clock.now());
        let path = path_of(&self.options.dir, number);
        // Also when this fails: a name that cannot be made is not tried for ever.
        tail.next_number += 1;
        let file = self.storage.create(&path)?;
        let header = SegmentHeader { number, created_at }.encode();
        if file.write(&header).ok() != Some(header.len()) {
            // On a full disk every click comes here; without this each would leave a file behind.
            drop(fs::remove_file(&path));
            return Err(io::Error::new(io::ErrorKind::WriteZero, "the header of a new segment was not written"));
        }
        self.used.fetch_add(HEADER_LEN, Ordering::Relaxed);
        let state = Arc::new(SegmentState {
            number,
            created_at,
            start: HEADER_LEN,
            end: AtomicU64::new(HEADER_LEN),
            records: AtomicU64::new(0),
            sealed: AtomicBool::new(false),
        });
        self.unread().push_back(Arc::clone(&state));
        tail.active = Some(Active { file, state, unsynced: true });
        tail.dir_changed = true;
        Ok(())
    }

    /// Ends the active segment; the next append begins a new one.
    fn seal(&self, tail: &mut Tail, sync_later: bool) {
        let Some(active) = tail.active.take() else { return };
        if sync_later && active.unsynced && matches!(self.options.sync, SyncMode::Interval(_)) {
            tail.to_sync.push(active.file);
        }
        active.state.sealed.store(true, Ordering::SeqCst);
    }

    /// Ends the segment `number` if it is the active one, so that its end is final.
    pub(super) fn seal_number(&self, number: u64) {
        let mut tail = self.tail();
        if tail.active.as_ref().is_some_and(|a| a.state.number == number) {
            self.seal(&mut tail, true);
        }
    }

    /// Ends the active segment if all of it has been loaded and it is old enough, or `at_once`: loaded
    /// personal data is deleted soon even where clicks are rare (invariant 8).
    pub(super) fn seal_loaded(&self, loaded: Position, at_once: bool) {
        let mut tail = self.tail();
        let Some(active) = &tail.active else { return };
        let age_ms = self.clock.now().0.saturating_sub(active.state.created_at.0);
        let all_loaded = tail.end == loaded && loaded.segment == active.state.number;
        if all_loaded && (at_once || age_ms >= self.options.segment_age_ms) {
            // Everything in it is in the database, so there is nothing left to sync.
            self.seal(&mut tail, false);
        }
    }

    /// `fdatasync` of everything written so far, outside the lock. A failed one is not repeated on
    /// the same file, as the kernel may have dropped the dirty pages: the segment ends instead.
    pub(super) fn sync_now(&self) {
        let mut tail = self.tail();
        let sealed = std::mem::take(&mut tail.to_sync);
        let dir_changed = std::mem::take(&mut tail.dir_changed);
        let active = tail.active.as_mut().filter(|a| a.unsynced).map(|a| {
            a.unsynced = false;
            (a.state.number, Arc::clone(&a.file))
        });
        drop(tail);
        for file in sealed {
            self.sync_file(&*file);
        }
        if let Some((number, file)) = active
            && !self.sync_file(&*file)
        {
            let mut tail = self.tail();
            if tail.active.as_ref().is_some_and(|a| a.state.number == number) {
                self.seal(&mut tail, false);
            }
        }
        if dir_changed && let Err(why) = sync_dir(&self.options.dir) {
            tracing::warn!(error = %why, "journal directory could not be synced");
        }
    }

    fn sync_file(&self, file: &dyn SegmentFile) -> bool {
        let synced = file.sync_data();
        if let Err(why) = &synced {
            add(&self.counters.sync_failures, 1);
            tracing::error!(error = %why, "journal segment could not be synced; it is left and a new one begun");
        }
        synced.is_ok()
    }

    /// Deletes a segment all of whose records are in the database.
    pub(super) fn delete(&self, number: u64) {
        let path = path_of(&self.options.dir, number);
        let len = fs::metadata(&path).map_or(0, |m| m.len());
        match fs::remove_file(&path) {
            Ok(()) => self.forget(len),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => tracing::warn!(segment = number, error = %why, "loaded journal segment was not deleted"),
        }
    }

    /// Gives `len` bytes back to the budget.
    pub(super) fn forget(&self, len: u64) {
        self.used.fetch_sub(len, Ordering::Relaxed);
    }

    /// Bytes of all segments on disk.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Behind the last record.
    pub(super) fn end(&self) -> Position {
        self.tail().end
    }

    pub(super) fn next_unread(&self) -> Option<Arc<SegmentState>> {
        self.unread().pop_front()
    }

    pub(super) fn path(&self, number: u64) -> PathBuf {
        path_of(&self.options.dir, number)
    }

    // A panic while a lock is held would have to come from the allocator; the state is whole even then.
    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unread(&self) -> MutexGuard<'_, VecDeque<Arc<SegmentState>>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Log {
    /// Gives the reader a segment once more.
    pub(super) fn requeue(&self, state: SegmentState) {
        self.unread().push_back(Arc::new(state));
    }
}
