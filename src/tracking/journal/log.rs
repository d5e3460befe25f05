//! The append side: the active segment, its rotation, and what it publishes.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::budget::Budget;
use super::counters::{Counters, add};
use super::format::{Frames, HEADER_LEN, SegmentHeader};
use super::quarantine::Quarantine;
use super::segment::{SegmentState, path_of};
use super::storage::Storage;
use super::sync::Unsynced;
use super::{AppendError, Options, Position, SyncMode};
use crate::domain::time::Clock;

/// State that both sides of a journal share.
pub(super) struct Log {
    pub(super) options: Options,
    pub(super) counters: Arc<Counters>,
    pub(super) quarantine: Quarantine,
    pub(super) budget: Budget,
    clock: Arc<dyn Clock>,
    pub(super) storage: Box<dyn Storage>,
    tail: Mutex<Tail>,
    /// Segments that the reader has not begun, oldest first. Touched at rotation, never per record.
    unread: Mutex<VecDeque<Arc<SegmentState>>>,
    /// How far everything is synced. Held while syncing, so that who waits for it finds it done.
    pub(super) synced: Mutex<Position>,
    /// Held open for its lock.
    _lock: File,
}

/// What an append changes.
pub(super) struct Tail {
    pub(super) active: Option<Active>,
    next_number: u64,
    pub(super) end: Position,
    /// What sealed segments hold that is not synced yet.
    pub(super) to_sync: Vec<Unsynced>,
    pub(super) dir_changed: bool,
    /// The last append failed: its cause was logged, and is not logged again per click.
    failing: bool,
}

pub(super) struct Active {
    pub(super) state: Arc<SegmentState>,
    pub(super) unsynced: Unsynced,
}

/// What recovery found, from which a log begins.
pub(super) struct Recovered {
    pub(super) segments: Vec<SegmentState>,
    pub(super) last_number: u64,
    pub(super) end: Position,
    pub(super) used: u64,
}

/// Why records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// They are new.
    Answered,
    /// They could not be synced where they stand.
    Rewritten,
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
            budget: Budget::new(options.max_bytes, recovered.used),
            options,
            counters,
            quarantine,
            clock,
            storage,
            tail: Mutex::new(tail),
            unread: Mutex::new(recovered.segments.into_iter().map(Arc::new).collect()),
            synced: Mutex::new(Position::default()),
            _lock: lock,
        }
    }

    /// Writes frames, at the second attempt into a fresh segment. In [`SyncMode::Always`] they are on the disk
    /// when this returns.
    pub(super) fn append(&self, frames: &Frames) -> Result<Position, AppendError> {
        let mut tail = self.tail();
        // As if they needed a segment of their own, so that no header comes on top of the budget.
        if !self.budget.has_room_for(HEADER_LEN + frames.bytes.len() as u64) {
            return Err(AppendError::Full { max_bytes: self.options.max_bytes });
        }
        let position = self.write_twice(&mut tail, frames, Cause::Answered)?;
        drop(tail);
        if self.options.sync == SyncMode::Always {
            self.sync_through(position);
        }
        Ok(position)
    }

    pub(super) fn write_twice(&self, tail: &mut Tail, frames: &Frames, cause: Cause) -> Result<Position, AppendError> {
        let written = self.write(tail, frames, cause).or_else(|first| {
            // First of all: nothing may follow half a record, whatever happens next.
            self.seal(tail, true);
            if !tail.failing {
                tracing::error!(error = %first, "journal write failed; trying a fresh segment");
            }
            self.write(tail, frames, cause)
        });
        match written {
            Ok(position) => {
                if std::mem::take(&mut tail.failing) {
                    tracing::info!("journal writes succeed again");
                }
                Ok(position)
            }
            Err(second) => {
                self.seal(tail, true);
                tail.failing = true;
                Err(AppendError::Io(second))
            }
        }
    }

    /// One `write` into the active segment. An error leaves half a record behind its published end,
    /// so the caller must seal it.
    fn write(&self, tail: &mut Tail, frames: &Frames, cause: Cause) -> io::Result<Position> {
        let len = frames.bytes.len() as u64;
        let full =
            |a: &Active| a.state.end() > HEADER_LEN && a.state.end().saturating_add(len) > self.options.segment_bytes;
        if tail.active.as_ref().is_some_and(full) {
            self.seal(tail, true);
        }
        if tail.active.is_none() {
            self.begin_segment(tail)?;
        }
        let Some(active) = tail.active.as_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        let written = active.unsynced.file.write(&frames.bytes)?;
        self.budget.add(written as u64);
        if written != frames.bytes.len() {
            return Err(io::Error::new(io::ErrorKind::WriteZero, format!("{written} of {len} bytes written")));
        }
        active.unsynced.add(frames, self.options.sync);
        // Counted before they are published, so that the reader cannot settle them earlier.
        let counter = match cause {
            Cause::Answered => &self.counters.journaled,
            Cause::Rewritten => &self.counters.rewritten,
        };
        add(counter, frames.count);
        active.state.records.fetch_add(frames.count, Ordering::SeqCst);
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
        self.budget.add(HEADER_LEN);
        let state = Arc::new(SegmentState {
            number,
            created_at,
            start: HEADER_LEN,
            end: AtomicU64::new(HEADER_LEN),
            records: AtomicU64::new(0),
            sealed: AtomicBool::new(false),
        });
        self.unread().push_back(Arc::clone(&state));
        tail.active = Some(Active { state, unsynced: Unsynced::of(number, file) });
        tail.dir_changed = true;
        Ok(())
    }

    /// Ends the active segment; the next append begins a new one.
    pub(super) fn seal(&self, tail: &mut Tail, sync_later: bool) {
        let Some(active) = tail.active.take() else { return };
        if sync_later && self.options.sync != SyncMode::Os {
            tail.to_sync.push(active.unsynced);
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

    /// Deletes a segment all of whose records are in the database.
    pub(super) fn delete(&self, number: u64) {
        let path = path_of(&self.options.dir, number);
        let len = fs::metadata(&path).map_or(0, |m| m.len());
        match fs::remove_file(&path) {
            Ok(()) => self.budget.give_back(len),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => tracing::warn!(segment = number, error = %why, "loaded journal segment was not deleted"),
        }
    }

    /// Behind the last record.
    pub(super) fn end(&self) -> Position {
        self.tail().end
    }

    /// Gives a segment back that [`Self::next_unread`] gave out.
    pub(super) fn unread_again(&self, state: Arc<SegmentState>) {
        self.unread().push_front(state);
    }

    pub(super) fn next_unread(&self) -> Option<Arc<SegmentState>> {
        self.unread().pop_front()
    }

    pub(super) fn path(&self, number: u64) -> PathBuf {
        path_of(&self.options.dir, number)
    }

    // Nothing between the changes of a tail can panic but the allocator, so one that a panic left is whole.
    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
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
