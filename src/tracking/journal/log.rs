//! The append side: the active segment, its rotation, and what it publishes.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::budget::Budget;
use super::counters::{Counters, add};
use super::format::{FRAME_HEAD, Frames, HEADER_LEN, SegmentHeader};
use super::quarantine::Quarantine;
use super::segment::{SegmentState, path_of};
use super::storage::Storage;
use super::sync::{Durable, Unsynced};
use super::{AppendError, Options, Position, SyncMode};
use crate::domain::time::Clock;

/// So many zeros at most are put ahead of the records of a segment: some thousand records, so that few syncs have to
/// write metadata, and little enough that the one which does takes a few milliseconds at most.
const RESERVE: u64 = 1 << 20;

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
    /// Held while syncing.
    pub(super) syncing: Mutex<()>,
    pub(super) durable: Mutex<Durable>,
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
    /// Whether zeros can be put ahead of its records: not any more once that has failed.
    is_reservable: bool,
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
            budget: Budget::new(options.budget_key, options.max_bytes, recovered.used),
            options,
            counters,
            quarantine,
            clock,
            storage,
            tail: Mutex::new(tail),
            unread: Mutex::new(recovered.segments.into_iter().map(Arc::new).collect()),
            syncing: Mutex::new(()),
            durable: Mutex::default(),
            _lock: lock,
        }
    }

    /// Writes frames, at the second attempt into a fresh segment.
    pub(super) fn append(&self, frames: &Frames) -> Result<Position, AppendError> {
        let mut tail = self.tail();
        let len = frames.bytes.len() as u64;
        // Reserved space is paid for. What does not fit there is counted as if it needed a segment of its own, so that no
        // header comes on top of the budget.
        let is_reserved = tail.active.as_ref().is_some_and(|a| a.state.reserved() >= len + FRAME_HEAD as u64);
        if !is_reserved && !self.budget.has_room_for(HEADER_LEN + len) {
            return Err(AppendError::Full { max_bytes: self.options.max_bytes });
        }
        self.write_twice(&mut tail, frames, Cause::Answered)
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
        self.grown(&active.state, active.state.end() + written as u64);
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

    /// Notes that a segment's file has at least so many bytes.
    fn grown(&self, state: &SegmentState, len: u64) {
        let before = state.bytes.fetch_max(len, Ordering::SeqCst);
        self.budget.add(len.saturating_sub(before));
    }

    /// Puts zeros ahead of the active segment's records where few are left, as far as segment and budget allow. A sync
    /// of what is written into them has only data to write: neither the file's size nor its blocks change.
    pub(super) fn reserve(&self, active: &mut Active) {
        let len = active.state.bytes();
        // A little more than the segment may hold: zeros behind the last record tell one that was cut off from a damaged one.
        let most = self.options.segment_bytes + FRAME_HEAD as u64;
        let left = most.saturating_sub(len).min(self.budget.room());
        if !active.is_reservable || active.state.reserved() >= RESERVE / 2 || left == 0 {
            return;
        }
        match active.unsynced.file.reserve(left.min(RESERVE)) {
            Ok(len) => self.grown(&active.state, len),
            Err(why) => {
                active.is_reservable = false;
                tracing::warn!(segment = active.state.number, error = %why, "no space could be reserved in the journal's segment; its syncs take longer");
            }
        }
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
            bytes: AtomicU64::new(HEADER_LEN),
            sealed: AtomicBool::new(false),
        });
        self.unread().push_back(Arc::clone(&state));
        tail.active = Some(Active { state, unsynced: Unsynced::of(number, file), is_reservable: true });
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
    pub(super) fn delete(&self, state: &SegmentState) {
        match fs::remove_file(path_of(&self.options.dir, state.number)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(segment = state.number, error = %why, "loaded journal segment was not deleted");
            }
            _ => self.budget.give_back(state.bytes()),
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
